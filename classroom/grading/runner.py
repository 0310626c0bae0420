"""Exercises of one submission, tried in child processes."""

import itertools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from classroom.grading.compare import ArrayMarks, numeric_outputs
from classroom.grading.reference import Trial, make_trials
from classroom.grading.result import ExerciseResult, NotMarkedError, result_of_error, sanitize
from classroom.manifest import Exercise
from classroom.sandbox.levels import LEVELS
from classroom.sandbox.process import (
    Child,
    ChildExitedError,
    ChildFolder,
    ChildTimeoutError,
    Limits,
    wall_seconds,
)
from cs231n.checking.compare import join_words
from cs231n.checking.dependencies import ForwardFault, find_forward_fault
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.exercises import Exercise as KnownExercise
from cs231n.checking.exercises.exercise import AGAIN, SMALL
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.checking.problems import Called, arguments_of, judge

__all__ = ["Clock", "MarkingOptions", "Runner"]

ENDED = ("timed-out", "crashed")
SHARE_WITH_SLOW_NEEDS = 0.2  # of the time of an exercise, if one that it needs ran out of time
# A small problem is one of several, with three calls each. If one call takes that share of the time, all of
# them take several times too long, also if the load of the machine makes a call twice as slow.
SHARE_OF_ENDLESS_CALL = 0.8


class MarkingOptions(NamedTuple):
    """How submissions are marked."""

    exercises: tuple[Exercise, ...]
    seed: int  # of the hidden problems
    limits: Limits = Limits()
    weakest_level: str = LEVELS[0]  # of the sandbox that will do
    hidden_folders: tuple[str, ...] = ()  # that no student may see


