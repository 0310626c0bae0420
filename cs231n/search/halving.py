"""Random search and successive halving over hyper-parameters, on one machine or on a cluster.

search(objective, {"learning_rate": log_uniform(1e-4, 1e-2)}, trials=30, seed=0, epochs=9, results=FILE)
"""

import math
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from typing import Any

import numpy as np

from cs231n.common.executors import ONE_THREAD, Serial, WorkerLost
from cs231n.common.terminal import is_watched
from cs231n.contracts import require_count
from cs231n.data.errors import DataError
from cs231n.search.results import Results, Row, ranked
from cs231n.search.space import Space, propose, require_space

__all__ = ["rungs", "search"]

Objective = Callable[[dict[str, Any], int, int], float]


def search(
    objective: Objective,
    space: Space,
    *,
    trials: int,
    seed: int,
    epochs: int,
    results: str | os.PathLike,
    eta: int | None = None,
    executor: Executor | None = None,
) -> list[Row]:
    """Try points of a space and write the outcome of each into a file, as it ends.

    Args:
        objective: objective(config, epochs, seed) -> score, the higher the better. config is a dict of the
            names in `space`; seed belongs to the trial. An exception, or a score that is not finite, makes a
            failed trial, ranked last. It is pickled with every trial: let it load its data by itself and
            keep them for the next trial, as TrainOnCIFAR10 does.
        space: log_uniform, uniform, integer or choice by name.
        trials: how many points.
        seed: below 2**32; the points follow from it, see propose.
        epochs: how long a trial lasts; with `eta`, how long the longest last, see rungs.
        results: path of the file; a search that was interrupted continues from it, a random search also to
            more trials.
        eta: successive halving with that factor (None: random search).
        executor: any concurrent.futures.Executor, which stays open (default: one trial after the other, in
            this process). Its workers should run one BLAS thread each, else a warning names the worker.

    Returns:
        One row of the file for each trial, ranked: the best first.

    Raises:
        TypeError, ValueError: an argument does not fit, or the file belongs to another search.
        OSError: the file cannot be written.
        DataError: a worker lacks the data.
        RuntimeError: the executor failed. Trials that ended before are in the file.

    Source:
        successive halving, Jamieson and Talwalkar 2016, arXiv:1502.07943.
    """
    require_space("search", space)
    for name, value, low in (("trials", trials, 1), ("seed", seed, 0), ("epochs", epochs, 1)):
        require_count("search", name, value, low)
    if seed >= 2**32:
        raise ValueError(f"search: seed must be below 2**32, got {seed}")
    if eta is not None:
        require_count("search", "eta", eta, 2)
    header: dict[str, Any] = {
        "objective": re.sub(" at 0x[0-9a-fA-F]+", "", repr(objective)),
        "seed": seed,
        "epochs": epochs,
        "eta": eta,
        "space": {name: repr(dimension) for name, dimension in sorted(space.items())},
    }
    if eta is not None:  # the size of a rung decides who is promoted
        header["trials"] = trials
    steps = rungs(trials, epochs, eta)
    executor = executor or Serial()
    with Results(results, header) as file, _bar(sum(size for size, _ in steps)) as bar:
        survivors = list(range(trials))
        for size, length in steps:
            rows = _run_rung(objective, space, seed, survivors[:size], length, file, executor, bar)
            survivors = [row["trial"] for row in ranked(rows) if row["score"] is not None]
        return ranked(row for row in file.rows.values() if row["trial"] < trials)


