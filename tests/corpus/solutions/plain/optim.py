"""Update rules step by step."""

import numpy as np


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


def rmsprop(w, dw, config=None):
    if config is None:
        config = {}
    lr, rho = config.get("learning_rate", 1e-2), config.get("decay_rate", 0.99)
    eps, cache = config.get("epsilon", 1e-8), config.get("cache", np.zeros_like(w))
    cache = rho * cache + (1 - rho) * dw**2
    next_w = w - lr * dw / (np.sqrt(cache) + eps)
    config["cache"] = cache
    return next_w, config


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
