"""The files of the assignment in the browser's worker: edits come in, a submission goes out."""

import io
import json
import zipfile

from cs231n.checking.submission import NOTEBOOKS, collect, packed_files
from cs231n.common.files import REPOSITORY, zip_of
from cs231n.common.words import ANSWER, PLACE_FOR_WORDS

__all__ = ["editable_files", "open_submission", "pack", "write_edits"]

MOST_BYTES = 5_000_000  # of one file in a zip that is opened
_handed_out: dict[str, str] = {}  # {path: the notebook before the first edit}, so that a cell can be reset


def editable_files() -> dict[str, str]:
    """{path: text} of the files that hold exercises."""
    names = [name for name in packed_files() if name not in NOTEBOOKS]
    return {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in names}


def write_edits(files: str, cells: str) -> None:
    """Write the learner's texts into the kit.

    Args:
        files: JSON, {path of a file: text}.
        cells: JSON, {path of a notebook: {id of a cell: source}}; cells that are not in it are as handed out.
    """
    for name, text in json.loads(files).items():
        (REPOSITORY / name).write_text(text, encoding="utf-8")
    edited = json.loads(cells)
    for name in {*_handed_out, *edited}:
        notebook, sources = _notebook(name), edited.get(name, {})
        for cell in notebook["cells"]:
            cell["source"] = sources.get(cell["id"], cell["source"])
        (REPOSITORY / name).write_text(json.dumps(notebook), encoding="utf-8")


def _notebook(name: str) -> dict:
    """The notebook as it was handed out."""
    return json.loads(_handed_out.setdefault(name, (REPOSITORY / name).read_text(encoding="utf-8")))


def pack(declaration: str = "") -> bytes:
    """The zip that `python -m cs231n submit --declaration` writes."""
    return zip_of(collect(declaration=declaration))


def open_submission(content: bytes) -> str:
    """Read a zip of `pack`.

    Returns:
        JSON, {"files": {path: text}, "cells": {path of a notebook: {id: source}}}, with the code cells and
        the answers in words that are not as handed out; what the kit does not ask for is left out.

    Raises:
        ValueError: it is no such zip.
    """
    files, cells = dict[str, str](), dict[str, dict[str, str]]()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in set(packed_files()) & set(archive.namelist()):
                with archive.open(name) as file:
                    text = file.read(MOST_BYTES).decode()
                if name in NOTEBOOKS:
                    before = {cell["id"]: _text(cell) for cell in _notebook(name)["cells"]}
                    edited = {cell["id"]: _text(cell) for cell in json.loads(text)["cells"]}
                    cells[name] = {key: text for key, text in edited.items() if text != before.get(key, "")}
                else:
                    files[name] = text
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no submission.zip: {error}") from None
    if not files:
        raise ValueError("this is no submission.zip: no file of the assignment is in it")
    return json.dumps({"files": files, "cells": cells})


def _text(cell: dict) -> str:
    """The source of a code cell or the words of an answer; "" of any other cell."""
    if cell["cell_type"] == "markdown" and ANSWER not in cell["metadata"].get("tags", []):
        return ""
    return "".join(cell["source"]).replace(PLACE_FOR_WORDS, "").strip("\n")
