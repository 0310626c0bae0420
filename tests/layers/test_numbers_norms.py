"""Normalization over drawn numbers, plain and fused: right to the digits that x has, or refused.

What x has: moving it by its own rounding, eps max|x|, moves x_hat by cond = 1 + max|x| / std times eps.
"""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.layer_utils import affine_norm_relu_dropout_backward, affine_norm_relu_dropout_forward
from cs231n.layers import (
    batchnorm_backward,
    batchnorm_backward_alt,  # noqa: F401  found by name
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)
from tests.support import refused, unchanged
from tests.support.strategies import DTYPES, LAYOUTS, arrays, assert_right, cases, limits, magnitude, wide

pytestmark = pytest.mark.usefixtures("edition")
SIZES = st.integers(1, 8)
EPS = st.sampled_from([1e-5, 1e-5, 1e-3, 1.0])
UPSTREAM = st.sampled_from([1.0, 1e-3, 1e-30, 1e15])
ONES = st.sampled_from([1.0, 1e-3, 30.0])


@st.composite
def layer_arguments(draw, N, D, dtype):
    """x, gamma, beta, dout; those with N rows in one layout, for a kernel is compiled for each mixture."""
    layout, small = st.just(draw(LAYOUTS)), st.sampled_from([0.0, 1.0])
    x = draw(arrays((N, D), dtype, layouts=layout))
    gamma, beta = (draw(arrays((D,), dtype, ONES, layouts=st.just("C"))) for _ in "gb")
    return x, gamma, beta, draw(arrays((N, D), dtype, UPSTREAM, offsets=small, layouts=layout))


