"""The exercises of this edition of the kit: their numbers, and the files that hold their functions."""

import json
from pathlib import Path
from typing import NamedTuple

from cs231n.checking.exercises import EXERCISES, require_exercise
from cs231n.common.files import REPOSITORY

__all__ = ["Entry", "entries", "files_of", "numbers"]


class Entry(NamedTuple):
    """An entry of exercises.json, which a release writes."""

    number: int
    title: str
    points: float
    section: str  # of a notebook, with its card: "notebook 2, section 4"
    functions: list[str]
    files: list[str]  # from the root of the kit


def entries(root: Path = REPOSITORY) -> list[Entry]:
    listed = json.loads((root / "cs231n" / "exercises.json").read_text(encoding="utf-8"))
    return [Entry(**entry) for entry in listed]


def numbers() -> dict[str, int]:
    """{name: number} of the exercises that can be checked."""
    return {entry.title: entry.number for entry in entries() if entry.title in EXERCISES}


def files_of(name: str) -> list[str]:
    """The files that hold functions of an exercise, whether this edition lists it or not."""
    own = require_exercise(name).module.replace(".", "/") + ".py"
    return next((entry.files for entry in entries() if entry.title == name), [own])
