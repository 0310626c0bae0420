"""Answers to the questions of the notebooks: right ones in another form, and wrong ones."""

from typing import Any, NamedTuple


class Case(NamedTuple):
    equivalent: Any  # accepted, though it is not written as the model answer is
    wrong: tuple[Any, Any]
