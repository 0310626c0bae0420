"""Sandwiches: the gradient of the whole against differences, and against its layers one by one."""

from itertools import product

import numpy as np
import pytest

from cs231n.gradient_check import assert_gradient, complex_step_gradient
from cs231n.layer_utils import (
    affine_norm_relu_dropout_backward,
    affine_norm_relu_dropout_forward,
    affine_norm_relu_forward,
    affine_relu_backward,
    affine_relu_forward,
)
from cs231n.layers import affine_forward, batchnorm_forward, dropout_forward, layernorm_forward, relu_forward
from tests.support import SEEDS, problem, unchanged

pytestmark = pytest.mark.usefixtures("edition")


NORMALIZATIONS = [None, "batchnorm", "layernorm"]
DROPOUTS = [None, {}, {"mode": "train", "p": 0.7, "seed": 3}]


def sandwich(seed=0, dtype=np.float64):
    p = problem((5, 6), seed, dtype)
    x = p.x.reshape(5, 3, 2)
    w, b = p.rng.normal(size=(6, 4)).astype(dtype), p.rng.normal(size=4).astype(dtype)
    gamma, beta = p.rng.uniform(0.5, 2, 4).astype(dtype), p.rng.normal(size=4).astype(dtype)
    return {"x": x, "w": w, "b": b, "gamma": gamma, "beta": beta}, p.rng.normal(size=(5, 4)).astype(dtype)


def norm_param(normalization):
    return {"mode": "train"} if normalization == "batchnorm" else {}


@pytest.mark.parametrize("seed", SEEDS)
def test_affine_relu(seed):
    inputs, dout = sandwich(seed)
    inputs = {k: inputs[k] for k in ("x", "w", "b")}
    with unchanged(inputs, dout):
        out, cache = affine_relu_forward(*inputs.values())
        grads = affine_relu_backward(dout, cache)
    np.testing.assert_array_equal(out, relu_forward(affine_forward(*inputs.values())[0])[0])
    for (name, value), grad in zip(inputs.items(), grads, strict=True):

        def f(v, name=name):
            return affine_relu_forward(*{**inputs, name: v}.values())[0]

        assert_gradient(f"d{name}", grad, f, value, dout)
        np.testing.assert_allclose(complex_step_gradient(f, value, dout), grad, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("normalization, dropout", list(product(NORMALIZATIONS, DROPOUTS)), ids=str)
def test_affine_norm_relu_dropout(normalization, dropout, seed):
    inputs, dout = sandwich(seed)

    def forward(x, w, b, gamma, beta):
        if normalization is None:
            gamma = beta = None  # not read
        return affine_norm_relu_dropout_forward(
            x, w, b, gamma, beta, norm_param(normalization), normalization, dropout
        )

    with unchanged(inputs, dout):
        cache = forward(*inputs.values())[1]
        grads = affine_norm_relu_dropout_backward(dout, cache)
    assert len(grads) == 5
    for (name, value), grad in zip(inputs.items(), grads, strict=True):
        if normalization is None and name in ("gamma", "beta"):
            assert grad is None
            continue
        assert_gradient(
            f"d{name}", grad, lambda v, n=name: forward(*{**inputs, n: v}.values())[0], value, dout
        )
    if normalization == "batchnorm":
        assert np.abs(grads[2]).max() <= 1e-14  # db, a bias in front of batchnorm


@pytest.mark.parametrize(
    "normalization, layer", [("batchnorm", batchnorm_forward), ("layernorm", layernorm_forward)]
)
def test_the_order_is_affine_norm_relu_dropout(normalization, layer):
    inputs, _ = sandwich()
    x, w, b, gamma, beta = inputs.values()
    param = {"mode": "train", "p": 0.7, "seed": 3}
    by_hand = layer(affine_forward(x, w, b)[0], gamma, beta, norm_param(normalization))[0]
    by_hand = dropout_forward(relu_forward(by_hand)[0], param)[0]
    args = (x, w, b, gamma, beta, norm_param(normalization), normalization)
    # To the last digit or two: a fused layer rounds elsewhere.
    np.testing.assert_allclose(affine_norm_relu_dropout_forward(*args, param)[0], by_hand, rtol=1e-14)
    np.testing.assert_array_equal(
        affine_norm_relu_dropout_forward(*args, None)[0], affine_norm_relu_forward(*args)[0]
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_float32_stays(normalization):
    inputs, dout = sandwich(dtype=np.float32)
    out, cache = affine_norm_relu_dropout_forward(
        *inputs.values(), norm_param(normalization), normalization, {"mode": "train", "p": np.float64(0.5)}
    )
    assert out.dtype == np.float32
    assert all(g is None or g.dtype == np.float32 for g in affine_norm_relu_dropout_backward(dout, cache))


def test_an_unknown_normalization_is_refused_before_the_statistics_move():
    inputs, _ = sandwich()
    for word in ("batch_norm", "", None):
        with pytest.raises(ValueError, match="normalization must be one of 'batchnorm', 'layernorm'"):
            affine_norm_relu_forward(*inputs.values(), {"mode": "train"}, word)


@pytest.mark.parametrize(
    "dropout", [{"mode": "train", "p": 2}, {"mode": "tarin", "p": 0.5}, {"p": 0.5}], ids=str
)
def test_bad_dropout_is_refused_before_the_statistics_move(dropout):
    inputs, _ = sandwich()
    bn_param = {"mode": "train"}
    with pytest.raises(ValueError, match="dropout_param"):
        affine_norm_relu_dropout_forward(*inputs.values(), bn_param, "batchnorm", dropout)
    assert bn_param == {"mode": "train"}, "running statistics moved for a batch that was refused"
