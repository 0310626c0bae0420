"""Callbacks: what happens around the steps of a training loop, in objects that a Solver is given.

    Solver(model, data, callbacks=[EarlyStopping(patience=3), ClipGradients(1.0)])

One of your own is a subclass of Callback with one or more of its methods.
"""

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.contracts import Number, require_count, require_number, takes
from cs231n.training.checkpoint import save_checkpoint

__all__ = ["Callback", "ClipGradients", "EarlyStopping", "EpochCheckpoints", "clip_by_norm", "is_callback"]


class Callback:
    """Does nothing. A Solver calls its callbacks in their order, those of the kit after those it is given.

    Any method may set solver.stop_training = True: then no further epoch begins.
    """

    def start(self, solver: Any) -> None:
        """Before the first step of each call of train."""

    def after_backward(self, solver: Any, grads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """After each backward pass. Returns the gradients for the update (None: those that it was given)."""
        return grads

    def end_epoch(self, solver: Any) -> None:
        """After each epoch, when both accuracies are measured."""

    def finish(self, solver: Any) -> None:
        """When the steps have ended without an error."""

    def close(self, solver: Any) -> None:
        """At the end of train in any case; sys.exc_info() tells of an error or Ctrl-C."""


def is_callback(thing: Any) -> bool:
    """Whether it has the methods of a Callback; its class may be from before a reload of this module."""
    hooks = (getattr(thing, name, None) for name in vars(Callback) if name[0] != "_")
    return not isinstance(thing, type) and all(map(callable, hooks))


@dataclass(frozen=True)
class EarlyStopping(Callback):
    """Stop after `patience` epochs without a better validation accuracy, in this call of train.

    Args:
        patience: epochs, at least 1.
    """

    patience: int

    def __post_init__(self) -> None:
        require_count("EarlyStopping", "patience", self.patience)
        object.__setattr__(self, "patience", int(self.patience))

    def end_epoch(self, solver: Any) -> None:
        if solver.epoch - max(solver.best_epoch, solver.first_epoch) >= self.patience:
            solver.stop_training = True

    start = end_epoch  # a run that was stopped and is resumed has no epochs left


@dataclass(frozen=True)
class ClipGradients(Callback):
    """Scale down the gradients of a step if their global norm is above `norm`: see clip_by_norm.

    Args:
        norm: above 0.
    """

    norm: float

    def __post_init__(self) -> None:
        require_number("ClipGradients", "norm", self.norm, 0, above=True)
        object.__setattr__(self, "norm", float(self.norm))

    def after_backward(self, solver: Any, grads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return clip_by_norm(grads, self.norm)


@dataclass(frozen=True)
class EpochCheckpoints(Callback):
    """Write STEM_epoch_E.npz after each epoch, for load_checkpoint.

    Args:
        stem: path and beginning of the files' name.
    """

    stem: str | os.PathLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "stem", os.path.join(os.getcwd(), self.stem))

    def start(self, solver: Any) -> None:
        """Make the folder, and try to write in it. Raises: OSError."""
        folder = Path(self.stem).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(
                f"Solver.train: cannot write checkpoints into {folder} ({error}); try another checkpoint_name"
            ) from None

    def end_epoch(self, solver: Any) -> None:
        """Write the file. Raises: OSError that says how to continue the training."""
        path = f"{self.stem}_epoch_{solver.epoch}.npz"
        try:
            save_checkpoint(path, solver.model)
        except OSError as error:
            raise OSError(
                f"Solver.train: cannot write {path} ({error.strerror or error}); the model has its best "
                "parameters: free disk space, or try another checkpoint_name; train() continues from them"
            ) from error


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
