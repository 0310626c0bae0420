"""Recipes with names: how far fully-connected layers go on CIFAR-10, by the time there is.

    data, whitening = prepare()
    solver = solver_for("good", data, seed=0)
    solver.train()
    print(test_accuracy(solver.model, whitening))

A line of RECIPES holds all that makes one differ from another; what they share is in the functions below.
docs/training.md says what each ingredient is worth, and what was tried and left out.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from cs231n import fast_layers
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.contracts import require_choice, require_count
from cs231n.data.augment import flip_and_shift, views
from cs231n.data.whitening import fit_whitening, whiten
from cs231n.data_utils import get_CIFAR10_data
from cs231n.solver import Solver

__all__ = ["RECIPES", "Recipe", "moves_of", "predict", "prepare", "solver_for", "test_accuracy"]


class Recipe(NamedTuple):
    hidden_dims: list
    epochs: int
    pixels: int  # how far images are shifted: further, the longer the net sees them


RECIPES = {
    "minute": Recipe([512, 256], epochs=7, pixels=1),
    "good": Recipe([1024, 512, 256], epochs=30, pixels=3),
    "best": Recipe([1024, 512, 256], epochs=60, pixels=3),
}

FITTED_TO = 20_000  # images that the whitening is fitted to


def prepare(whitening=None):
    """CIFAR-10, whitened -> data for a Solver, 49,000 images to train on and 1,000 to watch it by; whitening.

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

    seed sets the weights, the batches and the moves; run as in Solver. The last parameters are kept: 1,000
    images are too few to choose by, and the rate has fallen to zero. Raises: ValueError for another name.
    """
    require_choice("solver_for", "name", name, tuple(RECIPES))
    require_count("solver_for", "seed", seed, 0)
    recipe, rng = RECIPES[name], np.random.RandomState(seed)
    net = FullyConnectedNet(
        recipe.hidden_dims, normalization="batchnorm", weight_scale=0.03, rng=rng, layers=fast_layers
    )
    return Solver(
        net,
        data,
        update_rule="adamw",
        optim_config={"learning_rate": 8e-3, "weight_decay": 0.1, "beta2": 0.99},
        schedule="one_cycle",
        schedule_config={"warm_up": 0.2},
        augment=moves_of(name),
        batch_size=512,
        num_epochs=recipe.epochs,
        keep="last",
        print_every=10**9,
        rng=rng,
        run=run,
        verbose=verbose,
    )


def moves_of(name):
    """The augmentation of recipe name, for Solver.resume."""
    return partial(flip_and_shift, pixels=RECIPES[name].pixels)


def predict(model, X):
    """The mean over the ten views of each image of the probabilities that model gives it: (N, C).

    Args: X (N, 3, 32, 32), whitened as the images that model was trained on.
    """
    total = 0
    for view in views(X):
        for_view = []
        for start in range(0, len(X), 1000):
            scores = model.loss(view[start : start + 1000])
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            for_view.append(odds / odds.sum(axis=1, keepdims=True))
        total += np.concatenate(for_view)
    return total / 10


def test_accuracy(model, whitening):
    """The share of the 10,000 test images that model, by predict, gives their label. To be seen once."""
    data = get_CIFAR10_data(num_training=0, num_validation=0, num_test=10_000, subtract_mean=False)
    X = whiten(data["X_test"], whitening, out=data["X_test"])
    return np.mean(predict(model, X).argmax(axis=1) == data["y_test"])
