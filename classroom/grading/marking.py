"""One submission marked: its functions run in children, what they return is compared here.

The student's code sees inputs and nothing else. This process never imports it; it computes what is right
with the solved kit, and asks cs231n.checking.diagnosis why an answer is not.

An exercise that builds on others is tried first with the student's own. If that is not all right and one of
those is not right either, it is tried again with the reference's in their place (follow-through), and the
better of the two counts. A backward pass is then given the cache of the reference's forward, whose fields
are those that the kit's docstrings and cache classes name.
"""

import ast
import builtins
import functools
import importlib
import re
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classroom.manifest import ROOT, by_file, source_of
from classroom.releasing.blanks import blank_functions, is_blank
from classroom.sandbox.process import Child, Ended, Limits, TimedOut, best_level, folder_for
from cs231n.checking import answers
from cs231n.checking.diagnosis import diagnose
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.imports import import_error_message
from cs231n.checking.problems import make_problem, run

__all__ = ["Attempt", "Setting", "imported", "mark", "wanted_files"]

PUBLIC_SEEDS = (0, 1)  # those of a learner's own check begin so
HIDDEN = 3  # problems of other seeds and shapes
# Another hidden one, so large that to difference the student's own forward, entry by entry, takes too long:
# and long where entries hang on each other, so that one evaluation for many of them is little help.
LARGE = {name: exercise.large for name, exercise in EXERCISES.items() if exercise.large}
# Beside the files with exercises: nothing that could differentiate numerically, and no definition.
NEEDED = (
    "cs231n/__init__.py",
    "cs231n/classifiers/__init__.py",
    *(
        f"cs231n/contracts/{name}.py"
        for name in ("__init__", "require", "shapes", "takes", "update_rule", "variance")
    ),
    "cs231n/checking/__init__.py",
    "cs231n/checking/exercises.py",
    "cs231n/checking/learner_code.py",
    "cs231n/checking/problems.py",
)
RTOL, ATOL = 1e-6, 1e-8  # as cs231n.checking.diagnosis has them; ATOL is relative to the largest entry

# As cs231n.checks says it, and what is said where the student's own words are not to be shown.
MISUSES = {
    "InputChanged": ("writes-into-input", "It writes into one of its arguments"),
    "WrongReturn": ("wrong-return", "It returns something other than the arrays it should"),
}
# What Python says of an import that finds nothing.
NOT_THERE = re.compile(r"No module named '([\w.]+)'$|cannot import name '(\w+)' from 'cs231n' ")


class Setting(NamedTuple):
    exercises: tuple  # of manifest.Exercise
    seed: int  # of the hidden problems
    limits: Limits = Limits()
    least: str = "limits"  # the weakest level of sandbox.LEVELS that will do
    hidden: tuple = ()  # folders that no student may see


class Attempt(NamedTuple):
    share: float  # of the points, 0 to 1
    kind: str = "right"  # or why not: "not-implemented", "timed-out", ..., or a misconception's
    text: str = ""  # the same for a person
    followed: tuple = ()  # the titles of exercises for which the reference's stood in


def wanted_files(exercises):
    """The files that a student hands in, in the order of the exercises."""
    return tuple(by_file(exercises))


