"""A learner's notebook: cards as the manifest has them, answers open, nothing else changed."""

import ast
import json

import pytest

from classroom.manifest import Exercise, ManifestError
from classroom.releasing.cards import card, card_of_written, refuse_missing_cards
from classroom.releasing.notebooks import blank_notebook, cards_in, model_answers
from cs231n.common.words import PLACE_FOR_WORDS

EXERCISE = Exercise(3, "f", 1, "cs231n/m.py", ("cs231n.m.f",), "notebook 1, section 2", "It gets x.", ())
NUMBER = '# Question 2.7: how many entries\nanswer_2_7 = 2 * 3\nanswer("2.7", answer_2_7)'
WORDS = "<details><summary>Model answer</summary>\n\nBecause of the mean.\n\n</details>"


def cell(kind, source, *tags, **more):
    metadata = {"tags": list(tags)} if tags else {}
    content = {"cell_type": kind, "id": "a", "metadata": metadata, "source": source.splitlines(keepends=True)}
    return content | ({"outputs": [], "execution_count": 3} if kind == "code" else {}) | more


def card_cells(title="f", source=None):
    text = f"### Exercise 9: {title} (old text)" if source is None else source
    return [cell("markdown", text, "card"), cell("code", f'check("{title}")')]


def blanked(*cells, exercises=(EXERCISE,), **metadata):
    notebook = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.loads(blank_notebook("n.ipynb", json.dumps(notebook), exercises))


