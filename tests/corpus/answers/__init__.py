"""Answers to the questions of the notebooks: right in another form, and wrong. Model answers are in the notebooks."""

from typing import Any, NamedTuple


class Case(NamedTuple):
    equivalent: Any  # accepted, though it is not written as the model answer is
    wrong: tuple[Any, Any]
