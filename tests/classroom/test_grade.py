"""A class marked by the command: what is written, what is marked again, and what cannot stop it."""

import csv
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from classroom.__main__ import main
from classroom.grading import canary, class_marking, class_report, runner
from classroom.grading import grade as grading
from classroom.grading.canary import CanaryError, Environment, check_worker
from classroom.grading.reference import child_files, make_trials
from classroom.grading.result import ExerciseResult
from classroom.grading.workers import Serial
from classroom.sandbox.process import Child, ChildTimeoutError, Limits, best_level
from cs231n.common.files import REPOSITORY
from tests.support.grading import (
    EXERCISES,
    LAYERS,
    OPTIM,
    WRONG_ALT,
    blank,
    hostile,
    solved,
    with_result,
    zipped,
)
from tests.support.releases import write_manifest

ENVIRONMENT = Environment("bubblewrap", 0, 0o022, "3.11.1", "2.0.0", "x86_64", "")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def submissions(tmp_path):
    folder = tmp_path / "in"
    zipped(folder / "ada.zip", solved())
    zipped(folder / "bob.zip", solved(WRONG_ALT), "bob/")
    zipped(folder / "=1+1.zip", {**blank(), OPTIM: b"\xff\xfe"})
    (folder / "cyd.zip").write_bytes(b"no zip")
    return folder


def run(submissions, out, executor=None, **options):
    return grading.grade(submissions, out, executor=executor or Serial(), weakest_level="limits", **options)


def command(submissions, out, *options):
    return main(["grade", "--unsafe", "--executor", "serial", str(submissions), "-o", str(out), *options])


@pytest.fixture
def quick(monkeypatch):
    """For what happens around the marking: what can be read is right. The submissions marked so far."""
    marked = []

    def mark(submission, options, level, earlier):
        marked.append(submission)
        right = not submission.faults
        result = ExerciseResult(float(right), "right" if right else "missing")
        return with_result(result), level

    monkeypatch.setattr(class_marking, "mark", mark)
    monkeypatch.setattr(canary, "check_worker", functools.cache(lambda *_: ENVIRONMENT))
    monkeypatch.setattr(class_report, "_draw", lambda path, *_: path.touch())
    return marked


