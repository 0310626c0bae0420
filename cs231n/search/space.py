"""A space of named hyper-parameters, and the points that a seed draws from it.

space = {"learning_rate": log_uniform(1e-4, 1e-2), "depth": integer(1, 5), "batch_size": choice(50, 100)}
propose(space, seed=0, trial=7)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cs231n.contracts import require_count, require_number

__all__ = ["Space", "choice", "integer", "log_uniform", "propose", "require_space", "uniform"]


@dataclass(frozen=True)
class uniform:
    """A number between low and high, all equally likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_number(type(self).__name__, "low", self.low, -math.inf)
        require_number(type(self).__name__, "high", self.high, self.low, above=True)

    def draw(self, rng: np.random.RandomState) -> float:
        return _round(rng.uniform(self.low, self.high))

    def place(self, value: Any) -> float:
        """Where value lies on the axis: 0 at low, 1 at high."""
        return (value - self.low) / (self.high - self.low)

    def ends(self) -> tuple[str, str]:
        return f"{self.low:g}", f"{self.high:g}"


@dataclass(frozen=True)
class log_uniform(uniform):
    """A number between low and high, both above zero, whose logarithm is uniform: for rates."""

    def __post_init__(self) -> None:
        require_number("log_uniform", "low", self.low, 0, above=True)
        super().__post_init__()

    def draw(self, rng: np.random.RandomState) -> float:
        return _round(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def place(self, value: Any) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low)


@dataclass(frozen=True)
class integer(uniform):
    """An integer from low to high, both included, all equally likely."""

    low: int
    high: int

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            require_count("integer", name, value, -math.inf)
        super().__post_init__()

    def draw(self, rng: np.random.RandomState) -> int:
        return int(rng.randint(self.low, self.high + 1))


@dataclass(frozen=True, init=False)
class choice:
    """One of the options (numbers, strings, True, False or None), all equally likely."""

    options: tuple

    def __init__(self, *options: Any):
        if not options:
            raise ValueError("choice: there is nothing to choose from; try choice(50, 100, 200)")
        for option in options:
            if not isinstance(option, (int, float, str, type(None))):
                raise TypeError(
                    f"choice: an option must be a number, a string, True, False or None, got "
                    f"{option!r}; try its name, and let the objective look it up"
                )
        object.__setattr__(self, "options", options)

    def draw(self, rng: np.random.RandomState) -> Any:
        return self.options[rng.randint(len(self.options))]

    def place(self, value: Any) -> float:
        return self.options.index(value) / max(len(self.options) - 1, 1)

    def ends(self) -> tuple[str, str]:
        return str(self.options[0]), str(self.options[-1])


Space = Mapping[str, uniform | choice]


def propose(space: Space, seed: int, trial: int) -> dict[str, Any]:
    """The hyper-parameters of one trial, which follow from the space, the seed and the trial's number alone.

    So no executor, no order and no earlier trial changes them. Numbers have four significant digits and come
    from the frozen RandomState stream: every machine and every version of numpy proposes the same.
    """
    rng = np.random.RandomState([seed, trial])
    drawn = {name: space[name].draw(rng) for name in sorted(space)}
    return {name: drawn[name] for name in space}


def require_space(where: str, space: Any) -> None:
    """Check that `space` is a dict of dimensions by name. Raises: TypeError; ValueError if it is empty."""
    if not isinstance(space, dict):
        raise TypeError(
            f"{where}: space must be a dict, got {type(space).__name__}; "
            'try {"learning_rate": log_uniform(1e-4, 1e-2)}'
        )
    if not space:
        raise ValueError(f'{where}: space is empty; try {{"learning_rate": log_uniform(1e-4, 1e-2)}}')
    for name, dimension in space.items():
        if not isinstance(name, str) or not isinstance(dimension, (uniform, choice)):
            raise TypeError(
                f"{where}: space[{name!r}] must be log_uniform, uniform, integer or choice, got "
                f"{dimension!r}; try choice({dimension!r}) for a fixed value"
            )


def _round(value: float) -> float:
    return float(f"{value:.4g}")
