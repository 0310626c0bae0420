"""The backward of a backward: batchnorm_double_backward, which cs231n.layers hands on under the same name."""

import numpy as np

from cs231n.contracts import takes

__all__ = ["batchnorm_double_backward"]


@takes("ddx (N, D), dout (N, D), dout like cache.x_hat")
def batchnorm_double_backward(ddx, dout, cache):
    """Return the gradients of sum(ddx * dx) with respect to dout, x and gamma; dx is batchnorm_backward's.

    Column by column, with s = sqrt(var + eps):

        dx = (gamma / s) P dout        P t = t - mean(t) - x_hat mean(t x_hat)

    The gradient with respect to x is the Hessian of sum(dout * out) times ddx, where out is that of
    batchnorm_forward. Notebook 5 derives it.

    Args:
        ddx: (N, D) upstream gradient, that of a number with respect to dx.
        dout: (N, D), as batchnorm_backward gets it.
        cache: of batchnorm_forward in mode "train", where mu and var are functions of x.
    Returns: ddout (N, D), dx (N, D), dgamma (D,). dx does not depend on beta.
    Raises: ValueError: the cache is that of mode "test", where dx is gamma dout over a constant.
    """
    x_hat, inv_std, gamma = cache.x_hat, cache.inv_std, cache.gamma

    def project(t):
        return t - np.mean(t, axis=0) - x_hat * np.mean(t * x_hat, axis=0)

    p_ddx, p_dout = project(ddx), project(dout)  # (N, D)
    scale = gamma * inv_std  # (D,)
    ddout = scale * p_ddx  # (N, D)  P is symmetric
    dgamma = inv_std * (ddx * p_dout).sum(axis=0)  # (D,)
    # dx depends on x by 1/s, by the x_hat in front of the mean, and by the x_hat in it.
    by_inv_std = (ddx * x_hat).mean(axis=0) * p_dout  # (N, D)
    by_x_hat_before = (dout * x_hat).mean(axis=0) * p_ddx  # (N, D)
    by_x_hat_inside = (dout * p_ddx).mean(axis=0) * x_hat  # (N, D)
    dx = -scale * inv_std * (by_inv_std + by_x_hat_before + by_x_hat_inside)  # (N, D)
    return ddout, dx, dgamma
