"""A small problem for each exercise, and how the exercise's function is called: arrays in, arrays out.

run is the only part of the checks that runs a learner's code.
"""

import importlib
import inspect
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

__all__ = [
    "AGAIN",
    "EXERCISES",
    "InputChanged",
    "WEIGHTS",
    "WrongReturn",
    "problems",
    "run",
    "standing_alone",
]

_LAYERS = (
    "affine_forward",
    "affine_backward",
    "relu_forward",
    "relu_backward",
    "softmax_loss",
    "batchnorm_forward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "layernorm_forward",
    "layernorm_backward",
    "dropout_forward",
    "dropout_backward",
)
_RULES = ("sgd_momentum", "rmsprop", "adam")
_NETS = ("TwoLayerNet.loss", "FullyConnectedNet")

EXERCISES = {  # in teaching order: the module that each one's function lives in
    **dict.fromkeys(_LAYERS, "cs231n.layers"),
    **dict.fromkeys(_RULES, "cs231n.optim"),
    **dict.fromkeys(_NETS, "cs231n.classifiers.fc_net"),
}

# The nets that FullyConnectedNet is tried as; a plain one also with dropout, and with label smoothing.
NETS = ("plain", "batchnorm", "layernorm")
SMALL = 50_000  # entries of an array up to which a problem is tried in float32 too
MEMORIES = {"sgd_momentum": ("velocity",), "rmsprop": ("cache",), "adam": ("m", "v")}
SETTINGS = {
    "sgd_momentum": ("learning_rate", "momentum"),
    "rmsprop": ("learning_rate", "decay_rate", "epsilon"),
    "adam": ("learning_rate", "beta1", "beta2", "epsilon"),
}

# What the second function of an exercise gives once more: {array: the same array of the first function}.
AGAIN = {
    "affine_backward": {"dw_without_dx": "dw", "db_without_dx": "db"},
    "adam": {"next_w_of_adamw": "next_w"},
}
# Of the points of an exercise each array is worth an equal part, but for these. Only "itemsize" is of all.
WEIGHTS = {name: {"itemsize": 0.25} for name in EXERCISES}
for _name in ("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward"):
    WEIGHTS[_name]["dx"] = 2
WEIGHTS["FullyConnectedNet"].update({"dropout.mask1": 0, "dropout.mask2": 0})  # chosen, and not a result


class WrongReturn(TypeError):
    """A learner's function returned something other than the arrays that it should."""


class InputChanged(ValueError):
    """A learner's function wrote into one of its arguments."""


def problems(exercise, seed, shape=None):
    """The inputs of one problem: a dict of float64 arrays, labels and numbers, the same for the same seed.

    Among them itemsize: the bytes of a number in the float32 that each function is called with once more.

    Args: exercise, a key of EXERCISES; seed; shape (N, D), default (7, 5): D features or classes, N > 2
          rows. Every other size follows; keep N and D apart, so that a swapped axis does not fit.
    """
    require_exercise(exercise)
    return {**_inputs(exercise, seed, *(shape or (7, 5))), "itemsize": np.array(4)}


def _inputs(exercise, seed, N, D):
    rng = np.random.RandomState(seed)
    M = next(m for m in (3, 5, 4, 6) if m not in (N, D))
    normal = rng.normal
    # Columns of different mean and size, entries off zero, where relu has a kink.
    x = normal(size=(N, D)) * rng.uniform(0.7, 2, D) + normal(size=D)
    x += np.copysign(0.1, x)
    if exercise.startswith("affine"):
        inputs = {"x": normal(size=(N, 2, D)), "w": normal(size=(2 * D, M)), "b": normal(size=M)}
        return {**inputs, "dout": normal(size=(N, M))} if exercise == "affine_backward" else inputs
    if exercise.startswith("relu"):
        x.flat[::6] = 0  # where nothing passes
        return {"x": x, "dout": normal(size=(N, D))} if exercise == "relu_backward" else {"x": x}
    if exercise == "softmax_loss":
        return {"x": x, "y": rng.randint(D, size=N), "label_smoothing": 0.2}
    if "norm_" in exercise:
        inputs = {"x": x, "gamma": rng.uniform(0.4, 2, D), "beta": normal(size=D), "eps": 0.2}
        if exercise == "batchnorm_forward":
            return {
                **inputs,
                "momentum": 0.7,
                "running_mean": normal(size=D),
                "running_var": rng.uniform(0.5, 2, D),
            }
        return {**inputs, "dout": normal(size=(N, D))} if "backward" in exercise else inputs
    if exercise.startswith("dropout"):
        many = max(N, 2000)  # enough entries for the share that is kept to be told
        return {
            "x": np.resize(x, (many, D)) + 0.0,
            "p": 0.7,
            "seed": seed % 1000,
            "dout": normal(size=(many, D)),
        }
    if exercise in MEMORIES:
        settings = {
            "learning_rate": 0.05,
            "momentum": 0.8,
            "decay_rate": 0.9,
            "beta1": 0.8,
            "beta2": 0.95,
            "epsilon": 0.01,
        }
        memory = {name: rng.uniform(0.2, 2, (N, D)) for name in MEMORIES[exercise]}
        count = {"t": 4} if exercise == "adam" else {}
        return {
            "w": normal(size=(N, D)),
            "dw": normal(size=(N, D)),
            **memory,
            **count,
            **{name: settings[name] for name in SETTINGS[exercise]},
        }
    inputs = {"X": normal(size=(N, 2, D)), "y": rng.randint(M, size=N), "reg": 0.3}
    if exercise == "FullyConnectedNet":
        inputs.update({"p": 0.6, "seed": seed % 1000, "label_smoothing": 0.2})
    hidden = [M + 1] if exercise == "TwoLayerNet.loss" else [M + 1, M + 2]
    sizes = [2 * D, *hidden, M]
    for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:]), start=1):
        inputs[f"W{i}"], inputs[f"b{i}"] = 0.6 * normal(size=(fan_in, fan_out)), normal(size=fan_out)
        if exercise == "FullyConnectedNet" and i < len(sizes) - 1:
            inputs[f"gamma{i}"], inputs[f"beta{i}"] = rng.uniform(0.4, 2, fan_out), normal(size=fan_out)
            inputs[f"running_mean{i}"], inputs[f"running_var{i}"] = (
                normal(size=fan_out),
                rng.uniform(0.5, 2, fan_out),
            )
    return inputs


