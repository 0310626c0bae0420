"""What the tests of the search train in place of CIFAR-10: a score in closed form, trials that fail or kill.

They are in a module of their own because workers, other processes, import them by name. In place of the
digest of the images they get a folder, where each call leaves a file.
"""

import contextlib
import math
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna

from cs231n import __main__
from cs231n.data.errors import DataError
from cs231n.search import cifar10
from cs231n.search.study import open_journal, open_study, search


def suggest(trial, deepest=5):
    return {
        "rate": trial.suggest_float("rate", 1e-5, 1e-1, log=True),
        "share": trial.suggest_float("share", 0, 1),
        "depth": trial.suggest_int("depth", 1, deepest),
    }


def suggest_deeper(trial):
    return suggest(trial, deepest=9)


def quality(settings):
    """The best is at rate 1e-3, share 0.5."""
    return 1 - (math.log10(settings["rate"]) + 3) ** 2 / 9 - (settings["share"] - 0.5) ** 2


def closed_form(settings, epochs, seed, folder, trial):
    """Leaves a file for each epoch: start-SEED-EPOCH-PID-TIME."""
    for epoch in range(1, epochs + 1):
        Path(folder, f"start-{seed}-{epoch}-{os.getpid()}-{time.monotonic_ns()}").touch()
        if trial and epoch < epochs:
            trial.report(quality(settings) - 1 / epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
    return quality(settings) - 1 / epochs


def slow(settings, epochs, seed, folder, trial):
    score = closed_form(settings, epochs, seed, folder, trial)
    time.sleep(0.2)
    return score


def endless(settings, epochs, seed, folder, trial):
    closed_form(settings, epochs, seed, folder, trial)
    time.sleep(600)


def another_search_begins(settings, epochs, seed, folder, trial):
    """Another search on the same storage, s.journal in folder, begins a trial meanwhile; 3 times at most."""
    study = optuna.load_study(study_name="cs231n", storage=open_journal(Path(folder, "s.journal")))
    if len(study.trials) < 6:
        study.ask()
    return closed_form(settings, epochs, seed, folder, trial)


def changes_its_arguments(settings, epochs, seed, folder, trial):
    score = closed_form(settings, epochs, seed, folder, trial)
    settings.update(rate=-1, depth="deep", more=object())
    return score


def seeds(settings, epochs, seed, folder, trial):
    """A score that only the right seed gives."""
    return np.random.RandomState(seed).uniform() + settings["share"]


def odd_depths_fail(settings, epochs, seed, folder, trial):
    if settings["depth"] == 1:
        raise ValueError("a depth of 1\nis not deep")
    return {3: math.nan, 5: math.inf}.get(settings["depth"], quality(settings))


def fails(settings, epochs, seed, folder, trial):
    raise ValueError("never")


def lacks_images(settings, epochs, seed, folder, trial):
    raise DataError("a worker lacks the images")


def dies_once(settings, epochs, seed, folder, trial):
    score = slow(settings, epochs, seed, folder, trial)
    if len(started(folder)) > 5:
        with contextlib.suppress(FileExistsError):
            Path(folder, "died").touch(exist_ok=False)
            kill_me()
    return score


def dies_soon(settings, epochs, seed, folder, trial):
    """Ends its process after the trial has ended, and before the next one or in it."""
    threading.Timer(0.03, kill_me).start()
    return closed_form(settings, epochs, seed, folder, trial)


def shallow_kills(settings, epochs, seed, folder, trial):
    """As a net too large for the memory does: every worker that tries it."""
    if settings["depth"] == 1:
        kill_me()
    return slow(settings, epochs, seed, folder, trial)


def threads(settings, epochs, seed, folder, trial):
    return float(os.environ["OPENBLAS_NUM_THREADS"]) + float(os.environ["OMP_NUM_THREADS"])


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def started(folder):
    """[(seed of the trial, epoch, pid)] of what began."""
    return [tuple(map(int, p.name.split("-")[1:4])) for p in Path(folder).glob("start-*")]


@contextlib.contextmanager
def in_place_of_cifar10(train=closed_form, suggest=suggest):
    real = cifar10.train, cifar10.suggest
    cifar10.train, cifar10.suggest = train, suggest
    try:
        yield
    finally:
        cifar10.train, cifar10.suggest = real


def run_search(storage, train=closed_form, folder=None, suggest=suggest, **more):
    """A search of one epoch a trial, unless `more` says otherwise; returns its study."""
    a = {"epochs": 1, "jobs": 1, "scheduler": None, "sampler": "random", "pruner": "none", "seed": 0, **more}
    a, folder = Namespace(storage=str(storage), **a), str(folder or Path(storage).parent)
    with in_place_of_cifar10(train, suggest):
        study = open_study(a, folder)
        search(study, a, folder)
    return study


def outcomes(study):
    """What must not depend on where a trial ran."""
    return [(t.number, t.params, t.state, t.value, t.user_attrs.get("reason")) for t in study.trials]


@contextlib.contextmanager
def tiny_images(on_load=lambda: None):
    """In place of CIFAR-10, in this process: 300 images of 3 x 2 x 2, of which the label is plain to see."""

    def load(num_training, num_validation, num_test):
        on_load()
        y = np.arange(300) % 10
        X = np.random.RandomState(0).normal(size=(300, 3, 2, 2)).astype(np.float32)
        X.reshape(300, 12)[np.arange(300), y] += 4
        return {"X_train": X[:200], "y_train": y[:200], "X_val": X[200:], "y_val": y[200:]}

    real = {name: getattr(cifar10, name) for name in ("get_CIFAR10_data", "locate", "make_net")}
    cifar10.get_CIFAR10_data = load
    cifar10.locate = lambda: SimpleNamespace(digest="tiny")
    cifar10.make_net = lambda kind, **options: real["make_net"](kind, input_dim=12, **options)
    cifar10.load_images.cache_clear()
    try:
        yield
    finally:
        for name, value in real.items():
            setattr(cifar10, name, value)
        cifar10.load_images.cache_clear()


real_train, _entered = cifar10.train, []


def trains_on_tiny_images(settings, epochs, seed, folder, trial):
    """The training of the kit on tiny_images, with a file in folder for each time that they are loaded."""
    if not _entered:  # for as long as this worker lives
        _entered.append(
            tiny_images(lambda: Path(folder, f"load-{os.getpid()}-{time.monotonic_ns()}").touch())
        )
        _entered[0].__enter__()
    return real_train(settings, epochs, seed, "tiny", trial)


def main(train, folder, *argv):
    """python -m cs231n search, with that training in place of CIFAR-10."""
    from cs231n.commands import search

    search.data_source = lambda: "no images"
    search.locate = lambda: SimpleNamespace(digest=folder)
    with in_place_of_cifar10(globals()[train]):
        sys.exit(__main__.main(["search", *argv]))
