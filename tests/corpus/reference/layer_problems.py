"""Problems of affine, relu and the norms, their gradients, and how a learner's forward is called."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.definitions import affine, gradient, norm, relu


@cache
def gradients_of(layer: str, number: int) -> list[np.ndarray]:
    """The gradients by each argument in problem `number` of a layer."""
    arrays, dout, f = layer_problem(layer, number)
    return [
        gradient(lambda v, k=k: f(*arrays[:k], v, *arrays[k + 1 :]), array, dout)
        for k, array in enumerate(arrays)
    ]


@cache
def layer_problem(layer: str, number: int) -> tuple[list[np.ndarray], np.ndarray, Callable]:
    """(arguments, dout, definition). Some entries of x are exactly zero; so is one of gamma."""
    r = RandomState(100 + number)
    if layer == "affine":
        x = r.randn(*[(5, 6), (4, 2, 3), (3, 2, 2, 2), (6, 1, 4)][number])
        x.flat[::5] = 0
        return [x, r.randn(x[0].size, 3), r.randn(3)], r.randn(len(x), 3), affine
    if layer == "relu":
        x = r.randn(*[(6, 5), (9,), (3, 2, 4, 2), (2, 3, 4)][number])
        x += np.copysign(0.01, x)
        return [x], r.randn(*x.shape), relu
    N, D = [(6, 4), (5, 7), (9, 3), (4, 6)][number]
    gamma, beta = r.uniform(0.5, 2, D), r.randn(D)
    if number == 1:
        gamma[2] = 0
    arrays = [r.randn(N, D) * r.uniform(0.5, 3, D) + r.randn(D), gamma, beta]
    axis, eps = 0 if layer == "batchnorm" else 1, eps_of(number)
    return arrays, r.randn(N, D), lambda *arrays: norm(*arrays, axis=axis, eps=eps)


def eps_of(number: int) -> float:
    return [1e-5, 0.3, 0.02, 1e-5][number]


def _param(layer: str, number: int) -> dict[str, Any]:
    """A new bn_param or ln_param for a problem; eps is left out where it has its default."""
    param: dict[str, Any] = {"mode": "train"} if layer == "batchnorm" else {}
    return param if eps_of(number) == 1e-5 else {**param, "eps": eps_of(number)}


def call_forward(
    kit: SimpleNamespace, layer: str, number: int, arrays: list[np.ndarray], **settings: float
) -> Any:
    param = [_param(layer, number) | settings] if layer in ("batchnorm", "layernorm") else []
    return getattr(kit.layers, f"{layer}_forward")(*arrays, *param)


def copies(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [array.copy() for array in arrays]