def norm_truth(x, gamma, beta, dout, eps):
    """Normalization of the columns of x by the closed form, in long double; gamma and beta of any shape."""
    x, gamma, beta, dout, eps = wide(x, gamma, beta, dout, eps)
    centered = x - x.mean(axis=0)
    std = np.sqrt((centered * centered).mean(axis=0) + eps)
    x_hat = centered / std
    g = gamma * dout
    dx = (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / std
    return std, x_hat, gamma * x_hat + beta, dx, dout * x_hat, dout


def check(dtype, x, gamma, beta, dout, eps, out, dx, dgamma, dbeta, terms):
    """Columns of x against norm_truth; dgamma and dbeta before a sum over the batch by terms."""
    u, largest, smallest = limits(dtype)
    N = len(x)
    std, x_hat, out_truth, dx_truth, dgamma_truth, dbeta_truth = norm_truth(x, gamma, beta, dout, eps)
    size, up = magnitude(x).max(axis=0), (magnitude(gamma) * magnitude(dout)).max(axis=0)
    cond = 1 + size / std
    has_digits = ~(8 * N * u * cond > 0.05)
    # Denormals: each intermediate result may be off by the smallest number, times what it is multiplied with.
    lost = 64 * N * smallest * (1 + 1 / std) * (1 + magnitude(gamma).max()) * (1 + size) * (1 + up * std)
    off = 8 * N * u * cond
    bound = magnitude(gamma) * np.where(has_digits, off * (1 + np.abs(x_hat)), 2 * np.sqrt(N) + 1)
    assert_right(
        "out", out, out_truth, bound + 8 * u * (np.abs(out_truth) + np.abs(wide(beta))) + lost, dtype
    )
    steep = N * up * np.maximum(1, std) ** 2 * np.maximum(1, 1 / std) ** 3 > largest / 1e3
    bound = np.where(has_digits, 4 * N**1.5 * off * up / std, largest) + lost
    assert_right("dx", dx, dx_truth, bound, dtype, may_overflow=steep | ~has_digits)
    total = magnitude(dout)
    wrong = np.where(has_digits, 4 * N * off, largest) * (1 + np.abs(x_hat))
    assert_right(
        "dgamma",
        dgamma,
        terms(dgamma_truth),
        terms(total * wrong) + terms(0 * total + lost),
        dtype,
        may_overflow=terms(total * wide(size + 1)) > largest / 1e3,
    )
    assert_right("dbeta", dbeta, terms(dbeta_truth), 8 * len(dout.flat) * u * terms(total), dtype)


def overflowing(x, dtype):
    """Whether the variance of a column must overflow, and may: a sum of squares comes before it."""
    finite = np.isfinite(x).all(axis=0)
    var = np.where(finite, np.nan_to_num(wide(x)).var(axis=0), 0)
    return (var > 1.1 * limits(dtype)[1]).any(), (8 * len(x) * var > limits(dtype)[1]).any()


def forward_or_overflow(forward, x, dtype, word, *args):
    """forward(*args), or None if it said what overflows, where that is so; never in silence."""
    must, may = overflowing(x, dtype)
    if not may:
        return forward(*args)
    try:
        out, cache = forward(*args)
    except OverflowError as error:
        assert f"x has a {word}" in str(error) and "overflows" in str(error)
        return None
    assert not must or not np.isfinite(out).all()
    return None


@cases(
    "batchnorm",
    data=st.data(),
    N=SIZES,
    D=SIZES,
    dtype=DTYPES,
    eps=EPS,
    momentum=st.sampled_from([0.9, 0, 1]),
    backward=st.sampled_from(["batchnorm_backward", "batchnorm_backward_alt"]),
)
def test_batchnorm(data, N, D, dtype, eps, momentum, backward):
    x, gamma, beta, dout = data.draw(layer_arguments(N, D, dtype))
    past = np.full(D, 2, dtype), np.full(D, 3, dtype)
    param = {
        "mode": "train",
        "eps": eps,
        "momentum": momentum,
        "running_mean": past[0],
        "running_var": past[1],
    }
    with unchanged(x, gamma, beta, dout, *past):
        made = forward_or_overflow(batchnorm_forward, x, dtype, "column", x, gamma, beta, param)
        if made is None:
            return
        out, cache = made
        dx, dgamma, dbeta = globals()[backward](dout, cache)
    check(dtype, x, gamma, beta, dout, eps, out, dx, dgamma, dbeta, lambda t: t.sum(axis=0))
    u, largest, smallest = limits(dtype)
    size = magnitude(x).max(axis=0)
    for name, before, fresh, wrong in [
        ("running_mean", 2, wide(x).mean(axis=0), size),
        ("running_var", 3, wide(x).var(axis=0), size**2),
    ]:
        truth = wide(momentum) * before + (1 - wide(momentum)) * fresh
        if momentum == 1:
            truth = truth + 0 * fresh  # NaN stays NaN, for 0 times it is
        assert_right(name, param[name], truth, 8 * N * u * (before + wrong) + N * smallest, dtype)


@cases("layernorm", data=st.data(), N=SIZES, D=SIZES, dtype=DTYPES, eps=EPS)
def test_layernorm(data, N, D, dtype, eps):
    x, gamma, beta, dout = data.draw(layer_arguments(N, D, dtype))
    with unchanged(x, gamma, beta, dout):
        made = forward_or_overflow(layernorm_forward, x.T, dtype, "row", x, gamma, beta, {"eps": eps})
        if made is None:
            return
        out, cache = made
        dx, dgamma, dbeta = layernorm_backward(dout, cache)
    check(
        dtype,
        x.T,
        gamma[:, None],
        beta[:, None],
        dout.T,
        eps,
        out.T,
        dx.T,
        dgamma,
        dbeta,
        lambda t: t.sum(axis=1),
    )


@cases("batchnorm, mode test", data=st.data(), N=SIZES, D=SIZES, dtype=DTYPES, eps=EPS)
def test_batchnorm_in_test_mode(data, N, D, dtype, eps):
    x, gamma, beta, mean, var = (data.draw(arrays(s, dtype)) for s in [(N, D), *[(D,)] * 4])
    var = np.abs(var)
    param = {"mode": "test", "eps": eps, "running_mean": mean, "running_var": var}
    with unchanged(x, gamma, beta, param):
        out, cache = batchnorm_forward(x, gamma, beta, param)
    assert cache is None
    wx, wgamma, wbeta, wmean, wvar, weps = wide(x, gamma, beta, mean, var, eps)
    std = np.sqrt(wvar + weps)
    scaled = wgamma * ((wx - wmean) / std)
    u, largest, smallest = limits(dtype)
    sizes = np.abs(wgamma) * (np.abs(wx) + np.abs(wmean)) / std
    assert_right(
        "out",
        out,
        scaled + wbeta,
        8 * u * (sizes + np.abs(wbeta)) + 4 * smallest * (1 + np.abs(wgamma)),
        dtype,
        may_overflow=4 * (1 + np.abs(wgamma)) * (1 + sizes) > largest / 1e6,
    )


@cases(
    "affine_norm_relu_dropout",
    data=st.data(),
    N=st.integers(3, 6),
    D=SIZES,
    M=SIZES,
    dtype=DTYPES,
    normalization=st.sampled_from([None, "batchnorm", "layernorm"]),
    p=st.sampled_from([None, 0.5, 1.0]),
    needs_dx=st.booleans(),
)
def test_sandwich(data, N, D, M, dtype, normalization, p, needs_dx):
    """The whole of a hidden layer, gradients and all, against long double; numbers of size 1."""
    plain = {
        "scales": st.just(1.0),
        "poison": st.none(),
        "offsets": st.sampled_from([0.0, 1.0]),
        "layouts": st.just("C"),
    }
    x, w, b, gamma, beta, dout = (
        data.draw(arrays(s, dtype, **plain)) for s in [(N, D), (D, M), (M,), (M,), (M,), (N, M)]
    )
    dropout = {} if p is None else {"mode": "train", "p": p, "seed": 7}
    with unchanged(x, w, b, gamma, beta, dout):
        out, cache = affine_norm_relu_dropout_forward(
            x, w, b, gamma, beta, {"mode": "train", "eps": 1e-3}, normalization, dropout
        )
        dx, dw, db, dgamma, dbeta = affine_norm_relu_dropout_backward(dout, cache, needs_dx)
    a = wide(x) @ wide(w) + wide(b)
    kept = wide(1) if p is None else (np.random.RandomState(7).random_sample((N, M)) < p) / wide(p)
    if normalization is None:
        up, normed, da, cond = wide(dout) * kept * (a > 0), a, None, wide(1)
        da = up
    else:
        turn = (lambda t: t) if normalization == "batchnorm" else np.transpose
        column = turn(wide(gamma)[None, :] + np.zeros((N, M))), turn(wide(beta)[None, :] + np.zeros((N, M)))
        std, x_hat, normed, *_ = norm_truth(turn(a), *column, 0 * turn(a), 1e-3)
        up = wide(dout) * kept * (turn(normed) > 0)
        da = turn(norm_truth(turn(a), *column, turn(up), 1e-3)[3])
        normed = turn(normed)
        cond = 1 + (np.abs(wide(x)) @ np.abs(wide(w)) + np.abs(wide(b))).max() / std.min()
        x_hat = turn(x_hat)
    rough = 500 * (D + 2) * (N + M) * limits(dtype)[0] * cond * (2 if p == 0.5 else 1)
    assume((np.abs(normed) > rough * (1 + np.abs(normed))).all())  # at the kink either answer is right
    wide_up = 1 + np.abs(up).max()
    assert_right("out", out, np.maximum(normed, 0) * kept, rough * (1 + np.abs(normed).max()), dtype)
    through = (
        rough
        * wide_up
        * (1 + np.abs(wide(gamma)).max())
        * 32
        * (1 + np.abs(wide(x)).max() + np.abs(wide(w)).max())
        * N
        * M
    )
    if needs_dx:
        assert_right("dx", dx, da @ wide(w).T, through, dtype)
    else:
        assert dx is None
    assert_right("dw", dw, wide(x).T @ da, through, dtype)
    assert_right("db", db, da.sum(axis=0), through, dtype)
    if normalization is None:
        assert dgamma is None and dbeta is None
    else:
        assert_right("dgamma", dgamma, (up * x_hat).sum(axis=0), through, dtype)
        assert_right("dbeta", dbeta, up.sum(axis=0), through, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e6, 1e-42])
