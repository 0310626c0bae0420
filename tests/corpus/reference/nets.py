"""Nets by their definitions, over the learner's own layers."""

import inspect
import itertools
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.definitions import cross_entropy, gradient, normalize, relu
from tests.corpus.reference.layers import judge_layer
from tests.corpus.reference.right_layers import RIGHT_LAYERS
from tests.corpus.reference.trials import Trial, Truth, first_fault, patched_functions

NETS = ("TwoLayerNet.loss", "FullyConnectedNet")


class Net(NamedTuple):
    """A net to try: its options, and arrays for two steps."""

    hidden: tuple[int, ...]
    norm: str | None
    keep: float
    reg: float
    params: dict[str, np.ndarray]
    X: list[np.ndarray]
    y: list[np.ndarray]
    seed: int


@cache
def _net_problems(name: str) -> list[Net]:
    depths = [(1, None, 1.0), (1, None, 1.0)]
    if name == "FullyConnectedNet":
        depths = [*itertools.product((1, 2, 3), (None, "batchnorm", "layernorm"), (1.0, 0.6))]
    return [_net_problem(number, *kind) for number, kind in enumerate(depths)]


def _net_problem(number: int, depth: int, norm: str | None, keep: float) -> Net:
    r = RandomState(number)
    X_shape = (5, 2, 3) if number % 2 else (6, 4)
    hidden = (5, 4, 3)[:depth]
    sizes, params = [int(np.prod(X_shape[1:])), *hidden, 3], {}
    for k, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:]), start=1):
        params[f"W{k}"], params[f"b{k}"] = 0.7 * r.randn(fan_in, fan_out), r.randn(fan_out)
        if norm and k <= depth:
            params[f"gamma{k}"], params[f"beta{k}"] = r.uniform(0.5, 2, fan_out), r.randn(fan_out)
    X = [r.randn(*X_shape) for _ in range(3)]
    reg = 0.0 if number % 5 == 1 else 0.3
    return Net(hidden, norm, keep, reg, params, X, [r.randint(3, size=len(X[0])) for _ in range(2)], number)


def _run_net(net, params, X, masks=None, running=None):
    """The scores by the definition, and the statistics of every batchnorm; running: in mode test."""
    h, stats, depth = X.reshape(len(X), -1), [], len(net.hidden)
    for k in range(1, depth + 1):
        h = h @ params[f"W{k}"] + params[f"b{k}"]
        if net.norm:
            x_hat, mean, var = normalize(h, 0 if net.norm == "batchnorm" else 1, 1e-5)
            if net.norm == "batchnorm" and running:
                x_hat = (h - running[k - 1][0]) / (running[k - 1][1] + 1e-5) ** 0.5
            stats.append((mean.real[0], var.real[0]))
            h = params[f"gamma{k}"] * x_hat + params[f"beta{k}"]
        h = relu(h)
        if masks:
            h = h * masks[k - 1]
    return h @ params[f"W{depth + 1}"] + params[f"b{depth + 1}"], stats


@cache
def _net_truth(name: str, number: int, masks: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """For each of two steps: the loss, its gradients and, after it, the scores in mode test."""
    net = _net_problems(name)[number]
    kept = [np.frombuffer(mask).reshape(len(net.X[0]), -1) for mask in masks]
    running, steps = [(0.0, 0.0)] * len(net.hidden), []
    for X, y in zip(net.X, net.y):

        def loss(params, X=X, y=y):
            weights = sum((params[k] ** 2).sum() for k in params if k[0] == "W")
            return cross_entropy(_run_net(net, params, X, kept)[0], y) + 0.5 * net.reg * weights

        stats = _run_net(net, net.params, X, kept)[1]
        if net.norm == "batchnorm":
            running = [(0.9 * m + 0.1 * a, 0.9 * v + 0.1 * b) for (m, v), (a, b) in zip(running, stats)]
        right = {"loss": loss(net.params), "scores": _run_net(net, net.params, net.X[2], None, running)[0]}
        right["running"] = running
        for name_, value in net.params.items():
            right[name_] = gradient(lambda v, n=name_, f=loss: f({**net.params, n: v}), value)
        steps.append(right)
    return steps


def _make_net(name: str, kit: SimpleNamespace, net: Net) -> Any:
    D, C = len(net.params["W1"]), len(net.params[f"b{len(net.hidden) + 1}"])
    if name == "TwoLayerNet.loss":
        return kit.fc_net.TwoLayerNet(D, net.hidden[0], C, reg=net.reg)
    made, options = kit.fc_net.FullyConnectedNet, {}
    known = inspect.signature(made).parameters
    if net.keep < 1:
        options = {"dropout_keep_ratio" if "dropout_keep_ratio" in known else "dropout": net.keep}
        options["seed"] = net.seed
    if net.norm:
        options |= {"normalization": net.norm} if "normalization" in known else {"use_batchnorm": True}
    return made([*net.hidden], D, C, reg=net.reg, dtype=np.float64, **options)


def _try_net(name: str, kit: SimpleNamespace) -> Trial:
    for number, net in enumerate(_net_problems(name)):
        made, masks = _make_net(name, kit, net), []
        kind = f"of a net with {len(net.hidden)} hidden layers, {net.norm}, keep ratio {net.keep}"
        keys = {key: np.shape(value) for key, value in made.params.items()}
        if keys != {key: value.shape for key, value in net.params.items()}:
            raise ValueError(f"the params {kind} are {keys}")
        made.params.update({key: value.copy() for key, value in net.params.items()})
        for width in net.hidden if net.keep < 1 else ():
            param = {"mode": "train", "p": net.keep, "seed": net.seed}
            mask = kit.layers.dropout_forward(np.ones((len(net.X[0]), width)), param)[0]
            yield f"a mask {kind}", mask, np.where(np.asarray(mask) != 0, 1 / net.keep, 0)
            masks.append(np.asarray(mask, float).tobytes())
        for step, right in enumerate(_net_truth(name, number, tuple(masks))):
            loss, grads = made.loss(net.X[step].copy(), net.y[step].copy())
            yield f"the loss {kind}", loss, right["loss"]
            for key in net.params:
                yield f"grads[{key!r}] {kind}", grads[key], right[key]
            yield f"the scores {kind}", made.loss(net.X[2].copy()), right["scores"]
            for (mean, _), param in zip(right["running"], made.bn_params if net.norm == "batchnorm" else []):
                yield f"a running_mean in bn_params {kind}", param.get("running_mean"), mean
            for key, value in net.params.items():
                yield f"params[{key!r}] {kind}, after loss,", made.params[key], value


def judge_net(name: str, kit: SimpleNamespace) -> Truth:
    """By its definition over the learner's own layers; if it is off, over right ones as well."""
    reason = first_fault(_try_net(name, kit))
    if not reason:
        return Truth(True)
    with patched_functions([kit.layers, kit.layer_utils, kit.fc_net], RIGHT_LAYERS):
        own = first_fault(_try_net(name, kit))
    if own:
        return Truth(False, own)
    used = [*RIGHT_LAYERS][: 5 if name == "TwoLayerNet.loss" else None]  # affine, relu and the loss
    return Truth(False, reason, tuple(layer for layer in used if not judge_layer(layer, kit).right))