def sources(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def test_a_card_is_written_from_the_manifest():
    expected = (
        "### Exercise 3: f (1 point)\n\n**Open** `cs231n/m.py` and write `f`. It gets x.\n\n"
        "**Read** notebook 1, section 2 first. **Then** save the file and run the cell below. "
        'For a hint, run `hint("f")`.'
    )
    assert card(EXERCISE) == expected
    assert sources(blanked(*card_cells())) == [expected, 'check("f")']


def test_the_card_of_a_class_names_its_methods_without_the_module_and_points_have_a_plural():
    functions = ("cs231n.m.Net.up", "cs231n.m.Net.down")
    text = card(EXERCISE._replace(functions=functions, points=2.5))
    assert "(2.5 points)" in text and "write `Net.up` and `Net.down`." in text


def test_where_an_exercise_is_written_already_its_card_says_so():
    notebook = blanked(*card_cells("adam"))
    assert sources(notebook) == [card_of_written("adam"), 'check("adam")']
    assert "Exercise" not in sources(notebook)[0]


def test_where_a_function_is_withheld_its_card_and_its_check_say_that_it_is_not_there():
    """Its body would show exercise 8; without it, a check that fails would stop the notebook for good."""
    closed_form = EXERCISE._replace(title="batchnorm_backward_alt")
    text, check = sources(blanked(*card_cells("batchnorm_double_backward"), exercises=(closed_form,)))
    assert "is not in this edition" in text and "already written" not in text
    assert check.startswith("# batchnorm_double_backward is not in this edition")


# fmt: off
OPEN = {  # {case: (source, what a learner gets)}
    "a number": (NUMBER, '# Question 2.7: how many entries\nanswer_2_7 = ...\nanswer("2.7", answer_2_7)'),
    "an expression": (
        '# The formula\na = "g / s"\nanswer("2.7", a)', '# The formula\na = ...\nanswer("2.7", a)'),
    "with a type": ('# A\na: float = 2.5\nanswer("2.7", a)', '# A\na: float = ...\nanswer("2.7", a)'),
    "over lines": (
        '# A\na = (1 +\n     2)  # one number\nb = [3,\n 4]\nanswer("2.7", a)',
        '# A\na = (...)  # one number\nb = ...\nanswer("2.7", a)'),
    "unicode": ('# A\na = "é"; b = "ü"\nanswer("2.7", a)', '# A\na = ...; b = ...\nanswer("2.7", a)'),
    "chained, and a magic line": (
        '# A\n%matplotlib inline\na = b = 1\nanswer("2.7", a)',
        '# A\n%matplotlib inline\na = b = ...\nanswer("2.7", a)'),
    "a function": (
        '# A\ndef f(x):\n    """One."""\n    # secret\n    @cache\n    def g(): pass\n    return x + 1\n\n'
        'answer("2.7", f)',
        '# A\ndef f(x):\n    """One."""\n    return ...\n\nanswer("2.7", f)'),
    "a function on one line, at the end": (
        '# A\na = 1\nanswer("2.7", a)\ndef f(x): return x',
        '# A\na = ...\nanswer("2.7", a)\ndef f(x):\n    return ...'),
}
# fmt: on


@pytest.mark.parametrize("source, expected", OPEN.values(), ids=OPEN)
def test_an_answer_becomes_three_dots(source, expected):
    hidden = cell("code", source, "answer", "question-2.7")
    hidden["metadata"]["jupyter"] = {"source_hidden": True}
    notebook = blanked(hidden)
    assert sources(notebook) == [expected]
    assert notebook["cells"][0]["metadata"] == {"tags": ["answer", "question-2.7"]}  # no longer folded
    if "%" not in expected:
        compile(expected, "n", "exec")


def test_a_worksheet_keeps_its_checks():
    source = (
        "# dvar (D,), from dstd\nimport numpy as np\ndvar = dstd / std\ncompare('dvar', dvar, lambda v: v)"
    )
    (learner,) = sources(blanked(cell("code", source, "worksheet")))
    assert learner == source.replace("dstd / std", "...")


def test_an_answer_in_words_leaves_a_place_for_words():
    notebook = blanked(cell("markdown", WORDS, "answer", "question-2.9", attachments={"a.png": {}}))
    assert sources(notebook) == [PLACE_FOR_WORDS] and "attachments" not in notebook["cells"][0]


def test_all_else_stays_but_outputs_and_metadata():
    printed = {"output_type": "stream", "name": "stdout", "text": ["secret\n"]}
    code = cell("code", "f()\n%time x", "nbval-ignore-output", outputs=[printed])
    code["metadata"]["collapsed"] = True
    kept = [cell("markdown", "**Question 2.7 (a number).** How many?"), cell("raw", "x")]
    notebook = blanked(code, *kept, widgets={"state": "secret"}, kernelspec={"name": "python3"})
    tags = {"tags": ["nbval-ignore-output"]}
    assert notebook["cells"] == [{**code, "outputs": [], "execution_count": None, "metadata": tags}, *kept]
    assert notebook["metadata"] == {"kernelspec": {"name": "python3"}}


ANSWER = ("answer", "question-2.7")
# fmt: off
REFUSED = {  # {case: (cells, what the message says)}
    "no prompt": ([cell("code", NUMBER[NUMBER.index("a"):], *ANSWER)], "does not say what to write; try"),
    "a prompt at the end only": ([cell("code", "a = 1  # a number", "worksheet")], "does not say what"),
    "a prompt of one sign": ([cell("code", "#\na = 1", "worksheet")], "does not say what"),
    "a loop": ([cell("code", "# A\nfor i in x:\n    a = 1", "worksheet")], "line 2 would stay"),
    "a formula alone": ([cell("code", "# A\na = 1\ng / s", "worksheet")], "line 3 would stay"),
    "an assert": ([cell("code", "# A\na = 1\nassert a == 1", "worksheet")], "line 3 would stay"),
    "two names at once": ([cell("code", "# A\na, b = 1, 2", "worksheet")], "line 2 would stay"),
    "an entry of an array": ([cell("code", "# A\na = x\na[0] = 1", "worksheet")], "line 3 would stay"),
    "no program": ([cell("code", "# A\na = (", "worksheet")], "it does not compile"),
    "nothing to write": ([cell("code", "# A\nprint(1)", "worksheet")], "has no assignment and no function"),
    "the answer in its call": (
        [cell("code", '# A\na = 1\nanswer("2.7", 6)', *ANSWER)], r'must be answer\("2.7", NAME\)'),
    "the call of another question": (
        [cell("code", NUMBER.replace('"2.7"', '"2.8"'), *ANSWER)], r'must be answer\("2.7", NAME\)'),
    "no call": ([cell("code", "# A\na = 1", *ANSWER)], "its one call of answer"),
    "words that are not folded": ([cell("markdown", "Because.", *ANSWER)], "Model answer"),
    "words behind the fold": ([cell("markdown", f"{WORDS} And more.", *ANSWER)], "Model answer"),
    "an answer without its question": ([cell("code", NUMBER, "answer")], "an answer has two tags"),
    "a question without its answer": ([cell("code", NUMBER, "question-2.7")], "an answer has two tags"),
    "two questions": ([cell("code", NUMBER, *ANSWER, "question-2.8")], "an answer has two tags"),
    "a question without a number": ([cell("code", NUMBER, "answer", "question-b")], "try question-2.7"),
    "an answer and a worksheet": ([cell("code", NUMBER, *ANSWER, "worksheet")], "not two of them"),
    "a tag of old": ([cell("code", "x = 1", "exercise-3")], "'exercise-3' leaves nothing open; try card for"),
    "a text with a tag of old": ([cell("markdown", "x", "exercise-7")], "answer with question-2.7"),
    "a tag that is nearly one": ([cell("code", NUMBER, "answers", "question-2.7")], "'answers' is not known"),
    "another one": ([cell("markdown", "x", "Card")], "'Card' is not known; try card"),
    "another": ([cell("code", "# A\na = 1", "work-sheet")], "try worksheet"),
    "a card that is none": (card_cells(source="Write f."), "is not the card of an exercise"),
    "a card with a typing mistake": (card_cells("batchnorm_backwards"), "is not the card of an exercise"),
    "a card as code": ([cell("code", "### Exercise 3: f", "card")], "is not the card of an exercise"),
    "a card at the end": (card_cells()[:1], r'the cell below a card must be check\("f"\)'),
    "a card above the check of another": ([card_cells()[0], card_cells("g")[1]], "the cell below a card"),
    "a card above two lines": ([card_cells()[0], cell("code", 'check("f")\nx = 1')], "the cell below a card"),
    "a card above a text": ([card_cells()[0], cell("markdown", 'check("f")')], "the cell below a card"),
}
# fmt: on


@pytest.mark.parametrize("cells, complaint", REFUSED.values(), ids=REFUSED)
def test_refused(cells, complaint):
    with pytest.raises(ManifestError, match=f"n.ipynb, the cell .*: .*{complaint}"):
        blanked(*cells)


def test_an_exercise_without_a_card_is_refused_with_the_card():
    notebook = json.dumps({"cells": [*card_cells("adam"), cell("markdown", "x"), *card_cells("f")]})
    assert cards_in(notebook) == ["adam", "f"]
    refuse_missing_cards([EXERCISE], ["adam", "f"])
    with pytest.raises(ManifestError, match="Exercise 3: f has 2 cards"):
        refuse_missing_cards([EXERCISE], ["f", "adam", "f"])
    with pytest.raises(ManifestError, match="Exercise 3: f has no card in a notebook") as raised:
        refuse_missing_cards([EXERCISE], ["adam"])
    text = str(raised.value)
    assert card(EXERCISE) in text and 'check("f")' in text and "CONTRIBUTING.md" in text


def test_model_answers_are_read_from_the_cells_that_are_left_open():
    cells = [
        cell("code", NUMBER, *ANSWER),
        cell("code", "x = 1"),
        cell("markdown", WORDS, "answer", "question-2.9"),
        cell("code", "# A\ndef f(x):\n    y = x\n    return y", "worksheet"),
    ]
    answers = model_answers("n.ipynb", json.dumps({"cells": cells}))
    assert [answer[:2] for answer in answers] == [("2.7", ""), ("2.9", "Because of the mean."), ("", "")]
    assert [list(map(ast.unparse, answer.code)) for answer in answers] == [
        ["2 * 3"],
        [],
        ["y = x", "return y"],
    ]
