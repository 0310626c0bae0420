"""Questions of the notebooks: right answers are accepted in every form, wrong ones get a sentence.

The model answers stand in the answer cells of the solved notebooks, and are read from there.
"""

import ast
import importlib
import json
import re
from functools import cache

import numpy as np
import pytest
import sympy

from cs231n import notebook
from cs231n.checking.questions import QUESTIONS, format_response, respond
from cs231n.checking.questions.kinds import NOT_YET, NOTED, OPEN, RIGHT, Expression, Number, Prediction
from tests.support import ROOT

KINDS = {"a number": Number, "an expression": Expression, "your prediction": Prediction, "in words": None}
QUESTION = re.compile(r"\*\*Question (\d+\.\d+) \(([\w ]+)\)\.\*\*")
NOTEBOOKS = "12345"
CASES = {
    number: case
    for n in NOTEBOOKS
    for number, case in importlib.import_module(f"tests.corpus.answers.notebook_{n}").ANSWERS.items()
}


@cache
def cells_of(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def tags_of(cell):
    return cell["metadata"].get("tags", [])


@cache
def asked(number):
    """{number of a question: its kind} of a notebook, in its order."""
    texts = ["".join(cell["source"]) for cell in cells_of(number) if cell["cell_type"] == "markdown"]
    return QUESTION.findall("\n".join(texts))


@cache
def answer_cells(number):
    """[(number of a question, its answer cell)], in the order of a notebook."""
    return [
        (tag.removeprefix("question-"), cell)
        for cell in cells_of(number)
        for tag in tags_of(cell)
        if tag.startswith("question-")
    ]


@cache
def model_answer(number):
    """What the answer cell of the solved notebook hands to `answer`."""
    given = []
    (cell,) = (cell for n, cell in answer_cells(number[0]) if n == number)
    code = compile(ast.parse("".join(cell["source"])), f"<answer {number}>", "exec")
    exec(code, {"np": np, "answer": lambda *arguments: given.append(arguments)})
    ((name, value),) = given
    assert name == number
    return value


@pytest.mark.parametrize("n", NOTEBOOKS)
def test_questions_are_numbered_in_their_order_and_each_has_its_answer_cell(n):
    numbers = [number for number, _ in asked(n)]
    assert numbers == [f"{n}.{i}" for i in range(1, len(numbers) + 1)]
    assert numbers == [number for number, _ in answer_cells(n)]
    assert all("answer" in tags_of(cell) for _, cell in answer_cells(n))
    answers = [cell for cell in cells_of(n) if "answer" in tags_of(cell)]
    assert answers == [cell for _, cell in answer_cells(n)]


@pytest.mark.parametrize("n", NOTEBOOKS)
def test_what_a_machine_checks_has_an_entry_of_its_kind_and_a_case(n):
    kinds = dict(asked(n))
    assert set(kinds.values()) <= set(KINDS)
    for number, cell in answer_cells(n):
        is_code = cell["cell_type"] == "code"
        assert is_code == (kinds[number] != "in words"), number
        assert ("<summary>Model answer</summary>" in "".join(cell["source"])) == (not is_code), number
    checked = {number: kind for number, kind in kinds.items() if kind != "in words"}
    mine = {number: question for number, question in QUESTIONS.items() if number[0] == n}
    assert {number: type(question) for number, question in mine.items()} == {
        number: KINDS[kind] for number, kind in checked.items()
    }
    assert {number for number in CASES if number[0] == n} == checked.keys()


@pytest.mark.parametrize("number", CASES)
def test_the_model_answer_and_an_equivalent_one_are_accepted(number):
    accepted = NOTED if isinstance(QUESTIONS[number], Prediction) else RIGHT
    equivalent, model = CASES[number].equivalent, model_answer(number)
    assert (
        not isinstance(model, str) or equivalent != model
    )  # numbers are of another form in the source alone
    assert respond(number, model).status == respond(number, equivalent).status == accepted


@pytest.mark.parametrize("number", CASES)
def test_two_wrong_answers_get_a_sentence(number):
    for wrong in CASES[number].wrong:
        response = respond(number, wrong)
        assert response.status == NOT_YET and re.fullmatch(r"\S.*[.?]", response.sentence), wrong
        assert format_response(number, response) == f"Question {number}: not yet. {response.sentence}"


@pytest.mark.parametrize("number", CASES)
def test_every_sentence_on_a_known_wrong_answer_can_be_reached(number):
    """Also: no answer that is known as wrong is accepted, and none hides behind one before it."""
    question = QUESTIONS[number]
    if isinstance(question, Number):
        known = [(wrong(), sentence) for wrong, sentence in question.wrong]
    else:
        known = list(getattr(question, "wrong", {}).items())
    for wrong, sentence in known:
        assert respond(number, wrong) == (NOT_YET, sentence)
    assert isinstance(question, Prediction) or question.otherwise


NUMBER = Number(lambda: 2.0, wrong=((lambda: 4, "Halve it."),), otherwise="Count again.")
ROW = Number(lambda: [1, 2])
EXPRESSION = Expression("g N gamma", lambda s: s["gamma"] * s["g"] / s["N"], {"g": "Divide."}, "Look at N.")
PREDICTION = Prediction(("it falls", "it rises"))


@pytest.mark.parametrize(
    "question, value, status, sentence",
    [
        (NUMBER, ..., OPEN, ""),
        (NUMBER, 2, RIGHT, ""),
        (NUMBER, "2", RIGHT, ""),
        (NUMBER, sympy.Rational(4, 2), RIGHT, ""),
        (NUMBER, 2 + 1e-3, NOT_YET, "Count again."),
        (NUMBER, 4, NOT_YET, "Halve it."),
        (NUMBER, None, NOT_YET, ""),
        (NUMBER, float("nan"), NOT_YET, ""),
        (NUMBER, "two", NOT_YET, "Expected one number, got 'two'. Write it without quotation marks."),
        (NUMBER, "2*3072*100", NOT_YET, "Expected one number, got '2*3072*100'. Write it without quot"),
        (NUMBER, [..., 2], NOT_YET, "Expected one number, got "),
        (NUMBER, [2, 2], NOT_YET, "Expected one number, got a list of two numbers."),
        (ROW, (1, 2.0), RIGHT, ""),
        (ROW, "1, 2", NOT_YET, "Expected a list of two numbers, got '1, 2'. Write it without"),
        (ROW, 1, NOT_YET, "Expected a list of two numbers, got one number."),
        (EXPRESSION, ..., OPEN, ""),
        (EXPRESSION, "g*gamma / N", RIGHT, ""),
        (EXPRESSION, "gamma^2 * g / (N * gamma)", RIGHT, ""),
        (EXPRESSION, sympy.Symbol("g") * sympy.Symbol("gamma") / sympy.Symbol("N"), RIGHT, ""),
        (EXPRESSION, "g", NOT_YET, "Divide."),
        (EXPRESSION, 3, NOT_YET, "Look at N."),
        (EXPRESSION, "g * x", NOT_YET, "x: the answer has only g, N, gamma."),
        (EXPRESSION, "exit()", NOT_YET, "exit(): the answer has only g, N, gamma."),
        (EXPRESSION, "g / 0", NOT_YET, "This is no number: is something divided by zero?"),
        (EXPRESSION, "0/0", NOT_YET, "This is no number: is something divided by zero?"),
        (
            EXPRESSION,
            "gamma (g / N)",
            NOT_YET,
            "This is not a formula: a * is missing in front of a bracket.",
        ),
        *(
            (EXPRESSION, value, NOT_YET, f"This is not a formula: {reason}. Try Python's notation, ")
            for value, reason in [
                ("g ** / N", "'g ** / N' cannot be read"),
                ("zeta", "'zeta' cannot be read"),
                ("g > 0", "'g > 0' cannot be read"),
                ("dx = g", "write only what is on the right of the sign ="),
                ("g, N", "a comma makes two values of it"),
                ("[g]", "the answer needs no square brackets: it is one formula for one entry"),
                ("g.T", "a name is followed by a dot"),
                ("2g / N", "an operator such as * is missing between two factors"),
                ("g gamma", "an operator such as * is missing between two factors"),
                ("lambda g: g", "an operator such as * is missing between two factors"),
                ("(g / N", "its brackets do not match"),
                ("", "nothing is between the quotation marks"),
                (None, "write it as text, in quotation marks"),
                ([1, "g"], "write it as text, in quotation marks"),
            ]
        ),
        (PREDICTION, ..., OPEN, ""),
        (PREDICTION, "it falls", NOTED, "You predict 'it falls'. Now run the next cell."),
        (PREDICTION, "falls", NOT_YET, "Choose one of 'it falls', 'it rises', got 'falls'."),
        (PREDICTION, np.arange(3), NOT_YET, "Choose one of "),
    ],
)
def test_whatever_is_answered_has_a_response(question, value, status, sentence):
    response = question.respond(value)
    assert response.status == status and response.sentence.startswith(sentence)
    assert "\n" not in response.sentence


def test_answer_prints_one_line_and_never_raises(monkeypatch, capsys):
    monkeypatch.setitem(QUESTIONS, "0.1", NUMBER)
    for value in (..., 2, 4, "x"):
        notebook.answer("0.1", value)
    notebook.answer("9.9", 1)
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "Question 0.1 is open: write your answer in place of the dots, then run this cell again.",
        "Question 0.1: right.",
        "Question 0.1: not yet. Halve it.",
        "Question 0.1: not yet. Expected one number, got 'x'. Write it without quotation marks.",
    ]
    notebook.answer("9.9", 1)
    assert capsys.readouterr().out.startswith("there is no question '9.9' to check here")


