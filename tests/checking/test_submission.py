"""One zip with the learner's files, nothing of the machine, the same bytes whenever it is made."""

import hashlib
import json
import os
import re
import shutil
import signal
import zipfile

import pytest

from cs231n.checking.submission import (
    NOTEBOOKS,
    SubmitError,
    collect,
    describe_answers,
    packed_files,
    without_outputs,
)
from cs231n.common.words import PLACE_FOR_WORDS, answers_in_words, question_of
from tests.support.python import ROOT, start_python

MODULES = [
    "cs231n/classifiers/fc_net.py",
    "cs231n/layer_utils.py",
    "cs231n/layers.py",
    "cs231n/optim.py",
    "cs231n/second_derivative.py",
]
RELU = "return np.maximum(x, 0), x"


def submit(kit, *arguments, **env):
    return kit.python(["-m", "cs231n", "submit", *arguments], **env)


def test_the_files_are_those_with_exercises_and_the_notebooks():
    assert packed_files() == [*MODULES, *NOTEBOOKS]
    assert NOTEBOOKS == tuple(
        sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb"))
    )


def test_a_solved_kit_is_handed_in(kit):
    done = submit(kit)
    assert done.returncode == 0, done.stderr
    assert "17 of 17 exercises passed" in done.stdout
    assert "submission.zip holds\n  cs231n/classifiers/fc_net.py\n" in done.stdout
    with zipfile.ZipFile(kit.folder / "submission.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    listed = json.loads(files.pop("manifest.json"))["files"]
    assert files.keys() == listed.keys() == {*MODULES, *NOTEBOOKS}
    assert listed == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    assert all(files[name] == (kit.folder / name).read_bytes() for name in MODULES)
    assert sorted(path.name for path in kit.folder.iterdir()) == ["cs231n", "notebooks", "submission.zip"]


def test_the_bytes_are_the_same_later_elsewhere_and_for_somebody_else(kit, tmp_path):
    first = submit(kit, "-o", "a.zip", USER="alice", HOME=str(tmp_path))
    content = (kit.folder / "a.zip").read_bytes()
    kit.folder = shutil.move(kit.folder, tmp_path / "elsewhere")
    for path in kit.folder.rglob("*"):
        os.utime(path, (0, 0))
    second = submit(kit, "-o", "b.zip", USER="bob")
    assert first.returncode == second.returncode == 0
    assert (kit.folder / "b.zip").read_bytes() == content


def test_every_missing_file_is_named_and_nothing_is_written(kit):
    (kit.folder / "cs231n" / "optim.py").unlink()
    (kit.folder / NOTEBOOKS[1]).unlink()
    (kit.folder / NOTEBOOKS[2]).write_text("{}")
    done = submit(kit)
    assert done.returncode == 1 and not (kit.folder / "submission.zip").exists()
    assert "submit: nothing was written." in done.stderr and "Traceback" not in done.stderr
    faults = (
        f"cs231n/optim.py is missing: |{NOTEBOOKS[1]} is missing: |{NOTEBOOKS[2]} is not a notebook: ".split(
            "|"
        )
    )
    assert all(fault in done.stderr for fault in faults)
    with pytest.raises(SubmitError, match="copy it from the kit again"):
        collect(kit.folder)


def test_what_does_not_pass_is_handed_in_and_said(kit):
    kit.edit("layers.py", RELU, "raise NotImplementedError('mine')")
    done = submit(kit)
    assert done.returncode == 1 and (kit.folder / "submission.zip").exists()
    assert re.search(r"3  relu_forward +2 points  not written yet", done.stdout)
    assert "an exercise above does not pass yet" in done.stderr


def test_a_helper_that_is_not_packed_is_said(kit):
    (kit.folder / "cs231n" / "my_helpers.py").write_text("def zeros(): return 0\n")
    kit.append("layers.py", "from cs231n.my_helpers import zeros")
    done = submit(kit)
    assert done.returncode == 1 and (kit.folder / "submission.zip").exists(), done.stderr
    assert "It imports a module that the grader does not have: see below." in done.stdout
    assert "All files are in it" not in done.stdout
    text = " ".join(done.stdout.split())
    assert text.count("cs231n.my_helpers is not handed in.") == 1 and "5 of 17 exercises passed" in text


def test_a_file_that_does_not_compile_is_handed_in_and_said(kit):
    kit.append("layers.py", "def f(:")
    done = submit(kit)
    assert done.returncode == 1 and (kit.folder / "submission.zip").exists(), done.stderr
    assert "Traceback" not in done.stderr and "SyntaxError" in done.stdout


def test_an_endless_loop_does_not_keep_the_zip_from_being_written(kit):
    kit.edit("layers.py", RELU, f"while True:\n        pass\n    {RELU}")
    process = start_python(["-m", "cs231n", "submit"], cwd=kit.folder, env={"PYTHONPATH": None})
    try:
        out = ""
        while "affine_backward " not in out:  # the exercise before the loop
            out += process.stdout.readline()
        assert "All files are in it. Now the checks; Ctrl-C stops them." in out
        with zipfile.ZipFile(kit.folder / "submission.zip") as archive:
            assert set(archive.namelist()) == {*MODULES, *NOTEBOOKS, "manifest.json"}
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
        assert process.returncode == 130 and "submission.zip is written" in error and "Traceback" not in error
    finally:
        process.kill()


def test_a_place_that_cannot_be_written_is_said(kit):
    done = submit(kit, "-o", "no/such/folder/a.zip")
    assert done.returncode == 1 and "cannot write no/such/folder/a.zip" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_notebook_tells_nothing_of_its_machine():
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": ["f()"],
        "execution_count": 7,
        "metadata": {
            "tags": ["answer", "question-2.7"],
            "jupyter": {"source_hidden": True},
            "execution": {"iopub.execute_input": "2026"},
            "colab": {"user": {"displayName": "Alice"}},
        },
        "outputs": [{"output_type": "error", "traceback": ["/home/alice/kit/x.py"]}],
    }
    metadata = {"kernelspec": {"name": "alices-env"}}
    notebook = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    cleaned = without_outputs(json.dumps(notebook).encode())
    assert b"alice" not in cleaned.lower() and b"2026" not in cleaned
    (cell,) = json.loads(cleaned)["cells"]
    assert cell["source"] == ["f()"] and cell["outputs"] == []
    assert cell["metadata"] == {"tags": ["answer", "question-2.7"]}  # by which answers are collected


