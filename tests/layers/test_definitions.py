# ruff: noqa: F403, F405  layers are found by name, in the edition under test
"""Each function over drawn arrays agrees with its definition, computed in long double.

How near: as far as the digits that its arguments have. Moving x by its own rounding, eps max|x|, moves the
x_hat of a normalization by cond = 1 + max|x| / std times eps.
"""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n import layers
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.layer_utils import *
from cs231n.layers import *
from tests.support import unchanged
from tests.support.strategies import (
    DTYPES,
    LAYOUTS,
    SCALES,
    SEEDS,
    WIDE,
    arrays,
    assert_right,
    cases,
    limits,
    magnitude,
    wide,
)

EDITIONS = pytest.mark.usefixtures("edition")
SIZES = st.integers(1, 6)
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
EPS = st.sampled_from([1e-5, 1e-5, 1e-3, 1.0])


def assert_product(name, computed, a, b, dtype, more=None, shape=None):
    """a @ b + more, each product and sum rounded: |error| <= terms eps sum |a b|, and as many denormals."""
    (eps, largest, smallest), terms = limits(dtype), a.shape[-1] + (more is not None)
    more = wide(0 if more is None else more)
    truth, sizes = wide(a) @ wide(b) + more, np.abs(wide(a)) @ np.abs(wide(b)) + np.abs(more)
    truth, sizes = (t.reshape(shape or t.shape) for t in (truth, sizes))
    off = 2 * (terms + 2) * (eps * sizes + smallest)
    assert_right(name, computed, truth, off, dtype, may_overflow=~(2 * sizes < largest))


@cases("affine", data=st.data(), N=SIZES, rest=st.lists(st.integers(1, 3), max_size=3), M=SIZES, dtype=DTYPES)
def test_affine(data, N, rest, M, dtype):
    D = int(np.prod(rest))
    x, w, b, dout = (data.draw(arrays(s, dtype)) for s in [(N, *rest), (D, M), (M,), (N, M)])
    with unchanged(x, w, b, dout):
        out, cache = affine_forward(x, w, b)
        dx, dw, db = affine_backward(dout, cache)
    rows = x.reshape(N, D)
    assert_product("out", out, rows, w, dtype, more=b)
    assert_product("dx", dx, dout, w.T, dtype, shape=x.shape)
    assert_product("dw", dw, rows.T, dout, dtype)
    assert_product("db", db, np.ones(N, dtype), dout, dtype)


@cases("relu", data=st.data(), shape=SHAPES, dtype=DTYPES)
def test_relu(data, shape, dtype):
    """Exact, and NaN goes through; its comparison with 0 is false, so no gradient passes there."""
    x, dout = data.draw(arrays(shape, dtype)), data.draw(arrays(shape, dtype))
    with unchanged(x, dout):
        out, cache = relu_forward(x)
        dx = relu_backward(dout, cache)
    np.testing.assert_array_equal(out, np.where(x <= 0, 0, x))
    finite = np.isfinite(dout)
    np.testing.assert_array_equal(dx[finite], np.where(x > 0, dout, 0)[finite])
    assert not np.isfinite(dx[~finite]).any() and out.dtype == dx.dtype == dtype


@cases(
    "dropout",
    data=st.data(),
    shape=SHAPES,
    dtype=DTYPES,
    seed=st.integers(0, 2**32 - 1),
    p=st.one_of(st.just(1.0), st.floats(1e-3, 1)),
    mode=st.sampled_from(["train", "test"]),
)
def test_dropout(data, shape, dtype, seed, p, mode):
    """Kept entries are divided by p; a dropped one is 0, unless it was infinite or NaN: that shows."""
    x, dout = data.draw(arrays(shape, dtype)), data.draw(arrays(shape, dtype))
    param = {"mode": mode, "p": p, "seed": seed}
    with unchanged(x, dout, param):
        out, cache = dropout_forward(x, param)
        dx = dropout_backward(dout, cache)
    train = mode == "train"
    keeps = np.random.RandomState(seed).random_sample(shape) < p if train else np.ones(shape, bool)
    eps, _, smallest = limits(dtype)
    for name, computed, before in [("out", out, x), ("dx", dx, dout)]:
        truth = np.where(keeps | ~np.isfinite(before), wide(before) / (wide(p) if train else 1), 0)
        assert_right(name, computed, truth, 2 * eps * np.abs(truth) + smallest * train, dtype)
        assert not np.shares_memory(computed, before)


