"""What is true of batchnorm and layernorm whatever the code: the invariants, and the running statistics."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.gradient_check import complex_step_gradient
from cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)
from tests.support import SEEDS, SHAPES, problem, relative

pytestmark = pytest.mark.usefixtures("edition")


# By name, so that each edition of the layers meets its own.
BACKWARDS = [lambda *a: batchnorm_backward(*a), lambda *a: batchnorm_backward_alt(*a)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)
both_backwards = pytest.mark.parametrize("backward", BACKWARDS, ids=["staged", "closed"])


def forward(p, eps=1e-5, x=None):
    return batchnorm_forward(p.x if x is None else x, p.gamma, p.beta, {"mode": "train", "eps": eps})


@every_seed
@every_shape
def test_columns_have_mean_beta_and_deviation_gamma(shape, seed):
    p = problem(shape, seed)
    out, _ = forward(p, eps=0)
    np.testing.assert_allclose(out.mean(axis=0), p.beta, rtol=0, atol=1e-14)
    np.testing.assert_allclose(out.std(axis=0), p.gamma, rtol=1e-13)


@both_backwards
@every_seed
@every_shape
def test_columns_of_dx_sum_to_zero(shape, seed, backward):
    p = problem(shape, seed)
    dx = backward(p.dout, forward(p)[1])[0]
    assert np.abs(dx).max() > 1e-3 and np.abs(dx.sum(axis=0)).max() <= 1e-14


@both_backwards
@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-7])
@every_shape
def test_dx_along_x_hat_is_of_order_eps(shape, eps, backward):
    p = problem(shape)
    cache = forward(p, eps)[1]
    dx, dgamma, _ = backward(p.dout, cache)
    variance = p.x.var(axis=0) + eps
    along = p.gamma / np.sqrt(variance) * dgamma * eps / variance
    # along is of the size of eps itself
    np.testing.assert_allclose((dx * cache.x_hat).sum(axis=0), along, rtol=1e-6, atol=1e-15)


@both_backwards
@every_seed
def test_weights_in_front_of_batchnorm_cannot_gain_by_growing(seed, backward):
    p = problem((6, 4), seed)
    w = p.rng.normal(size=(4, 5))
    gamma, beta, dout = np.ones(5), np.zeros(5), p.rng.normal(size=(6, 5))
    a, affine_cache = affine_forward(p.x, w, np.zeros(5))
    for eps, bound in [(1e-5, 1e-4), (1e-9, 1e-8)]:  # the product vanishes with eps, dw does not
        cache = batchnorm_forward(a, gamma, beta, {"mode": "train", "eps": eps})[1]
        _, dw, db = affine_backward(backward(dout, cache)[0], affine_cache)
        assert np.abs(dw).max() > 1e-2
        assert np.abs((w * dw).sum(axis=0)).max() <= bound
        assert np.abs(db).max() <= 1e-14  # nor can a bias move anything


@every_seed
def test_shift_and_scale_of_a_column_change_nothing(seed):
    p = problem((6, 4), seed)
    shift, scale = p.rng.normal(size=4), p.rng.uniform(0.5, 3, size=4)
    out = forward(p, eps=0)[0]
    np.testing.assert_allclose(forward(p, 0, scale * p.x + shift)[0], out, rtol=1e-12, atol=1e-12)


@both_backwards
@pytest.mark.parametrize("eps", [0.5, 1e-5])
@every_seed
def test_the_jacobian_is_exact_for_any_eps(seed, eps, backward):
    """d x_hat / d x = (I - 1 1'/N - x_hat x_hat'/N) / s, as a matrix, by complex step, and row by row."""
    N = 5
    p = problem((N, 1), seed)
    s = np.sqrt(p.x.var() + eps)
    x_hat = (p.x - p.x.mean()) / s
    formula = (np.eye(N) - np.ones((N, N)) / N - x_hat @ x_hat.T / N) / s
    one, zero = np.ones(1), np.zeros(1)
    cache = batchnorm_forward(p.x, one, zero, {"mode": "train", "eps": eps})[1]
    for i, unit in enumerate(np.eye(N)[:, :, None]):
        step = complex_step_gradient(
            lambda v: batchnorm_forward(v, one, zero, {"mode": "train", "eps": eps})[0], p.x, unit
        )
        np.testing.assert_allclose(step[:, 0], formula[i], rtol=0, atol=1e-15)
        np.testing.assert_allclose(backward(unit, cache)[0][:, 0], formula[i], rtol=0, atol=1e-15)


@every_seed
def test_shards_need_only_sums(seed):
    """K machines, unequal shards: forward from (N, sum x, sum (x - mu)^2), backward from (dbeta, dgamma)."""
    p = problem((11, 3), seed)
    shards = np.split(np.arange(11), [2, 7])
    out, cache = forward(p)
    N = sum(len(s) for s in shards)
    mu = sum(p.x[s].sum(axis=0) for s in shards) / N
    inv_std = 1 / np.sqrt(sum(((p.x[s] - mu) ** 2).sum(axis=0) for s in shards) / N + 1e-5)
    x_hat = [(p.x[s] - mu) * inv_std for s in shards]
    dbeta = sum(p.dout[s].sum(axis=0) for s in shards)
    dgamma = sum((p.dout[s] * h).sum(axis=0) for s, h in zip(shards, x_hat))
    dx = np.concatenate(
        [p.gamma * inv_std * (p.dout[s] - dbeta / N - h * dgamma / N) for s, h in zip(shards, x_hat)]
    )
    assert relative(p.gamma * np.concatenate(x_hat) + p.beta, out) <= 1e-14
    for ours, whole in zip((dx, dgamma, dbeta), batchnorm_backward_alt(p.dout, cache)):
        assert relative(ours, whole) <= 1e-13


@both_backwards
def test_the_traps_are_there(backward):
    """Set-ups in which a right gradient is nearly zero, so that no check may rest on them."""
    p = problem((5, 3))
    p.gamma[:] = 2.0
    assert np.abs(backward(np.ones_like(p.x), forward(p)[1])[0]).max() <= 1e-14  # all-ones upstream
    two = problem((2, 3))
    assert np.abs(backward(two.dout, forward(two)[1])[0]).max() <= 1e-3  # N = 2: of the size of eps
    assert np.abs(backward(p.dout, forward(p)[1])[0]).max() >= 1e-2


@both_backwards
def test_a_column_without_variance_stays_finite(backward):
    x = np.full((4, 3), 7.0)
    out, cache = batchnorm_forward(x, np.ones(3), np.arange(3.0), {"mode": "train"})
    assert np.array_equal(out, np.tile(np.arange(3.0), (4, 1)))
    assert all(np.isfinite(g).all() for g in backward(problem((4, 3)).dout, cache))


@pytest.mark.parametrize("N", [100, 10_000])
def test_variance_in_two_passes(N):
    """float32, mean 1e4, deviation 1: E[x^2] - mu^2 has no digit left (its rounding step at 1e8 is 8)."""
    x = (1e4 + np.random.RandomState(0).normal(size=(N, 3))).astype(np.float32)
    truth = x.astype(np.float64).var(axis=0)
    param = {"mode": "train", "momentum": 0}
    out, _ = batchnorm_forward(x, np.ones(3, np.float32), np.zeros(3, np.float32), param)
    np.testing.assert_allclose(param["running_var"], truth, rtol=1e-3)  # the mean itself is off by ~1e-3
    assert np.abs(out.std(axis=0) - 1).max() <= 1e-3
    one_pass = (x * x).mean(axis=0) - x.mean(axis=0) ** 2
    assert np.abs(one_pass / truth - 1).max() > 0.5
    rows = layernorm_forward(x[:100].T.copy(), np.ones(100, np.float32), np.zeros(100, np.float32), {})[0]
    assert np.abs(rows.std(axis=1) - 1).max() <= 1e-3


@pytest.mark.parametrize("N", [50_000, 200_000])
def test_long_columns_of_float32(N):
    """Added up row by row in float32, the mean of 200,000 numbers near 1e4 is off by a few deviations."""
    x = (1e4 + np.random.RandomState(0).normal(size=(N, 3))).astype(np.float32)
    truth = x.astype(np.float64)
    param = {"mode": "train", "momentum": 0}
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    out, _ = batchnorm_forward(x, one, zero, param)
    assert np.abs(param["running_var"] / truth.var(axis=0) - 1).max() <= 1e-3
    # 1e4 in float32 has steps of 1e-3, so no mean is nearer than half a step.
    assert np.abs(param["running_mean"] - truth.mean(axis=0)).max() <= 5e-4
    wanted = (truth - truth.mean(axis=0)) / np.sqrt(truth.var(axis=0) + 1e-5)
    assert np.abs(out - wanted).max() <= 1e-3
    for rows in (x.T, x.T.copy()):  # a row may lie in memory either way
        out, _ = layernorm_forward(rows, np.ones(N, np.float32), np.zeros(N, np.float32), {})
        assert np.abs(out - wanted.T).max() <= 1e-3


# Running statistics.


def test_running_statistics_by_hand():
    p, param = problem((6, 4)), {"mode": "train", "momentum": 0.75}
    mean, var = np.zeros(4), np.zeros(4)
    for _ in range(5):
        x = p.rng.normal(size=(6, 4))
        batchnorm_forward(x, p.gamma, p.beta, param)
        mean, var = 0.75 * mean + 0.25 * x.mean(axis=0), 0.75 * var + 0.25 * x.var(axis=0)  # divides by N
    np.testing.assert_allclose(param["running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(param["running_var"], var, rtol=1e-13)
    param["mode"] = "test"
    before = {k: np.copy(v) for k, v in param.items()}
    x = p.rng.normal(size=(2, 4))
    out, cache = batchnorm_forward(x, p.gamma, p.beta, param)
    np.testing.assert_allclose(out, p.gamma * (x - mean) / np.sqrt(var + 1e-5) + p.beta, rtol=1e-12)
    assert cache is None and param.keys() == before.keys()
    assert all(np.array_equal(param[k], before[k]) for k in param), "mode 'test' updated the statistics"


def test_default_momentum_is_nine_tenths_of_the_past():
    p, param = problem((6, 4)), {"mode": "train"}
    forward_once = batchnorm_forward(p.x, p.gamma, p.beta, param)
    assert forward_once[0].shape == (6, 4)
    np.testing.assert_allclose(param["running_mean"], 0.1 * p.x.mean(axis=0), rtol=1e-12)
    assert param.keys() == {"mode", "running_mean", "running_var"}, "settings were written into the dict"


def test_the_old_statistics_array_is_not_overwritten():
    p, kept = problem((6, 4)), np.zeros(4)
    param = {"mode": "train", "running_mean": kept, "running_var": np.ones(4)}
    batchnorm_forward(p.x, p.gamma, p.beta, param)
    assert not kept.any() and param["running_mean"] is not kept


def test_running_statistics_keep_float32():
    p = problem((6, 4), dtype=np.float32)
    param = {"mode": "train", "momentum": np.float64(0.9), "eps": np.float64(1e-5)}
    for _ in range(2):
        out, cache = batchnorm_forward(p.x, p.gamma, p.beta, param)
        stored = param["running_mean"], param["running_var"]
        assert all(a.dtype == np.float32 for a in (*stored, out, cache.x_hat))
    param["mode"] = "test"
    assert batchnorm_forward(p.x, p.gamma, p.beta, param)[0].dtype == np.float32


def test_test_mode_before_training_works_and_warns():
    p = problem((6, 4))
    with pytest.warns(RuntimeWarning, match="before any training batch") as caught:
        out, _ = batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "test"})
    assert Path(caught[0].filename).name in (Path(__file__).name, "fast_layers.py"), "not the caller"
    np.testing.assert_allclose(out, p.gamma * p.x / np.sqrt(1e-5) + p.beta, rtol=1e-12)


@both_backwards
def test_backward_from_test_mode_says_so(backward):
    with pytest.raises(ValueError, match="mode 'test', which keeps none.*'train'"):
        backward(problem((3, 5)).dout, None)


def test_a_complex_step_reaches_gamma_and_beta_in_test_mode():
    p = problem((4, 3))
    param = {"mode": "test", "running_mean": p.x.mean(axis=0), "running_var": p.x.var(axis=0)}
    x_hat = batchnorm_forward(p.x, np.ones(3), np.zeros(3), param)[0]
    step = complex_step_gradient(lambda v: batchnorm_forward(p.x, v, p.beta, param)[0], p.gamma, p.dout)
    np.testing.assert_allclose(step, (p.dout * x_hat).sum(axis=0), rtol=1e-13)


# Layernorm: batchnorm turned by a quarter, with gamma along the row.


@pytest.mark.parametrize("param", [{}, {"mode": "train"}, {"mode": "test"}, {"eps": 1e-5}], ids=str)
def test_layernorm_takes_any_of_the_public_dicts(param):
    p, kept = problem((4, 6)), dict(param)
    out, cache = layernorm_forward(p.x, p.gamma, p.beta, param)
    assert param == kept, "layernorm has nothing to remember"
    np.testing.assert_array_equal(out, layernorm_forward(p.x, p.gamma, p.beta, {})[0])
    assert len(layernorm_backward(p.dout, cache)) == 3


@given(st.integers(3, 6), st.integers(2, 6), st.integers(0, 99))
def test_layernorm_is_batchnorm_of_the_transpose(N, D, seed):
    p = problem((N, D), seed)
    turned, cache = batchnorm_forward(p.x.T, np.ones(N), np.zeros(N), {"mode": "train"})
    out, layer_cache = layernorm_forward(p.x, p.gamma, p.beta, {})
    np.testing.assert_allclose(out, p.gamma * turned.T + p.beta, rtol=1e-12, atol=1e-13)
    dx = layernorm_backward(p.dout, layer_cache)[0]
    np.testing.assert_allclose(
        dx, batchnorm_backward((p.gamma * p.dout).T, cache)[0].T, rtol=1e-10, atol=1e-11
    )
    assert np.abs(dx.sum(axis=1)).max() <= 1e-11


def test_layernorm_rows_do_not_see_each_other():
    p = problem((4, 6))
    whole = layernorm_forward(p.x, p.gamma, p.beta, {})[0]
    np.testing.assert_array_equal(layernorm_forward(p.x[1:2], p.gamma, p.beta, {})[0], whole[1:2])
