"""Grade submissions: marks, a page for each student, and one for the class.

SUBMISSIONS is a folder with one zip or folder for each student. The command writes into OUT:

    students/NAME/results.json   the results in Gradescope's format
    students/NAME/index.html     the same as a page, with diagnoses
    grades.csv                   a row for each student
    gradebook.csv                with --roster: marks for Canvas or Moodle
    index.html, class.png        the class: where it fails, and why
    answers.html                 the answers in words, to mark by hand
    grading.json                 the seed of the hidden problems: keep it, and a
                                 second run gives the same marks

It reads OUT/marks.csv, the points that you save in answers.html. Each
student's files are written as soon as that student is marked. Run the command
again to mark only what is new or has changed: a submission, the manifest, the
grader or its environment.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from classroom.deadlines import Deadline
from classroom.grading import class_report, report
from classroom.grading.canary import check_workers, grader_digest
from classroom.grading.changes import find_changes, read_scores
from classroom.grading.class_marking import ClassMarking
from classroom.grading.course import Course, deadline_by_student
from classroom.grading.gradebook import find_grade_column
from classroom.grading.hand_ins import group_by_name
from classroom.grading.history import History
from classroom.grading.result import sanitize
from classroom.grading.roster import Matches, find_student, match_submissions, read_roster
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import find_submissions, list_ignored
from classroom.grading.word_marks import ask_only_for, read_marks, unmarked
from classroom.grading.words import StudentWords, load_questions
from classroom.grading.workers import executor_for
from classroom.manifest import MANIFEST, Manifest, ManifestError, load_manifest, total_points
from classroom.sandbox.levels import LEVELS
from classroom.sandbox.process import Limits, best_level, missing_walls
from cs231n.checking.exercises import EXERCISES
from cs231n.common.environment import environment
from cs231n.common.terminal import Progress

__all__ = ["add_arguments", "grade", "main"]

MAX_CHANGES = 10  # named on the terminal; the class page has all
LIMITS = Limits()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "submissions",
        type=Path,
        metavar="SUBMISSIONS",
        help="a folder with one zip or folder for each student",
    )
    add("-o", "--out", type=Path, required=True, metavar="OUT", help="the folder for the results")
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
        help="run with limits only: use it only in a container with one submission and nothing else",
    )
    add(
        "--seconds",
        type=float,
        default=LIMITS.seconds,
        metavar="N",
        help="processor seconds for an exercise; a submission has 12 times as many (default: %(default)g)",
    )
    add(
        "--memory",
        type=int,
        default=LIMITS.memory >> 20,
        metavar="MIB",
        help="memory for a student's process (default: %(default)s)",
    )
    add("--roster", type=Path, metavar="FILE", help="the class list: a CSV exported from Canvas or Moodle")
    add("--column", metavar="TITLE", help="the assignment in Canvas that gets the marks")
    add(
        "--anonymous",
        action="store_true",
        help="ids of the roster in place of names, except in gradebook.csv",
    )
    add("--due", metavar="TIME", help="the deadline, such as 2026-12-01T23:59+01:00")
    add("--only", action="append", metavar="STUDENT", help="mark this student only; may be repeated")
    add("--again", action="store_true", help="mark all again, also what has not changed")
    add("--seed", type=int, help="random seed of the hidden problems (default: that of OUT, or a new one)")


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
    previous = tempfile.tempdir
    folder = tempfile.mkdtemp(prefix="cs231n-grade-")
    Path(folder).chmod(0o711)  # the children of a root run as another user
    try:
        with environment({"TMPDIR": folder}):
            tempfile.tempdir = folder
            yield
    finally:
        tempfile.tempdir = previous
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
        seed: the seed of the hidden problems (default: that of an earlier run into out, or a new one).
        roster: a CSV of the class; its names, or ids, are then those of the reports.
        column: of a Canvas gradebook, the assignment that gets the marks.
        anonymous: take ids in place of names.
        due: when work is due, a time with its time zone (default: what the manifest says).
        only: the students to mark; all others stay as they are (default: everybody).
        again: grade again what was graded before.

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
    points = total_points(exercises, settings.words)
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
        raise ValueError(f"grade: no submission is from {strangers[0]!r}; try: --only one of {some}")
    word_marks = read_marks(out, matches.paths, settings.words)
    course = Course(settings, deadline, matches, word_marks)
    history = History(out, seed)
    hidden = (str(submissions), str(out.resolve()))
    options = MarkingOptions(exercises, history.seed, limits, weakest_level, hidden)
    grader = grader_digest(exercises)
    environments = check_workers(executor, options, grader)
    out.mkdir(parents=True, exist_ok=True)
    history.save_seed()
    is_complete = False
    before = read_scores(out)
    ordered: list[report.Row] = []
    with Progress(len(course.attempts)) as bar:
        marking = ClassMarking(out, course, history, executor, options, grader, bar)
        try:
            marking.run(asked, environments, only, again, "The submission" if anonymous else "")
            for line in _remarks(marking, settings, deadline, matches, submissions):
                bar.say(f"  {line}")
            is_complete = True
        finally:
            marking.collect_done()
            ordered = _choose(out, course, history, marking.rows)
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
            has_answers, moves = bool(questions), marking.moves.most_common()
            class_report.write_class(out, everybody, exercises, has_answers, settings.words, changes, moves)
            if grade_column:
                report.write_gradebook(out, people, grade_column, matches.people, ordered, points)
    return ordered


def _choose(out: Path, course: Course, history: History, rows: Mapping[str, report.Row]) -> list[report.Row]:
    """The row of each student that counts. Of several hand-ins one is then also the student's own page."""
    ordered = []
    for keys, row in course.choose(rows):
        ordered.append(row)
        if len(keys) > 1 and row.results:
            history.save(row.student, "")  # a copy, which is not to be taken for the newest
            report.write_student(out / "students" / row.student, row.results)
    return ordered


def _remarks(
    marking: ClassMarking, settings: Manifest, deadline: Deadline, matches: Matches, submissions: Path
) -> Iterator[str]:
    """The lines to print at the end."""
    attempts = marking.course.attempts.values()
    if marking.num_unchanged:
        yield f"Unchanged, so not marked again: {marking.num_unchanged} of {len(attempts)}"
    waiting = [len(unmarked(row.results)) for row in marking.rows.values() if row.results]
    if any(waiting):
        num_students = sum(map(bool, waiting))
        noun = "student" if num_students == 1 else "students"
        yield f"Answers in words without points: {sum(waiting)}, of {num_students} {noun}"
    for title, names in (
        (
            f"Several hand-ins; the {settings.hand_ins} counts",
            sorted({student for student, attempt in attempts if attempt.total > 1}),
        ),
        (
            "Late according to Canvas; no points are lost",
            [student for student, attempt in attempts if attempt.is_late],
        ),
        ("An extension, but nothing handed in", sorted(deadline.extensions.keys() - matches.paths)),
        ("Not on the roster", sorted(matches.unknown.values())),
        ("Nothing handed in", matches.absent),
        ("Skipped, neither an archive nor a folder", list_ignored(submissions)),
    ):
        if names:
            yield f"{title}: {len(names)}: {'; '.join(sanitize(name) for name in names)}"


def _words_of(row: report.Row) -> StudentWords:
    """What a student answered, or why that is not known."""
    if row.results is None:
        return StudentWords({}, [row.error or ""])
    return StudentWords(**row.results["extra_data"]["words"])
