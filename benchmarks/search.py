"""Time of a search with one worker and with two, in processes and over dask.

    python benchmarks/search.py [--json FILE]

A trial is one epoch of a net of two layers of 100 on CIFAR-10; the overhead is the time of a trial that does
nothing. The clock starts as the first trial of each worker ends, which loaded the images. Dask runs on this
machine: a scheduler, and workers in processes of their own that talk over TCP and keep the memory that they
free, as docs/search.md has it.
"""

import contextlib
import os
import tempfile
from argparse import Namespace

from harness import main, one_thread

one_thread()

import optuna  # noqa: E402

from cs231n.data.sources import locate  # noqa: E402
from cs231n.search import cifar10  # noqa: E402
from cs231n.search.study import open_study, search  # noqa: E402

SETTINGS = {"learning_rate": 1e-3, "weight_decay": 1e-2, "depth": 2, "width": 100, "batch_size": 100}
optuna.logging.set_verbosity(optuna.logging.WARNING)


def suggest(trial):
    return {name: trial.suggest_categorical(name, [value]) for name, value in SETTINGS.items()}


def nothing(settings, epochs, seed, digest, trial):
    return 0.0


@contextlib.contextmanager
def scheduler_for(kind, workers):
    if kind == "processes":
        yield None
        return
    from distributed import LocalCluster

    os.environ.update(MALLOC_TRIM_THRESHOLD_="1000000000", MALLOC_MMAP_THRESHOLD_="33554432")
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=workers, **options) as cluster:
        yield cluster.scheduler_address


def seconds_per_trial(train, trials, workers, scheduler):
    cifar10.train = train
    with tempfile.TemporaryDirectory() as folder:
        a = {"storage": f"{folder}/s.journal", "trials": trials, "epochs": 1, "seed": 0, "jobs": workers}
        a = Namespace(**a, sampler="random", pruner="none", scheduler=scheduler)
        study = open_study(a, digest := locate().digest)
        search(study, a, digest)
        if failed := [trial.user_attrs["reason"] for trial in study.trials if trial.value is None]:
            raise RuntimeError(f"a trial failed, so the time means nothing: {failed[0]}")
        ends = sorted(trial.datetime_complete for trial in study.trials)
    return (ends[-1] - ends[workers - 1]).total_seconds() / (trials - workers)


def measure():
    rows, train = [], cifar10.train
    for kind in ("processes", "dask"):
        for workers in (1, 2):
            with scheduler_for(kind, workers) as scheduler:
                taken = seconds_per_trial(train, 12 + workers, workers, scheduler)
                empty = seconds_per_trial(nothing, 100 + workers, workers, scheduler)
            if workers == 1:
                alone = taken
            rows.append(
                {
                    "where": kind,
                    "workers": workers,
                    "s per trial": f"{taken:.2f}",
                    "efficiency": f"{alone / taken / workers:.2f}",
                    "overhead per trial, ms": f"{1e3 * empty:.1f}",
                }
            )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
