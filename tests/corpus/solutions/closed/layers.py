"""Layers in few lines: einsum, and the closed forms of the norms."""

import numpy as np

from tests.corpus.solutions.plain.layers import batchnorm_forward  # noqa: F401


def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(x.shape[0], -1)
    dx = np.einsum("nm,dm->nd", dout, w).reshape(x.shape)
    dw = np.einsum("nd,nm->dm", rows, dout)
    db = np.einsum("nm->m", dout)
    return dx, dw, db


def relu_forward(x):
    out = x * (x > 0)
    return out, {"positive": x > 0}


def relu_backward(dout, cache):
    return dout * cache["positive"]


def batchnorm_backward(dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N, D = dout.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma / (N * std) * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


def batchnorm_double_backward(ddx, dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N = len(x)
    v, g, vh, gh = ddx.sum(0), dout.sum(0), (ddx * x_hat).sum(0), (dout * x_hat).sum(0)
    vg = (ddx * dout).sum(0) - v * g / N - vh * gh / N
    ddout = gamma / (N * std) * (N * ddx - v - x_hat * vh)
    by_hand = vh * (N * dout - g) + gh * (N * ddx - v) + x_hat * (N * vg - 2 * vh * gh)
    dx = -gamma / (N * std) ** 2 * by_hand
    return ddout, dx, vg / std


def layernorm_forward(x, gamma, beta, ln_param):
    mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    std = np.sqrt(var + ln_param.get("eps", 1e-5))
    x_hat = (x - mu) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)


def layernorm_backward(dout, cache):
    x_hat, std, gamma = cache
    N, D = dout.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    g = dout * gamma
    dx = (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / std
    return dx, dgamma, dbeta


def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return x, (dropout_param, None)
    keep = np.random.default_rng(dropout_param.get("seed")).binomial(1, p, size=x.shape).astype(x.dtype)
    return x * keep / p, (dropout_param, keep / p)


def dropout_backward(dout, cache):
    return dout if cache[1] is None else dout * cache[1]
