"""Layers without normalization, and the losses, over drawn numbers: right, or seen to be broken."""

import numpy as np
from hypothesis import strategies as st

from cs231n.layers import (
    affine_backward,
    affine_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    svm_loss,
)
from tests.support import unchanged
from tests.support.strategies import DTYPES, SCALES, SEEDS, WIDE, arrays, assert_right, cases, limits, wide

SIZES = st.integers(1, 6)
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def product(a, b):
    return wide(a) @ wide(b), np.abs(wide(a)) @ np.abs(wide(b))


def assert_product(name, ours, truth, sizes, terms, dtype):
    """A sum of so many products, each rounded: |error| <= terms eps sum |a b|, and as many denormals."""
    eps, largest, smallest = limits(dtype)
    assert_right(
        name,
        ours,
        truth,
        2 * (terms + 2) * (eps * sizes + smallest),
        dtype,
        may_overflow=~(2 * sizes < largest),
    )


@cases("affine", data=st.data(), N=SIZES, rest=st.lists(st.integers(1, 3), max_size=3), M=SIZES, dtype=DTYPES)
def test_affine(data, N, rest, M, dtype):
    D = int(np.prod(rest))
    x, w, b, dout = (data.draw(arrays(s, dtype)) for s in [(N, *rest), (D, M), (M,), (N, M)])
    with unchanged(x, w, b, dout):
        out, cache = affine_forward(x, w, b)
        dx, dw, db = affine_backward(dout, cache)
    rows = x.reshape(N, D)
    truth, sizes = product(rows, w)
    assert_product("out", out, truth + wide(b), sizes + np.abs(wide(b)), D + 1, dtype)
    truth, sizes = product(dout, w.T)
    assert_product("dx", dx, truth.reshape(x.shape), sizes.reshape(x.shape), M, dtype)
    assert_product("dw", dw, *product(rows.T, dout), N, dtype)
    assert_product("db", db, wide(dout).sum(axis=0), np.abs(wide(dout)).sum(axis=0), N, dtype)


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
    kept = np.random.RandomState(seed).random_sample(shape) < p if mode == "train" else np.ones(shape, bool)
    factor = wide(p) if mode == "train" else 1
    eps, _, smallest = limits(dtype)
    for name, ours, given in [("out", out, x), ("dx", dx, dout)]:
        truth = np.where(kept | ~np.isfinite(given), wide(given) / factor, 0)
        assert_right(name, ours, truth, 2 * eps * np.abs(truth) + smallest * (factor != 1), dtype)
        assert not np.shares_memory(ours, given)


@st.composite
def scores(draw):
    N, C, dtype = draw(SIZES), draw(SIZES), draw(DTYPES)
    edge = st.sampled_from([1.0, 1e-42, 1e4, 1e30, float(np.finfo(dtype).max) / 8])
    x = draw(
        arrays(
            (N, C),
            dtype,
            edge if dtype == np.float32 or WIDE else SCALES,
            offsets=st.sampled_from([0.0, 1.0]),
        )
    )
    label = draw(st.sampled_from([np.int64, np.uint8, np.int32, np.uint64]))
    y = np.random.RandomState(draw(SEEDS) % 2**31).randint(C, size=N).astype(label)
    return x, y[::-1] if draw(st.booleans()) else y


@cases("softmax_loss", drawn=scores(), s=st.sampled_from([0.0, 0.0, 0.1, 0.9]))
def test_softmax(drawn, s):
    x, y = drawn
    (N, C), dtype = x.shape, x.dtype
    with unchanged(x, y):
        loss, dx = softmax_loss(x, y, s) if s else softmax_loss(x, y)
    shifted = wide(x) - wide(x).max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = np.full((N, C), wide(s) / C)
    target[np.arange(N), y] += 1 - wide(s)
    p = np.exp(log_p)
    costs = np.where(target > 0, -target * log_p, 0)
    broken = np.isnan(log_p)
    costs, p = np.where(broken, np.nan, costs), np.where(broken, np.nan, p)
    eps, largest, smallest = limits(dtype)
    # A difference of scores is rounded once, so log p has an absolute error of eps times it.
    wobble = eps * 4 * (C + 2) * (1 + np.abs(np.where(np.isfinite(shifted), shifted, 0)))
    overflows = np.any(-shifted >= largest / (2 * N * C)) or np.isinf(shifted).any()
    assert_right(
        "loss", loss, costs.sum() / N, wobble.max() * C + N * eps * np.abs(costs.sum()), dtype, overflows
    )
    assert_right("dx", dx, (p - target) / N, (wobble * p + 4 * eps) / N + smallest, dtype)


@cases("svm_loss", drawn=scores())
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
    assert_right(
        "loss", loss, truth, 8 * C * N * eps * sizes, dtype, may_overflow=4 * N * C * sizes > largest
    )
    slope = (margins > 0).astype(np.longdouble)
    slope[own] = -slope.sum(axis=1)
    clear = (own | (np.abs(margins) > 8 * eps * sizes)).all(axis=1)  # away from the kink
    np.testing.assert_allclose(dx[clear], (slope / N)[clear].astype(dtype), rtol=2 * float(eps))
    assert dx.dtype == dtype
