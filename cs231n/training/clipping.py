"""Scale down gradients that are too long, before a step is made."""

import math

import numpy as np

from cs231n.contracts import Number, takes

__all__ = ["clip_by_norm"]


@takes(norm=Number(0, above=True))
def clip_by_norm(grads: dict[str, np.ndarray], norm: float) -> dict[str, np.ndarray]:
    """Scale all gradients by one factor, so that their global norm is at most `norm`; the direction stays.

        global norm = sqrt(sum of all squared entries)        factor = min(1, norm / global norm)

    Args:
        grads: arrays of any shapes, not modified.
        norm: above 0.

    Returns:
        A new dict, or `grads` itself if there is nothing to do.

    Source:
        Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, algorithm 1.
    """
    with np.errstate(over="ignore", under="ignore"):
        length = math.hypot(*(np.linalg.norm(g) for g in grads.values()))
    if not 1e-15 < length < 1e15:  # a square that float32 cannot hold, or float64
        largest = max((float(np.max(np.abs(g))) for g in grads.values()), default=0.0)
        if 0 < largest < np.inf:
            scaled = (np.linalg.norm(g / np.float64(largest)) for g in grads.values())
            length = largest * math.hypot(*scaled)
    return {name: g * (float(norm) / length) for name, g in grads.items()} if length > norm else grads
