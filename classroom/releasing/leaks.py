"""Does anything of a solution or of a model answer survive? Parts of them, searched for in every text.

Fragments are compared as syntax trees in a normal form: spaces, line breaks, comments, brackets and the order
of terms and factors make no difference. Three kinds of fragment of a blanked body must not be handed out;
operations are + - * / and the like, comparisons, and calls of a method or of a NumPy function:

    a statement with at least one operation, or of 12 nodes or more      under its own names
    an expression with at least two operations                           under its own names
    a statement or an expression with at least three operations          under any names

So `N = len(x)` or `return dx, dw, db` may stand anywhere, and a formula with renamed variables is a leak.
An attribute of a variable counts as its name, cache.x_hat as x_hat. Of a model answer in the notebooks, no
whole formula of two operations or more may be handed out, and no sentence of six words or more; with another
sign it is a wrong answer, and may.

Text that is no program is searched for lines of code: comments, strings, stored outputs, pages. What the
manifest lists under "given" is no leak: code that a docstring or a notebook shows on purpose. Bytecode of the
kit is not read: it must be that of the source beside it, which is searched. The search misses pictures, and
code that does the same in another way, as kernels.py does entry by entry: release.py withholds such files by
name.
"""

import _imp
import ast
import contextlib
import gzip
import html
import io
import json
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from classroom.manifest import Exercise, ManifestError
from classroom.releasing.blanks import body_of, find_functions
from classroom.releasing.notebooks import ModelAnswer, without_magics

__all__ = ["Leak", "answer_fragments", "count_operations", "find_leaks", "solution_fragments"]

MIN_OPERATIONS = {"statement": 1, "expression": 2, "any names": 3}
MIN_NODES = 12
MIN_WORDS = 6  # of a sentence
# ("own" or "any", the normal form of a fragment of a solution under its own or any names),
# ("answer", that of a formula of a model answer, with its signs), ("words", a sentence of a model answer)
Key = tuple[str, str]
Fragments = Mapping[Key, str]  # {fragment: what it is of, "exercise 8, batchnorm_backward_alt"}


class Leak(NamedTuple):
    """A place where a fragment of a solution stands."""

    file: str
    place: str  # "line 12", "cell 7, line 3", "cell 7, output"
    text: str  # the first line of the fragment
    owner: str  # "exercise 8, batchnorm_backward_alt", "the model answer to question 2.7"

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.text!r} is of {self.owner}"


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
                parts = [f"{sign * self.signs}{self.of(part, names)}" for sign, part in operands]
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


