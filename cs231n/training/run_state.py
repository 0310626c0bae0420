"""The state of a run: all that its next step depends on, taken from a Solver and put back into one."""

import hashlib

import numpy as np

from cs231n.data import augment
from cs231n.training.checkpoint import build, describe
from cs231n.training.random_state import load_streams, save_streams

__all__ = ["capture", "restore_state", "model_of", "augment_of", "data_digest", "pack", "unpack"]

FORMAT, VERSION = "cs231n run", 1

SETTINGS = (
    "optim_config",
    "lr_decay",
    "schedule",
    "schedule_config",
    "batch_size",
    "num_epochs",
    "num_train_samples",
    "num_val_samples",
    "patience",
    "keep",
    "clip_norm",
    "checkpoint_name",
    "print_every",
    "verbose",
)
COUNTERS = ("epoch", "best_epoch", "best_val_acc", "_done", "_rate")
HISTORIES = ("loss_history", "train_acc_history", "val_acc_history")


def data_digest(solver):
    """sha256 over the training and validation arrays: names, dtypes, shapes, bytes."""
    digest = hashlib.sha256()
    for name in ("X_train", "y_train", "X_val", "y_val"):
        array = getattr(solver, name)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for i in range(0, len(array), 1000):  # a view need not be contiguous, and a copy of all is large
            digest.update(np.ascontiguousarray(array[i : i + 1000]).data)
    return digest.hexdigest()


def settings(solver):
    """The arguments that make solver again, but for model, data, augment and rng; and augment's name."""
    return {
        "update_rule": solver.update_rule.__name__,
        **{name: getattr(solver, name) for name in SETTINGS},
        "augment": None if solver.augment is None else name_of(solver.augment),
    }


def name_of(thing):
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


def capture(solver, rows, digest):
    """The state of a run, as nested dicts and lists of arrays, numbers and texts."""
    model = solver.model
    return {
        "format": FORMAT,
        "version": VERSION,
        "data": digest,
        "rows": rows,
        "settings": settings(solver),
        "described": describe(model),
        "kind": name_of(model),
        "counters": {name: getattr(solver, name) for name in COUNTERS},
        "histories": {name: np.array(getattr(solver, name)) for name in HISTORIES},
        "params": model.params,
        "bn_params": getattr(model, "bn_params", []),
        "optim_configs": solver.optim_configs,
        "best": solver._best,
        "streams": save_streams(solver=solver.rng, model=getattr(model, "dropout_param", {}).get("rng")),
    }


def restore_state(solver, state):
    """Put into solver and its model what capture took from them, and set the global stream.

    Raises: ValueError, before anything is changed, if the data is other, or the model of other shapes.
    """
    model, digest = solver.model, data_digest(solver)
    if digest != state["data"]:
        raise ValueError(
            f"Solver.resume: the run was trained on other data (sha256 {state['data'][:12]}..., "
            f"here {digest[:12]}...); try the arrays that it began with"
        )
    found = {name: np.shape(w) for name, w in model.params.items()}
    wanted = {name: w.shape for name, w in state["params"].items()}
    if found != wanted or len(getattr(model, "bn_params", [])) != len(state["bn_params"]):
        raise ValueError(
            f"Solver.resume: the checkpoint has parameters {wanted}, the model {found}; try the "
            "model that the run began with"
        )
    model.params.update(state["params"])
    for bn_param, stored in zip(getattr(model, "bn_params", []), state["bn_params"]):
        bn_param.clear()
        bn_param.update(stored)
    for name, value in state["counters"].items():
        setattr(solver, name, value)
    for name, values in state["histories"].items():
        setattr(solver, name, list(values))
    solver.optim_configs, solver._best = state["optim_configs"], tuple(state["best"])
    streams = load_streams(state["streams"])
    solver.rng = streams["solver"]
    if "model" in streams:
        model.dropout_param["rng"] = streams["model"]


def model_of(state):
    """The net that the state is of. Raises: ValueError if that is no net of this kit."""
    if state["described"] is None:
        raise ValueError(
            f"Solver.resume: the run trains a {state['kind']}, which is not of this kit; try "
            "Solver.resume(path, data, model=...) with one like it"
        )
    return build(state["described"])


def augment_of(state):
    """The function that changed the batches. Raises: ValueError if that is none of this kit's."""
    name = state["settings"]["augment"]
    known = {None: None, **{f"{augment.__name__}.{n}": getattr(augment, n) for n in augment.__all__}}
    if name not in known:
        raise ValueError(
            f"Solver.resume: the run augments its batches by {name}, which is not of this kit; "
            "try Solver.resume(path, data, augment=...) with that function"
        )
    return known[name]


def pack(tree, arrays, path="state"):
    """tree with each array replaced by its name in arrays, which is filled: what is left goes into JSON.

    Raises: TypeError for a name that is no text, which JSON would turn into one.
    """
    if isinstance(tree, dict):
        for name in tree:
            if not isinstance(name, str):
                raise TypeError(f"a run can save what has a text for its name, got {name!r} in {path}")
        return {name: pack(value, arrays, f"{path}/{name}") for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [pack(value, arrays, f"{path}/{i}") for i, value in enumerate(tree)]
    if isinstance(tree, (np.ndarray, np.generic)):
        arrays[path] = np.asarray(tree)
        return {"npz": path}
    return tree


def unpack(tree, arrays):
    """What pack was given; tuples come back as lists."""
    if isinstance(tree, dict):
        if tree.keys() == {"npz"} and isinstance(tree["npz"], str):
            return arrays[tree["npz"]][()]
        return {name: unpack(value, arrays) for name, value in tree.items()}
    return [unpack(value, arrays) for value in tree] if isinstance(tree, list) else tree
