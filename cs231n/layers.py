"""Layers as forward and backward pairs: values go up, gradients come down.

Each forward returns its output and a cache; the backward beneath it takes the gradient of the loss with
respect to that output, dout, and the cache, and returns the gradient with respect to each input.
float32 stays float32, float64 stays float64 (a mixture is promoted, as NumPy does), and no input is modified.
"""

import warnings
from typing import NamedTuple

import numpy as np

from cs231n.contracts import (
    require,
    require_cache,
    require_choice,
    require_labels,
    require_number,
    require_options,
    require_rng,
    require_scale,
    require_seed,
)

__all__ = [
    "affine_forward", "affine_backward", "relu_forward", "relu_backward", "softmax_loss", "svm_loss",
    "batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt",
    "layernorm_forward", "layernorm_backward", "dropout_forward", "dropout_backward",
]


def affine_forward(x, w, b):
    """Multiply each example by a matrix and add a row: out = x w + b.

    Args:    x (N, d1, ..., dk), each example read as one row of D = d1 ... dk numbers; w (D, M); b (M,).
    Returns: out (N, M); cache, for affine_backward.
    Raises:  TypeError if an array is not floating point; ValueError if shapes disagree.
    """
    rows = affine_rows(x, w, b)                                         # (N, D)
    return rows @ w + b, (x, w, b)


def affine_backward(dout, cache):
    """dout (N, M) -> dx with the shape of x, dw (D, M), db (M,).

        dx = dout w'        dw = x' dout        db_j = sum_i dout_ij
    """
    require_cache("affine_backward", cache, ("x", "w", "b"))
    x, w, b = cache
    require_dout("affine_backward", dout, (len(x), len(b)))
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def relu_forward(x):
    """out = max(0, x), entry by entry, for x of any shape. Returns out, cache."""
    require("relu_forward", "x (...)", x)
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    """dout -> dx, both of the shape of x: dout passes where x > 0 and stops elsewhere, also at x = 0."""
    require_cache("relu_backward", cache, np.ndarray)
    x = cache
    require_dout("relu_backward", dout, x.shape)
    return dout * (x > 0)


