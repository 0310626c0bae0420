"""From a solved file to one with blanks: named function bodies, and tagged notebook cells."""

import ast
import json
import re
import textwrap
import warnings

from classroom.manifest import ManifestError, nearest

TAG = re.compile(r"exercise-([1-9]\d*)")
WIDTH = 100


def functions(tree):
    """{qualified name: its nodes} of every function outside other functions; a name may be there twice."""
    found = {}

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(prefix + child.name, []).append(child)
            elif isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(tree, "")
    return found


def body(node):
    """The statements of a function without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def find(file, source, names):
    """{qualified name: its nodes} for names in source. Raises: ManifestError if one is not there."""
    try:
        found = functions(ast.parse(source))
    except SyntaxError as error:
        raise ManifestError(f"{file} does not compile: {error}") from None
    for name in names:
        if name not in found:
            raise ManifestError(f"{file} has no function {name}{nearest(name, found)}")
    return {name: found[name] for name in names}


def blank_functions(file, source, exercises):
    """source, bytes of Python, with each function in exercises {qualified name: Exercise} left to be written.

    Decorators, signature and docstring stay, and every byte outside the bodies; comments inside a body go.
    """
    end = b"\r\n" if b"\r\n" in source else b"\n"
    lines = source.splitlines(keepends=True)
    cuts = [
        (*_span(node, lines), _blank(node, exercises[name], end))
        for name, nodes in find(file, source, exercises).items()
        for node in nodes
    ]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for first, column, last, blank in sorted(cuts, reverse=True):
        head, tail = source[: starts[first - 1] + column], source[starts[last] :]
        source = head.rstrip(b" \t") + end + blank + tail
    return source


def _span(node, lines):
    """Where a body starts, behind the docstring or the signature, as line and column, and its last line."""
    statements = body(node)
    last = node.end_lineno
    for number in range(last + 1, len(lines) + 1):  # comments behind the last statement are body too
        line = lines[number - 1]
        if line.strip() and not (line.lstrip().startswith(b"#") and _indent(line) > node.col_offset):
            break
        last = number if line.strip() else last
    if len(statements) < len(node.body):
        return node.body[0].end_lineno, node.body[0].end_col_offset, last
    first = statements[0]
    line = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    if lines[line - 1][: first.col_offset].strip():  # def f(x): return x
        return line, first.col_offset, last
    while not lines[line - 2].strip() or lines[line - 2].lstrip().startswith(b"#"):
        line -= 1
    return line - 1, len(lines[line - 2].rstrip(b"\r\n")), last


def _indent(line):
    return len(line) - len(line.lstrip())


def _blank(node, exercise, end):
    indent = b" " * (node.col_offset + 4)
    return b"".join(indent + line.encode() + end for line in blank_lines(exercise))


def blank_lines(exercise):
    """What stands where a learner is to write."""
    return [*comment(exercise.hint), f"raise NotImplementedError({_literal(exercise.label)})"]


def is_blank(source, name, exercise):
    """Whether function name of a learner's source is as it was handed out, and bound to nothing else."""
    stub = ast.unparse(ast.parse(blank_lines(exercise)[-1]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would name no file
            tree = ast.parse(source)
        bound = [
            getattr(node, "id", None) or getattr(node, "attr", None)
            for node in ast.walk(tree)
            if isinstance(getattr(node, "ctx", None), ast.Store)
        ]  # f = mine, Net.f = mine
        bound += [node.asname or node.name for node in ast.walk(tree) if isinstance(node, ast.alias)]
        return name.rpartition(".")[2] not in bound and [
            "\n".join(map(ast.unparse, body(node))) for node in functions(tree).get(name, [])
        ] == [stub]
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the last also of what can be run
        return False


def comment(text):
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _literal(text):
    return json.dumps(text, ensure_ascii=False)


def cell_exercises(name, cell, exercises):
    """Those of exercises that the cell's tags name. Raises: ManifestError on a tag that is nearly one."""
    numbers = set()
    for tag in cell.get("metadata", {}).get("tags", []):
        match = TAG.fullmatch(tag)
        if match:
            numbers.add(int(match[1]))
        elif "exerci" in tag.lower():
            raise ManifestError(f"{name}: a cell has the tag {tag!r}; try exercise-7 and the like")
    return [exercise for exercise in exercises if exercise.number in numbers]


def blank_notebook(name, text, exercises):
    """The text of a notebook with its tagged cells left to be written and all outputs cleared.

    Of a tagged cell its checks stay, behind the error: asserts, and calls whose result nobody takes.
    """
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)  # the state of sliders is an output too
    cells = notebook["cells"]
    blanked = [cell_exercises(name, cell, exercises) for cell in cells]
    trees = [_tree(cell) for cell in cells]
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if not blanked[i]:
            continue
        lines = [f"*{blanked[i][0].label}.* {blanked[i][0].hint}"]
        if cell["cell_type"] == "code":
            lines = _blank_cell("".join(cell["source"]), trees[i], trees[i + 1 :], blanked[i][0])
        cell["source"] = "\n".join(lines).splitlines(keepends=True)
        cell.pop("attachments", None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _blank_cell(source, tree, later, exercise):
    checks = [
        node
        for node in tree.body
        if isinstance(node, ast.Assert)
        or isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "print") != "print"
    ]
    stored, wanted = _bound(tree.body), set()
    for node in checks:
        wanted |= stored & _read(node)
    for other in later:  # up to the cell that binds a name anew
        bound = _bound(other.body)
        wanted |= stored & _read(other)
        stored -= bound
    lines = comment(f"{exercise.label}. The text above says what belongs here.")
    if wanted:
        lines += comment(f"To be defined: {', '.join(sorted(wanted))}.")
    lines.append(blank_lines(exercise)[-1])
    kept = source.splitlines()
    return (
        lines
        + [""] * bool(checks)
        + [line for node in checks for line in kept[node.lineno - 1 : node.end_lineno]]
    )


def _tree(cell):
    source = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
    return ast.parse(without_magics(source))


def _read(tree):
    """The names that tree reads and does not itself bind, not even as an argument."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in names} - own


def _bound(statements):
    """The names that statements bind where they stand, not inside the functions among them."""
    found, level = set(), list(statements)
    while level:
        node = level.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            level += ast.iter_child_nodes(node)
    return found


def without_magics(source):
    """source with IPython's own lines (%..., !...) as pass, so that Python can parse it."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)
