"""Whitening, augmentation and grids of images over drawn numbers."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.data.augment import cutout, deform, flip, flip_and_shift, shift, views
from cs231n.data.whitening import fit_whitening, whiten
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
    magnitude,
    wide,
)


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


def covered(image, i, j, size):
    """Zeros wherever a pixel is in the square of `size` whose center, rounded down and right, is (i, j)."""
    out = image.copy()
    for c, row, column in np.ndindex(image.shape):
        if -(size // 2) <= min(row - i, column - j) and max(row - i, column - j) < size - size // 2:
            out[c, row, column] = 0
    return out


def moved(image, down, right):
    C, H, W = image.shape
    out = np.zeros_like(image)
    for c, i, j in np.ndindex(C, H, W):
        if 0 <= i + down < H and 0 <= j + right < W:
            out[c, i, j] = image[c, i + down, j + right]
    return out


@cases(
    "flip, shift, flip_and_shift, cutout, views",
    X=image_batches(),
    seed=SEEDS,
    pixels=st.integers(0, 6),
    modern=st.booleans(),
)
def test_augmentation(X, seed, pixels, modern):
    rng = np.random.default_rng(seed) if modern else np.random.RandomState(seed)
    with unchanged(X):
        flipped, shifted, both = flip(X, rng), shift(X, rng, pixels), flip_and_shift(X, rng)
        turned = deform(X, rng, pixels)
        cut, seen = cutout(X, rng, pixels), list(views(X, near := min(pixels, 3)))
    for made in (flipped, shifted, both, turned, cut, *seen):
        assert made.shape == X.shape and made.dtype == X.dtype
    same = lambda a, b: np.array_equal(a, b, equal_nan=a.dtype.kind == "f")  # noqa: E731
    places = range(-pixels, pixels + 1)
    for image, f, s, c in zip(X, flipped, shifted, cut):
        assert same(f, image) or same(f, image[..., ::-1])
        assert any(same(s, moved(image, down, right)) for down in places for right in places)
        assert any(same(c, covered(image, i, j, pixels)) for i, j in np.ndindex(image.shape[1:]))
    steps = [(down, right) for down in places for right in places if down**2 + right**2 <= near**2]
    wanted = [np.array([moved(image, *step) for image in X]) for step in steps]
    wanted += [a[..., ::-1] for a in wanted]
    assert len(seen) == len(wanted) and all(any(same(a, b) for b in seen) for a in wanted)


@cases(
    "augmentation, refused",
    name=st.sampled_from(["flip", "shift", "deform", "cutout", "views"]),
    bad=st.sampled_from([None, "x", -1, 1.5, np.nan, True, [1]]),
)
def test_augmentation_refuses(name, bad):
    X = np.ones((2, 3, 4, 4))
    functions = {f.__name__: f for f in (flip, shift, deform, cutout)}
    functions["views"] = lambda X, rng, *more: views(X, *more)
    for wrong in (bad, X[0], X.tolist()):
        with refused(ValueError, f"{name}: X must be images"):
            list(functions[name](wrong, np.random))
    if name == "flip":
        with refused(TypeError, "flip: rng must be"):
            flip(X, bad)
    else:
        with refused((TypeError, ValueError), f"{name}: {'size' if name == 'cutout' else 'pixels'} must be"):
            list(functions[name](X, np.random, bad))


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
