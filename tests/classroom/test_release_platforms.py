"""What a release makes for other graders, and that it runs as they would run it."""

import argparse
import json
import os
import re
import subprocess
import sys
import zipfile

import pytest

from classroom.manifest import MANIFEST
from tests.support.releases import ROOT, SHORT, command, remembered, solve  # noqa: F401

LAYERS = "cs231n/layers.py"


def check_exercises(script, folder, **environ):
    """What the script prints, run in a folder as GitHub runs it, and its exit status."""
    environ = {name: value for name, value in os.environ.items() if "GITHUB" not in name} | environ
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environ, capture_output=True, text=True, timeout=200
    )
    assert not done.stderr
    return done.stdout, done.returncode


def test_github_gets_a_workflow_that_checks_each_exercise_and_waits_for_no_optional_one(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter")
    manifest = tmp_path / "mine.json"
    *_, optional = json.loads(MANIFEST.read_text())
    manifest.write_text(json.dumps([*json.loads(SHORT.read_text()), optional]))
    learner, summary = tmp_path / "learner", tmp_path / "summary.md"
    assert command(learner, "--for", "github", "--manifest", manifest) == 0
    workflow = yaml.safe_load((learner / ".github/workflows/checks.yml").read_text())
    assert workflow[True] == ["push", "workflow_dispatch"]  # YAML 1.1 reads "on" as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    python, script = job["steps"][-1]["run"].split()
    assert python == "python"
    printed, status = check_exercises(learner / script, learner)
    assert (
        status == 1 and "0 of 50 points" in printed and "::group::6 batchnorm_forward: not passed" in printed
    )
    (learner / LAYERS).write_bytes((ROOT / LAYERS).read_bytes())
    printed, status = check_exercises(learner / script, learner, GITHUB_STEP_SUMMARY=str(summary))
    assert status == 0 and "50 of 50 points" not in printed
    assert "| 6 batchnorm_forward | 10 of 10 | passed |" in summary.read_text()
    assert "| 18 batchnorm_double_backward, optional | 0 of 8 | not passed |" in summary.read_text()
    assert summary.read_text().endswith("\n50 of 50 points\n")


# The fields of result.json, schema classroom50/result/v1, as its documentation lists them.
RESULT_FIELDS = (
    "schema classroom assignment assignment_type owner submission commit release review datetime score "
    "max-score tests"
)
CLASSROOM50 = {
    "CLASSROOM": "cs-fall", "ASSIGNMENT": "week3", "OWNER": "ada", "USERNAME": "ada",
    "SUBMISSION_TAG": "submit/2026-11-01T10-00-00Z-a1b2c3d", "COMMIT_URL": "commit", "RELEASE_URL": "release",
}  # fmt: skip


def test_classroom_50_gets_an_autograder_whose_checks_a_learner_cannot_edit(tmp_path):
    assert command(tmp_path / "learner", "--for", "classroom50", "--manifest", SHORT) == 0
    bundle, learner = tmp_path / "learner-classroom50", tmp_path / "learner"
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 5_000_000
    solve(learner)
    layers = learner / LAYERS
    wrong = "\n\ndef batchnorm_forward(x, gamma, beta, bn_param):\n    return x, None\n"
    layers.write_text(layers.read_text() + wrong)
    (learner / "cs231n/checks.py").write_text("def check_exercises(names):\n    return 0\n")
    _, status = check_exercises(bundle / "autograder.py", learner, **CLASSROOM50)
    result = json.loads((learner / "result.json").read_text())
    assert status == 0 and result.keys() == set(RESULT_FIELDS.split())
    assert result["schema"] == "classroom50/result/v1" and result["assignment_type"] == "individual"
    assert result["owner"] == "ada" and result["review"] == "commit"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["datetime"])
    assert {test["test-name"]: test["score"] for test in result["tests"] if test["passed"]} == {
        "9 layernorm_forward": 5,
        "10 layernorm_backward": 8,
    }
    assert type(result["score"]) is int and (result["score"], result["max-score"]) == (13, 50)
    assert "the worst is at" in result["tests"][0]["output"]


def test_classroom_50_counts_whole_points(tmp_path, capsys):
    first, *rest = json.loads(SHORT.read_text())
    manifest = tmp_path / "mine.json"
    manifest.write_text(json.dumps([first | {"points": 2.5}, *rest]))
    assert command(tmp_path / "learner", "--for", "classroom50", "--manifest", manifest) == 1
    assert "has 2.5 points, and Classroom 50 counts whole ones" in capsys.readouterr().err


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
    assert results["score"] == sum(test["score"] for test in results["tests"]) == 108
    assert results["extra_data"]["points"] == 100
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
    names = ("layers", "layer_utils", "optim", "classifiers/fc_net", "second_derivative")  # which one edits
    assert set(own_files) == {f"cs231n/{name}.py" for name in names}
    assert all((source / name).is_file() for name in own_files)
    assert (source / LAYERS).read_bytes() == (tmp_path / "ps" / LAYERS).read_bytes()
    with zipfile.ZipFile(source / "notebooks.zip") as archive:
        assert len(archive.namelist()) == 5
    cells = json.loads((source / "checks.ipynb").read_text())["cells"]
    assert sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in cells) == 100
    assert not any("assert" in line and "double" in line for cell in cells for line in cell["source"])
