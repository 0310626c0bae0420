"""Marks, follow-through, partial credit, and what is written of them."""

import ast
import csv
import json
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest
from grading_class import (
    BRIEF,
    EXERCISES,
    FILES,
    LAYERS,
    OPTIM,
    blank,
    changed,
    hostile,
    marked,
    shares,
    solved,
    zipped,
)

from classroom import grade as grading
from classroom import marking, report
from classroom.__main__ import main
from classroom.grade import grade
from classroom.manifest import ROOT, ManifestError
from classroom.sandbox import best_level
from classroom.submission import Submission
from cs231n.executors import Serial

NET = "cs231n/classifiers/fc_net.py"
WRONG_ALT = (LAYERS, "dx = gamma * inv_std * (dout - dbeta / N -", "dx = gamma * inv_std * (dout -")
WRONG_FORWARD = (LAYERS, "var = squared.mean(axis=0)  ", "var = squared.sum(axis=0) / (len(x) - 1)  ")


def body(function):
    """The source of a function of the solved layers."""
    source = (ROOT / LAYERS).read_text()
    node, = [n for n in ast.parse(source).body if getattr(n, "name", "") == function]
    return "\n\n" + ast.get_source_segment(source, node) + "\n"


def wrong(attempts):
    return {title: attempt.kind for title, attempt in attempts.items() if attempt.share < 1}


def test_one_mistake_costs_one_exercise_and_is_recognized():
    attempts = marked(changed(solved(), WRONG_ALT))
    assert wrong(attempts) == {"batchnorm_backward_alt": "mean-held-fixed"}
    alt = attempts["batchnorm_backward_alt"]
    assert alt.share == 1 / 2                           # dgamma and dbeta are right, and dx counts as both
    assert "dx: the mean is held fixed" in alt.text and "notebook 2" in alt.text


def test_a_wrong_forward_does_not_cost_the_backward():
    attempts = marked(changed(solved(), WRONG_FORWARD))
    assert wrong(attempts) == {"batchnorm_forward": "n-minus-1"}
    assert attempts["batchnorm_backward"].followed == ("batchnorm_forward",)
    assert attempts["FullyConnectedNet"].followed == ("batchnorm_forward",)


@pytest.mark.parametrize("function", ["batchnorm_backward_alt", "affine_backward", "dropout_backward"])
def test_a_backward_without_its_forward_is_marked_with_the_references(function):
    files = blank()
    files[LAYERS] += body(function)
    if function == "affine_backward":       # whose exercise has a second function
        files["cs231n/layer_utils.py"] = solved()["cs231n/layer_utils.py"]
    attempts = marked(files)
    assert shares(attempts) == {function: 1.0}
    assert attempts[function].followed == (function.removesuffix("_alt").replace("backward", "forward"),)


def test_a_net_over_blank_layers_is_marked_with_the_references():
    attempts = marked({**blank(), NET: solved()[NET]})
    assert shares(attempts) == {"TwoLayerNet.loss": 1.0, "FullyConnectedNet": 1.0}


def test_layers_that_cannot_be_imported_do_not_cost_the_net():
    attempts = marked({**solved(), LAYERS: "def affine_forward(x, w, b)\n    return x @ w"})
    assert set(shares(attempts)) == {"sgd_momentum", "rmsprop", "adam", "TwoLayerNet.loss",
                                     "FullyConnectedNet"}
    assert attempts["relu_forward"].kind == "no-import"
    text = attempts["relu_forward"].text
    assert "SyntaxError" in text and "(layers.py, line 1)" in text


def test_a_child_of_follow_through_holds_no_solution_of_what_it_marks():
    for exercise in EXERCISES:
        needed = tuple(e for e in EXERCISES if e.number in exercise.needs)
        files = marking.edition(EXERCISES, needed)
        assert files.keys() >= set(FILES)
        assert not [f for f in files if "definitions" in f or "gradient_check" in f or "fast" in f]
        blanks = b"".join(files.values()).decode().count("raise NotImplementedError(\"Exercise")
        assert blanks == sum(len(e.functions) for e in EXERCISES if e not in needed)


def test_another_style_and_another_cache_are_right():
    files = changed(
        solved(),
        (LAYERS, "    return rows @ w + b, (x, w, b)",
         "    out = [[sum(a * c for a, c in zip(row, column)) for column in w.T] for row in rows]\n"
         "    return np.array(out) + b, {'x': x, 'w': w, 'b': b}"),
        (LAYERS, '    require_cache("affine_backward", cache, ("x", "w", "b"))\n    x, w, b = cache\n',
         "    x, w, b = cache['x'], cache['w'], cache['b']\n"),
        ("cs231n/layer_utils.py", "    x, _, _ = cache\n", "    x = cache['x']\n"))
    assert wrong(marked(files)) == {}


