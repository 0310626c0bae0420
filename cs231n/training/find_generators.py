"""Where a model or a function holds random generators: a run keeps those of a model, and refuses others."""

import dis
import random
import sys
import sysconfig
import types
from collections.abc import Iterator
from functools import partial
from inspect import getclosurevars
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["attributes_of", "find_generators", "place_of"]

GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
METHODS = (types.MethodType, types.BuiltinMethodType)
LIBRARIES = (Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1])


def find_generators(thing: Any, name: str, *known: Any) -> Iterator[tuple[str, Any, bool]]:
    """Every random generator that a model or a function holds, or draws from by a name of its module.

    Returns:
        Its path, such as "model/dropout_param/rng", which begins with `name`; the generator, which may be
        np.random or Python's random; and whether place_of can put another in its place. `known` is left out.
    """
    seen = {id(one): one for one in known}  # the things too: the id of a deleted one can come again
    waiting = [(name, thing, True)]
    while waiting:
        path, thing, settable = waiting.pop()
        if isinstance(thing, GENERATORS) or thing is np.random or thing is random:
            yield path, thing, settable
        elif id(thing) not in seen:
            seen[id(thing)] = thing
            for key, child, own in _children(thing):
                waiting.append((f"{path}/{key}", child, own and settable and "/" not in str(key)))


def place_of(thing: Any, path: str) -> tuple[Any, Any]:
    """The dict or list, and the key, where find_generators has found a generator. Raises: ValueError."""
    *parents, last = path.split("/")[1:]
    holder: Any
    place: Any
    try:
        for key in parents:
            thing = thing[int(key)] if isinstance(thing, list) else _entries(thing)[key]
        holder, place = (thing, int(last)) if isinstance(thing, list) else (_entries(thing), last)
        if parents != ["dropout_param"]:  # a net that is built again has no rng there yet
            holder[place]
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            f"Solver.resume: the run has a random generator in {path}, which the model has no place for; "
            "try the model that the run began with"
        ) from None
    return holder, place


def _entries(thing: Any) -> dict[str, Any]:
    return thing if isinstance(thing, dict) else vars(thing)


def attributes_of(thing: Any) -> dict[str, Any]:
    """The attributes of an object, also those in __slots__, without a call of a property."""
    slots = {
        name: getattr(thing, name)
        for kind in type(thing).__mro__
        if "__slots__" in vars(kind)
        for name, slot in vars(kind).items()
        if isinstance(slot, types.MemberDescriptorType) and hasattr(thing, name)
    }
    return slots | getattr(thing, "__dict__", {})


def _children(thing: Any) -> Iterator[tuple[Any, Any, bool]]:
    """What a thing holds: the name, the thing, and whether another can be put in its place."""
    if isinstance(thing, (type, types.ModuleType, np.ndarray)):
        return
    if isinstance(thing, dict):
        yield from ((key, child, isinstance(key, str)) for key, child in thing.items())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        yield from ((i, child, isinstance(thing, list)) for i, child in enumerate(thing))
    elif isinstance(thing, partial):
        yield from ((key, getattr(thing, key), False) for key in ("func", "args", "keywords"))
    elif isinstance(thing, types.FunctionType):
        yield "defaults", (thing.__defaults__, thing.__kwdefaults__), False
        yield from ((key, child, False) for key, child in getclosurevars(thing).nonlocals.items())
        for key, *rest in _global_names(thing.__code__):
            child = thing.__globals__.get(key)
            while rest and isinstance(child, types.ModuleType) and _is_of_user(child.__name__):
                key, child = f"{key}/{rest[0]}", vars(child).get(rest.pop(0))
            module = getattr(child, "__module__", None)
            of_user = module == thing.__module__ or _is_of_user(module)
            if of_user or not callable(child) or isinstance(child, (*METHODS, partial)):
                yield key, child, False
    elif isinstance(thing, METHODS):  # such as np.random.normal, or a method of the user
        yield "__self__", thing.__self__, False
        yield "__func__", getattr(thing, "__func__", None), False
    elif hasattr(thing, "__dict__") or hasattr(type(thing), "__slots__"):
        attributes, replaceable = attributes_of(thing), getattr(thing, "__dict__", {})
        yield from ((key, child, key in replaceable) for key, child in attributes.items())
        of_class = {key: child for kind in type(thing).__mro__[::-1] for key, child in vars(kind).items()}
        own = {"__init__", *attributes}  # a resumed run calls __init__ before it restores the streams
        for key, child in of_class.items():
            if key not in own and isinstance(child, (types.FunctionType, *GENERATORS)):
                yield key, child, False


def _global_names(code: types.CodeType) -> Iterator[list[str]]:
    """The global names that code reads, each with the attributes read from it, which getclosurevars lacks."""
    names: list[str] = []
    paths = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            paths.append(names := [step.argval])
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            names.append(step.argval)
        elif step.opname != "EXTENDED_ARG":
            names = []
    yield from paths
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _is_of_user(module: Any) -> bool:
    """Whether that name is of a module outside the standard library, site-packages and this kit."""
    file = Path(getattr(sys.modules.get(str(module)), "__file__", None) or "")
    is_library = {"site-packages", "dist-packages"} & set(file.parts) or set(LIBRARIES) & set(file.parents)
    return bool(file.name) and not is_library
