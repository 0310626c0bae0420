"""The folder of a run: what a Solver writes while it trains, and all it needs to continue.

    config.json            the options of the solver and of its model, for people to read
    history.csv            one line per epoch
    model.npz              the parameters that the model has in the end and their statistics, for Solver.load
    checkpoint_STEP.npz    the whole state of the run after that many steps, for Solver.resume; the last two
    curves.png             loss, accuracy and learning rate, drawn at the end
    run.lock               empty; locked by the process that trains

A checkpoint is an .npz file without pickles: the arrays, and one text in JSON that says where each belongs.
"""

import contextlib
import csv
import io
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.common.pictures import draw_or_warn, literal_text
from cs231n.training.callbacks import Callback
from cs231n.training.checkpoint import Snapshot, describe, read_arrays, save_checkpoint
from cs231n.training.options import options_to_json
from cs231n.training.parts import is_of_kit, qualified_name
from cs231n.training.run_state import FORMAT, VERSION, Trainer, capture, data_digest, pack, unpack

__all__ = ["Run", "checkpoints", "read_checkpoint", "require_new", "require_unlocked", "resume_call"]

COLUMNS = ("epoch", "step", "seconds", "loss", "train_acc", "val_acc", "learning_rate")
FILES = ("config.json", "history.csv", "model.npz", "curves.png")
LOCK = "run.lock"
# The names that atomic_write gives to these files while it writes them.
DRAFT = re.compile(
    rf"\.({'|'.join(map(re.escape, FILES))}|checkpoint_\d+\.npz)\.(?P<pid>\d+)\.[0-9a-f]{{8}}\.tmp"
)


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

    def __init__(self, folder: str | os.PathLike, state: Mapping[str, Any] | None = None):
        self.folder = Path(folder).absolute()  # the process may move into another folder
        self.rows: list[list] = [] if state is None else [list(row) for row in state["rows"]]
        self.digest = "" if state is None else state["data"]
        # The stamps of the checkpoints of this run, and of all that were there when it was last at work.
        self._files = None if state is None else self._files_of(state)
        self._seen = {path.name: _stamp(path) for path in checkpoints(folder)} if state else {}
        self._saved_best: Snapshot | None = None
        self._lock: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """What copy and pickle use: a copy holds no lock."""
        return {**self.__dict__, "_lock": None}

    def _files_of(self, state: Mapping[str, Any]) -> dict[str, tuple]:
        """The checkpoints in the folder that are earlier or later moments of the run with that state."""
        losses, files = np.asarray(state["histories"]["loss_history"]), {}
        for path in checkpoints(self.folder):
            try:
                other = _read_state(path)
            except (OSError, ValueError):
                continue  # damaged, or no checkpoint of a run: nothing that may be removed
            other_losses = np.asarray(other["histories"]["loss_history"])
            both = min(len(losses), len(other_losses))
            if other["data"] == self.digest and np.array_equal(losses[:both], other_losses[:both]):
                if not path.is_symlink():
                    files[path.name] = _stamp(path)
            elif _step_of(path) > len(losses):
                raise ValueError(
                    f"Solver.resume: {path} is later and of another run; try to move it into another folder"
                )
        return files

    def start(self, solver: Trainer) -> None:
        """Take the folder, and write the first files.

        Raises:
            BlockingIOError: another Solver trains in the folder.
            FileExistsError: another Solver has trained in it.
            OSError: nothing can be written there. No step is taken.
        """
        self._take_lock()
        if self._files is None:
            require_new(self.folder)
            self._files = {}
        ahead = bool(self.rows) and self.rows[-1][COLUMNS.index("step")] > len(solver.loss_history)
        for path in reversed(checkpoints(self.folder)):
            if ahead or self._seen.get(path.name) != _stamp(path):
                raise FileExistsError(
                    f"Solver.train: another Solver wrote {path} in the meantime; to continue its run, try "
                    f"Solver.resume({str(self.folder)!r}, data); to start a new one, another run="
                )
        self.digest = self.digest or data_digest(solver)
        self._began = time.monotonic() - (self.rows[-1][COLUMNS.index("seconds")] if self.rows else 0)
        self._save(solver)
        self._remove_drafts()

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self.folder / LOCK, timeout=0, fallback_to_soft=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise BlockingIOError(
                f"Solver.train: another Solver trains in {self.folder} now; try another run=, or wait for it"
            ) from None
        except (OSError, NotImplementedError):
            pass  # no locks here, or nothing can be written, which the first file will show

    def _remove_drafts(self) -> None:
        """Remove what a killed process of this run was writing."""
        for path in self.folder.iterdir():
            draft = DRAFT.fullmatch(path.name)
            if draft and path.is_file() and not path.is_symlink() and not _is_alive(int(draft["pid"])):
                with contextlib.suppress(OSError):
                    path.unlink()

    def end_epoch(self, solver: Trainer) -> None:
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
                solver.learning_rate,
            ]
        )
        self._save(solver)

    def close(self, solver: Trainer) -> None:
        """Release the lock. After Ctrl-C, say how to continue."""
        if self._lock is not None:
            self._lock.release()
        if solver.verbose and sys.exc_info()[0] is KeyboardInterrupt and checkpoints(self.folder):
            print(f"interrupted; {resume_call(self.folder, solver)}.train() continues")

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
        title = f"{literal_text(self.folder.name, 20)}: best validation accuracy {solver.best_val_acc:.3f}, "
        title += f"after epoch {solver.best_epoch}"
        if solver.keep == "last" and self.rows:
            title += f"\nthe last parameters are kept: {self.rows[-1][COLUMNS.index('val_acc')]:.3f}"
        loss.set(title=title, ylabel="training loss")
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

        The checkpoint comes first: a folder without one holds no run.
        """
        assert self._files is not None  # start has been called
        step = len(solver.loss_history)
        if not (self.folder / LOCK).exists():  # the folder was deleted
            self._take_lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = {}
            arrays["state"] = json.dumps(pack(capture(solver, self.rows, self.digest), arrays))
            checkpoint = self.folder / f"checkpoint_{step}.npz"
            with atomic_write(checkpoint) as file:
                np.savez(file, **arrays)
            self._files[checkpoint.name] = self._seen[checkpoint.name] = _stamp(checkpoint)
            model, kept = self.folder / "model.npz", solver._kept_snapshot
            if solver.val_acc_history and (self._saved_best is not kept or not model.exists()):
                save_checkpoint(model, solver.model, kept)
                self._saved_best = kept
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
            complete = checkpoints(self.folder)
            hint = (
                f"{complete[-1].name} is still there: free disk space or copy the folder, then "
                f"{resume_call(self.folder, solver)}"
                if complete
                else "try another run="
            )
            raise OSError(
                f"Solver.train: cannot write step {step} of the run into {self.folder} ({error}); {hint}"
            ) from error
        self._remove_old(step)

    def _remove_old(self, step: int) -> None:
        """Remove the checkpoints of this run but the last two up to `step`."""
        assert self._files is not None
        paths = sorted(map(self.folder.joinpath, self._files), key=_step_of)
        for path in [p for p in paths if _step_of(p) <= step][:-2] + [p for p in paths if _step_of(p) > step]:
            with contextlib.suppress(OSError):
                if self._files.pop(path.name) == _stamp(path):  # no other file has taken its name
                    path.unlink()

    def _write(self, name: str, content: bytes) -> None:
        with atomic_write(self.folder / name) as file:
            file.write(content)


def require_new(folder: str | os.PathLike) -> None:
    """Raises: FileExistsError if `folder` holds a file that a new run would write over."""
    files = [*checkpoints(folder), *(p for p in map(Path(folder).joinpath, FILES) if os.path.lexists(p))]
    if files:
        resume = f"to continue it, try Solver.resume({str(folder)!r}, data); " * bool(checkpoints(folder))
        raise FileExistsError(
            f"Solver: {folder} holds a run already ({files[0].name}); {resume}"
            "to start a new one, try another run="
        )


def require_unlocked(folder: str | os.PathLike) -> None:
    """Raises: BlockingIOError if another Solver trains in `folder` now."""
    run = Run(folder)
    run._take_lock()
    run._lock.release()


def resume_call(folder: Path, solver: Trainer) -> str:
    """The call that resumes the run of `solver`, with the parts that its folder cannot build again."""
    settings = options_to_json(solver)
    missing = [] if describe(solver.model) else ["model"]
    missing += [name for name in ("augment", "schedule") if not is_of_kit(settings[name])]
    missing += [] if all(map(is_of_kit, settings["callbacks"])) else ["callbacks"]
    return f"Solver.resume({str(folder)!r}, data{''.join(f', {name}=...' for name in missing)})"


def checkpoints(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints in `folder`, the earliest first."""
    paths = (p for p in Path(folder).glob("checkpoint_*.npz") if _step_of(p) >= 0 and p.is_file())
    return sorted(paths, key=_step_of)


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes whenever the file at `path` is replaced or written to."""
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_alive(pid: int) -> bool:
    """Whether there is such a process; on Windows False, because a file in use cannot be removed there."""
    if os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


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
    if version not in range(1, VERSION + 1):
        raise ValueError(
            f"Solver.resume: {path} is of version {version}, and this kit reads versions 1 to {VERSION}"
        )
    try:
        return unpack(state, arrays)
    except KeyError as missing:
        raise ValueError(f"Solver.resume: {path} is a checkpoint without {missing}") from None