@st.composite
def scores_and_labels(draw):
    N, C, dtype = draw(SIZES), draw(SIZES), draw(DTYPES)
    edge = st.sampled_from([1.0, 1e-42, 1e4, 1e30, float(np.finfo(dtype).max) / 8])
    scales = edge if dtype == np.float32 or WIDE else SCALES
    x = draw(arrays((N, C), dtype, scales, offsets=st.sampled_from([0.0, 1.0])))
    kind = draw(st.sampled_from([np.int64, np.uint8, np.int32, np.uint64]))
    y = np.random.RandomState(draw(SEEDS) % 2**31).randint(C, size=N).astype(kind)
    return x, y[::-1] if draw(st.booleans()) else y


@cases("softmax_loss", drawn=scores_and_labels(), s=st.sampled_from([0.0, 0.0, 0.1, 0.9]))
def test_softmax(drawn, s):
    x, y = drawn
    (N, C), dtype = x.shape, x.dtype
    with unchanged(x, y):
        loss, dx = FullyConnectedNet([], label_smoothing=np.float64(s)).softmax_loss(x, y)
    shifted = wide(x) - wide(x).max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = np.full((N, C), wide(s) / C)
    target[np.arange(N), y] += 1 - wide(s)
    p, broken = np.exp(log_p), np.isnan(log_p)
    costs = np.where(broken, np.nan, np.where(target > 0, -target * log_p, 0))
    eps, largest, smallest = limits(dtype)
    # A difference of scores is rounded once, so log p has an absolute error of eps times it.
    wobble = eps * 4 * (C + 2) * (1 + np.abs(np.where(np.isfinite(shifted), shifted, 0)))
    overflows = np.any(-shifted >= largest / (2 * N * C)) or np.isinf(shifted).any()
    off = wobble.max() * C + N * eps * np.abs(costs.sum())
    assert_right("loss", loss, costs.sum() / N, off, dtype, overflows)
    dx_truth = (np.where(broken, np.nan, p) - target) / N
    assert_right("dx", dx, dx_truth, (wobble * p + 4 * eps) / N + smallest, dtype)


@cases("svm_loss", drawn=scores_and_labels())
def test_svm(drawn):
    x, y = drawn
    (N, C), dtype = x.shape, x.dtype
    with unchanged(x, y):
        loss, dx = svm_loss(x, y)
    margins = wide(x) - wide(x)[np.arange(N), y][:, None] + 1
    own = np.arange(C) == y[:, None].astype(int)
    margins[own] = 0
    eps, largest, _ = limits(dtype)
    sizes = 1 + np.abs(np.where(np.isfinite(x), wide(x), 0)).max()
    truth = np.where(np.isnan(margins), np.nan, np.maximum(margins, 0)).sum() / N
    overflows = 4 * N * C * sizes > largest
    assert_right("loss", loss, truth, 8 * C * N * eps * sizes, dtype, may_overflow=overflows)
    slope = (margins > 0).astype(np.longdouble)
    slope[own] = -slope.sum(axis=1)
    clear = (own | (np.abs(margins) > 8 * eps * sizes)).all(axis=1)  # away from the kink
    np.testing.assert_allclose(dx[clear], (slope / N)[clear].astype(dtype), rtol=2 * float(eps))
    assert dx.dtype == dtype


@st.composite
def norm_arguments(draw):
    """x, gamma, beta, dout; those with N rows in one layout, for a kernel is compiled for each mixture."""
    N, D, dtype = draw(st.integers(1, 8)), draw(st.integers(1, 8)), draw(DTYPES)
    layout, upstream = st.just(draw(LAYOUTS)), st.sampled_from([1.0, 1e-3, 1e-30, 1e15])
    x = draw(arrays((N, D), dtype, layouts=layout))
    ones, small = st.sampled_from([1.0, 1e-3, 30.0]), st.sampled_from([0.0, 1.0])
    gamma, beta = (draw(arrays((D,), dtype, ones, layouts=st.just("C"))) for _ in "gb")
    return x, gamma, beta, draw(arrays((N, D), dtype, upstream, offsets=small, layouts=layout))


