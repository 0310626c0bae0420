"""What the tests of the grader share: submissions made of the solved kit, of its blanks, and of changes."""

import os
import zipfile
from pathlib import Path

from classroom.grading.marking import Setting, mark, wanted_files
from classroom.grading.submission import Submission
from classroom.manifest import ROOT, by_file, load
from classroom.releasing.blanks import blank_functions
from classroom.sandbox.process import Limits

HOSTILE = ROOT / "tests" / "classroom" / "hostile"
EXERCISES = tuple(load())
FILES = wanted_files(EXERCISES)
LAYERS, OPTIM = "cs231n/layers.py", "cs231n/optim.py"
WRONG_ALT = (LAYERS, "dx = gamma * inv_std * (dout - dbeta / N -", "dx = gamma * inv_std * (dout -")
# Memory enough for numpy, a second or two for what ends at once, and time for a machine that is busy.
BRIEF = Limits(seconds=2, cpu=8, memory=1 << 30)


def solved():
    return {file: (ROOT / file).read_text() for file in FILES}


def blank():
    blanks = by_file(EXERCISES)
    return {file: blank_functions(file, (ROOT / file).read_bytes(), blanks[file]).decode() for file in FILES}


def changed(files, *changes):
    """files with each (file, old, new) replaced, once and not in vain."""
    files = dict(files)
    for file, old, new in changes:
        assert files[file].count(old) == 1, f"{old!r} is in {file} {files[file].count(old)} times"
        files[file] = files[file].replace(old, new)
    return files


def hostile(name, **values):
    """The learner's files, nothing solved, with tests/hostile/NAME.py behind the layers."""
    files, source = blank(), (HOSTILE / f"{name}.py").read_text()
    for key, value in values.items():
        assert f"{key} = None" in source
        source = source.replace(f"{key} = None", f"{key} = {value!r}")
    files[LAYERS] += f"\n\n{source}"
    return files


def marked(files, level=None, limits=BRIEF, only=None):
    """{title: Attempt} of a submission of files, at one level of the sandbox; of those in only."""
    submission = Submission(files, {file: f"{file} is missing" for file in FILES if file not in files}, [])
    exercises = tuple(exercise for exercise in EXERCISES if only is None or exercise.title in only)
    attempts, _ = mark(submission, Setting(exercises, 7, limits), level)
    return {exercise.title: attempts[exercise.number] for exercise in exercises}


def shares(attempts):
    """Of the attempts, those that earn something."""
    return {title: attempt.share for title, attempt in attempts.items() if attempt.share}


def wrong(attempts):
    """Of the attempts, why those are not right that are not."""
    return {title: attempt.kind for title, attempt in attempts.items() if attempt.share < 1}


def zipped(path, files, top=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(top + name, content)
    return path


def alive(marker):
    """The processes whose command line holds marker."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if marker in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            pass
    return found
