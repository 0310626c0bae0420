"""Shapes as docstrings write them, "x (N, D), gamma (D,)", and arrays checked against them."""

import functools
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cs231n.contracts.require import describe_with_fix, is_plain_array


class Item(NamedTuple):
    name: str
    dims: tuple = ()  # ("N", "D...")
    text: str = ""  # "(N, D...)"
    limit: str = ""  # of labels: the letter that they stay below
    like: tuple = ()  # ("cache", "x_hat")


@functools.cache
def parse(spec: str) -> tuple:
    """The items of a spec: "w (D, M), b (M,)" -> Item("w", ("D", "M"), "(D, M)"), Item("b", ...)"""
    items = re.findall(r"(\w+) (?:\(([^)]*)\)(?: < (\w+))?|like ([\w.]+))", spec)
    return tuple(
        Item(
            name,
            tuple(re.findall(r"[\w.]+", dims)),
            f"({dims})",
            limit,
            tuple(like.split(".")) if like else (),
        )
        for name, dims, limit, like in items
    )


def require(where: str, spec: str, *arrays: Any) -> None:
    """Check floating-point arrays against a spec as `takes` has it, in the name of the function `where`.

    Raises:
        TypeError: an array is no ndarray or not floating point (complex is admitted, so that a complex step
            can pass through).
        ValueError: a shape does not fit, or an array is empty.
    """
    key = [spec]
    for a in arrays:
        key += type(a), getattr(a, "shape", None), getattr(a, "dtype", None)
    if (key := tuple(key)) in _passed:
        return
    items = parse(spec)
    sizes: dict = {}
    for item, array in zip(items, arrays, strict=True):
        if not is_plain_array(array):
            raise TypeError(
                f"{where}: {item.name} must be a numpy array {item.text}, "
                f"got {describe_with_fix(item.name, array)}"
            )
        if array.dtype.kind not in "fc":
            raise TypeError(
                f"{where}: {item.name} must be floating point, got {describe_with_fix(item.name, array)}"
            )
        if array.dtype == np.float16:
            raise TypeError(
                f"{where}: {item.name} must have 32 bits or more, for float16 ends at 65504; "
                f"try {item.name}.astype(np.float32)"
            )
        if not _fits(item.dims, array.shape, sizes):
            raise ValueError(_misfit(where, items, item, array.shape, arrays))
        if array.size == 0:
            raise ValueError(
                f"{where}: {item.name} {item.text} is empty, its shape is {array.shape}; "
                "try a batch of at least one row and one column"
            )
    if len(_passed) < 4096:
        _passed.add(key)


_passed: set = set()  # shapes and dtypes that passed a spec: a training step asks the same again and again


def _fits(dims: tuple, shape: tuple, sizes: dict) -> bool:
    """Whether shape has these dims, given the sizes of letters so far; sizes learns the new letters."""
    rest = dims[-1] if dims and dims[-1].endswith("...") else None
    fixed = dims[:-1] if rest else dims
    if len(shape) < len(fixed) or not rest and len(shape) > len(fixed):
        return False
    named = dict(zip(fixed, shape))
    if rest and rest != "...":
        named[rest.removesuffix("...")] = math.prod(shape[len(fixed) :])
    # (N, N) binds N twice: the second time it must be the same.
    return all(
        sizes.setdefault(letter, size) == size for letter, size in [*zip(fixed, shape), *named.items()]
    )


def letter_sizes(items: Sequence[Item], arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """{letter: size}, from arrays that fit their items."""
    sizes: dict = {}
    for item, array in zip(items, arrays):
        _fits(item.dims, array.shape, sizes)
    return sizes


def _misfit(where, items, item, shape, arrays) -> str:
    before = items[: items.index(item)]
    sizes = letter_sizes(before, arrays)
    needed = tuple(sizes.get(d, d) for d in item.dims)
    message = f"{where}: {item.name} must be {item.text}"
    if before:
        partners = ", ".join(_describe(other, a.shape) for other, a in zip(before, arrays))
        message += f" = {_format_shape(needed)} to go with {partners}"
    message += f", got {shape}"
    if shape[::-1] == needed:
        message += f"; try {item.name}.T"
    elif len(needed) == 1 and needed[0] in (np.prod(shape), item.dims[0]):
        message += f"; try {item.name}.reshape(-1)"
    elif len(shape) > len(needed) == 2:
        message += f"; try {item.name}.reshape(len({item.name}), -1)"
    return message


def _describe(item, shape) -> str:
    each = f", which has {math.prod(shape[1:])} numbers an example" if item.dims[1:] == ("D...",) else ""
    return f"{item.name} {shape}{each}"


def _format_shape(sizes) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def require_like(where: str, item: Item, value: np.ndarray, owner: Any) -> None:
    """Check that value has the shape of the array that item.like names in owner, if there is one."""
    if owner is None:
        raise ValueError(
            f"{where}: this cache comes from a forward in mode 'test', which keeps none; try mode 'train'"
        )
    for name in item.like[1:]:
        owner = getattr(owner, name, None)
    if isinstance(owner, np.ndarray) and owner.shape != value.shape:
        transposed = value.shape[::-1] == owner.shape
        hint = f"{item.name}.T" if transposed else "the cache of the forward that made this output"
        raise ValueError(
            f"{where}: {item.name} must have the shape of the forward's output, {owner.shape}, "
            f"got {value.shape}; try {hint}"
        )
