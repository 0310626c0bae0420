"""What a note of a verdict says: which array, which argument, which function of several."""

import contextlib
import importlib

from cs231n.checking import answers
from cs231n.checking.compare import join_names, join_words
from cs231n.checking.diagnosis import Diagnosis, find_notes
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.learner_code import Arrays, Inputs, Namespace
from cs231n.checking.problems import arrays_in_float64, find_reshaped, find_writes, make_problem, run

__all__ = ["describe_late_write", "describe_notes"]


def describe_notes(exercise: Exercise, module: Namespace, inputs: Inputs, outputs: Arrays) -> dict[str, str]:
    """{kind: sentence} of `find_notes`, with the names of arrays, arguments and functions."""
    name = exercise.name
    notes = find_notes(name, inputs, outputs, answers.for_(name).expected(inputs, outputs))
    with contextlib.suppress(Exception):  # of a learner's code that another call does not suit
        if "not-float32" in notes:
            notes["not-float32"] = _describe_float64(exercise, module, inputs) or notes["not-float32"]
        if "writes-into-input" in notes and (arguments := find_writes(name, module, inputs)[0]):
            names, first = join_words(arguments), arguments[0]
            notes["writes-into-input"] = (
                f"{name} writes into its argument {names}, which its caller still needs; "
                f"try {first} = {first}.copy() as its first line."
            )
    return notes


def _describe_float64(exercise: Exercise, module: Namespace, inputs: Inputs) -> str:
    """What returns float64 for float32: a function that the exercise rests on, or its own arrays."""
    below = [exercise.forward] if exercise.forward else exercise.layers
    casting = [name for name in below if _returns_float64(name, module)]
    if exercise.layers:  # a backward that only gets float64 from its forward is not the one to change
        casting = [name for name in casting if require_exercise(name).forward not in casting]
    if casting:
        verb = "returns" if len(casting) == 1 else "return"
        return f"{join_words(casting)} {verb} float64 for float32 input; change that first."
    arrays = arrays_in_float64(exercise.name, module, inputs)
    verb = "is" if len(arrays) == 1 else "are"
    return f"{join_names(arrays)} {verb} {answers.NOT_FLOAT32}" if arrays else ""


def _returns_float64(name: str, module: Namespace) -> bool:
    if not hasattr(module, name):
        module = importlib.import_module(require_exercise(name).module)
    return bool(run(name, module, make_problem(name, 0))["itemsize"] > 4)


def describe_late_write(name: str, module: Namespace, inputs: Inputs, diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with the array of an earlier call that a function writes into."""
    if reshaped := find_reshaped(name, module, inputs):
        sentence = (
            f"{name} changes the shape of its argument {join_words(reshaped)}, which its caller still needs; "
            "a reshape gives a new array and leaves the old one as it is."
        )
        return diagnosis._replace(sentence=sentence, reasons=())
    earlier = find_writes(name, module, inputs)[1]
    if not earlier:
        return diagnosis
    places = " and ".join(f"{argument}, which {function} got" for function, argument in earlier)
    sentence = (
        f"{name} writes into {places} from its caller: the caller still needs it. Write into a new array, as "
        "with t = x - mean in place of x -= mean."
    )
    return diagnosis._replace(sentence=sentence, reasons=())
