"""The options of a Solver: the name, the type, the default and the check of each, in this one place."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, get_args

import numpy as np

from cs231n.contracts import require_choice, require_count, require_number, require_rng, require_seed
from cs231n.training import parts
from cs231n.training.callbacks import Callback, is_callback
from cs231n.training.checkpoint import plain

__all__ = ["SolverOptions", "options_from_json", "options_to_json", "require_known", "signature_with"]

Augment = Callable[[np.ndarray, Any], np.ndarray]  # (batch of images, rng) -> such a batch
Schedule = Callable[[float], float]  # progress of the run, from 0 to 1 -> factor on the learning rate

FORMER = {  # arguments of earlier versions, and what to write now
    "seed": "rng=0",
    "patience": "callbacks=[EarlyStopping(patience=3)] of cs231n.training.callbacks",
    "clip_norm": "callbacks=[ClipGradients(1.0)] of cs231n.training.callbacks",
    "schedule_config": "schedule=cosine(final=0.1) of cs231n.training.schedules",
}


def _option(
    default: Any, require: Callable | None = None, *bounds: Any, stored: bool = True, **more: bool
) -> Any:
    """A field that require("Solver", name, value, *bounds) checks; check_options lets None pass."""

    def check(name: str, value: Any) -> None:
        if require is not None:
            require("Solver", name, value, *bounds, **more)

    return field(default=default, metadata={"check": check, "stored": stored})


def _require_settings(where: str, name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise TypeError(
            f"{where}: {name} must be a dict, got {type(value).__name__}; try {{'learning_rate': 1e-3}}"
        )


def _require_augment(where: str, name: str, value: Any) -> None:
    if not callable(value):
        raise TypeError(
            f"{where}: {name} must be a function (batch, rng) -> batch, got {value!r}; "
            "try from cs231n.data.augment import flip_and_shift"
        )


def _require_schedule(where: str, name: str, value: Any) -> None:
    if not callable(value) or inspect.isclass(value):
        called = f"{value}()" if value in ("cosine", "one_cycle") else "cosine()"
        raise TypeError(
            f"{where}: {name} must be None or a function progress -> factor, got {value!r}; try "
            f"{name}={called}, from cs231n.training.schedules"
        )
    for progress in (0.0, 0.5, 0.999):
        factor = value(progress)
        if factor is None:
            called = f"{name}({progress}) must be a number, got None"
            raise TypeError(f"{where}: {called}; is `return` missing in {_name_of(value)}?")
        require_number(where, f"{name}({progress})", factor, 0)


def _name_of(function: Callable) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _require_callbacks(where: str, name: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)) or not all(map(is_callback, value)):
        raise TypeError(
            f"{where}: {name} must be a list of Callback objects, got {value!r}; try {name}="
            "[EarlyStopping(patience=3)], from cs231n.training.callbacks"
        )


def _require_path(where: str, name: str, value: Any) -> None:
    if not isinstance(value, str | os.PathLike) and not (name == "run" and is_callback(value)):
        kind = "a folder or a Run" if name == "run" else "a path"
        raise TypeError(f"{where}: {name} must be {kind}, got {value!r}; try {name}='runs/first'")


def _require_rng(where: str, name: str, value: Any) -> None:
    if isinstance(value, (str, bool, int, float, np.number)):
        require_seed(where, name, value)
    else:
        require_rng(where, value)


@dataclass(kw_only=True, eq=False, repr=False)
class SolverOptions:
    """What the docstring of Solver lists, checked; a Solver inherits the fields as attributes.

    They are not frozen, because notebooks change them between two calls of train. optim_config and callbacks
    become copies, and rng the stream that it stands for.

    Raises:
        TypeError, ValueError: an option does not pass its check; the message names it.
    """

    update_rule: str = _option("sgd")  # checked by the Solver: which rules there are depends on the model
    optim_config: dict[str, Any] = _option(None, _require_settings)
    lr_decay: float = _option(1.0, require_number, 0, above=True)
    batch_size: int = _option(100, require_count, 1)
    num_epochs: int = _option(10, require_count, 0)
    num_train_samples: int | None = _option(1000, require_count, 1)
    num_val_samples: int | None = _option(None, require_count, 1)
    checkpoint_name: str | os.PathLike | None = _option(None, _require_path)
    print_every: int = _option(10, require_count, 1)
    verbose: bool = _option(True)
    schedule: Schedule | None = _option(None, _require_schedule)
    callbacks: Iterable[Callback] = _option((), _require_callbacks)
    run: Any = _option(None, _require_path, stored=False)
    augment: Augment | None = _option(None, _require_augment)
    keep: str = _option("best", require_choice, ("best", "last"))
    rng: Any = _option(None, _require_rng, stored=False)

    def __post_init__(self) -> None:
        self.check_options()
        self.optim_config, self.callbacks = plain(self.optim_config or {}), list(self.callbacks)
        self.lr_decay = float(self.lr_decay)
        if self.rng is None:
            self.rng = np.random
        elif isinstance(self.rng, (int, np.integer)):
            self.rng = np.random.RandomState(self.rng)

    def __getstate__(self) -> dict[str, Any]:
        """What copy and pickle use; the module np.random can be neither copied nor pickled."""
        return {**self.__dict__, "rng": None if self.rng is np.random else self.rng}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, rng=np.random if state["rng"] is None else state["rng"])

    def augmented(self, X: np.ndarray) -> np.ndarray:
        """A batch after `augment`. Raises: TypeError if that returns None."""
        assert self.augment is not None
        images = self.augment(X, self.rng)
        if images is None:
            raise TypeError(
                "Solver: augment must return a batch of images, got None; is `return` missing in "
                f"{_name_of(self.augment)}?"
            )
        return images

    def check_options(self) -> None:
        """Check each field as it is now. Raises: TypeError, ValueError that name it."""
        for option in fields(SolverOptions):
            value = getattr(self, option.name)
            if value is not None or option.default is not None and NoneType not in get_args(option.type):
                option.metadata["check"](option.name, value)


def signature_with(*positional: str) -> inspect.Signature:
    """The signature of a call that takes `positional` and every option by keyword."""
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in positional]
    return inspect.Signature([*first, *inspect.signature(SolverOptions).parameters.values()])


def require_known(options: Mapping[str, Any]) -> None:
    """Raises: ValueError that names arguments that a Solver does not take, and what to write instead."""
    known = inspect.signature(SolverOptions).parameters
    if unknown := [name for name in options if name not in known]:
        tries = [f"{FORMER[name]} in place of {name}" for name in unknown if name in FORMER]
        hint = "; ".join(tries) or "help(Solver)"
        raise ValueError(f"Solver: unknown argument {', '.join(map(repr, unknown))}; try {hint}")


def options_to_json(options: object) -> dict[str, Any]:
    """The options of a Solver as its run folder stores them, parts as in parts.describe; not run and rng."""
    stored = {f.name: getattr(options, f.name) for f in fields(SolverOptions) if f.metadata["stored"]}
    for name in ("augment", "schedule"):
        stored[name] = parts.describe(stored[name])
    stored["callbacks"] = [*map(parts.describe, stored["callbacks"])]
    if stored["checkpoint_name"] is not None:
        stored["checkpoint_name"] = os.fspath(stored["checkpoint_name"])
    return plain(stored)


def options_from_json(
    stored: Mapping[str, Any],
    augment: Augment | None = None,
    schedule: Schedule | None = None,
    callbacks: Iterable[Callback] | None = None,
) -> dict[str, Any]:
    """The arguments of a Solver from what options_to_json returned.

    Args:
        stored: options by name.
        augment, schedule, callbacks: those that `stored` describes, if they are not all of this kit.

    Raises:
        ValueError: `stored` describes another one, or one that is not of this kit and was not handed in.
    """
    options = dict(stored)
    options["augment"] = _part("augment", options["augment"], augment)
    options["schedule"] = _part("schedule", options["schedule"], schedule)
    described: list = options["callbacks"]
    objects = [None] * len(described) if callbacks is None else list(callbacks)
    if len(objects) != len(described):
        raise ValueError(
            f"Solver.resume: the run has callbacks {[*map(parts.as_text, described)]}, got {objects}; "
            "try callbacks= with as many"
        )
    options["callbacks"] = [_part("callbacks", *pair) for pair in zip(described, objects)]
    return options


def _part(name: str, stored: Any, part: Any) -> Any:
    """The part that is described as `stored`, which is `part` itself if that is given."""
    if part is not None:
        if not parts.same(stored, part):
            was, got = parts.as_text(stored), parts.as_text(parts.describe(part))
            hint = was.partition("(")[0].rpartition(".")[2]
            raise ValueError(f"Solver.resume: the run has {name} {was}, got {got}; try {name}={hint}")
        return part
    try:
        return parts.build(stored)
    except ValueError as error:
        raise ValueError(
            f"Solver.resume: the run has {name} {error}; try Solver.resume(path, data, {name}=...) with it"
        ) from None
