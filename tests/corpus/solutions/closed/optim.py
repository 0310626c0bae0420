"""Adam with the corrections folded into the learning rate."""

import numpy as np

DEFAULTS = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0}


def adam(w, dw, config=None):
    config = {**DEFAULTS, "m": 0 * w, "v": 0 * w, **(config or {})}
    b1, b2 = config["beta1"], config["beta2"]
    config["t"] = t = config["t"] + 1
    config["m"] = config["m"] + (1 - b1) * (dw - config["m"])
    config["v"] = config["v"] + (1 - b2) * (dw * dw - config["v"])
    rate = config["learning_rate"] * (1 - b2**t) ** 0.5 / (1 - b1**t)
    return w - rate * config["m"] / (np.sqrt(config["v"]) + config["epsilon"] * (1 - b2**t) ** 0.5), config
