"""The class of an exercise: its inputs, and how its functions are called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.random import RandomState

from cs231n.checking.learner_code import Arrays, Inputs, Namespace, array, call, is_same

__all__ = [
    "AGAIN",
    "Exercise",
    "MakeInputs",
    "SMALL",
    "call_gradients",
    "call_out",
    "features",
    "same_numbers",
]

AGAIN = "again."  # before the name of an array
SMALL = 50_000  # entries of an array up to which a problem is tried more than once
MakeInputs = Callable[[RandomState, int, int, int], Inputs]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        name: what a learner types: "batchnorm_backward", "TwoLayerNet.loss".
        module: dotted name of the module that its function is in.
        inputs: inputs(rng, N, D, M) -> one problem. N examples, D features or classes, M another size; no
            two are equal, so that a swapped axis does not fit. All floating-point arrays are float64.
        call: call(module, inputs) -> the arrays that the learner's functions give, by name. A gradient is
            named d + the name of its input.
        situations: {"With the default settings": inputs, ...}: what the functions are also tried on, since
            it can go wrong there alone: other axes, settings left out, zeros.
        settings: {number among the inputs: (low, high)}: its range. The problem of seed 0, the first of every
            check, has a round number in place of one from it.
        variants: other makers of inputs for the main situation, which a grader takes in turn.
        layer: layer(module, inputs) -> out, cache of a forward pass; None for all but layers.
        forward: name of the exercise whose `layer` makes the cache of this backward pass, or None.
        second_order: whether it differentiates a backward pass, so that differences of `forward` are not its.
        layers: names of the exercises whose functions a net calls; () for all but nets.
        large: shape (N, D) of the grader's last problem, or None. Its numerical gradient takes longer than
            the grader waits. It is long along the axis that couples entries, so perturbing many entries at
            once does not help.
        weights: {array: its share of the points}, if not 1; a * stands for any letters.
        secondary: arrays that are reported once all others are right; a * stands for any letters. For every
            exercise: written_later and not_repeated.
        notes: arrays that the kit asks for and the course does not: an exercise passes without them, with a
            note. For every exercise: itemsize and written.
        forbidden: functions that this one may not call.
        free: arrays that differ from call to call, as without a seed.
        all_or_nothing: no points for a part of the arrays, since they all follow from one random mask.
    """

    name: str
    module: str
    inputs: MakeInputs
    call: Callable[[Namespace, Inputs], Arrays]
    situations: Mapping[str, MakeInputs] = field(default_factory=dict)
    settings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    variants: tuple[MakeInputs, ...] = ()
    layer: Callable[[Namespace, Inputs], tuple[Any, Any]] | None = None
    forward: str | None = None
    second_order: bool = False
    layers: tuple[str, ...] = ()
    large: tuple[int, int] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    secondary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    all_or_nothing: bool = False

    def weight(self, name: str) -> float:
        """The share of the points that an array is worth."""
        shares = (share for pattern, share in self.weights.items() if fnmatchcase(name, pattern))
        return next(shares, 0 if self.is_note(name) else 1)

    def is_secondary(self, name: str) -> bool:
        """Whether a mistake elsewhere spoils this array as well, so that the others are reported first."""
        return any(
            fnmatchcase(name, pattern) for pattern in ("written_later", "not_repeated", *self.secondary)
        )

    def is_note(self, name: str) -> bool:
        """Whether a mistake in this array is only a note."""
        return name in ("itemsize", "written", *self.notes)


def features(rng: RandomState, N: int, D: int) -> np.ndarray:
    """(N, D); columns of different mean and size, and no entry near zero, where relu has a kink."""
    x = rng.normal(size=(N, D)) * rng.uniform(0.7, 2, D) + rng.normal(size=D)
    return x + np.copysign(0.1, x)


def call_out(name: str, layer: Callable[[Namespace, Inputs], tuple[Any, Any]]) -> Callable:
    """Exercise.call of a forward pass that gives one array, out."""
    return lambda module, i: {"out": array(name, "out", layer(module, i)[0])}


def call_gradients(
    module: Namespace, name: str, arguments: tuple[str, ...], cache: Any, **upstream: np.ndarray
) -> Arrays:
    """What a backward pass gives, by the names of the arguments that it differentiates by.

    It is called twice with one cache, as a comparison of two backward passes does. The names of what the
    second call gives begin with AGAIN; these arrays are empty if it raises.
    """
    names = tuple(f"d{argument}" for argument in arguments)

    def gradients() -> Arrays:
        values = call(module, name, names, **upstream, cache=cache)
        return {n: array(name, n, v).copy() for n, v in zip(names, values if len(names) > 1 else [values])}

    first = gradients()
    if max(map(np.size, first.values())) > SMALL:
        return first
    try:
        again = gradients()
    except Exception:
        again = {n: np.empty(0) for n in names}
    return first | {AGAIN + n: value for n, value in again.items()}


def same_numbers(first: np.ndarray, second: np.ndarray | None) -> bool:
    """Whether two calls gave the same.

    The same up to rounding: a product of matrices may depend on where its factors lie in memory.
    """
    if second is None or np.shape(first) != np.shape(second):
        return False
    return is_same(first, second) or np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)
