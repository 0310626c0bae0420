"""Is the fault in what an exercise depends on, the forward of a backward or the layers of a net?"""

import contextlib
import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, Protocol

import numpy as np

from cs231n.checking import answers
from cs231n.checking.answers.right_layers import RIGHT_LAYERS
from cs231n.checking.compare import allclose, join_words
from cs231n.checking.diagnosis import Diagnosis, diagnose
from cs231n.checking.exceptions import RAISED, describe_exception
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.exercises.exercise import AGAIN
from cs231n.checking.learner_code import Arrays, Inputs, Namespace
from cs231n.checking.problems import BESIDES, call_layer, list_public_problems, make_problem, run
from cs231n.gradient_check import eval_numerical_gradient_array

__all__ = [
    "RIGHT_WITH_RIGHT_LAYERS",
    "WRONG_WITH_RIGHT_LAYERS",
    "CodeHere",
    "ForwardFault",
    "LearnerCode",
    "NetOverRightLayers",
    "describe_wrong_layers",
    "find_forward_fault",
    "try_over_right_layers",
]

RIGHT_WITH_RIGHT_LAYERS = "With correct layers the net is right."
WRONG_WITH_RIGHT_LAYERS = "With correct layers the net is wrong too:"


class LearnerCode(Protocol):
    """Where a learner's functions run: in this process, or in a child of the grader."""

    def call(self, name: str, inputs: Inputs) -> Arrays:
        """The arrays of an exercise, as Exercise.call gives them."""

    def out(self, name: str, inputs: Inputs) -> np.ndarray:
        """The out of the forward pass of an exercise."""

    def describe(self, error: BaseException) -> str:
        """What one of them raised: "It raises ..."."""


class CodeHere(NamedTuple):
    """LearnerCode of this process.

    Args:
        module: where the functions are.
    """

    module: Namespace

    def call(self, name: str, inputs: Inputs) -> Arrays:
        return require_exercise(name).call(self.module, inputs)

    def out(self, name: str, inputs: Inputs) -> np.ndarray:
        return call_layer(name, self.module, inputs)

    def describe(self, error: BaseException) -> str:
        raised, line = describe_exception(error)
        return f"It raises {raised}\n{line}"


class ForwardFault(NamedTuple):
    """What is wrong with the forward that a backward depends on.

    Args:
        sentence: which forward to check first, and why.
        about_backward: whether the backward is the gradient of that forward; "" if it cannot be tried.
        is_error: the forward raises, so that the backward cannot be tried.
        is_own_gradient: the backward gives the gradient of that forward.
    """

    sentence: str
    about_backward: str = ""
    is_error: bool = False
    is_own_gradient: bool = False

    def explains(self, diagnosis: Diagnosis | None) -> bool:
        """Whether nothing more can be said of a wrong backward; None: it raised."""
        return diagnosis is None or self.is_own_gradient or not diagnosis.certain

    def __str__(self) -> str:
        return f"{self.sentence} {self.about_backward}".rstrip()


def find_forward_fault(
    exercise: Exercise, code: LearnerCode, inputs: Inputs, outputs: Arrays
) -> ForwardFault | None:
    """What is wrong with the forward that makes the cache of a wrong backward; None if nothing is.

    Args:
        exercise: with a forward.
        code: the learner's.
        inputs: of a problem of the backward.
        outputs: what the backward gave; {} if it raised.
    """
    assert exercise.forward is not None
    definition = answers.for_(exercise.name).forward_out
    try:
        out = code.out(exercise.forward, inputs)
    except RAISED as error:
        return ForwardFault(f"Check {exercise.forward} first. {code.describe(error)}", is_error=True)
    if definition is None:
        return _find_dropout_fault(exercise.forward, code, inputs)
    if allclose(out, definition(inputs)):
        return None
    sentence = f"Check {exercise.forward} first: its out is wrong."
    if not outputs or exercise.second_order:
        return ForwardFault(sentence)
    if _is_gradient_of_own_forward(exercise, code, inputs):
        about = "Your backward is the gradient of this wrong forward, so it must change too."
        return ForwardFault(sentence, about, is_own_gradient=True)
    about = "Your backward is the gradient neither of this forward nor of the right one."
    return ForwardFault(sentence, about)


def _find_dropout_fault(forward: str, code: LearnerCode, inputs: Inputs) -> ForwardFault | None:
    """What is wrong with a forward whose mask is free."""
    inputs = {**inputs, "x": np.where(inputs["x"] == 0, 0.3, inputs["x"])}  # a zero hides whether it is kept
    try:
        outputs = {**code.call(forward, inputs), **{key: inputs[key] for key in BESIDES}}
        diagnosis = diagnose(forward, inputs, outputs, answers.for_(forward).expected(inputs, outputs))
    except RAISED as error:
        return ForwardFault(f"Check {forward} first. {code.describe(error)}", is_error=True)
    return ForwardFault(f"Check {forward} first: {diagnosis.sentence}") if diagnosis else None


