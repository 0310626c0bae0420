"""Layers, each as a forward and a backward function.

Each forward returns its output and a cache. The backward below it takes dout, the gradient of the loss with
respect to that output, and the cache, whose content is free; it returns the gradient of each input. Inputs
are not modified. The line above a function says which arguments it takes. Others raise a TypeError or
ValueError, and a variance too large for the dtype of x raises an OverflowError, before anything is changed.

float32 stays float32: nets compute in it because it takes half the memory. np.zeros, np.ones and random
numbers are float64 unless a dtype is given, and an array times a NumPy float64 number becomes float64.
"""

from collections import namedtuple

import numpy as np

from cs231n.contracts import BATCHNORM, DROPOUT, LAYERNORM, takes
from cs231n.second_derivative import batchnorm_double_backward
from cs231n.spatial_layers import (
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)

__all__ = ["affine_forward", "affine_backward", "relu_forward", "relu_backward", "softmax_loss", "svm_loss",
           "batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt", "batchnorm_double_backward",
           "layernorm_forward", "layernorm_backward", "dropout_forward", "dropout_backward",
           "spatial_batchnorm_forward", "spatial_batchnorm_backward",
           "spatial_groupnorm_forward", "spatial_groupnorm_backward"]

BatchNormCache = namedtuple("BatchNormCache", "centered inv_std x_hat gamma")   # (N, D), (D,), (N, D), (D,)
LayerNormCache = namedtuple("LayerNormCache", "x_hat inv_std gamma")            # (N, D), (N, 1), (D,)
DropoutCache = namedtuple("DropoutCache", "dropout_param mask")                 # a dict, the shape of x


@takes("x (N, D...), w (D, M), b (M,)")
def affine_forward(x, w, b):
    """Multiply each example by a matrix and add a row: out = x w + b.

    Args:
        x: (N, d1, ..., dk), each example read as one row of D = d1 ... dk numbers.
        w: (D, M) weights.
        b: (M,) biases.
    Returns: out (N, M); cache, for affine_backward.
    """
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


@takes("dout (N, M)")
def affine_backward(dout, cache):
    """dout (N, M), cache of affine_forward -> dx with the shape of x, dw (D, M), db (M,)."""
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


@takes("x (...)")
def relu_forward(x):
    """out = max(0, x), entry by entry, for x of any shape. Returns out, cache."""
    return np.maximum(x, 0), x


@takes("dout like cache")
def relu_backward(dout, cache):
    """dout -> dx, both of the shape of x. At x = 0, where relu has no slope, its slope counts as 0."""
    x = cache
    return dout * (x > 0)


@takes("x (N, C), y (N,) < C")
def softmax_loss(x, y):
    """Mean cross-entropy of the softmax of scores, and its gradient.

        p_ij = exp(x_ij) / sum_k exp(x_ik)        loss = -mean_i log p_i,y_i

    Subtracting each row's largest score changes no p and keeps exp from overflowing.

    Args:
        x: (N, C) scores.
        y: (N,) integer labels, 0 <= y < C.
    Returns: loss, a scalar; dx (N, C), the gradient of the loss, with the mean over the batch in it.
    """
    N = len(x)
    shifted = x - x.max(axis=1, keepdims=True)                          # (N, C)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dx = np.exp(log_p)
    dx[np.arange(N), y] -= 1
    return -log_p[np.arange(N), y].mean(), dx / N


@takes("x (N, C), y (N,) < C")
def svm_loss(x, y):
    """Mean multiclass hinge loss with margin 1, and its gradient; takes and returns what softmax_loss does.

        loss = mean_i sum_{j != y_i} max(0, x_ij - x_i,y_i + 1)
    """
    N = len(x)
    margins = np.maximum(x - x[np.arange(N), y][:, None] + 1, 0)        # (N, C)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return margins.sum() / N, dx / N


@takes("x (N, D), gamma (D,), beta (D,)", bn_param=BATCHNORM)
def batchnorm_forward(x, gamma, beta, bn_param):
    """Give each column of x mean 0 and variance 1 over the batch, then scale by gamma and shift by beta.

        mu = mean_i x_i        var = mean_i (x_i - mu)^2
        x_hat = (x - mu) / sqrt(var + eps)        out = gamma x_hat + beta

    In mode "train" mu and var are those of this batch, and the running statistics in bn_param are updated:

        running = momentum * running + (1 - momentum) * sample

    so momentum is the weight of the past. The variance divides by N, in x_hat and in running_var.
    In mode "test" the running statistics take the place of mu and var, and nothing is updated; before any
    training batch they are mean 0 and variance 0, and a RuntimeWarning says so.

    Args:
        x: (N, D).
        gamma, beta: (D,) scale and shift.
        bn_param: dict of mode, "train" or "test", required; eps 1e-5, under the root; momentum 0.9;
            running_mean, running_var (D,), written back in mode "train".
    Returns: out (N, D); cache, for either backward (None in mode "test").
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1; the running statistics are the course's.
    """
    eps, momentum = float(bn_param.get("eps", 1e-5)), float(bn_param.get("momentum", 0.9))
    zeros = np.zeros_like(x[0].real)
    running_mean, running_var = bn_param.get("running_mean", zeros), bn_param.get("running_var", zeros)
    if bn_param["mode"] == "test":
        x_hat = (x - running_mean) / np.sqrt(running_var + eps)
        return gamma * x_hat + beta, None

    mu = x[0] + (x - x[0]).mean(axis=0)                                 # (D,)    keeps float32's digits
    centered = x - mu                                                   # (N, D)
    squared = centered * centered                                       # (N, D)
    var = squared.mean(axis=0)                                          # (D,)
    std = np.sqrt(var + eps)                                            # (D,)
    inv_std = 1 / std                                                   # (D,)
    x_hat = centered * inv_std                                          # (N, D)
    scaled = gamma * x_hat                                              # (N, D)
    out = scaled + beta                                                 # (N, D)
    bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu.real
    bn_param["running_var"] = momentum * running_var + (1 - momentum) * var.real
    return out, BatchNormCache(centered, inv_std, x_hat, gamma)


