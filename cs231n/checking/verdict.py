"""One exercise checked: passed, not written yet, or wrong and why.

A forward is compared with its definition, a backward with differences of the learner's own forward.
"""

import importlib
import re
import sys
import textwrap
import threading
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np

from cs231n.checking import answers
from cs231n.checking.compare import join_names
from cs231n.checking.diagnosis import Diagnosis, diagnose, find_notes
from cs231n.checking.edition import entry_of, files_of
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.imports import check_imports
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn
from cs231n.checking.problems import (
    PUBLIC_SEEDS,
    arrays_in_float64,
    forbid_other_backwards,
    make_problem,
    run,
    written_arguments,
)
from cs231n.checking.reloading import (
    EDITED_FILES,
    describe_missing_name,
    end_sentence,
    reload_edited,
    remember_loaded,
)
from cs231n.checking.sections import add_section
from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import log, use_color
from cs231n.gradient_check import eval_numerical_gradient_array

__all__ = ["MISSING", "PASSED", "WRONG", "Verdict", "format_verdict", "verdict"]

PASSED, MISSING, WRONG = "passed", "not written yet", "wrong"
COLORS = {PASSED: "32", MISSING: "33", WRONG: "31"}
SLOW_SECONDS = 20
SLOW = (
    "{name} has been running for 20 seconds. Does a loop never end? Ctrl-C stops it, in a notebook the "
    "square button."
)


class Verdict(NamedTuple):
    exercise: str
    status: str  # PASSED, MISSING or WRONG
    findings: tuple[str, ...]  # each of one line or more
    kind: str = ""  # of the misconception, if there is one
    notes: tuple[str, ...] = ()  # what this kit asks and the course does not; no reason to fail


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
    slow = threading.Timer(SLOW_SECONDS, log, [SLOW.format(name=name)])
    slow.daemon = True
    slow.start()
    notes = dict[str, str]()
    try:
        for seed in PUBLIC_SEEDS:
            inputs = make_problem(name, seed)
            with np.errstate(all="ignore"):
                with forbid_other_backwards(name, module):
                    outputs = run(name, module, inputs)
                diagnosis = _diagnose_outputs(exercise, module, inputs, outputs)
                notes |= _find_notes(exercise, module, inputs, outputs)
            if diagnosis:
                written = tuple(notes[kind] for kind in notes if kind == "writes-into-input")
                findings = _describe_diagnosis(name, diagnosis)
                return Verdict(name, WRONG, findings, diagnosis.kind, written)
    except NotImplementedError as error:
        return _check_scores(name, module, error) or Verdict(name, MISSING, _describe_missing(name, error))
    except WrongReturn as error:
        return Verdict(name, WRONG, (end_sentence(str(error)),), "wrong-return")
    except KeyboardInterrupt as error:
        print(f"\n{name} was interrupted {_user_frame(error)}", file=sys.stderr)
        raise
    except Exception as error:
        if missing := describe_missing_name(error):
            return Verdict(name, WRONG, (missing,), "no-import")
        lines = [*_describe_exception(error), _advise_on_arrays(error)]
        return Verdict(name, WRONG, ("\n".join(filter(None, lines)),), "error")
    finally:
        slow.cancel()
    return Verdict(name, PASSED, (), notes=tuple(notes.values()))


