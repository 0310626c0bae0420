"""setup.sh where something is missing, and the promises of requirements.txt and requirements.lock."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
CLEAN = {name: value for name, value in os.environ.items() if name not in ("CS231N_CIFAR10", "PYTHON")}
needs_bash = pytest.mark.skipif(BASH is None, reason="setup.sh is for bash")

# What a healthy Python answers; a test replaces one answer.
FAKE = """#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {ensurepip} ;;
    "- "*) cat >/dev/null; {intact} ;;
    *"pip --version"*) {has_pip} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    *"pip install"*) {pip} ;;
    *"cs231n data"*) echo "data at hand${{CS231N_CIFAR10:+, from $CS231N_CIFAR10}}" ;;
    *"cs231n run"*) echo "notebooks ran" ;;
    *"pytest"*"tests"*|*"--nbval"*|*"-m pytest"*) {pytest} ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
HEALTHY = {
    "version": "3.12",
    "ensurepip": 0,
    "pip": "echo Collecting one",
    "intact": "true",
    "has_pip": "true",
    "pytest": 'echo "=== 1 passed ==="',
}


@pytest.fixture
def kit(tmp_path):
    """Runs setup.sh on a copy of what it needs: kit(command, answers of the fake Python)."""
    for name in ("setup.sh", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("notebooks", "tests"):
        (tmp_path / name).mkdir()

    def run(*command, env=None, **answers):
        python = fake_python(tmp_path / "fake-python", **answers)
        return setup(tmp_path, *command, **{"PYTHON": str(python), **(env or {})})

    run.folder = tmp_path
    return run


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_python(path, **answers):
    path.parent.mkdir(parents=True, exist_ok=True)
    return executable(path, FAKE.format(**{**HEALTHY, **answers}))


def setup(folder, *command, user=None, cwd=None, **env):
    return subprocess.run(
        [BASH, str(folder / "setup.sh"), *command],
        env={**CLEAN, **env},
        user=user,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def start(folder, *command, **env):
    """The same, in the background and in a group of its own, so that it can be killed whole."""
    return subprocess.Popen(
        [BASH, str(folder / "setup.sh"), *command],
        env={**CLEAN, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until(there):
    began = time.monotonic()
    while not there():
        assert time.monotonic() - began < 20
        time.sleep(0.02)


def assert_one_clear_line(done, *words):
    assert done.returncode not in (0, 9), done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("setup: ") and all(word in line for word in words), done.stderr


@needs_bash
class TestSetup:
    def test_syntax(self):
        for script in ("setup.sh", ".ci/run"):
            subprocess.run([BASH, "-n", str(ROOT / script)], check=True)
            assert os.access(ROOT / script, os.X_OK)

    def test_help_names_every_command(self, kit):
        done = setup(kit.folder, "help")
        assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80
        assert all(re.search(rf"^  {name} ", done.stdout, re.M) for name in ("run", "test", "lab", "help"))

    def test_no_command_and_an_unknown_one(self, kit):
        assert setup(kit.folder).returncode == 2
        done = setup(kit.folder, "tset")
        assert done.returncode == 2 and "unknown command 'tset'" in done.stderr

    @pytest.mark.parametrize("command", ["run", "test", "help"])
    def test_a_word_too_many_is_refused_before_anything_is_done(self, kit, command):
        done = setup(kit.folder, command, "notebook 4")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert "got 'notebook 4'" in done.stderr
        assert not (kit.folder / ".venv").exists()

    def test_sh_hands_over_to_bash(self, kit):
        shell = shutil.which("dash") or shutil.which("sh")
        done = subprocess.run([shell, "setup.sh", "help"], cwd=kit.folder, capture_output=True, text=True)
        assert done.returncode == 0 and "Usage" in done.stdout

    def test_cdpath_and_what_would_lead_pip_astray_do_no_harm(self, kit):
        (kit.folder / "elsewhere" / "kit").mkdir(parents=True)
        shutil.copytree(kit.folder, kit.folder.parent / "two" / "kit")
        kit.folder = kit.folder.parent / "two" / "kit"
        python = fake_python(kit.folder / "p", pip="env >seen-by-pip")
        env = {
            **CLEAN,
            "CDPATH": str(kit.folder / "elsewhere"),
            "PYTHON": str(python),
            "PIP_USER": "1",
            "PIP_TARGET": "/x",
            "PIP_PREFIX": "/x",
            "PYTHONSAFEPATH": "1",
        }
        done = subprocess.run(
            [BASH, "kit/setup.sh", "run"], cwd=kit.folder.parent, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0 and str(kit.folder) not in done.stdout, done
        seen = (kit.folder / "seen-by-pip").read_text()
        assert not re.search(r"^(PIP_USER|PIP_TARGET|PIP_PREFIX|PYTHONSAFEPATH)=", seen, re.M)

    def test_names_are_taken_from_where_the_user_stands(self, kit, tmp_path_factory):
        here = tmp_path_factory.mktemp("here")
        fake_python(here / "my" / "python")
        for given in ("data/x.tar.gz", "/data/x", "~/x", "http://host/x", "file:/data/x"):
            meant = f"{here}/{given}" if given.startswith("data") else given
            done = setup(kit.folder, "run", cwd=here, PYTHON="my/python", CS231N_CIFAR10=given)
            assert done.returncode == 0 and f"data at hand, from {meant}\n" in done.stdout, done

    def test_a_python_that_is_not_there(self, kit):
        done = setup(kit.folder, "run", PYTHON="/no/such/python")
        assert_one_clear_line(done, "/no/such/python", "3.10 to 3.14", "try:")

    @pytest.mark.parametrize("version", ["2.7", "3.9", "3.15"])
    def test_a_python_out_of_range(self, kit, version):
        assert_one_clear_line(kit("run", version=version), f"Python {version}", "3.10 to 3.14")
        assert not (kit.folder / ".venv").exists()

    def test_no_python_at_all(self, kit):
        tools = kit.folder / "tools"
        tools.mkdir()
        for tool in ("bash", "dirname", "cat"):
            (tools / tool).symlink_to(shutil.which(tool))
        assert_one_clear_line(setup(kit.folder, "run", PYTHON="", PATH=str(tools)), "no Python 3.10 to 3.14")

    def test_no_venv_module(self, kit):
        assert_one_clear_line(kit("run", ensurepip=1), "venv module", "apt install python3.12-venv")

    @pytest.mark.parametrize("disk", ["disk", "//server/my 2 disks"])
    def test_a_full_disk(self, kit, disk):
        tools = kit.folder / "tools"
        tools.mkdir()
        executable(tools / "df", f"#!/bin/sh\necho header\necho '{disk} 9999999 1 204800 99% /my disk'\n")
        done = kit("run", env={"PATH": f"{tools}:{os.environ['PATH']}"})
        assert_one_clear_line(done, "only 200 MB free", "try:")

    def test_a_folder_that_cannot_be_written(self):
        nobody = 65534 if os.geteuid() == 0 else None  # root may write anywhere
        folder = Path(tempfile.mkdtemp())
        try:
            for name in ("setup.sh", "requirements.lock"):
                shutil.copy(ROOT / name, folder)
            python = executable(folder / "python", FAKE.format(**HEALTHY))
            folder.chmod(0o555)
            done = setup(folder, "run", user=nobody, PYTHON=str(python))
            assert_one_clear_line(done, "cannot write", "try:")
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)

    @pytest.mark.parametrize(
        "said, words",
        [
            ("Temporary failure in name resolution", "check the network"),
            ("OSError: [Errno 28] No space left on device", "disk is full"),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "requirements.lock"),
            ("error: subprocess-exited-with-error", "install.log"),
        ],
    )
    def test_packages_that_cannot_be_installed(self, kit, said, words):
        assert_one_clear_line(kit("run", pip=f'echo "{said}"; exit 1'), words, "try:")
        assert not (kit.folder / ".venv" / "installed.lock").exists()

    def test_an_interrupted_installation_is_repeated_and_a_finished_one_is_not(self, kit):
        assert kit("run", pip="exit 1").returncode == 1
        (kit.folder / ".venv" / "left-over").touch()
        done = kit("run")
        assert done.returncode == 0 and "notebooks ran" in done.stdout
        assert not (kit.folder / ".venv" / "left-over").exists()
        again = kit("run", pip="exit 1")
        assert again.returncode == 0 and "Installing" not in again.stdout

    def test_a_new_lock_is_installed_into_the_same_venv(self, kit):
        kit("run")
        (kit.folder / ".venv" / "mine").touch()
        (kit.folder / "requirements.lock").write_text("another\n")
        assert "Installing" in kit("run").stdout
        assert (kit.folder / ".venv" / "mine").exists()

    def test_a_broken_venv_is_made_again(self, kit):
        kit("run")
        (kit.folder / ".venv" / "bin" / "python").unlink()
        done = kit("run")
        assert done.returncode == 0 and "Making .venv" in done.stdout

    def test_a_package_that_went_missing_is_installed_again(self, kit):
        kit("run")
        # As in a .venv from which a package was removed; a .venv made anew has it.
        fake_python(kit.folder / ".venv" / "bin" / "python", intact="exit 1")
        done = kit("run")
        assert done.returncode == 0 and "Making .venv" in done.stdout and "notebooks ran" in done.stdout
        assert "Making" not in kit("run").stdout

    def test_a_venv_of_the_users_own_is_kept_and_installed_into(self, kit):
        fake_python(kit.folder / ".venv" / "bin" / "python", version="3.11")
        (kit.folder / ".venv" / "mine").touch()
        done = kit("run", env={"PYTHON": ""})
        assert done.returncode == 0 and "Using the .venv that is here" in done.stdout
        (kit.folder / "requirements.lock").write_text("another\n")
        assert kit("run", env={"PYTHON": ""}).returncode == 0
        assert (kit.folder / ".venv" / "mine").exists()

    @pytest.mark.parametrize(
        "theirs, words",
        [
            ({"version": "3.9"}, "not the 3.9 of .venv"),
            ({"has_pip": "exit 1"}, "no pip"),
            ({"intact": "exit 1"}, "damaged"),
        ],
    )
    def test_a_venv_of_the_users_own_that_will_not_do_is_one_clear_line(self, kit, theirs, words):
        fake_python(kit.folder / ".venv" / "bin" / "python", **theirs)
        (kit.folder / ".venv" / "mine").touch()
        assert_one_clear_line(kit("run", env={"PYTHON": ""}), words, "try: mv .venv")
        assert (kit.folder / ".venv" / "mine").exists()

    def test_another_python_remakes_our_venv_and_not_the_users(self, kit):
        kit("run")
        assert "Making .venv with Python 3.13" in kit("run", version="3.13").stdout
        (kit.folder / ".venv" / "made-by-setup").unlink()
        (kit.folder / ".venv" / "mine").touch()
        assert_one_clear_line(kit("run", version="3.14"), "not the Python 3.13 of .venv", "try:")
        assert (kit.folder / ".venv" / "mine").exists()

    def test_two_at_once_make_one_venv(self, kit):
        pip = "mkdir busy && sleep 1.5 && rmdir busy && echo Collecting one"
        python = fake_python(kit.folder / "fake-python", pip=pip)
        both = [start(kit.folder, "run", PYTHON=str(python)) for _ in range(2)]
        said = [process.communicate(timeout=60) for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        out = "".join(out for out, _ in said)
        assert out.count("Making .venv") == 1 and out.count("notebooks ran") == 2
        assert out.count("Another ./setup.sh (process ") == 1
        assert not (kit.folder / ".setup.lock").exists()

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
    def test_a_set_up_that_was_killed_blocks_nobody(self, kit, name):
        python = fake_python(kit.folder / "fake-python", pip="touch started; exec sleep 30")
        process = start(kit.folder, "run", PYTHON=str(python))
        wait_until((kit.folder / "started").exists)
        os.killpg(process.pid, getattr(signal, name))
        _, err = process.communicate(timeout=20)
        assert process.returncode and ("interrupted" in err) == (name == "SIGINT"), err
        assert (kit.folder / ".setup.lock").exists() == (name == "SIGKILL")
        done = kit("run")
        assert done.returncode == 0 and "notebooks ran" in done.stdout and "waiting" not in done.stdout
        assert not (kit.folder / ".setup.lock").exists()

    @pytest.mark.parametrize("pid", ["", "another"])
    def test_a_lock_that_belongs_to_no_set_up_is_taken_over(self, kit, pid):
        (kit.folder / ".setup.lock").mkdir()
        (kit.folder / ".setup.lock" / "pid").write_text(str(os.getpid()) if pid else "")
        done = kit("run")
        # Of one without a number it may be on its way.
        assert done.returncode == 0 and ("waiting" in done.stdout) == (pid == "")

    def test_every_stage_runs_and_one_failure_fails(self, kit):
        good = kit("test")
        assert good.returncode == 0 and good.stdout.splitlines()[-1] == "=== 1 passed ==="
        failing = 'case "$*" in *"--nbval "*) echo "=== 1 failed ==="; exit 1 ;; *) echo ok ;; esac'
        shutil.rmtree(kit.folder / ".venv")
        done = kit("test", pytest=failing)
        assert done.returncode == 1
        assert re.findall(r": (passed|FAILED)$", done.stdout, re.M) == ["passed", "FAILED", "passed"]

    def test_ci_calls_the_same_command(self):
        assert "./setup.sh test" in (ROOT / ".ci" / "run").read_text().splitlines()

    def test_a_learners_edition_without_tests_checks_the_exercises(self, kit):
        (kit.folder / "tests").rmdir()
        assert "--- Exercises" in kit("test").stdout


@needs_bash
def test_a_missing_file_of_a_package_is_noticed(tmp_path):
    """The few lines of Python in setup.sh, on a .venv with two packages."""
    code = re.search(r"<<'END'\n(import csv, sys\n.*?)^END$", (ROOT / "setup.sh").read_text(), re.S | re.M)[1]
    for name in ("one", "two"):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (tmp_path / f"{name}-1.0.dist-info" / "RECORD").write_text(f"{name}.py,,\n{name}.txt,,\n")
        (tmp_path / f"{name}.py").touch()
    lock = tmp_path / "lock"
    lock.write_text(
        "# made by a tool\none==1.0 \\\n    --hash=sha256:0\ntwo==1.0\n"
        "three==1.0 ; sys_platform == 'no-such' \\\n    --hash=sha256:0\n"
    )

    def status():
        return subprocess.run(
            [sys.executable, "-c", code, str(lock)],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        ).returncode

    assert status() == 0
    (tmp_path / "two.py").unlink()
    assert status() == 1
    (tmp_path / "two.py").touch()
    shutil.rmtree(tmp_path / "one-1.0.dist-info")
    assert status() == 1


def requirements():
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return {Requirement(line).name: Requirement(line) for line in lines if line}


def locked(lock="requirements.lock"):
    """name -> list of (version, marker or None) of every entry in the lock."""
    pins = defaultdict(list)
    for line in (ROOT / lock).read_text().splitlines():
        if re.match(r"[a-z0-9]", line):
            item = Requirement(line.rstrip(" \\"))
            pins[item.name].append((Version(str(item.specifier).removeprefix("==")), item.marker))
    return pins


def test_the_extras_are_locked_with_the_same_versions_of_the_rest():
    core, more = locked(), locked("requirements-extras.lock")
    assert {"numba", "distributed"} <= more.keys() - core.keys()
    for name, pins in core.items():
        assert {version for version, _ in more[name]} == {version for version, _ in pins}, name


def test_every_requirement_has_a_reason_and_both_bounds():
    for item in requirements().values():
        assert {"<", ">="} <= {bound.operator for bound in item.specifier}, item
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert not line or "#" in line, line


def test_the_numpy_versions_that_warn_on_cifar_pickles_are_left_out():
    numpy = requirements()["numpy"].specifier
    assert not any(f"2.4.{patch}" in numpy for patch in range(5))
    assert "2.0.0" in numpy and "2.4.5" in numpy and "3.0" not in numpy


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_lock_has_each_requirement_once_for_each_python(python, system):
    place = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
    }
    pins = locked()
    for name, item in requirements().items():
        chosen = [version for version, marker in pins[name] if marker is None or marker.evaluate(place)]
        assert len(chosen) == 1 and chosen[0] in item.specifier, (name, chosen)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-extras.lock"])
def test_everything_locked_has_hashes_and_names_no_host(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert len(entries) > 100 and all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "index-url" not in text and "find-links" not in text
