"""What is right for each exercise, and what each known misconception gives; a file for each family."""

import numpy as np

from cs231n.checking.answers import dropout, layers, nets, norms, update_rules
from cs231n.checking.answers.primitives import Answers, Misconception
from cs231n.checking.exercises import require_exercise

__all__ = ["ANSWERS", "for_"]

ANSWERS: dict[str, Answers] = {
    **layers.ANSWERS,
    **norms.ANSWERS,
    **dropout.ANSWERS,
    **update_rules.ANSWERS,
    **nets.ANSWERS,
}
_ON_FLOAT32 = {"cs231n.classifiers.fc_net": "the docstring of FullyConnectedNet"}


def for_(name: str) -> Answers:
    """The answers for an exercise: its entry in ANSWERS, and what is the same for every exercise.

    `expected` gives every array that problems.run does; the misconceptions include a result in float64.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = require_exercise(name)
    own, file = ANSWERS[name], exercise.module.rpartition(".")[2]
    not_float32 = Misconception(
        "not-float32",
        "float64 for float32 input: an array is cast on the way, or made without a dtype, "
        "as zeros, ones and random numbers are; or a NumPy number is a factor.",
        _ON_FLOAT32.get(exercise.module, f"the first lines of {file}.py"),
        lambda i, e: {"itemsize": np.array(8)},
    )
    return own._replace(
        expected=lambda inputs, outputs: own.expected(inputs, outputs) | {"itemsize": inputs["itemsize"]},
        misconceptions=[*own.misconceptions, not_float32],
    )
