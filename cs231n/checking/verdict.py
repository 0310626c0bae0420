"""One exercise checked: passed, not implemented yet, or wrong and why.

A forward is compared with its definition, a backward with differences of the learner's own forward.
"""

import importlib
import sys
import textwrap
import traceback
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from cs231n.checking import answers
from cs231n.checking.diagnosis import Diagnosis, diagnose
from cs231n.checking.edition import files_of
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.imports import check_imports
from cs231n.checking.learner_code import Arrays, InputChanged, Inputs, Namespace, WrongReturn
from cs231n.checking.problems import PUBLIC_SEEDS, forbid_other_backwards, make_problem, run
from cs231n.checking.reloading import EDITED_FILES, reload_edited, remember_loaded
from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import use_color
from cs231n.gradient_check import eval_numerical_gradient_array

__all__ = ["MISSING", "PASSED", "WRONG", "Verdict", "format_verdict", "verdict"]

PASSED, MISSING, WRONG = "passed", "not implemented yet", "wrong"
COLORS = {PASSED: "32", MISSING: "33", WRONG: "31"}


class Verdict(NamedTuple):
    exercise: str
    status: str  # PASSED, MISSING or WRONG
    lines: tuple[str, ...]  # the reasons, a paragraph each
    kind: str = ""  # of the misconception, if there is one


def verdict(name: str, module: Namespace | None = None) -> Verdict:
    """Check one exercise on two problems, without printing.

    Args:
        name: of the exercise.
        module: where its function is. Default: the kit's own module, which is read again if the file of the
            learner has changed.

    Raises:
        ValueError: there is no such exercise.
        KeyboardInterrupt: with a line on standard error that says where it came.
    """
    exercise = require_exercise(name)
    if module is None:
        loaded = _load(exercise)
        if isinstance(loaded, Verdict):
            return loaded
        module = loaded
    try:
        for seed in PUBLIC_SEEDS:
            inputs = make_problem(name, seed)
            with np.errstate(all="ignore"):
                with forbid_other_backwards(name, module):
                    outputs = run(name, module, inputs)
                diagnosis = _diagnose_outputs(exercise, module, inputs, outputs)
            if diagnosis:
                source = (f"See {diagnosis.source}.",) if diagnosis.source else ()
                return Verdict(name, WRONG, (diagnosis.sentence, *source, diagnosis.worst), diagnosis.kind)
    except NotImplementedError as error:
        return Verdict(name, MISSING, _describe_missing(name, error))
    except InputChanged as error:
        return Verdict(name, WRONG, (f"{error}.",), "writes-into-input")
    except WrongReturn as error:
        return Verdict(name, WRONG, (f"{error}.",), "wrong-return")
    except KeyboardInterrupt as error:
        print(f"\n{name} was interrupted {_user_frame(error)}", file=sys.stderr)
        raise
    except Exception as error:
        return Verdict(name, WRONG, _describe_exception(error), "error")
    return Verdict(name, PASSED, ())


def format_verdict(head: str, result: Verdict, indent: int) -> str:
    """The status behind `head`, and the reasons below it, at most 79 columns wide."""
    status = f"\x1b[{COLORS[result.status]}m{result.status}\x1b[0m" if use_color() else result.status
    space = " " * indent
    lines = [
        textwrap.fill(line, 79, initial_indent=space, subsequent_indent=space, break_long_words=False)
        for line in result.lines
    ]
    return "\n".join([head + status, *lines])


