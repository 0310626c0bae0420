"""Call a learner's function: check what it returns, and that it leaves its arguments alone."""

from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["Arrays", "Inputs", "InputChanged", "Namespace", "WrongReturn", "array", "call"]

Namespace = ModuleType | SimpleNamespace  # where functions are found by name
Inputs = dict[str, Any]  # of one problem: arrays of float64, labels and numbers
Arrays = dict[str, np.ndarray]


class WrongReturn(TypeError):
    """A learner's function returned something other than the arrays that it should."""


class InputChanged(ValueError):
    """A learner's function wrote into one of its arguments."""


def call(owner: Any, name: str, returns: Sequence[str] | None, **arguments: Any) -> Any:
    """Call `owner.name` with positional arguments.

    Args:
        owner: a module or an object.
        name: of its function.
        returns: what it must return, by name, as in ("out", "cache"); None or one name: the value as it is.
        arguments: in order. A cache is the learner's own and may change; every other array may not.

    Returns:
        The value; a tuple of as many values as `returns` has names, if these are two or more.

    Raises:
        InputChanged: an array among the arguments has other entries than before.
        WrongReturn: another number of values came back.
    """
    before = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray) and k != "cache"}
    value = getattr(owner, name)(*arguments.values())
    for key, content in before.items():
        if not np.array_equal(arguments[key], content):
            raise InputChanged(
                f"{name} writes into its argument {key}, which its caller still needs; "
                f"try {key} = {key}.copy() as its first line"
            )
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
