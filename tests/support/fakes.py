"""setup.sh run with a fake Python, pip and uv, which answer as healthy ones would or as a test wants."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

from tests.support import ROOT

SH = shutil.which("sh")
CLEAN = {name: value for name, value in os.environ.items() if name not in ("CS231N_CIFAR10", "PYTHON")}

# The Python of .venv, uv, and the Python that PYTHON names, which leaves setup.py to a real one.
PYTHON = """#!/bin/sh
case "$*" in
    *require_packages*) echo {version}; [ -f .venv/installed.lock ] && {whole} ;;
    *version_info*) echo {version} ;;
    "-c "*) exec {real} "$@" ;;
    *"pip --version"*) {has_pip} ;;
    "-m pip "*" install --require-hashes -r requirements.lock") {pip} ;;
    "pip install --python "*"/bin/python --require-hashes -r requirements.lock") echo "uv $*" >&2; {pip} ;;
    --version) {uv} ;;
    *"cs231n data"*) echo "data at hand${{CS231N_CIFAR10:+, from $CS231N_CIFAR10}}" ;;
    *"cs231n run"*) echo "notebooks ran" ;;
    *"-m pytest"*) {pytest} ;;
    *jupyterlab*) echo "lab in $PWD: $*" ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
VENV = """
import os, shutil, sys
os.makedirs(f"{sys.argv[-1]}/bin")
shutil.copy(os.environ["FAKE_PYTHON"], f"{sys.argv[-1]}/bin/python")
"""
NO_PIP = "import sys; sys.modules['ensurepip'] = None"  # the real Python runs it first
HEALTHY = {
    "real": shlex.quote(sys.executable),
    "version": "{}.{}".format(*sys.version_info),
    "whole": "true",
    "has_pip": "true",
    "pip": "echo Collecting one",
    "uv": "exit 1",  # there is one, as where pyenv has it for another Python
    "pytest": 'echo "=== 1 passed ==="',
}


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def python(path, **answers):
    return executable(path, PYTHON.format(**{**HEALTHY, **answers}))


def machine(folder, real_python="", **answers):
    """The variables of a machine in folder; `real_python` is what the real Python runs first."""
    own = python(folder / "python", **answers)
    uv = python(folder / "tools" / "uv", **answers)
    executable(folder / "modules" / "venv.py", VENV)
    executable(folder / "modules" / "sitecustomize.py", real_python)
    return {
        "PYTHON": str(own),
        "FAKE_PYTHON": str(own),
        "PATH": f"{uv.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "modules"),
    }


def copy_parts(folder, *more):
    """Copy to folder what a set-up needs of the kit."""
    ignored = shutil.ignore_patterns("__pycache__", "exercises*.json")
    for name in ("cs231n/commands", "cs231n/common", *more):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("cs231n/__init__.py", "cs231n/__main__.py", "setup.sh", "setup.ps1", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)


def start(folder, *command, cwd=None, shell=SH, **env):
    """Start folder/setup.sh in a process group of its own, so that it can be killed whole."""
    script = [shell, "-File", folder / "setup.ps1"] if "pwsh" in shell else [shell, folder / "setup.sh"]
    options = {"cwd": cwd, "text": True, "start_new_session": True, "env": {**CLEAN, **env}}
    return subprocess.Popen([*script, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def setup(folder, *command, **options):
    """The same to its end."""
    process = start(folder, *command, **options)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def kill_once(process, marker, name="SIGINT"):
    """Send a signal to all of its processes once the file `marker` is there; returns what it says."""
    deadline = time.monotonic() + 20
    while not marker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, getattr(signal, name))
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if name == "SIGINT" else -getattr(signal, name))
    return err


def assert_stops(done, *words):
    assert done.returncode not in (0, 9), done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("setup: ") and all(word in line for word in words), done.stderr
