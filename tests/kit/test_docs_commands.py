"""Each command line of the docs is one that the programs accept; none is carried out here."""

import argparse
import re
import runpy
import shlex
import sys

import pytest

import classroom.__main__
import cs231n.__main__
from cs231n.commands import setup
from tests.support import ROOT

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
TEXTS.append(ROOT / "classroom" / "releasing" / "learner_readme.md")
PROGRAM = re.compile(r"(python -m (?:cs231n|classroom)\b|python benchmarks/\S+|\./setup\.sh)(.*)")


def command_lines():
    """Lines of the bash blocks, and commands that are the first cell of a table's row."""
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        lines = re.findall(r"^\| `([^`]+)` \|", text, re.M)
        for block in re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S):
            lines += re.sub(r" +#.*|\\\n", "", block).splitlines()
        yield from filter(PROGRAM.match, lines)


class Accepted(Exception):
    """Raised where a program would start its work."""


def accept(program, words, monkeypatch):
    """Start a program with these words; raises Accepted, or SystemExit if it refuses them."""

    def stop(*_):
        raise Accepted

    def parse(parser, argv=None):
        arguments = real_parse(parser, argv)
        return arguments if getattr(arguments, "command", "") == "setup" else stop()

    real_parse = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(setup, "enter_repository", stop)
    if program == "./setup.sh":
        cs231n.__main__.main(words if words[:1] == ["start"] else ["setup", *words])
    elif program.startswith("python -m"):
        sys.modules[program.split()[2] + ".__main__"].main(words)
    else:
        script = ROOT / program.split()[1]
        monkeypatch.syspath_prepend(script.parent)
        monkeypatch.setattr(sys, "argv", [str(script), *words])
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_a_program_accepts_the_line(line, monkeypatch):
    program, words = PROGRAM.match(line).groups()
    with pytest.raises(Accepted):
        accept(program, shlex.split(words), monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "python -m cs231n check --al",
        "python -m cs231n chek",
        "python -m classroom grade submissions",
        "python -m classroom release ../week3 --for canvas",
        "./setup.sh star",
        "./setup.sh run now",
        "python benchmarks/training.py --pictures x.png",
    ],
)
def test_a_program_refuses_a_wrong_line(line, monkeypatch):
    program, words = PROGRAM.match(line).groups()
    with pytest.raises(SystemExit) as refusal:
        accept(program, shlex.split(words), monkeypatch)
    assert refusal.value.code == 2


@pytest.mark.parametrize("program", [cs231n, classroom])
def test_without_a_command_it_lists_them(program, capsys):
    with pytest.raises(SystemExit) as refusal:
        program.__main__.main([])
    assert refusal.value.code == 2
    assert re.search("^ +(check|grade) ", capsys.readouterr().err, re.M)
