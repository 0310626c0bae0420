"""Edits by machine of right solutions, which must merely fail."""

import ast
import copy
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType

from cs231n.checking import answers
from cs231n.checking.compare import allclose
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.problems import make_problem, run
from tests.corpus import SOLUTIONS
from tests.corpus.harness import STYLES, USUAL, Sources, used
from tests.corpus.reference import EXERCISES as ORACLE_EXERCISES

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Gt: ast.Lt,
    ast.Lt: ast.Gt,
    ast.LtE: ast.Gt,
}


def by_machine(exercise: str, style: str, every: int = 1) -> Iterator[tuple[str, str]]:
    """(what was changed, source) for every small edit of the function of one exercise, without a label.

    Operators change places, a factor or a term is dropped, a number or an axis moves, a comparison turns, a
    statement is left out, a mean becomes a sum. Some edits change nothing that matters.

    Args:
        every: give one of so many.
    """
    tree = ast.parse(SOLUTIONS[exercise][style])
    top = next(k for k, n in enumerate(tree.body) if getattr(n, "name", "") == exercise.partition(".")[0])
    edit = -1
    for index, node in enumerate(ast.walk(tree.body[top])):
        for number in range(len(_edits(node))):
            edit += 1
            if edit % every:
                continue
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


# What else is edited in the styles of whole solutions: names, strings, and settings such as keepdims.
RENAMED = {
    "zeros": "ones", "ones": "zeros", "maximum": "minimum", "max": "min", "sqrt": "square", "rand": "randn",
    "var": "std", "log": "log2", "exp": "abs", "multiply": "add", "mean": "median",
}  # fmt: skip
STRINGS = {
    "train": "test", "test": "train", "running_mean": "running_var", "velocity": "speed", "m": "v", "v": "m",
    "beta1": "beta2", "momentum": "learning_rate", "decay_rate": "epsilon", "batchnorm": "layernorm",
}  # fmt: skip


def _more_edits(node: ast.AST) -> list[Callable[[], object]]:
    edits = _edits(node)
    if isinstance(node, ast.Attribute) and node.attr in RENAMED:
        edits.append(lambda: setattr(node, "attr", RENAMED[node.attr]))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in STRINGS:
        edits.append(lambda: setattr(node, "value", STRINGS[node.value]))
    if isinstance(node, ast.Constant) and type(node.value) is float:
        edits.append(lambda: setattr(node, "value", node.value * 3))
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        edits.append(lambda: setattr(node, "value", not node.value))
    if isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) == 3 and isinstance(node.ctx, ast.Load):
        edits.append(lambda: node.elts.insert(0, node.elts.pop()))
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):  # x = x - mean: into x itself
        if isinstance(node.value, ast.BinOp) and isinstance(node.value.left, ast.Name):
            edits.append(lambda: node.targets.insert(0, _all_of(node.value.left.id)))
    return edits


def _all_of(name: str) -> ast.Subscript:
    return ast.Subscript(ast.Name(name, ast.Load()), ast.Slice(), ast.Store())


def of_styles(every: int = 1) -> Iterator[tuple[str, Sources, list[str]]]:
    """(what was changed, a whole solution, the exercises that it may have spoiled) for every edit of a style.

    What a style shares with the usual one is edited there. Nets are tried where they are edited.

    Args:
        every: give one of so many.
    """
    number = 0
    for style, sources in STYLES.items():
        for file, text in sources.items():
            for function in _functions(ast.parse(text)):
                alone = style == "usual" or ast.unparse(function) not in USUAL_FUNCTIONS
                for index, node in enumerate(ast.walk(function) if alone else ()):
                    for k in range(len(_more_edits(node))):
                        number += 1
                        if number % every:
                            continue
                        tree = copy.deepcopy(function)
                        _more_edits(list(ast.walk(tree))[index])[k]()
                        what = (
                            f"{style}, {function.name}, edit {index}.{k}, line {getattr(node, 'lineno', 0)}"
                        )
                        changed = {
                            **sources,
                            file: text.replace(_source(text, function), _written(tree, function)),
                        }
                        spoiled = [e for e in ORACLE_EXERCISES if used(e, changed) != used(e, sources)]
                        nets = file in ("fc_net", "layer_utils")
                        yield what, changed, [e for e in spoiled if nets or "Net" not in e]


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Every function, and the method loss of every class."""
    methods = [m for node in tree.body if isinstance(node, ast.ClassDef) for m in node.body]
    return [n for n in tree.body if isinstance(n, ast.FunctionDef)] + [
        m for m in methods if getattr(m, "name", "") == "loss"
    ]


def _source(text: str, function: ast.FunctionDef) -> str:
    return "\n".join(text.splitlines()[function.lineno - 1 : function.end_lineno])


def _written(tree: ast.FunctionDef, function: ast.FunctionDef) -> str:
    return textwrap.indent(ast.unparse(ast.fix_missing_locations(tree)), " " * function.col_offset)


USUAL_FUNCTIONS = {ast.unparse(f) for text in USUAL.values() for f in _functions(ast.parse(text))}
