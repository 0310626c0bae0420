"""Every place that a misconception cites is there: a section of a notebook, an equation, a docstring."""

import importlib
import json
import re

import pytest

from cs231n.checking import answers
from cs231n.checking.exercises import EXERCISES
from tests.support import ROOT

MODULES = {exercise.module for exercise in EXERCISES.values()}
SOURCES = sorted({row.source for name in EXERCISES for row in answers.for_(name).misconceptions} - {""})
TITLES = {
    "notebook 1, section 1": "chain rule",
    "notebook 1, section 9": "your own layers",
    "notebook 2, section 8": "layer normalization",
    "notebook 3, section 5": "dropout",
}


def markdown_of(notebook):
    (path,) = (ROOT / "notebooks").glob(f"{notebook}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("source", SOURCES)
def test_a_cited_place_is_there(source):
    if section := re.fullmatch(r"notebook (\d), section (\d+)", source):
        heading = re.search(rf"^## {section[2]}\. (.+)$", markdown_of(section[1]), re.M)
        assert heading and TITLES.get(source, "") in heading[1].lower()
    elif nodes := re.fullmatch(r"notebook (\d), section (\d+), the nodes? (.+)", source):
        section = markdown_of(nodes[1]).split(f"\n## {nodes[2]}. ")[1].split("\n## ")[0]
        for node in re.split(", | and ", nodes[3]):
            signs = {" times ": " · ", "root of var + eps": "√(var + eps)", "^2": "²", " - ": " − "}
            for words, sign in signs.items():
                node = node.replace(words, sign)
            assert f"\n**{node}.**" in section
    elif equations := re.fullmatch(r"notebook (\d), equation (.+)", source):
        tags = {rf"\tag{{{number}}}" for number in re.findall(r"\((\d+)\)", equations[2])}
        assert tags and all(tag in markdown_of(equations[1]) for tag in tags)
    elif file := re.fullmatch(r"the first lines of (\w+)\.py", source):
        assert "float32" in importlib.import_module(f"cs231n.{file[1]}").__doc__
    else:
        first, *attributes = source.removeprefix("the docstring of ").split(".")
        (found,) = {
            getattr(module, first)
            for module in map(importlib.import_module, sorted(MODULES))
            if getattr(getattr(module, first, None), "__module__", "") == module.__name__
        }
        for attribute in attributes:
            found = getattr(found, attribute)
        assert found.__doc__
