"""From a solved notebook to a learner's: cards as the manifest has them, answers left open, no outputs.

Two kinds of cells are left to the learner, and neither stops the notebook: a cell with the tag `answer`
(below a question) and one with the tag `worksheet` (a line of the derivation). In a code cell the values of
its assignments and the bodies of its functions become three dots, all else stays; the first line is a comment
that says what to write. In a Markdown cell the model answer goes.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from classroom.manifest import Exercise, ManifestError
from classroom.releasing.blanks import body_of
from classroom.releasing.cards import CARD, card, card_of_written, title_of_card

__all__ = ["blank_notebook", "is_open", "without_magics"]

OPEN_TAGS = ("answer", "worksheet")
PLACE_FOR_WORDS = "*Write your answer here: double-click this text.*"


def is_open(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is left to the learner."""
    return any(tag in OPEN_TAGS for tag in cell["metadata"].get("tags", []))


def blank_notebook(name: str, text: str, exercises: Sequence[Exercise]) -> str:
    """The learner's edition of a notebook.

    Args:
        name: of the notebook, for messages.
        text: of the notebook, JSON.
        exercises: those of the edition.

    Raises:
        ManifestError: a cell that is left to the learner does not say what to write, or a card is no card.
    """
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)  # the state of sliders is an output too
    by_title = {exercise.title: exercise for exercise in exercises}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if CARD in tags:
            title = title_of_card(cell)
            if title is None:
                raise ManifestError(f"{name}: a cell has the tag card, but starts {source[:40]!r}")
            source = card(by_title[title]) if title in by_title else card_of_written(title)
        elif is_open(cell):
            source = _open_code(name, source) if cell["cell_type"] == "code" else PLACE_FOR_WORDS
            cell.pop("attachments", None)
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _open_code(name: str, source: str) -> str:
    """A code cell with three dots for each value that the learner is to write."""
    if not source.startswith("# "):
        raise ManifestError(
            f"{name}: the cell {source[:40]!r} is left to the learner and does not say what to write; "
            "try a comment as its first line"
        )
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    content = source.encode()
    for node in reversed(ast.parse(without_magics(source)).body):
        if isinstance(node, ast.Assign):
            first: ast.AST = node.value
            last, dots = first, b"..."
        elif isinstance(node, ast.FunctionDef):
            first, last, dots = body_of(node)[0], node.body[-1], b"return ..."
        else:
            continue
        begin = starts[first.lineno - 1] + first.col_offset
        end = starts[last.end_lineno - 1] + last.end_col_offset
        content = content[:begin] + dots + content[end:]
    return content.decode()


def without_magics(source: str) -> str:
    """`source` with IPython's own lines (%..., !...) as pass, so that Python can parse it."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)
