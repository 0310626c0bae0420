"""python -m cs231n check, check() in a notebook, and what an exercise may be called."""

import html
import re
from argparse import ArgumentParser

import pytest

from cs231n import checks, layers, notebook
from cs231n.checking import edition, sections
from cs231n.checking.edition import entries, find_exercise
from cs231n.checking.exercises import EXERCISES
from cs231n.commands.check import add_arguments, main

NAMES = [entry.title for entry in entries()]


def run_command(*names):
    parser = ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(names))


@pytest.mark.parametrize("number, name", list(enumerate(NAMES, start=1)))
def test_number_name_and_unique_beginning_mean_the_same(number, name):
    assert {find_exercise(text) for text in (number, str(number), name, f" {name} ", name.upper())} == {name}
    shortest = next(
        name[:n]
        for n in range(1, 99)
        if name[:n] == name or sum(x.startswith(name[:n]) for x in EXERCISES) == 1
    )
    assert find_exercise(shortest) == name


def test_what_the_edition_does_not_ask_for_has_a_name_and_no_number():
    assert find_exercise("svm") == "svm_loss" and len(NAMES) == 18


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            "batchnorm_b",
            "batchnorm_b is the beginning of several names: do you mean batchnorm_backward or "
            "batchnorm_backward_alt?",
        ),
        ("relu", "relu is the beginning of several names: do you mean relu_forward or relu_backward?"),
        ("batchnom_backward", "no exercise is called 'batchnom_backward'; do you mean batchnorm_backward?"),
        ("Twolayernet_loss", "no exercise is called 'Twolayernet_loss'; do you mean TwoLayerNet.loss?"),
        (19, "no exercise has the number 19; there are 1, 2, 3, 4, "),
        ("-1", "no exercise has the number -1; there are 1, "),
        ("conv", "no exercise is called 'conv'; there are 1 affine_forward, 2 affine_backward, "),
        ("", "no exercise is called ''; there are 1 affine_forward, "),
    ],
)
def test_what_is_no_exercise_is_answered_with_what_there_is(text, sentence, capsys):
    for function in (find_exercise, checks.check, notebook.check, notebook.hint):
        with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
            function(text)
        assert refused.value._render_traceback_() == [str(refused.value)]
        assert "svm_loss" not in str(refused.value)
    if str(text) and not str(text).startswith("-"):
        assert run_command("adam", str(text)) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"check: {sentence}") and not captured.out
        assert captured.err.count("\n") == 1


def test_a_short_edition_numbers_what_it_asks_for(monkeypatch, capsys):
    short = [entry for entry in entries() if entry.number in (6, 7)]
    monkeypatch.setattr(edition, "entries", lambda *_: short)
    monkeypatch.setattr(checks, "entries", lambda *_: short)
    with pytest.raises(ValueError, match="^no exercise has the number 1; there are 6 and 7$"):
        find_exercise(1)
    assert checks.check(7) and checks.check("adam")
    assert capsys.readouterr().out == "Exercise 7, batchnorm_backward, 15 points: passed\nadam: passed\n"


def test_all_have_a_line_with_number_and_points_and_the_end_counts(capsys):
    assert run_command() == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "17 of 17 exercises passed, 100 of 100 points, and 8 bonus points"
    assert [line.split()[:2] for line in lines] == [[str(i), name] for i, name in enumerate(NAMES, start=1)]
    assert lines[0] == " 1  affine_forward              3 points  passed"
    assert lines[-1] == "18  batchnorm_double_backward    8 bonus  passed"


BLANK = "raise NotImplementedError('Exercise 18: batchnorm_double_backward')"


def blank(kit, body=BLANK):
    kit.append("second_derivative.py", f"def batchnorm_double_backward(ddx, dout, cache):\n    {body}")


def test_an_optional_exercise_may_stay_blank(kit):
    blank(kit)
    done = kit.python(["-m", "cs231n", "check"])
    *_, line, last = done.stdout.splitlines()
    assert line == "18  batchnorm_double_backward    8 bonus  optional, not written yet", done.stderr
    assert last == "17 of 17 exercises passed, 100 of 100 points" and done.returncode == 0
    done = kit.python(["-m", "cs231n", "check", "18"], COLUMNS="40")
    assert done.stdout.startswith("18  batchnorm_double_backward  +8  optional, not written yet")
    assert done.stdout.endswith("\n0 of 1 exercises passed\n") and done.returncode == 1
    done = kit.python("from cs231n.notebook import check; check(18); print('on')")
    assert done.stdout == (
        "Exercise 18, optional, batchnorm_double_backward, 8 bonus points: not written yet\non\n"
    )