def _diagnose_outputs(
    exercise: Exercise, module: Namespace, inputs: Inputs, outputs: Arrays
) -> Diagnosis | None:
    by_definition = answers.for_(exercise.name).expected(inputs, outputs)
    if exercise.forward is None:
        return diagnose(exercise.name, inputs, outputs, by_definition)
    forward = require_exercise(exercise.forward)
    expected = by_definition | _gradients_of_own_forward(exercise, forward, module, inputs)
    kinks = answers.for_(exercise.name).kinks
    for name, kink in kinks(inputs).items() if kinks else ():
        expected[name] = np.where(kink, by_definition[name], expected[name])
    diagnosis = diagnose(exercise.name, inputs, outputs, expected)
    if diagnosis and diagnosis.kind == "not-float32":
        problem = make_problem(forward.name, 0)
        if run(forward.name, module, problem)["itemsize"] != problem["itemsize"]:
            sentence = f"Check {forward.name} first: for float32 it gives float64 already."
            return diagnosis._replace(sentence=sentence)
    # Differences of the forward are right to fewer digits than its definition.
    same = (np.allclose(expected[a], b, rtol=1e-5, atol=1e-7) for a, b in by_definition.items())
    if diagnosis is None or all(same):
        return diagnosis
    differs = f"Check {forward.name} first: yours differs from its definition"
    if diagnose(exercise.name, inputs, outputs, by_definition) is None:
        sentence = f"{differs}, and this is the gradient of the layer as defined."
    elif not diagnosis.certain:
        sentence = f"{differs}, and this is the gradient of neither."
    else:
        return diagnosis._replace(sentence=f"{differs}. {diagnosis.sentence}")
    return Diagnosis("another-forward", sentence, "", diagnosis.worst)


def _gradients_of_own_forward(
    exercise: Exercise, forward: Exercise, module: Namespace, inputs: Inputs
) -> Arrays:
    """Differences of the learner's own forward: the cache may therefore be whatever the learner likes."""
    layer = forward.layer
    if layer is None:
        return {}
    return {
        f"d{argument}": eval_numerical_gradient_array(
            lambda v, argument=argument: layer(module, {**inputs, argument: v})[0],
            inputs[argument].copy(),
            inputs["dout"],
        )
        for argument in exercise.arguments
    }


def _load(exercise: Exercise) -> ModuleType | Verdict:
    """The module of an exercise, read again if a learner has changed it; or why it cannot be had."""
    name = exercise.name
    try:
        messages = [message for file in files_of(name) for message in check_imports(REPOSITORY, file)]
    except OSError as error:
        file = Path(error.filename).relative_to(REPOSITORY).as_posix()
        sentence = f"{file} cannot be read ({error.strerror}); try: take it from the kit again."
        return Verdict(name, WRONG, (sentence,), "no-import")
    if messages:
        return Verdict(name, WRONG, (messages[0],), "borrowed")
    try:
        return _read_module(exercise.module)
    except Exception as error:
        sentence, place = _describe_exception(error)
        if place.startswith("in <frozen "):  # Python could not compile it
            place = f"in {exercise.module.rpartition('.')[2]}.py"
        return Verdict(name, WRONG, (sentence, place), "no-import")


def _read_module(name: str) -> ModuleType:
    """Import a module, with every edit of a learner in it."""
    reload_edited()
    module = importlib.import_module(name)
    remember_loaded()
    return module


def _describe_missing(name: str, error: NotImplementedError) -> tuple[str, ...]:
    """Which exercise it waits for, or which second function of this one is left to write."""
    if str(error) and name not in str(error):
        return (f"It waits for {error}.",)
    frame, function = traceback.extract_tb(error.__traceback__)[-1], name.rpartition(".")[2]
    if _is_edited(frame) and frame.name not in (function, "<lambda>"):
        return (f"{frame.name} in {Path(frame.filename).name} is left to write.",)
    return ()


def _is_edited(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).resolve() in EDITED_FILES


def _describe_exception(error: BaseException) -> tuple[str, str]:
    return f"{type(error).__name__}: {error}", _user_frame(error)


def _user_frame(error: BaseException) -> str:
    """Where in the learner's files an error came from: the last of their lines that ran.

    Where a contract refused the arguments of a function, it is the line that called the function.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"in {Path(error.filename).name}, line {error.lineno}: {(error.text or '').strip()}"
    frames = traceback.extract_tb(error.__traceback__)
    edited = [frame for frame in frames if _is_edited(frame)]
    if not edited:
        outside = [frame for frame in frames if Path(frame.filename).parent.name != "contracts"]
        return f"in {Path(outside[-1].filename).name}, line {outside[-1].lineno}"
    frame = edited[-1]
    return f"in {Path(frame.filename).name}, line {frame.lineno}, {frame.name}: {frame.line}"
