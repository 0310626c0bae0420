"""Diagnose wrong arrays: compare them with what each known misconception gives."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from cs231n.checking import answers
from cs231n.checking.answers.primitives import Answers, Explanation, Misconception
from cs231n.checking.compare import (
    ATOL,
    Diagnosis,
    allclose,
    check_shape_and_dtype,
    describe_worst_entry,
    join_names,
    mismatches,
)
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import advice_on

__all__ = ["Diagnosis", "diagnose", "find_notes"]

SHOWN_REASONS = 3
RETURNED = (
    "loss",
    "ddout",
    "dx",
    "dw",
    "db",
    "dgamma",
    "dbeta",
)  # what one call gives, in the order of its exercise


def diagnose(name: str, inputs: Inputs, outputs: Arrays, expected: Arrays) -> Diagnosis | None:
    """Compare what a function gave with what was expected.

    It works on arrays alone and runs no learner's code, so a grader may call it on what another process sent.

    Args:
        name: of an exercise.
        inputs: of problems.make_problem.
        outputs: arrays as problems.run returns them.
        expected: the right ones. What follows from a random mask of dropout is taken from the masks in
            `outputs` instead. Arrays that are only notes are left to `find_notes`.

    Returns:
        None if all agree. If several arrays are wrong for several reasons, the sentence names each, and kind
        is the first.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise, known = require_exercise(name), answers.for_(name)
    expected = {array: right for array, right in expected.items() if not exercise.is_note(array)}
    if fault := _check_order(outputs, expected):
        return fault
    for array, right in expected.items():
        if fault := check_shape_and_dtype(array, outputs.get(array), right):
            return _match_shapes(known, inputs, outputs, expected, fault)
    if known.check_masks and (fault := known.check_masks(inputs, outputs)):
        return fault
    if known.adopt_choices:
        expected = known.adopt_choices(inputs, outputs, expected)
    actual = {array: np.asarray(outputs[array]) for array in expected}
    expected = {array: np.asarray(right, np.float64) for array, right in expected.items()}
    wrong = [array for array in expected if not allclose(actual[array], expected[array])]
    primary = [array for array in wrong if not exercise.is_secondary(array)]
    if not wrong:
        return None
    diagnosis = _compose_diagnosis(exercise, known, inputs, actual, expected, primary or wrong)
    is_known = diagnosis.kind in {row.kind for row in known.misconceptions}
    if "not_repeated" in wrong and not is_known:  # what an earlier call left explains the rest
        return _compose_diagnosis(exercise, known, inputs, actual, expected, ["not_repeated"])
    return diagnosis


def find_notes(name: str, inputs: Inputs, outputs: Arrays, expected: Arrays) -> dict[str, str]:
    """{kind: sentence} for each further demand of the kit that is not met; arguments as for `diagnose`.

    No sentence holds a number of the outputs, so a grader may show it for a hidden problem.
    """
    with np.errstate(all="ignore"):
        return answers.for_(name).notes(inputs, outputs, expected)


def _check_order(outputs: Arrays, expected: Arrays) -> Diagnosis | None:
    """Whether the values that one function returns have the right shapes, in another order."""
    names = [name for name in expected if name in RETURNED and name in outputs]
    shapes = [np.shape(outputs[name]) for name in names]
    right = [np.shape(expected[name]) for name in names]
    if shapes == right or sorted(shapes) != sorted(right):
        return None
    worst = next(place for place in range(len(names)) if shapes[place] != right[place])
    return Diagnosis(
        "order",
        f"the values are returned in the wrong order; it should be {', '.join(names)}.",
        "",
        f"{names[worst]}: got shape {shapes[worst]}, expected {right[worst]}",
    )


