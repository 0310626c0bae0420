"""A gradient of a normalization that no misconception gives: which of its three paths is off, and by what."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from cs231n.checking.answers.norm_backward import by_nodes, in_closed_form
from cs231n.checking.answers.norm_definition import norm_paths, variance_of
from cs231n.checking.answers.primitives import Explanation
from cs231n.checking.compare import allclose
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = ["describe_factor", "explain_by_nodes", "explain_dx"]

PATHS = (  # from x to the output, with the equation of notebook 2
    ("direct", "the direct path", 8),
    ("mean", "the path through the mean", 13),
    ("variance", "the path through the variance", 11),
)


def explain_dx(
    rows: bool, closed_form: bool = False
) -> Callable[[Inputs, str, Arrays, np.ndarray], Explanation | None]:
    """Answers.explain: dx as a sum of its three paths, each with a factor for every column (or row)."""

    def explain(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
        actual = outputs[name]
        if name != "dx" or not np.isfinite(actual).all():
            return None
        turn = np.transpose if rows else np.asarray
        yours, paths = turn(actual), [turn(path) for path in norm_paths(i, rows)]
        columns = zip(*(path.T for path in paths), yours.T)
        solved = [np.linalg.lstsq(np.stack(path, axis=1), y, rcond=None)[0] for *path, y in columns]
        factors = np.stack(solved, axis=1)
        if not allclose(sum(factor * path for factor, path in zip(factors, paths)), yours):
            return None
        t = turn(i["x"])
        deviation = (variance_of(t) + i["eps"]) ** 0.5
        parts, off = [], {}
        for (path, words, equation), factor in zip(PATHS, factors):
            fault = describe_factor(factor, len(t), deviation, 1.0 if rows else i["gamma"])
            parts.append(f"{words} {fault}")
            if fault != "is right":
                off[path] = f"({equation})"
        if not off:  # the layer's gradient as defined, behind a forward that is not
            return None
        kind = "several-paths" if len(off) > 1 else f"{next(iter(off))}-path"
        terms = in_closed_form(*(path in off for path, *_ in PATHS)) if closed_form else ""
        return kind, "; ".join(parts) + "." + terms, f"notebook 2, equation {', '.join(off.values())}"

    return explain


def explain_by_nodes(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
    """Answers.explain of batchnorm_backward."""
    explanation = explain_dx(rows=False)(i, name, outputs, expected)
    if explanation is None:
        return None
    kind, sentence, source = explanation
    return kind, sentence, by_nodes(source)


def describe_factor(factor: np.ndarray, n: int, deviation: np.ndarray, gamma: Any) -> str:
    """What is wrong with a path of this factor: as few of the usual slips as explain it."""
    if np.abs(factor).max() < 1e-6:
        return "is missing"
    slips: list[dict[int, tuple[Any, str]]] = [
        {0: (1, ""), 1: (-1, "has the wrong sign")},
        {0: (1, ""), -1: (1 / gamma, "lacks gamma"), 1: (gamma, "has gamma twice")},
        {
            0: (1, ""),
            1: (n, "lacks its 1/N"),
            -1: (1 / n, "has 1/N twice"),
            2: (n / (n - 1), "is divided by N - 1 in place of N"),
        },
        {
            0: (1, ""),
            1: (deviation, "lacks a 1/s"),
            2: (deviation**2, "lacks 1/s^2"),
            3: (deviation**3, "lacks 1/s^3"),
            -1: (1 / deviation, "has one 1/s too many"),
            -2: (deviation**-2, "has 1/s^2 too many"),
        },
        {0: (1, ""), 1: (2, "is twice too large"), -1: (0.5, "is half of what it should be")},
    ]
    for choice in sorted(product(*slips), key=lambda choice: sum(k != 0 for k in choice)):
        value = np.prod(np.broadcast_arrays(*(slip[k][0] for slip, k in zip(slips, choice))), axis=0)
        if np.allclose(factor, value, rtol=1e-5, atol=1e-6):
            return " and ".join(slip[k][1] for slip, k in zip(slips, choice) if k) or "is right"
    if np.ptp(factor) < 1e-5:
        return f"is off by a factor of {factor[0]:.4g}"
    return "is off by no constant factor"
