"""Arrays and plain values between two processes of which one is not trusted.

No pickle, and sizes are known before anything is read.

A message is two lengths (8 bytes each), a head of JSON and the bytes of the arrays, in the order in which the
head names them. What arrives can be wrong, but reading it runs nothing and takes no more memory than allowed.
This file is copied beside the student's code as well, so it imports numpy and the standard library only.
"""

import json
import re
import struct

import numpy as np

__all__ = ["LARGEST", "Malformed", "decode", "encode", "lengths"]

LARGEST = 16 << 20  # bytes of arrays in one message
LARGEST_HEAD = 64 << 10
LENGTHS = struct.Struct(">QQ")
DTYPE = re.compile(r"[<|]([biuf][1248]|c8|c16)")


class Malformed(ValueError):
    """A message that this format does not have, or one too large."""


def encode(value):
    """Nested dicts, lists, numbers, strings, None and numeric arrays -> bytes.

    Raises: TypeError for anything else; Malformed if it is too large.
    """
    bodies = []

    def head(v):
        if isinstance(v, np.ndarray):
            v = np.asarray(v, order="C")
            if v.dtype.kind not in "biufc" or v.dtype.itemsize > 16:
                raise TypeError(f"an array of {v.dtype} is not numeric")
            v = v.astype(v.dtype.newbyteorder("<"), copy=False)
            bodies.append(v.tobytes())
            return {"array": [v.dtype.str, *v.shape]}
        if isinstance(v, np.generic):
            return head(v.item())
        if isinstance(v, dict):
            return {"dict": {str(k): head(item) for k, item in v.items()}}
        if isinstance(v, (list, tuple)):
            return [head(item) for item in v]
        if v is None or isinstance(v, (bool, int, float, str)):
            return v
        raise TypeError(f"{type(v).__name__} cannot be sent")

    text = json.dumps(head(value)).encode()
    body = b"".join(bodies)
    if len(text) > LARGEST_HEAD or len(body) > LARGEST:
        raise Malformed(f"{len(body)} bytes of arrays in one answer, at most {LARGEST} are read")
    return LENGTHS.pack(len(text), len(body)) + text + body


def lengths(start):
    """The first LENGTHS.size bytes of a message -> the lengths of its head and of its arrays."""
    head, body = LENGTHS.unpack(start)
    if head > LARGEST_HEAD or body > LARGEST:
        raise Malformed("a message larger than any that is read")
    return head, body


def decode(text, body):
    """The head and the arrays' bytes of a message -> its value; tuples come back as lists."""
    used = 0

    def value(h):
        nonlocal used
        if isinstance(h, list):
            return [value(item) for item in h]
        if not isinstance(h, dict):
            return h
        ((kind, content),) = h.items()
        if kind == "dict":
            return {k: value(item) for k, item in content.items()}
        dtype, *shape = content
        if kind != "array" or not DTYPE.fullmatch(dtype) or len(shape) > 8 or min(shape, default=0) < 0:
            raise ValueError
        dtype, size = np.dtype(dtype), 1
        for n in shape:
            size *= n
        size *= dtype.itemsize
        if used + size > len(body):
            raise ValueError
        used += size
        return np.frombuffer(body, np.uint8, size, used - size).view(dtype).reshape(shape).copy()

    try:
        return value(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError, MemoryError):
        raise Malformed("an answer in a form that is not the grader's") from None
