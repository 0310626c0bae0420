"""Gradient checking, whitening, augmentation and grids of images over drawn numbers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.data.augment import flip, flip_and_shift, shift, views
from cs231n.data.whitening import fit_whitening, whiten
from cs231n.gradient_check import (
    assert_directional,
    assert_gradient,
    complex_step_gradient,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    grad_check_sparse,
    rel_error,
)
from cs231n.vis_utils import vis_grid, vis_nn, visualize_grid
from tests.support import refused, unchanged
from tests.support.strategies import (
    DTYPES,
    LAYOUTS,
    SEEDS,
    arrays,
    assert_right,
    cases,
    laid_out,
    limits,
    magnitude,
    wide,
)

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
FINITE = st.floats(-1e300, 1e300)
WRITABLE = st.sampled_from(["C", "F", "strided", "reversed"])


@cases("rel_error", pairs=st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=6), layout=LAYOUTS)
def test_rel_error(pairs, layout):
    x, y = (laid_out(np.array(column), layout) for column in zip(*pairs))
    with unchanged(x, y):
        ours = rel_error(x, y)
    exact = max(
        abs(Fraction(a) - Fraction(b)) / max(Fraction(1e-8), abs(Fraction(a)) + abs(Fraction(b)))
        for a, b in pairs
    )
    assert abs(ours - float(exact)) <= 4e-16 * float(exact) and rel_error(y, x) == ours
    assert np.isnan(rel_error(np.append(x, np.nan), np.append(y, 1.0)))


@cases(
    "eval_numerical_gradient",
    data=st.data(),
    shape=SHAPES,
    dtype=DTYPES,
    h=st.sampled_from([1e-5, 1e-2]),
    seed=SEEDS,
)
def test_numerical_gradients_of_a_square(data, shape, dtype, h, seed):
    """Of sum(c x^2) a central difference is exact but for rounding: 2 c x, for any h."""
    assume(dtype == np.float64 or h == 1e-2)
    x = np.asarray(np.random.RandomState(seed).uniform(-1, 1, shape)).astype(dtype)
    x = laid_out(x, data.draw(WRITABLE))
    if data.draw(st.booleans()):
        x.flat[0] = np.nan
    c = np.asarray(np.random.RandomState(seed + 1).uniform(-2, 2, shape)).astype(dtype)
    before, truth = x.copy(), 2 * wide(c) * wide(x)
    grads = [
        eval_numerical_gradient(
            lambda v: float(np.sum(wide(c * v**2) if dtype == np.float64 else wide(c) * wide(v) ** 2)),
            x,
            False,
            h,
        ),
        eval_numerical_gradient_array(lambda v: v**2, x, c, h),
    ]
    assert np.array_equal(x, before, equal_nan=True)
    # Each f is off by eps times its size, up to 2 an entry, divided by 2h; and x + h is rounded too.
    off = 8 * (1 + 2 * x.size * (not np.isnan(x).any())) * limits(dtype)[0] / h
    whole = np.full_like(truth, np.nan) if np.isnan(x).any() else truth
    assert_right("scalar", grads[0], whole, off, dtype)
    assert_right("array", grads[1], whole, off, dtype)


@cases("complex_step_gradient", data=st.data(), shape=SHAPES, dtype=DTYPES, seed=SEEDS)
def test_complex_step(data, shape, dtype, seed):
    x = laid_out(np.asarray(np.random.RandomState(seed).normal(size=shape)).astype(dtype), data.draw(LAYOUTS))
    c = np.random.RandomState(seed + 1).normal(size=shape)
    with unchanged(x):
        grad = complex_step_gradient(lambda v: np.exp(v) * v, x, c)
    truth = wide(c) * np.exp(wide(x)) * (1 + wide(x))
    assert_right("grad", grad, truth, 1e-14 * np.abs(c) * np.exp(np.abs(x)) * (1 + np.abs(x)), np.float64)


@cases(
    "assert_gradient",
    seed=SEEDS,
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    fault=st.sampled_from([None, "entry", "factor", "nan", "zero", "inf"]),
    layout=WRITABLE,
    check=st.sampled_from([assert_gradient, assert_directional]),
)
def test_assert_gradient_passes_what_is_right_and_nothing_else(seed, shape, fault, layout, check):
    rng = np.random.RandomState(seed)
    x, dout = laid_out(rng.uniform(0.5, 2, shape), layout), rng.uniform(0.5, 2, shape)
    grad, before = np.cos(x) * dout, x.copy()
    if fault in ("entry", "nan", "inf"):
        grad.flat[rng.randint(grad.size)] += {"entry": 1e-2, "nan": np.nan, "inf": np.inf}[fault]
    elif fault:
        grad *= {"factor": 1.5, "zero": 0}[fault]
    assume(check is assert_gradient or fault in (None, "nan", "inf"))  # else an unlucky direction may pass
    assume(fault is None or np.abs(np.cos(x) * dout).max() > 1e-3)
    if fault is None:
        check("dx", grad, np.sin, x, dout)
    else:
        with pytest.raises(AssertionError, match="dx disagrees"):
            check("dx", grad, np.sin, x, dout)
    assert np.array_equal(x, before)


STEPS = st.sampled_from([0, -1e-5, np.nan, np.inf, "small", None, True])


@cases(
    "gradient checks, refused",
    h=STEPS,
    check=st.sampled_from([eval_numerical_gradient, eval_numerical_gradient_array, grad_check_sparse]),
)
def test_a_step_that_is_none_is_refused(h, check):
    x = np.ones((2, 3))
    with unchanged(x.copy()), refused((TypeError, ValueError), f"{check.__name__}: h must be"):
        check(lambda v: np.sum(v), x, *([] if check is eval_numerical_gradient else [x]), h=h)


@cases(
    "gradient checks, refused",
    given=st.sampled_from(["text", None, 1j, np.ones(2, complex), object()]),
    check=st.sampled_from([eval_numerical_gradient, eval_numerical_gradient_array]),
)
def test_a_function_that_returns_no_numbers_is_refused(given, check):
    x = np.ones(2)
    with refused(TypeError, "f must return real numbers, got"):
        check(lambda v: given, x, *([] if check is eval_numerical_gradient else [1.0]))
    assert np.array_equal(x, np.ones(2))


def test_integers_are_subtracted_as_numbers():
    x = np.array([0.5, -0.5])
    for f, slope in [(lambda v: np.uint8(v.sum() < 0), -5e4), (lambda v: v.sum() > 0, 5e4)]:
        np.testing.assert_allclose(eval_numerical_gradient(f, x, False), [slope, slope], rtol=1e-12)


def test_what_else_a_gradient_check_refuses():
    x = np.ones((2, 3))
    with refused(ValueError, "eval_numerical_gradient: f must return one number, got an array (2, 3)"):
        eval_numerical_gradient(lambda v: v, x)
    with refused(TypeError, "the upstream gradient must hold numbers, got <U1"):
        eval_numerical_gradient_array(lambda v: v, x, np.full((2, 3), "a"))
    with refused(ValueError, "analytic_grad must have the shape of x, (2, 3), got (3, 2)"):
        grad_check_sparse(np.sum, x, x.T)
    with refused(TypeError, "num_checks must be an integer, got 2.5"):
        grad_check_sparse(np.sum, x, x, 2.5)
    for empty in ([], np.ones((0, 3))):
        with refused(ValueError, "rel_error: x is empty"):
            rel_error(empty, empty)
    with refused(TypeError, "rel_error: y must hold numbers, got <U1"):
        rel_error(1.0, np.array("a"))
    with refused(ValueError, "lost in the rounding of x, 100 in float32"):  # 7.6e-6 for 1e-5
        eval_numerical_gradient(np.sum, np.full(2, 100, np.float32), h=1e-5)


@cases(
    "fit_whitening, whiten",
    seed=SEEDS,
    N=st.integers(8, 40),
    rest=st.sampled_from([(5,), (1, 2, 3), (2, 1, 1)]),
    dtype=DTYPES,
    scale=st.sampled_from([1.0, 1e-10, 1e10]),
    softening=st.sampled_from([0.1, 1, 1e3]),
    offset=st.sampled_from([0.0, 3.0]),
    layout=LAYOUTS,
    in_place=st.booleans(),
)
def test_whitening(seed, N, rest, dtype, scale, softening, offset, layout, in_place):
    """matrix^2 (C + softening mean variance) is a multiple of I, and matrix C matrix has mean variance 1."""
    rng = np.random.RandomState(seed)
    D = int(np.prod(rest))
    X = (scale * (rng.normal(size=(N, D)) @ rng.uniform(0, 1, (D, D)) + offset)).astype(dtype)
    X = laid_out(X.reshape(N, *rest), layout)
    with unchanged(X):
        mean, matrix = fit_whitening(X, softening)
        out = whiten(X, (mean, matrix))
    rows = X.reshape(N, D).astype(float)
    C = np.cov(rows, rowvar=False, bias=True).reshape(D, D)
    cond = 1 + (offset + 3) ** 2 * D / softening
    off = 100 * D * N * float(np.finfo(dtype).eps) * cond
    whole = matrix.astype(float)
    both = whole @ (C + softening * np.trace(C) / D * np.eye(D)) @ whole
    level = np.trace(both) / D
    np.testing.assert_allclose(both / level, np.eye(D), atol=off)
    np.testing.assert_allclose(np.trace(whole @ C @ whole), D, rtol=off)
    np.testing.assert_allclose(out.reshape(N, D), (rows - rows.mean(axis=0)) @ whole, atol=10 * off)
    assert out.dtype == dtype and out.shape == X.shape
    if in_place and X.flags.writeable:
        assert whiten(X, (mean, matrix), out=X) is X and np.array_equal(X, out)


@cases(
    "fit_whitening, refused",
    seed=SEEDS,
    dtype=DTYPES,
    bad=st.sampled_from([np.nan, np.inf, -np.inf, "large", "flat", "denormal"]),
)
def test_images_that_cannot_be_whitened_are_refused(seed, dtype, bad):
    X = np.random.RandomState(seed).normal(size=(9, 4)).astype(dtype)
    if bad == "large":
        X *= 1e25 if dtype == np.float32 else 1e200
    elif bad in ("flat", "denormal"):
        X *= 0 if bad == "flat" else 1e-24 if dtype == np.float32 else 1e-160
    else:
        X.flat[seed % X.size] = bad
    with unchanged(X), refused(ValueError, "fit_whitening: ", "X", "; try "):
        fit_whitening(X, 1.0)


def test_what_whiten_refuses():
    X = np.random.RandomState(0).normal(size=(9, 4))
    for wrong in (None, X, "zca", (1, 2, 3)):
        with refused(TypeError, "whiten: whitening must be a Whitening, got"):
            whiten(X, wrong)
    fitted = fit_whitening(X, 1.0)
    for out in (np.empty((9, 3)), np.empty((9, 4), int), X.tolist()):
        with refused(ValueError, "whiten: out must be an array like X, (9, 4) of float64, got"):
            whiten(X, fitted, out=out)


@st.composite
def image_batches(draw):
    shape = (draw(st.integers(1, 5)), *draw(st.tuples(*[st.integers(1, 4)] * 3)))
    dtype = draw(st.sampled_from([np.uint8, np.int16, np.float32, np.float64]))
    rng = np.random.RandomState(draw(SEEDS))
    X = rng.randint(1, 100, shape).astype(dtype)
    if np.dtype(dtype).kind == "f" and draw(st.booleans()):
        X.flat[0] = draw(st.sampled_from([np.nan, np.inf]))
    return laid_out(X, draw(LAYOUTS))


def moved(image, down, right):
    C, H, W = image.shape
    out = np.zeros_like(image)
    for c, i, j in np.ndindex(C, H, W):
        if 0 <= i + down < H and 0 <= j + right < W:
            out[c, i, j] = image[c, i + down, j + right]
    return out


@cases(
    "flip, shift, flip_and_shift, views",
    X=image_batches(),
    seed=SEEDS,
    pixels=st.integers(0, 6),
    modern=st.booleans(),
)
def test_augmentation(X, seed, pixels, modern):
    rng = np.random.default_rng(seed) if modern else np.random.RandomState(seed)
    with unchanged(X):
        flipped, shifted, both = flip(X, rng), shift(X, rng, pixels), flip_and_shift(X, rng)
        seen = list(views(X, pixels))
    for made in (flipped, shifted, both, *seen):
        assert made.shape == X.shape and made.dtype == X.dtype
    same = lambda a, b: np.array_equal(a, b, equal_nan=a.dtype.kind == "f")  # noqa: E731
    places = range(-pixels, pixels + 1)
    for image, f, s in zip(X, flipped, shifted):
        assert same(f, image) or same(f, image[..., ::-1])
        assert any(same(s, moved(image, down, right)) for down in places for right in places)
    steps = [(0, 0), (pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
    wanted = [np.array([moved(image, *step) for image in X]) for step in steps]
    wanted += [a[..., ::-1] for a in wanted]
    assert len(seen) == 10 and all(any(same(a, b) for b in seen) for a in wanted)


@cases(
    "augmentation, refused",
    name=st.sampled_from(["flip", "shift", "views"]),
    bad=st.sampled_from([None, "x", -1, 1.5, np.nan, True, [1]]),
)
def test_augmentation_refuses(name, bad):
    X = np.ones((2, 3, 4, 4))
    for wrong in (bad, X[0], X.tolist()):
        with refused(ValueError, f"{name}: X must be images"):
            list({"flip": flip, "shift": shift, "views": lambda X, rng: views(X)}[name](wrong, np.random))
    if name == "flip":
        with refused(TypeError, "flip: rng must be"):
            flip(X, bad)
    else:
        with refused((TypeError, ValueError), f"{name}: pixels must be"):
            list(shift(X, np.random, bad) if name == "shift" else views(X, bad))


@cases(
    "visualize_grid, vis_grid, vis_nn",
    data=st.data(),
    N=st.integers(1, 7),
    H=st.integers(1, 3),
    W=st.integers(1, 3),
    C=st.sampled_from([1, 3]),
    padding=st.integers(0, 2),
    ubound=st.sampled_from([1, 255.0]),
    dtype=st.sampled_from([np.float32, np.float64, np.uint8]),
)
def test_grids(data, N, H, W, C, dtype, padding, ubound):
    X = data.draw(arrays((N, H, W, C), np.float64 if dtype == np.uint8 else dtype))
    if dtype == np.uint8:
        X = laid_out((magnitude(X) % 256).astype(np.uint8), data.draw(LAYOUTS))
    if not np.isfinite(X).all():
        bad = int(np.argmin(np.isfinite(X).all(axis=(1, 2, 3))))
        for grid, images in [(visualize_grid, X), (vis_grid, X), (vis_nn, [list(X)])]:
            with refused(ValueError, f"{grid.__name__}: image {bad} holds NaN or infinity"):
                grid(images)
        return
    with unchanged(X):
        grids = [visualize_grid(X, ubound, padding) / ubound, vis_grid(X), vis_nn([list(X)])]
    side = int(np.ceil(np.sqrt(N)))
    for grid, columns, gap in zip(grids, (side, side, N), (padding, 1, 1)):
        for i, image in enumerate(X):
            top, left = i // columns * (H + gap), i % columns * (W + gap)
            low, high = wide(image).min(), wide(image).max()
            truth = np.full(image.shape, 0.5) if low == high else (wide(image) - low) / (high - low)
            assert_right("cell", grid[top : top + H, left : left + W], truth, 1e-15, np.float64)


@cases(
    "grids, refused",
    bad=st.sampled_from([0, -1, np.nan, np.inf, "1", None, True]),
    name=st.sampled_from(["ubound", "padding"]),
    kind=st.sampled_from([complex, str, object, "M8[s]"]),
)
def test_grids_refuse(bad, name, kind):
    X = np.arange(12).reshape(1, 2, 2, 3)
    assume(name == "ubound" or bad != 0 or bad is True)
    with refused((TypeError, ValueError), f"visualize_grid: {name} must be"):
        visualize_grid(X, **{name: bad})
    with refused(TypeError, "visualize_grid: images must hold real numbers"):
        visualize_grid(X.astype(kind))
