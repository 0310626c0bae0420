"""The manifest: which functions a learner is to write, for what points, and how a course counts them."""

import difflib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from classroom.deadlines import Deadline
from cs231n.common.files import REPOSITORY

__all__ = [
    "MANIFEST",
    "Exercise",
    "Manifest",
    "ManifestError",
    "files_of",
    "functions_by_file",
    "learner_manifest",
    "load_exercises",
    "load_manifest",
    "locate_function",
    "suggest",
    "total_points",
]

HAND_INS = ("newest", "best")
MANIFEST = Path(__file__).with_name("exercises.json")
# {file with exercises: the file in which a learner may add sandwiches for them}
HELPER_FILES = {"cs231n/classifiers/fc_net.py": "cs231n/layer_utils.py"}


class ManifestError(Exception):
    """The manifest, or a source file it names, is not what it should be; the message says what to change."""


class Exercise(NamedTuple):
    """One entry of a manifest; docs/classroom.md says what each field is."""

    number: int
    title: str
    points: float
    file: str  # of the first function, from the kit's folder
    functions: tuple[str, ...]  # dotted names, "cs231n.layers.affine_backward"; the first is the one checked
    section: str  # that teaches it and holds its card: "notebook 2, section 4"
    task: str  # what the function gets and gives, in one sentence or two
    needs: tuple[int, ...]  # numbers of the exercises it builds on
    given: tuple[str, ...] = ()  # code of its solution that the notebooks show on purpose: see fragments.py
    notes_weight: float = 0.0  # share of the points that is lost where the kit asks more than the course
    optional: bool = False  # its points are a bonus, above the total of the others

    @property
    def label(self) -> str:
        return f"Exercise {self.number}: {self.title}"


class Manifest(NamedTuple):
    """A whole manifest; docs/classroom.md says what each setting is."""

    exercises: list[Exercise]
    words: dict[str, float] = {}  # {number of a question in words: its points}
    hand_ins: str = "newest"  # or "best": which of several counts
    deadline: Deadline = Deadline()
    declaration: str = ""  # what submit asks about the use of assistants; "": it does not ask


SETTING_TYPES: dict[str, tuple[type, ...]] = {
    "exercises": (list,),
    "words": (dict,),
    "hand_ins": (str,),
    "due": (str,),
    "grace_minutes": (int, float),
    "late_per_day": (int, float),
    "extensions": (dict,),
    "handed_in": (dict,),
    "declaration": (str,),
}
FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int,),
    "title": (str,),
    "points": (int, float),
    "file": (str,),
    "functions": (list,),
    "section": (str,),
    "task": (str,),
    "needs": (list,),
    "given": (list,),
    "notes_weight": (int, float),
    "optional": (bool,),
}


def load_exercises(path: str | os.PathLike = MANIFEST) -> list[Exercise]:
    """The exercises of a manifest, in its order; see load_manifest."""
    return load_manifest(path).exercises


def load_manifest(path: str | os.PathLike = MANIFEST) -> Manifest:
    """Read a manifest: a list of exercises, or an object with settings, which may leave the exercises out.

    Raises:
        ManifestError: it cannot be read, or an entry is not as it should be; the message names the entry.
    """
    path = Path(path)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        example = MANIFEST.relative_to(REPOSITORY)
        raise ManifestError(
            f"cannot read the manifest {path}: {error}; try {example} as an example"
        ) from None
    if isinstance(settings, list):
        settings = {"exercises": settings}
    if not isinstance(settings, dict):
        raise ManifestError(f"{path.name}: expected a list of exercises, got {type(settings).__name__}")
    _require_known(path.name, settings, SETTING_TYPES, "setting")
    for key, types in SETTING_TYPES.items():
        if key in settings:
            _require_type(path.name, key, settings[key], types)
    exercises = (
        _parse_exercises(path.name, settings["exercises"]) if "exercises" in settings else load_exercises()
    )
    words = settings.get("words", {})
    for question, points in words.items():
        where = f"{path.name}, words: {question!r}"
        if not re.fullmatch(r"\d{1,2}\.\d{1,2}", question):
            raise ManifestError(f"{where} is not the number of a question; try 2.12 or the like")
        _require_type(path.name, f"words: {question}", points, (int, float))
        if not 0 < points < math.inf:
            raise ManifestError(f"{where} must have points above 0, got {points}")
    hand_ins = settings.get("hand_ins", HAND_INS[0])
    if hand_ins not in HAND_INS:
        raise ManifestError(f"{path.name}: hand_ins must be {' or '.join(HAND_INS)}, got {hand_ins!r}")
    try:
        deadline = Deadline.from_settings(settings)
    except ValueError as error:
        raise ManifestError(f"{path.name}: {error}") from None
    declaration = settings.get("declaration", "")
    if not declaration.isprintable():
        raise ManifestError(f"{path.name}: declaration must be one line of text, got {declaration!r}")
    return Manifest(exercises, words, hand_ins, deadline, declaration)


