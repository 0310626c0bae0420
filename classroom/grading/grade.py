"""python -m classroom grade SUBMISSIONS -o OUT: marks, a page for each student, and one for the class.

SUBMISSIONS holds a zip or a folder for each student. OUT receives

    students/NAME/results.json   in the shape that Gradescope reads
    students/NAME/index.html     the same for a person, with the diagnosis of each exercise
    grades.csv                   a row for each student
    gradebook.csv                with --roster: the marks as Canvas or Moodle imports them
    index.html, class.png        where the class fails, and why
    answers.html                 what the class answered to the questions in words, for marking by hand
    marks.csv                    not written but read: the points that answers.html saves
    grading.json                 the seed of the hidden problems: keep it, and a second run marks the same

Each student's files are written whole, as soon as that student is marked. Started again, the command marks
what is new, and what has changed: a submission, the manifest, the grader or the environment that marks.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from classroom.grading import canary, report
from classroom.grading.canary import check_workers, digest_of, grader_digest
from classroom.grading.changes import find_changes, read_scores
from classroom.grading.course import Course, deadline_by_student
from classroom.grading.gradebook import find_grade_column
from classroom.grading.hand_ins import group_by_name
from classroom.grading.history import History
from classroom.grading.marking import mark
from classroom.grading.result import ExerciseResult, NotMarkedError, sanitize
from classroom.grading.roster import Matches, find_student, match_submissions, read_roster
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import (
    Submission,
    find_submissions,
    list_ignored,
    open_hand_in,
    read_submission,
)
from classroom.grading.word_marks import ask_only_for, read_marks, unmarked
from classroom.grading.words import StudentWords, load_questions
from classroom.manifest import MANIFEST, ManifestError, load_manifest
from classroom.sandbox.levels import LEVELS
from classroom.sandbox.process import Limits, best_level, missing_walls
from cs231n.checking.exercises import EXERCISES
from cs231n.common.executors import executor_for
from cs231n.common.terminal import Progress

__all__ = ["add_arguments", "grade", "main"]

MAX_CHANGES = 10  # named on the terminal; the class page has all
MAX_PENDING = 64  # submissions handed to the executor at a time: memory does not grow with the class
LIMITS = Limits()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("submissions", type=Path, metavar="SUBMISSIONS", help="a zip or a folder for each student")
    add("-o", "--out", type=Path, required=True, metavar="OUT", help="where the results go")
    add(
        "--manifest",
        type=Path,
        default=MANIFEST,
        metavar="FILE",
        help=f"the list of exercises (default: classroom/{MANIFEST.name})",
    )
    add(
        "--executor",
        default="processes:2",
        metavar="WHERE",
        help="serial, processes:N or dask:ADDRESS (default: %(default)s)",
    )
    add(
        "--unsafe",
        action="store_true",
        help="allow limits alone: only in a container that holds one submission and nothing else",
    )
    add(
        "--seconds",
        type=float,
        default=LIMITS.seconds,
        metavar="N",
        help="processor time for an exercise, and 12 times as much for a submission (default: %(default)g)",
    )
    add(
        "--memory",
        type=int,
        default=LIMITS.memory >> 20,
        metavar="MIB",
        help="what a student's process may take (default: %(default)s)",
    )
    add("--roster", type=Path, metavar="FILE", help="the class, a CSV that Canvas or Moodle exports")
    add("--column", metavar="TITLE", help="with a roster from Canvas: the assignment that gets the marks")
    add("--anonymous", action="store_true", help="ids of the roster in place of names, but in gradebook.csv")
    add("--due", metavar="TIME", help="when work is due, as in 2026-12-01T23:59+01:00")
    add(
        "--only",
        action="append",
        metavar="STUDENT",
        help="mark this student alone; more than one are allowed",
    )
    add("--again", action="store_true", help="mark anew what was marked before")
    add("--seed", type=int, help="of the hidden problems (default: the one OUT knows, or a new one)")


def main(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0 only if every submission was marked."""
    try:
        weakest = LEVELS[-1] if arguments.unsafe else LEVELS[0]
        if arguments.executor.partition(":")[0] != "dask":
            level = best_level(weakest)
            print(f"Sandbox: {level}", *filter(None, [missing_walls(level)]), sep="; ")
        with _temporary_folder(), executor_for(arguments.executor) as executor:
            rows = grade(
                arguments.submissions,
                arguments.out,
                manifest=arguments.manifest,
                executor=executor,
                weakest_level=weakest,
                limits=Limits(arguments.seconds, 12 * arguments.seconds, arguments.memory << 20),
                seed=arguments.seed,
                roster=arguments.roster,
                column=arguments.column,
                anonymous=arguments.anonymous,
                due=arguments.due,
                only=arguments.only or (),
                again=arguments.again,
            )
    except (OSError, ValueError, ManifestError, ModuleNotFoundError) as error:
        message = sanitize(str(error), 2000)  # it may name a file that a student named
        print(message if message.startswith("grade") else f"grade: {message}", file=sys.stderr)
        return 1
    failed = [row for row in rows if row.error]
    for row in failed:
        reason = sanitize(row.error or "")
        advice = "" if "; try: " in reason else "; try: the same command again"
        print(f"grade: {sanitize(row.student)} is not marked, because {reason}{advice}", file=sys.stderr)
    print(f"The class: {arguments.out / 'index.html'}   marks: {arguments.out / 'grades.csv'}")
    return 1 if failed else 0


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """One folder for all temporary files, also of workers that are killed: it goes at the end."""
    previous = tempfile.tempdir, os.environ.get("TMPDIR")
    folder = tempfile.mkdtemp(prefix="cs231n-grade-")
    Path(folder).chmod(0o711)  # the children of a root run as another user
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        tempfile.tempdir = previous[0]
        if previous[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = previous[1]
        shutil.rmtree(folder, ignore_errors=True)


def grade(
    submissions: str | os.PathLike,
    out: str | os.PathLike,
    *,
    manifest: str | os.PathLike = MANIFEST,
    executor: Executor,
    weakest_level: str = LEVELS[0],
    limits: Limits = LIMITS,
    seed: int | None = None,
    roster: str | os.PathLike | None = None,
    column: str | None = None,
    anonymous: bool = False,
    due: str | None = None,
    only: Collection[str] = (),
    again: bool = False,
) -> list[report.Row]:
    """Mark every submission of a folder, and write what the docstring of this module lists.

    Args:
        submissions: the folder with a zip or a folder for each student.
        out: the folder for the results.
        manifest: the list of exercises.
        executor: where submissions are marked.
        weakest_level: of the sandbox that will do.
        limits: of a student's code.
        seed: of the hidden problems (default: that of an earlier run into out, or a new one).
        roster: a CSV of the class; its names, or ids, are then those of the reports.
        column: of a Canvas gradebook, the assignment that gets the marks.
        anonymous: take ids in place of names.
        due: when work is due, a time with its time zone (default: what the manifest says).
        only: the students to mark; all others stay as they are (default: everybody).
        again: mark anew what was marked before.

    Returns:
        A row for each student who is or was marked.

    Raises:
        OSError, ValueError, ManifestError: before anything is marked.
    """
    settings = load_manifest(manifest)
    exercises = tuple(settings.exercises)
    for exercise in exercises:
        if exercise.title not in EXERCISES:
            known = ", ".join(EXERCISES)
            raise ManifestError(
                f"{Path(manifest).name}: no problem is known for {exercise.title}; there are {known}"
            )
    questions = load_questions()
    asked = [question.number for question in questions]
    questions = ask_only_for(questions, settings.words)
    paths = find_submissions(submissions)
    points = sum(exercise.points for exercise in exercises) + sum(settings.words.values())
    deadline = settings.deadline.with_due(due)
    matches, grade_column = Matches(group_by_name(paths), {}, [], {}), ""
    if roster:
        people = read_roster(roster)
        grade_column = find_grade_column(people, column, points)
        matches = match_submissions(people, paths, anonymous)
        deadline = deadline_by_student(deadline, lambda name: find_student(people, name, anonymous))
    elif column or anonymous:
        raise ValueError("grade: --column and --anonymous need --roster; try: add --roster FILE")
    submissions, out = Path(submissions).resolve(), Path(out)
    if out.resolve().is_relative_to(submissions):
        raise ValueError(
            f"grade: {out} is within {submissions}, where every folder is a student's; "
            "try: -o a folder beside it"
        )
    strangers = [student for student in only if student not in matches.paths]
    if strangers:
        some = ", ".join(list(matches.paths)[:4]) + ", ..." * (len(matches.paths) > 4)
        raise ValueError(f"grade: no submission is of {strangers[0]!r}; try: --only one of {some}")
    word_marks = read_marks(out, matches.paths, settings.words)
    course = Course(settings, deadline, matches, word_marks)
    history = History(out, seed)
    hidden = (str(submissions), str(out.resolve()))
    options = MarkingOptions(exercises, history.seed, limits, weakest_level, hidden)
    grader = grader_digest(exercises)
    environments = check_workers(executor, options, grader)
    out.mkdir(parents=True, exist_ok=True)
    history.save_seed()
    version = digest_of(exercises, options.seed, options.limits, grader, asked)
    rows: dict[str, report.Row] = {}  # by key of course.attempts
    pending: dict[Future, _Task] = {}
    timed_out: list[tuple[_Task, Marked]] = []  # to be tried again, alone
    num_unchanged = 0

    is_complete = False
    before = read_scores(out)
    ordered: list[report.Row] = []
    try:
        with Progress(len(course.attempts)) as bar:

            def keep(key: str, old_results: dict[str, Any]) -> None:
                results = course.finish(key, old_results)
                if results != old_results:
                    report.write_student(out / "students" / key, results)
                rows[key] = report.Row(course.attempts[key][0], results, None)
                bar.advance()

            def collect(future: Future) -> None:
                task = pending.pop(future)
                try:
                    marked: Marked = future.result()
                except Exception as error:
                    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
                    add(task.key, None, f"{kind}{error}")
                else:
                    kinds = [result.kind for result in marked.by_exercise.values()]
                    if "timed-out" in kinds and not task.is_second:
                        timed_out.append((task, marked))
                        return
                    marked.results["extra_data"]["student"] = course.attempts[task.key][0]
                    results = course.finish(task.key, marked.results)
                    report.write_student(out / "students" / task.key, results)
                    history.save(task.key, task.digest)
                    add(task.key, results)

            def add(key: str, results: dict[str, Any] | None, error: str = "") -> None:
                rows[key] = report.Row(course.attempts[key][0], results, error[:500] or None)
                bar.say(report.format_line(rows[key]))
                bar.advance()

            def collect_next() -> None:
                collect(next(iter(wait(pending, return_when=FIRST_COMPLETED).done)))

            for key, (student, attempt) in course.attempts.items():
                if only and student not in only:
                    old_results = report.read_student(out / "students" / key)
                    if old_results is not None:
                        keep(key, old_results)
                    else:
                        bar.advance()
                    continue
                try:
                    hand_in = open_hand_in(attempt.path, exercises, "The submission" if anonymous else "")
                    with hand_in.file:
                        digest = digest_of(hand_in.digest, version)
                        old_results = None if again else history.find(key, digest, environments)
                        if old_results is not None:
                            num_unchanged += 1
                            keep(key, old_results)
                            continue
                        submission = read_submission(hand_in, exercises, asked)
                except NotMarkedError as error:
                    add(key, None, str(error))
                    continue
                future = executor.submit(mark_submission, submission, options, grader)
                pending[future] = _Task(key, submission, digest)
                while len(pending) >= MAX_PENDING:
                    collect_next()
            while pending:
                collect_next()
            for task, marked in timed_out:  # one by one: was the machine too busy?
                future = executor.submit(
                    mark_submission, task.submission, options, grader, marked.by_exercise
                )
                pending[future] = task._replace(is_second=True)
                collect_next()
            if num_unchanged:
                bar.say(f"  {num_unchanged} of {len(course.attempts)} are as they were when marked before.")
            waiting = [len(unmarked(row.results)) for row in rows.values() if row.results]
            if any(waiting):
                num_students = sum(map(bool, waiting))
                noun = "student" if num_students == 1 else "students"
                bar.say(f"  Answers in words without points: {sum(waiting)}, of {num_students} {noun}")
            several = sorted({s for s, h in course.attempts.values() if h.total > 1})
            late = [s for s, h in course.attempts.values() if h.is_late]
            extended = sorted(deadline.extensions.keys() - matches.paths)
            for title, names in (
                (f"Several hand-ins, of which the {settings.hand_ins} counts", several),
                ("Late by the word of Canvas, which costs nothing here", late),
                ("An extension, and nothing handed in", extended),
                ("Not on the roster", sorted(matches.unknown.values())),
                ("Nothing handed in", matches.absent),
                ("Left alone, since they are no archive and no folder", list_ignored(submissions)),
            ):
                if names:
                    bar.say(f"  {title}: {len(names)}: {'; '.join(sanitize(name) for name in names)}")
            is_complete = True
    finally:
        for future in [future for future in pending if future.done()]:
            collect(future)
        for keys, row in course.choose(rows):
            ordered.append(row)
            if len(keys) > 1 and row.results:
                history.save(row.student, "")  # a copy, which is not to be taken for the newest
                report.write_student(out / "students" / row.student, row.results)
        if questions:
            words = {row.student: _words_of(row) for row in ordered}
            report.write_answers(out, questions, words, settings.words, word_marks)
        absent = [report.Row(student, None, "nothing was handed in") for student in matches.absent]
        everybody = [*ordered, *absent]
        changes = find_changes(before, everybody, matches.paths) if is_complete else []
        if changes:
            named = [f"{student}: {old}, now {new}" for student, old, new in changes[:MAX_CHANGES]]
            named += ["..."] * (len(changes) > MAX_CHANGES)
            print(f"  Changed since the last run: {len(changes)}: {'; '.join(named)}")
        report.write_class(out, everybody, exercises, bool(questions), settings.words, changes)
        if grade_column:
            report.write_gradebook(out, people, grade_column, matches.people, ordered, points)
    return ordered


class _Task(NamedTuple):
    """A submission that is being marked."""

    key: str
    submission: Submission
    digest: str
    is_second: bool = False


class Marked(NamedTuple):
    """What comes of marking a submission."""

    results: dict[str, Any]  # the content of results.json
    by_exercise: dict[int, ExerciseResult]  # by the number of the exercise


def mark_submission(
    submission: Submission,
    options: MarkingOptions,
    grader: str,
    earlier: Mapping[int, ExerciseResult] | None = None,
) -> Marked:
    """Mark one student. Runs where the executor wants it.

    Args:
        submission: of `read_submission`.
        options: of the class.
        grader: the digest of the grader that hands out.
        earlier: results of a first try, of which only those that ran out of time are tried again.

    Raises:
        OSError: what was handed in cannot be marked here, which is not the student's fault.
    """
    environment = canary.check_worker(options, grader)
    start = time.monotonic()
    results, level = mark(submission, options, environment.level, earlier)
    if all(result.kind in ("no-import", "crashed") for result in results.values()):
        canary.check_worker.cache_clear()
        canary.check_worker(options, grader)  # was it the machine?
    written = report.make_results(submission, results, options.exercises, level, time.monotonic() - start)
    written["extra_data"] |= {"environment": environment._asdict(), "grader": grader}
    return Marked(written, results)


def _words_of(row: report.Row) -> StudentWords:
    """What a student answered, or why that is not known."""
    if row.results is None:
        return StudentWords({}, [row.error or ""])
    return StudentWords(**row.results["extra_data"]["words"])