def words(question, text, *more_tags):
    tags = ["answer", f"question-{question}", *more_tags]
    return {"cell_type": "markdown", "id": "a", "metadata": {"tags": tags}, "source": text}


def test_answers_in_words_are_found_by_their_tags_wherever_they_stand():
    question = {"cell_type": "markdown", "metadata": {}, "source": ["**Question 2.5 (in words).** Why?"]}
    cells = [
        words("2.3", ["Because\n", "of the mean.\n"]),
        words("2.1", PLACE_FOR_WORDS),
        words("2.2", f"{PLACE_FOR_WORDS}\n\nSo."),
        words("2.3", "And of the variance."),  # a copy of the cell
        question,  # whose cell was deleted
        {**words("2.4", "x = 1"), "cell_type": "code"},
        {"cell_type": "markdown", "metadata": {"tags": ["answer"]}, "source": "to no question"},
        {"cell_type": "markdown", "metadata": {"tags": ["question-2.6"]}, "source": "no answer"},
        words("2.7", " \n"),
    ]
    assert answers_in_words({"cells": cells}) == {
        "2.3": "Because\nof the mean.\n\nAnd of the variance.",
        "2.1": "",
        "2.2": "So.",
        "2.5": "",
        "2.7": "",
    }
    files = {NOTEBOOKS[1]: json.dumps({"cells": cells}).encode(), "cs231n/layers.py": b"x"}
    assert describe_answers(files) == "2 of 5 questions in words are answered; open: 2.1, 2.5, 2.7"
    files[NOTEBOOKS[1]] = json.dumps({"cells": cells[:1]}).encode()
    assert describe_answers(files) == "1 of 1 questions in words are answered"
    assert describe_answers({NOTEBOOKS[1]: b'{"cells": []}'}) == ""


@pytest.mark.parametrize(
    "notebook",
    [
        None,
        [],
        {},
        {"cells": None},
        {"cells": [None, 1, "x", [], {}]},
        {"cells": [{"cell_type": "markdown", "metadata": [], "source": None}]},
        {"cells": [{"cell_type": "markdown", "metadata": {"tags": "answer question-2.7"}, "source": {}}]},
        {"cells": [{"cell_type": "markdown", "metadata": {"tags": ["answer", ["question-2.7"]]}}]},
    ],
)
def test_what_is_no_answer_is_left_out(notebook):
    assert answers_in_words(notebook) == {}


def test_a_question_has_one_number():
    assert question_of(["answer", "question-2.17"]) == "2.17"
    strange = (["answer"], ["question-2"], ["question-2.7x"], ["question-2.7", "question-2.8"], [None, 3])
    assert not any(map(question_of, strange))


def test_submit_says_how_many_questions_in_words_are_answered_and_refuses_none(kit):
    path = kit.folder / NOTEBOOKS[0]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = [words("1.1", "Because."), words("1.2", PLACE_FOR_WORDS)]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    for name in NOTEBOOKS[1:]:
        (kit.folder / name).write_text(json.dumps(notebook | {"cells": []}), encoding="utf-8")
    done = submit(kit)
    assert done.returncode == 0, done.stderr
    assert "\n1 of 2 questions in words are answered; open: 1.2.\n" in done.stdout
