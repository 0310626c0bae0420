"""What the grader writes about a class: grades.csv, class.png and index.html."""

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from classroom.grading.gradebook import plain_cell
from classroom.grading.report import CANARY, Row, describe_sandbox, write_page, write_text
from classroom.grading.result import is_optional
from classroom.grading.statistics import MIN_STUDENTS, summarize
from classroom.grading.word_marks import is_words, unmarked
from classroom.manifest import Exercise, total_points
from cs231n.common.files import atomic_write
from cs231n.common.pictures import draw_or_warn, literal_text

__all__ = ["write_class"]

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
# Of kinds of mistakes, the most frequent first; the others share one colour.
PALETTE = ("#1f77b4", "#e377c2", "#f2d13c", "#6a3d9a", "#22d3e0", "#8a0a4f", "#a6bdf5", "#12206b")


class Cause(NamedTuple):
    """Why exercises are not right, for several students."""

    exercises: str
    kind: str
    num_students: int
    text: str  # as one of them reads it


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
    write_text(out / "grades.csv", _format_grades(rows, exercises, words))
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
    write_page(
        out / "index.html",
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
    words: list[str] = []
    for first, *last in spans:
        words += [f"{first} to {last[0]}"] if last and last[0] > first + 1 else map(str, [first, *last])
    *others, end = words
    return f"exercises {', '.join(others)} and {end}" if others else f"exercises {end}"


def describe_kind(kind: str) -> str:
    """The kind of a result, for a person."""
    return KINDS.get(kind, kind.replace("-", " "))


def _draw(path: Path, names: Sequence[str], kinds: Sequence[Counter[str]]) -> None:
    """A bar for each exercise: right at the left, then mistakes, frequent ones first, then what is absent."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    total = sum(kinds, Counter[str]())
    wrong = [kind for kind, _ in total.most_common() if kind != "right" and kind not in ABSENT]
    order = ["right", *wrong[: len(PALETTE)], "other", *ABSENT]
    colors = dict(zip([kind for kind in wrong if kind not in COLORS], PALETTE)) | COLORS
    figure = Figure(figsize=(6.4, 1.8 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    names, left = [literal_text(name, 40) for name in names], [0] * len(names)
    for kind in order:
        members = wrong[len(PALETTE) :] if kind == "other" else [kind]
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
