"""What `python -m cs231n search` tries: a space of settings, and a training on CIFAR-10 with them."""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import optuna

from cs231n import fast_layers
from cs231n.data.errors import DataError
from cs231n.data.sources import locate
from cs231n.data_utils import get_CIFAR10_data
from cs231n.solver import Solver
from cs231n.training.callbacks import Callback
from cs231n.training.checkpoint import make_net
from cs231n.training.schedules import one_cycle


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """The search space: draw the settings of a trial. A net has `depth` hidden layers of `width` units."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 1, log=True),
        "depth": trial.suggest_int("depth", 1, 5),
        "width": trial.suggest_categorical("width", [64, 128, 256, 512]),
        "batch_size": trial.suggest_categorical("batch_size", [50, 100, 200, 400]),
    }


@dataclass(frozen=True)
class ReportToPruner(Callback):
    """Reports each epoch but the last to a trial, whose pruner may end the training."""

    trial: optuna.Trial

    def end_epoch(self, solver: Solver) -> None:
        if solver.epoch < solver.num_epochs:
            self.trial.report(solver.val_acc_history[-1], solver.epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


def train(settings: dict[str, Any], epochs: int, seed: int, digest: str, trial: optuna.Trial | None) -> float:
    """Train a net with batchnorm by adamw and a one-cycle rate.

    Args:
        settings: as suggest returns them.
        epochs: passes over 45,000 images.
        seed: sets the weights and the batches.
        digest: that of the images, which each process loads once from the cache of its machine.
        trial: for the pruner (None: there is no pruner).

    Returns:
        The best accuracy on 5,000 images for validation; one of 0.5 has a standard error of 0.007.

    Raises:
        DataError: this machine has other images.
        FloatingPointError: the loss diverged.
        optuna.TrialPruned: the pruner ended it.
    """
    rng, dims = np.random.RandomState(seed), [settings["width"]] * settings["depth"]
    net = {"hidden_dims": dims, "normalization": "batchnorm", "layers": fast_layers}
    config = {name: settings[name] for name in ("learning_rate", "weight_decay")}
    options = {"update_rule": "adamw", "optim_config": config, "schedule": one_cycle(), "verbose": False}
    options |= {"batch_size": settings["batch_size"], "num_epochs": epochs, "rng": rng}
    options["callbacks"] = [ReportToPruner(trial)] if trial else []
    solver = Solver(make_net("FullyConnectedNet", rng=rng, **net), load_images(digest), **options)
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        solver.train()
    if solver.epoch < epochs:
        raise FloatingPointError(str(messages[-1].message))
    return float(solver.best_val_acc)


@cache
def load_images(digest: str) -> dict[str, np.ndarray]:
    if locate().digest != digest:
        raise DataError(f"a worker lacks the images {digest[:8]}; try python -m cs231n data on its machine")
    return get_CIFAR10_data(num_training=45_000, num_validation=5_000, num_test=0)
