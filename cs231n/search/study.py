"""A study of Optuna: this process draws settings and records scores, its workers only train."""

import json
import logging
import math
from argparse import Namespace
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import optuna
from filelock import FileLock
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from tqdm import tqdm

from cs231n.common.environment import ONE_THREAD, environment, prepare_worker
from cs231n.common.terminal import is_watched
from cs231n.data.errors import DataError
from cs231n.search import cifar10

SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
PRUNERS = {
    "none": lambda epochs: optuna.pruners.NopPruner(),
    "halving": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs),
}
MAX_ATTEMPTS = 3  # processes that one trial may cost


def open_study(a: Namespace, digest: str) -> optuna.Study:
    """The study in the storage, new or as it was left. Raises: ValueError if another search is in it."""
    storage = open_database(a.storage) if "://" in a.storage else open_journal(Path(a.storage).resolve())
    pruner = PRUNERS[a.pruner](a.epochs)
    study = optuna.create_study(
        study_name="cs231n", storage=storage, pruner=pruner, direction="maximize", load_if_exists=True
    )
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


def open_database(url: str) -> optuna.storages.BaseStorage:
    kind, _, path = url.partition(":///")
    try:
        if kind == "sqlite":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.get_storage(url)
    except Exception as error:  # of SQLAlchemy or its drivers, or because it is missing
        raise ValueError(f"the database cannot be opened: {str(error).splitlines()[0]}") from error


class JournalLock(FileLock):
    """A lock that ends with its process, where those of Optuna last 30 seconds more; it can be pickled."""

    def __reduce__(self) -> tuple:
        return JournalLock, (self.lock_file,)


def open_journal(path: Path) -> optuna.storages.JournalStorage:
    """The journal in a file, without the half of a line that a full disk left, which Optuna cannot read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalLock(f"{path}.lock")
    with open(path, "a+b") as file, lock:  # in this order: the lock waits where no file can be made
        file.seek(0)
        content = file.read()
        if content and not content.startswith(b'{"op_code"'):
            raise ValueError(f"{path} does not hold a search; try another --storage")
        file.truncate(end := content.rfind(b"\n") + 1)
    try:
        list(map(json.loads, content[:end].splitlines()))  # Optuna fails at a broken last line only later
        return optuna.storages.JournalStorage(JournalFileBackend(str(path), lock))  # type: ignore[arg-type]
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error!r}); try another --storage") from error


def search(study: optuna.Study, a: Namespace, digest: str) -> None:
    """Run the trials that the study lacks, and then those that were running before it and have not ended."""
    running: dict[Future, tuple[Trial, Executor]] = {}
    free: list[Executor] = []
    attempts: Counter[int] = Counter()
    own = {t.number for t in study.get_trials(deepcopy=False, states=[TrialState.RUNNING])}
    total = max(a.trials, len(study.trials))
    bar = tqdm(total=total, unit="trial", dynamic_ncols=True, disable=not is_watched())
    with bar, start_workers(a) as (count_workers, new_executor):
        while True:
            known = study.get_trials(deepcopy=False)
            bar.update(sum(t.state.is_finished() for t in known) - bar.n)
            free += [new_executor() for _ in range(count_workers() - len(free) - len(running))]
            waiting = own - {trial.number for trial, _ in running.values()}
            left = [t for t in known if t.state == TrialState.RUNNING and t.number in waiting]
            if free and (left or len(known) < a.trials):
                trial = study.ask() if len(known) < a.trials else Trial(study, left[0]._trial_id)
                own.add(trial.number)  # what else begins from now on belongs to another search
                executor, rng = free.pop(), np.random.RandomState([a.seed, trial.number])
                study.sampler = SAMPLERS[a.sampler](seed=rng.randint(2**31))
                args = cifar10.suggest(trial), a.epochs, rng.randint(2**31), digest
                judged = None if a.pruner == "none" else trial
                with suppress(BrokenExecutor):  # its process was killed; there will be a new one
                    running[executor.submit(cifar10.train, *args, judged)] = trial, executor
            elif running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    trial, executor = running.pop(future)
                    free.append(executor)
                    attempts[trial.number] += 1
                    lost = isinstance(future.exception(), BrokenExecutor)
                    if lost and attempts[trial.number] < MAX_ATTEMPTS:
                        continue  # for the study it is still running, so it runs again
                    record(study, trial, future)
            else:
                return


def record(study: optuna.Study, trial: Trial, future: Future) -> None:
    """Record how a trial ended. Raises: DataError, OSError, which are not the fault of its settings."""
    error, score, state = future.exception(), None, TrialState.COMPLETE
    if isinstance(error, (DataError, OSError)):
        raise error
    if error is None and not math.isfinite(score := future.result()):
        error, score = FloatingPointError(f"the score is {score}"), None
    with suppress(optuna.exceptions.UpdateFinishedTrialError):  # a search at the same time was faster
        if error is not None:
            state = TrialState.PRUNED if isinstance(error, optuna.TrialPruned) else TrialState.FAIL
            trial.set_user_attr("reason", " ".join(f"{type(error).__name__}: {error}".split()))
        study.tell(trial, score, state, skip_if_finished=True)


@contextmanager
def start_workers(a: Namespace):
    """Yields two functions: how many workers there are now, and an executor for one of them."""
    if a.scheduler:
        from distributed import Client

        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # the command says it
        with Client(a.scheduler, timeout="10s", set_as_default=False) as client:
            executor = client.get_executor(pure=False)  # a trial is run, not looked up
            yield lambda: max(1, sum(client.nthreads().values())), lambda: executor
        return
    with ExitStack() as stack, environment(ONE_THREAD):  # it waits for the executors' threads, not for trials

        def new_executor() -> Executor:  # of one process, so that one which is killed breaks no other
            return stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), prepare_worker))

        try:
            yield lambda: a.jobs, new_executor
        finally:
            for process in active_children():
                process.kill()