def test_a_constant_column_becomes_beta(dtype, N, value):
    """Also a single row. What is left is the rounding of the mean, eps |value|, over the root of 1e-5."""
    x, gamma, beta = np.full((N, 3), value, dtype), np.full(3, 2, dtype), np.array([0, 1, -1], dtype)
    out, cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    left = float(np.finfo(dtype).eps) * abs(value) * 2 / np.sqrt(1e-5) * (dtype == np.float64)
    np.testing.assert_allclose(out, np.broadcast_to(beta, x.shape), rtol=0, atol=left)
    dx, dgamma, dbeta = batchnorm_backward(np.ones((N, 3), dtype), cache)
    np.testing.assert_allclose(dgamma, 0, atol=left * N)
    assert np.array_equal(dbeta, np.full(3, N, dtype)) and np.isfinite(dx).all()


def test_mean_1e6_and_deviation_1_in_float32():
    x = (1e6 + np.random.RandomState(0).normal(size=(500, 4))).astype(np.float32)
    out, _ = batchnorm_forward(x, np.ones(4, "f4"), np.zeros(4, "f4"), {"mode": "train"})
    truth = (wide(x) - wide(x).mean(axis=0)) / wide(x).std(axis=0)
    # Numbers at 1e6 are 1/16 apart, so the mean in float32 is off by up to 1/32.
    np.testing.assert_allclose(out, truth.astype(float), atol=1 / 32 + 1e-3)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize(
    "forward, word", [("batchnorm_forward", "column, 1,"), ("layernorm_forward", "row, 1,")]
)
def test_a_variance_out_of_range_is_refused_before_anything_moves(forward, word):
    """Out would be beta, finite and wrong; PyTorch's batch_norm, 2.x on a processor, returns just that."""
    x = np.random.RandomState(0).normal(size=(3, 3)).astype(np.float32)
    x[(slice(None), 1) if forward.startswith("batch") else 1] *= np.float32(1e30)
    ones, forward = np.ones(3, np.float32), globals()[forward]
    with np.errstate(over="ignore"), refused(OverflowError, f"x has a {word}", "float32", "; try a smaller"):
        forward(x, ones, ones, {"mode": "train"})
    constant, param = np.ones((3, 3)), {"mode": "train", "eps": 0}
    with np.errstate(divide="ignore", invalid="ignore"), refused(ValueError, "without variance", "eps is 0"):
        forward(constant, np.ones(3), np.ones(3), param)
    assert param == {"mode": "train", "eps": 0}


def test_nan_stays_in_its_column():
    x = np.random.RandomState(0).normal(size=(4, 3))
    x[2, 1] = np.nan
    out, cache = batchnorm_forward(x, np.ones(3), np.zeros(3), {"mode": "train"})
    dx = batchnorm_backward(np.ones((4, 3)), cache)[0]
    for made in (out, dx):
        assert np.isnan(made[:, 1]).all() and np.isfinite(made[:, [0, 2]]).all()