def run(exercise, module, inputs):
    """What the function of an exercise makes of inputs: a dict of arrays by name.

    Args:   exercise, a key of EXERCISES; module, where its function is found by name, and for a backward
            also the forward that makes its cache (a module, or a SimpleNamespace that mixes two); inputs, a
            dict as problems returns it, not modified whatever the function does.
    Raises: what the function raises, NotImplementedError among them; WrongReturn; InputChanged.
    """
    require_exercise(exercise)
    got, again = _run(exercise, module, inputs), {}
    if max(map(np.size, inputs.values())) <= SMALL:  # a large one is there for the time of one call
        again = _run(
            exercise,
            module,
            {
                name: v.astype(np.float32) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
                for name, v in inputs.items()
            },
        )
    sizes = [array.itemsize for array in again.values() if array.ndim and array.dtype.kind == "f"]
    return {**got, "itemsize": np.array(max(sizes, default=4))}


@contextmanager
def standing_alone(exercise, module):
    """The closed form is an exercise of its own: while it is tried, the staged ones cannot be called.

    It changes module, so it is for a process that no other thread shares.
    """

    def refused(*_, **__):
        raise RuntimeError(
            "batchnorm_backward_alt calls another backward, but the closed form stands on its "
            "own: with pen and paper first; try notebook 2, sections 5 and 6"
        )

    names = ("batchnorm_backward", "layernorm_backward") if exercise == "batchnorm_backward_alt" else ()
    own = {name: vars(module)[name] for name in names if name in vars(module)}
    vars(module).update(dict.fromkeys(own, refused))
    try:
        yield
    finally:
        vars(module).update(own)


def _run(exercise, module, inputs):
    given = SimpleNamespace(
        **{name: np.copy(v) if isinstance(v, np.ndarray) else v for name, v in inputs.items()}
    )
    if exercise in MEMORIES:
        return _run_rule(exercise, module, given)
    if exercise in _NETS:
        return _run_net(exercise, module, given)
    return globals()[f"_run_{exercise.removesuffix('_alt')}"](module, given, exercise)


def require_exercise(exercise):
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r}; there are {', '.join(EXERCISES)}")


def _run_affine_forward(module, given, name):
    out, _ = _call(module, name, ("out", "cache"), x=given.x, w=given.w, b=given.b)
    return {"out": _array(name, "out", out)}


def _run_affine_backward(module, given, name):
    _, cache = _call(module, "affine_forward", ("out", "cache"), x=given.x, w=given.w, b=given.b)
    got = _backward(module, name, ("dx", "dw", "db"), given, cache)
    utils = importlib.import_module("cs231n.layer_utils")
    _, dw, db = _call(
        utils, "affine_backward_if", ("dx", "dw", "db"), needs_dx=False, dout=given.dout, cache=cache
    )
    return {
        **got,
        "dw_without_dx": _array("affine_backward_if", "dw", dw),
        "db_without_dx": _array("affine_backward_if", "db", db),
    }


def _run_relu_forward(module, given, name):
    out, _ = _call(module, name, ("out", "cache"), x=given.x)
    return {"out": _array(name, "out", out)}


