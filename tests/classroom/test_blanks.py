"""Named function bodies and tagged cells are blanked, and nothing else is touched."""

import ast
import json
import re
from textwrap import indent

import pytest

from classroom.manifest import Exercise, ManifestError, functions_by_file, load_exercises
from classroom.releasing.blanks import blank_functions, blank_notebook, functions_in, is_blank
from cs231n.common.files import REPOSITORY

EXERCISE = Exercise(3, "f", 1, "m.py", ("m.f",), "Think of the rows.", ())
BLANK = '    # Think of the rows.\n    raise NotImplementedError("Exercise 3: f")\n'
FILES = functions_by_file(load_exercises())

# fmt: off
SHAPES = {  # {case: (source, the same with ~ for a blank)}
    "plain": ("def f(x):\n    return x + 1\n", "def f(x):\n~"),
    "a docstring": (
        'def f(x):\n    """One\n    two."""\n    y = x\n', 'def f(x):\n    """One\n    two."""\n~'),
    "only a docstring": ('def f(x):\n    """One."""\n', 'def f(x):\n    """One."""\n~'),
    "on one line": ("def f(x): return x + 1\ny = 2\n", "def f(x):\n~y = 2\n"),
    "a docstring on one line": ('def f(x):\n    """One."""; return x\n', 'def f(x):\n    """One."""\n~'),
    "a decorator, a long signature": (
        "@cache\ndef f(x,   # rows\n      y=(1, 2)):\n    return x\n",
        "@cache\ndef f(x,   # rows\n      y=(1, 2)):\n~"),
    "comments before and after": (
        "def f(x):\n    # x + 1\n    return x  # + 1\n    # x + 1\n\n\n# next\n", "def f(x):\n~\n\n# next\n"),
    "no end of line": ("def f(x):\n    return x", "def f(x):\n~"),
    "a decorated function inside": (
        "def f(x):\n    @cache\n    def g():\n        return x\n    return g\n", "def f(x):\n~"),
    "unicode before it": ("é = 'ü'\ndef f(x): return 'é'\n", "é = 'ü'\ndef f(x):\n~"),
    "defined twice": (
        "if a:\n    def f(x):\n        return 1\nelse:\n    def f(x):\n        return 2\n",
        "if a:\n    def f(x):\n    ~else:\n    def f(x):\n    ~"),
    "a method of its name": (
        "class A:\n    def f(self):\n        return 2\n\n\ndef f(x):\n    return 1\n",
        "class A:\n    def f(self):\n        return 2\n\n\ndef f(x):\n~"),
    "line ends of Windows": ("def f(x):\r\n    return x\r\n\r\ny = 1\r\n", "def f(x):\r\n~\r\ny = 1\r\n"),
}
# fmt: on


@pytest.mark.parametrize("source, expected", SHAPES.values(), ids=SHAPES)
def test_a_body_becomes_a_hint_and_an_error(source, expected):
    expected = re.sub("( *)~", lambda match: indent(BLANK, match[1]), expected)
    expected = expected.replace("\r", "").replace("\n", "\r\n") if "\r" in source else expected
    assert blank_functions("m.py", source.encode(), {"f": EXERCISE}).decode() == expected
    compile(expected, "m.py", "exec")


def test_a_method_is_blanked_by_its_qualified_name():
    blanked = blank_functions("m.py", SHAPES["a method of its name"][0].encode(), {"A.f": EXERCISE}).decode()
    assert "return 1" in blanked and "return 2" not in blanked


@pytest.mark.parametrize("file", FILES)
def test_the_kit_is_the_same_outside_the_bodies(file):
    exercises, solved = FILES[file], (REPOSITORY / file).read_bytes()
    blanked = blank_functions(file, solved, exercises)
    assert outside(solved, exercises) == outside(blanked, exercises)
    for name in functions_in(ast.parse(blanked)):
        exercise = exercises.get(name, EXERCISE)
        assert is_blank(blanked.decode(), name, exercise) == (name in exercises), name
        assert not is_blank(solved.decode(), name, exercise), name


def outside(source, exercises):
    """source without the lines between the docstring and the end of each function of exercises."""
    lines = source.splitlines(keepends=True)
    inside = set()
    for name in exercises:
        for node in functions_in(ast.parse(source))[name]:
            has_docstring = ast.get_docstring(node) is not None
            first = node.body[0].end_lineno + 1 if has_docstring else node.body[0].lineno
            while not has_docstring and lines[first - 2].lstrip().startswith(b"#"):
                first -= 1
            inside |= set(range(first, node.end_lineno + 1))
    return b"".join(line for number, line in enumerate(lines, start=1) if number not in inside)


