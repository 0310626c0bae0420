"""Loops that numba compiles: each passes over its (N, D) arrays as few times as the mathematics allows.

The arrays are C-contiguous and of one dtype, float32 or float64: fast_layers checks it. Results are
written into arrays that the caller made.
"""

import functools
import warnings
from collections.abc import Callable

import numpy as np
from numba import njit

_cache_works = True  # until it has failed in this process


def compiled(function: Callable) -> Callable:
    """Compile function at its first call. The next process takes the machine code from numba's cache.

    numba raises what a full disk or a damaged file of that cache raises; here function is then compiled
    without it, and a warning says so, once in a process.
    """
    loop = None

    @functools.wraps(function)
    def call(*arguments):
        nonlocal loop
        global _cache_works
        try:
            if loop is None:
                loop = njit(function, cache=_cache_works, nogil=True, error_model="numpy")
            return loop(*arguments)
        except Exception as error:  # a damaged file may raise any
            folder = f" in {loop.stats.cache_path}" if loop else ""
            loop = njit(function, nogil=True, error_model="numpy")
            result = loop(*arguments)
            if _cache_works:
                _cache_works = False
                warnings.warn(
                    f"numba's cache of compiled code{folder} cannot be used ({type(error).__name__}: "
                    f"{error}), so each process compiles fast_layers again, for some seconds; free disk "
                    "space, delete that folder, or set NUMBA_CACHE_DIR to another one",
                    RuntimeWarning,
                    stacklevel=3,
                )
            return result

    return call


CACHED = 2**15  # entries that a processor's own cache holds from one loop to the next


@compiled
def batchnorm_forward(
    x, gamma, beta, bias, eps, momentum, running_mean, running_var, with_relu, out, stats_out
):
    """Batchnorm of x + bias in training mode, then relu if asked. stats_out (5, D) takes the next
    running_mean and running_var, and for the backward pass inv_std, mean and left:

        x_hat = (x - mean - left) * inv_std        left: what mean lost when it was rounded

    Mean and squared deviations are taken of a few rows while the processor's cache holds them, and merged:
    Chan, Golub and LeVeque 1979, Stanford STAN-CS-79-773, eq. 2.1. Those of the few rows are made in two
    passes, of which the second corrects the mean: the same 1983, The American Statistician 37(3), eq. 1.7.
    float32 would lose digits to a large mean and to an outlier otherwise.

    Returns True if an inv_std is zero or above 1e15: contracts.require_scale says what that means.
    """
    N, D = x.shape
    zero, new = x.dtype.type(0), x.dtype.type(1 - momentum)
    momentum = x.dtype.type(momentum)
    first, mean, mu, squares, chunk_mean, chunk_left, chunk_squares, scale, offset = np.zeros((9, D), x.dtype)
    first[:] = x[0]
    rows = max(1, min(CACHED // D, 512))  # a sum of more rows one by one would lose digits
    for start in range(0, N, rows):
        stop = min(start + rows, N)
        size, seen = x.dtype.type(stop - start), x.dtype.type(start)
        chunk_mean[:] = 0
        chunk_left[:] = 0
        chunk_squares[:] = 0
        for i in range(start, stop):
            for j in range(D):
                chunk_mean[j] += x[i, j] - first[j]
        for j in range(D):
            chunk_mean[j] = first[j] + chunk_mean[j] / size
        for i in range(start, stop):
            for j in range(D):
                centered = x[i, j] - chunk_mean[j]
                chunk_left[j] += centered
                chunk_squares[j] += centered * centered
        if start == 0:
            mean[:] = chunk_mean
        share = size / (seen + size)
        for j in range(D):
            lost = chunk_left[j] / size
            step = chunk_mean[j] - mean[j] + lost - mu[j]  # mu: the mean so far, less that of the first chunk
            mu[j] += share * step
            squares[j] += chunk_squares[j] - size * lost * lost + seen * share * step * step
    next_mean, next_var, inv_std, mean_out, left = stats_out
    degenerate = False
    for j in range(D):
        first_mean = mean[j]
        mean[j] += mu[j]
        mean_out[j] = mean[j]
        left[j] = mu[j] - (mean[j] - first_mean)
        var = squares[j] / N
        if np.isnan(var) and np.isfinite(mean[j]):  # infinite squares, less what the mean lost
            var = x.dtype.type(np.inf)
        inv_std[j] = 1 / np.sqrt(var + eps)
        degenerate |= inv_std[j] == zero or inv_std[j] > 1e15
        scale[j] = gamma[j] * inv_std[j]
        offset[j] = beta[j] - left[j] * scale[j]
        next_mean[j] = momentum * running_mean[j] + new * (mean[j] + bias[j])
        next_var[j] = momentum * running_var[j] + new * var
    for i in range(N):
        for j in range(D):
            y = (x[i, j] - mean[j]) * scale[j] + offset[j]
            out[i, j] = zero if with_relu and y <= zero else y  # NaN stays NaN
    return degenerate


@compiled
def batchnorm_backward(dout, out, x, mean_and_left, inv_std, gamma, with_relu, dx, dgamma, dbeta):
    """Relu if asked, then batchnorm, by the closed form: two passes over dout and x, one over dx.

    x_hat is not stored but written out, so that dgamma = inv_std (sum(g (x - mean)) - left dbeta), and

        dx = scale g - (x - mean) slope - level
    """
    N, D = dout.shape
    mean, left = mean_and_left.copy()  # local: the loops are not vectorized if writing dx could change them
    zero, count = dout.dtype.type(0), dout.dtype.type(N)
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dbeta[j] += g
            dgamma[j] += g * (x[i, j] - mean[j])
    for j in range(D):
        dgamma[j] = inv_std[j] * (dgamma[j] - left[j] * dbeta[j])
    scale = gamma * inv_std
    slope = scale * inv_std * dgamma / count
    level = scale * dbeta / count - left * slope
    for i in range(N):
        for j in range(D):
            g = dout[i, j] if not with_relu or out[i, j] > zero else zero
            dx[i, j] = scale[j] * g - (x[i, j] - mean[j]) * slope[j] - level[j]


@compiled
def adam(w, dw, m, v, next_w, beta1, beta2, rate, bias_correction, epsilon, decay):
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
