"""One word to start: the assignment in a folder of its own, from a small kit and with a fake Python."""

import json
import os
import shutil
import signal
import time
from argparse import Namespace

import pytest

from cs231n.commands import start as command
from cs231n.data.sources import CIFAR10, _find_local_copy
from tests.support import ROOT
from tests.support.fake_python import BASH, executable, fake_python, setup, start
from tests.support.python import run_python

pytestmark = pytest.mark.skipif(BASH is None, reason="the folder is set up by setup.sh")
NAME = "meine Übung 1"
GO_ON = "&& ./setup.sh lab"


class Kit:
    """A kit with one exercise, which it takes no time to release; a call runs its setup.sh start."""

    def __init__(self, folder):
        self.folder = folder / "kit"
        self.home = folder / "my home"
        self.home.mkdir(parents=True)
        ignored = shutil.ignore_patterns("__pycache__", "exercises*.json")
        for name in ("cs231n/commands", "cs231n/common", "cs231n/data", "classroom"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        for name in (
            "cs231n/__init__.py",
            "cs231n/__main__.py",
            "cs231n/layers.py",
            "setup.sh",
            "requirements.lock",
        ):
            shutil.copy(ROOT / name, self.folder / name)
        (self.folder / "datasets").mkdir()
        exercises = json.loads((ROOT / "classroom" / "exercises.json").read_text(encoding="utf-8"))
        (self.folder / "classroom" / "exercises.json").write_text(json.dumps(exercises[:1]))
        self.environment = {"XDG_CACHE_HOME": "", "HOME": str(self.home)}

    def start(self, *words, folder=None, run=setup, env=None, **answers):
        python = fake_python(self.folder.parent / "fake-python", **answers)
        env = {**self.environment, "PYTHON": str(python), **(env or {})}
        return run(folder or self.folder, "start", *words, cwd=self.home, **env)


@pytest.fixture
def kit(tmp_path):
    return Kit(tmp_path)


@pytest.fixture
def nobody(tmp_path):
    """PATH with an id that knows no root, for whom JupyterLab would not be opened."""
    return {"PATH": f"{executable(tmp_path / 'tools' / 'id', 'echo 1000').parent}:{os.environ['PATH']}"}


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_started(done, folder):
    assert done.returncode == 0, done
    assert "write it" in (folder / "cs231n" / "layers.py").read_text(encoding="utf-8").lower()
    assert (folder / ".venv" / "installed.lock").exists() and not (folder / "classroom").exists()


@pytest.mark.parametrize(
    "words", [[NAME], ["{home}/" + NAME], ["~/" + NAME], ["a/b/" + NAME], ["."], []], ids=str
)
def test_it_makes_the_folder_and_sets_it_up(kit, words):
    done = kit.start("--no-lab", *[word.format(home=kit.home) for word in words])
    path = words[0].replace("~", "{home}").format(home=kit.home) if words else "../batchnorm-assignment"
    folder = (kit.home / path).resolve()
    assert_started(done, folder)
    assert done.stdout.count("Making .venv") == 1 and not (kit.folder / ".venv").exists()
    assert f'\ncd "{folder}" {GO_ON}' in done.stdout and "lab in" not in done.stdout
    assert not [path.name for path in folder.parent.iterdir() if path.name.startswith((".batch", ".mein"))]


def test_five_steps_say_what_to_do_first(kit):
    printed = kit.start("--no-lab").stdout
    steps = [line for line in printed.splitlines() if line[1:2] == "."]
    assert [step[:2] for step in steps] == ["1.", "2.", "3.", "4.", "5."] and max(map(len, steps)) <= 80
    assert command.NOTEBOOK in steps[0] and (ROOT / command.NOTEBOOK).is_file()
    for step, word in zip(steps[1:], ["card", "hint(1)", "In this folder", "python -m cs231n submit"]):
        assert word in step
    commands = ["source .venv/bin/activate", "python -m cs231n check", "python -m cs231n hint 1"]
    assert "\n".join(f"   {command}" for command in commands) in printed  # a command alone on its line


def test_it_opens_notebook_1_in_the_folder(kit, nobody):
    done = kit.start(NAME, env=nobody)
    lab = done.stdout.splitlines()[-1]
    assert lab.startswith(f"lab in {kit.home / NAME}: ") and lab.endswith("=/lab/tree/" + command.NOTEBOOK)


def test_for_root_it_says_how_to_open_it(kit, tmp_path):
    tools = executable(tmp_path / "tools" / "id", "echo 0").parent
    done = kit.start(NAME, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.returncode == 0 and "You are root" in done.stdout and "lab in" not in done.stdout


def test_python_starts_it_as_well(kit):
    python = fake_python(kit.folder.parent / "fake-python")
    env = {**kit.environment, "PYTHON": str(python), "PYTHONPATH": None}
    done = run_python(["-S", "-m", "cs231n", "start", kit.home / NAME, "--no-lab"], cwd=kit.folder, env=env)
    assert_started(done, kit.home / NAME)
    again = run_python(["-m", "cs231n", "start", "--no-lab"], cwd=kit.home / NAME, env=env)
    assert again.returncode == 0 and "Making" not in again.stdout and "1. Open" in again.stdout


def test_the_edition_is_written_by_a_python_without_packages(kit):
    code = ["-S", "-m", "classroom.releasing.start", kit.home / NAME]
    done = run_python(code, cwd=kit.folder, env={"PYTHONPATH": None})
    assert done.returncode == 0 and (kit.home / NAME / "setup.sh").exists(), done.stderr


@pytest.mark.parametrize("there", ["assignment", "folder", "file"])
def test_what_is_there_is_not_touched(kit, there):
    folder = kit.home / NAME
    if there == "assignment":
        kit.start(NAME, "--no-lab")
        (folder / "cs231n" / "layers.py").write_text("my work")
    elif there == "folder":
        (folder / "thesis").mkdir(parents=True)
    else:
        folder.write_text("mine")
    before = files_of(kit.home)
    done = kit.start(NAME, "--no-lab")
    assert done.returncode == 1 and "nothing in it was changed" in done.stderr, done
    assert (f'To go on with it: cd "{folder}" {GO_ON}' in done.stderr) == (there == "assignment")
    assert "./setup.sh start ANOTHER_FOLDER" in done.stderr and files_of(kit.home) == before


def test_an_empty_folder_is_filled(kit):
    (kit.home / NAME).mkdir()
    assert_started(kit.start(NAME, "--no-lab"), kit.home / NAME)


def test_a_folder_in_the_kit_is_refused(kit):
    done = kit.start(str(kit.folder / "mine"), "--no-lab")
    assert done.returncode == 1 and "lies in the kit" in done.stderr and not (kit.folder / "mine").exists()


@pytest.mark.parametrize("reason", ["File exists", "Permission denied"])
def test_a_folder_that_cannot_be_made_is_one_clear_line(kit, reason):
    if reason == "File exists":
        (kit.home / "place").touch()
    elif os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    else:
        (kit.home / "place").mkdir(mode=0o555)
    done = kit.start("place/mine", "--no-lab")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and reason in line and str(kit.home / "place") in line


def test_a_kit_that_would_give_a_solution_away_makes_no_folder_and_shows_none(kit):
    solution = "    return x.reshape(len(x), -1) @ w + b, (x, w, b)\n"
    assert solution in (kit.folder / "cs231n" / "layers.py").read_text(encoding="utf-8")
    (kit.folder / "datasets" / "README.md").write_text(solution)
    done = kit.start(NAME, "--no-lab")
    assert done.returncode == 1 and not (kit.home / NAME).exists()
    assert "try a fresh clone" in done.stderr and "@ w" not in done.stderr


def test_wrong_words_are_refused(kit):
    assert kit.start("one", "two").returncode == 2
    assert kit.start("--lab").returncode == 2
    assert not (kit.home / "one").exists()


def test_in_the_assignment_it_sets_up_and_says_the_same(kit):
    kit.start(NAME, "--no-lab")
    folder = kit.home / NAME
    shutil.rmtree(folder / ".venv")
    done = kit.start("--no-lab", folder=folder)
    assert_started(done, folder)
    assert "1. Open" in done.stdout
    refused = kit.start("another", folder=folder)
    assert refused.returncode == 1 and "is the assignment already" in refused.stderr


@pytest.mark.parametrize(
    "answers", [{"pip": "echo 'Temporary failure in name resolution'; exit 1"}, {"ensurepip": 1}]
)
def test_a_set_up_that_failed_is_repeated_in_the_folder(kit, answers):
    folder = kit.home / NAME
    done = kit.start(NAME, "--no-lab", **answers)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("setup: ")
    assert "pip" not in answers or f'then cd "{folder}" {GO_ON}' in done.stderr
    assert f'To go on with it: cd "{folder}" {GO_ON}' in kit.start(NAME).stderr
    assert_started(kit.start("--no-lab", folder=folder), folder)


def interrupt_once(process, marker):
    deadline = time.monotonic() + 20
    while not marker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    return err


def test_ctrl_c_while_the_folder_is_made_leaves_none(kit):
    release = kit.folder / "classroom" / "releasing" / "release.py"
    slow = "import time, pathlib; pathlib.Path('started').touch(); time.sleep(30)"
    release.write_text(f"{release.read_text()}\n\ndef write_targets(_):\n    {slow}\n")
    err = interrupt_once(kit.start(NAME, run=start), kit.folder / "started")
    assert err.strip() == "start: interrupted, no folder was made; try the same command again"
    assert not (kit.home / NAME).exists()


def test_ctrl_c_while_it_is_set_up_says_how_to_go_on(kit):
    folder = kit.home / NAME
    err = interrupt_once(kit.start(NAME, run=start, pip="touch started; exec sleep 30"), folder / "started")
    assert f'setup: interrupted; to go on: cd "{folder}" {GO_ON}' in err
    assert_started(kit.start("--no-lab", folder=folder), folder)


def test_images_in_the_kit_are_found(kit):
    assert "data at hand\n" in kit.start("one", "--no-lab").stdout
    (kit.folder / "datasets" / command.LOCAL_IMAGES[1]).touch()
    assert f"data at hand, from {kit.folder / 'datasets'}\n" in kit.start("two", "--no-lab").stdout
    done = kit.start("three", "--no-lab", env={"CS231N_CIFAR10": "/my/images"})
    assert "data at hand, from /my/images\n" in done.stdout


@pytest.mark.parametrize("name", command.LOCAL_IMAGES)
def test_images_in_the_kit_have_the_names_that_the_search_knows(tmp_path, name):
    (tmp_path / name).touch()
    assert _find_local_copy(tmp_path, CIFAR10) == tmp_path / name


def test_a_cache_that_was_elsewhere_at_the_start_is_found_later(kit, tmp_path):
    def cache_of_the_assignment():
        code = "from cs231n.data.cache import cache_folder; print(cache_folder())"
        return run_python(
            code, cwd=kit.home / NAME, env={**kit.environment, "PYTHONPATH": None}
        ).stdout.strip()

    elsewhere = tmp_path / "große Platte"
    elsewhere.mkdir()
    kit.start(NAME, "--no-lab", env={"XDG_CACHE_HOME": str(elsewhere)})
    assert cache_of_the_assignment() == str(elsewhere / "cs231n")
    elsewhere.rename(tmp_path / "another machine")
    assert cache_of_the_assignment() == str(kit.home / ".cache" / "cs231n")


@pytest.fixture
def windows(monkeypatch):
    """start as on Windows; the list of commands that it runs, the first that holds `failing` in vain."""
    ran = []

    def run(words, folder):
        ran.append(" ".join(map(str, words)))
        return int(any(word in ran[-1] for word in run.failing))

    run.failing = []
    monkeypatch.setattr(command, "WINDOWS", True)
    monkeypatch.setattr(command, "START", "python -m cs231n start")
    monkeypatch.setattr(command, "_run", run)
    return run, ran


@pytest.mark.parametrize("no_lab", [False, True])
def test_on_windows_it_does_the_steps_of_setup(windows, tmp_path, capsys, no_lab):
    _, ran = windows
    assert command.main(Namespace(folder=str(tmp_path / "mine"), no_lab=no_lab)) == 0
    expected = [
        "classroom.releasing.start",
        "-m venv .venv",
        "install --quiet --require-hashes -r requirements.lock",
    ]
    expected += ["-m cs231n data", "jupyterlab"][: 2 - no_lab]
    assert len(ran) == len(expected) and all(word in line for word, line in zip(expected, ran)), ran
    out = capsys.readouterr().out
    assert "python -m cs231n start\n" in out and r".venv\Scripts\activate" in out and "setup.sh" not in out


@pytest.mark.parametrize("failing", ["-m venv", "pip", "cs231n data"])
def test_on_windows_a_step_that_fails_is_the_last(windows, tmp_path, capsys, failing):
    run, ran = windows
    run.failing.append(failing)
    assert command.main(Namespace(folder=str(tmp_path / "mine"), no_lab=False)) == 1
    assert failing in ran[-1]
    assert f'To go on: cd "{tmp_path / "mine"}", then python -m cs231n start' in capsys.readouterr().err


def test_a_python_of_another_version_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command.sys, "version_info", (3, 15))
    assert command.main(Namespace(folder=str(tmp_path / "mine"), no_lab=True)) == 1
    assert "Python 3.10 to 3.14 is needed" in capsys.readouterr().err
