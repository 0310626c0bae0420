"""The decorator `takes`, the rules it knows, and what the options of our layers may be."""

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cs231n.contracts.require import (
    require_choice,
    require_labels,
    require_number,
    require_options,
    require_rng,
    require_seed,
)
from cs231n.contracts.shapes import letter_sizes, parse, require, require_like
from cs231n.contracts.variance import require_variance

Function = TypeVar("Function", bound=Callable)


def takes(spec: str = "", *, where: str = "", **rules: Any) -> Callable[[Function], Function]:
    """Decorate a function with a check of its arguments.

    The spec is a list of arrays with their shapes, as docstrings write them:

        x (N, D)                floating point, two axes; a letter is one size, the same wherever it returns
        x (N, D...)             D... is all further axes, and D alone is their product
        x (...)                 any number of axes
        x (1, C)                a number is that size
        y (N,) < C              integer labels, 0 <= y < C
        dout like cache.x_hat   the shape of that array, if the cache has it; any other cache is not looked at

    The decorated function keeps its signature and has an attribute `contract`. It finds its body by the
    attribute __wrapped__ at each call, so that IPython's autoreload replaces the body where it is.

    Args:
        spec: the arrays, separated by commas.
        where: the name that stands in messages, if it is not that of the function.
        **rules: for further arguments, by name: a Number, OneOf, Options, ... (anything with a check method).

    Raises:
        ValueError: the spec cannot be read, or the function has no argument of a name in it.
    """

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            checked.contract.check(args, kwargs)
            return checked.__wrapped__(*args, **kwargs)

        checked: Any = wrapper
        checked.contract = Contract(function, spec, where, rules)
        return checked

    return decorate


