"""What the grader writes about students, answers and similar code; class_report.py writes about the class."""

import csv
import functools
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2

from classroom.grading.gradebook import format_gradebook, plain_cell
from classroom.grading.result import ExerciseResult, is_optional, sanitize
from classroom.grading.roster import Person, Roster
from classroom.grading.submission import Submission
from classroom.grading.word_marks import MARKS_FILE, WordMark, answer_digest, is_words, unmarked
from classroom.grading.words import QuestionInWords, StudentWords
from classroom.manifest import Exercise, total_points
from classroom.sandbox.process import missing_walls
from cs231n.common.files import REPOSITORY, atomic_write

if TYPE_CHECKING:
    from classroom.grading.similar import Comparison

__all__ = [
    "CANARY",
    "Row",
    "describe_sandbox",
    "format_line",
    "make_results",
    "read_student",
    "write_answers",
    "write_gradebook",
    "write_page",
    "write_similarity",
    "write_student",
    "write_text",
]

TEMPLATES = Path(__file__).with_name("templates")
STYLE = REPOSITORY / "cs231n" / "pages" / "templates" / "style.css"
LINE_BREAK = re.compile(r"(?<=\S)\n(?=[^\s\-*|])")  # within a paragraph of Markdown
SANDBOXES = {
    "bubblewrap": "bubblewrap: no network, no files except its own, limits",
    "limits": "limits only (--unsafe): names of files and numbers of processes could be read",
}

CANARY = "Before that, the kit's own solutions got all points there, and a blank submission none."


class Row(NamedTuple):
    """A student, with results or with the reason why there are none."""

    student: str
    results: dict[str, Any] | None
    error: str | None


def make_results(
    submission: Submission,
    results: Mapping[int, ExerciseResult],
    exercises: Sequence[Exercise],
    level: str,
    seconds: float,
) -> dict[str, Any]:
    """The content of results.json of one student, in the shape that Gradescope reads.

    Args:
        submission: as it was read.
        results: {number of an exercise: its result}.
        exercises: all of them.
        level: of the sandbox.
        seconds: that the marking took.
    """
    tests = [_test(exercise, results[exercise.number]) for exercise in exercises]
    lines = [
        *map(sanitize, [*submission.faults.values(), *submission.notes]),
        f"Sandbox: {describe_sandbox(level, missing_walls(level))}. {CANARY}",
    ]
    return {
        "score": round(sum(test["score"] for test in tests), 2),
        "execution_time": round(seconds),  # in whole seconds: code that sleeps could tell of a hidden problem
        "output": "\n".join(lines),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {  # for read_student, write_answers and class_report.py
            "words": submission.words._asdict(),
            "declaration": sanitize(submission.declaration),
            "points": total_points(exercises),
            "sandbox": level,
            "missing_walls": missing_walls(level),
        },
    }


def describe_sandbox(level: str, missing: str) -> str:
    """A level in words, with what missing_walls gave for it."""
    return "; ".join(filter(None, [SANDBOXES[level], missing]))


def _test(exercise: Exercise, result: ExerciseResult) -> dict[str, Any]:
    text = " ".join([result.text or "Right.", *(f"Also: {note}" for note in result.notes)])
    if exercise.optional:
        text = f"Optional. {text}"
    if result.reference_used_for:
        titles = ", ".join(result.reference_used_for)
        text += f" (Marked with the reference's {titles}, because yours is not right yet.)"
    return {
        "name": f"{exercise.number} {exercise.title}",
        "number": str(exercise.number),
        "score": round(exercise.points * result.share, 2),
        "max_score": exercise.points,
        "status": "passed" if result.is_right else "failed",
        "output": text,
        "output_format": "text",
        "visibility": "visible",
        "tags": [result.kind],
        "extra_data": {
            "kind": result.kind,
            "followed": list(result.reference_used_for),
            "optional": exercise.optional,
        },
    }


