"""The list of exercises: which function bodies and notebook cells a learner is to write, for what points."""

import difflib
import json
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = Path(__file__).with_name("exercises.json")


class ManifestError(Exception):
    """The manifest, or a source file it names, is not what it should be; the message says what to change."""


class Exercise(NamedTuple):
    number: int
    title: str
    points: float
    file: str  # of the first function, from the kit's folder
    functions: tuple  # dotted names, "cs231n.layers.affine_backward"; the first is the one checked
    hint: str
    needs: tuple  # numbers of the exercises it builds on
    given: tuple = ()  # code of its solution that the notebooks show on purpose: see leaks.py

    @property
    def label(self):
        return f"Exercise {self.number}: {self.title}"


def load(path=MANIFEST):
    """The exercises in the file at path, in its order. Raises: ManifestError that names the entry."""
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"cannot read the manifest {path}: {error}; try {MANIFEST.relative_to(ROOT)} as a model"
        ) from None
    if not isinstance(entries, list) or not entries:
        raise ManifestError(f"{path.name}: wanted a list of exercises, got {type(entries).__name__}")
    exercises = [_exercise(path.name, position, entry) for position, entry in enumerate(entries, start=1)]
    for field in ("number", "title"):
        values = [getattr(exercise, field) for exercise in exercises]
        for value in values:
            if values.count(value) > 1:
                raise ManifestError(f"{path.name}: two exercises have the {field} {value!r}")
    names = [name for exercise in exercises for name in exercise.functions]
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{path.name}: {name} belongs to two exercises")
    return exercises


def _exercise(manifest, position, entry):
    wanted = {
        "number": int,
        "title": str,
        "points": (int, float),
        "file": str,
        "functions": list,
        "hint": str,
        "needs": list,
        "given": list,
    }
    where = f"{manifest}, entry {position}"
    if not isinstance(entry, dict):
        raise ManifestError(f"{where}: wanted an object with {', '.join(wanted)}, got {entry!r}")
    entry = {"given": [], **entry}
    for key, kind in wanted.items():
        if not isinstance(entry.get(key), kind) or isinstance(entry.get(key), bool):
            kinds = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise ManifestError(f"{where}: {key} must be of type {kinds}, got {entry.get(key)!r}")
    unknown = entry.keys() - wanted.keys()
    if unknown:
        raise ManifestError(f"{where}: no field is called {min(unknown)!r}; it takes {', '.join(wanted)}")
    exercise = Exercise(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})
    if exercise.number < 1 or exercise.points < 0 or not exercise.functions:
        raise ManifestError(
            f"{where}: wanted number >= 1, points >= 0 and at least one function, got "
            f"{exercise.number}, {exercise.points}, {exercise.functions}"
        )
    if any(line != line.strip() or not line.isprintable() for line in (exercise.title, exercise.hint)):
        raise ManifestError(
            f"{where}: title and hint are one line each, got {exercise.title!r}, {exercise.hint!r}"
        )
    return exercise


def source_of(name, root=ROOT):
    """cs231n.classifiers.fc_net.TwoLayerNet.loss -> "cs231n/classifiers/fc_net.py", "TwoLayerNet.loss"."""
    parts = name.split(".")
    for cut in range(1, len(parts)):
        file = "/".join(parts[:cut]) + ".py"
        if (Path(root) / file).is_file():
            return file, ".".join(parts[cut:])
    raise ManifestError(
        f"{name} lies in no file under {root}; try the dotted name from the kit's folder on, "
        "as in cs231n.layers.affine_forward"
    )


def by_file(exercises, root=ROOT):
    """{file: {qualified name: exercise}} for every function of every exercise."""
    found = {}
    for exercise in exercises:
        for position, name in enumerate(exercise.functions):
            file, qualified = source_of(name, root)
            if position == 0 and file != exercise.file:
                raise ManifestError(f"{exercise.label}: {name} lies in {file}, not in {exercise.file}")
            found.setdefault(file, {})[qualified] = exercise
    return found


def nearest(name, names):
    """What to try instead of a name that is not among names, as the end of a message."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0)
    return f"; try {close[0]}" if close else ""


def for_learners(exercises, root=ROOT):
    """The text of cs231n/exercises.json: a learner's copy knows by it what to check and what to hand in."""
    entries = [
        {
            "number": exercise.number,
            "title": exercise.title,
            "functions": exercise.functions,
            "files": sorted({source_of(name, root)[0] for name in exercise.functions}),
        }
        for exercise in exercises
    ]
    return "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in entries) + "\n]\n"
