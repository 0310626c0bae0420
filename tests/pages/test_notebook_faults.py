"""Notebooks where something is missing or in the way: nbval compares every cell with what it has stored."""

import copy
import os
import random
import shutil
import subprocess
import sys
from contextlib import ExitStack

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.pages.test_notebooks import NAMES, code_cells
from tests.support import ROOT
from tests.support.namespaces import can_unshare
from tests.support.python import run_python
from tests.support.tally import tried

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(os.name == "nt", reason="the faults are made as Unix makes them"),
]

CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0

# What goes before the command; $KIT is the checkout.
READ_ONLY = 'mount --bind "$KIT" "$KIT" && mount -o remount,bind,ro "$KIT" && exec "$@"'
PREFIX = {
    "no network": ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
    "a read-only checkout": ["unshare", "-rm", "sh", "-c", READ_ONLY, "sh"],
    "one core": ["taskset", "-c", str(CORE)],
    # Of data, which counts what is asked for, touched or not: a stricter limit than that of a machine.
    "1 GiB of memory": ["sh", "-c", 'ulimit -d 1048576 && exec "$@"', "sh"],
}
VARIABLES = {
    "the locale C": {"LC_ALL": "C"},
    "a locale that is not there": {"LC_ALL": "de_DERP.UTF-8", "LANG": "de_DERP.UTF-8"},
    **{f"hash seed {seed}": {"PYTHONHASHSEED": seed} for seed in ("0", "4294967295")},
}
PLACES = {"opened in the kit's own folder": ".", "opened in a new folder of the user": "notebooks/für mich/1"}

IMPORTS = ("import numpy", "from cs231n.notebook import")
INTERRUPT = """
import os as _os, signal as _signal
_signal.signal(_signal.SIGALRM, lambda *_: _signal.raise_signal(_signal.SIGINT))
try:
    try:
        _signal.setitimer(_signal.ITIMER_REAL, {moment})
        exec({source!r}, globals())
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, 0)
except KeyboardInterrupt:
    with open(_os.environ["LANDED"], "a") as _file:
        _file.write({id!r} + "\\n")
"""


def twice(cells):
    """Each code cell, and once more."""
    for cell in cells:
        yield cell
        if cell.cell_type == "code":
            again = copy.deepcopy(cell)
            again.id += "-again"
            yield again


def interrupted(cells):
    """Before each code cell the same one, ended by SIGINT within a tenth of a second.

    But for the imports: numpy and what is built on it can be loaded but once in a process, by half or whole.
    """
    moments = random.Random(0)
    for cell in cells:
        if cell.cell_type == "code" and not any(line in cell.source for line in IMPORTS):
            moment = 10 ** moments.uniform(-4.5, -1)
            code = INTERRUPT.format(moment=moment, source=cell.source, id=cell.id)
            tags = ["raises-exception", "nbval-ignore-output"]
            yield new_code_cell(code, id=cell.id + "-first", execution_count=1, metadata={"tags": tags})
        yield cell


CHANGES = {"each cell twice": twice, "each cell interrupted, and run again": interrupted}

# Faults that do not hide each other share a run.
TOGETHER = [
    ["no network", "a read-only checkout", "a locale that is not there", "hash seed 0", [*PLACES][0]],
    ["one core", "1 GiB of memory", "the locale C", "hash seed 4294967295", [*PLACES][1]],
    ["each cell twice"],
    ["each cell interrupted, and run again"],
]
SAMPLE = [(NAMES[0], [*PREFIX, "the locale C", "hash seed 0"])]
ALL = [(name, faults) for faults in TOGETHER for name in reversed(NAMES[:3])]
ALL += [(NAMES[3], ["no network", "a read-only checkout", "one core", "the locale C"])]


def possible(fault):
    """Whether it can be made here; if not, it is not tried, and test_the_fault_is_real is skipped."""
    if fault in ("no network", "a read-only checkout"):
        return can_unshare()
    return fault not in ("one core", "1 GiB of memory") or sys.platform == "linux"