def test_any_mask_of_dropout_that_is_one_is_right():
    mask = "    mask = (rng.random(x.shape) < p).astype(x.dtype) / p\n"
    other = "    mask = (np.random.default_rng(dropout_param['seed']).random(x.shape) > 1 - p) / p\n"
    assert wrong(marked(changed(solved(), (LAYERS, mask, other)))).keys() <= {"FullyConnectedNet"}
    none = "    mask = np.zeros(x.shape)\n"
    assert set(wrong(marked(changed(solved(), (LAYERS, mask, none))))) == {"dropout_forward"}


def test_what_only_repeats_an_input_earns_nothing():
    files = blank()
    files[LAYERS] += "\ndef batchnorm_forward(x, gamma, beta, bn_param):\n    return x, None\n" \
                     "\ndef dropout_forward(x, dropout_param):\n    return x, None\n"
    attempts = marked(files)
    assert shares(attempts) == {} and attempts["dropout_forward"].kind == "nothing-dropped"


def test_right_on_the_public_problems_alone_is_not_right():
    learned = "    if x.shape != (6, 2, 4):\n        return np.zeros((len(x), w.shape[1])), (x, w, b)\n"
    attempts = marked(changed(solved(), (LAYERS, "    rows = affine_rows(x, w, b)  ",
                                         f"{learned}    rows = affine_rows(x, w, b)  ")))
    assert attempts["affine_forward"].share == 0


def test_hidden_problems_differ_with_the_seed_and_no_shape_is_square():
    for exercise in EXERCISES:
        shapes = [next(iter(inputs.values())).shape for inputs, _ in marking.trials(exercise.title, 3)]
        assert len(shapes) == 5 + (exercise.title in marking.LARGE) and all(shape[0] >= 3 for shape in shapes)
    first, other = (marking.trials("relu_forward", seed)[3][0]["x"] for seed in (3, 4))
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_closed_form_that_calls_the_staged_one_is_none():
    called = (LAYERS, "dx = gamma * inv_std * (dout - dbeta / N -",
              "return batchnorm_backward(dout, cache)\n    dx = gamma * inv_std * (dout - dbeta / N -")
    attempts = marked(changed(solved(), called))
    assert wrong(attempts) == {"batchnorm_backward_alt": "raised"}
    assert "calls another backward" in attempts["batchnorm_backward_alt"].text


DIFFERENCES = """

def _differences(forward, arguments, dout):
    found = []
    for a in arguments:
        d = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            old = a[i]
            a[i] = old + 1e-5
            plus = forward(*arguments)
            a[i] = old - 1e-5
            d[i] = np.sum((plus - forward(*arguments)) * dout) / 2e-5
            a[i] = old
        found.append(d)
    return tuple(found)


def affine_backward(dout, cache):
    return _differences(lambda *a: affine_forward(*a)[0], [np.array(a) for a in cache], dout)
"""


def test_differences_of_the_students_own_forward_take_too_long():
    files = {**solved(), LAYERS: solved()[LAYERS] + DIFFERENCES}
    attempt = marked(files, limits=BRIEF)["affine_backward"]
    assert attempt.share == 0 and attempt.kind == "timed-out"


def test_loops_over_columns_are_in_time():
    loops = (LAYERS, "    dx = gamma * inv_std * (dout - dbeta / N -", """    dx = np.empty_like(dout)
    for j in range(dout.shape[1]):
        h = x_hat[:, j]
        for i in range(N):
            dx[i, j] = gamma[j] * inv_std[j] * (dout[i, j] - dbeta[j] / N - h[i] * dgamma[j] / N)
    return dx, dgamma, dbeta
    dx = gamma * inv_std * (dout - dbeta / N -""")
    assert wrong(marked(changed(solved(), loops))) == {}


def test_a_large_problem_says_that_it_is_one():
    line = "    dx = gamma * inv_std * (dout - dbeta / N -"
    small = (LAYERS, line, f"    if N > 10:\n        return dout, dgamma, dbeta\n{line}")
    attempt = marked(changed(solved(), small))["batchnorm_backward_alt"]
    assert attempt.text == "dx: right on small problems, wrong on one of shape (2000, 48)."
    assert attempt.share == 1 / 2


def test_an_error_on_a_hidden_problem_tells_its_type_and_line_only():
    files = blank()
    told = """
def relu_forward(x):
    if x.shape != (7, 5):
        raise type("K" + repr(x[0, 0]), (ValueError,), {})(repr(x))
    return np.maximum(x, 0), x

def affine_forward(x, w, b):
    if len(x) != 7 or x.shape[2] != 5:
        raise ValueError(repr(x))
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def softmax_loss(x, y):
    raise ValueError("the first problem is public")
"""
    files[LAYERS] += told
    attempts = marked(files)
    line = files[LAYERS][:files[LAYERS].index("raise ValueError(repr(x))")].count("\n") + 1
    assert attempts["affine_forward"].text == \
        f"It raised ValueError on a problem that is not shown (layers.py, line {line})."
    assert attempts["relu_forward"].text.startswith("It raised an error on a problem that is not shown")
    assert "the first problem is public" in attempts["softmax_loss"].text