def test_a_class_is_marked_and_written(out, submissions, capsys):
    assert command(submissions, out, "--seed", "5") == 0
    printed = capsys.readouterr().out
    assert f"Sandbox: {best_level('limits')}" in printed and "98.40 of 100   16 of 17 right" in printed
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    scores = {name: float(row["score"]) for name, row in rows.items()}
    assert scores == {"'=1+1": 0, "ada": 108, "bob": 98.4, "cyd": 0}
    assert rows["bob"]["8 batchnorm_backward_alt"] == "2.4" and rows["bob"]["sandbox"] == best_level("limits")
    assert "cyd.zip cannot be read as a zip" in rows["cyd"]["note"]
    assert "UTF-16" in rows["'=1+1"]["note"]

    results = json.loads((out / "students" / "bob" / "results.json").read_text())
    assert results["score"] == 98.4 and len(results["tests"]) == 18 and "Sandbox: " in results["output"]
    assert results["output"].endswith("solutions got all points there, and a blank submission none.")
    assert "the mean is held fixed" in results["tests"][7].pop("output")
    # fmt: off
    assert results["tests"][7] == {
        "name": "8 batchnorm_backward_alt", "number": "8", "score": 2.4, "max_score": 12, "status": "failed",
        "output_format": "text", "visibility": "visible", "tags": ["mean-held-fixed"],
        "extra_data": {"kind": "mean-held-fixed", "followed": [], "optional": False},
    }  # fmt: on
    page = (out / "students" / "bob" / "index.html").read_text()
    assert "98.4 of 100 points" in page and "the mean is held fixed" in page
    assert "8&nbsp;of&nbsp;8 (bonus)" in page
    page = (out / "index.html").read_text()
    assert "mean held fixed" in page and 'href="students/%3D1%2B1/index.html"' in page
    assert (out / "class.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob(".*"))  # no draft is left


def test_started_again_it_marks_only_what_changed(out, submissions, monkeypatch, quick, capsys):
    def scores_and_count(**options):
        return [row.results["score"] for row in run(submissions, out, **options)], len(quick)

    assert scores_and_count() == ([0, 100, 100, 0], 4)
    assert "before" not in capsys.readouterr().out
    assert scores_and_count() == ([0, 100, 100, 0], 4)
    assert capsys.readouterr().out == "  Unchanged, so not marked again: 4 of 4\n"
    zipped(submissions / "cyd.zip", solved())
    assert scores_and_count() == ([0, 100, 100, 100], 5)
    assert scores_and_count(seed=1)[1] == 9
    results = out / "students" / "ada" / "results.json"
    results.write_text(results.read_text()[:100])  # torn by something else
    assert scores_and_count()[1] == 10
    monkeypatch.setattr(grading, "grader_digest", lambda exercises: "another grader")
    assert scores_and_count()[1] == 14


def test_a_mark_of_another_environment_is_made_anew(out, submissions, monkeypatch, quick):
    """A weaker sandbox, another numpy, another user: zeros of a machine that was at fault must not stay."""
    run(submissions, out)
    for environment in (ENVIRONMENT._replace(numpy="1.0"), ENVIRONMENT._replace(level="limits"), ENVIRONMENT):
        monkeypatch.setattr(canary, "check_worker", functools.cache(lambda *_, e=environment: e))
        quick.clear()
        run(submissions, out)
        assert len(quick) == 4
    results = json.loads((out / "students" / "ada" / "results.json").read_text())
    assert results["extra_data"]["environment"] == ENVIRONMENT._asdict()


def test_the_class_page_says_which_mistakes_came_and_went(out, submissions, monkeypatch, quick):
    kinds = {"ada": ["no-mean", "right"], "bob": ["right", "raised"]}

    def mark(submission, options, level, earlier):
        kind = "right"
        if not submission.faults:
            name = "bob" if WRONG_ALT in submission.files[LAYERS] else "ada"
            kind = kinds[name].pop(0)
        results = with_result(ExerciseResult(1.0))
        return results | {7: ExerciseResult(float(kind == "right"), kind)}, level

    monkeypatch.setattr(class_marking, "mark", mark)
    run(submissions, out)
    assert "Mistakes that have changed" not in (out / "index.html").read_text()
    run(submissions, out, again=True)
    page = re.sub("<.*?>", " ", (out / "index.html").read_text())
    table = re.sub(" +", " ", page[page.index("Mistakes that have changed") :])
    assert "7 batchnorm_backward no mean right 1 \n" in table
    assert "7 batchnorm_backward right raises an error 1 \n" in table


def test_some_are_marked_alone_or_anew(out, submissions, quick, capsys):
    assert command(submissions, out, "--only", "ada", "--only", "bob") == 0 and len(quick) == 2
    assert len((out / "grades.csv").read_text().splitlines()) == 3
    assert command(submissions, out) == 0 and len(quick) == 4
    assert command(submissions, out, "--again", "--only", "bob") == 0 and len(quick) == 5
    assert len((out / "grades.csv").read_text().splitlines()) == 5
    assert command(submissions, out, "--again") == 0 and len(quick) == 9
    assert command(submissions, out, "--only", "zoe") == 1
    assert "no submission is from 'zoe'; try: --only one of =1+1, ada" in capsys.readouterr().err


def test_limits_are_options(out, submissions, quick, monkeypatch):
    options = []
    monkeypatch.setattr(canary, "check_worker", lambda *given: options.append(given[0]) or ENVIRONMENT)
    assert command(submissions, out, "--seconds", "30", "--memory", "2048") == 0
    assert {given.limits for given in options} == {Limits(30, 360, 2 << 30)}


def test_nothing_of_the_seed_is_in_what_students_get(out, submissions, quick):
    run(submissions, out, seed=5)
    stored = json.loads((out / "grading.json").read_text())
    assert stored["seed"] == 5 and stored["digests"].keys() == {"=1+1", "ada", "bob", "cyd"}
    for path in (out / "students").rglob("*.*"):
        assert not [digest for digest in stored["digests"].values() if digest in path.read_text()]


@pytest.mark.parametrize("is_endless", [False, True])
def test_who_runs_out_of_time_is_tried_again_alone(is_endless, out, submissions, monkeypatch, quick):
    """Unless that is known to be for good."""
    tries = []

    def mark(submission, options, level, earlier):
        tries.append(bool(earlier))
        kind = "right" if submission.faults or earlier else "timed-out"
        return with_result(ExerciseResult(kind == "right", kind, is_endless=is_endless)), level

    monkeypatch.setattr(class_marking, "mark", mark)
    rows = run(submissions, out)
    assert tries == [False] * 4 + [True] * 2 * (not is_endless)
    assert {row.student for row in rows} == {"=1+1", "ada", "bob", "cyd"}
    assert [row.results["score"] for row in rows].count(100) == (2 if is_endless else 4)


def test_who_cannot_be_marked_is_named_and_tried_again(out, submissions, monkeypatch, capsys, quick):
    def fails(submission, *arguments):
        if not submission.faults:
            raise OSError("no room for a child")
        return real(submission, *arguments)

    real = class_marking.mark_submission
    with monkeypatch.context() as patch:
        patch.setattr(class_marking, "mark_submission", fails)
        assert command(submissions, out) == 1
    message = "ada is not marked, because no room for a child; try: the same command again"
    assert message in capsys.readouterr().err
    assert "no room for a child" in (out / "index.html").read_text()
    assert not (out / "students" / "ada").exists() and (out / "students" / "cyd").exists()
    assert command(submissions, out) == 0
    assert (out / "students" / "ada" / "results.json").exists()


INTERRUPTIONS = [("mark_submission", KeyboardInterrupt), ("read_submission", MemoryError)]


@pytest.mark.parametrize("name, error", INTERRUPTIONS)
def test_an_interruption_keeps_what_is_marked(name, error, out, submissions, monkeypatch, quick):
    real = getattr(class_marking, name)

    def fails(*args, **options):
        if len(quick) == 2:
            raise error
        return real(*args, **options)

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(class_marking, name, fails)
        patch.setattr(class_marking, "MAX_PENDING", 1)
        run(submissions, out)
    assert len(list(out.glob("students/*/results.json"))) == 2
    assert len((out / "grades.csv").read_text().splitlines()) == 3
    run(submissions, out)
    assert len(quick) == 4


# fmt: off
NO_START = [
    ("nowhere", "out", "^grade: there is no folder nowhere; try: "),
    ("in", "out --manifest nowhere.json", "cannot read the manifest nowhere.json"),
    ("in", "out --manifest mine.json", "no problem is known for conv_forward"),
    ("in", "out --executor gpu", "executor must be serial, processes:N or dask:ADDRESS"),
    # The next run would take the results for a student's.
    *[("in", o, f"{o} is within .* try: -o a folder beside it") for o in ("in", "in/out", "in/deep/out")],
]
# fmt: on


@pytest.mark.parametrize("submissions, out, message", NO_START)
def test_a_command_that_cannot_start_says_why(tmp_path, monkeypatch, capsys, submissions, out, message):
    monkeypatch.chdir(tmp_path)
    zipped(tmp_path / "in" / "ada.zip", {LAYERS: "x = 1"})
    write_manifest(tmp_path, 1, title="conv_forward")
    assert command(submissions, *out.split()) == 1
    assert re.search(message, capsys.readouterr().err)
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "ada.zip", "mine.json"}


