"""python -m cs231n setup COMMAND: make .venv, install the packages, get the data, then do the job.

setup.sh and setup.ps1 find a Python and hand over to this file. It needs the standard library alone.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cs231n.common.files import REPOSITORY, try_lock

__all__ = ["add_arguments", "enter_repository", "hand_over", "main", "prepare", "run_program"]

Command = Sequence[str | Path]

WINDOWS = os.name == "nt"
ENTRY = r".\setup.ps1" if WINDOWS else "./setup.sh"
THIS_PYTHON = "{}.{}".format(*sys.version_info)
PYTHONS = [f"3.{minor}" for minor in range(10, 15)]  # those that requirements.lock is for
LOCK = Path("requirements.lock")
BUSY = Path(".venv.lock")  # locked while a set-up is at work
VENV = Path(".venv")
PYTHON = REPOSITORY / VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
OURS = VENV / "made-by-setup"  # in a .venv of our own making, which may be made again
INSTALLED = VENV / "installed.lock"  # a copy of the lock, made once everything in it is installed
LOG = VENV / "install.log"
MEGABYTES = 1500  # the packages take about 550; their downloads and the data the rest
FAILURES = {  # {what pip or uv prints: what it means, and what to try before the same again}
    "no space left": "the disk is full; try: free some space, then ",
    "not match the hashes|hash mismatch": "a download is not what requirements.lock names; "
    "try: another network, or ",
    "connect|resolution|timed out|unreachable|retries|proxy|SSL": "the packages could not be downloaded; "
    "try: check the network, then ",
    "": f"the packages could not be installed (all of it: {LOG}); try: another PYTHON=..., or ",
}
HELP = f"""{ENTRY} COMMAND

  start [FOLDER] [--no-lab]
          make the assignment in a new folder (default: batchnorm-assignment,
          next to this folder), set it up, say what to do first, and open
          notebook 1; in the assignment, leave FOLDER out
  run     execute the notebooks, write them as pages under reports/,
          and print a table of what was measured
  test    run the tests, and the notebooks against their stored outputs
  lab     open the notebooks in JupyterLab; what follows is handed to it, as in:
          {ENTRY} lab --no-browser; as root (a container) add --allow-root
  help    this text

Each command first makes .venv, installs requirements.lock into it and gets
the data, where that has not been done; start does so in the folder it makes.
Every step may be interrupted and repeated. If you made .venv yourself, the
packages are added to it. uv installs them if you have it, else pip.

  PYTHON=/path/to/python    the Python to use, 3.10 to 3.14
  CS231N_CIFAR10=...        the location of CIFAR-10, see datasets/README.md
  OPENBLAS_NUM_THREADS=2    BLAS threads (default: 1)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = HELP
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(print_usage=parser.print_usage)


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0, 1 if the job failed, 2 for words that it does not know."""
    job, *words = arguments.words or [""]
    if job in ("help", "") and not words:
        arguments.print_usage(None if job else sys.stderr)
        return 0 if job else 2
    if job not in ("run", "test", "lab", "help"):
        _stop(f"unknown command '{job}'; try: {ENTRY} help", 2)
    if words and job != "lab":
        _stop(f"'{job}' takes no arguments (got '{' '.join(words)}'); try: {ENTRY} help", 2)
    enter_repository()
    prepare("the same command")
    if job == "test":
        return _run_tests()
    lab = ["-m", "jupyterlab", "--LabApp.default_url=/lab/tree/notebooks", *words]
    return hand_over([PYTHON, *(lab if job == "lab" else ["-m", "cs231n", "run"])])


def _stop(message: str, status: int = 1) -> NoReturn:
    print(f"setup: {message}", file=sys.stderr)
    sys.exit(status)


def enter_repository() -> None:
    """Go to the kit's folder, with an environment in which .venv works and relative names hold."""
    if THIS_PYTHON not in PYTHONS:
        _stop(f"Python 3.10 to 3.14 is needed, this is {THIS_PYTHON}; try another Python")
    images = os.environ.get("CS231N_CIFAR10", "")
    if images and not re.match(r"~|file:|.*://", images):
        os.environ["CS231N_CIFAR10"] = os.path.abspath(images)  # from where the user stands
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PYTHONSAFEPATH"):  # lead past the .venv
        os.environ.pop(name, None)
    # Threads of small matrix products wait for each other, for minutes where the cores have other work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.chdir(REPOSITORY)