@takes("dout like cache.x_hat")
def batchnorm_backward(dout, cache):
    """dout (N, D) -> dx (N, D), dgamma (D,), dbeta (D,), staged: the forward's nodes in reverse.

    The cache is that of mode "train", where mu and var are functions of x.
    """
    centered, inv_std, x_hat, gamma = cache
    N = len(dout)
    dscaled = dout                                                      # (N, D)  out = scaled + beta
    dbeta = dout.sum(axis=0)                                            # (D,)
    dx_hat = gamma * dscaled                                            # (N, D)  scaled = gamma * x_hat
    dgamma = (dscaled * x_hat).sum(axis=0)                              # (D,)
    dcentered_from_x_hat = dx_hat * inv_std                             # (N, D)  x_hat = centered * inv_std
    dinv_std = (dx_hat * centered).sum(axis=0)                          # (D,)
    dstd = -dinv_std * inv_std**2                                       # (D,)    inv_std = 1 / std
    dvar = dstd * 0.5 * inv_std                                         # (D,)    std = sqrt(var + eps)
    dsquared = np.ones_like(dout) * dvar / N                            # (N, D)  var = mean(squared)
    dcentered_from_squared = 2 * centered * dsquared                    # (N, D)  squared = centered^2
    dcentered = dcentered_from_x_hat + dcentered_from_squared           # (N, D)
    dx_from_centered = dcentered                                        # (N, D)  centered = x - mu
    dmu = -dcentered.sum(axis=0)                                        # (D,)
    dx_from_mu = np.ones_like(dout) * dmu / N                           # (N, D)  mu = mean(x)
    dx = dx_from_centered + dx_from_mu                                  # (N, D)
    return dx, dgamma, dbeta


@takes("dout like cache.x_hat")
def batchnorm_backward_alt(dout, cache):
    """As batchnorm_backward, for the same cache, but with dx in closed form and without another backward."""
    centered, inv_std, x_hat, gamma = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = np.einsum("nd,nd->d", dout, x_hat)
    dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))
    return dx, dgamma, dbeta


@takes("x (N, D), gamma (D,), beta (D,)", ln_param=LAYERNORM)
def layernorm_forward(x, gamma, beta, ln_param):
    """Give each row of x mean 0 and variance 1, then scale the columns by gamma and shift them by beta.

        mu_i = mean_j x_ij        var_i = mean_j (x_ij - mu_i)^2
        x_hat_ij = (x_ij - mu_i) / sqrt(var_i + eps)        out_ij = gamma_j x_hat_ij + beta_j

    The statistics belong to one example, so training and testing are the same.

    Args:
        x: (N, D).
        gamma, beta: (D,) scale and shift.
        ln_param: dict of eps 1e-5, under the root; it may be empty, or a bn_param, whose eps alone is read.
    Returns: out (N, D); cache, for layernorm_backward.
    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 4; the eps is ours.
    """
    first, eps = x[:, :1], float(ln_param.get("eps", 1e-5))             # (N, 1)
    mu = first + (x - first).mean(axis=1, keepdims=True)                # (N, 1)  keeps float32's digits
    centered = x - mu                                                   # (N, D)
    var = (centered * centered).mean(axis=1, keepdims=True)             # (N, 1)
    inv_std = 1 / np.sqrt(var + eps)                                    # (N, 1)
    x_hat = centered * inv_std                                          # (N, D)
    return gamma * x_hat + beta, LayerNormCache(x_hat, inv_std, gamma)


@takes("dout like cache.x_hat")
def layernorm_backward(dout, cache):
    """dout (N, D), cache of layernorm_forward -> dx (N, D), dgamma (D,), dbeta (D,)."""
    x_hat, inv_std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    g = gamma * dout                                                    # (N, D)
    dx = inv_std * (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True))
    return dx, dgamma, dbeta


@takes("x (...)", dropout_param=DROPOUT)
def dropout_forward(x, dropout_param):
    """Inverted dropout: keep each entry with probability p and divide it by p, so that its mean stays.

    Args:
        x: any shape.
        dropout_param: dict of p, the probability to KEEP, 0 < p <= 1, and mode, "train" or "test", both
            required; seed, for the same mask at each call, as a gradient check needs; rng, where masks come
            from without a seed (default: the global numpy stream).
    Returns: out, in mode "test" equal to x; cache (dropout_param, mask), with a mask of 0 and 1/p, or None.
    Source: Srivastava et al. 2014, JMLR 15, section 10.
    """
    if dropout_param["mode"] == "test":
        return x.copy(), DropoutCache(dropout_param, None)
    p, seed = float(dropout_param["p"]), dropout_param.get("seed")
    rng = dropout_param.get("rng", np.random) if seed is None else np.random.RandomState(seed)
    mask = (rng.random(x.shape) < p).astype(x.dtype) / p
    return x * mask, DropoutCache(dropout_param, mask)


@takes("dout like cache.mask")
def dropout_backward(dout, cache):
    """dout -> dx, both of the shape of x; the cache is that of dropout_forward in either mode."""
    _, mask = cache
    return dout.copy() if mask is None else dout * mask
