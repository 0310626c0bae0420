"""Loops that numba compiles: each passes over its (N, D) arrays as few times as the mathematics allows.

The arrays are C-contiguous and of one dtype, float32 or float64; fast_layers sees to that. Results are
written into arrays that the caller made.
"""

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def batchnorm_forward(x, gamma, beta, eps, with_relu, out, x_hat, mu, var, inv_std):
    """Batchnorm in training mode, then relu if asked: three passes over x, one over out and x_hat.

    The first pass adds up x minus its first row, and the second what rounding left of the mean, so that
    float32 keeps its digits when a column's mean is large (Chan, Golub and LeVeque 1983, The American
    Statistician 37, eq. 1.7).
    """
    N, D = x.shape
    zero = x.dtype.type(0)
    left = np.zeros_like(mu)
    mu[:] = 0
    var[:] = 0
    for i in range(N):
        for j in range(D):
            mu[j] += x[i, j] - x[0, j]
    for j in range(D):
        mu[j] = x[0, j] + mu[j] / N
    for i in range(N):
        for j in range(D):
            centered = x[i, j] - mu[j]
            left[j] += centered
            var[j] += centered * centered
    for j in range(D):
        left[j] /= N
        var[j] = var[j] / N - left[j] * left[j]
        inv_std[j] = 1 / np.sqrt(var[j] + eps)
    for i in range(N):
        for j in range(D):
            h = (x[i, j] - mu[j] - left[j]) * inv_std[j]
            x_hat[i, j] = h
            y = gamma[j] * h + beta[j]
            out[i, j] = zero if with_relu and y <= zero else y      # NaN stays NaN
    for j in range(D):
        mu[j] += left[j]


@compiled
def batchnorm_backward(dout, out, x_hat, gamma, inv_std, with_relu, dx, dgamma, dbeta):
    """Relu if asked, then batchnorm, by the closed form: two passes over dout and x_hat, one over dx."""
    N, D = dout.shape
    zero = dout.dtype.type(0)
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dbeta[j] += g
            dgamma[j] += g * x_hat[i, j]
    scale, from_beta, from_gamma = gamma * inv_std, dbeta / dout.dtype.type(N), dgamma / dout.dtype.type(N)
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dx[i, j] = scale[j] * (g - from_beta[j] - x_hat[i, j] * from_gamma[j])


@compiled
def adam(w, dw, m, v, settings, next_w):
    """One pass over flat arrays; settings as fast_layers.adam names them."""
    beta1, fresh1, beta2, fresh2, rate, root, epsilon = settings
    for i in range(w.size):
        m[i] = beta1 * m[i] + fresh1 * dw[i]
        v[i] = beta2 * v[i] + fresh2 * dw[i] * dw[i]
        next_w[i] = w[i] - rate * m[i] / (np.sqrt(v[i]) * root + epsilon)
