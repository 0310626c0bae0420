"""Read a pickle that is not to be trusted: a batch of CIFAR-10 is one, and a pickle is a program.

It may call anything it can name, so only the few names are admitted that numpy arrays need; and what it may
take of memory and time is bounded.
"""

import pickle

import numpy as np

_MOST_STEPS = 2_000_000         # a batch takes 80,000


def _dtype(code, *flags):
    if np.dtype(code).kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of dtype {code!r}; a batch holds plain numbers")
    return np.dtype(code, copy=True)


def _encode(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written as {encoding!r}; numpy writes them as 'latin1'")
    return text.encode(encoding)


# As numpy itself writes them down, and in the spellings that numpy 1 and 2 use.
_frombuffer = np.empty(0).__reduce_ex__(5)[0]
_ADMITTED = {
    ("numpy", "ndarray"): None,                 # named, but never called
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.empty(0, np.uint8),        # BUILD fills it
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: np.empty(0, np.uint8),
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}


def _counted(load):
    def step(unpickler):
        unpickler.steps += 1
        if unpickler.steps > _MOST_STEPS:
            raise pickle.UnpicklingError(f"it takes more than {_MOST_STEPS:,} steps")
        load(unpickler)
    return step


class _ArraysOnly(pickle._Unpickler):
    """The unpickler that is written in Python. In the one in C a single wrong bit can ask for 16 GB, in the
    number of a memo, and in the state of a dtype it has numpy take pixels for pointers."""

    steps = 0

    def find_class(self, module, name):
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; only numpy arrays, numbers and text are read, "
                "since a pickle may run any program: do not use this file") from None

    def load_build(self):
        *_, thing, state = self.stack
        plain = isinstance(thing, np.dtype) and state[:1] + state[2:] == (3, None, None, None, -1, -1, 0)
        new = type(thing) is np.ndarray and thing.size == 0
        if not (plain or new):
            raise pickle.UnpicklingError(f"it gives a {type(thing).__name__} a state that no batch has")
        super().load_build()

    dispatch = {code: _counted(load) for code, load in
                (pickle._Unpickler.dispatch | {pickle.BUILD[0]: load_build}).items()}


def load_pickle(f):
    """Read one pickle from an open binary file; Python 2's text comes as str.

    Raises: pickle.UnpicklingError for anything but numbers, text, lists, dicts and numpy arrays.
    """
    try:
        return _ArraysOnly(f, encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as e:          # a damaged pickle may raise anything
        raise pickle.UnpicklingError(f"the pickle is damaged ({type(e).__name__}: {e})") from None
