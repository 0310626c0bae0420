"""What a grader refuses the checks refuse too, for the exercises of that file alone, and say where it is."""

import pytest

from classroom.grading.reference import CHILD_MODULES, import_closure, submitted_files
from classroom.manifest import load_exercises
from cs231n.checking.edition import files_of
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.imports import ALLOWED, check_imports
from tests.support.python import ROOT


@pytest.mark.parametrize(
    "line, words",
    [
        ("from cs231n.checking import answers", "cs231n.checking.answers could give the answers."),
        ("import cs231n.checking.diagnosis as d", "cs231n.checking.diagnosis could give the answers."),
        ("import cs231n.checking.verdict", "cs231n.checking.verdict could give the answers."),
        ("from cs231n import checks", "cs231n.checks could give the answers."),
        ("from . import gradient_check", "cs231n.gradient_check could give the answers."),
        ("from .checking.answers.norms import a", "cs231n.checking.answers.norms could give the answers."),
        ("import matplotlib.pyplot as plt", "matplotlib.pyplot is not there when your work is marked."),
        ("from cs231n.vis_utils import *", "cs231n.vis_utils is not handed in."),
        ("from cs231n import my_helpers", "cs231n.my_helpers is not handed in."),
        ("import my_helpers", "my_helpers is not there when your work is marked."),
    ],
)
def test_what_is_not_there_for_a_grader_may_not_be_imported(kit, line, words):
    (kit.folder / "cs231n" / "my_helpers.py").write_text("def f(): pass\n")
    number = kit.append("optim.py", f"def lazy():\n    {line}")
    text = kit.check("adam", "relu_forward")
    assert text.startswith(f"adam: wrong optim.py, line {number}: {words} An exercise may import numpy, ")
    assert text.endswith("relu_forward: passed")  # in a file that imports nothing of the kind


def messages(folder, text):
    for file in ("optim.py", "checks.py", "gradient_check.py"):
        path = folder / "cs231n" / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n" if file == "optim.py" else "")
    return check_imports(folder, "cs231n/optim.py")


@pytest.mark.parametrize(
    "text",
    [
        "from __future__ import annotations",
        "import math, numpy.linalg as la",
        "from cs231n import layers",
        "from cs231n.layers import affine_forward",
        "from .contracts import require",
        "from ... import nowhere",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
        "try:\n    import torch\nexcept (OSError, ModuleNotFoundError):\n    torch = None",
        "try:\n    import torch\nexcept:\n    torch = None",
        "if __name__ == '__main__':\n    from cs231n.gradient_check import rel_error",
        "import typing\nif typing.TYPE_CHECKING:\n    import torch",
        r"pattern = '\d'",  # a warning of the compiler, which check_imports leaves to the import
    ],
)
def test_what_a_grader_has_or_does_without_may_be_imported(text, tmp_path, recwarn):
    assert messages(tmp_path, text) == [] and not recwarn.list


@pytest.mark.parametrize(
    "text, line",
    [
        ("try:\n    import math\nexcept ImportError:\n    import torch", 4),
        ("try:\n    import torch\nexcept ValueError:\n    torch = None", 2),
        ("try:\n    import cs231n.gradient_check\nexcept ImportError:\n    pass", 2),  # a check has it
        ("if __name__ == '__main__':\n    import math\nelse:\n    import torch", 4),
        ("if __name__ != '__main__':\n    import torch", 2),
    ],
)
def test_what_is_run_or_helps_a_check_alone_may_not(text, line, tmp_path):
    (message,) = messages(tmp_path, text)
    assert message.startswith(f"optim.py, line {line}: ")


@pytest.mark.parametrize("file", sorted({file for name in EXERCISES for file in files_of(name)}))
def test_the_kits_own_files_import_what_a_grader_has(file):
    assert check_imports(ROOT, file) == []


def test_a_grader_has_what_is_allowed():
    graders = {
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in (*CHILD_MODULES, *import_closure(submitted_files(load_exercises())))
    }
    assert set(ALLOWED) == graders
