"""Parameters and their running statistics, saved and loaded together: a model needs both at test time."""

import importlib
import inspect
import json
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cs231n.common.files import atomic_write

__all__ = [
    "NORM_SETTINGS",
    "Model",
    "Snapshot",
    "bn_params_of",
    "build",
    "describe",
    "load_checkpoint",
    "load_model",
    "make_net",
    "norm_settings",
    "plain",
    "read_arrays",
    "restore",
    "save_checkpoint",
    "snapshot",
]

STATISTICS = ("running_mean", "running_var")
NORM_SETTINGS = {"eps": 1e-5, "momentum": 0.9}  # and what a norm does without them

NETS = "cs231n.classifiers.fc_net"  # by name, since it is a learner's file: it may change, or not import
KINDS = ("TwoLayerNet", "FullyConnectedNet")
LAYERS = {  # what a file may name, and what is imported for it
    "cs231n.sandwiches": "cs231n.sandwiches",
    "cs231n.fast_layers": "cs231n.fast_layers",
    "cs231n.layer_utils": "cs231n.sandwiches",  # where the hidden layers were before
}


class Model(Protocol):
    """Anything with parameters and a loss; running statistics are in bn_params, a list of dicts, if any."""

    params: dict[str, np.ndarray]

    def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
        """Scores, or with labels `y` the loss and its gradients, keyed as params."""


Snapshot = tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]  # parameters, statistics of each norm


def snapshot(model: Model) -> Snapshot:
    """A copy of the parameters, and of the running statistics if the model has any."""
    params = {name: w.copy() for name, w in model.params.items()}
    return params, [
        {name: bn_param[name].copy() for name in STATISTICS if name in bn_param}
        for bn_param in bn_params_of(model)
    ]


def restore(model: Model, saved: Snapshot) -> None:
    """Put a snapshot back, in the dtypes that the model's parameters have."""
    params, statistics = saved
    for name, w in params.items():  # into the same dict: a model may read it under another name as well
        model.params[name] = w.astype(model.params[name].dtype if name in model.params else w.dtype)
    dtype = next(iter(model.params.values())).dtype
    for bn_param, stored in zip(bn_params_of(model), statistics):
        for name in STATISTICS:
            bn_param.pop(name, None)
        bn_param.update({name: a.astype(dtype) for name, a in stored.items()})


def bn_params_of(model: Model) -> list[dict[str, Any]]:
    """The dicts of running statistics; some nets of the course have a dict of them in place of the list."""
    bn_params = getattr(model, "bn_params", [])
    if isinstance(bn_params, dict):  # in the order of the layers: bn_param2 before bn_param10
        return [bn_params[name] for name in sorted(bn_params, key=lambda name: (len(str(name)), str(name)))]
    return bn_params


def plain(value: Any) -> Any:
    """The same with the numbers, texts and truth values of Python for those of numpy, also in containers."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.floating):
        return float(value)  # item() of a longdouble is a longdouble
    return value.item() if isinstance(value, np.generic) else value


def save_checkpoint(path: str | os.PathLike, model: Model, saved: Snapshot | None = None) -> None:
    """Write `saved` (default: a snapshot of `model`) to an .npz file, whole or not at all."""
    params, statistics = saved or snapshot(model)
    arrays: dict[str, Any] = {f"params/{name}": w for name, w in params.items()}
    for i, stored in enumerate(statistics):
        arrays |= {f"bn_params/{i}/{name}": a for name, a in stored.items()}
    arrays["normalization"] = str(getattr(model, "normalization", None))
    arrays["model"] = json.dumps(describe(model) or {"bn_params": norm_settings(model)}, default=float)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def read_arrays(where: str, path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All members of an .npz file; `where` begins the message of an error.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .npz file, is damaged, or holds pickles.
    """
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except Exception as error:  # one flipped bit can lead to a dozen kinds, even a tokenize.TokenError
            raise ValueError(
                f"{where}: {path} is not a checkpoint ({error}); try a file that a Solver wrote"
            ) from None


