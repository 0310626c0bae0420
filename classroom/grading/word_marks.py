"""Points for answers in words: typed into the page of answers, saved as marks.csv, read by the next run."""

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from classroom.grading.gradebook import plain_cell
from classroom.grading.result import is_optional, sanitize
from classroom.grading.roster import read_table
from classroom.grading.words import QuestionInWords, StudentWords
from classroom.manifest import ManifestError, suggest

__all__ = [
    "MARKS_FILE",
    "WordMark",
    "add_word_points",
    "answer_digest",
    "ask_only_for",
    "is_words",
    "read_marks",
    "unmarked",
]

MARKS_FILE = "marks.csv"
COLUMNS = ("student", "question", "points")  # and "answer", which may be missing
UNMARKED = "not marked yet"


class WordMark(NamedTuple):
    """A row of marks.csv."""

    points: float
    answer: str  # the digest of the answer that was marked; "": whatever it was


def answer_digest(text: str) -> str:
    """A short digest of an answer, so that no mark is that of another text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def ask_only_for(questions: list[QuestionInWords], points: Mapping[str, float]) -> list[QuestionInWords]:
    """The questions with points; all of them if none has any.

    Raises:
        ManifestError: there are points for a question that is not asked.
    """
    numbers = [question.number for question in questions]
    for number in points:
        if number not in numbers:
            raise ManifestError(f"no question in words has the number {number}{suggest(number, numbers)}")
    return [question for question in questions if question.number in points or not points]


def read_marks(
    out: Path, students: Collection[str], points: Mapping[str, float]
) -> dict[str, dict[str, WordMark]]:
    """Read marks.csv.

    Args:
        out: the folder that may hold it.
        students: the class.
        points: {number of a question: its points}.

    Returns:
        {student: {number of a question: mark}}, for every student.

    Raises:
        OSError, ValueError: it cannot be read, or a row is not as it should be; the message names the row.
    """
    marks: dict[str, dict[str, WordMark]] = {student: {} for student in students}
    path = out / MARKS_FILE
    if not path.is_file():
        return marks
    table = read_table(path).rows
    header = [cell.strip().lower() for cell in table[0]] if table else []
    if not {*COLUMNS} <= {*header}:
        raise ValueError(
            f"grade: {path} needs the columns {', '.join(COLUMNS)}; try: Save marks on the page of answers"
        )
    by_cell: dict[str, list[str]] = {}
    for student in students:
        by_cell.setdefault(plain_cell(student).strip(), []).append(student)
    for line, row in enumerate(table[1:], start=2):
        cells = dict(zip(header, [cell.strip() for cell in row]))
        name, question, number = (cells.get(column, "") for column in COLUMNS)
        if not any(cells.values()) or not number:
            continue
        where = f"grade: {path.name}, row {line}"
        if any(row[len(header) :]):  # 2,5 without quotes is two cells
            raise ValueError(f'{where}: it has more cells than the first row; try: "2,5" in quotes, or 2.5')
        owners = by_cell.get(name, [])
        if len(owners) != 1:
            raise ValueError(
                f"{where}: {len(owners)} students are called {sanitize(name, 80)!r}{suggest(name, by_cell)}"
            )
        if question not in points:
            with_points = suggest(question, points) or "; try: points for it in the manifest, under words"
            raise ValueError(f"{where}: question {sanitize(question, 20)!r} has no points{with_points}")
        if not re.fullmatch(r"\d+([.,]\d+)?", number) or float(number.replace(",", ".")) > points[question]:
            raise ValueError(
                f"{where}: {sanitize(name, 80)} has {sanitize(number, 20)} points for question {question}; "
                f"try: a number from 0 to {points[question]:g}"
            )
        mark = WordMark(float(number.replace(",", ".")), cells.get("answer", ""))
        if marks[owners[0]].setdefault(question, mark) != mark:
            raise ValueError(
                f"{where}: {sanitize(name, 80)} has different points for question {question} above; "
                "try: delete one of the two rows"
            )
    return marks


def add_word_points(
    results: dict[str, Any],
    points: Mapping[str, float],
    words: StudentWords,
    marks: Mapping[str, WordMark],
) -> dict[str, Any]:
    """Results with an entry for each question in words, in place of those of an earlier run.

    An answer without a mark has no points yet, and is not marked; no answer has 0.
    """
    tests = [test for test in results["tests"] if not is_words(test)]
    for question, max_score in points.items():
        mark, answer = marks.get(question), words.answers.get(question, "")
        is_of_answer = mark is not None and mark.answer in ("", answer_digest(answer))
        score, text = 0.0, "Not answered."
        if mark is not None and is_of_answer:
            score, text = mark.points, "Marked by hand."
        elif answer:
            text = "Not marked yet: the answer has changed." if mark else "Not marked yet."
        tests.append(
            {
                "name": f"Question {question}",
                "number": question,
                "score": score,
                "max_score": max_score,
                "status": "passed" if score == max_score else "failed",
                "output": text,
                "output_format": "text",
                "visibility": "visible",
                "tags": ["words", *[UNMARKED] * text.startswith("Not marked")],
            }
        )
    return results | {
        "tests": tests,
        "score": round(sum(test["score"] for test in tests), 2),
        "extra_data": results["extra_data"]
        | {"points": sum(test["max_score"] for test in tests if not is_optional(test))},
    }


def is_words(test: Mapping[str, Any]) -> bool:
    """Whether an entry of results.json is a question in words."""
    return "words" in test["tags"]


def unmarked(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of results.json that are still to be marked by hand."""
    return [test for test in results["tests"] if UNMARKED in test["tags"]]
