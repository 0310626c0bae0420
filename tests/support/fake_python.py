"""setup.sh run with a fake Python, which answers as a healthy one would or as a test wants."""

import os
import shlex
import shutil
import subprocess
import sys

BASH = shutil.which("bash")
CLEAN = {name: value for name, value in os.environ.items() if name not in ("CS231N_CIFAR10", "PYTHON")}

# What a healthy Python answers; a test replaces one answer.
FAKE = """#!/bin/sh
case "$*" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {ensurepip} ;;
    "- "*) cat >/dev/null; {intact} ;;
    *"pip --version"*) {has_pip} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    *"pip install"*) {pip} ;;
    "-m cs231n start"*|"-c from cs231n"*) exec {real} "$@" ;;
    *"cs231n data"*) echo "data at hand${{CS231N_CIFAR10:+, from $CS231N_CIFAR10}}" ;;
    *"cs231n run"*) echo "notebooks ran" ;;
    *"pytest"*"tests"*|*"--nbval"*|*"-m pytest"*) {pytest} ;;
    *jupyterlab*) echo "lab in $PWD: $*" ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
HEALTHY = {
    "real": shlex.quote(sys.executable),
    "version": "3.12",
    "ensurepip": 0,
    "pip": "echo Collecting one",
    "intact": "true",
    "has_pip": "true",
    "pytest": 'echo "=== 1 passed ==="',
}


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_python(path, **answers):
    return executable(path, FAKE.format(**{**HEALTHY, **answers}))


def start(folder, *command, cwd=None, user=None, shell=BASH, **env):
    """Start folder/setup.sh in a process group of its own, so that it can be killed whole."""
    options = {"cwd": cwd, "user": user, "text": True, "start_new_session": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([shell, folder / "setup.sh", *command], env={**CLEAN, **env}, **options, **pipes)


def setup(folder, *command, **options):
    """The same to its end."""
    process = start(folder, *command, **options)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def assert_one_clear_line(done, *words):
    assert done.returncode not in (0, 9), done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("setup: ") and all(word in line for word in words), done.stderr