def rungs(trials: int, epochs: int, eta: int | None = None) -> list[tuple[int, int]]:
    """[(number of trials, number of epochs), ...]: a rung trains 1/eta of the one before, eta times longer.

    The last rung lasts `epochs`; the first is the shortest for which there are trials and whole epochs. A
    promoted trial starts again from scratch, so that its schedule fits its length. Without eta, one rung.

        rungs(30, 9, 3)  ->  [(30, 1), (10, 3), (3, 9)]
    """
    last = 0
    while eta and trials >= eta ** (last + 1) and epochs >= eta ** (last + 1):
        last += 1
    return [(trials // (eta or 1) ** k, round(epochs / (eta or 1) ** (last - k))) for k in range(last + 1)]


def _run_rung(
    objective: Objective,
    space: Space,
    seed: int,
    trials: list[int],
    epochs: int,
    file: Results,
    executor: Executor,
    bar: Any,
) -> list[Row]:
    """Run those trials of a rung that the file lacks; returns the rows of all of them."""
    missing = [trial for trial in trials if (trial, epochs) not in file.rows]
    bar.update(len(trials) - len(missing))
    configs = {trial: propose(space, seed, trial) for trial in missing}
    tasks = {
        trial: (_run_trial, objective, config, epochs, _seed_of(seed, trial))
        for trial, config in configs.items()
    }
    for trial, future in _as_completed(executor, tasks):
        outcome = _outcome_of(future)
        if not outcome.pop("one_thread") and outcome["worker"] != _worker_name():
            warnings.warn(
                f"search: worker {outcome['worker']} may run several BLAS threads, which slow "
                "each other down; start it with OPENBLAS_NUM_THREADS=1 in its environment",
                RuntimeWarning,
                stacklevel=3,
            )
        file.add({"trial": trial, "epochs": epochs, "config": configs[trial], **outcome})
        bar.update()
    return [file.rows[trial, epochs] for trial in trials]


def _as_completed(executor: Executor, tasks: Mapping[int, tuple]) -> Iterator[tuple[int, Future]]:
    """Submit tasks, {trial: (function, *arguments)}; yields (trial, future) as each ends."""
    waiting: dict[Future, int] = {}
    try:
        for trial, task in tasks.items():
            future = executor.submit(*task)
            if future.done():  # as under Serial, where the next one must not begin yet
                yield trial, future
            else:
                waiting[future] = trial
        for future in as_completed(waiting):
            yield waiting.pop(future), future  # dask trains again what a dead worker held, if kept
    finally:
        for future in waiting:
            future.cancel()


def _run_trial(objective: Objective, config: dict[str, Any], epochs: int, seed: int) -> Row:
    """Run one trial, in the worker; returns its outcome, the last part of its row in the file."""
    start = time.monotonic()
    result: Row = {"score": None}
    try:
        score = float(objective(config, epochs, seed))
        if math.isfinite(score):
            result["score"] = score
        else:
            result["error"] = f"the score is {score}"
    except DataError:  # not the fault of the trial: it may run where the data are
        raise
    except Exception as error:
        result["error"] = " ".join(f"{type(error).__name__}: {error}".split())
    return {
        **result,
        "seconds": round(time.monotonic() - start, 2),
        "worker": _worker_name(),
        "one_thread": any(os.environ.get(name) == "1" for name in ONE_THREAD),
    }


def _worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _outcome_of(future: Future) -> Row:
    """The outcome that _run_trial returned, or that of a trial that ended every worker it ran on."""
    try:
        return future.result()
    except CancelledError:
        raise RuntimeError(
            "search: the executor cancelled a trial; is the scheduler still there? the same "
            "search continues where it stopped"
        ) from None
    except BrokenExecutor as error:
        raise RuntimeError(
            f"search: the executor broke ({error}); the same search continues where it stopped; "
            "try executor_for('processes:N'), which replaces lost workers"
        ) from None
    except Exception as error:
        if not isinstance(error, WorkerLost) and type(error).__name__ != "KilledWorker":  # of dask
            raise
        return {
            "score": None,
            "error": f"its worker was lost: {' '.join(str(error).split())}",
            "seconds": None,
            "worker": None,
            "one_thread": True,
        }


def _seed_of(seed: int, trial: int) -> int:
    """The seed of a trial's weights and batches; the same whatever its length."""
    return int(np.random.RandomState([seed, trial, 1]).randint(2**31))


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="trial", dynamic_ncols=True, disable=not is_watched())
