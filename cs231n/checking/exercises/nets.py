"""Whole nets: their inputs, and how they are called."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.exercises.dropout import dropout
from cs231n.checking.exercises.exercise import Exercise, MakeInputs
from cs231n.checking.learner_code import Arrays, Inputs, WrongReturn, array, call, is_same

__all__ = ["EXERCISES", "kinds_of"]

SETTINGS = {"reg": (0.15, 0.45), "p": (0.6, 0.85), "weight_scale": (0.02, 0.2)}
KINDS = ("plain", "batchnorm", "layernorm", "dropout")
KINDS_WITH_BOTH = ("batchnorm+dropout", "layernorm+dropout")


def kinds_of(i: Inputs) -> tuple[str, ...]:
    """What the nets of a problem have between affine layer and relu, and behind relu."""
    return (KINDS, KINDS_WITH_BOTH, KINDS + KINDS_WITH_BOTH)[i.get("kinds", 0)]


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


def _net_inputs(rng: RandomState, N: int, D: int, M: int, hidden: list[int]) -> Inputs:
    inputs = {"X": rng.normal(size=(N, 2, D)), "y": rng.randint(M, size=N), "reg": 0.3, "p": 0.6}
    inputs |= {"seed": rng.randint(1000), "weight_scale": 0.05}
    return inputs | _layer_inputs(rng, [2 * D, *hidden, M])


def net_inputs(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return _net_inputs(rng, N, D, M, [M + 1, M + 2])


def net_inputs_with_both(rng: RandomState, N: int, D: int, M: int) -> Inputs:
    return _net_inputs(rng, N, D, M, [M + 2, M + 1, M + 3]) | {"kinds": 1}


def net_inputs_of_depth(depth: int) -> MakeInputs:
    """Exercise.inputs of nets of all kinds with so many hidden layers."""
    return lambda rng, N, D, M: _net_inputs(rng, N, D, M, [*rng.randint(5, 10, depth)]) | {"kinds": 2}


def _initial_fault(net: Any, i: Inputs, kinds: tuple[str, ...]) -> int:
    """0 if the parameters that a net begins with are right; else 1 for shapes, 2 for W, 3 gamma, 4 others."""
    shapes = {name: np.shape(value) for name, value in net.params.items()}
    if shapes != {name: v.shape for name, v in i.items() if name[-1:].isdigit() and name[:-1] in kinds}:
        return 1
    weights = np.concatenate([np.ravel(v) for name, v in net.params.items() if name[0] == "W"])
    # The deviation of normal numbers has a deviation of its own: their deviation / sqrt(2 n).
    if abs(np.std(weights) / i["weight_scale"] - 1) * np.sqrt(2 * weights.size) > 8:
        return 2
    if any(np.any(v != 1) for name, v in net.params.items() if name[0] == "g"):
        return 3
    return 4 * any(np.any(v) for name, v in net.params.items() if name[0] == "b")


def _net_outputs(name: str, net: Any, i: Inputs, running: Mapping[int, Inputs]) -> Arrays:
    """The scores, the loss and the gradients of a net whose parameters are those of the problem.

    `running` holds the bn_param of each hidden layer that has one.
    """
    # A batch of another size, with the parameters that the net begins with: nothing of it may be left.
    call(net, "loss", ("loss", "grads"), X=0.5 * i["X"][1:], y=0 * i["y"][1:])
    for k, bn_param in running.items():
        bn_param |= {n: i[f"{n}{k}"].copy() for n in ("running_mean", "running_var")}
    params, written = {param: i[param] for param in net.params}, False

    def loss_of(returns: tuple[str, ...] | None, **arguments: np.ndarray) -> Any:
        nonlocal written
        net.params.update({param: value.copy() for param, value in params.items()})
        value = call(net, "loss", returns, **arguments)
        own = {param: np.asarray(net.params[param], right.dtype) for param, right in params.items()}
        written |= not all(is_same(own[param], right) for param, right in params.items())
        return value

    scores = loss_of(None, X=i["X"])
    loss, grads = loss_of(("loss", "grads"), X=i["X"], y=i["y"])
    if not isinstance(grads, dict):
        raise WrongReturn(
            f"{name}.loss must return loss, grads, and grads must be a dict keyed as params; "
            f"got {type(grads).__name__}"
        )
    if missing := [param for param in params if param not in grads]:
        keys = ", ".join(map(repr, grads)) or "none"
        raise WrongReturn(f"{name}.loss: grads has no key {missing[0]!r}; its keys: {keys}")
    where = f"{name}.loss"
    outputs = {"scores": array(where, "scores", scores), "loss": array(where, "loss", loss)}
    outputs |= {param: array(where, f"grads[{param!r}]", grads.get(param)) for param in params}
    return outputs | {"params_written": np.array(int(written))}


def call_two_layer_net(module: Any, i: Inputs) -> Arrays:
    net = module.TwoLayerNet(i["W1"].shape[0], *i["W2"].shape, reg=i["reg"])
    return _net_outputs("TwoLayerNet", net, i, {})


def _make_net(net: Callable, *sizes: Any, **options: Any) -> Any:
    """A net of any year of the course: until 2020 dropout_keep_ratio was called dropout."""
    known = inspect.signature(net).parameters
    if "dropout_keep_ratio" in options and "dropout_keep_ratio" not in known:
        options["dropout"] = options.pop("dropout_keep_ratio")
    for name in options:
        if name not in known and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise WrongReturn(f"FullyConnectedNet.__init__ in fc_net.py must take {name}, which it does not")
    return net(*sizes, **options)


def call_net(module: Any, i: Inputs) -> Arrays:
    depth = sum(name[0] == "W" for name in i)
    hidden = [i[f"W{k}"].shape[1] for k in range(1, depth)]
    sizes = i["W1"].shape[0], i[f"W{depth}"].shape[1]
    nets: dict[str, Arrays] = {}
    for kind in kinds_of(i):
        options: Inputs = {"reg": i["reg"], "dtype": i["X"].dtype.type, "weight_scale": i["weight_scale"]}
        if "dropout" in kind:
            options |= {"dropout_keep_ratio": i["p"], "seed": i["seed"]}
        normalization = kind.partition("+")[0]
        if normalization in ("batchnorm", "layernorm"):
            options["normalization"] = normalization
        net = _make_net(module.FullyConnectedNet, hidden, *sizes, **options)
        kinds = ("W", "b", "gamma", "beta") if "normalization" in options else ("W", "b")
        initial = np.array(_initial_fault(net, i, kinds))
        running = dict(enumerate(net.bn_params, start=1)) if normalization == "batchnorm" else {}
        nets[kind] = _net_outputs("FullyConnectedNet", net, i, running) | {"initial": initial}
    written = max(net.pop("params_written") for net in nets.values())
    outputs = {f"{kind}.{name}": value for kind, net in nets.items() for name, value in net.items()}
    outputs["params_written"] = written
    param = {"mode": "train", "p": i["p"], "seed": i["seed"]}
    for k, units in enumerate(hidden, start=1):  # the masks that every net drew from this seed
        out, _ = dropout(module, np.ones((len(i["X"]), units), i["X"].dtype), param)
        outputs[f"mask{k}"] = array("dropout_forward", "out", out)
    return outputs


NET = "cs231n.classifiers.fc_net"
CHAIN = {"*W1": 4}  # its gradient has come through all layers
LAYERS_OF_TWO_LAYER_NET = (
    "affine_forward",
    "affine_backward",
    "relu_forward",
    "relu_backward",
    "softmax_loss",
)
EXERCISES = (
    Exercise(
        "TwoLayerNet.loss",
        NET,
        two_layer_inputs,
        call_two_layer_net,
        settings={"reg": SETTINGS["reg"]},
        layers=LAYERS_OF_TWO_LAYER_NET,
        weights=CHAIN,
        secondary=("params_written",),
    ),
    Exercise(
        "FullyConnectedNet",
        NET,
        net_inputs,
        call_net,
        {"With three hidden layers, a normalization and dropout": net_inputs_with_both},
        layers=(
            *LAYERS_OF_TWO_LAYER_NET,
            "batchnorm_forward",
            "batchnorm_backward",
            "batchnorm_backward_alt",
            "layernorm_forward",
            "layernorm_backward",
            "dropout_forward",
            "dropout_backward",
        ),
        settings=SETTINGS,
        variants=tuple(map(net_inputs_of_depth, (1, 2, 3))),
        weights={"mask*": 0} | CHAIN,  # a mask is a choice, not a result
        secondary=("dropout.*", "params_written"),
    ),
)
