"""Augmentation, against the same moves made one image at a time, and the counts that chance allows."""

import numpy as np
import pytest

from cs231n.data.augment import flip, flip_and_shift, shift, views
from cs231n.solver import Solver
from tests.support import refused, unchanged

every = pytest.mark.parametrize("augment", [flip, shift, flip_and_shift], ids=lambda f: f.__name__)


def make_images(N=40, shape=(3, 6, 5), dtype=np.float32):
    """No two pixels of an image are alike, and none is zero."""
    return (1 + np.arange(N * np.prod(shape)).reshape(N, *shape)).astype(dtype)


def move(image, down, right):
    """image (C, H, W) moved by hand; zeros come in."""
    out, (_, H, W) = np.zeros_like(image), image.shape
    for i in range(H):
        for j in range(W):
            if 0 <= i - down < H and 0 <= j - right < W:
                out[:, i, j] = image[:, i - down, j - right]
    return out


def moves_of(augment, image, pixels=2):
    """{bytes of what augment may make of image: (mirrored, down, right)}"""
    flips = [image] if augment is shift else [image, image[:, :, ::-1]]
    span = [0] if augment is flip else range(-pixels, pixels + 1)
    return {
        move(mirrored, down, right).tobytes(): (m, down, right)
        for m, mirrored in enumerate(flips)
        for down in span
        for right in span
    }


def check_moves(augment, call, pixels=2):
    """call(X, rng) makes moves of augment, of each image its own -> the moves."""
    X = make_images()
    with unchanged(X):
        out = call(X, np.random.default_rng(0))
    assert out.shape == X.shape and out.dtype == X.dtype and not np.shares_memory(out, X)
    moves = [moves_of(augment, image, pixels)[new.tobytes()] for image, new in zip(X, out)]
    assert len(set(moves)) > 1, "all images moved alike"
    return moves


@every
def test_each_image_is_one_of_its_moves(augment):
    check_moves(augment, augment)


@pytest.mark.parametrize("pixels", [1, 3, 4])
def test_shift_by_another_distance(pixels):
    moves = check_moves(shift, lambda X, rng: shift(X, rng, pixels), pixels)
    assert max(abs(d) for _, down, right in moves for d in (down, right)) == pixels


def test_shift_by_no_pixels_moves_nothing():
    X = make_images()
    assert np.array_equal(shift(X, np.random.default_rng(0), pixels=0), X)


def wraps(X, rng):
    return np.stack([np.roll(x, rng.integers(-4, 5, 2), axis=(1, 2)) for x in X])


def upside_down(X, rng):
    return np.where(rng.random(len(X))[:, None, None, None] < 0.5, X[:, :, ::-1], X)


def all_alike(X, rng):
    return X[:, :, :, ::-1].copy()


def in_place(X, rng):
    X[::2] = X[::2, :, :, ::-1].copy()
    return X


@pytest.mark.parametrize(
    "augment, wrong",
    [(shift, wraps), (flip, upside_down), (flip, all_alike), (flip, in_place)],
    ids=lambda f: f.__name__,
)
def test_the_check_rejects_a_planted_mistake(augment, wrong):
    with pytest.raises((AssertionError, KeyError, ValueError)):
        check_moves(augment, wrong)


def test_every_move_is_equally_likely():
    """40,000 images: a share of 1/2 and of 1/81, each within 4 standard deviations for this seed."""
    N, rng = 40_000, np.random.default_rng(0)
    X = np.zeros((N, 1, 9, 9), np.uint8)
    X[:, 0, 4, 4] = 1
    counts = shift(X, rng, 4)[:, 0].sum(axis=0, dtype=int)
    assert np.abs(counts - N / 81).max() < 4 * np.sqrt(N / 81 * 80 / 81)
    X = np.zeros((N, 1, 1, 2), np.uint8)
    X[..., 0] = 1
    assert abs(flip(X, rng)[..., 1].sum() - N / 2) < 4 * np.sqrt(N / 4)


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("rng", [np.random.default_rng(0), np.random.RandomState(0), np.random], ids=repr)
def test_any_dtype_and_any_rng(augment, dtype, rng):
    assert augment((make_images(4, (1, 2, 3)) % 200).astype(dtype), rng).dtype == dtype


@every
def test_same_seed_makes_the_same_batch(augment):
    first, second, different = (augment(make_images(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, different)


@every
@pytest.mark.parametrize(
    "bad", [np.ones((4, 3072)), [[1.0]], np.ones((3, 32, 32))], ids=["rows", "list", "one"]
)
def test_rows_are_refused(augment, bad):
    with refused(ValueError, "X must be images (N, C, H, W)", "try X.reshape(-1, 3, 32, 32)"):
        augment(bad, np.random.default_rng(0))


def test_negative_distance_is_refused():
    with refused(ValueError, "shift", "pixels", "-1"):
        shift(make_images(), np.random, -1)


def test_views_are_ten_all_different_and_each_a_move_of_the_images():
    X = make_images(3)
    arrays = [np.ascontiguousarray(view) for view in views(X)]
    assert len(arrays) == len({array.tobytes() for array in arrays}) == 10
    for down, right in [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]:
        expected = np.stack([move(image, down, right) for image in X])
        assert sum(np.array_equal(array, expected) for array in arrays) == 1
        assert sum(np.array_equal(array, expected[..., ::-1]) for array in arrays) == 1
    assert np.array_equal(arrays[0], X)


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
        Solver(model, data, batch_size=10, num_epochs=2, verbose=False, augment=augment, seed=seed).train()
    return model.batches


def test_solver_augments_training_batches_alone():
    def negate(X, rng):
        X[...] = -X
        return X

    batches = train(negate)
    assert {training for training, _ in batches} == {True, False}
    assert all((X < 0).all() if training else (X > 0).all() for training, X in batches)


def test_solver_draws_from_its_own_rng():
    def batches(seed):
        return [X for training, X in train(flip_and_shift, seed) if training]

    first, second, different = batches(1), batches(1), batches(2)
    assert len(first) == 4 and all(map(np.array_equal, first, second))
    assert not any(map(np.array_equal, first, different))


def test_solver_refuses_what_is_no_function():
    with refused(TypeError, "augment must be a function (batch, rng) -> batch", "'flip'", "flip_and_shift"):
        train("flip")
