"""The folder of a run has one owner: a lock while it trains, and a list of the checkpoints that it wrote."""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.training.run_checkpoints import checkpoints, read_state, step_of

__all__ = ["Ownership", "require_new", "require_unlocked"]

FILES = ("config.json", "history.csv", "model.npz", "curves.png")
LOCK = "run.lock"
# The names that atomic_write gives to these files while it writes them.
DRAFT = re.compile(
    rf"\.({'|'.join(map(re.escape, FILES))}|checkpoint_\d+\.npz)\.(?P<pid>\d+)\.[0-9a-f]{{8}}\.tmp"
)


class Ownership:
    """The claim of one run on its folder; arguments and errors are those of Run."""

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None):
        self.folder = folder
        self._lock: Any = None
        self._is_new = state is None
        paths = [] if state is None else checkpoints(folder)
        self._own = {path.name for path in paths if state is not None and _is_of_run(path, state)}
        self._stamps = {path.name: _stamp(path) for path in paths}  # of all, when this run was last at work

    def __getstate__(self) -> dict[str, Any]:
        """What copy and pickle use: a copy holds no lock."""
        return {**self.__dict__, "_lock": None}

    def take(self, *, is_behind: bool) -> None:
        """Lock the folder. Raises: BlockingIOError, FileExistsError: another trains or has trained there."""
        self.lock()
        if self._is_new:
            require_new(self.folder)
        for path in reversed(checkpoints(self.folder)):  # is_behind: the Solver has not taken their steps
            if is_behind or self._stamps.get(path.name) != _stamp(path):
                raise FileExistsError(
                    f"Solver.train: another Solver wrote {path} in the meantime; to continue its run, try "
                    f"Solver.resume({str(self.folder)!r}, data); to start a new one, another run="
                )
        self._is_new = False

    def lock(self) -> None:
        """Lock the folder, unless this is done, or there are no locks. Raises: BlockingIOError."""
        try:
            from filelock import FileLock, Timeout
        except ImportError:  # in a browser, where there is no second process either
            return
        if self._lock is not None and (self.folder / LOCK).exists():  # the folder may have been deleted
            return
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

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def add(self, path: Path) -> None:
        """Note a checkpoint that this run has just written."""
        self._own.add(path.name)
        self._stamps[path.name] = _stamp(path)

    def remove_old(self, step: int) -> None:
        """Remove the checkpoints of this run but the last two up to `step`."""
        paths = sorted(map(self.folder.joinpath, self._own), key=step_of)
        earlier = [path for path in paths if step_of(path) <= step]
        for path in [path for path in paths if path not in earlier[-2:]]:
            self._own.remove(path.name)
            with contextlib.suppress(OSError):
                if self._stamps.pop(path.name) == _stamp(path):  # no other file has taken its name
                    path.unlink()

    def remove_drafts(self) -> None:
        """Remove what a killed process of this run was writing."""
        for path in self.folder.iterdir():
            draft = DRAFT.fullmatch(path.name)
            if draft and path.is_file() and not path.is_symlink() and not _is_alive(int(draft["pid"])):
                with contextlib.suppress(OSError):
                    path.unlink()


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
    ownership = Ownership(Path(folder).absolute())
    ownership.lock()
    ownership.release()


def _is_of_run(path: Path, state: Mapping[str, Any]) -> bool:
    """Whether the file is an earlier or later moment of the run with that state. Raises: ValueError."""
    try:
        other = read_state(path)
    except (OSError, ValueError):
        return False  # damaged, or no checkpoint of a run
    losses, other_losses = (np.asarray(each["histories"]["loss_history"]) for each in (state, other))
    both = min(len(losses), len(other_losses))
    if other["data"] == state["data"] and np.array_equal(losses[:both], other_losses[:both]):
        # A run makes no links, and names a checkpoint by its steps: any other name is a copy of the user's.
        return step_of(path) == len(other_losses) and not path.is_symlink()
    if step_of(path) > len(losses):
        raise ValueError(
            f"Solver.resume: {path} is later and of another run; try to move it into another folder"
        )
    return False


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