def test_an_optional_exercise_that_is_wrong_is_wrong(kit):
    blank(kit, "return ddx, dout, cache.gamma")
    done = kit.python(["-m", "cs231n", "check"])
    assert done.returncode == 1 and done.stdout.endswith("17 of 17 exercises passed, 100 of 100 points\n")
    assert "18  batchnorm_double_backward    8 bonus  wrong" in done.stdout
    done = kit.python("from cs231n.notebook import check; check(18); print('on')")
    assert "Exercise 18: batchnorm_double_backward is not right yet" in done.stderr and done.returncode == 1


@pytest.mark.parametrize(
    "text, fault",
    [
        ("def broken(:", "SyntaxError: "),
        ("from cs231n.layers import batchnorm_backward", "ImportError: cannot import name"),
        ("exit()", "SystemExit: "),
    ],
    ids=["syntax", "circular import", "exit"],
)
def test_an_optional_file_that_cannot_be_run_stops_its_own_exercise_alone(kit, text, fault):
    kit.append("second_derivative.py", text)
    done = kit.python(["-m", "cs231n", "check"])
    assert done.stdout.endswith("17 of 17 exercises passed, 100 of 100 points\n"), done.stderr
    assert done.stdout.count(fault) == 1 and done.stdout.count(" wrong\n") == 1 and done.returncode == 1
    assert "in second_derivative.py, line" in done.stdout
    done = kit.python(["-m", "cs231n", "check", "7", "17"])
    assert done.returncode == 0 and done.stderr.startswith("second_derivative.py, line ")
    assert done.stderr.endswith("Exercise 18 waits for it; the others are checked without it.\n")
    assert done.stderr.count("\n") == 1


def test_an_optional_file_is_tried_again_after_its_correction(kit):
    kit.append("second_derivative.py", "def broken(:")
    kit.append("layers.py", "import numpy")
    done = kit.python("""
from pathlib import Path
from cs231n.checks import check
file = Path("cs231n/second_derivative.py")
right = file.read_text().replace("def broken(:", "")
check(18), check(7)
file.write_text(right)
check(18), check(7)
file.write_text(right + "def broken(:")
check(18), check(7)
""")
    verdicts = [line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith("Exercise")]
    assert verdicts == ["wrong", "passed", "passed", "passed", "wrong", "passed"], done.stderr


def test_layers_of_another_kit_lack_the_optional_exercise_and_nothing_is_wrong(kit):
    kit.edit("layers.py", "from cs231n.second_derivative import batchnorm_double_backward\n", "")
    kit.edit("layers.py", '"batchnorm_double_backward",', "")
    done = kit.python(["-m", "cs231n", "check"])
    assert done.returncode == 0 and "8 bonus  optional, not written yet" in done.stdout, done.stdout
    assert "try: from cs231n.second_derivative import batchnorm_double_backward" in " ".join(
        done.stdout.split()
    )


@pytest.mark.parametrize("columns, at_most", [("30", 40), ("50", 50), ("80", 80), ("120", 100), ("250", 100)])
def test_the_text_takes_the_width_of_the_terminal(capsys, monkeypatch, columns, at_most):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(layers, "relu_backward", lambda dout, cache: dout)
    assert run_command("3", "relu_b", "svm") == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= at_most
    assert columns not in ("80", "120") or max(map(len, lines)) > at_most - 20
    text = " ".join(out.split())
    assert re.search(
        r"4 relu_backward 3 (points )?wrong - dx: dout passes unchanged.* Read .*notebook 1, section", text
    )
    assert "svm_loss passed 2 of 3 exercises passed, 2 of 5 points" in text and "the worst is at" in text
    assert sum(line.startswith("  - ") for line in lines) == 2


def test_what_is_wrong_with_a_file_is_said_once(kit):
    kit.append("layers.py", "def broken(:")
    done = kit.python(["-m", "cs231n", "check"])
    assert done.stdout.count("SyntaxError") == 1 and done.stdout.count("For the reason above.") == 14
    assert "3 of 17 exercises passed, 11 of 100 points" in done.stdout
    assert "in layers.py, line" in done.stdout, done.stderr


def test_a_function_with_another_name_is_said_once_and_plainly(kit):
    kit.edit("layers.py", "def batchnorm_backward_alt(", "def batchnorm_alt(")
    sentence = (
        "layers.py has no batchnorm_backward_alt, which is exercise 8: write it there, under this name."
    )
    assert kit.check(1, 8, 17) == (
        f"affine_forward: passed batchnorm_backward_alt: wrong {sentence} FullyConnectedNet: wrong {sentence}"
    )
    done = kit.python(["-m", "cs231n", "check"])
    assert done.stdout.count("has no") == 1 and done.stdout.count("For the reason above.") == 2


