"""Right layers for a net: the gradients of a norm are taken by complex steps along the axis that couples."""

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.definitions import STEP, affine, norm, normalize, relu, softmax


def _norm_backward(axis: int) -> Callable:
    def backward(dout, cache):
        x, gamma, beta, eps = cache
        dx = np.zeros(x.shape)
        for k in range(x.shape[axis]):
            place = (k, slice(None)) if axis == 0 else (slice(None), k)
            moved = x.astype(complex)
            moved[place] += 1j * STEP
            dx[place] = (dout * norm(moved, gamma, beta, axis, eps).imag).sum(axis=axis) / STEP
        return dx, (dout * normalize(x, axis, eps)[0]).sum(axis=0), dout.sum(axis=0)

    return backward


def _batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    (x_hat, *stats), names = normalize(x, 0, eps), ("running_mean", "running_var")
    running = [bn_param.get(name, np.zeros(x.shape[1])) for name in names]
    if bn_param["mode"] == "test":
        return gamma * (x - running[0]) / (running[1] + eps) ** 0.5 + beta, None
    for name, old, new in zip(names, running, stats):
        bn_param[name] = momentum * old + (1 - momentum) * new[0]
    return gamma * x_hat + beta, (x, gamma, beta, eps)


def _layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    return norm(x, gamma, beta, 1, eps), (x, gamma, beta, eps)


def _dropout_forward(x, dropout_param):
    p, mask = dropout_param["p"], np.ones(x.shape)
    if dropout_param["mode"] == "train":
        mask = (RandomState(dropout_param.get("seed")).uniform(size=x.shape) < p) / p
    return x * mask, (dropout_param, mask)


def _affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


RIGHT_LAYERS: dict[str, Callable] = {
    "affine_forward": lambda x, w, b: (affine(x, w, b), (x, w, b)),
    "affine_backward": _affine_backward,
    "relu_forward": lambda x: (relu(x), x),
    "relu_backward": lambda dout, x: dout * (x > 0),
    "softmax_loss": softmax,
    "batchnorm_forward": _batchnorm_forward,
    "batchnorm_backward": _norm_backward(0),
    "batchnorm_backward_alt": _norm_backward(0),
    "layernorm_forward": _layernorm_forward,
    "layernorm_backward": _norm_backward(1),
    "dropout_forward": _dropout_forward,
    "dropout_backward": lambda dout, cache: dout * cache[1],
}
