"""Small notebooks that tests make."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write_notebook(path, *code, text=None):
    """A notebook at path of a cell for each code, under a cell of text if there is one; returns path."""
    cells = [new_markdown_cell(text)] if text else []
    nbformat.write(new_notebook(cells=cells + [new_code_cell(source) for source in code]), path)
    return path
