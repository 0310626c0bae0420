"""Augmentation: return a new batch with each image flipped or shifted.

Each function is augment(X, rng) -> batch, in the shape and dtype of X, which is not modified: pass one to
Solver(..., augment=flip_and_shift). rng is a numpy Generator, a RandomState or the module np.random.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from cs231n.contracts import require_count, require_rng

__all__ = ["flip", "shift", "flip_and_shift", "views"]

Rng = np.random.Generator | np.random.RandomState | ModuleType


def flip(X: np.ndarray, rng: Rng) -> np.ndarray:
    """Mirror each image left to right with probability 1/2.

    Args:
        X: (N, C, H, W), any dtype, not modified.
        rng: the source of randomness.

    Returns:
        A new batch, shape and dtype of X.

    Raises:
        ValueError, TypeError: X is not a batch of images, rng no source of randomness.
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
        X: (N, C, H, W), any dtype, not modified.
        rng: the source of randomness.
        pixels: the largest distance in each direction; all from -pixels to pixels are equally likely.

    Returns:
        A new batch, shape and dtype of X.

    Raises:
        ValueError, TypeError: an argument is not as above.
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


def views(X: np.ndarray, pixels: int = 1) -> Iterator[np.ndarray]:
    """Yield X, X moved up, down, left and right, and each of these five mirrored, for test-time averaging.

    A model whose scores on all ten are averaged is right more often than on X alone.

    Args:
        X: (N, C, H, W), any dtype, not modified.
        pixels: the distance moved; zeros move in.

    Yields:
        Ten arrays of the shape and dtype of X; some are views of one array.
    """
    _require_images("views", X)
    require_count("views", "pixels", pixels, 0)
    N, C, H, W = X.shape
    padded = np.pad(X, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    for down, right in [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]:
        top, left = pixels * (1 - down), pixels * (1 - right)
        moved = padded[:, :, top : top + H, left : left + W]
        yield moved
        yield moved[..., ::-1]


def _require_images(where: str, X: np.ndarray) -> None:
    if not isinstance(X, np.ndarray) or X.ndim != 4:
        raise ValueError(
            f"{where}: X must be images (N, C, H, W), got {np.shape(X)}; "
            "for rows of CIFAR-10 try X.reshape(-1, 3, 32, 32)"
        )
