"""What other graders need to run this assignment; docs/platforms.md says how each is used."""

import json
import re
import secrets

from classroom.manifest import ROOT, by_file
from cs231n.common.files import zip_of


def github(exercises, files, name, root=ROOT):
    """A workflow for the learner's repository, by which GitHub Classroom runs a check for each exercise."""
    steps, results = [], []
    for exercise in exercises:
        step = f"exercise-{exercise.number}"
        steps.append(_STEP.format(step=step, title=exercise.title, points=exercise.points))
        results.append(f'          {step.upper()}_RESULTS: "${{{{ steps.{step}.outputs.result }}}}"')
    runners = ",".join(f"exercise-{exercise.number}" for exercise in exercises)
    return {
        ".github/workflows/classroom.yml": (
            _WORKFLOW + "".join(steps) + _REPORTER.format(results="\n".join(results), runners=runners)
        ).encode()
    }


_WORKFLOW = """name: Autograding Tests
on: [push, workflow_dispatch, repository_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
      - name: Checkout code
        uses: actions/checkout@v4
      - name: Python
        uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: NumPy
        run: pip install "$(sed -n 's/^\\(numpy[^ ]*\\).*/\\1/p' requirements.txt)"
"""

_STEP = """      - name: {title}
        id: {step}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: {title}
          command: python -m cs231n check {title}
          timeout: 2
          max-score: {points}
"""

_REPORTER = """      - name: Autograding Reporter
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}
        with:
          runners: {runners}
"""


def gradescope(exercises, files, name, root=ROOT):
    """The autograder: the solved kit with the classroom, what installs it, and what grades one submission."""
    kit = [
        path
        for pattern in ("cs231n/**/*", "classroom/**/*")
        for path in root.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    ]
    packed = {f"kit/{path.relative_to(root).as_posix()}": path.read_bytes() for path in kit}
    packed["kit/manifest.json"] = _manifest(exercises)
    packed["requirements.txt"] = (
        "".join(
            f"{line}\n"
            for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
            if re.match(r"(numpy|matplotlib|tqdm)\b", line)
        ).encode()
        + b"jinja2>=3,<4\n"
    )
    packed["config.json"] = json.dumps({"seed": secrets.randbelow(2**32)}).encode() + b"\n"
    packed["setup.sh"], packed["run_autograder"] = _SETUP.encode(), _RUN.encode()
    return packed


def _manifest(exercises):
    return (json.dumps([exercise._asdict() for exercise in exercises], indent=1) + "\n").encode()


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
    --executor serial
cp "$work/out/students/student/results.json" "$base/results/results.json"
"""


def nbgrader(exercises, files, name, root=ROOT):
    """A course: the learner's files as the source of the assignment, a notebook of checks, settings."""
    books = {path: content for path, content in files.items() if path.endswith(".ipynb")}
    course = {f"source/{name}/{path}": content for path, content in files.items() if path not in books}
    course[f"source/{name}/notebooks.zip"] = zip_of(books)  # nbgrader hands out no notebook of a subfolder
    course[f"source/{name}/checks.ipynb"] = _checks_notebook(exercises)
    kept = sorted(by_file(exercises, root))
    course["nbgrader_config.py"] = _CONFIG.format(name=name, kept=json.dumps(kept, indent=4)).encode()
    return course


_CONFIG = """c = get_config()

c.CourseDirectory.course_id = "cs231n"
# What students write, and autograde must not put back to what it was.
c.Autograde.exclude_overwriting = {{"{name}": {kept}}}
c.GenerateAssignment.permissions = 755      # learners are to run setup.sh
c.ExecutePreprocessor.timeout = 120
"""


def _checks_notebook(exercises):
    cells = [
        _cell(
            "markdown",
            "about",
            "# Checks\n\nWrite your functions in `cs231n/`, then run this "
            "notebook. Each cell checks one exercise, and says what seems to be wrong with it.",
        )
    ]
    for exercise in exercises:
        cells.append(
            _cell(
                "code",
                f"exercise-{exercise.number}",
                f'from cs231n.checks import check\n\nassert check("{exercise.title}")',
                grade=True,
                points=exercise.points,
            )
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1).encode() + b"\n"


def _cell(kind, grade_id, source, grade=False, points=0):
    marks = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": True,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    cell = {
        "cell_type": kind,
        "id": grade_id,
        "source": source.splitlines(keepends=True),
        "metadata": {"nbgrader": marks | ({"points": points} if grade else {})},
    }
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


# Where each one's files go: into the learner's folder, into a zip beside it, into a folder beside it.
PLATFORMS = {
    "github": (github, "inside"),
    "gradescope": (gradescope, "zip"),
    "nbgrader": (nbgrader, "folder"),
}
EXECUTABLE = ("setup.sh", "run_autograder")
