"""The card of an exercise: the Markdown cell in a notebook that says what to write, where, and what to run.

Its text is made from the manifest, so that number and points are the same everywhere. Right below a card
stands a code cell that checks the exercise.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from classroom.manifest import Exercise, ManifestError

__all__ = ["CARD", "card", "card_of_written", "check_line", "refuse_missing_cards", "title_of_card"]

CARD = "card"  # the tag of such a cell
HEADING = re.compile(r"### Exercise \d+: (\S+)")


def card(exercise: Exercise) -> str:
    """The Markdown of a card; below it stands a cell that calls `check`."""
    module = exercise.file.removesuffix(".py").replace("/", ".") + "."
    functions = " and ".join(f"`{name.removeprefix(module)}`" for name in exercise.functions)
    noun = "bonus point" if exercise.optional else "point"
    points = f"{exercise.points:g} {noun}{'s' * (exercise.points != 1)}"
    more = " It is optional: its points come on top of the others." if exercise.optional else ""
    return (
        f"### {exercise.label} ({points})\n\n"
        f"**Open** `{exercise.file}` and write {functions}. {exercise.task}{more}\n\n"
        f"**Read** {exercise.section} first. **Then** save the file and run the cell below. "
        f'For a hint, run `hint("{exercise.title}")`.'
    )


def card_of_written(title: str) -> str:
    """What stands in the place of a card where an edition does not ask for the exercise."""
    return f"`{title}` is already written in this edition. The cell below checks it."


def check_line(title: str) -> str:
    """The code of the cell below a card."""
    return f'check("{title}")'


def title_of_card(cell: Mapping[str, Any]) -> str | None:
    """The title of the exercise whose card a notebook cell is, or None."""
    match = HEADING.match("".join(cell["source"])) if cell["cell_type"] == "markdown" else None
    return match[1] if match and CARD in cell["metadata"].get("tags", []) else None


def refuse_missing_cards(exercises: Iterable[Exercise], titles: Sequence[str]) -> None:
    """Raise a ManifestError if an exercise has no card, or more than one.

    A learner who reads the cards alone must find every exercise of the edition.

    Args:
        exercises: of the edition.
        titles: of the cards in all notebooks.
    """
    for exercise in exercises:
        count = titles.count(exercise.title)
        if count > 1:
            raise ManifestError(
                f"{exercise.label} has {count} cards in the notebooks; try: leave one of them"
            )
        if not count:
            raise ManifestError(
                f"{exercise.label} has no card in a notebook; try: add to {exercise.section} a Markdown cell "
                f"with the tag {CARD} and the text\n\n{card(exercise)}\n\nand below it a code cell with "
                f"{check_line(exercise.title)}. See CONTRIBUTING.md, How to add an exercise."
            )
