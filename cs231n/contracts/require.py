"""Checks of one argument each. Each raises TypeError or ValueError in the name of the function `where`."""

import sys
from typing import Any

import numpy as np


def is_plain_array(value: Any) -> bool:
    """Whether value is an array whose * and mean are those of arrays: no np.matrix, no masked array."""
    return isinstance(value, np.ndarray) and not isinstance(value, (np.matrix, np.ma.MaskedArray))


def describe_with_fix(name: str, value: Any, dtype: str = "float64") -> str:
    """What value is, and what makes an array of dtype of it: "int64; try x.astype(np.float64)"."""
    if is_plain_array(value):
        return f"{value.dtype}; try {name}.astype(np.{dtype})"
    kind = type(value).__name__
    return kind if value is None else f"{kind}; try np.array({name}, dtype=np.{dtype})"


def require_labels(where, y, num_rows, num_classes=np.inf):
    """Check that y (num_rows,) holds integer class labels, 0 <= y < num_classes.

    Raises: TypeError if y is no integer array; ValueError if its shape or a label does not fit.
    """
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "iu":
        raise TypeError(
            f"{where}: y must be an array of integer labels, got {describe_with_fix('y', y, 'int64')}"
        )
    if y.shape != (num_rows,):
        hint = "; one-hot rows? try y.argmax(axis=1)" if y.shape == (num_rows, num_classes) else ""
        raise ValueError(f"{where}: y must have one label a row, shape ({num_rows},), got {y.shape}{hint}")
    outside = (y < 0) | (y >= num_classes)
    if outside.any():
        i = int(outside.argmax())
        allowed = "at least 0" if num_classes == np.inf else f"in 0..{num_classes - 1}"
        raise ValueError(
            f"{where}: labels must be {allowed}, got y[{i}] = {y[i]} "
            f"({outside.sum()} of {num_rows} outside); try labels that start at 0"
        )


def require_options(where, name, options, known):
    """Check that the dict called name holds no key outside known, so that a typo is not ignored.

    Raises: TypeError if options is no dict; ValueError that names the key and the known ones.
    """
    if not isinstance(options, dict):
        raise TypeError(f"{where}: {name} must be a dict, got {type(options).__name__}; try {name}={{}}")
    for key in options:
        if key not in known:
            raise ValueError(f"{where}: {name} has no option {key!r}; it takes {', '.join(known)}")


def require_choice(where, name, value, choices):
    """Check that value is one of choices. Raises: ValueError that lists them."""
    if not isinstance(value, (str, type(None))) or value not in choices:  # an array has no one truth value
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def require_number(where, name, value, low, high=np.inf, *, above=False, below=False):
    """Check low <= value <= high; above=True excludes low itself, below=True excludes high.

    Raises: TypeError if value is no real number; ValueError, also for NaN.
    """
    if type(value) is float and low < value < high:  # the common case, and once for every layer of a step
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where}: {name} must be a number, got {value!r}")
    if not low <= value <= high or above and value == low or below and value == high:
        bound = f"above {low}" if above else f"at least {low}"
        if high < np.inf:
            bound += f" and below {high}" if below else f" and at most {high}"
        raise ValueError(f"{where}: {name} must be {bound}, got {value}")
    # An int like 10**400 is no infinity, but no float can hold it either.
    if np.isinf(value) if isinstance(value, (float, np.floating)) else abs(int(value)) > sys.float_info.max:
        raise ValueError(f"{where}: {name} must be finite, got {value}")


def require_count(where, name, value, low=1, high=np.inf):
    """Check that value is an integer, low <= value <= high. Raises: TypeError; ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        whole = isinstance(value, (float, np.floating)) and value == value // 1
        hint = f"; try {value:.0f}" if whole else ""
        raise TypeError(f"{where}: {name} must be an integer, got {value!r}{hint}")
    if not low <= value <= high:
        bound = f" and at most {high}" if high < np.inf else ""
        raise ValueError(f"{where}: {name} must be at least {low}{bound}, got {value}")


def require_seed(where, name, seed):
    """Check that seed is one that a RandomState takes, 0 <= seed < 2^32. Raises: TypeError; ValueError."""
    require_count(where, name, seed, 0, 2**32 - 1)


def require_bool(where, name, value):
    """Check that value is True or False. Raises: TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{where}: {name} must be True or False, got {value!r}")


def require_float_dtype(where, name, dtype):
    """Check that dtype is np.float32 or np.float64. Raises: ValueError."""
    if dtype is None or dtype not in (np.float32, np.float64):
        raise ValueError(f"{where}: {name} must be np.float32 or np.float64, got {dtype!r}")


def require_rng(where, rng):
    """Check that rng is a numpy Generator or RandomState (or the module np.random). Raises: TypeError."""
    if not callable(getattr(rng, "permutation", None)):
        raise TypeError(
            f"{where}: rng must be a numpy Generator or RandomState, got {rng!r}; "
            "try np.random.default_rng(0)"
        )
