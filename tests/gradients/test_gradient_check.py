"""The checker, checked: what it rejects, how it explains, what it lets pass, and what it leaves behind."""

import re

import numpy as np
import pytest

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
from cs231n.layers import batchnorm_backward_alt, batchnorm_forward, softmax_loss
from tests.support import problem, refused, relative


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
    "upstream-instead": (lambda dx, p: p.dout, "one step of the backward"),
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


DENSE = {name: wrong for name, (wrong, _) in WRONG.items() if "entry" not in name or name == "extra-axis"}


@pytest.mark.parametrize("wrong", DENSE.values(), ids=DENSE)
def test_one_direction_rejects_too(wrong):
    p = problem((3, 5))
    with pytest.raises(AssertionError, match="dx"):
        assert_directional("dx", wrong(right_dx(p), p), out_of(p), p.x, p.dout, rng=np.random.RandomState(99))


def test_the_message_carries_everything():
    p = problem((3, 5))
    x0 = p.x.copy()
    dx = right_dx(p)
    wrong = dx.copy()
    wrong[1, 4] *= 3
    with pytest.raises(AssertionError) as caught:
        assert_gradient("dx", wrong, out_of(p), p.x, p.dout)
    message = str(caught.value)
    assert message.splitlines()[0] == "dx disagrees with central differences"
    where = f"1 of 15 entries off; worst at (1, 4): yours {wrong[1, 4]:.4g}, numeric {dx[1, 4]:.4g}, ratio 3"
    assert where in message
    assert "float64, h=1e-05, rtol=1e-06, atol=1e-08; x (3, 5)" in message
    assert max(map(len, message.splitlines())) <= 110 and np.array_equal(p.x, x0)


def test_accepts_the_right_gradient_in_any_layout():
    p = problem((3, 5))
    dx = right_dx(p)
    for right in (dx, np.asfortranarray(dx), dx.tolist()):
        assert assert_gradient("dx", right, out_of(p), p.x, p.dout) is None
    turned = np.asfortranarray(p.x)  # steps in memory are not steps of the index
    assert_gradient("dx", dx, out_of(p), turned, p.dout)
    assert_gradient("dx", dx, out_of(p), np.repeat(p.x, 2, axis=1)[:, ::2], p.dout)
    assert_gradient("slope", np.array(2.0 * 3), lambda v: v * v, np.array(3.0))


def test_accepts_a_gradient_that_is_zero():
    p = problem((5, 3))
    ones = np.ones_like(p.x)
    p.gamma[:] = 1.0
    noise = batchnorm_backward_alt(ones, batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "train"})[1])[0]
    assert_gradient("dx", noise, out_of(p), p.x, ones)  # 1e-16 against 1e-11: relative error 1
    assert_gradient("db", np.zeros(3), lambda b: out_of(p)(p.x + b), p.beta.copy(), p.dout)
    assert_directional("db", np.zeros(3), lambda b: out_of(p)(p.x + b), p.beta.copy(), p.dout)


def test_a_zero_numeric_gradient_is_explained():
    p = problem((3, 5))
    with pytest.raises(AssertionError, match="(?s)does f use its argument.*all ones"):
        assert_gradient("dx", p.dout, lambda _: p.dout, p.x, p.dout)


def infinite_above(v):
    with np.errstate(over="ignore"):
        return np.exp(v)


@pytest.mark.parametrize("check", [assert_gradient, assert_directional])
@pytest.mark.parametrize(
    "f, at",
    [
        (infinite_above, 709.7827),
        (lambda v: np.where(v > 1, np.inf, v), 1.0),
        (lambda v: np.full_like(v, np.nan), 1.0),
    ],
    ids=["overflow", "pole", "nan"],
)
def test_a_forward_that_is_not_finite_never_passes(check, f, at):
    x = np.full(3, at)
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="dx"):
        check("dx", np.ones(3), f, x, problem((3, 5)).x[:, 0], h=1e-3)


def test_a_function_may_return_its_argument():
    p = problem((3, 5))
    assert_gradient("identity", p.dout, lambda v: v, p.x, p.dout)
    assert_directional("identity", p.dout, lambda v: v, p.x, p.dout)
    assert_directional("a view", p.dout.T, lambda v: v.T, p.x.T.copy(), p.dout)


