# ruff: noqa: F403, F405  layers are found by name, in the edition under test
"""What is true of batchnorm and layernorm whatever the code: invariants, running statistics, hard numbers."""

import numpy as np
import pytest

from cs231n.layers import *
from tests.support import SEEDS, SHAPES, problem, refused

pytestmark = pytest.mark.usefixtures("edition")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)
both_backwards = pytest.mark.parametrize(  # by name, so that each edition of the layers meets its own
    "backward",
    [lambda *a: batchnorm_backward(*a), lambda *a: batchnorm_backward_alt(*a)],
    ids=["staged", "closed"],
)


def forward(p, eps=1e-5, x=None):
    return batchnorm_forward(p.x if x is None else x, p.gamma, p.beta, {"mode": "train", "eps": eps})


@every_seed
@every_shape
def test_columns_have_mean_beta_and_deviation_gamma_whatever_their_shift_and_scale(shape, seed):
    p = problem(shape, seed)
    out, _ = forward(p, eps=0)
    np.testing.assert_allclose(out.mean(axis=0), p.beta, rtol=0, atol=1e-14)
    np.testing.assert_allclose(out.std(axis=0), p.gamma, rtol=1e-13)
    moved = p.rng.uniform(0.5, 3, size=shape[1]) * p.x + p.rng.normal(size=shape[1])
    np.testing.assert_allclose(forward(p, 0, moved)[0], out, rtol=1e-12, atol=1e-12)


@both_backwards
@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-7])
@every_shape
def test_columns_of_dx_sum_to_zero_and_along_x_hat_to_the_size_of_eps(shape, eps, backward):
    p = problem(shape)
    cache = forward(p, eps)[1]
    dx, dgamma, _ = backward(p.dout, cache)
    assert np.abs(dx).max() > 1e-3 and np.abs(dx.sum(axis=0)).max() <= 1e-14
    variance = p.x.var(axis=0) + eps
    along = p.gamma / np.sqrt(variance) * dgamma * eps / variance
    np.testing.assert_allclose((dx * cache.x_hat).sum(axis=0), along, rtol=1e-6, atol=1e-15)


@both_backwards
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 7.0, 1e6, 1e-42])
def test_a_constant_column_becomes_beta(dtype, N, value, backward):
    """Also a single row. What is left is the rounding of the mean, eps |value|, over the root of 1e-5."""
    x, gamma, beta = np.full((N, 3), value, dtype), np.full(3, 2, dtype), np.array([0, 1, -1], dtype)
    out, cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    left = float(np.finfo(dtype).eps) * abs(value) * 2 / np.sqrt(1e-5) * (dtype == np.float64)
    np.testing.assert_allclose(out, np.broadcast_to(beta, x.shape), rtol=0, atol=left)
    dx, dgamma, dbeta = backward(np.ones((N, 3), dtype), cache)
    np.testing.assert_allclose(dgamma, 0, atol=left * N)
    assert np.array_equal(dbeta, np.full(3, N, dtype)) and np.isfinite(dx).all()


@pytest.mark.parametrize(
    "mean, N, tolerance",
    [*((1e4, N, 1e-3) for N in (100, 10_000, 50_000, 200_000)), (1e6, 500, 1 / 32 + 1e-3)],
)
def test_long_columns_of_float32_with_a_large_mean(mean, N, tolerance):
    """E[x^2] - mu^2 has no digit left, and added up row by row the mean is off by a few deviations.

    float32 has steps of 1e-3 at 1e4 and of 1/16 at 1e6, and no mean is nearer than half a step.
    """
    x = (mean + np.random.RandomState(0).normal(size=(N, 3))).astype(np.float32)
    exact, param = x.astype(np.float64), {"mode": "train", "momentum": 0}
    out, _ = batchnorm_forward(x, np.ones(3, np.float32), np.zeros(3, np.float32), param)
    np.testing.assert_allclose(param["running_var"], exact.var(axis=0), rtol=1e-3)
    assert np.abs(param["running_mean"] - exact.mean(axis=0)).max() <= 0.51 * np.spacing(np.float32(mean))
    x_hat = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5)
    assert np.abs(out - x_hat).max() <= tolerance
    assert np.abs(out.std(axis=0) - 1).max() <= 1e-3
    one_pass = (x * x).mean(axis=0) - x.mean(axis=0) ** 2
    assert np.abs(one_pass / exact.var(axis=0) - 1).max() > 0.5
    for rows in (x.T, x.T.copy()):  # a row may lie in memory either way
        out, _ = layernorm_forward(rows, np.ones(N, np.float32), np.zeros(N, np.float32), {})
        assert np.abs(out - x_hat.T).max() <= tolerance


