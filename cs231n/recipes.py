"""Recipes with names: how far fully-connected layers go on CIFAR-10, by the time there is.

    data, whitening = prepare()
    solver = solver_for("good", data, seed=0)
    solver.train()
    print(test_accuracy(solver.model, whitening))

A line of RECIPES holds all that makes one differ from another; what they share is in the functions below.
docs/training.md says what each ingredient is worth, and what was tried and left out.
"""

from typing import NamedTuple

import numpy as np

from cs231n.augment import flip_and_shift, views
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.contracts import require_choice
from cs231n.data_utils import get_CIFAR10_data
from cs231n.solver import Solver
from cs231n.whitening import fit_whitening, whiten

try:
    from cs231n import fast_layers as layers
except ImportError:     # a learner's edition comes without, to show the learner's own at work
    from cs231n import layer_utils as layers

__all__ = ["RECIPES", "Recipe", "predict", "prepare", "solver_for", "test_accuracy"]


class Recipe(NamedTuple):
    hidden_dims: list
    epochs: int
    batch_size: int = 256
    learning_rate: float = 4e-3
    weight_decay: float = 0.1


RECIPES = {
    "minute": Recipe([512, 256], epochs=5),
    "good": Recipe([1024, 512, 256], epochs=20),
    "best": Recipe([1024, 512, 256], epochs=60),
}

FITTED_TO = 20_000      # images that the whitening is fitted to; more change nothing that could be measured


def prepare(whitening=None):
    """CIFAR-10, whitened -> data for a Solver, 49,000 images to train on and 1,000 to choose by; whitening.

    No test image is read. whitening, if there is one already, is used in place of a new one.
    """
    data = get_CIFAR10_data(num_test=0, subtract_mean=False)
    if whitening is None:
        whitening = fit_whitening(data["X_train"][:FITTED_TO], softening=1.0)
    for part in ("X_train", "X_val"):
        whiten(data[part], whitening, out=data[part])
    return data, whitening


def solver_for(name, data, seed, run=None, verbose=True):
    """The Solver of recipe name, with a net of its own: batchnorm, adamw, a one-cycle rate, moved images.

    seed sets the weights, the batches and the moves; run as in Solver. Raises: ValueError for another name.
    """
    require_choice("solver_for", "name", name, tuple(RECIPES))
    recipe, rng = RECIPES[name], np.random.RandomState(seed)
    net = FullyConnectedNet(recipe.hidden_dims, normalization="batchnorm", weight_scale=0.03, rng=rng,
                            layers=layers)
    return Solver(net, data, update_rule="adamw",
                  optim_config={"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay,
                                "beta2": 0.99},
                  schedule="one_cycle", schedule_config={"warm_up": 0.2}, augment=flip_and_shift,
                  batch_size=recipe.batch_size, num_epochs=recipe.epochs, print_every=10**9, rng=rng, run=run,
                  verbose=verbose)


def predict(model, X):
    """The mean over the ten views of each image of the probabilities that model gives it: (N, C).

    Args: X (N, 3, 32, 32), whitened as the images that model was trained on.
    """
    total = 0
    for view in views(X):
        for_view = []
        for start in range(0, len(X), 1000):
            scores = model.loss(view[start:start + 1000])
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            for_view.append(odds / odds.sum(axis=1, keepdims=True))
        total += np.concatenate(for_view)
    return total / 10


def test_accuracy(model, whitening):
    """The share of the 10,000 test images that model, by predict, gives their label. To be seen once."""
    data = get_CIFAR10_data(num_training=0, num_validation=0, num_test=10_000, subtract_mean=False)
    X = whiten(data["X_test"], whitening, out=data["X_test"])
    return np.mean(predict(model, X).argmax(axis=1) == data["y_test"])
