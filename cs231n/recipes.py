"""Recipes that train fully-connected nets on CIFAR-10, in about 1, 3, 6 or 22 minutes.

    data, whitening = prepare()
    solver = solver_for("good", data, seed=0)
    solver.train()
    print(evaluate_on_test_set(solver.model, whitening))

A line of RECIPES has all that differs between recipes; what they share is in the functions below.
docs/training.md says what each ingredient adds, and what was tried and left out.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from cs231n import fast_layers
from cs231n.common.interrupts import run_interruptibly
from cs231n.contracts import require_choice, require_count
from cs231n.data.augment import deform_and_cut, flip_and_shift, views
from cs231n.data.whitening import Whitening, fit_whitening, whiten
from cs231n.data_utils import get_CIFAR10_data
from cs231n.solver import Solver
from cs231n.training.checkpoint import Model, make_net
from cs231n.training.schedules import one_cycle

__all__ = [
    "RECIPES",
    "Recipe",
    "augmentation_for",
    "evaluate_on_test_set",
    "predict",
    "prepare",
    "solver_for",
]


class Recipe(NamedTuple):
    """What differs from one recipe to another.

    Args:
        hidden_dims: units of each hidden layer.
        epochs: passes over the training set.
        pixels: how far images are shifted: further, the longer the net sees them.
        deform: whether they are also turned, resized and partly covered.
        view_pixels: how far the views that predictions are averaged over are moved.
    """

    hidden_dims: list[int]
    epochs: int
    pixels: int
    deform: bool = False
    view_pixels: int = 1


RECIPES = {
    "minute": Recipe([512, 256], epochs=7, pixels=1),
    "good": Recipe([1024, 512, 256], epochs=30, pixels=3),
    "best": Recipe([1024, 512, 256], epochs=60, pixels=3),
    "hour": Recipe([1024, 512, 256], epochs=200, pixels=3, deform=True, view_pixels=3),
}

WHITENING_SAMPLES = 20_000  # images that the whitening is fitted to


def prepare(whitening: Whitening | None = None) -> tuple[dict[str, np.ndarray], Whitening]:
    """Load CIFAR-10 and whiten it; no test image is read.

    Args:
        whitening: one that was fitted before, in place of a new one.

    Returns:
        Data for a Solver, 49,000 images to train on and 1,000 to validate on, and the whitening.
    """
    data = get_CIFAR10_data(num_test=0, subtract_mean=False)
    if whitening is None:
        sample = data["X_train"][:WHITENING_SAMPLES]
        whitening = run_interruptibly(lambda: fit_whitening(sample, softening=1.0))
    for part in ("X_train", "X_val"):
        whiten(data[part], whitening, out=data[part])
    return data, whitening


def solver_for(
    name: str,
    data: Mapping[str, np.ndarray],
    seed: int,
    run: str | os.PathLike | None = None,
    verbose: bool = True,
) -> Solver:
    """The Solver of a recipe, with a new net: batchnorm, adamw, a one-cycle rate, augmented images.

    The last parameters are kept: 1,000 images are too few to choose by, and the rate has fallen to zero.

    Args:
        name: one of RECIPES.
        data: whitened, as prepare returns it.
        seed: sets the weights, the batches and the augmentation.
        run, verbose: as in Solver.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.
    """
    require_choice("solver_for", "name", name, tuple(RECIPES))
    require_count("solver_for", "seed", seed, 0)
    recipe, rng = RECIPES[name], np.random.RandomState(seed)
    net = make_net(
        "FullyConnectedNet",
        hidden_dims=recipe.hidden_dims,
        normalization="batchnorm",
        weight_scale=0.03,
        rng=rng,
        layers=fast_layers,
    )
    return Solver(
        net,
        data,
        update_rule="adamw",
        optim_config={"learning_rate": 8e-3, "weight_decay": 0.1, "beta2": 0.99},
        schedule=one_cycle(warm_up=0.2),
        augment=augmentation_for(name),
        batch_size=512,
        num_epochs=recipe.epochs,
        keep="last",
        print_every=10**9,
        rng=rng,
        run=run,
        verbose=verbose,
    )


def augmentation_for(name: str) -> Callable[..., np.ndarray]:
    """The augmentation of a recipe, for Solver.resume."""
    return partial(deform_and_cut if RECIPES[name].deform else flip_and_shift, pixels=RECIPES[name].pixels)


def predict(model: Model, X: np.ndarray, view_pixels: int = 1) -> np.ndarray:
    """Class probabilities, averaged over views of each image: ten if view_pixels is 1.

    Args:
        model: loss(X) returns scores.
        X: (N, 3, 32, 32) images, whitened like those that `model` was trained on.
        view_pixels: how far the views are moved, see augment.views.

    Returns:
        (N, C), each row sums to 1.
    """
    return np.mean([_probabilities(model, view) for view in views(X, view_pixels)], axis=0)


def _probabilities(model: Model, X: np.ndarray, batch_size: int = 1000) -> np.ndarray:
    batches = []
    for start in range(0, len(X), batch_size):
        scores = model.loss(X[start : start + batch_size])
        exp_scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        batches.append(exp_scores / exp_scores.sum(axis=1, keepdims=True))
    return np.concatenate(batches)


def evaluate_on_test_set(model: Model, whitening: Whitening, view_pixels: int = 1) -> float:
    """The share of the 10,000 test images that `predict` classifies right. Look at it only once."""
    data = get_CIFAR10_data(num_training=0, num_validation=0, num_test=10_000, subtract_mean=False)
    X = whiten(data["X_test"], whitening, out=data["X_test"])
    return float(np.mean(predict(model, X, view_pixels).argmax(axis=1) == data["y_test"]))
