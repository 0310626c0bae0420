"""What other graders need to run this assignment (docs/platforms.md), and its site (docs/classroom.md).

Each of the functions *_files takes the exercises, the learner's edition {path: content}, the name of its
folder and the kit's folder, and returns {path: content} of what that platform needs.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from classroom.manifest import Exercise, ManifestError, files_of
from cs231n.common.files import zip_of

__all__ = ["EXECUTABLE", "PLATFORMS", "Platform", "PlatformError"]

EXECUTABLE = ("setup.sh", "run_autograder")
Files = dict[str, bytes]


class PlatformError(Exception):
    """What a platform needs cannot be made."""


def github_files(exercises: Sequence[Exercise], files: Mapping[str, bytes], name: str, root: Path) -> Files:
    """A workflow for the learner's repository: GitHub runs a check for each exercise after each push."""
    return {
        ".github/workflows/checks.yml": _WORKFLOW.encode(),
        ".github/check_exercises.py": (root / _CHECK_EXERCISES).read_bytes(),
    }


_CHECK_EXERCISES = "classroom/releasing/check_exercises.py"
_WORKFLOW = """name: Checks
on: [push, workflow_dispatch]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v7
      - uses: actions/setup-python@v7
        with:
          python-version: "3.12"
      - run: python .github/check_exercises.py
"""


def classroom50_files(
    exercises: Sequence[Exercise], files: Mapping[str, bytes], name: str, root: Path
) -> Files:
    """The autograder of an assignment of Classroom 50: anyone may read it, so it holds no solution."""
    for exercise in exercises:
        if not isinstance(exercise.points, int):
            raise ManifestError(
                f"{exercise.label} has {exercise.points} points, and Classroom 50 counts whole ones; "
                "try: whole points in the manifest"
            )
    kit = {f"kit/{path}": files[path] for path in files if path.startswith("cs231n/")}
    kit["kit/requirements.txt"] = files["requirements.txt"]
    return kit | {"autograder.py": (root / _CHECK_EXERCISES).read_bytes()}


def gradescope_files(
    exercises: Sequence[Exercise], files: Mapping[str, bytes], name: str, root: Path
) -> Files:
    """The autograder: the solved kit with the classroom, what installs it, and what grades one submission."""
    kit = [
        path
        for pattern in ("cs231n/**/*", "classroom/**/*")
        for path in root.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    ]
    packed = {f"kit/{path.relative_to(root).as_posix()}": path.read_bytes() for path in kit}
    entries = [exercise._asdict() for exercise in exercises]
    packed["kit/manifest.json"] = json.dumps(entries, indent=1).encode() + b"\n"
    requirements = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = [line for line in requirements if re.match(r"(numpy|matplotlib|tqdm)\b", line)]
    packed["requirements.txt"] = "".join(f"{line}\n" for line in [*needed, "jinja2>=3,<4"]).encode()
    packed["config.json"] = json.dumps({"seed": secrets.randbits(128)}).encode() + b"\n"
    packed["setup.sh"], packed["run_autograder"] = _SETUP.encode(), _RUN.encode()
    return packed


_SETUP = """#!/usr/bin/env bash
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install -r /autograder/source/requirements.txt
"""

_RUN = """#!/usr/bin/env bash
set -euo pipefail
base=${AUTOGRADER:-/autograder}
work=$(mktemp -d)
mkdir -p "$work/in" "$work/out" "$base/results"
cp -R "$base/submission" "$work/in/student"
cp "$base/source/config.json" "$work/out/grading.json"
chmod 700 "$base/source" "$base/submission" "$base/results"     # should limits be all that a sandbox has
cd "$base/source/kit"
"$base/venv/bin/python" -m classroom grade "$work/in" -o "$work/out" --manifest manifest.json \\
    --executor serial --unsafe      # bubblewrap where the container lets it start
cp "$work/out/students/student/results.json" "$base/results/results.json"
"""


def nbgrader_files(exercises: Sequence[Exercise], files: Mapping[str, bytes], name: str, root: Path) -> Files:
    """A course: the learner's files as the source of the assignment, a notebook of checks, settings."""
    notebooks = {path: content for path, content in files.items() if path.endswith(".ipynb")}
    course = {f"source/{name}/{path}": content for path, content in files.items() if path not in notebooks}
    course[f"source/{name}/notebooks.zip"] = zip_of(notebooks)  # nbgrader hands out none of a subfolder
    course[f"source/{name}/checks.ipynb"] = _checks_notebook(exercises)
    own_files = sorted({file for exercise in exercises for file in files_of(exercise, root)})
    config = _CONFIG.format(name=name, own_files=json.dumps(own_files, indent=4))
    course["nbgrader_config.py"] = config.encode()
    return course


_CONFIG = """c = get_config()

c.CourseDirectory.course_id = "cs231n"
# What students write, and autograde must not put back to what it was.
c.Autograde.exclude_overwriting = {{"{name}": {own_files}}}
c.GenerateAssignment.permissions = 755      # learners are to run setup.sh
c.ExecutePreprocessor.timeout = 120
"""


def _checks_notebook(exercises: Sequence[Exercise]) -> bytes:
    about = (
        "# Checks\n\nWrite your functions in `cs231n/`, then run this notebook. Each cell checks one "
        "exercise, and says what seems to be wrong with it."
    )
    cells = [_cell("markdown", "about", about)]
    for exercise in exercises:
        call = f'check("{exercise.title}")'
        call = f"{call}  # optional: no points here" if exercise.optional else f"assert {call}"
        points = None if exercise.optional else exercise.points
        source = f"from cs231n.checks import check\n\n{call}"
        cells.append(_cell("code", f"exercise-{exercise.number}", source, points))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1).encode() + b"\n"


def _cell(kind: str, grade_id: str, source: str, points: float | None = None) -> dict[str, Any]:
    """A locked cell in nbgrader's format; one with points is graded."""
    nbgrader: dict[str, Any] = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": True,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    if points is not None:
        nbgrader["points"] = points
    cell = {
        "cell_type": kind,
        "id": grade_id,
        "source": source.splitlines(keepends=True),
        "metadata": {"nbgrader": nbgrader},
    }
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def web_files(exercises: Sequence[Exercise], files: Mapping[str, bytes], name: str, root: Path) -> Files:
    """The learner's site: what `python -m cs231n web` writes in the learner's folder.

    Raises:
        PlatformError: the command fails; it has printed why.
    """
    with tempfile.TemporaryDirectory() as temporary:
        kit, site = Path(temporary, "kit"), Path(temporary, "site")
        for path, content in files.items():
            (kit / path).parent.mkdir(parents=True, exist_ok=True)
            (kit / path).write_bytes(content)
        env = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
        command = [sys.executable, "-m", "cs231n", "web", str(site)]
        if subprocess.run(command, cwd=kit, env=env, stdout=subprocess.DEVNULL).returncode:
            raise PlatformError("the site cannot be made, for the reason above; nothing was written")
        paths = [path for path in site.rglob("*") if path.is_file()]
        return {path.relative_to(site).as_posix(): path.read_bytes() for path in paths}


class Platform(NamedTuple):
    """What a release makes for a platform, and where it puts that."""

    make_files: Callable[[Sequence[Exercise], Mapping[str, bytes], str, Path], Files]
    place: str  # "inside" the learner's folder; a "zip" or a "folder" next to it


PLATFORMS = {
    "classroom50": Platform(classroom50_files, "folder"),
    "github": Platform(github_files, "inside"),
    "gradescope": Platform(gradescope_files, "zip"),
    "nbgrader": Platform(nbgrader_files, "folder"),
    "web": Platform(web_files, "folder"),
}