class Clock:
    """The time of one submission: the processor time of its children so far, and when all is over.

    A busy machine gives a child less of the processor, so only what the child used counts. The wall limits
    are far above, for what sleeps or hangs.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self.restart()

    def restart(self) -> None:
        """Give all of the time again."""
        self.seconds = 0.0
        self._end = time.monotonic() + wall_seconds(self._limits.total)

    def deadline(self, slow_needs: Sequence[str] = ()) -> "Deadline":
        """When the time of an exercise that starts now is over.

        Args:
            slow_needs: titles of the exercises it needs that ran out of time: then it has less.
        """
        seconds = self._limits.seconds * (SHARE_WITH_SLOW_NEEDS if slow_needs else 1)
        end = time.monotonic() + wall_seconds(seconds)
        return Deadline(min(self.seconds + seconds, self._limits.total), min(end, self._end), slow_needs)

    def use_up(self, slow_needs: Sequence[str]) -> None:
        """Count all the time of an exercise that is not tried again; slow_needs as of `deadline`."""
        self.seconds = self.deadline(slow_needs).seconds

    def is_over(self) -> bool:
        """Whether the time of the submission is."""
        return self.seconds >= self._limits.total or time.monotonic() >= self._end


class Deadline(NamedTuple):
    """When the time of an exercise is over."""

    seconds: float  # of the submission's Clock
    end: float  # of time.monotonic()
    slow_needs: Sequence[str]


class _ExerciseFailed(Exception):
    """There is nothing to compare: what the exercise earns is known."""

    def __init__(self, result: ExerciseResult):
        self.result = result


class Runner:
    """A child that tries exercises, and another child once one has ended: each exercise can end only its own.

        with Runner(folder, files, level, options, Clock(options.limits)) as runner:
            for hidden in (False, True):
                for exercise in exercises:
                    results[exercise.number] = runner.try_exercise(exercise, {}, hidden)

    A child that got a hidden problem gets no public one: what is told of a public one could carry it out.

    Args:
        folder: of the student's children; one Runner uses it at a time.
        files: {path: source} of what is in it besides the kit, or in the place of its files.
        level: of the sandbox.
        options: of the marking.
        clock: of the submission.
        holds_reference: whether files hold some of the reference. If so, every problem counts as hidden: no
            word and no number that the student's code chose is reported.
    """

    def __init__(
        self,
        folder: ChildFolder,
        files: Mapping[str, str | bytes],
        level: str,
        options: MarkingOptions,
        clock: Clock,
        holds_reference: bool = False,
    ):
        self._level, self._options, self._clock = level, options, clock
        self._holds_reference = holds_reference
        self._child: Child | None = None
        self._seconds = 0.0  # processor time of the child that the clock has counted, or need not count
        self._is_hidden = holds_reference  # the child may have seen what is not to be told
        self._without: tuple[str, ...] = ()  # functions that raise in the child
        self._marks: dict[int, ArrayMarks] = {}  # by the number of the exercise
        self._ended: dict[int, ExerciseResult] = {}  # of exercises that are not to be tried again
        self._loaded: set[str] = set()  # modules that this child has
        self._requests: dict[str, dict[str, Any]] = {}  # {module: the request that loaded it, in any child}
        self._failed: dict[str, ExerciseResult] = {}  # {module that cannot be imported: why}
        self.called: set[str] = set()  # functions of the reference that the student's code called
        self._folder = folder
        folder.put(files)

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_child()

    def cannot_import(self, file: str) -> bool:
        """Whether a file was tried and cannot be imported."""
        return file.removesuffix(".py").replace("/", ".") in self._failed

    def try_exercise(
        self,
        exercise: Exercise,
        reference: Mapping[str, Mapping[str, str]],
        hidden: bool,
        slow_needs: Sequence[str] = (),
    ) -> ExerciseResult:
        """Try one exercise on its public problems, or on the hidden ones, for which there is another child.

        Args:
            exercise: to be tried.
            reference: {file: {function of it: file of the child's folder that has the reference's}}.
            hidden: which problems; once True, always True. If the files hold some of the reference: all.
            slow_needs: as of Clock.deadline.

        Returns:
            The result over the problems so far.

        Raises:
            OSError: no child could be started, or the grader failed, which is not the student's fault.
        """
        if hidden and not self._is_hidden:
            self._end_child()
            self._clock.restart()  # loops without end so far must not cost what is right
        self._is_hidden |= hidden
        number = exercise.number
        marks = self._marks.setdefault(number, ArrayMarks(exercise.title, exercise.notes_weight))
        try:
            if number not in self._ended and not marks.earns_nothing:
                self._require_time()
                self._try(exercise, reference, marks, slow_needs)
        except _ExerciseFailed as failure:
            self._ended[number] = failure.result
        except OSError:
            raise
        except Exception as error:
            raise NotMarkedError(
                f"the grader failed at exercise {exercise.number} {exercise.title} "
                f"({type(error).__name__}); try: look at what was handed in"
            ) from error
        return self._ended.get(number) or marks.result()

    def _try(
        self,
        exercise: Exercise,
        reference: Mapping[str, Mapping[str, str]],
        marks: ArrayMarks,
        slow_needs: Sequence[str],
    ) -> None:
        known = EXERCISES[exercise.title]
        modules = {file.removesuffix(".py").replace("/", "."): names for file, names in reference.items()}
        modules.setdefault(known.module, {})
        self._start_child(known.forbidden if self._is_hidden else (), modules)
        deadline = self._clock.deadline()
        for module, functions in modules.items():
            self._load(module, exercise, functions, deadline)
        if slow_needs:  # from here on: other exercises need the module as well
            deadline = self._clock.deadline(slow_needs)
        public = not self._is_hidden
        code = _CodeInChild(self, exercise, known.module, deadline, public)
        for trial in make_trials(exercise.title, self._options.seed):
            if trial.is_public != public and not self._holds_reference:
                continue
            try:
                outputs = code.run(exercise.title, trial)
            except _ExerciseFailed as failure:
                if not self._add_error(marks, known, code, trial, failure.result):
                    break
                continue
            is_first = marks.first_fault is None
            marks.add(trial, outputs, public)
            fault = marks.first_fault
            if is_first and fault and fault.kind != "another-forward" and not trial.is_large:
                if forward := self._find_forward_fault(known, code, trial, outputs):
                    marks.blame_forward(forward)
                self._start_child(self._without, modules)  # if it has come to its end since

    def _add_error(
        self,
        marks: ArrayMarks,
        known: KnownExercise,
        code: "_CodeInChild",
        trial: Trial,
        result: ExerciseResult,
    ) -> bool:
        """Note that a trial ended in an error; returns whether to try the others."""
        if result.kind in ENDED:
            marks.add_end(trial, result)
            return False
        forward = self._find_forward_fault(known, code, trial, {}, result.kind)
        if forward:
            text = sanitize(forward.sentence, 2000)
            result = ExerciseResult(0.0, "another-forward", text, check_first=text)
            if forward.is_error and trial.situation:  # it cannot be tried, and that exercise says why
                marks.check_first = marks.check_first or text
                return True
        return marks.add_error(trial, result)

    def _find_forward_fault(
        self,
        known: KnownExercise,
        code: "_CodeInChild",
        trial: Trial,
        outputs: dict[str, Any],
        kind: str = "raised",
    ) -> ForwardFault | None:
        """What is wrong with the forward of a wrong backward; None too if the child came to its end."""
        if known.forward is None or kind not in ("raised", "wrong-return"):
            return None
        with np.errstate(all="ignore"):
            fault = find_forward_fault(known, code, trial.inputs, outputs)
        return fault if self._child else None

    def _load(
        self, module: str, exercise: Exercise, reference: Mapping[str, str], deadline: Deadline
    ) -> None:
        if module not in self._loaded and module not in self._failed:
            request = {"load": module, "reference": dict(reference)}
            try:
                self._reply(request | {"without": self._without}, exercise, deadline, not self._is_hidden)
                self._requests[module] = request
                self._loaded.add(module)
            except _ExerciseFailed as failure:
                kind = "no-import" if failure.result.kind == "raised" else failure.result.kind
                text = f"{module.replace('.', '/')}.py cannot be imported. {failure.result.text}"
                self._failed[module] = ExerciseResult(0.0, kind, text)
        if module in self._failed:
            raise _ExerciseFailed(self._failed[module])

    def _start_child(self, without: tuple[str, ...], modules: Collection[str]) -> None:
        """Start a child unless there is one, and load in it what another one had loaded: that takes no time.

        Args:
            without: functions that raise in it, wherever the student wrote them.
            modules: that it needs.
        """
        if without != self._without:  # where its files are whole, code could keep a function for later
            self._end_child()
            self._without = without
        if self._child is None:
            self._child = Child(self._folder, self._level, self._options.limits, self._options.hidden_folders)
            self._loaded = set()
        for module in modules:
            if module in self._requests and module not in self._loaded:
                self._ask(self._requests[module] | {"without": without}, self._clock.deadline())
                self._loaded.add(module)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _reply(
        self,
        request: dict[str, Any],
        exercise: Exercise,
        deadline: Deadline,
        public: bool,
        is_sent: bool = False,
    ) -> dict[str, Any]:
        """An answer to a request; if the child has it already, the next one."""
        reply = self._ask(request, deadline, is_sent)
        if "error" in reply:
            exercises = self._options.exercises
            raise _ExerciseFailed(result_of_error(reply["error"], exercise, exercises, public))
        called = reply.get("called")
        if isinstance(called, list):
            self.called |= {name for name in called if isinstance(name, str)}
        return reply

    def _ask(self, request: dict[str, Any], deadline: Deadline, is_sent: bool = False) -> dict[str, Any]:
        if self._child is None:  # it ended while the cause of a fault was looked for
            raise _ExerciseFailed(ExerciseResult(0.0, "crashed", "Its process ended without an answer."))
        seconds = deadline.seconds - self._clock.seconds
        try:
            if is_sent:
                reply = self._child.next_answer(seconds, deadline.end)
            else:
                self._seconds = self._child.seconds()
                reply = self._child.ask(request, seconds, deadline.end)
            self._count()
            return reply
        except ChildExitedError as error:
            seconds = self._count()
            self._end_child()
            text = str(error)[0].upper() + str(error)[1:]
            if not isinstance(error, ChildTimeoutError):
                if self._is_hidden:  # the student's code may choose the signal
                    text = "Its process ended without an answer"
                raise _ExerciseFailed(ExerciseResult(0.0, "crashed", f"{text}.")) from None
            self._require_time()
            text = f"{text}: is there an endless loop?"
            if deadline.slow_needs:
                text = f"It ran out of time, and so did {join_words(deadline.slow_needs)}, which it needs."
            is_small = "ask" in request and _is_small(request["inputs"])
            is_endless = is_small and seconds >= SHARE_OF_ENDLESS_CALL * self._options.limits.seconds
            raise _ExerciseFailed(ExerciseResult(0.0, "timed-out", text, is_endless=is_endless)) from None

    def _count(self) -> float:
        """Count what the child has used since the last time; returns these seconds."""
        assert self._child is not None
        before, self._seconds = self._seconds, self._child.seconds()
        self._clock.seconds += self._seconds - before
        return self._seconds - before

    def _require_time(self) -> None:
        if self._clock.is_over():
            total = self._options.limits.total
            text = f"The whole submission has used its {total:g} seconds of processor time."
            raise _ExerciseFailed(ExerciseResult(0.0, "timed-out", text))


def _is_small(inputs: Inputs) -> bool:
    """Whether `judge` calls more than once."""
    return max(map(np.size, inputs.values())) <= SMALL


class _CodeInChild(NamedTuple):
    """LearnerCode of the child of a Runner.

    Args:
        runner: with a child that has loaded the module.
        exercise: that is tried.
        module: where its function is.
        deadline: of the exercise.
        public: whether what an error says may be shown.
    """

    runner: Runner
    exercise: Exercise
    module: str
    deadline: Deadline
    public: bool

    def request(self, ask: str, name: str, inputs: Inputs) -> dict[str, Any]:
        """What the child is asked; see child.answers_to."""
        return {"ask": ask, "exercise": name, "module": self.module, "inputs": inputs}

    def ask(self, ask: str, name: str, inputs: Inputs) -> dict[str, Any]:
        """What the child answers."""
        request = self.request(ask, name, inputs)
        return self.runner._reply(request, self.exercise, self.deadline, self.public)

    def run(self, name: str, trial: Trial) -> Arrays:
        """As problems.run: the child calls the code, and what comes back is judged here."""
        expected = [*trial.expected, *(AGAIN + key for key in trial.expected)]
        dtypes = ["float64", "float32", "float64"] if _is_small(trial.inputs) else ["float64"]
        request = self.request("run", name, arguments_of(trial.inputs, np.float64)) | {"dtypes": dtypes}
        answers = itertools.count()

        def call(dtype: type) -> Called:  # in the order of dtypes, which the child got with the first
            is_sent = next(answers) > 0
            reply = self.runner._reply(request, self.exercise, self.deadline, self.public, is_sent)
            written = (bool(reply.get(key)) for key in ("written", "written_later"))
            return Called(numeric_outputs(reply.get("outputs"), expected), *written)

        def repeat() -> Called | None:
            try:
                return call(np.float64)
            except _ExerciseFailed as failure:
                if failure.result.kind in ENDED:
                    raise
                return None

        with np.errstate(all="ignore"):
            return judge(name, trial.inputs, call, repeat)

    def call(self, name: str, inputs: Inputs) -> Arrays:
        return self.ask("call", name, inputs)["outputs"]

    def out(self, name: str, inputs: Inputs) -> np.ndarray:
        out = self.ask("out", name, inputs)["outputs"]["out"]
        return np.asarray(out, np.float64)

    def describe(self, error: BaseException) -> str:
        return error.result.text if isinstance(error, _ExerciseFailed) else "It does not return an array."
