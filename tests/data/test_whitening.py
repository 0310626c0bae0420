"""Whitening without softening, and its one linear map.

The covariance that a softening leaves is asserted in tests/gradients/test_numbers_tools.py.
"""

import numpy as np
import pytest

from cs231n.data.whitening import Whitening, fit_whitening, whiten
from tests.support import refused, unchanged


def images(N=400, dtype=np.float64, seed=0):
    """Numbers in (N, 2, 3, 2) that hang together, with a mean far from zero, as pixels do."""
    rng = np.random.RandomState(seed)
    mixed = rng.randn(N, 12) @ rng.randn(12, 12) + 100
    return mixed.reshape(N, 2, 3, 2).astype(dtype)


def covariance(X):
    return np.cov(X.reshape(len(X), -1), rowvar=False, bias=True)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-9), (np.float32, 1e-2)])
def test_without_softening_the_covariance_is_the_identity(dtype, tolerance):
    X = images(dtype=dtype)
    with unchanged(X):
        out = whiten(X, fit_whitening(X, softening=0))
    assert out.shape == X.shape and out.dtype == dtype
    # float32: 100 rounds to 4e-6, against directions whose deviation is down to 1e-2.
    np.testing.assert_allclose(covariance(out), np.eye(12), atol=tolerance)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=tolerance)


def test_more_images_go_through_the_same_map():
    X, more = images(), images(5, seed=1)
    whitening = fit_whitening(X, softening=1.0)
    together = whiten(np.concatenate([X, more]), whitening)
    np.testing.assert_allclose(whiten(more, whitening), together[len(X) :], rtol=1e-12)
    # Symmetric, so that images stay images: what the fit turns, it turns back.
    np.testing.assert_allclose(whitening.matrix, whitening.matrix.T, atol=1e-12)


def test_in_place_is_the_same_for_more_images_than_one_part():
    X = images(2500)
    whitening = fit_whitening(X, softening=1.0)
    apart = whiten(X, whitening)
    assert whiten(X, whitening, out=X) is X and np.array_equal(X, apart)


@pytest.mark.parametrize(
    "error, words, call",
    [
        (ValueError, "no variance", lambda X: fit_whitening(X[:8], 0)),  # 12 numbers an example
        (ValueError, "softening", lambda X: fit_whitening(X, -1)),
        (TypeError, "floating point", lambda X: fit_whitening(X.astype(int), 1)),
        (ValueError, "takes 12 numbers", lambda X: whiten(X[:, :1], fit_whitening(X, 1))),
    ],
)
def test_refusal_comes_before_anything_changes(error, words, call):
    X = images()
    with unchanged(X), refused(error, words):
        call(X)


def test_whitening_is_a_pair_that_a_file_can_hold(tmp_path):
    whitening = fit_whitening(images(), 1.0)
    np.savez(tmp_path / "w.npz", **whitening._asdict())
    with np.load(tmp_path / "w.npz") as stored:
        again = Whitening(**stored)
    assert all(np.array_equal(a, b) for a, b in zip(whitening, again))
