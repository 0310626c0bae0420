"""The folder of a run: what a Solver writes while it trains, and all it takes to go on from there.

    config.json            the settings of the solver and of its model, to read
    history.csv            one line an epoch
    model.npz              the best parameters and their statistics, for Solver.load or load_checkpoint
    checkpoint_STEP.npz    the whole state of the run after that many steps, for Solver.resume; the last two
    curves.png             loss, accuracy and learning rate, drawn at the end

A checkpoint is an .npz file without pickles: the arrays, and one text in JSON that says where each belongs.
"""

import csv
import io
import json
import time
import warnings
from pathlib import Path

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.training.checkpoint import describe, read_arrays, save_checkpoint
from cs231n.training.run_state import FORMAT, VERSION, capture, data_digest, name_of, pack, settings, unpack

__all__ = ["Run", "read_checkpoint", "require_new"]

COLUMNS = ("epoch", "step", "seconds", "loss", "train_acc", "val_acc", "learning_rate")


class Run:
    """One run and its folder. rows, a list for each line of history.csv; digest, that of the data."""

    def __init__(self, folder, rows=(), digest=None):
        self.folder, self.rows, self.digest = Path(folder), [list(row) for row in rows], digest
        self.saved_best = None

    def start(self, solver):
        """The first files. Raises: OSError before any step is taken."""
        if self.digest is None:
            self.digest = data_digest(solver)
        self.began = time.monotonic() - (self.rows[-1][COLUMNS.index("seconds")] if self.rows else 0)
        self._save(solver)

    def end_epoch(self, solver, learning_rate):
        """A line of history.csv, with the mean loss of the epoch; model.npz if there is a better one."""
        before = self.rows[-1][COLUMNS.index("step")] if self.rows else 0
        self.rows.append(
            [
                solver.epoch,
                len(solver.loss_history),
                round(time.monotonic() - self.began, 1),
                float(np.mean(solver.loss_history[before:], dtype=np.float64)),
                float(solver.train_acc_history[-1]),
                float(solver.val_acc_history[-1]),
                learning_rate,
            ]
        )
        self._save(solver)

    def finish(self, solver):
        """Draw curves.png, the lines of history.csv, or warn that it cannot be drawn: the run is complete."""
        try:
            self._draw(solver)
        except (ImportError, OSError) as error:
            why = "there is no matplotlib in this Python" if isinstance(error, ImportError) else error
            warnings.warn(
                f"Solver.train: {self.folder / 'curves.png'} is not drawn ({why}); history.csv has "
                "its numbers",
                RuntimeWarning,
                stacklevel=3,
            )

    def _draw(self, solver):
        from matplotlib.figure import Figure

        columns = dict(zip(COLUMNS, zip(*self.rows))) or dict.fromkeys(COLUMNS, ())
        figure = Figure(figsize=(7, 8), layout="constrained")
        loss, accuracy, rate = figure.subplots(3, 1, sharex=True)
        loss.plot(columns["epoch"], columns["loss"], "o-", color="#0072b2", ms=4)
        loss.set(
            title=f"{self.folder.name}: best validation accuracy {solver.best_val_acc:.3f}, "
            f"after epoch {solver.best_epoch}",
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
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100)
        self._write("curves.png", drawn.getvalue())

    def _save(self, solver):
        """Everything but the picture, also what was deleted meanwhile.

        First what the checkpoint names; config.json after it, for that is how require_new knows a run.
        """
        step = len(solver.loss_history)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lines = io.StringIO(newline="")
            csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *self.rows])
            self._write("history.csv", lines.getvalue())
            model = self.folder / "model.npz"
            if solver.val_acc_history and (self.saved_best is not solver._best or not model.exists()):
                save_checkpoint(model, solver.model, solver._best)
                self.saved_best = solver._best
            arrays = {}
            text = json.dumps(pack(capture(solver, self.rows, self.digest), arrays))
            with atomic_write(self.folder / f"checkpoint_{step}.npz") as file:
                np.savez(file, state=text, **arrays)
            described = describe(solver.model) or {"kind": name_of(solver.model)}
            self._write(
                "config.json",
                json.dumps(
                    {"solver": settings(solver), "model": described, "data": self.digest},
                    indent=1,
                    default=str,
                )
                + "\n",
            )
        except OSError as error:
            kept = checkpoints(self.folder)
            hint = (
                f"{kept[-1].name} is still there: make room, or copy the folder, then Solver.resume("
                f"{str(self.folder)!r}, data)"
                if kept
                else "try another run="
            )
            raise OSError(
                f"Solver.train: cannot write step {step} of the run into {self.folder} ({error}); {hint}"
            ) from error
        for path in [p for p in checkpoints(self.folder) if _step(p) < step][:-1]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.tmp"):  # drafts that a killed process left
            path.unlink(missing_ok=True)

    def _write(self, name, content):
        with atomic_write(self.folder / name) as file:
            file.write(content.encode() if isinstance(content, str) else content)


def require_new(folder):
    """Raises: FileExistsError if there is a run in folder already, so that none is written over."""
    found = [*checkpoints(folder), *Path(folder).glob("config.json")]
    if found:
        raise FileExistsError(
            f"Solver: {folder} holds a run already ({found[0].name}); to go on with it, "
            f"try Solver.resume({str(folder)!r}, data); to start anew, another run="
        )


def checkpoints(folder):
    """The checkpoints in folder, the earliest first."""
    return sorted((p for p in Path(folder).glob("checkpoint_*.npz") if _step(p) is not None), key=_step)


def _step(path):
    digits = path.stem.removeprefix("checkpoint_")
    return int(digits) if digits.isdecimal() else None


def read_checkpoint(path):
    """The state in a checkpoint, or in the last one in a folder -> state, folder.

    Raises: FileNotFoundError; ValueError, which names the checkpoint before it, if it is broken, foreign, or
            of another version.
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
        earlier = [p for p in checkpoints(path.parent) if _step(path) is None or _step(p) < _step(path)]
        hint = (
            f"the one before it is still there: try Solver.resume({str(earlier[-1])!r}, data)"
            if earlier
            else "there is none before it"
        )
        raise ValueError(f"{error}; {hint}") from None


def _read_state(path):
    arrays = read_arrays("Solver.resume", path)
    try:
        state = json.loads(str(arrays.pop("state")))
        found = {name: state[name] for name in ("format", "version")}
    except (KeyError, TypeError, ValueError):
        found = None
    if found is None or found["format"] != FORMAT:
        raise ValueError(f"Solver.resume: {path} is no checkpoint of a run")
    if found["version"] != VERSION:
        raise ValueError(
            f"Solver.resume: {path} is of version {found['version']}, and this kit reads version {VERSION}"
        )
    try:
        return unpack(state, arrays)
    except KeyError as missing:
        raise ValueError(f"Solver.resume: {path} is a checkpoint without {missing}") from None
