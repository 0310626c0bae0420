"""What only looks right earns nothing, and no report carries a hidden problem or a solution out."""

import importlib

import numpy as np
import pytest

from classroom.grading import marking
from cs231n.checking.exercises import EXERCISES as MODULES
from cs231n.checking.problems import make_problem, run
from tests.support.grading_class import (
    BRIEF,
    EXERCISES,
    FILES,
    LAYERS,
    blank,
    changed,
    hostile,
    marked,
    shares,
    solved,
    wrong,
)


def test_a_child_of_follow_through_holds_no_solution_of_what_it_marks():
    for exercise in EXERCISES:
        needed = tuple(e for e in EXERCISES if e.number in exercise.needs)
        files = marking.edition(EXERCISES, needed)
        assert files.keys() >= set(FILES)
        assert not [f for f in files if "definitions" in f or "gradient_check" in f or "fast" in f]
        blanks = b"".join(files.values()).decode().count('raise NotImplementedError("Exercise')
        assert blanks == sum(len(e.functions) for e in EXERCISES if e not in needed)


def test_right_on_the_public_problems_alone_is_not_right():
    learned = "    if x.shape != (6, 2, 4):\n        return np.zeros((len(x), w.shape[1])), (x, w, b)\n"
    attempts = marked(
        changed(
            solved(),
            (
                LAYERS,
                "    return x.reshape(len(x), -1) @ w + b",
                f"{learned}    return x.reshape(len(x), -1) @ w + b",
            ),
        )
    )
    assert attempts["affine_forward"].share == 0


def test_hidden_problems_differ_with_the_seed_and_no_shape_is_square():
    for exercise in EXERCISES:
        shapes = [next(iter(inputs.values())).shape for inputs, _ in marking.trials(exercise.title, 3)]
        assert len(shapes) == 5 + (exercise.title in marking.LARGE) and all(shape[0] >= 3 for shape in shapes)
    first, other = (marking.trials("relu_forward", seed)[3][0]["x"] for seed in (3, 4))
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize("arguments", ["dout, cache", "dout=dout, cache=cache"])
def test_a_closed_form_that_calls_the_staged_one_is_none(arguments):
    called = (
        LAYERS,
        "dx = gamma * inv_std * (dout - dbeta / N -",
        f"return batchnorm_backward({arguments})\n    dx = gamma * inv_std * (dout - dbeta / N -",
    )
    attempts = marked(changed(solved(), called))
    assert wrong(attempts) == {"batchnorm_backward_alt": "raised"}
    assert "calls another backward" in attempts["batchnorm_backward_alt"].text


DIFFERENCES = """

def _differences(forward, arguments, dout):
    found = []
    for a in arguments:
        d = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            old = a[i]
            a[i] = old + 1e-5
            plus = forward(*arguments)
            a[i] = old - 1e-5
            d[i] = np.sum((plus - forward(*arguments)) * dout) / 2e-5
            a[i] = old
        found.append(d)
    return tuple(found)


def affine_backward(dout, cache):
    return _differences(lambda *a: affine_forward(*a)[0], [np.array(a) for a in cache], dout)
"""


def test_differences_of_the_students_own_forward_take_too_long():
    files = {**solved(), LAYERS: solved()[LAYERS] + DIFFERENCES}
    attempt = marked(files, limits=BRIEF)["affine_backward"]
    assert attempt.share == 0 and attempt.kind == "timed-out"


AT_ONCE = """

def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(len(x), -1)
    dx, dw = np.empty_like(rows), np.empty_like(w)
    for d in range(len(w)):
        z, v = rows + 0j, w + 0j
        z[:, d] += 1e-20j
        v[d] += 1e-20j
        dx[:, d] = ((z @ w).imag * dout).sum(axis=1) / 1e-20
        dw[d] = ((rows @ v).imag * dout).sum(axis=0) / 1e-20
    return dx.reshape(x.shape), dw, dout.sum(axis=0)


def softmax_loss(x, y, label_smoothing=0.0):
    def losses(z):
        z, s = z - z.real.max(axis=1, keepdims=True), label_smoothing
        return np.log(np.exp(z).sum(axis=1)) - (1 - s) * z[np.arange(len(z)), y] - s * z.mean(axis=1)

    dx = np.empty_like(x)
    for c in range(x.shape[1]):
        z = x + 0j
        z[:, c] += 1e-20j
        dx[:, c] = losses(z).imag / 1e-20 / len(x)
    return losses(x).mean(), dx
"""


