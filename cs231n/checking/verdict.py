"""One exercise checked: passed, not written yet, or wrong and why.

The result is compared with a definition (answers/). Before a function is called wrong, what it depends on is
checked (dependencies.py): a net that is right with correct layers passes, with a note.
"""

import contextlib
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
from cs231n.checking.advice import advise_on_error
from cs231n.checking.dependencies import (
    RIGHT_WITH_RIGHT_LAYERS,
    WRONG_WITH_RIGHT_LAYERS,
    CodeHere,
    ForwardFault,
    describe_wrong_layers,
    find_forward_fault,
    try_over_right_layers,
)
from cs231n.checking.diagnosis import Diagnosis, diagnose
from cs231n.checking.edition import entry_of, files_of
from cs231n.checking.exceptions import (
    RAISED,
    describe_exception,
    describe_left_raise,
    find_user_line,
    is_edited,
)
from cs231n.checking.exercises import Exercise, require_exercise
from cs231n.checking.imports import check_imports
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn
from cs231n.checking.notes import describe_late_write, describe_notes
from cs231n.checking.printed import Printed
from cs231n.checking.problems import (
    forbid_other_backwards,
    list_public_problems,
    make_problem,
    run,
)
from cs231n.checking.reloading import (
    describe_missing_name,
    end_sentence,
    fault_of,
    import_edited,
    message_of,
    reload_edited,
    remember_loaded,
)
from cs231n.checking.sections import add_section
from cs231n.checking.symptoms import section_of
from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import log, use_color

__all__ = ["MISSING", "PASSED", "WRONG", "Verdict", "format_verdict", "verdict"]

PASSED, MISSING, WRONG = "passed", "not written yet", "wrong"
COLORS = {PASSED: "32", MISSING: "33", WRONG: "31"}
SLOW_SECONDS = 20
SLOW = (
    "{name} has been running for 20 seconds. Is there an endless loop? Ctrl-C stops it; in a notebook, "
    "press the square button."
)


class Verdict(NamedTuple):
    exercise: str
    status: str  # PASSED, MISSING or WRONG
    findings: tuple[str, ...]  # each of one line or more
    kind: str = ""  # of the misconception, if there is one
    notes: tuple[str, ...] = ()  # what this kit asks and the course does not; no reason to fail
    printed: str = ""  # the beginning of what the learner's code printed


def verdict(name: str, module: Namespace | None = None) -> Verdict:
    """Check one exercise on all of its public problems, without printing.

    Args:
        name: of the exercise.
        module: where its function is. Default: the kit's own module, which is read again if the file of the
            learner has changed.

    Raises:
        ValueError: there is no such exercise.
        KeyboardInterrupt: with a line on standard error that says where it came.
    """
    exercise, printed = require_exercise(name), Printed()
    slow = threading.Timer(SLOW_SECONDS, log, [SLOW.format(name=name)])
    slow.daemon = True
    try:
        with contextlib.suppress(RuntimeError):  # a browser has no threads
            slow.start()
        with contextlib.redirect_stdout(printed):
            loaded = _load(exercise) if module is None else module
            result = loaded if isinstance(loaded, Verdict) else _try_problems(exercise, loaded)
    except KeyboardInterrupt as error:
        print(f"\n{name} was interrupted {find_user_line(error)}", file=sys.stderr)
        raise
    except SystemExit as error:  # of exit() at the top of a file, or in a class
        result = _describe_error(name, error)
    finally:
        slow.cancel()
    if section := section_of(name, result.kind):
        result = result._replace(findings=(*result.findings, f"More: {section}"))
    return result._replace(printed=printed.beginning())


def _try_problems(exercise: Exercise, module: Namespace) -> Verdict:
    """The verdict on the first problem that goes wrong, or one of PASSED with the notes of all problems."""
    notes = dict[str, str]()
    for seed, situation in list_public_problems(exercise.name):
        inputs = make_problem(exercise.name, seed, situation=situation)
        with np.errstate(all="ignore"):
            result = _try_problem(exercise, module, inputs, situation, notes)
        if result and situation and result.status == WRONG:
            first, *rest = result.findings
            return result._replace(findings=(f"{situation}: {first}", *rest))
        if result:
            return result
    kinds = sorted(notes, key=lambda kind: not kind.startswith("another-"))
    return Verdict(exercise.name, PASSED, (), notes=tuple(notes[kind] for kind in kinds))


