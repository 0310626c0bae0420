"""What a file with exercises may import: where it is marked there is nothing else."""

import ast
import importlib.util
import re
import sys
import warnings

__all__ = ["ALLOWED", "refusal", "refusals"]

# Of the kit: the files with exercises, and what these import.
ALLOWED = (
    "cs231n",
    "cs231n.classifiers",
    "cs231n.classifiers.fc_net",
    *(
        "cs231n.contracts" + name
        for name in ("", ".require", ".shapes", ".takes", ".update_rule", ".variance")
    ),
    "cs231n.layer_utils",
    "cs231n.layers",
    "cs231n.optim",
    "cs231n.checking",
    "cs231n.checking.problems",
)
# What could answer for an exercise.
ANSWERS = re.compile(r"cs231n\.(checks|gradient_check|checking\.(diagnosis|answers(\.\w+)?))")
RULE = "An exercise may import numpy, the standard library and the other files with exercises"


def refusal(name):
    """What there is to say of an import of the module called name; empty if an exercise may import it."""
    if name in ALLOWED or name.partition(".")[0] in ("numpy", *sys.stdlib_module_names):
        return ""
    if ANSWERS.fullmatch(name):
        return f"{name} could give the answers. {RULE}; it is written, and marked, without this one."
    if name.startswith("cs231n."):
        return f"{name} is not handed in. {RULE}; functions of your own go into the file that uses them."
    return f"{name} is not there when your work is marked. {RULE}; try without it."


def refusals(root, file):
    """What there is to say of the imports of a file below root, a sentence for each that may not be.

    Nothing is said of an import under __name__ == "__main__" or TYPE_CHECKING, nor of one in a try that takes
    its failure, unless that could give the answers: a check has it, and would judge by it. A file that
    does not compile has no such sentence: to import it says why.

    Raises: OSError if it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those who import it get them, with its name
            tree = ast.parse((root / file).read_bytes())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    package = file.removesuffix(".py").replace("/", ".").rpartition(".")[0]
    found = []
    for node, may_fail in _run(tree):
        for name in _imported(node, package, root):
            if refusal(name) and (not may_fail or ANSWERS.fullmatch(name)):
                found.append(f"{file.rpartition('/')[2]}, line {node.lineno}: {refusal(name)}")
    return found


def _run(tree):
    """[(node, whether it may fail)] of the nodes that are run, or can be, once the file is imported."""
    nodes = [(tree, False)]
    for node, may_fail in nodes:
        unrun, tried = [], []
        match node:
            case ast.Try() if any(map(_takes_import_errors, node.handlers)):
                tried = node.body
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                unrun = node.body
            case ast.If(
                test=ast.Compare(
                    left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
                )
            ):
                unrun = node.body
        nodes += [
            (child, may_fail or child in tried) for child in ast.iter_child_nodes(node) if child not in unrun
        ]
    return nodes


def _takes_import_errors(handler):
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return None in types or bool(
        {getattr(name, "id", None) for name in types}
        & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    )


def _imported(node, package, root):
    """The modules that a node imports, by their full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    try:
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:  # more dots than there are packages
        return []
    inner = [f"{module}.{alias.name}" for alias in node.names]
    return [module, *(name for name in inner if (root / f"{name.replace('.', '/')}.py").is_file())]
