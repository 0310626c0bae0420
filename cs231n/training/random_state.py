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
        {"held": {name: index into states}, "states": [...]}; names with None are left out. In a state, "bits"
        and "seed" are the index of the first one with the same bit generator, and the same SeedSequence.

    Raises:
        TypeError: a generator is of another type, or has a bit generator that is not numpy's; it is named.
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
    bits.__setstate__((state, seed))  # with an unknown seed, None, spawn is refused
    return bits
