"""What to run after an exercise: a verdict in about a second, and what seems to be wrong.

    from cs231n.checks import check
    check("batchnorm_backward")

A forward is held against its definition, a backward against differences of your own forward.
`python -m cs231n check` does it for every exercise.
"""

import importlib
import json
import os
import sys
import textwrap
import traceback
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cs231n.checking.answers.definitions import defined, with_again
from cs231n.checking.diagnosis import Diagnosis, diagnose
from cs231n.checking.imports import refusals
from cs231n.checking.problems import (
    EXERCISES,
    InputChanged,
    WrongReturn,
    problems,
    require_exercise,
    run,
    standing_alone,
)
from cs231n.common.terminal import use_color
from cs231n.gradient_check import eval_numerical_gradient_array

__all__ = ["Verdict", "add_arguments", "check", "diagnose", "main", "problems", "run", "verdict"]

SEEDS = (0, 1)
PASSED, MISSING, WRONG = "passed", "not implemented yet", "wrong"
HERE = Path(__file__).parent
# What learners edit, in the order in which one imports the other.
EDITED = ("cs231n.layers", "cs231n.layer_utils", "cs231n.optim", "cs231n.classifiers.fc_net")
ENDINGS = {name.rpartition(".")[2] for name in EDITED}


class Verdict(NamedTuple):
    exercise: str
    status: str  # PASSED, MISSING or WRONG
    lines: tuple  # what there is to say, a paragraph each
    kind: str = ""  # of the misconception, if there is one


def check(exercise):
    """Print whether an exercise is right and, if it is not, what seems to be wrong. Returns True if it is.

    Args:   exercise, its name: "batchnorm_backward", "adam", "TwoLayerNet.loss", ...
    Raises: ValueError that lists the names, if this is none.
    """
    found = verdict(exercise)
    print(_shown(f"{exercise}: ", found, indent=2))
    return found.status == PASSED


def verdict(exercise, module=None):
    """Check one exercise on two problems, without printing.

    Args: exercise, its name; module, where its function is (default: the kit's own, read again if its
          file has changed).
    """
    require_exercise(exercise)
    if module is None:
        try:
            refused = [line for file in _files(exercise) for line in refusals(HERE.parent, file)]
        except OSError as error:
            file = Path(error.filename).relative_to(HERE.parent).as_posix()
            said = f"{file} cannot be read ({error.strerror}); try: take it from the kit again."
            return Verdict(exercise, WRONG, (said,), "no-import")
        if refused:
            return Verdict(exercise, WRONG, (refused[0],), "borrowed")
        try:
            module = _module(EXERCISES[exercise])
        except Exception as error:
            said, place = _said(error)
            if place.startswith("in <frozen "):  # Python could not compile it
                place = f"in {EXERCISES[exercise].rpartition('.')[2]}.py"
            return Verdict(exercise, WRONG, (said, place), "no-import")
    try:
        for seed in SEEDS:
            inputs = problems(exercise, seed)
            with np.errstate(all="ignore"):
                with standing_alone(exercise, module):
                    got = run(exercise, module, inputs)
                found = _doubt(exercise, module, inputs, got)
            if found:
                source = (f"See {found.equation}.",) if found.equation else ()
                return Verdict(exercise, WRONG, (found.sentence, *source, found.worst), found.kind)
    except NotImplementedError as missing:
        waits_for = str(missing)
        if waits_for and exercise.split(".")[0] not in waits_for:
            return Verdict(exercise, MISSING, (f"It waits for {waits_for}.",))
        left = traceback.extract_tb(missing.__traceback__)[-1]
        also = Path(left.filename).stem in ENDINGS and left.name not in (exercise.split(".")[-1], "<lambda>")
        return Verdict(
            exercise,
            MISSING,
            (f"{left.name} in {Path(left.filename).name} is left to write.",) if also else (),
        )
    except (InputChanged, WrongReturn) as misused:
        return Verdict(
            exercise,
            WRONG,
            (f"{misused}.",),
            "writes-into-input" if isinstance(misused, InputChanged) else "wrong-return",
        )
    except KeyboardInterrupt as stopped:
        print(f"\n{exercise} was interrupted {_place(stopped)}", file=sys.stderr)
        raise
    except Exception as error:
        return Verdict(exercise, WRONG, _said(error), "error")
    return Verdict(exercise, PASSED, ())


def _doubt(exercise, module, inputs, got):
    wanted = _wanted(exercise, module, inputs, got)
    found = diagnose(exercise, inputs, got, wanted)
    forward = _forward_of(exercise)
    if found and found.kind == "not-float32" and forward != exercise:
        first = problems(forward, 0)
        if run(forward, module, first)["itemsize"] != first["itemsize"]:
            return found._replace(sentence=f"Check {forward} first: for float32 it gives float64 already.")
    if found is None or "norm_backward" not in exercise:
        return found
    by_definition = defined(exercise, inputs, got)
    if all(np.allclose(wanted[name], right, rtol=1e-5, atol=1e-7) for name, right in by_definition.items()):
        return found
    differs = f"Check {forward} first: yours differs from its definition"
    if diagnose(exercise, inputs, got, by_definition) is None:
        said = f"{differs}, and this is the gradient of the layer as defined."
        return Diagnosis("another-forward", said, "", found.worst)
    if not found.sure:
        said = f"{differs}, and this is the gradient of neither."
        return Diagnosis("another-forward", said, "", found.worst)
    return found._replace(sentence=f"{differs}. {found.sentence}")


