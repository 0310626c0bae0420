"""The folder of a run: what a Solver writes while it trains, and all it needs to continue.

config.json            the options of the solver and of its model, for people to read
history.csv            one line per epoch
model.npz              the parameters that the model has in the end and their statistics, for Solver.load
checkpoint_STEP.npz    the whole state of the run after that many steps, for Solver.resume; the last two
curves.png             loss, accuracy and learning rate, drawn at the end
run.lock               empty; locked by the process that trains
"""

import csv
import io
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.common.pictures import draw_or_warn, literal_text
from cs231n.training.callbacks import Callback
from cs231n.training.checkpoint import Snapshot, describe, save_checkpoint
from cs231n.training.curves import curves_png
from cs231n.training.options import options_to_json
from cs231n.training.ownership import Ownership
from cs231n.training.parts import is_of_kit, qualified_name
from cs231n.training.run_checkpoints import checkpoints, write_state
from cs231n.training.run_state import capture, constants_of, data_digest

__all__ = ["Run", "resume_call"]

COLUMNS = ("epoch", "step", "seconds", "loss", "train_acc", "val_acc", "learning_rate")


class Run(Callback):
    """Writes the folder of one run, which one Solver at a time may train.

    A lock is held during each call of train; the system releases it if the process dies. Where the file
    system has no locks (some NFS), training goes on without one.

    Args:
        folder: made when training starts.
        state: what read_checkpoint returned, if the run is resumed.

    Raises:
        ValueError: the run is resumed from an earlier checkpoint, and a later one is of another run.
    """

    says_how_to_continue = True  # after Ctrl-C; the command train has its own words

    def __init__(self, folder: str | os.PathLike, state: Mapping[str, Any] | None = None):
        self.folder = Path(folder).absolute()  # the process may move into another folder
        self.rows: list[list] = [] if state is None else [list(row) for row in state["rows"]]
        self.digest = "" if state is None else state["data"]
        self._constants: dict[str, Any] | None = None if state is None else state.get("constants", {})
        self._ownership = Ownership(self.folder, state)
        self._saved_model: Snapshot | None = None

    def start(self, solver: Any) -> None:
        """Take the folder, and write the first files.

        Raises:
            BlockingIOError: another Solver trains in the folder.
            FileExistsError: another Solver has trained in it.
            OSError: nothing can be written there. No step is taken.
        """
        self._ownership.take(is_behind=len(solver.loss_history) < self._last("step"))
        self.digest = self.digest or data_digest(solver)
        self._began = time.monotonic() - self._last("seconds")
        self._save(solver)
        self._ownership.remove_drafts()

    def end_epoch(self, solver: Any) -> None:
        """Write a line of history.csv, with the mean loss of the epoch, and all that changed."""
        step, seconds = len(solver.loss_history), round(time.monotonic() - self._began, 1)
        loss = float(np.mean(solver.loss_history[self._last("step") :], dtype=np.float64))
        accuracies = float(solver.train_acc_history[-1]), float(solver.val_acc_history[-1])
        self.rows.append([solver.epoch, step, seconds, loss, *accuracies, solver.learning_rate])
        self._save(solver)

    def finish(self, solver: Any) -> None:
        """Draw curves.png, the lines of history.csv. Warns if it cannot be drawn: the run is complete."""
        picture = self.folder / "curves.png"
        draw_or_warn(lambda: self._draw(solver), "Solver.train", picture, "history.csv", stacklevel=4)

    def close(self, solver: Any) -> None:
        """Release the lock. After Ctrl-C, say how to continue."""
        self._ownership.release()
        interrupted = solver.verbose and sys.exc_info()[0] is KeyboardInterrupt
        if interrupted and self.says_how_to_continue and checkpoints(self.folder):
            print(f"interrupted; {resume_call(self.folder, solver)}.train() continues")

    def _last(self, column: str) -> Any:
        """The entry of the last epoch; 0 before the first."""
        return self.rows[-1][COLUMNS.index(column)] if self.rows else 0

    def _draw(self, solver: Any) -> None:
        title = f"{literal_text(self.folder.name, 20)}: best validation accuracy {solver.best_val_acc:.3f}, "
        title += f"after epoch {solver.best_epoch}"
        if solver.keep == "last" and self.rows:
            title += f"\nthe last parameters are kept: {self._last('val_acc'):.3f}"
        columns = dict(zip(COLUMNS, zip(*self.rows))) or dict.fromkeys(COLUMNS, ())
        self._write("curves.png", curves_png(title, columns))

    def _save(self, solver: Any) -> None:
        """Write every file except curves.png, including any that was deleted since the last epoch.

        The checkpoint comes first: a folder without one holds no run.
        """
        step = len(solver.loss_history)
        self._ownership.lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoint = self.folder / f"checkpoint_{step}.npz"
            now = constants_of(solver.model)
            before = now if self._constants is None else self._constants
            self._constants = {name: value for name, value in before.items() if now.get(name) == value}
            write_state(checkpoint, capture(solver, self.rows, self.digest, self._constants))
            self._ownership.add(checkpoint)
            model, kept = self.folder / "model.npz", solver._kept_snapshot
            if solver.val_acc_history and (self._saved_model is not kept or not model.exists()):
                save_checkpoint(model, solver.model, kept)
                self._saved_model = kept
            lines = io.StringIO(newline="")
            csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *self.rows])
            self._write("history.csv", lines.getvalue().encode())
            config = {
                "solver": options_to_json(solver),
                "model": describe(solver.model) or {"kind": qualified_name(solver.model)},
                "data": self.digest,
            }
            self._write("config.json", (json.dumps(config, indent=1, default=str) + "\n").encode())
        except OSError as error:
            hint = "try another run="
            if complete := checkpoints(self.folder):
                hint = f"{complete[-1].name} is still there: free disk space or copy the folder, then "
                hint += resume_call(self.folder, solver)
            raise OSError(
                f"Solver.train: cannot write step {step} of the run into {self.folder} ({error}); {hint}"
            ) from error
        self._ownership.remove_old(step)

    def _write(self, name: str, content: bytes) -> None:
        with atomic_write(self.folder / name) as file:
            file.write(content)


def resume_call(folder: Path, solver: Any) -> str:
    """The call that resumes the run of `solver`, with the parts that its folder cannot build again."""
    settings = options_to_json(solver)
    missing = [] if describe(solver.model) else ["model"]
    missing += [name for name in ("augment", "schedule") if not is_of_kit(settings[name])]
    missing += [] if all(map(is_of_kit, settings["callbacks"])) else ["callbacks"]
    return f"Solver.resume({str(folder)!r}, data{''.join(f', {name}=...' for name in missing)})"
