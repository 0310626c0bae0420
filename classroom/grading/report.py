"""What the grader writes: results.json and a page for each student, grades.csv and a page for the class."""

import csv
import functools
import io
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import jinja2

from classroom.grading.gradebook import format_gradebook, plain_cell
from classroom.grading.result import ExerciseResult, is_optional, sanitize
from classroom.grading.roster import Person, Roster
from classroom.grading.statistics import MIN_STUDENTS, summarize
from classroom.grading.submission import Submission
from classroom.grading.word_marks import MARKS_FILE, WordMark, answer_digest, is_words, unmarked
from classroom.grading.words import QuestionInWords, StudentWords
from classroom.manifest import Exercise, total_points
from classroom.sandbox.process import missing_walls
from cs231n.common.files import REPOSITORY, atomic_write
from cs231n.common.pictures import draw_or_warn, literal_text

if TYPE_CHECKING:
    from classroom.grading.similar import Comparison

__all__ = [
    "Row",
    "format_line",
    "make_results",
    "read_student",
    "write_answers",
    "write_class",
    "write_gradebook",
    "write_similarity",
    "write_student",
]

TEMPLATES = Path(__file__).with_name("templates")
STYLE = REPOSITORY / "cs231n" / "pages" / "templates" / "style.css"
KINDS = {
    "right": "right",
    "not-implemented": "not implemented",
    "waits": "needs another exercise",
    "raised": "raises an error",
    "no-import": "file cannot be imported",
    "missing": "file missing or unreadable",
    "timed-out": "no answer in time",
    "crashed": "process ended",
    "another-forward": "its forward is wrong",
    "another-layer": "calls a wrong layer",
    "unknown": "wrong, cause unknown",
}
ABSENT = ("not-implemented", "waits", "missing", "no-import")  # nothing there that could be wrong
COLORS = {
    "right": "#1b7837",
    "not-implemented": "0.94",
    "waits": "0.82",
    "missing": "0.7",
    "no-import": "0.57",
    "raised": "#d62728",
    "timed-out": "#a9744f",
    "crashed": "#4d2a22",
    "unknown": "#ff7f0e",
    "other": "0.4",
}
PALETTE = ("#1f77b4", "#e377c2", "#f2d13c", "#6a3d9a", "#22d3e0", "#8a0a4f", "#a6bdf5", "#12206b")
LINE_BREAK = re.compile(r"(?<=\S)\n(?=[^\s\-*|])")  # within a paragraph of Markdown
MAX_COLORED = len(PALETTE)  # kinds of mistakes with a color in one picture; the others share one
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


