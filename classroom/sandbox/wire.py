"""Arrays and plain values between two processes of which one is not trusted.

No pickle, and sizes are known before anything is read.

A message is two lengths (8 bytes each), a head of JSON and the bytes of the arrays, in the order in which the
head names them. What arrives can be wrong, but reading it runs nothing and takes no more memory than allowed.
This file is copied into the folder of a child, so it imports numpy and the standard library only.
"""

import functools
import json
import re
import struct
from typing import Any

import numpy as np

__all__ = ["LENGTHS", "MAX_BODY_BYTES", "MalformedMessageError", "decode", "encode", "parse_lengths"]

MAX_BODY_BYTES = 16 << 20  # arrays in one message
MAX_HEAD_BYTES = 64 << 10
LENGTHS = struct.Struct(">QQ")
DTYPE = re.compile(r"[<|]([biuf][1248]|f16|c8|c16)")


class MalformedMessageError(ValueError):
    """A message that this format does not have, or one too large."""


def encode(value: Any) -> bytes:
    """Encode nested dicts, lists, numbers, strings, None and numeric arrays as a message.

    Raises:
        TypeError: value holds something else.
        MalformedMessageError: it is too large.
    """
    bodies = []

    def head_of(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = np.asarray(value, order="C")
            if value.dtype.kind not in "biufc" or value.dtype.itemsize > 16:
                raise TypeError(f"an array of {value.dtype} is not numeric")
            value = value.astype(value.dtype.newbyteorder("<"), copy=False)
            bodies.append(value.tobytes())
            return {"array": [value.dtype.str, *value.shape]}
        if isinstance(value, np.generic):
            return head_of(value.item())
        if isinstance(value, dict):
            return {"dict": {str(key): head_of(item) for key, item in value.items()}}
        if isinstance(value, (list, tuple)):
            return [head_of(item) for item in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise TypeError(f"{type(value).__name__} cannot be sent")

    head = json.dumps(head_of(value)).encode()
    body = b"".join(bodies)
    if len(head) > MAX_HEAD_BYTES or len(body) > MAX_BODY_BYTES:
        raise MalformedMessageError(
            f"{len(body)} bytes of arrays in one answer, at most {MAX_BODY_BYTES} are read"
        )
    return LENGTHS.pack(len(head), len(body)) + head + body


def parse_lengths(start: bytes) -> tuple[int, int]:
    """The lengths of a message's head and of its arrays, from its first LENGTHS.size bytes.

    Raises:
        MalformedMessageError: it is larger than any that is read.
    """
    head, body = LENGTHS.unpack(start)
    if head > MAX_HEAD_BYTES or body > MAX_BODY_BYTES:
        raise MalformedMessageError("a message larger than any that is read")
    return head, body


@functools.lru_cache(64)
def _dtype_of(name: str) -> np.dtype:
    if not DTYPE.fullmatch(name):
        raise ValueError
    return np.dtype(name)


def decode(head: bytes, body: bytes) -> Any:
    """The value of a message, from its head and the bytes of its arrays; tuples come back as lists.

    Raises:
        MalformedMessageError: they are not what `encode` makes.
    """
    used = 0

    def value_of(part: Any) -> Any:
        nonlocal used
        if isinstance(part, list):
            return [value_of(item) for item in part]
        if not isinstance(part, dict):
            return part
        ((kind, content),) = part.items()
        if kind == "dict":
            return {key: value_of(item) for key, item in content.items()}
        name, *shape = content
        if kind != "array" or len(shape) > 8 or min(shape, default=0) < 0:
            raise ValueError
        dtype = _dtype_of(name)
        size = dtype.itemsize
        for length in shape:
            size *= length
        if used + size > len(body):
            raise ValueError
        used += size
        return np.ndarray(shape, dtype, body, used - size).copy()

    try:
        return value_of(json.loads(head))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError, MemoryError):
        raise MalformedMessageError("an answer in a form that is not the grader's") from None
