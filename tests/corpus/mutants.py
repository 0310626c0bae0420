"""Edits by machine of right solutions, which must merely fail."""

import ast
import copy
from collections.abc import Callable, Iterator
from types import ModuleType

from cs231n.checking import answers
from cs231n.checking.compare import allclose
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.problems import make_problem, run
from tests.corpus import SOLUTIONS

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Gt: ast.Lt,
    ast.Lt: ast.Gt,
    ast.LtE: ast.Gt,
}


def by_machine(exercise: str, style: str) -> Iterator[tuple[str, str]]:
    """(what was changed, source) for every small edit of the function of one exercise, without a label.

    Operators change places, a factor or a term is dropped, a number or an axis moves, a comparison turns, a
    statement is left out, a mean becomes a sum. Some edits change nothing that matters.
    """
    tree = ast.parse(SOLUTIONS[exercise][style])
    top = next(k for k, n in enumerate(tree.body) if getattr(n, "name", "") == exercise.partition(".")[0])
    for index, node in enumerate(ast.walk(tree.body[top])):
        for number in range(len(_edits(node))):
            changed = copy.deepcopy(tree)
            _edits(list(ast.walk(changed.body[top]))[index])[number]()
            yield f"edit {index}.{number} of {style}, line {getattr(node, 'lineno', 0)}", ast.unparse(changed)


def _edits(node: ast.AST) -> list[Callable[[], object]]:
    """Functions, each of which changes node in one way."""
    edits: list[Callable[[], object]] = []
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        edits.append(lambda: setattr(node, "op", SWAPPED[type(node.op)]()))
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        one = {"op": ast.Mult(), "right": ast.Constant(1)}
        edits += [
            lambda side=side: node.__dict__.update(one, left=getattr(node, side))
            for side in ("left", "right")
        ]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        edits.append(lambda: node.ops.__setitem__(0, SWAPPED[type(node.ops[0])]()))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        edits += [lambda: setattr(node, "value", node.value + 1), lambda: setattr(node, "value", -node.value)]
    if isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
        edits.append(lambda: setattr(node, "attr", {"sum": "mean", "mean": "sum"}[node.attr]))
    if isinstance(node, ast.Attribute) and node.attr == "T":
        edits.append(lambda: setattr(node, "attr", "real"))
    if isinstance(node, (ast.FunctionDef, ast.For, ast.If)):
        for k, statement in enumerate(node.body):
            into = isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript)
            if into or isinstance(statement, (ast.AugAssign, ast.For)):
                edits.append(lambda k=k: node.body.__setitem__(k, ast.Pass()))
    return edits


def same_elsewhere(exercise: str, module: ModuleType) -> bool:
    """Whether a solution that passed is right on other problems too, by the definition, but for notes."""
    known, is_note = answers.for_(exercise), EXERCISES[exercise].is_note
    for situation in ("", *EXERCISES[exercise].situations):
        inputs = make_problem(exercise, 99, (5, 4), situation)
        outputs = run(exercise, module, inputs)
        expected = known.expected(inputs, outputs)
        if known.adopt_choices:
            expected = known.adopt_choices(inputs, outputs, expected)
        if not all(is_note(name) or allclose(outputs[name], right) for name, right in expected.items()):
            return False
    return True