def describe(model: Model) -> dict[str, Any] | None:
    """The arguments that build a net of fc_net.py again, as JSON has them; None for any other model."""
    net: Any = model
    kind, names = type(net).__name__, sorted(net.params, key=lambda name: (len(name), name))
    weights = [net.params[name].shape for name in names if name[0] == "W"]
    if type(net).__module__ != NETS or kind not in KINDS:  # a class is another object after a reload
        return None
    described = {"kind": kind, "input_dim": weights[0][0], "num_classes": weights[-1][1], "reg": net.reg}
    if kind == "TwoLayerNet":
        return plain({**described, "hidden_dim": weights[0][1]})
    older_batchnorm = getattr(net, "use_batchnorm", False)  # of 2016 and 2017
    described |= {
        "hidden_dims": [size for _, size in weights[:-1]],
        "normalization": getattr(net, "normalization", "batchnorm" if older_batchnorm else None),
        "dtype": np.dtype(net.dtype).name,
        "dropout_keep_ratio": net.dropout_param.get("p", 1),
        "seed": net.dropout_param.get("seed"),
        "bn_params": norm_settings(net),
    }
    if hasattr(net, "layers"):  # which a net of the public course has not
        if net.layers.__name__ not in LAYERS:
            return None
        described |= {"layers": net.layers.__name__, "label_smoothing": net.label_smoothing}
    return plain(described)


def norm_settings(model: Model) -> list[dict[str, float]]:
    """The eps and momentum in each of bn_params; what is not there has the value of NORM_SETTINGS."""
    return plain([{name: p[name] for name in NORM_SETTINGS if name in p} for p in bn_params_of(model)])


def build(described: dict[str, Any]) -> Model:
    """The net that `describe` was given, with new parameters; the global random stream stays where it is.

    Raises:
        ValueError: it is not a net of fc_net.py, or the class there takes other arguments.
    """
    arguments = dict(described)
    kind, bn_params = arguments.pop("kind"), arguments.pop("bn_params", [])
    if kind not in KINDS or arguments.get("layers", "cs231n.sandwiches") not in LAYERS:
        raise ValueError(f"a net of kind {kind!r}, layers {arguments.get('layers')!r}, is not of this kit")
    if "layers" in arguments:
        arguments["layers"] = importlib.import_module(LAYERS[arguments["layers"]])
    if "dtype" in arguments:
        arguments["dtype"] = np.dtype(arguments["dtype"]).type
    stream = np.random.get_state(legacy=False)
    try:
        model = make_net(kind, **arguments)
    except TypeError as error:  # of another year, or of the learner's own
        raise ValueError(f"fc_net.py cannot build the {kind} again ({error}); try with model=...") from None
    finally:
        np.random.set_state(stream)
    for bn_param, settings in zip(bn_params_of(model), bn_params):
        bn_param.update(settings)
    return model


def make_net(kind: str, *, rng: np.random.RandomState | None = None, **options: Any) -> Model:
    """A net of fc_net.py, which may be that of any year of the course.

    Where its class does not take them, layers and options that are off are left out, and dropout_keep_ratio
    and normalization have the names of earlier years.

    Args:
        kind: the name of the class.
        rng: where the weights come from, by way of the global stream if the class knows no other; the global
            stream stays where it is (None: the global stream).
        **options: further arguments.

    Raises:
        TypeError: the class does not take an argument.
    """
    net = getattr(importlib.import_module(NETS), kind)
    known = inspect.signature(net).parameters
    if "layers" not in known:
        options.pop("layers", None)
    for name, off in {"dropout_keep_ratio": 1, "normalization": None, "label_smoothing": 0}.items():
        if name not in known and options.get(name, off) == off:
            options.pop(name, None)
    if "dropout_keep_ratio" in options and "dropout_keep_ratio" not in known:
        options["dropout"] = options.pop("dropout_keep_ratio")
    if "normalization" in options and "normalization" not in known:
        if options.pop("normalization") == "layernorm":
            raise TypeError(
                f"make_net: {kind} in fc_net.py takes no normalization, so it has no layernorm; "
                "try the arguments that the exercise FullyConnectedNet asks for"
            )
        options["use_batchnorm"] = True
    if rng is None:
        return net(**options)
    if "rng" in known:
        return net(**options, rng=rng)
    stream = np.random.get_state(legacy=False)
    np.random.seed(rng.randint(2**31))
    try:
        return net(**options)
    finally:
        np.random.set_state(stream)


