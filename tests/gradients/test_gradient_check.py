"""The checker, checked: what it rejects, how it explains, what it lets pass, and what it leaves behind."""

import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.gradient_check import (
    assert_directional,
    assert_gradient,
    complex_step_gradient,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)
from cs231n.layers import batchnorm_backward_alt, batchnorm_forward
from tests.support import problem, refused, relative, unchanged
from tests.support.strategies import DTYPES, LAYOUTS, SEEDS, assert_right, cases, laid_out, limits, wide

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
FINITE = st.floats(-1e300, 1e300)
WRITABLE = st.sampled_from(["C", "F", "strided", "reversed"])
both_checks = pytest.mark.parametrize("check", [assert_gradient, assert_directional])


def out_of(p):
    return lambda x: batchnorm_forward(x, p.gamma, p.beta, {"mode": "train"})[0]


def right_dx(p):
    return batchnorm_backward_alt(p.dout, batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "train"})[1])[0]


def one_entry(dx, change):
    dx[2, 3] = change(dx[2, 3])
    return dx


WRONG = {  # name: (what it does to a right dx, a word of the advice)
    "sum-for-mean": (lambda dx, p: 3 * dx, "a constant ratio equal to 3"),
    "mean-for-sum": (lambda dx, p: dx / 5, "1/5"),
    "sign": (lambda dx, p: -dx, "sign"),
    "doubled": (lambda dx, p: 2 * dx, "constant factor, 2"),
    "half-left-out": (lambda dx, p: 0.5 * dx, "constant factor, 0.5"),
    "minus-twice": (lambda dx, p: -2 * dx, "constant factor, -2"),
    "five-in-ten-thousand": (lambda dx, p: 1.0005 * dx, "constant factor"),
    "zeros": (lambda dx, p: 0 * dx, "every entry is zero"),
    "none": (lambda dx, p: None, "None"),
    "nan": (lambda dx, p: one_entry(dx, lambda v: np.nan), "NaN"),
    "infinity": (lambda dx, p: one_entry(dx, lambda v: np.inf), "infinity"),
    "all-nan": (lambda dx, p: np.nan * dx, "NaN"),
    "transposed": (lambda dx, p: dx.T, "transpose"),
    "row-of-sums": (lambda dx, p: dx.sum(axis=0), "shape"),
    "number": (lambda dx, p: float(dx.sum()), "shape"),
    "extra-axis": (lambda dx, p: dx[None], "shape"),
    "row-term-missing": (lambda dx, p: dx + p.gamma * p.dout.mean(axis=0), "same in every row"),
    "one-column": (lambda dx, p: dx * [1, 1, 1.5, 1, 1], "only columns 2"),
    "one-row": (lambda dx, p: dx * [[1], [1.5], [1]], "only rows 1"),
    "one-entry": (lambda dx, p: one_entry(dx, lambda v: v + 1e-5), "only columns 3"),
    "one-entry-lost": (lambda dx, p: one_entry(dx, lambda v: 0.0), "only columns 3"),
    "columns-rolled": (lambda dx, p: np.roll(dx, 1, axis=1), "one step of the backward"),
    "rows-reversed": (lambda dx, p: dx[::-1], ""),
    "upstream": (lambda dx, p: p.dout, "one step of the backward"),
    "noise": (lambda dx, p: dx + 1e-6 * p.rng.normal(size=dx.shape), ""),
    "float16": (lambda dx, p: dx.astype(np.float16), ""),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wrong, advice", WRONG.values(), ids=WRONG)
def test_rejects_and_advises(wrong, advice, seed):
    p = problem((3, 5), seed)
    with pytest.raises(AssertionError, match="(?s)^dx of batchnorm .*Try: ") as caught:
        assert_gradient("dx of batchnorm", wrong(right_dx(p), p), out_of(p), p.x, p.dout)
    assert advice in str(caught.value).split("Try: ")[1] or advice in str(caught.value).splitlines()[0]


DENSE = {name: wrong for name, (wrong, _) in WRONG.items() if "entry" not in name}


@pytest.mark.parametrize("wrong", DENSE.values(), ids=DENSE)
def test_one_direction_rejects_too(wrong):
    p = problem((3, 5))
    with pytest.raises(AssertionError, match="dx"):
        assert_directional("dx", wrong(right_dx(p), p), out_of(p), p.x, p.dout, rng=np.random.RandomState(99))


def test_the_message_carries_everything():
    p = problem((3, 5))
    dx = right_dx(p)
    wrong = dx.copy()
    wrong[1, 4] *= 3
    with pytest.raises(AssertionError) as caught, unchanged(p.dout):
        assert_gradient("dx", wrong, out_of(p), p.x, p.dout)
    assert str(caught.value).split("\n  Try: ")[0] == (
        "dx disagrees with central differences\n"
        f"  1 of 15 entries are wrong; the worst is at (1, 4): analytic {wrong[1, 4]:.4g}, "
        f"numerical {dx[1, 4]:.4g}, ratio 3\n"
        "  compared in float64, h=1e-05, rtol=1e-06, atol=1e-08; x (3, 5)"
    )
    with pytest.raises(AssertionError, match=r"has the wrong shape\n  got \(5, 3\), expected \(3, 5\)"):
        assert_gradient("dx", dx.T, out_of(p), p.x, p.dout)
    with pytest.raises(
        AssertionError,
        match="^dx disagrees with central differences along a random direction\n"
        "  slope: analytic .*, numerical .*"
        "\n  compared in float64, .*\n  Try: assert_gradient on a smaller x; it names the wrong entries",
    ):
        assert_directional("dx", 2 * dx, out_of(p), p.x, p.dout)


def test_accepts_the_right_gradient_in_any_layout():
    p = problem((3, 5))
    dx = right_dx(p)
    for right in (dx, np.asfortranarray(dx), dx.tolist()):
        assert_gradient("dx", right, out_of(p), p.x, p.dout)
    for x in (np.asfortranarray(p.x), np.repeat(p.x, 2, axis=1)[:, ::2]):
        assert_gradient("dx", dx, out_of(p), x, p.dout)
    assert_gradient("slope", np.array(2.0 * 3), np.square, np.array(3.0))


@both_checks
def test_accepts_a_gradient_that_is_zero(check):
    """1e-16 against 1e-11 is a relative error of 1, and means nothing."""
    p = problem((5, 3))
    check("db", np.zeros(3), lambda b: out_of(p)(p.x + b), p.beta.copy(), p.dout)
    p.gamma[:] = p.dout[:] = 1.0
    check("dx", right_dx(p), out_of(p), p.x, p.dout)


@both_checks
@pytest.mark.parametrize("factor, passes", [(0.99, True), (1.01, False)])
@pytest.mark.parametrize("tolerance", [{"rtol": 1e-3, "atol": 0}, {"rtol": 0, "atol": 4e-3}])
def test_the_tolerances_are_those_that_are_given(check, tolerance, factor, passes):
    """The difference of 4 v is exact at h = 1/4, and each tolerance is 4e-3."""
    grad = np.array([4 + 4e-3 * factor])
    with np.errstate() if passes else pytest.raises(AssertionError):
        check("dx", grad, lambda v: 4 * v[0], np.ones(1), h=0.25, **tolerance)


@pytest.mark.parametrize(
    "f, advice",
    [
        (lambda p, v: p.dout, "(?s)does f use its argument.*all ones"),
        (lambda p, v: v * (p.rng.random(v.shape) < 0.5), "(?s)two results for one x.*seed"),
        (lambda p, v: np.subtract(v, v.mean(axis=0), out=v), "f writes into its argument x"),
    ],
    ids=["argument-unused", "unrepeatable", "in-place"],
)
def test_a_function_that_cannot_be_checked_is_explained(f, advice):
    p = problem((3, 5))
    before = p.x.copy()
    with pytest.raises(AssertionError, match=advice):
        assert_gradient("dx", p.dout, lambda v: f(p, v), p.x, p.dout)
    assert np.array_equal(p.x, before)


def test_one_direction_too_says_that_a_function_has_two_results():
    p = problem((3, 5))
    with pytest.raises(AssertionError, match="(?s)dx disagrees.*Try: f gives two results for one x"):
        assert_directional("dx", p.dout, lambda v: v * (p.rng.random(v.shape) < 0.5), p.x, p.dout)


@both_checks
@pytest.mark.parametrize(
    "f, at",
    [
        (np.exp, 709.7827),
        (lambda v: np.where(v > 1, np.inf, v), 1.0),
        (lambda v: np.full_like(v, np.nan), 1.0),
    ],
    ids=["overflow", "pole", "nan"],
)
def test_a_forward_that_is_not_finite_never_passes(check, f, at):
    with np.errstate(all="ignore"), pytest.raises(AssertionError, match="dx"):
        check("dx", np.ones(3), f, np.full(3, at), problem((3, 5)).x[:, 0], h=1e-3)


@both_checks
def test_a_function_may_return_its_argument_but_no_array_without_dout(check):
    p = problem((3, 5))
    with pytest.raises(
        ValueError, match=f"{check.__name__}: f returns an array .* dout must be an array too"
    ):
        check("identity", p.dout, lambda v: v, p.x)
    check("identity", p.dout, lambda v: v, p.x, p.dout)
    check("a view", p.dout.T, lambda v: v.T, p.x.T.copy(), p.dout)


def test_one_direction_takes_two_evaluations_and_a_given_stream():
    p, calls = problem((30, 50)), []
    for make in (np.random.RandomState, np.random.default_rng):
        assert_directional("dx", 2 * p.x, lambda v: calls.append(1) or np.sum(v**2), p.x, rng=make(0))
    assert len(calls) == 4


@cases(
    "assert_gradient",
    seed=SEEDS,
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    fault=st.sampled_from([None, "entry", "factor", "nan", "zero", "inf"]),
    layout=WRITABLE,
    check=st.sampled_from([assert_gradient, assert_directional]),
)
def test_passes_what_is_right_and_nothing_else(seed, shape, fault, layout, check):
    rng = np.random.RandomState(seed)
    x, dout = laid_out(rng.uniform(0.5, 2, shape), layout), rng.uniform(0.5, 2, shape)
    grad, before = np.cos(x) * dout, x.copy()
    if fault in ("entry", "nan", "inf"):
        grad.flat[rng.randint(grad.size)] += {"entry": 1e-2, "nan": np.nan, "inf": np.inf}[fault]
    elif fault:
        grad *= {"factor": 1.5, "zero": 0}[fault]
    assume(check is assert_gradient or fault in (None, "nan", "inf"))  # else an unlucky direction may pass
    assume(fault is None or np.abs(np.cos(x) * dout).max() > 1e-3)
    with np.errstate() if fault is None else pytest.raises(AssertionError, match="dx disagrees"):
        check("dx", grad, np.sin, x, dout)
    assert np.array_equal(x, before)


def total_of(f):
    return lambda v: np.sum(f(v))


NUMERIC = {
    "eval_numerical_gradient": lambda f, x, **h: eval_numerical_gradient(total_of(f), x, False, **h),
    "eval_numerical_gradient_array": lambda f, x, **h: eval_numerical_gradient_array(f, x, 1.0, **h),
    "grad_check_sparse": lambda f, x, **h: grad_check_sparse(total_of(f), x, np.zeros(x.shape), 2, **h),
    "assert_gradient": lambda f, x: assert_gradient("dx", np.zeros(x.shape), total_of(f), x),
    "assert_directional": lambda f, x: assert_directional("dx", np.zeros(x.shape), total_of(f), x),
}
every_numeric = pytest.mark.parametrize("name", NUMERIC)
three_numerics = pytest.mark.parametrize("name", [name for name in NUMERIC if "assert" not in name])


@every_numeric
@pytest.mark.parametrize("fails_at", [1, 2])
def test_x_is_bit_identical_also_when_f_raises_or_writes_into_it(name, fails_at):
    x = problem((3, 5)).x * 1e-7 + 1 / 3  # adding and subtracting h would not come back to these bits
    x[0, 0] = -0.0
    before, calls = x.tobytes(), []

    def f(v):
        calls.append(1)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        return v

    with pytest.raises(KeyboardInterrupt):
        NUMERIC[name](f, x)
    assert len(calls) == fails_at and x.tobytes() == before
    NUMERIC[name](lambda v: 0 * v, x)
    assert x.tobytes() == before


@three_numerics
def test_each_difference_starts_from_x_itself(name):
    x, seen = np.arange(3.0), []
    NUMERIC[name](lambda v: (seen.append(v.copy()), v.fill(9.0), 0.0)[2], x)
    assert np.array_equal(x, np.arange(3.0)) and seen
    for moved in seen:
        assert np.count_nonzero(moved != x) == 1 and np.abs(moved - x).max() < 1.1e-5


STEPS = [  # (dtype, x, h, how far x + h is off): h is rounded, unless x is of size 1
    ("f4", 10, 1e-5, 0.046),
    ("f4", -1000, 1e-3, 0.023),
    ("f2", 10, 0.1, 0.023),
    ("f8", 1e6, 1e-5, 1e-6),
    ("f8", -5e9, 1e-5, 0.046),
]


@pytest.mark.parametrize("dtype, value, h, off", STEPS)
@three_numerics
def test_the_step_is_the_one_that_was_made(name, dtype, value, h, off, capsys):
    """The difference of a line is exact over the distance of the two points, in any dtype of x."""
    x = np.full((2, 2), value, dtype)
    assert abs(float(x[0, 0] + x.dtype.type(h)) - float(x[0, 0]) - h) > off * h / 2
    grad = NUMERIC[name](lambda v: 3 * (v.astype(float) - value), x, h=h)
    if grad is None:
        (grad,) = {float(line.split()[1]) for line in capsys.readouterr().out.splitlines()}
    np.testing.assert_allclose(grad, 3, rtol=1e-9)


@both_checks
@pytest.mark.parametrize("value", [1e3, 1e6, 1e8])
def test_large_numbers_move_by_steps_that_are_rounded(check, value):
    p = problem((3, 5))
    x = value + p.x
    check("dx", 3 * p.dout, lambda v: 3 * (v - value), x, p.dout)
    with pytest.raises(AssertionError, match="dx disagrees"):
        check("dx", 3.0001 * p.dout, lambda v: 3 * (v - value), x, p.dout)
    with pytest.raises(ValueError, match="h=.* is lost in the rounding of x"):
        check("dx", 3 * p.dout, lambda v: 3 * v, 1e12 * p.x, p.dout)


def hinge(v):
    return np.maximum(v[:, 1] - v[:, 0], 0)


def hinge_slope(v, dout):
    slope = dout * (v[:, 1] > v[:, 0])
    return np.stack([-slope, slope, 0 * slope], axis=1)


KINKS = {  # name: (f, its gradient from x and dout); each has its kink where the second entry is the first
    "relu": (hinge, hinge_slope),
    "abs": (
        lambda v: np.abs(v[:, 1] - v[:, 0]),
        lambda v, dout: 2 * hinge_slope(v, dout) - dout[:, None] * [-1, 1, 0],
    ),
    "max": (
        lambda v: v.max(axis=1),
        lambda v, dout: dout[:, None] * (np.arange(3) == v.argmax(axis=1)[:, None]),
    ),
    "curved": (
        lambda v: np.exp(v[:, 2]) * hinge(np.sinh(v)),
        lambda v, dout: (
            hinge_slope(v, dout * np.exp(v[:, 2])) * np.cosh(v)
            + [0, 0, 1] * (dout * np.exp(v[:, 2]) * hinge(np.sinh(v)))[:, None]
        ),
    ),
}
every_kink = pytest.mark.parametrize("f, slope", KINKS.values(), ids=KINKS)


def near_a_kink(distance, seed=0):
    """x (5, 3), whose row 2 is so many steps h from a kink and whose other rows are far; dout (5,)."""
    rng = np.random.RandomState(seed)
    x = np.stack([rng.uniform(-1, 0, 5), rng.uniform(0.1, 1, 5), rng.uniform(-3, -2, 5)], axis=1)
    x[2, 1] = x[2, 0] + distance * 1e-5
    return x, rng.uniform(0.5, 2, 5)


@every_kink
@pytest.mark.parametrize("distance", [0, 0.01, -0.1, 0.2, 0.25, -0.5, 0.9])
def test_a_kink_is_not_blamed_on_the_gradient(f, slope, distance):
    x, dout = near_a_kink(distance)
    right = slope(x, dout)
    with pytest.raises(AssertionError, match="^dx cannot be compared with central differences\n") as caught:
        assert_gradient("dx", right, f, x, dout)
    message = str(caught.value)
    assert "  2 of 15 entries are within h of a kink of f; the worst is at (2, " in message
    assert "Try: move these entries of x more than h away from it (relu has one at 0)" in message
    with pytest.raises(AssertionError, match="cannot be compared .*\n(.*\n)*  Try: a smaller h"):
        assert_directional("dx", right, f, x, dout, rng=np.random.RandomState(0), h=1e-4)
    if distance:
        assert_gradient("dx", right, f, x, dout, h=np.abs(distance) * 0.9e-5)


@every_kink
@pytest.mark.parametrize("distance", [0, 0.01, -0.1, 0.25, 0.9, 1.1, -3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_gradient_at_or_near_a_kink_never_passes(f, slope, distance, seed):
    x, dout = near_a_kink(distance, seed)
    right = slope(x, dout)
    beside = abs(distance) > 1
    if beside:
        assert_gradient("dx", right, f, x, dout)
    for place in [(2, 0), (2, 1), (4, 1), (0, 0)]:
        for error in (2e-5, -3.0):
            wrong = right.copy()
            wrong[place] += error
            with pytest.raises(AssertionError, match="dx") as caught:
                assert_gradient("dx", wrong, f, x, dout)
            message = str(caught.value)
            if beside or place[0] != 2:
                assert f"  1 of 15 entries are wrong; the worst is at {place}" in message
                assert ("2 other entries are within h of a kink of f" in message) is not beside


def test_the_pattern_of_the_error_is_that_of_the_entries_that_can_be_compared():
    x, dout = near_a_kink(0.1)
    with pytest.raises(AssertionError, match="constant factor, 1.5"):
        assert_gradient("dx", 1.5 * hinge_slope(x, dout), hinge, x, dout)


@both_checks
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_function_that_computes_in_fewer_digits_has_no_kink(check, dtype):
    p = problem((3, 5))
    with pytest.raises(AssertionError, match="dx disagrees with central differences"):
        check("dx", 2 * p.x, lambda v: (v**2).sum(dtype=dtype), p.x)


@pytest.mark.parametrize("seed", range(20))
def test_a_smooth_function_has_no_kink(seed):
    """However curved it is, an error of 2e-6 in its gradient is the gradient's."""
    rng = np.random.RandomState(seed)
    x, dout, scale = rng.uniform(-1, 1, (4, 3)), rng.randn(4, 3), 10.0 ** rng.randint(-2, 3)
    wrong = scale * np.cos(scale * x) * dout * (1 + 2e-6 + 1e-3 * scale * 1e-4)
    with pytest.raises(AssertionError, match="dx disagrees with central differences\n  12 of 12 entries"):
        assert_gradient("dx", wrong, lambda v: np.sin(scale * v), x, dout, atol=0)


@every_numeric
def test_what_cannot_move_is_refused(name):
    with refused(TypeError, f"{name}: x must be ", "got int64; try x.astype(np.float64)"):
        NUMERIC[name](np.square, np.arange(6))
    with pytest.raises(ValueError, match=f"{name}: x is read-only.*copy"):
        NUMERIC[name](np.square, np.broadcast_to(1.0, 3))
    with refused(TypeError, f"{name}: x must be ", "MaskedArray, whose mask would be ignored"):
        NUMERIC[name](np.square, np.ma.masked_array([1.0, 2.0], [True, False]))


@three_numerics
@cases("gradient checks, refused", h=st.sampled_from([0, -1e-5, np.nan, np.inf, "small", None, True]))
def test_a_step_that_moves_nothing_is_refused(h, name):
    x = np.ones((2, 3))
    with unchanged(x.copy()), refused((TypeError, ValueError), f"{name}: h must be"):
        NUMERIC[name](lambda v: v, x, h=h)


@pytest.mark.parametrize("check", [eval_numerical_gradient, eval_numerical_gradient_array])
@cases("gradient checks, refused", value=st.sampled_from(["text", None, 1j, np.ones(2, complex), object()]))
def test_a_function_that_returns_no_numbers_is_refused(value, check):
    x = np.ones(2)
    with refused(TypeError, "f must return real numbers, got"):
        check(lambda v: value, x, *([] if check is eval_numerical_gradient else [1.0]))
    assert np.array_equal(x, np.ones(2))


def same(v):
    return v


X = np.ones((2, 3))
REFUSED = {  # a part of the sentence: the call
    "f must return one number, got an array (2, 3); try eval_numeri": (eval_numerical_gradient, same, X),
    "must have the shape of f(x), (2, 3), got (3,)": (eval_numerical_gradient_array, same, X, X[0]),
    "must have the shape of f(x), (2, 3), got (2, 1)": (complex_step_gradient, same, X, X[:, :1]),
    "upstream gradient must hold numbers, got <U1": (eval_numerical_gradient_array, same, X, X.astype("U1")),
    "x must be a floating-point array": (eval_numerical_gradient, same, [1.0]),
    "assert_gradient: x must be float64": (assert_gradient, "dx", X, same, np.float32(X)),
    "got float; try np.array(x, dtype=np.float64)": (assert_directional, "dx", 1.0, same, 1.0),
    "f returns an array (2, 3), so dout must be an array too, and random": (
        assert_gradient,
        "dx",
        X,
        same,
        X,
    ),
    "analytic_grad must have the shape of x, (2, 3), got (3, 2)": (grad_check_sparse, np.sum, X, X.T),
    "analytic_grad must hold numbers, got": (grad_check_sparse, np.sum, X, None),
    "num_checks must be an integer, got 2.5": (grad_check_sparse, np.sum, X, X, 2.5),
    "num_checks must be at least 0, got -1": (grad_check_sparse, np.sum, X, X, -1),
    "rel_error: x is empty, its shape is (0, 3)": (rel_error, X[:0], X[:0]),
    "rel_error: y is empty": (rel_error, 1.0, []),
    "rel_error: y must hold numbers, got <U1": (rel_error, 1.0, np.array("a")),
    "x and y must have the same shape, got (3, 1) and (3,)": (rel_error, X.T[:, :1], X[0]),
    "h=1e-05 is lost in the rounding of x, 100 in float32": (
        eval_numerical_gradient,
        np.sum,
        np.float32(100 * X),
    ),
    "lost in the rounding of x, 1 in float16": (eval_numerical_gradient, np.sum, np.float16(X)),
    "lost in the rounding of x, 1e+12 in float64": (eval_numerical_gradient, np.sum, 1e12 * X),
    "f returned float64 for a complex argument, so the step was lost": (complex_step_gradient, np.abs, X),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refuses(sentence):
    function, *arguments = REFUSED[sentence]
    with refused((TypeError, ValueError), sentence):
        function(*arguments)


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


def test_a_gradient_of_exactly_zero_needs_no_tolerance():
    assert_gradient("dx", np.zeros(3), lambda v: 0 * v.sum(), np.ones(3), atol=0)


def test_a_function_that_gives_nan_does_not_give_two_answers():
    with pytest.raises(AssertionError, match="the forward function itself gives NaN or infinity"):
        assert_gradient("dx", np.ones(3), lambda v: np.nan * v.sum(), np.ones(3))
