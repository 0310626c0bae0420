"""Call a learner's function: check what it returns, and that it leaves its arguments alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

__all__ = [
    "Arrays",
    "Inputs",
    "Namespace",
    "Writes",
    "WrongReturn",
    "array",
    "call",
    "is_same",
    "record_writes",
]

Namespace = ModuleType | SimpleNamespace  # where functions are found by name
Inputs = dict[str, Any]  # of one problem: arrays of float64, labels and numbers
Arrays = dict[str, np.ndarray]


@dataclass
class Writes:
    """Which functions wrote into which arrays that were not theirs, while `call` called them.

    Args:
        at_once: {(function, argument of its own): None}, in order.
        later: {(function, another one that was called before, argument of that one): None}: the earlier one
            kept the array, as in a cache. Also one whose argument has another shape afterwards.
        reshaped: {(function, argument of its own that has another shape afterwards): None}.
        arguments: [function, argument, its value, the copy that the function got] of each call.
    """

    at_once: dict[tuple[str, str], None] = field(default_factory=dict)
    later: dict[tuple[str, str, str], None] = field(default_factory=dict)
    reshaped: dict[tuple[str, str], None] = field(default_factory=dict)
    arguments: list[tuple[str, str, np.ndarray, np.ndarray]] = field(default_factory=list)

    def add_call(self, name: str, arguments: dict[str, Any], copies: dict[str, np.ndarray]) -> None:
        """Compare the copies that the function of this name got, and those of the calls before."""
        intact = []
        for function, key, value, copy in self.arguments:
            if is_same(value, copy):
                intact.append((function, key, value, copy))
            else:
                self.later[name, function, key] = None
        for key, copy in copies.items():
            if is_same(arguments[key], copy):
                intact.append((name, key, arguments[key], copy))
            elif copy.shape != arguments[key].shape:
                self.reshaped[name, key] = None
                self.later[name, name, key] = None
            else:
                self.at_once[name, key] = None
        self.arguments = intact


def is_same(value: np.ndarray, copy: np.ndarray) -> bool:
    """Whether two arrays have the same bytes. By methods alone that no code can replace."""
    return value.shape == copy.shape and value.dtype == copy.dtype and value.tobytes() == copy.tobytes()


_open_writes: list[Writes] = []  # of each record_writes that is open


class WrongReturn(TypeError):
    """A learner's function returned something other than the arrays that it should."""


@contextmanager
def record_writes() -> Iterator[Writes]:
    """Record which functions write into which arrays, while `call` calls them."""
    writes = Writes()
    _open_writes.append(writes)
    try:
        yield writes
    finally:
        _open_writes.pop()


def call(owner: Any, name: str, returns: Sequence[str] | None, **arguments: Any) -> Any:
    """Call `owner.name` with positional arguments, with copies of the arrays among them.

    Args:
        owner: a module or an object.
        name: of its function.
        returns: what it must return, by name, as in ("out", "cache"); None or one name: the value as it is.
        arguments: in order; not modified, but for a cache, which is the learner's own. `record_writes` says
            which copies the function wrote into.

    Returns:
        The value; a tuple of as many values as `returns` has names, if these are two or more.

    Raises:
        WrongReturn: another number of values came back.
        RuntimeError: in place of SystemExit and its like, which would end the check.
    """
    copies = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray) and k != "cache"}
    try:
        value = getattr(owner, name)(*(arguments | copies).values())
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        ended = f"{name} raises {type(error).__name__}, as exit() does: it must return {_join(returns)}"
        raise RuntimeError(ended).with_traceback(error.__traceback__) from None
    for writes in _open_writes:
        writes.add_call(name, arguments, copies)
    owners_name = "" if isinstance(owner, Namespace) else f"{type(owner).__name__}."
    if value is None and returns is not None:
        raise WrongReturn(f"{owners_name}{name} must return {_join(returns)}; got None. Is `return` missing?")
    if returns is None or len(returns) == 1:
        return value
    if not isinstance(value, (tuple, list)) or len(value) != len(returns):
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        if isinstance(value, (np.ndarray, float)):
            got = "one array alone" if np.ndim(value) else "one number alone"
        raise WrongReturn(f"{owners_name}{name} must return {_join(returns)}; got {got}")
    return tuple(value)


def _join(returns: Sequence[str] | None) -> str:
    return ", ".join(returns or ["a value"])


def array(where: str, name: str, value: object) -> np.ndarray:
    """`value` as an array of numbers.

    Raises:
        WrongReturn: it is something else; the message names `where`, a function, and `name`, of the value.
    """
    if value is None:
        raise WrongReturn(f"{where}: {name} is None; do you compute it, and return it or write it back?")
    try:
        converted = np.asarray(value)
    except (TypeError, ValueError):
        converted = None
    if converted is None or converted.dtype.kind not in "fiub":
        raise WrongReturn(f"{where}: {name} must be a numpy array, got {type(value).__name__}")
    return converted
