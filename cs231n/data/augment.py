"""Augmentation: return a new batch with each image flipped, moved, deformed or partly covered.

Each function is augment(X, rng) -> batch: pass one to Solver(..., augment=flip_and_shift). It returns a new
batch in the shape and dtype of X, and raises ValueError or TypeError if an argument does not fit.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from cs231n.contracts import require_count, require_number, require_rng

__all__ = ["flip", "shift", "flip_and_shift", "deform", "cutout", "deform_and_cut", "views"]

Rng = np.random.Generator | np.random.RandomState | ModuleType


def flip(X: np.ndarray, rng: Rng) -> np.ndarray:
    """Mirror each image left to right with probability 1/2.

    Args:
        X: (N, C, H, W), any dtype, not modified.
        rng: the source of randomness, a numpy Generator, a RandomState or the module np.random.
    """
    _require_images("flip", X)
    require_rng("flip", rng)
    mirrored = rng.random(len(X)) < 0.5
    out = X.copy()
    out[mirrored] = X[mirrored, :, :, ::-1]
    return out


def shift(X: np.ndarray, rng: Rng, pixels: int = 2) -> np.ndarray:
    """Move each image up or down and left or right; zeros move in, the mean where the mean was subtracted.

    Args:
        X, rng: as in flip.
        pixels: the largest distance in each direction; all from -pixels to pixels are equally likely.
    """
    _require_images("shift", X)
    require_rng("shift", rng)
    require_count("shift", "pixels", pixels, 0)
    N, C, H, W = X.shape
    padded = np.zeros((N, C, H + 2 * pixels, W + 2 * pixels), X.dtype)
    padded[:, :, pixels : pixels + H, pixels : pixels + W] = X
    windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))
    # random(), since only a Generator has integers() and only a RandomState randint()
    down, right = (rng.random((2, N)) * (2 * pixels + 1)).astype(int)
    return windows[np.arange(N), :, down, right]


def flip_and_shift(X: np.ndarray, rng: Rng, pixels: int = 2) -> np.ndarray:
    """flip, then shift by up to 2 pixels: in a short run, nets without convolution lose by more."""
    return shift(flip(X, rng), rng, pixels)


def deform(X: np.ndarray, rng: Rng, pixels: int = 2, degrees: float = 10.0, zoom: float = 0.1) -> np.ndarray:
    """Mirror, turn, resize and move each image; every pixel is that of the nearest place, or zero outside.

    Args:
        X, rng: as in flip.
        pixels: the largest distance in each direction.
        degrees: the largest angle in each direction.
        zoom: the largest factor on both sides is e^zoom, the smallest e^-zoom.
    """
    _require_images("deform", X)
    require_rng("deform", rng)
    require_count("deform", "pixels", pixels, 0)
    require_number("deform", "degrees", degrees, 0)
    require_number("deform", "zoom", zoom, 0)
    N, C, H, W = X.shape
    side, turn, growth, down, right = (2 * rng.random((5, N, 1, 1)) - 1).astype(np.float32)
    angle, step = np.deg2rad(degrees) * turn, np.exp(zoom * growth)
    cos, sin = step * np.cos(angle), step * np.sin(angle)
    y = np.arange(H, dtype=np.float32)[:, None] - (H - 1) / 2  # from the center
    x = np.where(side < 0, -1, 1) * (np.arange(W, dtype=np.float32) - (W - 1) / 2)
    rows = np.rint(cos * y + sin * x + (pixels + 0.5) * down + (H - 1) / 2).astype(int)  # (N, H, W)
    columns = np.rint(cos * x - sin * y + (pixels + 0.5) * right + (W - 1) / 2).astype(int)
    outside = (rows < 0) | (rows >= H) | (columns < 0) | (columns >= W)
    places = np.where(outside, H * W, rows * W + columns).reshape(N, -1)
    padded, out = np.zeros((C, H * W + 1), X.dtype), np.empty((N, C, H * W), X.dtype)
    for n in range(N):  # a take per image is faster than one of all
        padded[:, :-1] = X[n].reshape(C, -1)
        np.take(padded, places[n], axis=1, out=out[n], mode="clip")
    return out.reshape(X.shape)


def cutout(X: np.ndarray, rng: Rng, size: int = 12) -> np.ndarray:
    """Set a square of each image to zero, which is the mean where the mean was subtracted.

    Args:
        X, rng: as in flip.
        size: pixels on a side. Each pixel is equally likely to be the center, so part of it can be outside.

    Source:
        DeVries and Taylor 2017, arXiv:1708.04552.
    """
    _require_images("cutout", X)
    require_rng("cutout", rng)
    require_count("cutout", "size", size, 0)
    N, _, H, W = X.shape
    out = X.copy()
    corners = (rng.random((N, 2)) * (H, W)).astype(int) - size // 2
    for image, (top, left) in zip(out, corners):
        image[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
    return out


def deform_and_cut(X: np.ndarray, rng: Rng, pixels: int = 2) -> np.ndarray:
    """deform, then cutout: in a long run, a net learns the images by heart with less."""
    return cutout(deform(X, rng, pixels), rng)


def views(X: np.ndarray, pixels: int = 1) -> Iterator[np.ndarray]:
    """Yield X, X moved by all distances up to pixels, and each of these mirrored, for test-time averaging.

    A model whose scores on all of them are averaged is right more often than on X alone.

    Args:
        X: (N, C, H, W), any dtype, not modified.
        pixels: the largest distance in the plane, so that 1, 2 and 3 give 10, 26 and 58 views; zeros move in.

    Yields:
        X, then arrays of its shape and dtype, the nearest first; some are views of one array.
    """
    _require_images("views", X)
    require_count("views", "pixels", pixels, 0)
    N, C, H, W = X.shape
    padded = np.pad(X, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    steps = range(-pixels, pixels + 1)
    moves = [(down, right) for right in steps for down in steps if down**2 + right**2 <= pixels**2]
    for down, right in sorted(moves, key=lambda move: (move[0] ** 2 + move[1] ** 2, abs(move[1]))):
        top, left = pixels - down, pixels - right
        moved = padded[:, :, top : top + H, left : left + W]
        yield moved
        yield moved[..., ::-1]


def _require_images(where: str, X: np.ndarray) -> None:
    if not isinstance(X, np.ndarray) or X.ndim != 4:
        raise ValueError(
            f"{where}: X must be images (N, C, H, W), got {np.shape(X)}; "
            "for rows of CIFAR-10 try X.reshape(-1, 3, 32, 32)"
        )
