"""Dropout: its inputs, and how it is called."""

from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.exercises.exercise import Exercise, MakeInputs, call_gradients, features
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn, array, call

__all__ = ["EXERCISES", "dropout"]

KEEP = {"p": (0.6, 0.85)}
ENTRIES = 10_000  # enough of them to measure the share that is kept


def dropout_inputs(*axes: int, zeros: bool = False) -> MakeInputs:
    """Exercise.inputs; x has the shape (many, D, *axes), and zeros puts some into it."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        many = max(N, ENTRIES // (D * int(np.prod(axes))))
        x = np.resize(features(rng, N, D), (many, D, *axes)) + 0.0
        if zeros:
            x.flat[::7] = 0
        return {"x": x, "p": 0.7, "seed": rng.randint(1000), "dout": rng.normal(size=x.shape)}

    return inputs


def dropout_inputs_of_one_axis(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    i = dropout_inputs()(rng, N, D, M)
    return {**i, "x": i["x"].ravel(), "dout": i["dout"].ravel()}


def dropout(module: Namespace, x: np.ndarray, param: Inputs) -> tuple[Any, Any]:
    return call(module, "dropout_forward", ("out", "cache"), x=x, dropout_param=param)


def dropout_in_training(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return dropout(module, i["x"], {"mode": "train", "p": i["p"], "seed": i["seed"]})


def call_dropout_forward(module: Namespace, i: Inputs) -> Arrays:
    seeded, other_seed = {"seed": i["seed"]}, {"seed": i["seed"] + 1}
    calls: dict[str, tuple[str, Inputs]] = {
        "out": ("train", seeded),
        "out_again": ("train", seeded),
        "out_of_other_seed": ("train", other_seed),
        "out_unseeded": ("train", {}),
        "out_unseeded_again": ("train", {}),
        "out_in_test": ("test", seeded),
    }
    outputs = {}
    for name, (mode, seed) in calls.items():
        param = {"mode": mode, "p": i["p"], **seed}
        out, _ = dropout(module, i["x"], param)
        outputs[name] = array("dropout_forward", "out", out)
        if any(param.get(key) != value for key, value in {"mode": mode, "p": i["p"], **seed}.items()):
            raise WrongReturn("dropout_forward changes a setting in dropout_param, which the next call reads")
    return outputs


def call_dropout_backward(module: Namespace, i: Inputs) -> Arrays:
    param = {"mode": "train", "p": i["p"], "seed": i["seed"]}
    out_of_ones, _ = dropout(module, np.ones_like(i["x"]), param)  # says what becomes of a zero in x
    out, cache = dropout_in_training(module, i)
    dx = call_gradients(module, "dropout_backward", ("x",), cache, dout=i["dout"])["dx"]
    out_in_test, cache = dropout(module, i["x"], {**param, "mode": "test"})
    dx_in_test = call_gradients(module, "dropout_backward", ("x",), cache, dout=i["dout"])["dx"]
    return {
        "dx": dx,
        "out": array("dropout_forward", "out", out),
        "out_of_ones": array("dropout_forward", "out", out_of_ones),
        "dx_in_test": dx_in_test,
        "out_in_test": array("dropout_forward", "out", out_in_test),
    }


EXERCISES = (
    Exercise(
        "dropout_forward",
        "cs231n.layers",
        dropout_inputs(),
        call_dropout_forward,
        {"For x of 4 axes": dropout_inputs(2, 3), "For x of 1 axis": dropout_inputs_of_one_axis},
        settings=KEEP,
        layer=dropout_in_training,
        free=("out_unseeded", "out_unseeded_again"),
        all_or_nothing=True,
    ),
    Exercise(
        "dropout_backward",
        "cs231n.layers",
        dropout_inputs(zeros=True),
        call_dropout_backward,
        {
            "For x of 4 axes": dropout_inputs(2, 3, zeros=True),
            "For x of 1 axis": dropout_inputs_of_one_axis,
        },
        settings=KEEP,
        forward="dropout_forward",
        all_or_nothing=True,
    ),
)