def pytest_generate_tests(metafunc):
    if "faults" in metafunc.fixturenames:
        many = metafunc.config.getoption("--hypothesis-profile") == "many"
        runs = [(name, list(filter(possible, faults))) for name, faults in (ALL if many else SAMPLE)]
        metafunc.parametrize("name, faults", runs, ids=lambda it: it if it in NAMES else ", ".join(it))


@pytest.fixture
def kit(tmp_path):
    """A copy of what a notebook needs, in a folder with spaces and letters of two alphabets."""
    folder = tmp_path / "Mein Ordner für 批归一化"
    for part in ("cs231n", "notebooks"):
        shutil.copytree(ROOT / part, folder / part)
    return folder


def under(faults, kit, *arguments, **variables):
    """Run Python from another folder, under those of the faults that are a matter of its process."""
    env = {**os.environ, "KIT": str(kit), "OPENBLAS_NUM_THREADS": "1", "CS231N_QUICK": "1", **variables}
    command = [sys.executable, *map(str, arguments)]
    for fault in faults:
        env |= VARIABLES.get(fault, {})
        command = [*PREFIX.get(fault, ()), *command]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, encoding="utf-8", errors="replace")


def changed(kit, faults, name):
    """Change and move a notebook -> its path, its number of code cells."""
    path = kit / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for fault in faults:
        if fault in CHANGES:
            notebook.cells = list(CHANGES[fault](notebook.cells))
        if fault in PLACES:
            path = kit / PLACES[fault] / path.name
            path.parent.mkdir(exist_ok=True, parents=True)
    nbformat.write(notebook, path)
    return path, len(code_cells(notebook))


def times(kit):
    return {p: p.stat().st_mtime_ns for p in kit.rglob("*") if p.is_file() and p.parent.name != "__pycache__"}


def test_a_notebook_under_faults(kit, name, faults, tmp_path):
    path, count = changed(kit, faults, name)
    before, landed = times(kit), tmp_path / "landed"
    strict = "--nbval-lax" if name == NAMES[3] else "--nbval"
    options = f"-qx -p no:cacheprovider -c {os.devnull} {strict} --nbval-current-env --nbval-cell-timeout=300"
    places = [f"--rootdir={kit}", f"--confcutdir={kit}", path]
    with ExitStack() as stack:
        for fault in (*faults, "a path with spaces and other letters"):
            stack.enter_context(tried("Notebooks", fault))
        ran = under(faults, kit, "-m", "pytest", *options.split(), *places, LANDED=str(landed))
        assert ran.returncode == 0 and f"{count} passed" in ran.stdout, ran.stdout[-3000:] + ran.stderr
        assert times(kit) == before, "a notebook wrote into the kit"  # or the next one might depend on it
    if "each cell interrupted, and run again" in faults:
        assert len(landed.read_text().split()) > count / 6, "most interrupts came after the end of the cell"


# fmt: off
@pytest.mark.parametrize("fault, code, error", [
    ("no network", "import socket; socket.create_connection(('192.0.2.1', 80), 5)", "Network is unreachable"),
    ("a read-only checkout", "open('{kit}/new', 'w')", "Read-only file system"),
    ("1 GiB of memory", "bytearray(2 ** 30)", "MemoryError"),
    ("one core", "import os; assert len(os.sched_getaffinity(0)) > 1", "AssertionError"),
    ("the locale C", "import locale; assert locale.getlocale()[1]", "AssertionError"),
    ("a locale that is not there", "import locale; locale.setlocale(0, '')", "unsupported locale setting"),
    ("hash seed 0", "import sys; assert sys.flags.hash_randomization", "AssertionError"),
])
# fmt: on
def test_the_fault_is_real(kit, fault, code, error):
    if not possible(fault):
        pytest.skip(f"{fault}: this system has no way to make it")
    ran = under([fault], kit, "-c", code.format(kit=kit))
    assert ran.returncode == 1 and error in ran.stderr, ran.stderr


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_kit_the_first_cell_names_what_is_missing(name, tmp_path):
    first = code_cells(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4))[0].source
    with tried("Notebooks", "opened outside the kit: a clear error"):
        ran = run_python(first, cwd=tmp_path, env={"PYTHONPATH": None})
        assert "ModuleNotFoundError: No module named 'cs231n'" in ran.stderr
