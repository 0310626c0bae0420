"""What a model needs at test time, kept together: its parameters and their running statistics."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

__all__ = ["load_checkpoint", "require_folder", "restore", "save_checkpoint", "snapshot"]

STATISTICS = ("running_mean", "running_var")


def snapshot(model):
    """A copy of the model's params, and of the running statistics in its bn_params if it has any."""
    params = {name: w.copy() for name, w in model.params.items()}
    statistics = [{name: bn_param[name].copy() for name in STATISTICS if name in bn_param}
                  for bn_param in getattr(model, "bn_params", [])]
    return params, statistics


def restore(model, kept):
    """Put a snapshot back, in the dtypes that the model's parameters have."""
    params, statistics = kept
    for name, w in params.items():      # into the same dict: a model may read it under another name as well
        model.params[name] = w.astype(model.params[name].dtype if name in model.params else w.dtype)
    dtype = next(iter(model.params.values())).dtype
    for bn_param, stored in zip(getattr(model, "bn_params", []), statistics):
        for name in STATISTICS:
            bn_param.pop(name, None)
        bn_param.update({name: a.astype(dtype) for name, a in stored.items()})


def save_checkpoint(path, model):
    """Write params and running statistics to path, a .npz file that is never there by half."""
    params, statistics = snapshot(model)
    arrays = {f"params/{name}": w for name, w in params.items()}
    for i, kept in enumerate(statistics):
        arrays |= {f"bn_params/{i}/{name}": a for name, a in kept.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            np.savez(file, normalization=str(getattr(model, "normalization", None)), **arrays)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def require_folder(where, stem):
    """Make the folder of the files called stem, and see that it can be written to. Raises: OSError."""
    folder = Path(stem).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"{where}: cannot write checkpoints into {folder} ({error}); "
                      "try another checkpoint_name") from None


def load_checkpoint(path, model):
    """Give model the parameters and running statistics of a file that a Solver wrote.

    Raises: FileNotFoundError; ValueError, before model is changed, if the file is no checkpoint or another
            kind of model's.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        normalization = str(arrays.pop("normalization"))
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"load_checkpoint: {path} is no checkpoint ({error}); "
                         "try a file that a Solver wrote") from None
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
            raise ValueError(f"load_checkpoint: {path} has {key} {found.get(key, 'missing')}, the model "
                             f"has {wanted.get(key, 'none')}; try the model it was written by")
    params = {key[len("params/"):]: a for key, a in arrays.items() if key.startswith("params/")}
    statistics = [{name: arrays[i + name] for name in STATISTICS if i + name in arrays} for i in layers]
    restore(model, (params, statistics))
