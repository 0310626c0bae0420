"""What the tests share: problems that no shortcut can solve, and a guard that nothing was written to."""

import os
import sys
from contextlib import contextmanager
from types import SimpleNamespace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: small arrays gain nothing from threads
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from tally import table  # noqa: E402

from cs231n import fast_layers  # noqa: E402

# Grading is for Linux: its children need setrlimit, namespaces and /proc, and its zips names of any bytes.
collect_ignore_glob = [] if sys.platform == "linux" else \
    ["test_sandbox.py", "test_grade*.py", "test_release_platforms.py"]

settings.register_profile("kit", derandomize=True, max_examples=20, deadline=None)
settings.register_profile("many", settings.get_profile("kit"), max_examples=250)   # docs/reliability.md
settings.load_profile("kit")


def pytest_terminal_summary(terminalreporter, config):
    """With --hypothesis-profile=many: how many cases of each kind were tried, and how many held."""
    if config.getoption("--hypothesis-profile") == "many":
        for line in table():
            terminalreporter.line(line)


SHAPES = [(3, 5), (4, 3),
          (9, 7)]       # never square: a swapped axis must not fit; never N = 2: dx is ~eps there
SEEDS = range(3)


def problem(shape, seed=0, dtype=np.float64):
    """x and a random upstream dout of one shape, gamma and beta a column each, labels a row each."""
    rng = np.random.RandomState(seed)
    N, D = shape
    return SimpleNamespace(
        x=(1 + 2 * rng.normal(size=shape)).astype(dtype), dout=rng.normal(size=shape).astype(dtype),
        gamma=rng.uniform(0.5, 2.0, D).astype(dtype), beta=rng.normal(size=D).astype(dtype),
        y=rng.randint(D, size=N), rng=rng)


def arrays_in(thing):
    """Every array in nested tuples, lists and dicts."""
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, dict):
        thing = thing.values()
    return [a for part in thing for a in arrays_in(part)] if hasattr(thing, "__iter__") and \
        not isinstance(thing, str) else []


@contextmanager
def unchanged(*things):
    """Fail if an array in things is written to: at once, or, through a hidden way, at the end.

    A dict in things must also keep its keys and its values.
    """
    arrays = arrays_in(things)
    before = [(a, a.tobytes(), a.flags.writeable) for a in arrays]
    dicts = [(d, dict(d)) for d in things if isinstance(d, dict)]
    for a in arrays:
        a.flags.writeable = False
    try:
        yield
    finally:
        for a, _, writeable in before:
            a.flags.writeable = writeable
    for a, content, _ in before:
        assert a.tobytes() == content, "an input was modified"
    for d, content in dicts:
        assert d.keys() == content.keys() and all(d[k] is content[k] for k in d), "a dict was modified"


@contextmanager
def refused(error, *fragments):
    """Expect error, with every fragment in its message, and the global random stream where it was."""
    stream = np.random.get_state()
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message, f"{fragment!r} is not in: {message}"
    after = np.random.get_state()
    assert stream[2] == after[2] and np.array_equal(stream[1], after[1]), "a refused call drew random numbers"


def relative(ours, truth):
    """The largest error over the largest entry: one number that small entries cannot blow up."""
    return np.max(np.abs(ours - truth)) / np.max(np.abs(truth))


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


def make_blobs(num_train=60, num_val=40, D=6, C=3, seed=0, dtype=np.float64):
    rng = np.random.RandomState(seed)
    centers = 2 * rng.normal(size=(C, D))
    y = rng.randint(C, size=num_train + num_val)
    X = (centers[y] + rng.normal(size=(len(y), D))).astype(dtype)
    data = {"X_train": X[:num_train], "y_train": y[:num_train], "X_val": X[num_train:],
            "y_val": y[num_train:]}
    return data, D, C


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
