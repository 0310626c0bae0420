"""What is right for each exercise, and what each known misconception gives; a file for each family."""

import numpy as np

from cs231n.checking.answers import dropout, layers, nets, norms, update_rules
from cs231n.checking.answers.primitives import Answers, table
from cs231n.checking.exercises import require_exercise
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.checking.problems import BESIDES

__all__ = ["ANSWERS", "NOT_FLOAT32", "for_"]

ANSWERS: dict[str, Answers] = {
    **layers.ANSWERS,
    **norms.ANSWERS,
    **dropout.ANSWERS,
    **update_rules.ANSWERS,
    **nets.ANSWERS,
}
OF_EVERY_EXERCISE = table(
    "",
    (
        "writes-into-x",
        "it writes into an array that its caller still needs, such as x from the cache, or it changes the "
        "shape of an argument.",
        lambda i, e: {"written_later": np.array(1)},
    ),
    (
        "depends-on-earlier-calls",
        "a second call with the same arguments gives another result: it depends on new random numbers, or on "
        "what an earlier call left in a global variable, in a default argument or in the cache.",
        lambda i, e: {"not_repeated": np.array(1)},
    ),
)
NOT_FLOAT32 = (
    "float64 for float32 input. Usual causes: astype(float); np.zeros, np.ones or random numbers without a "
    "dtype; a factor that is a NumPy float64 number."
)


def for_(name: str) -> Answers:
    """The answers for an exercise: its entry in ANSWERS, and what is the same for every exercise.

    `expected` gives every array that problems.run does; `misconceptions` and `notes` include what may happen
    to every exercise.

    Raises:
        ValueError: there is no such exercise.
    """
    require_exercise(name)
    own = ANSWERS[name]

    def notes(inputs: Inputs, outputs: Arrays, expected: Arrays) -> dict[str, str]:
        found = {}
        if outputs.get("written", 0) > 0:
            found["writes-into-input"] = "It writes into one of its arguments, which its caller still needs."
        if outputs.get("itemsize", 4) > 4:
            found["not-float32"] = f"Its result is {NOT_FLOAT32}"
        return found | own.notes(inputs, outputs, expected)

    return own._replace(
        expected=lambda inputs, outputs: (
            own.expected(inputs, outputs) | {key: np.array(value) for key, value in BESIDES.items()}
        ),
        misconceptions=[*own.misconceptions, *OF_EVERY_EXERCISE],
        notes=notes,
    )
