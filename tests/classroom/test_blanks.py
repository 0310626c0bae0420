"""Bodies of exercises are blanked, those that would show one are replaced, and nothing else is touched."""

import ast
import re
from textwrap import indent

import numpy as np
import pytest

from classroom.manifest import Exercise, ManifestError, functions_by_file, load_exercises
from classroom.releasing.blanks import REPLACED_BODIES, blank_functions, find_blank, functions_in
from cs231n import layers, sandwiches
from cs231n.common.files import REPOSITORY

EXERCISE = Exercise(3, "f", 1, "m.py", ("m.f",), "notebook 1, section 2", "It gets x.", ())
BLANK = (
    "    # Write it in place of these lines; notebook 1, section 2 teaches it.\n"
    '    raise NotImplementedError("Exercise 3: f")\n'
)
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
def test_a_body_becomes_a_comment_and_an_error(source, expected):
    expected = re.sub("( *)~", lambda match: indent(BLANK, match[1]), expected)
    expected = expected.replace("\r", "").replace("\n", "\r\n") if "\r" in source else expected
    assert blank_functions("m.py", source.encode(), {"f": EXERCISE}).decode() == expected
    compile(expected, "m.py", "exec")


@pytest.mark.parametrize("file", FILES)
def test_the_kit_is_the_same_outside_the_bodies(file):
    exercises, solved = FILES[file], (REPOSITORY / file).read_bytes()
    blanked = blank_functions(file, solved, exercises)
    assert outside(solved, exercises) == outside(blanked, exercises)
    names = functions_in(ast.parse(blanked))
    labels = {name: exercises.get(name, EXERCISE).label for name in names}
    assert find_blank(blanked.decode(), labels) == [name for name in names if name in exercises]
    assert find_blank(solved.decode(), labels) == []


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
    "bound within a function": ("def g(x):\n    global f\n    f = abs\n", False),
    "a local name": ("def g(x):\n    f = abs\n    return f\n", True),
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
    labels = {"f": EXERCISE.label}
    assert find_blank(STUB + more, labels) == ["f"] * blank
    assert find_blank((STUB + more).replace("Exercise 3", "Exercise 4"), labels) == []
    assert find_blank(STUB.replace("raise", "x = 1\n    raise") + more, labels) == []


def test_a_source_that_does_not_compile_is_refused():
    with pytest.raises(ManifestError, match="does not compile"):
        blank_functions("m.py", b"def f(:\n", {"f": EXERCISE})


@pytest.fixture
def replaced(monkeypatch):
    """A helper `g` of m.py that a learner gets with another body."""
    monkeypatch.setitem(REPLACED_BODIES, ("m.py", "g"), ("x = f(y)", "return x or None"))


def test_a_helper_gets_another_body_whether_or_not_an_exercise_is_in_its_file(replaced):
    source = b'def g(y):\n    """One."""\n    return y + 1  # f\n\n\ndef f(y):\n    return y + 1\n'
    helper = 'def g(y):\n    """One."""\n    x = f(y)\n    return x or None\n\n\ndef f(y):\n'
    assert blank_functions("m.py", source, {}).decode() == helper + "    return y + 1\n"
    assert blank_functions("m.py", source, {"f": EXERCISE}).decode() == helper + BLANK
    assert blank_functions("n.py", source, {}) == source


def test_a_helper_that_is_gone_stops_the_release(replaced):
    with pytest.raises(ManifestError, match="m.py has no function g; try h"):
        blank_functions("m.py", b"def h(y):\n    return y + 1\n", {})


def test_affine_backward_without_dx_shows_no_line_of_affine_backward():
    """In the learner's edition the helper of the nets calls the exercise, and gives what the kit's gives."""
    file, name = "cs231n/sandwiches.py", "_affine_backward_if"
    learner = blank_functions(file, (REPOSITORY / file).read_bytes(), {})
    (node,) = functions_in(ast.parse(learner))[name]
    assert "reshape" not in ast.unparse(node) and "@" not in ast.unparse(node)
    namespace = {"affine_backward": layers.affine_backward}
    exec(ast.unparse(node), namespace)
    x, w, b = np.ones((3, 2, 2)), np.arange(8.0).reshape(4, 2), np.ones(2)
    dout, cache = np.arange(6.0).reshape(3, 2), layers.affine_forward(x, w, b)[1]
    for needs_dx in (True, False):
        arrays = namespace[name](needs_dx, dout, cache, x)
        assert (arrays[0] is not None) == needs_dx
        for ours, theirs in zip(arrays, getattr(sandwiches, name)(needs_dx, dout, cache, x), strict=True):
            np.testing.assert_array_equal(ours, theirs)
