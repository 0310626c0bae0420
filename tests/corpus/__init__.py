"""Right solutions in the styles that learners write, in solutions/, and wrong ones, in bugs.txt.

A file of solutions/ holds whole functions, with caches of their own; what it leaves out is the kit's.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from cs231n.checking.exercises import EXERCISES
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.checking.problems import make_problem, run

HERE = Path(__file__).parent
SAME_SOLUTIONS = {"batchnorm_backward": ["batchnorm_backward", "batchnorm_backward_alt"]}
BUG = re.compile(r"  (\S+) +`(.*)` -> `(.*)`")


def _defined_in(file: Path) -> dict[str, str]:
    """{exercise: source of the file} for what it defines, with a function of the name of the exercise."""
    source = file.read_text(encoding="utf-8")
    defined = {getattr(node, "name", "") for node in ast.parse(source).body}
    sources = {}
    for name in EXERCISES:
        own = next((n for n, all_names in SAME_SOLUTIONS.items() if name in all_names), name)
        if own.partition(".")[0] in defined:
            sources[name] = source.replace(f"def {own}(", f"def {name}(")
    return sources


# SOLUTIONS[exercise][style] is the source of a file.
SOLUTIONS: dict[str, dict[str, str]] = {name: {} for name in EXERCISES}
for _file in sorted(HERE.glob("solutions/*/*.py")):
    for _name, _source in _defined_in(_file).items():
        SOLUTIONS[_name][_file.parent.name] = _source
STYLES = [(name, style) for name, styles in SOLUTIONS.items() for style in styles]


@cache
def solved(
    exercise: str, seed: int = 0, shape: tuple[int, int] | None = None, situation: str = ""
) -> tuple[Inputs, Arrays]:
    """The inputs of a problem, and what the kit's own functions make of them."""
    inputs = make_problem(exercise, seed, shape, situation)
    return inputs, run(exercise, importlib.import_module(EXERCISES[exercise].module), inputs)


def built(exercise: str, source: str) -> ModuleType:
    """The functions of source over those of the exercise's module, as a module that checks can run."""
    module = ModuleType("solution")
    vars(module).update(vars(importlib.import_module(EXERCISES[exercise].module)))
    exec(compile(source, f"<{exercise}>", "exec"), vars(module))
    return module


@cache
def _function_of(exercise: str, style: str) -> str:
    name, source = exercise.partition(".")[0], SOLUTIONS[exercise][style]
    node = next(node for node in ast.parse(source).body if getattr(node, "name", "") == name)
    return ast.get_source_segment(source, node) + "\n"


def edited(exercise: str, style: str, old: str, new: str) -> str:
    """The source of a solution with old replaced in the function, or class, of the exercise."""
    function = _function_of(exercise, style)
    assert old in function, f"{exercise}, {style}: {old!r} is not in the solution"
    return SOLUTIONS[exercise][style].replace(function, function.replace(old, new))


def labelled(noted: bool = False) -> Iterator[tuple[str, str, str, set[str]]]:
    """(exercise, a readable name, source, the kinds that are right) of every bug in bugs.txt.

    Args:
        noted: whether to give what passes with a note, and not what is wrong.
    """
    for line in (HERE / "bugs.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"(\w+)/\w+\.py (\S+)", line):
            style, name = heading.groups()
        elif bug := BUG.fullmatch(line):
            kinds, old, new = (text.replace("\\n", "\n") for text in bug.groups())
            if kinds.startswith("note:") != noted:
                continue
            for exercise in SAME_SOLUTIONS.get(name, [name]):
                source = edited(exercise, style, old, new)
                yield (
                    exercise,
                    f"{style}: {old.strip()} -> {new.strip()}",
                    source,
                    set(kinds.removeprefix("note:").split("|")),
                )