def format_verdict(head: str, result: Verdict, width: int) -> str:
    """The status behind `head`, and below it a bullet for each finding and note, wrapped to `width`."""
    status = f"\x1b[{COLORS[result.status]}m{result.status}\x1b[0m" if use_color() else result.status
    lines = [
        textwrap.fill(
            line,
            width,
            initial_indent="    " if position else "  - ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for finding in (*result.findings, *(f"also: {note}" for note in result.notes))
        for position, line in enumerate(finding.split("\n"))
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
        (first, source), *rest = diagnosis.reasons or ((diagnosis.sentence, diagnosis.source),)
        return diagnosis._replace(reasons=((f"{differs}. {first}", source), *rest))
    return Diagnosis("another-forward", sentence, "", diagnosis.worst)


def _find_notes(exercise: Exercise, module: Namespace, inputs: Inputs, outputs: Arrays) -> dict[str, str]:
    """{kind: sentence} of `find_notes`, with the names of the arrays and arguments."""
    name = exercise.name
    notes = find_notes(name, inputs, outputs, answers.for_(name).expected(inputs, outputs))
    if "not-float32" in notes and (arrays := arrays_in_float64(name, module, inputs)):
        notes["not-float32"] = (
            f"{join_names(arrays)} {'is' if len(arrays) == 1 else 'are'} {answers.NOT_FLOAT32}"
        )
        if (
            exercise.forward
            and run(exercise.forward, module, make_problem(exercise.forward, 0))["itemsize"] > 4
        ):
            notes["not-float32"] = f"{exercise.forward} returns float64 for float32 input; change that first."
    if "writes-into-input" in notes and (arguments := written_arguments(name, module, inputs)):
        names, first = " and ".join(arguments), arguments[0]
        notes["writes-into-input"] = (
            f"{name} writes into its argument {names}, which its caller still needs; "
            f"try {first} = {first}.copy() as its first line."
        )
    return notes


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
        if missing := describe_missing_name(error):
            return Verdict(name, WRONG, (missing,), "no-import")
        sentence, place = _describe_exception(error)
        if place.startswith("in <frozen "):  # Python could not compile it
            place = f"in {exercise.module.rpartition('.')[2]}.py"
        return Verdict(name, WRONG, (f"{sentence}\n{place}",), "no-import")


def _read_module(name: str) -> ModuleType:
    """Import a module, with every edit of a learner in it."""
    failed = reload_edited()
    needed = ("cs231n.layers", "cs231n.layer_utils") if name == "cs231n.classifiers.fc_net" else ()
    for file in (*needed, name):
        if file in failed:
            raise failed[file]
    module = importlib.import_module(name)
    remember_loaded()
    return module


def _describe_diagnosis(name: str, diagnosis: Diagnosis) -> tuple[str, ...]:
    """A finding for each reason, with what to read about it; and the numbers."""
    entry, findings = entry_of(name), list[str]()
    for sentence, source in diagnosis.reasons or ((diagnosis.sentence, diagnosis.source),):
        places = [add_section(part) for part in source.split("; ") if part]
        if entry and not any("section" in place for place in places):
            places.append(entry.section)
        findings.append("\n".join([sentence, *([f"Read {', and '.join(places)}."] if places else [])]))
    return (*findings, f"{diagnosis.worst}.") if diagnosis.worst else tuple(findings)


def _check_scores(name: str, module: Namespace, error: NotImplementedError) -> Verdict | None:
    """What can be said of FullyConnectedNet._scores while _loss is left to write."""
    if name != "FullyConnectedNet" or traceback.extract_tb(error.__traceback__)[-1].name != "_loss":
        return None

    class ScoresAlone(module.FullyConnectedNet):  # type: ignore[name-defined, misc]
        def _loss(self, scores: np.ndarray, caches: object, y: object) -> tuple[float, Arrays]:
            return 0.0, {key: np.zeros_like(value) for key, value in self.params.items()}

    inputs = make_problem(name, PUBLIC_SEEDS[0])
    left = "_loss in fc_net.py is left to write."
    try:
        outputs = run(name, SimpleNamespace(**{**vars(module), "FullyConnectedNet": ScoresAlone}), inputs)
        by_definition = answers.for_(name).expected(inputs, outputs)
        scores = {array: value for array, value in by_definition.items() if array.endswith(".scores")}
        masks = {array: value for array, value in outputs.items() if array.startswith("dropout.mask")}
        diagnosis = diagnose(name, inputs, outputs, scores | masks)
    except Exception:
        return None
    if diagnosis is None:
        return Verdict(name, MISSING, (f"The scores are right. {left}",))
    return Verdict(name, WRONG, (*_describe_diagnosis(name, diagnosis), left), diagnosis.kind)


def _describe_missing(name: str, error: NotImplementedError) -> tuple[str, ...]:
    """Which exercise it waits for, or which function is left to write if it is not the exercise's own."""
    label = re.fullmatch(r"Exercise \d+: (\S+)", str(error))
    if label and label[1] != name:
        entry = entry_of(label[1])
        place = f"exercise {entry.number}, {label[1]} ({entry.section})" if entry else label[1]
        return (f"It waits for {place}.",)
    frame, function = traceback.extract_tb(error.__traceback__)[-1], name.rpartition(".")[2]
    if _is_edited(frame) and frame.name not in (function, "<lambda>"):
        return (f"{frame.name} in {Path(frame.filename).name} is left to write.",)
    return ()


def _is_edited(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).resolve() in EDITED_FILES


def _describe_exception(error: BaseException) -> tuple[str, str]:
    return f"{type(error).__name__}: {error}", _user_frame(error)


def _advise_on_arrays(error: BaseException) -> str:
    """What to do about an error of NumPy's own in a learner's line, with the shapes on that line; or ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = zip(traceback.extract_tb(error.__traceback__), frames)
    line, names = next(
        ((place.line or "", frame.f_locals) for place, frame in [*places][::-1] if _is_edited(place)),
        ("", {}),
    )
    if re.search(r"\bmax\(", line) and re.search("integer|truth value", str(error)):
        return "np.maximum compares entry by entry; max and np.max look for the largest entry."
    if not isinstance(error, ValueError) or not re.search("core dimension|broadcast|not aligned", str(error)):
        return ""
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line.partition(" = ")[2] or line))
    arrays = {word: names[word] for word in words if isinstance(names.get(word), np.ndarray)}
    if len({array.shape for array in arrays.values()}) < 2:
        return "The shapes do not fit; print the shape of each array on this line."
    advice = "print them" + ", and read each example as one row" * any(a.ndim > 2 for a in arrays.values())
    shapes = ", ".join(f"{word} {array.shape}" for word, array in arrays.items())
    return f"The shapes on this line are {shapes}. Two of them do not fit; {advice}."


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
