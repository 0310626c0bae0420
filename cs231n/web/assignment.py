"""The files of the assignment in the browser's worker: edits come in, a submission goes out."""

import io
import json
import zipfile

from cs231n.checking.submission import NOTEBOOKS, collect, packed_files
from cs231n.common.files import REPOSITORY, zip_of

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
        text = _handed_out.setdefault(name, (REPOSITORY / name).read_text(encoding="utf-8"))
        notebook, sources = json.loads(text), edited.get(name, {})
        for cell in notebook["cells"]:
            cell["source"] = sources.get(cell["id"], cell["source"])
        (REPOSITORY / name).write_text(json.dumps(notebook), encoding="utf-8")


def pack(declaration: str = "") -> bytes:
    """The zip that `python -m cs231n submit --declaration` writes."""
    return zip_of(collect(declaration=declaration))


def open_submission(content: bytes) -> str:
    """Read a zip of `pack`.

    Returns:
        JSON, {"files": {path: text}, "cells": {path of a notebook: {id: source of each code cell}}}; what the
        kit does not ask for is left out.

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
                    cells[name] = {
                        cell["id"]: "".join(cell["source"])
                        for cell in json.loads(text)["cells"]
                        if cell["cell_type"] == "code"
                    }
                else:
                    files[name] = text
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"this is no submission.zip: {error}") from None
    if not files:
        raise ValueError("this is no submission.zip: no file of the assignment is in it")
    return json.dumps({"files": files, "cells": cells})
