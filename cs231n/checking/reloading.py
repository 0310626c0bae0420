"""Edits take effect: run a learner's files again once they have changed, without a restart.

IPython's autoreload does not start where IPython is 7.34 and Python 3.12, as on Colab. This works there too,
and it goes further: a function or class stays the same object and gets the new code. So whatever holds it
has the edit: names of the notebook, lists and dicts, methods of old nets, isinstance.
"""

import contextlib
import gc
import importlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from cs231n.checking.edition import entries, entry_of
from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import log

__all__ = [
    "EDITED_FILES",
    "describe_failure",
    "describe_missing_name",
    "end_sentence",
    "fault_of",
    "import_edited",
    "message_of",
    "reload_edited",
    "remember_loaded",
]

# What learners edit, and what passes on their names, in the order in which one imports another.
_MODULES = (
    "cs231n.second_derivative",
    "cs231n.layers",
    "cs231n.sandwiches",
    "cs231n.layer_utils",
    "cs231n.optim",
    "cs231n.classifiers.fc_net",
    "cs231n.fast_layers",
)
_FILES = {name: REPOSITORY / f"{name.replace('.', '/')}.py" for name in _MODULES}
EDITED_FILES = [
    _FILES[f"cs231n.{name}"]
    for name in ("second_derivative", "layers", "layer_utils", "optim", "classifiers.fc_net")
]

_loaded: dict[str, bytes] = {}  # {module: the content of its file when it was run}
_left_out: dict[str, BaseException] = {}  # {module of optional exercises alone: what its file raised}
_deleted: set[tuple[str, str]] = set()  # (module, name) of functions that a notebook lost with their file's


def reload_edited() -> dict[str, Exception]:
    """Run again each imported module whose file has changed, and those that import it.

    Returns:
        {module: what its file raised}. The code from before stays, and the file is tried again at the next
        call.
    """
    failed: dict[str, Exception] = {}
    again = False
    for name, content in _contents():
        if not again and _loaded.setdefault(name, content) == content:
            continue
        try:
            _run(sys.modules[name], content)
        except Exception as error:
            failed[name] = error
            _loaded[name] = b""
        else:
            _loaded[name] = content
            _left_out.pop(name, None)
            again = True
    return failed


def import_edited(name: str) -> ModuleType:
    """Import a module. If an optional exercise's own file cannot be run, it is left out, with one line.

    `fault_of` gives what that file raised, and its functions raise it too.
    """
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        listed = entries()
        of_others = {file for entry in listed if not entry.optional for file in entry.files}
        for entry in listed:
            (home, _, function), file = entry.functions[0].rpartition("."), REPOSITORY / entry.files[0]
            if entry.files[0] in of_others or home in sys.modules or not _line_in(file, error):
                continue
            sys.modules[home] = stand_in = ModuleType(home)
            setattr(stand_in, function, _raise_again(error))
            try:
                module = importlib.import_module(name)
            except BaseException:
                del sys.modules[home]
                raise
            _left_out[home] = error
            waiting = f"Exercise {entry.number} waits for it; the others are checked without it."
            log(f"{_describe_fault(file, error)} {waiting}")
            return module
        raise


def fault_of(name: str) -> BaseException | None:
    """What the file of a module raised, if `import_edited` left it out."""
    return _left_out.get(name)


def _raise_again(error: BaseException) -> Any:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def _line_in(file: Path, error: BaseException) -> int:
    """The line of a file that an error came from; 0 if it did not."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno))
    return next((line or 1 for name, line in reversed(lines) if Path(name).resolve() == file), 0)


def describe_failure(name: str, error: Exception) -> str:
    """One line on a file that could not be run."""
    fault = _describe_fault(_FILES[name], error)
    return f"{fault} Until you correct it, cells run the code from before the edit."


def _describe_fault(file: Path, error: BaseException) -> str:
    number = _line_in(file, error)
    line = f", line {number}" if number else ""
    what = error.msg if isinstance(error, SyntaxError) else error
    sentence = describe_missing_name(error) or f"{file.name}{line}: {type(error).__name__}: {what}"
    return end_sentence(" ".join(sentence.split()))


def message_of(error: BaseException) -> str:
    """The message of an error; one of a learner's own class may have none."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def describe_missing_name(error: BaseException) -> str:
    """What to do if a file of the kit lacks a function that another file imports; "" for other errors."""
    if not isinstance(error, (AttributeError, ImportError)):
        return ""
    message = message_of(error)
    found = re.search(r"module 'cs231n\.([\w.]+)' has no attribute '(\w+)'", message)
    if found is None:
        found = re.search(r"cannot import name '(?=\w+' from 'cs231n\.([\w.]+)')(\w+)'", message)
    if found is None:
        return ""
    file, name = f"{found[1].rpartition('.')[2]}.py", found[2]
    if entry := entry_of(name):
        return f"{file} has no {name}, which is exercise {entry.number}: write it there, under this name."
    return f"{file} has no {name}: keep the names of the functions."


