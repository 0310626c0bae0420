"""The layers again, with the names and contracts of layers and sandwiches, for speed.

    net = FullyConnectedNet([100] * 5, normalization="batchnorm", layers=fast_layers)

Batch normalization spends its time on moving arrays between memory and processor, so this module moves
less: batchnorm and relu are one loop over memory, compiled by numba where it is installed (the extra [fast]),
or NumPy that reuses its arrays. All other functions are those of layers and sandwiches, and so is every case
that the kernels do not support: test mode, complex numbers, mixed dtypes.
"""
# mypy: disable-error-code="no-redef"

import math
import os
from typing import Any, NamedTuple

import numpy as np

from cs231n import layers, optim, sandwiches
from cs231n.adamw import ADAM, ADAMW
from cs231n.adamw import adamw as adamw_by_definition
from cs231n.contracts import (
    DROPOUT,
    FUSED_BATCHNORM,
    OneOf,
    Optional,
    init_config,
    public_names,
    require_finite_squares,
    require_scale,
    takes,
)
from cs231n.layers import *
from cs231n.sandwiches import *
from cs231n.sandwiches import then_dropout

try:
    from cs231n import kernels
except ImportError:  # no numba
    kernels = None  # type: ignore[assignment]

__all__ = [*public_names(layers, sandwiches), "adam", "adamw"]


Array = np.ndarray
Grads = tuple[Array | None, ...]


class FusedCache(NamedTuple):
    relu_out: Array  # (N, D)  what relu let through; x again where no relu follows
    x: Array  # (N, D)  for a kernel; for NumPy, x less its mean
    mean: Array | None  # (2, D)  for a kernel: the mean, and what it lost by rounding
    inv_std: Array  # (D,)
    gamma: Array  # (D,)
    with_relu: bool

    @property
    def centered(self) -> Array:
        return self.x if self.mean is None else self.x - self.mean[0] - self.mean[1]

    @property
    def x_hat(self) -> Array:
        return self.centered * self.inv_std


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: dict) -> tuple[Array, Any]:
    """As layers.batchnorm_forward; the cache keeps x itself: leave it as it is until the backward pass."""
    if not _is_fused(bn_param, x, gamma, beta):
        return layers.batchnorm_forward(x, gamma, beta, bn_param)
    return _forward(x, gamma, beta, bn_param, False, None)


@takes("dout like cache.x")
def batchnorm_backward(dout: Array, cache: Any) -> Grads:
    """As layers.batchnorm_backward, by the closed form."""
    if not hasattr(cache, "with_relu"):
        return layers.batchnorm_backward_alt(dout, cache)
    relu_out, x, mean, inv_std, gamma, with_relu = cache
    if mean is not None and _is_one_dtype(dout, x):
        dout = np.ascontiguousarray(dout)
        dx, sums = np.empty(x.shape, x.dtype), np.empty((2, len(gamma)), x.dtype)
        dgamma, dbeta = sums[0], sums[1]
        kernels.batchnorm_backward(dout, relu_out, x, mean, inv_std, gamma, with_relu, dx, dgamma, dbeta)
        return dx, dgamma, dbeta
    centered, N = cache.centered, len(x)
    g = dout * (relu_out > 0) if with_relu else dout
    dbeta = np.ones(N, g.dtype) @ g
    dgamma = inv_std * np.einsum("nd,nd->d", g, centered)
    dx = centered * (inv_std * dgamma / -N)
    dx += g
    dx -= dbeta / N
    dx *= gamma * inv_std
    return dx, dgamma, dbeta


@takes("dout like cache.x")
def batchnorm_backward_alt(dout: Array, cache: Any) -> Grads:
    """As layers.batchnorm_backward_alt."""
    return batchnorm_backward(dout, cache)


def affine_norm_relu_forward(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, norm_param: dict, normalization: str
) -> tuple[Array, tuple]:
    """As sandwiches.affine_norm_relu_forward; batchnorm and relu are one, and the cache keeps out itself.

    Batchnorm takes a bias out again, so b is added to the running mean alone, and db is zero.
    """
    if (
        not isinstance(normalization, str)
        or normalization != "batchnorm"
        or not _is_fused(norm_param, x, w, b, gamma, beta)
    ):
        return sandwiches.affine_norm_relu_forward(x, w, b, gamma, beta, norm_param, normalization)
    out, norm_cache = _forward(_product(x, w, b), gamma, beta, norm_param, True, b)
    return out, (x, (w, b), norm_cache, None, normalization)