def _try_problem(
    exercise: Exercise, module: Namespace, inputs: Inputs, situation: str, notes: dict[str, str]
) -> Verdict | None:
    """The verdict on one problem if something is wrong; else None, and `notes` has the notes."""
    name, outputs, diagnosis = exercise.name, Arrays(), None
    try:
        with forbid_other_backwards(name, module):
            outputs = run(name, module, inputs)
    except NotImplementedError as error:
        return _check_scores(name, module, error) or Verdict(name, MISSING, _describe_missing(name, error))
    except RAISED as error:
        wrong = _describe_error(name, error)
    else:
        diagnosis = _diagnose_outputs(exercise, inputs, outputs)
        notes |= describe_notes(exercise, module, inputs, outputs)
        if diagnosis is None:
            return None
        if diagnosis.kind == "writes-into-x":
            diagnosis = describe_late_write(name, module, inputs, diagnosis)
        written = tuple(notes[kind] for kind in notes if kind == "writes-into-input")
        wrong = Verdict(name, WRONG, _describe_diagnosis(name, diagnosis), diagnosis.kind, written)
    if exercise.forward and wrong.kind != "another-forward":
        fault = find_forward_fault(exercise, CodeHere(module), inputs, outputs)
        if fault and fault.is_error and situation:  # it cannot be tried here; the forward's verdict says why
            notes["another-forward"] = fault.sentence
            return None
        return _after_forward(wrong, diagnosis, fault) if fault else wrong
    return _over_right_layers(wrong, exercise, module, inputs, notes) if exercise.layers else wrong


def _diagnose_outputs(exercise: Exercise, inputs: Inputs, outputs: Arrays) -> Diagnosis | None:
    """`diagnose` by the definition. An error in it is no error of the learner's, so it has a sentence."""
    try:
        expected = answers.for_(exercise.name).expected(inputs, outputs)
        return diagnose(exercise.name, inputs, outputs, expected)
    except Exception as error:
        sentence = (
            "the result is wrong, but check cannot describe how "
            f"({type(error).__name__} in its own code): print the result, its shape and its dtype."
        )
        return Diagnosis("unknown", sentence, "", "")


def _after_forward(wrong: Verdict, diagnosis: Diagnosis | None, fault: ForwardFault) -> Verdict:
    """The verdict on a wrong backward, behind what is wrong with its forward."""
    if fault.explains(diagnosis):
        return wrong._replace(findings=(str(fault), *wrong.findings[1:][-1:]), kind="another-forward")
    return wrong._replace(findings=(str(fault), *wrong.findings))


def _over_right_layers(
    wrong: Verdict, exercise: Exercise, module: Namespace, inputs: Inputs, notes: dict[str, str]
) -> Verdict | None:
    """The verdict on a wrong net: on what is wrong over right layers; None, and a note, if nothing is."""
    net = try_over_right_layers(exercise, module, inputs)
    if not net.wrong_layers:
        return wrong
    first = describe_wrong_layers(net.wrong_layers)
    if net.error:
        return wrong._replace(findings=(first, *wrong.findings), kind="another-layer")
    if net.diagnosis:
        more = _describe_diagnosis(exercise.name, net.diagnosis)
        first = f"{first} {WRONG_WITH_RIGHT_LAYERS}"
        return wrong._replace(findings=(first, *more), kind=net.diagnosis.kind)
    notes["another-layer"] = f"{first} {RIGHT_WITH_RIGHT_LAYERS}"
    return None


def _describe_error(name: str, error: BaseException) -> Verdict:
    if isinstance(error, WrongReturn):
        return Verdict(name, WRONG, (end_sentence(str(error)),), "wrong-return")
    if missing := describe_missing_name(error):
        return Verdict(name, WRONG, (missing,), "no-import")
    lines = [*describe_exception(error), advise_on_error(error)]
    return Verdict(name, WRONG, ("\n".join(filter(None, lines)),), "error")


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
    if result.printed:
        lines += ["  - Your code printed:", textwrap.indent(result.printed, "      ")]
    return "\n".join([head + status, *lines])


