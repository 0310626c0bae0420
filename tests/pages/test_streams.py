"""What a cell prints becomes one text for each stream, in a time that grows no faster than the text."""

import re
import time

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from cs231n.pages.execute import execute, join_streams

SLOW_BUT_PLAIN = re.compile(r".*\r(?=[^\n])")  # of nbclient and nbconvert; its time grows with the square


def stream(name, text):
    return NotebookNode(output_type="stream", name=name, text=text)


printed = st.text(st.sampled_from("ab\r\n "), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), printed), max_size=5))
def test_a_line_keeps_the_last_state_that_a_carriage_return_left(messages):
    joined = join_streams([stream(name, text) for name, text in messages])
    names = {name for name, _ in messages}
    assert [output.name for output in joined] == sorted(names, reverse=True)
    for output in joined:
        whole = "".join(text for name, text in messages if name == output.name)
        assert output.text == SLOW_BUT_PLAIN.sub("", whole)


def test_figures_stay_where_they_are_after_what_was_printed_before_them():
    figure = NotebookNode(output_type="display_data")
    error = NotebookNode(output_type="error")
    outputs = [stream(name, name) for name in ("stderr", "stdout", "stdout")]
    joined = join_streams([*outputs[:2], figure, outputs[2], error])
    assert joined == [stream("stdout", "stdoutstdout"), stream("stderr", "stderr"), figure, error]


BAR = "\r100%|████| 12/12 [00:01<00:00, 9.9it/s]"
# fmt: off
KINDS = {"\r\n": "\r\n" * 50_000, "one line": "x" * 100_000, "carriage returns": "\r" * 100_000,
         "a progress bar": BAR * 2700, "a bar, then a long line": BAR + "\r" + "x" * 100_000,
         "lines": "x\n" * 50_000,
         "colours": "\x1b[31mx\x1b[0m" * 10_000, "escapes": "\x1b[" * 50_000, "backspaces": "x\b" * 50_000}
# fmt: on


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [200_000, 3])
def test_no_text_is_slow(text, size):
    """In one message, and in messages of three characters."""
    messages = [stream("stdout", text[i : i + size]) for i in range(0, len(text), size)]
    started = time.process_time()
    join_streams(messages)
    assert time.process_time() - started < 2  # it takes 0.2 s; the square takes 4 s for one line


def test_a_cell_that_prints_a_long_line_is_executed_at_once(tmp_path):
    code = f"print('x' * 300_000)\nprint({BAR!r} * 2, end='')\n"
    code += "for _ in range(500): print('y', end='', flush=True)"
    path = tmp_path / "1.ipynb"
    path.write_text(nbformat.writes(new_notebook(cells=[new_code_cell(code)])), encoding="utf-8")
    outcomes = []
    execute([path], outcomes.append)
    (outcome,) = outcomes
    (output,) = outcome.notebook.cells[0].outputs
    assert output.text == "x" * 300_000 + "\n" + BAR[1:] + "y" * 500
    assert outcome.seconds < 30  # a kernel takes some to start
