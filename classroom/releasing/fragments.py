"""What must not be handed out: the fragments of solutions and of model answers, in a normal form.

Fragments are compared as syntax trees in a normal form: spaces, line breaks, comments, brackets and the order
of terms and factors make no difference. Three kinds of fragment of a blanked body must not be handed out;
operations are + - * / and the like, comparisons, and calls of a method or of a NumPy function:

    a statement with at least one operation, or of 12 nodes or more      under its own names
    an expression with at least two operations                           under its own names
    a statement or an expression with at least three operations          under any names

So `N = len(x)` or `return dx, dw, db` may stand anywhere, and a formula with renamed variables is a leak.
An attribute of a variable counts as its name, cache.x_hat as x_hat. Of a model answer in the notebooks, no
whole formula of two operations or more may be handed out, and no sentence of six words or more; with another
sign it is a wrong answer, and may. What the manifest lists under "given" is no leak: code that a docstring or
a notebook shows on purpose.
"""

import ast
import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from classroom.manifest import Exercise, ManifestError
from classroom.releasing.blanks import body_of, find_functions
from classroom.releasing.notebooks import ModelAnswer

__all__ = [
    "Fragments",
    "answer_fragments",
    "count_operations",
    "parts_of",
    "solution_fragments",
    "words_of",
]

MIN_OPERATIONS = {"statement": 1, "expression": 2, "any names": 3}
MIN_NODES = 12
MIN_WORDS = 6  # of a sentence
# ("own" or "any", the normal form of a fragment of a solution under its own or any names),
# ("answer", that of a formula of a model answer, with its signs), ("words", a sentence of a model answer)
Key = tuple[str, str]
Fragments = Mapping[Key, str]  # {fragment: what it is of, "exercise 8, batchnorm_backward_alt"}


class _NormalForm:
    """The normalized text of trees; with `rename`, a tree whose variables are numbered as they come.

    Sums and products lose their order, and subtraction and division count as addition and multiplication,
    unless signs=True: g / s * (a - b) is (b - a) * s * g. np.sum(x) is x.sum().
    """

    def __init__(self, rename: ast.AST | None = None, signs: bool = False):
        self.rename, self.signs, self.numbers = rename is not None, signs, dict[str, int]()
        self.count = Counter(map(_variable, ast.walk(rename))) if rename else Counter()
        self.known: dict[ast.AST, str] = {}  # under their own names, parts are the same in every tree

    def of(self, node: Any, names: bool = True) -> str:
        if self.rename or not isinstance(node, ast.AST):
            return self._of(node, names)
        if node not in self.known:
            self.known[node] = self._of(node, names)
        return self.known[node]

    def _of(self, node: Any, names: bool) -> str:
        name = _variable(node)
        if name is not None:
            if not names:
                return f"${self.count[name]}"
            return f"${self.numbers.setdefault(name, len(self.numbers))}" if self.rename else name
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            node = ast.Assign([node.target], node.value)
        if isinstance(node, ast.AugAssign):  # a += b is as good as a = a + b
            node = ast.Assign([node.target], ast.BinOp(node.target, node.op, node.value))
        for kind, operators in (("sum", (ast.Add, ast.Sub)), ("product", (ast.Mult, ast.Div))):
            if isinstance(node, ast.BinOp) and isinstance(node.op, operators):
                operands = _operands(node, operators)
                if self.rename:  # by what does not depend on the numbers
                    operands.sort(key=lambda operand: self.of(operand[1], names=False))
                parts = [(sign if self.signs else "") + self.of(part, names) for sign, part in operands]
                return f"{kind}({', '.join(parts if self.rename else sorted(parts))})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not self.signs:
            return self.of(node.operand, names)
        if isinstance(node, ast.Call):
            func, arguments = node.func, list(node.args)
            if isinstance(func, ast.Attribute) and getattr(func.value, "id", "") != "np":
                arguments.insert(0, func.value)
            called = getattr(func, "attr", None) or getattr(func, "id", None) or self.of(func, names)
            return f"{called}({self.of([*arguments, *node.keywords], names)})"
        if isinstance(node, ast.AST):
            parts = [
                self.of(getattr(node, field, None), names)
                for field in node._fields
                if field not in ("ctx", "kind", "type_comment", "returns")
            ]
            return f"{type(node).__name__}({', '.join(parts)})"
        if isinstance(node, list):
            return "[" + ", ".join(self.of(item, names) for item in node) + "]"
        return repr(node)


def _variable(node: Any) -> str | None:
    """The name of a variable: x, and x too where it is an attribute of a variable, as in cache.x."""
    if isinstance(node, ast.Name):
        return node.id
    is_read = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    if is_read and isinstance(node.value, ast.Name) and node.value.id != "np":
        return node.attr
    return None