def load_model(path: str | os.PathLike) -> Model:
    """A net of fc_net.py from a file that a Solver wrote; it predicts bit for bit as the one that was saved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a checkpoint, or that of another kind of model.
    """
    arrays = read_arrays("Solver.load", path)
    if "state" in arrays:  # of run_checkpoints
        raise ValueError(
            f"Solver.load: {path} is the state of a run, for Solver.resume; try "
            f"Solver.load({str(Path(path).parent)!r})"
        )
    try:
        model = build(json.loads(str(arrays["model"])))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(
            f"Solver.load: {path} has no net of this kit; try the folder of a run, or "
            "load_checkpoint(path, model) with a model that you build"
        ) from None
    for key, w in arrays.items():  # in the order and the dtypes of the file, which load_checkpoint keeps
        if (name := key.removeprefix("params/")) in model.params:
            model.params[name] = model.params.pop(name).astype(w.dtype)
    load_checkpoint(path, model)
    return model


def load_checkpoint(path: str | os.PathLike, model: Model) -> None:
    """Give `model` the parameters and running statistics of a file that a Solver wrote.

    Args:
        path: a model.npz of a run, or a NAME_epoch_E.npz.
        model: keeps its dtypes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, or one of another model, also one with another eps or momentum in
            its bn_params; nothing is changed.
    """
    arrays = read_arrays("load_checkpoint", path)
    try:
        normalization = str(arrays.pop("normalization"))
        settings_in_file = (json.loads(str(arrays.pop("model", "null"))) or {}).get("bn_params", [])
    except (KeyError, ValueError, AttributeError):
        raise ValueError(
            f"load_checkpoint: {path} is not a checkpoint of a model; "
            "try the model.npz of a run, or NAME_epoch_E.npz"
        ) from None
    in_file: dict[str, Any] = {key: a.shape if a.dtype.kind == "f" else a.dtype for key, a in arrays.items()}
    in_file["normalization"] = normalization
    in_model: dict[str, Any] = {f"params/{name}": w.shape for name, w in model.params.items()}
    in_model["normalization"] = str(getattr(model, "normalization", None))
    norms = [f"bn_params/{i}/" for i in range(len(bn_params_of(model)))]
    for i, norm in enumerate(norms, start=1):
        gamma = model.params.get(f"gamma{i}") if normalization == "batchnorm" else None
        for key in (norm + name for name in STATISTICS):
            in_model[key] = in_file.get(key) if gamma is None else gamma.shape
    settings_in_model = norm_settings(model) if settings_in_file else []  # those of older files are not known
    for described, all_settings in (in_file, settings_in_file), (in_model, settings_in_model):
        for i, settings in enumerate(all_settings):
            described |= {f"bn_params/{i}/{name}": v for name, v in (NORM_SETTINGS | settings).items()}
    for key in {**in_model, **in_file}:
        if in_file.get(key) != in_model.get(key):
            hint = "the model it was written by"
            setting = key.rpartition("/")[2]
            if setting in NORM_SETTINGS and key in in_file and key in in_model:
                hint = f"{setting}={in_file.get(key)} in its bn_params"
            raise ValueError(
                f"load_checkpoint: {path} has {key} {in_file.get(key, 'missing')}, the model "
                f"has {in_model.get(key, 'none')}; try {hint}"
            )
    params = {key.removeprefix("params/"): a for key, a in arrays.items() if key.startswith("params/")}
    statistics = [
        {name: arrays[norm + name] for name in STATISTICS if norm + name in arrays} for norm in norms
    ]
    restore(model, (params, statistics))
