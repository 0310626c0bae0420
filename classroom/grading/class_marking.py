"""Mark a class: its hand-ins go to workers, and results are written student by student."""

import time
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any, NamedTuple

from classroom.grading import canary, report
from classroom.grading.canary import digest_of
from classroom.grading.changes import Move, find_moves
from classroom.grading.course import Course
from classroom.grading.history import History
from classroom.grading.marking import mark
from classroom.grading.result import ExerciseResult, NotMarkedError
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import Submission, open_hand_in, read_submission
from cs231n.common.terminal import Progress

__all__ = ["ClassMarking", "Marked", "mark_submission"]

MAX_PENDING = 64  # submissions handed to the executor at a time: memory does not grow with the class


class _Task(NamedTuple):
    """A submission that is being marked."""

    key: str
    submission: Submission
    digest: str
    is_second: bool = False


class Marked(NamedTuple):
    """The result of marking a submission."""

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
        earlier: as of `mark`.

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


class ClassMarking:
    """Marks what is new and keeps what is known; what ran out of time or lost its worker runs again, alone.

    Args:
        out: the folder of the results.
        course: the class and its hand-ins.
        history: what out knows of earlier runs.
        executor: where submissions are marked.
        options: of the marking.
        grader: of `grader_digest`.
        bar: shows each student as soon as there is a row.

    Attributes:
        rows: {key of course.attempts: row} so far.
        num_unchanged: how many of them are as they were.
        moves: how many students were judged otherwise before, by exercise and kinds.
    """

    def __init__(
        self,
        out: Path,
        course: Course,
        history: History,
        executor: Executor,
        options: MarkingOptions,
        grader: str,
        bar: Progress,
    ):
        self.course, self.rows, self.num_unchanged = course, dict[str, report.Row](), 0
        self.moves = Counter[Move]()
        self._students, self._history, self._bar = out / "students", history, bar
        self._executor, self._options, self._grader = executor, options, grader
        self._pending: dict[Future, _Task] = {}
        self._again: list[tuple[_Task, Marked | None]] = []

    def run(
        self,
        questions: Collection[str],
        environments: Collection[dict[str, Any]],
        only: Collection[str],
        again: bool,
        label: str,
    ) -> None:
        """Mark the class.

        Args:
            questions: the numbers of those in words.
            environments: those of the workers; a result of another one is computed again.
            only: the students to mark (empty: everybody).
            again: grade again what is known.
            label: what messages call a submission in place of its name, or "".
        """
        exercises = self._options.exercises
        version = digest_of(exercises, self._options.seed, self._options.limits, self._grader, questions)
        for key, (student, attempt) in self.course.attempts.items():
            if only and student not in only:
                if (results := report.read_student(self._students / key)) is not None:
                    self._keep(key, results)
                else:
                    self._bar.advance()
                continue
            try:
                hand_in = open_hand_in(attempt.path, exercises, label)
                with hand_in.file:
                    digest = digest_of(hand_in.digest, version)
                    known = None if again else self._history.find(key, digest, environments)
                    if known is not None:
                        self.num_unchanged += 1
                        self._keep(key, known)
                        continue
                    submission = read_submission(hand_in, exercises, questions)
            except NotMarkedError as error:
                self._add(key, None, str(error))
                continue
            self._submit(_Task(key, submission, digest))
            while len(self._pending) >= MAX_PENDING:
                self._collect_next()
        while self._pending:
            self._collect_next()
        for task, marked in self._again:  # one by one: was the machine too busy?
            self._submit(task._replace(is_second=True), marked and marked.by_exercise)
            self._collect_next()

    def collect_done(self) -> None:
        """After an interruption, write what is marked."""
        for future in [future for future in self._pending if future.done()]:
            self._collect(future)

    def _submit(self, task: _Task, earlier: Mapping[int, ExerciseResult] | None = None) -> None:
        future = self._executor.submit(mark_submission, task.submission, self._options, self._grader, earlier)
        self._pending[future] = task

    def _collect_next(self) -> None:
        self._collect(next(iter(wait(self._pending, return_when=FIRST_COMPLETED).done)))

    def _collect(self, future: Future) -> None:
        task = self._pending.pop(future)
        try:
            marked: Marked = future.result()
        except BrokenExecutor:  # a worker was killed, of this submission or of one marked at the same time
            if task.is_second:
                why = "two workers were killed while they marked it, perhaps for want of memory"
                self._add(task.key, None, f"{why}; try: --executor serial")
            else:
                self._again.append((task, None))
            return
        except Exception as error:
            kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
            self._add(task.key, None, f"{kind}{error}")
            return
        slow = [r for r in marked.by_exercise.values() if r.kind == "timed-out" and not r.is_endless]
        if slow and not task.is_second:
            self._again.append((task, marked))
            return
        marked.results["extra_data"]["student"] = self.course.attempts[task.key][0]
        results = self.course.finish(task.key, marked.results)
        self.moves.update(find_moves(report.read_student(self._students / task.key), marked.results))
        report.write_student(self._students / task.key, results)
        self._history.save(task.key, task.digest)
        self._add(task.key, results)

    def _keep(self, key: str, known: dict[str, Any]) -> None:
        results = self.course.finish(key, known)
        if results != known:
            report.write_student(self._students / key, results)
        self.rows[key] = report.Row(self.course.attempts[key][0], results, None)
        self._bar.advance()

    def _add(self, key: str, results: dict[str, Any] | None, error: str = "") -> None:
        self.rows[key] = report.Row(self.course.attempts[key][0], results, error[:500] or None)
        self._bar.say(report.format_line(self.rows[key]))
        self._bar.advance()
