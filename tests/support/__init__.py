"""Problems that no shortcut can solve, and guards that nothing was written to."""

import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]  # of the repository

SHAPES = [(3, 5), (4, 3), (9, 7)]  # never square: a swapped axis must not fit; never N = 2: dx is ~eps there
SEEDS = range(3)


def text_id(value):
    """The text of a parameter, without addresses of functions: each worker of pytest-xdist has others."""
    return re.sub(r" at 0x\w+", "", str(value))


def problem(shape, seed=0, dtype=np.float64):
    """x and a random upstream dout of one shape, gamma and beta a column each, labels a row each."""
    rng = np.random.RandomState(seed)
    N, D = shape
    return SimpleNamespace(
        x=(1 + 2 * rng.normal(size=shape)).astype(dtype),
        dout=rng.normal(size=shape).astype(dtype),
        gamma=rng.uniform(0.5, 2.0, D).astype(dtype),
        beta=rng.normal(size=D).astype(dtype),
        y=rng.randint(D, size=N),
        rng=rng,
    )


def arrays_in(thing):
    """Every array in nested tuples, lists and dicts."""
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, str) or not hasattr(thing, "__iter__"):
        return []
    return [a for part in (thing.values() if isinstance(thing, dict) else thing) for a in arrays_in(part)]


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


def relative(actual, expected):
    """The largest error over the largest entry: one number that small entries cannot blow up."""
    return np.max(np.abs(actual - expected)) / np.max(np.abs(expected))


def make_blobs(num_train=60, num_val=40, D=6, C=3, seed=0, dtype=np.float64):
    """Gaussian blobs, one for each of C classes in D dimensions: (data for a Solver, D, C)."""
    rng = np.random.RandomState(seed)
    centers = 2 * rng.normal(size=(C, D))
    y = rng.randint(C, size=num_train + num_val)
    X = (centers[y] + rng.normal(size=(len(y), D))).astype(dtype)
    train, val = slice(num_train), slice(num_train, None)
    return {"X_train": X[train], "y_train": y[train], "X_val": X[val], "y_val": y[val]}, D, C