STUB = f'def f(x):\n    """One."""\n{BLANK}'
MORE = {  # behind the stub -> whether it is blank still
    "nothing": ("", True),
    "called": ("def g(x):\n    return f(x)\n", True),
    "read": ("h = f\nf.note = 1\n", True),
    "again": ("def f(x):\n    return x\n", False),
    "bound": ("f = abs\n", False),
    "imported": ("from numpy import abs as f\n", False),
    "a method": ("class A:\n    def g(self): pass\nA.f = A.g\n", False),
    "no program": ("def g(:\n", False),
    "an escape": ("pattern = '\\d'\n", True),
    "too deep to write out": (f"def f(x): return 0{'+1' * 2000}\n", False),
    "too deep to parse": (f"y = 0{'+1' * 100_000}\n", False),
}


@pytest.mark.parametrize("more, blank", MORE.values(), ids=MORE)
@pytest.mark.filterwarnings("error")
def test_a_blank_is_no_function_that_somebody_wrote(more, blank):
    assert is_blank(STUB + more, "f", EXERCISE) == blank
    assert not is_blank((STUB + more).replace("Exercise 3", "Exercise 4"), "f", EXERCISE)
    assert not is_blank(STUB.replace("raise", "x = 1\n    raise") + more, "f", EXERCISE)


def test_a_source_that_does_not_compile_is_refused():
    with pytest.raises(ManifestError, match="does not compile"):
        blank_functions("m.py", b"def f(:\n", {"f": EXERCISE})


def code(source, *tags, outputs=()):
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": list(tags)} if tags else {}}
    source = source.splitlines(keepends=True)
    return cell | {"source": source, "outputs": list(outputs), "execution_count": 3}


def blanked(*cells, **metadata):
    notebook = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.loads(blank_notebook("n.ipynb", json.dumps(notebook), [EXERCISE]))


HEAD = "# Exercise 3: f. The text above says what belongs here.\n"
ERROR = 'raise NotImplementedError("Exercise 3: f")'
# fmt: off
CELLS = {  # {case: (source, later cells, what is to be defined, checks that stay)}
    "what later cells read": (
        "secret = 1\nfor i in x:\n    second = i\nunread = 2\ndef g():\n    local = 1",
        ["%time x\ng(secret, second, local)"], "g, second, secret", ""),
    "its own checks": (
        "y = 1\ncheck('y', y,\n      lambda t: t)\nz = 2\nassert z  # so\nprint(y)",
        [], "y, z", "\n\ncheck('y', y,\n      lambda t: t)\nassert z  # so"),
    "names that a later cell binds anew": (
        "x = y = z = 1", ["x = 2\n[y for y in a]\nf = lambda z: z", "x + y"], "y", ""),
    "nothing": ("print(secret)", [], "", ""),
}
# fmt: on


@pytest.mark.parametrize("source, later, names, checks", CELLS.values(), ids=CELLS)
def test_a_tagged_cell_is_emptied_and_says_what_is_to_be_defined(source, later, names, checks):
    cells = blanked(code(source, "exercise-3"), *map(code, later))["cells"]
    to_define = f"# To be defined: {names}.\n" if names else ""
    assert "".join(cells[0]["source"]) == HEAD + to_define + ERROR + checks


def test_outputs_and_the_state_of_widgets_go_also_where_a_cell_of_another_exercise_stays():
    printed = {"output_type": "stream", "name": "stdout", "text": ["secret\n"]}
    cell = code("f()", "exercise-4", outputs=[printed])
    result = blanked(cell, widgets={"state": "secret"}, kernelspec={"name": "python3"})
    assert result["cells"] == [{**cell, "outputs": [], "execution_count": None}]
    assert result["metadata"] == {"kernelspec": {"name": "python3"}}


def test_a_tagged_text_is_replaced_and_a_picture_attached_to_it_goes():
    text = {"cell_type": "markdown", "id": "a", "metadata": {"tags": ["exercise-3"]}, "source": "secret"}
    (cell,) = blanked({**text, "attachments": {"a.png": {}}})["cells"]
    assert cell == {**text, "source": ["*Exercise 3: f.* Think of the rows."]}


@pytest.mark.parametrize("tag", ["exercise3", "exercice-3", "Exercise-3", "exercise-03"])
def test_a_tag_that_is_nearly_one_is_refused(tag):
    with pytest.raises(ManifestError, match="exercise-7 and the like"):
        blanked(code("secret", tag))


@pytest.mark.parametrize("path", sorted((REPOSITORY / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebooks_are_the_same_but_for_tagged_cells_and_outputs(path):
    def stable(cell):
        return {k: v for k, v in cell.items() if k not in ("source", "outputs", "execution_count")}

    text = path.read_text(encoding="utf-8")
    solved, learner = json.loads(text), json.loads(blank_notebook(path.name, text, load_exercises()))
    for before, after in zip(solved["cells"], learner["cells"], strict=True):
        tagged = any(tag.startswith("exercise-") for tag in before["metadata"].get("tags", []))
        assert (before["source"] != after["source"]) == tagged
        assert stable(before) == stable(after)
    assert json.dumps(solved, indent=1, ensure_ascii=False) + "\n" == text  # written back as it was read