def _load(exercise: Exercise) -> ModuleType | Verdict:
    """The module of an exercise, read again if a learner has changed it; or why it cannot be had."""
    name = exercise.name
    try:
        messages = [message for file in files_of(name) for message in check_imports(REPOSITORY, file)]
    except OSError as error:
        file = Path(error.filename).relative_to(REPOSITORY).as_posix()
        sentence = f"{file} cannot be read ({error.strerror}); try: copy it from the kit again."
        return Verdict(name, WRONG, (sentence,), "no-import")
    if messages:
        return Verdict(name, WRONG, (messages[0],), "borrowed")
    try:
        module = _read_module(exercise)
        entry = entry_of(name)
        if entry and entry.optional and not hasattr(module, name):  # in a file of another kit
            home, _, function = entry.functions[0].rpartition(".")
            file = f"{exercise.module.rpartition('.')[2]}.py"
            sentence = f"{file} has no {name}; try: from {home} import {function} at its top."
            return Verdict(name, MISSING, (sentence,))
        return module
    except RAISED as error:
        if missing := describe_missing_name(error):
            return Verdict(name, WRONG, (missing,), "no-import")
        sentence, place = describe_exception(error)
        if place.startswith("in <frozen "):  # Python could not compile it
            place = f"in {exercise.module.rpartition('.')[2]}.py"
        lines = filter(None, [sentence, place, advise_on_error(error)])
        return Verdict(name, WRONG, ("\n".join(lines),), "no-import")


def _read_module(exercise: Exercise) -> ModuleType:
    """Import the module of an exercise, with every edit of a learner in it."""
    name, failed = exercise.module, reload_edited()
    needed = ("cs231n.layers", "cs231n.layer_utils") if name == "cs231n.classifiers.fc_net" else ()
    own = [file.removesuffix(".py").replace("/", ".") for file in files_of(exercise.name)]
    for file in (*needed, *own, name):
        if file in failed:
            raise failed[file]
    module = import_edited(name)
    remember_loaded()
    for file in own:
        if error := fault_of(file):
            raise error
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
    """The verdict on FullyConnectedNet._scores while _loss is not written yet."""
    if name != "FullyConnectedNet" or traceback.extract_tb(error.__traceback__)[-1].name != "_loss":
        return None

    class ScoresAlone(module.FullyConnectedNet):  # type: ignore[name-defined, misc]
        def _loss(self, scores: np.ndarray, caches: object, y: object) -> tuple[float, Arrays]:
            return 0.0, {key: np.zeros_like(value) for key, value in self.params.items()}

    inputs = make_problem(name, 0)
    left = describe_left_raise(error) or "_loss in fc_net.py is not written yet."
    try:
        outputs = run(name, SimpleNamespace(**{**vars(module), "FullyConnectedNet": ScoresAlone}), inputs)
        by_definition = answers.for_(name).expected(inputs, outputs)
        scores = {array: value for array, value in by_definition.items() if array.endswith(".scores")}
        masks = {array: value for array, value in outputs.items() if array.startswith("mask")}
        diagnosis = diagnose(name, inputs, outputs, scores | masks)
    except NotImplementedError:
        return None
    except Exception as error_of_scores:
        if not any(frame.name == "_scores" for frame in traceback.extract_tb(error_of_scores.__traceback__)):
            return None
        wrong = _describe_error(name, error_of_scores)
        return wrong._replace(findings=(*wrong.findings, left))
    if diagnosis is None:
        return Verdict(name, MISSING, (f"The scores are right. {left}",))
    return Verdict(name, WRONG, (*_describe_diagnosis(name, diagnosis), left), diagnosis.kind)


def _describe_missing(name: str, error: NotImplementedError) -> tuple[str, ...]:
    """Which exercise it needs first, or which function is not written yet if it is not the exercise's own."""
    if left := describe_left_raise(error):
        return (left,)
    label = re.fullmatch(r"Exercise \d+: (\S+)", message_of(error))
    if label and label[1] != name:
        entry = entry_of(label[1])
        place = f"exercise {entry.number}, {label[1]} ({entry.section})" if entry else label[1]
        return (f"It needs {place}, which is not written yet.",)
    frame, function = traceback.extract_tb(error.__traceback__)[-1], name.rpartition(".")[2]
    if is_edited(frame) and frame.name not in (function, "<lambda>"):
        return (f"{frame.name} in {Path(frame.filename).name} is not written yet.",)
    return ()
