"""The stand-in: the same images everywhere, in the shape of CIFAR-10, and neither trivial nor hopeless."""

import numpy as np
import pytest

from cs231n.data import synthetic
from cs231n.data.cache import content_digest


@pytest.fixture(scope="module")
def blocks():
    return synthetic.make_blocks()


@pytest.fixture(scope="module")
def pixels(blocks):
    return blocks[:, : 10_000 * 3072].reshape(-1, 3072)


@pytest.fixture(scope="module")
def labels(blocks):
    return blocks[:, 10_000 * 3072 :].reshape(-1)


def test_every_machine_and_every_numpy_draws_the_same_images(blocks):
    assert content_digest(blocks) == synthetic.DIGEST


def test_shape_and_balance_are_those_of_cifar(blocks, pixels, labels):
    assert pixels.shape == (60_000, 3072) and blocks.dtype == np.uint8
    assert (np.bincount(labels[:50_000]) == 5000).all() and (np.bincount(labels[50_000:]) == 1000).all()
    assert len(synthetic.CLASSES) == len(set(synthetic.CLASSES)) == 10


def test_no_image_occurs_twice(pixels):
    assert len({row.tobytes() for row in pixels}) == 60_000


def test_linear_model_sees_something_but_little(pixels, labels):
    # Pairs of pixels averaged: 768 numbers an image, on which a linear model does about as well as on all.
    x = pixels[40_000:].reshape(-1, 3, 16, 2, 16, 2).mean(axis=(3, 5)).reshape(-1, 768) / 255
    x, y = x - x[:10_000].mean(axis=0), labels[40_000:]
    # Ridge regression has one solution, so no training schedule is to blame.
    w = np.linalg.solve(x[:10_000].T @ x[:10_000] + 100 * np.eye(768), x[:10_000].T @ np.eye(10)[y[:10_000]])
    assert 0.2 < np.mean(np.argmax(x[10_000:] @ w, axis=1) == y[10_000:]) < 0.4


def test_banner_says_that_it_is_not_cifar_and_fits_a_terminal():
    assert "NOT CIFAR-10" in synthetic.BANNER
    assert max(map(len, synthetic.BANNER.splitlines())) <= 80