def run_program(command: Command) -> int:
    """Run a program to its end, and return its exit status; it is the one to answer Ctrl-C."""
    process = subprocess.Popen(list(map(str, command)))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def hand_over(command: Command) -> int:
    """The last thing to do: this process becomes the program, where the system can do that."""
    if WINDOWS:
        return run_program(command)
    sys.stdout.flush()
    os.execv(command[0], list(map(str, command)))  # which does not return


def prepare(again: str) -> None:
    """Make .venv, install requirements.lock into it and get the data, where that has not been done.

    Args:
        again: what to type in order to go on after a failure.
    """
    try:
        if not _is_ready():
            with open(BUSY, "ab") as file:  # two at once would make and remove the same .venv
                if try_lock(file) is False:
                    print("Another set-up is at work in this folder; waiting for it", flush=True)
                    while try_lock(file) is False:
                        time.sleep(0.2)
                if not _is_ready():
                    _set_up(again)
    except OSError as error:
        _stop(f"cannot write to {REPOSITORY}: {error}; try: free some space, or copy the kit elsewhere")
    if run_program([PYTHON, "-m", "cs231n", "data"]):
        _stop("no data to work on; the lines above say why")


def _is_ready() -> bool:
    if not INSTALLED.is_file() or INSTALLED.read_bytes() != LOCK.read_bytes():
        return False
    version, whole = _probe()
    return whole and _fits(version)