def _operands(node: ast.expr, operators: tuple[type, ...], sign: str = "") -> list[tuple[str, ast.expr]]:
    """The terms of a sum or the factors of a product, each with "-" if it is subtracted or divided by."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, operators):
        inverse = isinstance(node.op, (ast.Sub, ast.Div))
        return [
            *_operands(node.left, operators, sign),
            *_operands(node.right, operators, "-" * ((sign == "-") != inverse)),
        ]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and ast.Sub in operators:
        return _operands(node.operand, operators, "-" * (sign != "-"))
    return [(sign, node)]


class _Size(NamedTuple):
    """Of a tree: how many operators, comparisons and calls of methods it has, and how many nodes."""

    operations: int
    nodes: int


def _sizes(tree: ast.AST) -> dict[ast.AST, _Size]:
    """The size of each node in a tree, from its leaves up: those of its children are known by then."""
    nodes, children = [tree], list[list[ast.AST]]()
    for node in nodes:
        children.append(list(ast.iter_child_nodes(node)))
        nodes += children[-1]
    sizes: dict[ast.AST, _Size] = {}
    for node, below in zip(reversed(nodes), reversed(children)):
        operations = int(_is_operation(node))
        count = int(not isinstance(node, (ast.expr_context, ast.operator)))
        for child in below:
            operations += sizes[child].operations
            count += sizes[child].nodes
        sizes[node] = _Size(operations, count)
    return sizes


def _is_operation(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return not isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute)
    return isinstance(node, (ast.BinOp, ast.AugAssign, ast.Compare))


def count_operations(tree: ast.AST) -> int:
    """How many operators, comparisons and calls of methods there are in a tree."""
    return _sizes(tree)[tree].operations


def parts_of(statements: Iterable[ast.stmt]) -> Iterator[tuple[ast.expr | ast.stmt, list[Key]]]:
    """Each simple statement and each expression in statements, at any depth, and its keys."""
    own, answer = _NormalForm(), _NormalForm(signs=True)
    for statement in statements:
        for node, size in reversed(_sizes(statement).items()):
            if isinstance(node, ast.expr) or isinstance(node, ast.stmt) and not hasattr(node, "body"):
                yield node, list(_keys(node, size, own, answer))


def _keys(node: ast.expr | ast.stmt, size: _Size, own: _NormalForm, answer: _NormalForm) -> Iterator[Key]:
    """The keys of a fragment, none if it is trivial."""
    count, is_statement = size.operations, isinstance(node, ast.stmt)
    least = MIN_OPERATIONS["statement" if is_statement else "expression"]
    if count >= least or is_statement and size.nodes >= MIN_NODES:
        yield "own", own.of(node)
    if count >= MIN_OPERATIONS["expression"] and not is_statement:
        yield "answer", answer.of(node)
    if count >= MIN_OPERATIONS["any names"]:
        yield "any", _NormalForm(rename=node).of(node)


def solution_fragments(
    sources: Mapping[str, bytes], blanks: Mapping[str, Mapping[str, Exercise]]
) -> dict[Key, str]:
    """The fragments of blanked bodies that must not be handed out.

    Args:
        sources: {file: content} of the solved kit.
        blanks: {file: {function: exercise}}, as `manifest.functions_by_file` returns it.

    Raises:
        ManifestError: what an exercise lists under "given" is no fragment of a body.
    """
    fragments: dict[Key, str] = {}
    exercises = dict.fromkeys(exercise for of_file in blanks.values() for exercise in of_file.values())
    for file, of_file in blanks.items():
        for name, nodes in find_functions(file, sources[file], of_file).items():
            owner = f"exercise {of_file[name].number}, {of_file[name].title}"
            for node in nodes:
                for _, keys in parts_of(body_of(node)):
                    for key in keys:
                        if key[0] != "answer":
                            fragments.setdefault(key, owner)
    for exercise in exercises:
        for code in exercise.given:
            allowed = {key for _, keys in parts_of(ast.parse(code).body) for key in keys}
            if not allowed & fragments.keys():
                raise ManifestError(
                    f"{exercise.label}: given {code!r} is in none of the bodies, or is too short to be a "
                    "leak; try without it"
                )
            for key in allowed & fragments.keys():
                del fragments[key]
    return fragments


def answer_fragments(answers: Iterable[ModelAnswer]) -> dict[Key, str]:
    """The fragments of model answers that must not be handed out: whole formulas and sentences."""
    fragments: dict[Key, str] = {}
    for answer in answers:
        owner = f"the model answer to question {answer.question}" if answer.question else "a worksheet cell"
        for sentence in re.split(r"(?<=[.?!:])\s|\n\n", answer.words):
            if len(words_of(sentence)) >= MIN_WORDS:
                fragments[("words", " ".join(words_of(sentence)))] = owner
        for node in answer.code:
            for formula in _formulas(node):
                if count_operations(formula) >= MIN_OPERATIONS["expression"]:
                    fragments[("answer", _NormalForm(signs=True).of(formula))] = owner
    return fragments


def _formulas(node: ast.expr | ast.stmt) -> Iterator[ast.expr]:
    """The whole formulas in a model answer: its values, and those that stand in it as text."""
    for statement in [node] if isinstance(node, ast.stmt) else []:
        for part in ast.walk(statement):
            if isinstance(part, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)) and part.value:
                yield from _formulas(part.value)
    if isinstance(node, (ast.Tuple, ast.List, ast.Dict)):
        for element in node.values if isinstance(node, ast.Dict) else node.elts:
            yield from _formulas(element)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        with contextlib.suppress(SyntaxError, ValueError):
            yield ast.parse(node.value.replace("^", "**"), mode="eval").body
    elif isinstance(node, ast.expr):
        yield node


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return re.findall(r"\w+", text.lower())
