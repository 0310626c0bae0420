"""What a course adds to the automatic marks: points for words, deductions for lateness, which hand-in counts.

None of it marks a submission again: it is computed from results.json as often as needed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from classroom.deadlines import Deadline
from classroom.grading.hand_ins import Attempt, add_lateness, in_order, refuse_copied_dates
from classroom.grading.report import Row
from classroom.grading.result import sanitize
from classroom.grading.roster import Matches
from classroom.grading.word_marks import WordMark, add_word_points
from classroom.grading.words import StudentWords
from classroom.manifest import Manifest

__all__ = ["Course", "deadline_by_student"]


class Course:
    """A class, its hand-ins and what its manifest says of them.

    Args:
        manifest: of the course.
        deadline: of `deadline_by_student`.
        matches: whose each file is.
        marks: of `read_marks`.

    Attributes:
        attempts: {key: (student, hand-in)} to be marked. A key names the folder of results: the student,
            or one of several hand-ins of the student, the newest of them first.

    Raises:
        ValueError: the dates of the files cannot be those of the hand-ins.
    """

    def __init__(
        self,
        manifest: Manifest,
        deadline: Deadline,
        matches: Matches,
        marks: Mapping[str, Mapping[str, WordMark]],
    ):
        self._manifest, self._deadline, self._marks = manifest, deadline, marks
        self._keys: dict[str, list[str]] = {}
        self.attempts: dict[str, tuple[str, Attempt]] = {}
        newest: dict[str, Attempt] = {}
        for student, paths in matches.paths.items():
            ordered = in_order(student, paths, deadline, matches.people.get(student))
            newest[student] = ordered[-1]
            counted = ordered[:-2:-1] if manifest.hand_ins == "newest" else ordered[::-1]
            keys = [student] if len(counted) == 1 else [f"{student}/hand-ins/{a.number}" for a in counted]
            self._keys[student] = keys
            self.attempts |= {key: (student, attempt) for key, attempt in zip(keys, counted)}
        refuse_copied_dates(newest, deadline)

    def finish(
        self, key: str, results: dict[str, Any], newest: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The results of a hand-in with all that the course adds, in place of what was added before.

        Args:
            key: of the hand-in.
            results: of its marking, or as this function returned them.
            newest: answers in words of the newest hand-in; without them an older one has no points for words.
        """
        student, attempt = self.attempts[key]
        if newest:
            results = results | {"extra_data": results["extra_data"] | {"words": newest}}
        points = self._manifest.words if newest or attempt.number == attempt.total else {}
        words = StudentWords(**results["extra_data"]["words"])
        results = add_word_points(results, points, words, self._marks.get(student, {}))
        return add_lateness(results, student, attempt, self._deadline, self._manifest.hand_ins)

    def choose(self, rows: Mapping[str, Row]) -> Iterator[tuple[list[str], Row]]:
        """Of each student whose hand-ins are all marked their keys, and the row that counts.

        The answers in words are always those of the newest. Where a hand-in could not be marked, nobody knows
        which is the best, and the row says why.
        """
        for keys in self._keys.values():
            own = [rows[key] for key in keys if key in rows]
            if len(own) < len(keys):
                continue
            failed = [row for row in own if row.results is None]
            if failed or len(own) == 1:
                yield keys, [*failed, *own][0]
                continue
            marked = [row.results for row in own if row.results is not None]
            newest = marked[0]["extra_data"]["words"]
            finished = [self.finish(key, results, newest) for key, results in zip(keys, marked)]
            yield keys, own[0]._replace(results=max(finished, key=lambda results: results["score"]))


def deadline_by_student(deadline: Deadline, find: Callable[[str], str | None]) -> Deadline:
    """A deadline whose extensions and times are by the names of reports.

    Args:
        deadline: as the manifest has it.
        find: gives the name in reports of a student whom the manifest names, or None.

    Raises:
        ValueError: there is no such student.
    """
    times: list[dict[str, Any]] = [{}, {}]
    for result, given in zip(times, (deadline.extensions, deadline.handed_in)):
        for name, time in given.items():
            student = find(name)
            if student is None:
                raise ValueError(
                    f"grade: the manifest names {sanitize(name, 80)}, who is not one person of the roster; "
                    "try: the id"
                )
            result[student] = time
    return deadline._replace(extensions=times[0], handed_in=times[1])
