"""setup.sh where something is missing, broken, interrupted or done twice; a fake Python answers it."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.fake_python import BASH, assert_one_clear_line, executable, fake_python, setup, start
from tests.support.python import run_python

pytestmark = pytest.mark.skipif(BASH is None, reason="setup.sh is for bash")


@pytest.fixture
def kit(tmp_path):
    """Runs setup.sh on a copy of what it needs: kit(command, answers of the fake Python)."""
    folder = tmp_path / "kit"
    for name in ("notebooks", "tests"):
        (folder / name).mkdir(parents=True)
    for name in ("setup.sh", "requirements.lock"):
        shutil.copy(ROOT / name, folder)

    def run(*command, env=None, **answers):
        python = fake_python(folder / "fake-python", **answers)
        return setup(folder, *command, **{"PYTHON": str(python), **(env or {})})

    run.folder, run.venv = folder, folder / ".venv"
    return run


@pytest.fixture
def own_venv(kit):
    """The same with a .venv that the user made: own_venv(answers of its Python) runs setup.sh."""

    def run(**answers):
        fake_python(kit.venv / "bin" / "python", **{"version": "3.11", **answers})
        (kit.venv / "mine").touch()
        return kit("run", env={"PYTHON": ""})

    return run


def assert_ran(done):
    assert done.returncode == 0 and "notebooks ran" in done.stdout, done


def test_ci_can_be_run_and_calls_the_same_command():
    subprocess.run([BASH, "-n", ROOT / ".ci" / "run"], check=True)
    assert all(os.access(ROOT / script, os.X_OK) for script in ("setup.sh", ".ci/run"))
    assert "./setup.sh test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("shell", ["bash", "dash", "sh"])
def test_help_names_every_command_under_any_shell(kit, shell):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    done = setup(kit.folder, "help", shell=shell)
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80
    assert all(
        re.search(rf"^  {name} ", done.stdout, re.M) for name in ("start", "run", "test", "lab", "help")
    )


@pytest.mark.parametrize("command", ["", "tset", "run notebook", "test notebook", "help notebook"])
def test_wrong_words_are_refused_before_anything_is_done(kit, command):
    done = kit(*command.split())
    problem = {"": "Usage", "tset": "unknown command 'tset'"}.get(command, "got 'notebook'")
    assert done.returncode == 2 and problem in done.stderr and not kit.venv.exists()
    assert not command or len(done.stderr.splitlines()) == 1


def test_cdpath_and_what_would_lead_pip_astray_do_no_harm(kit, tmp_path):
    (tmp_path / "elsewhere" / "kit").mkdir(parents=True)
    astray = {"PIP_USER": "1", "PIP_TARGET": "/x", "PIP_PREFIX": "/x", "PYTHONSAFEPATH": "1"}
    python = fake_python(tmp_path / "python", pip="env >seen-by-pip")
    env = {**astray, "CDPATH": str(tmp_path / "elsewhere"), "PYTHON": str(python)}
    done = setup(Path("kit"), "run", cwd=tmp_path, **env)
    assert done.returncode == 0 and str(kit.folder) not in done.stdout, done
    assert not re.search(f"^({'|'.join(astray)})=", (kit.folder / "seen-by-pip").read_text(), re.M)


@pytest.mark.parametrize("location", ["data/x.tar.gz", "/data/x", "~/x", "http://host/x", "file:/data/x"])
def test_names_are_taken_from_where_the_user_stands(kit, tmp_path, location):
    fake_python(tmp_path / "my" / "python")
    meant = f"{tmp_path}/{location}" if location.startswith("data") else location
    done = setup(kit.folder, "run", cwd=tmp_path, PYTHON="my/python", CS231N_CIFAR10=location)
    assert done.returncode == 0 and f"data at hand, from {meant}\n" in done.stdout, done


# fmt: off
@pytest.mark.parametrize("answers, words", [
    ({"version": "2.7"}, ["Python 2.7", "3.10 to 3.14"]),
    ({"version": "3.9"}, ["Python 3.9", "3.10 to 3.14"]),
    ({"version": "3.15"}, ["Python 3.15", "3.10 to 3.14"]),
    ({"env": {"PYTHON": "/no/such/python"}}, ["/no/such/python", "3.10 to 3.14", "try:"]),
    ({"ensurepip": 1}, ["venv module", "apt install python3.12-venv"]),
    ({"pip": "echo 'Temporary failure in name resolution'; exit 1"}, ["check the network", "try:"]),
    ({"pip": "echo '[Errno 28] No space left on device'; exit 1"}, ["disk is full", "try:"]),
    ({"pip": "echo 'PACKAGES DO NOT MATCH THE HASHES'; exit 1"}, ["requirements.lock", "try:"]),
    ({"pip": "echo 'error: subprocess-exited-with-error'; exit 1"}, ["install.log", "try:"]),
], ids=str)
# fmt: on
def test_a_python_or_a_pip_that_will_not_do(kit, answers, words):
    assert_one_clear_line(kit("run", **answers), *words)
    assert kit.venv.exists() == ("pip" in answers) and not (kit.venv / "installed.lock").exists()


def test_no_python_at_all(kit):
    (kit.folder / "tools").mkdir()
    for tool in ("bash", "dirname", "cat"):
        (kit.folder / "tools" / tool).symlink_to(shutil.which(tool))
    done = kit("run", env={"PYTHON": "", "PATH": str(kit.folder / "tools")})
    assert_one_clear_line(done, "no Python 3.10 to 3.14")


@pytest.mark.parametrize("disk", ["disk", "//server/my 2 disks"])
def test_a_full_disk(kit, disk):
    df = f"#!/bin/sh\necho header\necho '{disk} 9999999 1 204800 99% /my disk'\n"
    tools = executable(kit.folder / "tools" / "df", df).parent
    done = kit("run", env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert_one_clear_line(done, "only 200 MB free", "try:")


def test_a_folder_that_cannot_be_written():
    nobody = 65534 if os.geteuid() == 0 else None  # root may write anywhere
    with tempfile.TemporaryDirectory() as name:  # not below tmp_path, which is closed to other users
        folder = Path(name)
        shutil.copy(ROOT / "setup.sh", folder)
        python = fake_python(folder / "python")
        folder.chmod(0o555)
        done = setup(folder, "run", user=nobody, PYTHON=str(python))
    assert_one_clear_line(done, "cannot write", "try:")


def test_an_interrupted_installation_is_repeated_and_a_finished_one_is_not(kit):
    assert kit("run", pip="exit 1").returncode == 1
    (kit.venv / "left-over").touch()
    assert_ran(kit("run"))
    assert not (kit.venv / "left-over").exists()
    again = kit("run", pip="exit 1")
    assert again.returncode == 0 and "Installing" not in again.stdout


def test_a_new_lock_is_installed_into_the_same_venv(kit):
    kit("run")
    (kit.venv / "mine").touch()
    (kit.folder / "requirements.lock").write_text("another\n")
    assert "Installing" in kit("run").stdout
    assert (kit.venv / "mine").exists()


@pytest.mark.parametrize("damage", ["no-python", "a-package-is-missing"])
def test_a_damaged_venv_is_made_again_once(kit, damage):
    kit("run")
    python = fake_python(kit.venv / "bin" / "python", intact="exit 1")
    if damage == "no-python":
        python.unlink()
    done = kit("run")
    assert_ran(done)
    assert "Making .venv" in done.stdout and "Making" not in kit("run").stdout


def test_a_venv_of_the_users_own_is_kept_and_installed_into(kit, own_venv):
    assert "Using the .venv that is here" in own_venv().stdout
    (kit.folder / "requirements.lock").write_text("another\n")
    assert_ran(kit("run", env={"PYTHON": ""}))
    assert (kit.venv / "mine").exists()


# fmt: off
@pytest.mark.parametrize("answers, words", [
    ({"version": "3.9"}, "not the 3.9 of .venv"),
    ({"has_pip": "exit 1"}, "no pip"),
    ({"intact": "exit 1"}, "damaged"),
])
# fmt: on
def test_a_venv_of_the_users_own_that_will_not_do_is_one_clear_line(kit, own_venv, answers, words):
    assert_one_clear_line(own_venv(**answers), words, "try: mv .venv")
    assert (kit.venv / "mine").exists()


def test_another_python_remakes_our_venv_and_not_the_users(kit):
    kit("run")
    assert "Making .venv with Python 3.13" in kit("run", version="3.13").stdout
    (kit.venv / "made-by-setup").unlink()
    (kit.venv / "mine").touch()
    assert_one_clear_line(kit("run", version="3.14"), "not the Python 3.13 of .venv", "try:")
    assert (kit.venv / "mine").exists()


def test_two_at_once_make_one_venv(kit):
    pip = "mkdir busy && sleep 1.5 && rmdir busy && echo Collecting one"
    python = fake_python(kit.folder / "fake-python", pip=pip)
    both = [start(kit.folder, "run", PYTHON=str(python)) for _ in range(2)]
    printed = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    out = "".join(out for out, _ in printed)
    assert out.count("Making .venv") == 1 and out.count("notebooks ran") == 2
    assert out.count("Another ./setup.sh (process ") == 1
    assert not (kit.folder / ".setup.lock").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_set_up_that_was_killed_blocks_nobody(kit, name):
    python = fake_python(kit.folder / "fake-python", pip="touch started; exec sleep 30")
    process = start(kit.folder, "run", PYTHON=str(python))
    deadline = time.monotonic() + 20
    while not (kit.folder / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, getattr(signal, name))
    _, err = process.communicate(timeout=20)
    assert process.returncode and ("interrupted" in err) == (name == "SIGINT"), err
    assert (kit.folder / ".setup.lock").exists() == (name == "SIGKILL")
    done = kit("run")
    assert_ran(done)
    assert "waiting" not in done.stdout and not (kit.folder / ".setup.lock").exists()


@pytest.mark.parametrize("pid", ["", str(os.getpid())], ids=["no-number", "number-of-another-program"])
def test_a_lock_that_belongs_to_no_set_up_is_taken_over(kit, pid):
    (kit.folder / ".setup.lock").mkdir()
    (kit.folder / ".setup.lock" / "pid").write_text(pid)
    done = kit("run")
    # Where there is no number yet, it may be about to be written.
    assert done.returncode == 0 and ("waiting" in done.stdout) == (pid == "")


def test_every_stage_runs_and_one_failure_fails(kit):
    good = kit("test")
    assert good.returncode == 0 and good.stdout.splitlines()[-1] == "=== 1 passed ==="
    failing = 'case "$*" in *"--nbval "*) echo "=== 1 failed ==="; exit 1 ;; *) echo ok ;; esac'
    shutil.rmtree(kit.venv)
    done = kit("test", pytest=failing)
    assert done.returncode == 1
    assert re.findall(r": (passed|FAILED)$", done.stdout, re.M) == ["passed", "FAILED", "passed"]


def test_a_learners_edition_checks_the_exercises(kit):
    (kit.folder / "tests").rmdir()
    assert "--- Exercises" in kit("test").stdout


def test_a_missing_file_of_a_package_is_noticed(tmp_path):
    """The few lines of Python in setup.sh, on a .venv with two packages."""
    code = re.search(r"<<'END'\n(import csv, sys\n.*?)^END$", (ROOT / "setup.sh").read_text(), re.S | re.M)[1]
    for name in ("one", "two"):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.py,,\n{name}.txt,,\n")
        (tmp_path / f"{name}.py").touch()
    lock, end = tmp_path / "lock", " \\\n    --hash=sha256:0\n"
    lock.write_text(f"# made by a tool\none==1.0{end}two==1.0\nthree==1.0 ; sys_platform == 'none'{end}")

    def intact():
        return run_python(["-c", code, lock], env={"PYTHONPATH": str(tmp_path)}).returncode == 0

    assert intact()
    (tmp_path / "two.py").unlink()
    assert not intact()
    (tmp_path / "two.py").touch()
    shutil.rmtree(tmp_path / "one-1.0.dist-info")
    assert not intact()
