"""The solved notebooks: a card for each exercise where it is taught, an answer below each question."""

import ast
import json
import re

import pytest

from classroom.manifest import load_exercises
from classroom.releasing.blanks import Function
from classroom.releasing.cards import CARD, card, check_line, title_of_card
from classroom.releasing.notebooks import blank_notebook, is_open, without_magics
from cs231n.checking.questions import QUESTIONS
from cs231n.checking.submission import NOTEBOOKS
from cs231n.common.files import REPOSITORY
from cs231n.common.words import question_of

EXERCISES = {exercise.title: exercise for exercise in load_exercises()}
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in NOTEBOOKS}
CELLS = {name: json.loads(text)["cells"] for name, text in TEXTS.items()}
PLACES = [(name, i) for name, cells in CELLS.items() for i in range(len(cells))]
GIVEN_NAMES = {"answer", "check", "hint"}
SETUP_IMPORT = "from cs231n.notebook import answer, check, hint"


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def is_card(cell):
    return CARD in tags(cell)


def section_of(name, index):
    """The section that a cell is in, as the manifest writes it."""
    headings = [
        match[1]
        for cell in CELLS[name][: index + 1]
        if cell["cell_type"] == "markdown"
        for match in re.finditer(r"^## (\d+)\.", source(cell), re.M)
    ]
    return f"notebook {name.split('/')[1][0]}, section {headings[-1] if headings else 0}"


def test_every_exercise_has_one_card_in_the_order_of_the_numbers():
    titles = [title_of_card(CELLS[name][i]) for name, i in PLACES if is_card(CELLS[name][i])]
    assert titles == [exercise.title for exercise in EXERCISES.values()]


@pytest.mark.parametrize("title", EXERCISES)
def test_a_card_is_that_of_the_manifest_in_its_section_above_its_check(title):
    exercise = EXERCISES[title]
    ((name, i),) = [place for place in PLACES if title_of_card(CELLS[place[0]][place[1]]) == title]
    assert source(CELLS[name][i]) == card(exercise)
    assert section_of(name, i) == exercise.section
    below = CELLS[name][i + 1]
    assert below["cell_type"] == "code" and source(below) == check_line(title)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_check_stands_below_a_card_only(name):
    """Elsewhere it would stop a notebook for an exercise that comes later."""
    for above, cell in zip([{"metadata": {}}, *CELLS[name]], CELLS[name]):
        if cell["cell_type"] == "code" and re.search(r"^check\(", source(cell), re.M):
            assert is_card(above), source(cell)


def other_exercises(text):
    """What is called an exercise in a text that is no card: by a heading, or by a number."""
    return re.findall(r"(?im)^#+ .*exercise.*|exercises?[\s*_:.]*\(?\d+", text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nothing_else_is_called_an_exercise(name):
    """But that a notebook may say at its start which exercises it has."""
    numbers = [EXERCISES[title_of_card(cell)].number for cell in CELLS[name] if is_card(cell)]
    own = f"xercises {min(numbers)} to {max(numbers)}" if numbers else " "
    texts = [source(cell).replace(own, "") for cell in CELLS[name] if not is_card(cell)]
    assert [hit for text in texts for hit in other_exercises(text)] == []


# fmt: off
@pytest.mark.parametrize("text, count", [
    ("## 12. Exercises", 1), ("# Exercise", 1), ("*Exercises.* (1) Draw", 1), ("see exercise 8", 1),
    ("# exercise 1: right", 1), ("This is a good exercise, one of 3.", 0), ("x = 1  # Exercise-free", 0),
])  # fmt: on
def test_the_search_finds_what_is_called_an_exercise(text, count):
    assert len(other_exercises(text)) == count


def rebound_names(code):
    """Of the names that the set-up cell imports, those that other code binds, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(without_magics(code))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (*Function.__args__, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and ast.unparse(node) != SETUP_IMPORT:
            names |= {alias.asname or alias.name for alias in node.names}
    return names & GIVEN_NAMES


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_code_binds_check_hint_or_answer(name):
    code = [source(cell) for cell in CELLS[name] if cell["cell_type"] == "code"]
    assert SETUP_IMPORT in code[0]
    assert {text: rebound_names(text) for text in code if rebound_names(text)} == {}


# fmt: off
@pytest.mark.parametrize("code", [
    "check = 1", "def answer(x):\n    return x", "import numpy as hint", "from cs231n.checks import check",
    "for check in x:\n    pass", "f = lambda answer: answer", "with a as hint:\n    pass",
    "class check: pass",    "%time x\n(a, check) = x", "check: int = 1", "[hint for hint in x]",
])  # fmt: on
def test_the_search_finds_names_that_are_bound(code):
    assert len(rebound_names(code)) == 1
    assert not rebound_names(f"{SETUP_IMPORT}\ncheck('f')\nanswer('2.7', x)\nrecheck = x.check = 1")


QUESTION = re.compile(r"\*\*Question (\d+\.\d+) \((a number|an expression|your prediction|in words)\)\.\*\*")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_question_has_an_answer_below_it(name):
    cells, numbers = CELLS[name], []
    for cell, below in zip(cells, [*cells[1:], {"cell_type": "", "metadata": {}}]):
        questions = QUESTION.findall(source(cell)) if cell["cell_type"] == "markdown" else []
        if not questions:
            continue
        ((number, kind),) = questions
        numbers.append(number)
        assert question_of(tags(below)) == number and is_open(below), f"no answer below question {number}"
        assert below["cell_type"] == ("markdown" if kind == "in words" else "code"), number
        assert kind == "in words" or below["metadata"]["jupyter"] == {"source_hidden": True}, number
    assert numbers == [f"{name.split('/')[1][0]}.{i}" for i in range(1, len(numbers) + 1)] and numbers
    assert [question_of(tags(cell)) for cell in cells if question_of(tags(cell))] == numbers
    checked = [
        question_of(tags(cell)) for cell in cells if cell["cell_type"] == "code" and question_of(tags(cell))
    ]
    assert set(checked) == {number for number in QUESTIONS if number.split(".")[0] == name.split("/")[1][0]}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_learner_gets_the_notebook_with_its_answers_open_and_all_else_as_it_is(name):
    learner = json.loads(blank_notebook(name, TEXTS[name], list(EXERCISES.values())))
    for before, after in zip(CELLS[name], learner["cells"], strict=True):
        assert (source(before) != source(after)) == is_open(before), source(before)
        assert (before["cell_type"], before["id"]) == (after["cell_type"], after["id"])
        assert tags(before) == tags(after) and set(after["metadata"]) <= {"tags"}
    solved = json.dumps(json.loads(TEXTS[name]), indent=1, ensure_ascii=False) + "\n"
    assert solved == TEXTS[name]  # written back as it was read
