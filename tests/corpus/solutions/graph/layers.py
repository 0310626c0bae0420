"""Layers as nodes of a graph, with names and caches of the learner's own."""

import numpy as np

from tests.corpus.solutions.plain.layers import relu_forward  # noqa: F401


def relu_backward(dout, cache):
    dx = np.where(cache > 0, dout, 0)
    return dx


def batchnorm_forward(x, gamma, beta, bn_param):
    momentum, eps = bn_param.get("momentum", 0.9), bn_param.get("eps", 1e-5)
    if bn_param["mode"] == "test":
        return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None
    mu = x.mean(0)
    xmu = x - mu
    sq = xmu**2
    var = sq.mean(0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    for name, sample in [("running_mean", mu), ("running_var", var)]:
        bn_param[name] = momentum * bn_param.get(name, 0 * mu) + (1 - momentum) * sample
    return gamma * xhat + beta, {"xmu": xmu, "xhat": xhat, "ivar": ivar, "sqrtvar": sqrtvar, "gamma": gamma}


def batchnorm_backward(dout, cache):
    xmu, xhat, ivar, sqrtvar, gamma = (cache[k] for k in ("xmu", "xhat", "ivar", "sqrtvar", "gamma"))
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 * 1.0 / sqrtvar * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D), dout.dtype) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D), dout.dtype) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batchnorm_double_backward(ddx, dout, cache):
    xmu, ivar, gamma = (cache[k] for k in ("xmu", "ivar", "gamma"))
    N, D = dout.shape
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dvar = -0.5 * ivar**3 * divar
    # and back through batchnorm_backward
    ddx1 = ddx - np.mean(ddx, axis=0)
    ddxhat = ddx1 * ivar
    ivar_grad = np.sum(ddx1 * dxhat, axis=0)
    ddvar = np.sum(ddx1 * 2 * xmu, axis=0) / N
    xmu_grad = ddx1 * 2 * dvar / N
    ddivar = -0.5 * ivar**3 * ddvar
    ivar_grad = ivar_grad - 1.5 * ivar**2 * divar * ddvar
    ddxhat = ddxhat + ddivar * xmu
    xmu_grad = xmu_grad + ddivar * dxhat
    xmu_grad = xmu_grad + 2 * xmu / N * (-0.5 * ivar**3 * ivar_grad)
    dx = xmu_grad - np.mean(xmu_grad, axis=0)
    return ddxhat * gamma, dx, np.sum(ddxhat * dout, axis=0)


def layernorm_forward(x, gamma, beta, ln_param):
    xt = x.T
    c = xt - xt.mean(axis=0)
    xh = (c / np.sqrt((c**2).mean(axis=0) + ln_param.get("eps", 1e-5))).T
    return gamma * xh + beta, (xh, gamma)


def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    rng = np.random.RandomState(dropout_param.get("seed"))
    if dropout_param["mode"] == "test":
        return x, (None, p)
    mask = rng.rand(*x.shape) < p
    return x * mask / p, (mask, p)


def dropout_backward(dout, cache):
    mask, p = cache
    if mask is None:
        return dout
    dx = dout * mask / p
    return dx
