"""What the README says is there is there."""

import base64
import re

import nbformat
import pytest

from tests.support import ROOT
from tests.support.python import run_python

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["cs231n", "classroom"])
def test_its_python_commands_exist(module):
    offered = run_python(["-m", module, "--help"], cwd=ROOT).stdout
    for command in re.findall(rf"python -m {module} (\w+)", README):
        assert re.search(rf"^ +{command} ", offered, re.M), command


def test_its_setup_commands_exist():
    script = (ROOT / "setup.sh").read_text(encoding="utf-8")  # whose help is tested in test_setup.py
    for command in re.findall(r"\./setup\.sh (\w+)", README):
        assert re.search(rf"^  {command} ", script, re.M), command


def test_its_files_exist():
    for name in re.findall(r"`([\w/.]+/[\w.]*|\w+\.(?:py|md|txt|lock|sh))`|\]\(([\w/.]+)\)", README):
        assert (ROOT / "".join(name)).exists(), name


def test_its_line_of_code_is_the_one_in_layers():
    line = re.search(r"```python\n(dx = .+)\n```", README)[1]
    assert f"    {line}\n" in (ROOT / "cs231n" / "layers.py").read_text(encoding="utf-8")
    assert len(line) < 80


def test_its_picture_is_the_one_in_notebook_2():
    notebook = nbformat.read(ROOT / "notebooks" / "2_batchnorm_gradient.ipynb", 4)
    pictures = [
        base64.b64decode(output.data["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert (ROOT / "docs" / "graph.png").read_bytes() in pictures