def test_a_name_cannot_stop_the_class_or_write_another_line(tmp_path, out, capsys, quick):
    names = ["ada", "b\udcff\udcfe", "c\x1b[2J\x1b]0;title\x07\n  zoe        100.00 of 100", "d\u202eada"]
    for name in names:
        zipped(tmp_path / "in" / f"{name}.zip", {LAYERS: "x = 1"})
    assert command(tmp_path / "in", out) == 0
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x07\u202e\udcff") and "\n  zoe" not in printed
    assert printed.encode() and len(printed.splitlines()) == len(names) + 2
    assert not set((out / "grades.csv").read_text()) & set("\x1b\x07\u202e")
    for name in names:
        assert (out / "students" / name / "results.json").exists()
    assert 'href="students/b%FF%FE/index.html"' in (out / "index.html").read_text()
    os.mkdir(tmp_path / "in" / names[2])
    assert command(tmp_path / "in", out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "both belong to" in line


def test_what_the_disk_does_not_give_is_not_marked_and_the_others_are(tmp_path, out, capsys, quick):
    zipped(tmp_path / "in" / "ada.zip", {LAYERS: "x = 1"})
    (tmp_path / "in" / "bob.zip").symlink_to("nowhere")
    (tmp_path / "in" / "layers.py").touch()
    assert command(tmp_path / "in", out) == 1
    printed = capsys.readouterr()
    assert "  Skipped, neither an archive nor a folder: 1: layers.py\n" in printed.out
    (line,) = printed.err.splitlines()
    assert "bob is not marked, because bob.zip cannot be read here (No such file or directory); try: " in line
    assert [path.name for path in (out / "students").iterdir()] == ["ada"]
    assert "bob,,,," in (out / "grades.csv").read_text()


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_name_that_the_terminal_cannot_print_does_not_stop_the_class(settings, tmp_path, out):
    """Where names are encoded strictly, and where Python cannot tell the coding of names at all."""
    (tmp_path / "in" / "ada").mkdir(parents=True)
    for name in ("Zoë", "b\udcff", "李"):
        (tmp_path / "in" / f"{name}.rar").touch()
    argv = [sys.executable, "-m", "classroom", "grade", str(tmp_path / "in"), "-o", str(out)]
    argv += ["--executor", "processes:1", "--manifest", write_manifest(tmp_path, 1)]
    environment = {**os.environ, "PYTHONCOERCECLOCALE": "0", **settings}
    ended = subprocess.run(argv, cwd=REPOSITORY, env=environment, capture_output=True)
    assert ended.stdout.decode("ascii").count("not marked, because") == 3 and b"Traceback" not in ended.stderr
    assert ended.returncode == 1 and (out / "students" / "ada" / "results.json").exists()


def test_a_students_text_is_text(tmp_path, out):
    text = "'<script>1</script>\\x1b[31m\\n\\udc80'"
    source = f"def relu_forward(x):\n    raise ValueError({text})\n"
    zipped(tmp_path / "in" / "<b>eve.zip", blank(source))
    run(tmp_path / "in", out, seed=5)
    for page in out.rglob("*.html"):
        text = page.read_text()
        assert "<script>" not in text and "<b>" not in text and "\x1b" not in text
    assert "&lt;script&gt;" in (out / "index.html").read_text()


def test_a_grader_that_is_terminated_keeps_what_is_marked_and_leaves_no_code_of_students(out, tmp_path):
    """It left the folders of children, its own and its workers'."""
    zipped(tmp_path / "in" / "ada.zip", solved())
    zipped(tmp_path / "in" / "bob.zip", hostile("endless_loop"))
    argv = [sys.executable, "-m", "classroom", "grade", str(tmp_path / "in"), "-o", str(out)]
    argv += ["--executor", "processes:2", "--manifest", write_manifest(tmp_path, 1)]
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        os.chmod(temporary, 0o755)  # children may run as another user
        environment = {**os.environ, "TMPDIR": temporary}
        with subprocess.Popen(argv, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE) as process:
            end = time.monotonic() + 60
            while time.monotonic() < end and not (out / "students" / "ada" / "results.json").exists():
                time.sleep(0.1)
            assert list(Path(temporary).rglob("layers.py"))
            process.terminate()
            errors = process.stderr.read().decode()
            assert process.wait(20) == 130 and errors == "\ngrade: interrupted; try the same command again\n"
        assert not os.listdir(temporary)
    assert (out / "grades.csv").read_text().count("\nada,3,3") == 1
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process that has just ended
            assert temporary.encode() not in path.read_bytes()


def test_only_a_few_submissions_are_pending_at_a_time(tmp_path, out, monkeypatch, quick):
    """So that memory does not grow with the class."""
    for i in range(9):
        zipped(tmp_path / "in" / f"s{i}.zip", {LAYERS: f"# {i}\n"})
    counts = []

    class Lazy(Serial):
        def submit(self, *task):
            future = Future()
            future.task = task
            return future

    def wait(futures, return_when):
        counts.append(len(futures))
        future = next(iter(futures))
        fn, *args = future.task
        future.set_result(fn(*args))
        return SimpleNamespace(done={future})

    monkeypatch.setattr(class_marking, "MAX_PENDING", 3)
    monkeypatch.setattr(class_marking, "wait", wait)
    assert len(run(tmp_path / "in", out, Lazy())) == 9 and max(counts) == 3


@pytest.fixture
def anew():
    """What workers remember is forgotten, before and after."""
    for remembered in (check_worker, make_trials):
        remembered.cache_clear()
    yield
    for remembered in (check_worker, make_trials):
        remembered.cache_clear()


def child_that(answer):
    """A Child whose answers go through a function of the request and the answer."""

    class Changed(Child):
        def ask(self, request, *arguments):
            return answer(request, lambda: super(Changed, self).ask(request, *arguments))

    return Changed


def without_numpy_ma(request, ask):
    if request.get("load") == "numpy.ma":
        return {"error": {"type": "PermissionError", "message": "numpy/ma"}}
    return {"failed": ["winreg", "numpy.ma"]} if "import" in request else ask()


def never_in_time(request, ask):
    if request.get("exercise") == "affine_forward":
        raise ChildTimeoutError("no answer after 10 seconds")
    return ask()


MACHINES = {  # {what is wrong with the machine: an answer of its children, what is said and what to try}
    "a part of numpy is not to be read": (without_numpy_ma, "child cannot import numpy.ma .*; try: chmod"),
    "it is too busy": (never_in_time, "own solutions would get 0 % for .* affine.* Try: .*less other work"),
}


@pytest.mark.parametrize("answer, message", MACHINES.values(), ids=MACHINES)
def test_no_class_is_marked_where_solutions_get_nothing(
    answer, message, tmp_path, out, submissions, monkeypatch, capsys, anew
):
    """Right submissions got 0 there, with status 0."""
    for module in (runner, canary):
        monkeypatch.setattr(module, "Child", child_that(answer))
    assert command(submissions, out, "--manifest", str(write_manifest(tmp_path, 1))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(f"^grade: nothing is marked, because .*{message}", line)
    assert not out.exists()


def wrong_trials(title, seed):
    (first, *others) = make_trials(title, seed)
    out = {key: array + 1e-3 for key, array in first.expected.items()}
    return (first._replace(expected=out), *others)


KITS = {
    "its layers are wrong": ("make_trials", wrong_trials, "own affine_forward is wrong .out"),
    "its blanks are solved": (
        "child_files",
        lambda exercises, _: child_files(exercises, exercises),
        "a blank file would get 100 % for exercise 1 affine_forward",
    ),
    "it is not the grader's": ("grader_digest", lambda exercises: "older", "has another version of the kit"),
}


@pytest.mark.parametrize("name, value, message", KITS.values(), ids=KITS)
def test_no_class_is_marked_by_a_kit_that_was_changed(
    name, value, message, tmp_path, out, submissions, monkeypatch, capsys, anew
):
    monkeypatch.setattr(canary, name, value)
    assert command(submissions, out, "--manifest", str(write_manifest(tmp_path, 1))) == 1
    assert re.search(f"^grade: .*{message}.*try: ", capsys.readouterr().err, re.I)
    assert not out.exists()


def test_a_worker_whose_machine_changes_is_tried_again(tmp_path, out, monkeypatch, quick):
    """A whole submission that cannot be imported is the student's only if the solution still can."""
    zipped(tmp_path / "in" / "ada.zip", solved())
    all_failed = {exercise.number: ExerciseResult(0.0, "no-import") for exercise in EXERCISES}
    monkeypatch.setattr(class_marking, "mark", lambda *_: (all_failed, "limits"))
    calls = []

    @functools.cache
    def check(*_):
        calls.append(1)
        if len(calls) == 2:
            raise CanaryError("the disk is gone")
        return ENVIRONMENT

    monkeypatch.setattr(canary, "check_worker", check)
    (row,) = run(tmp_path / "in", out)
    assert row.error == "the disk is gone" and not list(out.glob("students/*"))
