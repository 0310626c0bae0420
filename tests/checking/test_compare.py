"""When two arrays are equal, and how a difference is described."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.checking.compare import (
    ATOL,
    RTOL,
    allclose,
    check_shape_and_dtype,
    describe_worst_entry,
    join_names,
    mismatches,
)
from cs231n.checking.exercises import EXERCISES
from tests.corpus import solved


@pytest.mark.parametrize(
    "actual, expected, equal",
    [
        ([1.0, 2.0], [1.0, 2.0 + 1.9e-6], True),  # RTOL of the entry
        ([1.0, 2.0], [1.0, 2.0 + 2.1e-6], False),
        ([100.0, 9e-7], [100.0, 0.0], True),  # ATOL of the largest entry
        ([100.0, 1.1e-6], [100.0, 0.0], False),
        ([9e-12], [0.0], True),  # ATOL of 1e-3, if all are smaller
        ([1.1e-11], [0.0], False),
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, 2.0], [1.0, np.nan], False),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([np.inf, 1e-7], [np.inf, 0.0], False),  # an infinite entry does not widen the tolerance
        ([np.inf, 0.0], [np.inf, 0.0], True),
        ([np.inf], [-np.inf], False),
        ([1e308], [-1e308], False),
        ([[1.0, 2.0]], [1.0, 2.0], False),  # no broadcasting
        ([], [], True),
        (3, 3.0, True),
        (np.float32(0.1), 0.1, True),
    ],
)
def test_equal(actual, expected, equal):
    assert allclose(np.asarray(actual), np.asarray(expected)) is equal


SPECIAL = st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 1e-8, 1.0, 2.0])
OFFSETS = st.sampled_from([0.0, 0.9e-6, 1.1e-6, 0.9e-8, 1.1e-8, 1.0])
ENTRIES = st.tuples(SPECIAL | st.floats(), SPECIAL | st.floats(), OFFSETS, st.booleans())


@given(st.lists(ENTRIES, max_size=6), st.sampled_from(["f8", "f4", "i8", "?", "c16"]))
def test_mismatches_are_those_of_numpys_isclose(entries, dtype):
    with np.errstate(all="ignore"):
        expected = np.array([a for a, *_ in entries], np.float64)
        near = [a * (1 + offset) if is_near else b for a, b, offset, is_near in entries]
        actual = np.array(near, np.float64).astype(dtype)
        atol = ATOL * max([1e-3, *np.abs(expected[np.isfinite(expected)])])
        is_close = np.isclose(actual, expected, rtol=RTOL, atol=atol, equal_nan=True)
    assert np.array_equal(mismatches(actual, expected), ~is_close)
    for i in range(len(entries)):  # without an axis
        atol = ATOL * max(1e-3, abs(expected[i]) if np.isfinite(expected[i]) else 0)
        with np.errstate(all="ignore"):
            is_close = np.isclose(actual[i], expected[i], rtol=RTOL, atol=atol, equal_nan=True)
        assert mismatches(actual[i], expected[i]) == (not is_close)


@pytest.mark.parametrize(
    "actual, expected, text",
    [
        (3.0, 4.0, "dx: got 3, expected 4, ratio 0.75"),
        (1.00001, 1.0, "dx: got 1.00001, expected 1, ratio 1.00001"),
        (
            [3.0, np.nan, 0.0],
            [1.0, 1.0, 0.0],
            "dx: 2 of 3 entries are wrong; the worst is at (1): got nan, expected 1",
        ),
        (
            [[np.inf, 1.0], [2.0, 5.0]],
            [[np.inf, 1.5], [2.0, 7.0]],
            "worst is at (1, 1): got 5, expected 7, ratio",
        ),
        ([1.0, 0.0], [0.0, 0.0], "dx: 1 of 2 entries are wrong; the worst is at (0): got 1, expected 0"),
        ([1.0, 2.0], [-0.0, 2.0], "got 1, expected 0"),
    ],
    ids=[
        "scalar",
        "nearly equal",
        "nan is the worst",
        "an equal infinity is not",
        "no ratio to zero",
        "no minus zero",
    ],
)
def test_the_worst_entry_is_described(actual, expected, text):
    assert text in describe_worst_entry("dx", np.array(actual), np.array(expected))


@pytest.mark.parametrize(
    "actual, kind, words",
    [
        (None, "missing", "dx is missing."),
        (np.ones((5, 3)), "transposed", "it is transposed"),
        (np.ones(15), "shape", "the right number of entries, in another shape"),
        (np.ones(3), "shape", "your code sums over an axis that should stay"),
        (np.ones((3, 5, 1, 2)), "shape", "your code should sum over one more axis"),
        (np.ones((3, 4)), "shape", "a gradient has the shape of its array"),
        (np.ones((3, 5), np.float32), "dtype", "dx is float32 although the inputs are float64"),
        (np.ones((3, 5), int), "dtype", "dx is int64"),
        (
            np.ones((3, 5), bool),
            "dtype",
            "dx holds True and False; dout is not used: multiply it by the slope.",
        ),
    ],
)
def test_shape_and_dtype_come_before_the_values(actual, kind, words):
    fault = check_shape_and_dtype("dx", actual, np.ones((3, 5)))
    assert fault.kind == kind and words in fault.sentence


def test_what_has_the_right_shape_has_no_fault():
    assert check_shape_and_dtype("dx", np.zeros((3, 5)), np.ones((3, 5))) is None
    assert (
        check_shape_and_dtype("loss", np.float32(0), np.array(1.0)) is None
    )  # the dtype of a scalar is free
    assert "summed along the wrong axis" in check_shape_and_dtype("db", np.ones(3), np.ones(4)).sentence


@pytest.mark.parametrize(
    "names, text",
    [
        (["dx", "dw"], "dx, dw"),
        (["loss", "loss_of_large"], "loss, loss for scores near 1000"),
        (["running_mean_after_test"], 'running_mean after mode "test"'),
        (
            ["plain.scores", "plain.W1", "dropout.b2"],
            'scores, grads["W1"] of the plain net, grads["b2"] of the net with dropout',
        ),
        (
            ["W1", "b1", "W2", "b2", "loss", "scores"],
            'grads["W1"], grads["b1"], grads["W2"], grads["b2"] and 2 more',
        ),
        (["mask1"], "mask 1 of dropout"),
        (["layernorm+dropout.b1"], 'grads["b1"] of the net with layernorm and dropout'),
        (["first_w"], "next_w of the first step"),
    ],
    ids=str,
)
def test_arrays_have_names_that_a_learner_knows(names, text):
    assert join_names(names) == text


def test_every_array_of_an_exercise_has_such_a_name():
    arrays = [
        (name, array)
        for name in EXERCISES
        for situation in ("", *EXERCISES[name].situations)
        for array in solved(name, 0, None, situation)[1]
    ]
    words = [join_names([array]) for name, array in arrays if not EXERCISES[name].is_note(array)]
    assert not [
        word for word in words if re.search(r"_(of|in|after|again|seed|unseeded)|first_w|\w\.\w", word)
    ]
