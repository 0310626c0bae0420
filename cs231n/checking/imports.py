"""Static check of the imports in exercise files.

The grading sandbox holds numpy, the standard library and the exercise files; any other import would fail
there, so it is reported here first.
"""

import ast
import importlib.util
import re
import sys
import warnings
from pathlib import Path

__all__ = ["ALLOWED", "check_imports", "import_error_message"]

# Of the kit: the files with exercises, and what these import.
ALLOWED = (
    "cs231n",
    "cs231n.classifiers",
    "cs231n.classifiers.fc_net",
    *(
        "cs231n.contracts" + name
        for name in ("", ".names", ".require", ".shapes", ".takes", ".update_rule", ".variance")
    ),
    "cs231n.layer_utils",
    "cs231n.layers",
    "cs231n.optim",
    "cs231n.sandwiches",
    "cs231n.second_derivative",
    "cs231n.spatial_layers",
    "cs231n.checking",
    *(
        "cs231n.checking.exercises" + name
        for name in ("", ".dropout", ".exercise", ".layers", ".nets", ".norms", ".update_rules")
    ),
    "cs231n.checking.learner_code",
    "cs231n.checking.problems",
)
# What could answer for an exercise.
ANSWERS = re.compile(
    r"cs231n\.(checks|commands\.check|gradient_check|checking\.(dependencies|diagnosis|verdict|answers(\.\w+)?))"
)
RULE = "An exercise may import numpy, the standard library and the other files with exercises"


def import_error_message(name: str) -> str:
    """Why an exercise may not import the module called `name`; empty if it may."""
    if name in ALLOWED or name.partition(".")[0] in ("numpy", *sys.stdlib_module_names):
        return ""
    if ANSWERS.fullmatch(name):
        return f"{name} could give the answers. {RULE}, but not this one."
    if name.startswith("cs231n."):
        return f"{name} is not handed in. {RULE}; put your own functions into the file that uses them."
    return f"{name} is not there when your work is marked. {RULE}; try without it."


def check_imports(root: Path, file: str) -> list[str]:
    """A sentence for each import of a file that an exercise may not have.

    Imports under `if __name__ == "__main__"` or TYPE_CHECKING are ignored, and so are guarded ones (try and
    except ImportError), except of answer modules: these exist on the learner's machine, so the check would
    use them although the grader cannot. A file that does not compile has none: importing it says why.

    Args:
        root: of the kit.
        file: its path from there.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever imports the file gets them, with its name
            tree = ast.parse((root / file).read_bytes())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    package = file.removesuffix(".py").replace("/", ".").rpartition(".")[0]
    return [
        f"{file.rpartition('/')[2]}, line {node.lineno}: {message}"
        for node, may_fail in _executed_nodes(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _imported_modules(node, package, root)
        if (message := import_error_message(name)) and (not may_fail or ANSWERS.fullmatch(name))
    ]


def _executed_nodes(tree: ast.AST) -> list[tuple[ast.AST, bool]]:
    """[(node, whether its import may fail)] of what is run, or can be, once the file is imported."""
    nodes = [(tree, False)]
    for node, may_fail in nodes:
        skipped: list[ast.stmt] = []
        guarded: list[ast.stmt] = []
        match node:
            case ast.Try() if any(map(_catches_import_errors, node.handlers)):
                guarded = node.body
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                skipped = node.body
            case ast.If(
                test=ast.Compare(
                    left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
                )
            ):
                skipped = node.body
        nodes += [
            (child, may_fail or child in guarded)
            for child in ast.iter_child_nodes(node)
            if child not in skipped
        ]
    return nodes


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    return None in types or bool({getattr(name, "id", None) for name in types} & caught)


def _imported_modules(node: ast.Import | ast.ImportFrom, package: str, root: Path) -> list[str]:
    """The modules that a node imports, by their full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    try:
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:  # more dots than there are packages
        return []
    inner = [f"{module}.{alias.name}" for alias in node.names]
    return [module, *(name for name in inner if _is_module(root / name.replace(".", "/")))]


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
