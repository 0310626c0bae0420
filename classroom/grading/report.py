"""What the grader writes: results.json and a page for each student, grades.csv and a page for the class."""

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import jinja2

from classroom.grading.marking import clean
from classroom.manifest import ROOT
from classroom.sandbox import seccomp
from cs231n.common.files import atomic_write

__all__ = ["Row", "line", "read_student", "results", "write_class", "write_student"]

TEMPLATES = Path(__file__).with_name("templates")
STYLE = ROOT / "cs231n" / "pages" / "templates" / "style.css"
KINDS = {
    "right": "right",
    "not-implemented": "not implemented",
    "waits": "waits for another exercise",
    "raised": "raises an error",
    "no-import": "file cannot be imported",
    "missing": "file missing or unreadable",
    "timed-out": "no answer in time",
    "crashed": "process ended",
    "unknown": "wrong, not recognized",
    "unmarkable": "could not be marked",
}
ABSENT = ("not-implemented", "waits", "missing", "no-import")  # nothing there that could be wrong
COLOURS = {
    "right": "#1b7837",
    "not-implemented": "0.94",
    "waits": "0.82",
    "missing": "0.7",
    "no-import": "0.57",
    "raised": "#d62728",
    "timed-out": "#a9744f",
    "crashed": "#4d2a22",
    "unmarkable": "black",
    "unknown": "#ff7f0e",
    "other": "0.4",
}
PALETTE = ("#1f77b4", "#e377c2", "#f2d13c", "#6a3d9a", "#22d3e0", "#8a0a4f", "#a6bdf5", "#12206b")
SHOWN = len(PALETTE)  # kinds of mistakes with a colour in one picture; the others are one
SANDBOX = {
    "bubblewrap": "bubblewrap: no network, no files but its own, limits",
    "namespaces": "namespaces: no network, all files read-only and this class's covered, limits",
    "limits": "limits alone: the files that the grader may read, or anyone, were within reach",
}


class Row(NamedTuple):
    student: str
    results: dict | None
    error: str | None  # why there are no results


def results(submission, attempts, exercises, level, seconds):
    """results.json of one student, as Gradescope reads it; extra_data is for ourselves."""
    tests = [_test(exercise, attempts[exercise.number], exercises) for exercise in exercises]
    said = [
        *map(clean, [*submission.problems.values(), *submission.notes]),
        f"Sandbox: {sandbox(level, seccomp.missing())}.",
    ]
    return {
        "score": _rounded(sum(test["score"] for test in tests)),
        "execution_time": round(seconds, 2),
        "output": "\n".join(said),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {
            "points": sum(exercise.points for exercise in exercises),
            "sandbox": level,
            "unfiltered": seccomp.missing(),
        },
    }


def sandbox(level, unfiltered):
    """A level in words. unfiltered is why there was no filter of system calls, or ""."""
    open_too = "memory that no limit counts" + " and the network" * (level == "limits")
    return SANDBOX[level] + (unfiltered and f"; {unfiltered}, so {open_too} was within reach")


def _test(exercise, attempt, exercises):
    text = attempt.text or "Right."
    if attempt.followed:
        text += f" (Marked with the reference's {', '.join(attempt.followed)}: yours is not all right yet.)"
    return {
        "name": f"{exercise.number} {exercise.title}",
        "number": str(exercise.number),
        "score": _rounded(exercise.points * attempt.share),
        "max_score": exercise.points,
        "status": "passed" if attempt.share == 1 else "failed",
        "output": text,
        "output_format": "text",
        "visibility": "visible",
        "tags": [attempt.kind],
        "extra_data": {"kind": attempt.kind, "followed": list(attempt.followed)},
    }


def _rounded(points):
    return round(points, 2)


