"""The update rules: their inputs, and how they are called."""

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState

from cs231n.checking.exercises.exercise import Exercise, MakeInputs
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn, array, call

__all__ = ["DEFAULTS", "EXERCISES"]

DEFAULTS: dict[str, dict[str, float]] = {
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0},
}
RANGES = {
    "learning_rate": (0.03, 0.08),
    "momentum": (0.6, 0.85),
    "decay_rate": (0.6, 0.95),
    "epsilon": (0.005, 0.02),
    "beta1": (0.6, 0.85),
    "beta2": (0.9, 0.98),
    "t": (2, 9),
}
STATE = ("w", "dw", "dw_next", "by_default")  # inputs that are not in config


def rule_inputs(memories: tuple[str, ...], settings: dict[str, float]) -> MakeInputs:
    """Exercise.inputs of one step: w, dw, one array for each of `memories`, and the settings."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        arrays = {name: rng.uniform(0.2, 2, (N, D)) for name in memories}
        w, dw = rng.normal(size=(2, N, D))
        dw.flat[::6] = 0  # where the memory alone moves w
        return {"w": w, "dw": dw, **arrays, **settings}

    return inputs


def rule_inputs_by_default(memories: tuple[str, ...], settings: dict[str, float]) -> MakeInputs:
    """Exercise.inputs of two steps without a config: with the defaults, and gradients so small that epsilon
    matters; w has one axis, as a bias has."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        arrays = {name: np.zeros(N + D) for name in memories}
        dw, dw_next = rng.normal(size=(2, N + D)) * 10.0 ** rng.randint(-8, 1, N + D)
        w = rng.normal(size=N + D)
        return {"w": w, "dw": dw, "dw_next": dw_next, "by_default": True, **arrays, **settings}

    return inputs


def call_rule(name: str, memories: tuple[str, ...]) -> Callable[[Namespace, Inputs], Arrays]:
    """Exercise.call of an update rule: one step from a config, or two without one."""
    returns = ("next_w", "config")

    def step(module: Namespace, w: np.ndarray, dw: np.ndarray, **config_or_none: Inputs) -> tuple:
        next_w, config = call(module, name, returns, w=w, dw=dw, **config_or_none)
        if not isinstance(config, dict):
            raise WrongReturn(f"{name} must return next_w, config, and config must be a dict")
        return array(name, "next_w", next_w), config

    def outputs(module: Namespace, i: Inputs) -> Arrays:
        arrays = {}
        if i.get("by_default"):
            arrays["first_w"], config = step(module, i["w"], i["dw"])
            arrays["next_w"], config = step(module, arrays["first_w"], i["dw_next"], config=config)
        else:
            config = {key: np.copy(v) if np.ndim(v) else v for key, v in i.items() if key not in STATE}
            arrays["next_w"], config = step(module, i["w"], i["dw"], config=config)
        return arrays | {key: array(name, f"config[{key!r}]", config.get(key)) for key in memories}

    return outputs


def _exercise(name: str, *memories: str, **settings: float) -> Exercise:
    arrays = tuple(memory for memory in memories if memory != "t")
    return Exercise(
        name,
        "cs231n.optim",
        rule_inputs(arrays, settings),
        call_rule(name, memories),
        {"Called without config, two steps": rule_inputs_by_default(arrays, DEFAULTS[name])},
        settings={setting: RANGES[setting] for setting in settings},
    )


EXERCISES = (
    _exercise("sgd_momentum", "velocity", learning_rate=0.05, momentum=0.8),
    _exercise("rmsprop", "cache", learning_rate=0.05, decay_rate=0.9, epsilon=0.01),
    _exercise("adam", "m", "v", "t", t=4, learning_rate=0.05, beta1=0.8, beta2=0.95, epsilon=0.01),
)
