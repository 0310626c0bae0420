"""Random generators: their state as JSON and arrays, and the same generators again from it."""

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

__all__ = ["attributes_of", "find_generators", "load_random_state", "place_of", "save_random_state"]

BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
METHODS = (types.MethodType, types.BuiltinMethodType)
LIBRARIES = (Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1])

_GLOBAL = np.random.mtrand._rand  # the RandomState whose methods the module np.random offers


def save_random_state(**owners: Any) -> dict[str, Any]:
    """The state of each generator, that of the global one first; a shared generator is saved once.

    Args:
        owners: the generator that each name draws from: a Generator, a RandomState, np.random or None.

    Returns:
        {"held": {name: index into states}, "states": [...]}; names with None are left out. In a state, "bits"
        and "seed" are the index of the first one with the same bit generator, and the same SeedSequence.

    Raises:
        TypeError: a generator is none of these, or not on a bit generator of numpy; the message names it.
    """
    generators, names, owner_index = [_GLOBAL], ["np.random"], {}
    for name, rng in owners.items():
        if rng is not None:
            rng = _GLOBAL if rng is np.random else rng
            if not any(rng is known for known in generators):
                generators.append(rng)
                names.append(name)
            owner_index[name] = _index(generators, rng)
    all_bits = [_bits_of(name, rng) for name, rng in zip(names, generators)]
    all_seeds = [bits.seed_seq for bits in all_bits]
    states = [
        {
            "kind": type(rng).__name__,
            "state": rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else bits.state,
            "bits": _index(all_bits, bits),
            "seed": _index(all_seeds, seed),
            "seed_sequence": None if seed is None else seed.state,
        }
        for rng, bits, seed in zip(generators, all_bits, all_seeds)
    ]
    return {"held": owner_index, "states": states}


def load_random_state(saved: dict[str, Any]) -> dict[str, Any]:
    """Set the global generator to its saved state, on the bit generator that it had, and make the others.

    Returns:
        {name: generator}, one for all names that shared one; np.random for the global one.
    """
    generators: list[Any] = []
    all_bits: list[Any] = []
    all_seeds: list[np.random.SeedSequence | None] = []
    for i, stored in enumerate(saved["states"]):
        state, bits, seed, seed_sequence = (stored[n] for n in ("state", "bits", "seed", "seed_sequence"))
        all_seeds.append(
            all_seeds[seed] if seed < i else seed_sequence and np.random.SeedSequence(**seed_sequence)
        )
        all_bits.append(all_bits[bits] if bits < i else _bits_from(state, all_seeds[i], is_global=i == 0))
        if i == 0:
            np.random.set_state(state)
            generators.append(np.random)
        elif stored["kind"] == "RandomState":
            generators.append(np.random.RandomState(all_bits[i]))
            generators[i].set_state(state)
        else:
            generators.append(np.random.Generator(all_bits[i]))
    return {name: generators[i] for name, i in saved["held"].items()}


def find_generators(thing: Any, name: str, *known: Any) -> Iterator[tuple[str, Any, bool]]:
    """Every random generator that a model or a function holds, or draws from by a name of its module.

    Returns:
        Its path, such as "model/dropout_param/rng", which begins with `name`; the generator, which may be
        np.random or Python's random; and whether place_of can put another in its place. `known` is left out.
    """
    seen = {id(one): one for one in known}  # with the things themselves, so that no id comes twice
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
    """Each with the attributes that are read from it, unlike getclosurevars; also in comprehensions."""
    names: list[str] = []
    found = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            found.append(names := [step.argval])
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            names.append(step.argval)
        elif step.opname != "EXTENDED_ARG":
            names = []
    yield from found
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _is_of_user(module: Any) -> bool:
    """Whether that name is of a module outside the standard library, site-packages and this kit."""
    file = Path(getattr(sys.modules.get(str(module)), "__file__", None) or "")
    is_library = {"site-packages", "dist-packages"} & set(file.parts) or set(LIBRARIES) & set(file.parents)
    return bool(file.name) and not is_library


def _index(things: list[Any], thing: Any) -> int:
    return next(i for i, known in enumerate(things) if known is thing)


def _bits_of(name: str, rng: Any) -> Any:
    if type(rng) not in (np.random.Generator, np.random.RandomState):
        raise _cannot_save("a numpy Generator or RandomState", f"{name} is {rng!r}")
    bits = rng.bit_generator if isinstance(rng, np.random.Generator) else rng._bit_generator
    if type(bits) not in [getattr(np.random, known) for known in BIT_GENERATORS]:
        kind = f"{type(bits).__module__}.{type(bits).__name__}"
        raise _cannot_save(
            f"the bit generators {', '.join(BIT_GENERATORS)}", f"{name} draws from {kind}", rng
        )
    if type(bits.seed_seq) not in (np.random.SeedSequence, type(None)):
        raise _cannot_save("a numpy SeedSequence", f"{name} has {bits.seed_seq!r}", rng)
    return bits


def _cannot_save(known: str, found: str, rng: Any = None) -> TypeError:
    another = "set_bit_generator(np.random.MT19937())" if rng is _GLOBAL else "default_rng(0)"
    return TypeError(f"Solver.train: a run can save {known}, but {found}; try np.random.{another}")


def _bits_from(state: dict[str, Any], seed: np.random.SeedSequence | None, is_global: bool) -> Any:
    name = state["bit_generator"]
    if name not in BIT_GENERATORS:
        raise ValueError(f"there is no bit generator {name!r}")
    legacy: Any = np.random  # whose type hints lack two functions
    bits: Any = legacy.get_bit_generator() if is_global else None
    if type(bits) is not getattr(np.random, name):
        bits = getattr(np.random, name)()
        if is_global:
            legacy.set_bit_generator(bits)
    bits.__setstate__((state, seed))  # with None, spawn is refused: those of another seed would be others
    return bits
