"""Nothing of a solution survives: a leak in any place is found, and what anybody would write is none."""

import ast
import base64
import json

import pytest

from classroom.manifest import ManifestError, functions_by_file, load_exercises
from classroom.releasing.blanks import body_of, find_functions
from classroom.releasing.fragments import count_operations, solution_fragments
from classroom.releasing.leaks import find_leaks
from classroom.releasing.release import LeakError, learner_edition, refuse_leaks
from cs231n.common.files import REPOSITORY, zip_of

DX = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"
BLANKS = functions_by_file(load_exercises())
SOURCES = {name: (REPOSITORY / name).read_bytes() for name in BLANKS}


@pytest.fixture(scope="module")
def fragments():
    return solution_fragments(SOURCES, BLANKS)


def leaks_of_8(name, content, fragments):
    """The places at which a leak of exercise 8 is found, and no other."""
    leaks = find_leaks({name: content.encode() if isinstance(content, str) else content}, fragments)
    assert {leak.owner for leak in leaks} <= {"exercise 8, batchnorm_backward_alt"}
    return [f"{leak.file}, {leak.place}" for leak in leaks]


def notebook(kind="code", source="1", outputs=(), **more):
    cell = {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
    cell |= ({"outputs": list(outputs)} if kind == "code" else {}) | more
    return json.dumps({"cells": [cell], "metadata": {}})


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def data(kind, text):
    return {"output_type": "display_data", "metadata": {}, "data": {kind: text}}


# fmt: off
PYTHON = {
    "a function": f"def mine():\n    {DX}\n",
    "a method": f"class A:\n    def mine(self):\n        if True:\n            {DX}\n",
    "over lines, in brackets, with a remark":
        "y = 1\ndx = (gamma * inv_std  # the line\n      * (dout - dbeta / N\n- x_hat * (dgamma / N)))\n",
    "with a type": f"def mine():\n    {DX.replace('dx =', 'dx: float =')}\n",
    "returned": f"def mine():\n    return {DX[5:]}\n",
    "in a lambda, a call, a list": f"f = lambda: max([{DX[5:]}, 0])\n",
    "under other names": "def mine():\n    out = a * s * (g - t / n - h * (u / n))\n",
    "in another order": "def mine():\n    out = (-h * u / n + (g - t / n)) * s * a\n",
    "divided by the deviation": "y = gamma / s * (g - dbeta / N - x_hat * dgamma / N)\n",
    "with NumPy's functions":
        "d = np.sum(np.ones_like(g) * q, axis=0) - p / n\ny = a * s * (g - t / n - h * u / n)\n",
    "from a cache": f"def mine():\n    {DX.replace('x_hat', 'cache.x_hat')}\n",
    "in a comment": f"y = 1      # {DX}\n",
    "commented out": f"def mine():\n    #     {DX}\n    pass\n",
    "in a docstring": f'def mine():\n    """Try\n\n        {DX}\n    """\n',
    "in a string": f"hint = '{DX}'\n",
    "in a file that is no Python": f"for\n    {DX}\n",
}
CELLS = {
    "a code cell": notebook(source=f"y = 1\n{DX}\n"),
    "a code cell with magics": notebook(source=f"%matplotlib inline\n!ls\n{DX}"),
    "a cell of cell magic": notebook(source=f"%%time\n{DX}"),
    "a fenced block": notebook("markdown", f"Look:\n\n```python\n{DX}\n```\n"),
    "a list": notebook("markdown", f"- first\n- {DX}\n"),
    "backticks": notebook("markdown", f"The answer is `{DX}`, of course."),
    "a raw cell": notebook("raw", DX),
    "printed": notebook(outputs=[stream(f"def f():\n    {DX}\n")]),
    "printed with line numbers": notebook(outputs=[stream(f"---> 12     {DX}\n")]),
    "printed in colours": notebook(outputs=[stream(f"\x1b[0;32m    {DX}\x1b[0m\n")]),
    "shown as text": notebook(outputs=[data("text/plain", [f"'{DX}'"])]),
    "shown as HTML": notebook(outputs=[data("text/html", f"<pre>{DX}</pre>".replace("-", "&#45;"))]),
    "a traceback": notebook(outputs=[{"output_type": "error", "traceback": [f"----> 3 {DX}"]}]),
    "metadata": notebook(metadata={"note": DX}),
}
TEXTS = {
    "a fenced block": f"# Title\n\n```python\n{DX}\n```\n",
    "indented": f"So:\n\n    {DX}\n",
    "quoted": f"> {DX}\n",
    "a patch": f"@@ -1 +1 @@\n-    raise\n+    {DX}\n",
    "a prompt": f">>> {DX}\n",
    "a table": f"| dx | `{DX}` |\n",
    "over two lines": DX.replace("- x_hat", "\n    - x_hat") + "\n",
    "HTML": f"<code>{DX}</code>\n",
    "at the end of a sentence": f"It is `{DX}`.\n",
}
# fmt: on
TEXT_FILES = ["README.md", "cs231n/pages/templates/page.html", "setup.sh"]
PLACES = {
    f"{name}-{place}": (name, content)
    for names, places in ((["cs231n/mine.py"], PYTHON), (["notebooks/n.ipynb"], CELLS), (TEXT_FILES, TEXTS))
    for name in names
    for place, content in places.items()
}


@pytest.mark.parametrize("name, content", PLACES.values(), ids=PLACES)
def test_found(name, content, fragments):
    start = name + (", cell 1, " if name.endswith("ipynb") else ", ")
    places = leaks_of_8(name, content, fragments)
    assert places and all(place.startswith(start) for place in places)


def test_found_in_what_a_notebook_says_of_itself(fragments):
    assert leaks_of_8("n.ipynb", json.dumps({"cells": [], "metadata": {"note": DX}}), fragments)


def test_found_in_the_zip_and_in_a_zip_in_it(fragments):
    inner = zip_of({"a.py": f"{DX}\n".encode()})
    assert leaks_of_8("out.zip", inner, fragments) == ["out.zip/a.py, line 1"]
    assert leaks_of_8("out.zip", zip_of({"b.zip": inner}), fragments) == ["out.zip/b.zip/a.py, line 1"]


SHOWN_ON_PURPOSE = {
    ast.unparse(node)
    for exercise in load_exercises()
    for code in exercise.given
    for node in ast.walk(ast.parse(code))
    if isinstance(node, (ast.stmt, ast.expr))
} | {"return (gamma * x_hat + beta, None)"}  # its parts are
FUNCTIONS = [(file, name) for file, exercises in BLANKS.items() for name in exercises]


@pytest.mark.parametrize("file, name", FUNCTIONS)
def test_every_statement_with_an_operation_is_found_alone(file, name, fragments):
    nodes = find_functions(file, SOURCES[file], [name])[name]
    for part in (part for node in nodes for top in body_of(node) for part in ast.walk(top)):
        if isinstance(part, ast.stmt) and not hasattr(part, "body") and count_operations(part):
            line = ast.unparse(part)
            if not {line, ast.unparse(getattr(part, "value", None) or part)} & SHOWN_ON_PURPOSE:
                assert find_leaks({"a.py": f"def f():\n    {line}\n".encode()}, fragments), line
                if count_operations(part) >= 3:  # under other names too
                    called = [node.func for node in ast.walk(part) if isinstance(node, ast.Call)]
                    for node in ast.walk(part):
                        if isinstance(node, ast.Name) and node.id != "np" and node not in called:
                            node.id += "_"
                    line = ast.unparse(part)
                    assert find_leaks({"a.py": f"def f():\n    {line}\n".encode()}, fragments), line


# fmt: off
@pytest.mark.parametrize("code", [
    "N = len(dout)", "return dx, dgamma, dbeta", "x, w, b = cache", "x_hat, inv_std, gamma = cache",
    "dw = as_dtype_of(w, dw)", "y = a * x + b", "m = x.mean(axis=0)", "z = (a - b) / c",
    "h = np.maximum(x, 0)", "dx = dout w'        dw = x' dout",
])  # fmt: on
def test_what_anybody_would_write_is_no_leak(code, fragments):
    assert find_leaks({"a.py": f"{code}\n".encode(), "README.md": code.encode()}, fragments) == []


def test_pictures_and_long_base64_are_passed_over(fragments):
    picture = base64.b64encode(bytes(range(256)) * 400).decode()
    files = {"n.ipynb": notebook(outputs=[data("image/png", picture)]).encode(), "a.png": bytes(range(256))}
    assert find_leaks(files, fragments) == []


NOTEBOOK = "notebooks/2_batchnorm_gradient.ipynb"


@pytest.mark.parametrize("name", ["cs231n/fast_layers.py", *BLANKS, NOTEBOOK])
def test_an_instructors_file_among_the_learners_is_refused(name, fragments):
    with pytest.raises(LeakError, match=f"would give a solution away:\n  {name}, "):
        refuse_leaks({name: (REPOSITORY / name).read_bytes()}, fragments)


def test_layernorm_left_solved_gives_batchnorm_away():
    """Why the short manifest has layernorm among its exercises."""
    files, fragments = learner_edition([e for e in load_exercises() if e.number in (6, 7, 8)])
    with pytest.raises(LeakError, match="cs231n/layers.py, line .*x_hat = centered \\* inv_std"):
        refuse_leaks({"cs231n/layers.py": files["cs231n/layers.py"]}, fragments)


def test_what_is_given_must_be_part_of_a_solution():
    first, *rest = load_exercises()
    with pytest.raises(ManifestError, match=r"Exercise 1: affine_forward: given 'x \* y \* z' is in none"):
        learner_edition([first._replace(given=("x * y * z",)), *rest])
