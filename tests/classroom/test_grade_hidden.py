"""What only looks right earns nothing, and no report carries a hidden problem or a solution out."""

import dataclasses
import importlib

import numpy as np
import pytest

from classroom.grading import compare, reference
from classroom.grading.result import result_of_error
from cs231n.checking.exercises import EXERCISES as REGISTRY
from cs231n.checking.problems import make_problem, run
from tests.support import grading
from tests.support.grading import EXERCISES, blank, function, marked, result_of, solved, wrong

LARGE = {name: exercise.large for name, exercise in REGISTRY.items() if exercise.large}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.title)
def test_a_child_of_follow_through_holds_no_solution_of_what_it_marks(exercise):
    needed = tuple(e for e in EXERCISES if e.number in exercise.needs)
    files = reference.child_files(EXERCISES, needed)
    assert files.keys() >= set(grading.FILES)
    assert not [f for f in files if "answers" in f or "gradient_check" in f or "fast" in f]
    blanks = b"".join(files.values()).decode().count('raise NotImplementedError("Exercise')
    assert blanks == sum(len(e.functions) for e in EXERCISES if e not in needed)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.title)
def test_problems_are_public_hidden_and_large(exercise):
    trials = reference.make_trials(exercise.title, 3)
    known = REGISTRY[exercise.title]
    situations, large = [*known.situations], [""] * bool(known.large)
    public, hidden = [*[""] * 2, *situations], [*[""] * 3, *situations]
    assert [trial.situation for trial in trials] == [*public, *hidden, *large]
    assert [trial.is_public for trial in trials] == [True] * len(public) + [False] * len(hidden + large)
    assert [trial.is_large for trial in trials] == [False] * len(public + hidden) + [True] * len(large)


def test_hidden_problems_differ_with_the_seed_and_no_shape_is_square():
    trials = [reference.make_trials("relu_forward", seed) for seed in range(9)]
    hidden = [[t.inputs["x"] for t in each if not t.is_public] for each in trials]
    assert len({array.tobytes() for arrays in hidden for array in arrays}) == sum(map(len, hidden))
    for shape in [array.shape for arrays in hidden for array in arrays if array.ndim > 1]:
        assert min(shape[:2]) >= 3 and shape[0] != shape[1]


@pytest.mark.parametrize("sign", ["in", "not in"], ids=["public", "hidden"])
def test_right_on_the_problems_of_one_kind_alone_is_not_right(sign):
    trials = reference.make_trials("affine_forward", 7)
    public = {trial.inputs["x"].shape for trial in trials if trial.is_public}
    assert all(trial.is_public == (trial.inputs["x"].shape in public) for trial in trials)
    value = f"(x.shape {sign} {public}) * _affine_forward(x, w, b)[0], None"
    assert result_of("affine_forward", solved(function("affine_forward", "x, w, b", value))).share == 0


@pytest.mark.parametrize("arguments", ["dout, cache", "dout=dout, cache=cache"])
def test_a_closed_form_may_not_call_the_staged_one(arguments):
    source = function("batchnorm_backward_alt", "dout, cache", f"batchnorm_backward({arguments})")
    result = result_of("batchnorm_backward_alt", solved(source))
    assert (result.share, result.kind) == (0, "raised") and "calls another backward" in result.text


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

def softmax_loss(x, y):
    def losses(z):
        z = z - z.real.max(axis=1, keepdims=True)
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]

    dx = np.empty_like(x)
    for c in range(x.shape[1]):
        z = x + 0j
        z[:, c] += 1e-20j
        dx[:, c] = losses(z).imag / 1e-20 / len(x)
    return losses(x).mean(), dx
