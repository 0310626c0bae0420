"""CONTRIBUTING.md, "How to add an exercise", followed for tanh: one entry in each of two registries."""

import numpy as np
import pytest

from cs231n import layers
from cs231n.checking import answers
from cs231n.checking.answers.primitives import Answers, table
from cs231n.checking.exercises import EXERCISES, Exercise
from cs231n.checking.learner_code import array, call
from cs231n.checking.problems import BESIDES, make_problem, run
from cs231n.checks import check
from tests.support.python import ROOT, run_python

FAMILIES = ("dropout", "exercise", "layers", "nets", "norms", "update_rules")
NEEDED = [
    "__init__",
    *(f"checking/{name}" for name in ("__init__", "learner_code", "problems", "exercises/__init__")),
    *(f"checking/exercises/{name}" for name in FAMILIES),
]


# Step 1, for a family in cs231n/checking/exercises/: what it is tried on, and how it is called.
def tanh_inputs(rng, N, D, M):
    return {"x": rng.normal(size=(N, D))}


def tanh_inputs_far_from_zero(rng, N, D, M):
    return {"x": rng.choice([-800.0, 800.0], (N, D))}


def call_tanh(module, i):
    out, _ = call(module, "tanh_forward", ("out", "cache"), x=i["x"])
    return {"out": array("tanh_forward", "out", out)}


EXERCISE = Exercise(
    "tanh_forward",
    "cs231n.layers",
    tanh_inputs,
    call_tanh,
    {"For entries far from zero": tanh_inputs_far_from_zero},
)

# Step 2, for a family in cs231n/checking/answers/: what is right, and what each misconception gives.
ANSWERS = Answers(
    lambda i, outputs: {"out": np.sign(i["x"]) * (2 / (1 + np.exp(-2 * np.abs(i["x"]))) - 1)},
    table(
        "the docstring of tanh_forward",
        ("sigmoid", "this is the sigmoid, which runs from 0 to 1.", lambda i, e: {"out": (1 + e["out"]) / 2}),
    ),
)


@pytest.fixture
def tanh(monkeypatch):
    """Both entries in the registries; returns what puts a learner's function into the layers."""
    monkeypatch.setitem(EXERCISES, "tanh_forward", EXERCISE)
    monkeypatch.setitem(answers.ANSWERS, "tanh_forward", ANSWERS)
    return lambda function: monkeypatch.setattr(layers, "tanh_forward", function, raising=False)


def overflowing(x):
    return (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), x


def casting(x):
    return np.tanh(x.astype(np.float64)), x


def writing(x):
    return np.tanh(x, out=x), x


@pytest.mark.parametrize(
    "function, verdict, words",
    [
        (lambda x: (np.tanh(x), x), "passed", ""),
        (lambda x: ((1 + np.tanh(x)) / 2, x), "wrong", "out: this is the sigmoid, which runs from 0 to 1."),
        (lambda x: (-np.tanh(x), x), "wrong", "out: only the sign is wrong."),  # what every exercise knows
        (lambda x: (np.tanh(2 * x), x), "wrong", "out: no known mistake fits"),
        (lambda x: np.tanh(x), "wrong", "tanh_forward must return out, cache"),
        (overflowing, "wrong", "For entries far from zero: out: it is NaN or infinite"),
        (casting, "passed", "- also: out is float64 for float32 input. Usual causes: astype(float)"),
        (writing, "passed", "- also: tanh_forward writes into its argument x"),
    ],
    ids="right sigmoid sign unknown return overflow float64 input".split(),
)
def test_check_knows_the_exercise(tanh, capsys, function, verdict, words):
    tanh(function)
    assert check("tanh_forward") == (verdict == "passed")
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith(f"tanh_forward: {verdict}") and words in text


@pytest.mark.parametrize("shape", [None, (5, 4), (4, 9)])
def test_the_definition_agrees_with_a_solution(tanh, shape):
    tanh(lambda x: (np.tanh(x), x))
    inputs = make_problem("tanh_forward", 1, shape)
    outputs = run("tanh_forward", layers, inputs)
    expected = answers.for_("tanh_forward").expected(inputs, outputs)
    assert expected.keys() == outputs.keys() == {"out", *BESIDES}
    np.testing.assert_allclose(outputs["out"], expected["out"], rtol=1e-13)  # rounding of exp and a division


def test_the_registries_have_the_same_exercises():
    assert EXERCISES.keys() == answers.ANSWERS.keys()


def test_the_sandbox_side_holds_no_answers(tmp_path):
    """make_problem and run work where nothing else of the checks is, as in the sandbox of the grader."""
    for file in NEEDED:
        target = tmp_path / "cs231n" / f"{file}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / "cs231n" / f"{file}.py").read_bytes())
    learner = "import numpy as np\n\n\ndef relu_forward(x):\n    return np.maximum(x, 0), x\n"
    (tmp_path / "cs231n" / "layers.py").write_text(learner)
    code = """
import sys
from cs231n import layers
from cs231n.checking.problems import make_problem, run
outputs = run("relu_forward", layers, make_problem("relu_forward", 0))
print(*outputs, *sorted(name for name in sys.modules if name.startswith("cs231n")))
"""
    done = run_python(code, cwd=tmp_path, env={"PYTHONPATH": None})
    files = sorted({name.removesuffix("/__init__").replace("/", ".") for name in (*NEEDED, "layers")})
    modules = ["cs231n", *(f"cs231n.{name}" for name in files if name != "__init__")]
    assert done.stdout.split() == ["out", *BESIDES, *modules], done.stderr
