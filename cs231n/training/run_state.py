"""The state of a run: all that its next step depends on, taken from a Solver and put back into one."""

import hashlib
from types import ModuleType
from typing import Any

import numpy as np

from cs231n.training.checkpoint import (
    NORM_SETTINGS,
    Model,
    bn_params_of,
    build,
    describe,
    norm_settings,
    plain,
)
from cs231n.training.find_generators import attributes_of, find_generators, place_of
from cs231n.training.options import options_to_json
from cs231n.training.parts import PLAIN, qualified_name, settings_of
from cs231n.training.random_state import load_random_state, save_random_state

__all__ = ["capture", "constants_of", "data_digest", "model_of", "restore_state"]

COUNTERS = ("epoch", "best_epoch", "best_val_acc", "_epochs_done", "_base_lr")
HISTORIES = ("loss_history", "train_acc_history", "val_acc_history")


def data_digest(solver: Any) -> str:
    """The SHA-256 digest of the training and validation arrays: names, dtypes, shapes, bytes."""
    digest = hashlib.sha256()
    for name in ("X_train", "y_train", "X_val", "y_val"):
        array = getattr(solver, name)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for i in range(0, len(array), 1000):  # a view need not be contiguous, and a copy of all is large
            digest.update(np.ascontiguousarray(array[i : i + 1000]).data)
    return digest.hexdigest()


def capture(solver: Any, rows: list[list], digest: str, constants: dict[str, Any]) -> dict[str, Any]:
    """The state of a run, as nested dicts and lists of arrays, numbers and texts.

    Args:
        solver: a Solver, not modified; what is returned shares its arrays.
        rows: the lines of history.csv.
        digest: data_digest(solver).
        constants: constants_of(model) when the run began, without those that have changed since.

    Raises:
        TypeError: a random stream cannot be kept; the message says which, and what to try.
    """
    model = solver.model
    return {
        "data": digest,
        "rows": rows,
        "settings": options_to_json(solver),
        "described": describe(model),
        "kind": qualified_name(model),
        "model": _describe_settings(model),
        "constants": constants,
        "counters": {name: getattr(solver, name) for name in COUNTERS},
        "histories": {name: np.array(getattr(solver, name)) for name in HISTORIES},
        "params": model.params,
        "bn_params": bn_params_of(model),
        "optim_configs": solver.optim_configs,
        "best": solver._best_snapshot,
        "kept": None if solver._kept_snapshot is solver._best_snapshot else solver._kept_snapshot,
        "streams": save_random_state(solver=solver.rng, **_generators_of_model(solver)),
    }


def restore_state(solver: Any, state: dict[str, Any]) -> None:
    """Put into `solver` and its model what `capture` returned, and set the global random stream.

    Raises:
        ValueError: the data is not that of the run, or the model has other shapes; nothing is changed.
    """
    model, digest = solver.model, data_digest(solver)
    if digest != state["data"]:
        raise ValueError(
            f"Solver.resume: the run was trained on other data (sha256 {state['data'][:12]}..., "
            f"here {digest[:12]}...); try the arrays that it began with"
        )
    bn_params = bn_params_of(model)
    shapes = {name: np.shape(w) for name, w in model.params.items()}
    saved_shapes = {name: w.shape for name, w in state["params"].items()}
    if shapes != saved_shapes or len(bn_params) != len(state["bn_params"]):
        raise ValueError(
            f"Solver.resume: the checkpoint has parameters {saved_shapes}, the model {shapes}; try the "
            "model that the run began with"
        )
    places = {path: place_of(model, path) for path in state["streams"]["held"] if path != "solver"}
    for name, w in state["params"].items():
        model.params.pop(name)  # so that the order is that of the run
        model.params[name] = w
    for bn_param, stored in zip(bn_params, state["bn_params"]):
        bn_param.clear()
        bn_param.update(stored)
    for name, value in state["counters"].items():
        setattr(solver, name, value)
    for name, values in state["histories"].items():
        setattr(solver, name, list(values))
    best, kept = state["best"], state["kept"]
    solver.optim_configs, solver._best_snapshot = state["optim_configs"], (best[0], best[1])
    solver._kept_snapshot = solver._best_snapshot if kept is None else (kept[0], kept[1])
    generators = load_random_state(state["streams"])
    solver.rng = generators.get("solver", np.random)
    for path, (holder, key) in places.items():
        holder[key] = generators[path]


