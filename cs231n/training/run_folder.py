"""The folder of a run: what a Solver writes while it trains, and all it needs to continue.

    config.json            the options of the solver and of its model, for people to read
    history.csv            one line per epoch
    model.npz              the best parameters and their statistics, for Solver.load or load_checkpoint
    checkpoint_STEP.npz    the whole state of the run after that many steps, for Solver.resume; the last two
    curves.png             loss, accuracy and learning rate, drawn at the end

A checkpoint is an .npz file without pickles: the arrays, and one text in JSON that says where each belongs.
"""

import csv
import io
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.common.pictures import draw_or_warn, literal_text
from cs231n.training.checkpoint import Snapshot, describe, read_arrays, save_checkpoint
from cs231n.training.options import options_to_json, qualified_name
from cs231n.training.run_state import FORMAT, VERSION, Trainer, capture, data_digest, pack, unpack

__all__ = ["Run", "checkpoints", "read_checkpoint", "require_new"]

COLUMNS = ("epoch", "step", "seconds", "loss", "train_acc", "val_acc", "learning_rate")


class Run:
    """Writes the folder of one run.

    Args:
        folder: made at the first write.
        rows: the lines of history.csv so far, each a value for every name in COLUMNS.
        digest: that of the data, if it is known already.
    """

    def __init__(self, folder: str | os.PathLike, rows: Iterable[Iterable] = (), digest: str | None = None):
        self.folder, self.digest = Path(folder), digest
        self.rows = [list(row) for row in rows]
        self._saved_best: Snapshot | None = None

    def start(self, solver: Trainer) -> None:
        """Write the first files. Raises: OSError before any step is taken."""
        self.digest = self.digest or data_digest(solver)
        self._began = time.monotonic() - (self.rows[-1][COLUMNS.index("seconds")] if self.rows else 0)
        self._save(solver)

    def end_epoch(self, solver: Trainer, learning_rate: float) -> None:
        """Write a line of history.csv, with the mean loss of the epoch, and all that changed."""
        first = self.rows[-1][COLUMNS.index("step")] if self.rows else 0
        self.rows.append(
            [
                solver.epoch,
                len(solver.loss_history),
                round(time.monotonic() - self._began, 1),
                float(np.mean(solver.loss_history[first:], dtype=np.float64)),
                float(solver.train_acc_history[-1]),
                float(solver.val_acc_history[-1]),
                learning_rate,
            ]
        )
        self._save(solver)

    def finish(self, solver: Trainer) -> None:
        """Draw curves.png, the lines of history.csv. Warns if it cannot be drawn: the run is complete."""
        picture = self.folder / "curves.png"
        draw_or_warn(lambda: self._draw(solver), "Solver.train", picture, "history.csv", stacklevel=4)

    def _draw(self, solver: Trainer) -> None:
        from matplotlib.figure import Figure

        columns: dict[str, Any] = dict(zip(COLUMNS, zip(*self.rows))) or dict.fromkeys(COLUMNS, ())
        figure = Figure(figsize=(7, 8), layout="constrained")
        loss, accuracy, rate = figure.subplots(3, 1, sharex=True)
        loss.plot(columns["epoch"], columns["loss"], "o-", color="#0072b2", ms=4)
        loss.set(
            title=f"{literal_text(self.folder.name, 20)}: best validation accuracy "
            f"{solver.best_val_acc:.3f}, after epoch {solver.best_epoch}",
            ylabel="training loss",
        )
        for name, label, color in [("train", "training", "#0072b2"), ("val", "validation", "#d55e00")]:
            accuracy.plot(columns["epoch"], columns[f"{name}_acc"], "o-", color=color, label=label, ms=4)
        accuracy.set(ylabel="accuracy")
        accuracy.legend(frameon=False)
        rate.plot(columns["epoch"], columns["learning_rate"], "o-", color="#009e73", ms=4)
        rate.set(ylabel="learning rate", xlabel="epoch")
        for axes in (loss, accuracy, rate):
            axes.grid(alpha=0.3)
        rate.xaxis.get_major_locator().set_params(integer=True)
        figure.align_ylabels()
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=100)
        self._write("curves.png", picture.getvalue())

    def _save(self, solver: Trainer) -> None:
        """Write every file except curves.png, including any that was deleted since the last epoch.

        config.json comes last, because require_new recognizes a run by it.
        """
        step = len(solver.loss_history)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lines = io.StringIO(newline="")
            csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *self.rows])
            self._write("history.csv", lines.getvalue().encode())
            model, best = self.folder / "model.npz", solver._best_snapshot
            if solver.val_acc_history and (self._saved_best is not best or not model.exists()):
                save_checkpoint(model, solver.model, best)
                self._saved_best = best
            arrays: dict[str, Any] = {}
            arrays["state"] = json.dumps(pack(capture(solver, self.rows, self.digest or ""), arrays))
            with atomic_write(self.folder / f"checkpoint_{step}.npz") as file:
                np.savez(file, **arrays)
            config = {
                "solver": options_to_json(solver),
                "model": describe(solver.model) or {"kind": qualified_name(solver.model)},
                "data": self.digest,
            }
            self._write("config.json", (json.dumps(config, indent=1, default=str) + "\n").encode())
        except OSError as error:
            complete = checkpoints(self.folder)
            hint = (
                f"{complete[-1].name} is still there: free disk space or copy the folder, then Solver.resume("
                f"{str(self.folder)!r}, data)"
                if complete
                else "try another run="
            )
            raise OSError(
                f"Solver.train: cannot write step {step} of the run into {self.folder} ({error}); {hint}"
            ) from error
        for path in [p for p in checkpoints(self.folder) if _step_of(p) < step][:-1]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.tmp"):  # drafts that a killed process left
            path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        with atomic_write(self.folder / name) as file:
            file.write(content)


