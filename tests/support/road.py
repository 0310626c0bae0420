"""Walk the learner's edition as a learner does: run a notebook to its first card, write the function, go on.

with Road(folder, exercises) as road:
    for exercise in exercises: ...
"""

import ast
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from classroom.manifest import Exercise, locate_function
from classroom.releasing.release import learner_edition
from tests.corpus import HERE, SAME_SOLUTIONS
from tests.support import ROOT

Sources = Mapping[str, str]  # {dotted name of a function: its source}
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def make_edition(folder: Path, exercises: Sequence[Exercise]) -> Path:
    """The learner's edition as files under folder."""
    for name, content in learner_edition(exercises)[0].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def kit_sources(exercise: Exercise) -> Sources:
    """The functions of an exercise as the kit has them, decorators included."""
    return {
        name: _source_of((ROOT / locate_function(name)[0]).read_text(), locate_function(name)[1])
        for name in exercise.functions
    }


def style_sources(exercise: Exercise, style: str) -> Sources:
    """The same in a style of tests/corpus/solutions."""
    file = Path(exercise.file.replace("second_derivative", "layers")).name
    sources = style_of(exercise, (HERE / "solutions" / style / file).read_text())
    assert sources, f"{exercise.title} is not in the style {style}"
    return sources


def style_of(exercise: Exercise, text: str) -> Sources:
    """The functions of an exercise in the text of a solution; {} if they are not there."""
    sources = {}
    for name in exercise.functions:
        own = locate_function(name)[1]
        other = next((n for n, same in SAME_SOLUTIONS.items() if own in same), own)
        for candidate in (own, other):
            try:
                sources[name] = _source_of(text, candidate).replace(f"def {candidate}(", f"def {own}(")
                break
            except KeyError:
                continue
        else:
            return {}
    return sources


def _find(tree: ast.AST, qualified: str) -> ast.FunctionDef:
    node = tree
    for part in qualified.split("."):
        children = [child for child in getattr(node, "body", []) if getattr(child, "name", "") == part]
        if not children:
            raise KeyError(qualified)
        node = children[-1]
    return node


def _lines(node: ast.FunctionDef) -> tuple[int, int]:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1, node.end_lineno


def _source_of(text: str, qualified: str) -> str:
    first, last = _lines(_find(ast.parse(text), qualified))
    return "".join(text.splitlines(keepends=True)[first:last]).rstrip() + "\n"


def write_functions(folder: Path, sources: Sources) -> None:
    """Put functions into the learner's files, as an editor would: a file is saved once for each function."""
    for name, source in sources.items():
        file, qualified = locate_function(name, folder)
        path = folder / file
        lines = path.read_text().splitlines(keepends=True)
        first, last = _lines(_find(ast.parse("".join(lines)), qualified))
        path.write_text("".join([*lines[:first], source, *lines[last:]]))


class Stop(Exception):
    """A cell raised."""

    def __init__(self, notebook: str, source: str, error: CellExecutionError, outputs: Sequence):
        self.source, self.ename, self.evalue = source, error.ename, error.evalue
        self.text = "\n".join(text_of(output) for output in outputs if output.output_type != "error")
        super().__init__(f"{notebook}, cell\n{source}\n{ESCAPES.sub('', str(error))[-1500:]}")


def text_of(output: nbformat.NotebookNode) -> str:
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


class Walk:
    """One notebook in one kernel, from its top, cell by cell.

    with Walk(folder, NOTEBOOKS[0]) as walk:
        stop = walk.go_on()      # None at the end
    """

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.notebook = nbformat.read(folder / name, 4)
        self.position = 0

    def __enter__(self) -> "Walk":
        env = {**os.environ, "CS231N_QUICK": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        env.pop("PYTHONPATH", None)  # the set-up cell has to find the package
        self.client = NotebookClient(
            self.notebook,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str((self.folder / self.name).parent)}},
        )
        self._context = self.client.setup_kernel(env=env)
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)

    def go_on(self, cells: int | None = None) -> Stop | None:
        """Run the cells from where it stands until one raises, which is run again by the next call."""
        end = len(self.notebook.cells) if cells is None else self.position + cells
        while self.position < end:
            cell = self.notebook.cells[self.position]
            try:
                self.client.execute_cell(cell, self.position)
            except CellExecutionError as error:
                return Stop(self.name, cell.source, error, cell.outputs)
            self.position += 1
        return None


def is_card_of(stop: Stop | None, exercise: Exercise) -> bool:
    """Whether a walk stopped at the card of this exercise, with its name in the error."""
    return (
        stop is not None
        and stop.source == f'check("{exercise.title}")'
        and stop.ename == "NotPassed"
        and exercise.label in stop.evalue
    )
