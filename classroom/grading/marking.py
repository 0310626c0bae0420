"""Mark one submission: its functions run in child processes, this process compares what they return.

The student's code sees inputs and nothing else. This process never imports it; it computes what is right
with the solved kit, and asks cs231n.checking.diagnosis why an answer is not.

An exercise that builds on others is tried first with the student's own. If it is not all right and one of
those is not right either, it is tried again with the reference's in their place (follow-through), and the
better of the two counts. A backward pass then gets the cache of the reference's forward, with the fields that
the kit's docstrings and cache classes name.
"""

from collections.abc import Collection, Iterator, Mapping

from classroom.grading.reference import child_files
from classroom.grading.result import ExerciseResult
from classroom.grading.runner import Clock, MarkingOptions, Runner
from classroom.grading.submission import Submission
from classroom.manifest import Exercise, files_of, functions_by_file, locate_function
from classroom.sandbox.process import ChildFolder, best_level, child_folder
from classroom.sandbox.server import compiled
from cs231n.checking.dependencies import (
    RIGHT_WITH_RIGHT_LAYERS,
    WRONG_WITH_RIGHT_LAYERS,
    describe_wrong_layers,
)
from cs231n.checking.exercises import EXERCISES

__all__ = ["mark"]

TRIED_TWICE = "It was run twice, the second time while no other student's code was running."
NOT_WRITTEN = ("not-implemented", "waits", "missing", "no-import")
NOT_COMPARED = (*NOT_WRITTEN, "raised", "wrong-return", "timed-out", "crashed")


def mark(
    submission: Submission,
    options: MarkingOptions,
    level: str | None = None,
    earlier: Mapping[int, ExerciseResult] | None = None,
) -> tuple[dict[int, ExerciseResult], str]:
    """Mark all exercises of one submission.

    Args:
        submission: of `read_submission`.
        options: exercises, seed, limits.
        level: of the sandbox (default: the best that this machine has).
        earlier: results of a first try, of which only those that ran out of time are tried again, unless
            they are endless.

    Returns:
        {number of the exercise: its result}, and the level.

    Raises:
        OSError: there is no sandbox as strong as the options ask for.
    """
    level = level or best_level(options.weakest_level)
    with child_folder(child_files(options.exercises, ())) as folder:
        return _mark(folder, submission, options, level, earlier or {}), level


def _mark(
    folder: ChildFolder,
    submission: Submission,
    options: MarkingOptions,
    level: str,
    earlier: Mapping[int, ExerciseResult],
) -> dict[int, ExerciseResult]:
    results: dict[int, ExerciseResult] = {}
    settled = {number for number, r in earlier.items() if r.kind != "timed-out" or r.is_endless}
    by_number = {exercise.number: exercise for exercise in options.exercises}
    unusable = set()  # files that are not there, or cannot be imported
    clock = Clock(options.limits)
    with Runner(folder, submission.files, level, options, clock) as runner:
        for exercise, hidden in _two_rounds(options.exercises):
            fault = submission.faults.get("") or submission.faults.get(exercise.file)
            # What calls a function that runs out of time for good does so too.
            slow = [n for n in exercise.needs if n in results and results[n].kind == "timed-out"]
            titles = tuple(by_number[n].title for n in slow)
            if exercise.number in settled or exercise.number in earlier and slow:
                results[exercise.number] = earlier[exercise.number]
                if results[exercise.number].is_endless and not hidden:
                    clock.use_up(titles)
            elif fault:
                results[exercise.number] = ExerciseResult(0.0, "missing", fault)
            else:
                result = runner.try_exercise(exercise, {}, hidden, titles)
                if slow and result.kind == "timed-out":
                    result = result._replace(is_endless=any(results[n].is_endless for n in slow))
                results[exercise.number] = result
            if results[exercise.number].kind == "missing" or runner.cannot_import(exercise.file):
                unusable.add(exercise.file)
    optional = _optional_files(options.exercises) & submission.files.keys()
    if optional and not earlier and unusable - optional:  # one that fails must not cost what imports it
        fewer = {file: source for file, source in submission.files.items() if file not in optional}
        probe = next(exercise for exercise in options.exercises if exercise.file in unusable - optional)
        with Runner(folder, fewer, level, options, clock) as runner:
            runner.try_exercise(probe, {}, hidden=False)
            is_cause = not runner.cannot_import(probe.file)
        if is_cause:
            without = _mark(folder, submission._replace(files=fewer), options, level, {})
            own = {e.number: results[e.number] for e in options.exercises if e.file in optional}
            return without | own
    for exercise in options.exercises:
        first = results[exercise.number]
        if exercise.number in settled:
            continue
        weak = [by_number[n] for n in exercise.needs if n in by_number and not results[n].is_right]
        if first.is_right or first.kind in ("not-implemented", "missing") or not weak:
            continue
        file, name = locate_function(exercise.functions[0])
        if name in submission.blank.get(file, ()):
            continue  # the reference's help cannot make it right
        if exercise.file in unusable and exercise.file in {needed.file for needed in weak}:
            continue  # its own file is at fault, not one that it imports
        second, called = _try_with_reference(folder, exercise, submission, unusable, level, options, clock)
        blamed = weak
        if EXERCISES[exercise.title].layers:  # a net is told of the layers that it calls
            blamed = [needed for needed in weak if called.intersection(_names_of(needed))]
        titles = tuple(needed.title for needed in blamed)
        results[exercise.number] = _join_results(exercise, first, second, titles)
    for number in earlier.keys() - settled:
        if results[number].kind == "timed-out" and results[number] is not earlier[number]:
            text = f"{results[number].text} {TRIED_TWICE}"
            results[number] = results[number]._replace(text=text)
    return results


