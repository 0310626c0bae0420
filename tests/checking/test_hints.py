"""Hints: three for each exercise, in order, and none of them is the solution."""

import json
import re
from argparse import ArgumentParser

import pytest

from cs231n import notebook
from cs231n.checking.edition import entries
from cs231n.checking.hints import HINTS, format_hint, wrap_hint
from cs231n.commands.hint import add_arguments, main
from tests.support import ROOT

EACH = [(entry.title, step) for entry in entries() for step in (1, 2, 3)]


def run_command(*arguments):
    parser = ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(arguments))


def test_each_exercise_has_three_hints():
    assert list(HINTS) == [entry.title for entry in entries()]
    assert all(len({*hints}) == len(hints) == 3 for hints in HINTS.values())


@pytest.mark.parametrize("name, step", EACH)
def test_a_hint_says_where_it_stands_and_how_to_get_the_next(name, step):
    head, *_, last = format_hint(name, step, "THE NEXT {}").splitlines()
    assert re.fullmatch(rf"\*\*Exercise \d+: {name}\. Hint {step} of 3: .*\*\*", head)
    assert (last == f"    THE NEXT {step + 1}") == (step < 3)
    entry = next(entry for entry in entries() if entry.title == name)
    assert step != 2 or f"{entry.section.split(', ')[0]}, section " in format_hint(name, step, "")
    assert step != 3 or "\n1. " in format_hint(name, step, "")


def test_what_a_hint_cites_is_there():
    cells = {
        path.name[0]: json.loads(path.read_text(encoding="utf-8"))["cells"]
        for path in (ROOT / "notebooks").glob("[0-9]_*.ipynb")
    }
    markdown = {
        number: "\n".join("".join(c["source"]) for c in listed if c["cell_type"] == "markdown")
        for number, listed in cells.items()
    }
    text = " ".join(" ".join(hint for hints in HINTS.values() for hint in hints).split())
    cited = set(re.findall(r"notebook (\d), section (\d+)", text))
    assert len(cited) >= 8
    assert {(n, s) for n, s in cited if not re.search(rf"^## {s}\. ", markdown[n], re.M)} == set()
    equations = {*re.findall(r"[Ee]quations? \((\d+)\)", text), *re.findall(r"(?:to|and) \((\d+)\)", text)}
    assert len(equations) >= 8 and all(
        rf"\tag{{{number}}}" in markdown["2"] + markdown["5"] for number in equations
    )


@pytest.mark.parametrize("columns", [40, 80, 100])
def test_the_command_wraps_to_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, step in EACH:
        assert run_command(name, str(step)) == 0
        out = capsys.readouterr().out
        longest = max(out.split(), key=len)
        assert max(map(len, out.splitlines())) <= max(columns, len(longest) + 3) and "**" not in out
    text = wrap_hint("**A**\n\n- one two three\n1. four five six", 11)
    assert text == "A\n\n- one two\n  three\n1. four\n   five six"


def test_the_command_starts_with_the_idea_and_takes_a_number_and_a_beginning(capsys):
    assert run_command("batchnorm_f") == run_command("6", "1") == 0
    first, second = capsys.readouterr().out.split("Exercise 6: batchnorm_forward. Hint 1 of 3: the idea")[1:]
    assert first == second and first.endswith(":\n\n    python -m cs231n hint 6 2\n")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["batchnorm_b"], "hint: batchnorm_b is the beginning of several names"),
        (["adam", "4"], "hint: a hint has the steps 1, 2 and 3, got 4"),
        (["svm_loss"], "hint: there is no hint for svm_loss; its docstring says what it does"),
    ],
)
def test_what_is_no_hint_is_one_line(arguments, sentence, capsys):
    assert run_command(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(sentence) and captured.err.count("\n") == 1 and not captured.out


def test_in_a_notebook_a_hint_is_markdown_and_elsewhere_text(capsys, monkeypatch):
    notebook.hint("adam", 2)
    text = capsys.readouterr().out.rstrip()
    assert text.startswith("Exercise 14: adam. Hint 2 of 3: ") and text.endswith("\n\n    hint(14, 3)")
    display = pytest.importorskip("IPython.display", reason="needs IPython")
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    monkeypatch.setattr(display, "display", lambda bundle, raw: print(json.dumps(bundle)))
    notebook.hint(14, 2)
    bundle = json.loads(capsys.readouterr().out)
    assert bundle["text/plain"] == text and bundle["text/markdown"].startswith("**Exercise 14: adam. Hint 2 ")
