"""A forward is tried by its definition; a backward by the gradient, over the learner's own cache."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.definitions import gradient, norm_slope, normalize, softmax
from tests.corpus.reference.dropout import try_dropout_backward, try_dropout_forward
from tests.corpus.reference.layer_problems import call_forward, copies, eps_of, gradients_of, layer_problem
from tests.corpus.reference.trials import ForwardIsOff, Trial, Truth, first_fault, patched_functions, same

GRADIENTS = {
    "affine_backward": "affine",
    "relu_backward": "relu",
    "batchnorm_backward": "batchnorm",
    "batchnorm_backward_alt": "batchnorm",
    "layernorm_backward": "layernorm",
    "dropout_backward": "dropout",
}


def _try_forward(layer: str) -> Callable[[SimpleNamespace], Trial]:
    def trial(kit: SimpleNamespace) -> Trial:
        for number in range(4):
            arrays, _, f = layer_problem(layer, number)
            out, _ = call_forward(kit, layer, number, copies(arrays))
            yield f"out for x of shape {arrays[0].shape}", out, f(*arrays)
        if layer == "relu":
            out, _ = kit.layers.relu_forward(np.zeros((2, 3)))
            yield "out at 0", out, np.zeros((2, 3))

    return trial


def _try_batchnorm_forward(kit: SimpleNamespace) -> Trial:
    yield from _try_forward("batchnorm")(kit)
    for number, settings in enumerate([{}, {"momentum": 0.6, "eps": 0.3}, {"momentum": 0.2}]):
        (x, gamma, beta), _, _ = layer_problem("batchnorm", number)
        r, running = RandomState(number), [np.zeros(x.shape[1]), np.zeros(x.shape[1])]
        param: dict[str, Any] = {"mode": "train", **settings}
        if number == 1:
            running = [r.randn(x.shape[1]), r.uniform(0.5, 2, x.shape[1])]
            param |= {"running_mean": running[0].copy(), "running_var": running[1].copy()}
        eps, momentum = settings.get("eps", 1e-5), settings.get("momentum", 0.9)
        for mode in ("train", "train", "test", "train", "test"):
            batch = x + r.randn(*x.shape)
            param["mode"] = mode
            out, _ = kit.layers.batchnorm_forward(batch.copy(), gamma.copy(), beta.copy(), param)
            x_hat, mean, var = normalize(batch, 0, eps)
            if mode == "train":
                running = [momentum * old + (1 - momentum) * new[0] for old, new in zip(running, (mean, var))]
            else:
                x_hat = (batch - running[0]) / (running[1] + eps) ** 0.5
            yield f"out in mode {mode}", out, gamma * x_hat + beta
            yield "running_mean", param.get("running_mean"), running[0]
            yield "running_var", param.get("running_var"), running[1]


def _try_softmax(kit: SimpleNamespace) -> Trial:
    for number, (N, C) in enumerate([(5, 3), (1, 4), (6, 9), (4, 2)]):
        r = RandomState(number)
        y = r.randint(C, size=N)
        wide = 40 * r.randn(N, C)
        gap = r.randn(N, C) - 700
        gap[np.arange(N), (y + 1) % C] += 760  # the label's probability underflows
        for what, scores in [("small", r.randn(N, C)), ("wide", wide), ("very wide", gap), ("no", gap * 0)]:
            loss, dx = kit.layers.softmax_loss(scores.copy(), y.copy())
            right = softmax(scores, y)
            yield f"the loss of scores with {what} gaps", loss, right[0]
            yield f"dx of scores with {what} gaps", dx, right[1]


def _try_gradients(kit: SimpleNamespace, name: str, layer: str, off: list[str], failed: list[str]) -> Trial:
    """Every gradient of a backward where its forward runs; `off` and `failed` get the forward's faults."""
    for number in range(4):
        arrays, dout, f = layer_problem(layer, number)
        own = copies(arrays)
        try:  # eps is given: its default is the forward's
            out, cache = call_forward(kit, layer, number, own, eps=eps_of(number))
        except Exception as error:
            failed.append(f"{layer}_forward: {type(error).__name__}: {error}")
            continue
        if not same(out, f(*arrays)):
            off.append(f"out for x of shape {arrays[0].shape} is off")
        before = copies(own)
        values = getattr(kit.layers, name)(dout.copy(), cache)
        expected = gradients_of(layer, number)
        values = values if len(expected) > 1 else [values]
        names = ("dx", *{"affine": ("dw", "db"), "relu": ()}.get(layer, ("dgamma", "dbeta")))
        if len(values) != len(names):
            raise ValueError(f"{len(values)} values come back")
        for what, value, right in zip(names, values, expected):
            yield f"{what} for x of shape {arrays[0].shape}", value, right
        for value, right in zip(own, before):
            yield "an argument of the forward, after the backward,", value, right
    if len(failed) == 4:
        raise ForwardIsOff(failed[0])


def _try_double_backward(kit: SimpleNamespace) -> Trial:
    for number in range(4):
        (x, gamma, beta), dout, _ = layer_problem("batchnorm", number)
        ddx, eps = RandomState(number).randn(*x.shape), eps_of(number)
        _, cache = call_forward(kit, "batchnorm", number, copies([x, gamma, beta]), eps=eps)
        values = kit.layers.batchnorm_double_backward(ddx.copy(), dout.copy(), cache)
        right = _second_gradients([dout, x, gamma], ddx, eps)
        for name, value, expected in zip(("ddout", "dx", "dgamma"), values, right, strict=True):
            yield f"{name} for x of shape {x.shape}", value, expected


def _second_gradients(at: list[np.ndarray], ddx: np.ndarray, eps: float) -> list[np.ndarray]:
    """By dout, x and gamma, the three in `at`."""
    return [
        gradient(lambda v, k=k: norm_slope(*at[:k], v, *at[k + 1 :], eps=eps), value, ddx)
        for k, value in enumerate(at)
    ]


TRIALS: dict[str, Callable[[SimpleNamespace], Trial]] = {
    "affine_forward": _try_forward("affine"),
    "relu_forward": _try_forward("relu"),
    "softmax_loss": _try_softmax,
    "batchnorm_forward": _try_batchnorm_forward,
    "layernorm_forward": _try_forward("layernorm"),
    "dropout_forward": try_dropout_forward,
    "batchnorm_double_backward": _try_double_backward,
}


def judge_layer(name: str, kit: SimpleNamespace) -> Truth:
    """Whether a forward, a backward or the loss is right."""
    if name in GRADIENTS:
        return _judge_backward(name, kit)
    reason = first_fault(TRIALS[name](kit))
    return Truth(not reason, reason)


def _judge_backward(name: str, kit: SimpleNamespace) -> Truth:
    """By the layer as defined, over the learner's own cache; dropout's by the mask of its own forward."""

    def refuse(*_: object) -> None:
        raise RuntimeError("the closed form calls another backward")

    layer, off, failed = GRADIENTS[name], list[str](), list[str]()
    others = ("batchnorm_backward", "layernorm_backward") if name.endswith("_alt") else ()
    try:
        with patched_functions([kit.layers], dict.fromkeys(others, refuse)):
            if name == "dropout_backward":
                reason = first_fault(try_dropout_backward(kit, failed))
            else:
                reason = first_fault(_try_gradients(kit, name, layer, off, failed))
    except ForwardIsOff as error:
        return Truth(False, str(error), (f"{layer}_forward",))
    return Truth(not reason, reason, (f"{layer}_forward",) if failed or (reason and off) else ())