@takes("x (N, D...), w (D, M), b (M,)", where="affine_forward")
def _product(x: Array, w: Array, b: Array) -> Array:
    rows = x.reshape(len(x), -1)
    if w.size <= _IN_CACHE:
        return rows @ w
    return np.ascontiguousarray((w.T @ rows.T).T)  # BLAS passes faster over a w that comes from memory


_IN_CACHE = 2**20  # entries of w that the processor's cache holds from one step to the next


def affine_norm_relu_backward(dout: Array, cache: tuple, needs_dx: bool = True) -> Grads:
    """As sandwiches.affine_norm_relu_backward."""
    x, affine_cache, norm_cache, _, _ = cache
    if not hasattr(norm_cache, "with_relu"):
        return sandwiches.affine_norm_relu_backward(dout, cache, needs_dx)
    w, b = affine_cache
    da, dgamma, dbeta = batchnorm_backward(dout, norm_cache)
    dx = (da @ w.T).reshape(x.shape) if needs_dx else None
    return dx, _weight_gradient(x.reshape(len(x), -1), da), np.zeros(b.shape, b.dtype), dgamma, dbeta


def _weight_gradient(rows: Array, da: Array) -> Array:
    """rows.T @ da, in blocks where OpenBLAS's fast kernel for small products takes a block but not dw."""
    (N, D), M = rows.shape, da.shape[1]
    size = math.gcd(D, 96)  # rows of dw
    if not _IS_ONE_THREAD or size < 32 or not size * N * M <= 10**6 < D * N * M:  # that kernel has one thread
        return rows.T @ da
    return np.matmul(rows.reshape(N, -1, size).transpose(1, 2, 0), da).reshape(D, M)


@takes(normalization=OneOf((None, "batchnorm", "layernorm")), dropout_param=Optional(DROPOUT, empty=True))
def affine_norm_relu_dropout_forward(
    x: Array,
    w: Array,
    b: Array,
    gamma: Array | None,
    beta: Array | None,
    norm_param: dict | None,
    normalization: str | None,
    dropout_param: dict | None,
) -> tuple[Array, tuple]:
    """As sandwiches.affine_norm_relu_dropout_forward."""
    if normalization is None:
        return sandwiches.affine_norm_relu_dropout_forward(
            x, w, b, gamma, beta, norm_param, normalization, dropout_param
        )
    out, cache = affine_norm_relu_forward(x, w, b, gamma, beta, norm_param, normalization)
    return then_dropout(out, cache, normalization, dropout_param)


def affine_norm_relu_dropout_backward(dout: Array, cache: tuple, needs_dx: bool = True) -> Grads:
    """As sandwiches.affine_norm_relu_dropout_backward."""
    if cache[2] is None:
        return sandwiches.affine_norm_relu_dropout_backward(dout, cache, needs_dx)
    cache, dropout_cache, _ = cache
    if dropout_cache is not None:
        dout = dropout_backward(dout, dropout_cache)
    return affine_norm_relu_backward(dout, cache, needs_dx)


