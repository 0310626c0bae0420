"""How many examples a model classifies right."""

from typing import Any

import numpy as np

from cs231n.contracts import require_count, require_labels
from cs231n.training.checkpoint import Model

__all__ = ["accuracy"]


def accuracy(
    model: Model,
    X: np.ndarray,
    y: np.ndarray,
    rng: Any,
    num_samples: int | None = None,
    batch_size: int = 100,
) -> tuple[float, bool]:
    """What Solver.check_accuracy returns for the same arguments, and whether any score was finite.

    Raises:
        TypeError, ValueError: an argument does not fit, or X is empty; the message names it.
    """
    require_count("check_accuracy", "batch_size", batch_size, 1)
    if num_samples is not None:
        require_count("check_accuracy", "num_samples", num_samples, 1)
    if np.ndim(X) == 0 or len(X) == 0 or np.shape(y) != (len(X),):
        raise ValueError(
            "check_accuracy: X must hold at least one example, and y one label each, got "
            f"X {np.shape(X)} and y {np.shape(y)}; try an X and a y of one split"
        )
    y = labels = np.asanyarray(y)  # a masked one is refused below
    if num_samples is not None and num_samples < len(X):
        chosen = rng.permutation(len(X))[:num_samples]
        X, y = X[chosen], y[chosen]
    right = finite = 0
    for i in range(0, len(X), batch_size):
        scores = model.loss(X[i : i + batch_size])
        if i == 0:
            require_labels("check_accuracy", labels, len(labels), scores.shape[1])
        valid = np.isfinite(scores).all(axis=1)
        right += np.sum(valid & (scores.argmax(axis=1) == y[i : i + batch_size]))
        finite += valid.sum()
    return right / len(X), finite > 0
