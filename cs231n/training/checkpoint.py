"""What a model needs at test time, kept together: its parameters and their running statistics."""

import importlib
import json
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from cs231n.classifiers import fc_net
from cs231n.common.files import atomic_write

__all__ = ["load_checkpoint", "load_model", "require_folder", "restore", "save_checkpoint", "snapshot"]

STATISTICS = ("running_mean", "running_var")

LAYERS = ("cs231n.layer_utils", "cs231n.fast_layers")  # what a file may name: no other module is imported


def snapshot(model):
    """A copy of the model's params, and of the running statistics in its bn_params if it has any."""
    params = {name: w.copy() for name, w in model.params.items()}
    statistics = [
        {name: bn_param[name].copy() for name in STATISTICS if name in bn_param}
        for bn_param in getattr(model, "bn_params", [])
    ]
    return params, statistics


def restore(model, kept):
    """Put a snapshot back, in the dtypes that the model's parameters have."""
    params, statistics = kept
    for name, w in params.items():  # into the same dict: a model may read it under another name as well
        model.params[name] = w.astype(model.params[name].dtype if name in model.params else w.dtype)
    dtype = next(iter(model.params.values())).dtype
    for bn_param, stored in zip(getattr(model, "bn_params", []), statistics):
        for name in STATISTICS:
            bn_param.pop(name, None)
        bn_param.update({name: a.astype(dtype) for name, a in stored.items()})


def save_checkpoint(path, model, kept=None):
    """Write a snapshot of model, or the one in kept, to path, a .npz file that is never there by half."""
    params, statistics = kept or snapshot(model)
    arrays = {f"params/{name}": w for name, w in params.items()}
    for i, stored in enumerate(statistics):
        arrays |= {f"bn_params/{i}/{name}": a for name, a in stored.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        np.savez(
            file,
            normalization=str(getattr(model, "normalization", None)),
            model=json.dumps(describe(model), default=float),
            **arrays,
        )


def read_arrays(where, path):
    """All members of the .npz file at path. Raises: FileNotFoundError; ValueError if it is no such file."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:  # what a file cut short, or one with a flipped bit, can lead to
        raise ValueError(
            f"{where}: {path} is no checkpoint ({error}); try a file that a Solver wrote"
        ) from None


def describe(model):
    """The arguments that build a net of this kit again, as JSON has them; None for any other model."""
    if type(model).__module__ != fc_net.__name__:  # by name: a class is another one after a reload
        return None
    kind, weights = type(model).__name__, [w.shape for name, w in model.params.items() if name[0] == "W"]
    described = {"kind": kind, "input_dim": weights[0][0], "num_classes": weights[-1][1], "reg": model.reg}
    if kind == "TwoLayerNet":
        return {**described, "hidden_dim": weights[0][1]}
    if model.layers.__name__ not in LAYERS:
        return None
    return {
        **described,
        "hidden_dims": [size for _, size in weights[:-1]],
        "normalization": model.normalization,
        "dtype": np.dtype(model.dtype).name,
        "dropout_keep_ratio": model.dropout_param.get("p", 1),
        "seed": model.dropout_param.get("seed"),
        "label_smoothing": model.label_smoothing,
        "layers": model.layers.__name__,
        "bn_params": [
            {name: value for name, value in p.items() if name not in ("mode", *STATISTICS)}
            for p in model.bn_params
        ],
    }


def build(described):
    """The net that describe was given, with other parameters; the global random stream stays where it is."""
    arguments = dict(described)
    kind, norm_params = arguments.pop("kind"), arguments.pop("bn_params", [])
    if kind not in ("TwoLayerNet", "FullyConnectedNet") or arguments.get("layers", LAYERS[0]) not in LAYERS:
        raise ValueError(f"a net of kind {kind!r}, layers {arguments.get('layers')!r}, is not of this kit")
    if kind == "FullyConnectedNet":
        arguments["layers"] = importlib.import_module(arguments["layers"])
        arguments["dtype"] = np.dtype(arguments["dtype"]).type
    stream = np.random.get_state()
    try:
        model = getattr(fc_net, kind)(**arguments)
    finally:
        np.random.set_state(stream)
    for norm_param, settings in zip(getattr(model, "bn_params", []), norm_params):
        norm_param.update(settings)
    return model


def load_model(path):
    """A net of this kit from a file that a Solver wrote: it predicts bit for bit as the one that was saved.

    Raises: FileNotFoundError; ValueError if the file is no checkpoint, or that of another kind of model.
    """
    arrays = read_arrays("Solver.load", path)
    try:
        model = build(json.loads(str(arrays["model"])))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(
            f"Solver.load: {path} holds no net of this kit; try the folder of a run, or "
            "load_checkpoint(path, model) with a model that you build"
        ) from None
    load_checkpoint(path, model)
    return model


def require_folder(where, stem):
    """Make the folder of the files called stem, and see that it can be written to. Raises: OSError."""
    folder = Path(stem).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"{where}: cannot write checkpoints into {folder} ({error}); try another checkpoint_name"
        ) from None


def load_checkpoint(path, model):
    """Give model the parameters and running statistics of a file that a Solver wrote.

    Raises: FileNotFoundError; ValueError, before model is changed, if the file is no checkpoint or another
            kind of model's.
    """
    arrays = read_arrays("load_checkpoint", path)
    arrays.pop("model", None)
    if "normalization" not in arrays:
        raise ValueError(
            f"load_checkpoint: {path} is no checkpoint of a model; "
            "try the model.npz of a run, or NAME_epoch_E.npz"
        )
    normalization = str(arrays.pop("normalization"))
    found = {key: a.shape if a.dtype.kind == "f" else a.dtype for key, a in arrays.items()}
    found["normalization"] = normalization
    wanted = {f"params/{name}": w.shape for name, w in model.params.items()}
    wanted["normalization"] = str(getattr(model, "normalization", None))
    layers = [f"bn_params/{i}/" for i in range(len(getattr(model, "bn_params", [])))]
    for i, layer in enumerate(layers, start=1):
        gamma = model.params.get(f"gamma{i}") if normalization == "batchnorm" else None
        for key in (layer + name for name in STATISTICS):
            wanted[key] = found.get(key) if gamma is None else gamma.shape
    for key in {**wanted, **found}:
        if found.get(key) != wanted.get(key):
            raise ValueError(
                f"load_checkpoint: {path} has {key} {found.get(key, 'missing')}, the model "
                f"has {wanted.get(key, 'none')}; try the model it was written by"
            )
    params = {key[len("params/") :]: a for key, a in arrays.items() if key.startswith("params/")}
    statistics = [{name: arrays[i + name] for name in STATISTICS if i + name in arrays} for i in layers]
    restore(model, (params, statistics))
