"""Update rules: from weights and their gradient to the next weights.

Each is rule(w, dw, config=None) -> next_w, config. next_w and memory have the dtype of w, also float32: a
Python number as a factor keeps it, a NumPy float64 number, such as np.sqrt of a Python number, does not.
config is a dict of settings and of the rule's memory, such as velocity. Missing settings get their defaults,
the memory is written back into the same dict, and a config with a memory continues from it. Any other
argument raises a TypeError or ValueError before config is changed.
"""

import numpy as np

from cs231n.contracts import ZEROS, update_rule

__all__ = ["sgd", "sgd_momentum", "rmsprop", "adam"]


@update_rule(learning_rate=1e-2)
def sgd(w, dw, config=None):
    """next_w = w - learning_rate * dw.

    Args:
        w, dw: weights and their gradient, arrays of the same shape or numbers, not modified.
        config: dict of learning_rate 1e-2.
    Returns: next_w, config.
    """
    return w - config["learning_rate"] * dw, config


@update_rule(learning_rate=1e-2, momentum=0.9, velocity=ZEROS)
def sgd_momentum(w, dw, config=None):
    """A step along a velocity, a weighted sum of the gradients so far.

        velocity = momentum velocity - learning_rate dw          next_w = w + velocity

    Args:
        w, dw: as in sgd.
        config: dict of learning_rate 1e-2; momentum 0.9, the weight of the past; velocity, the shape of w.
    Returns: next_w, config.
    """
    config["velocity"] = config["momentum"] * config["velocity"] - config["learning_rate"] * dw
    return w + config["velocity"], config


@update_rule(learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8, cache=ZEROS)
def rmsprop(w, dw, config=None):
    """A step scaled by a running mean of squared gradients.

        cache = decay_rate cache + (1 - decay_rate) dw^2
        next_w = w - learning_rate dw / (sqrt(cache) + epsilon)

    Args:
        w, dw: as in sgd; a finite entry of dw whose square is infinite raises OverflowError.
        config: dict of learning_rate 1e-2; decay_rate 0.99, the weight of the past; epsilon 1e-8, outside the
            root; cache, the shape of w.
    Returns: next_w, config.
    Source: Tieleman and Hinton 2012, lecture 6e of Neural Networks for Machine Learning.
    """
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


@update_rule(blocks=True, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, m=ZEROS, v=ZEROS, t=0)
def adam(w, dw, config=None):
    """Momentum over rmsprop, with m and v corrected for their start at zero.

        t = t + 1
        m = beta1 m + (1 - beta1) dw          m_hat = m / (1 - beta1^t)
        v = beta2 v + (1 - beta2) dw^2        v_hat = v / (1 - beta2^t)
        next_w = w - learning_rate m_hat / (sqrt(v_hat) + epsilon)

    Args:
        w, dw: as in rmsprop.
        config: dict of learning_rate 1e-3; beta1 0.9; beta2 0.999; epsilon 1e-8; m and v, the shape of w; t,
            the number of steps so far.
    Returns: next_w, config.
    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
    """
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * dw**2
    m_hat = config["m"] / (1 - beta1 ** config["t"])
    v_hat = config["v"] / (1 - beta2 ** config["t"])
    return w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + config["epsilon"]), config
