"""What everything here is compared to: the usual solution of the assignment, and the formulas of two posts.

It is written as such solutions usually are: some constants are float64, each step makes a new array, both
sums of the closed form are computed again, and every dx is computed.
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    N, D = x.shape
    mu = 1 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + bn_param.get("eps", 1e-5))
    ivar = 1 / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(D, x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, x.dtype))
    bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
    bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    return out, (xhat, gamma, xmu, ivar, sqrtvar)


def batchnorm_backward_staged(dout, cache):
    """The staged pass of the walk through the graph, node by node."""
    xhat, gamma, xmu, ivar, sqrtvar = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1 / (sqrtvar**2) * divar
    dvar = 0.5 * ivar * dsqrtvar
    dsq = 1 / N * np.ones((N, D), dout.dtype) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1 / N * np.ones((N, D), dout.dtype) * dmu
    return dx1 + dx2, dgamma, dbeta


def batchnorm_backward_post(dout, cache):
    """The closed form of the pen-and-paper derivation."""
    xhat, gamma, xmu, ivar, sqrtvar = cache
    N, D = dout.shape
    dxhat = dout * gamma
    dx = 1 / N * ivar * (N * dxhat - np.sum(dxhat, axis=0) - xhat * np.sum(dxhat * xhat, axis=0))
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


class Net:
    """The usual FullyConnectedNet with batchnorm: affine, batchnorm, relu, one after the other."""

    def __init__(self, params, num_layers):
        self.params, self.L = params, num_layers
        self.bn_params = [{} for _ in range(num_layers - 1)]

    def loss(self, X, y):
        p, caches, h = self.params, [], X.reshape(len(X), -1)
        for i in range(1, self.L):
            a = h.dot(p[f"W{i}"]) + p[f"b{i}"]
            n, cache = batchnorm_forward(a, p[f"gamma{i}"], p[f"beta{i}"], self.bn_params[i - 1])
            caches.append((h, cache, n))
            h = np.maximum(0, n)
        scores = h.dot(p[f"W{self.L}"]) + p[f"b{self.L}"]
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        loss = -np.sum(log_probs[np.arange(len(X)), y]) / len(X)
        d = np.exp(log_probs)
        d[np.arange(len(X)), y] -= 1
        d /= len(X)
        grads = {f"W{self.L}": h.T.dot(d), f"b{self.L}": np.sum(d, axis=0)}
        d = d.dot(p[f"W{self.L}"].T)
        for i in range(self.L - 1, 0, -1):
            h, cache, n = caches[i - 1]
            d = d * (n > 0)
            d, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward_staged(d, cache)
            grads[f"W{i}"], grads[f"b{i}"] = h.T.dot(d), np.sum(d, axis=0)
            d = d.dot(p[f"W{i}"].T)
        return loss, grads


def adam(w, dw, config):
    config["t"] += 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    mt = config["m"] / (1 - config["beta1"] ** config["t"])
    vt = config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"]), config