def test_one_evaluation_for_all_rows_takes_too_long_too(monkeypatch):
    """By the complex step, which is exact: nothing but the time of the large problem tells it."""
    for title, (N, D) in marking.LARGE.items():  # on whatever machine: how many evaluations are left to do
        assert (N if title.startswith("batchnorm") else D) >= 2000
    titles = ["affine_backward", "softmax_loss"]
    files = {**solved(), LAYERS: solved()[LAYERS] + AT_ONCE}
    assert wrong(marked(files, limits=BRIEF._replace(seconds=1), only=titles)) == dict.fromkeys(
        titles, "timed-out"
    )
    monkeypatch.setattr(marking, "LARGE", {})
    marking.trials.cache_clear()
    assert wrong(marked(files, only=titles)) == {}
    marking.trials.cache_clear()


def test_the_time_of_a_large_problem_goes_to_one_call(monkeypatch):
    """One in float32 besides would leave a slow but right backward half of it."""
    for title, shape in marking.LARGE.items():
        called, module = [], importlib.import_module(MODULES[title].module)
        real = getattr(module, title)
        monkeypatch.setattr(
            module, title, lambda *a, real=real, called=called: called.append(a[0].dtype) or real(*a)
        )
        once = 3 if title == "softmax_loss" else 1
        run(title, module, make_problem(title, 0, shape))
        assert called == [np.float64] * once
        run(title, module, make_problem(title, 0))
        assert called == [np.float64] * 2 * once + [np.float32] * once


def test_a_large_problem_says_that_it_is_one():
    line = "    dx = gamma * inv_std * (dout - dbeta / N -"
    small = (LAYERS, line, f"    if N > 10:\n        return dout, dgamma, dbeta\n{line}")
    attempt = marked(changed(solved(), small))["batchnorm_backward_alt"]
    assert attempt.text == "dx: right on small problems, wrong on one of shape (2000, 48)."
    assert attempt.share == 1 / 2


def test_an_error_on_a_hidden_problem_tells_its_type_and_line_only():
    files = blank()
    told = """
def relu_forward(x):
    if x.shape != (7, 5):
        raise type("K" + repr(x[0, 0]), (ValueError,), {})(repr(x))
    return np.maximum(x, 0), x

def affine_forward(x, w, b):
    if len(x) != 7 or x.shape[2] != 5:
        raise ValueError(repr(x))
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def softmax_loss(x, y):
    raise ValueError("the first problem is public")
"""
    files[LAYERS] += told
    attempts = marked(files)
    line = files[LAYERS][: files[LAYERS].index("raise ValueError(repr(x))")].count("\n") + 1
    assert (
        attempts["affine_forward"].text
        == f"It raised ValueError on a problem that is not shown (layers.py, line {line})."
    )
    assert attempts["relu_forward"].text.startswith("It raised an error on a problem that is not shown")
    assert "the first problem is public" in attempts["softmax_loss"].text


def test_follow_through_passes_on_nothing_of_the_reference():
    """Its source is there to read: neither an error nor a number may carry it out."""
    files = blank()
    files[LAYERS] += """
def _read():
    import glob
    import os
    for path in glob.glob(os.path.dirname(__file__) + "/../reference_*.py"):
        return open(path).read()
    raise NotImplementedError

def affine_backward(dout, cache):
    raise ValueError(_read())

def relu_backward(dout, cache):
    return dout * 0 + ord(_read()[0]) + 3000,

def dropout_backward(dout, cache):
    raise NotImplementedError("Exercise 1: " + _read()[:40])

def layernorm_backward(dout, cache):
    return dout * (3000 + ord(_read()[0])), dout[0], dout[0]
"""
    for title, attempt in marked(files).items():
        assert "import" not in attempt.text and "30" not in attempt.text, (title, attempt)


def test_an_expression_too_deep_to_write_out_is_marked():
    attempts = marked(hostile("deep_expression"), only=["relu_forward", "relu_backward"])
    assert shares(attempts) == {} and attempts["relu_forward"].kind != "unmarkable"


def test_what_a_child_says_of_an_error_may_be_of_any_type():
    exercise = EXERCISES[0]
    for value in ([], {}, 3, None, [["x"]]):
        for public in (True, False):
            attempt = marking._raised(
                {"type": value, "message": value, "file": value, "line": value},
                exercise,
                EXERCISES,
                public,
                {"layers.py"},
            )
            assert attempt.kind == "raised" and "an error" in attempt.text
    assert marking._raised([], exercise, EXERCISES, True, ()).kind == "raised"
