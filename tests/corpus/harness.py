"""Whole public solutions in memory: put together, changed, checked, and the verdicts judged."""

import ast
import contextlib
import io
import linecache
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple
from unittest import mock

import cs231n.classifiers.fc_net
import cs231n.optim
from cs231n.checking.verdict import Verdict, verdict
from tests.corpus.reference import EXERCISES, GRADIENTS, NETS, Truth, judge

HERE = Path(__file__).parent
HOMES = {  # in the order in which they import each other
    "layers": "cs231n.layers",
    "layer_utils": "cs231n.layer_utils",
    "optim": "cs231n.optim",
    "fc_net": "cs231n.classifiers.fc_net",
}
Sources = dict[str, str]  # {"layers": the source of layers.py, ...}


def assemble(sources: Sources) -> SimpleNamespace:
    """The four files as modules that import each other, under the names of the real ones."""
    kit = SimpleNamespace()
    for file, name in HOMES.items():
        module = ModuleType(name)
        module.__package__, module.__file__ = name.rpartition(".")[0], _path(name)
        setattr(kit, file, module)
    with installed(kit, sources):
        for file, module in vars(kit).items():
            exec(compile(sources[file], module.__file__, "exec"), vars(module))
    return kit


def _path(name: str) -> str:
    return str(Path(cs231n.__file__).parent.joinpath(*name.split(".")[1:]).with_suffix(".py"))


@contextlib.contextmanager
def installed(kit: SimpleNamespace, sources: Sources) -> Iterator[None]:
    """While it lasts, Python has the modules of kit under their names, and tracebacks quote them."""
    lines = {
        _path(HOMES[file]): (len(text), None, text.splitlines(True), _path(HOMES[file]))
        for file, text in sources.items()
    }
    with contextlib.ExitStack() as stack:
        for module in vars(kit).values():
            package, _, name = module.__name__.rpartition(".")
            stack.enter_context(mock.patch.object(sys.modules[package], name, module))
        modules = {module.__name__: module for module in vars(kit).values()}
        stack.enter_context(mock.patch.dict(sys.modules, modules))
        stack.enter_context(mock.patch.dict(linecache.cache, lines))
        yield


def replaced(sources: Sources, source: str) -> Sources:
    """sources with the functions, and methods, of `source` in the place of those of the same name.

    What no file has goes to the end of the one where the next function of `source` is.
    """
    result, nodes = dict(sources), ast.parse(source).body
    homes = [next((file for file, text in result.items() if _find(text, node.name)), None) for node in nodes]
    for k, node in enumerate(nodes):
        file = next(home for home in homes[k:] if home)
        known = isinstance(node, ast.ClassDef) and homes[k]
        for part in node.body if known else [node]:
            old = _find(result[file], node.name, *([part.name] if known else []))
            lines = result[file].splitlines()
            start, end = (old.lineno - 1, old.end_lineno) if old else (len(lines), len(lines))
            lines[start:end] = _lines(source, part)
            result[file] = "\n".join(lines) + "\n"
    return result


def edited(sources: Sources, name: str, old: str, new: str) -> Sources:
    """sources with `old` replaced everywhere in a function, a class or, as in "Net.loss", a method."""
    for file, text in sources.items():
        if node := _find(text, *name.split(".")):
            before = "\n".join(_lines(text, node))
            assert old in before, f"{name}: {old!r} is not in it"
            return {**sources, file: text.replace(before, before.replace(old, new))}
    raise KeyError(name)


def _find(source: str, *names: str) -> ast.FunctionDef | ast.ClassDef | None:
    """The function or class of the first name, or the method in it of the second."""
    found = next((n for n in _parsed(source).body if getattr(n, "name", None) == names[0]), None)
    if isinstance(found, ast.ClassDef) and names[1:]:
        return next((n for n in found.body if getattr(n, "name", None) == names[1]), None)
    return found


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _lines(source: str, node: ast.AST) -> list[str]:
    return source.splitlines()[node.lineno - 1 : node.end_lineno]


USUAL_FILES = (
    "solutions/plain/layers.py",
    "whole/layer_utils.py",
    "solutions/plain/optim.py",
    "whole/fc_net.py",
)
USUAL_EDITS = (  # caches that are dicts, statistics and masks in float64, a rule that writes into w
    ("affine_forward", "out, (x, w, b)", 'out, {"x": x, "w": w, "b": b}'),
    ("affine_backward", "x, w, b = cache", 'x, w = cache["x"], cache["w"]'),
    ("batchnorm_forward", "np.zeros(D, x.dtype)", "np.zeros(D)"),
    ("dropout_forward", ".astype(x.dtype)", ""),
    ("sgd_momentum", "next_w = w + v", "w += v"),
    ("sgd_momentum", "return next_w", "return w"),
)


