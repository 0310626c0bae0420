"""Compare a run with the last one: scores with those of grades.csv, and mistakes."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from classroom.grading.gradebook import plain_cell
from classroom.grading.report import Row
from classroom.grading.roster import read_table

__all__ = ["Change", "Move", "find_changes", "find_moves", "read_scores"]


class Change(NamedTuple):
    """A student whose score is not what it was."""

    student: str  # as in grades.csv
    before: str
    now: str


class Move(NamedTuple):
    """An exercise of a student that is judged otherwise than in an earlier run."""

    exercise: str  # as results.json names it
    before: str  # the kind: "right", "mean-held-fixed", ...
    now: str


def read_scores(out: Path) -> dict[str, str] | None:
    """{student: score} of grades.csv; None if there was no run, or the file was changed beyond reading."""
    try:
        header, *rows = read_table(out / "grades.csv").rows
        student, score = header.index("student"), header.index("score")
        return {row[student]: _describe(row[score]) for row in rows if row}
    except (OSError, ValueError, IndexError, csv.Error):
        return None


def find_changes(
    before: dict[str, str] | None, rows: Iterable[Row], untouched: Iterable[str]
) -> list[Change]:
    """Compare the scores of two runs.

    Args:
        before: of `read_scores`.
        rows: of this run.
        untouched: students without a row who are in the class all the same.
    """
    if before is None:
        return []
    now = {plain_cell(row.student): _describe(row.results["score"] if row.results else "") for row in rows}
    gone = before.keys() - now.keys() - {plain_cell(student) for student in untouched}
    changes = [Change(student, before.get(student, "new"), score) for student, score in now.items()]
    changes += [Change(student, score, "gone") for student, score in before.items() if student in gone]
    return [change for change in changes if change.before != change.now]


def find_moves(before: dict[str, Any] | None, now: dict[str, Any]) -> Iterator[Move]:
    """Compare the results of a student in two runs; before is None if there are no earlier ones."""
    kinds = {test["name"]: test["tags"][0] for test in before["tests"]} if before else {}
    for test in now["tests"]:
        name, kind = test["name"], test["tags"][0]
        if kinds.get(name, kind) != kind:
            yield Move(name, kinds[name], kind)


def _describe(score: str | float) -> str:
    return f"{float(score):g}" if score != "" else "not marked"
