"""What a notebook of the assignment imports first: check, hint and answer; edits are seen from then on.

from cs231n.notebook import answer, check, hint
"""

import sys
from typing import Any

from cs231n import checks
from cs231n.checking.questions import format_response, respond
from cs231n.checking.reloading import reload_edited, remember_loaded

__all__ = ["answer", "check", "hint"]


class NotPassed(Exception):
    """An exercise is not right yet: the notebook stops here, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(exercise: str | int) -> None:
    """Show whether an exercise is right; if not, the notebook stops here.

    Args:
        exercise: its name, its number, or a beginning of its name that no other has.
    """
    if not checks.check(exercise):
        raise NotPassed(f"Exercise {exercise}: not passed yet. The lines above say why.")


def answer(question: str, value: Any) -> None:
    """Say whether an answer is right. It never stops the notebook.

    Args:
        question: its number, as "2.7".
        value: a number, an array, an expression as text such as "2 * (x - mu) / N", or a choice; three dots
            for a question that is still open.
    """
    print(format_response(question, respond(question, value)))


def hint(exercise: str | int, step: int = 1) -> None:
    """Show a hint: step 1 the idea, 2 the equation, 3 the shapes and the order of the steps."""
    raise NotImplementedError


def _watch_edits() -> None:
    """Before each cell, read again what was edited."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or getattr(shell, "cs231n_watches_edits", False):
        return
    remember_loaded()
    shell.events.register("pre_run_cell", _reload_before_cell)
    shell.cs231n_watches_edits = True


def _reload_before_cell(*_: Any) -> None:
    try:
        for name in reload_edited():
            print(f"read again: {name}")
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


_watch_edits()
