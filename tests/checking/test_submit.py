"""One zip with the learner's files, nothing of the machine, the same bytes whenever it is made."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cs231n.checking import submission
from cs231n.checking.submission import NOTEBOOKS, SubmitError, collect, wanted, without_outputs
from cs231n.common.files import zip_of

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["cs231n/classifiers/fc_net.py", "cs231n/layer_utils.py", "cs231n/layers.py", "cs231n/optim.py"]


@pytest.fixture
def kit(tmp_path):
    """A kit of its own, solved, to hand in from."""
    for name in ("cs231n", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / "kit" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "kit"


def run(kit, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "cs231n", "submit", *arguments],
        cwd=kit,
        timeout=120,
        capture_output=True,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | more,
    )


def test_the_files_are_those_with_exercises_and_the_notebooks():
    assert wanted() == [*MODULES, *NOTEBOOKS]
    assert {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


def test_a_solved_kit_is_handed_in(kit):
    told = run(kit)
    assert told.returncode == 0, told.stderr
    assert "17 of 17 passed" in told.stdout
    assert "submission.zip holds\n  cs231n/classifiers/fc_net.py\n" in told.stdout
    with zipfile.ZipFile(kit / "submission.zip") as archive:
        assert set(archive.namelist()) == {*MODULES, *NOTEBOOKS, "manifest.json"}
        listed = json.loads(archive.read("manifest.json"))["files"]
        assert set(listed) == {*MODULES, *NOTEBOOKS}
        for name, entry in listed.items():
            content = archive.read(name)
            assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name in MODULES:
            assert archive.read(name) == (kit / name).read_bytes()
    assert sorted(path.name for path in kit.iterdir()) == ["cs231n", "notebooks", "submission.zip"]


def test_the_bytes_are_the_same_later_elsewhere_and_for_somebody_else(kit, tmp_path):
    first = run(kit, "-o", "a.zip", USER="alice", HOME=str(tmp_path))
    other = shutil.copytree(kit, tmp_path / "elsewhere")
    for path in other.rglob("*"):
        os.utime(path, (0, 0))
    second = run(other, "-o", "b.zip", USER="bob")
    assert first.returncode == second.returncode == 0
    assert (kit / "a.zip").read_bytes() == (other / "b.zip").read_bytes()


def test_every_missing_file_is_named_and_nothing_is_written(kit):
    (kit / "cs231n" / "optim.py").unlink()
    (kit / NOTEBOOKS[1]).unlink()
    (kit / NOTEBOOKS[2]).write_text("{}")
    told = run(kit)
    assert told.returncode == 1 and not (kit / "submission.zip").exists()
    assert "submit: nothing was written." in told.stderr and "Traceback" not in told.stderr
    for fault in (
        "cs231n/optim.py is missing",
        f"{NOTEBOOKS[1]} is missing",
        f"{NOTEBOOKS[2]} is no notebook",
    ):
        assert fault in told.stderr
    with pytest.raises(SubmitError, match="take it from the kit again"):
        collect(kit)


def test_what_does_not_pass_is_handed_in_and_said(kit):
    path = kit / "cs231n" / "layers.py"
    solved, mine = "return np.maximum(x, 0), x", "raise NotImplementedError('mine')"
    path.write_text(path.read_text().replace(solved, mine))
    told = run(kit)
    assert told.returncode == 1 and (kit / "submission.zip").exists()
    assert "relu_forward            not implemented yet" in told.stdout
    assert "not every exercise passes yet" in told.stderr


def test_a_helper_that_is_not_packed_is_said(kit):
    (kit / "cs231n" / "my_helpers.py").write_text("def zeros(): return 0\n")
    with open(kit / "cs231n" / "layers.py", "a") as file:
        file.write("\nfrom cs231n.my_helpers import zeros\n")
    told = run(kit)
    assert told.returncode == 1 and (kit / "submission.zip").exists(), told.stderr
    assert "It imports what is not there when it is marked: see below." in told.stdout
    assert "It is complete" not in told.stdout
    said = " ".join(told.stdout.split())
    assert said.count("cs231n.my_helpers is not handed in.") == 1 and "5 of 17 passed" in said


def test_a_file_that_does_not_compile_is_handed_in_and_said(kit):
    with open(kit / "cs231n" / "layers.py", "a") as file:
        file.write("def f(:\n")
    told = run(kit)
    assert told.returncode == 1 and (kit / "submission.zip").exists(), told.stderr
    assert "Traceback" not in told.stderr and "SyntaxError" in told.stdout


def test_an_endless_loop_does_not_keep_the_zip_from_being_written(kit):
    path = kit / "cs231n" / "layers.py"
    solved = "return np.maximum(x, 0), x"
    path.write_text(path.read_text().replace(solved, f"while True:\n        pass\n    {solved}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "cs231n", "submit"],
        cwd=kit,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = ""
        while "affine_backward " not in told:  # the exercise before the loop
            told += process.stdout.readline()
        assert "It is complete. Now the checks; Ctrl-C stops them." in told
        with zipfile.ZipFile(kit / "submission.zip") as archive:
            assert set(archive.namelist()) == {*MODULES, *NOTEBOOKS, "manifest.json"}
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
        assert process.returncode == 130 and "submission.zip is written" in told and "Traceback" not in told
    finally:
        process.kill()


def test_a_place_that_cannot_be_written_is_said(kit):
    told = run(kit, "-o", "no/such/folder/a.zip")
    assert told.returncode == 1 and "cannot write no/such/folder/a.zip" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_notebook_tells_nothing_of_its_machine():
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": ["f()"],
        "execution_count": 7,
        "metadata": {
            "tags": ["exercise-1"],
            "execution": {"iopub.execute_input": "2026"},
            "colab": {"user": {"displayName": "Alice"}},
        },
        "outputs": [{"output_type": "error", "traceback": ["/home/alice/kit/x.py"]}],
    }
    notebook = {
        "cells": [cell],
        "metadata": {"kernelspec": {"name": "alices-env"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    cleaned = without_outputs(json.dumps(notebook).encode())
    assert b"alice" not in cleaned.lower() and b"2026" not in cleaned
    (kept,) = json.loads(cleaned)["cells"]
    assert kept["source"] == ["f()"] and kept["metadata"] == {"tags": ["exercise-1"]}
    assert kept["outputs"] == []


def test_a_zip_does_not_depend_on_the_order_or_the_time():
    assert zip_of({"a": b"1", "b": b"2"}) == zip_of({"b": b"2", "a": b"1"})
    assert submission.NOTEBOOKS == tuple(sorted(submission.NOTEBOOKS))
