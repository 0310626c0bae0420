"""The options of a Solver: the name, the type, the default and the check of each, in this one place."""

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from cs231n.contracts import require_choice, require_count, require_number, require_rng, require_seed
from cs231n.data import augment as augment_functions
from cs231n.training.checkpoint import plain
from cs231n.training.schedules import require_schedule

__all__ = ["SolverOptions", "options_from_json", "options_to_json", "qualified_name", "signature_with"]

Augment = Callable[[np.ndarray, Any], np.ndarray]  # (batch of images, rng) -> such a batch

AUGMENT_MODULES = ("cs231n.data.augment", "cs231n.augment")  # the second until the module moved


def _option(
    default: Any, require: Callable | None = None, *bounds: Any, stored: bool = True, **more: bool
) -> Any:
    """A field whose check is require("Solver", name, value, *bounds); None passes where it is the default."""

    def check(name: str, value: Any) -> None:
        if require is not None and not (value is None and default is None):
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


@dataclass(kw_only=True, eq=False, repr=False)
class SolverOptions:
    """What the docstring of Solver lists, checked; a Solver inherits the fields as attributes.

    They are not frozen, because notebooks change them between two calls of train. optim_config and
    schedule_config become copies, and rng the stream that seed or rng stands for.

    Raises:
        TypeError, ValueError: an option does not pass its check; the message names it.
    """

    update_rule: str = _option("sgd")  # checked by the Solver: which rules there are depends on the model
    optim_config: dict[str, Any] = _option(None, _require_settings)
    lr_decay: float = _option(1.0, require_number, 0, above=True)
    schedule: str = _option("constant")
    schedule_config: dict[str, Any] = _option(None)
    batch_size: int = _option(100, require_count, 1)
    num_epochs: int = _option(10, require_count, 0)
    patience: int | None = _option(None, require_count, 1)
    keep: str = _option("best", require_choice, ("best", "last"))
    clip_norm: float | None = _option(None, require_number, 0, above=True)
    augment: Augment | None = _option(None, _require_augment)
    num_train_samples: int | None = _option(1000, require_count, 1)
    num_val_samples: int | None = _option(None, require_count, 1)
    checkpoint_name: str | os.PathLike | None = _option(None)
    run: str | os.PathLike | None = _option(None, stored=False)
    print_every: int = _option(10, require_count, 1)
    verbose: bool = _option(True)
    seed: int | None = _option(None, require_seed, stored=False)
    rng: Any = _option(None, lambda where, name, value: require_rng(where, value), stored=False)

    def __post_init__(self) -> None:
        if self.seed is not None and self.rng is not None:
            raise ValueError("Solver: seed and rng both set the random numbers; give only one of them")
        self.check_options()
        self.optim_config, self.schedule_config = (
            plain(self.optim_config or {}),  # a float64 of numpy would turn float32 weights into float64
            plain(self.schedule_config or {}),
        )
        self.lr_decay = float(self.lr_decay)
        if self.rng is None:
            self.rng = np.random if self.seed is None else np.random.RandomState(self.seed)

    def check_options(self) -> None:
        """Check each field as it is now. Raises: TypeError, ValueError that name it."""
        for option in fields(SolverOptions):
            option.metadata["check"](option.name, getattr(self, option.name))
        require_schedule("Solver", self.schedule, self.schedule_config)


def signature_with(*positional: str) -> inspect.Signature:
    """The signature of a call that takes `positional` and every option by keyword."""
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in positional]
    return inspect.Signature([*first, *inspect.signature(SolverOptions).parameters.values()])


def options_to_json(options: object) -> dict[str, Any]:
    """The options of a Solver as its run folder stores them: augment by its name; not run, seed and rng."""
    stored = {f.name: getattr(options, f.name) for f in fields(SolverOptions) if f.metadata["stored"]}
    if stored["augment"] is not None:
        stored["augment"] = qualified_name(stored["augment"])
    if stored["checkpoint_name"] is not None:
        stored["checkpoint_name"] = os.fspath(stored["checkpoint_name"])
    return plain(stored)


def options_from_json(stored: Mapping[str, Any], augment: Augment | None = None) -> dict[str, Any]:
    """The arguments of a Solver from what options_to_json returned.

    Args:
        stored: options by name.
        augment: the function that `stored` names, if it is not one of cs231n.data.augment.

    Raises:
        ValueError: `stored` names another function, or one that is not of this kit and was not handed in.
    """
    name = stored["augment"]
    module, _, function = (name or "").rpartition(".")
    if augment is not None:
        if function != qualified_name(augment).rpartition(".")[2]:
            raise ValueError(
                f"Solver.resume: the run augments its batches by {name}, got {qualified_name(augment)}; "
                f"try augment={function or None}"
            )
    elif module in AUGMENT_MODULES and function in augment_functions.__all__:
        augment = getattr(augment_functions, function)
    elif name is not None:
        raise ValueError(
            f"Solver.resume: the run augments its batches by {name}, which is not of this kit; "
            "try Solver.resume(path, data, augment=...) with that function"
        )
    return {**stored, "augment": augment}


def qualified_name(thing: object) -> str:
    """The dotted name of a function or a class; of any other object, that of its class."""
    named: Any = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