def _optional_files(exercises: Collection[Exercise]) -> set[str]:
    """The files that hold optional exercises alone."""
    return {e.file for e in exercises if e.optional} - {e.file for e in exercises if not e.optional}


def _two_rounds(exercises: Collection[Exercise]) -> Iterator[tuple[Exercise, bool]]:
    """(exercise, whether its hidden problems are tried): first the public ones of all exercises.

    Of the hidden ones those come first that may not call others: a child begins without these.
    """
    yield from ((exercise, False) for exercise in exercises)
    alone_first = sorted(exercises, key=lambda exercise: not EXERCISES[exercise.title].forbidden)
    yield from ((exercise, True) for exercise in alone_first)


def _names_of(exercise: Exercise) -> set[str]:
    return {locate_function(function)[1] for function in exercise.functions}


def _join_results(
    exercise: Exercise, first: ExerciseResult, second: ExerciseResult, titles: tuple[str, ...]
) -> ExerciseResult:
    """The better result, in the words that `check` has for what is wrong.

    Args:
        exercise: that was tried.
        first: its result with the student's own functions.
        second: with the reference's in the place of those that it needs.
        titles: of the exercises it needs that are wrong.
    """
    better = first
    if second.share > first.share:
        better = second._replace(reference_used_for=titles)
    if not titles:
        return better
    is_compared = second.kind not in NOT_COMPARED
    if not EXERCISES[exercise.title].layers:
        check_first = first.check_first or first.text * (first.kind == "waits")
        if better.is_right:
            return better._replace(notes=(*better.notes, *filter(None, [check_first])))
        if better is not first and check_first:
            better = better._replace(text=f"{check_first} {better.text}")
        return better
    check_first = first.text if first.kind == "waits" else describe_wrong_layers(titles)
    if second.is_right:
        note = f"{check_first} {RIGHT_WITH_RIGHT_LAYERS}"
        return better._replace(notes=(*better.notes, note), check_first=check_first)
    if is_compared:
        text = f"{check_first} {WRONG_WITH_RIGHT_LAYERS} {second.text}"
        return better._replace(kind=second.kind, text=text, check_first=check_first)
    if first.kind in NOT_WRITTEN:
        return better
    text = f"{check_first} {first.text}"
    return better._replace(kind="another-layer", text=text, check_first=check_first)


def _try_with_reference(
    folder: ChildFolder,
    exercise: Exercise,
    submission: Submission,
    unusable: Collection[str],
    level: str,
    options: MarkingOptions,
    clock: Clock,
) -> tuple[ExerciseResult, set[str]]:
    """Try an exercise with the reference's functions in the place of those that it needs.

    The files are the student's, but for the functions it needs. A file that is unusable, and not edited for
    this exercise, is the kit's.

    Returns:
        The result, and which functions of the reference were called.
    """
    needed = tuple(e for e in options.exercises if e.number in exercise.needs)
    files: dict[str, str | bytes] = {**child_files(options.exercises, needed)}
    reference: dict[str, dict[str, str]] = {}
    for file, functions in functions_by_file(needed).items():
        copy = f"reference_{len(reference)}.py"
        reference[file] = dict.fromkeys(functions, copy)
        files[copy] = files[file]
        files |= compiled({copy: files[copy]})
    own_files = files_of(exercise)
    files |= {
        file: source for file, source in submission.files.items() if file in own_files or file not in unusable
    }
    with Runner(folder, files, level, options, clock, holds_reference=True) as runner:
        return runner.try_exercise(exercise, reference, hidden=True), runner.called
