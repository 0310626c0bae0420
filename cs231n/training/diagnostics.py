"""Warnings of a Solver: the loss diverged, a batch of one example, scores that are not finite."""

import warnings
from typing import Any

import numpy as np

from cs231n.training.checkpoint import Model

__all__ = ["describe_divergence", "describe_overflow", "warn_of_batches_of_one", "warn_of_scores"]


def describe_divergence(iteration: int, loss: float, grads: dict[str, np.ndarray], solver: Any) -> str:
    """Why the run ends: its loss is not finite.

    Args:
        iteration: counted from 1.
        loss: NaN or infinity.
        grads: the gradients of that step; the first with NaN or infinity is named, or the largest.
        solver: the one that trains.
    """
    largest = {name: float(np.max(np.abs(g))) for name, g in grads.items()}
    name = max(largest, key=lambda name: largest[name] if np.isfinite(largest[name]) else np.inf)
    rate = solver.optim_configs[name].get("learning_rate", "the default")
    return (
        f"Solver.train: the loss is {loss} at iteration {iteration}, so the run ends here; the largest "
        f"gradient is {largest[name]:g}, in {name}; {_describe_kept(solver)}. "
        f"Try a smaller learning_rate (it is {rate}) "
        "or a smaller weight_scale"
    )


def describe_overflow(iteration: int, error: OverflowError, solver: Any) -> str:
    """Why the run ends: a layer or an update rule overflowed. Arguments as in describe_divergence."""
    return f"Solver.train: the run ends at iteration {iteration}: {error}; {_describe_kept(solver)}"


def _describe_kept(solver: Any) -> str:
    if solver.keep == "last":
        return "the last parameters that were measured are kept"
    return f"the best parameters so far are kept (validation accuracy {solver.best_val_acc:.3f})"


def warn_of_batches_of_one(model: Model, batch_size: int) -> None:
    """Warn that batchnorm cannot learn from batches of one example, on behalf of Solver.train."""
    if batch_size == 1 and getattr(model, "normalization", None) == "batchnorm":
        warnings.warn(
            "Solver.train: a batch of one example is its own mean, so batchnorm turns it into "
            "beta, whatever is in X_train; try more examples and a larger batch_size",
            RuntimeWarning,
            stacklevel=3,
        )


def warn_of_scores() -> None:
    """Warn that no validation score is finite, on behalf of Solver.train, three calls up."""
    warnings.warn(
        "Solver.train: no score on X_val is finite, so these parameters cannot be the "
        "best; try a smaller learning_rate",
        RuntimeWarning,
        stacklevel=5,
    )
