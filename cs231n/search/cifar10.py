"""The space that `python -m cs231n search` searches, and the training of one point of it on CIFAR-10."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from cs231n import fast_layers
from cs231n.data.errors import DataError
from cs231n.data.sources import locate
from cs231n.data_utils import data_source, get_CIFAR10_data
from cs231n.search.space import Space, choice, integer, log_uniform
from cs231n.solver import Solver
from cs231n.training.checkpoint import make_net
from cs231n.training.schedules import one_cycle

__all__ = ["SPACE", "TrainOnCIFAR10"]

SPACE: Space = {
    "learning_rate": log_uniform(1e-4, 1e-2),
    "weight_decay": log_uniform(1e-4, 1),
    "depth": integer(1, 5),  # hidden layers
    "width": choice(64, 128, 256, 512),  # units in each
    "batch_size": choice(50, 100, 200, 400),
}


@dataclass(frozen=True)
class TrainOnCIFAR10:
    """The best validation accuracy of a net with batchnorm, trained by adamw and a one-cycle rate.

    45,000 images to train on, 5,000 to choose by (the standard error of an accuracy of 0.5 is 0.007), no test
    images. Pickled it is a digest: each worker process loads the images once, from the cache of its own
    machine, and keeps them, 610 MB, for its next trial.

    Args:
        digest: that of the images.
    """

    digest: str

    def __call__(self, config: dict[str, Any], epochs: int, seed: int) -> float:
        """Train once.

        Raises:
            DataError: this machine has other images.
            FloatingPointError: the loss diverged.
        """
        rng = np.random.RandomState(seed)
        net = make_net(
            "FullyConnectedNet",
            hidden_dims=[config["width"]] * config["depth"],
            normalization="batchnorm",
            rng=rng,
            layers=fast_layers,
        )
        solver = Solver(
            net,
            images(self.digest),
            update_rule="adamw",
            schedule=one_cycle(),
            optim_config={name: config[name] for name in ("learning_rate", "weight_decay")},
            batch_size=config["batch_size"],
            num_epochs=epochs,
            verbose=False,
            rng=rng,
        )
        with warnings.catch_warnings(record=True) as messages:
            warnings.simplefilter("always")
            solver.train()
        if solver.epoch < epochs:
            raise FloatingPointError(str(messages[-1].message))
        return float(solver.best_val_acc)


@lru_cache(maxsize=1)
def images(digest: str) -> dict[str, np.ndarray]:
    """The images, loaded once a process. Raises: DataError if this machine has images of another digest."""
    if locate().digest != digest:
        raise DataError(
            f"this worker has {data_source()}, the search uses the images with digest "
            f"{digest[:8]}; try python -m cs231n data on its machine"
        )
    return get_CIFAR10_data(num_training=45_000, num_validation=5_000, num_test=0)