def _parts(statements: Iterable[ast.stmt]) -> Iterator[tuple[ast.expr | ast.stmt, list[Key]]]:
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
                for _, keys in _parts(body_of(node)):
                    for key in keys:
                        if key[0] != "answer":
                            fragments.setdefault(key, owner)
    for exercise in exercises:
        for code in exercise.given:
            allowed = {key for _, keys in _parts(ast.parse(code).body) for key in keys}
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
            if len(_words(sentence)) >= MIN_WORDS:
                fragments[("words", " ".join(_words(sentence)))] = owner
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


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def find_leaks(files: Mapping[str, bytes], fragments: Fragments) -> list[Leak]:
    """Every place in files {path: content} where one of the fragments stands, the largest of each line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of text that looks like a program
        leaks = [leak for path in sorted(files) for leak in _search_file(path, files[path], fragments)]
    return leaks + [
        Leak(path, "bytecode", path.rpartition("/")[2], "a source that was not searched")
        for path in sorted(files)
        if re.search(r"(^|/)(cs231n|classroom)/.*\.pyc$", path) and not _source_is_searched(path, files)
    ]


def _source_is_searched(path: str, files: Mapping[str, bytes]) -> bool:
    """Whether bytecode, of any Python, has in its header the hash of the source beside it."""
    source = files.get(re.sub(r"__pycache__/([^/]+)\.[^/.]+\.pyc$", r"\1.py", path))
    magic, flags, digest = (files[path][start:end] for start, end in [(0, 4), (4, 8), (8, 16)])
    if source is None or not int.from_bytes(flags, "little") & 1:  # by time, not by hash
        return False
    return _imp.source_hash(int.from_bytes(magic, "little"), source) == digest


def _search_file(path: str, content: bytes, fragments: Fragments) -> list[Leak]:
    if content.startswith(b"\x1f\x8b"):
        return _search_file(path.removesuffix(".packed"), gzip.decompress(content), fragments)
    if content.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
        return find_leaks(members, fragments)
    if b"\0" in content:  # no text: a picture, an array
        return []
    text = content.decode("utf-8", errors="replace")
    if path.endswith(".ipynb"):
        leaks = _search_notebook(path, json.loads(text), fragments)
    elif path.endswith(".json"):
        leaks = _search_json(path, json.loads(text), fragments)
    elif path.endswith(".py"):
        leaks = _search_code(path, "", text, fragments)
    else:
        leaks = _search_prose(path, "", text, fragments)
    return list(dict.fromkeys([*leaks, *_search_sentences(path, text, fragments)]))


def _search_sentences(path: str, text: str, fragments: Fragments) -> Iterator[Leak]:
    """Sentences of model answers in a file; marks and line breaks between their words make no difference."""
    if path.endswith(".ipynb"):
        cells = ["\n".join(_strings(cell)) for cell in json.loads(text)["cells"]]
        places = {f"cell {number}": cell for number, cell in enumerate(cells, start=1)}
    elif path.endswith(".json"):
        places = {"its text": "\n".join(_strings(json.loads(text)))}
    else:
        places = {"its text": _without_tags(text)}
    sentences = [(sentence, owner) for (kind, sentence), owner in fragments.items() if kind == "words"]
    for place, content in places.items() if sentences else ():
        words = f" {' '.join(_words(content))} "
        for sentence, owner in sentences:
            if f" {sentence} " in words:
                yield Leak(path, place, sentence, owner)


def _search_notebook(path: str, notebook: dict[str, Any], fragments: Fragments) -> Iterator[Leak]:
    for number, cell in enumerate(notebook["cells"], start=1):
        source = "".join(cell["source"])
        search = _search_code if cell["cell_type"] == "code" else _search_prose
        yield from search(path, f"cell {number}, ", source, fragments)
        for text in _strings({key: value for key, value in cell.items() if key != "source"}):
            yield from _search_prose(path, f"cell {number}, stored beside its source, ", text, fragments)
    for text in _strings(notebook["metadata"]):
        yield from _search_prose(path, "metadata, ", text, fragments)


def _search_json(path: str, value: Any, fragments: Fragments) -> Iterator[Leak]:
    """Each text in it, as code if it is some; in an object the place is named by its key."""
    for name, part in value.items() if isinstance(value, dict) else [("", value)]:
        for text in _strings(part):
            yield from _search_code(path, f"{name}, " if name else "", text, fragments)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value; a list of lines is one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield "".join(value)
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _search_code(path: str, where: str, text: str, fragments: Fragments) -> Iterator[Leak]:
    try:
        tree = ast.parse(without_magics(text))
    except SyntaxError:
        yield from _search_prose(path, where, text, fragments)
        return
    yield from _search_tree(path, where, tree, text.splitlines(), fragments)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _search_prose(path, where, node.value, fragments, node.lineno)
    for number, line in enumerate(text.splitlines(), start=1):
        if "#" in line:
            yield from _search_prose(path, where, line.partition("#")[2], fragments, number)


def _search_tree(
    path: str, where: str, tree: ast.Module, lines: Sequence[str], fragments: Fragments
) -> Iterator[Leak]:
    reported: set[int] = set()
    for part, keys in _parts(tree.body):  # a statement comes before the expressions in it
        owner = next((fragments[key] for key in keys if key in fragments), None)
        if owner is not None and part.lineno not in reported:
            reported.update(range(part.lineno, (part.end_lineno or part.lineno) + 1))
            yield Leak(path, f"{where}line {part.lineno}", lines[part.lineno - 1].strip(), owner)


# What may stand before code in prose: quotes, prompts, list marks, comment marks, the signs of a patch.
MARKS = re.compile(
    r"^(?:\s|>>>|\.\.\.|[>|#*+-](?=\s|$)|[+-](?=\w)|#|//|/\*|<!--|In \[\d*\]:|\d+[.)|:]\s|-+>\s*\d+)*"
)
TRAIL = re.compile(r"(?:[\s.,;:|]|\*/|-->)+$")


def _search_prose(path: str, where: str, text: str, fragments: Fragments, first: int = 1) -> Iterator[Leak]:
    """Code in text that is no program: a line, lines that a bracket joins, what stands between backticks."""
    if len(text) > 4000 and not re.search(r"\s", text[:4000]):  # the base64 of a picture
        return
    if path.endswith(".js"):  # it computes entry by entry, of a batch whose size it may know
        text = re.sub(r"(?<=/ )\d+\b", "N", re.sub(r"(?<=\w)\[\w+\]", "", text))
    raw = _without_tags(text).splitlines() or [""]
    if len(raw) == 1 and re.match(r"[+-]\w", raw[0]):  # a sign, for a patch has more lines
        clean = [TRAIL.sub("", raw[0])]
    else:
        clean = [TRAIL.sub("", MARKS.sub("", line)) for line in raw]
    for start in range(len(raw)):
        # A minus at the start of the line after an open bracket may be the mark of a list, or not.
        joined = {_join_brackets([clean[start], *rest[start + 1 : start + 8]]) for rest in (clean, raw)}
        candidates = {clean[start]}
        for line in joined:
            candidates |= {
                line,
                *re.split(";|//", line),
                *map(_without_closers, line.split("=>")[1:]),
                *re.findall(r"`([^`]+)`", line),
                *re.findall(r"  +(\S.*?)(?=  |$)", line),
            }
        for candidate in sorted(candidates):
            for code in {candidate, candidate.strip().rstrip(":"), candidate.partition("=")[2]}:
                if any(sign in code for sign in "+-*/@=<>("):
                    place = f"{where}line {first + start}"
                    yield from _search_line(path, place, code.strip(" \t\"'"), fragments)


def _without_tags(text: str) -> str:
    """Text without colours and HTML; what was code in a sentence stands between two spaces, as in a table."""
    text = re.sub(r"</?code\b[^<>]*>", "  ", text)
    return html.unescape(re.sub(r"\x1b\[[0-9;]*m|</?[a-zA-Z][^<>]*>", "", text))


def _join_brackets(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        text += line.strip() + " "
        if sum(map(text.count, "([{")) <= sum(map(text.count, ")]}")):
            break
    return text.strip()


def _without_closers(code: str) -> str:
    """Without the brackets at its end that close what stands before it."""
    code = TRAIL.sub("", code)
    while code.endswith(")") and code.count(")") > code.count("("):
        code = TRAIL.sub("", code[:-1])
    return code


def _search_line(path: str, place: str, code: str, fragments: Fragments) -> Iterator[Leak]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for leak in _search_tree(path, "", tree, code.splitlines(), fragments):
        yield Leak(path, place, leak.text, leak.owner)
