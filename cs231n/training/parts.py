"""Functions and objects that a Solver is given, as JSON: an augmentation, a schedule, callbacks.

    describe(partial(shift, pixels=1))    {"name": "cs231n.data.augment.shift", "settings": {"pixels": 1}}

A part of this kit is built again from that; any other part is handed in again, and compared with it.
"""

import hashlib
import inspect
import json
from functools import partial
from typing import Any

import numpy as np

from cs231n.data import augment
from cs231n.training import callbacks, schedules
from cs231n.training.checkpoint import plain
from cs231n.training.find_generators import attributes_of

__all__ = ["PLAIN", "as_text", "build", "describe", "is_of_kit", "qualified_name", "same", "settings_of"]

PLAIN = (bool, int, float, str, type(None))  # what JSON has


def qualified_name(thing: object) -> str:
    """The dotted name of a function or a class; of any other object, that of its class."""
    named: Any = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


KIT = {
    qualified_name(part): part
    for module in (augment, schedules, callbacks)
    for part in (getattr(module, name) for name in module.__all__)
}


def describe(part: Any, depth: int = 3) -> dict[str, Any] | None:
    """Its dotted name and its settings; None for None.

    Settings are what a partial, a closure or the defaults of a function hold. Those of an object are the
    attributes that have the names of its class's arguments. Functions in them are described too, up to depth.
    """
    if part is None:
        return None
    function = part
    while isinstance(function, partial):
        function = function.func
    settings = _settings(part) if depth else {}
    described = {name: _describe_value(value, depth - 1) for name, value in settings.items()}
    return {"name": qualified_name(function), "settings": described}


def _settings(part: Any) -> dict[str, Any]:
    if isinstance(part, partial):
        return {**_settings(part.func), **{str(i): a for i, a in enumerate(part.args)}, **part.keywords}
    if not inspect.isfunction(part):
        return settings_of(getattr(part, "__self__", part))
    if qualified_name(part) in KIT:
        return {}
    parameters = inspect.signature(part).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**inspect.getclosurevars(part).nonlocals, **defaults}


def settings_of(thing: Any) -> dict[str, Any]:
    """The attributes of an object that have the names of its class's arguments, also after an underscore."""
    try:
        names = inspect.signature(type(thing)).parameters
    except (TypeError, ValueError):
        return {}
    own = attributes_of(thing)
    return {name: own[key] for name in names for key in (f"_{name}", name) if key in own}


def _describe_value(value: Any, depth: int) -> Any:
    value = plain(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list):
        return [_describe_value(entry, depth) for entry in value]
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"<{value.dtype} {value.shape} {digest[:12]}>"
    return describe(value, depth) if callable(value) else f"<{qualified_name(value)}>"


def as_text(described: dict[str, Any] | None) -> str:
    """The call that would make it, for people to read."""
    if described is None:
        return "None"
    settings = ", ".join(
        f"{name}={as_text(value) if isinstance(value, dict) else repr(value)}"
        for name, value in (described["settings"] or {}).items()
    )
    return described["name"] + f"({settings})" * bool(settings)


def is_of_kit(described: dict[str, Any] | None) -> bool:
    """Whether `build` can make that part (None: no part)."""
    return described is None or described["name"] in KIT


def build(described: dict[str, Any] | None) -> Any:
    """The part of this kit that has this description; None for None.

    Raises:
        ValueError: it is no part of this kit, or has other arguments.
    """
    if described is None:
        return None
    settings = described["settings"] or {}
    try:
        part = KIT[described["name"]]
        if inspect.isclass(part):
            return part(**settings)
        return partial(part, **settings) if settings else part
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{as_text(described)}, which is not of this kit") from None


def same(stored: dict[str, Any] | None, part: Any) -> bool:
    """Whether `part` has that description; that name, if the settings are None, as in version 1."""
    described = describe(part)
    if stored is None or described is None or stored["settings"] is not None:
        return json.dumps(stored) == json.dumps(described)  # where NaN is NaN, and 1 is not True
    is_unnamed = stored["name"] == "functools.partial" and isinstance(part, partial)
    return is_unnamed or stored["name"] == described["name"]
