"""Edits take effect: read a learner's files again once they have changed, and pass the new code on."""

import contextlib
import gc
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from cs231n.common.files import REPOSITORY

__all__ = ["EDITED", "EDITED_FILES", "reload_edited", "remember_loaded"]

# What learners edit, in the order in which one imports another.
EDITED = ("cs231n.layers", "cs231n.layer_utils", "cs231n.optim", "cs231n.classifiers.fc_net")
EDITED_FILES = [REPOSITORY / f"{name.replace('.', '/')}.py" for name in EDITED]

_loaded: dict[str, tuple[int, int]] = {}  # {edited module: time in ns and size of its file when it was read}


def reload_edited() -> list[str]:
    """Read again each edited module whose file has changed, and those that import it.

    Whoever holds one of their functions or classes gets the new one: the modules of the kit and the names of
    a notebook. Objects of an old class become objects of the new one, so that isinstance goes on to work.

    Returns:
        The names of the modules that were read again.

    Raises:
        Exception: what a file raises when it is read. It is read again at the next call.
    """
    again: list[str] = []
    for name, state in _file_states().items():
        if again or _loaded.setdefault(name, state) != state:
            _reload(sys.modules[name])
            _loaded[name] = state
            again.append(name)
    return again


def remember_loaded() -> None:
    """Note in which state the edited modules were imported, before anybody edits them."""
    for name, state in _file_states().items():
        _loaded.setdefault(name, state)


def _file_states() -> dict[str, tuple[int, int]]:
    files = {name: file for name, file in zip(EDITED, EDITED_FILES) if name in sys.modules and file.exists()}
    return {name: (file.stat().st_mtime_ns, file.stat().st_size) for name, file in files.items()}


def _reload(module: ModuleType) -> None:
    old = {name: value for name, value in vars(module).items() if _is_of(module, value)}
    # A .pyc knows the second of its source, and two edits may fall into one.
    with contextlib.suppress(OSError):
        Path(importlib.util.cache_from_source(module.__file__ or "")).unlink()
    importlib.reload(module)
    new = {id(value): vars(module)[name] for name, value in old.items() if vars(module)[name] is not value}
    for owner in [m for name, m in sys.modules.items() if name == "__main__" or name.startswith("cs231n")]:
        for name, value in list(vars(owner).items()):
            if id(value) in new:
                setattr(owner, name, new[id(value)])
    classes = {
        value: new[id(value)] for value in old.values() if isinstance(value, type) and id(value) in new
    }
    for thing in gc.get_objects() if classes else ():
        if type(thing) in classes:
            with contextlib.suppress(TypeError):  # a class of another layout
                thing.__class__ = classes[type(thing)]


def _is_of(module: ModuleType, value: Any) -> bool:
    return getattr(value, "__module__", None) == module.__name__ and callable(value)