def _usual() -> Sources:
    """A whole public solution, which uses nothing of the kit: USUAL_FILES, edited, and styles/usual.txt."""
    sources = {Path(file).stem: (HERE / file).read_text("utf-8") for file in USUAL_FILES}
    for edit in USUAL_EDITS:
        sources = edited(sources, *edit)
    return replaced(sources, (HERE / "styles" / "usual.txt").read_text("utf-8"))


USUAL = _usual()
STYLES: dict[str, Sources] = {  # right solutions of all exercises; what a style leaves out is the usual
    file.stem: replaced(USUAL, file.read_text(encoding="utf-8")) for file in sorted(HERE.glob("styles/*.txt"))
}


def used(exercise: str, sources: Sources) -> tuple[str, ...]:
    """The source of every function that an exercise may call, which is all that its verdict depends on."""
    functions = {name: known for file, text in sources.items() for name, known in _known(file, text).items()}
    todo = [exercise.partition(".")[0], *(name for name in functions if name.startswith("line "))]
    if exercise in GRADIENTS:
        todo.append(f"{GRADIENTS[exercise]}_forward")
    seen: dict[str, str] = {}
    while todo:
        name = todo.pop()
        if name in functions and name not in seen:
            seen[name] = functions[name][0]
            todo += functions[name][1]
    return tuple(sorted(seen.values()))


@cache
def _known(file: str, text: str) -> dict[str, tuple[str, set[str]]]:
    """{a function, class or line of a file: (its source, the names in it)}."""
    return {
        getattr(node, "name", f"line {node.lineno} of {file}"): (
            ast.unparse(node),
            {n.id for n in ast.walk(node) if isinstance(n, ast.Name)},
        )
        for node in _parsed(text).body
    }


class Result(NamedTuple):
    exercise: str
    truth: Truth
    verdict: Verdict | Exception

    @property
    def text(self) -> str:
        """What a learner reads, on one line."""
        if isinstance(self.verdict, Exception):
            return f"Traceback: {type(self.verdict).__name__}: {self.verdict}"
        return " ".join(" ".join([*self.verdict.findings, *self.verdict.notes]).split())

    @property
    def passed(self) -> bool:
        return not isinstance(self.verdict, Exception) and self.verdict.status == "passed"


_results: dict[tuple[str, ...], Result] = {}


def results(sources: Sources, exercises: list[str] = EXERCISES) -> Iterator[Result]:
    """The truth and the verdict of each exercise of a solution; those of the same functions are had once."""
    kit = None
    for exercise in exercises:
        key = (exercise, *used(exercise, sources))
        if key not in _results:
            kit = kit or assemble(sources)
            _results[key] = Result(exercise, judge(exercise, kit), _checked(exercise, kit, sources))
        yield _results[key]


def _checked(exercise: str, kit: SimpleNamespace, sources: Sources) -> Verdict | Exception:
    file = "fc_net" if exercise in NETS else "layers" if hasattr(kit.layers, exercise) else "optim"
    try:
        with installed(kit, sources), contextlib.redirect_stdout(io.StringIO()):
            return verdict(exercise, getattr(kit, file))
    except Exception as error:
        return error


# The kinds of verdicts, in the order of the table.
PASSED, NAMED = "right, and passes", "wrong, and the diagnosis is right"
POINTED = "wrong because of another function, which is named first"
LENIENT = "a net that is right, but uses a wrong layer, passes"
UNNAMED, MISNAMED = "wrong, without a diagnosis", "wrong, and the diagnosis is wrong"
ALARM = "false alarm: right, but fails"
UNPOINTED = "false alarm: another function is wrong, but is not named"
CRASHED, MISS = "the diagnosis raised an error", "miss: wrong, but passes"
OUTCOMES = (PASSED, NAMED, POINTED, LENIENT, UNNAMED, MISNAMED, ALARM, UNPOINTED, CRASHED, MISS)


def outcome(result: Result, words: str = "") -> str:
    """One of OUTCOMES. words: of which the text must have one, separated by |; "" where any name will do."""
    truth, text = result.truth, result.text
    if isinstance(result.verdict, Exception):
        return CRASHED
    if result.passed:
        return PASSED if truth.right else LENIENT if truth.because_of and result.exercise in NETS else MISS
    if truth.because_of and not words:
        found = any(name in text for name in truth.because_of)
        return POINTED if found else ALARM if truth.right else UNPOINTED
    if truth.right:
        return ALARM
    if any(word.strip().lower() in text.lower() for word in words.split("|")):
        return NAMED if words or result.verdict.kind != "unknown" else UNNAMED
    return UNNAMED if result.verdict.kind in ("unknown", "") else MISNAMED
