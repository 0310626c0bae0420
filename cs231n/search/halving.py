"""Search over hyper-parameters: random search and successive halving, on one machine or on a cluster.

    python -m cs231n search --executor processes:2 --trials 30 --epochs 9 --halving

or, over a space and a function of your own,

    search(objective, {"learning_rate": log_uniform(1e-4, 1e-2)}, trials=30, seed=0, epochs=9, results=FILE)
"""

import math
import os
import re
import socket
import time
import warnings
from concurrent.futures import BrokenExecutor, CancelledError, as_completed
from pathlib import Path

import numpy as np

from cs231n.common.executors import ONE_THREAD, Serial, WorkerLost, executor_for
from cs231n.common.terminal import is_watched, log
from cs231n.contracts import require_count
from cs231n.data.errors import DataError
from cs231n.search.results import Results, draw, ranked, table
from cs231n.search.space import choice, integer, log_uniform, propose, require_space, uniform

__all__ = ["choice", "executor_for", "integer", "log_uniform", "propose", "rungs", "search", "uniform"]

ETA = 3


def search(objective, space, *, trials, seed, epochs, results, eta=None, executor=None):
    """Try points of space and write what came of each into the file results, as it ends.

    Args:   objective, called as objective(config, epochs, seed) -> score, the higher the better; config is a
            dict of the names in space, and seed belongs to the trial. Whatever it raises, and a score that
            is not finite, makes a failed trial, ranked last. It travels with every trial: let it find its
            data by itself and keep them for the next trial, as TrainOnCIFAR10 does;
            space, a dict of names to log_uniform, uniform, integer or choice;
            trials, how many points; seed, from which they follow, see propose;
            epochs, how long a trial lasts; with eta, how long those last that get furthest, see rungs;
            results, the path of the file; a search that was interrupted goes on from it, a random search
            also to more trials;
            executor, any concurrent.futures.Executor, which stays open (default: one trial after the other,
            here). Its workers should run one BLAS thread each, else a warning says which does not.
    Returns the rows of the file as ranked gives them: each trial once, the best first.
    Raises: TypeError, ValueError that name the argument, or say that the file belongs to another search;
            OSError if it cannot be written; DataError if a worker lacks the data, RuntimeError if the
            executor gives up. What ended before is in the file.

    Source: successive halving, Jamieson and Talwalkar 2016, arXiv:1502.07943.
    """
    require_space("search", space)
    for name, value, low in (("trials", trials, 1), ("seed", seed, 0), ("epochs", epochs, 1)):
        require_count("search", name, value, low)
    if seed >= 2**32:
        raise ValueError(f"search: seed must be below 2**32, got {seed}")
    if eta is not None:
        require_count("search", "eta", eta, 2)
    header = {
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
        entered = list(range(trials))
        for size, length in steps:
            rows = _run_rung(objective, space, seed, entered[:size], length, file, executor, bar)
            entered = [row["trial"] for row in ranked(rows) if row["score"] is not None]
        return ranked(row for row in file.rows.values() if row["trial"] < trials)


def rungs(trials, epochs, eta=None):
    """[(how many trials, how many epochs), ...]: each rung trains 1/eta of the one before, eta times longer.

    The last lasts epochs; the first is the shortest for which there are trials and whole epochs. A promoted
    trial starts again from scratch, so that its schedule fits its length. Without eta, one rung.

        rungs(30, 9, 3)  ->  [(30, 1), (10, 3), (3, 9)]
    """
    last = 0
    while eta and trials >= eta ** (last + 1) and epochs >= eta ** (last + 1):
        last += 1
    return [(trials // (eta or 1) ** k, round(epochs / (eta or 1) ** (last - k))) for k in range(last + 1)]


def _run_rung(objective, space, seed, entered, epochs, file, executor, bar):
    """Run what the file lacks of a rung, the trials that entered it; returns the rows of the rung."""
    missing = [trial for trial in entered if (trial, epochs) not in file.rows]
    bar.update(len(entered) - len(missing))
    configs = {trial: propose(space, seed, trial) for trial in missing}
    tasks = {
        trial: (_attempt, objective, config, epochs, _seed_of(seed, trial))
        for trial, config in configs.items()
    }
    for trial, future in _as_they_end(executor, tasks):
        outcome = _outcome(future)
        if not outcome.pop("one_thread") and outcome["worker"] != _name():
            warnings.warn(
                f"search: worker {outcome['worker']} may run several BLAS threads, which get into "
                "each other's way; start it with OPENBLAS_NUM_THREADS=1 in its environment",
                RuntimeWarning,
                stacklevel=3,
            )
        file.add({"trial": trial, "epochs": epochs, "config": configs[trial], **outcome})
        bar.update()
    return [file.rows[trial, epochs] for trial in entered]


def _as_they_end(executor, tasks):
    """Submit tasks, {trial: (function, *arguments)}; yields (trial, future) as each ends."""
    waiting = {}
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


def _attempt(objective, config, epochs, seed):
    """One trial, in the worker: what came of it, as a row of the file."""
    start = time.monotonic()
    result = {"score": None}
    try:
        score = float(objective(config, epochs, seed))
        if math.isfinite(score):
            result["score"] = score
        else:
            result["error"] = f"the score is {score}"
    except DataError:  # no fault of the trial: it may run where the data are
        raise
    except Exception as error:
        result["error"] = " ".join(f"{type(error).__name__}: {error}".split())
    return {
        **result,
        "seconds": round(time.monotonic() - start, 2),
        "worker": _name(),
        "one_thread": any(os.environ.get(name) == "1" for name in ONE_THREAD),
    }


def _name():
    """Of this process, as a worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _outcome(future):
    """What _attempt said, or, if it ended one worker after the other, that."""
    try:
        return future.result()
    except CancelledError:
        raise RuntimeError(
            "search: the executor cancelled a trial; is the scheduler still there? the same "
            "search goes on where it stopped"
        ) from None
    except BrokenExecutor as error:
        raise RuntimeError(
            f"search: the executor broke ({error}); the same search goes on where it stopped; "
            "try executor_for('processes:N'), which outlives its workers"
        ) from None
    except Exception as error:
        if not isinstance(error, WorkerLost) and type(error).__name__ != "KilledWorker":  # what dask says
            raise
        return {
            "score": None,
            "error": f"its worker was lost: {' '.join(str(error).split())}",
            "seconds": None,
            "worker": None,
            "one_thread": True,
        }


def _seed_of(seed, trial):
    """The seed of a trial's weights and batches; the same whatever its length."""
    return int(np.random.RandomState([seed, trial, 1]).randint(2**31))


def _bar(total):
    from tqdm import tqdm

    shown = is_watched()
    return tqdm(total=total, unit="trial", dynamic_ncols=True, disable=not shown)


def add_arguments(parser):
    parser.add_argument(
        "--executor",
        default="serial",
        metavar="WHERE",
        help="serial, processes:N or dask:ADDRESS (default: serial)",
    )
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=3,
        metavar="E",
        help="how long a trial lasts (default: 3); with --halving, the longest",
    )
    parser.add_argument(
        "--halving",
        action="store_true",
        help=f"successive halving: the best 1/{ETA} train again, {ETA} times longer",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="sets the trials (default: 0)")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("runs/search.jsonl"),
        metavar="FILE",
        help="where results are kept, and a search started again goes on (default: runs/search.jsonl)",
    )


def main(arguments):
    """What `python -m cs231n search` does; arguments as add_arguments has them. Returns the exit status."""
    from cs231n.search.cifar10 import SPACE, TrainOnCIFAR10, data_source, locate

    try:
        data, objective = data_source(), TrainOnCIFAR10(locate().digest)
        with executor_for(arguments.executor) as executor:
            rows = search(
                objective,
                SPACE,
                trials=arguments.trials,
                seed=arguments.seed,
                epochs=arguments.epochs,
                results=arguments.results,
                eta=ETA if arguments.halving else None,
                executor=executor,
            )
    except KeyboardInterrupt:
        log(f"\nsearch: interrupted; {arguments.results} keeps what ended, and the same command goes on")
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        log(f"search: {str(error).removeprefix('search: ')}")
        return 1
    print("\n".join(table(rows, SPACE)))
    picture = arguments.results.with_suffix(".png")
    draw(rows, SPACE, picture)
    print(f"\nscore    best validation accuracy, {data}\nresults  {arguments.results}\nfigure   {picture}")
    return 0