@pytest.mark.parametrize("x", [np.arange(6), np.ones(3, np.float32), [1.0, 2.0], 1.0], ids=repr)
@pytest.mark.parametrize("check", [assert_gradient, assert_directional])
def test_only_float64_is_compared(check, x):
    hint = "try x.astype(" if isinstance(x, np.ndarray) else "try np.array(x, "
    with refused(TypeError, check.__name__, "x", "float64", hint):
        check("dx", np.zeros(3), lambda v: v, x)


def test_an_array_needs_an_upstream_gradient_for_all_ones_would_let_zeros_pass():
    p = problem((3, 5))
    for check in (assert_gradient, assert_directional):
        with pytest.raises(ValueError, match=f"{check.__name__}: .*dout must be one too, and random"):
            check("dx", np.zeros((3, 5)), out_of(p), p.x)


def test_an_unrepeatable_function_is_named():
    p, rng = problem((3, 5)), np.random.RandomState(0)
    with pytest.raises(AssertionError, match="(?s)two answers for one x.*seed"):
        assert_gradient("dx", p.dout, lambda v: v * (rng.random(v.shape) < 0.5), p.x, p.dout)


def test_a_mistaken_upstream_shape_is_refused():
    p = problem((3, 5))
    for dout in (p.dout[0], p.dout[:, :1], p.dout[:, :, None]):
        with refused(ValueError, "(3, 5)", str(dout.shape)):
            eval_numerical_gradient_array(out_of(p), p.x, dout)


NUMERIC = {
    "scalar": lambda f, x: eval_numerical_gradient(lambda v: np.sum(f(v)), x, verbose=False),
    "array": lambda f, x: eval_numerical_gradient_array(f, x, 1.0),
    "sparse": lambda f, x: grad_check_sparse(lambda v: np.sum(f(v)), x, np.zeros(x.shape), num_checks=2),
    "assert": lambda f, x: assert_gradient("dx", np.zeros(x.shape), lambda v: np.sum(f(v)), x),
    "directional": lambda f, x: assert_directional("dx", np.zeros(x.shape), lambda v: np.sum(f(v)), x),
}
every_numeric = pytest.mark.parametrize("numeric", NUMERIC.values(), ids=NUMERIC)


@every_numeric
@pytest.mark.parametrize("fails_at", [1, 2])
def test_x_is_bit_identical_also_when_f_raises(numeric, fails_at):
    x = problem((3, 5)).x * 1e-7 + 1 / 3  # adding and subtracting h would not come back to these bits
    x[0, 0] = -0.0
    before, calls = x.tobytes(), []

    def f(v):
        calls.append(1)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        return v

    with pytest.raises(KeyboardInterrupt):
        numeric(f, x)
    assert len(calls) == fails_at and x.tobytes() == before
    numeric(lambda v: 0 * v, x)
    assert x.tobytes() == before


@every_numeric
def test_integers_and_read_only_arrays_are_refused(numeric):
    with refused(TypeError, "x", "float"):
        numeric(lambda v: v**2, np.array([1, 2]))
    x = np.ones(3)
    x.flags.writeable = False
    with refused(ValueError, "x is read-only", "copy"):
        numeric(lambda v: v**2, x)


def test_numerical_gradients_of_known_functions():
    p = problem((3, 5))
    grad = eval_numerical_gradient(lambda v: np.sum(v**3), p.x, verbose=False)
    np.testing.assert_allclose(grad, 3 * p.x**2, rtol=1e-6, atol=1e-9)
    grad = eval_numerical_gradient_array(np.sin, p.x, p.dout)
    assert relative(grad, p.dout * np.cos(p.x)) <= 1e-9
    live = p.x  # f may ignore what it is given and read what it closes over
    np.testing.assert_allclose(
        eval_numerical_gradient(lambda _: np.sum(live**2), live, False), 2 * live, rtol=1e-6
    )
    half = eval_numerical_gradient(lambda v: v @ v, np.ones(3, np.float32), verbose=False, h=1e-2)
    assert half.dtype == np.float32 and np.allclose(half, 2, rtol=1e-3)  # float32 has no more at its best h


