"""Right solutions in the styles that learners write: loops, einsum, staged, closed; caches of their own.

SOLUTIONS[exercise][style] is the source of the functions that style defines; what it leaves out is the kit's.
"""

import importlib
from types import SimpleNamespace

from cs231n.checking.problems import EXERCISES
from tests.corpus.solutions_norms import NORMS

SOLUTIONS = {
    "affine_forward": {
        "plain": """
def affine_forward(x, w, b):
    N = x.shape[0]
    rows = x.reshape(N, -1)
    out = rows.dot(w) + b
    return out, (x, w, b)
""",
        "loops": """
def affine_forward(x, w, b):
    N, M = x.shape[0], w.shape[1]
    out = np.zeros((N, M), x.dtype)
    for i in range(N):
        row = x[i].ravel()
        for j in range(M):
            out[i, j] = b[j] + sum(row[k] * w[k, j] for k in range(len(row)))
    return out, {"x": x, "w": w}
""",
    },
    "affine_backward": {
        "plain": """
def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    rows = x.reshape(N, -1)
    dx = dout.dot(w.T).reshape(x.shape)
    dw = rows.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db
""",
        "einsum": """
def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(x.shape[0], -1)
    dx = np.einsum("nm,dm->nd", dout, w).reshape(x.shape)
    dw = np.einsum("nd,nm->dm", rows, dout)
    db = np.einsum("nm->m", dout)
    return dx, dw, db
""",
        "examples": """
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for i in range(len(x)):
        dx[i] = (w @ dout[i]).reshape(x[i].shape)
        dw += np.outer(x[i].ravel(), dout[i])
        db += dout[i]
    return dx, dw, db
""",
    },
    "relu_forward": {
        "maximum": """
def relu_forward(x):
    out = np.maximum(0, x)
    return out, x
""",
        "mask": """
def relu_forward(x):
    out = x * (x > 0)
    return out, {"positive": x > 0}
""",
    },
    "relu_backward": {
        "mask": """
def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx
""",
        "assigned": """
def relu_backward(dout, cache):
    x = cache
    dx = np.array(dout, copy=True)
    dx[x <= 0] = 0
    return dx
""",
        "where": """
def relu_backward(dout, cache):
    dx = np.where(cache > 0, dout, 0)
    return dx
""",
    },
    "softmax_loss": {
        "probabilities": """
def softmax_loss(x, y, label_smoothing=0.0):
    (N, C), s = x.shape, label_smoothing
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    if s > 0:
        loss = (1 - s) * loss - s * np.mean(np.log(p))
        dx += (s * (np.eye(C)[y] - 1 / C) / N).astype(x.dtype)
    return loss, dx
""",
        "loops": """
def softmax_loss(x, y, label_smoothing=0.0):
    (N, C), s = x.shape, label_smoothing
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        row = x[i] - x[i].max()
        total = np.exp(row).sum()
        target = [(1 - s) * (j == y[i]) + s / C for j in range(C)]
        for j in range(C):
            loss += target[j] * (np.log(total) - row[j]) / N
            dx[i, j] = (np.exp(row[j]) / total - target[j]) / N
    return loss, dx
""",
    },
    **NORMS,
    "dropout_forward": {
        "rand": """
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = ((np.random.rand(*x.shape) < p) / p).astype(x.dtype)
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)
""",
        "generator": """
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return x, (dropout_param, None)
    keep = np.random.default_rng(dropout_param.get("seed")).binomial(1, p, size=x.shape).astype(x.dtype)
    return x * keep / p, (dropout_param, keep / p)
""",
    },
    "dropout_backward": {
        "mask": """
def dropout_backward(dout, cache):
    param, mask = cache
    p, mode = param["p"], param["mode"]
    if mode == "train":
        dx = dout * mask
    else:
        dx = dout
    return dx
""",
        "own-cache": """
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    rng = np.random.RandomState(dropout_param["seed"])
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
""",
    },
    "sgd_momentum": {
        "plain": """
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    config["velocity"] = v
    return next_w, config
""",
    },
    "rmsprop": {
        "plain": """
def rmsprop(w, dw, config=None):
    if config is None:
        config = {}
    lr, rho = config.get("learning_rate", 1e-2), config.get("decay_rate", 0.99)
    eps, cache = config.get("epsilon", 1e-8), config.get("cache", np.zeros_like(w))
    cache = rho * cache + (1 - rho) * dw**2
    next_w = w - lr * dw / (np.sqrt(cache) + eps)
    config["cache"] = cache
    return next_w, config
""",
    },
    "adam": {
        "plain": """
def adam(w, dw, config=None):
    if config is None:
        config = {}
    lr, beta1 = config.get("learning_rate", 1e-3), config.get("beta1", 0.9)
    beta2, eps = config.get("beta2", 0.999), config.get("epsilon", 1e-8)
    m, v = config.get("m", np.zeros_like(w)), config.get("v", np.zeros_like(w))
    t = config.get("t", 0)
    t += 1
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * dw**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    next_w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
    config["m"], config["v"], config["t"] = m, v, t
    return next_w, config
""",
        "folded": """
def adam(w, dw, config=None):
    config = dict(learning_rate=1e-3, beta1=.9, beta2=.999, epsilon=1e-8, m=0*w, v=0*w, t=0) | (config or {})
    b1, b2 = config["beta1"], config["beta2"]
    config["t"] = t = config["t"] + 1
    config["m"] = config["m"] + (1 - b1) * (dw - config["m"])
    config["v"] = config["v"] + (1 - b2) * (dw * dw - config["v"])
    rate = config["learning_rate"] * (1 - b2**t) ** 0.5 / (1 - b1**t)
    return w - rate * config["m"] / (np.sqrt(config["v"]) + config["epsilon"] * (1 - b2**t) ** 0.5), config
""",
    },
    "TwoLayerNet.loss": {
        "layers": """
class TwoLayerNet(TwoLayerNet):
    def loss(self, X, y=None):
        W1, b1, W2, b2 = self.params["W1"], self.params["b1"], self.params["W2"], self.params["b2"]
        a, fc_cache = affine_forward(X, W1, b1)
        h, relu_cache = relu_forward(a)
        scores, cache2 = affine_forward(h, W2, b2)
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        loss += 0.5 * self.reg * (np.sum(W1**2) + np.sum(W2**2))
        grads = {}
        dh, grads["W2"], grads["b2"] = affine_backward(dscores, cache2)
        da = relu_backward(dh, relu_cache)
        dx, grads["W1"], grads["b1"] = affine_backward(da, fc_cache)
        grads["W1"] += self.reg * W1
        grads["W2"] += self.reg * W2
        return loss, grads
""",
    },
    "FullyConnectedNet": {
        "layers": """
class FullyConnectedNet(FullyConnectedNet):
    def _scores(self, X):
        caches, h = {}, X
        L = self.num_layers
        for i in range(1, L):
            W, b = self.params[f"W{i}"], self.params[f"b{i}"]
            a, fc = affine_forward(h, W, b)
            norm = None
            if self.normalization:
                gamma, beta, param = self.params[f"gamma{i}"], self.params[f"beta{i}"], self.bn_params[i - 1]
            if self.normalization == "batchnorm":
                a, norm = batchnorm_forward(a, gamma, beta, param)
            elif self.normalization == "layernorm":
                a, norm = layernorm_forward(a, gamma, beta, param)
            h, relu = relu_forward(a)
            drop = None
            if self.use_dropout:
                h, drop = dropout_forward(h, self.dropout_param)
            caches[i] = fc, norm, relu, drop
        scores, caches[L] = affine_forward(h, self.params[f"W{L}"], self.params[f"b{L}"])
        return scores, caches

    def _loss(self, scores, caches, y):
        L, grads = self.num_layers, {}
        loss, dscores = softmax_loss(scores, y, self.label_smoothing)
        dh, grads[f"W{L}"], grads[f"b{L}"] = affine_backward(dscores, caches[L])
        for i in range(L - 1, 0, -1):
            fc, norm, relu, drop = caches[i]
            if drop is not None:
                dh = dropout_backward(dh, drop)
            da = relu_backward(dh, relu)
            if self.normalization == "batchnorm":
                da, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward(da, norm)
            elif self.normalization == "layernorm":
                da, grads[f"gamma{i}"], grads[f"beta{i}"] = layernorm_backward(da, norm)
            dh, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(da, fc)
        for i in range(1, L + 1):
            W = self.params[f"W{i}"]
            loss += 0.5 * self.reg * np.sum(W * W)
            grads[f"W{i}"] = grads[f"W{i}"] + self.reg * W
        return loss, grads
""",
    },
}


def built(exercise, source):
    """The functions of source over those of the exercise's module, as a namespace that checks can run."""
    names = dict(vars(importlib.import_module(EXERCISES[exercise])))
    exec(compile(source, f"<{exercise}>", "exec"), names)
    return SimpleNamespace(**names)
