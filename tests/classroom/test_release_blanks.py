"""Named function bodies and tagged cells are blanked, and nothing else is touched."""

import ast
import json
from pathlib import Path
from textwrap import indent

import pytest

from classroom.manifest import MANIFEST, Exercise, ManifestError, by_file, for_learners, load, source_of
from classroom.releasing.blanks import blank_functions, blank_notebook, functions, is_blank

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = Exercise(3, "f", 1, "m.py", ("m.f",), "Think of the rows.", ())
BLANK = '    # Think of the rows.\n    raise NotImplementedError("Exercise 3: f")\n'

SHAPES = {  # source -> what is left of it
    "plain": ("def f(x):\n    return x + 1\n", f"def f(x):\n{BLANK}"),
    "with a docstring": (
        'def f(x):\n    """One\n    two."""\n    y = x\n    return y\n',
        f'def f(x):\n    """One\n    two."""\n{BLANK}',
    ),
    "only a docstring": ('def f(x):\n    """One."""\n', f'def f(x):\n    """One."""\n{BLANK}'),
    "on one line": ("def f(x): return x + 1\ny = 2\n", f"def f(x):\n{BLANK}y = 2\n"),
    "a docstring and more on one line": (
        'def f(x):\n    """One."""; return x\n',
        f'def f(x):\n    """One."""\n{BLANK}',
    ),
    "decorated, with a long signature": (
        "@cache\ndef f(x,   # the rows\n      y=(1, 2)):\n    return x\n",
        f"@cache\ndef f(x,   # the rows\n      y=(1, 2)):\n{BLANK}",
    ),
    "comments before and after": (
        "def f(x):\n    # the answer: x + 1\n    return x  # + 1\n    # x + 1\n\n\n# next\n",
        f"def f(x):\n{BLANK}\n\n# next\n",
    ),
    "no end of line": ("def f(x):\n    return x", f"def f(x):\n{BLANK}"),
    "a decorated function inside": (
        "def f(x):\n    @cache\n    def g():\n        return x\n    return g\n",
        f"def f(x):\n{BLANK}",
    ),
    "unicode before it": ("é = 'ü'\ndef f(x): return 'é'\n", f"é = 'ü'\ndef f(x):\n{BLANK}"),
    "defined twice": (
        "if a:\n    def f(x):\n        return 1\nelse:\n    def f(x):\n        return 2\n",
        f"if a:\n    def f(x):\n{indent(BLANK, '    ')}else:\n    def f(x):\n{indent(BLANK, '    ')}",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_body_becomes_a_hint_and_an_error(name):
    source, wanted = SHAPES[name]
    assert blank_functions("m.py", source.encode(), {"f": EXERCISE}).decode() == wanted
    compile(wanted, "m.py", "exec")


def test_line_ends_of_windows_stay():
    source = b"def f(x):\r\n    return x\r\n\r\ny = 1\r\n"
    blanked = blank_functions("m.py", source, {"f": EXERCISE})
    assert blanked.endswith(b"\r\n\r\ny = 1\r\n") and blanked.count(b"\n") == blanked.count(b"\r\n")


def test_a_method_is_told_from_a_function_of_its_name():
    source = "def f(x):\n    return 1\n\n\nclass A:\n    def f(self):\n        return 2\n"
    blanked = blank_functions("m.py", source.encode(), {"A.f": EXERCISE}).decode()
    assert "return 1" in blanked and "return 2" not in blanked


def test_the_kit_is_the_same_outside_the_bodies():
    for file, exercises in by_file(load()).items():
        solved = (ROOT / file).read_bytes()
        blanked = blank_functions(file, solved, exercises)
        assert outside(solved, exercises) == outside(blanked, exercises), file
        for name, nodes in functions(ast.parse(blanked)).items():
            raised = [
                node
                for node in ast.walk(nodes[0])
                if isinstance(node, ast.Raise) and "Exercise" in ast.unparse(node)
            ]
            assert bool(raised) == (name in exercises), name


def outside(source, exercises):
    """source without the lines between the docstring and the end of each function of exercises."""
    lines = source.splitlines(keepends=True)
    gone = set()
    for name in exercises:
        for node in functions(ast.parse(source))[name]:
            has_docstring = ast.get_docstring(node) is not None
            first = node.body[0].end_lineno + 1 if has_docstring else node.body[0].lineno
            while not has_docstring and lines[first - 2].lstrip().startswith(b"#"):
                first -= 1
            gone |= set(range(first, node.end_lineno + 1))
    return b"".join(line for number, line in enumerate(lines, start=1) if number not in gone)


STUB = f'def f(x):\n    """One."""\n{BLANK}'


@pytest.mark.parametrize(
    "more, blank",
    [
        ("", True),
        ("def g(x):\n    return f(x)\n", True),
        ("h = f\nf.note = 1\n", True),
        ("def f(x):\n    return x\n", False),
        ("f = abs\n", False),
        ("from numpy import abs as f\n", False),
        ("class A:\n    def g(self): pass\nA.f = A.g\n", False),
        ("def g(:\n", False),
        ("pattern = '\\d'\n", True),
        (f"def f(x): return 0{'+1' * 2000}\n", False),
        (f"y = 0{'+1' * 100_000}\n", False),
    ],
    ids=[
        "alone",
        "called",
        "read",
        "again",
        "bound",
        "imported",
        "a method",
        "no program",
        "an escape",
        "too deep to write out",
        "too deep to parse",
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_blank_is_told_from_what_was_written(more, blank):
    assert is_blank(STUB + more, "f", EXERCISE) == blank
    assert not is_blank((STUB + more).replace("Exercise 3", "Exercise 4"), "f", EXERCISE)
    assert not is_blank(STUB.replace("raise", "x = 1\n    raise") + more, "f", EXERCISE)


def test_all_of_an_edition_is_blank_and_nothing_of_the_kit():
    for file, exercises in by_file(load()).items():
        solved = (ROOT / file).read_bytes()
        for source, blank in ((blank_functions(file, solved, exercises), True), (solved, False)):
            assert all(is_blank(source.decode(), name, e) == blank for name, e in exercises.items())


def test_a_name_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ManifestError, match="no function batchnorm_backwards; try batchnorm_backward$"):
        blank_functions("m.py", b"def batchnorm_backward(): pass\n", {"batchnorm_backwards": EXERCISE})
    with pytest.raises(ManifestError, match="does not compile"):
        blank_functions("m.py", b"def f(:\n", {"f": EXERCISE})


def notebook(*cells, **metadata):
    return json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def code(source, *tags, outputs=()):
    return {
        "cell_type": "code",
        "id": "a",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source.splitlines(keepends=True),
        "outputs": list(outputs),
        "execution_count": 3,
    }


def blanked(*cells, **metadata):
    return json.loads(blank_notebook("n.ipynb", notebook(*cells, **metadata), [EXERCISE]))


def test_a_tagged_cell_is_emptied_and_says_what_later_cells_read():
    solved = "secret = 1\nfor i in x:\n    other = i\nunread = 2\ndef g():\n    local = 1"
    first, second = blanked(code(solved, "exercise-3"), code("%time x\ng(secret, other, local)"))["cells"]
    assert "".join(first["source"]) == (
        "# Exercise 3: f. The text above says what belongs here.\n# To be defined: g, other, secret.\n"
        'raise NotImplementedError("Exercise 3: f")'
    )
    assert "".join(second["source"]) == "%time x\ng(secret, other, local)"


def test_the_checks_of_a_cell_stay_behind_the_error():
    (cell,) = blanked(
        code("y = 1\ncheck('y', y,\n      lambda t: t)\nz = 2\nassert z  # so\nprint(y)", "exercise-3")
    )["cells"]
    assert "".join(cell["source"]).partition("# To be defined: ")[2] == (
        'y, z.\nraise NotImplementedError("Exercise 3: f")\n\n'
        "check('y', y,\n      lambda t: t)\nassert z  # so"
    )


def test_a_name_that_a_later_cell_binds_itself_is_not_asked_for():
    cell = blanked(
        code("x = y = z = 1", "exercise-3"), code("x = 2\n[y for y in a]\nf = lambda z: z"), code("x + y")
    )["cells"][0]
    assert "# To be defined: y.\n" in cell["source"]


def test_a_cell_that_nothing_depends_on_says_that_it_is_to_be_written():
    (cell,) = blanked(code("print(secret)", "exercise-3"))["cells"]
    assert "".join(cell["source"]) == (
        '# Exercise 3: f. The text above says what belongs here.\nraise NotImplementedError("Exercise 3: f")'
    )


def test_outputs_are_cleared_and_the_state_of_widgets_goes():
    shown = {"output_type": "stream", "name": "stdout", "text": ["secret\n"]}
    result = blanked(
        code("f()", outputs=[shown]), widgets={"state": "secret"}, kernelspec={"name": "python3"}
    )
    assert result["cells"][0]["outputs"] == [] and result["cells"][0]["execution_count"] is None
    assert result["metadata"] == {"kernelspec": {"name": "python3"}}


def test_a_tagged_text_is_replaced_and_a_picture_attached_to_it_goes():
    cell = {
        "cell_type": "markdown",
        "id": "a",
        "metadata": {"tags": ["exercise-3"]},
        "source": "secret",
        "attachments": {"a.png": {}},
    }
    cell = blanked(cell)["cells"][0]
    assert "".join(cell["source"]) == "*Exercise 3: f.* Think of the rows." and "attachments" not in cell


def test_a_cell_of_an_exercise_that_is_not_asked_stays():
    assert "".join(blanked(code("stays", "exercise-4"))["cells"][0]["source"]) == "stays"


@pytest.mark.parametrize("tag", ["exercise3", "exercice-3", "Exercise-3", "exercise-03"])
def test_a_tag_that_is_nearly_one_is_refused(tag):
    with pytest.raises(ManifestError, match="exercise-7 and the like"):
        blanked(code("secret", tag))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebooks_are_the_same_but_for_tagged_cells_and_outputs(path):
    text = path.read_text(encoding="utf-8")
    exercises = load()
    solved, learner = json.loads(text), json.loads(blank_notebook(path.name, text, exercises))
    for before, after in zip(solved["cells"], learner["cells"], strict=True):
        tagged = any(tag.startswith("exercise-") for tag in before["metadata"].get("tags", []))
        assert (before["source"] != after["source"]) == tagged
        assert {k: v for k, v in before.items() if k not in ("source", "outputs", "execution_count")} == {
            k: v for k, v in after.items() if k not in ("source", "outputs", "execution_count")
        }
    assert json.dumps(solved, indent=1, ensure_ascii=False) + "\n" == text  # written back as it was read


def test_the_two_manifests_are_whole():
    long, short = load(), load(MANIFEST.with_name("exercises_short.json"))
    assert [exercise.number for exercise in long] == list(range(1, 18))
    assert sum(exercise.points for exercise in long) == 100
    assert set(short) <= set(long) and 7 in {exercise.number for exercise in short}
    for exercise in long:
        assert all(number < exercise.number for number in exercise.needs)


def test_the_learners_list_is_that_of_the_manifest():
    assert (ROOT / "cs231n" / "exercises.json").read_text() == for_learners(load())


def test_a_name_is_found_in_its_file():
    assert source_of("cs231n.classifiers.fc_net.TwoLayerNet.loss") == (
        "cs231n/classifiers/fc_net.py",
        "TwoLayerNet.loss",
    )
    with pytest.raises(ManifestError, match="cs231n.layer.affine_forward lies in no file"):
        source_of("cs231n.layer.affine_forward")


ENTRY = {
    "number": 1,
    "title": "f",
    "points": 2,
    "file": "m.py",
    "functions": ["m.f"],
    "hint": "h",
    "needs": [],
}


@pytest.mark.parametrize(
    "entries, complaint",
    [
        ("{", "cannot read the manifest"),
        ([], "wanted a list"),
        ({"number": 1}, "wanted a list"),
        ([ENTRY | {"points": "2"}], "entry 1: points"),
        ([ENTRY | {"number": True}], "entry 1: number"),
        ([{k: v for k, v in ENTRY.items() if k != "hint"}], "entry 1: hint"),
        ([ENTRY | {"pionts": 1}], "pionts"),
        ([ENTRY, ENTRY], "two exercises have the number 1"),
        ([ENTRY, ENTRY | {"number": 2}], "the title 'f'"),
        ([ENTRY, ENTRY | {"number": 2, "title": "g"}], "m.f belongs to two"),
        ([ENTRY | {"functions": []}], "one function"),
        ([ENTRY | {"hint": "a\nb"}], "one line"),
        (["f"], "wanted an object"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(entries, complaint, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    with pytest.raises(ManifestError, match=complaint):
        load(path)