def test_verbose_prints_each_entry(capsys):
    eval_numerical_gradient(lambda v: np.sum(2 * v), np.zeros((1, 2)))
    assert re.fullmatch(r"\(0, 0\) (1\.9|2\.0)\d*\n\(0, 1\) (1\.9|2\.0)\d*\n", capsys.readouterr().out)
    eval_numerical_gradient(lambda v: np.sum(2 * v), np.zeros((1, 2)), False)
    assert capsys.readouterr().out == ""


class Blob:
    def __init__(self, vals, diffs=None):
        self.vals, self.diffs = vals, diffs


def test_blobs_and_nets():
    p = problem((3, 4))
    w, dout = p.rng.normal(size=(4, 2)), p.rng.normal(size=(3, 2))
    inputs, output = (Blob(p.x), Blob(w)), Blob(np.zeros((3, 2)), dout)

    def forward(x, w, out):
        out.vals[...] = x.vals @ w.vals  # writes into one array, as blobs do

    class Net:
        def forward(self):
            forward(*inputs, output)

    for grads in (
        eval_numerical_gradient_blobs(forward, inputs, output),
        eval_numerical_gradient_net(Net(), inputs, output),
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


def test_rel_error_is_the_one_of_the_notebooks():
    x, y = np.array([1.0, -2.0, 0.0]), np.array([1.5, -2.0, 0.0])
    assert rel_error(x, y) == 0.5 / 2.5 and rel_error(x, x) == 0
    assert rel_error(np.array([1e-9]), np.array([0.0])) == 0.1  # over the floor of 1e-8
    assert rel_error(2.0, 1.0) == rel_error(1.0, 2.0) == 1 / 3
    assert np.isnan(rel_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0])))


def test_complex_step():
    p = problem((3, 5))
    with np.errstate(all="raise"):
        grad = complex_step_gradient(lambda v: np.exp(v) / (1 + v**2), p.x, p.dout)
    truth = np.exp(p.x) * (1 + p.x**2 - 2 * p.x) / (1 + p.x**2) ** 2 * p.dout
    assert grad.dtype == np.float64 and relative(grad, truth) <= 1e-15
    dx = softmax_loss(p.x, p.y)[1]
    assert relative(complex_step_gradient(lambda v: softmax_loss(v, p.y)[0], p.x), dx) <= 1e-14
    for lossy in (np.abs, np.real, lambda v: np.float64(1.0)):
        with refused(TypeError, "complex_step_gradient", "lost"):
            complex_step_gradient(lossy, p.x)


def test_one_direction_takes_two_evaluations_and_a_given_stream():
    p, calls = problem((30, 50)), []
    for make in (np.random.RandomState, np.random.default_rng):
        assert_directional("dx", 2 * p.x, lambda v: calls.append(1) or np.sum(v**2), p.x, rng=make(0))
    assert len(calls) == 4
    x = np.ones((100, 100))
    with pytest.raises(
        AssertionError, match="along a random direction(?s:.*)yours .*, numeric .*(?s:.*)assert_gradient"
    ):
        assert_directional("dx", np.ones_like(x), lambda v: np.sum(v**2), x)


def test_a_function_that_writes_into_its_argument_is_named():
    p = problem((3, 5))
    before = p.x.copy()

    def in_place(v):
        v -= v.mean(axis=0)
        return v

    with pytest.raises(AssertionError, match="f writes into its argument x"):
        assert_gradient("dx", p.dout - p.dout.mean(axis=0), in_place, p.x, p.dout)
    assert np.array_equal(p.x, before)


@pytest.mark.parametrize("x", [np.ones(3, np.float16), np.full(3, 1e12)], ids=["float16", "1e12"])
def test_a_step_lost_in_rounding_is_refused(x):
    with pytest.raises(ValueError, match="lost in the rounding of x"):
        eval_numerical_gradient(lambda v: np.sum(v), x, verbose=False, h=1e-5)


def test_rel_error_of_integers_lists_and_unequal_shapes():
    assert rel_error(np.array([200], np.uint8), np.array([100], np.uint8)) == pytest.approx(1 / 3)
    assert rel_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert rel_error(np.zeros(2, np.float16), np.zeros(2, np.float16)) == 0
    with pytest.raises(ValueError, match="one shape"):
        rel_error(np.zeros((3, 1)), np.zeros(3))
