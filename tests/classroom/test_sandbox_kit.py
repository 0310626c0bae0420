"""What a child has of the kit before a student's code runs in it, and what the student's files replace."""

import sys

import pytest

from classroom.grading.reference import CHILD_MODULES
from classroom.sandbox.process import Child, child_folder
from tests.support.grading import BRIEF, FILES, LAYERS
from tests.support.sandbox import PROBE_FILES, probing
from tests.support.sandbox import level as level

CONTRACTS = "cs231n/contracts.py"
MARK = "__import__('cs231n.contracts').contracts.MARK"


def test_no_submission_replaces_what_is_imported_before_it():
    imported = [file for file in CHILD_MODULES if "/contracts/" in file or "/checking/" in file]
    assert imported and not set(imported) & set(FILES)


def test_a_child_changes_only_its_own_copy_of_the_contracts(level):
    with child_folder({**PROBE_FILES, CONTRACTS: "MARK = 1"}) as folder:
        for _ in range(2):
            with probing(level, folder=folder) as probe:
                assert probe(MARK) == "1"
                assert probe("setattr(__import__('cs231n.contracts').contracts, 'MARK', 2)") == "None"
                assert probe(MARK) == "2"


def test_a_students_code_does_not_find_the_code_that_calls_it(level):
    """It was an attribute of the package."""
    with probing(level) as probe:
        assert probe("hasattr(__import__('cs231n'), 'checking')") == "False"


def test_what_is_compiled_lies_in_the_folder_wherever_the_grader_has_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    with child_folder(PROBE_FILES) as folder:
        folder.write_kit()
        assert list(folder.path.glob("cs231n/__pycache__/layers.*.pyc"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("without, value", [([], "1"), (["f"], None)], ids=["whole", "left out"])
def test_what_is_left_out_raises_although_its_file_is_compiled(level, without, value):
    kit = {**PROBE_FILES, LAYERS: "def f():\n    return 1"}
    run = {"ask": "run", "exercise": "", "module": "cs231n.layers"}
    with child_folder(kit) as folder, Child(folder, level, BRIEF) as child:
        assert list(folder.path.glob("cs231n/__pycache__/layers.*.pyc"))
        child.ask({"load": "cs231n.layers", "reference": {}, "without": without})
        reply = child.ask({**run, "inputs": {"code": "__import__('cs231n.layers').layers.f()"}})
    if value:
        assert reply["outputs"]["repr"].tobytes().decode() == value
    else:
        assert reply["error"]["message"] == "it calls another backward"


def test_a_student_gets_the_file_that_was_handed_in_and_not_the_compiled_one(level):
    with child_folder({**PROBE_FILES, LAYERS: "MARK = 1"}) as folder:
        folder.put({LAYERS: "MARK = 2"})
        with probing(level, folder=folder) as probe:
            assert list(folder.path.glob("cs231n/__pycache__/layers.*.pyc"))
            assert probe("__import__('cs231n.layers').layers.MARK") == "2"
