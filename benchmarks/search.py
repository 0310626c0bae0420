"""Time of a search with one worker and with two, over processes and over dask.

    python benchmarks/search.py [--json FILE]

A trial is one epoch of a net of two layers of 100 on CIFAR-10. Workers start, and load the images, before the
clock does. The cost of a trial besides its training is that of trials that do nothing, 200 of them. Dask runs
on this machine, a scheduler and workers of their own processes, which talk over TCP and keep the memory that
they free, as docs/search.md has it.
"""

import contextlib
import os
import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

from harness import main, one_thread

one_thread()

from cs231n.common.executors import executor_for  # noqa: E402
from cs231n.data.sources import locate  # noqa: E402
from cs231n.search import search  # noqa: E402
from cs231n.search.cifar10 import TrainOnCIFAR10, images  # noqa: E402
from cs231n.search.space import choice, log_uniform  # noqa: E402

TRIALS, EMPTY = 12, 200
SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-2),
    "weight_decay": log_uniform(1e-4, 1),
    "depth": choice(2),
    "width": choice(100),
    "batch_size": choice(100),
}


def nothing(config, epochs, seed):
    return 0.0


def load(digest):
    """Load the images, and stay long enough for the other worker to take the other call."""
    start = time.perf_counter()
    images(digest)
    seconds = time.perf_counter() - start
    time.sleep(5)
    return seconds


@contextlib.contextmanager
def executors(kind, workers):
    if kind == "processes":
        with executor_for(f"processes:{workers}") as executor:
            yield executor
        return
    from distributed import LocalCluster

    os.environ.update(MALLOC_TRIM_THRESHOLD_="1000000000", MALLOC_MMAP_THRESHOLD_="33554432")
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        with executor_for(f"dask:{cluster.scheduler_address}") as executor:
            yield executor


def seconds(executor, objective, trials):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        rows = search(
            objective,
            SPACE,
            trials=trials,
            seed=0,
            epochs=1,
            results=Path(folder, "results.jsonl"),
            executor=executor,
        )
        taken = time.perf_counter() - start
    failed = [row["error"] for row in rows if row["score"] is None]
    if failed:
        raise RuntimeError(f"a trial failed, so the time means nothing: {failed[0]}")
    return taken


def measure():
    digest, rows = locate().digest, []
    for kind in ("processes", "dask"):
        alone = None
        for workers in (1, 2):
            with executors(kind, workers) as executor:
                loading = [executor.submit(load, digest) for _ in range(workers)]
                wait(loading)
                taken = seconds(executor, TrainOnCIFAR10(digest), TRIALS)
                empty = seconds(executor, nothing, EMPTY)
            alone = alone or taken
            rows.append(
                {
                    "executor": kind,
                    "workers": workers,
                    "s per trial": f"{taken / TRIALS:.2f}",
                    "efficiency": f"{alone / taken / workers:.2f}",
                    "overhead per trial, ms": f"{1e3 * empty / EMPTY:.1f}",
                    "s to load": f"{max(f.result() for f in loading):.1f}",
                }
            )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
