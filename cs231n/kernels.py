"""Loops that numba compiles: each passes over its (N, D) arrays as few times as the mathematics allows.

The arrays are C-contiguous and of one dtype, float32 or float64; fast_layers sees to that. Results are
written into arrays that the caller made.
"""

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def batchnorm_forward(x, gamma, beta, eps, with_relu, out, mu, var, inv_std, shift):
    """Batchnorm in training mode, then relu if asked: three passes over x, one over out.

        x_hat = (x - first) * inv_std - shift        with first = x[0], shift = (mu - first) * inv_std

    Differences from the first row keep the digits that float32 would lose to a large mean; and since no
    |x_hat| exceeds sqrt(N), they are never so large that subtracting shift would lose digits in turn.
    """
    N, D = x.shape
    zero = x.dtype.type(0)
    mu[:] = 0
    var[:] = 0
    for i in range(N):
        for j in range(D):
            mu[j] += x[i, j] - x[0, j]
    mu /= x.dtype.type(N)
    for i in range(N):
        for j in range(D):
            centered = x[i, j] - x[0, j] - mu[j]
            var[j] += centered * centered
    scale, offset = np.empty_like(mu), np.empty_like(mu)
    for j in range(D):
        var[j] /= N
        inv_std[j] = 1 / np.sqrt(var[j] + eps)
        shift[j] = mu[j] * inv_std[j]
        scale[j] = gamma[j] * inv_std[j]
        offset[j] = beta[j] - gamma[j] * shift[j]
        mu[j] += x[0, j]
    for i in range(N):
        for j in range(D):
            y = (x[i, j] - x[0, j]) * scale[j] + offset[j]
            out[i, j] = zero if with_relu and y <= zero else y      # NaN stays NaN


@compiled
def batchnorm_backward(dout, out, x, shift, inv_std, gamma, with_relu, dx, dgamma, dbeta):
    """Relu if asked, then batchnorm, by the closed form: two passes over dout and x, one over dx.

    x_hat is not stored but written out, so that dgamma = inv_std sum(g (x - first)) - shift dbeta, and

        dx = scale g - (x - first) slope - level
    """
    N, D = dout.shape
    zero, count = dout.dtype.type(0), dout.dtype.type(N)
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dbeta[j] += g
            dgamma[j] += g * (x[i, j] - x[0, j])
    for j in range(D):
        dgamma[j] = inv_std[j] * dgamma[j] - shift[j] * dbeta[j]
    scale = gamma * inv_std
    slope = scale * inv_std * dgamma / count
    level = scale * (dbeta - shift * dgamma) / count
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dx[i, j] = scale[j] * g - (x[i, j] - x[0, j]) * slope[j] - level[j]


@compiled
def adam(w, dw, m, v, settings, next_w):
    """One pass over flat arrays; settings as fast_layers.adam names them."""
    beta1, fresh1, beta2, fresh2, rate, root, epsilon = settings
    for i in range(w.size):
        m[i] = beta1 * m[i] + fresh1 * dw[i]
        v[i] = beta2 * v[i] + fresh2 * dw[i] * dw[i]
        next_w[i] = w[i] - rate * m[i] / (np.sqrt(v[i]) * root + epsilon)
