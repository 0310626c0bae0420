"""Exercises of one submission, tried in child processes."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from classroom.grading.compare import ArrayMarks, numeric_outputs
from classroom.grading.reference import make_trials, submitted_files
from classroom.grading.result import ExerciseResult, result_of_error
from classroom.manifest import Exercise
from classroom.sandbox.process import Child, ChildExitedError, ChildTimeoutError, Limits, child_folder
from cs231n.checking.exercises import EXERCISES

__all__ = ["MarkingOptions", "Runner"]


class MarkingOptions(NamedTuple):
    """How submissions are marked."""

    exercises: tuple[Exercise, ...]
    seed: int  # of the hidden problems
    limits: Limits = Limits()
    weakest_level: str = "limits"  # of the sandbox that will do
    hidden_folders: tuple[str, ...] = ()  # that no student may see


class _ExerciseFailed(Exception):
    """There is nothing to compare: what the exercise earns is known."""

    def __init__(self, result: ExerciseResult):
        self.result = result


class Runner:
    """A child that tries exercises, and another child once one has ended: each exercise can end only its own.

        with Runner(files, level, options, end) as runner:
            result = runner.try_exercise(exercise, {})

    Args:
        files: {path: source} of the child's folder.
        level: of the sandbox.
        options: of the marking.
        end: of time.monotonic(), when the submission's time is over.
        holds_reference: whether files hold some of the reference. If so, every problem counts as hidden: no
            word and no number that the student's code chose is reported.
    """

    def __init__(
        self,
        files: Mapping[str, str | bytes],
        level: str,
        options: MarkingOptions,
        end: float,
        holds_reference: bool = False,
    ):
        self._level, self._options, self._end = level, options, end
        self._holds_reference = holds_reference
        self._child: Child | None = None
        self._loaded: dict[str, dict[str, Any]] = {}  # {module: the request that loaded it}
        self._failed: dict[str, ExerciseResult] = {}  # {module that cannot be imported: why}
        self._context = child_folder(files)

    def __enter__(self) -> "Runner":
        self._folder = self._context.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_child()
        self._context.__exit__(None, None, None)

    def cannot_import(self, file: str) -> bool:
        """Whether a file was tried and cannot be imported."""
        return file.removesuffix(".py").replace("/", ".") in self._failed

    def try_exercise(self, exercise: Exercise, reference: Mapping[str, str]) -> ExerciseResult:
        """Try one exercise. What the grader cannot cope with costs this exercise alone.

        Args:
            exercise: to be tried.
            reference: {function of its module: file of the child's folder that has the reference's}.

        Raises:
            OSError: no child could be started, which is not the student's fault.
        """
        try:
            self._require_time()
            return self._try(exercise, reference)
        except _ExerciseFailed as failure:
            return failure.result
        except OSError:
            raise
        except Exception as error:
            text = f"It could not be marked ({type(error).__name__}); ask for it to be looked at."
            return ExerciseResult(0.0, "unmarkable", text)

    def _try(self, exercise: Exercise, reference: Mapping[str, str]) -> ExerciseResult:
        self._start_child()
        deadline = self._deadline()
        module = EXERCISES[exercise.title].module
        self._load(module, exercise, reference, deadline)
        marks = ArrayMarks(exercise.title, exercise.notes_weight)
        for trial in make_trials(exercise.title, self._options.seed):
            public = trial.is_public and not self._holds_reference
            request = {"exercise": exercise.title, "module": module, "inputs": trial.inputs}
            reply = self._reply(request, exercise, deadline, public)
            marks.add(trial, numeric_outputs(reply.get("outputs"), trial.expected), public)
        return marks.result()

    def _load(self, module: str, exercise: Exercise, reference: Mapping[str, str], deadline: float) -> None:
        if module not in self._loaded and module not in self._failed:
            request = {"load": module, "reference": reference}
            try:
                self._reply(request, exercise, deadline, not self._holds_reference)
                self._loaded[module] = request
            except _ExerciseFailed as failure:
                kind = "no-import" if failure.result.kind == "raised" else failure.result.kind
                text = f"{exercise.file} cannot be imported. {failure.result.text}"
                self._failed[module] = ExerciseResult(0.0, kind, text)
        if module in self._failed:
            raise _ExerciseFailed(self._failed[module])

    def _start_child(self) -> None:
        """Start a child unless there is one, and load in it what the one before it had loaded."""
        if self._child is None:
            self._child = Child(self._folder, self._level, self._options.limits, self._options.hidden_folders)
            for request in self._loaded.values():
                self._ask(request, self._deadline())

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _reply(
        self, request: dict[str, Any], exercise: Exercise, deadline: float, public: bool
    ) -> dict[str, Any]:
        reply = self._ask(request, deadline)
        if "error" in reply:
            exercises = self._options.exercises
            files = {Path(file).name for file in submitted_files(exercises)}
            raise _ExerciseFailed(result_of_error(reply["error"], exercise, exercises, public, files))
        return reply

    def _ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        assert self._child is not None
        try:
            return self._child.ask(request, deadline)
        except ChildExitedError as error:
            self._end_child()
            text = str(error).capitalize()
            if not isinstance(error, ChildTimeoutError):
                raise _ExerciseFailed(ExerciseResult(0.0, "crashed", f"{text}.")) from None
            self._require_time()
            raise _ExerciseFailed(ExerciseResult(0.0, "timed-out", f"{text}: a loop without end?")) from None

    def _deadline(self) -> float:
        return min(time.monotonic() + self._options.limits.seconds, self._end)

    def _require_time(self) -> None:
        if time.monotonic() >= self._end:
            total = self._options.limits.total
            text = f"The {total:g} seconds for all of the submission were used up."
            raise _ExerciseFailed(ExerciseResult(0.0, "timed-out", text))
