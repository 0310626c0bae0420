"""Random generators: their state as JSON and arrays, and the same generators again from it."""

from typing import Any

import numpy as np

__all__ = ["load_random_state", "save_random_state"]

BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")

_GLOBAL = np.random.mtrand._rand  # the RandomState whose methods the module np.random offers


def save_random_state(**owners: Any) -> dict[str, Any]:
    """The state of each generator, that of the global one first; a shared generator is saved once.

    Args:
        owners: the generator that each name draws from: a Generator, a RandomState, np.random or None.

    Returns:
        {"held": {name: index into states}, "states": [...]}; names with None are left out.

    Raises:
        TypeError: a generator is none of these.
    """
    generators, owner_index = [_GLOBAL], {}
    for name, rng in owners.items():
        if rng is not None:
            rng = _GLOBAL if rng is np.random else rng
            if not any(rng is known for known in generators):
                generators.append(rng)
            owner_index[name] = next(i for i, known in enumerate(generators) if known is rng)
    return {"held": owner_index, "states": [_state_of(rng) for rng in generators]}


def load_random_state(saved: dict[str, Any]) -> dict[str, Any]:
    """Set the global generator to its saved state, and make the others.

    Returns:
        {name: generator}, one for all names that shared one; np.random for the global one.
    """
    first, *rest = saved["states"]
    np.random.set_state(first["state"])
    generators = [np.random, *map(_generator_from, rest)]
    return {name: generators[i] for name, i in saved["held"].items()}


def _state_of(rng: Any) -> dict[str, Any]:
    state: Any
    if isinstance(rng, np.random.RandomState):
        kind, state = "RandomState", rng.get_state(legacy=False)
    elif isinstance(rng, np.random.Generator):
        kind, state = "Generator", rng.bit_generator.state
    else:
        raise TypeError(f"an rng that a run can save is a numpy Generator or RandomState, got {rng!r}")
    if state["bit_generator"] not in BIT_GENERATORS:
        raise TypeError(f"the rng must be one of {', '.join(BIT_GENERATORS)}, got {state['bit_generator']}")
    return {"kind": kind, "state": state}


def _generator_from(saved: dict[str, Any]) -> np.random.Generator | np.random.RandomState:
    name = saved["state"]["bit_generator"]
    if name not in BIT_GENERATORS:
        raise ValueError(f"there is no bit generator {name!r}")
    bits = getattr(np.random, name)()
    if saved["kind"] == "RandomState":
        rng = np.random.RandomState(bits)
        rng.set_state(saved["state"])
        return rng
    bits.state = saved["state"]
    return np.random.Generator(bits)
