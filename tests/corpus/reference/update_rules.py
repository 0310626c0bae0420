"""Update rules by their definitions, over several steps."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.trials import Trial, Truth, first_fault

# name: (memories, settings with other values than their defaults, defaults)
RULES: dict[str, tuple[tuple[str, ...], dict[str, float], dict[str, float]]] = {
    "sgd_momentum": (
        ("velocity",),
        {"learning_rate": 0.05, "momentum": 0.7},
        {"learning_rate": 1e-2, "momentum": 0.9},
    ),
    "rmsprop": (
        ("cache",),
        {"learning_rate": 0.05, "decay_rate": 0.8, "epsilon": 0.02},
        {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    ),
    "adam": (
        ("m", "v"),
        {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.9, "epsilon": 0.02, "t": 3},
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0},
    ),
}


def judge_rule(name: str, kit: SimpleNamespace) -> Truth:
    """Whether an update rule is right."""
    reason = first_fault(_try_rule(name, kit))
    return Truth(not reason, reason)


def _step(name: str, w: np.ndarray, dw: np.ndarray, c: dict[str, Any]) -> np.ndarray:
    """The next w by the definition of a rule; its memories in c move on."""
    if name == "sgd_momentum":
        c["velocity"] = c["momentum"] * c["velocity"] - c["learning_rate"] * dw
        return w + c["velocity"]
    if name == "rmsprop":
        c["cache"] = c["decay_rate"] * c["cache"] + (1 - c["decay_rate"]) * dw**2
        return w - c["learning_rate"] * dw / (c["cache"] ** 0.5 + c["epsilon"])
    c["t"] += 1
    c["m"] = c["beta1"] * c["m"] + (1 - c["beta1"]) * dw
    c["v"] = c["beta2"] * c["v"] + (1 - c["beta2"]) * dw**2
    m, v = c["m"] / (1 - c["beta1"] ** c["t"]), c["v"] / (1 - c["beta2"] ** c["t"])
    return w - c["learning_rate"] * m / (v**0.5 + c["epsilon"])


def _try_rule(name: str, kit: SimpleNamespace) -> Trial:
    memories, settings, defaults = RULES[name]
    for number, shape in enumerate([(6, 4), (7,), (3, 5)]):
        r = RandomState(number)
        w = r.randn(*shape)
        config: Any = None
        right: dict[str, Any] = {**defaults, **{m: np.zeros(shape) for m in memories}}
        if number == 1:  # as a Solver calls it
            config = {"learning_rate": 0.3}
            right |= config
        if number == 2:
            config = settings | {m: r.uniform(0.2, 2, shape) for m in memories}
            right = {k: np.copy(v) if k in memories else v for k, v in config.items()}
        for step in (1, 2, 3):
            dw = r.randn(*shape)
            dw.flat[::3], dw.flat[1::3] = dw.flat[::3] * 1e-9, dw.flat[1::3] * (step - 1)  # tiny, or 0
            expected = _step(name, w, dw, right)
            w, config = getattr(kit.optim, name)(w.copy(), dw.copy(), config)
            yield f"next_w of step {step}", w, expected
            for memory in (*memories, *(["t"] if "t" in right else [])):
                yield f"config[{memory!r}] of step {step}", config.get(memory), right[memory]
            w = np.array(w)
