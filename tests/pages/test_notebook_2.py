"""Notebook 2 claims that a machine doubts each of its equations. Here a machine doubts that."""

import ast
import copy
import re
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "2_batchnorm_gradient.ipynb"
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
    found = []
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            following = cells[i + 1] if i + 1 < len(cells) and cells[i + 1].cell_type == "code" else None
            tags = TAG.findall(cell.source)
            found += [(int(tag), following if tag == tags[-1] else None) for tag in tags]
    return found


def faults(cells):
    """What is wrong with the equations of a notebook, in words."""
    found, seen = [], set()
    for tag, cell in tagged(cells):
        if tag in seen:
            found.append(f"two equations ({tag})")
        seen.add(tag)
        if cell is None:
            found.append(f"no check cell after ({tag})")
        elif not re.search(rf"^holds\({tag}, equation, ", cell.source, re.M):
            found.append(f"the cell after ({tag}) does not assert it")
    return found


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


def test_every_equation_has_a_check_of_its_own():
    assert faults(cells()) == []
    assert [tag for tag, _ in tagged(cells())] == list(range(1, 27))


def without_check(cells):
    return [cell for cell in cells if "holds(7," not in cell.source]


def with_a_number_twice(cells):
    return [*cells, next(cell for cell in cells if r"\tag{5}" in cell.source)]


def without_assertion(cells):
    for cell in cells:
        cell.source = cell.source.replace("holds(9,", "print(9,")
    return cells


@pytest.mark.parametrize(
    "plant, said",
    [
        (without_check, "no check cell after (7)"),
        (with_a_number_twice, "two equations (5)"),
        (without_assertion, "the cell after (9) does not assert it"),
    ],
)
def test_a_planted_fault_is_found(plant, said):
    assert said in faults(plant(cells()))


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
