"""Augmentation: a batch of images in, other images of the same things out, as many and of the same kind.

Each is augment(X, rng) -> a new batch. X (N, C, H, W), any dtype, is not modified; rng is a numpy Generator,
a RandomState or the module np.random. Hand one to Solver(..., augment=flip_and_shift).
"""

import numpy as np

from cs231n.contracts import require_count, require_rng

__all__ = ["flip", "shift", "flip_and_shift", "views"]


def flip(X, rng):
    """Mirror each image left to right with probability 1/2."""
    _require_images("flip", X)
    require_rng("flip", rng)
    mirrored = rng.random(len(X)) < 0.5
    out = X.copy()
    out[mirrored] = X[mirrored, :, :, ::-1]
    return out


def shift(X, rng, pixels=2):
    """Move each image by up to that many pixels up or down and left or right, each distance equally likely.

    What moves in from outside is zero: in images whose mean was subtracted, that is the mean.
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


def flip_and_shift(X, rng, pixels=2):
    """flip, then shift by up to that many pixels: in a short run, nets without convolution lose by more."""
    return shift(flip(X, rng), rng, pixels)


def views(X, pixels=1):
    """The images, then the same moved up, down, left and right, and each of the five mirrored: ten arrays.

    A model whose answers to all of them are averaged is right more often than on X alone. What moves in from
    outside is zero.
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


def _require_images(where, X):
    if not isinstance(X, np.ndarray) or X.ndim != 4:
        raise ValueError(
            f"{where}: X must be images (N, C, H, W), got {np.shape(X)}; "
            "for rows of CIFAR-10 try X.reshape(-1, 3, 32, 32)"
        )