def softmax_loss(x, y, label_smoothing=0.0):
    """Mean cross-entropy of the softmax of scores, and its gradient.

        p_ij = exp(x_ij) / sum_k exp(x_ik)        loss = -mean_i log p_i,y_i        dx = (p - onehot(y)) / N

    Subtracting each row's largest score changes no p and keeps exp from overflowing. With label_smoothing s
    the target t = (1 - s) onehot(y) + s / C replaces onehot(y): loss = -mean_i sum_j t_ij log p_ij.

    Args:    x (N, C) scores; y (N,) integer labels, 0 <= y < C; label_smoothing, 0 <= s < 1.
    Returns: loss, a scalar of the dtype of x; dx (N, C).
    Raises:  TypeError, ValueError if an argument is not as above.
    Source:  for the smoothing, Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    require("softmax_loss", "x (N, C)", x)
    require_labels("softmax_loss", y, *x.shape)
    require_number("softmax_loss", "label_smoothing", label_smoothing, 0, 1, below=True)
    (N, C), s = x.shape, float(label_smoothing)
    shifted = x - x.max(axis=1, keepdims=True)                          # (N, C)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(N), y].mean()
    dx = np.exp(log_p)
    dx[np.arange(N), y] -= 1 - s
    if s:       # 0 * log p would be NaN where p is 0
        loss = (1 - s) * loss - s * log_p.mean()
        dx -= s / C
    return loss, dx / N


def svm_loss(x, y):
    """Mean multiclass hinge loss with margin 1, and its gradient.

        loss = mean_i sum_{j != y_i} max(0, x_ij - x_i,y_i + 1)

    Args:    x (N, C) scores; y (N,) integer labels, 0 <= y < C.
    Returns: loss, a scalar of the dtype of x; dx (N, C).
    Raises:  TypeError, ValueError if x or y is not as above.
    """
    require("svm_loss", "x (N, C)", x)
    require_labels("svm_loss", y, *x.shape)
    N = len(x)
    margins = np.maximum(x - x[np.arange(N), y][:, None] + 1, 0)        # (N, C)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return margins.sum() / N, dx / N


class BatchNormCache(NamedTuple):
    centered: np.ndarray  # (N, D)  x - mu
    inv_std: np.ndarray   # (D,)    1 / sqrt(var + eps)
    x_hat: np.ndarray     # (N, D)
    gamma: np.ndarray     # (D,)


def batchnorm_forward(x, gamma, beta, bn_param):
    """Give each column of x mean 0 and variance 1 over the batch, then scale by gamma and shift by beta.

        mu = mean_i x_i        var = mean_i (x_i - mu)^2
        x_hat = (x - mu) / sqrt(var + eps)        out = gamma x_hat + beta

    In mode "train" mu and var are those of this batch, and the running statistics in bn_param are updated:

        running = momentum * running + (1 - momentum) * sample

    so momentum weighs the past. The variance divides by N both where it normalizes and where it is stored.
    Running statistics start at mean 0 and variance 0. In mode "test" they take the place of mu and var,
    nothing is updated, and there is no cache; before any training batch a RuntimeWarning says there are none.

    Args:    x (N, D); gamma, beta (D,); bn_param, a dict: mode "train" or "test", required; eps 1e-5, under
             the root; momentum 0.9; running_mean, running_var (D,), written back in mode "train".
    Returns: out (N, D); cache, for either backward (None in mode "test").
    Raises:  TypeError, ValueError before anything is changed.
    Source:  Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1; the running statistics are the course's.
    """
    mode, eps, momentum, running_mean, running_var = batchnorm_options(x, gamma, beta, bn_param)
    if mode == "test":
        x_hat = (x - running_mean) / np.sqrt(running_var + eps)
        return gamma * x_hat + beta, None

    mu = mean64(x, axis=0)                                              # (D,)
    centered = x - mu                                                   # (N, D)
    squared = centered * centered                                       # (N, D)
    var = squared.mean(axis=0)                                          # (D,)
    std = np.sqrt(var + eps)                                            # (D,)
    inv_std = 1 / std                                                   # (D,)
    require_scale("batchnorm_forward", x, inv_std, eps)
    x_hat = centered * inv_std                                          # (N, D)
    scaled = gamma * x_hat                                              # (N, D)
    out = scaled + beta                                                 # (N, D)

    bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu.real
    bn_param["running_var"] = momentum * running_var + (1 - momentum) * var.real
    return out, BatchNormCache(centered, inv_std, x_hat, gamma)


def batchnorm_backward(dout, cache):
    """The staged pass: the forward's nodes in reverse, one named gradient a node.

    A node used twice collects a gradient from each use; a sum over the batch in the forward hands its
    gradient to every row, and a row handed to the whole batch collects a sum over it.

    Args:    dout (N, D); cache of batchnorm_forward in mode "train".
    Returns: dx (N, D), dgamma (D,), dbeta (D,).
    """
    centered, inv_std, x_hat, gamma = _train_cache("batchnorm_backward", cache)
    require_dout("batchnorm_backward", dout, x_hat.shape)
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


def batchnorm_backward_alt(dout, cache):
    """The closed form: the same three gradients, with dx from the two sums that the parameters need anyway.

        d x_hat / d x = (I - 1 1'/N - x_hat x_hat'/N) / std        for each column, exact for any eps > 0

    Args and returns as batchnorm_backward.
    """
    centered, inv_std, x_hat, gamma = _train_cache("batchnorm_backward_alt", cache)
    require_dout("batchnorm_backward_alt", dout, x_hat.shape)
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = np.einsum("nd,nd->d", dout, x_hat)
    dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))
    return dx, dgamma, dbeta


class LayerNormCache(NamedTuple):
    x_hat: np.ndarray    # (N, D)
    inv_std: np.ndarray  # (N, 1)
    gamma: np.ndarray    # (D,)


def layernorm_forward(x, gamma, beta, ln_param):
    """Give each row of x mean 0 and variance 1, then scale the columns by gamma and shift them by beta.

    Batch normalization turned by a quarter: the statistics run along the features of one example, so no
    example sees another, and training and testing are the same.

    Args:    x (N, D); gamma, beta (D,); ln_param, a dict that may be empty: eps 1e-5, under the root.
             A bn_param is taken too; what layernorm has no use for is left alone.
    Returns: out (N, D); cache, for layernorm_backward.
    Raises:  TypeError, ValueError before anything is changed.
    Source:  Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 4; the eps is ours.
    """
    require("layernorm_forward", "x (N, D), gamma (D,), beta (D,)", x, gamma, beta)
    _, eps, _ = _norm_options("layernorm_forward", "ln_param", ln_param)
    centered = x - mean64(x, axis=1, keepdims=True)                     # (N, D)
    var = (centered * centered).mean(axis=1, keepdims=True)             # (N, 1)
    inv_std = 1 / np.sqrt(var + eps)                                    # (N, 1)
    require_scale("layernorm_forward", x, inv_std, eps)
    x_hat = centered * inv_std                                          # (N, D)
    return gamma * x_hat + beta, LayerNormCache(x_hat, inv_std, gamma)


def layernorm_backward(dout, cache):
    """dout (N, D) -> dx (N, D), dgamma (D,), dbeta (D,).  With g = gamma * dout, and means along each row:

        dx = (g - mean(g) - x_hat mean(g x_hat)) / std

    gamma differs along a row, so it stays inside the means, where batchnorm could take it out.
    """
    require_cache("layernorm_backward", cache, LayerNormCache)
    x_hat, inv_std, gamma = cache
    require_dout("layernorm_backward", dout, x_hat.shape)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    g = gamma * dout                                                    # (N, D)
    dx = inv_std * (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True))
    return dx, dgamma, dbeta


def dropout_forward(x, dropout_param):
    """Inverted dropout: keep each entry with probability p and divide it by p, so that its mean stays.

    In mode "test" out equals x.

    Args:    x of any shape; dropout_param, a dict: p, the probability to KEEP, 0 < p <= 1; mode "train" or
             "test", both required; seed, optional: the same mask at each call, as a gradient check needs;
             rng, optional: where masks come from without a seed (default: the global numpy stream).
    Returns: out, dtype of x; cache (dropout_param, mask), where mask holds 0 and 1/p (None in mode "test").
    Raises:  TypeError, ValueError before a random number is drawn.
    Source:  Srivastava et al. 2014, JMLR 15, section 10.
    """
    require("dropout_forward", "x (...)", x)
    p, mode, rng = dropout_options("dropout_forward", dropout_param)
    if mode == "test":
        return x.copy(), (dropout_param, None)
    mask = (rng.random(x.shape) < p).astype(x.dtype) / p
    return x * mask, (dropout_param, mask)


def dropout_backward(dout, cache):
    """dout -> dx, both of the shape of x: the gradient passes through the mask that the values passed."""
    require_cache("dropout_backward", cache, ("dropout_param", "mask"))
    _, mask = cache
    if mask is None:
        require("dropout_backward", "dout (...)", dout)
        return dout.copy()
    require_dout("dropout_backward", dout, mask.shape)
    return dout * mask


def mean64(x, **axis):
    """x.mean(**axis), added up in float64: a long float32 sum of large numbers rounds every term away."""
    return x.mean(**axis, dtype=np.result_type(x, np.float64)).astype(x.dtype)


def batchnorm_options(x, gamma, beta, bn_param):
    """The arguments of batchnorm_forward, checked -> mode, eps, momentum, running_mean, running_var."""
    where = "batchnorm_forward"
    require(where, "x (N, D), gamma (D,), beta (D,)", x, gamma, beta)
    mode, eps, momentum = _norm_options(where, "bn_param", bn_param)
    require_choice(where, "bn_param['mode']", mode, ("train", "test"))
    dtype = x.real.dtype
    running_mean, running_var = [bn_param[name] if name in bn_param else np.zeros(x.shape[1], dtype)
                                 for name in ("running_mean", "running_var")]
    require(where, "gamma (D,), running_mean (D,), running_var (D,)", gamma, running_mean, running_var)
    if mode == "test" and not {"running_mean", "running_var"} <= bn_param.keys():
        warnings.warn(f"{where}: mode 'test' before any training batch, so mean 0 and variance 0 stand in "
                      "for running statistics; try one forward in mode 'train' first",
                      RuntimeWarning, stacklevel=3)
    return mode, eps, momentum, running_mean.astype(dtype, copy=False), running_var.astype(dtype, copy=False)


def dropout_options(where, dropout_param):
    """dropout_param, checked -> p, mode, and the stream of random numbers that masks come from."""
    require_options(where, "dropout_param", dropout_param, ("p", "mode", "seed", "rng"))
    p, mode, seed = (dropout_param.get(name) for name in ("p", "mode", "seed"))
    rng = dropout_param.get("rng", np.random)
    require_number(where, "dropout_param['p'], the probability to keep,", p, 0, 1, above=True)
    require_choice(where, "dropout_param['mode']", mode, ("train", "test"))
    require_rng(where, rng)
    if seed is not None:
        require_seed(where, "dropout_param['seed']", seed)
        rng = np.random.RandomState(seed)
    return float(p), mode, rng


def affine_rows(x, w, b):
    """The arguments of affine_forward, checked -> x as rows (N, D)."""
    require("affine_forward", "w (D, M), b (M,)", w, b)
    require("affine_forward", "x (N, ...)", x)
    rows = x.reshape(len(x), -1)
    if rows.shape[1] != len(w):
        raise ValueError(f"affine_forward: x {x.shape} has {rows.shape[1]} numbers an example, but w "
                         f"{w.shape} takes {len(w)}; try w of shape ({rows.shape[1]}, {w.shape[1]})")
    return rows


def require_dout(where, dout, shape):
    require(where, "dout (...)", dout)
    if dout.shape != shape:
        hint = "dout.T" if dout.shape[::-1] == shape else "the cache of the forward that made this output"
        raise ValueError(f"{where}: dout must have the shape of the forward's output, {shape}, "
                         f"got {dout.shape}; try {hint}")


def _norm_options(where, name, param):
    require_options(where, name, param, ("mode", "eps", "momentum", "running_mean", "running_var"))
    eps, momentum = param.get("eps", 1e-5), param.get("momentum", 0.9)
    require_number(where, f"{name}['eps']", eps, 0)
    require_number(where, f"{name}['momentum']", momentum, 0, 1)
    return param.get("mode"), float(eps), float(momentum)


def _train_cache(where, cache):
    if cache is None:
        raise ValueError(f"{where}: this cache comes from a forward in mode 'test', which keeps none; "
                         "try bn_param['mode'] = 'train'")
    require_cache(where, cache, BatchNormCache)
    return cache