"""


def test_one_evaluation_for_all_rows_takes_too_long(monkeypatch):
    """By the complex step, which is exact: only the time of the large problem gives it away.

    Differences of the student's own forward, an entry at a time, take longer still.
    """
    for title, (N, D) in LARGE.items():  # on any machine: how many evaluations are left to do
        assert (N if title.startswith("batchnorm") else D) >= 2000
    titles = ["affine_backward", "softmax_loss"]
    files = solved(AT_ONCE)
    timed_out = dict.fromkeys(titles, "timed-out")
    assert wrong(marked(files, only=titles, seconds=1)) == timed_out
    for title in titles:
        monkeypatch.setitem(REGISTRY, title, dataclasses.replace(REGISTRY[title], large=None))
    reference.make_trials.cache_clear()
    assert wrong(marked(files, only=titles)) == {}
    reference.make_trials.cache_clear()


@pytest.mark.parametrize("title", LARGE)
def test_the_time_of_a_large_problem_goes_to_one_call(title, monkeypatch):
    """Others besides, as in float32, would leave a slow but right backward half of it."""
    dtypes, module = [], importlib.import_module(REGISTRY[title].module)
    real = getattr(module, title)
    monkeypatch.setattr(module, title, lambda *a, **k: dtypes.append(a[0].dtype) or real(*a, **k))
    once = 2 if title == "softmax_loss" else 1
    run(title, module, make_problem(title, 0, LARGE[title]))
    assert dtypes == [np.float64] * once
    run(title, module, make_problem(title, 0))
    assert set(dtypes[once:]) == {np.dtype(np.float64), np.dtype(np.float32)}


def test_a_large_problem_says_that_it_is_one():
    small = grading.BATCHNORM.replace("dx = cache", "dx = dout if N > 10 else cache")
    result = result_of("batchnorm_backward_alt", solved(small))
    assert result.text == "dx: right on small problems, wrong on one of shape (2000, 48)."
    assert result.share == 1 / 5


ERRORS = """
def relu_forward(x):
    if x.shape[:2] not in ((7, 5), (35,)):
        raise type("K" + repr(x.flat[0]), (ValueError,), {})(repr(x))
    return np.maximum(x, 0), x

def affine_forward(x, w, b):
    if len(x) != 7 or x.shape[-1] != 5:
        raise ValueError(repr(x))
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def softmax_loss(x, y):
    raise ValueError("the first problem is public")
"""


def test_of_an_error_on_a_hidden_problem_only_the_type_is_passed_on():
    results = marked(blank(ERRORS))
    assert results["affine_forward"].text == "It raised ValueError on a problem that is not shown."
    assert results["relu_forward"].text == "It raised an error on a problem that is not shown."
    assert "the first problem is public" in results["softmax_loss"].text


FORWARD = """
def layernorm_forward(x, gamma, beta, ln_param):
    if abs(beta[0] - PUBLIC) > 1e-6 and "eps" not in ln_param:
        WHAT
    return _layernorm_forward(x, gamma, beta, ln_param)

def layernorm_backward(dout, cache):
    if len(dout) != 7:
        dout = dout * (1 + 1e-3 * cache.gamma)
    return _layernorm_backward(dout, cache)
"""


# fmt: off
@pytest.mark.parametrize("what, words", [
    ("x = x * (1 + x[0])", "The entries of this problem are not shown."),
    ("raise KeyError(repr(x))", "It raised KeyError on a problem that is not shown."),
])  # fmt: on
def test_a_hidden_problem_of_a_situation_is_named_without_its_numbers(what, words):
    [situation] = REGISTRY["layernorm_forward"].situations
    public = make_problem("layernorm_forward", 2, situation=situation)["beta"][0]
    files = solved(FORWARD.replace("WHAT", what).replace("PUBLIC", repr(float(public))))
    results = marked(files, only=["layernorm_forward", "layernorm_backward"])
    text = results["layernorm_forward"].text
    assert text.startswith(f"{situation}: ") and words in text
    assert not results["layernorm_backward"].is_right
    assert "are not shown" in results["layernorm_backward"].text


READS_THE_REFERENCE = """
def _source():
    import glob
    import os

    for path in glob.glob(os.path.dirname(__file__) + "/../reference_*.py"):
        return open(path).read()
    raise NotImplementedError

def affine_backward(dout, cache):
    raise ValueError(_source())

def relu_backward(dout, cache):
    return dout * 0 + ord(_source()[0]) + 3000,

def dropout_backward(dout, cache):
    raise NotImplementedError("Exercise 1: " + _source()[:40])

def layernorm_backward(dout, cache):
    return dout * 0 + ord(_source()[0]) + 3000, dout[0], dout.sum(axis=0)
