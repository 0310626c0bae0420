"""The result of one exercise, and how an error of a student's code becomes one."""

import builtins
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from classroom.manifest import Exercise
from cs231n.checking.imports import import_error_message

__all__ = ["ExerciseResult", "NotMarkedError", "is_optional", "result_of_error", "sanitize"]

# The kinds that cs231n.checks uses, and what is reported where the student's own words must not be.
MISUSES = {
    "WrongReturn": ("wrong-return", "It returns something other than the arrays it should"),
}
# What Python says of an import that fails because there is no such module.
NO_MODULE = re.compile(r"No module named '([\w.]+)'$|cannot import name '(\w+)' from 'cs231n' ")


class NotMarkedError(OSError):
    """A submission cannot be marked, and that is not the student's fault; the message says why."""


class ExerciseResult(NamedTuple):
    """What an exercise of one submission earns, and why not all."""

    share: float  # of the points, 0 to 1
    kind: str = "right"  # or "not-implemented", "timed-out", ..., or the kind of a misconception
    text: str = ""  # the same for a person
    reference_used_for: tuple[str, ...] = ()  # titles of the exercises it builds on that the reference solved
    notes: tuple[str, ...] = ()  # what the kit asks and the course does not; or what to check first
    check_first: str = ""  # which exercise is at fault before this one, if one is
    is_endless: bool = False  # it ran out of time, and would do so on an idle machine

    @property
    def is_right(self) -> bool:
        """Whether it passes; notes may cost a part of the points all the same."""
        return self.kind == "right"

    def in_situation(self, situation: str) -> "ExerciseResult":
        """The same, with the name of the situation in which it went wrong; "": the main one."""
        written = self.kind not in ("not-implemented", "waits")
        return self._replace(text=f"{situation}: {self.text}") if situation and written else self


def result_of_error(
    error: Any, exercise: Exercise, exercises: Iterable[Exercise], public: bool
) -> ExerciseResult:
    """The result of an exercise that raised an error.

    Args:
        error: as the child describes it. The student's code can forge it: any value may be of any type.
        exercise: the one that was tried.
        exercises: all of them.
        public: whether the student may see the problem. If not, only the type of the error is passed on, and
            only if Python itself has it: the student's code could choose anything else to tell the problem.
    """
    kind, message, file, line = (
        error.get(key) if isinstance(error, dict) else None for key in ("type", "message", "file", "line")
    )
    kind = kind if isinstance(kind, str) else "an error"
    message = message if isinstance(message, str) else ""
    if kind == "NotImplementedError":
        if message != exercise.label and message in {e.label for e in exercises}:
            return ExerciseResult(0.0, "waits", f"It needs {message}, which is not written yet.")
        return ExerciseResult(0.0, "not-implemented", "Not implemented yet.")
    if kind in MISUSES:
        misuse, sentence = MISUSES[kind]
        return ExerciseResult(0.0, misuse, sanitize(f"{message if public else sentence}."))
    if not public:
        kind = kind if isinstance(getattr(builtins, kind, None), type) else "an error"
        return ExerciseResult(0.0, "raised", f"It raised {kind} on a problem that is not shown.")
    where = f" ({file}, line {line})" if isinstance(file, str) and isinstance(line, int) else ""
    no_module = NO_MODULE.match(message)
    reason = no_module and import_error_message(no_module[1] or f"cs231n.{no_module[2]}")
    if reason:
        return ExerciseResult(0.0, "raised", sanitize(reason.removesuffix(".")) + sanitize(where) + ".")
    return ExerciseResult(0.0, "raised", sanitize(f"It raised {kind}: {message}") + sanitize(where))


def is_optional(test: Mapping[str, Any]) -> bool:
    """Whether the points of an entry of results.json come on top of a full mark."""
    return test.get("extra_data", {}).get("optional", False)


def sanitize(text: str, max_chars: int = 500) -> str:
    """A student's text for a report: one line, cut, without what steers a terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:max_chars])
