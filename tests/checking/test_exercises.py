"""Problems follow from their seed, functions are called as learners may write them, definitions agree."""

import importlib
import re
from fnmatch import fnmatch

import numpy as np
import pytest

from cs231n.checking import answers
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.learner_code import WrongReturn, array, call, record_writes
from cs231n.checking.problems import BESIDES, forbid_other_backwards, make_problem, run
from tests.corpus import built, solved

every_exercise = pytest.mark.parametrize("name", EXERCISES)
every_situation = pytest.mark.parametrize(
    "name, situation", [(name, s) for name in EXERCISES for s in ("", *EXERCISES[name].situations)], ids=str
)


@pytest.mark.parametrize("shape", [None, (5, 4), (4, 9), (3, 6)], ids=str)
@every_situation
def test_definitions_agree_with_the_kit(name, situation, shape):
    for seed in (0, 5):
        inputs, outputs = solved(name, seed, shape, situation)
        expected = answers.for_(name).expected(inputs, outputs)
        assert expected.keys() <= outputs.keys() <= {*expected, "out"}
        for key, right in expected.items():
            # Both are exact but for rounding: the definition goes by products and a complex step.
            np.testing.assert_allclose(outputs[key], right, rtol=1e-10, atol=1e-12, err_msg=key)


@every_situation
def test_a_problem_follows_from_its_seed_and_is_left_alone(name, situation):
    inputs, again, different = (make_problem(name, seed, None, situation) for seed in (3, 3, 4))
    run(name, importlib.import_module(EXERCISES[name].module), inputs)
    assert inputs.keys() == again.keys()
    assert all(np.array_equal(inputs[key], again[key]) for key in inputs)
    assert any(not np.array_equal(inputs[key], different[key]) for key in inputs)


@every_exercise
def test_a_registry_entry_names_arrays_that_there_are(name):
    exercise, (inputs, outputs) = EXERCISES[name], solved(name)
    assert exercise.name == name and hasattr(importlib.import_module(exercise.module), name.partition(".")[0])
    names = {array for s in ("", *exercise.situations) for array in solved(name, 0, None, s)[1]}
    assert all(any(fnmatch(n, pattern) for n in names) for pattern in exercise.weights)
    assert exercise.forward is None or EXERCISES[exercise.forward].module == exercise.module
    assert (answers.for_(name).forward_out is None) == (exercise.forward in (None, "dropout_forward"))
    assert exercise.forward is None or EXERCISES[exercise.forward].layer
    assert exercise.forward is None or {f"d{i}" for i in inputs if f"d{i}" in names} == {
        array for array in names if re.fullmatch("d[a-z]+", array)
    }
    assert {*exercise.layers} < EXERCISES.keys()
    assert all(any(fnmatch(array, pattern) for array in names) for pattern in exercise.secondary)
    assert {*BESIDES, *exercise.notes} <= outputs.keys()


@every_exercise
def test_what_carries_the_idea_is_worth_most_of_the_points(name):
    _, outputs = solved(name)
    weights = {key: EXERCISES[name].weight(key) for key in outputs if key not in BESIDES}
    if EXERCISES[name].forward in ("batchnorm_forward", "layernorm_forward"):
        assert weights["dx"] == sum(weights.values()) * 0.8
    elif name == "affine_backward":
        assert weights == {"dx": 2, "dw": 2, "db": 1}
    elif EXERCISES[name].layers:
        assert {key for key, weight in weights.items() if weight > 1} == {k for k in weights if "W1" in k}
    else:
        assert set(weights.values()) <= {0, 1}
    assert not any(weight for key, weight in weights.items() if EXERCISES[name].is_note(key))


def test_no_margin_of_an_svm_problem_is_near_its_kink():
    for seed in range(50):
        inputs = make_problem("svm_loss", seed)
        x, y = inputs["x"], inputs["y"]
        assert np.abs(x - x[np.arange(len(y)), y][:, None] + 1).min() > 0.05


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "must return dx, dgamma, dbeta; got None. Is `return` missing?"),
        ((1, 2), "got 2 values"),
        ((None, 1, 2), "dx is None"),
        (("a", 1, 2), "dx must be a numpy array, got str"),
        (([[1], [1, 2]], 1, 2), "dx must be a numpy array, got list"),
        ((np.array([{}]), 1, 2), "dx must be a numpy array, got ndarray"),
        ((np.ones(2, complex), 1, 2), "dx must be a numpy array, got ndarray"),
    ],
    ids=str,
)
def test_a_wrong_return_says_what_came_and_what_should(value, words):
    module = built("batchnorm_backward", "")
    module.batchnorm_backward = lambda dout, cache: value
    with pytest.raises(WrongReturn, match=words):
        run("batchnorm_backward", module, make_problem("batchnorm_backward", 0))


def test_a_changed_argument_is_recorded_and_the_callers_array_stays():
    module = built("relu_forward", "def f(x, cache):\n    cache[:] = 0\n    return x, cache\n")
    x, cache, y = np.ones(3), np.ones(3), np.full(3, 2.0)
    with record_writes() as writes:
        assert call(module, "f", ("x", "cache"), x=x, cache=cache)[1].sum() == 0
        assert not writes.at_once and not cache.any()
        assert not call(module, "f", ("x", "cache"), x=x, y=y)[1].any()
    assert list(writes.at_once) == [("f", "y")] and not writes.later and np.array_equal(y, [2, 2, 2])
    assert array("f", "x", [1, 2]).shape == (2,)


def test_an_array_that_an_earlier_call_got_is_recorded_when_a_later_one_writes_into_it():
    module = built(
        "relu_forward", "def f(x):\n    return x\n\n\ndef g(cache):\n    cache *= 2\n    return cache\n"
    )
    x = np.ones(3)
    with record_writes() as writes:
        cache = call(module, "f", None, x=x)
        call(module, "g", None, cache=cache)
    assert list(writes.later) == [("g", "f", "x")] and not writes.at_once and np.array_equal(x, [1, 1, 1])


def test_the_closed_form_cannot_call_the_staged_one():
    module = built("batchnorm_backward_alt", "")
    own = module.batchnorm_backward
    with forbid_other_backwards("batchnorm_backward_alt", module):
        for name in ("batchnorm_backward", "layernorm_backward"):
            with pytest.raises(RuntimeError, match="batchnorm_backward_alt calls another backward"):
                getattr(module, name)(None, cache=None)
    assert module.batchnorm_backward is own
    with forbid_other_backwards("batchnorm_backward", module):
        assert module.batchnorm_backward is own


def test_an_unknown_name_lists_the_known():
    for function in (lambda name: make_problem(name, 0), answers.for_):
        with pytest.raises(ValueError, match="no exercise 'batchnorm'; there are affine_forward, "):
            function("batchnorm")
