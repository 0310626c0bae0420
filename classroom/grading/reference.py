"""What the grader takes from the solved kit: the files that a child needs, problems, and right outputs."""

import ast
import functools
import hashlib
import importlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from classroom.manifest import Exercise, files_of, functions_by_file
from classroom.releasing.blanks import blank_functions, withhold_bodies
from cs231n.checking import answers
from cs231n.checking.compare import allclose
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.problems import list_public_problems, make_problem, run
from cs231n.common.files import REPOSITORY

__all__ = ["Trial", "agrees", "child_files", "import_closure", "make_trials", "submitted_files"]

HIDDEN_SHAPES = [
    shape for shape in itertools.permutations(range(3, 10), 2) if shape != (7, 5)
]  # the public one
NUM_HIDDEN = 3  # problems of other seeds and shapes, and one more for each situation of the exercise
EXERCISE_FILES = REPOSITORY / "cs231n/checking/exercises"
# Besides the files with exercises: nothing that could differentiate numerically, and no answers.
CHILD_MODULES = (
    "cs231n/__init__.py",
    "cs231n/classifiers/__init__.py",
    *(f"cs231n/contracts/{path.name}" for path in sorted((REPOSITORY / "cs231n/contracts").glob("*.py"))),
    "cs231n/checking/__init__.py",
    *(f"cs231n/checking/exercises/{path.name}" for path in sorted(EXERCISE_FILES.glob("*.py"))),
    "cs231n/checking/learner_code.py",
    "cs231n/checking/problems.py",
)


def submitted_files(exercises: Iterable[Exercise]) -> tuple[str, ...]:
    """The files that a student hands in, in the order of the exercises."""
    return tuple(dict.fromkeys(file for exercise in exercises for file in files_of(exercise)))


@functools.lru_cache(64)
def child_files(exercises: tuple[Exercise, ...], solved: tuple[Exercise, ...]) -> Mapping[str, bytes]:
    """{path: source} of the kit for a child: `exercises` are blank but for those in `solved`."""
    blanks = functions_by_file([exercise for exercise in exercises if exercise not in solved])
    called = [f"{EXERCISES[exercise.title].module.replace('.', '/')}.py" for exercise in exercises]
    sources = {}
    for file in dict.fromkeys((*CHILD_MODULES, *import_closure((*submitted_files(exercises), *called)))):
        source = (REPOSITORY / file).read_bytes()
        source = withhold_bodies(file, source, exercises)
        sources[file] = blank_functions(file, source, blanks.get(file, {}))
    return sources


@functools.lru_cache(8)
def import_closure(files: tuple[str, ...]) -> tuple[str, ...]:
    """`files`, those of the repository that they import at the top, those that these import, and so on."""
    paths, pending = dict.fromkeys(files), list(files)
    while pending:
        for node in ast.parse((REPOSITORY / pending.pop()).read_bytes()).body:
            module = isinstance(node, ast.ImportFrom) and node.module or ""
            if isinstance(node, ast.ImportFrom) and module.startswith(("cs231n", "classroom")):
                for name in (module, *(f"{module}.{alias.name}" for alias in node.names)):
                    for path in (f"{name.replace('.', '/')}{end}" for end in (".py", "/__init__.py")):
                        if path not in paths and (REPOSITORY / path).is_file():
                            paths[path] = None
                            pending.append(path)
    return tuple(paths)


def _digest(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest(), "big")


def agrees(actual: Any, expected: Any) -> bool:
    """Whether an array is right: its shape, its dtype unless it is a scalar, and its values."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    return (actual.dtype == expected.dtype or not expected.ndim) and allclose(actual, expected)


class Trial(NamedTuple):
    """One problem of an exercise."""

    inputs: dict[str, Any]
    expected: dict[str, np.ndarray]  # what the reference makes of them
    is_public: bool  # every learner can see it
    is_large: bool
    situation: str = ""  # of the exercise, or "" for the main one
    repeated: frozenset[str] = frozenset()  # arrays of expected that only repeat an input


@functools.lru_cache(256)
def make_trials(title: str, seed: int) -> tuple[Trial, ...]:
    """The problems that an exercise is tried on: public ones, then hidden ones, then a large one.

    One hidden problem says nothing about another: each has its own seed, a digest of the seed.

    Args:
        title: of the exercise, a key of EXERCISES.
        seed: the seed of the hidden problems of the class.
    """
    exercise = EXERCISES[title]
    public = [(number, None, situation, None) for number, situation in list_public_problems(title)]
    hidden: list[tuple[int, tuple[int, int] | None, str, int | None]] = []
    for number, situation in enumerate((*[""] * NUM_HIDDEN, *exercise.situations)):
        shape = HIDDEN_SHAPES[_digest(seed, title, number, "shape") % len(HIDDEN_SHAPES)]
        variant = number % len(exercise.variants) if exercise.variants and not situation else None
        hidden.append((_digest(seed, title, number), shape, situation, variant))
    large = [(_digest(seed, title, "large"), exercise.large, "", None)] if exercise.large else []
    module = importlib.import_module(exercise.module)
    trials = []
    for problem in (*public, *hidden, *large):
        inputs = make_problem(title, *problem)
        expected = run(title, module, inputs)
        if problem not in large:  # in the order of the definition, by which a diagnosis names what is first
            expected = {key: expected[key] for key in answers.for_(title).expected(inputs, expected)}
        repeated = [k for k, right in expected.items() if any(agrees(right, i) for i in inputs.values())]
        kind = problem in public, problem in large, problem[2]
        trials.append(Trial(inputs, expected, *kind, frozenset(repeated)))
    return tuple(trials)
