"""The update rules that a Solver finds by their names, and the settings of each parameter."""

from collections.abc import Callable
from inspect import isfunction, signature
from typing import Any

import numpy as np

from cs231n import optim
from cs231n.adamw import adamw
from cs231n.training.checkpoint import Model

__all__ = ["configs_for", "rules_for"]


def rules_for(model: Model) -> dict[str, Callable]:
    """The rules of optim.py, and adamw; the layers of a model may bring faster ones in their place."""
    functions: dict[str, Callable] = {
        name: f for name, f in vars(optim).items() if name[0] != "_" and isfunction(f)
    }
    rules = {name: f for name, f in functions.items() if [*signature(f).parameters][2:] == ["config"]}
    rules.setdefault("adamw", adamw)
    return rules | getattr(getattr(model, "layers", None), "UPDATE_RULES", {})


def configs_for(
    model: Model, rule: Callable, settings: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], float]:
    """A copy of the settings for each parameter, and the learning rate of the rule.

    A weight decay is 0 for parameters of one dimension.

    Raises:
        TypeError, ValueError: the rule does not take the settings.
    """
    w = next(iter(model.params.values()))
    _, config = rule(w.copy(), np.zeros_like(w), dict(settings))  # a rule of the course may write into w
    configs = {name: dict(settings) for name in model.params}
    if "weight_decay" in config:
        for name, own_config in configs.items():
            if np.ndim(model.params[name]) < 2:
                own_config["weight_decay"] = 0.0
    return configs, config["learning_rate"]
