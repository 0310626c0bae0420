"""Call a learner's function: check what it returns, and that it leaves its arguments alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["Arrays", "Inputs", "Namespace", "WrongReturn", "array", "call", "record_writes"]

Namespace = ModuleType | SimpleNamespace  # where functions are found by name
Inputs = dict[str, Any]  # of one problem: arrays of float64, labels and numbers
Arrays = dict[str, np.ndarray]
Writes = dict[tuple[str, str], None]  # (function, its argument that it wrote into), in order
_writes: list[Writes] = []  # of each record_writes that is open


class WrongReturn(TypeError):
    """A learner's function returned something other than the arrays that it should."""


@contextmanager
def record_writes() -> Iterator[Writes]:
    """Record which functions write into which of their arguments, while `call` calls them."""
    writes: Writes = {}
    _writes.append(writes)
    try:
        yield writes
    finally:
        _writes.pop()


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
    """
    copies = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray) and k != "cache"}
    value = getattr(owner, name)(*(arguments | copies).values())
    for key, copy in copies.items():
        if not np.array_equal(arguments[key], copy):
            for writes in _writes:
                writes[name, key] = None
    if returns is None or len(returns) == 1:
        return value
    if not isinstance(value, (tuple, list)) or len(value) != len(returns):
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        if value is None:
            got = "None. Is `return` missing?"
        raise WrongReturn(f"{name} must return {', '.join(returns)}; got {got}")
    return tuple(value)


def array(where: str, name: str, value: object) -> np.ndarray:
    """`value` as an array of numbers.

    Raises:
        WrongReturn: it is something else; the message names `where`, a function, and `name`, of the value.
    """
    if value is None:
        raise WrongReturn(f"{where}: {name} is None; is it computed, and returned or written back?")
    try:
        converted = np.asarray(value)
    except (TypeError, ValueError):
        converted = None
    if converted is None or converted.dtype.kind not in "fiub":
        raise WrongReturn(f"{where}: {name} must be a numpy array, got {type(value).__name__}")
    return converted
