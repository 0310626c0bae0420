"""Does anything of a solution survive? Parts of blanked bodies, looked for in every text.

A secret is compared as a syntax tree in a normal form: spaces, line breaks, comments, brackets and the order
of terms and factors make no difference. Three kinds of fragment of a blanked body are secret; operations are
+ - * / and the like, comparisons, and calls of a method or of a NumPy function:

    a statement with at least one operation, or of 12 nodes or more      under its own names
    an expression with at least two operations                           under its own names
    a statement or an expression with at least three operations          under any names

So `N = len(x)` or `return dx, dw, db` is nobody's secret, and a formula with its variables renamed is found.
An attribute read from a variable counts as its name, cache.x_hat as x_hat. Text that is no program is
searched for lines of code: comments, strings, stored outputs. What the manifest lists as given is no secret:
code that a docstring or a notebook shows on purpose. Not found is what a picture shows, and what does the
same in another way, as kernels.py does entry by entry: release.py keeps such files back by name.
"""

import ast
import html
import io
import json
import re
import zipfile
from collections import Counter
from typing import NamedTuple

from classroom.manifest import ManifestError
from classroom.releasing.blanks import body, find, without_magics

OWN_STATEMENT, OWN_EXPRESSION, ANY_NAMES, NODES = 1, 2, 3, 12


class Leak(NamedTuple):
    file: str
    place: str  # "line 12", "cell 7, line 3", "cell 7, output"
    text: str  # the first line of what was found
    exercise: object

    def __str__(self):
        return (
            f"{self.file}, {self.place}: {self.text!r} is of exercise {self.exercise.number}, "
            f"{self.exercise.title}"
        )


class _Form:
    """The normalized text of a tree; rename=True numbers the variables as they come.

    Sums and products lose their order, and subtraction and division count as addition and multiplication:
    g / s * (a - b) is (b - a) * s * g. np.sum(x) is x.sum().
    """

    def __init__(self, tree, rename):
        self.rename, self.numbers = rename, {}
        self.count = Counter(_variable(node) for node in ast.walk(tree))

    def of(self, node, names=True):
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
                parts = sorted(_chain(node, operators), key=lambda part: self.of(part, names=False))
                parts = [self.of(part, names) for part in parts]
                return f"{kind}({', '.join(parts if self.rename else sorted(parts))})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.of(node.operand, names)
        if isinstance(node, ast.Call):
            func, given = node.func, list(node.args)
            if isinstance(func, ast.Attribute) and getattr(func.value, "id", "") != "np":
                given.insert(0, func.value)
            called = getattr(func, "attr", None) or getattr(func, "id", None) or self.of(func, names)
            return f"{called}({self.of([*given, *node.keywords], names)})"
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


def _variable(node):
    """The name of a variable: x, and x too where it is read from another, as in cache.x."""
    if isinstance(node, ast.Name):
        return node.id
    read = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    if read and isinstance(node.value, ast.Name) and node.value.id != "np":
        return node.attr
    return None


def _chain(node, operators):
    if isinstance(node, ast.BinOp) and isinstance(node.op, operators):
        return [*_chain(node.left, operators), *_chain(node.right, operators)]
    return [node]


def operations(node):
    count = 0
    for part in ast.walk(node):
        if isinstance(part, (ast.BinOp, ast.AugAssign, ast.Compare)):
            count += 1
        elif isinstance(part, ast.UnaryOp) and not isinstance(part.operand, ast.Constant):
            count += 1
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            count += 1
    return count


def _nodes(node):
    return sum(not isinstance(part, (ast.expr_context, ast.operator)) for part in ast.walk(node))


