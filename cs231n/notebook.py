"""What a notebook of the assignment imports first: check, hint and answer. Edited files are run again.

from cs231n.notebook import answer, check, hint
"""

import sys
from typing import Any

from cs231n.checking.edition import entries, entry_of, find_exercise, label_of
from cs231n.checking.exceptions import describe_left_raise
from cs231n.checking.hints import format_hint, wrap_hint
from cs231n.checking.reloading import describe_failure, reload_edited, remember_loaded
from cs231n.checking.verdict import MISSING, PASSED, WRONG
from cs231n.checks import check_exercises, show_verdict
from cs231n.common.colab import settle
from cs231n.common.terminal import in_notebook, ipython_shell, text_width

__all__ = ["NotPassed", "answer", "check", "hint"]


class NotPassed(AssertionError):
    """An exercise, or a line of a notebook, is not right yet: the notebook stops, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(exercise: str | int | None = None) -> None:
    """Show whether an exercise is right; if not, the notebook stops here.

    Args:
        exercise: its name, its number, or a beginning of its name that no other has; without one, all are
            checked, and nothing stops.

    Raises:
        UnknownName: there is no such exercise.
        NotPassed: it is not right yet. An optional one that is not written yet stops nothing.
    """
    if exercise is None:
        check_exercises()
        return
    name = find_exercise(exercise)
    result, label, entry = show_verdict(name), label_of(name), entry_of(name)
    if result.status == PASSED or entry and entry.optional and result.status == MISSING:
        return
    if result.status == WRONG:
        raise NotPassed(f"{label} is not right yet; the box above says why.")
    if result.findings:  # it waits for another one, or a part of it is there
        raise NotPassed(f"{label} is not written yet. {' '.join(result.findings)}")
    file = entry.files[0] if entry else "its file"
    raise NotPassed(f"{label} is not written yet. Write it in {file}, save the file, run this cell again.")


def answer(question: str, value: Any) -> None:
    """Say whether an answer is right. It never stops the notebook.

    Args:
        question: its number, as "2.7".
        value: a number, an array, an expression as text such as "2 * (x - mu) / N", or a choice; three dots
            for a question that is still open.
    """
    from cs231n.checking.questions import format_response, respond  # sympy starts with the first answer

    try:
        print(format_response(question, respond(question, value)))
    except ValueError as error:
        print(error)


def hint(exercise: str | int, step: int = 1) -> None:
    """Show a hint: step 1 the idea, 2 the equation and the picture, 3 shapes and the order of the steps.

    Args:
        exercise: its name, its number, or a beginning of its name that no other has.
        step: 1, 2 or 3.

    Raises:
        UnknownName: there is no such exercise, or no such step.
    """
    name = find_exercise(exercise)
    entry = entry_of(name)
    text = format_hint(name, step, f"hint({entry.number if entry else repr(name)}, {{}})")
    if in_notebook():
        from IPython.display import display

        display({"text/markdown": text, "text/plain": wrap_hint(text, text_width())}, raw=True)
    else:
        print(wrap_hint(text, text_width()))


def _watch_edits() -> None:
    """Before each cell, run edited files again."""
    shell = ipython_shell()
    if shell is None or getattr(shell, "cs231n_watches_edits", False):
        return
    remember_loaded()
    shell.events.register("pre_run_cell", _before_cell)
    shell.events.register("post_run_cell", _after_cell)
    shell.set_custom_exc((NotImplementedError,), _explain_missing)
    shell.cs231n_watches_edits = True


def _before_cell(*_: object) -> None:
    failures = [describe_failure(name, error) for name, error in reload_edited().items()]
    for sentence in dict.fromkeys(failures):  # several files may fail for one reason
        print(sentence, file=sys.stderr)


def _after_cell(*_: object) -> None:
    remember_loaded()  # of what this cell imported


def _explain_missing(
    shell: Any, kind: type, error: NotImplementedError, trace: Any, tb_offset: Any = None
) -> None:
    """For a cell that needs an exercise which is not written: say where its card is, without a traceback."""
    for entry in entries():
        if str(error) == f"Exercise {entry.number}: {entry.title}":
            more = describe_left_raise(error) or f"Its card is in {entry.section}."
            sentence = f"{error} is not written yet, and this cell needs it. {more}"
            shell.showtraceback((NotPassed, NotPassed(sentence), trace))
            return
    shell.showtraceback((kind, error, trace))


settle(sys.path)
_watch_edits()
