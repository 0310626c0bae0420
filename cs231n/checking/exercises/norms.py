"""Batch and layer normalization: their inputs, and how they are called."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.exercises.exercise import Exercise, call_gradients, call_out, features
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, array, call

__all__ = ["EXERCISES"]

LAYERS = "cs231n.layers"
DEFAULTS = "With no settings given"  # eps, momentum and running statistics are left to the function
RUNNING = ("running_mean", "running_var")


def norm_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    x, gamma, beta = features(rng, N, D), rng.uniform(0.4, 2, D), rng.normal(size=D)
    return {"x": x, "gamma": gamma, "beta": beta, "eps": 0.2, "dout": rng.normal(size=(N, D))}


def norm_inputs_with_zero(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    i = norm_inputs(rng, N, D, M)
    i["gamma"][1] = 0
    return i


def layernorm_inputs_by_default(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    """eps is not given; x is so small that 1e-5 matters."""
    i = norm_inputs(rng, N, D, M)
    return {**i, "x": 0.02 * i["x"], "eps": 1e-5, "by_default": True}


def batchnorm_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    running = {"running_mean": rng.normal(size=D), "running_var": rng.uniform(0.5, 2, D)}
    return {**norm_inputs(rng, N, D, M), "momentum": 0.7, **running}


def batchnorm_inputs_by_default(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    zeros = {name: np.zeros(D) for name in RUNNING}
    return {**layernorm_inputs_by_default(rng, N, D, M), "momentum": 0.9, **zeros}


def _batchnorm(module: Namespace, i: Inputs, bn_param: Inputs) -> tuple[Any, Any]:
    arrays = {"x": i["x"], "gamma": i["gamma"], "beta": i["beta"]}
    return call(module, "batchnorm_forward", ("out", "cache"), **arrays, bn_param=bn_param)


def batchnorm(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return _batchnorm(module, i, {"mode": "train", "eps": i["eps"]})


def call_batchnorm_forward(module: Namespace, i: Inputs) -> Arrays:
    settings = {} if i.get("by_default") else {"eps": i["eps"], "momentum": i["momentum"]}
    outputs = {}
    for mode, suffix in [("train", ""), ("test", "_in_test")]:
        param = {"mode": mode, **settings}
        if settings or mode == "test":
            param |= {name: i[name].copy() for name in RUNNING}
        out, _ = _batchnorm(module, i, param)
        outputs[f"out{suffix}"] = array("batchnorm_forward", "out", out)
        for name in RUNNING:
            value = array("batchnorm_forward", f"bn_param[{name!r}]", param.get(name))
            outputs[name if mode == "train" else f"{name}_after_test"] = value
    return outputs


def call_batchnorm_backward(name: str) -> Callable[[Namespace, Inputs], Arrays]:
    arguments = ("x", "gamma", "beta")
    return lambda module, i: call_gradients(module, name, arguments, batchnorm(module, i)[1], dout=i["dout"])


def second_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return {**norm_inputs(rng, N, D, M), "ddx": rng.normal(size=(N, D))}


def second_inputs_with_zero(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    i = second_inputs(rng, N, D, M)
    i["gamma"][1] = 0
    return i


def call_batchnorm_double_backward(module: Namespace, i: Inputs) -> Arrays:
    name, cache = "batchnorm_double_backward", batchnorm(module, i)[1]
    return call_gradients(module, name, ("dout", "x", "gamma"), cache, ddx=i["ddx"], dout=i["dout"])


def layernorm(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    returns = ("out", "cache")
    arrays, ln_param = {"gamma": i["gamma"], "beta": i["beta"]}, {"eps": i["eps"]}
    if i.get("by_default"):
        ln_param = {"mode": "test"}  # it has no modes
        call(module, "layernorm_forward", returns, x=i["x"][1:], **arrays, ln_param=ln_param)
    return call(module, "layernorm_forward", returns, x=i["x"], **arrays, ln_param=ln_param)


def call_layernorm_backward(module: Namespace, i: Inputs) -> Arrays:
    cache = layernorm(module, i)[1]
    return call_gradients(module, "layernorm_backward", ("x", "gamma", "beta"), cache, dout=i["dout"])


EPS = (0.05, 0.4)
BACKWARD: dict[str, Any] = {
    "weights": {"dx": 8},  # dgamma and dbeta are two sums, and each a tenth
    "settings": {"eps": EPS},
    "situations": {"Where an entry of gamma is 0": norm_inputs_with_zero},
}
EXERCISES = (
    Exercise(
        "batchnorm_forward",
        LAYERS,
        batchnorm_inputs,
        call_batchnorm_forward,
        {DEFAULTS: batchnorm_inputs_by_default},
        settings={"eps": EPS, "momentum": (0.6, 0.85)},
        layer=batchnorm,
    ),
    Exercise(
        "batchnorm_backward",
        LAYERS,
        norm_inputs,
        call_batchnorm_backward("batchnorm_backward"),
        forward="batchnorm_forward",
        large=(2000, 48),
        **BACKWARD,
    ),
    Exercise(
        "batchnorm_backward_alt",
        LAYERS,
        norm_inputs,
        call_batchnorm_backward("batchnorm_backward_alt"),
        forward="batchnorm_forward",
        large=(2000, 48),
        forbidden=("batchnorm_backward", "layernorm_backward"),
        **BACKWARD,
    ),
    Exercise(
        "layernorm_forward",
        LAYERS,
        norm_inputs,
        call_out("layernorm_forward", layernorm),
        {"With no eps given, in mode 'test', for two batches": layernorm_inputs_by_default},
        settings={"eps": EPS},
        layer=layernorm,
    ),
    Exercise(
        "layernorm_backward",
        LAYERS,
        norm_inputs,
        call_layernorm_backward,
        forward="layernorm_forward",
        large=(48, 2000),
        **BACKWARD,
    ),
    Exercise(
        "batchnorm_double_backward",
        LAYERS,
        second_inputs,
        call_batchnorm_double_backward,
        forward="batchnorm_forward",
        second_order=True,
        large=(2000, 48),
        **BACKWARD | {"situations": {"Where an entry of gamma is 0": second_inputs_with_zero}},
    ),
)
