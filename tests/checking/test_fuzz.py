"""Whatever a learner's functions return, keep, print or raise has a verdict in words."""

import numpy as np
import pytest

from cs231n import layers
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.verdict import MISSING, PASSED, WRONG, format_verdict, verdict
from tests.corpus import built


class Odd(np.ndarray):
    """An array whose comparisons and sums are not arrays."""

    def __eq__(self, other):
        return NotImplemented

    __hash__ = None


class Untrue:
    def __bool__(self):
        raise ValueError("neither")

    def __len__(self):
        raise TypeError("no length")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")


def with_entry(entry):
    def change(value):
        changed = np.array(value, float)
        changed.flat[changed.size // 2 : changed.size // 2 + 1] = entry
        return changed

    return change


def frozen(value):
    changed = np.array(value, float)
    changed.flags.writeable = False
    return changed


def itself():
    value = []
    value.append(value)
    return value


DISTURB = {
    "nan": with_entry(np.nan),
    "inf": with_entry(np.inf),
    "-inf": with_entry(-np.inf),
    "huge": with_entry(1e308),
    "all nan": lambda a: np.full(np.shape(a), np.nan),
    "all huge": lambda a: np.full(np.shape(a), -1.7e308),
    "denormal": lambda a: np.full(np.shape(a), 5e-324),
    "zero": lambda a: np.zeros(np.shape(a)),
    "ones": lambda a: np.ones(np.shape(a)),
    "negative": lambda a: -np.asarray(a, float),
    "one axis more": lambda a: np.asarray(a)[None],
    "one axis at the end": lambda a: np.asarray(a)[..., None],
    "flat": lambda a: np.ravel(a),
    "transposed": lambda a: np.transpose(a),
    "first": lambda a: np.asarray(a).reshape(-1)[0],
    "sum": lambda a: np.sum(a),
    "longer": lambda a: np.resize(a, (13,)),
    "rows of one": lambda a: np.ones((np.size(a), 1)),
    "empty": lambda a: np.zeros(0),
    "empty rows": lambda a: np.zeros((0, 5)),
    "int": lambda a: np.asarray(a).astype(np.int64),
    "int8": lambda a: np.asarray(a).astype(np.int8),
    "unsigned": lambda a: np.abs(np.asarray(a)).astype(np.uint8),
    "bool": lambda a: np.asarray(a) > 0,
    "float16": lambda a: np.asarray(a).astype(np.float16),
    "float32": lambda a: np.asarray(a).astype(np.float32),
    "longdouble": lambda a: np.asarray(a).astype(np.longdouble),
    "big-endian": lambda a: np.asarray(a).astype(">f8"),
    "complex": lambda a: np.asarray(a) + 1j,
    "object": lambda a: np.asarray(a).astype(object),
    "object of None": lambda a: np.full(np.shape(a), None),
    "text": lambda a: np.asarray(a).astype(str),
    "bytes": lambda a: np.asarray(a).astype("S5"),
    "datetime": lambda a: np.zeros(np.shape(a), "datetime64[s]"),
    "fields": lambda a: np.zeros(np.shape(a), [("a", float)]),
    "list": lambda a: np.asarray(a).tolist(),
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "list of itself": lambda a: itself(),
    "tuple": lambda a: (a, a),
    "str": lambda a: "x",
    "None": lambda a: None,
    "dict": lambda a: {"out": a},
    "set": lambda a: {1, 2},
    "range": lambda a: range(7),
    "function": lambda a: np.sum,
    "class": lambda a: np.ndarray,
    "generator": lambda a: (v for v in np.ravel(a)),
    "Ellipsis": lambda a: ...,
    "Python int": lambda a: 10**400,
    "Untrue": lambda a: Untrue(),
    "masked": lambda a: np.ma.masked_array(a, np.zeros(np.shape(a), bool) | (np.asarray(a) > 0)),
    "all masked": lambda a: np.ma.masked_all(np.shape(a)),
    "matrix": lambda a: np.asmatrix(a) if np.ndim(a) <= 2 else a,
    "Odd": lambda a: np.array(a, float).view(Odd),
    "frozen": frozen,
    "view": lambda a: np.broadcast_to(np.ravel(a)[:1], np.shape(a)) if np.size(a) else a,
    "reversed": lambda a: np.asarray(a)[::-1] if np.ndim(a) else a,
    "memmap": lambda a: memoryview(np.ascontiguousarray(a)),
}
ERRORS = {
    "StopIteration": StopIteration,
    "SystemExit": SystemExit,
    "exit(1)": lambda: SystemExit(1),
    "GeneratorExit": GeneratorExit,
    "RecursionError": lambda: RecursionError("deep"),
    "MemoryError": MemoryError,
    "KeyError of a tuple": lambda: KeyError(("a", 1)),
    "KeyError of an array": lambda: KeyError(np.ones(3)),
    "KeyError": KeyError,
    "ValueError of arrays": lambda: ValueError(np.ones((2, 2)), None),
    "AssertionError": AssertionError,
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad\nbyte"),
    "SyntaxError": lambda: SyntaxError("bad", ("nowhere.py", None, None, None)),
    "ImportError": lambda: ImportError("no module"),
    "ModuleNotFoundError": lambda: ModuleNotFoundError("No module named 'torch'", name="torch"),
    "AttributeError": lambda: AttributeError("'NoneType' object has no attribute 'T'"),
    "NotImplementedError": NotImplementedError,
    "Exercise 99": lambda: NotImplementedError("Exercise 99: nothing"),
    "broadcast": lambda: ValueError("operands could not be broadcast together"),
    "lines": lambda: RuntimeError("a\nb\n\nc" * 1000),
    "unprintable": lambda: Unprintable(),
    "BaseException": lambda: BaseException("odd"),
}


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no words")

    __repr__ = __str__


def disturbed(value, disturb, place):
    """A value of a function with the part at `place` disturbed, or the whole if it has no such part."""
    if isinstance(value, tuple) and place < len(value):
        parts = list(value)
        parts[place] = disturb(parts[place]) if not isinstance(parts[place], dict) else parts[place]
        if isinstance(parts[place], dict):
            key = sorted(parts[place])[0]
            parts[place] = {**parts[place], key: disturb(parts[place][key])}
        return tuple(parts)
    return disturb(value)


def over_kit(name, change):
    """The module of an exercise, where its function, or the loss of its class, returns change(value)."""
    module, function = built(name, ""), name.partition(".")[0]
    own = getattr(module, function)
    if isinstance(own, type):

        class Net(own):
            def loss(self, X, y=None):
                return change(super().loss(X, y))

        setattr(module, function, Net)
    else:
        setattr(module, function, lambda *arguments: change(own(*arguments)))
    return module


def has_a_verdict(name, module):
    result = verdict(name, module)
    assert result.status in (PASSED, MISSING, WRONG)
    assert result.findings or result.status != WRONG
    text = format_verdict(f"{name}: ", result, 78)
    assert "cannot describe" not in text and "cannot be compared" not in text
    assert len(text) < 6000
    return result


def raising(error):
    def change(*_):
        raise error()

    return change


# By default one in six is tried, of the slow ones one in thirty; all of them with -m slow.
SLOW = ("FullyConnectedNet", "dropout_forward", "dropout_backward")
CASES = [
    pytest.param(
        name,
        place,
        kind,
        marks=() if (k + place) % (30 if name in SLOW else 6) == n % 6 else pytest.mark.slow,
        id=f"{name}-{place}-{kind}",
    )
    for n, name in enumerate(EXERCISES)
    for place in range(3)
    for k, kind in enumerate(DISTURB)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name, place, kind", CASES)
def test_whatever_comes_back_has_a_verdict(name, place, kind):
    def change(value):
        try:
            return disturbed(value, DISTURB[kind], place)
        except (TypeError, ValueError, OverflowError, AttributeError):  # nothing that can be disturbed so
            return value

    has_a_verdict(name, over_kit(name, change))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", EXERCISES)
def test_whatever_is_raised_has_a_verdict(name, kind):
    result = has_a_verdict(name, over_kit(name, raising(ERRORS[kind])))
    assert result.status == (MISSING if isinstance(ERRORS[kind](), NotImplementedError) else WRONG)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", ["cache", "out", "raise", "exit", "once"])
@pytest.mark.parametrize("name", [name for name, exercise in EXERCISES.items() if exercise.forward])
def test_whatever_the_forward_does_the_backward_has_a_verdict(name, change):
    forward, calls = getattr(layers, EXERCISES[name].forward), []

    def odd(*arguments):
        calls.append(None)
        out, cache = forward(*arguments)
        if change == "raise" or (change == "once" and len(calls) > 1):
            raise StopIteration
        if change == "exit":
            raise SystemExit(3)
        return (None, cache) if change == "out" else (out, Untrue()) if change == "cache" else (out, cache)

    module = built(name, "")
    setattr(module, EXERCISES[name].forward, odd)
    has_a_verdict(name, module)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["None", "nan", "str", "transposed", "object", "Odd", "masked"])
@pytest.mark.parametrize(
    "name, layer",
    [
        pytest.param(name, layer, marks=() if name != "FullyConnectedNet" else pytest.mark.slow)
        for name in ("TwoLayerNet.loss", "FullyConnectedNet")
        for layer in EXERCISES[name].layers
    ],
)
def test_whatever_a_layer_does_the_net_has_a_verdict(name, layer, kind):
    module = built(layer, "")
    own = getattr(module, layer)

    def odd(*arguments):
        return disturbed(own(*arguments), DISTURB[kind], 0)

    source = f"{'TwoLayerNet' if name[0] == 'T' else 'FullyConnectedNet'}"
    net = built(name, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(getattr(net, source).loss.__globals__, layer, odd)
        has_a_verdict(name, net)


@pytest.mark.parametrize(
    "config", [None, [], {}, {"velocity": None}, {"velocity": "x"}, np.ones(3), 1, {1: 2}], ids=repr
)
@pytest.mark.parametrize("name", ["sgd_momentum", "rmsprop", "adam"])
def test_whatever_stands_in_config_has_a_verdict(name, config):
    assert has_a_verdict(name, over_kit(name, lambda value: (value[0], config))).status == WRONG
