"""What the marks of a class say about the class, and about the exercises."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from classroom.grading.word_marks import unmarked

__all__ = ["ClassStatistics", "Item", "summarize"]

NUM_BINS = 10
MIN_STUDENTS = 10  # for a correlation: of fewer, chance makes any


class Item(NamedTuple):
    """One exercise."""

    name: str
    num_right: int
    difficulty: float | None  # the mean share of its points; None if it has none
    discrimination: (
        float | None
    )  # the correlation of its points with those of the others; None if there is none


class ClassStatistics(NamedTuple):
    """Of all students who were marked."""

    median: float
    quartiles: tuple[float, float]
    bins: list[tuple[str, int]]  # (points, students)
    items: list[Item]


def summarize(marked: Sequence[dict[str, Any]], points: float) -> ClassStatistics:
    """The statistics of a class.

    Args:
        marked: the content of results.json of each student, at least one.
        points: of all exercises.
    """
    scores = [results["score"] for results in marked]
    counts = [0] * NUM_BINS
    for score in scores:
        counts[min(NUM_BINS - 1, int(NUM_BINS * score / points + 1e-9)) if points else 0] += 1
    edges = [points * i / NUM_BINS for i in range(NUM_BINS + 1)]
    labels = [f"{low:g} to below {high:g}" for low, high in zip(edges, edges[1:])]
    labels[-1] = f"{edges[-2]:g} or more" if max(scores) > points else f"{edges[-2]:g} to {points:g}"
    lower, _, upper = statistics.quantiles(
        scores * 2 if len(scores) == 1 else scores, n=4, method="inclusive"
    )
    # Of a question in words only when all answers to it are marked.
    later = {test["name"] for results in marked for test in unmarked(results)}
    sums = [sum(test["score"] for test in results["tests"]) for results in marked]
    items = [
        _item([results["tests"][i] for results in marked], sums)
        for i, test in enumerate(marked[0]["tests"])
        if test["name"] not in later
    ]
    return ClassStatistics(statistics.median(scores), (lower, upper), list(zip(labels, counts)), items)


def _item(tests: Sequence[dict[str, Any]], scores: Sequence[float]) -> Item:
    own = [test["score"] for test in tests]
    # Rounded, so that the last digits of sums are no differences between students.
    others = [round(score - mine, 6) for score, mine in zip(scores, own)]
    discrimination = None
    if len(tests) >= MIN_STUDENTS and len(set(own)) > 1 and len(set(others)) > 1:
        discrimination = statistics.correlation(own, others)
    max_score = tests[0]["max_score"]
    difficulty = statistics.fmean(own) / max_score if max_score else None
    num_right = sum(test["status"] == "passed" for test in tests)
    return Item(tests[0]["name"], num_right, difficulty, discrimination)