def adam(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """As optim.adam, in one pass over memory; config's m and v are updated in place.

    Settings are checked when config is first filled, not at each step. Where a square overflows, config
    starts from zero, since its memory was changed in place.
    """
    return _one_pass("adam", optim.adam, ADAM, w, dw, config)


def adamw(w: Array, dw: Array, config: dict | None = None) -> tuple[Array, dict]:
    """As adamw.adamw, in one pass over memory like adam."""
    return _one_pass("adamw", adamw_by_definition, ADAMW, w, dw, config)


def _one_pass(
    name: str, rule: Any, settings: dict, w: Array, dw: Array, config: dict | None
) -> tuple[Array, dict]:
    if not isinstance(config, dict) or not settings.keys() <= config.keys():
        config = init_config(name, w, dw, config, settings)
    m, v = config["m"], config["v"]
    if not (
        _is_one_dtype(w, dw, m, v)
        and w.shape == dw.shape == m.shape == v.shape
        and w.flags.c_contiguous
        and dw.flags.c_contiguous
        and m.flags.carray  # m and v are written to as well
        and v.flags.carray
    ):
        return rule(w, dw, config)
    if kernels is None:
        require_finite_squares(name, dw)
    t = config["t"] = config["t"] + 1
    beta1, beta2, rate = float(config["beta1"]), float(config["beta2"]), float(config["learning_rate"])
    numbers = (
        beta1,
        beta2,
        rate / (1 - beta1**t),
        1 / math.sqrt(1 - beta2**t),
        float(config["epsilon"]),
        1 - rate * float(config.get("weight_decay", 0)),
    )
    next_w = np.empty(w.shape, w.dtype)
    arrays = w, dw, m, v, next_w
    flat = arrays if w.ndim == 1 else [a.reshape(-1) for a in arrays]
    if kernels is not None:  # compiled once, for all shapes
        if kernels.adam(*flat, *numbers):  # type: ignore[call-arg]
            try:
                require_finite_squares(name, dw)
            except OverflowError:
                m[...] = v[...] = config["t"] = 0
                raise
    elif w.size <= _BLOCK:
        _adam_block(*flat, *numbers)
    else:
        for i in range(0, w.size, _BLOCK):
            _adam_block(*(a[i : i + _BLOCK] for a in flat), *numbers)
    return next_w, config


_BLOCK = 2**16  # entries whose five arrays stay in the processor's cache from one line to the next


def _adam_block(w, dw, m, v, out, beta1, beta2, rate, bias_correction, epsilon, decay):
    m *= beta1
    m += np.multiply(dw, 1 - beta1, out=out)
    v *= beta2
    np.multiply(dw, dw, out=out)
    out *= 1 - beta2
    v += out
    np.sqrt(v, out=out)
    out += epsilon / bias_correction
    np.divide(m, out, out=out)
    out *= -rate / bias_correction
    out += w if decay == 1 else decay * w


UPDATE_RULES = {"adam": adam, "adamw": adamw}

_COMPILED = np.dtype(np.float32), np.dtype(np.float64)
_IS_ONE_THREAD = os.environ.get("OPENBLAS_NUM_THREADS") == "1"


def _is_one_dtype(*arrays: Any) -> bool:
    dtype = getattr(arrays[0], "dtype", None)
    for a in arrays:
        if type(a) is not np.ndarray or a.dtype != dtype:  # np.matrix has another *
            return False
    return dtype in _COMPILED


def _is_fused(norm_param: Any, *arrays: Any) -> bool:
    mode = norm_param.get("mode") if isinstance(norm_param, dict) else None
    return isinstance(mode, str) and mode == "train" and _is_one_dtype(*arrays)


@takes("x (N, D), gamma (D,), beta (D,)", bn_param=FUSED_BATCHNORM, where="batchnorm_forward")
def _forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict, with_relu: bool, bias: Array | None = None
) -> tuple[Array, FusedCache]:
    """Training mode. bias was left out of x, because it changes nothing but the running mean."""
    eps, momentum = float(bn_param.get("eps", 1e-5)), float(bn_param.get("momentum", 0.9))
    zeros = np.zeros(x.shape[1], x.dtype)
    running_mean, running_var = (
        np.asarray(bn_param.get(name, zeros), x.dtype) for name in ("running_mean", "running_var")
    )
    if kernels is not None:
        x = np.ascontiguousarray(x)
        out, stats_out = np.empty(x.shape, x.dtype), np.empty((5, len(gamma)), x.dtype)
        bias = np.zeros(len(gamma), x.dtype) if bias is None else bias
        if kernels.batchnorm_forward(
            x, gamma, beta, bias, eps, momentum, running_mean, running_var, with_relu, out, stats_out
        ):
            require_scale("batchnorm_forward", x, stats_out[2], eps)
        bn_param["running_mean"], bn_param["running_var"] = stats_out[0], stats_out[1]
        cache = FusedCache(out if with_relu else x, x, stats_out[3:], stats_out[2], gamma, with_relu)
    else:
        N, ones = len(x), np.ones(len(x), x.dtype)  # ones @ x is a sum over the rows, by BLAS
        mu = ones / N @ x
        centered = x - mu
        left = ones @ centered / N  # what mu lost by rounding
        var = np.einsum("nd,nd->d", centered, centered) / N
        if (np.abs(left) > 4 * np.finfo(x.dtype).eps * np.sqrt(var)).any():  # mu is many deviations
            centered -= left
            var = np.einsum("nd,nd->d", centered, centered) / N
        inv_std = 1 / np.sqrt(var + eps)
        require_scale("batchnorm_forward", x, inv_std, eps)
        out = centered * (gamma * inv_std)
        out += beta
        if with_relu:
            np.maximum(out, np.zeros(len(gamma), x.dtype), out=out)  # a row is faster here than a number
        cache = FusedCache(out if with_relu else centered, centered, None, inv_std, gamma, with_relu)
        mu += left if bias is None else left + bias
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    return out, cache