class Contract:
    """What `takes` knows of one function: where (its name), items (its arrays) and rules (the rest)."""

    def __init__(self, function: Callable, spec: str, where: str, rules: Mapping[str, Any]):
        name = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
        self.where, self.items, self.rules = where or name, parse(spec), rules
        parameters = inspect.signature(function).parameters.values()
        arguments = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self._positions = {p.name: i for i, p in enumerate(arguments)}
        self._defaults = [p.default for p in arguments]
        self._num_positional = sum(p.kind is not p.KEYWORD_ONLY for p in arguments)
        needed = [p for p in arguments if p.default is p.empty]
        by_keyword = any(p.kind is p.KEYWORD_ONLY for p in needed)
        self._num_required = len(arguments) + 1 if by_keyword else len(needed)
        for name in [*(n for item in self.items for n in (item.name, *item.like[:1])), *rules]:
            if name not in self._positions:
                raise ValueError(
                    f"{self.where} has no argument {name}, but the line above its def names it; "
                    f"try {name} in its def"
                )
        self._arrays = [item for item in self.items if not item.limit and not item.like]
        self._related = [item for item in self.items if item.limit or item.like]
        self.spec = ", ".join(f"{item.name} {item.text}" for item in self._arrays)
        # A training step makes hundreds of calls: what does not change between them is looked up here.
        self._array_positions = [self._positions[item.name] for item in self._arrays]
        self._sizes: dict[tuple, dict[str, int]] = {}
        self._rule_positions = [(name, self._positions[name], rule.check) for name, rule in rules.items()]

    def check(self, args: Sequence, kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError or ValueError if the arguments of a call do not fit."""
        if kwargs or len(args) != len(self._defaults):
            bound = self._bind(args, kwargs)
            if bound is None:
                return
            args = bound
        arrays = [args[i] for i in self._array_positions]
        require(self.where, self.spec, *arrays)
        for item in self._related:
            value = args[self._positions[item.name]]
            if item.limit:
                sizes = self._sizes_of(tuple([a.shape for a in arrays]), arrays)
                require_labels(self.where, value, sizes[item.dims[0]], sizes[item.limit])
            else:
                require(self.where, f"{item.name} (...)", value)
                require_like(self.where, item, value, args[self._positions[item.like[0]]])
        for name, i, check in self._rule_positions:
            check(self, name, args[i], arrays)

    def _sizes_of(self, shapes: tuple, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        if shapes not in self._sizes:
            if len(self._sizes) >= 256:
                self._sizes.clear()
            self._sizes[shapes] = letter_sizes(self._arrays, arrays)
        return self._sizes[shapes]

    def _bind(self, args: Sequence, kwargs: Mapping[str, Any]) -> list | None:
        """The arguments in order, with defaults; None for a call that Python itself is going to refuse."""
        if not kwargs and self._num_required <= len(args) < self._num_positional:
            return [*args, *self._defaults[len(args) :]]
        args = args[: self._num_positional]
        values = [*args, *self._defaults[len(args) :]]
        for name, value in kwargs.items():
            if name in self._positions:
                if self._positions[name] < len(args):
                    return None
                values[self._positions[name]] = value
        return None if any(v is inspect.Parameter.empty for v in values) else values


class Number(NamedTuple):
    """A rule: low <= value <= high; above and below exclude the end itself."""

    low: float
    high: float = np.inf
    above: bool = False
    below: bool = False
    meaning: str = ""  # follows the name in a message

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        if type(value) is float and self.low < value < self.high:  # the common case
            return
        bounds = {"above": self.above, "below": self.below}
        require_number(contract.where, name + self.meaning, value, self.low, self.high, **bounds)


class OneOf(NamedTuple):
    """A rule: value is one of these words, or None where None is among them."""

    choices: tuple

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        if type(value) is not str or value not in self.choices:
            require_choice(contract.where, name, value, self.choices)


class Check(NamedTuple):
    """A rule that calls require(where, name, value)."""

    require: Callable[[str, str, Any], None]

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        self.require(contract.where, name, value)


class Shape(NamedTuple):
    """A rule: an array whose letters mean the sizes of the arrays in the spec."""

    dims: str
    integers: bool = False  # whether it may hold integers

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        if self.integers and type(value) is np.ndarray and value.dtype.kind in "iu":
            value = value.astype(float)
        if type(value) is np.ndarray:
            key = contract.spec, self.dims, value.shape, value.dtype.char, arrays[0].shape
            if key in _passed_options:
                return
        require(contract.where, f"{contract.spec}, {name} {self.dims}", *arrays, value)
        if type(value) is np.ndarray and len(_passed_options) < 4096:
            _passed_options.add(key)


_passed_options: set[tuple] = set()  # as in shapes.py


class Options(NamedTuple):
    """A rule: a dict that holds no key but these, each with a rule of its own (None: it is not read).

    The functions in `then` are called last, with (where, options, arrays of the spec).
    """

    rules: Mapping[str, Any]
    required: tuple[str, ...] = ()
    then: tuple[Callable[[str, Mapping, Sequence], None], ...] = ()

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        require_options(contract.where, name, value, self.rules)
        for key, rule in self.rules.items():
            if rule is not None and (key in value or key in self.required):
                rule.check(contract, _label(name, key), value.get(key), arrays)
        for function in self.then:
            function(contract.where, value, arrays)


@functools.cache
def _label(name: str, key: str) -> str:
    return f"{name}[{key!r}]"


class Optional(NamedTuple):
    """A rule for an argument that None leaves out, and so does {} with empty=True."""

    rule: Any
    empty: bool = False

    def check(self, contract: Contract, name: str, value: Any, arrays: Sequence = ()) -> None:
        if value is not None and not (self.empty and isinstance(value, dict) and not value):
            self.rule.check(contract, name, value, arrays)


def warn_untrained(where: str, options: Mapping, arrays: Sequence) -> None:
    """Warn of mode "test" before training, at the line that called into the package."""
    if options["mode"] == "test" and not {"running_mean", "running_var"} <= options.keys():
        frame, level = sys._getframe(), 1
        while frame.f_back and frame.f_globals.get("__name__", "").startswith("cs231n."):
            frame, level = frame.f_back, level + 1
        warnings.warn(
            f"{where}: mode 'test' before any training batch, so mean 0 and variance 0 are used as "
            "running statistics; try one forward in mode 'train' first",
            RuntimeWarning,
            stacklevel=level,
        )


RNG = Check(lambda where, name, rng: require_rng(where, rng, name))
TRAIN_OR_TEST = OneOf(("train", "test"))
EPS, MOMENTUM = Number(0), Number(0, 1)
BATCHNORM = Options(
    {
        "mode": TRAIN_OR_TEST,
        "eps": EPS,
        "momentum": MOMENTUM,
        "running_mean": Shape("(D,)"),
        "running_var": Shape("(D,)"),
    },
    required=("mode",),
    then=(warn_untrained, require_variance(axis=0)),
)
LAYERNORM = Options(
    {"mode": None, "eps": EPS, "momentum": MOMENTUM, "running_mean": None, "running_var": None},
    then=(require_variance(axis=1),),
)
# Fused kernels are for mode "train", and see on the way whether a variance can be held.
FUSED_BATCHNORM = BATCHNORM._replace(then=())
DROPOUT = Options(
    {
        "p": Number(0, 1, above=True, meaning=", the probability to keep,"),
        "mode": TRAIN_OR_TEST,
        "seed": Optional(Check(require_seed)),
        "rng": RNG,
    },
    required=("p", "mode"),
)
