"""A class marked by the command, and what is written of it."""

import csv
import json
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from classroom.__main__ import main
from classroom.grading import grade as grading
from classroom.grading import marking, report
from classroom.grading.grade import grade
from classroom.grading.submission import Submission
from classroom.manifest import ManifestError
from classroom.sandbox.process import best_level
from cs231n.common.executors import Serial
from tests.support.grading_class import (
    EXERCISES,
    LAYERS,
    OPTIM,
    WRONG_ALT,
    blank,
    changed,
    hostile,
    solved,
    zipped,
)


@pytest.fixture
def submissions(tmp_path):
    folder = tmp_path / "in"
    zipped(folder / "ada.zip", solved())
    zipped(folder / "bob.zip", changed(solved(), WRONG_ALT), "bob/")
    zipped(folder / "=1+1.zip", {**blank(), OPTIM: b"\xff\xfe"})
    (folder / "cyd.zip").write_bytes(b"no zip")
    return folder


def run(submissions, out, **kwargs):
    return grade(submissions, out, executor=Serial(), **kwargs)


@pytest.fixture
def quick(monkeypatch):
    """For what happens round the marking: what can be read is right. The submissions marked so far."""
    seen = []

    def mark(submission, setting):
        seen.append(submission)
        right = not submission.problems
        attempt = marking.Attempt(float(right), "right" if right else "missing")
        return {exercise.number: attempt for exercise in EXERCISES}, "bubblewrap"

    monkeypatch.setattr(grading, "mark", mark)
    return seen


