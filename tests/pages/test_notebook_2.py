"""Notebook 2 claims that a machine doubts each of its equations. Here a machine doubts that."""

import ast
import copy
import re

import matplotlib
import nbformat
import numpy as np

from tests.support import ROOT

NOTEBOOK = ROOT / "notebooks" / "2_batchnorm_gradient.ipynb"
TAG = re.compile(r"\\tag\{(\d+)\}")

FLIPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.USub: ast.UAdd}

# A sign that may be flipped without making the equation false: (tag, the flipped code), and why.
HARMLESS = {
    (22, "dx = gamma / s * (g - dbeta / N + x_hat * dgamma / N)"): "x_hat adds up to zero",
}


def cells():
    return nbformat.read(NOTEBOOK, as_version=4).cells


def tagged(cells):
    """[(tag, the first code cell after it or None)] in order; a tag's cell must come before the next tag."""
    pairs = []
    for cell, following in zip(cells, [*cells[1:], None]):
        if cell.cell_type == "markdown":
            check = following if following and following.cell_type == "code" else None
            tags = TAG.findall(cell.source)
            pairs += [(int(tag), check if tag == tags[-1] else None) for tag in tags]
    return pairs


def signs(tree):
    """The nodes that hold a sign, in what the cell computes before it calls holds(...)."""
    for statement in tree.body:
        if ast.unparse(statement).startswith("holds("):
            return
        # A function there is the oracle's, and what is drawn at random is no part of the equation.
        if not isinstance(statement, ast.FunctionDef) and "rng." not in ast.unparse(statement):
            yield from (n for n in ast.walk(statement) if isinstance(getattr(n, "op", None), tuple(FLIPS)))


def sign_errors(source):
    """Copies of a check cell, each with one sign wrong: (the changed statement, the whole cell)."""
    right = ast.parse(source)
    for k in range(len(list(signs(right)))):
        wrong = copy.deepcopy(right)
        node = list(signs(wrong))[k]
        node.op = FLIPS[type(node.op)]()
        changed = next(ast.unparse(w) for w, r in zip(wrong.body, right.body) if ast.dump(w) != ast.dump(r))
        yield changed, ast.unparse(wrong)


def negated(source):
    """The check cell with the whole right-hand side of its equation negated."""
    tree = ast.parse(source)
    (*_, equation) = (n for n in ast.walk(tree) if ast.unparse(n).startswith("equation = "))
    equation.value = ast.UnaryOp(ast.USub(), equation.value)
    return ast.unparse(ast.fix_missing_locations(tree))


def walk():
    """Run the notebook, and before each check cell yield (tag, its source, the names as they stand)."""
    matplotlib.use("Agg")
    every, names = cells(), {}
    tags = {id(cell): tag for tag, cell in tagged(every)}
    for cell in every:
        if cell.cell_type != "code" or "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        if id(cell) in tags:
            yield tags.pop(id(cell)), cell.source, names
            if not tags:
                return
        if "Path.cwd()" not in cell.source and "sympy.symbols" not in cell.source:
            exec(cell.source, names)


def test_every_equation_has_a_check_of_its_own_that_asserts_it():
    pairs = tagged(cells())
    assert [tag for tag, _ in pairs] == list(range(1, 27))
    for tag, cell in pairs:
        assert cell, f"no check cell after ({tag})"
        assert re.search(rf"^holds\({tag}, equation, ", cell.source, re.M), cell.source


def test_each_check_passes_as_it_stands_and_fails_when_a_sign_is_wrong():
    survived, planted = [], {}
    for tag, source, names in walk():
        exec(source, dict(names))
        wrong = list(sign_errors(source))
        if tag not in (22, 24):  # these say that something is zero, and so is its negative
            wrong.append(("the whole equation negated", negated(source)))
        for changed, cell in wrong:
            planted.setdefault(tag, []).append(changed)
            try:
                with np.errstate(invalid="ignore"):  # a wrong sign under a root
                    exec(cell, dict(names))
            except AssertionError:
                continue
            if (tag, changed) not in HARMLESS:
                survived.append((tag, changed))
    assert survived == []
    assert set(planted) == set(range(1, 27))
    assert all(changed in planted[tag] for tag, changed in HARMLESS)
