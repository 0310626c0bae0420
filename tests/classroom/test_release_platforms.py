"""What a release makes for other graders, and that it runs as they would run it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from classroom.manifest import load
from tests.support.releases import ROOT, SOLVED, command, remember

remembered = pytest.fixture(autouse=True, scope="module")(remember)


def test_github_gets_a_workflow_with_a_step_for_each_exercise(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter")
    assert command(tmp_path / "learner", "--for", "github") == 0
    workflow = yaml.safe_load((tmp_path / "learner/.github/workflows/classroom.yml").read_text())
    steps = workflow["jobs"]["run-autograding-tests"]["steps"]
    graded = [step for step in steps if "max-score" in step.get("with", {})]
    assert sum(step["with"]["max-score"] for step in graded) == 100
    assert [step["with"]["command"].split()[-1] for step in graded] == [exercise.title for exercise in load()]
    assert steps[-1]["with"]["runners"].split(",") == [step["id"] for step in graded]
    assert set(steps[-1]["env"]) == {f"{step['id'].upper()}_RESULTS" for step in graded}
    pinned = subprocess.run(
        ["bash", "-c", steps[2]["run"].replace("pip install", "echo")],
        cwd=tmp_path / "learner",
        capture_output=True,
        text=True,
    ).stdout
    assert pinned.startswith("numpy>=2")


def test_gradescope_gets_an_autograder_and_the_learner_does_not(tmp_path):
    assert command(tmp_path / "learner", "--for", "gradescope") == 0
    with zipfile.ZipFile(tmp_path / "learner-gradescope.zip") as archive:
        names = set(archive.namelist())
        assert {
            "setup.sh",
            "run_autograder",
            "config.json",
            "kit/cs231n/layers.py",
            "kit/classroom/grading/grade.py",
        } <= names
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o100755
        assert json.loads(archive.read("config.json"))["seed"] >= 0
    with zipfile.ZipFile(tmp_path / "learner.zip") as archive:
        assert not any("classroom" in name for name in archive.namelist())


# Of what Gradescope documents for results.json.
READ = {
    "score",
    "execution_time",
    "output",
    "output_format",
    "visibility",
    "stdout_visibility",
    "extra_data",
    "tests",
}
READ_OF_A_TEST = {
    "score",
    "max_score",
    "status",
    "name",
    "number",
    "output",
    "output_format",
    "tags",
    "visibility",
    "extra_data",
}


def test_the_autograder_of_gradescope_runs(tmp_path):
    assert command(tmp_path / "learner", "--for", "gradescope") == 0
    base = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "learner-gradescope.zip") as archive:
        archive.extractall(base / "source")
    (base / "venv" / "bin").mkdir(parents=True)
    (base / "venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (base / "venv" / "bin" / "python").chmod(0o755)
    for name in SOLVED:
        (base / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, base / "submission" / name)
    shutil.copy(base / "source" / "run_autograder", base)  # as Gradescope does
    told = subprocess.run(
        ["bash", base / "run_autograder"],
        capture_output=True,
        text=True,
        cwd=base,
        env=os.environ | {"AUTOGRADER": str(base)},
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    results = json.loads((base / "results" / "results.json").read_text())
    assert results.keys() == READ
    assert results["score"] == sum(test["score"] for test in results["tests"]) == 100
    assert all(test.keys() == READ_OF_A_TEST and test["status"] == "passed" for test in results["tests"])
    # A child that only limits confine runs as another user than root: it must not read the solutions.
    assert {folder.stat().st_mode & 0o777 for folder in (base / "source", base / "submission")} == {0o700}


def test_nbgrader_gets_a_course_in_which_students_files_are_kept(tmp_path):
    assert command(tmp_path / "ps", "--for", "nbgrader") == 0
    course = tmp_path / "ps-nbgrader"
    config = {}
    exec(
        (course / "nbgrader_config.py").read_text(),
        {
            "get_config": lambda: argparse.Namespace(
                CourseDirectory=argparse.Namespace(),
                Autograde=argparse.Namespace(),
                GenerateAssignment=argparse.Namespace(),
                ExecutePreprocessor=argparse.Namespace(),
            )
        },
        config,
    )
    kept = config["c"].Autograde.exclude_overwriting["ps"]
    assert set(kept) == set(SOLVED) and all((course / "source" / "ps" / name).is_file() for name in kept)
    learner = tmp_path / "ps" / "cs231n" / "layers.py"
    assert (course / "source" / "ps" / "cs231n" / "layers.py").read_bytes() == learner.read_bytes()
    with zipfile.ZipFile(course / "source" / "ps" / "notebooks.zip") as archive:
        assert len(archive.namelist()) == 4
    cells = json.loads((course / "source" / "ps" / "checks.ipynb").read_text())["cells"]
    assert sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in cells) == 100
