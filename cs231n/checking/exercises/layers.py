"""The affine layer, relu and the two losses: their inputs, and how they are called."""

from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.exercises.exercise import (
    Exercise,
    MakeInputs,
    call_gradients,
    call_out,
    features,
)
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, array, call

__all__ = ["EXERCISES", "large_offset"]

LAYERS = "cs231n.layers"
FAR_APART = 800.0  # exp(-800) is 0 in float64


def affine_inputs(*axes: int) -> MakeInputs:
    """Exercise.inputs; an example has the shape (*axes, D)."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        x = rng.normal(size=(N, *axes, D))
        w, b = rng.normal(size=(x[0].size, M)), rng.normal(size=M)
        return {"x": x, "w": w, "b": b, "dout": rng.normal(size=(N, M))}

    return inputs


AFFINE_SITUATIONS = {
    "For x of 2 axes, (N, D)": affine_inputs(),
    "For x of 4 axes, (N, d1, d2, d3)": affine_inputs(2, 3),
}


def affine(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return call(module, "affine_forward", ("out", "cache"), x=i["x"], w=i["w"], b=i["b"])


def call_affine_backward(module: Namespace, i: Inputs) -> Arrays:
    cache = affine(module, i)[1]
    return call_gradients(module, "affine_backward", ("x", "w", "b"), cache, dout=i["dout"])


def relu_inputs(*axes: int) -> MakeInputs:
    """Exercise.inputs; x has the shape (N, D, *axes)."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        x = features(rng, N, D * int(np.prod(axes))).reshape(N, D, *axes)
        x.flat[::6] = 0  # where nothing passes
        x.flat[1], x.flat[2] = 30, -30  # far beyond where a relu with an upper bound ends
        return {"x": x, "dout": rng.normal(size=x.shape)}

    return inputs


def relu_inputs_of_one_axis(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return {name: value.ravel() for name, value in relu_inputs()(rng, N, D, M).items()}


RELU_SITUATIONS = {"For x of 4 axes": relu_inputs(2, 3), "For x of 1 axis": relu_inputs_of_one_axis}


def relu(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return call(module, "relu_forward", ("out", "cache"), x=i["x"])


def call_relu_backward(module: Namespace, i: Inputs) -> Arrays:
    return call_gradients(module, "relu_backward", ("x",), relu(module, i)[1], dout=i["dout"])


def softmax_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return {"x": features(rng, N, D), "y": rng.randint(D, size=N)}


def softmax_inputs_far_apart(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    """In every other row the score of the label is so low that its probability is 0 in float64."""
    i = softmax_inputs(rng, N, D, M)
    rows = np.arange(0, N, 2)
    i["x"][rows, i["y"][rows]] -= FAR_APART
    return i


def large_offset(N: int) -> np.ndarray:
    """What is added to the scores of each row for loss_of_large: 1000 and -1000 in turn.  (N,)"""
    return np.resize([1000, -1000], N)


def call_softmax(module: Namespace, i: Inputs) -> Arrays:
    name, returns, x, y = "softmax_loss", ("loss", "dx"), i["x"], i["y"]
    loss, dx = call(module, name, returns, x=x, y=y)
    offset = large_offset(len(x))[:, None].astype(x.dtype)
    with np.errstate(all="ignore"):
        loss_of_large, _ = call(module, name, returns, x=x + offset, y=y)
    return {
        "loss": array(name, "loss", loss),
        "dx": array(name, "dx", dx),
        "loss_of_large": array(name, "loss", loss_of_large),
    }


def svm_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    x, y = features(rng, N, D), rng.randint(D, size=N)
    margins = x - x[np.arange(N), y][:, None] + 1
    x += np.where(np.abs(margins) < 0.1, np.copysign(0.2, margins), 0)  # no margin near 0, the hinge's kink
    return {"x": x, "y": y}


def call_svm(module: Namespace, i: Inputs) -> Arrays:
    loss, dx = call(module, "svm_loss", ("loss", "dx"), x=i["x"], y=i["y"])
    return {"loss": array("svm_loss", "loss", loss), "dx": array("svm_loss", "dx", dx)}


EXERCISES = (
    Exercise(
        "affine_forward",
        LAYERS,
        affine_inputs(2),
        call_out("affine_forward", affine),
        AFFINE_SITUATIONS,
        layer=affine,
    ),
    Exercise(
        "affine_backward",
        LAYERS,
        affine_inputs(2),
        call_affine_backward,
        AFFINE_SITUATIONS,
        forward="affine_forward",
        large=(4, 20000),
        weights={"dx": 2, "dw": 2},
    ),
    Exercise(
        "relu_forward", LAYERS, relu_inputs(), call_out("relu_forward", relu), RELU_SITUATIONS, layer=relu
    ),
    Exercise(
        "relu_backward", LAYERS, relu_inputs(), call_relu_backward, RELU_SITUATIONS, forward="relu_forward"
    ),
    Exercise(
        "softmax_loss",
        LAYERS,
        softmax_inputs,
        call_softmax,
        {"For scores that lie far apart": softmax_inputs_far_apart},
        large=(48, 2000),
        notes=("loss_of_large",),
    ),
    Exercise("svm_loss", LAYERS, svm_inputs, call_svm, large=(48, 2000)),
)