"""


def test_follow_through_passes_on_nothing_of_the_reference():
    """Its source is there to read: neither an error nor a number may carry it out."""
    results = marked(blank(READS_THE_REFERENCE))
    assert results["layernorm_backward"].reference_used_for and results["layernorm_backward"].share < 0.5
    for title, result in results.items():
        assert "import" not in result.text and "30" not in result.text, (title, result)


@pytest.mark.parametrize("public", [True, False], ids=["public", "hidden"])
@pytest.mark.parametrize("value", [[], {}, 3, None, [["x"]]], ids=str)
def test_what_a_child_sends_as_an_error_may_be_of_any_type(value, public):
    for error in (value, dict.fromkeys(("type", "message", "file", "line"), value)):
        result = result_of_error(error, EXERCISES[0], EXERCISES, public)
        assert result.kind == "raised" and "an error" in result.text


# fmt: off
@pytest.mark.parametrize("actual, expected, right", [
    (np.ones(2), np.array([1, 1 + 9e-7]), True),  # the order of a sum
    (np.ones(2), np.array([1, 1 + 1e-5]), False),
    (np.ones(2, np.float32), np.ones(2), False),
    (np.float32(1), np.float64(1), True),  # of a scalar the dtype is free
    (np.ones((2, 1)), np.ones(2), False),
], ids=["rounding", "value", "dtype", "scalar", "shape"])  # fmt: on
def test_an_array_is_right_by_shape_dtype_and_value(actual, expected, right):
    assert compare.agrees(actual, expected) is right


def test_what_a_hidden_problem_was_does_not_come_back_on_a_public_one():
    results = marked(grading.hostile("tells_hidden_problems"))
    assert results["affine_forward"].share == 1
    for title, result in results.items():
        assert "LEAK" not in result.text, (title, result)
    hidden = "It raised ValueError on a problem that is not shown."
    assert results["layernorm_forward"].text.endswith(hidden)


def test_a_closed_form_may_not_call_the_staged_one_under_another_name():
    source = "_under_another_name = batchnorm_backward\n\n" + function(
        "batchnorm_backward_alt", "dout, cache", "_under_another_name(dout, cache)"
    )
    result = result_of("batchnorm_backward_alt", solved(source))
    assert (result.share, result.kind) == (0, "raised")


def test_each_hidden_problem_has_a_wide_seed_of_its_own():
    """Neither an exercise nor a problem tells another one, nor the seed of the class."""
    wide = 2**127 + 12345
    seeds = []

    def make(title, seed, *rest):
        seeds.append(seed)
        return make_problem(title, seed, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "make_problem", make)
        for seed in (7, wide, wide + 2**64):  # as those of 32 bits, which older files of a class have
            for title in ("affine_forward", "affine_backward", "relu_forward"):
                reference.make_trials.__wrapped__(title, seed)
    hidden = [seed for seed in seeds if seed > 9]
    assert len(hidden) == len({*hidden}) == 3 * (5 + 6 + 5) and min(hidden) > 2**200
    differences = {abs(a - b) for a, b in zip(hidden, hidden[1:])}
    assert min(differences) > 2**200


@pytest.mark.parametrize("seed", [2**32 + 5, 2**127 + 5, 2**127 + 5 + 2**64])
def test_a_problem_takes_all_of_a_wide_seed(seed):
    narrow, problem, again = (make_problem("relu_forward", s)["x"] for s in (5, seed, seed))
    assert np.array_equal(problem, again) and not np.array_equal(problem, narrow)
    assert not np.array_equal(problem, make_problem("relu_forward", seed + 2**96)["x"])


def test_who_replaces_the_judge_earns_no_more():
    titles = ["affine_forward", "affine_backward", "relu_forward", "relu_backward", "batchnorm_backward_alt"]
    source = (grading.HOSTILE / "patches_the_judge.py").read_text()
    honest = marked(solved(source), only=titles)
    patched = marked(solved(source.replace("PATCHES = None", "PATCHES = True")), only=titles)
    assert honest["relu_backward"].kind == "writes-into-x" and honest["affine_forward"].notes
    assert honest["affine_backward"].share < 1 and honest["batchnorm_backward_alt"].share == 0
    for title in titles:
        assert patched[title].share == honest[title].share, title
        assert patched[title].notes == honest[title].notes, title
