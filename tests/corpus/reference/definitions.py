"""The layers by their definitions, and gradients by a complex step.

They take complex numbers, but for what a random mask or a label decides.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 1e-30


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b


def relu(x):
    return np.where(x.real > 0, x, 0)


def normalize(x, axis, eps):
    """x_hat, and the mean and the variance that it is made with."""
    mean = x.sum(axis=axis, keepdims=True) / x.shape[axis]
    var = ((x - mean) ** 2).sum(axis=axis, keepdims=True) / x.shape[axis]
    return (x - mean) / (var + eps) ** 0.5, mean, var


def norm(x, gamma, beta, axis, eps=1e-5):
    return gamma * normalize(x, axis, eps)[0] + beta


def norm_slope(dout, x, gamma, eps):
    """The gradient of sum(dout * norm(x)) by x, down the columns: by x, by the variance and by the mean."""
    N, (_, mean, var) = len(x), normalize(x, 0, eps)
    g, root = gamma * dout, (var + eps) ** 0.5
    dvar = -(g * (x - mean)).sum(axis=0) / (2 * root**3)
    return g / root + 2 * (x - mean) * dvar / N - (g / root).sum(axis=0) / N


def cross_entropy(scores, y):
    rows, shifted = np.arange(len(y)), scores - scores.real.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y]).sum() / len(y)


def softmax(scores, y):
    """The loss and its gradient, (exp(score - log sum exp) - onehot) / N."""
    highest = scores.max(axis=1, keepdims=True)
    log_sum = highest + np.log(np.exp(scores - highest).sum(axis=1, keepdims=True))
    return cross_entropy(scores, y), (np.exp(scores - log_sum) - np.eye(scores.shape[1])[y]) / len(y)


def gradient(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, dout: Any = 1.0) -> np.ndarray:
    """d sum(dout * f(at)) / d at, entry by entry."""
    slope = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[place] += 1j * STEP
        slope[place] = np.sum(dout * f(moved).imag) / STEP
    return slope
