"""What a release makes for other graders, and that it runs as they would run it."""

import argparse
import json
import os
import subprocess
import sys
import zipfile

import pytest

from classroom.manifest import load_exercises
from tests.support.releases import command, remembered, solve  # noqa: F401


def test_github_gets_a_workflow_with_a_step_for_each_exercise(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter")
    assert command(tmp_path / "learner", "--for", "github") == 0
    workflow = yaml.safe_load((tmp_path / "learner/.github/workflows/classroom.yml").read_text())
    steps = workflow["jobs"]["run-autograding-tests"]["steps"]
    graded = [step for step in steps if "max-score" in step.get("with", {})]
    assert sum(step["with"]["max-score"] for step in graded) == 100
    titles = [exercise.title for exercise in load_exercises()]
    assert [step["with"]["command"].split()[-1] for step in graded] == titles
    assert steps[-1]["with"]["runners"].split(",") == [step["id"] for step in graded]
    assert set(steps[-1]["env"]) == {f"{step['id'].upper()}_RESULTS" for step in graded}
    echo = ["bash", "-c", steps[2]["run"].replace("pip install", "echo")]
    done = subprocess.run(echo, cwd=tmp_path / "learner", capture_output=True, text=True)
    assert done.stdout.startswith("numpy>=2")


# The fields that Gradescope documents for results.json, and for each of its tests.
FIELDS = "execution_time extra_data output output_format score stdout_visibility tests visibility"
TEST_FIELDS = "extra_data max_score name number output output_format score status tags visibility"


def test_gradescope_gets_an_autograder_that_runs_and_the_learner_does_not(tmp_path):
    assert command(tmp_path / "learner", "--for", "gradescope") == 0
    base = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "learner-gradescope.zip") as archive:
        assert "setup.sh" in archive.namelist()
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o100755
        assert json.loads(archive.read("config.json"))["seed"] >= 0
        archive.extractall(base / "source")
    with zipfile.ZipFile(tmp_path / "learner.zip") as archive:
        assert not any("classroom" in name for name in archive.namelist())

    python = base / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    solve(base / "submission")
    (base / "source" / "run_autograder").rename(base / "run_autograder")  # as Gradescope does
    command_line, env = ["bash", base / "run_autograder"], os.environ | {"AUTOGRADER": str(base)}
    done = subprocess.run(command_line, capture_output=True, text=True, cwd=base, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads((base / "results" / "results.json").read_text())
    assert results.keys() == set(FIELDS.split())
    assert results["score"] == sum(test["score"] for test in results["tests"]) == 100
    for test in results["tests"]:
        assert test.keys() == set(TEST_FIELDS.split()) and test["status"] == "passed"
    # A child that only limits confine runs as another user than root: it must not read the solutions.
    assert {folder.stat().st_mode & 0o777 for folder in (base / "source", base / "submission")} == {0o700}


def test_nbgrader_gets_a_course_in_which_students_files_stay(tmp_path):
    assert command(tmp_path / "ps", "--for", "nbgrader") == 0
    course = tmp_path / "ps-nbgrader"
    sections = ("CourseDirectory", "Autograde", "GenerateAssignment", "ExecutePreprocessor")
    config = argparse.Namespace(**{name: argparse.Namespace() for name in sections})
    exec((course / "nbgrader_config.py").read_text(), {"get_config": lambda: config})
    source = course / "source" / "ps"
    own_files = config.Autograde.exclude_overwriting["ps"]
    names = ("layers", "layer_utils", "optim", "classifiers/fc_net")  # what a learner edits
    assert set(own_files) == {f"cs231n/{name}.py" for name in names} and all(
        (source / name).is_file() for name in own_files
    )
    layers = "cs231n/layers.py"
    assert (source / layers).read_bytes() == (tmp_path / "ps" / layers).read_bytes()
    with zipfile.ZipFile(source / "notebooks.zip") as archive:
        assert len(archive.namelist()) == 4
    cells = json.loads((source / "checks.ipynb").read_text())["cells"]
    assert sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in cells) == 100
