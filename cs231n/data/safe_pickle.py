"""Read a pickle that is not to be trusted: a batch of CIFAR-10 is one, and a pickle is a program.

It may call anything it can name, so only the few names are admitted that numpy arrays need; and what it may
take of memory and time is bounded.
"""

import pickle

import numpy as np

_MOST_STEPS = 2_000_000  # a batch takes 80,000
_MOST_MADE = 1 << 26  # bytes copied from those of the file; of a batch 31 million, or twice as many


def _dtype(code, align, copy):
    short = code[:10] if isinstance(code, str) else type(code).__name__  # a message is not to be endless
    if short != code or np.dtype(code).kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of dtype {short!r}; a batch holds plain numbers")
    return np.dtype(code, copy=True)


def _empty(kind, shape, code):
    return np.empty(0, np.uint8)  # BUILD fills it


_frombuffer = np.empty(0).__reduce_ex__(5)[0]


def _view(buffer, dtype, *shape):
    if not isinstance(dtype, np.dtype):
        raise pickle.UnpicklingError(f"a dtype that is a {type(dtype).__name__}")
    return _frombuffer(buffer, dtype, *shape)


# As numpy itself writes them down, in the spellings that numpy 1 and 2 use.
_ADMITTED = {
    ("numpy", "ndarray"): None,  # named, but never called
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.numeric", "_frombuffer"): _view,
    ("numpy._core.numeric", "_frombuffer"): _view,
}


def _counted(load):
    def step(unpickler):
        unpickler.steps += 1
        if unpickler.steps > _MOST_STEPS:
            raise pickle.UnpicklingError(f"it takes more than {_MOST_STEPS:,} steps")
        load(unpickler)

    return step


def _require_text(keys):
    """Numbers of one hash, which are easily made, would each be compared with each."""
    for key in keys:
        if type(key) is not str:
            raise pickle.UnpicklingError(f"it has a {type(key).__name__} for a key; a batch has text")


class _ArraysOnly(pickle._Unpickler):
    """The unpickler that is written in Python. In the one in C a single wrong bit can ask for 16 GB, in the
    number of a memo, and in the state of a dtype it has numpy take pixels for pointers."""

    steps = made = 0

    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):
            return self.encode
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; only numpy arrays, numbers and text are read, "
                "since a pickle may run any program: do not use this file"
            ) from None

    def encode(self, text, encoding):
        if encoding != "latin1":
            raise pickle.UnpicklingError("bytes that are not written as 'latin1', as numpy writes them")
        self.count(len(text))
        return text.encode(encoding)

    def count(self, size):
        """A thing in the file can be copied again and again, at a few bytes of the file each."""
        self.made += size
        if self.made > _MOST_MADE:
            raise pickle.UnpicklingError(f"it makes more than {_MOST_MADE:,} bytes of what is in the file")

    def load_build(self):
        *_, thing, state = self.stack
        plain = isinstance(thing, np.dtype) and state[:1] + state[2:] == (3, None, None, None, -1, -1, 0)
        new = type(thing) is np.ndarray and thing.size == 0
        if not (plain or new):
            raise pickle.UnpicklingError(f"it gives a {type(thing).__name__} a state that no batch has")
        super().load_build()
        if new:
            self.count(thing.nbytes)

    def load_put(self):
        number = int(self.readline())
        if not 0 <= number < _MOST_STEPS:
            raise pickle.UnpicklingError(f"it asks for place {number} of a memo")
        self.memo[number] = self.stack[-1]

    def load_setitem(self):
        _require_text(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self):
        _require_text(self.stack[::2])
        super().load_setitems()

    def load_dict(self):
        _require_text(self.stack[::2])
        super().load_dict()

    def load_set(self):
        raise pickle.UnpicklingError("it holds a set; a batch has none")

    dispatch = {
        code: _counted(load)
        for code, load in (
            pickle._Unpickler.dispatch
            | {
                pickle.BUILD[0]: load_build,
                pickle.PUT[0]: load_put,
                pickle.SETITEM[0]: load_setitem,
                pickle.SETITEMS[0]: load_setitems,
                pickle.DICT[0]: load_dict,
                pickle.ADDITEMS[0]: load_set,
                pickle.FROZENSET[0]: load_set,
            }
        ).items()
    }


def load_pickle(f):
    """Read one pickle from an open binary file; Python 2's text comes as str.

    Raises: pickle.UnpicklingError for anything but numbers, text, lists, dicts with text for keys and numpy
            arrays; also for what would take far more memory or time than a batch does.
    """
    try:
        return _ArraysOnly(f, encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as e:  # a damaged pickle may raise anything
        raise pickle.UnpicklingError(f"the pickle is damaged ({type(e).__name__}: {e})") from None
