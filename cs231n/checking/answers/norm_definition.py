"""Batch and layer normalization: their definition, with steps that can be replaced.

Both are one function here: layer normalization is batch normalization of the transposed array, rows=True.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from cs231n.checking.answers.primitives import column_mean, gradients_of, variance
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import complex_step_gradient

__all__ = ["dx_of", "eq", "gradients", "layer", "mean_of", "norm", "norm_paths", "variance_of"]


def eq(*numbers: int) -> str:
    return "notebook 2, equation " + ", ".join(f"({n})" for n in numbers)


def divide_by_root(t: np.ndarray, var: np.ndarray, eps: float) -> np.ndarray:
    return t * (var + eps) ** -0.5


def norm(
    x: np.ndarray,
    gamma: Any,
    beta: Any,
    eps: float,
    *,
    rows: bool = False,
    mean: Callable = column_mean,
    var: Callable = variance,
    divide: Callable = divide_by_root,
) -> np.ndarray:
    """Normalize columns (or rows), with replaceable steps.

    mean(t) and var(t, mean) -> (N, D) or what broadcasts to it; divide(t - mean, var, eps) -> x_hat.
    """
    t = x.T if rows else x
    m = mean(t)
    x_hat = divide(t - m, var(t, m), eps)
    return gamma * (x_hat.T if rows else x_hat) + beta


def layer(i: Inputs, **steps: Any) -> np.ndarray:
    return norm(i["x"], i["gamma"], i["beta"], i["eps"], **steps)


def gradients(i: Inputs, **steps: Any) -> Arrays:
    arguments = {name: i[name] for name in ("x", "gamma", "beta")}
    return gradients_of(
        lambda x, gamma, beta: norm(x, gamma, beta, i["eps"], **steps), i["dout"], **arguments
    )


def dx_of(i: Inputs, gamma: np.ndarray, **steps: Any) -> np.ndarray:
    return complex_step_gradient(lambda v: norm(v, gamma, i["beta"], i["eps"], **steps), i["x"], i["dout"])


def norm_paths(i: Inputs, rows: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx of a normalization in its three parts: by x itself, by the mean, by the variance.  Each (N, D)

    The paths of notebook 2: where a statistic is held, it is measured on an x that does not move.
    """
    arrays = ((i[name].shape, i[name].tobytes()) for name in ("x", "gamma", "beta", "dout"))
    return _cached_paths(rows, i["eps"], *arrays)


@lru_cache(4)  # one diagnosis asks for the paths of one problem some twenty times
def _cached_paths(rows: bool, eps: float, *arrays: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, gamma, beta, dout = (np.frombuffer(content).reshape(shape) for shape, content in arrays)
    still = x.T if rows else x
    held: dict[str, Callable] = {
        "mean": lambda t: column_mean(still),
        "var": lambda t, mean: variance(still, column_mean(still)),
    }

    def slope(**frozen: Callable) -> np.ndarray:
        return complex_step_gradient(lambda v: norm(v, gamma, beta, eps, rows=rows, **frozen), x, dout)

    direct = slope(**held)
    return direct, slope(var=held["var"]) - direct, slope(mean=held["mean"]) - direct


def mean_of(x: np.ndarray) -> np.ndarray:
    return column_mean(x)[0]


def variance_of(x: np.ndarray) -> np.ndarray:
    return variance(x, column_mean(x))[0]