def _forward_of(exercise):
    return exercise.removesuffix("_alt").replace("backward", "forward")


def _wanted(exercise, module, inputs, got):
    """What is right: for a layer's backward differences of the learner's own forward, else the definition."""
    names = (
        ("x", "gamma", "beta")
        if "norm_backward" in exercise
        else {"affine_backward": ("x", "w", "b"), "relu_backward": ("x",)}.get(exercise)
    )
    if names is None:
        return defined(exercise, inputs, got)
    forward = getattr(module, _forward_of(exercise))
    arguments = {name: inputs[name].copy() for name in names}

    def out_of(**moved):
        param = [{"mode": "train", "eps": inputs["eps"]}] if "eps" in inputs else []
        return forward(*{**arguments, **moved}.values(), *param)[0]

    grads = {
        f"d{name}": eval_numerical_gradient_array(
            lambda v, name=name: out_of(**{name: v}), value, inputs["dout"]
        )
        for name, value in arguments.items()
    }
    if exercise == "relu_backward":  # at its kink a difference finds half a slope; the docstring wants 0
        grads["dx"][inputs["x"] == 0] = 0
    return with_again(exercise, inputs, grads)


_read = {}  # when each edited file was last read


def _module(name):
    """The module called name; what changed since it was read is read again, with all that imports it."""
    changed = False
    for edited in EDITED:
        module = sys.modules.get(edited)
        if module is None or not os.path.exists(module.__file__):
            continue
        stamp = os.stat(module.__file__).st_mtime_ns
        changed = changed or _read.setdefault(edited, stamp) != stamp
        if changed:
            importlib.reload(module)
            _read[edited] = stamp
    module = importlib.import_module(name)
    for edited in EDITED:
        if edited in sys.modules and os.path.exists(sys.modules[edited].__file__):
            _read.setdefault(edited, os.stat(sys.modules[edited].__file__).st_mtime_ns)
    return module


def _said(error):
    return f"{type(error).__name__}: {error}", _place(error)


def _place(error):
    """Where in the learner's files an error came from: the last line of theirs that was run.

    Where a function refused its arguments, and so begins the message by its name, the line that called it.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"in {Path(error.filename).name}, line {error.lineno}: {(error.text or '').strip()}"
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent.name != "contracts"
    ]
    edited = [
        f
        for f in frames
        if Path(f.filename).parent in (HERE, HERE / "classifiers") and Path(f.filename).stem in ENDINGS
    ]
    if not edited:
        return f"in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"
    refused = [i for i, f in enumerate(edited) if str(error).startswith(f"{f.name}: ")]
    frame = edited[max(refused[0] - 1, 0)] if refused else edited[-1]
    return f"in {Path(frame.filename).name}, line {frame.lineno}, {frame.name}: {frame.line}"


def add_arguments(parser):
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="an exercise, as batchnorm_backward (default: all)"
    )


def main(arguments):
    """A table with a line for each exercise; 0 if all of them pass, else 1."""
    numbers = _numbers()
    unknown = [name for name in arguments.names if name not in EXERCISES]
    if unknown:
        print(f"check: no exercise {unknown[0]!r}; there are {', '.join(EXERCISES)}", file=sys.stderr)
        return 2
    names = arguments.names or list(numbers)
    passed, said = 0, set()
    for name in names:
        found = verdict(name)
        passed += found.status == PASSED
        if found.kind in ("no-import", "borrowed"):  # of a file: said once, whatever is in it
            if found.lines in said:
                found = found._replace(lines=("For the reason above.",))
            said.add(found.lines)
        print(_shown(f"{numbers.get(name, ''):>3}  {name:24}", found, indent=5), flush=True)
    print(f"{passed} of {len(names)} passed")
    return int(passed < len(names))


def _numbers():
    """{name: number} of the exercises of this edition."""
    return {e["title"]: e["number"] for e in _listed() if e["title"] in EXERCISES}


def _files(exercise):
    """The files that hold functions of an exercise."""
    own = EXERCISES[exercise].replace(".", "/") + ".py"
    return next((e["files"] for e in _listed() if e["title"] == exercise), [own])


def _listed():
    return json.loads((HERE / "exercises.json").read_text(encoding="utf-8"))


COLORS = {PASSED: "32", MISSING: "33", WRONG: "31"}


def _shown(head, found, indent):
    status = found.status
    if use_color():
        status = f"\x1b[{COLORS[status]}m{status}\x1b[0m"
    space = " " * indent
    said = [
        textwrap.fill(line, 79, initial_indent=space, subsequent_indent=space, break_long_words=False)
        for line in found.lines
    ]
    return "\n".join([head + status, *said])
