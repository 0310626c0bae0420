"""Augmentation, against the same moves made one image at a time, and the counts that chance allows."""

import numpy as np
import pytest

from cs231n.data.augment import flip, flip_and_shift, shift, views
from cs231n.solver import Solver
from tests.support import refused, unchanged
from tests.training.test_solver import Scripted, run

ALL = [flip, shift, flip_and_shift]
every = pytest.mark.parametrize("augment", ALL, ids=lambda f: f.__name__)


def images(N=40, shape=(3, 6, 5), dtype=np.float32):
    """No two pixels of an image are alike, and none is zero."""
    return (1 + np.arange(N * np.prod(shape)).reshape(N, *shape)).astype(dtype)


def moved(image, down, right):
    """image (C, H, W) moved by hand; zeros come in."""
    out, (_, H, W) = np.zeros_like(image), image.shape
    for i in range(H):
        for j in range(W):
            if 0 <= i - down < H and 0 <= j - right < W:
                out[:, i, j] = image[:, i - down, j - right]
    return out


def candidates(image, augment, pixels=2):
    """{what augment may make of image: its move}"""
    flips = [image] if augment is shift else [image, image[:, :, ::-1]]
    span = [0] if augment is flip else range(-pixels, pixels + 1)
    return {
        moved(mirrored, down, right).tobytes(): (m, down, right)
        for m, mirrored in enumerate(flips)
        for down in span
        for right in span
    }


def check(augment, pixels=2):
    X = images()
    with unchanged(X):
        rng = np.random.default_rng(0)
        out = shift(X, rng, pixels) if augment is shift else augment(X, rng)
    assert out.shape == X.shape and out.dtype == X.dtype and not np.shares_memory(out, X)
    moves = [candidates(image, augment, pixels)[changed.tobytes()] for image, changed in zip(X, out)]
    assert len(set(moves)) > 1, "all images moved alike"
    return moves


@every
def test_each_image_is_one_of_its_moves(augment):
    check(augment)


@pytest.mark.parametrize("pixels", [1, 3, 4])
def test_shift_by_other_distances(pixels):
    moves = check(shift, pixels)
    assert max(abs(d) for _, down, right in moves for d in (down, right)) == pixels


def test_no_pixels_move_nothing():
    X = images()
    assert np.array_equal(shift(X, np.random.default_rng(0), pixels=0), X)


def test_every_move_is_equally_likely():
    """40,000 images: a share of 1/2 and of 1/81, each within 4 standard deviations for this seed."""
    N, rng = 40_000, np.random.default_rng(0)
    X = np.zeros((N, 1, 9, 9), np.uint8)
    X[:, 0, 4, 4] = 1
    where = np.argwhere(shift(X, rng, 4)[:, 0])[:, 1:]
    counts = np.zeros((9, 9))
    np.add.at(counts, tuple(where.T), 1)
    expected, deviation = N / 81, np.sqrt(N / 81 * 80 / 81)
    assert np.abs(counts - expected).max() < 4 * deviation
    X = np.zeros((N, 1, 1, 2), np.uint8)
    X[..., 0] = 1
    assert abs(flip(X, rng)[..., 1].sum() - N / 2) < 4 * np.sqrt(N / 4)


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_any_dtype_and_any_rng(augment, dtype):
    X = (images(4, (1, 2, 3)) % 200).astype(dtype)
    for rng in (np.random.default_rng(0), np.random.RandomState(0), np.random):
        assert augment(X, rng).dtype == dtype


@every
def test_the_same_seed_makes_the_same_batch(augment):
    X = images()
    first, again, other = (augment(X, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@every
def test_rows_are_refused(augment):
    for bad in (np.ones((4, 3072)), [[1.0]], np.ones((3, 32, 32))):
        with refused(ValueError, "X must be images (N, C, H, W)", "try X.reshape(-1, 3, 32, 32)"):
            augment(bad, np.random.default_rng(0))
    with refused(ValueError, "shift", "pixels", "-1"):
        shift(images(), np.random, -1)


def picture_data(N=20):
    X, y = images(N), np.zeros(N, int)
    return {"X_train": X, "y_train": y, "X_val": X[:10], "y_val": y[:10]}


def test_the_solver_augments_training_batches_alone():
    model, data, seen = Scripted([0.5]), picture_data(), []
    loss = model.loss

    def watched(X, y=None):
        seen.append((y is not None, X.copy()))
        return loss(X.reshape(len(X), -1), y)

    def vandal(X, rng):
        X[...] = -X
        return X

    model.loss = watched
    with unchanged(data["X_train"], data["X_val"]):
        run(model, data, augment=vandal)
    assert {training for training, _ in seen} == {True, False}
    assert all((X < 0).all() if training else (X > 0).all() for training, X in seen)


def test_the_solver_draws_from_its_own_rng():
    batches = []

    def keep(X, rng):
        batches.append(flip_and_shift(X, rng))
        return batches[-1]

    for seed in (1, 1, 2):
        model = Scripted([0.5])
        run(model, picture_data(), augment=keep, seed=seed, num_epochs=1)
    first, again, other = batches[:2], batches[2:4], batches[4:]
    assert all(map(np.array_equal, first, again)) and not any(map(np.array_equal, first, other))


def test_the_solver_wants_a_function():
    with refused(TypeError, "augment must be a function (batch, rng) -> batch", "'flip'", "flip_and_shift"):
        Solver(Scripted([0.5]), picture_data(), augment="flip")


# Shown to fail: moves with a planted mistake.
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
    "right, wrong",
    [(shift, wraps), (flip, upside_down), (flip, all_alike), (flip, in_place)],
    ids=lambda f: f.__name__,
)
def test_the_check_rejects(monkeypatch, right, wrong):
    monkeypatch.setitem(globals(), right.__name__, right)
    known = candidates

    monkeypatch.setitem(globals(), "candidates", lambda image, _, pixels: known(image, right, pixels))
    with pytest.raises((AssertionError, KeyError, ValueError)):
        check(wrong)


def test_views_are_ten_all_different_and_each_a_move_of_the_images():
    X = images(3)
    seen = [np.ascontiguousarray(view) for view in views(X)]
    assert len({view.tobytes() for view in seen}) == 10
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    H, W = X.shape[2:]
    for down, right in [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]:
        moved = padded[:, :, 1 - down : 1 - down + H, 1 - right : 1 - right + W]
        assert sum(np.array_equal(view, moved) for view in seen) == 1
        assert sum(np.array_equal(view, moved[..., ::-1]) for view in seen) == 1
    assert np.array_equal(seen[0], X)