def _run_relu_backward(module, given, name):
    _, cache = _call(module, "relu_forward", ("out", "cache"), x=given.x)
    return _backward(module, name, ("dx",), given, cache)


def _run_softmax_loss(module, given, name):
    loss, dx = _call(module, name, ("loss", "dx"), x=given.x, y=given.y)
    offset = np.resize([1000, -1000], (len(given.x), 1)).astype(given.x.dtype)
    with np.errstate(all="ignore"):
        loss_of_large, _ = _call(module, name, ("loss", "dx"), x=given.x + offset, y=given.y)
    # One that has no such argument, or leaves it to be written, ignores it: a mistake in a part, not in all.
    takes = len(inspect.signature(getattr(module, name)).parameters) > 2
    smoothing = {"label_smoothing": given.label_smoothing} if takes else {}
    try:
        loss_smoothed, dx_smoothed = _call(module, name, ("loss", "dx"), x=given.x, y=given.y, **smoothing)
    except NotImplementedError:
        loss_smoothed, dx_smoothed = loss, dx
    return {
        "loss": _array(name, "loss", loss),
        "dx": _array(name, "dx", dx),
        "loss_of_large": _array(name, "loss", loss_of_large),
        "loss_smoothed": _array(name, "loss", loss_smoothed),
        "dx_smoothed": _array(name, "dx", dx_smoothed),
    }


def _run_batchnorm_forward(module, given, name):
    memory = {"running_mean": given.running_mean, "running_var": given.running_var}
    param = {"eps": given.eps, "momentum": given.momentum}
    got = {}
    for mode in ("train", "test"):
        used = {"mode": mode, **param, **{k: v.copy() for k, v in memory.items()}}
        out, _ = _call(
            module, name, ("out", "cache"), x=given.x, gamma=given.gamma, beta=given.beta, bn_param=used
        )
        got["out" if mode == "train" else "out_in_test"] = _array(name, "out", out)
        for k in memory:
            got[k if mode == "train" else f"{k}_after_test"] = _array(name, f"bn_param[{k!r}]", used.get(k))
    return got


def _run_batchnorm_backward(module, given, name):
    _, cache = _call(
        module,
        "batchnorm_forward",
        ("out", "cache"),
        x=given.x,
        gamma=given.gamma,
        beta=given.beta,
        bn_param={"mode": "train", "eps": given.eps},
    )
    return _backward(module, name, ("dx", "dgamma", "dbeta"), given, cache)


def _run_layernorm_forward(module, given, name):
    out, _ = _call(
        module,
        name,
        ("out", "cache"),
        x=given.x,
        gamma=given.gamma,
        beta=given.beta,
        ln_param={"eps": given.eps},
    )
    return {"out": _array(name, "out", out)}


def _run_layernorm_backward(module, given, name):
    _, cache = _call(
        module,
        "layernorm_forward",
        ("out", "cache"),
        x=given.x,
        gamma=given.gamma,
        beta=given.beta,
        ln_param={"eps": given.eps},
    )
    return _backward(module, name, ("dx", "dgamma", "dbeta"), given, cache)


def _run_dropout_forward(module, given, name):
    seeded, other, got = {"seed": given.seed}, {"seed": given.seed + 1}, {}
    for what, mode, seed in [
        ("out", "train", seeded),
        ("out_again", "train", seeded),
        ("out_of_other_seed", "train", other),
        ("out_unseeded", "train", {}),
        ("out_unseeded_again", "train", {}),
        ("out_in_test", "test", seeded),
    ]:
        out, _ = _call(
            module, name, ("out", "cache"), x=given.x, dropout_param={"mode": mode, "p": given.p, **seed}
        )
        got[what] = _array(name, "out", out)
    return got


def _run_dropout_backward(module, given, name):
    param = {"mode": "train", "p": given.p, "seed": given.seed}
    out, cache = _call(module, "dropout_forward", ("out", "cache"), x=given.x, dropout_param=param)
    got = {**_backward(module, name, ("dx",), given, cache), "out": _array("dropout_forward", "out", out)}
    _, cache = _call(
        module, "dropout_forward", ("out", "cache"), x=given.x, dropout_param={**param, "mode": "test"}
    )
    got["dx_in_test"] = _backward(module, name, ("dx",), given, cache)["dx"]
    return got


