"""Run the checks of a release on GitHub, one exercise at a time.

In a workflow of the learner's repository it prints what the checks say, and a table with the points. As
`autograder.py` of Classroom 50 it has the release next to it, in kit/: there it takes nothing but the files
with exercises from the learner, so that edited checks do not count, and writes result.json.
"""

import datetime
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = 40  # for an exercise: Classroom 50 ends a job after 15 minutes


def main() -> int:
    """Check every exercise; returns 0 in Classroom 50, and else only if all pass that are not optional."""
    learner, kit = Path.cwd(), Path(__file__).resolve().with_name("kit")
    in_classroom50 = kit.is_dir()
    kit = kit if in_classroom50 else learner
    if not importlib.util.find_spec("numpy"):
        requirements = (kit / "requirements.txt").read_text(encoding="utf-8")
        (numpy,) = re.findall(r"^numpy\S*", requirements, re.MULTILINE)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--user", numpy], check=True)
    exercises = json.loads((kit / "cs231n/exercises.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = learner
        if in_classroom50:
            folder = Path(shutil.copytree(kit, Path(temporary, "kit")))
            for file in {file for exercise in exercises for file in exercise["files"]}:
                if (learner / file).is_file():
                    shutil.copy(learner / file, folder / file)
        tests = [check(exercise, folder) for exercise in exercises]
    points = sum(exercise["points"] for exercise in exercises if not exercise.get("optional"))
    if in_classroom50:
        write_result(tests, points)
        return 0
    write_summary(tests, points)
    required = [test for test, exercise in zip(tests, exercises) if not exercise.get("optional")]
    return 0 if all(test["passed"] for test in required) else 1


def check(exercise: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The result of one exercise, with the fields that Classroom 50 wants of a test."""
    command = [sys.executable, "-m", "cs231n", "check", exercise["title"]]
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS
        )
        passed, output = done.returncode == 0, done.stdout.decode(errors="replace").strip()
    except subprocess.TimeoutExpired:
        passed, output = False, f"No answer in {SECONDS} seconds."
    name = f"{exercise['number']} {exercise['title']}" + ", optional" * exercise.get("optional", False)
    print(f"::group::{name}: {'passed' if passed else 'not passed'}\n{output}\n::endgroup::", flush=True)
    points = exercise["points"]
    return {
        "test-name": name,
        "passed": passed,
        "score": points if passed else 0,
        "max-score": points,
        "output": output[:2000],
    }


def write_result(tests: list[dict[str, Any]], points: float) -> None:
    """Write result.json, schema classroom50/result/v1, to the current folder; points: of a full mark."""
    environ = os.environ
    result = {
        "schema": "classroom50/result/v1",
        "classroom": environ["CLASSROOM"],
        "assignment": environ["ASSIGNMENT"],
        "assignment_type": environ.get("ASSIGNMENT_TYPE") or "individual",
        "owner": environ.get("OWNER") or environ["USERNAME"],
        "submission": environ["SUBMISSION_TAG"],
        "commit": environ["COMMIT_URL"],
        "release": environ["RELEASE_URL"],
        "review": environ.get("REVIEW_URL") or environ["COMMIT_URL"],
        "datetime": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": points,
        "tests": tests,
    }
    Path("result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def write_summary(tests: list[dict[str, Any]], points: float) -> None:
    """Add a table to the summary of the workflow's run, or print it."""
    lines = ["| exercise | points | |", "|---|---|---|"]
    for test in tests:
        verdict = "passed" if test["passed"] else "not passed"
        lines.append(f"| {test['test-name']} | {test['score']:g} of {test['max-score']:g} | {verdict} |")
    score = sum(test["score"] for test in tests)
    text = "\n".join([*lines, "", f"{score:g} of {points:g} points", ""])
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text)


if __name__ == "__main__":
    sys.exit(main())
