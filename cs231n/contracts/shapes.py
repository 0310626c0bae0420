"""Shapes as docstrings write them, "x (N, D), gamma (D,)", and arrays checked against them."""

import functools
import math
import operator
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cs231n.contracts.require import describe_with_fix, is_plain_array

ITEM = re.compile(r"([\w\[\]']+) (?:\(([^)]*)\)(?: < (\w+))?|like ([\w.]+))(?:, |$)")


class Item(NamedTuple):
    name: str
    dims: tuple[str, ...] = ()  # ("N", "D...")
    text: str = ""  # "(N, D...)"
    limit: str = ""  # of labels: the letter that they stay below
    like: tuple[str, ...] = ()  # ("cache", "x_hat")


@functools.cache
def parse(spec: str) -> tuple[Item, ...]:
    """The items of a spec: "w (D, M), b (M,)" -> Item("w", ("D", "M"), "(D, M)"), Item("b", ...)"""
    if ITEM.sub("", spec):
        raise ValueError(f"the spec {spec!r} is not a list of arrays such as 'x (N, D), y (N,) < C'")
    return tuple(
        Item(
            name, tuple(re.findall(r"[\w.]+", dims)), f"({dims})", limit, tuple(filter(None, like.split(".")))
        )
        for name, dims, limit, like in ITEM.findall(spec)
    )


def require(where: str, spec: str, *arrays: Any) -> None:
    """Check floating-point arrays against a spec as `takes` has it, in the name of the function `where`.

    Raises:
        TypeError: an array is no ndarray or not floating point (complex is admitted, so that a complex step
            can pass through).
        ValueError: a shape does not fit, or an array is empty.
    """
    key = None
    try:
        key = spec, *map(_kind, arrays)
        if key in _passed:
            return
    except (AttributeError, TypeError):  # no array
        pass
    items = parse(spec)
    sizes: dict[str, int] = {}
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
                f"{where}: {item.name} must be float32 or float64, because float16 ends at 65504; "
                f"try {item.name}.astype(np.float32)"
            )
        if not _fits(item.dims, array.shape, sizes):
            raise ValueError(_misfit(where, items, item, array.shape, arrays))
        if array.size == 0:
            raise ValueError(
                f"{where}: {item.name} {item.text} is empty, its shape is {array.shape}; "
                "try a batch of at least one row and one column"
            )
    if key is not None and len(_passed) < 4096:
        _passed.add(key)


_passed: set[tuple] = set()  # a training step asks for the same shapes and dtypes again and again
_kind = operator.attrgetter("__class__", "shape", "dtype")


def _fits(dims: tuple[str, ...], shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether shape has these dims, given the sizes of letters so far; sizes learns the new letters."""
    rest = dims[-1] if dims and dims[-1].endswith("...") else None
    fixed = dims[:-1] if rest else dims
    if len(shape) < len(fixed) or not rest and len(shape) > len(fixed):
        return False
    pairs = list(zip(fixed, shape))
    if rest and rest != "...":
        pairs.append((rest.removesuffix("..."), math.prod(shape[len(fixed) :])))
    return all(
        sizes.setdefault(letter, int(letter) if letter.isdigit() else size) == size for letter, size in pairs
    )


def letter_sizes(items: Sequence[Item], arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """{letter: size}, from arrays that fit their items."""
    sizes: dict[str, int] = {}
    for item, array in zip(items, arrays):
        _fits(item.dims, array.shape, sizes)
    return sizes


def _misfit(
    where: str, items: Sequence[Item], item: Item, shape: tuple[int, ...], arrays: Sequence[np.ndarray]
) -> str:
    before = items[: items.index(item)]
    sizes = letter_sizes(before, arrays)
    needed = tuple(sizes.get(d, d) for d in item.dims)
    message = f"{where}: {item.name} must be {item.text}"
    if before:
        partners = ", ".join(_describe(partner, a.shape) for partner, a in zip(before, arrays))
        message += f" = {_format_shape(needed)} to go with {partners}"
    message += f", got {shape}"
    if len(shape) == 2 and _fits(item.dims, shape[::-1], sizes):
        message += f"; try {item.name}.T"
    elif len(needed) == 1 and needed[0] in (math.prod(shape), item.dims[0]):
        message += f"; try {item.name}.reshape(-1)"
    elif "1" in item.dims and math.prod(shape) in needed:
        message += f"; try {item.name}.reshape{_format_shape(needed)}"
    elif len(shape) > len(needed) == 2:
        message += f"; try {item.name}.reshape(len({item.name}), -1)"
    return message


def _describe(item: Item, shape: tuple[int, ...]) -> str:
    if len(shape) > 2 and item.dims[1:] == ("D...",):
        return f"{item.name} {shape}, which has {math.prod(shape[1:])} numbers per example"
    return f"{item.name} {shape}"


def _format_shape(sizes: Sequence[Any]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def require_like(where: str, item: Item, value: np.ndarray, cache: Any) -> None:
    """Check that value has the shape of the array that item.like names in cache, if there is one."""
    if cache is None:
        if where.startswith("batchnorm"):
            raise ValueError(
                f"{where}: cache is None, which is what batchnorm_forward returns in mode 'test'; "
                "try the cache of a forward in mode 'train'"
            )
        raise ValueError(
            f"{where}: cache is None, but it must hold what the backward needs; "
            f"try to return that as the cache of {where.partition('_backward')[0]}_forward"
        )
    try:
        for name in item.like[1:]:
            cache = getattr(cache, name)
    except Exception:  # a cache is whatever the forward returns
        return
    if isinstance(cache, np.ndarray) and cache.shape != value.shape:
        transposed = value.shape[::-1] == cache.shape
        hint = f"{item.name}.T" if transposed else "the cache of the forward that made this output"
        raise ValueError(
            f"{where}: {item.name} must have the shape of the forward's output, {cache.shape}, "
            f"got {value.shape}; try {hint}"
        )