def _match_shapes(
    known: Answers, inputs: Inputs, outputs: Arrays, expected: Arrays, fault: Diagnosis
) -> Diagnosis:
    """`fault`, or the misconception that gives every wrong shape and every array that it predicts."""

    def misshapen(arrays: Arrays) -> list[str]:
        return [n for n, right in expected.items() if np.shape(arrays.get(n, right)) != np.shape(right)]

    wrong = misshapen(outputs)
    for row in known.misconceptions if wrong and outputs.keys() >= expected.keys() else ():
        with np.errstate(all="ignore"):
            predicted = {n: value for n, value in row.arrays(inputs, expected).items() if n in expected}
            spoiled = [n for n, value in predicted.items() if not allclose(value, expected[n])]
            if misshapen(predicted) == wrong and all(allclose(outputs[n], predicted[n]) for n in predicted):
                return Diagnosis(row.kind, f"{join_names(spoiled)}: {row.sentence}", row.source, fault.worst)
    return fault


def _compose_diagnosis(
    exercise: Exercise, known: Answers, inputs: Inputs, actual: Arrays, expected: Arrays, wrong: list[str]
) -> Diagnosis:
    with np.errstate(all="ignore"):
        named = _match_misconceptions(exercise, known, inputs, actual, expected, wrong)
        explanations: dict[str, Explanation] = {
            array: named.get(array)
            or _describe_unmatched(exercise, known, inputs, array, actual, expected[array])
            for array in wrong
        }
    wrong = sorted(wrong, key=lambda array: explanations[array][0] == "unknown")  # what is known comes first
    explanations = {array: explanations[array] for array in wrong}
    arrays_by_reason: dict[tuple[str, str], list[str]] = {}
    for array, (_, sentence, source) in explanations.items():
        arrays_by_reason.setdefault((sentence, source), []).append(array)
    reasons = list(arrays_by_reason.items())
    shown = [(f"{join_names(arrays)}: {text}", source) for (text, source), arrays in reasons[:SHOWN_REASONS]]
    if rest := [array for _, arrays in reasons[SHOWN_REASONS:] for array in arrays]:
        shown.append((f"{join_names(rest)}: wrong too.", shown[0][1]))
    sources = dict.fromkeys(source for (_, source), _ in reasons[:SHOWN_REASONS] if source)
    kinds = [kind for kind, _, _ in explanations.values()]
    return Diagnosis(
        next((kind for kind in kinds if kind != "unknown"), "unknown"),
        " ".join(sentence for sentence, _ in shown),
        "; ".join(sources),
        ""
        if wrong[0] in ("params_written", "written_later", "not_repeated")
        else describe_worst_entry(wrong[0], actual[wrong[0]], expected[wrong[0]]),
        certain={*kinds} <= {row.kind for row in known.misconceptions},
        reasons=tuple(shown),
    )


def _match_misconceptions(
    exercise: Exercise, known: Answers, inputs: Inputs, actual: Arrays, expected: Arrays, wrong: list[str]
) -> dict[str, Explanation]:
    """{a wrong array: (kind, sentence, source)} from as few misconceptions as it takes.

    A misconception counts only if each array that it would spoil is as it says, or right, of those that are
    computed together: it may be in one line of two. Of two that fit, the one that spoils no other array
    counts.
    """
    content: list[object] = []
    for name, value in [*inputs.items(), *expected.items()]:
        content += name, np.shape(value), np.round(np.asarray(value, float), 6).tobytes()
    predictions = _prediction_cache(exercise.name, *content)
    groups = {_group_of(name) for name in wrong}
    names_by_size = sorted(actual, key=lambda name: expected[name].size)  # small ones refute at less cost
    matches: list[tuple[Misconception, list[str], int]] = []  # with the number of arrays that it would spoil
    for number, row in enumerate(known.misconceptions):
        if number not in predictions:
            predictions[number] = dict(row.predict(inputs, expected))
        predicted = predictions[number]
        spoiled, refuted = list[str](), set[tuple[str, str]]()
        for name in names_by_size:
            if name not in predicted or _group_of(name) in refuted:
                continue
            value = predicted[name]
            if callable(value):
                if _group_of(name) not in groups:
                    continue
                value = predicted[name] = value()
            if allclose(value, expected[name]):
                continue
            spoiled.append(name)
            if not (allclose(actual[name], value) or allclose(actual[name], expected[name])):
                refuted.add(_group_of(name))
        hits = [name for name in wrong if name in spoiled and _group_of(name) not in refuted]
        if hits:
            matches.append((row, hits, len(spoiled)))
        if len(hits) == len(wrong) == len(spoiled):
            break
    explanations: dict[str, Explanation] = {}
    for row, hits, _ in sorted(matches, key=lambda match: (-len(match[1]), match[2])):
        for name in hits:
            explanations.setdefault(name, (row.kind, row.sentence, row.source))
    return explanations


