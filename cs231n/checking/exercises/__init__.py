"""The exercises: their inputs, and how their functions are called. The right results are in answers/.

A file for each family. To add an exercise, add an Exercise to EXERCISES of its family here, and an Answers of
the same name to its family in answers/. The sandbox of the grader holds this folder and no answers.
"""

from cs231n.checking.exercises import dropout, layers, nets, norms, update_rules
from cs231n.checking.exercises.exercise import Exercise

__all__ = ["EXERCISES", "Exercise", "require_exercise"]

_ALL = (
    *layers.EXERCISES,
    *norms.EXERCISES[:-1],
    nets.EXERCISES[0],
    *update_rules.EXERCISES,
    *dropout.EXERCISES,
    nets.EXERCISES[1],
    norms.EXERCISES[-1],
)
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in _ALL}  # in teaching order


def require_exercise(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    if name not in EXERCISES:
        raise ValueError(f"no exercise {name!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[name]
