"""Layers entry by entry."""

import numpy as np

from tests.corpus.solutions.plain.layers import batchnorm_forward, relu_forward  # noqa: F401


def affine_forward(x, w, b):
    N, M = x.shape[0], w.shape[1]
    out = np.zeros((N, M), x.dtype)
    for i in range(N):
        row = x[i].ravel()
        for j in range(M):
            out[i, j] = b[j] + sum(row[k] * w[k, j] for k in range(len(row)))
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for i in range(len(x)):
        dx[i] = (w @ dout[i]).reshape(x[i].shape)
        dw += np.outer(x[i].ravel(), dout[i])
        db += dout[i]
    return dx, dw, db


def relu_backward(dout, cache):
    x = cache
    dx = np.array(dout, copy=True)
    dx[x <= 0] = 0
    return dx


def softmax_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        row = x[i] - x[i].max()
        total = np.exp(row).sum()
        loss += (np.log(total) - row[y[i]]) / N
        for j in range(C):
            dx[i, j] = (np.exp(row[j]) / total - (j == y[i])) / N
    return loss, dx


def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            if j == y[i]:
                continue
            margin = x[i, j] - x[i, y[i]] + 1
            if margin > 0:
                loss += margin / N
                dx[i, j] += 1 / N
                dx[i, y[i]] -= 1 / N
    return loss, dx


def batchnorm_backward(dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N, D = x.shape
    dx, dgamma, dbeta = np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    for j in range(D):
        for i in range(N):
            dbeta[j] += dout[i, j]
            dgamma[j] += dout[i, j] * x_hat[i, j]
        for i in range(N):
            for k in range(N):
                same = 1.0 if i == k else 0.0
                dx[i, j] += dout[k, j] * gamma[j] / std[j] * (same - 1 / N - x_hat[i, j] * x_hat[k, j] / N)
    return dx, dgamma, dbeta


def batchnorm_double_backward(ddx, dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N, D = x.shape
    ddout, dx, dgamma = np.zeros_like(x), np.zeros_like(x), np.zeros_like(gamma)
    for j in range(D):
        h, v, g, s = x_hat[:, j], ddx[:, j], dout[:, j], std[j]
        P = np.eye(N, dtype=x.dtype) - (1 + np.outer(h, h)) / N
        h_moves = P @ v / s
        s_moves = h @ v / N
        P_moves = -(np.outer(h_moves, h) + np.outer(h, h_moves)) / N
        ddout[:, j] = gamma[j] / s * (P @ v)
        dx[:, j] = gamma[j] / s * (P_moves @ g) - gamma[j] / s**2 * s_moves * (P @ g)
        dgamma[j] = v @ P @ g / s
    return ddout, dx, dgamma
