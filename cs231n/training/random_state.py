"""Streams of random numbers: where they stand, as JSON has it, and the same streams again from there."""

import numpy as np

__all__ = ["save_streams", "load_streams"]

BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")

_GLOBAL = np.random.mtrand._rand  # the RandomState whose methods the module np.random offers


def save_streams(**holders):
    """{holder: rng or None} -> where each stands, the global one too; a stream held twice is saved once.

    Raises: TypeError for what is neither a Generator nor a RandomState.
    """
    streams, held = [_GLOBAL], {}
    for holder, rng in holders.items():
        if rng is not None:
            rng = _GLOBAL if rng is np.random else rng
            if not any(rng is known for known in streams):
                streams.append(rng)
            held[holder] = next(i for i, known in enumerate(streams) if known is rng)
    return {"held": held, "states": [_state(rng) for rng in streams]}


def load_streams(saved):
    """Set the global stream to where it was -> {holder: rng}, with one rng for those that shared one."""
    first, *others = saved["states"]
    np.random.set_state(first["state"])
    streams = [np.random, *map(_stream, others)]
    return {holder: streams[i] for holder, i in saved["held"].items()}


def _state(rng):
    if isinstance(rng, np.random.RandomState):
        kind, state = "RandomState", rng.get_state(legacy=False)
    elif isinstance(rng, np.random.Generator):
        kind, state = "Generator", rng.bit_generator.state
    else:
        raise TypeError(f"an rng that a run can save is a numpy Generator or RandomState, got {rng!r}")
    if state["bit_generator"] not in BIT_GENERATORS:
        raise TypeError(f"the rng must be one of {', '.join(BIT_GENERATORS)}, got {state['bit_generator']}")
    return {"kind": kind, "state": state}


def _stream(saved):
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