def _is_gradient_of_own_forward(exercise: Exercise, code: LearnerCode, inputs: Inputs) -> bool:
    assert exercise.forward is not None
    forward = exercise.forward
    inputs = {**inputs, "x": np.where(inputs["x"] == 0, 0.3, inputs["x"])}  # away from the kink of relu
    try:
        outputs = code.call(exercise.name, inputs)
        outputs = {name: value for name, value in outputs.items() if not name.startswith(AGAIN)}
        differences = {
            name: eval_numerical_gradient_array(
                lambda v, argument=name[1:]: code.out(forward, {**inputs, argument: v}),
                inputs[name[1:]].copy(),
                inputs["dout"],
            )
            for name in outputs
        }
        # Differences of a forward are right to fewer digits than its definition.
        return all(np.allclose(outputs[name], differences[name], rtol=1e-5, atol=1e-7) for name in outputs)
    except RAISED:
        return False


def describe_wrong_layers(names: Sequence[str]) -> str:
    """Which layers of a learner's net to check before the net: a backward only if its forward is right."""
    names = [name for name in names if require_exercise(name).forward not in names]
    if len(names) == 1:
        return f"Check {names[0]} first: it is wrong, and this net calls it."
    return f"Check {join_words(names)} first: they are wrong, and this net calls them."


class NetOverRightLayers(NamedTuple):
    """The result of a wrong net with right layers in the place of the learner's.

    Args:
        wrong_layers: those of the learner that it calls and that are wrong; () if all of them are right.
        diagnosis: of the net over right layers; None if it is right over them.
        error: what it raised over right layers, or None.
    """

    wrong_layers: tuple[str, ...]
    diagnosis: Diagnosis | None = None
    error: BaseException | None = None


def try_over_right_layers(exercise: Exercise, module: Namespace, inputs: Inputs) -> NetOverRightLayers:
    """Try a wrong net again, with right layers in the place of the learner's."""
    called: set[str] = set()
    diagnosis: Diagnosis | None = None
    error: BaseException | None = None
    try:
        with _right_layers(module, exercise.layers, called):
            outputs = exercise.call(module, inputs)
        outputs |= {key: inputs[key] for key in BESIDES}
        expected = answers.for_(exercise.name).expected(inputs, outputs)
        diagnosis = diagnose(exercise.name, inputs, outputs, expected)
    except RAISED as raised:
        error = raised
    suspects = [name for name in exercise.layers if name in called or error]
    return NetOverRightLayers(
        tuple(name for name in suspects if not _is_right(name, module)), diagnosis, error
    )


def _is_right(name: str, module: Namespace) -> bool:
    """Whether a layer passes on its own, wherever the net gets it from."""
    if not hasattr(module, name):
        module = importlib.import_module(require_exercise(name).module)
    try:
        for seed, situation in list_public_problems(name):
            inputs = make_problem(name, seed, situation=situation)
            outputs = run(name, module, inputs)
            expected = answers.for_(name).expected(inputs, outputs)
            if diagnose(name, inputs, outputs, expected) is not None:
                return False
    except RAISED:
        return False
    return True


@contextlib.contextmanager
def _right_layers(module: Namespace, names: tuple[str, ...], called: set[str]) -> Iterator[None]:
    """Put right layers in the place of those of these names, wherever the functions of module look them up.

    It changes modules, so it is for a process that no other thread shares. `called` gets the names of the
    layers that were called.
    """

    def recorded(name: str) -> Callable:
        def layer(*args: Any, **kwargs: Any) -> Any:
            called.add(name)
            return RIGHT_LAYERS[name](*args, **kwargs)

        return layer

    replaced = []
    for namespace in _namespaces_of(module):
        own = {name: namespace[name] for name in names if name in namespace}
        replaced.append((namespace, own))
        namespace.update({name: recorded(name) for name in own})
    try:
        yield
    finally:
        for namespace, own in replaced:
            namespace.update(own)


def _namespaces_of(module: Namespace) -> list[dict[str, Any]]:
    """Where functions and methods that a module knows look up their names, within the kit."""
    namespaces = {id(vars(module)): vars(module)}
    for value in [*vars(module).values()]:
        if isinstance(value, (ModuleType, SimpleNamespace)):
            found = [vars(value)] if getattr(value, "__name__", "cs231n").startswith("cs231n") else []
        elif isinstance(value, type):
            methods = [m for base in value.__mro__ for m in vars(base).values() if inspect.isfunction(m)]
            found = [inspect.unwrap(method).__globals__ for method in methods]
        elif inspect.isfunction(value):
            found = [inspect.unwrap(value).__globals__]
        else:
            continue
        namespaces |= {id(n): n for n in found if any(name in n for name in RIGHT_LAYERS)}
    return [*namespaces.values()]
