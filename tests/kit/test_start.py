"""One word to start: the assignment in a folder of its own, from a small kit and with a fake Python."""

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from cs231n.commands import setup as setup_command
from cs231n.commands import start as command
from cs231n.data.sources import CIFAR10, _find_local_copy
from tests.support import ROOT, fakes
from tests.support.python import run_python

pytestmark = pytest.mark.skipif(fakes.SH is None, reason="setup.sh is for sh")
NAME = "meine Übung 1"
GO_ON = "&& ./setup.sh lab"


class Kit:
    """A kit with one exercise, which it takes no time to release; a call runs its setup.sh start."""

    def __init__(self, folder):
        self.folder = folder / "kit"
        self.home = folder / "my home"
        self.home.mkdir(parents=True)
        fakes.copy_parts(self.folder, "classroom")
        for path in (self.folder / "cs231n" / "commands").iterdir():
            if path.stem not in ("__init__", "setup", "start"):
                path.unlink()
        shutil.copy(ROOT / "cs231n" / "layers.py", self.folder / "cs231n")
        (self.folder / "datasets").mkdir()
        exercises = json.loads((ROOT / "classroom" / "exercises.json").read_text(encoding="utf-8"))
        (self.folder / "classroom" / "exercises.json").write_text(json.dumps(exercises[:1]))
        self.environment = {"XDG_CACHE_HOME": "", "HOME": str(self.home)}

    def start(self, *words, folder=None, run=fakes.setup, env=None, **answers):
        machine = fakes.machine(self.folder.parent / "machine", **answers)
        env = {**machine, **self.environment, **(env or {})}
        return run(folder or self.folder, "start", *words, cwd=self.home, **env)


@pytest.fixture
def kit(tmp_path):
    return Kit(tmp_path)


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
    for step, word in zip(steps[1:], ["card", "hint(1)", "in a terminal", "python -m cs231n submit"]):
        assert word in step
    commands = [
        f'cd "{kit.folder.parent / "batchnorm-assignment"}"',
        "source .venv/bin/activate",
        "python -m cs231n check",
        "python -m cs231n hint 1",
    ]
    assert "\n".join(f"   {command}" for command in commands) in printed  # a command alone on its line


@pytest.mark.parametrize("user", [0, 1000])
def test_it_opens_notebook_1_but_not_for_root(kit, user):
    done = kit.start(NAME, real_python=f"import os; os.geteuid = lambda: {user}")
    lab = done.stdout.splitlines()[-1]
    if user:
        assert lab.startswith(f"lab in {kit.home / NAME}: ") and lab.endswith(
            "=/lab/tree/" + command.NOTEBOOK
        )
    else:
        assert done.returncode == 0 and lab.startswith("You are root") and "lab in" not in done.stdout


def test_python_starts_it_as_well(kit):
    env = {**fakes.machine(kit.folder.parent / "machine"), **kit.environment}
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
    "answers", [{"pip": "echo 'Temporary failure in name resolution'; exit 1"}, {"real_python": fakes.NO_PIP}]
)
def test_a_set_up_that_failed_is_repeated_in_the_folder(kit, answers):
    folder = kit.home / NAME
    done = kit.start(NAME, "--no-lab", **answers)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("setup: ")
    assert "pip" not in answers or f'then cd "{folder}" {GO_ON}' in done.stderr
    assert f'To go on with it: cd "{folder}" {GO_ON}' in kit.start(NAME).stderr
    assert_started(kit.start("--no-lab", folder=folder), folder)


def test_ctrl_c_while_the_folder_is_made_leaves_none(kit):
    release = kit.folder / "classroom" / "releasing" / "release.py"
    slow = "import time, pathlib; pathlib.Path('started').touch(); time.sleep(30)"
    release.write_text(f"{release.read_text()}\n\ndef write_targets(_):\n    {slow}\n")
    err = fakes.kill_once(kit.start(NAME, run=fakes.start), kit.folder / "started")
    assert err.strip() == "start: interrupted, no folder was made; try the same command again"
    assert not (kit.home / NAME).exists()


def test_ctrl_c_while_it_is_set_up_says_how_to_go_on(kit):
    folder = kit.home / NAME
    err = fakes.kill_once(
        kit.start(NAME, run=fakes.start, pip="touch started; exec sleep 30"), folder / "started"
    )
    assert f'start: interrupted; to go on: cd "{folder}" {GO_ON}' in err
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

    shutil.copytree(ROOT / "cs231n" / "data", kit.folder / "cs231n" / "data")
    elsewhere = tmp_path / "große Platte"
    elsewhere.mkdir()
    kit.start(NAME, "--no-lab", env={"XDG_CACHE_HOME": str(elsewhere)})
    assert cache_of_the_assignment() == str(elsewhere / "cs231n")
    elsewhere.rename(tmp_path / "another machine")
    assert cache_of_the_assignment() == str(kit.home / ".cache" / "cs231n")


def test_on_windows_it_goes_on_in_the_folder_and_says_what_works_there(tmp_path, monkeypatch, capsys):
    ran, folder = [], tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    for module in (command, setup_command):
        monkeypatch.setattr(module, "WINDOWS", True)
        monkeypatch.setattr(
            module, "run_program", lambda words: ran.append(words[1:]) or folder.mkdir(exist_ok=True)
        )
    monkeypatch.setattr(command, "START", "python -m cs231n start")
    command.main(Namespace(folder="mine", no_lab=True))
    assert ran == [["-m", "classroom.releasing.start", folder], ["-m", "cs231n", "start", "--no-lab"]]
    assert Path.cwd() == folder
    command._print_first_steps()
    out = capsys.readouterr().out
    assert "python -m cs231n start\n" in out and r".venv\Scripts\activate" in out and "setup.sh" not in out