def test_follow_through_passes_on_nothing_of_the_reference():
    """Its source is there to read: neither an error nor a number may carry it out."""
    files = blank()
    files[LAYERS] += """
def _read():
    import glob
    import os
    for path in glob.glob(os.path.dirname(__file__) + "/../reference_*.py"):
        return open(path).read()
    raise NotImplementedError

def affine_backward(dout, cache):
    raise ValueError(_read())

def relu_backward(dout, cache):
    return dout * 0 + ord(_read()[0]) + 3000,

def dropout_backward(dout, cache):
    raise NotImplementedError("Exercise 1: " + _read()[:40])

def layernorm_backward(dout, cache):
    return dout * (3000 + ord(_read()[0])), dout[0], dout[0]
"""
    for title, attempt in marked(files).items():
        assert "import" not in attempt.text and "30" not in attempt.text, (title, attempt)


def test_what_a_child_says_of_an_error_may_be_of_any_type():
    exercise = EXERCISES[0]
    for value in ([], {}, 3, None, [["x"]]):
        for public in (True, False):
            attempt = marking._raised({"type": value, "message": value, "file": value, "line": value},
                                      exercise, EXERCISES, public, {"layers.py"})
            assert attempt.kind == "raised" and "an error" in attempt.text
    assert marking._raised([], exercise, EXERCISES, True, ()).kind == "raised"


def test_what_cannot_be_marked_costs_one_exercise(monkeypatch):
    real = marking.agrees

    def fails(got, right):
        if right.shape and right.shape[-1:] == (3,) and right.ndim == 2:
            raise RecursionError
        return real(got, right)

    monkeypatch.setattr(marking, "agrees", fails)
    attempts = marked(solved())
    assert attempts["affine_forward"].kind == "unmarkable"
    assert "RecursionError" in attempts["affine_forward"].text
    assert attempts["relu_forward"].share == 1


@pytest.mark.slow
def test_an_exercise_and_a_submission_have_their_time():
    slow = "\nimport time\n\ndef relu_forward(x):\n    time.sleep(0.8)\n    return np.maximum(x, 0), x\n"
    files = {**solved(), LAYERS: solved()[LAYERS] + slow}
    assert marked(files)["relu_forward"].kind == "timed-out"       # five times 0.8 s are more than 2 s
    attempts = marked(files, limits=BRIEF._replace(seconds=20, total=2))
    assert attempts["affine_forward"].share == 1
    for title in ("relu_forward", "softmax_loss", "FullyConnectedNet"):
        assert attempts[title].kind == "timed-out"
        assert attempts[title].text == "The 2 seconds for all of the submission were used up."


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
    assert {name: float(row["score"]) for name, row in rows.items()} == \
        {"'=1+1": 0, "ada": 100, "bob": 94, "cyd": 0}
    assert rows["bob"]["8 batchnorm_backward_alt"] == "6.0" and rows["bob"]["sandbox"] == best_level()
    assert "cyd.zip cannot be read as a zip" in rows["cyd"]["note"]
    assert "UTF-16" in rows["'=1+1"]["note"]

    found = json.loads((out / "students" / "bob" / "results.json").read_text())
    assert found["score"] == 94 and len(found["tests"]) == 17 and "Sandbox: " in found["output"]
    alt = found["tests"][7]
    assert (alt["name"], alt["score"], alt["max_score"], alt["status"], alt["visibility"], alt["tags"]) == \
        ("8 batchnorm_backward_alt", 6, 12, "failed", "visible", ["mean-held-fixed"])
    page = (out / "students" / "bob" / "index.html").read_text()
    assert "94 of 100 points" in page and "the mean is held fixed" in page
    page = (out / "index.html").read_text()
    assert "mean held fixed" in page and 'href="students/%3D1%2B1/index.html"' in page
    assert (out / "class.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob(".*"))       # no draft is left


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
    results.write_text(results.read_text()[:100])       # torn by something else
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


@pytest.mark.parametrize("arguments, said", [
    (["nowhere"], "grade: there is no folder nowhere; try: "),
    ([".", "--manifest", "nowhere.json"], "cannot read the manifest nowhere.json"),
    ([".", "--executor", "gpu"], "executor must be serial, processes:N or dask:ADDRESS"),
], ids=["submissions", "manifest", "executor"])
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
    assert [(kind, count) for _, kind, count, _ in absent] == [("waits", 2), ("no-import", 1), ("missing", 1)]
    report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    assert page.index("n minus 1") < page.index("What is not there") < page.index("waits for another")


def test_an_exercise_without_problems_is_named(tmp_path):
    entry = {"number": 1, "title": "conv_forward", "points": 1, "file": LAYERS, "hint": "", "needs": [],
             "functions": ["cs231n.layers.affine_forward"]}
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