def test_in_an_equations_place_stands_the_section_that_holds_it():
    place = sections.add_section("notebook 2, equation (13), (16)")
    assert re.fullmatch(r"notebook 2, section \d+, equations \(13\), \(16\)", place)
    linked = sections.link_sections(f"Read {place}.")
    assert re.search(
        r'<a href="2_batchnorm_gradient\.ipynb#\d+\.-[^" ]+">notebook 2, section \d+</a>, equations '
        r'<a class="eq-13" href="2_[^" ]+">\(13\)</a>, <a class="eq-16" href="2_[^" ]+">\(16\)</a>\.$',
        linked,
    )


@pytest.mark.parametrize("broken", [None, "{", '{"cells": [{"cell_type": "markdown"}]}'])
def test_without_a_notebook_a_place_is_plain_text(tmp_path, monkeypatch, broken):
    monkeypatch.setattr(sections, "REPOSITORY", tmp_path)
    if broken:
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks" / "2_x.ipynb").write_text(broken)
    source = "notebook 2, equation (13), (16)"
    assert sections.add_section(source) == source
    assert sections.link_sections("notebook 2, section 4 & more") == "notebook 2, section 4 &amp; more"


@pytest.fixture
def displayed(monkeypatch):
    """As in a notebook: the bundles that are displayed."""
    display = pytest.importorskip("IPython.display", reason="needs IPython")
    bundles = []
    monkeypatch.setattr(display, "display", lambda bundle, raw: bundles.append(bundle))
    for module in (checks, notebook):
        monkeypatch.setattr(module, "in_notebook", lambda: True)
    return bundles


def text_of(markup):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_a_card_says_what_the_text_says_and_links_to_its_section(displayed, monkeypatch, capsys):
    notebook.check(8)
    assert text_of(displayed[0]["text/html"]) == "Exercise 8 of 17, batchnorm_backward_alt, 12 points: passed"
    monkeypatch.setattr(layers, "relu_backward", lambda dout, cache: dout)
    with pytest.raises(
        notebook.NotPassed, match="^Exercise 4: relu_backward is not right yet; the box above says why.$"
    ):
        notebook.check(4)
    card, text = displayed[1]["text/html"], displayed[1]["text/plain"].replace("  - ", "")
    assert re.sub(r" (?=[.,])", "", text_of(card)) == " ".join(text.split())
    assert card.count("<li") == 2 and "<br>Read" in card
    assert re.search(r'<a href="1_gradient_checking\.ipynb#9\.-[^" ]+">notebook 1, section 9</a>', card)
    assert not re.search(r"https?:|<script|<img|src=|background|[^-]color:", card)
    assert capsys.readouterr().out == ""


def test_what_a_learner_wrote_is_text_and_never_markup(displayed, monkeypatch):
    def backward(dout, cache):
        raise ValueError("<img src=x onerror=alert(1)> & \"more\" '<b>'")

    monkeypatch.setattr(layers, "relu_backward", backward)
    assert checks.check("relu_backward") is False
    card = displayed[0]["text/html"]
    assert "<img" not in card and "<b>'" not in card and "&lt;img src=x onerror=alert(1)&gt; &amp; " in card


@pytest.mark.parametrize(
    "blank, message",
    [
        (
            "batchnorm_forward",
            "Exercise 6: batchnorm_forward is not written yet. Write it in cs231n/layers.py, save the file, "
            "run this cell again.",
        ),
        ("batchnorm_backward", "Exercise 7: batchnorm_backward is not written yet. Write it in "),
        (
            "another",
            "Exercise 7: batchnorm_backward is not written yet. It needs exercise 6, batchnorm_forward "
            "(notebook 2, section 2), which is not written yet.",
        ),
    ],
)
def test_a_notebook_stops_with_one_line(displayed, monkeypatch, blank, message):
    name = "batchnorm_forward" if "6:" in message else "batchnorm_backward"
    missing = "batchnorm_forward" if blank == "another" else blank

    def function(*_):
        raise NotImplementedError(f"Exercise 0: {missing}")

    monkeypatch.setattr(layers, missing, function)
    with pytest.raises(notebook.NotPassed) as stop:
        notebook.check(name)
    assert str(stop.value).startswith(message) and "\n" not in str(stop.value)
    assert stop.value._render_traceback_() == [str(stop.value)] and isinstance(stop.value, AssertionError)


def test_what_this_edition_does_not_ask_for_has_no_number(displayed, monkeypatch):
    monkeypatch.setattr(layers, "svm_loss", lambda x, y: (0.0, 0 * x))
    with pytest.raises(notebook.NotPassed, match="^svm_loss is not right yet; the box above says why.$"):
        notebook.check("svm")
    assert text_of(displayed[0]["text/html"]).startswith("svm_loss: wrong")
