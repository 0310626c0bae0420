"""Every layer against two independent derivatives, central differences and the complex step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.gradient_check import assert_gradient, complex_step_gradient, eval_numerical_gradient_array
from cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    svm_loss,
)
from tests.support import SEEDS, SHAPES, arrays_in, problem, relative, unchanged

pytestmark = pytest.mark.usefixtures("edition")


def affine(shape, seed, dtype=np.float64):
    """(inputs by name, forward from those inputs, backward, dout)"""
    p = problem(shape, seed, dtype)
    w, b = p.rng.normal(size=(shape[1], 4)).astype(dtype), p.rng.normal(size=4).astype(dtype)
    dout = p.rng.normal(size=(len(p.x), 4)).astype(dtype)
    return {"x": p.x, "w": w, "b": b}, affine_forward, affine_backward, dout


def affine_of_images(shape, seed, dtype=np.float64):
    rng = np.random.RandomState(seed)
    shapes = (shape[0], 2, 3, 2), (12, 5), (5,), (shape[0], 5)
    x, w, b, dout = (rng.normal(size=s).astype(dtype) for s in shapes)
    return {"x": x, "w": w, "b": b}, affine_forward, affine_backward, dout


def relu(shape, seed, dtype=np.float64):
    p = problem(shape, seed, dtype)
    p.x += np.copysign(0.01, p.x)  # off the kink, where no difference means anything
    return {"x": p.x}, relu_forward, relu_backward, p.dout


def batchnorm(backward):
    def case(shape, seed, dtype=np.float64):
        p = problem(shape, seed, dtype)
        inputs = {"x": p.x, "gamma": p.gamma, "beta": p.beta}
        return inputs, lambda *i: batchnorm_forward(*i, {"mode": "train"}), backward, p.dout

    return case


def layernorm(shape, seed, dtype=np.float64):
    p = problem(shape, seed, dtype)
    inputs = {"x": p.x, "gamma": p.gamma, "beta": p.beta}
    return inputs, lambda *i: layernorm_forward(*i, {}), layernorm_backward, p.dout


def dropout(mode):
    def case(shape, seed, dtype=np.float64):
        p = problem(shape, seed, dtype)
        param = {"mode": mode, "p": 0.6, "seed": seed}
        return {"x": p.x}, lambda x: dropout_forward(x, param), dropout_backward, p.dout

    return case


LAYERS = {
    "affine": affine,
    "affine-of-images": affine_of_images,
    "relu": relu,
    # The backwards by name, so that each edition of the layers meets its own.
    "batchnorm-staged": batchnorm(lambda *a: batchnorm_backward(*a)),
    "batchnorm-closed": batchnorm(lambda *a: batchnorm_backward_alt(*a)),
    "layernorm": layernorm,
    "dropout-train": dropout("train"),
    "dropout-test": dropout("test"),
}
LOSSES = {"softmax": softmax_loss, "svm": svm_loss}
every_layer = pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
every_loss = pytest.mark.parametrize("loss_of", LOSSES.values(), ids=LOSSES)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def gradients(case, shape, seed):
    """For each input: name, the array, the gradient of the backward pass, f of that input alone, dout."""
    inputs, forward, backward, dout = case(shape, seed)
    grads = backward(dout, forward(*inputs.values())[1])
    grads = grads if isinstance(grads, tuple) else (grads,)
    for (name, value), grad in zip(inputs.items(), grads, strict=True):

        def f(v, name=name):
            return forward(*{**inputs, name: v}.values())[0]

        yield name, value, grad, f, dout


def check_layer(case, shape, seed):
    for name, value, grad, f, dout in gradients(case, shape, seed):
        assert_gradient(f"d{name}", grad, f, value, dout)


@every_seed
@every_shape
@every_layer
def test_backward_agrees_with_central_differences(case, shape, seed):
    check_layer(case, shape, seed)
    for _, value, grad, f, dout in gradients(case, shape, seed):
        assert relative(eval_numerical_gradient_array(f, value, dout), grad) <= 1e-9  # the promise of the kit


@every_seed
@every_shape
@every_layer
def test_backward_agrees_with_the_complex_step(case, shape, seed):
    for _, value, grad, f, dout in gradients(case, shape, seed):
        step = complex_step_gradient(f, value, dout)
        assert relative(step, grad) <= 1e-14  # no cancellation: rounding only


@every_seed
@every_shape
@every_loss
def test_loss_gradients(loss_of, shape, seed):
    p = problem(shape, seed)
    loss, dx = loss_of(p.x, p.y)
    assert np.ndim(loss) == 0 and loss > 0
    assert_gradient("dx", dx, lambda v: loss_of(v, p.y)[0], p.x)
    assert relative(complex_step_gradient(lambda v: loss_of(v, p.y)[0], p.x), dx) <= 1e-14  # as above
    assert np.abs(dx.sum(axis=1)).max() <= 1e-15  # a constant on every score of a row changes nothing


@every_seed
@every_shape
def test_staged_and_closed_form_are_one(shape, seed):
    p = problem(shape, seed)
    cache = batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "train"})[1]
    for staged, closed in zip(
        batchnorm_backward(p.dout, cache), batchnorm_backward_alt(p.dout, cache), strict=True
    ):
        assert relative(closed, staged) <= 1e-13  # the same sums in another order


@every_layer
def test_no_layer_writes_to_its_inputs_or_its_cache(case):
    inputs, forward, backward, dout = case((4, 3), 0)
    with unchanged(inputs):
        out, cache = forward(*inputs.values())
    with unchanged(inputs, dout, cache):
        first = backward(dout, cache)
        second = backward(dout, cache)
    assert all(np.array_equal(a, b) for a, b in zip(arrays_in([first]), arrays_in([second])))
    for grad in arrays_in([first]):
        assert not np.shares_memory(grad, dout), "changing the result would change the caller's dout"
    assert not any(np.shares_memory(out, a) for a in inputs.values())


@every_loss
def test_no_loss_writes_to_its_inputs(loss_of):
    p = problem((4, 3))
    with unchanged(p.x, p.y):
        loss_of(p.x, p.y)


@every_layer
def test_float32_stays_float32_and_agrees_roughly(case):
    (inputs, forward, backward, dout), (inputs64, forward64, backward64, dout64) = (
        case((9, 7), 0, np.float32),
        case((9, 7), 0, np.float64),
    )
    out, cache = forward(*inputs.values())
    out64, cache64 = forward64(*inputs64.values())
    ours, truth = arrays_in([out, backward(dout, cache)]), arrays_in([out64, backward64(dout64, cache64)])
    for a, b in zip(ours, truth, strict=True):
        assert a.dtype == np.float32 and b.dtype == np.float64
        assert relative(a, b) <= 1e-5
    assert all(a.dtype == np.float32 for a in arrays_in(cache))


@every_loss
def test_losses_keep_the_dtype(loss_of):
    p, p32 = problem((9, 7)), problem((9, 7), dtype=np.float32)
    loss, dx = loss_of(p32.x, p32.y)
    assert loss.dtype == dx.dtype == np.float32
    truth, dtruth = loss_of(p.x, p.y)
    assert abs(loss - truth) <= 1e-5 * truth and relative(dx, dtruth) <= 1e-5


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 99))
def test_affine_of_any_shape(shape, M, seed):
    rng = np.random.RandomState(seed)
    D = int(np.prod(shape[1:]))
    x, w, b, dout = (rng.normal(size=s) for s in [tuple(shape), (D, M), (M,), (shape[0], M)])
    out, cache = affine_forward(x, w, b)
    slow = [
        [sum(row[k] * w[k, j] for k in range(D)) + b[j] for j in range(M)] for row in x.reshape(shape[0], D)
    ]
    np.testing.assert_allclose(out, slow, rtol=1e-12, atol=1e-14)  # rounding of sums up to 64 terms
    dx, dw, db = affine_backward(dout, cache)
    assert dx.shape == x.shape and dw.shape == w.shape and db.shape == b.shape
    # The upstream gradient of a linear map pairs alike on both sides: <dout, x' w> = <dx, x'>.
    np.testing.assert_allclose(np.sum(dout * (out - b)), np.sum(dx * x), rtol=1e-10, atol=1e-12)


@given(st.lists(st.integers(1, 4), max_size=4), st.integers(0, 99))
def test_relu_and_dropout_of_any_shape(shape, seed):
    rng = np.random.RandomState(seed)
    x, dout = rng.normal(size=tuple(shape)) + 0.0, rng.normal(size=tuple(shape)) + 0.0
    x, dout = np.asarray(x), np.asarray(dout)
    out, cache = relu_forward(x)
    assert np.array_equal(out, np.where(x > 0, x, 0))
    assert np.array_equal(relu_backward(dout, cache), np.where(x > 0, dout, 0))
    out, cache = dropout_forward(x, {"mode": "train", "p": 0.5, "seed": seed})
    assert np.all((out == 0) | (out == 2 * x)) and np.shape(dropout_backward(dout, cache)) == x.shape


def test_relu_stops_the_gradient_at_zero():
    x = np.array([[-1.0, 0.0, -0.0, 2.0]])
    assert np.array_equal(relu_backward(np.full((1, 4), 3.0), relu_forward(x)[1]), [[0, 0, 0, 3]])


def test_softmax_of_equal_scores_is_log_of_the_number_of_classes():
    for C in (2, 3, 10):
        loss, dx = softmax_loss(np.full((5, C), 7.0), np.arange(5) % C)
        assert abs(loss - np.log(C)) <= 1e-15 * C
        assert np.allclose(np.sort(dx[0]), [(1 / C - 1) / 5] + [1 / C / 5] * (C - 1), rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_neither_overflows_nor_loses_a_certain_error(dtype):
    x = np.array([[1e4, 0, -1e4], [0, 5, 1e4]], dtype)
    loss, dx = softmax_loss(x, np.array([2, 1]))
    assert abs(loss - (2e4 + 1e4 - 5) / 2) <= 1e-3 and np.isfinite(dx).all()
    assert softmax_loss(x + 3e4, np.array([0, 2]))[0] == 0  # right and sure: no loss, not a tiny NaN


def test_svm_loss_by_hand():
    x = np.array([[3.0, 2.5, 0.0], [1.0, 1.0, 4.0]])
    loss, dx = svm_loss(x, np.array([0, 1]))
    assert loss == (0.5 + (1 + 4)) / 2
    assert np.array_equal(dx, np.array([[-1, 1, 0], [1, -2, 1]]) / 2)


def test_dropout_keeps_with_probability_p_and_the_expectation():
    x = np.full((200, 300), 10.0)
    for p in (0.25, 0.4, 0.7, 1.0):
        out, (_, mask) = dropout_forward(x, {"mode": "train", "p": p})
        assert abs((out != 0).mean() - p) <= 5 * np.sqrt(p * (1 - p) / x.size)  # five standard errors
        assert np.allclose(out[out != 0], 10 / p, rtol=1e-15, atol=0) and np.array_equal(out, x * mask)
        out, _ = dropout_forward(x, {"mode": "test", "p": p})
        assert np.array_equal(out, x)


def test_dropout_seed_rng_and_global_stream():
    x = np.ones((5, 40))

    def draw(**more):
        return dropout_forward(x, {"mode": "train", "p": 0.5, **more})[0]

    assert np.array_equal(draw(seed=3), draw(seed=3)) and not np.array_equal(draw(seed=3), draw(seed=4))
    assert not np.array_equal(draw(), draw())
    for make in (np.random.RandomState, np.random.default_rng):
        rng = make(0)
        a, b = draw(rng=rng), draw(rng=rng)
        assert np.array_equal(a, draw(rng=make(0))) and not np.array_equal(a, b)
    np.random.seed(5)
    a = draw()
    np.random.seed(5)
    assert np.array_equal(a, draw())


# The tests above, shown to fail: each wrong backward is what somebody once handed in.
MUTANTS = {
    "forgot-that-mu-depends-on-x": lambda dout, c: (
        c.gamma * c.inv_std * (dout - c.x_hat * (dout * c.x_hat).mean(axis=0))
    ),
    "forgot-that-var-depends-on-x": lambda dout, c: c.gamma * c.inv_std * (dout - dout.mean(axis=0)),
    "sum-for-mean": lambda dout, c: (
        c.gamma * c.inv_std * (dout - dout.sum(axis=0) - c.x_hat * (dout * c.x_hat).mean(axis=0))
    ),
    "forgot-gamma": lambda dout, c: batchnorm_backward(dout, c)[0] / c.gamma,
    "divided-by-N-minus-1": lambda dout, c: (
        c.gamma
        * c.inv_std
        * (dout - dout.mean(axis=0) - c.x_hat * (dout * c.x_hat).sum(axis=0) / (len(dout) - 1))
    ),
    "means-along-rows": lambda dout, c: (
        c.gamma
        * c.inv_std
        * (dout - dout.mean(axis=1, keepdims=True) - c.x_hat * (dout * c.x_hat).mean(axis=1, keepdims=True))
    ),
    "eps-dropped-from-the-root": lambda dout, c: (
        batchnorm_backward(dout, c)[0] * np.sqrt(1 + 1e-4 * c.inv_std**2)
    ),
    "zeros": lambda dout, c: np.zeros_like(dout),
}


@pytest.mark.parametrize("wrong_dx", MUTANTS.values(), ids=MUTANTS)
@every_shape
def test_the_layer_check_rejects(wrong_dx, shape):
    wrong = batchnorm(lambda dout, cache: (wrong_dx(dout, cache), *batchnorm_backward(dout, cache)[1:]))
    with pytest.raises(AssertionError, match="dx disagrees"):
        check_layer(wrong, shape, 0)
