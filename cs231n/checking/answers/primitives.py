"""What the families of answers share.

Here and in the families are reference implementations whose steps can be replaced one at a time, to predict
what a misconception would compute. They are written unidiomatically on purpose (means as products with a
matrix, update rules as residuals), so that a copy is of no use as a solution. All is analytic, so that a
complex step can pass.

In the tables, i stands for the inputs of a problem and e for its expected arrays.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from cs231n.checking.compare import Diagnosis
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import complex_step_gradient

__all__ = [
    "Answers",
    "Explanation",
    "Misconception",
    "Predict",
    "Predictions",
    "column_mean",
    "gradients_of",
    "relu",
    "rows_of",
    "table",
    "upstream_ignored",
    "upstream_returned",
    "variance",
    "weighted_sum",
]

# {array: what it would be}; a function without arguments in its place if that takes long.
Predictions = Mapping[str, np.ndarray | Callable[[], np.ndarray]]
Predict = Callable[[Inputs, Arrays], Predictions]
Explanation = tuple[str, str, str]  # kind, sentence, source


class Misconception(NamedTuple):
    """What the arrays of an exercise would be if one idea in it were wrong."""

    kind: str  # a short name to count by
    sentence: str  # what is wrong, as an idea; never what to write
    source: str  # the place that explains the idea
    predict: Predict  # (inputs, expected arrays) -> the arrays that come out otherwise, by name

    def arrays(self, inputs: Inputs, expected: Arrays) -> Arrays:
        """All arrays of `predict`."""
        return {
            name: value() if callable(value) else value
            for name, value in self.predict(inputs, expected).items()
        }


class Answers(NamedTuple):
    """What is right for an exercise, and what is known to go wrong."""

    # (inputs, outputs) -> the right arrays. The outputs matter where the definition leaves something free.
    expected: Callable[[Inputs, Arrays], Arrays]
    misconceptions: list[Misconception]
    # (inputs, name, outputs, right array) -> what can be said of an array of the outputs that no
    # misconception gives, or None.
    explain: Callable[[Inputs, str, Arrays, np.ndarray], Explanation | None] | None = None
    # (inputs, outputs) -> what is wrong with the random masks that a learner's function drew, or None.
    check_masks: Callable[[Inputs, Arrays], Diagnosis | None] | None = None
    # (inputs, outputs, expected) -> expected, with what follows from what the definition leaves free: random
    # masks, the slope at a kink.
    adopt_choices: Callable[[Inputs, Arrays, Arrays], Arrays] | None = None
    # inputs -> out of the forward pass that a backward differentiates; None for all but backward passes.
    forward_out: Callable[[Inputs], np.ndarray] | None = None
    # (inputs, outputs, expected) -> {kind: sentence} of what the kit asks besides and the outputs lack.
    notes: Callable[[Inputs, Arrays, Arrays], dict[str, str]] = lambda i, outputs, e: {}


def table(source: str, *rows: tuple) -> list[Misconception]:
    """Rows of (kind, sentence, predict, ...) that one source explains; one Misconception for each predict."""
    return [
        Misconception(kind, sentence, source, predict)
        for kind, sentence, *predicts in rows
        for predict in predicts
    ]


def upstream_ignored(predict: Predict) -> list[Misconception]:
    """The one misconception that every backward pass has."""
    sentence = (
        "the upstream gradient dout is not used, or replaced by ones: the chain rule multiplies every local "
        "slope by dout."
    )
    return table("notebook 1, section 1", ("upstream-ignored", sentence, predict))


def upstream_returned(*names: str) -> list[Misconception]:
    """dout in the place of each of these gradients, of which some have another shape."""
    sentence = "dout is returned unchanged: the chain rule multiplies it by every local slope."
    return table(
        "notebook 1, section 1",
        ("upstream-returned", sentence, lambda i, e: dict.fromkeys(names, i["dout"])),
    )


def column_mean(t: np.ndarray) -> np.ndarray:
    """The mean of each column, in every row."""
    return np.full((len(t), len(t)), 1 / len(t)) @ t


def variance(t: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The mean square distance of each column from `mean`, in every row."""
    return column_mean((t - mean) ** 2)


def relu(t: np.ndarray) -> np.ndarray:
    return t * (t.real > 0)


def rows_of(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def weighted_sum(past: np.ndarray, new: np.ndarray, weight_of_past: float) -> np.ndarray:
    """past * weight_of_past + new"""
    return np.polyval([past, new], weight_of_past)


def gradients_of(f: Callable[..., np.ndarray], dout: np.ndarray, /, **arguments: np.ndarray) -> Arrays:
    """The gradients of sum(f(**arguments) * dout) by each argument, named d + its name."""
    return {
        f"d{name}": complex_step_gradient(lambda v, name=name: f(**{**arguments, name: v}), value, dout)
        for name, value in arguments.items()
    }
