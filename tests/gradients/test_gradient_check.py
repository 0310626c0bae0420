"""The checker, checked: what it rejects, how it explains, what it lets pass, and what it leaves behind."""

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
    grad_check_sparse,
    rel_error,
)
from cs231n.layers import batchnorm_backward_alt, batchnorm_forward
from tests.support import problem, refused, unchanged
from tests.support.strategies import SEEDS, cases, laid_out

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


def test_a_gradient_of_exactly_zero_needs_no_tolerance():
    assert_gradient("dx", np.zeros(3), lambda v: 0 * v.sum(), np.ones(3), atol=0)


def test_a_function_that_gives_nan_does_not_give_two_answers():
    with pytest.raises(AssertionError, match="the forward function itself gives NaN or infinity"):
        assert_gradient("dx", np.ones(3), lambda v: np.nan * v.sum(), np.ones(3))
