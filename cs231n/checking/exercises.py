"""The exercises: what each is tried on and how its functions are called. What is right is in answers/.

To add one, add an Exercise to EXERCISES here, and an Answers of the same name to its family in answers/. The
sandbox of the grader holds this file and no answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn, array, call

__all__ = ["EXERCISES", "NETS", "Exercise", "require_exercise"]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        name: what a learner types: "batchnorm_backward", "TwoLayerNet.loss".
        module: dotted name of the module that its function is in.
        inputs: inputs(rng, N, D, M) -> one problem. N examples, D features or classes, M another size; no
            two are equal, so that a swapped axis does not fit. All floating-point arrays are float64.
        call: call(module, inputs) -> the arrays that the learner's functions give, by name. A gradient is
            named d + the name of its input.
        layer: layer(module, inputs) -> out, cache of a forward pass; None for all but layers.
        forward: name of the exercise whose `layer` makes the cache of this backward pass, or None.
        arguments: of that layer. Differences of the learner's own forward by each give the expected
            gradients; () where the definition in answers/ does.
        large: shape (N, D) of the grader's last problem, or None. Its numerical gradient takes longer than
            the grader waits. It is long along the axis that couples entries, so perturbing many entries at
            once does not help.
        weights: {array: its share of the points}, if not 1.
        secondary: arrays that are reported once all others are right; a * stands for any letters.
        notes: arrays that the kit asks for and the course does not: an exercise passes without them, with a
            note. For every exercise: itemsize and written.
        forbidden: functions that this one may not call.
        all_or_nothing: no points for a part of the arrays, since they all follow from one random mask.
    """

    name: str
    module: str
    inputs: Callable[[RandomState, int, int, int], Inputs]
    call: Callable[[Namespace, Inputs], Arrays]
    layer: Callable[[Namespace, Inputs], tuple[Any, Any]] | None = None
    forward: str | None = None
    arguments: tuple[str, ...] = ()
    large: tuple[int, int] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    secondary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    all_or_nothing: bool = False

    def weight(self, name: str) -> float:
        """The share of the points that an array is worth."""
        return self.weights.get(name, 0 if self.is_note(name) else 1)

    def is_secondary(self, name: str) -> bool:
        """Whether a mistake elsewhere spoils this array as well, so that the others are reported first."""
        return any(fnmatchcase(name, pattern) for pattern in self.secondary)

    def is_note(self, name: str) -> bool:
        """Whether a mistake in this array is only a note."""
        return name in ("itemsize", "written", *self.notes)