def write_student(folder: Path, results: dict[str, Any]) -> None:
    """Write the page of a student, then results.json: where that is, the page is too."""
    folder.mkdir(parents=True, exist_ok=True)
    write_page(folder / "index.html", "student.html.j2", results=results, unmarked=unmarked(results))
    write_text(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")


def read_student(folder: Path) -> dict[str, Any] | None:
    """The results in a folder; None if there are none, or they are torn."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return results if results["extra_data"]["student"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def format_line(row: Row) -> str:
    """A student in one line of a terminal."""
    name = f"  {sanitize(row.student, 40):<40}"
    if row.results is None:
        return f"{name}  not marked, because {sanitize(row.error or '')}"[:110]
    tests = [test for test in row.results["tests"] if not is_words(test) and not is_optional(test)]
    passed = sum(test["status"] == "passed" for test in tests)
    score, points = row.results["score"], row.results["extra_data"]["points"]
    return f"{name}{score:>8.2f} of {points:g}   {passed} of {len(tests)} right"


def write_gradebook(
    out: Path, roster: Roster, column: str, people: Mapping[str, Person], rows: Sequence[Row], points: float
) -> None:
    """Write gradebook.csv of those who are all marked; `people`, by names of rows, are on the roster."""
    marked = [
        (people[row.student], row.results)
        for row in rows
        if row.results is not None and row.student in people and not unmarked(row.results)
    ]
    write_text(out / "gradebook.csv", format_gradebook(roster, column, marked, points))


def write_answers(
    out: Path,
    questions: Sequence[QuestionInWords],
    students: Mapping[str, StudentWords],
    points: Mapping[str, float] = {},
    marks: Mapping[str, Mapping[str, WordMark]] = {},
) -> None:
    """Write answers.html: each question in words, its model answer, and what each student answered.

    Args:
        out: the folder.
        questions: in the order of the page.
        students: {name: answers}, in the order of the page.
        points: {number of a question: its points}; a question with points has a field for each answer.
        marks: of `read_marks`.
    """
    answers = []
    for question in questions:
        fields, missing = [], []
        for name, words in students.items():
            mark, text = marks.get(name, {}).get(question.number), words.answers.get(question.number, "")
            if not text and not mark:
                missing.append(name)
                continue
            digest = answer_digest(text)
            is_of_answer = mark is not None and mark.answer in ("", digest)
            value = f"{mark.points:g}" if mark is not None and is_of_answer else ""
            fields.append(
                (name, text or "Not answered.", digest, value, mark is not None and not is_of_answer)
            )
        answers.append((question, points.get(question.number), fields, missing))
    faults = [(name, fault) for name, words in students.items() for fault in words.faults]
    write_page(
        out / "answers.html",
        "answers.html.j2",
        answers=answers,
        faults=faults,
        has_points=bool(points),
        marks_file=MARKS_FILE,
        plain_cell=plain_cell,
        markdown=_inline_markdown,
        sanitize=sanitize,
    )


def write_similarity(out: Path, comparison: "Comparison") -> None:
    """Write similarity.html and similarity.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "other student", "share", "other share", "where"])
    for pair in comparison.pairs:
        cells = [*pair.students, *(f"{share:.2f}" for share in pair.shares), pair.labels]
        writer.writerow(map(plain_cell, cells))
    for copy in comparison.copies:
        writer.writerow(
            [plain_cell(copy.student), "(the kit's definitions)", f"{copy.share:.2f}", "", copy.file]
        )
    write_text(out / "similarity.csv", text.getvalue())
    page = out / "similarity.html"
    write_page(page, "similarity.html.j2", **comparison._asdict(), sanitize=sanitize)


def _inline_markdown(text: str) -> jinja2.utils.markupsafe.Markup:
    """Code and bold words of a question of a notebook as HTML; all else as it is."""
    escaped = str(jinja2.utils.markupsafe.escape(LINE_BREAK.sub(" ", text)))
    escaped = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\*\*([^*\n]+)\*\*", r"<strong>\1</strong>", escaped)
    return jinja2.utils.markupsafe.Markup(escaped)


@functools.cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests["words"] = is_words
    templates.tests["optional"] = is_optional
    return templates


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a template of the folder templates, filled with values."""
    style = jinja2.utils.markupsafe.Markup(STYLE.read_text(encoding="utf-8"))
    write_text(path, _templates().get_template(template).render(style=style, **values))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; a name of a student may hold what is no UTF-8."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
