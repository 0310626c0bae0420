"""From a solved file to a learner's: bodies of exercises go, and those that would show one are replaced."""

import ast
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from classroom.manifest import Exercise, ManifestError, suggest

__all__ = [
    "REPLACED_BODIES",
    "WITHHELD_BODIES",
    "Function",
    "blank_functions",
    "body_of",
    "find_blank",
    "find_functions",
    "functions_in",
    "replace_bodies",
    "withheld_functions",
    "withhold_bodies",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Helpers that are no exercise, and whose lines would show one: {(file, function): the lines of a learner}.
REPLACED_BODIES = {
    ("cs231n/sandwiches.py", "_affine_backward_if"): (
        "dx, dw, db = affine_backward(dout, cache)",
        "return dx if needs_dx else None, dw, db",
    )
}
# Functions that would show another exercise: {(file, function): the exercise}. Where an edition does not ask
# for them, they are not there.
WITHHELD_BODIES = {("cs231n/second_derivative.py", "batchnorm_double_backward"): "batchnorm_backward_alt"}


def functions_in(tree: ast.AST) -> dict[str, list[Function]]:
    """{qualified name: its nodes} of every function outside other functions; a name may be there twice."""
    nodes: dict[str, list[Function]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                nodes.setdefault(prefix + child.name, []).append(child)
            elif isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return nodes


def body_of(node: Function) -> list[ast.stmt]:
    """The statements of a function without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def find_functions(file: str, source: bytes, names: Iterable[str]) -> dict[str, list[Function]]:
    """{qualified name: its nodes} for `names` in `source`.

    Raises:
        ManifestError: one of them is not there, or the source does not compile.
    """
    try:
        nodes = functions_in(ast.parse(source))
    except SyntaxError as error:
        raise ManifestError(f"{file} does not compile: {error}") from None
    for name in names:
        if name not in nodes:
            raise ManifestError(f"{file} has no function {name}{suggest(name, nodes)}")
    return {name: nodes[name] for name in names}


def blank_functions(file: str, source: bytes, exercises: Mapping[str, Exercise]) -> bytes:
    """The source of a learner's file: exercises raise a NotImplementedError, REPLACED_BODIES are replaced.

    Decorators, signature and docstring stay, and every byte outside the bodies; comments inside a body go.

    Args:
        file: its path from the kit's folder.
        source: of a Python file.
        exercises: {qualified name of a function in it: its exercise}.

    Raises:
        ManifestError: a function is not there, or the source does not compile.
    """
    bodies: dict[str, Sequence[str]] = {
        name: lines for (place, name), lines in REPLACED_BODIES.items() if place == file
    }
    bodies |= {name: _blank_lines(exercise) for name, exercise in exercises.items()}
    if not bodies:
        return source
    functions = find_functions(file, source, bodies)
    return replace_bodies(
        source, [(node, bodies[name]) for name, nodes in functions.items() for node in nodes]
    )


def withheld_functions(exercises: Iterable[Exercise]) -> set[tuple[str, str]]:
    """Those of WITHHELD_BODIES, as (file, function), that an edition with these exercises must not show."""
    titles = {exercise.title for exercise in exercises}
    return {key for key, shown in WITHHELD_BODIES.items() if shown in titles and key[1] not in titles}


def withhold_bodies(file: str, source: bytes, exercises: Iterable[Exercise]) -> bytes:
    """`source` without the bodies of WITHHELD_BODIES, unless their function is an exercise of the edition.

    Args:
        file: its path from the kit's folder.
        source: of a Python file.
        exercises: all of the edition.
    """
    names = [name for place, name in withheld_functions(exercises) if place == file]
    functions = find_functions(file, source, names) if names else {}
    lines = {name: [_blank_line(f"{name} is not in this edition")] for name in names}
    return replace_bodies(
        source, [(node, lines[name]) for name, nodes in functions.items() for node in nodes]
    )


def replace_bodies(source: bytes, bodies: Iterable[tuple[Function, Sequence[str]]]) -> bytes:
    """`source` with other lines in place of the bodies of functions.

    Args:
        source: of Python.
        bodies: (function of its syntax tree, the new lines without indentation).
    """
    newline = b"\r\n" if b"\r\n" in source else b"\n"
    lines = source.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]
    cuts = []
    for node, new_lines in bodies:
        indent = b" " * (node.col_offset + 4)
        text = b"".join(indent + line.encode() + newline for line in new_lines)
        cuts.append((*_body_span(node, lines), text))
    for first, column, last, text in sorted(cuts, reverse=True):
        head, tail = source[: starts[first - 1] + column], source[starts[last] :]
        source = head.rstrip(b" \t") + newline + text + tail
    return source


def _body_span(node: Function, lines: Sequence[bytes]) -> tuple[int, int, int]:
    """Where a body starts, after the docstring or the signature, as line and column, and its last line."""
    statements = body_of(node)
    last = _end(node)
    for number in range(last + 1, len(lines) + 1):  # comments behind the last statement are body too
        line = lines[number - 1]
        if line.strip() and not (line.lstrip().startswith(b"#") and _indent(line) > node.col_offset):
            break
        last = number if line.strip() else last
    if len(statements) < len(node.body):
        return _end(node.body[0]), node.body[0].end_col_offset or 0, last
    first = statements[0]
    start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    if lines[start - 1][: first.col_offset].strip():  # def f(x): return x
        return start, first.col_offset, last
    while not lines[start - 2].strip() or lines[start - 2].lstrip().startswith(b"#"):
        start -= 1
    return start - 1, len(lines[start - 2].rstrip(b"\r\n")), last


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _blank_lines(exercise: Exercise) -> list[str]:
    return [
        f"# Write it in place of these lines; {exercise.section} teaches it.",
        _blank_line(exercise.label),
    ]


def _blank_line(label: str) -> str:
    return f"raise NotImplementedError({json.dumps(label, ensure_ascii=False)})"


def find_blank(source: str, labels: Mapping[str, str]) -> list[str]:
    """Those functions of a learner's source that are as they were handed out, and bound to nothing else.

    Args:
        source: of Python, or of what a learner takes for it.
        labels: {qualified name of a function: label of its exercise}.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would name no file
            tree = ast.parse(source)
        bound, functions = _names_bound(tree), functions_in(tree)
        return [
            name
            for name, label in labels.items()
            if name.rpartition(".")[2] not in bound
            and ["\n".join(map(ast.unparse, body_of(node))) for node in functions.get(name, [])]
            == [ast.unparse(ast.parse(_blank_line(label)))]
        ]
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last also of what can be run
        return []


def _names_bound(tree: ast.Module) -> set[str]:
    """What a module binds by other means than def: f = mine, Net.f = mine, import mine as f.

    A local name of a function is none of them.
    """
    names: set[str] = set()
    nodes: list[tuple[ast.AST, bool]] = [(tree, False)]
    while nodes:
        node, is_local = nodes.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not is_local:
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Global):
            names.update(node.names)
        is_local = is_local or isinstance(node, Function | ast.Lambda)
        nodes += [(child, is_local) for child in ast.iter_child_nodes(node)]
    return names
