"""A model whose accuracies are set beforehand, and short ways to train it and small nets."""

from typing import Any

import numpy as np

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver


class Scripted:
    """Learns nothing but a step count: its weights are 0, 1, 2, ... times the learning rate.

    Args:
        accuracies: the share of examples with label 0 that it gets right after each step; the last one stays.
        losses: those of the first steps; then 1.
        fails_at: the step, from 0, that raises KeyboardInterrupt.
    """

    def __init__(self, accuracies, losses=(), fails_at=None):
        self.params = {"W": np.zeros(3)}
        self.bn_params = [{"mode": "train"}]
        self.accuracies, self.losses, self.fails_at = accuracies, losses, fails_at
        self.steps, self.batches = 0, []

    def loss(self, X, y=None):
        step = self.steps
        if y is None:
            right = self.accuracies[min(step - 1, len(self.accuracies) - 1)]
            scores = np.zeros((len(X), 2))
            scores[:, 1] = np.arange(len(X)) >= right * len(X)  # labels are all 0
            return scores
        if step == self.fails_at:
            raise KeyboardInterrupt
        self.steps += 1
        self.batches.append(X[:, 0].astype(int).tolist())
        self.bn_params[0] |= {"running_mean": np.full(2, 1.0 + step), "running_var": np.full(2, 2.0 + step)}
        return self.losses[step] if step < len(self.losses) else 1.0, {"W": -np.ones(3)}


def numbered(N=10) -> dict[str, np.ndarray]:
    """N examples that carry their own number; all labels 0."""
    X, y = np.arange(float(N))[:, None], np.zeros(N, int)
    return {"X_train": X, "y_train": y, "X_val": X, "y_val": y}


def solver_of(model, data=None, **options: Any) -> Solver:
    """A silent Solver: four epochs of one step at rate 1, over the numbered examples."""
    defaults = {"verbose": False, "batch_size": 10, "num_epochs": 4, "optim_config": {"learning_rate": 1.0}}
    return Solver(model, data or numbered(), **{**defaults, **options})


def run(model, data=None, **options: Any) -> Solver:
    """solver_of, trained."""
    solver = solver_of(model, data, **options)
    solver.train()
    return solver


def net(dtype=np.float64, normalization="batchnorm", hidden=(8, 7), **more: Any) -> FullyConnectedNet:
    """A net for make_blobs."""
    sizes = {"input_dim": 6, "num_classes": 3, "weight_scale": 0.3}
    return FullyConnectedNet(list(hidden), normalization=normalization, dtype=dtype, **{**sizes, **more})