def mark(submission, setting, level=None):
    """submission.Submission -> ({exercise number: Attempt}, the level of the sandbox).

    Raises: OSError if there is no sandbox as strong as the setting asks for.
    """
    level = level or best_level(setting.least)
    attempts, unusable = {}, set()  # unusable: files that are not there, or cannot be imported
    end = time.monotonic() + setting.limits.total
    own = _Runner(edition(setting.exercises, ()) | submission.files, level, setting, end)
    try:
        for exercise in setting.exercises:
            unread = submission.problems.get("") or submission.problems.get(exercise.file)
            attempts[exercise.number] = (
                Attempt(0.0, "missing", unread) if unread else own.attempt(exercise, {})
            )
            if unread or own.cannot_import(exercise.file):
                unusable.add(exercise.file)
    finally:
        own.close()
    by_number = {exercise.number: exercise for exercise in setting.exercises}
    for exercise in setting.exercises:
        first = attempts[exercise.number]
        weak = [by_number[n] for n in exercise.needs if n in by_number and attempts[n].share < 1]
        if first.share == 1 or first.kind in ("not-implemented", "missing") or not weak:
            continue
        file, name = source_of(exercise.functions[0])
        if is_blank(submission.files.get(file, ""), name, exercise):
            continue  # blank: the reference's help cannot make it right
        if exercise.file in unusable and exercise.file in {needed.file for needed in weak}:
            continue  # its own file is at fault, not one that it imports
        second = _with_reference(exercise, submission, level, setting, end)
        if second.share > first.share:
            attempts[exercise.number] = second._replace(followed=tuple(needed.title for needed in weak))
    return attempts, level


def _with_reference(exercise, submission, level, setting, end):
    """The files of the exercise are the student's, but for the functions it needs; others the reference's."""
    own = {source_of(name)[0] for name in exercise.functions}
    needed = tuple(e for e in setting.exercises if e.number in exercise.needs)
    files = edition(setting.exercises, needed)
    reference = {}
    for file, functions in by_file(needed).items():
        if file in own:
            copy = f"reference_{len(reference)}.py"
            reference[file] = dict.fromkeys(functions, copy)
            files[copy] = files[file]
    files |= {file: source for file, source in submission.files.items() if file in own}
    runner = _Runner(files, level, setting, end, followed=True)
    try:
        return runner.attempt(exercise, reference.get(exercise.file, {}))
    finally:
        runner.close()


def edition(exercises, kept):
    """{path: source} of the kit for a child, with all of exercises blank but those kept."""
    return dict(_edition(exercises, kept))


@functools.lru_cache(64)
def _edition(exercises, kept):
    blanks = by_file([exercise for exercise in exercises if exercise not in kept])
    found = {}
    for file in dict.fromkeys((*NEEDED, *imported(wanted_files(exercises)))):
        source = (ROOT / file).read_bytes()
        found[file] = blank_functions(file, source, blanks[file]) if file in blanks else source
    return found


def imported(files):
    """files, and those of the repository that they import at the top, and so on."""
    found, left = dict.fromkeys(files), list(files)
    while left:
        for node in ast.parse((ROOT / left.pop()).read_bytes()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("cs231n", "classroom")):
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    path = name.replace(".", "/") + ".py"
                    if path not in found and (ROOT / path).is_file():
                        found[path] = None
                        left.append(path)
    return tuple(found)


