"""Fixtures and settings of the test run; helpers that tests import are in tests/support."""

import gc
import os
import sys

gc.disable()  # until the tests are collected: thousands of objects, none of them garbage

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: small arrays gain nothing from threads
os.environ.setdefault("MPLBACKEND", "agg")
# Before nbformat: jsonschema builds its grammar of addresses in a second, and no notebook needs it.
sys.modules.setdefault("rfc3987_syntax", None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from cs231n import fast_layers  # noqa: E402
from tests.support import make_blobs  # noqa: E402
from tests.support.tally import add, counts, table  # noqa: E402

# Grading is for Linux: its children need setrlimit, bubblewrap and /proc, and its zips names of any bytes.
collect_ignore_glob = (
    []
    if sys.platform == "linux"
    else [
        "classroom/test_environments.py",
        "classroom/test_sandbox.py",
        "classroom/test_grade*.py",
        "classroom/test_release_platforms.py",
    ]
)

settings.register_profile("kit", derandomize=True, max_examples=20, deadline=None)
settings.register_profile("many", settings.get_profile("kit"), max_examples=250)  # docs/reliability.md
settings.load_profile("kit")


def pytest_collection_finish():
    gc.freeze()  # what was collected is not searched for garbage in the middle of a test
    gc.enable()


def pytest_sessionfinish(session):
    """A worker of pytest-xdist sends its counts of cases to the main process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = counts()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    add(getattr(node, "workeroutput", {}).get("tally", []))  # a worker that was killed has none


def pytest_terminal_summary(terminalreporter, config):
    """With --hypothesis-profile=many: how many cases of each kind were tried, and how many held."""
    if config.getoption("--hypothesis-profile") == "many":
        for line in table():
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def seeded():
    """The global stream that the interface draws from, the same for each test in any order."""
    np.random.seed(231)


@pytest.fixture
def many(request):
    """Whether every case is to be tried, not a sample of them: --hypothesis-profile=many."""
    return request.config.getoption("--hypothesis-profile") == "many"


@pytest.fixture
def blobs():
    """A small labelled set that a net learns in seconds: (data for a Solver, D, C)."""
    return make_blobs()


@pytest.fixture(params=["layers", "fast", "fast-without-numba"])
def edition(request, monkeypatch):
    """The tests of layers run over fast_layers too: their names of layers mean those of this edition."""
    if request.param == "layers":
        return
    if request.param == "fast":
        pytest.importorskip("numba", reason="needs numba: pip install '.[fast]'")
    else:
        monkeypatch.setattr(fast_layers, "kernels", None)
    for name in fast_layers.__all__:
        if hasattr(request.module, name):
            monkeypatch.setattr(request.module, name, getattr(fast_layers, name))