def _run_rule(name, module, given):
    config = {s: vars(given)[s] for s in (*SETTINGS[name], *MEMORIES[name])}
    if name == "adam":
        config["t"] = given.t
    given_config = {
        key: np.copy(value) if isinstance(value, np.ndarray) else value for key, value in config.items()
    }
    next_w, config = _call(module, name, ("next_w", "config"), w=given.w, dw=given.dw, config=config)
    got = {"next_w": _array(name, "next_w", next_w)}
    for memory in (*MEMORIES[name], *(["t"] if name == "adam" else [])):
        kept = config.get(memory) if isinstance(config, dict) else None
        got[memory] = _array(name, f"config[{memory!r}]", kept)
    first, _ = _call(module, name, ("next_w", "config"), w=given.w, dw=given.dw, config=None)
    got["first_w"] = _array(name, "next_w", first)
    if name == "adam":  # adamw takes its step from _adam_step, without decay the same
        w, _ = _call(
            module,
            "adamw",
            ("next_w", "config"),
            w=given.w,
            dw=given.dw,
            config=given_config | {"weight_decay": 0.0},
        )
        got["next_w_of_adamw"] = _array("adamw", "next_w", w)
    return got


def _run_net(exercise, module, given):
    if exercise == "TwoLayerNet.loss":
        net = module.TwoLayerNet(given.W1.shape[0], *given.W2.shape, reg=given.reg)
        return _losses("TwoLayerNet", net, given)
    losses, hidden = {}, [given.W1.shape[1], given.W2.shape[1]]
    options = {
        **{kind: {"normalization": kind} for kind in NETS},
        "plain": {},
        "dropout": {"dropout_keep_ratio": given.p, "seed": given.seed},
        "smoothed": {"label_smoothing": given.label_smoothing},
    }
    for kind, option in options.items():
        try:
            net = module.FullyConnectedNet(
                hidden,
                given.W1.shape[0],
                given.W3.shape[1],
                reg=given.reg,
                dtype=given.X.dtype.type,
                **option,
            )
            if kind == "batchnorm":
                for i, bn_param in enumerate(net.bn_params, start=1):
                    bn_param.update(
                        {k: vars(given)[f"{k}{i}"].copy() for k in ("running_mean", "running_var")}
                    )
            losses[kind] = _losses("FullyConnectedNet", net, given)
        except NotImplementedError:
            if kind != "smoothed":  # as for softmax_loss
                raise
            losses[kind] = losses["plain"]
    got = {f"{kind}.{what}": v for kind, found in losses.items() for what, v in found.items()}
    param = {"mode": "train", "p": given.p, "seed": given.seed}
    for i, units in enumerate(hidden, start=1):  # the masks that the net drew from this seed
        out, _ = _call(
            module,
            "dropout_forward",
            ("out", "cache"),
            x=np.ones((len(given.X), units), given.X.dtype),
            dropout_param=param,
        )
        got[f"dropout.mask{i}"] = _array("dropout_forward", "out", out)
    return got


def _losses(name, net, given):
    for param in net.params:
        net.params[param] = vars(given)[param].copy()
    before = {param: value.copy() for param, value in net.params.items()}
    scores = _call(net, "loss", None, X=given.X)
    loss, grads = _call(net, "loss", ("loss", "grads"), X=given.X, y=given.y)
    for param in before:
        if not np.array_equal(net.params[param], before[param]):
            raise InputChanged(f"{name}.loss writes into params[{param!r}]; try a new array for the gradient")
    if not isinstance(grads, dict):
        raise WrongReturn(
            f"{name}.loss must return loss, grads, and grads must be a dict keyed as params; "
            f"got {type(grads).__name__}"
        )
    return {
        "scores": _array(f"{name}.loss", "scores", scores),
        "loss": _array(f"{name}.loss", "loss", loss),
        **{param: _array(f"{name}.loss", f"grads[{param!r}]", grads.get(param)) for param in before},
    }


def _backward(module, name, gives, given, cache):
    grads = _call(module, name, gives, dout=given.dout, cache=cache)
    return {grad: _array(name, grad, value) for grad, value in zip(gives, grads)}


def _call(module, name, gives, **arguments):
    """module.name(*arguments), as a tuple of as many values as gives has names (one name or None: as it is).

    A cache is the learner's own and may change; every array beside it may not.
    """
    before = {
        key: value.copy()
        for key, value in arguments.items()
        if isinstance(value, np.ndarray) and key != "cache"
    }
    value = getattr(module, name)(*arguments.values())
    for key, array in before.items():
        if not np.array_equal(arguments[key], array):
            raise InputChanged(
                f"{name} writes into its argument {key}, which its caller still needs; "
                f"try {key} = {key}.copy() as its first line"
            )
    if gives is None:
        return value
    if len(gives) == 1:
        return (value,)
    if not isinstance(value, (tuple, list)) or len(value) != len(gives):
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        raise WrongReturn(f"{name} must return {', '.join(gives)}; got {got}")
    return tuple(value)


def _array(where, name, value):
    """value as an array of numbers, or an error that says what it is instead."""
    if value is None:
        raise WrongReturn(f"{where}: {name} is None; is it computed, and returned or written back?")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind not in "fiub":
        raise WrongReturn(f"{where}: {name} must be a numpy array, got {type(value).__name__}")
    return array
