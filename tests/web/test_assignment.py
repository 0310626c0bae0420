"""Edits go into the kit's files and come out in the zip."""

import io
import json
import shutil
import zipfile

import pytest

from cs231n.checking.submission import NOTEBOOKS, collect, packed_files
from cs231n.common.files import zip_of
from cs231n.common.words import PLACE_FOR_WORDS, answers_in_words
from cs231n.web import assignment
from tests.support import ROOT


@pytest.fixture(autouse=True)
def kit(tmp_path, monkeypatch):
    """A copy of the kit's files of the assignment, in the place of the kit."""
    for name in [*packed_files(), "cs231n/exercises.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.setattr(assignment, "REPOSITORY", tmp_path)
    monkeypatch.setattr(assignment, "_handed_out", {})
    monkeypatch.setattr(assignment, "collect", lambda declaration: collect(tmp_path, declaration))
    return tmp_path


def sources(content):
    """{id: source} of the code cells in what `pack` gives."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        cells = json.loads(archive.read(NOTEBOOKS[0]))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}


def test_edits_come_out_and_a_cell_that_is_reset_is_as_before():
    before = sources(assignment.pack())
    first = next(iter(before))
    assignment.write_edits(
        json.dumps({"cs231n/layers.py": "# \u00fc"}), json.dumps({NOTEBOOKS[0]: {first: "x = 1"}})
    )
    assert sources(assignment.pack()) == {**before, first: "x = 1"}
    opened = json.loads(assignment.open_submission(assignment.pack()))
    assert opened["files"]["cs231n/layers.py"] == "# \u00fc"
    assert opened["cells"] == {name: {first: "x = 1"} if name == NOTEBOOKS[0] else {} for name in NOTEBOOKS}
    assert set(opened["files"]) == set(assignment.editable_files())
    assignment.write_edits("{}", "{}")
    assert sources(assignment.pack()) == before


def test_what_is_declared_is_in_the_zip():
    for declaration in ("", "for code: fc_net"):
        with zipfile.ZipFile(io.BytesIO(assignment.pack(declaration))) as archive:
            assert json.loads(archive.read("manifest.json")).get("declaration", "") == declaration


def test_answers_in_words_go_in_and_come_out(kit):
    """Also those that were written in Jupyter; other text is not the learner's."""
    path = kit / NOTEBOOKS[0]
    notebook = json.loads(path.read_text())
    asked = [cell for cell in notebook["cells"] if cell["metadata"].get("tags") == ["answer", "question-1.9"]]
    asked[0]["source"] = [PLACE_FOR_WORDS]
    path.write_text(json.dumps(notebook))
    words = {asked[0]["id"]: "One *word*\nand another"}
    assignment.write_edits("{}", json.dumps({NOTEBOOKS[0]: words}))
    assert answers_in_words(json.loads(path.read_text()))["1.9"] == words[asked[0]["id"]]
    assert json.loads(assignment.open_submission(assignment.pack()))["cells"][NOTEBOOKS[0]] == words

    asked[0]["source"] = f"{PLACE_FOR_WORDS}\n\nwords"
    notebook["cells"][0]["source"] = "# Another heading"
    new = {"cell_type": "code", "id": "new", "metadata": {}, "source": "y = 2", "outputs": []}
    elsewhere = {"cs231n/layers.py": b"", NOTEBOOKS[0]: json.dumps({"cells": [*notebook["cells"], new]})}
    opened = json.loads(assignment.open_submission(zip_of(elsewhere)))
    assert opened["cells"][NOTEBOOKS[0]] == {asked[0]["id"]: "words", "new": "y = 2"}


@pytest.mark.parametrize(
    "files", [None, {}, {"x.py": b""}, {NOTEBOOKS[0]: b"{}"}, {"cs231n/layers.py": b"\xff"}]
)
def test_what_is_no_submission_is_refused(files):
    packed = io.BytesIO()
    if files is not None:
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    with pytest.raises(ValueError, match="^this is no submission.zip: "):
        assignment.open_submission(packed.getvalue())
