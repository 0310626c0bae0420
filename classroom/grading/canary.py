"""A test before a class is marked: the kit's own solutions must get all points, and a blank submission none.

They are marked in the sandbox, as the user and with the limits of the class, once in each worker. If the
result is another one, the marks would depend on the machine and not on the student.
"""

import functools
import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classroom.grading.marking import mark
from classroom.grading.reference import (
    agrees,
    child_files,
    import_closure,
    make_trials,
    submitted_files,
)
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import submission_of
from classroom.grading.workers import run_on_each_worker
from classroom.manifest import Exercise
from classroom.sandbox.child import can_import, list_modules
from classroom.sandbox.process import Child, best_level, child_folder, missing_walls
from cs231n.checking import answers
from cs231n.common.files import REPOSITORY

__all__ = [
    "CanaryError",
    "Environment",
    "check_worker",
    "check_workers",
    "digest_of",
    "grader_digest",
]

IMPORT_SECONDS = 60  # of processor time, for all modules
TRIES = {
    "no-import": f"chmod -R a+rX {sys.base_prefix} {Path(np.__file__).parent}, and an open TMPDIR",
    "timed-out": "a machine with less other work, or fewer workers: --executor serial",
    "crashed": "more memory for this machine or container, or fewer workers: --executor serial",
}


class CanaryError(OSError):
    """On this machine the kit's own solutions are not marked as they should be."""


class Environment(NamedTuple):
    """All that marks may depend on besides the submission."""

    level: str  # of the sandbox
    user: int  # of the grader
    umask: int
    python: str
    numpy: str
    machine: str
    missing_walls: str  # of the sandbox, or ""


@functools.lru_cache(4)
def check_worker(options: MarkingOptions, grader: str) -> Environment:
    """Mark the kit's own solutions and a blank submission in this process, once.

    Args:
        options: those of the class.
        grader: the digest that grader_digest gives where the class is handed out.

    Raises:
        CanaryError: another version of the grader runs here, or anything but all points and none came out.
        OSError: there is no sandbox as strong as the options ask for.
    """
    if grader != grader_digest(options.exercises):
        raise CanaryError(
            f"the worker on {platform.node()} has another version of the kit; "
            "try: the same files on all machines, then start the workers again"
        )
    level = best_level(options.weakest_level)
    _compare_with_definitions(options)
    _import_library(options, level)
    for name, solved, share in (("the kit's own solutions", options.exercises, 1), ("a blank file", (), 0)):
        sources = child_files(options.exercises, solved)
        files = {file: sources[file].decode() for file in submitted_files(options.exercises)}
        results, _ = mark(submission_of(files, options.exercises), options, level)
        for exercise in options.exercises:
            result = results[exercise.number]
            if abs(result.share - share) > 1e-9:
                advice = TRIES.get(result.kind, "an unchanged copy of the kit (git status)")
                raise CanaryError(
                    f"nothing is marked, because {name} would get {100 * result.share:g} % for exercise "
                    f"{exercise.number} {exercise.title} in the sandbox ({level}): {result.text or 'right'} "
                    f"Try: {advice}"
                )
    umask = os.umask(0o077)
    os.umask(umask)
    version = platform.python_version()
    user, machine, missing = os.geteuid(), platform.machine(), missing_walls(level)
    return Environment(level, user, umask, version, np.__version__, machine, missing)


def check_workers(executor: Executor, options: MarkingOptions, grader: str) -> list[dict[str, Any]]:
    """Call check_worker in each worker of an executor.

    Returns:
        The environments of the workers, as dicts.

    Raises:
        CanaryError: as check_worker; or the workers would mark at two levels of the sandbox.
    """
    try:
        environments = run_on_each_worker(executor, check_worker, options, grader)
    except BrokenExecutor:
        raise CanaryError(
            "a worker process was ended while it tested this machine; out of memory? try: --executor serial"
        ) from None
    used_levels = sorted({environment.level for environment in environments})
    if len(used_levels) > 1:
        raise CanaryError(
            f"the workers have different sandboxes ({', '.join(used_levels)}); "
            "try: bubblewrap on all of them, or --executor serial"
        )
    return [environment._asdict() for environment in environments]


def _compare_with_definitions(options: MarkingOptions) -> None:
    """Hold the kit's own solutions against the definitions by which `check` judges."""
    for exercise in options.exercises:
        try:
            trials = make_trials(exercise.title, options.seed)
            wrong = [
                name
                for trial in trials
                if not trial.is_large
                for name, array in answers.for_(exercise.title).expected(trial.inputs, trial.expected).items()
                if not agrees(trial.expected[name], array)
            ]
        except Exception as error:  # whatever is in that file
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            raise CanaryError(
                f"nothing is marked, because the kit's own {exercise.title} is wrong ({wrong[0]}); "
                "try: an unchanged copy of the kit (git status)"
            )


def _import_library(options: MarkingOptions, level: str) -> None:
    """Import in a child what this process can import of numpy and the standard library."""
    library = Path(os.__file__).parent
    folders = [folder for folder in sys.path if Path(folder) in (library, library / "lib-dynload")]
    names = [
        name
        for name in list_modules(folders, str(Path(np.__file__).parent))
        if not any(part.startswith("_") for part in name.split("."))
    ]
    with (
        child_folder({}) as folder,
        Child(folder, level, options.limits, options.hidden_folders) as child,
    ):
        for name in child.ask({"import": names}, IMPORT_SECONDS)["failed"]:
            if can_import(name):
                error = child.ask({"load": name, "reference": {}}).get("error", {})
                raise CanaryError(
                    f"nothing is marked, because a child cannot import {name} in the sandbox ({level}): "
                    f"{error.get('type')}: {error.get('message')}; try: {TRIES['no-import']}"
                )


@functools.lru_cache(4)
def grader_digest(exercises: Sequence[Exercise]) -> str:
    """The digest of the grader: its files, and those of the kit that say what is right."""
    roots = ("classroom/grading/grade.py", "classroom/sandbox/child.py", *submitted_files(exercises))
    return digest_of(*((REPOSITORY / file).read_bytes() for file in import_closure(roots)))


def digest_of(*parts: Any) -> str:
    """One digest of several values: bytes, or what repr tells apart."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part if isinstance(part, bytes) else repr(part).encode()).digest())
    return digest.hexdigest()
