"""Whitening: a linear map, fitted to training images, that leaves neighbouring pixels nearly uncorrelated.

    whitening = fit_whitening(data["X_train"], softening=1.0)
    data["X_train"] = whiten(data["X_train"], whitening)

A fully-connected layer does not know that neighbouring pixels are similar; after whitening it need not learn
this. The result is an image again, so it can be flipped and shifted.
"""

from typing import NamedTuple

import numpy as np

from cs231n.contracts import require, require_number

__all__ = ["Whitening", "fit_whitening", "whiten"]


class Whitening(NamedTuple):
    mean: np.ndarray  # (D,)
    matrix: np.ndarray  # (D, D), symmetric


def fit_whitening(X: np.ndarray, softening: float) -> Whitening:
    """Fit the map x -> (x - mean) matrix, with D = d1 ... dk numbers per example.

        C = cov(X) = V diag(lambda) V'        matrix = c V diag((lambda + softening mean(lambda))^(-1/2)) V'

    c makes the mean variance of the output 1. Without softening the variance is 1 in each direction, also in
    those of almost no variance, which hold noise; with much softening the map is a mere scaling.

    Args:
        X: (N, d1, ..., dk) float array, not modified.
        softening: at least 0, a share of the mean variance.

    Returns:
        Whitening, in the dtype of X.

    Raises:
        TypeError, ValueError: an argument is not as above, or C is singular and softening is 0.

    Source:
        Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, appendix A; softened.
    """
    require("fit_whitening", "X (N, ...)", X)
    require_number("fit_whitening", "softening", softening, 0)
    rows = X.reshape(len(X), -1)  # (N, D)
    mean = rows.mean(axis=0, dtype=np.float64).astype(X.dtype)  # (D,)
    covariance = np.zeros((len(mean),) * 2)  # (D, D)
    for start in range(0, len(rows), 5000):
        centered = rows[start : start + 5000] - mean
        covariance += centered.T @ centered
    if not np.isfinite(covariance).all():
        raise ValueError(
            "fit_whitening: X holds NaN, infinity, or numbers whose squares overflow "
            f"{X.dtype}; try X[np.isfinite(rows).all(axis=1)] with rows = X.reshape(len(X), -1)"
        )
    variances, axes = np.linalg.eigh(covariance / len(rows))  # (D,), (D, D)
    variances = np.maximum(variances, 0)  # rounding can leave one just below
    level = variances + softening * variances.mean()
    if not level.min() > max(1e-7 * level.max(), np.finfo(X.dtype).tiny):
        raise ValueError(
            "fit_whitening: some direction of X has no variance to scale; "
            "try softening=1.0, or more examples than the numbers in one"
        )
    scale = 1 / np.sqrt(level * np.mean(variances / level))
    return Whitening(mean, ((axes * scale) @ axes.T).astype(X.dtype))


def whiten(X: np.ndarray, whitening: Whitening, out: np.ndarray | None = None) -> np.ndarray:
    """Compute (X - mean) matrix.

    Args:
        X: (N, d1, ..., dk) float array, not modified unless it is out.
        whitening: from fit_whitening.
        out: where to write the result; out=X saves the memory.

    Returns:
        out, or a new array of the shape and dtype of X.

    Raises:
        TypeError, ValueError: X or out does not fit the map.
    """
    require("whiten", "X (N, ...)", X)
    if not isinstance(whitening, tuple) or len(whitening) != 2:
        raise TypeError(
            f"whiten: whitening must be a Whitening, got {type(whitening).__name__}; "
            "try fit_whitening(X, softening=1.0)"
        )
    mean, matrix = whitening
    require("whiten", "mean (D,), matrix (D, D)", mean, matrix)
    if X[0].size != len(mean):
        raise ValueError(
            f"whiten: the map takes {len(mean)} numbers per example, X {X.shape} has "
            f"{X[0].size}; try images like those it was fitted to"
        )
    out = np.empty_like(X) if out is None else out
    if getattr(out, "shape", None) != X.shape or out.dtype != X.dtype:
        raise ValueError(
            f"whiten: out must be an array like X, {X.shape} of {X.dtype}, got "
            f"{getattr(out, 'shape', None)} of {getattr(out, 'dtype', type(out).__name__)}; "
            "try out=X"
        )
    for start in range(0, len(X), 1000):
        part = X[start : start + 1000]
        out[start : start + 1000] = ((part.reshape(len(part), -1) - mean) @ matrix).reshape(part.shape)
    return out