def _group_of(name: str) -> tuple[str, str]:
    """Which arrays come from the same lines of code: a mistake in one of them shows in the others."""
    net, _, array = name.rpartition(".")
    if re.fullmatch(r"(W|b|gamma|beta)\d+", array):
        return net, "gradients"
    if array in ("scores", *RETURNED) or array.endswith("_test"):
        return net, array
    return net, ""


@lru_cache(64)  # a class is tried on the same problems, and what misconceptions give there stays the same
def _prediction_cache(name: str, *content: object) -> dict[int, dict[str, Any]]:
    """The predictions for one problem, by the number of the misconception; the caller fills it."""
    return {}


def _describe_unmatched(
    exercise: Exercise, known: Answers, inputs: Inputs, name: str, outputs: Arrays, expected: np.ndarray
) -> Explanation:
    """What can be said of an array that no misconception of its exercise gives."""
    explain, actual = known.explain or (lambda *_: None), outputs[name]
    if not np.isfinite(actual).all():
        sentence = (
            "it is NaN or infinite: look for a division by zero, a log of 0, a root or log of a negative "
            "number, or an exp that overflows."
        )
        return explain(inputs, name, outputs, expected) or ("not-finite", sentence, "")
    for kind, sentence, predicted in _in_any_array(expected):
        if allclose(actual, predicted):
            return kind, sentence, ""
    if explanation := explain(inputs, name, outputs, expected):
        return explanation
    for key, value in inputs.items():
        if np.shape(value) == expected.shape != () and np.array_equal(
            mismatches(actual, expected), value == 0
        ):
            sentence = (
                f"it is wrong where {key} is exactly 0, and right elsewhere: what does your code do there?"
            )
            return "off-where-zero", sentence, ""
    if expected.ndim == 0:
        ratio, difference = actual / expected, actual - expected
        return (
            "unknown",
            f"no known mistake fits; result / right value = {ratio:.6g}, the difference is {difference:.6g}.",
            "",
        )
    advice = advice_on(actual, expected, mismatches(actual, expected), ATOL)
    if advice.startswith("check one step") and exercise.forward is None:
        advice = "no known mistake fits, and no simple pattern: compute one entry by hand, step by step."
    elif advice.startswith("the error is the same in every row") and name == "out":
        advice = "the error is the same in every row: look at what is added to every row, such as a bias."
    return "unknown", advice, ""


def _in_any_array(expected: np.ndarray) -> Iterable[tuple[str, str, np.ndarray]]:
    """(kind, sentence, what it would be then) of what may happen to one array of any exercise."""
    yield "zero", "every entry is zero: is the result assigned, and returned?", 0 * expected
    yield "sign", "only the sign is wrong.", -expected
    for n in sorted({n for n in (*expected.shape, expected.size) if n > 2}):
        yield (
            "sum-for-mean",
            f"it is too large by a factor of exactly {n}, a size of the array: there is a sum in place of a "
            "mean, or a division is missing.",
            n * expected,
        )
        yield (
            "mean-for-sum",
            f"it is too small by a factor of exactly {n}, a size of the array: there is a mean in place of a "
            "sum, or one division too many.",
            expected / n,
        )
    yield (
        "fraction-lost",
        "the part behind the decimal point is lost, as by int, // or an integer dtype.",
        np.trunc(expected),
    )
    yield (
        "twice",
        "it is twice what it should be: something is counted twice, or a factor 1/2 is missing.",
        2 * expected,
    )
    half = "it is half of what it should be: a factor of 2 is missing, as from the slope of a square."
    yield "half", half, expected / 2
