"""What the grader writes and prints about a class: names that students chose, causes, colours, digests."""

import itertools
import os

import numpy as np
import pytest

from classroom.__main__ import main
from classroom.grading import grade as grading
from classroom.grading import marking, report
from classroom.grading.grade import grade
from classroom.grading.submission import Submission, read_submission
from cs231n.checking.submission import collect
from cs231n.common.executors import Serial
from cs231n.common.files import zip_of
from tests.support.grading_class import EXERCISES, LAYERS, OPTIM, solved, zipped


@pytest.fixture
def quick(monkeypatch):
    """For what happens round the marking: all is right."""
    attempts = {exercise.number: marking.Attempt(1.0) for exercise in EXERCISES}
    monkeypatch.setattr(grading, "mark", lambda submission, setting: (attempts, "bubblewrap"))


def test_a_name_cannot_stop_the_class_or_write_another_line(tmp_path, capsys, quick):
    names = ["ada", "b\udcff\udcfe", "c\x1b[2J\x1b]0;title\x07\n  zoe        100.00 of 100", "d\u202eada"]
    for name in names:
        zipped(tmp_path / "in" / f"{name}.zip", solved())
    assert main(["grade", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--executor", "serial"]) == 0
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\u202e\udcff") and "\n  zoe" not in said
    assert said.encode() and len(said.splitlines()) == len(names) + 2
    page = (tmp_path / "out" / "index.html").read_text()
    assert not set((tmp_path / "out" / "grades.csv").read_text()) & set("\x1b\x07\u202e")
    for name in names:
        assert (tmp_path / "out" / "students" / name / "results.json").exists()
    assert 'href="students/b%FF%FE/index.html"' in page
    with pytest.raises(ValueError, match="both of"):
        os.mkdir(tmp_path / "in" / names[2])
        grade(tmp_path / "in", tmp_path / "out", executor=Serial())
    assert main(["grade", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_failure_keeps_what_is_marked_by_then(tmp_path, monkeypatch, quick):
    for name in ("ada", "bob", "cyd"):
        zipped(tmp_path / "in" / f"{name}.zip", solved())

    def fails(path, wanted):
        if path.stem == "cyd":
            raise MemoryError
        return Submission({}, {}, [path.stem])

    monkeypatch.setattr(grading, "read_submission", fails)
    with pytest.raises(MemoryError):
        grade(tmp_path / "in", tmp_path / "out", executor=Serial())
    assert len((tmp_path / "out" / "grades.csv").read_text().splitlines()) == 3
    assert len(list(tmp_path.glob("out/students/*/results.json"))) == 2


def test_a_second_run_with_nothing_new_says_so(tmp_path, capsys, quick):
    for name in ("ada", "bob"):
        zipped(tmp_path / "in" / f"{name}.zip", solved())
    grade(tmp_path / "in", tmp_path / "out", executor=Serial())
    assert "before" not in capsys.readouterr().out
    grade(tmp_path / "in", tmp_path / "out", executor=Serial())
    assert capsys.readouterr().out == "  2 of 2 are as they were when marked before.\n"


def row(name, *attempts):
    """A student with these attempts at the first exercises, (kind, text) each; the others are right."""
    made = {e.number: marking.Attempt(0.0, *found) for e, found in zip(EXERCISES, attempts)}
    made = {e.number: marking.Attempt(1.0) for e in EXERCISES} | made
    found = report.results(Submission({}, {}, []), made, EXERCISES, "limits", 0)
    found["extra_data"]["student"] = name
    return report.Row(name, found, None)


def test_one_cause_of_many_failures_is_one_row(tmp_path):
    broken = ("no-import", "SyntaxError (layers.py, line 3)")
    blank, wrong = ("not-implemented", "Not implemented yet."), ("n-minus-1", "out: N - 1")
    rows = [
        row("ada", *[broken] * 12),
        row("bob", *[blank] * 3, wrong, *[blank] * 2),
        row("cyd", blank, wrong),
    ]
    found = report._why(rows)
    assert found == (
        [("2 affine_backward", "n-minus-1", 1, wrong[1]), ("4 relu_backward", "n-minus-1", 1, wrong[1])],
        [
            ("1 affine_forward", "not-implemented", 2, blank[1]),
            ("exercises 1 to 12", "no-import", 1, broken[1]),
            ("exercises 2 to 3, 5 to 6", "not-implemented", 1, blank[1]),
        ],
    )
    report.write_class(tmp_path, rows, EXERCISES)
    assert (tmp_path / "index.html").read_text().count("SyntaxError") == 1


def test_those_who_are_told_different_things_are_not_one_row():
    """Though the first of them is told the same about both exercises."""
    rows = [
        row("ada", *[("raised", "It raised A")] * 2),
        row("bob", ("raised", "It raised B"), ("raised", "It raised C")),
    ]
    assert report._why(rows)[0] == [
        ("1 affine_forward", "raised", 2, "It raised A"),
        ("2 affine_backward", "raised", 2, "It raised A"),
    ]


def test_a_list_that_is_cut_says_so(tmp_path):
    rows = [row(f"s{i}", *[(f"mistake-{i}-{n}", "") for n in range(17)]) for i in range(3)]
    report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<td>mistake ") == 40 and "and 11 rarer, which" in page


def test_no_two_colours_of_a_picture_are_alike():
    """By CIE76, of which 2.3 is the least that an eye sees side by side, and a legend is not side by side."""
    from matplotlib.colors import to_rgb

    kinds = {**report.COLOURS, **dict(enumerate(report.PALETTE))}
    for (one, a), (two, b) in itertools.combinations(kinds.items(), 2):
        least = 9 if {one, two} <= {*report.ABSENT, "other"} else 20  # greys stand in a fixed order
        assert np.linalg.norm(lab(to_rgb(a)) - lab(to_rgb(b))) > least, (one, two)


def lab(rgb):
    """sRGB, 0 to 1, as L*, a*, b* under D65."""
    rgb = np.array(rgb)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ linear
    t = xyz / [0.9505, 1, 1.089]
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_what_was_edited_after_submit_is_noted_and_costs_nothing(tmp_path):
    files = collect()
    path = tmp_path / "ada.zip"
    path.write_bytes(zip_of(files))
    assert read_submission(path, [LAYERS, OPTIM]).notes == []
    path.write_bytes(zip_of({f"ada/{name}": content for name, content in files.items()}))
    assert read_submission(path, [LAYERS, OPTIM]).notes == []
    for top in ("", "ada/"):
        edited = {**files, LAYERS: files[LAYERS] + b"# later\n"}
        path.write_bytes(zip_of({top + name: content for name, content in edited.items()}))
        found = read_submission(path, [LAYERS, OPTIM])
        assert found.notes == [f"{LAYERS} was edited after submit had packed it; it is marked as it is."]
        assert found.problems == {} and found.files[LAYERS].endswith("# later\n")


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[" * 100_000, b"[]", b'{"files": {"cs231n/layers.py": 1}}', b"\xff", b"x" * (2 << 20)],
    ids=["empty", "deep", "list", "number", "bytes", "long"],
)
def test_a_manifest_that_is_none_is_no_fault(tmp_path, manifest):
    zipped(tmp_path / "a.zip", {LAYERS: "x = 1", "manifest.json": manifest})
    assert read_submission(tmp_path / "a.zip", [LAYERS]) == Submission({LAYERS: "x = 1"}, {}, [])