@pytest.mark.parametrize("norm, word", [("batchnorm", "column"), ("layernorm", "row")])
def test_a_variance_out_of_range_is_refused_before_anything_moves(norm, word):
    """Out would be beta, finite and wrong; PyTorch's batch_norm, 2.x on a processor, returns just that."""
    x = np.random.RandomState(0).normal(size=(3, 3)).astype(np.float32)
    x[(slice(None), 1) if norm == "batchnorm" else 1] *= np.float32(1e30)
    ones, param, forward = np.ones(3, np.float32), {"mode": "train"}, globals()[f"{norm}_forward"]
    with (
        np.errstate(all="ignore"),
        refused(OverflowError, f"variance of {word} 1 of x", "float32", "; try a smaller"),
    ):
        forward(x, ones, ones, param)
    param["eps"] = 0
    for small in (0, 1e-20):  # whose square float32 has, but not the inverse of it
        with np.errstate(all="ignore"), refused(ValueError, "of x is 0 or tiny", "eps is 0; try eps=1e-5"):
            forward(np.float32(small) * np.eye(3, dtype=np.float32), ones, ones, param)
    assert param == {"mode": "train", "eps": 0}


def test_running_statistics_by_hand():
    """They divide by N, are new arrays, and in mode "test" they are used and stay."""
    p, mean, var = problem((6, 4)), np.zeros(4), np.zeros(4)
    param = {"mode": "train", "momentum": 0.75, "running_mean": mean, "running_var": var}
    for _ in range(5):
        x, before = p.rng.normal(size=(6, 4)), param["running_mean"]
        batchnorm_forward(x, p.gamma, p.beta, param)
        mean, var = 0.75 * mean + 0.25 * x.mean(axis=0), 0.75 * var + 0.25 * x.var(axis=0)
        assert param["running_mean"] is not before
    np.testing.assert_allclose(param["running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(param["running_var"], var, rtol=1e-13)
    param["mode"] = "test"
    before, x = dict(param), p.rng.normal(size=(2, 4))
    out, cache = batchnorm_forward(x, p.gamma, p.beta, param)
    np.testing.assert_allclose(out, p.gamma * (x - mean) / np.sqrt(var + 1e-5) + p.beta, rtol=1e-12)
    assert cache is None and param.keys() == before.keys() and all(param[k] is before[k] for k in param)


@pytest.mark.parametrize("settings", [{}, {"momentum": np.float64(0.9), "eps": np.float64(1e-5)}], ids=str)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_statistics_start_at_zero_with_nine_tenths_of_the_past_in_the_dtype_of_x(dtype, tolerance, settings):
    p, param = problem((6, 4), dtype=dtype), {"mode": "train", **settings}
    _, cache = batchnorm_forward(p.x, p.gamma, p.beta, param)
    assert param.keys() == {"mode", *settings, "running_mean", "running_var"}
    np.testing.assert_allclose(param["running_mean"], 0.1 * p.x.mean(axis=0), rtol=tolerance)
    np.testing.assert_allclose(param["running_var"], 0.1 * p.x.var(axis=0), rtol=tolerance)
    out, _ = batchnorm_forward(p.x, p.gamma, p.beta, param | {"mode": "test"})
    assert {a.dtype for a in (param["running_mean"], param["running_var"], out, cache.x_hat)} == {
        np.dtype(dtype)
    }


@pytest.mark.filterwarnings("ignore:.*before any training batch")
def test_mode_test_before_training_stands_on_mean_0_and_variance_0():
    p = problem((6, 4))
    out, _ = batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "test"})
    np.testing.assert_allclose(out, p.gamma * p.x / np.sqrt(1e-5) + p.beta, rtol=1e-12)


@pytest.mark.parametrize("param", [{}, {"mode": "train"}, {"mode": "test"}, {"eps": 1e-5}], ids=str)
def test_layernorm_takes_any_of_the_public_dicts_and_remembers_nothing(param):
    p, before = problem((4, 6)), dict(param)
    out = layernorm_forward(p.x, p.gamma, p.beta, param)[0]
    assert param == before
    np.testing.assert_array_equal(out, layernorm_forward(p.x, p.gamma, p.beta, {})[0])
    np.testing.assert_array_equal(out[1:2], layernorm_forward(p.x[1:2], p.gamma, p.beta, {})[0])  # row by row


@every_seed
@every_shape
def test_layernorm_is_batchnorm_of_the_transpose(shape, seed):
    p, N = problem(shape, seed), shape[0]
    turned, cache = batchnorm_forward(p.x.T, np.ones(N), np.zeros(N), {"mode": "train"})
    out, layer_cache = layernorm_forward(p.x, p.gamma, p.beta, {})
    np.testing.assert_allclose(out, p.gamma * turned.T + p.beta, rtol=1e-12, atol=1e-13)
    dx, turned_dx = (
        layernorm_backward(p.dout, layer_cache)[0],
        batchnorm_backward((p.gamma * p.dout).T, cache)[0],
    )
    np.testing.assert_allclose(dx, turned_dx.T, rtol=1e-10, atol=1e-11)
    assert np.abs(dx.sum(axis=1)).max() <= 1e-11