def require_new(folder: str | os.PathLike) -> None:
    """Raises: FileExistsError if there is a run in `folder` already, so that none is overwritten."""
    files = [*checkpoints(folder), *Path(folder).glob("config.json")]
    if files:
        raise FileExistsError(
            f"Solver: {folder} holds a run already ({files[0].name}); to continue it, "
            f"try Solver.resume({str(folder)!r}, data); to start a new one, another run="
        )


def checkpoints(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints in `folder`, the earliest first."""
    return sorted((p for p in Path(folder).glob("checkpoint_*.npz") if _step_of(p) >= 0), key=_step_of)


def _step_of(path: Path) -> int:
    """The step in the name of a checkpoint; -1 for any other name."""
    digits = path.stem.removeprefix("checkpoint_")
    return int(digits) if digits.isdecimal() else -1


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Any], Path]:
    """Read the state of a run.

    Args:
        path: a checkpoint, or a folder of which the last one is read.

    Returns:
        The state that `capture` returned, and the folder of the run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, foreign, or of another version; the message names the one before it.
    """
    path = Path(path)
    if path.is_dir():
        if not checkpoints(path):
            raise FileNotFoundError(
                f"Solver.resume: there is no checkpoint_STEP.npz in {path}; try the "
                "folder that was given as run="
            )
        path = checkpoints(path)[-1]
    try:
        return _read_state(path), path.parent
    except ValueError as error:
        earlier = [p for p in checkpoints(path.parent) if _step_of(path) < 0 or _step_of(p) < _step_of(path)]
        hint = (
            f"the checkpoint before it is still there: try Solver.resume({str(earlier[-1])!r}, data)"
            if earlier
            else "there is no earlier checkpoint"
        )
        raise ValueError(f"{error}; {hint}") from None


def _read_state(path: Path) -> dict[str, Any]:
    arrays = read_arrays("Solver.resume", path)
    try:
        state = json.loads(str(arrays.pop("state")))
        is_run, version = state["format"] == FORMAT, state["version"]
    except (KeyError, TypeError, ValueError):
        is_run, version = False, None
    if not is_run:
        raise ValueError(f"Solver.resume: {path} is not a checkpoint of a run")
    if version != VERSION:
        raise ValueError(
            f"Solver.resume: {path} is of version {version}, and this kit reads version {VERSION}"
        )
    try:
        return unpack(state, arrays)
    except KeyError as missing:
        raise ValueError(f"Solver.resume: {path} is a checkpoint without {missing}") from None