def _probe() -> tuple[str, bool]:
    """The Python of .venv, as in 3.12, empty if it does not run; and whether all it was to get is there."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])\n"
    code += f"from {__name__} import require_packages as f; f('{INSTALLED.as_posix()}')"
    try:
        done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True)
    except OSError:
        return "", False
    return done.stdout.strip(), done.returncode == 0


def _fits(version: str) -> bool:
    """Whether .venv has the Python that was asked for, if one was."""
    return version == THIS_PYTHON or version in PYTHONS and not os.environ.get("PYTHON")


def require_packages(lock: str) -> None:
    """Runs in .venv: exit with an error if a package of the lock is not there, to the last .py."""
    import csv
    from importlib.metadata import distribution

    from packaging.requirements import Requirement

    for line in Path(lock).read_text().splitlines():
        item = Requirement(line.rstrip(" \\")) if line[:1].isalnum() else None
        if item and (item.marker is None or item.marker.evaluate()):
            package = distribution(item.name)
            # Not package.files: from Python 3.12 on it leaves out what is missing.
            record = csv.reader((package.read_text("RECORD") or "").splitlines())
            files = [Path(str(package.locate_file(row[0]))) for row in record if row]
            if not all(file.exists() for file in files if file.suffix == ".py"):
                sys.exit(f"{item.name} is damaged")


def _succeeds(*command: str | Path) -> bool:
    return subprocess.run(list(map(str, command)), capture_output=True).returncode == 0


def _set_up(again: str) -> None:
    uv = shutil.which("uv")
    if uv and not _succeeds(uv, "--version"):  # a shim of pyenv, for Pythons that have no uv
        uv = None
    version, whole = _probe()
    if version and not OURS.exists():
        away = f"{VENV}, which was not made by setup; try: mv {VENV} {VENV}.mine, then {again}"
        if version not in PYTHONS:
            _stop(f"Python 3.10 to 3.14 is needed, not the {version} of {away}")
        if not _fits(version):
            _stop(f"PYTHON={os.environ['PYTHON']} is not the Python {version} of {away}")
        if not uv and not _succeeds(PYTHON, "-m", "pip", "--version"):
            _stop(f"there is no pip in {away}")
        print(f"Using the {VENV} that is here", flush=True)
    elif not (whole and _fits(version)):  # else it is of an older lock only
        _make_venv(uv)
    _install(uv, again)
    if not _probe()[1]:
        _stop(f"{VENV} is damaged; try: mv {VENV} {VENV}.old, then {again}")


def _make_venv(uv: str | None) -> None:
    python = getattr(sys, "_base_executable", None) or sys.executable  # not of the .venv that is removed here
    options = [] if _succeeds(python, "-c", "import ensurepip") else ["--without-pip"]
    if options and not uv:
        _stop(
            f"{python} cannot make a venv, its module ensurepip is missing; on Debian or Ubuntu try: "
            f"sudo apt install python{THIS_PYTHON}-venv"
        )
    free = shutil.disk_usage(".").free >> 20
    if free < MEGABYTES:
        _stop(f"only {free} MB free under {REPOSITORY}, {MEGABYTES} are needed; try: free some")
    print(f"Making {VENV} with Python {THIS_PYTHON}", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    OURS.touch()  # first: what an interruption leaves is known as ours
    if run_program([python, "-m", "venv", *options, VENV]):
        _stop(f"{python} could not make {VENV}; what it said is above; try: another PYTHON=...")


def _install(uv: str | None, again: str) -> None:
    print("Installing the packages, about two minutes the first time", flush=True)
    INSTALLED.unlink(missing_ok=True)  # if interrupted, the next set-up makes .venv again, if it is ours
    install: Command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    if uv:
        install = [uv, "pip", "install", "--python", PYTHON]
    packages = 0
    with open(LOG, "wb") as log, _piped([*install, "--require-hashes", "-r", LOCK]) as process:
        for line in process.stdout or ():
            log.write(line)
            if line.startswith(b"Collecting") and sys.stdout.isatty():
                packages += 1
                print(f"\r  {packages} packages", end=" ", flush=True)
    print(end="\n" * (packages > 0), flush=True)
    if process.returncode:
        text = LOG.read_text(encoding="utf-8", errors="replace")
        print(*text.splitlines()[-5:], sep="\n", file=sys.stderr)
        _stop(next(FAILURES[words] for words in FAILURES if re.search(words, text, re.IGNORECASE)) + again)
    shutil.copy(LOCK, f"{INSTALLED}.part")
    os.replace(f"{INSTALLED}.part", INSTALLED)


def _piped(command: Command) -> subprocess.Popen[bytes]:
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _run_tests() -> int:
    # Hundreds of tests start Python: without bytecode each of them would compile the kit.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pytest = ["pytest", f"--color={'yes' if sys.stdout.isatty() else 'no'}"]
    workers = ["-n", "logical", "--maxprocesses", "8", "--dist"]  # a worker for each core
    nbval = [*pytest, "--nbval-current-env"]
    strict: list[str | Path] = ["--nbval", *sorted(Path("notebooks").glob("[1235]_*.ipynb"))]
    lax: list[str | Path] = ["--nbval-lax", *Path("notebooks").glob("4_*.ipynb")]
    stages: dict[str, Command] = {  # all at once: where tests wait, the notebooks have the cores
        "Tests": [*pytest, *workers, "worksteal", "-p", "no:nbval", "-m", "not slow"],
        "Notebooks 1, 2, 3 and 5, against their stored outputs": [*nbval, *workers, "loadfile", *strict],
        "Notebook 4, every cell on less work": [*nbval, *lax],
    }
    if not Path("tests").is_dir():  # a learner's edition
        stages = {"Exercises": ["cs231n", "check"]}
    started, summary, failed = [], "", False
    for title, words in stages.items():
        os.environ["CS231N_QUICK"] = str(int(title.startswith("Notebook 4")))
        started.append((title, _piped([PYTHON, "-m", *words])))
    for title, process in started:
        print(f"\n--- {title}", flush=True)
        tail = b""
        with process:
            while process.stdout and (chunk := os.read(process.stdout.fileno(), 1 << 16)):
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
                tail = (tail + chunk)[-2000:]
        failed |= process.returncode != 0
        last_line = tail.decode(errors="replace").rstrip().rpartition("\n")[2]
        summary += f"\n{title}: {'FAILED' if process.returncode else 'passed'}\n{last_line}"
    print(summary)
    return int(failed)
