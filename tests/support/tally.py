"""How much was tried and how much of it held: the rows of docs/reliability.md."""

from collections import Counter
from contextlib import contextmanager

TRIED, HELD = Counter(), Counter()  # by (row, what)


@contextmanager
def tried(row, what):
    """One case of a row; it held if the block comes to its end."""
    TRIED[row, what] += 1
    yield
    HELD[row, what] += 1


def counts():
    """The counts of this process as (row, what, tried, held), which a worker of pytest-xdist can send."""
    return [(*key, TRIED[key], HELD[key]) for key in TRIED]


def add(counts):
    """Add the counts of a worker to those of this process."""
    for row, what, tried, held in counts:
        TRIED[row, what] += tried
        HELD[row, what] += held


def table():
    """The lines of the table: every row, and under it what it is made of."""
    for row in sorted({row for row, _ in TRIED}):
        parts = sorted(what for name, what in TRIED if name == row)
        yield line(row, sum(TRIED[row, what] for what in parts), sum(HELD[row, what] for what in parts))
        for what in parts:
            yield line("  " + what, TRIED[row, what], HELD[row, what])


def line(name, tried, held):
    return f"{name:60} tried {tried:6,}  held {held:6,}"
