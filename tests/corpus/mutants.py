"""Wrong solutions: those of bugs.py, each with a label, and edits by machine, which must merely fail."""

import ast
import copy

import numpy as np

from cs231n.checking.answers.definitions import defined
from cs231n.checking.problems import problems, run
from tests.corpus.bugs import BUGS
from tests.corpus.solutions import SOLUTIONS


def labelled():
    """(exercise, a readable name, source, the kinds that are right) of every bug above."""
    for exercise, bugs in BUGS.items():
        for style, old, new, kinds in bugs:
            source = SOLUTIONS[exercise][style]
            if old not in source:
                raise ValueError(f"{exercise}, {style}: {old!r} is not in the solution")
            change = f"{old.strip()} -> {new.strip()}"
            yield exercise, f"{style}: {change}", source.replace(old, new), set(kinds.split("|"))


def by_machine(exercise, style):
    """(what was changed, source) for every small edit of the functions of one exercise, without a label.

    Operators change places, a factor or a term is dropped, a number or an axis moves, a comparison turns, a
    statement is left out, a mean becomes a sum. Some edits change nothing that matters.
    """
    source = SOLUTIONS[exercise][style]
    tree = ast.parse(source)
    name, _, method = exercise.partition(".")
    top = next(node for node in tree.body if getattr(node, "name", "") == name)
    for index, node in enumerate(ast.walk(top)):
        for number in range(len(_edits(node))):
            changed = copy.deepcopy(tree)
            again = next(n for n in changed.body if getattr(n, "name", "") == name)
            there = list(ast.walk(again))[index]
            _edits(there)[number]()
            yield f"edit {index}.{number} of {style}, line {getattr(node, 'lineno', 0)}", ast.unparse(changed)


SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Gt: ast.Lt,
    ast.Lt: ast.Gt,
    ast.LtE: ast.Gt,
}


def _edits(node):
    """Functions, each of which changes node in one way."""
    edits = []
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        edits.append(lambda: setattr(node, "op", SWAPPED[type(node.op)]()))
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        for side in ("left", "right"):
            edits.append(
                lambda side=side: node.__dict__.update(
                    left=getattr(node, side), op=ast.Mult(), right=ast.Constant(1)
                )
            )
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        edits.append(lambda: node.ops.__setitem__(0, SWAPPED[type(node.ops[0])]()))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        edits += [lambda: setattr(node, "value", node.value + 1), lambda: setattr(node, "value", -node.value)]
    if isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
        edits.append(lambda: setattr(node, "attr", {"sum": "mean", "mean": "sum"}[node.attr]))
    if isinstance(node, ast.Attribute) and node.attr == "T":
        edits.append(lambda: setattr(node, "attr", "real"))
    if isinstance(node, (ast.FunctionDef, ast.For, ast.If)):
        for i, statement in enumerate(node.body):
            if (
                isinstance(statement, (ast.AugAssign, ast.For))
                or isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Subscript)
            ):
                edits.append(lambda i=i: node.body.__setitem__(i, ast.Pass()))
    return edits


def same_elsewhere(exercise, module):
    """Whether a solution that passed is right on another problem too, by the definition."""
    inputs = problems(exercise, 99, (5, 4))
    got = run(exercise, module, inputs)
    return all(
        np.allclose(got[name], right, rtol=1e-6, atol=1e-8)
        for name, right in defined(exercise, inputs, got).items()
    )
