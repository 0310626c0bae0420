"""A study of Optuna: this process draws settings and records scores, dask workers train."""

import math
import os
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import dask
import numpy as np
import optuna
from distributed import Client, Future, as_completed
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState
from tqdm import tqdm

from cs231n.common.environment import ONE_THREAD
from cs231n.common.terminal import is_watched
from cs231n.data.errors import DataError
from cs231n.search import cifar10

SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
PRUNERS = {
    "none": lambda epochs: optuna.pruners.NopPruner(),
    "halving": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs),
}


def open_study(a: Namespace, digest: str) -> optuna.Study:
    """The study in the storage, new or as it was left. Raises: ValueError if another search is in it."""
    storage = a.storage if "://" in a.storage else open_journal(Path(a.storage).resolve())
    study = optuna.create_study(
        storage=storage, study_name="cs231n", pruner=PRUNERS[a.pruner](a.epochs), direction="maximize",
        load_if_exists=True)  # fmt: skip
    example = optuna.create_study().ask()
    cifar10.suggest(example)
    settings = {name: str(value) for name, value in example.distributions.items()}
    settings |= {name: str(getattr(a, name)) for name in ("epochs", "seed", "sampler", "pruner")}
    settings |= {"objective": cifar10.train.__qualname__, "images": digest}
    if not study.user_attrs and not study.trials:
        study.set_user_attr("settings", settings)
    stored = study.user_attrs.get("settings", {})
    for name in settings | stored:
        if stored.get(name) != settings.get(name):
            change = f"its {name} is {stored.get(name)}, not {settings.get(name)}"
            raise ValueError(f"the storage has another search: {change}; try another --storage")
    return study


def open_journal(path: Path) -> optuna.storages.JournalStorage:
    """The journal in a file, without the half of a line that a full disk left, which Optuna cannot read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileOpenLock(str(path))  # Windows has no links for the lock that is the default
    journal = JournalFileBackend(str(path), lock)
    lock.acquire()
    try:
        content = path.read_bytes()
        if content and not content.startswith(b'{"op_code"'):
            raise ValueError(f"{path} does not hold a search; try another --storage")
        os.truncate(path, content.rfind(b"\n") + 1)
    finally:
        lock.release()
    return optuna.storages.JournalStorage(journal)


def connect(a: Namespace) -> Client:
    """A client of the scheduler, or of new worker processes: one BLAS thread each, replaced if killed."""
    if a.scheduler:
        return Client(a.scheduler, timeout="10s", set_as_default=False)
    os.environ.update(ONE_THREAD)
    dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1_000_000_000})
    local = {"n_workers": a.jobs, "threads_per_worker": 1, "dashboard_address": None}
    return Client(**local, security=True, set_as_default=False)  # other users could run code without it


def search(study: optuna.Study, a: Namespace, digest: str) -> None:
    """Run the trials that the study lacks, and then those that another search left running."""
    running: dict[Future, Trial] = {}
    with connect(a) as client, tqdm(total=a.trials, unit="trial", disable=not is_watched()) as bar:
        ended = as_completed(loop=client.loop)
        while True:
            known, numbers = study.get_trials(deepcopy=False), {trial.number for trial in running.values()}
            bar.update(sum(t.state.is_finished() for t in known) - bar.n)
            left = [t for t in known if t.state == TrialState.RUNNING and t.number not in numbers]
            is_free = len(running) < max(1, sum(client.nthreads().values()))
            if is_free and (left or len(known) < a.trials):
                number = len(known) if len(known) < a.trials else left[0].number
                rng = np.random.RandomState([a.seed, number])
                study.sampler = SAMPLERS[a.sampler](seed=rng.randint(2**31))
                trial = study.ask() if number == len(known) else Trial(study, left[0]._trial_id)
                args = cifar10.suggest(trial), a.epochs, rng.randint(2**31), digest
                pruned = None if a.pruner == "none" else trial
                future = client.submit(cifar10.train, *args, pruned, pure=False)
                running[future] = trial
                ended.add(future)
            elif running:
                future = next(ended)
                record(study, running.pop(future), future)
            else:
                return


def record(study: optuna.Study, trial: Trial, future: Future) -> None:
    """Record how a trial ended. Raises: DataError, OSError, which are not the fault of its settings."""
    error, score, state = future.exception(), None, TrialState.COMPLETE
    if isinstance(error, (DataError, OSError)):
        raise error
    if error is None and not math.isfinite(score := future.result()):
        error, score = FloatingPointError(f"the score is {score}"), None
    if error is not None:
        state = TrialState.PRUNED if isinstance(error, optuna.TrialPruned) else TrialState.FAIL
    with suppress(optuna.exceptions.UpdateFinishedTrialError):  # a search at the same time was faster
        trial.set_user_attr("reason", " ".join(f"{type(error).__name__}: {error}".split()) if error else "")
        study.tell(trial, score, state, skip_if_finished=True)
