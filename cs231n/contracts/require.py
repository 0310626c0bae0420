"""Checks of one argument each. Each raises TypeError or ValueError in the name of the function `where`."""

import sys
from collections.abc import Collection
from typing import Any

import numpy as np


def is_plain_array(value: Any) -> bool:
    """Whether value is an array whose * and mean are those of arrays: no np.matrix, no masked array."""
    return isinstance(value, np.ndarray) and not isinstance(value, (np.matrix, np.ma.MaskedArray))


def describe_with_fix(name: str, value: Any, dtype: str = "float64") -> str:
    """What value is, and how to make an array of that dtype: "int64; try x.astype(np.float64)"."""
    if is_plain_array(value):
        return f"{value.dtype}; try {name}.astype(np.{dtype})"
    kind = type(value).__name__
    if isinstance(value, np.ma.MaskedArray):
        return f"{kind}, whose mask would be ignored; try {name}.filled(value), or leave out what is masked"
    return kind if value is None else f"{kind}; try np.array({name}, dtype=np.{dtype})"


def require_labels(where: str, y: Any, num_rows: int, num_classes: float = np.inf) -> None:
    """Check that y (num_rows,) holds integer class labels, 0 <= y < num_classes.

    Raises:
        TypeError: y is no integer array.
        ValueError: its shape or a label does not fit.
    """
    if not is_plain_array(y) or y.dtype.kind not in "iu":
        raise TypeError(
            f"{where}: y must be an array of integer labels, got {describe_with_fix('y', y, 'int64')}"
        )
    if y.shape != (num_rows,):
        hint = "; one-hot rows? try y.argmax(axis=1)" if y.shape == (num_rows, num_classes) else ""
        raise ValueError(f"{where}: y must have one label per row, shape ({num_rows},), got {y.shape}{hint}")
    outside = (y < 0) | (y >= num_classes)
    if outside.any():
        i = int(outside.argmax())
        allowed = "at least 0" if num_classes == np.inf else f"in 0..{num_classes - 1}"
        raise ValueError(
            f"{where}: labels must be {allowed}, got y[{i}] = {y[i]} "
            f"({outside.sum()} of {num_rows} outside); try labels that start at 0"
        )


def require_options(where: str, name: str, options: Any, known: Collection) -> None:
    """Check that the dict called name holds no key outside known, so that a typo is not ignored.

    Raises:
        TypeError: options is no dict.
        ValueError: a key is not known; the message lists the known ones.
    """
    if not isinstance(options, dict):
        raise TypeError(f"{where}: {name} must be a dict, got {type(options).__name__}; try {name}={{}}")
    for key in options:
        if key not in known:
            raise ValueError(f"{where}: {name} has no option {key!r}; it takes {', '.join(known)}")


def require_choice(where: str, name: str, value: Any, choices: Collection) -> None:
    """Check that value is one of choices. Raises: ValueError that lists them."""
    if not isinstance(value, (str, type(None))) or value not in choices:  # an array has no one truth value
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def require_number(
    where: str,
    name: str,
    value: Any,
    low: float,
    high: float = np.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Check low <= value <= high; above=True excludes low itself, below=True excludes high.

    Raises:
        TypeError: value is no real number.
        ValueError: it is out of range, infinite or NaN.
    """
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


def require_count(where: str, name: str, value: Any, low: float = 1, high: float = np.inf) -> None:
    """Check that value is an integer, low <= value <= high. Raises: TypeError; ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        whole = isinstance(value, (float, np.floating)) and value == value // 1
        hint = f"; try {value:.0f}" if whole else ""
        raise TypeError(f"{where}: {name} must be an integer, got {value!r}{hint}")
    if not low <= value <= high:
        bound = f" and at most {high}" if high < np.inf else ""
        raise ValueError(f"{where}: {name} must be at least {low}{bound}, got {value}")


def require_seed(where: str, name: str, seed: Any) -> None:
    """Check that seed is one that a RandomState takes, 0 <= seed < 2^32. Raises: TypeError; ValueError."""
    require_count(where, name, seed, 0, 2**32 - 1)


def require_bool(where: str, name: str, value: Any) -> None:
    """Check that value is True or False. Raises: TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{where}: {name} must be True or False, got {value!r}")


def require_float_dtype(where: str, name: str, dtype: Any) -> None:
    """Check that dtype is np.float32 or np.float64. Raises: ValueError."""
    if not isinstance(dtype, (type, np.dtype)) or dtype not in (np.float32, np.float64):
        raise ValueError(f"{where}: {name} must be np.float32 or np.float64, got {dtype!r}")


def require_rng(where: str, rng: Any, name: str = "rng") -> None:
    """Check that rng is a numpy Generator or RandomState (or the module np.random). Raises: TypeError."""
    if not callable(getattr(rng, "permutation", None)):
        raise TypeError(
            f"{where}: {name} must be a numpy Generator or RandomState, got {rng!r}; "
            "try np.random.default_rng(0)"
        )


def require_sizes(where: str, name: str, sizes: Any) -> None:
    """Check that sizes is a list or tuple of integers, each 1 or more. Raises: TypeError; ValueError."""
    if not isinstance(sizes, (list, tuple)):
        hint = f"list({name})" if np.iterable(sizes) else "[100] for one hidden layer of 100"
        raise TypeError(f"{where}: {name} must be a list of sizes, got {sizes}; try {hint}")
    for i, size in enumerate(sizes):
        require_count(where, f"{name}[{i}]", size)


def require_layers(where: str, name: str, module: Any) -> None:
    """Check that module holds the layers of a net. Raises: TypeError."""
    if not hasattr(module, "affine_norm_relu_dropout_forward"):
        raise TypeError(
            f"{where}: {name} must be a module of layers, got {module!r}; "
            f"try from cs231n import fast_layers, and {name}=fast_layers"
        )
