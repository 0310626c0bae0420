"""What the README says is there is there."""

import base64
import re
import runpy

import nbformat
import pytest

from classroom.manifest import load_exercises
from classroom.releasing.leaks import find_leaks
from classroom.releasing.release import count_exercises, learner_edition
from tests.support import ROOT
from tests.support.python import run_python

LEARNER = (ROOT / "classroom" / "releasing" / "learner_readme.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", ["python -m cs231n", "python -m classroom", "./setup.sh"])
def test_its_commands_exist(program):
    arguments = [*program.split()[1:], "--help"] if "python" in program else ["-m", "cs231n", "setup", "help"]
    offered = run_python(arguments, cwd=ROOT).stdout
    for command in re.findall(rf"{re.escape(program)} (\w+)", README + COMMANDS + LEARNER):
        assert re.search(rf"^ +{command} ", offered, re.M), command


def test_both_readmes_know_the_exercises():
    """A release writes the learner's with the numbers of its manifest: none of them changes."""
    exercises = load_exercises()
    assert count_exercises(exercises) == "17 exercises and an optional one"
    assert count_exercises(exercises) in README
    assert learner_edition(exercises)[0]["README.md"].decode() == LEARNER


def test_its_files_exist():
    for name in re.findall(
        r"`([\w/.]+/[\w.]*|\w+\.(?:py|md|txt|lock|sh))`|\]\(([\w/.]+)\)|src=\"([\w/.]+)\"", README
    ):
        assert (ROOT / "".join(name)).exists(), name


def test_its_equations_are_those_of_notebooks_2_and_5_and_no_code_shows_them():
    """Who starts from the README is to write these lines."""
    drawn = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    for name, line in ("2_batchnorm_gradient", "BACKWARD"), ("5_second_derivative", "SECOND"):
        first = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells[0].source
        (derived,) = re.findall(r"\$\$(.+?)\$\$", first, re.S)
        assert _plain(drawn[line].strip("$")) == _plain(derived)
    _, fragments = learner_edition(load_exercises())
    assert not find_leaks({"README.md": README.encode()}, fragments)


def _plain(latex):
    """LaTeX without spaces, line breaks and sizes of brackets."""
    latex = (
        re.sub(r"\\(begin|end)\{aligned\}|\\\\|\\[;,]|[\s{}&]", "", latex)
        .replace("dfrac", "frac")
        .replace(r"\mathrm", r"\text")
    )
    return re.sub(r"\\(left|right|Bigl|Bigr)", "", latex)


def test_its_picture_is_the_one_in_notebook_2():
    cells = nbformat.read(ROOT / "notebooks" / "2_batchnorm_gradient.ipynb", 4).cells
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    assert (ROOT / "docs" / "graph.png").read_bytes() in [
        base64.b64decode(d.get("image/png", "")) for d in data
    ]


def test_changelog_citation_and_package_have_one_version():
    patterns = {
        "CHANGELOG.md": r"^## ([\d.]+)$",
        "CITATION.cff": r"^version: (.+)$",
        "pyproject.toml": r'^version = "(.+)"$',
    }
    versions = {re.search(p, (ROOT / name).read_text("utf-8"), re.M)[1] for name, p in patterns.items()}
    assert len(versions) == 1, versions
