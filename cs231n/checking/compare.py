"""Compare arrays, with the same tolerance in the check and in the grader, and describe a difference."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "ATOL",
    "RTOL",
    "Diagnosis",
    "allclose",
    "check_shape_and_dtype",
    "describe_worst_entry",
    "join_names",
    "join_words",
    "mismatches",
]

SHOWN_NAMES = 4
# Arrays that have another name in a learner's code: (that name, when).
IN_WORDS = {
    "loss_of_large": ("loss", " for scores near 1000"),
    "out_in_test": ("out", ' in mode "test"'),
    "running_mean_after_test": ("running_mean", ' after mode "test"'),
    "running_var_after_test": ("running_var", ' after mode "test"'),
    "out_again": ("out", " with the same seed again"),
    "out_of_other_seed": ("out", " with another seed"),
    "out_unseeded": ("out", " without a seed"),
    "out_unseeded_again": ("out", " without a seed, second call"),
    "dx_in_test": ("dx", ' in mode "test"'),
    "params_written": ("params", ""),
    "written_later": ("arguments", ""),
    "not_repeated": ("results", ""),
    "initial": ("params", " of __init__"),
    "out_of_ones": ("out", " for x of ones"),
    "first_w": ("next_w", " of the first step"),
}
RTOL, ATOL = 1e-6, 1e-8  # as in gradient_check, for float64


class Diagnosis(NamedTuple):
    """What is wrong with the arrays of an exercise."""

    kind: str  # of the misconception; or "unknown", "shape", "dtype", "not-finite", "missing"
    sentence: str  # what is wrong, as an idea; never what to write
    source: str  # where the idea is explained; empty if nothing is known
    worst: str  # which array, how many of its entries, and the worst of them; empty if there is no number
    certain: bool = True  # False: a wrong array is only described, and no known misconception gives it
    reasons: tuple[tuple[str, str], ...] = ()  # (sentence, source) of each, if there are several

    def __str__(self) -> str:
        source = f" See {self.source}." if self.source else ""
        return f"{self.sentence}{source}" + (f" {self.worst}." if self.worst else "")


def mismatches(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two arrays of the same shape differ, as an array of bool.

    Entries are equal up to RTOL of the expected entry plus ATOL of the largest finite expected entry, or of
    1e-3 if that is larger, so that an array of zeros has a tolerance. NaN and infinities equal themselves.
    """
    actual, expected = np.asarray(actual), np.asarray(expected, np.float64)
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=1e-3)
    with np.errstate(all="ignore"):
        # As np.isclose, which takes three times as long on a small array.
        is_close = (abs(actual - expected) <= ATOL * largest + RTOL * abs(expected)) & np.isfinite(expected)
        return ~(is_close | (actual == expected) | (np.isnan(actual) & np.isnan(expected)))


def allclose(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays have the same shape and no entry of `mismatches`. Their dtypes may differ."""
    return np.shape(actual) == np.shape(expected) and not mismatches(actual, expected).any()


def check_shape_and_dtype(name: str, actual: np.ndarray | None, expected: np.ndarray) -> Diagnosis | None:
    """What is wrong with an array before its values are compared; None if nothing is.

    Args:
        name: of the array.
        actual: what a function gave, or None if it gave nothing.
        expected: an array of the right shape; it is float64 unless it is a scalar, whose dtype is free.
    """
    array, name = name, join_names([name])
    if actual is None:
        return Diagnosis("missing", f"{name} is missing.", "", f"{name} is not there")
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        kind, hint = "shape", "print its shape after each line, and compare it with the docstring"
        if array.startswith("d") or "grads[" in name:
            hint = "a gradient has the shape of its array, as dx that of x"
        if actual.shape[::-1] == expected.shape and actual.ndim > 1:
            kind, hint = "transposed", "it is transposed, or the two factors of a product are swapped"
        elif actual.ndim == expected.ndim == 1:
            hint = "it seems to be summed along the wrong axis"
        elif actual.size == expected.size:
            hint = "it has the right number of entries, in another shape"
        elif actual.ndim < expected.ndim:
            hint = "your code sums over an axis that should stay"
        elif actual.ndim > expected.ndim:
            hint = "your code should sum over one more axis"
        shapes = f"{name}: got shape {actual.shape}, expected {expected.shape}"
        return Diagnosis(kind, f"{name} has the wrong shape: {hint}.", "", shapes)
    if expected.ndim and actual.dtype == bool:
        unused = "dout is not used: multiply it by the slope"
        if not re.fullmatch("d(x|w|b|gamma|beta)(_in_test)?", array):
            unused = "a comparison gives no numbers"
        return Diagnosis(
            "dtype", f"{name} holds True and False; {unused}.", "", f"{name}: got bool, expected float64"
        )
    if expected.ndim and actual.dtype != np.float64:
        sentence = (
            f"{name} is {actual.dtype} although the inputs are float64: an array is cast, or made with "
            "another dtype."
        )
        return Diagnosis("dtype", sentence, "", f"{name}: got {actual.dtype}, expected float64")
    return None


def join_words(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def join_names(names: Sequence[str]) -> str:
    """The first few names of arrays as a learner knows them: 'scores, grads["W1"] of the plain net'."""
    by_ending: dict[str, list[str]] = {}
    for name in names[:SHOWN_NAMES]:
        word, ending = _in_words(name)
        by_ending.setdefault(ending, []).append(word)
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(", ".join(words) + ending for ending, words in by_ending.items()) + more


def _in_words(name: str) -> tuple[str, str]:
    if name in IN_WORDS:
        return IN_WORDS[name]
    net, _, array = name.rpartition(".")  # of a net of FullyConnectedNet, or of TwoLayerNet
    if array.startswith("mask"):
        return f"mask {array[4:]}", " of dropout"
    word = f'grads["{array}"]' if re.fullmatch(r"(W|b|gamma|beta)\d+", array) else array
    kind = net.replace("+", " and ")
    return word, net and (" of the plain net" if net == "plain" else f" of the net with {kind}")


def describe_worst_entry(name: str, actual: np.ndarray, expected: np.ndarray) -> str:
    """How many entries are wrong, and the one that is off most, with its ratio where that means something."""
    actual, expected, name = np.asarray(actual), np.asarray(expected), join_names([name])
    wrong = mismatches(actual, expected)
    with np.errstate(all="ignore"):
        distance = np.where(np.isfinite(actual), np.abs(actual - expected), np.inf)
    index = np.unravel_index(np.argmax(np.where(wrong, distance, -1)), expected.shape)
    got, right = actual[index] + 0.0, expected[index] + 0.0  # no -0
    digits = 4 if f"{got:.4g}" != f"{right:.4g}" else 10  # so that the two look different
    ratio = f", ratio {got / right + 0.0:.{digits}g}" if abs(right) > ATOL and np.isfinite(got) else ""
    numbers = f"got {got:.{digits}g}, expected {right:.{digits}g}{ratio}"
    if not expected.ndim:
        return f"{name}: {numbers}"
    place = ", ".join(str(int(i)) for i in index)
    return f"{name}: {wrong.sum()} of {expected.size} entries are wrong; the worst is at ({place}): {numbers}"