def _parse_exercises(name: str, entries: list[Any]) -> list[Exercise]:
    """The exercises of the manifest of that name."""
    if not entries:
        raise ManifestError(f"{name}: expected a list of exercises, got none")
    exercises = [_parse(f"{name}, entry {i}", entry) for i, entry in enumerate(entries, start=1)]
    for field in ("number", "title"):
        values = [getattr(exercise, field) for exercise in exercises]
        for value in values:
            if values.count(value) > 1:
                raise ManifestError(f"{name}: two exercises have the {field} {value!r}")
    functions = [function for exercise in exercises for function in exercise.functions]
    for function in functions:
        if functions.count(function) > 1:
            raise ManifestError(f"{name}: {function} belongs to two exercises")
    return exercises


def _require_type(where: str, key: str, value: Any, types: tuple[type, ...]) -> None:
    if not isinstance(value, types) or isinstance(value, bool) and bool not in types:
        names = " or ".join(t.__name__ for t in types)
        raise ManifestError(f"{where}: {key} must be of type {names}, got {value!r}")


def _require_known(where: str, entry: dict[str, Any], known: Iterable[str], noun: str) -> None:
    unknown = entry.keys() - set(known)
    if unknown:
        raise ManifestError(f"{where}: no {noun} is called {min(unknown)!r}; it takes {', '.join(known)}")


def _parse(where: str, entry: Any) -> Exercise:
    known = ", ".join(FIELD_TYPES)
    if not isinstance(entry, dict):
        raise ManifestError(f"{where}: expected an object with {known}, got {entry!r}")
    entry = {"given": [], "notes_weight": 0, "optional": False, **entry}
    for key, types in FIELD_TYPES.items():
        _require_type(where, key, entry.get(key), types)
    _require_known(where, entry, FIELD_TYPES, "field")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    exercise = Exercise(**values)
    if exercise.number < 1 or exercise.points < 0 or not exercise.functions:
        raise ManifestError(
            f"{where}: expected number >= 1, points >= 0 and at least one function, got "
            f"{exercise.number}, {exercise.points}, {exercise.functions}"
        )
    if not 0 <= exercise.notes_weight <= 1:
        raise ManifestError(f"{where}: notes_weight must be from 0 to 1, got {exercise.notes_weight}")
    for field in ("title", "section", "task"):
        line = getattr(exercise, field)
        if line != line.strip() or not line.isprintable() or not line:
            raise ManifestError(f"{where}: {field} must be one line of text, got {line!r}")
    return exercise


def locate_function(name: str, root: Path = REPOSITORY) -> tuple[str, str]:
    """The file of a function, and its name in it.

        locate_function("cs231n.optim.adam") -> ("cs231n/optim.py", "adam")

    Args:
        name: dotted, from the kit's folder on; of a method with the name of its class.
        root: the kit's folder.

    Raises:
        ManifestError: there is no such file.
    """
    parts = name.split(".")
    for cut in range(1, len(parts)):
        file = "/".join(parts[:cut]) + ".py"
        if (root / file).is_file():
            return file, ".".join(parts[cut:])
    raise ManifestError(
        f"{name} lies in no file under {root}; try the dotted name from the kit's folder on, "
        "as in cs231n.layers.affine_forward"
    )


def files_of(exercise: Exercise, root: Path = REPOSITORY) -> list[str]:
    """The files that a learner may edit for an exercise, and hands in."""
    files = {locate_function(name, root)[0] for name in exercise.functions}
    return sorted(files | {HELPER_FILES[file] for file in files & HELPER_FILES.keys()})


def functions_by_file(
    exercises: Iterable[Exercise], root: Path = REPOSITORY
) -> dict[str, dict[str, Exercise]]:
    """{file: {name of a function in it: exercise}} for every function of every exercise.

    Raises:
        ManifestError: a file is not there, or the first function of an exercise is in another file.
    """
    exercises_of: dict[str, dict[str, Exercise]] = {}
    for exercise in exercises:
        for position, name in enumerate(exercise.functions):
            file, function = locate_function(name, root)
            if position == 0 and file != exercise.file:
                raise ManifestError(f"{exercise.label}: {name} lies in {file}, not in {exercise.file}")
            exercises_of.setdefault(file, {})[function] = exercise
    return exercises_of


def total_points(exercises: Iterable[Exercise], words: Mapping[str, float] = {}) -> float:
    """The points of a full mark: those of an optional exercise come on top.

    Args:
        exercises: of the manifest.
        words: its points for questions in words.
    """
    return sum(exercise.points for exercise in exercises if not exercise.optional) + sum(words.values())


def suggest(name: str, known: Iterable[str]) -> str:
    """For the end of a message about an unknown name: what to try."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"; try {close[0]}" if close else ""


def learner_manifest(exercises: Iterable[Exercise], root: Path = REPOSITORY) -> str:
    """The text of cs231n/exercises.json, which tells a learner's copy what to check and what to hand in."""
    entries = [
        {
            "number": exercise.number,
            "title": exercise.title,
            "points": exercise.points,
            "section": exercise.section,
            "functions": exercise.functions,
            "files": files_of(exercise, root),
        }
        | ({"optional": True} if exercise.optional else {})
        for exercise in exercises
    ]
    return "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in entries) + "\n]\n"
