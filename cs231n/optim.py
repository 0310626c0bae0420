"""Update rules: from weights and their gradient to the next weights.

Each is rule(w, dw, config=None) -> next_w, config. w and dw are arrays of one shape, or numbers, and are not
modified; next_w has the dtype of w, in which everything is computed. config is a dict of settings and of what
the rule remembers; missing settings are filled in, memory is written back into the same dict, and a config
that already holds memory goes on from there.
"""

import math

import numpy as np

from cs231n.contracts import instead, is_plain_array, require_number, require_options

__all__ = ["sgd", "sgd_momentum", "rmsprop", "adam", "adamw", "clip_by_norm"]


def sgd(w, dw, config=None):
    """next_w = w - learning_rate * dw.  Settings: learning_rate 1e-2."""
    config = fill("sgd", w, dw, config, learning_rate=1e-2)
    dw = as_dtype_of(w, dw)
    return w - config["learning_rate"] * dw, config


def sgd_momentum(w, dw, config=None):
    """v = momentum * v - learning_rate * dw;  next_w = w + v.

    Settings: learning_rate 1e-2, momentum 0.9 (the weight of the past). Memory: velocity, the shape of w.
    """
    config = fill("sgd_momentum", w, dw, config, learning_rate=1e-2, momentum=0.9, velocity=0)
    dw = as_dtype_of(w, dw)
    config["velocity"] = config["momentum"] * config["velocity"] - config["learning_rate"] * dw
    return w + config["velocity"], config


def rmsprop(w, dw, config=None):
    """A step scaled by a running mean of squared gradients.

        cache = decay_rate * cache + (1 - decay_rate) * dw^2
        next_w = w - learning_rate * dw / (sqrt(cache) + epsilon)

    Settings: learning_rate 1e-2, decay_rate 0.99 (the weight of the past), epsilon 1e-8, outside the root.
    Memory: cache, the shape of w.
    Source: Tieleman and Hinton 2012, lecture 6e of Neural Networks for Machine Learning.
    """
    config = fill("rmsprop", w, dw, config, learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8, cache=0)
    dw = as_dtype_of(w, dw)
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


def adam(w, dw, config=None):
    """Momentum over rmsprop, with both memories corrected for their start at zero.

        t = t + 1
        m = beta1 m + (1 - beta1) dw          m_hat = m / (1 - beta1^t)
        v = beta2 v + (1 - beta2) dw^2        v_hat = v / (1 - beta2^t)
        next_w = w - learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    Settings: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8. Memory: m, v, the shape of w; t, the
    steps taken.
    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
    """
    config = fill(
        "adam", w, dw, config, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, m=0, v=0, t=0
    )
    return _adam_step(w, dw, config), config


def adamw(w, dw, config=None):
    """adam with decoupled weight decay: the weights shrink, and the decay passes through neither m nor v.

        next_w = w - learning_rate * (m_hat / (sqrt(v_hat) + epsilon) + weight_decay * w)

    Settings: those of adam, and weight_decay 1e-2. Memory: that of adam.
    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2; weight_decay is multiplied by the
    learning rate as well, which makes a schedule the same for both.
    """
    config = fill(
        "adamw",
        w,
        dw,
        config,
        learning_rate=1e-3,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        weight_decay=1e-2,
        m=0,
        v=0,
        t=0,
    )
    return _adam_step(w, dw, config) - config["learning_rate"] * config["weight_decay"] * w, config


def _adam_step(w, dw, config):
    dw = as_dtype_of(w, dw)
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * dw**2
    m_hat = config["m"] / (1 - beta1 ** config["t"])
    v_hat = config["v"] / (1 - beta2 ** config["t"])
    return w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + config["epsilon"])