def end_sentence(sentence: str) -> str:
    """A sentence with a full stop, unless it has its mark already."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def remember_loaded() -> None:
    """Note with which content modules were imported, before anybody edits them."""
    for name, content in _contents():
        _loaded.setdefault(name, content)


def _contents() -> Iterator[tuple[str, bytes]]:
    """The content and not the time: two edits may fall into one tick of a disk's clock."""
    for name, file in _FILES.items():
        if name in sys.modules:
            with contextlib.suppress(OSError):
                content = file.read_bytes()
                if content.strip():  # an editor empties a file before it writes
                    yield name, content


def _run(module: ModuleType, content: bytes) -> None:
    code = compile(content, _FILES[module.__name__], "exec", dont_inherit=True)
    namespace = vars(module)
    before = dict(namespace)
    for name in before:
        if not name.startswith("__") or name == "__all__":  # what the file no longer defines shall be gone
            del namespace[name]
    try:
        exec(code, namespace)
    except BaseException:
        namespace.clear()
        namespace.update(before)
        raise
    _pass_on(module, before)


def _pass_on(module: ModuleType, before: dict[str, Any]) -> None:
    """Give the functions and classes from before the new code, and put them back under their names."""
    namespace, notebook = vars(module), vars(sys.modules["__main__"])
    for name, old in before.items():
        if getattr(old, "__module__", None) != module.__name__ or not callable(old):
            continue
        if name not in namespace:
            if notebook.get(name) is old:
                del notebook[name]
                _deleted.add((module.__name__, name))
        elif _update(old, namespace[name]):
            namespace[name] = old
        else:
            _replace(old, namespace[name])
    for name in namespace:
        if (module.__name__, name) in _deleted:
            _deleted.remove((module.__name__, name))
            notebook.setdefault(name, namespace[name])


def _update(old: Any, new: Any) -> bool:
    """Make `old` work as `new`, if both are functions or both are classes of the same layout."""
    if type(old) is FunctionType and type(new) is FunctionType:
        _update_function(old, new)
        return True
    if isinstance(old, type) and isinstance(new, type) and _layout(old) == _layout(new):
        _update_class(old, new)
        return True
    return False


def _update_function(old: FunctionType, new: FunctionType) -> None:
    if old is new:
        return
    if old.__code__.co_freevars == new.__code__.co_freevars:
        old.__code__, old.__kwdefaults__ = new.__code__, new.__kwdefaults__
        old.__defaults__, old.__dict__ = new.__defaults__, new.__dict__
        for cell, new_cell in zip(old.__closure__ or (), new.__closure__ or ()):
            if new_cell.cell_contents is not new:  # a decorated function knows itself by its closure
                cell.cell_contents = new_cell.cell_contents
    else:  # with and without a decorator: a code with another closure does not fit, so call the new one
        old.__code__ = _call_target.__code__.replace(co_freevars=old.__code__.co_freevars)
        old.__kwdefaults__ = {"_target": new}
        old.__defaults__, old.__dict__ = None, {**vars(new), "__wrapped__": new}
    old.__name__, old.__qualname__, old.__doc__ = new.__name__, new.__qualname__, new.__doc__


def _call_target(*args: Any, _target: Any, **kwargs: Any) -> Any:
    return _target(*args, **kwargs)


def _layout(cls: type) -> tuple:
    bases = tuple((base.__module__, base.__qualname__) for base in cls.__bases__)
    return type(cls), bases, vars(cls).get("__slots__")


def _update_class(old: type, new: type) -> None:
    for name in vars(old).keys() - vars(new).keys():
        with contextlib.suppress(AttributeError, TypeError):
            delattr(old, name)
    for name, value in vars(new).items():
        if name in ("__dict__", "__weakref__"):
            continue
        kept = vars(old).get(name)
        if type(kept) is FunctionType and kept.__globals__ is getattr(value, "__globals__", None):
            _update(kept, value)
        else:
            with contextlib.suppress(AttributeError, TypeError):  # read-only
                setattr(old, name, value)
    for function in vars(new).values():  # super() finds its class by a cell that all methods share
        while type(function) is FunctionType:
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
                if name == "__class__":
                    cell.cell_contents = old
            function = getattr(function, "__wrapped__", None)


def _replace(old: Any, new: Any) -> None:
    """Where a function became a class, or a class has other bases: names and objects go over to `new`."""
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.startswith("cs231n."):
            for key in [key for key, value in vars(module).items() if value is old]:
                setattr(module, key, new)
    if isinstance(old, type) and isinstance(new, type):
        for thing in gc.get_objects():
            if type(thing) is old:
                with contextlib.suppress(TypeError):
                    thing.__class__ = new