def write_student(folder, found):
    """results.json last: where it is, the page is too."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "index.html", _page("student.html.j2", found=found))
    _write(folder / "results.json", json.dumps(found, indent=1, allow_nan=False) + "\n")


def read_student(folder, digest):
    """The results in folder if they are those of digest, else None."""
    try:
        found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return found if found["extra_data"]["digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def line(row):
    """A student in one line of a terminal."""
    name = f"  {clean(row.student, 40):<40}"
    if row.error:
        return f"{name}  not marked: {clean(row.error)}"[:110]
    passed = sum(test["status"] == "passed" for test in row.results["tests"])
    return (
        f"{name}{row.results['score']:>8.2f} of {row.results['extra_data']['points']:g}"
        f"   {passed} of {len(row.results['tests'])} right"
    )


def write_class(out, rows, exercises):
    """grades.csv, class.png and index.html for the rows that there are."""
    marked = [row for row in rows if row.results]
    _write(out / "grades.csv", _grades(rows, exercises))
    causes = [Counter(row.results["tests"][i]["tags"][0] for row in marked) for i in range(len(exercises))]
    if marked:
        with atomic_write(out / "class.png") as file:
            _draw(file, [f"{e.number} {e.title}" for e in exercises], causes)
    levels = Counter(
        (row.results["extra_data"]["sandbox"], row.results["extra_data"]["unfiltered"]) for row in marked
    )
    _write(
        out / "index.html",
        _page(
            "class.html.j2",
            rows=rows,
            marked=len(marked),
            points=sum(exercise.points for exercise in exercises),
            why=_why(marked),
            exercises=exercises,
            shown=shown,
            address=lambda name: quote(os.fsencode(name)),
            mean=sum(row.results["score"] for row in marked) / max(1, len(marked)),
            levels=[(sandbox(*level), count) for level, count in sorted(levels.items())],
        ),
    )


def _grades(rows, exercises):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{exercise.number} {exercise.title}" for exercise in exercises]
    writer.writerow(["student", "score", "points", *names, "sandbox", "note"])
    for row in rows:
        if row.error:
            writer.writerow([_cell(row.student), *[""] * (len(names) + 3), _cell(row.error)])
        else:
            extra = row.results["extra_data"]
            writer.writerow(
                [
                    _cell(row.student),
                    row.results["score"],
                    extra["points"],
                    *(test["score"] for test in row.results["tests"]),
                    extra["sandbox"],
                    _cell(" ".join(row.results["output"].splitlines()[:-1])),
                ]
            )
    return text.getvalue()


def _cell(text):
    """text as no spreadsheet takes it for a formula and no terminal for an order: a student names the zip."""
    return clean("'" + text if text[:1] in tuple("=+-@\t\r") else text, 2000)


def _why(marked):
    """What is wrong, then what is absent, each [(exercises, why, how many, what one of them was told)], by
    how many. Exercises that the same students are told the same about are one row."""
    told = {}
    for row in marked:
        for test in row.results["tests"]:
            if test["tags"][0] != "right":
                told.setdefault((test["name"], test["tags"][0]), []).append((row.student, test["output"]))
    names = {}
    for (name, kind), texts in told.items():
        names.setdefault((kind, tuple(texts)), []).append(name)
    most_first = sorted(names.items(), key=lambda item: (-len(item[0][1]), int(item[1][0].split()[0])))
    rows = [(_exercises(found), kind, len(texts), texts[0][1]) for (kind, texts), found in most_first]
    return [row for row in rows if row[1] not in ABSENT], [row for row in rows if row[1] in ABSENT]


def _exercises(names):
    """["4 relu_backward"] -> that; of several, "exercises 1 to 3, 6"."""
    if len(names) == 1:
        return names[0]
    spans = []
    for number in sorted(int(name.split()[0]) for name in names):
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return "exercises " + ", ".join(" to ".join(map(str, span)) for span in spans)


def shown(kind):
    return KINDS.get(kind, kind.replace("-", " "))


def _draw(file, names, causes):
    """A bar an exercise: right at the left, what is wrong by how often in the class, what is absent."""
    from matplotlib.figure import Figure

    total = Counter()
    for cause in causes:
        total.update(cause)
    wrong = [kind for kind, _ in total.most_common() if kind != "right" and kind not in ABSENT]
    order = ["right", *wrong[:SHOWN], "other", *ABSENT]
    colours = dict(zip([kind for kind in wrong if kind not in COLOURS], PALETTE)) | COLOURS
    figure = Figure(figsize=(6.4, 1.8 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = [0] * len(names)
    for kind in order:
        widths = [sum(cause[k] for k in (wrong[SHOWN:] if kind == "other" else [kind])) for cause in causes]
        if sum(widths):
            axes.barh(
                names,
                widths,
                0.8,
                left,
                color=colours[kind],
                edgecolor="white",
                linewidth=0.5,
                label=shown(kind),
            )
            left = [a + b for a, b in zip(left, widths)]
    axes.invert_yaxis()
    axes.set(xlabel="students", xlim=(0, max(left)))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(file, format="png", dpi=200)


def _page(template, **values):
    loader = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = jinja2.utils.markupsafe.Markup(STYLE.read_text(encoding="utf-8"))
    return loader.get_template(template).render(style=style, **values)


def _write(path, text):
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