def _pieces(statements):
    """Each simple statement and each expression within statements, at any depth."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.expr) or isinstance(node, ast.stmt) and not hasattr(node, "body"):
                yield node


def forms(node):
    """The texts under which a fragment is secret, none if it is trivial."""
    weight, is_statement = operations(node), isinstance(node, ast.stmt)
    if is_statement and (weight >= OWN_STATEMENT or _nodes(node) >= NODES) or weight >= OWN_EXPRESSION:
        yield "own", _Form(node, rename=False).of(node)
    if weight >= ANY_NAMES:
        yield "any", _Form(node, rename=True).of(node)


def secrets(sources, by_file):
    """{form: exercise} for the bodies of by_file {file: {name: exercise}} in sources {file: bytes}."""
    found = {}
    for file, exercises in by_file.items():
        for name, nodes in find(file, sources[file], exercises).items():
            for node in nodes:
                for piece in _pieces(body(node)):
                    for form in forms(piece):
                        found.setdefault(form, exercises[name])
    for exercise in dict.fromkeys(found.values()):
        for code in exercise.given:
            given = {form for piece in _pieces(ast.parse(code).body) for form in forms(piece)} & found.keys()
            if not given:
                raise ManifestError(
                    f"{exercise.label}: given {code!r} is in none of the bodies, or no secret; try without it"
                )
            for form in given:
                del found[form]
    return found


def leaks(files, secret):
    """Every place in files {path: bytes} where a secret stands, the largest fragment of each line."""
    return [leak for path in sorted(files) for leak in _of_file(path, files[path], secret)]


def _of_file(path, content, secret):
    if path.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
        return leaks(inside, secret)
    if b"\0" in content:  # no text: a picture, an array
        return []
    text = content.decode("utf-8", errors="replace")
    if path.endswith(".ipynb"):
        found = _of_notebook(path, json.loads(text), secret)
    elif path.endswith(".py"):
        found = _of_code(path, "", text, secret)
    else:
        found = _of_prose(path, "", text, secret)
    return list(dict.fromkeys(found))


def _of_notebook(path, notebook, secret):
    for number, cell in enumerate(notebook["cells"], start=1):
        source = "".join(cell["source"])
        look = _of_code if cell["cell_type"] == "code" else _of_prose
        yield from look(path, f"cell {number}, ", source, secret)
        for text in _strings({key: value for key, value in cell.items() if key != "source"}):
            yield from _of_prose(path, f"cell {number}, stored beside its source, ", text, secret)
    for text in _strings(notebook["metadata"]):
        yield from _of_prose(path, "metadata, ", text, secret)


def _strings(value):
    """Every text in a JSON value; a list of lines is one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield "".join(value)
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _of_code(path, where, text, secret):
    try:
        tree = ast.parse(without_magics(text))
    except SyntaxError:
        yield from _of_prose(path, where, text, secret)
        return
    yield from _of_tree(path, where, tree, text.splitlines(), secret)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _of_prose(path, where, node.value, secret, node.lineno)
    for number, line in enumerate(text.splitlines(), start=1):
        if "#" in line:
            yield from _of_prose(path, where, line.partition("#")[2], secret, number)


def _of_tree(path, where, tree, lines, secret):
    seen = set()
    for piece in _pieces(tree.body):  # a statement comes before the expressions in it
        exercise = next((secret[form] for form in forms(piece) if form in secret), None)
        if exercise is not None and piece.lineno not in seen:
            seen.update(range(piece.lineno, piece.end_lineno + 1))
            yield Leak(path, f"{where}line {piece.lineno}", lines[piece.lineno - 1].strip(), exercise)


# What may stand before code in prose: quotes, prompts, list marks, comment marks, the signs of a patch.
MARKS = re.compile(r"^(?:\s|>>>|\.\.\.|[>|#*+-](?=\s|$)|[+-](?=\w)|#|In \[\d*\]:|\d+[.)|:]\s|-+>\s*\d+)*")
TRAIL = re.compile(r"[\s.,;:|]+$")


def _of_prose(path, where, text, secret, first=1):
    """Code in text that is no program: a line, lines that a bracket joins, what stands between backticks."""
    if len(text) > 4000 and not re.search(r"\s", text[:4000]):  # the base64 of a picture
        return
    plain = html.unescape(re.sub(r"\x1b\[[0-9;]*m|</?[a-zA-Z][^<>]*>", "", text)) + "\n"
    raw = plain.splitlines()
    clean = [TRAIL.sub("", MARKS.sub("", line)) for line in raw]
    for start in range(len(raw)):
        # A minus at the start of the line after an open bracket may be the mark of a list, or not.
        joined = {_joined([clean[start], *rest[start + 1 : start + 8]]) for rest in (clean, raw)}
        candidates = {clean[start]}
        for line in joined:
            candidates |= {
                line,
                *line.split(";"),
                *re.findall(r"`([^`]+)`", line),
                *re.findall(r"  +(\S.*?)(?=  |$)", line),
            }
        for candidate in sorted(candidates):
            for code in {candidate, candidate.strip().rstrip(":"), candidate.partition("=")[2]}:
                if operations_in(code):
                    yield from _of_line(path, f"{where}line {first + start}", code.strip(" \t\"'"), secret)


def _joined(lines):
    text = ""
    for line in lines:
        text += line.strip() + " "
        if sum(map(text.count, "([{")) <= sum(map(text.count, ")]}")):
            break
    return text.strip()


def operations_in(text):
    return any(sign in text for sign in "+-*/@=<>(")


def _of_line(path, place, code, secret):
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for leak in _of_tree(path, "", tree, code.splitlines(), secret):
        yield Leak(path, place, leak.text, leak.exercise)
