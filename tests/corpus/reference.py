"""Whether a learner's functions are right by the course: an oracle from the definitions alone.

It shares no line with cs231n/checking. A gradient is taken from the definition of a layer, or of a net, by a
complex step: f(x + ih) = f(x) + ih f'(x), exact to the last digits for a small h. What only this kit asks
(float32 kept, arguments left alone, scores near 1000, the slope of relu at 0) is not asked here.
"""

import contextlib
import inspect
import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState

STEP = 1e-30
EXERCISES = (
    "affine_forward affine_backward relu_forward relu_backward softmax_loss batchnorm_forward "
    "batchnorm_backward batchnorm_backward_alt layernorm_forward layernorm_backward TwoLayerNet.loss "
    "sgd_momentum rmsprop adam dropout_forward dropout_backward FullyConnectedNet"
).split()
LAYERS = [name for name in EXERCISES if name.endswith(("ward", "_alt")) or name == "softmax_loss"]
Trial = Iterator[tuple[str, Any, Any]]  # (what is compared, a learner's value, the right one)


class Truth(NamedTuple):
    right: bool
    reason: str = ""
    because_of: tuple[str, ...] = ()  # it is wrong, or could not be tried everywhere, only because of these


class ForwardIsOff(Exception):
    """A backward, or a net, that cannot be judged: what it rests on is wrong."""


def judge(exercise: str, kit: SimpleNamespace) -> Truth:
    """Whether an exercise is right in kit, whose layers, layer_utils, optim and fc_net are modules."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if exercise in NETS:
            return _judge_net(exercise, kit)
        if exercise in GRADIENTS:
            return _judge_backward(exercise, kit)
        reason = _first_fault(TRIALS[exercise](kit))
    return Truth(not reason, reason)


def is_right(exercise: str, kit: SimpleNamespace) -> bool:
    """`judge`, without the reason."""
    return judge(exercise, kit).right


def same(actual: Any, expected: Any) -> bool:
    """Equal to 6 digits, of the same shape, and float64 if it is an array, as its inputs are."""
    try:
        actual, expected = np.asarray(actual), np.asarray(expected, float)
        if actual.shape != expected.shape or (actual.ndim and actual.dtype != float):
            return False
        scale = np.abs(expected).max(initial=1e-3)
        return bool(np.isclose(actual, expected, rtol=1e-6, atol=1e-8 * scale).all())
    except (TypeError, ValueError):
        return False


def _first_fault(trial: Trial) -> str:
    """What is off first, or the exception that a learner's function raises; "" if nothing is."""
    try:
        for what, actual, expected in trial:
            if not same(actual, expected):
                return f"{what} is off"
    except ForwardIsOff:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


# Definitions. They take complex numbers, but for what a random mask or a label decides.


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b


def relu(x):
    return np.where(x.real > 0, x, 0)


def normalize(x, axis, eps):
    """x_hat, and the mean and the variance that it is made with."""
    mean = x.sum(axis=axis, keepdims=True) / x.shape[axis]
    var = ((x - mean) ** 2).sum(axis=axis, keepdims=True) / x.shape[axis]
    return (x - mean) / (var + eps) ** 0.5, mean, var


def norm(x, gamma, beta, axis, eps=1e-5):
    return gamma * normalize(x, axis, eps)[0] + beta


def cross_entropy(scores, y):
    rows, shifted = np.arange(len(y)), scores - scores.real.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y]).sum() / len(y)


def softmax(scores, y):
    """The loss and its gradient, (exp(score - log sum exp) - onehot) / N."""
    highest = scores.max(axis=1, keepdims=True)
    log_sum = highest + np.log(np.exp(scores - highest).sum(axis=1, keepdims=True))
    return cross_entropy(scores, y), (np.exp(scores - log_sum) - np.eye(scores.shape[1])[y]) / len(y)


def gradient(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, dout: Any = 1.0) -> np.ndarray:
    """d sum(dout * f(at)) / d at, entry by entry."""
    slope = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[place] += 1j * STEP
        slope[place] = np.sum(dout * f(moved).imag) / STEP
    return slope


