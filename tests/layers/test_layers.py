# ruff: noqa: F403, F405  layers are found by name, in the edition under test
"""Every layer against two independent derivatives, central differences and the complex step; and dropout."""

import numpy as np
import pytest

from cs231n.gradient_check import assert_gradient, complex_step_gradient, eval_numerical_gradient_array
from cs231n.layers import *
from tests.support import SEEDS, SHAPES, arrays_in, problem, relative, unchanged

pytestmark = pytest.mark.usefixtures("edition")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def affine(shape, seed):
    """(inputs by name, forward from those inputs, backward, dout)"""
    p = problem(shape, seed)
    inputs = {"x": p.x, "w": p.rng.normal(size=(shape[1], 4)), "b": p.rng.normal(size=4)}
    return inputs, affine_forward, affine_backward, p.rng.normal(size=(len(p.x), 4))


def affine_of_images(shape, seed):
    inputs, *layer, dout = affine((shape[0], 12), seed)
    return inputs | {"x": inputs["x"].reshape(-1, 2, 3, 2)}, *layer, dout


def relu(shape, seed):
    p = problem(shape, seed)
    p.x += np.copysign(0.01, p.x)  # off the kink, where no difference means anything
    return {"x": p.x}, relu_forward, relu_backward, p.dout


def batchnorm(backward):
    def case(shape, seed):
        p = problem(shape, seed)
        inputs = {"x": p.x, "gamma": p.gamma, "beta": p.beta}
        return inputs, lambda *i: batchnorm_forward(*i, {"mode": "train"}), backward, p.dout

    return case


def layernorm(shape, seed):
    p = problem(shape, seed)
    inputs = {"x": p.x, "gamma": p.gamma, "beta": p.beta}
    return inputs, lambda *i: layernorm_forward(*i, {}), layernorm_backward, p.dout


def dropout(mode):
    def case(shape, seed):
        p = problem(shape, seed)
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
every_layer = pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)


def check_layer(case, shape, seed):
    inputs, forward, backward, dout = case(shape, seed)
    grads = backward(dout, forward(*inputs.values())[1])
    for (name, value), grad in zip(
        inputs.items(), grads if isinstance(grads, tuple) else [grads], strict=True
    ):

        def f(v, name=name):
            return forward(*{**inputs, name: v}.values())[0]

        assert_gradient(f"d{name}", grad, f, value, dout)
        assert relative(eval_numerical_gradient_array(f, value, dout), grad) <= 1e-9  # the promise of the kit
        assert (
            relative(complex_step_gradient(f, value, dout), grad) <= 1e-14
        )  # no cancellation: rounding only


@every_seed
@every_shape
@every_layer
def test_backward_agrees_with_two_derivatives(case, shape, seed):
    check_layer(case, shape, seed)


@pytest.mark.parametrize("loss_of", [softmax_loss, svm_loss], ids=["softmax", "svm"])
@every_seed
@every_shape
def test_loss_gradients(loss_of, shape, seed):
    p = problem(shape, seed)
    loss, dx = loss_of(p.x, p.y)
    assert np.ndim(loss) == 0 and loss > 0
    assert_gradient("dx", dx, lambda v: loss_of(v, p.y)[0], p.x)
    assert relative(complex_step_gradient(lambda v: loss_of(v, p.y)[0], p.x), dx) <= 1e-14  # as above
    assert np.abs(dx.sum(axis=1)).max() <= 1e-15  # a constant on every score of a row changes nothing


@every_layer
def test_no_layer_writes_to_its_inputs_or_its_cache(case):
    inputs, forward, backward, dout = case((4, 3), 0)
    with unchanged(inputs):
        out, cache = forward(*inputs.values())
    with unchanged(inputs, dout, cache):
        first, second = arrays_in([backward(dout, cache)]), arrays_in([backward(dout, cache)])
    assert all(map(np.array_equal, first, second))
    assert not any(np.shares_memory(grad, dout) for grad in first)  # or changing it would change the caller's
    assert not any(np.shares_memory(out, a) for a in inputs.values())


@pytest.mark.parametrize("p", [0.25, 0.4, 0.7, 1.0])
def test_dropout_keeps_with_probability_p_and_the_expectation(p):
    x = np.full((200, 300), 10.0)
    out, (_, mask) = dropout_forward(x, {"mode": "train", "p": p})
    assert abs((out != 0).mean() - p) <= 5 * np.sqrt(p * (1 - p) / x.size)  # five standard errors
    assert np.allclose(out[out != 0], 10 / p, rtol=1e-15, atol=0) and np.array_equal(out, x * mask)


def test_dropout_draws_from_its_seed_its_rng_or_the_global_stream():
    def draw(**more):
        return dropout_forward(np.ones((5, 40)), {"mode": "train", "p": 0.5, **more})[0].tolist()

    np.random.seed(5)
    first, second = draw(), draw()
    np.random.seed(5)
    assert first == draw() != second
    position = np.random.get_state()[2]
    assert draw(seed=3) == draw(seed=3) != draw(seed=4)
    for make in (np.random.RandomState, np.random.default_rng):
        rng = make(0)
        first, second = draw(rng=rng), draw(rng=rng)
        assert first == draw(rng=make(0)) != second
    assert np.random.get_state()[2] == position
