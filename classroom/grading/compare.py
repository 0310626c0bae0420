"""Compare a student's arrays with the expected ones; give points and reasons."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from classroom.grading.reference import Trial, agrees
from classroom.grading.result import ExerciseResult, sanitize
from cs231n.checking import answers
from cs231n.checking.compare import Diagnosis
from cs231n.checking.dependencies import ForwardFault
from cs231n.checking.diagnosis import diagnose, find_notes
from cs231n.checking.exercises import EXERCISES

__all__ = ["ArrayMarks", "numeric_outputs"]

# Of a sentence about a hidden problem: all numbers but 0, 1, 2, and those in names, as W3, and in 1/N.
HIDDEN_NUMBERS = re.compile(r"(?<!\w)(?:\d+(?:, \d+)+|\d[\d.e+-]+|[3-9])(?![\d/])")


class Fault(NamedTuple):
    """What is wrong with the arrays of an exercise."""

    kind: str
    text: str
    trial: Trial
    diagnosis: Diagnosis | None = None  # with the numbers that may be shown; None: nothing could be compared


class ArrayMarks:
    """The marks of one exercise, array by array, over all of its trials.

    Args:
        title: of the exercise.
        notes_weight: the share of the points that a note costs.
    """

    def __init__(self, title: str, notes_weight: float = 0.0):
        self.title, self.notes_weight = title, notes_weight
        self.notes: dict[str, str] = {}  # {kind: sentence} of what the kit asks besides
        self.check_first = ""  # an exercise that made some trials impossible, which costs nothing here
        self.is_right: dict[str, bool] = {}  # by the name of the array, over the trials so far
        self.computed: set[str] = set()  # arrays that do more than repeat an input
        self.first_fault: Fault | None = None
        self.earns_nothing = False  # it raised on a problem of the main situation
        self.is_endless = False  # as of ExerciseResult

    def add(self, trial: Trial, outputs: dict[str, np.ndarray], public: bool) -> None:
        """Compare the outputs of one trial; `public` says whether a report may show its numbers."""
        if self.first_fault is None:
            self.first_fault = (
                _find_large_fault(self.title, trial, outputs)
                if trial.is_large
                else _find_fault(self.title, trial, outputs, public)
            )
        self.notes |= find_notes(self.title, trial.inputs, outputs, trial.expected)
        expected, adopt_choices = trial.expected, answers.for_(self.title).adopt_choices
        exercise = EXERCISES[self.title]
        all_or_nothing = exercise.all_or_nothing
        if adopt_choices and not all_or_nothing:
            expected = adopt_choices(trial.inputs, outputs, expected)
        for name, value in expected.items():
            if exercise.is_note(name):
                continue
            # The arrays of dropout depend on one mask, which is the student's choice: all of them or none.
            is_right = self.first_fault is None or (
                not all_or_nothing and name in outputs and agrees(outputs[name], value)
            )
            self.is_right[name] = self.is_right.get(name, True) and is_right
            if name not in trial.repeated:
                self.computed.add(name)

    def add_error(self, trial: Trial, result: ExerciseResult) -> bool:
        """Note that it raised on one trial, which costs all arrays of a situation, or the whole exercise.

        Returns:
            Whether the exercise can earn anything still.
        """
        if self.first_fault is None:
            self.first_fault = Fault(result.kind, result.text, trial)
            self.check_first = result.check_first
        self.is_right |= dict.fromkeys(trial.expected, False)
        self.earns_nothing |= not trial.situation
        return not self.earns_nothing

    def add_end(self, trial: Trial, result: ExerciseResult) -> None:
        """Note that the child came to its end on one trial: the exercise earns nothing."""
        fault = self.first_fault
        self.first_fault = Fault(result.kind, result.text, trial)
        if fault:  # what was wrong before says more
            self.first_fault = fault._replace(text=f"{fault.text} {result.text}")
        self.is_right |= dict.fromkeys(trial.expected, False)
        self.earns_nothing, self.is_endless = True, result.is_endless

    def blame_forward(self, forward: ForwardFault) -> None:
        """Say first what is wrong with the forward of the first fault, as `check` does."""
        fault = self.first_fault
        assert fault is not None
        diagnosis, self.check_first = fault.diagnosis, forward.sentence
        if forward.explains(diagnosis):
            text = f"{forward} {diagnosis.worst}." if diagnosis and diagnosis.worst else str(forward)
            self.first_fault = fault._replace(kind="another-forward", text=sanitize(text, 2000))
        else:
            self.first_fault = fault._replace(text=sanitize(f"{forward} {fault.text}", 2000))

    def result(self) -> ExerciseResult:
        """The share of the points that the arrays earn, the first fault, and the notes.

        An array that only repeats an input earns nothing, but costs its share when it is wrong.
        """
        if self.first_fault is None:
            share = 1 - self.notes_weight * bool(self.notes)
            return ExerciseResult(share, notes=(*self.notes.values(), *filter(None, [self.check_first])))
        counted = {
            name: EXERCISES[self.title].weight(name)
            for name, is_right in self.is_right.items()
            if name in self.computed or not is_right
        }
        earned = sum(weight * self.is_right[name] for name, weight in counted.items())
        notes = tuple(self.notes[kind] for kind in self.notes if kind == "writes-into-input")
        fault = self.first_fault
        share = 0.0 if self.earns_nothing else earned / sum(counted.values())
        result = ExerciseResult(share, fault.kind, fault.text, (), notes, self.check_first, self.is_endless)
        return result.in_situation(fault.trial.situation)


def _find_fault(title: str, trial: Trial, outputs: dict[str, np.ndarray], public: bool) -> Fault | None:
    """What the kit's own diagnosis says of the outputs; None if all of them are right.

    Numbers are shown of a public problem only: on a hidden one a student's code could choose them to leak it.
    """
    try:
        with np.errstate(all="ignore"):
            diagnosis = diagnose(title, trial.inputs, outputs, trial.expected)
    except Exception as error:  # whatever a student sends, the others are still to be marked
        text = f"Wrong, but the result cannot be compared ({type(error).__name__})."
        return Fault("unknown", text, trial)
    if diagnosis is None:
        return None
    if not public:
        diagnosis = diagnosis._replace(
            sentence=HIDDEN_NUMBERS.sub("(not shown)", diagnosis.sentence),
            worst="The entries of this problem are not shown",
        )
    return Fault(diagnosis.kind, sanitize(str(diagnosis), 2000), trial, diagnosis)


def _find_large_fault(title: str, trial: Trial, outputs: dict[str, np.ndarray]) -> Fault | None:
    """As _find_fault, without a misconception: to look for one would take too long."""
    wrong = [
        name
        for name, value in trial.expected.items()
        if not EXERCISES[title].is_note(name) and (name not in outputs or not agrees(outputs[name], value))
    ]
    text = f"{', '.join(wrong)}: right on small problems, wrong on one of shape {EXERCISES[title].large}."
    return Fault("unknown", text, trial) if wrong else None


def numeric_outputs(outputs: Any, expected: Iterable[str]) -> dict[str, np.ndarray]:
    """Of what a child sent, the arrays of numbers that are expected."""
    if not isinstance(outputs, dict):
        return {}
    return {
        name: outputs[name]
        for name in expected
        if isinstance(outputs.get(name), np.ndarray) and outputs[name].dtype.kind in "biuf"
    }