@cache
def _gradients_of(layer: str, number: int) -> list[np.ndarray]:
    """The gradients by each argument in problem `number` of a layer."""
    arrays, dout, f = _layer_problem(layer, number)
    return [
        gradient(lambda v, k=k: f(*arrays[:k], v, *arrays[k + 1 :]), array, dout)
        for k, array in enumerate(arrays)
    ]


@cache
def _layer_problem(layer: str, number: int) -> tuple[list[np.ndarray], np.ndarray, Callable]:
    """(arguments, dout, definition). Some entries of x are exactly zero; so is one of gamma."""
    r = RandomState(100 + number)
    if layer == "affine":
        x = r.randn(*[(5, 6), (4, 2, 3), (3, 2, 2, 2), (6, 1, 4)][number])
        x.flat[::5] = 0
        return [x, r.randn(x[0].size, 3), r.randn(3)], r.randn(len(x), 3), affine
    if layer == "relu":
        x = r.randn(*[(6, 5), (9,), (3, 2, 4, 2), (2, 3, 4)][number])
        x += np.copysign(0.01, x)
        return [x], r.randn(*x.shape), relu
    N, D = [(6, 4), (5, 7), (9, 3), (4, 6)][number]
    gamma, beta = r.uniform(0.5, 2, D), r.randn(D)
    if number == 1:
        gamma[2] = 0
    arrays = [r.randn(N, D) * r.uniform(0.5, 3, D) + r.randn(D), gamma, beta]
    axis, eps = 0 if layer == "batchnorm" else 1, _eps(number)
    return arrays, r.randn(N, D), lambda *arrays: norm(*arrays, axis=axis, eps=eps)


def _eps(number: int) -> float:
    return [1e-5, 0.3, 0.02, 1e-5][number]


def _param(layer: str, number: int) -> dict[str, Any]:
    """A new bn_param or ln_param for a problem; eps is left out where it has its default."""
    param: dict[str, Any] = {"mode": "train"} if layer == "batchnorm" else {}
    return param if _eps(number) == 1e-5 else {**param, "eps": _eps(number)}


def _call_forward(
    kit: SimpleNamespace, layer: str, number: int, arrays: list[np.ndarray], **settings: float
) -> Any:
    param = [_param(layer, number) | settings] if layer in ("batchnorm", "layernorm") else []
    return getattr(kit.layers, f"{layer}_forward")(*arrays, *param)


