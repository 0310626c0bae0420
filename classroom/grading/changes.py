"""What a run changed: scores against those in grades.csv of the last run."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from classroom.grading.gradebook import plain_cell
from classroom.grading.report import Row
from classroom.grading.roster import read_table

__all__ = ["Change", "find_changes", "read_scores"]


class Change(NamedTuple):
    """A student whose score is not what it was."""

    student: str  # as in grades.csv
    before: str
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


def _describe(score: str | float) -> str:
    return f"{float(score):g}" if score != "" else "not marked"
