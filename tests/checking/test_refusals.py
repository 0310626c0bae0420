"""What a grader refuses the checks refuse too, for the exercises of that file alone, and say where it is."""

import re

import pytest

from classroom import manifest
from classroom.grading import reference
from cs231n.checking.imports import ALLOWED, refusals
from cs231n.checking.problems import EXERCISES
from cs231n.checks import _files
from tests.support.kit_copy import ROOT, kit_copied_to


def appended(folder, file, text):
    with open(folder / "cs231n" / file, "a", encoding="utf-8") as opened:
        opened.write(text)


@pytest.mark.parametrize(
    "line, words",
    [
        (
            "from cs231n.checking.answers.definitions import two_steps",
            "cs231n.checking.answers.definitions could give the answers.",
        ),
        ("import cs231n.checking.diagnosis as d", "cs231n.checking.diagnosis could give the answers."),
        ("from cs231n import checks", "cs231n.checks could give the answers."),
        ("from . import gradient_check", "cs231n.gradient_check could give the answers."),
        ("from .checking.answers.norms import a", "cs231n.checking.answers.norms could give the answers."),
        ("import matplotlib.pyplot as plt", "matplotlib.pyplot is not there when your work is marked."),
        ("from cs231n.vis_utils import *", "cs231n.vis_utils is not handed in."),
        ("from cs231n.my_helpers import f", "cs231n.my_helpers is not handed in."),
        ("import my_helpers", "my_helpers is not there when your work is marked."),
    ],
)
def test_what_is_not_there_for_a_grader_may_not_be_imported(line, words, tmp_path):
    folder, python = kit_copied_to(tmp_path)
    (folder / "cs231n" / "my_helpers.py").write_text("def f(): pass\n")
    appended(folder, "optim.py", f"\n\ndef lazy():\n    {line}\n")
    at = (folder / "cs231n" / "optim.py").read_text(encoding="utf-8").count("\n")
    done = python("from cs231n.checks import check; check('adam'); check('relu_forward')")
    said = " ".join(done.stdout.split())
    assert said.startswith(f"adam: wrong optim.py, line {at}: {words} An exercise may import numpy, "), done
    assert said.endswith("relu_forward: passed")  # in a file that imports nothing of the kind


@pytest.mark.parametrize(
    "line",
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
    ],
)
def test_what_a_grader_has_or_does_without_may_be_imported(line, tmp_path):
    assert refused(tmp_path, line) == []


@pytest.mark.parametrize(
    "line, at",
    [
        ("try:\n    import math\nexcept ImportError:\n    import torch", 4),
        ("try:\n    import torch\nexcept ValueError:\n    torch = None", 2),
        ("try:\n    import cs231n.gradient_check\nexcept ImportError:\n    pass", 2),  # a check has it
        ("if __name__ == '__main__':\n    import math\nelse:\n    import torch", 4),
        ("if __name__ != '__main__':\n    import torch", 2),
    ],
)
def test_what_is_run_or_helps_a_check_alone_may_not(line, at, tmp_path):
    (sentence,) = refused(tmp_path, line)
    assert sentence.startswith(f"optim.py, line {at}: ")


def refused(folder, text):
    (folder / "cs231n").mkdir()
    (folder / "cs231n" / "optim.py").write_text(f"{text}\n")
    return refusals(folder, "cs231n/optim.py")


@pytest.mark.parametrize(
    "text, error",
    [
        (f"total = 0{'+1' * 100_000}", "(RecursionError|MemoryError): "),
        ("nothing = '\0'", "(Value|Syntax)Error: "),
    ],
    ids=["too deep", "a null byte"],
)
def test_a_file_that_python_cannot_parse_is_a_verdict(text, error, tmp_path):
    folder, python = kit_copied_to(tmp_path)
    appended(folder, "optim.py", f"\n\n{text}\n")
    done = python("from cs231n.checks import check; check('adam'); check('relu_forward')")
    said = " ".join(done.stdout.split())
    assert re.fullmatch(f"adam: wrong {error}.* in optim.py.* relu_forward: passed", said), done


def test_to_look_for_imports_warns_of_nothing(tmp_path, recwarn):
    assert refused(tmp_path, r"pattern = '\d'") == [] and not recwarn.list


def test_the_kits_own_files_import_what_a_grader_has():
    for file in {file for exercise in EXERCISES for file in _files(exercise)}:
        assert refusals(ROOT, file) == []
    graders = {
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in (*reference.CHILD_MODULES, *reference.import_closure(reference.submitted_files(manifest.load_exercises())))
    }
    assert set(ALLOWED) == graders


@pytest.mark.parametrize("arguments", ["dout, cache", "dout=dout, cache=cache"])
def test_the_closed_form_may_not_call_the_staged_one(arguments, tmp_path):
    folder, python = kit_copied_to(tmp_path)
    path = folder / "cs231n" / "layers.py"
    line = "    dx = gamma * inv_std * (dout - dbeta / N -"
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(line, f"    return batchnorm_backward({arguments})\n{line}"))
    done = python("""
from cs231n.checks import check
check("batchnorm_backward_alt")
check("batchnorm_backward")
check("FullyConnectedNet")
""")
    said = " ".join(done.stdout.split())
    assert "batchnorm_backward_alt calls another backward, but the closed form stands on its own" in said
    assert f"batchnorm_backward_alt: return batchnorm_backward({arguments}) batchnorm_backward: " in said
    assert "batchnorm_backward: passed" in said
    assert said.endswith("FullyConnectedNet: passed")


def test_a_file_that_is_missing_is_said_of_its_own_exercises(tmp_path):
    folder, python = kit_copied_to(tmp_path)
    (folder / "cs231n" / "optim.py").unlink()
    done = python("from cs231n.checks import check; check('relu_forward'); check('adam')")
    assert " ".join(done.stdout.split()) == (
        "relu_forward: passed adam: wrong cs231n/optim.py cannot be read (No such file or directory); "
        "try: take it from the kit again."
    ), done.stderr


def test_refused_arguments_show_the_line_that_gave_them(tmp_path):
    """fill, and what it calls, are the kit's own; a net's call of a layer is the learner's."""
    folder, python = kit_copied_to(tmp_path)
    path = folder / "cs231n" / "optim.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace("momentum=0.9, velocity=0)", "momentum=0.9)"), encoding="utf-8")
    net = folder / "cs231n" / "classifiers" / "fc_net.py"
    source = net.read_text(encoding="utf-8")
    net.write_text(
        source.replace("affine_forward(hidden, W2, b2)", "affine_forward(hidden, W2.T, b2)"), encoding="utf-8"
    )
    done = python("from cs231n.checks import check; check('sgd_momentum'); check('TwoLayerNet.loss')")
    momentum, loss = " ".join(done.stdout.split()).split("TwoLayerNet.loss: wrong")
    assert "config has no option 'velocity'" in momentum
    assert re.search(r"in optim.py, line \d+, sgd_momentum: config = fill\(", momentum), done
    assert re.search(r"in fc_net.py, line \d+, loss: scores, scores_cache = affine_forward\(", loss), done
