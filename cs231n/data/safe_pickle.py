"""Unpickle a batch of CIFAR-10, and nothing that a batch does not need.

A pickle is a program: it calls whatever it can name. So names are restricted, as the documentation of pickle
describes under "restricting globals". Functions of our own take the place of numpy's, because numpy.dtype
trusts its pickled state, by which a file could have numpy take pixels for pointers.
"""

import io
import pickle
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np

_MAX_BYTES = 1 << 26  # of a file; a batch has 31 million


class _Dtype:
    """Takes the place of numpy.dtype: of plain numbers only, and of its state only the byte order counts."""

    def __init__(self, code: str, *_: object):
        if not re.fullmatch("[biuf][1248]", code):
            raise pickle.UnpicklingError(
                f"it has an array of dtype {code[:10]!r}; a batch holds plain numbers"
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, *content = state
        super().__setstate__((version, shape, dtype.dtype, *content))


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    return _Array(0, np.uint8)  # __setstate__ fills it


def _frombuffer(buffer: bytes, dtype: _Dtype, shape: tuple, order: Any) -> np.ndarray:
    return np.frombuffer(buffer, dtype.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("its bytes are not written as latin1, as numpy writes them")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Callable] = {
    ("numpy", "ndarray"): np.ndarray,  # an argument of _reconstruct, never called
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    # As numpy 1 names them, and numpy 2.
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; only numpy arrays, numbers and text are read, "
                "since a pickle may run any program: do not use this file"
            ) from None


def load_pickle(f: IO[bytes]) -> Any:
    """Read a pickle of numbers, text, lists, dicts and numpy arrays.

    It calls nothing that the file names, but a damaged or hostile file can take gigabytes of memory. Where
    the digest of a file is known, check it first.

    Args:
        f: an open binary file, at most 64 MiB.

    Returns:
        What was pickled; text of Python 2 as str.

    Raises:
        pickle.UnpicklingError: the file is too long or damaged, or holds anything else.
    """
    content = f.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise pickle.UnpicklingError(f"it has more than {_MAX_BYTES:,} bytes; a batch has 31 million")
    try:
        value = _BatchUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as e:  # a damaged pickle may raise anything
        raise pickle.UnpicklingError(f"the pickle is damaged ({type(e).__name__}: {e})") from None
    if isinstance(value, dict):
        return {key: np.asarray(item) if isinstance(item, _Array) else item for key, item in value.items()}
    return value
