"""setup.sh where something is missing, broken, interrupted or done twice; a fake Python answers it."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from cs231n.commands import setup as command
from tests.support import ROOT, fakes
from tests.support.python import run_python
from tests.support.tally import tried

ALL_SHELLS = [shell for shell in ("sh", "bash", "dash", "pwsh") if shutil.which(shell)]
OTHER = "3.11" if command.THIS_PYTHON == "3.10" else "3.10"
SMALL_DISK = "import shutil; shutil.disk_usage = lambda _: shutil._ntuple_diskusage(0, 0, 200 << 20)"


@pytest.fixture
def kit(tmp_path):
    """Runs setup.sh on a copy of what it needs: kit(command, answers of the fake Python)."""
    if fakes.SH is None:
        pytest.skip("setup.sh is for sh")
    folder = tmp_path / "my kit"
    for name in ("notebooks", "tests"):
        (folder / name).mkdir(parents=True)
    fakes.copy_parts(folder)

    def run(*command, env=None, run=fakes.setup, folder=folder, cwd=None, shell=fakes.SH, **answers):
        machine = fakes.machine(tmp_path / "machine", **answers)
        return run(folder, *command, cwd=cwd, shell=shell, **{**machine, **(env or {})})

    run.folder, run.venv = folder, folder / ".venv"
    return run


@pytest.fixture
def own_venv(kit):
    """The same with a .venv that the user made: own_venv(answers of its Python) runs setup.sh."""

    def run(**answers):
        fakes.python(kit.venv / "bin" / "python", **answers)
        (kit.venv / "mine").touch()
        return kit("run", env={"PYTHON": ""})

    return run


def assert_ran(done):
    assert done.returncode == 0 and "notebooks ran" in done.stdout, done


def test_ci_calls_the_two_scripts_and_both_hand_over_with_the_same_line():
    assert all(os.access(ROOT / script, os.X_OK) for script in ("setup.sh", ".ci/run"))
    assert "./setup.sh test" in (ROOT / ".ci" / "run").read_text().splitlines()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for line in ("./setup.sh test", "./setup.sh run", "./setup.ps1 test", "./setup.ps1 run"):
        assert f"run: {line}\n" in workflow
    (line,) = re.findall("^job=('.*')$", (ROOT / "setup.sh").read_text(), re.M)
    assert f"$job = {line}\n" in (ROOT / "setup.ps1").read_text()


@pytest.mark.parametrize("shell", ALL_SHELLS)
def test_help_names_every_command_under_any_shell(kit, shell):
    done = kit("help", shell=shutil.which(shell))
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80, done
    assert all(
        re.search(rf"^  {name} ", done.stdout, re.M) for name in ("start", "run", "test", "lab", "help")
    )


@pytest.mark.parametrize("command", ["", "tset", "run notebook", "test notebook", "help notebook"])
def test_wrong_words_are_refused_before_anything_is_done(kit, command):
    done = kit(*command.split())
    problem = {"": "usage", "tset": "unknown command 'tset'"}.get(command, "no arguments (got 'notebook')")
    assert done.returncode == 2 and problem in done.stderr and not kit.venv.exists()
    assert not command or len(done.stderr.splitlines()) == 1


def test_what_follows_lab_is_handed_to_jupyterlab(kit):
    assert kit("lab", "--port", "9", "a b").stdout.endswith("default_url=/lab/tree/notebooks --port 9 a b\n")


def test_cdpath_and_what_would_lead_pip_astray_do_no_harm(kit, tmp_path):
    (tmp_path / "elsewhere" / "my kit").mkdir(parents=True)
    astray = {
        "PIP_USER": "1",
        "PIP_TARGET": "/x",
        "PIP_PREFIX": "/x",
        "PYTHONSAFEPATH": "1",
        "PYTHONHOME": "/x",
    }
    env = {**astray, "CDPATH": str(tmp_path / "elsewhere")}
    assert_ran(kit("run", folder=Path("my kit"), cwd=tmp_path, env=env, pip="env >seen-by-pip"))
    assert not re.search(f"^({'|'.join(astray)})=", (kit.folder / "seen-by-pip").read_text(), re.M)


@pytest.mark.parametrize("location", ["data/x.tar.gz", "/data/x", "~/x", "http://host/x", "file:/data/x"])
def test_names_are_taken_from_where_the_user_stands(kit, tmp_path, location):
    meant = f"{tmp_path}/{location}" if location.startswith("data") else location
    done = kit("run", cwd=tmp_path, env={"PYTHON": "machine/python", "CS231N_CIFAR10": location})
    assert done.returncode == 0 and f"data at hand, from {meant}\n" in done.stdout, done


# fmt: off
@pytest.mark.parametrize("answers, words", [
    ({"version": "2.7"}, ["Python 2.7", "3.10 to 3.14"]),
    ({"version": "3.9"}, ["Python 3.9", "3.10 to 3.14"]),
    ({"version": "3.15"}, ["Python 3.15", "3.10 to 3.14"]),
    ({"env": {"PYTHON": "/no/such/python"}}, ["/no/such/python", "3.10 to 3.14", "try:"]),
    ({"real_python": fakes.NO_PIP}, ["ensurepip", "apt install python3."]),
    ({"real_python": SMALL_DISK}, ["only 200 MB free", "try:"]),
    ({"pip": "echo 'Temporary failure in name resolution'; exit 1"}, ["check the network", "try:"]),
    ({"pip": "echo '[Errno 28] No space left on device'; exit 1"}, ["disk is full", "try:"]),
    ({"pip": "echo 'PACKAGES DO NOT MATCH THE HASHES'; exit 1"}, ["requirements.lock", "try:"]),
    ({"pip": "echo 'error: subprocess-exited-with-error'; exit 1"}, ["install.log", "try:"]),
    ({"uv": "true", "pip": "echo 'request failed after 3 retries'; exit 1"}, ["check the network"]),
    ({"uv": "true", "pip": "echo 'Hash mismatch for `numpy==2.2.6`'; exit 1"}, ["requirements.lock", "try:"]),
], ids=str)
# fmt: on
def test_a_python_or_a_pip_that_will_not_do(kit, answers, words):
    fakes.assert_stops(kit("run", **answers), *words)
    assert kit.venv.exists() == ("pip" in answers) and not (kit.venv / "installed.lock").exists()


@pytest.mark.reliability
@pytest.mark.parametrize("answers", [{}, {"uv": "true", "real_python": fakes.NO_PIP}], ids=["pip", "uv"])
def test_packages_are_installed_by_their_hashes(kit, answers):
    with tried("Supply", "commands that install"):
        assert_ran(kit("run", **answers))
    assert ("uv pip" in (kit.venv / "install.log").read_text()) == ("uv" in answers)


def test_no_python_at_all(kit, tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "dirname").symlink_to(shutil.which("dirname"))
    env = {"PYTHON": "", "PATH": str(tmp_path / "few")}
    fakes.assert_stops(kit("run", env=env), "no Python 3.10 to 3.14")
    fakes.python(kit.venv / "bin" / "python")  # in a .venv that the user made
    assert_ran(kit("run", env=env))


@pytest.mark.parametrize("python, program", [((3, 8), "cs231n"), ((3, 9), "cs231n"), ((3, 15), "setup")])
def test_another_python_without_setup_sh_is_one_line(python, program):
    start = "from cs231n.__main__ import main; main(['start'])"
    done = run_python(f"import sys; sys.version_info = {python}; {start}")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"{program}: Python 3.10 to 3.14 is needed, this is 3.{python[1]}; try ")


def test_a_folder_that_cannot_be_written(kit):
    (kit.folder / ".venv.lock").mkdir()  # root may write anywhere, and not there
    fakes.assert_stops(kit("run"), f"cannot write to {kit.folder}", "try:")


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
    python = fakes.python(kit.venv / "bin" / "python", whole="exit 1")
    if damage == "no-python":
        python.unlink()
    done = kit("run")
    assert_ran(done)
    assert "Making .venv" in done.stdout and "Making" not in kit("run").stdout


def test_a_venv_of_the_users_own_is_kept_and_installed_into(kit, own_venv):
    assert "Using the .venv that is here" in own_venv().stdout
    (kit.folder / "requirements.lock").write_text("another\n")
    assert_ran(own_venv())


# fmt: off
@pytest.mark.parametrize("answers, words", [
    ({"version": "3.9"}, "not the 3.9 of .venv"),
    ({"has_pip": "exit 1"}, "no pip"),
    ({"whole": "exit 1"}, "damaged"),
])
# fmt: on
def test_a_venv_of_the_users_own_that_will_not_do_is_one_clear_line(kit, own_venv, answers, words):
    fakes.assert_stops(own_venv(**answers), words, "try: mv .venv")
    assert (kit.venv / "mine").exists()


def test_another_python_remakes_our_venv_and_not_the_users(kit):
    kit("run", version=OTHER)
    assert_ran(kit("run", env={"PYTHON": ""}))
    assert "Making .venv" in kit("run").stdout
    fakes.python(kit.venv / "bin" / "python", version=OTHER)
    (kit.venv / "made-by-setup").unlink()
    (kit.venv / "mine").touch()
    fakes.assert_stops(kit("run"), f"is not the Python {OTHER} of .venv", "try:")
    assert (kit.venv / "mine").exists()


def test_two_at_once_make_one_venv(kit):
    pip = "mkdir busy && sleep 1.5 && rmdir busy && echo Collecting one"
    both = [kit("run", run=fakes.start, pip=pip) for _ in range(2)]
    printed = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    out = "".join(out for out, _ in printed)
    assert out.count("Making .venv") == 1 and out.count("notebooks ran") == 2
    assert out.count("Another set-up is at work") == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_set_up_that_was_killed_blocks_nobody(kit, name):
    process = kit("run", run=fakes.start, pip="touch started; exec sleep 30")
    err = fakes.kill_once(process, kit.folder / "started", name)
    line = "setup: interrupted; try the same command again"
    assert err.split("\n")[1:-1] == [line] * (name == "SIGINT"), err
    done = kit("run")
    assert_ran(done)
    assert "waiting" not in done.stdout


def test_every_stage_runs_and_one_failure_fails(kit):
    for number in range(1, 6):
        (kit.folder / "notebooks" / f"{number}_x.ipynb").touch()
    counts = 'echo "=== ${PYTHONDONTWRITEBYTECODE:-1} passed ==="'
    good = kit("test", pytest=counts, env={"PYTHONDONTWRITEBYTECODE": "9"})
    assert good.returncode == 0 and good.stdout.splitlines()[-1] == "=== 1 passed ==="
    shutil.rmtree(kit.venv)
    # Notebook 4 is run beside the rest, which here wait for it.
    strict, lax = "until [ -e lax ]; do sleep 0.1; done; exit 1", "touch lax"
    cases = f'case "$*" in *"--nbval "*) {strict} ;; *--nbval-lax*) {lax} ;; esac'
    done = kit("test", pytest=f'echo "quick=$CS231N_QUICK: $*"; {cases}')
    assert done.returncode == 1
    assert re.findall(r": (passed|FAILED)$", done.stdout, re.M) == ["passed", "FAILED", "passed"]
    assert "quick=0: -m pytest --color=no -n logical " in done.stdout
    assert re.findall("quick=(.): .* notebooks/(.)_", done.stdout) == [("0", "5"), ("1", "4")] * 2


def test_a_learners_edition_checks_the_exercises(kit):
    (kit.folder / "tests").rmdir()
    assert "--- Exercises" in kit("test").stdout


def test_a_missing_file_of_a_package_is_noticed(tmp_path):
    info, lock = tmp_path / "one-1.0.dist-info", tmp_path / "lock"
    info.mkdir()
    (info / "METADATA").write_text("Name: one\nVersion: 1.0\n")
    (info / "RECORD").write_text("one.py,,\none.txt,,\n")
    lock.write_text("# a tool's\none==1.0 \\\n    --hash=sha256:0\ntwo==1.0 ; sys_platform == 'none' \\\n")

    def whole():
        code = "import sys; from cs231n.commands.setup import require_packages; require_packages(sys.argv[1])"
        path = f"{tmp_path}{os.pathsep}{ROOT}"
        return run_python(["-c", code, lock], env={"PYTHONPATH": path}).returncode == 0

    assert not whole()
    (tmp_path / "one.py").touch()
    assert whole()
    shutil.rmtree(info)
    assert not whole()


def test_windows_which_cannot_become_another_program_waits_for_it(monkeypatch):
    monkeypatch.setattr(command, "WINDOWS", True)
    assert command.hand_over([sys.executable, "-c", "exit(3)"]) == 3
