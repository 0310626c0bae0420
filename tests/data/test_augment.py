"""Augmentation: how often each move comes, and what the Solver does with it.

That each image becomes one of its own moves is asserted in tests/gradients/test_numbers_tools.py.
"""

from functools import partial

import numpy as np
import pytest

from cs231n.data.augment import cutout, deform, flip, flip_and_shift, shift, views
from cs231n.solver import Solver
from tests.support import refused, unchanged


def cut(X, rng):
    return cutout(X, rng, size=2)


every = pytest.mark.parametrize(
    "augment", [flip, shift, flip_and_shift, deform, cut], ids=lambda f: f.__name__
)


def make_images(N=40, shape=(3, 6, 5)):
    """No two pixels of an image are alike, and none is zero."""
    return (1 + np.arange(N * np.prod(shape)).reshape(N, *shape)).astype(np.float32)


# fmt: off
@pytest.mark.parametrize("augment, rows, columns", [
    (flip, [4], [3, 5]),
    (shift, range(2, 7), range(1, 6)),
    (partial(shift, pixels=3), range(1, 8), range(7)),
    (flip_and_shift, range(2, 7), [*range(1, 6), *range(3, 8)]),
    (partial(deform, degrees=0, zoom=0), range(2, 7), [*range(1, 6), *range(3, 8)]),
])
# fmt: on
def test_every_move_is_equally_likely(augment, rows, columns):
    """The pixel (4, 3) of 40,000 images, within 4 standard deviations of each share for this seed."""
    N = 40_000
    X = np.zeros((N, 1, 9, 9), np.uint8)
    X[:, 0, 4, 3] = 1
    share = np.outer(*(np.bincount(places, minlength=9) / len(places) for places in (rows, columns)))
    counts = augment(X, np.random.default_rng(0))[:, 0].sum(axis=0, dtype=int)
    assert (np.abs(counts - N * share) <= 4 * np.sqrt(N * share * (1 - share))).all()


def test_deform_takes_pixels_from_places_of_a_turned_and_resized_grid():
    """Channels 0 and 1 hold the place of a pixel: an affine map of the place to which it is moved."""
    N, half, degrees, zoom = 300, 16, 20, 0.2
    places = np.mgrid[-half : half + 1, -half : half + 1]  # (2, H, W), the center is (0, 0)
    X = np.tile(np.concatenate([places, np.ones((1, *places.shape[1:]))]), (N, 1, 1, 1))
    grid = np.concatenate([places.reshape(2, -1), np.ones((1, places[0].size))]).T  # (H W, 3)
    angles, sizes, mirrored, distances = [], [], [], []
    for image in deform(X, np.random.default_rng(0), 3, degrees, zoom).reshape(N, 3, -1):
        inside, source = image[2] == 1, image[:2].T
        A = np.linalg.lstsq(grid[inside], source[inside], rcond=None)[0]  # (3, 2)
        # Half a pixel of rounding, and half a pixel that a fit to rounded numbers can be off.
        assert np.abs(grid @ A - source)[inside].max() < 1 and not source[~inside].any()
        assert np.abs(grid @ A)[~inside].max(axis=1).min(initial=np.inf) > half - 0.5
        np.testing.assert_allclose(A[:2].T @ A[:2], abs(np.linalg.det(A[:2])) * np.eye(2), atol=0.1)
        angles.append(np.arctan2(A[1, 0], A[0, 0]))
        sizes.append(np.log(np.abs(np.linalg.det(A[:2]))) / 2)
        mirrored.append(np.linalg.det(A[:2]) < 0)
        distances.extend(A[2])
    for drawn, largest in ((angles, np.deg2rad(degrees)), (sizes, zoom), (distances, 3.5)):
        assert 0.9 * largest < np.max(np.abs(drawn)) < 1.1 * largest
        assert abs(np.mean(drawn)) < 4 * largest / np.sqrt(3 * len(drawn))  # 4 deviations of a uniform mean
    assert abs(np.mean(mirrored) - 0.5) < 4 * 0.5 / np.sqrt(N)


def module(seed):
    np.random.seed(seed)
    return np.random


@every
@pytest.mark.parametrize("make_rng", [np.random.default_rng, np.random.RandomState, module])
def test_same_seed_makes_the_same_batch(augment, make_rng):
    first, second, different = (augment(make_images(), make_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, different)


@every
def test_rows_are_refused_with_what_to_try(augment):
    with refused(ValueError, "X must be images (N, C, H, W)", "try X.reshape(-1, 3, 32, 32)"):
        augment(np.ones((4, 3072)), np.random.default_rng(0))


def test_views_begin_with_the_images_and_move_by_one_pixel():
    X = make_images(3)
    assert np.array_equal(next(iter(views(X))), X)
    assert all(map(np.array_equal, views(X), views(X, pixels=1)))


class Recorder:
    """A model that learns nothing and keeps every batch: (whether it came with labels, a copy)."""

    def __init__(self):
        self.params, self.batches = {"W": np.zeros(1)}, []

    def loss(self, X, y=None):
        self.batches.append((y is not None, X.copy()))
        return np.zeros((len(X), 2)) if y is None else (1.0, {"W": np.zeros(1)})


def train(augment, seed=0):
    """Two epochs of two batches -> the batches that the model saw."""
    X, y = make_images(20), np.zeros(20, int)
    data = {"X_train": X, "y_train": y, "X_val": X[:10], "y_val": y[:10]}
    model = Recorder()
    with unchanged(X):
        Solver(model, data, batch_size=10, num_epochs=2, verbose=False, augment=augment, rng=seed).train()
    return model.batches


def test_solver_augments_training_batches_alone():
    def negate(X, rng):
        X[...] = -X
        return X

    batches = train(negate)
    assert {training for training, _ in batches} == {True, False}
    assert all((X < 0).all() if training else (X > 0).all() for training, X in batches)


def test_solver_draws_from_its_own_rng():
    first, second, different = (
        [X for training, X in train(flip_and_shift, seed) if training] for seed in (1, 1, 2)
    )
    assert len(first) == 4 and all(map(np.array_equal, first, second))
    assert not any(map(np.array_equal, first, different))