def _copies(arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [array.copy() for array in arrays]


# What is tried of each exercise.


def _try_forward(layer: str) -> Callable[[SimpleNamespace], Trial]:
    def trial(kit: SimpleNamespace) -> Trial:
        for number in range(4):
            arrays, _, f = _layer_problem(layer, number)
            out, _ = _call_forward(kit, layer, number, _copies(arrays))
            yield f"out for x of shape {arrays[0].shape}", out, f(*arrays)
        if layer == "relu":
            out, _ = kit.layers.relu_forward(np.zeros((2, 3)))
            yield "out at 0", out, np.zeros((2, 3))

    return trial


def _try_batchnorm_forward(kit: SimpleNamespace) -> Trial:
    yield from _try_forward("batchnorm")(kit)
    for number, settings in enumerate([{}, {"momentum": 0.6, "eps": 0.3}, {"momentum": 0.2}]):
        (x, gamma, beta), _, _ = _layer_problem("batchnorm", number)
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


def _try_dropout_forward(kit: SimpleNamespace) -> Trial:
    def mask(shape, p, seed):
        param = {"mode": "train", "p": p, **({} if seed is None else {"seed": seed})}
        return kit.layers.dropout_forward(np.ones(shape), param)[0]

    for shape in [(4000,), (70, 60), (8, 9, 10, 7)]:
        for p in (0.35, 0.8):
            x = RandomState(1).randn(*shape)
            x.flat[::7] = 0
            first, second = mask(shape, p, 3), mask(shape, p, 3)
            yield f"the mask for x of shape {shape}", first, np.where(np.asarray(first) != 0, 1 / p, 0)
            yield "the mask with the same seed", second, first
            out, _ = kit.layers.dropout_forward(x.copy(), {"mode": "train", "p": p, "seed": 3})
            yield "out", out, x * first
            others = [mask(shape, p, 4), mask(shape, p, None), mask(shape, p, None)]
            kept = [mask != 0 for mask in (first, *others)]
            yield (
                "the share that is kept",
                [float(abs(k.mean() - p) < 3 / k.size**0.5) for k in kept],
                [1] * 4,
            )
            both = [(a == b).mean() for a, b in itertools.combinations(kept, 2)]
            # Neighbours along an axis are as independent as two masks are.
            both += [
                (k.take(range(1, n), a) == k.take(range(n - 1), a)).mean()
                for k in kept
                for a, n in enumerate(shape)
            ]
            alike = p * p + (1 - p) ** 2
            yield (
                "how much masks have in common",
                (np.abs(np.array(both) - alike) < 0.05) * 1.0,
                np.ones(len(both)),
            )
            out, _ = kit.layers.dropout_forward(x.copy(), {"mode": "test", "p": p, "seed": 3})
            yield "out in mode test", out, x


def _try_dropout_backward(kit: SimpleNamespace, failed: list[str]) -> Trial:
    forward, backward = kit.layers.dropout_forward, kit.layers.dropout_backward
    for shape, mode in itertools.product([(30,), (8, 6), (3, 2, 4, 2)], ["train", "test"]):
        r, results = RandomState(5), []
        x, dout = r.randn(*shape), r.randn(*shape)
        x.flat[::4] = 0
        try:
            for given, state in [(np.ones(shape), 6), (np.ones(shape), 8), (x, 6)]:
                np.random.seed(state)
                results.append(forward(given.copy(), {"mode": mode, "p": 0.6, "seed": 7}))
        except Exception as error:
            failed.append(f"dropout_forward: {type(error).__name__}: {error}")
            continue
        (mask, _), (again, _), (out, cache) = results
        if mode == "train" and np.ptp(mask) == 0:
            failed.append("dropout_forward drops nothing, or everything")
        elif not same(again, mask):
            failed.append("dropout_forward ignores its seed")
        elif not same(out, x * mask):
            failed.append("dropout_forward is no product with a mask")
        dx = backward(dout.copy(), cache)
        # A forward that is wrong in mode test leaves two gradients that are right.
        yield f"dx in mode {mode}", dx, dout if mode == "test" and same(dx, dout) else dout * mask
    if len(failed) == 6:
        raise ForwardIsOff(failed[0])


def _try_gradients(kit: SimpleNamespace, name: str, layer: str, off: list[str], failed: list[str]) -> Trial:
    """Every gradient of a backward where its forward runs; `off` and `failed` get the forward's faults."""
    for number in range(4):
        arrays, dout, f = _layer_problem(layer, number)
        own = _copies(arrays)
        try:  # eps is given: its default is the forward's
            out, cache = _call_forward(kit, layer, number, own, eps=_eps(number))
        except Exception as error:
            failed.append(f"{layer}_forward: {type(error).__name__}: {error}")
            continue
        if not same(out, f(*arrays)):
            off.append(f"out for x of shape {arrays[0].shape} is off")
        before = _copies(own)
        values = getattr(kit.layers, name)(dout.copy(), cache)
        expected = _gradients_of(layer, number)
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


GRADIENTS = {
    "affine_backward": "affine",
    "relu_backward": "relu",
    "batchnorm_backward": "batchnorm",
    "batchnorm_backward_alt": "batchnorm",
    "layernorm_backward": "layernorm",
    "dropout_backward": "dropout",
}


def _judge_backward(name: str, kit: SimpleNamespace) -> Truth:
    """By the layer as defined, over the learner's own cache; dropout's by the mask of its own forward."""

    def refuse(*_: object) -> None:
        raise RuntimeError("the closed form calls another backward")

    layer, off, failed = GRADIENTS[name], list[str](), list[str]()
    others = ("batchnorm_backward", "layernorm_backward") if name.endswith("_alt") else ()
    try:
        with _replaced([kit.layers], dict.fromkeys(others, refuse)):
            if name == "dropout_backward":
                reason = _first_fault(_try_dropout_backward(kit, failed))
            else:
                reason = _first_fault(_try_gradients(kit, name, layer, off, failed))
    except ForwardIsOff as error:
        return Truth(False, str(error), (f"{layer}_forward",))
    return Truth(not reason, reason, (f"{layer}_forward",) if failed or (reason and off) else ())


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


def _try_rule(name: str) -> Callable[[SimpleNamespace], Trial]:
    memories, settings, defaults = RULES[name]

    def trial(kit: SimpleNamespace) -> Trial:
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

    return trial


# Nets.


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


def _judge_net(name: str, kit: SimpleNamespace) -> Truth:
    """By its definition over the learner's own layers; if it is off, over right ones as well."""
    reason = _first_fault(_try_net(name, kit))
    if not reason:
        return Truth(True)
    with _replaced([kit.layers, kit.layer_utils, kit.fc_net], RIGHT_LAYERS):
        own = _first_fault(_try_net(name, kit))
    if own:
        return Truth(False, own)
    used = [layer for layer in LAYERS if name != "TwoLayerNet.loss" or layer in LAYERS[:5]]
    return Truth(False, reason, tuple(layer for layer in used if not judge(layer, kit).right))


@contextlib.contextmanager
def _replaced(modules: list[Any], functions: dict[str, Any]) -> Iterator[None]:
    """While it lasts, every name of `functions` that a module has means the function given."""
    before = [{name: vars(m)[name] for name in functions if name in vars(m)} for m in modules]
    for module, own in zip(modules, before):
        vars(module).update({name: functions[name] for name in own})
    try:
        yield
    finally:
        for module, own in zip(modules, before):
            vars(module).update(own)


# Right layers for a net: the gradients of a norm are taken by complex steps along the axis that couples.


def _norm_backward(axis: int) -> Callable:
    def backward(dout, cache):
        x, gamma, beta, eps = cache
        dx = np.zeros(x.shape)
        for k in range(x.shape[axis]):
            place = (k, slice(None)) if axis == 0 else (slice(None), k)
            moved = x.astype(complex)
            moved[place] += 1j * STEP
            dx[place] = (dout * norm(moved, gamma, beta, axis, eps).imag).sum(axis=axis) / STEP
        return dx, (dout * normalize(x, axis, eps)[0]).sum(axis=0), dout.sum(axis=0)

    return backward


def _batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    (x_hat, *stats), names = normalize(x, 0, eps), ("running_mean", "running_var")
    running = [bn_param.get(name, np.zeros(x.shape[1])) for name in names]
    if bn_param["mode"] == "test":
        return gamma * (x - running[0]) / (running[1] + eps) ** 0.5 + beta, None
    for name, old, new in zip(names, running, stats):
        bn_param[name] = momentum * old + (1 - momentum) * new[0]
    return gamma * x_hat + beta, (x, gamma, beta, eps)


def _layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    return norm(x, gamma, beta, 1, eps), (x, gamma, beta, eps)


def _dropout_forward(x, dropout_param):
    p, mask = dropout_param["p"], np.ones(x.shape)
    if dropout_param["mode"] == "train":
        mask = (RandomState(dropout_param.get("seed")).uniform(size=x.shape) < p) / p
    return x * mask, (dropout_param, mask)


def _affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


RIGHT_LAYERS: dict[str, Callable] = {
    "affine_forward": lambda x, w, b: (affine(x, w, b), (x, w, b)),
    "affine_backward": _affine_backward,
    "relu_forward": lambda x: (relu(x), x),
    "relu_backward": lambda dout, x: dout * (x > 0),
    "softmax_loss": softmax,
    "batchnorm_forward": _batchnorm_forward,
    "batchnorm_backward": _norm_backward(0),
    "batchnorm_backward_alt": _norm_backward(0),
    "layernorm_forward": _layernorm_forward,
    "layernorm_backward": _norm_backward(1),
    "dropout_forward": _dropout_forward,
    "dropout_backward": lambda dout, cache: dout * cache[1],
}
NETS = ("TwoLayerNet.loss", "FullyConnectedNet")
TRIALS: dict[str, Callable[[SimpleNamespace], Trial]] = {
    "affine_forward": _try_forward("affine"),
    "relu_forward": _try_forward("relu"),
    "softmax_loss": _try_softmax,
    "batchnorm_forward": _try_batchnorm_forward,
    "layernorm_forward": _try_forward("layernorm"),
    "dropout_forward": _try_dropout_forward,
    **{name: _try_rule(name) for name in RULES},
}
