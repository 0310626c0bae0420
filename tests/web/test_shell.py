"""The shell of the browser's worker, here in a Python of its own, since it takes the place of IPython."""

import json

import pytest

from tests.support.python import run_python

RUN = """
import json, sys
from cs231n.web import shell
late, cells = json.loads(sys.argv[1])
send = lambda line: print(line, file=sys.__stdout__)
made = shell.install(send, late, lambda name: sys.exit("fetched " + name))
for number, cell in enumerate(cells, 1):
    made.run_cell(cell, str(number))
"""


def run_cells(*cells, late=None):
    """The messages of cells that are run one after another."""
    process = run_python(["-c", RUN, json.dumps([late or {}, cells])])
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["print('a'); print('b', end='')"], [("stdout", "a\n"), ("stdout", "b")]),
        (["import sys; print('w', file=sys.stderr)"], [("stderr", "w\n")]),
        (["x = 6", "x * 7"], [("display", {"text/plain": "42"})]),
        (["None", "y = 1", ""], []),
        (["f = lambda: 1 / 0", "f()"], [("error", "ZeroDivisionError: division by zero")]),
        (["x ="], [("error", "SyntaxError: invalid syntax")]),
        (["exit(3)"], [("error", "SystemExit: 3")]),
    ],
)
def test_what_a_cell_prints_shows_and_raises(cells, expected):
    got = [
        (message.get("name", message["type"]), message.get("data") or message["text"])
        for message in run_cells(*cells)
    ]
    assert [(kind, text.splitlines()[-1] if kind == "error" else text) for kind, text in got] == expected


def test_a_traceback_shows_lines_of_the_cell_and_none_of_the_shell():
    (message,) = run_cells("def f():\n    return 1 / 0\n", "f()")
    assert '<cell 1>", line 2, in f' in message["text"] and "return 1 / 0" in message["text"]
    assert "shell.py" not in message["text"]


@pytest.mark.parametrize(
    "cell",
    [
        "for _ in range(3000): print('x' * 99)",
        "print('x' * 10**7)",
        "for _ in range(10**6): print('x', end='')",
        "from IPython.display import display\nfor n in range(5000): display(n)",
        "'x' * 10**7",
        "raise ValueError('x' * 10**7)",
    ],
)
def test_a_flood_of_output_is_cut(cell):
    *_, last = messages = run_cells(cell, "print('next')")
    texts = [message.get("text") or message["data"]["text/plain"] for message in messages]
    assert texts.pop() == "next\n" and texts[-1].endswith("the rest of the output is left out\n")
    assert sum(map(len, texts)) < 101_000 and len(texts) <= 3001


def test_input_says_that_it_is_not_there():
    *_, message = run_cells("name = input('name? ')")
    assert message["text"].endswith(
        "RuntimeError: input() does not work in the page; write the value into the cell"
    )


def test_help_works_after_exit():
    _, message, *_ = run_cells("exit()", "help(len)")
    assert message["type"] == "stream" and "len(obj, /)" in message["text"]


def test_check_hint_and_answer_work_as_in_a_notebook():
    messages = run_cells(
        "from cs231n.notebook import answer, check, hint\ncheck('relu_forward')",
        "hint(3)",
        "answer('1.1', -1.5)",
    )
    assert "<b>passed</b>" in messages[0]["data"]["text/html"]
    assert messages[1]["data"]["text/plain"].strip() and messages[2]["text"] == "Question 1.1: right.\n"


def test_cells_without_their_data_leave_the_stored_results():
    """A cell that needs what such a cell binds has none either; all others run."""
    cells = [
        "from cs231n.data.errors import DataError\na = 0",
        "a = 1\nprint('printed')\nraise DataError('CIFAR-10 is not in this page')",
        "def mean():\n    return a / 2\nprint('runs')",
        "b = mean()",
        "b",
        "c",
        "a = 4",
        "mean()",
    ]
    kinds = [message.get("text") or message.get("data") or message["type"] for message in run_cells(*cells)]
    error = kinds.pop(5)
    assert error.endswith("NameError: name 'c' is not defined")
    assert kinds == ["printed\n", "stored", "runs\n", "stored", "stored", {"text/plain": "2.0"}]


def test_a_module_is_fetched_when_it_is_first_imported():
    process = run_python(["-c", RUN, json.dumps([{"absent": ["absent.zip"]}, ["import absent"]])])
    assert "fetched absent.zip" in process.stdout
