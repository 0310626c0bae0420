"""The page of the class: causes, grouped and sorted, and the colors of its picture."""

import itertools
import warnings
from unittest.mock import Mock

import numpy as np
import pytest

from classroom.grading import class_report, report
from classroom.grading.result import ExerciseResult
from classroom.grading.submission import Submission
from tests.support.grading import EXERCISES

BLANK, WRONG = ("not-implemented", "Not implemented yet."), ("n-minus-1", "out: N - 1")
BROKEN = ("no-import", "SyntaxError (layers.py, line 3)")


def row(name, *causes):
    """A student with these results of the first exercises, (kind, text) each; the others are right."""
    results = {e.number: ExerciseResult(0.0, *cause) for e, cause in zip(EXERCISES, causes)}
    results = {e.number: ExerciseResult(1.0) for e in EXERCISES} | results
    written = report.make_results(Submission({}, {}, []), results, EXERCISES, "limits", 0)
    written["extra_data"]["student"] = name
    return report.Row(name, written, None)


def test_one_cause_of_many_failures_is_one_row_and_absent_work_comes_last(tmp_path):
    rows = [
        row("ada", *[BROKEN] * 12),
        row("bob", *[BLANK] * 3, WRONG, *[BLANK] * 2),
        row("cyd", BLANK, WRONG),
    ]
    assert class_report._group_causes(rows) == (
        [("2 affine_backward", WRONG[0], 1, WRONG[1]), ("4 relu_backward", WRONG[0], 1, WRONG[1])],
        [
            ("1 affine_forward", "not-implemented", 2, BLANK[1]),
            ("exercises 1 to 12", "no-import", 1, BROKEN[1]),
            ("exercises 2, 3, 5 and 6", "not-implemented", 1, BLANK[1]),
        ],
    )
    class_report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    assert page.count("SyntaxError") == 1
    assert page.index("n minus 1") < page.index("What is missing") < page.index("not implemented</td>")


def test_students_who_read_different_things_are_not_one_row():
    """Though the first of them reads the same about both exercises."""
    rows = [row("ada", ("raised", "A"), ("raised", "A")), row("bob", ("raised", "B"), ("raised", "C"))]
    mistakes, _ = class_report._group_causes(rows)
    assert mistakes == [("1 affine_forward", "raised", 2, "A"), ("2 affine_backward", "raised", 2, "A")]


@pytest.mark.parametrize("kind", ["waits", "no-import", "missing", "not-implemented"])
def test_absent_work_is_no_mistake(kind):
    mistakes, absent = class_report._group_causes([row("ada", (kind, ""), ("n-minus-1", ""))])
    assert [cause.kind for cause in mistakes] == ["n-minus-1"] and [cause.kind for cause in absent] == [kind]


def test_a_list_that_is_cut_says_so(tmp_path):
    rows = [row(f"s{i}", *[(f"mistake-{i}-{n}", "") for n in range(17)]) for i in range(3)]
    class_report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<td>mistake ") == 40 and "and 11 rarer causes" in page


def test_no_two_colors_of_a_picture_are_alike():
    """By CIE76, of which 2.3 is the least that an eye sees side by side, and a legend is not side by side."""
    from matplotlib.colors import to_rgb

    kinds = {**class_report.COLORS, **dict(enumerate(class_report.PALETTE))}
    for (one, a), (two, b) in itertools.combinations(kinds.items(), 2):
        least = 9 if {one, two} <= {*class_report.ABSENT, "other"} else 20  # grays stand in a fixed order
        assert np.linalg.norm(lab(to_rgb(a)) - lab(to_rgb(b))) > least, (one, two)


def lab(rgb):
    """sRGB, 0 to 1, as L*, a*, b* under D65."""
    rgb = np.array(rgb)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ linear
    t = xyz / [0.9505, 1, 1.089]
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_an_optional_exercise_adds_points_and_is_no_cause_while_it_is_not_written():
    results = {e.number: ExerciseResult(1.0) for e in EXERCISES}
    rows = []
    for name, last in {
        "ada": ExerciseResult(1.0),
        "bob": ExerciseResult(0.0, *BLANK),
        "cyd": ExerciseResult(0.25, *WRONG),
    }.items():
        results[EXERCISES[-1].number] = last
        written = report.make_results(Submission({}, {}, []), results, EXERCISES, "limits", 0)
        rows.append(report.Row(name, written, None))
    assert [r.results["score"] for r in rows] == [108, 100, 102]
    assert {r.results["extra_data"]["points"] for r in rows} == {100}
    assert all(report.format_line(r).endswith(" of 100   17 of 17 right") for r in rows)
    assert [r.results["tests"][-1]["output"] for r in rows] == [
        "Optional. Right.",
        f"Optional. {BLANK[1]}",
        f"Optional. {WRONG[1]}",
    ]
    mistakes, absent = class_report._group_causes(rows)
    assert not absent and [cause.exercises for cause in mistakes] == ["18 batchnorm_double_backward"]


def test_a_note_stands_behind_right_and_passes_with_fewer_points():
    result = ExerciseResult(0.9, notes=("it is slow.",))
    results = {exercise.number: result for exercise in EXERCISES}
    written = report.make_results(Submission({}, {}, []), results, EXERCISES, "limits", 0)
    test = written["tests"][0]
    assert (test["status"], test["output"], test["tags"]) == ("passed", "Right. Also: it is slow.", ["right"])
    assert test["score"] == round(0.9 * test["max_score"], 2)


TITLES = ["5 $ and $x_{", "梯度 🙂", "n" * 300, r"\frac", "_hidden", "$a^b$"]


def titled(title):
    return [EXERCISES[0]._replace(title=title), *EXERCISES[1:]]


@pytest.mark.parametrize("title", TITLES)
def test_any_title_of_an_exercise_is_drawn(title, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_report.write_class(tmp_path, [row("ada", WRONG)], titled(title))
    assert (tmp_path / "class.png").read_bytes()[1:4] == b"PNG"


def test_a_picture_that_cannot_be_drawn_costs_no_page(tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", Mock(side_effect=RuntimeError("no freetype")))
    with pytest.warns(RuntimeWarning, match="class.png is not drawn .*no freetype.*; .*grades.csv has its"):
        class_report.write_class(tmp_path, [row("ada", WRONG)], EXERCISES)
    assert "n minus 1" in (tmp_path / "index.html").read_text() and (tmp_path / "grades.csv").exists()
    assert "<img" not in (tmp_path / "index.html").read_text()
