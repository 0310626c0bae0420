"""The card of an exercise: the Markdown cell in a notebook that says what to write, where, and what to run.

Its text is made from the manifest, so that number and points are the same everywhere.
"""

import re
from typing import Any

from classroom.manifest import Exercise

__all__ = ["CARD", "card", "card_of_written", "title_of_card"]

CARD = "card"  # the tag of such a cell
HEADING = re.compile(r"### Exercise \d+: (\S+)")


def card(exercise: Exercise) -> str:
    """The Markdown of a card; below it stands a cell that calls `check`."""
    module = exercise.file.removesuffix(".py").replace("/", ".") + "."
    functions = " and ".join(f"`{name.removeprefix(module)}`" for name in exercise.functions)
    points = "1 point" if exercise.points == 1 else f"{exercise.points:g} points"
    return (
        f"### {exercise.label} ({points})\n\n"
        f"**Open** `{exercise.file}` and write {functions}. {exercise.task}\n\n"
        f"**Read** {exercise.section} first. **Then** save the file and run the cell below. "
        f'For a hint, run `hint("{exercise.title}")`.'
    )


def card_of_written(title: str) -> str:
    """What stands in the place of a card where an edition does not ask for the exercise."""
    return f"`{title}` is already written in this edition. The cell below checks it."


def title_of_card(cell: dict[str, Any]) -> str | None:
    """The title of the exercise whose card a notebook cell is, or None."""
    match = HEADING.match("".join(cell["source"]))
    return match[1] if match and CARD in cell["metadata"].get("tags", []) else None