def require_exercise(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    if name not in EXERCISES:
        raise ValueError(f"no exercise {name!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[name]


def _features(rng: RandomState, N: int, D: int) -> np.ndarray:
    """(N, D); columns of different mean and size, and no entry near zero, where relu has a kink."""
    x = rng.normal(size=(N, D)) * rng.uniform(0.7, 2, D) + rng.normal(size=D)
    return x + np.copysign(0.1, x)


def _out(name: str, layer: Callable[[Namespace, Inputs], tuple[Any, Any]]) -> Callable:
    """Exercise.call of a forward pass that gives one array, out."""
    return lambda module, i: {"out": array(name, "out", layer(module, i)[0])}


def _gradients(
    module: Namespace, name: str, arguments: tuple[str, ...], dout: np.ndarray, cache: Any
) -> Arrays:
    names = tuple(f"d{argument}" for argument in arguments)
    values = call(module, name, names, dout=dout, cache=cache)
    return {n: array(name, n, v) for n, v in zip(names, values if len(names) > 1 else [values])}


def affine_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    x, w, b = rng.normal(size=(N, 2, D)), rng.normal(size=(2 * D, M)), rng.normal(size=M)
    return {"x": x, "w": w, "b": b, "dout": rng.normal(size=(N, M))}


def affine(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return call(module, "affine_forward", ("out", "cache"), x=i["x"], w=i["w"], b=i["b"])


def call_affine_backward(module: Namespace, i: Inputs) -> Arrays:
    cache = affine(module, i)[1]
    return _gradients(module, "affine_backward", ("x", "w", "b"), i["dout"], cache)


def relu_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    x = _features(rng, N, D)
    x.flat[::6] = 0  # where nothing passes
    return {"x": x, "dout": rng.normal(size=(N, D))}


def relu(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return call(module, "relu_forward", ("out", "cache"), x=i["x"])


def call_relu_backward(module: Namespace, i: Inputs) -> Arrays:
    return _gradients(module, "relu_backward", ("x",), i["dout"], relu(module, i)[1])


def softmax_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return {"x": _features(rng, N, D), "y": rng.randint(D, size=N)}


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
    x, y = _features(rng, N, D), rng.randint(D, size=N)
    margins = x - x[np.arange(N), y][:, None] + 1
    x += np.where(np.abs(margins) < 0.1, np.copysign(0.2, margins), 0)  # no margin near 0, the hinge's kink
    return {"x": x, "y": y}


def call_svm(module: Namespace, i: Inputs) -> Arrays:
    loss, dx = call(module, "svm_loss", ("loss", "dx"), x=i["x"], y=i["y"])
    return {"loss": array("svm_loss", "loss", loss), "dx": array("svm_loss", "dx", dx)}


def norm_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    x, gamma, beta = _features(rng, N, D), rng.uniform(0.4, 2, D), rng.normal(size=D)
    return {"x": x, "gamma": gamma, "beta": beta, "eps": 0.2, "dout": rng.normal(size=(N, D))}


def batchnorm_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    running = {"running_mean": rng.normal(size=D), "running_var": rng.uniform(0.5, 2, D)}
    return {**norm_inputs(rng, N, D, M), "momentum": 0.7, **running}


def _batchnorm(module: Namespace, i: Inputs, bn_param: Inputs) -> tuple[Any, Any]:
    arrays = {"x": i["x"], "gamma": i["gamma"], "beta": i["beta"]}
    return call(module, "batchnorm_forward", ("out", "cache"), **arrays, bn_param=bn_param)


def batchnorm(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    return _batchnorm(module, i, {"mode": "train", "eps": i["eps"]})


def call_batchnorm_forward(module: Namespace, i: Inputs) -> Arrays:
    outputs = {}
    for mode, suffix in [("train", ""), ("test", "_in_test")]:
        param = {"mode": mode, "eps": i["eps"], "momentum": i["momentum"]}
        param |= {name: i[name].copy() for name in ("running_mean", "running_var")}
        out, _ = _batchnorm(module, i, param)
        outputs[f"out{suffix}"] = array("batchnorm_forward", "out", out)
        for name in ("running_mean", "running_var"):
            value = array("batchnorm_forward", f"bn_param[{name!r}]", param.get(name))
            outputs[name if mode == "train" else f"{name}_after_test"] = value
    return outputs


def call_batchnorm_backward(name: str) -> Callable[[Namespace, Inputs], Arrays]:
    arguments = ("x", "gamma", "beta")
    return lambda module, i: _gradients(module, name, arguments, i["dout"], batchnorm(module, i)[1])


def layernorm(module: Namespace, i: Inputs) -> tuple[Any, Any]:
    arrays = {"x": i["x"], "gamma": i["gamma"], "beta": i["beta"]}
    return call(module, "layernorm_forward", ("out", "cache"), **arrays, ln_param={"eps": i["eps"]})


def call_layernorm_backward(module: Namespace, i: Inputs) -> Arrays:
    cache = layernorm(module, i)[1]
    return _gradients(module, "layernorm_backward", ("x", "gamma", "beta"), i["dout"], cache)


def dropout_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    many = max(N, 2000)  # enough entries to measure the share that is kept
    x = np.resize(_features(rng, N, D), (many, D)) + 0.0
    return {"x": x, "p": 0.7, "seed": rng.randint(1000), "dout": rng.normal(size=(many, D))}


def dropout(module: Namespace, x: np.ndarray, param: Inputs) -> tuple[Any, Any]:
    return call(module, "dropout_forward", ("out", "cache"), x=x, dropout_param=param)


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
        out, _ = dropout(module, i["x"], {"mode": mode, "p": i["p"], **seed})
        outputs[name] = array("dropout_forward", "out", out)
    return outputs


def call_dropout_backward(module: Namespace, i: Inputs) -> Arrays:
    param = {"mode": "train", "p": i["p"], "seed": i["seed"]}
    out, cache = dropout(module, i["x"], param)
    dx = _gradients(module, "dropout_backward", ("x",), i["dout"], cache)["dx"]
    _, cache = dropout(module, i["x"], {**param, "mode": "test"})
    dx_in_test = _gradients(module, "dropout_backward", ("x",), i["dout"], cache)["dx"]
    return {"dx": dx, "out": array("dropout_forward", "out", out), "dx_in_test": dx_in_test}


def rule_inputs(*memories: str, **settings: float) -> Callable[[RandomState, int, int, int], Inputs]:
    """Exercise.inputs of an update rule: w, dw, one array for each of `memories`, and the settings."""

    def inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
        arrays = {name: rng.uniform(0.2, 2, (N, D)) for name in memories}
        return {"w": rng.normal(size=(N, D)), "dw": rng.normal(size=(N, D)), **arrays, **settings}

    return inputs


def call_rule(name: str, *memories: str) -> Callable[[Namespace, Inputs], Arrays]:
    """Exercise.call of an update rule: one step from a config, and a first step with every default."""

    def outputs(module: Namespace, i: Inputs) -> Arrays:
        arguments, returns = {"w": i["w"], "dw": i["dw"]}, ("next_w", "config")
        next_w, config = call(module, name, returns, **arguments, config=rule_config(i))
        arrays = {"next_w": array(name, "next_w", next_w)}
        for memory in memories:
            value = config.get(memory) if isinstance(config, dict) else None
            arrays[memory] = array(name, f"config[{memory!r}]", value)
        first, _ = call(module, name, returns, **arguments, config=None)
        return arrays | {"first_w": array(name, "next_w", first)}

    return outputs


def rule_config(i: Inputs) -> Inputs:
    return {name: np.copy(v) if np.ndim(v) else v for name, v in i.items() if name not in ("w", "dw")}


NETS = ("plain", "batchnorm", "layernorm")  # what FullyConnectedNet normalizes by; also: dropout


def _layer_inputs(rng: RandomState, sizes: list[int]) -> Inputs:
    """W1, b1, ... of a net with these sizes; and what the normalization of each hidden layer needs."""
    inputs: Inputs = {}
    for k, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:]), start=1):
        inputs[f"W{k}"] = 0.6 * rng.normal(size=(fan_in, fan_out))
        inputs[f"b{k}"] = rng.normal(size=fan_out)
        if k < len(sizes) - 1:
            inputs[f"gamma{k}"], inputs[f"beta{k}"] = rng.uniform(0.4, 2, fan_out), rng.normal(size=fan_out)
            inputs[f"running_mean{k}"] = rng.normal(size=fan_out)
            inputs[f"running_var{k}"] = rng.uniform(0.5, 2, fan_out)
    return inputs


def two_layer_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    layers = _layer_inputs(rng, [2 * D, M + 1, M])
    weights = {name: layers[name] for name in ("W1", "b1", "W2", "b2")}
    return {"X": rng.normal(size=(N, 2, D)), "y": rng.randint(M, size=N), "reg": 0.3, **weights}


def net_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    inputs = {"X": rng.normal(size=(N, 2, D)), "y": rng.randint(M, size=N), "reg": 0.3, "p": 0.6}
    return inputs | {"seed": rng.randint(1000)} | _layer_inputs(rng, [2 * D, M + 1, M + 2, M])


def _net_outputs(name: str, net: Any, i: Inputs) -> Arrays:
    """The scores, the loss and the gradients of a net whose parameters are those of the problem."""
    params, written = {param: i[param] for param in net.params}, False

    def loss_of(returns: tuple[str, ...] | None, **arguments: np.ndarray) -> Any:
        nonlocal written
        net.params.update({param: value.copy() for param, value in params.items()})
        value = call(net, "loss", returns, **arguments)
        written |= not all(np.array_equal(net.params[param], right) for param, right in params.items())
        return value

    scores = loss_of(None, X=i["X"])
    loss, grads = loss_of(("loss", "grads"), X=i["X"], y=i["y"])
    if not isinstance(grads, dict):
        raise WrongReturn(
            f"{name}.loss must return loss, grads, and grads must be a dict keyed as params; "
            f"got {type(grads).__name__}"
        )
    where = f"{name}.loss"
    outputs = {"scores": array(where, "scores", scores), "loss": array(where, "loss", loss)}
    outputs |= {param: array(where, f"grads[{param!r}]", grads.get(param)) for param in params}
    return outputs | {"params_written": np.array(int(written))}


def call_two_layer_net(module: Any, i: Inputs) -> Arrays:
    net = module.TwoLayerNet(i["W1"].shape[0], *i["W2"].shape, reg=i["reg"])
    return _net_outputs("TwoLayerNet", net, i)


def call_net(module: Any, i: Inputs) -> Arrays:
    options: dict[str, Inputs] = {
        "plain": {},
        "batchnorm": {"normalization": "batchnorm"},
        "layernorm": {"normalization": "layernorm"},
        "dropout": {"dropout_keep_ratio": i["p"], "seed": i["seed"]},
    }
    nets: dict[str, Arrays] = {}
    hidden, sizes = [i["W1"].shape[1], i["W2"].shape[1]], (i["W1"].shape[0], i["W3"].shape[1])
    for kind, option in options.items():
        net = module.FullyConnectedNet(hidden, *sizes, reg=i["reg"], dtype=i["X"].dtype.type, **option)
        if kind == "batchnorm":
            for k, bn_param in enumerate(net.bn_params, start=1):
                bn_param |= {n: i[f"{n}{k}"].copy() for n in ("running_mean", "running_var")}
        nets[kind] = _net_outputs("FullyConnectedNet", net, i)
    written = max(net.pop("params_written") for net in nets.values())
    outputs = {f"{kind}.{name}": value for kind, net in nets.items() for name, value in net.items()}
    outputs["params_written"] = written
    param = {"mode": "train", "p": i["p"], "seed": i["seed"]}
    for k, units in enumerate(hidden, start=1):  # the masks that the net drew from this seed
        out, _ = dropout(module, np.ones((len(i["X"]), units), i["X"].dtype), param)
        outputs[f"dropout.mask{k}"] = array("dropout_forward", "out", out)
    return outputs


_LAYERS, _OPTIM, _NET = "cs231n.layers", "cs231n.optim", "cs231n.classifiers.fc_net"
_BATCHNORM_BACKWARD: dict[str, Any] = {
    "forward": "batchnorm_forward",
    "arguments": ("x", "gamma", "beta"),
    "large": (2000, 48),
    "weights": {"dx": 2},
}

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for exercise in (  # in teaching order, that of classroom/exercises.json
        Exercise("affine_forward", _LAYERS, affine_inputs, _out("affine_forward", affine), affine),
        Exercise(
            "affine_backward",
            _LAYERS,
            affine_inputs,
            call_affine_backward,
            forward="affine_forward",
            arguments=("x", "w", "b"),
            large=(4, 20000),
        ),
        Exercise("relu_forward", _LAYERS, relu_inputs, _out("relu_forward", relu), relu),
        Exercise(
            "relu_backward",
            _LAYERS,
            relu_inputs,
            call_relu_backward,
            forward="relu_forward",
            arguments=("x",),
        ),
        Exercise(
            "softmax_loss",
            _LAYERS,
            softmax_inputs,
            call_softmax,
            large=(48, 2000),
            notes=("loss_of_large",),
        ),
        Exercise("svm_loss", _LAYERS, svm_inputs, call_svm, large=(48, 2000)),
        Exercise("batchnorm_forward", _LAYERS, batchnorm_inputs, call_batchnorm_forward, batchnorm),
        Exercise(
            "batchnorm_backward",
            _LAYERS,
            norm_inputs,
            call_batchnorm_backward("batchnorm_backward"),
            **_BATCHNORM_BACKWARD,
        ),
        Exercise(
            "batchnorm_backward_alt",
            _LAYERS,
            norm_inputs,
            call_batchnorm_backward("batchnorm_backward_alt"),
            forbidden=("batchnorm_backward", "layernorm_backward"),
            **_BATCHNORM_BACKWARD,
        ),
        Exercise("layernorm_forward", _LAYERS, norm_inputs, _out("layernorm_forward", layernorm), layernorm),
        Exercise(
            "layernorm_backward",
            _LAYERS,
            norm_inputs,
            call_layernorm_backward,
            forward="layernorm_forward",
            arguments=("x", "gamma", "beta"),
            large=(48, 2000),
            weights={"dx": 2},
        ),
        Exercise(
            "TwoLayerNet.loss", _NET, two_layer_inputs, call_two_layer_net, secondary=("params_written",)
        ),
        Exercise(
            "sgd_momentum",
            _OPTIM,
            rule_inputs("velocity", learning_rate=0.05, momentum=0.8),
            call_rule("sgd_momentum", "velocity"),
        ),
        Exercise(
            "rmsprop",
            _OPTIM,
            rule_inputs("cache", learning_rate=0.05, decay_rate=0.9, epsilon=0.01),
            call_rule("rmsprop", "cache"),
        ),
        Exercise(
            "adam",
            _OPTIM,
            rule_inputs("m", "v", t=4, learning_rate=0.05, beta1=0.8, beta2=0.95, epsilon=0.01),
            call_rule("adam", "m", "v", "t"),
        ),
        Exercise("dropout_forward", _LAYERS, dropout_inputs, call_dropout_forward, all_or_nothing=True),
        Exercise(
            "dropout_backward",
            _LAYERS,
            dropout_inputs,
            call_dropout_backward,
            forward="dropout_forward",
            all_or_nothing=True,
        ),
        Exercise(
            "FullyConnectedNet",
            _NET,
            net_inputs,
            call_net,
            weights={"dropout.mask1": 0, "dropout.mask2": 0},  # a choice, not a result
            secondary=("dropout.*", "params_written"),
        ),
    )
}