def assert_normalized(x, gamma, beta, dout, eps, out, dx, dgamma, dbeta, sum_of):
    """Each column of x normalized; dgamma and dbeta are those before a sum over the batch by sum_of."""
    dtype, N = x.dtype, len(x)
    u, largest, smallest = limits(dtype)
    centered = wide(x) - wide(x).mean(axis=0)
    std = np.sqrt((centered * centered).mean(axis=0) + wide(eps))
    x_hat, g = centered / std, wide(gamma) * wide(dout)
    out_truth = wide(gamma) * x_hat + wide(beta)
    dx_truth = (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / std

    size, up = magnitude(x).max(axis=0), (magnitude(gamma) * magnitude(dout)).max(axis=0)
    off = 8 * N * u * (1 + size / std)
    has_digits = ~(off > 0.05)
    # Denormals: each intermediate result may be off by the smallest number, times what it is multiplied with.
    lost = 64 * N * smallest * (1 + 1 / std) * (1 + magnitude(gamma).max()) * (1 + size) * (1 + up * std)
    bound = magnitude(gamma) * np.where(has_digits, off * (1 + np.abs(x_hat)), 2 * np.sqrt(N) + 1)
    bound = bound + 8 * u * (np.abs(out_truth) + np.abs(wide(beta))) + lost
    assert_right("out", out, out_truth, bound, dtype)
    steep = N * up * np.maximum(1, std) ** 2 * np.maximum(1, 1 / std) ** 3 > largest / 1e3
    bound = np.where(has_digits, 4 * N**1.5 * off * up / std, largest) + lost
    assert_right("dx", dx, dx_truth, bound, dtype, may_overflow=steep | ~has_digits)
    total, wrong = magnitude(dout), np.where(has_digits, 4 * N * off, largest) * (1 + np.abs(x_hat))
    bound, overflows = sum_of(total * wrong + lost), sum_of(total * wide(size + 1)) > largest / 1e3
    assert_right("dgamma", dgamma, sum_of(dout * x_hat), bound, dtype, may_overflow=overflows)
    assert_right("dbeta", dbeta, sum_of(wide(dout)), 8 * dout.size * u * sum_of(total), dtype)


def forward_or_overflow(forward, x, word, *arguments):
    """forward(...), or None where a variance overflows: refused in the name of its column, or shown."""
    finite, largest = np.isfinite(x).all(axis=0), limits(x.dtype)[1]
    var = np.where(finite, np.nan_to_num(wide(x)).var(axis=0), 0)
    if not (8 * len(x) * var > largest).any():  # a sum of squares comes before the variance
        return forward(*arguments)
    try:
        out, _ = forward(*arguments)
    except OverflowError as error:
        assert f"variance of {word} " in str(error) and "of x overflows" in str(error)
    else:
        assert not (var > 1.1 * largest).any() or not np.isfinite(out).all()
    return None


@EDITIONS
@cases(
    "batchnorm",
    drawn=norm_arguments(),
    eps=EPS,
    momentum=st.sampled_from([0.9, 0, 1]),
    backward=st.sampled_from(["batchnorm_backward", "batchnorm_backward_alt"]),
)
def test_batchnorm(drawn, eps, momentum, backward):
    (x, gamma, beta, dout), (N, D), dtype = drawn, drawn[0].shape, drawn[0].dtype
    past = {"running_mean": np.full(D, 2, dtype), "running_var": np.full(D, 3, dtype)}
    param = {"mode": "train", "eps": eps, "momentum": momentum, **past}
    with unchanged(x, gamma, beta, dout, past):
        made = forward_or_overflow(batchnorm_forward, x, "column", x, gamma, beta, param)
        if made is None:
            return
        grads = globals()[backward](dout, made[1])
    assert_normalized(x, gamma, beta, dout, eps, made[0], *grads, lambda t: t.sum(axis=0))
    u, _, smallest = limits(dtype)
    size = magnitude(x).max(axis=0)
    samples = {"running_mean": (wide(x).mean(axis=0), size), "running_var": (wide(x).var(axis=0), size**2)}
    for name, (sample, size) in samples.items():
        truth = wide(momentum) * past[name] + (1 - wide(momentum)) * sample
        truth = truth + 0 * sample if momentum == 1 else truth  # NaN stays NaN, for 0 times it is
        assert_right(name, param[name], truth, 8 * N * u * (past[name] + size) + N * smallest, dtype)


@EDITIONS
@cases("layernorm", drawn=norm_arguments(), eps=EPS)
def test_layernorm(drawn, eps):
    x, gamma, beta, dout = drawn
    with unchanged(*drawn):
        made = forward_or_overflow(layernorm_forward, x.T, "row", x, gamma, beta, {"eps": eps})
        if made is None:
            return
        dx, dgamma, dbeta = layernorm_backward(dout, made[1])
    turned = x.T, gamma[:, None], beta[:, None], dout.T, eps, made[0].T, dx.T
    assert_normalized(*turned, dgamma, dbeta, lambda t: t.sum(axis=1))


@EDITIONS
@cases("batchnorm, mode test", data=st.data(), N=SIZES, D=SIZES, dtype=DTYPES, eps=EPS)
def test_batchnorm_in_test_mode(data, N, D, dtype, eps):
    x, gamma, beta, mean, var = (data.draw(arrays(s, dtype)) for s in [(N, D), *[(D,)] * 4])
    param = {"mode": "test", "eps": eps, "running_mean": mean, "running_var": np.abs(var)}
    with unchanged(x, gamma, beta, param):
        out, cache = batchnorm_forward(x, gamma, beta, param)
    assert cache is None
    std, (u, largest, smallest) = np.sqrt(np.abs(wide(var)) + wide(eps)), limits(dtype)
    truth = wide(gamma) * ((wide(x) - wide(mean)) / std) + wide(beta)
    gain = np.abs(wide(gamma))
    sizes = gain * (np.abs(wide(x)) + np.abs(wide(mean))) / std
    off = 8 * u * (sizes + np.abs(wide(beta))) + 4 * smallest * (1 + gain)
    overflows = 4 * (1 + gain) * (1 + sizes) > largest / 1e6
    assert_right("out", out, truth, off, dtype, may_overflow=overflows)


def layer_by_layer(x, w, b, gamma, beta, dout, normalization, dropout):
    """The definition of a sandwich, its layers in turn -> out, grads, relu's input, its gradient, std."""
    a, affine_cache = layers.affine_forward(x, w, b)
    param = {"mode": "train", "eps": 1e-3}
    std, normed, dgamma, dbeta = wide(1), a, None, None
    if normalization:
        normed, norm_cache = getattr(layers, f"{normalization}_forward")(a, gamma, beta, param)
        std = 1 / norm_cache.inv_std
    out, relu_cache = layers.relu_forward(normed)
    if dropout:
        out, dropout_cache = layers.dropout_forward(out, dropout)
        dout = layers.dropout_backward(dout, dropout_cache)
    up = da = layers.relu_backward(dout, relu_cache)
    if normalization:
        da, dgamma, dbeta = getattr(layers, f"{normalization}_backward")(da, norm_cache)
    return out, (*layers.affine_backward(da, affine_cache), dgamma, dbeta), normed, up, std


@EDITIONS
@cases(
    "affine_norm_relu_dropout",
    data=st.data(),
    N=st.integers(3, 6),
    rest=st.lists(st.integers(1, 3), max_size=2),
    M=SIZES,
    dtype=DTYPES,
    normalization=st.sampled_from([None, "batchnorm", "layernorm"]),
    p=st.sampled_from([None, 0.5, 1.0]),
    needs_dx=st.booleans(),
)
def test_sandwich(data, N, rest, M, dtype, normalization, p, needs_dx):
    """Numbers of size 1."""
    D = int(np.prod(rest))
    plain = {"scales": st.just(1.0), "poison": st.none(), "layouts": st.just("C")}
    shapes = [(N, *rest), (D, M), (M,), (M,), (M,), (N, M)]
    drawn = [data.draw(arrays(s, dtype, offsets=st.sampled_from([0.0, 1.0]), **plain)) for s in shapes]
    *inputs, dout = drawn
    dropout = (
        {"mode": "train", "p": np.float64(p), "seed": 7} if p else data.draw(st.sampled_from([None, {}]))
    )
    param, no_dx = {"mode": "train", "eps": 1e-3} if normalization else None, [False] * (not needs_dx)
    with unchanged(*drawn):
        out, cache = affine_norm_relu_dropout_forward(*inputs, param, normalization, dropout)
        grads = affine_norm_relu_dropout_backward(dout, cache, *no_dx)
        if not p:  # the smaller sandwiches are the same without dropout
            if normalization:
                less, cache = affine_norm_relu_forward(*inputs, {"mode": "train", "eps": 1e-3}, normalization)
                less_grads = affine_norm_relu_backward(dout, cache, *no_dx)
            else:
                less, cache = affine_relu_forward(*inputs[:3])
                less_grads = (*affine_relu_backward(dout, cache), None, None)
            for a, b in zip((out, *grads), (less, *less_grads)):
                assert a is None or np.array_equal(a, b)
    truth, grads_truth, normed, up, std = layer_by_layer(*(wide(a) for a in drawn), normalization, dropout)
    x, w, b, gamma, _ = map(magnitude, inputs)
    cond = 1 + (x.reshape(N, D) @ w + b).max() / std.min() if normalization else 1
    rough = 500 * (D + 2) * (N + M) * limits(dtype)[0] * cond * (2 if p == 0.5 else 1)
    assume((np.abs(normed) > rough * (1 + np.abs(normed))).all())  # at the kink either answer is right
    assert_right("out", out, truth, rough * (1 + np.abs(normed).max()), dtype)
    through = rough * (1 + np.abs(up).max()) * (1 + gamma.max()) * 32 * (1 + x.max() + w.max()) * N * M
    for name, computed, expected in zip(["dx", "dw", "db", "dgamma", "dbeta"], grads, grads_truth):
        if expected is None or name == "dx" and not needs_dx:
            assert computed is None
        else:
            assert_right(name, computed, expected, through, dtype)
