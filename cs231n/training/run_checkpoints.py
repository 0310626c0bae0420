"""The files checkpoint_STEP.npz in the folder of a run: which there are, and the state that is in them.

A checkpoint is an .npz file without pickles: the arrays, and one text in JSON that says where each belongs.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.training.checkpoint import read_arrays
from cs231n.training.version_1 import upgrade

__all__ = ["checkpoints", "pack", "read_checkpoint", "read_state", "step_of", "unpack", "write_state"]

FORMAT = "cs231n run"
VERSION = 2


def checkpoints(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints in `folder`, the earliest first."""
    paths = (p for p in Path(folder).glob("checkpoint_*.npz") if step_of(p) >= 0 and p.is_file())
    return sorted(paths, key=step_of)


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint; -1 for any other name."""
    digits = path.stem.removeprefix("checkpoint_")
    return int(digits) if re.fullmatch("0|[1-9][0-9]*", digits) else -1


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Any], Path]:
    """Read the state of a run.

    Args:
        path: a checkpoint, or a folder, whose last checkpoint is read.

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
        return read_state(path), path.parent
    except ValueError as error:
        earlier = [p for p in checkpoints(path.parent) if step_of(path) < 0 or step_of(p) < step_of(path)]
        hint = "there is no earlier checkpoint"
        if earlier:
            hint = f"the checkpoint before it is still there: try Solver.resume({str(earlier[-1])!r}, data)"
        raise ValueError(f"{error}; {hint}") from None


def read_state(path: Path) -> dict[str, Any]:
    """The state that `capture` returned, from one file. Raises: OSError; ValueError as read_checkpoint."""
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
        state = unpack(state, arrays)
        return upgrade(state) if version == 1 else state
    except KeyError as missing:
        raise ValueError(f"Solver.resume: {path} is a checkpoint without {missing}") from None


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write what `capture` returned, whole or not at all. Raises: OSError."""
    arrays: dict[str, Any] = {}
    arrays["state"] = json.dumps(pack({"format": FORMAT, "version": VERSION, **state}, arrays))
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def pack(tree: Any, arrays: dict[str, np.ndarray], path: str = "state") -> Any:
    """Replace each array in nested dicts, lists and tuples by {"npz": its name in `arrays`}.

    Args:
        tree: not modified.
        arrays: filled.
        path: where `tree` is, for the names.

    Returns:
        What JSON can hold; tuples become lists.

    Raises:
        TypeError: a key is no text, which JSON would turn into one, or a value is nothing that JSON and .npz
            files hold without pickles.
    """
    if isinstance(tree, dict):
        for name in tree:
            if not isinstance(name, str):
                raise TypeError(f"a run can save a dict only if its keys are text, got {name!r} in {path}")
        return {name: pack(value, arrays, f"{path}/{name}") for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [pack(value, arrays, f"{path}/{i}") for i, value in enumerate(tree)]
    if isinstance(tree, (np.ndarray, np.generic)):
        arrays[path] = np.asarray(tree)
        if not arrays[path].dtype.hasobject:
            return {"npz": path}
    elif tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(
        f"a run can save numbers, text, arrays, dicts and lists, got {tree!r} in {path}; try one of these"
    )


def unpack(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Undo `pack`, but for tuples, which come back as lists."""
    if isinstance(tree, dict):
        if tree.keys() == {"npz"} and str(tree["npz"]).startswith("state"):
            return arrays[tree["npz"]][()]
        return {name: unpack(value, arrays) for name, value in tree.items()}
    return [unpack(value, arrays) for value in tree] if isinstance(tree, list) else tree
