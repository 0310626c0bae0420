"""The exercises of this edition of the kit: their numbers and points, and what a reader may call them."""

import difflib
import json
from pathlib import Path
from typing import NamedTuple

from cs231n.checking.exercises import EXERCISES, require_exercise
from cs231n.common.files import REPOSITORY

__all__ = [
    "Entry",
    "UnknownName",
    "entries",
    "entry_of",
    "files_of",
    "find_exercise",
    "format_points",
    "label_of",
]


class UnknownName(ValueError):
    """No exercise has the name that a reader typed; a notebook shows only the message."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Entry(NamedTuple):
    """An entry of exercises.json, which a release writes."""

    number: int
    title: str
    points: float
    section: str  # of a notebook, with its card: "notebook 2, section 4"
    functions: list[str]
    files: list[str]  # from the root of the kit
    optional: bool = False  # its points are a bonus


def entries(root: Path = REPOSITORY) -> list[Entry]:
    listed = json.loads((root / "cs231n" / "exercises.json").read_text(encoding="utf-8"))
    return [Entry(**entry) for entry in listed]


def entry_of(name: str) -> Entry | None:
    """The entry of an exercise; None if this edition does not ask for it."""
    return next((entry for entry in entries() if entry.title == name), None)


def label_of(name: str) -> str:
    """ "Exercise 6: batchnorm_forward", or the name alone if this edition does not ask for it."""
    entry = entry_of(name)
    return f"Exercise {entry.number}: {name}" if entry else name


def format_points(points: float, bonus: bool = False) -> str:
    """ "1 point", "2.5 points", "8 bonus points"."""
    return f"{points:g} {'bonus ' if bonus else ''}point{'' if points == 1 else 's'}"


def files_of(name: str) -> list[str]:
    """The files that hold functions of an exercise, whether this edition lists it or not."""
    own = require_exercise(name).module.replace(".", "/") + ".py"
    return next((entry.files for entry in entries() if entry.title == name), [own])


def find_exercise(text: str | int) -> str:
    """The name of an exercise from what a reader types.

        find_exercise(6) == find_exercise("6") == find_exercise("batchnorm_f") == "batchnorm_forward"

    Args:
        text: its number, its name, or a beginning of its name that no other exercise has; upper and lower
            case mean the same.

    Raises:
        UnknownName: no exercise or several are called so; the message says which it could be.
    """
    word = str(text).strip()
    names = {entry.number: entry.title for entry in entries() if entry.title in EXERCISES}
    if word.lstrip("-").isdigit():
        if int(word) not in names:
            raise UnknownName(f"no exercise has the number {word}; there are {_join(names, 'and')}")
        return names[int(word)]
    by_word = {name.lower(): name for name in EXERCISES}
    if word.lower() in by_word:
        return by_word[word.lower()]
    begun = [name for key, name in by_word.items() if word and key.startswith(word.lower())]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UnknownName(f"{word} is the beginning of several names: do you mean {_join(begun, 'or')}?")
    numbered = [f"{number} {name}" for number, name in names.items()]
    close = difflib.get_close_matches(word.lower(), by_word, n=1)
    if close:
        raise UnknownName(f"no exercise is called {word!r}; do you mean {by_word[close[0]]}?")
    raise UnknownName(f"no exercise is called {word!r}; there are {_join(numbered, 'and')}")


def _join(words: object, conjunction: str) -> str:
    *first, last = map(str, words)  # type: ignore[call-overload]
    return f"{', '.join(first)} {conjunction} {last}" if first else last