def test_a_class_is_marked_and_written(tmp_path, submissions, capsys):
    out = tmp_path / "out"
    assert main(["grade", str(submissions), "-o", str(out), "--executor", "serial", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    assert f"Sandbox: {best_level()}" in said and "94.00 of 100   16 of 17 right" in said
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: float(row["score"]) for name, row in rows.items()} == {
        "'=1+1": 0,
        "ada": 100,
        "bob": 94,
        "cyd": 0,
    }
    assert rows["bob"]["8 batchnorm_backward_alt"] == "6.0" and rows["bob"]["sandbox"] == best_level()
    assert "cyd.zip cannot be read as a zip" in rows["cyd"]["note"]
    assert "UTF-16" in rows["'=1+1"]["note"]

    found = json.loads((out / "students" / "bob" / "results.json").read_text())
    assert found["score"] == 94 and len(found["tests"]) == 17 and "Sandbox: " in found["output"]
    alt = found["tests"][7]
    assert (alt["name"], alt["score"], alt["max_score"], alt["status"], alt["visibility"], alt["tags"]) == (
        "8 batchnorm_backward_alt",
        6,
        12,
        "failed",
        "visible",
        ["mean-held-fixed"],
    )
    page = (out / "students" / "bob" / "index.html").read_text()
    assert "94 of 100 points" in page and "the mean is held fixed" in page
    page = (out / "index.html").read_text()
    assert "mean held fixed" in page and 'href="students/%3D1%2B1/index.html"' in page
    assert (out / "class.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob(".*"))  # no draft is left


def test_started_again_it_marks_only_what_changed(tmp_path, submissions, monkeypatch, quick):
    out = tmp_path / "out"
    first = run(submissions, out)
    assert [row.results["score"] for row in first] == [0, 100, 100, 0] and len(quick) == 4
    assert run(submissions, out) == first and len(quick) == 4
    zipped(submissions / "cyd.zip", solved())
    assert [row.results["score"] for row in run(submissions, out)] == [0, 100, 100, 100] and len(quick) == 5
    run(submissions, out, seed=1)
    assert len(quick) == 9
    results = out / "students" / "ada" / "results.json"
    results.write_text(results.read_text()[:100])  # torn by something else
    run(submissions, out)
    assert len(quick) == 10
    monkeypatch.setattr(grading, "_source", lambda exercises: "another grader")
    run(submissions, out)
    assert len(quick) == 14


def test_what_cannot_be_marked_is_said_and_tried_again(tmp_path, submissions, monkeypatch, capsys, quick):
    real, failing = grading.results_of, [True]

    def fails(submission, setting):
        if failing and not submission.problems:
            raise OSError("no room for a child")
        return real(submission, setting)

    monkeypatch.setattr(grading, "results_of", fails)
    out = tmp_path / "out"
    command = ["grade", str(submissions), "-o", str(out), "--executor", "serial"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "ada is not marked: OSError: no room for a child; try: the same command again" in said.err
    assert "not marked: OSError" in (out / "index.html").read_text()
    assert not (out / "students" / "ada").exists() and (out / "students" / "cyd").exists()
    failing.clear()
    assert main(command) == 0
    assert (out / "students" / "ada" / "results.json").exists()


def test_an_interruption_keeps_what_is_marked(tmp_path, submissions, monkeypatch, quick):
    real = grading.results_of

    def interrupted(submission, setting):
        if len(quick) == 2:
            raise KeyboardInterrupt
        return real(submission, setting)

    monkeypatch.setattr(grading, "results_of", interrupted)
    monkeypatch.setattr(grading, "IN_FLIGHT", 1)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(submissions, out)
    assert len(list(out.glob("students/*/results.json"))) == 2
    assert len((out / "grades.csv").read_text().splitlines()) == 3
    monkeypatch.setattr(grading, "results_of", real)
    run(submissions, out)
    assert len(quick) == 4


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nowhere"], "grade: there is no folder nowhere; try: "),
        ([".", "--manifest", "nowhere.json"], "cannot read the manifest nowhere.json"),
        ([".", "--executor", "gpu"], "executor must be serial, processes:N or dask:ADDRESS"),
    ],
    ids=["submissions", "manifest", "executor"],
)
def test_what_cannot_start_says_why(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["grade", *arguments, "-o", "out"]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "grades.csv").exists()


@pytest.mark.parametrize("out", [".", "out", "deep/out"])
def test_results_are_not_written_among_the_submissions(tmp_path, out):
    """The next run would take them for a student's."""
    zipped(tmp_path / "ada.zip", solved())
    with pytest.raises(ValueError, match="is within .* try: -o a folder beside it"):
        run(tmp_path, tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["ada.zip"]


def test_the_class_page_tells_mistakes_from_absent_work(tmp_path):
    def row(name, *kinds):
        kinds = (*kinds, *["right"] * (len(EXERCISES) - len(kinds)))
        attempts = {e.number: marking.Attempt(0.0, kind, kind) for e, kind in zip(EXERCISES, kinds)}
        found = report.results(Submission({}, {}, []), attempts, EXERCISES, "limits", 0)
        found["extra_data"]["student"] = name
        return report.Row(name, found, None)

    rows = [row("ada", "waits", "n-minus-1"), row("bob", "waits", "no-import"), row("cyd", "missing")]
    wrong, absent = report._why(rows)
    assert [(kind, count) for _, kind, count, _ in wrong] == [("n-minus-1", 1)]
    assert {(kind, count) for _, kind, count, _ in absent} == {("waits", 2), ("no-import", 1), ("missing", 1)}
    assert absent[0][1] == "waits"
    report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    assert page.index("n minus 1") < page.index("What is not there") < page.index("waits for another")


def test_an_exercise_without_problems_is_named(tmp_path):
    entry = {
        "number": 1,
        "title": "conv_forward",
        "points": 1,
        "file": LAYERS,
        "hint": "",
        "needs": [],
        "functions": ["cs231n.layers.affine_forward"],
    }
    (tmp_path / "m.json").write_text(json.dumps([entry]))
    with pytest.raises(ManifestError, match="no problem is known for conv_forward"):
        run(tmp_path, tmp_path / "out", manifest=tmp_path / "m.json")


def test_a_students_text_is_text(tmp_path):
    files = blank()
    text = "'<script>1</script>\\x1b[31m\\n\\udc80'"
    files[LAYERS] += f"\n\ndef relu_forward(x):\n    raise ValueError({text})\n"
    zipped(tmp_path / "in" / "<b>eve.zip", files)
    run(tmp_path / "in", tmp_path / "out")
    for page in (tmp_path / "out").rglob("*.html"):
        text = page.read_text()
        assert "<script>" not in text and "<b>" not in text and "\x1b" not in text
    assert "&lt;script&gt;" in (tmp_path / "out" / "index.html").read_text()


def test_no_more_than_a_few_are_handed_out_at_a_time(tmp_path, monkeypatch, quick):
    """So that memory does not grow with the class."""
    for i in range(9):
        zipped(tmp_path / "in" / f"s{i}.zip", {LAYERS: f"# {i}\n"})
    out, most = [], 0

    class Late(Serial):
        def submit(self, fn, /, *args):
            nonlocal most
            out.append((Future(), fn, args))
            most = max(most, len(out))
            return out[-1][0]

    def wait(pending, return_when):
        future, fn, args = out.pop(0)
        future.set_result(fn(*args))
        return SimpleNamespace(done={future})

    monkeypatch.setattr(grading, "IN_FLIGHT", 3)
    monkeypatch.setattr(grading, "wait", wait)
    assert len(grade(tmp_path / "in", tmp_path / "out", executor=Late())) == 9 and most == 3


@pytest.mark.slow
def test_the_hostile_do_not_disturb_the_others(tmp_path):
    zipped(tmp_path / "in" / "ada.zip", solved())
    for name in ("exits", "forged_answers", "patched_numpy", "flood"):
        zipped(tmp_path / "in" / f"{name}.zip", hostile(name))
    rows = {row.student: row.results["score"] for row in run(tmp_path / "in", tmp_path / "out")}
    assert rows == {"ada": 100, "exits": 2, "forged_answers": 0, "patched_numpy": 0, "flood": 0}
