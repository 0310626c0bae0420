"""Numerical gradients themselves, and rel_error: what they give, print and leave behind."""

import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.gradient_check import (
    complex_step_gradient,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)
from tests.support import problem, relative, unchanged
from tests.support.strategies import DTYPES, LAYOUTS, SEEDS, assert_right, cases, laid_out, limits, wide

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
FINITE = st.floats(-1e300, 1e300)
WRITABLE = st.sampled_from(["C", "F", "strided", "reversed"])


@cases("rel_error", pairs=st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=6), layout=LAYOUTS)
def test_rel_error(pairs, layout):
    x, y = (laid_out(np.array(column), layout) for column in zip(*pairs))
    with unchanged(x, y):
        error = rel_error(x, y)
    exact = max(
        abs(Fraction(a) - Fraction(b)) / max(Fraction(1e-8), abs(Fraction(a)) + abs(Fraction(b)))
        for a, b in pairs
    )
    assert abs(error - float(exact)) <= 4e-16 * float(exact) and rel_error(y, x) == error
    assert np.isnan(rel_error(np.append(x, np.nan), np.append(y, 1.0)))


@pytest.mark.parametrize(
    "x, y, error",
    [
        (2.0, 1.0, 1 / 3),
        (np.array([1e-9]), np.array([0.0]), 0.1),  # over the floor of 1e-8
        (np.array([200], np.uint8), np.array([100], np.uint8), 1 / 3),
        ([1.0, 2.0], [1.0, 2.0], 0),
        (np.zeros(2, np.float16), np.zeros(2, np.float16), 0),
        (np.ones(3), 0.5, 1 / 3),
    ],
)
def test_rel_error_of_whatever_notebooks_give_it(x, y, error):
    assert rel_error(x, y) == pytest.approx(error, rel=1e-15)


@cases(
    "eval_numerical_gradient",
    data=st.data(),
    shape=SHAPES,
    dtype=DTYPES,
    h=st.sampled_from([1e-5, 1e-2]),
    seed=SEEDS,
)
def test_numerical_gradients_of_a_square(data, shape, dtype, h, seed):
    """Of sum(c x^2) a central difference is exact but for rounding: 2 c x, for any h."""
    assume(dtype == np.float64 or h == 1e-2)
    x = np.asarray(np.random.RandomState(seed).uniform(-1, 1, shape)).astype(dtype)
    x = laid_out(x, data.draw(WRITABLE))
    if data.draw(st.booleans()):
        x.flat[0] = np.nan
    c = np.asarray(np.random.RandomState(seed + 1).uniform(-2, 2, shape)).astype(dtype)
    before, truth = x.copy(), 2 * wide(c) * wide(x)

    def total(v):
        return float(np.sum(wide(c * v**2) if dtype == np.float64 else wide(c) * wide(v) ** 2))

    scalar = eval_numerical_gradient(total, x, False, h)
    array = eval_numerical_gradient_array(lambda v: v**2, x, c, h)
    assert np.array_equal(x, before, equal_nan=True)
    # Each f is off by eps times its size, up to 2 an entry, divided by 2h; and x + h is rounded too.
    off = 8 * (1 + 2 * x.size * (not np.isnan(x).any())) * limits(dtype)[0] / h
    truth = np.full_like(truth, np.nan) if np.isnan(x).any() else truth
    assert_right("scalar", scalar, truth, off, dtype)
    assert_right("array", array, truth, off, dtype)


@cases("complex_step_gradient", data=st.data(), shape=SHAPES, dtype=DTYPES, seed=SEEDS)
def test_complex_step(data, shape, dtype, seed):
    x = laid_out(np.asarray(np.random.RandomState(seed).normal(size=shape)).astype(dtype), data.draw(LAYOUTS))
    c = np.random.RandomState(seed + 1).normal(size=shape)
    with unchanged(x):
        grad = complex_step_gradient(lambda v: np.exp(v) * v, x, c)
    truth = wide(c) * np.exp(wide(x)) * (1 + wide(x))
    assert_right("grad", grad, truth, 1e-14 * np.abs(c) * np.exp(np.abs(x)) * (1 + np.abs(x)), np.float64)


def test_a_function_may_ignore_its_argument_and_return_integers():
    x = np.array([0.5, -0.5])
    grad = eval_numerical_gradient(lambda _: np.sum(x**2), x, False)
    np.testing.assert_allclose(grad, 2 * x, rtol=1e-6)
    for f, slope in [(lambda v: np.uint8(v.sum() < 0), -5e4), (lambda v: v.sum() > 0, 5e4)]:
        np.testing.assert_allclose(eval_numerical_gradient(f, 0 * x, False), [slope, slope], rtol=1e-12)


def test_verbose_prints_each_entry(capsys):
    eval_numerical_gradient(lambda v: np.sum(2 * v), np.zeros((1, 2)))
    assert re.fullmatch(r"\(0, 0\) (1\.9|2\.0)\d*\n\(0, 1\) (1\.9|2\.0)\d*\n", capsys.readouterr().out)
    eval_numerical_gradient(lambda v: np.sum(2 * v), np.zeros((1, 2)), False)
    assert capsys.readouterr().out == ""


def test_blobs_and_nets():
    p = problem((3, 4))
    w, dout = p.rng.normal(size=(4, 2)), p.rng.normal(size=(3, 2))
    inputs = SimpleNamespace(vals=p.x), SimpleNamespace(vals=w)
    output = SimpleNamespace(vals=np.zeros((3, 2)), diffs=dout)

    def forward(x=inputs[0], w=inputs[1], out=output):
        out.vals[...] = x.vals @ w.vals  # writes into one array, as blobs do

    for grads in (
        eval_numerical_gradient_blobs(forward, inputs, output),
        eval_numerical_gradient_net(SimpleNamespace(forward=forward), inputs, output),
    ):
        assert isinstance(grads, list)
        for grad, truth in zip(grads, (dout @ w.T, p.x.T @ dout), strict=True):
            assert relative(grad, truth) <= 1e-9


def test_grad_check_sparse_prints_a_line_a_check(capsys):
    p = problem((3, 5))
    grad_check_sparse(lambda v: np.sum(v**2), p.x, 2 * p.x, num_checks=4)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line in lines:
        error = re.fullmatch(r"numerical: (\S+) analytic: (\S+), relative error: (\S+e-\d\d)", line)[3]
        assert float(error) < 1e-7
    grad_check_sparse(lambda v: 0.0, p.x, 0 * p.x, num_checks=1)
    assert "relative error: 0.000000e+00" in capsys.readouterr().out  # not NaN