class _Runner:
    """A child over files, and another once one has ended, so that one exercise cannot take others along.

    end, of time.monotonic(), is when the submission's time is over. followed says that files hold some of
    the reference: then no word and no number that the student's code chose is reported.
    """

    def __init__(self, files, level, setting, end, followed=False):
        self._setting, self._level, self._end, self._followed = setting, level, end, followed
        self._child, self._loaded, self._failed = None, {}, {}
        self._context = folder_for(files)
        self._folder = self._context.__enter__()

    def close(self):
        self._end_child()
        self._context.__exit__(None, None, None)

    def _end_child(self):
        if self._child is not None:
            self._child.close()
            self._child = None

    def _start(self):
        """A child, and in it what the one before it had loaded, unless there is one."""
        if self._child is None:
            self._child = Child(self._folder, self._level, self._setting.limits, self._setting.hidden)
            for load in self._loaded.values():
                self._ask(load, self._deadline())

    def _deadline(self):
        return min(time.monotonic() + self._setting.limits.seconds, self._end)

    def _ask(self, request, deadline):
        try:
            return self._child.ask(request, deadline)
        except Ended:
            self._end_child()
            raise

    def _reply(self, request, exercise, deadline, public):
        """What came back, or the Attempt that it makes of the exercise."""
        try:
            reply = self._ask(request, deadline)
        except Ended as error:
            return self._ended(error)
        if "error" in reply:
            lines = () if self._followed else {Path(f).name for f in wanted_files(self._setting.exercises)}
            return _raised(reply["error"], exercise, self._setting.exercises, public, lines)
        return reply

    def _ended(self, error):
        if isinstance(error, TimedOut):
            return self._too_late() or Attempt(
                0.0, "timed-out", f"{str(error).capitalize()}: a loop without end?"
            )
        return Attempt(0.0, "crashed", f"{str(error).capitalize()}.")

    def _too_late(self):
        if time.monotonic() >= self._end:
            return Attempt(
                0.0,
                "timed-out",
                f"The {self._setting.limits.total:g} seconds for all of the submission were used up.",
            )

    def cannot_import(self, file):
        return file.removesuffix(".py").replace("/", ".") in self._failed

    def attempt(self, exercise, reference):
        """One exercise tried -> Attempt. What the grader cannot cope with costs this exercise alone."""
        try:
            return self._too_late() or self._attempt(exercise, reference)
        except OSError:  # no child could be started: not the student's fault
            raise
        except Exception as error:
            return Attempt(
                0.0,
                "unmarkable",
                f"It could not be marked ({type(error).__name__}); ask for it to be looked at.",
            )

    def _attempt(self, exercise, reference):
        try:
            self._start()
        except Ended as error:  # a file that could be imported before
            return self._ended(error)
        deadline = self._deadline()
        module = EXERCISES[exercise.title].module
        if module not in self._loaded and module not in self._failed:
            request = {"load": module, "reference": reference}
            reply = self._reply(request, exercise, deadline, not self._followed)
            if isinstance(reply, Attempt):
                kind = "no-import" if reply.kind == "raised" else reply.kind
                text = f"{exercise.file} cannot be imported. {reply.text}"
                self._failed[module] = Attempt(0.0, kind, text)
            else:
                self._loaded[module] = request
        if module in self._failed:
            return self._failed[module]

        earned, repeats, doubt = {}, set(), None
        for i, (inputs, right) in enumerate(trials(exercise.title, self._setting.seed)):
            public = i < len(PUBLIC_SEEDS) and not self._followed
            request = {"exercise": exercise.title, "module": module, "inputs": inputs}
            reply = self._reply(request, exercise, deadline, public)
            if isinstance(reply, Attempt):
                return reply
            got = _arrays(reply.get("got"), right)
            large = i >= len(PUBLIC_SEEDS) + HIDDEN
            doubt = doubt or (_large if large else explain)(exercise.title, inputs, got, right, public)
            adopt = answers.for_(exercise.title).adopt_masks
            right = adopt(inputs, got, right) if adopt else right
            for name, value in right.items():
                # The arrays of dropout hang on one mask, which is the student's choice: all of them or none.
                good = (
                    doubt is None
                    or not EXERCISES[exercise.title].all_or_nothing
                    and name in got
                    and agrees(got[name], value)
                )
                earned[name] = earned.get(name, True) and good
                if any(agrees(value, given) for given in inputs.values()):
                    repeats.add(name)
        if doubt is None:
            return Attempt(1.0)
        return Attempt(_share(earned, repeats, EXERCISES[exercise.title].weight), *doubt)


def _share(earned, repeats, weight):
    """The share of the points. An array that only repeats an input earns nothing, but costs when wrong."""
    counted = {name: weight(name) for name in earned if name not in repeats or not earned[name]}
    return sum(points * earned[name] for name, points in counted.items()) / sum(counted.values())