class Cause(NamedTuple):
    """Why exercises are not right, for several students."""

    exercises: str
    kind: str
    num_students: int
    text: str  # as one of them reads it


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
        "execution_time": round(seconds),  # whole: to sleep tells little of a hidden problem
        "output": "\n".join(lines),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {  # for read_student, write_class and write_answers
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
    page = _render("student.html.j2", results=results, unmarked=unmarked(results))
    _write(folder / "index.html", page)
    _write(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")


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
    _write(out / "gradebook.csv", format_gradebook(roster, column, marked, points))


def write_class(
    out: Path,
    rows: Sequence[Row],
    exercises: Sequence[Exercise],
    has_answers: bool = False,
    words: Mapping[str, float] = {},
    changes: Sequence[tuple[str, str, str]] = (),
    moves: Sequence[tuple[tuple[str, str, str], int]] = (),
) -> None:
    """Write grades.csv, class.png and index.html.

    Args:
        out: the folder.
        rows: of the students, in the order of the table.
        exercises: all of them.
        has_answers: whether there is a page of `write_answers` to link to.
        words: {number of a question in words: its points}, for those that have points.
        changes: (student, score before, score now) of those whose score is not that of the last run.
        moves: ((exercise, kind before, kind now), number of students) of those who handed in again.
    """
    marked = [row.results for row in rows if row.results is not None]
    _write(out / "grades.csv", _format_grades(rows, exercises, words))
    kinds = [Counter(results["tests"][i]["tags"][0] for results in marked) for i in range(len(exercises))]
    picture = out / "class.png"
    has_picture = bool(marked) and draw_or_warn(
        lambda: _draw(picture, [f"{e.number} {e.title}" for e in exercises], kinds),
        "grade",
        picture,
        "grades.csv",
    )
    extra = [results["extra_data"] for results in marked]
    levels = Counter((data["sandbox"], data["missing_walls"]) for data in extra)
    mistakes, absent = _group_causes(rows)
    points = total_points(exercises, words)
    num_unmarked = [len(unmarked(results)) for results in marked]
    page = _render(
        "class.html.j2",
        rows=rows,
        marked=len(marked),
        has_picture=has_picture,
        points=points,
        summary=summarize(marked, points) if marked else None,
        min_students=MIN_STUDENTS,
        causes=[("What is wrong, most frequent first", mistakes), ("What is missing", absent)],
        exercises=exercises,
        describe_kind=describe_kind,
        address=lambda name: quote(os.fsencode(name)),
        mean=sum(results["score"] for results in marked) / max(1, len(marked)),
        has_answers=has_answers,
        changes=changes,
        moves=moves,
        has_words=bool(words),
        has_lateness=any(data.get("lateness", {}).get("lost") for data in extra),
        num_unmarked=sum(num_unmarked),
        num_waiting=sum(map(bool, num_unmarked)),
        canary=CANARY,
        levels=[(describe_sandbox(*level), count) for level, count in sorted(levels.items())],
    )
    _write(out / "index.html", page)


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
    page = _render(
        "answers.html.j2",
        answers=answers,
        faults=faults,
        has_points=bool(points),
        marks_file=MARKS_FILE,
        plain_cell=plain_cell,
        markdown=_inline_markdown,
        sanitize=sanitize,
    )
    _write(out / "answers.html", page)


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
    _write(out / "similarity.csv", text.getvalue())
    page = _render("similarity.html.j2", **comparison._asdict(), sanitize=sanitize)
    _write(out / "similarity.html", page)


def _format_grades(rows: Sequence[Row], exercises: Sequence[Exercise], words: Mapping[str, float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = {str(exercise.number): f"{exercise.number} {exercise.title}" for exercise in exercises}
    columns |= {question: f"Question {question}" for question in words}
    titles = ["student", "score", "points", *columns.values(), "handed in", "lost by lateness", "declaration"]
    writer.writerow([*titles, "sandbox", "note"])
    for row in rows:
        if row.results is None:
            cells = ["", "", *[""] * len(columns), "", "", "", "", plain_cell(row.error or "")]
        else:
            extra, later = row.results["extra_data"], unmarked(row.results)
            scores = {test["number"]: "" if test in later else test["score"] for test in row.results["tests"]}
            note = plain_cell(" ".join(row.results["output"].splitlines()[:-1]))
            lateness = extra.get("lateness", {})
            cells = [row.results["score"], extra["points"], *[scores.get(number, "") for number in columns]]
            cells += [lateness.get("handed_in", ""), lateness.get("lost") or ""]
            cells += [plain_cell(extra.get("declaration", "")), extra["sandbox"], note]
        writer.writerow([plain_cell(row.student), *cells])
    return text.getvalue()


def _group_causes(rows: Sequence[Row]) -> tuple[list[Cause], list[Cause]]:
    """What is wrong, then what is absent, the most frequent first.

    Exercises about which the same students read the same are one row.
    """
    texts: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        for test in row.results["tests"] if row.results else ():
            is_left_out = is_optional(test) and test["tags"][0] in ABSENT
            if test["tags"][0] != "right" and not is_words(test) and not is_left_out:
                texts.setdefault((test["name"], test["tags"][0]), []).append((row.student, test["output"]))
    names: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for (name, kind), outputs in texts.items():
        names.setdefault((kind, tuple(outputs)), []).append(name)
    groups = sorted(names.items(), key=lambda item: (-len(item[0][1]), int(item[1][0].split()[0])))
    causes = [
        Cause(_join_exercises(group), kind, len(outputs), outputs[0][1]) for (kind, outputs), group in groups
    ]
    mistakes = [cause for cause in causes if cause.kind not in ABSENT]
    return mistakes, [cause for cause in causes if cause.kind in ABSENT]


def _join_exercises(names: Sequence[str]) -> str:
    """One name as it is; of several the numbers, "exercises 1 to 3, 6 and 7"."""
    if len(names) == 1:
        return names[0]
    spans: list[list[int]] = []
    for number in sorted(int(name.split()[0]) for name in names):
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    words = [
        word
        for first, *last in spans
        for word in ([f"{first} to {last[0]}"] if last and last[0] > first + 1 else map(str, [first, *last]))
    ]
    *others, end = words
    return f"exercises {', '.join(others)} and {end}" if others else f"exercises {end}"


def describe_kind(kind: str) -> str:
    """The kind of a result, for a person."""
    return KINDS.get(kind, kind.replace("-", " "))


def _draw(path: Path, names: Sequence[str], kinds: Sequence[Counter[str]]) -> None:
    """A bar for each exercise: right at the left, then mistakes, frequent ones first, then what is absent."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    total: Counter[str] = Counter()
    for counts in kinds:
        total.update(counts)
    wrong = [kind for kind, _ in total.most_common() if kind != "right" and kind not in ABSENT]
    order = ["right", *wrong[:MAX_COLORED], "other", *ABSENT]
    colors = dict(zip([kind for kind in wrong if kind not in COLORS], PALETTE)) | COLORS
    figure = Figure(figsize=(6.4, 1.8 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    names, left = [literal_text(name, 40) for name in names], [0] * len(names)
    for kind in order:
        members = wrong[MAX_COLORED:] if kind == "other" else [kind]
        widths = [sum(counts[member] for member in members) for counts in kinds]
        if sum(widths):
            color, label = colors[kind], describe_kind(kind)
            axes.barh(names, widths, 0.8, left, color=color, edgecolor="white", linewidth=0.5, label=label)
            left = [a + b for a, b in zip(left, widths)]
    axes.invert_yaxis()
    axes.set(xlabel="students", xlim=(0, max(left)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=200)


def _inline_markdown(text: str) -> jinja2.utils.markupsafe.Markup:
    """Code and bold words of a question of a notebook as HTML; all else as it is."""
    escaped = str(jinja2.utils.markupsafe.escape(LINE_BREAK.sub(" ", text)))
    escaped = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\*\*([^*\n]+)\*\*", r"<strong>\1</strong>", escaped)
    return jinja2.utils.markupsafe.Markup(escaped)


@functools.cache
def _templates() -> jinja2.Environment:
    loader = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loader.tests["words"] = is_words
    loader.tests["optional"] = is_optional
    return loader


def _render(template: str, **values: Any) -> str:
    style = jinja2.utils.markupsafe.Markup(STYLE.read_text(encoding="utf-8"))
    return _templates().get_template(template).render(style=style, **values)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
