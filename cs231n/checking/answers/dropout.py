"""Dropout: its definition, what makes a mask plausible, and what goes wrong."""

from collections.abc import Callable
from math import erf

import numpy as np

from cs231n.checking.answers.primitives import Answers, Explanation, Predict, table, upstream_ignored
from cs231n.checking.compare import Diagnosis, allclose, check_shape_and_dtype, join_names
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = ["ANSWERS"]

FORWARD = "the docstring of dropout_forward"
SCALE = "notebook 3, section 5"
NOT_FINITE = "Check dropout_forward first: its out is NaN or infinite, so what uses it cannot be checked."
MASKED = ("out", "out_of_other_seed", "out_unseeded", "out_unseeded_again")


def dropout_mask_of(out: np.ndarray) -> np.ndarray:
    """Where dropout let entries through: a choice that the definition leaves free."""
    return np.asarray(out) != 0


def _of_shape(x: np.ndarray, outputs: Arrays, name: str) -> np.ndarray:
    """An array that dropout gave, or ones where it has another shape than x, which is said elsewhere."""
    return outputs[name] if np.shape(outputs[name]) == x.shape else np.ones_like(x)


def forward_expected(i: Inputs, outputs: Arrays) -> Arrays:
    drawn = {name: dropout_mask_of(_of_shape(i["x"], outputs, name)) * i["x"] / i["p"] for name in MASKED}
    return {**drawn, "out_again": _of_shape(i["x"], outputs, "out"), "out_in_test": i["x"]}


def backward_expected(i: Inputs, outputs: Arrays) -> Arrays:
    """The gradient by the mask of the learner's own forward; in mode "test" dout itself is right too."""
    x, names = i["x"], ("out", "out_in_test", "out_of_ones")
    own = {name: _of_shape(x, outputs, name) for name in names}

    def gradient(out: np.ndarray) -> np.ndarray:
        slope = np.where(x != 0, out / np.where(x != 0, x, 1), own["out_of_ones"])  # linear, entry by entry
        return np.prod([slope, i["dout"]], axis=0)

    in_test = i["dout"]
    if not allclose(outputs["dx_in_test"], in_test):
        in_test = np.where(x == 0, _of_shape(x, outputs, "dx_in_test"), gradient(own["out_in_test"]))
    return {"dx": gradient(own["out"]), "dx_in_test": in_test, **own}


def adopt(expected_of: Callable[[Inputs, Arrays], Arrays]) -> Callable[[Inputs, Arrays, Arrays], Arrays]:
    """Answers.adopt_choices: all arrays follow from the masks."""

    def adopt_masks(i: Inputs, outputs: Arrays, expected: Arrays) -> Arrays:
        drawn = [name for name in expected if name.startswith("out") and name != "out_in_test"]
        if any(np.shape(outputs.get(name, 0)) != i["x"].shape for name in drawn):
            return expected
        return {**expected, "out": np.asarray(outputs["out"]), **expected_of(i, outputs)}

    return adopt_masks


def check_forward(i: Inputs, outputs: Arrays) -> Diagnosis | None:
    """Check that the forward's mask lets something be said of the backward: it keeps some and drops some."""
    for name in ("out", "out_of_ones"):
        if np.shape(outputs[name]) != i["x"].shape:
            return check_shape_and_dtype(name, outputs[name], i["x"])
    if not np.array_equal(outputs["out"] != 0, (outputs["out_of_ones"] != 0) & (i["x"] != 0)):
        sentence = (
            "Check dropout_forward first: one seed gives two different masks, so this backward cannot be "
            "checked."
        )
        return Diagnosis("another-forward", sentence, FORWARD, "")
    if not np.isfinite(outputs["out"]).all():
        return Diagnosis("another-forward", NOT_FINITE, FORWARD, "")
    share = dropout_mask_of(outputs["out_of_ones"]).mean()
    if 0.05 < share < 0.95:
        return None
    sentence = (
        f"Check dropout_forward first: it keeps {share:.0%} of the entries, so this backward cannot be "
        "checked."
    )
    return Diagnosis("another-forward", sentence, SCALE, "")


