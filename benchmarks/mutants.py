"""Every small bug that an edit of one place can make in a file: an operator, a number, a line left out."""

import ast
import re
from collections import Counter
from itertools import accumulate

PAIRS = [
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.And, ast.Or),
]
SWAPPED = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
TEXT = re.compile(r"""raise |warnings\.warn\(|__all__ =|\w+ \+= f?['"]|f['"]""")  # for a reader: no bug


def mutants_of(path):
    """Yield (identity, line, source of the whole file with the bug in it) for each mutant of a file.

    The identity is (module's name, function, code before, code after, occurrence): a function that has only
    moved keeps its mutants. The code is that of a statement or, of an `if` or a loop, its expression.
    """
    text, occurrences = path.read_bytes(), Counter()
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]

    def span(node):
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def enclosed(node, code):  # an expression may go on for lines, and must stay one operand
        return b"(%b)" % code if isinstance(node, ast.expr) else code

    def visit(node, function, context):
        if isinstance(node, ast.stmt):
            context = None if hasattr(node, "body") else node
        elif context is None and isinstance(node, ast.expr):
            context = node
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            function = f"{function}.{node.name}".lstrip(".")
        elif TEXT.match(ast.unparse(node)):
            return
        for new in replacements(node):
            (low, high), (start, stop), new = span(context), span(node), enclosed(node, new.encode())
            before, after = (
                ast.unparse(ast.parse(enclosed(context, code)))
                for code in (text[low:high], text[low:start] + new + text[stop:high])
            )
            occurrences[function, before, after] += 1
            identity = path.stem, function, before, after, occurrences[function, before, after]
            yield identity, node.lineno, text[:start] + new + text[stop:]
        for field, children in ast.iter_fields(node):
            for child in children if isinstance(children, list) else [children]:
                if isinstance(child, ast.AST) and field not in ("annotation", "returns", "decorator_list"):
                    yield from visit(child, function, context)

    yield from visit(ast.parse(text), "", None)


def replacements(node):
    """Yield the source of each small change of a node."""

    def changed(**fields):
        return ast.unparse(type(node)(**({name: getattr(node, name) for name in node._fields} | fields)))

    value = getattr(node, "value", None)
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        yield changed(op=SWAPPED[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            if type(op) in SWAPPED:
                yield changed(ops=[*node.ops[:i], SWAPPED[type(op)](), *node.ops[i + 1 :]])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield ast.unparse(node.operand)
    elif isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int):  # which turns an axis as well
        yield repr({0: 1, 1: 0}.get(value, value + 1))
    elif isinstance(value, float):
        yield repr(2 * value or 1.0)
    if isinstance(node, ast.AugAssign) or isinstance(getattr(node, "targets", [None])[0], ast.Subscript):
        yield "pass"