def _generators_of_model(solver: Any) -> dict[str, Any]:
    """{path: generator}. Raises: TypeError if another is not in the model, or cannot be put back."""
    for part in ("augment", "schedule", "callbacks"):
        for path, rng, _ in find_generators(getattr(solver, part), part, solver, solver.model):
            _require_global(path, rng, "the rng that an augmentation is called with")
    generators = {}
    for path, rng, settable in find_generators(solver.model, "model", solver):
        if settable:
            generators[path] = rng
        else:
            _require_global(path, rng, "np.random, or a generator in dropout_param['rng']")
    return generators


def _require_global(path: str, rng: Any, another: str) -> None:
    if rng not in (np.random, np.random.mtrand._rand):
        raise TypeError(
            f"Solver.train: a run cannot save the random generator {path}, so it would resume with other "
            f"random numbers; try {another}"
        )


def _describe_settings(model: Model) -> dict[str, Any]:
    """What the next step depends on besides the parameters, of any model, as JSON has it: {name: value}."""
    net: Any = model
    names = ("reg", "normalization", "use_dropout", "use_batchnorm", "num_layers", "label_smoothing")
    settings = settings_of(net) | {name: getattr(net, name) for name in names if hasattr(net, name)}
    if isinstance(getattr(net, "dtype", None), type | np.dtype):
        settings["dtype"] = np.dtype(net.dtype).name
    if isinstance(getattr(net, "layers", None), ModuleType):
        settings["layers"] = net.layers.__name__
    if isinstance(dropout := getattr(net, "dropout_param", None), dict):
        settings |= {"dropout_keep_ratio": dropout.get("p", 1), "dropout_seed": dropout.get("seed")}
    for i, own in enumerate(norm_settings(model)):
        settings |= {f"{name} of bn_params[{i}]": value for name, value in (NORM_SETTINGS | own).items()}
    return {name: value for name, value in plain(settings).items() if isinstance(value, PLAIN)}


def constants_of(model: Model) -> dict[str, Any]:
    """The attributes that are numbers, texts, truth values or tuples of them, as JSON has them."""
    kinds = (*PLAIN, np.integer, np.floating, np.bool_)
    return {
        name: plain(value)
        for name, value in attributes_of(model).items()
        if all(isinstance(v, kinds) and v == v for v in (value if isinstance(value, tuple) else (value,)))
    }


def _require_same_model(model: Model, state: dict[str, Any]) -> None:
    """Check that `model` is like the one of the run. Raises: ValueError that names what differs."""
    now: dict[str, Any] = {"kind": qualified_name(model), "settings": _describe_settings(model)}
    then: dict[str, Any] = {"kind": state["kind"], "settings": state.get("model")}
    if "model" not in state:  # of version 1, which has the settings of a net of fc_net.py alone
        then["settings"], described = dict(state["described"] or {}), describe(model) or {}
        now["settings"] = {name: described.get(name) for name in then["settings"]}
        if then["settings"].get("layers") == "cs231n.layer_utils":  # the name of a module that moved
            then["settings"]["layers"] = "cs231n.sandwiches"
    for part, side in ((state["params"], then), (model.params, now)):
        side["dtype of the parameters"] = sorted({np.asarray(w).dtype.name for w in part.values()})
    for side in (then, now):
        side |= side.pop("settings")
    attributes = constants_of(model)
    for name, value in state.get("constants", {}).items():  # files before this had none
        if name not in then:
            then[name], now[name] = value, attributes.get(name)
    different = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if different:
        listed = "; ".join(f"{name} {then.get(name)!r}, not {now.get(name)!r}" for name in different)
        raise ValueError(
            f"Solver.resume: the model of the run has {listed}; try the model that the run began with"
        )


def model_of(state: dict[str, Any], model: Model | None) -> Model:
    """`model`, or else a net like the one of the run.

    Raises:
        ValueError: `model` is not like that of the run; or it is None, and the run has no net of fc_net.py.
    """
    if model is not None:
        _require_same_model(model, state)
        return model
    if state["described"] is None:
        raise ValueError(
            f"Solver.resume: the run trains a {state['kind']}, which is not of this kit; try "
            "Solver.resume(path, data, model=...) with one like it"
        )
    return build(state["described"])
