"""The decorator `takes`, the rules it knows, and what the options of our layers may be."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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


def takes(spec: str = "", *, where: str = "", **rules: Any) -> Callable:
    """Decorate a function with a check of its arguments.

    The spec is a list of arrays with their shapes, as docstrings write them:

        x (N, D)                floating point, two axes; a letter is one size, the same wherever it returns
        x (N, D...)             D... is all further axes, and D alone is their product
        x (...)                 any number of axes
        y (N,) < C              integer labels, 0 <= y < C
        dout like cache.x_hat   the shape of that array, if the cache has it; any other cache is not looked at

    Args:
        spec: the arrays, separated by commas.
        where: the name that stands in messages, if it is not that of the function.
        **rules: for further arguments, by name: a Number, OneOf, Options, ... (anything with a check method).

    The decorated function keeps its signature and has an attribute `contract`. It finds its body by the
    attribute __wrapped__ at each call, so that IPython's autoreload replaces the body where it is.
    """

    def decorate(function):
        @functools.wraps(function)
        def checked(*args, **kwargs):
            checked.contract.check(args, kwargs)
            return checked.__wrapped__(*args, **kwargs)

        name = where or function.__qualname__.removesuffix(".__init__")
        checked.contract = Contract(name, inspect.signature(function).parameters, spec, rules)
        return checked

    return decorate


class Contract:
    """What `takes` knows of one function: where (its name), items (its arrays) and rules (the rest)."""

    def __init__(self, where: str, parameters: Mapping, spec: str, rules: Mapping):
        self.where, self.rules, self.items = where, rules, parse(spec)
        self._positions = {name: i for i, name in enumerate(parameters)}
        self._defaults = tuple(p.default for p in parameters.values())
        self._arrays = [item for item in self.items if not item.limit and not item.like]
        self.spec = ", ".join(f"{item.name} {item.text}" for item in self._arrays)
        self._others = [item for item in self.items if item.limit or item.like]

    def check(self, args: tuple, kwargs: Mapping) -> None:
        """Raise TypeError or ValueError if the arguments of a call do not fit."""
        if kwargs or len(args) < len(self._defaults):
            args = self._bind(args, kwargs)
            if args is None:  # Python itself says what is missing, when the function is called
                return
        arrays = [args[self._positions[item.name]] for item in self._arrays]
        require(self.where, self.spec, *arrays)
        for item in self._others:
            value = args[self._positions[item.name]]
            if item.limit:
                sizes = letter_sizes(self._arrays, arrays)
                require_labels(self.where, value, sizes[item.dims[0]], sizes[item.limit])
            else:
                require(self.where, f"{item.name} (...)", value)
                require_like(self.where, item, value, args[self._positions[item.like[0]]])
        for name, rule in self.rules.items():
            rule.check(self, name, args[self._positions[name]], arrays)

    def _bind(self, args, kwargs):
        values = list(args) + list(self._defaults[len(args) :])
        for name, value in kwargs.items():
            if name not in self._positions or self._positions[name] < len(args):
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

    def check(self, contract, name, value, arrays=()):
        require_number(
            contract.where,
            name + self.meaning,
            value,
            self.low,
            self.high,
            above=self.above,
            below=self.below,
        )


class OneOf(NamedTuple):
    """A rule: value is one of these words, or None where None is among them."""

    choices: tuple

    def check(self, contract, name, value, arrays=()):
        require_choice(contract.where, name, value, self.choices)


class Check(NamedTuple):
    """A rule that calls require(where, name, value)."""

    require: Callable

    def check(self, contract, name, value, arrays=()):
        self.require(contract.where, name, value)


class Shape(NamedTuple):
    """A rule: an array whose letters mean the sizes of the arrays in the spec."""

    dims: str

    def check(self, contract, name, value, arrays=()):
        key = name.split("'")[1]  # of bn_param['running_mean']
        require(contract.where, f"{contract.spec}, {key} {self.dims}", *arrays, value)


class Options(NamedTuple):
    """A rule: a dict that holds no key but these, each with a rule of its own (None: it is not read).

    The functions in `then` are called last, with (where, options, arrays of the spec).
    """

    rules: Mapping
    required: tuple = ()
    then: tuple = ()

    def check(self, contract, name, value, arrays=()):
        require_options(contract.where, name, value, self.rules)
        for key, rule in self.rules.items():
            if rule is not None and (key in value or key in self.required):
                rule.check(contract, f"{name}[{key!r}]", value.get(key), arrays)
        for function in self.then:
            function(contract.where, value, arrays)


class Optional(NamedTuple):
    """A rule for an argument that None (or {}) leaves out."""

    rule: Any

    def check(self, contract, name, value, arrays=()):
        if value is not None and value != {}:
            self.rule.check(contract, name, value, arrays)


def warn_untrained(where, options, arrays):
    if options["mode"] == "test" and not {"running_mean", "running_var"} <= options.keys():
        warnings.warn(
            f"{where}: mode 'test' before any training batch, so mean 0 and variance 0 stand in "
            "for running statistics; try one forward in mode 'train' first",
            RuntimeWarning,
            stacklevel=5,  # the caller of the decorated function
        )


RNG = Check(lambda where, name, rng: require_rng(where, rng))
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
# Fused kernels see for themselves, on the way, whether a variance can be held.
FUSED_BATCHNORM = BATCHNORM._replace(then=(warn_untrained,))
DROPOUT = Options(
    {
        "p": Number(0, 1, above=True, meaning=", the probability to keep,"),
        "mode": TRAIN_OR_TEST,
        "seed": Optional(Check(require_seed)),
        "rng": RNG,
    },
    required=("p", "mode"),
)
