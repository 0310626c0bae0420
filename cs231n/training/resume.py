"""Solver.resume and Solver.load: a run again from the files that it wrote."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cs231n.training.callbacks import Callback
from cs231n.training.checkpoint import Model, load_model
from cs231n.training.options import Augment, Schedule, options_from_json
from cs231n.training.run_checkpoints import read_checkpoint
from cs231n.training.run_folder import Run
from cs231n.training.run_state import model_of, restore_state

__all__ = ["Resumable"]

SolverT = TypeVar("SolverT", bound="Resumable")


class Resumable:
    """The class methods that a Solver inherits."""

    @classmethod
    def resume(
        cls: type[SolverT],
        path: str | os.PathLike,
        data: Mapping[str, np.ndarray],
        *,
        model: Model | None = None,
        augment: Augment | None = None,
        schedule: Schedule | None = None,
        callbacks: Iterable[Callback] | None = None,
    ) -> SolverT:
        """A Solver as it was when it wrote a checkpoint: its train() ends as an uninterrupted run does.

        The parameters, histories and files are the same bit for bit, on the same machine with as many
        threads. The global random stream is set as well, because dropout may draw from it.

        Args:
            path: the folder that was given as run=, for the last checkpoint, or one checkpoint in it.
            data: the same as before.
            model: a new one, made as before, if it is no net of fc_net.py.
            augment, schedule, callbacks: the same as before, if they are not all of this kit.

        Raises:
            FileNotFoundError: there is no checkpoint.
            ValueError: the checkpoint is damaged, foreign or of another version, and the message names the
                one before it; or the message names what differs from the run.
        """
        state, folder = read_checkpoint(path)
        options = options_from_json(state["settings"], augment, schedule, callbacks)
        solver: Any = cls(model_of(state, model), data, **options)  # type: ignore[call-arg]
        restore_state(solver, state)
        solver.run, solver._run = folder, Run(folder, state)
        return solver

    @staticmethod
    def load(path: str | os.PathLike) -> Model:
        """The model of a run; it predicts bit for bit as the one that was trained.

        Args:
            path: the folder of the run, its model.npz, or a file NAME_epoch_E.npz.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a checkpoint of a net of fc_net.py.
        """
        if not Path(path).is_dir():
            return load_model(path)
        if not (model := Path(path) / "model.npz").exists():
            raise FileNotFoundError(
                f"Solver.load: there is no model.npz in {path}, which a run writes after its first epoch; "
                "try the folder that was given as run=, or Solver.resume(path, data)"
            )
        return load_model(model)