def check_masks(i: Inputs, outputs: Arrays) -> Diagnosis | None:
    """Check that a dropout mask is plausible: entries kept independently, with probability p.

    Any such mask is accepted.
    """
    x, p, out = i["x"], i["p"], np.asarray(outputs["out"])
    if out.shape != x.shape:
        return check_shape_and_dtype("out", out, x)
    if not np.isfinite(out).all():
        return Diagnosis("not-finite", "out is NaN or infinite: a mask is 0 or one fixed number.", SCALE, "")
    mask = dropout_mask_of(out)
    factors = np.asarray(out, float)[mask] / x[mask]
    if factors.size and np.ptp(factors) > 1e-6 * np.abs(factors).max():
        worst = f"out / x lies between {factors.min():.3g} and {factors.max():.3g} where it is not 0"
        return Diagnosis(
            "mask-of-many-values",
            "the kept entries are multiplied by different numbers: each entry of a mask is 0 or one fixed "
            "number, and the random numbers only decide which of the two.",
            SCALE,
            worst,
        )
    share, tolerance = mask.mean(), 6 * np.sqrt(p * (1 - p) / mask.size)  # 6 deviations: one seed in 10^8
    lines = (
        {}
        if x.ndim == 1
        else {"row": (mask.all(axis=1) | ~mask.any(axis=1)).all(), "column": (mask == mask[0]).all()}
    )
    if mask.all():
        kind, sentence = "nothing-dropped", "no entry is dropped in mode 'train'."
    elif any(lines.values()):
        line = max(lines, key=lambda name: lines[name])
        kind = "mask-by-line"
        sentence = f"each {line} is kept or dropped as a whole; each entry should have its own chance."
    elif abs(share - (1 - p)) <= tolerance:
        kind = "p-is-kept"
        sentence = "p is used as the probability to drop an entry; here it is the probability to keep it."
    elif abs(share - 0.5 * (1 + erf(p / 2**0.5))) <= tolerance < abs(share - p):
        kind = "normal-for-uniform"
        sentence = (
            "the mask compares normal random numbers, as from randn, with p; they should be uniform, from 0 "
            "to 1."
        )
    elif abs(share - p) > tolerance:
        kind, sentence = "share-kept", "the share of kept entries is not p."
    elif "out_again" in outputs and not np.array_equal(mask, dropout_mask_of(outputs["out_again"])):
        sentence = "one seed gives two different masks; a gradient check needs the same mask at each call."
        differ = (mask != dropout_mask_of(outputs["out_again"])).sum()
        worst = f"out: {differ} of {mask.size} entries are kept in one call and dropped in the next"
        return Diagnosis("seed-ignored", sentence, FORWARD, worst)
    else:
        return _check_mask_independence(p, outputs)
    worst = f"out: {share:.1%} of {mask.size} entries kept, expected about {p:.0%}"
    return Diagnosis(kind, sentence, SCALE, worst)


def _check_mask_independence(p: float, outputs: Arrays) -> Diagnosis | None:
    """What is wrong with two masks that must not depend on each other; None if nothing is."""
    for first, second, words in [
        ("out", "out_of_other_seed", "another seed gives"),
        ("out_unseeded", "out_unseeded_again", "two calls without a seed give"),
    ]:
        if second not in outputs:
            continue
        both = dropout_mask_of(outputs[first]) & dropout_mask_of(outputs[second])
        if abs(both.mean() - p * p) > 6 * p * np.sqrt((1 - p * p) / both.size):
            sentence = f"{words} nearly or exactly the same mask; only the same seed may give the same mask."
            worst = f"{join_names([second])}: {both.mean():.0%} of {both.size} entries are kept by both masks"
            return Diagnosis("one-mask", sentence, FORWARD, f"{worst}, expected about {p * p:.0%}")
    return None


def _rescaled(factor: Callable[[float], float]) -> Predict:
    return lambda i, e: {name: factor(i["p"]) * value for name, value in e.items() if name in MASKED}


