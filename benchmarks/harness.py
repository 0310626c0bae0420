"""Time several calls in turns within one process, so that a slow machine slows all of them."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
import timeit
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def race(calls, rounds=15, seconds=0.02, timer=timeit.default_timer, pause=0.0):
    """{name: call} -> {name: [seconds a call, one for each round]}; a turn lasts about that many seconds.

    pause: seconds of sleep before each turn, in which the threads of the turn before stop to spin.
    """
    timers = {name: timeit.Timer(call, timer=timer) for name, call in calls.items()}
    repeats = {}
    for name, timer in timers.items():
        once = min(timer.repeat(3, 1))  # the first may compile, or touch its memory
        repeats[name] = max(1, round(seconds / once))
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, timer in timers.items():
            time.sleep(pause)
            times[name].append(timer.timeit(repeats[name]) / repeats[name])
    return times


def median_and_spread(times):
    """A list of times -> its median, and half the distance between the quartiles as a share of it."""
    low, median, high = statistics.quantiles(times, n=4)
    return median, (high - low) / 2 / median


def setting():
    """Versions and threads, for the foot of a table."""
    versions = {"python": platform.python_version()}
    for package in ("numpy", "numba", "torch", "jax"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {**versions, "BLAS threads": os.environ["OPENBLAS_NUM_THREADS"]}


def main(doc, measure, draw=None, parents=()):
    """Run measure() -> rows of dicts, print them as one table, and write them where --json says.

    draw(rows, path), if there is one, makes the picture that --picture asks for. parents: argparse
    parsers of further arguments.
    """
    parser = argparse.ArgumentParser(description=doc.strip().splitlines()[0], parents=parents)
    parser.add_argument("--json", type=Path, help="write the table and the setting to this file")
    if draw:
        parser.add_argument("--picture", type=Path, help="draw the table into this .png file")
    arguments = parser.parse_args()
    rows, foot = measure(), setting()
    print_table(rows)
    print("\n" + ", ".join(f"{name} {value}" for name, value in foot.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"setting": foot, "rows": rows}, indent=1) + "\n")
    if draw and arguments.picture:
        draw(rows, arguments.picture)


def print_table(rows):
    columns = list(rows[0])
    cells = [columns, *([str(row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print(
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))
            )
        )


def with_kernels(fast_layers, kernels, call):
    """The same call with other kernels in fast_layers; None is its NumPy edition."""

    def run():
        compiled, fast_layers.kernels = fast_layers.kernels, kernels
        try:
            return call()
        finally:
            fast_layers.kernels = compiled

    return run


def one_thread():
    """Call before numpy is imported: a ratio means little while threads wait for each other."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))


def pin(cores):
    """Call before numpy is imported: this process gets that many cores, and each library as many threads.

    The threads of XLA read no environment variable, but they stay on the cores of their process.
    """
    if hasattr(os, "sched_setaffinity"):  # Linux
        available = sorted(os.sched_getaffinity(0))
        if len(available) < cores:
            sys.exit(f"--cores {cores}: this process may use {len(available)}")
        os.sched_setaffinity(0, available[-cores:])
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(cores)
    sys.path.insert(0, str(ROOT))
