"""What the tests of the search try: a score in closed form, and trials that fail, wait, count or kill.

They are in a module of their own because workers, other processes, import them by name.
"""

import contextlib
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cs231n.search import cifar10
from cs231n.search.space import choice, integer, log_uniform, uniform

SPACE = {
    "rate": log_uniform(1e-5, 1e-1),
    "share": uniform(0, 1),
    "depth": integer(1, 5),
    "rule": choice("sgd", "adam"),
}


def quality(config):
    """The best is at rate 1e-3, share 0.5."""
    return 1 - (math.log10(config["rate"]) + 3) ** 2 / 9 - (config["share"] - 0.5) ** 2


def closed_form(config, epochs, seed):
    return quality(config) - 1 / epochs


def crossing(config, epochs, seed):
    """After one epoch the worst look best."""
    return quality(config) * (-1 if epochs == 1 else 1)


def odd_depths_fail(config, epochs, seed):
    if config["depth"] == 1:
        raise ValueError("a depth of 1\nis not deep")
    return math.nan if config["depth"] == 3 else quality(config)


def seeds(config, epochs, seed):
    """A score that only the right seed gives."""
    return np.random.RandomState(seed).uniform() + config["share"]


@dataclass(frozen=True)
class Logged:
    """closed_form, with a file in folder for each time that it starts and ends."""

    folder: str
    seconds: float = 0.05

    def __call__(self, config, epochs, seed):
        name = f"{seed}-{epochs}-{os.getpid()}-{time.monotonic_ns()}"
        Path(self.folder, f"start-{name}").touch()
        time.sleep(self.seconds)
        Path(self.folder, f"end-{name}").touch()
        return closed_form(config, epochs, seed)


@dataclass(frozen=True)
class DiesOnce(Logged):
    """Logged, and once, after a while, kills its worker."""

    def __call__(self, config, epochs, seed):
        score = super().__call__(config, epochs, seed)
        if len(started(Path(self.folder))) > 5:
            with contextlib.suppress(FileExistsError):
                Path(self.folder, "died").touch(exist_ok=False)
                kill_me()
        return score


def started(folder):
    """[(the trial's seed, pid)] of what began."""
    return [tuple(map(int, (p.name.split("-")[1], p.name.split("-")[3]))) for p in folder.glob("start-*")]


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def shallow_kills(config, epochs, seed):
    """As a net too large for the memory does: every worker that tries it."""
    if config["depth"] == 1:
        kill_me()
    time.sleep(0.2)
    return quality(config)


@contextlib.contextmanager
def tiny_images(on_load=lambda: None):
    """In place of CIFAR-10, in this process: 300 images of 3 x 2 x 2, of which the label is plain to see."""

    def load(num_training, num_validation, num_test):
        on_load()
        y = np.arange(300) % 10
        X = np.random.RandomState(0).normal(size=(300, 3, 2, 2)).astype(np.float32)
        X.reshape(300, 12)[np.arange(300), y] += 4
        return {"X_train": X[:200], "y_train": y[:200], "X_val": X[200:], "y_val": y[200:]}

    replaced = ("get_CIFAR10_data", "locate", "make_net")
    real = {name: getattr(cifar10, name) for name in replaced}
    cifar10.get_CIFAR10_data = load
    cifar10.locate = lambda: SimpleNamespace(digest="tiny")
    cifar10.make_net = partial(real["make_net"], input_dim=12)
    cifar10.images.cache_clear()
    try:
        yield
    finally:
        for name, value in real.items():
            setattr(cifar10, name, value)
        cifar10.images.cache_clear()


@dataclass(frozen=True)
class TrainOnTinyImages:
    """TrainOnCIFAR10 on tiny_images, with a file in folder for each time that they are loaded."""

    folder: str

    def __call__(self, config, epochs, seed):
        if not _entered:  # for as long as this worker lives
            _entered.append(
                tiny_images(lambda: Path(self.folder, f"load-{os.getpid()}-{time.monotonic_ns()}").touch())
            )
            _entered[0].__enter__()
        return cifar10.TrainOnCIFAR10("tiny")(config, epochs, seed)


_entered = []


def main(folder, *argv):
    """python -m cs231n search, with Logged in place of training on CIFAR-10."""
    import argparse

    from cs231n.commands import search

    search.TrainOnCIFAR10 = lambda digest: Logged(folder)
    search.SPACE = SPACE
    search.data_source = lambda: "no images"
    search.locate = lambda: SimpleNamespace(digest="")
    parser = argparse.ArgumentParser()
    search.add_arguments(parser)
    sys.exit(search.main(parser.parse_args(argv)))