@pytest.mark.parametrize(
    "number, value, status, words",
    [
        ("2.23", "g - sum(g)/N", RIGHT, ""),
        ("2.23", "g - g.sum() / N", RIGHT, ""),
        ("2.23", "g - np.mean(g, axis=0)", RIGHT, ""),
        ("2.23", "g - g.mean(axis=0)", RIGHT, ""),
        ("2.23", "g - sum(g)", NOT_YET, "x_i enters the mean with the factor 1/N."),
        (
            "2.23",
            "g - sum(x)",
            NOT_YET,
            "each name is one number, and the sums of this answer are called dbeta.",
        ),
        ("2.27", "gamma / r * (g - x_hat * np.mean(g * x_hat))", RIGHT, ""),
        ("2.27", "g - sum(g)", NOT_YET, "the sums of this answer are called dgamma."),
        ("2.28", "gamma / s * (g - w * (sum(g) + x_hat * sum(g * x_hat)))", RIGHT, ""),
        ("2.28", "mean(g)", NOT_YET, "the sums of this answer are called dbeta and dgamma."),
        ("1.2", "sum(g) / N", NOT_YET, "each name is one number, and it needs no sum."),
    ],
)
def test_a_sum_is_read_as_the_name_that_stands_for_it(number, value, status, words):
    response = respond(number, value)
    assert response.status == status and words in response.sentence
