"""What the README says is there is there."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_commands_exist():
    offered = subprocess.run(["bash", "setup.sh", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for command in re.findall(r"\./setup\.sh (\w+)", README):
        assert re.search(rf"^  {command} ", offered, re.M), command
    offered = subprocess.run(
        [sys.executable, "-m", "cs231n", "--help"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    for command in re.findall(r"python -m cs231n (\w+)", README):
        assert re.search(rf"^ +{command} ", offered, re.M), command


def test_its_files_exist():
    for name in re.findall(r"`([\w/.]+/[\w.]*|\w+\.(?:py|md|txt|lock|sh))`", README):
        assert (ROOT / name).exists(), name


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