# fmt: off
DROPOUT_FORWARD = table(
    SCALE,
    ("not-rescaled", "the kept entries are not rescaled: the mean of each entry must stay the same.",
     _rescaled(lambda p: p)),
    ("rescaled-the-wrong-way",
     "the kept entries are made smaller: there are fewer of them, so they must become larger.",
     _rescaled(lambda p: p**2)),
    ("p-is-kept",
     "the kept entries are rescaled by 1 - p; p is the probability to keep.",
     _rescaled(lambda p: p / (1 - p))),
    ("rescaled-twice", "the kept entries are rescaled twice.", _rescaled(lambda p: 1 / p)),
    ("rescaled-at-test", "mode 'test' rescales: with inverted dropout it is the identity.",
     lambda i, e: {"out_in_test": i["x"] * i["p"]}, lambda i, e: {"out_in_test": i["x"] / i["p"]}),
    ("dropped-at-test", "mode 'test' drops entries: there it is the identity.",
     lambda i, e: {"out_in_test": e["out"]}),
)

DROPOUT_BACKWARD = [
    *table(
        SCALE,
        ("not-rescaled",
         "dout is multiplied by the mask but not by the scale; the forward multiplies by both.",
         lambda i, e: {"dx": e["dx"] * i["p"]}),
        ("mask-missing",
         "dout passes unchanged: a dropped entry has no influence on out, so its gradient is 0.",
         lambda i, e: {"dx": i["dout"]}),
        ("mask-missing",
         "dout is rescaled but not masked: a dropped entry has no influence on out, so its gradient is 0.",
         lambda i, e: {"dx": i["dout"] / i["p"]}),
        ("mask-inverted",
         "the mask is inverted: dout passes where the forward dropped an entry, and not where it kept one.",
         lambda i, e: {"dx": i["dout"] / i["p"] - e["dx"]},
         lambda i, e: {"dx": i["dout"] - e["dx"] * i["p"]}),
        ("mask-from-the-output",
         "the gradient is lost where x is exactly 0: the mask is taken from the output, which is 0 there "
         "too.",
         lambda i, e: {"dx": e["dx"] * (i["x"] != 0)}),
        ("rescaled-twice", "dout is rescaled twice: the mask may contain the scale already.",
         lambda i, e: {"dx": e["dx"] / i["p"]}),
        ("rescaled-the-wrong-way",
         "dout is made smaller; it should become larger, as the kept entries did in the forward.",
         lambda i, e: {"dx": e["dx"] * i["p"] ** 2}),
        ("rescaled-at-test", "mode 'test' rescales the gradient: the forward is the identity there.",
         lambda i, e: {"dx_in_test": i["dout"] * i["p"]}, lambda i, e: {"dx_in_test": i["dout"] / i["p"]}),
        ("dropped-at-test", "mode 'test' drops part of the gradient: the forward is the identity there.",
         lambda i, e: {"dx_in_test": e["dx"]}),
    ),
    *table(
        "notebook 1, section 1",
        ("value-for-slope",
         "dout is multiplied by the output of the forward; the chain rule needs its slope.",
         lambda i, e: {"dx": e["dx"] * i["x"]}),
    ),
    *upstream_ignored(lambda i, e: {"dx": e["dx"] / i["dout"]}),
]
# fmt: on


def explain_dx(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
    """Answers.explain of the backward: whether dx has a mask of its own."""
    actual, scale = outputs[name], np.max(np.abs(expected / i["dout"]))
    kept = actual != 0
    if name != "dx" or not np.allclose(actual[kept], (scale * i["dout"])[kept]):
        return None
    return (
        "another-mask",
        "the gradient uses another mask than the forward: the mask is drawn once, in the forward, and kept "
        "in "
        "the cache.",
        SCALE,
    )


ANSWERS = {
    "dropout_forward": Answers(
        forward_expected, DROPOUT_FORWARD, check_masks=check_masks, adopt_choices=adopt(forward_expected)
    ),
    "dropout_backward": Answers(
        backward_expected,
        DROPOUT_BACKWARD,
        explain_dx,
        check_masks=check_forward,
        adopt_choices=adopt(backward_expected),
    ),
}
