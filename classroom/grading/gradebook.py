"""gradebook.csv: the marks in the shape that Canvas or Moodle imports, and cells that no spreadsheet runs."""

import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from classroom.grading.result import is_optional, sanitize
from classroom.grading.roster import Person, Roster

__all__ = ["find_grade_column", "format_gradebook", "plain_cell"]

# Of a Canvas gradebook, the columns that say who it is; its import goes by ID.
CANVAS_COLUMNS = (
    "Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account",
    "Section",
)  # fmt: skip
CANVAS_ASSIGNMENT = re.compile(r"(?P<title>.+) \(\d+\)")
# Of Moodle's worksheet: its import wants Identifier, Grade and Last modified (grade).
MOODLE_COLUMNS = ("Identifier", "Full name", "Grade", "Last modified (grade)", "Feedback comments")
# A formula at the start of a cell, whichever of these signs the spreadsheet takes for the end of a cell.
FORMULA = re.compile(r"(^|[,;|\t])([\s\"']*)(?=[=+\-@＝＋－＠].)")
MAX_CELL_CHARS = 2000
MAX_FEEDBACK_CHARS = 30_000  # a spreadsheet's cell takes 32,767; no exercise's text has more than 1,000


def plain_cell(text: str, max_chars: int = MAX_CELL_CHARS) -> str:
    """Text that no spreadsheet takes for a formula and no terminal for an order: a student wrote it."""
    return FORMULA.sub(r"\1\2'", sanitize(text, max_chars))


def find_grade_column(roster: Roster, column: str | None, points: float) -> str:
    """The column of the gradebook that gets the marks; "" if the roster is of no known system.

    Args:
        roster: as it was exported.
        column: of a Canvas gradebook, the title of the assignment with or without its number.
        points: of all exercises.

    Raises:
        ValueError: there is no such column, or it has other points.
    """
    if roster.system == "moodle":
        missing = {"Grade", "Last modified (grade)"} - {*roster.header}
        if missing:
            raise ValueError(
                f"grade: the worksheet has no column {' and no '.join(sorted(missing))}, and Moodle imports "
                "none without it; try: set Moodle to English, and download the grading worksheet again"
            )
        found, limits = "Grade", {person.cells.get("Maximum Grade", "") for person in roster.people}
    elif roster.system == "canvas":
        assignments = [name for name in roster.header if CANVAS_ASSIGNMENT.fullmatch(name)]
        fitting = [name for name in assignments if column in (None, name, name.rpartition(" (")[0])]
        if len(fitting) != 1:
            known = sanitize("; ".join(fitting or assignments) or "no assignment")
            raise ValueError(
                f"grade: --column must name one assignment of the gradebook, which has {known}; "
                "try: its title with the number"
            )
        found, limits = fitting[0], {roster.points_possible.get(fitting[0], "")}
    else:
        return ""
    for limit in limits - {""}:
        if not re.fullmatch(r"\d+([.,]\d+)?", limit) or float(limit.replace(",", ".")) != points:
            raise ValueError(
                f"grade: {found} has {sanitize(limit)} points, and the exercises have {points:g}; "
                f"try: give the assignment {points:g} points, and export it again"
            )
    return found


def format_gradebook(
    roster: Roster, column: str, marked: Sequence[tuple[Person, Mapping[str, Any]]], points: float
) -> str:
    """The CSV to import: those who were marked, and nobody else, so that no other mark changes.

    Args:
        roster: as it was exported.
        column: of `find_grade_column`.
        marked: the people, each with the content of results.json.
        points: of all exercises.
    """
    is_canvas = roster.system == "canvas"
    columns = [name for name in (CANVAS_COLUMNS if is_canvas else MOODLE_COLUMNS) if name in roster.header]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=roster.separator, lineterminator="\n")
    writer.writerow(columns + [column] * is_canvas)
    if is_canvas:
        writer.writerow(["    Points Possible", *[""] * (len(columns) - 1), f"{points:g}"])
    for person, results in marked:
        new = {column: str(results["score"]), "Feedback comments": _feedback(results)}
        cells = {**person.cells, **new}
        row = [plain_cell(cells[name], MAX_FEEDBACK_CHARS) for name in columns + [column] * is_canvas]
        writer.writerow(row)
    return text.getvalue()


def _feedback(results: Mapping[str, Any]) -> str:
    """What is not all right, as the HTML that Moodle's comments are."""
    lines = [
        f"{test['name']}: {test['score']:g} of {test['max_score']:g}. {test['output']}"
        for test in results["tests"]
        if test["score"] < test["max_score"] and not (is_optional(test) and not test["score"])
    ]
    lateness = results["extra_data"].get("lateness", {})
    lines = [*lateness.get("lines", []), *lines] if lateness.get("lost") else lines
    return "<br>".join(html.escape(line, quote=False) for line in lines) or "All right."
