"""Loops that numba compiles: each passes over its (N, D) arrays as few times as the mathematics allows.

The arrays are C-contiguous and of one dtype, float32 or float64; fast_layers sees to that. Results are
written into arrays that the caller made.
"""

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")

CACHED = 2**15  # entries that a processor's own cache holds from one loop to the next


@compiled
def batchnorm_forward(
    x, gamma, beta, bias, eps, momentum, running_mean, running_var, with_relu, out, stats_out
):
    """Batchnorm of x + bias in training mode, then relu if asked. stats_out (4, D) takes the next
    running_mean and running_var, and inv_std and shift for the backward pass:

        x_hat = (x - first) * inv_std - shift        with first = x[0], shift = (mu - first) * inv_std

    Differences from the first row keep the digits that float32 would lose to a large mean; and since no
    |x_hat| exceeds sqrt(N), they are never so large that subtracting shift would lose digits in turn.
    Mean and squared deviations are taken of a few rows while the processor's cache holds them, and merged:
    Chan, Golub and LeVeque 1979, Stanford STAN-CS-79-773, eq. 2.1.

    Returns True if an inv_std is zero or above 1e15: contracts.require_scale says what that means.
    """
    N, D = x.shape
    zero, new = x.dtype.type(0), x.dtype.type(1 - momentum)
    momentum = x.dtype.type(momentum)
    mu, squares, chunk_mean, scale, offset = np.zeros((5, D), x.dtype)
    rows = max(1, CACHED // D)
    for start in range(0, N, rows):
        stop = min(start + rows, N)
        size, seen = x.dtype.type(stop - start), x.dtype.type(start)
        chunk_mean[:] = 0
        for i in range(start, stop):
            for j in range(D):
                chunk_mean[j] += x[i, j] - x[0, j]
        chunk_mean /= size
        for i in range(start, stop):
            for j in range(D):
                centered = x[i, j] - x[0, j] - chunk_mean[j]
                squares[j] += centered * centered
        share = size / (seen + size)
        for j in range(D):
            step = chunk_mean[j] - mu[j]
            mu[j] += share * step
            squares[j] += seen * share * step * step
    next_mean, next_var, inv_std, shift = stats_out
    degenerate = False
    for j in range(D):
        var = squares[j] / N
        inv_std[j] = 1 / np.sqrt(var + eps)
        degenerate |= inv_std[j] == zero or inv_std[j] > 1e15
        shift[j] = mu[j] * inv_std[j]
        scale[j] = gamma[j] * inv_std[j]
        offset[j] = beta[j] - gamma[j] * shift[j]
        next_mean[j] = momentum * running_mean[j] + new * (x[0, j] + mu[j] + bias[j])
        next_var[j] = momentum * running_var[j] + new * var
    for i in range(N):
        for j in range(D):
            y = (x[i, j] - x[0, j]) * scale[j] + offset[j]
            out[i, j] = zero if with_relu and y <= zero else y  # NaN stays NaN
    return degenerate


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
def adam(w, dw, m, v, beta1, beta2, rate, bias_correction, epsilon, decay, next_w):
    """One pass over arrays (n,); m and v are updated in place. As adamw.adamw, with

        rate = learning_rate / (1 - beta1^t)        bias_correction = 1 / sqrt(1 - beta2^t)
        decay = 1 - learning_rate * weight_decay, which is 1 for adam

    Returns True if an entry of v is infinite.
    """
    real = w.dtype.type
    new1, new2 = real(1 - beta1), real(1 - beta2)
    beta1, beta2 = real(beta1), real(beta2)
    rate, bias_correction, epsilon, decay = real(rate), real(bias_correction), real(epsilon), real(decay)
    infinite = False
    for i in range(w.size):
        m[i] = beta1 * m[i] + new1 * dw[i]
        v[i] = beta2 * v[i] + new2 * dw[i] * dw[i]
        infinite |= v[i] == np.inf
        next_w[i] = decay * w[i] - rate * m[i] / (np.sqrt(v[i]) * bias_correction + epsilon)
    return infinite