def clip_by_norm(grads, norm):
    """grads, a dict of arrays, scaled down together if their global norm is larger than norm.

        global norm = sqrt(sum of all squared entries)        scale = min(1, norm / global norm)

    Returns a new dict, or grads itself if there is nothing to do. One scale for all keeps the direction.
    Source: Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, algorithm 1.
    """
    require_number("clip_by_norm", "norm", norm, 0, above=True)
    with np.errstate(over="ignore", under="ignore"):
        found = math.hypot(*(np.linalg.norm(g) for g in grads.values()))
    if not 1e-15 < found < 1e15:  # a square that float32 cannot hold, or float64
        largest = max((float(np.max(np.abs(g))) for g in grads.values()), default=0.0)
        if 0 < largest < np.inf:
            found = largest * math.hypot(*(np.linalg.norm(g / np.float64(largest)) for g in grads.values()))
    return {name: g * (norm / found) for name, g in grads.items()} if found > norm else grads


UPDATE_RULES = {"sgd": sgd, "sgd_momentum": sgd_momentum, "rmsprop": rmsprop, "adam": adam, "adamw": adamw}

MEMORY = ("velocity", "cache", "m", "v")


def fill(rule, w, dw, config, **defaults):
    """Check the arguments of a rule, then give config what it lacks; memory starts as zeros like w."""
    config = {} if config is None else config
    require_options(rule, "config", config, defaults)
    _require_array(rule, "w", w)
    _require_array(rule, "dw", dw)
    dtype = getattr(w, "dtype", np.dtype(float))
    if dtype.kind != "f" or dtype.itemsize < 4:
        raise TypeError(f"{rule}: w must be floating point, of 32 bits or more, got {instead('w', w)}")
    if np.shape(w) != np.shape(dw):
        raise ValueError(f"{rule}: dw must have the shape of w, {np.shape(w)}, got {np.shape(dw)}")
    for name, value in config.items():
        if name in MEMORY:
            _require_array(rule, f"config[{name!r}]", value)
            if np.shape(value) != np.shape(w):
                raise ValueError(
                    f"{rule}: config[{name!r}] must have the shape of w, {np.shape(w)}, got "
                    f"{np.shape(value)}; try a new config for each parameter"
                )
            config[name] = as_dtype_of(w, value)
        elif type(value) is not float or not 0 <= value < 1:
            share = name in ("momentum", "decay_rate", "beta1", "beta2")
            require_number(
                rule,
                f"config[{name!r}]",
                value,
                0,
                1 if share else np.inf,
                below=share and rule in ("adam", "adamw"),
            )  # which divide by 1 - beta
            # A float64 scalar, like 10 ** np.random.uniform(-4, -2), would turn float32 weights into float64.
            config[name] = value.item() if isinstance(value, np.generic) else value
    if "epsilon" in defaults:
        require_squares(rule, as_dtype_of(w, dw))
    for name, value in defaults.items():
        if name not in config:
            config[name] = np.zeros_like(w) if name in MEMORY else value
    return config


def require_squares(rule, dw):
    """Check that no finite entry of dw has an infinite square: no step would ever follow it.

    An infinite or NaN entry passes, for the next w shows it. Raises: OverflowError.
    """
    if np.vdot(dw, dw) < np.inf:  # one fast pass, and no square exceeds their sum
        return
    with np.errstate(over="ignore"):
        lost = np.isfinite(dw) & np.isinf(np.square(dw))
    if lost.any():
        largest = np.max(np.abs(dw), where=lost, initial=0)
        raise OverflowError(
            f"{rule}: dw holds {largest:g}, whose square overflows {np.result_type(dw)}; "
            "try a smaller learning_rate, or clip_by_norm"
        )


def as_dtype_of(w, array):
    """array in the dtype of w, so that float32 weights stay float32; a Python number has no dtype to keep."""
    dtype = getattr(w, "dtype", None)
    return array if getattr(array, "dtype", dtype) == dtype else np.asarray(array, dtype)


def _require_array(rule, name, value):
    is_array = isinstance(value, np.number) or is_plain_array(value)
    if not is_array and (isinstance(value, bool) or not isinstance(value, (float, int))):
        raise TypeError(f"{rule}: {name} must be a numpy array, got {instead(name, value)}")
    if is_array and value.dtype.kind not in "fiu":
        raise TypeError(f"{rule}: {name} must hold real numbers, got {instead(name, value)}")