@functools.lru_cache(256)
def trials(title, seed):
    """[(inputs, what the reference makes of them)]: the public problems, the hidden ones of seed, a large."""
    rng = np.random.RandomState(seed)
    asked = [(public, None) for public in PUBLIC_SEEDS]
    for _ in range(HIDDEN):
        N, D = rng.choice(np.arange(3, 10), 2, replace=False)
        asked.append((int(rng.randint(2**31)), (int(N), int(D))))
    if title in LARGE:
        asked.append((int(rng.randint(2**31)), LARGE[title]))
    module = importlib.import_module(EXERCISES[title].module)
    found = []
    for one, shape in asked:
        inputs = make_problem(title, one, shape)
        found.append((inputs, run(title, module, inputs)))
    return found


def agrees(got, right):
    """As diagnose compares: the order of a sum may differ, the dtype may not."""
    got, right = np.asarray(got), np.asarray(right)
    if got.shape != right.shape or got.dtype != right.dtype and right.ndim:
        return False
    return bool(np.allclose(got, right, rtol=RTOL, atol=ATOL * np.abs(right).max(initial=1e-3)))


def explain(title, inputs, got, right, public=True):
    """None if got is right, else (kind, text): what the kit's own diagnosis makes of it.

    Numbers are shown of a public problem alone: on another the student's code could choose them to tell.
    """
    try:
        with np.errstate(all="ignore"):
            found = diagnose(title, inputs, got, right)
    except Exception as error:  # whatever a student sends, the others are still to be marked
        return "unknown", f"Wrong, and in a way that cannot be compared ({type(error).__name__})."
    if found and not public:
        found = found._replace(
            sentence=re.sub(r"\d[\d.e+-]{2,}", "(not shown)", found.sentence),
            worst="The entries of this problem are not shown",
        )
    return found and (found.kind, clean(str(found), 2000))


def _large(title, inputs, got, right, public=False):
    """As explain, but only whether it is right: to look for a misconception there would take too long."""
    wrong = [name for name in right if name not in got or not agrees(got[name], right[name])]
    return (
        ("unknown", f"{', '.join(wrong)}: right on small problems, wrong on one of shape {LARGE[title]}.")
        if wrong
        else None
    )


def _arrays(got, reference_gives):
    """Of what a child sent, the arrays that are asked for."""
    if not isinstance(got, dict):
        return {}
    return {
        name: got[name]
        for name in reference_gives
        if isinstance(got.get(name), np.ndarray) and got[name].dtype.kind in "biuf"
    }


def _raised(error, exercise, exercises, public, files):
    """What a child says about an error -> Attempt. It is a student's text: any value may be of any type.

    Unless the problem is a public one, the type and a line of files is all that is passed on.
    """
    kind, message, file, line = (
        error.get(k) if isinstance(error, dict) else None for k in ("type", "message", "file", "line")
    )
    kind = kind if isinstance(kind, str) else "an error"
    message = message if isinstance(message, str) else ""
    if kind == "NotImplementedError":
        if message != exercise.label and message in {other.label for other in exercises}:
            return Attempt(0.0, "waits", f"It waits for {message}.")
        return Attempt(0.0, "not-implemented", "Not implemented yet.")
    if kind in MISUSES:
        misuse, said = MISUSES[kind]
        return Attempt(0.0, misuse, clean(f"{message if public else said}."))
    where = f" ({file}, line {line})" if isinstance(file, str) and isinstance(line, int) else ""
    if not public:
        kind = kind if isinstance(getattr(builtins, kind, None), type) else "an error"
        where = where if where and file in files and 0 < line < 10_000 else ""
        return Attempt(0.0, "raised", f"It raised {kind} on a problem that is not shown{where}.")
    absent = NOT_THERE.match(message)
    said = absent and import_error_message(absent[1] or f"cs231n.{absent[2]}")
    if said:
        return Attempt(0.0, "raised", clean(said.removesuffix(".")) + clean(where) + ".")
    return Attempt(0.0, "raised", clean(f"It raised {kind}: {message}") + clean(where))


def clean(text, most=500):
    """A student's text for a report: one line, cut, without what steers a terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:most])
