# ruff: noqa: F403, F405  layers are found by name, in the edition under test
"""Batch and group normalization of images: derivatives, PyTorch, identities, numbers of public notebooks."""

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n import layers
from cs231n.gradient_check import (
    assert_gradient,
    complex_step_gradient,
    eval_numerical_gradient_array,
    rel_error,
)
from cs231n.layers import *
from tests.support import arrays_in, refused, relative, unchanged
from tests.support.strategies import SEEDS, cases

pytestmark = pytest.mark.usefixtures("edition")
SIZES = {"N": st.integers(3, 5), "C": st.integers(1, 4), "H": st.integers(1, 3), "W": st.integers(2, 5)}
NORMS = ["batchnorm", "groupnorm"]
every_norm = pytest.mark.parametrize("norm", NORMS)


def images(norm, N=3, C=6, H=2, W=5, seed=0, dtype=np.float64):
    """{name: array} of x, gamma and beta; dout."""
    rng = np.random.RandomState(seed)
    shape = (C,) if norm == "batchnorm" else (1, C, 1, 1)
    arrays = [2 * rng.normal(size=(N, C, H, W)) + 1, rng.uniform(0.5, 2, shape), rng.normal(size=shape)]
    inputs = {name: a.astype(dtype) for name, a in zip(("x", "gamma", "beta"), arrays)}
    return inputs, rng.normal(size=(N, C, H, W)).astype(dtype)


def forward(norm, inputs, G=3, eps=1e-3):
    if norm == "batchnorm":
        return spatial_batchnorm_forward(*inputs.values(), {"mode": "train", "eps": eps})
    return spatial_groupnorm_forward(*inputs.values(), G, {"eps": eps})


def gradients(norm, dout, cache):
    """{name: array} of dx, dgamma and dbeta."""
    backward = spatial_batchnorm_backward if norm == "batchnorm" else spatial_groupnorm_backward
    return dict(zip(("x", "gamma", "beta"), backward(dout, cache), strict=True))


def draw_sizes(data):
    """Sizes, and a number of groups that divides C; a group has at least 3 numbers, for dx not to vanish."""
    sizes = {name: data.draw(values, label=name) for name, values in SIZES.items()}
    sizes["C"] *= (G := data.draw(st.integers(1, 3), label="G"))
    sizes["W"] += sizes["W"] == 2 and sizes["H"] == 1
    return sizes, G


@every_norm
@cases("spatial layers, gradients", data=st.data(), seed=SEEDS)
def test_gradients_agree_with_two_derivatives_in_every_shape(norm, data, seed):
    sizes, G = draw_sizes(data)
    inputs, dout = images(norm, **sizes, seed=seed)
    grads = gradients(norm, dout, forward(norm, inputs, G)[1])
    for name, value in inputs.items():

        def f(v, name=name):
            return forward(norm, {**inputs, name: v}, G)[0]

        assert grads[name].shape == value.shape
        assert_gradient(f"d{name}", grads[name], f, value, dout)
        exact = complex_step_gradient(f, value, dout)
        largest = np.abs(exact).max()  # of a sum over all pixels, whose terms are of size 1
        assert np.abs(grads[name] - exact).max() <= 1e-13 * max(largest, 1)


@every_norm
@cases("spatial layers, both precisions", data=st.data(), seed=SEEDS)
def test_float32_stays_and_agrees_with_float64(norm, data, seed):
    """Sums of at most 300 terms of size 1 to 10, in steps of 1e-7, divided by deviations around 2."""
    sizes, G = draw_sizes(data)
    inputs, dout = images(norm, **sizes, seed=seed)
    small = {name: a.astype(np.float32) for name, a in inputs.items()}
    (out, cache), (exact, exact_cache) = forward(norm, small, G), forward(norm, inputs, G)
    grads = gradients(norm, dout.astype(np.float32), cache).values()
    for computed, right in zip(
        [out, *grads], [exact, *gradients(norm, dout, exact_cache).values()], strict=True
    ):
        assert computed.dtype == np.float32
        np.testing.assert_allclose(computed, right, rtol=1e-4, atol=2e-4)


@every_norm
@pytest.mark.parametrize("sizes", [(3, 6, 2, 5), (4, 3, 7, 1), (5, 12, 3, 2)], ids=str)
def test_pytorch_agrees(norm, sizes):
    torch = pytest.importorskip("torch", reason="PyTorch is an optional oracle: pip install torch")
    F, (inputs, dout) = torch.nn.functional, images(norm, *sizes)
    leaves = [
        torch.tensor(a.reshape(a.shape if a.ndim == 4 and len(a) > 1 else -1), requires_grad=True)
        for a in inputs.values()
    ]
    if norm == "batchnorm":
        by_torch = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=1e-3)
    else:
        by_torch = F.group_norm(leaves[0], 3, *leaves[1:], eps=1e-3)
    by_torch.backward(torch.tensor(dout))
    out, cache = forward(norm, inputs)
    computed = [out, *gradients(norm, dout, cache).values()]
    for a, b in zip(computed, [by_torch.detach(), *(leaf.grad for leaf in leaves)], strict=True):
        assert relative(a, b.numpy().reshape(a.shape)) <= 1e-12  # the same sums in another order


def same(computed, expected):
    for a, b in zip(computed, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_images_of_one_pixel_are_rows_of_batchnorm():
    inputs, dout = images("batchnorm", N=5, C=3, H=1, W=1)
    out, cache = forward("batchnorm", inputs)
    rows, row_cache = batchnorm_forward(
        inputs["x"][:, :, 0, 0], inputs["gamma"], inputs["beta"], {"mode": "train", "eps": 1e-3}
    )
    dx, *others = batchnorm_backward(dout[:, :, 0, 0], row_cache)
    same(
        [out, *gradients("batchnorm", dout, cache).values()],
        [rows[:, :, None, None], dx[:, :, None, None], *others],
    )


def test_the_order_of_pixels_and_images_does_not_matter():
    """Only which numbers share a channel does."""
    inputs, dout = images("batchnorm", N=3, C=4, H=2, W=5)
    rng, turned = np.random.RandomState(1), []
    order = rng.permutation(30)
    for a in (inputs["x"], dout):
        pixels = a.transpose(1, 0, 2, 3).reshape(4, -1)[:, order]
        turned.append(pixels.reshape(4, 5, 2, 3).transpose(1, 0, 2, 3))  # (5, 4, 2, 3)
    out, cache = forward("batchnorm", inputs)
    other, other_cache = forward("batchnorm", inputs | {"x": turned[0]})
    dx, *rest = gradients("batchnorm", dout, cache).values()
    other_dx, *other_rest = gradients("batchnorm", turned[1], other_cache).values()
    same(rest, other_rest)
    for a, b in [(out, other), (dx, other_dx)]:
        same([a.transpose(1, 0, 2, 3).reshape(4, -1)[:, order]], [b.transpose(1, 0, 2, 3).reshape(4, -1)])


def test_one_group_is_layer_normalization_of_the_image():
    inputs, dout = images("groupnorm", N=3, C=4, H=2, W=5)
    gamma, beta = (np.broadcast_to(inputs[n], (1, 4, 2, 5)).reshape(-1).copy() for n in ("gamma", "beta"))
    out, cache = forward("groupnorm", inputs, G=1)
    rows, row_cache = layernorm_forward(inputs["x"].reshape(3, -1), gamma, beta, {"eps": 1e-3})
    dx, dgamma, dbeta = layernorm_backward(dout.reshape(3, -1), row_cache)
    per_channel = [a.reshape(4, -1).sum(axis=1).reshape(1, 4, 1, 1) for a in (dgamma, dbeta)]
    same(
        [out, *gradients("groupnorm", dout, cache).values()],
        [rows.reshape(out.shape), dx.reshape(out.shape), *per_channel],
    )


def test_a_group_for_each_channel_is_instance_normalization():
    """Which is spatial batchnorm of one image at a time."""
    inputs, dout = images("groupnorm", N=3, C=4, H=2, W=5)
    out, cache = forward("groupnorm", inputs, G=4)
    dx, dgamma, dbeta = gradients("groupnorm", dout, cache).values()
    flat = {name: inputs[name].reshape(-1) for name in ("gamma", "beta")}
    alone = [forward("batchnorm", {"x": inputs["x"][i : i + 1], **flat}) for i in range(3)]
    grads = [gradients("batchnorm", dout[i : i + 1], alone[i][1]) for i in range(3)]
    same([out, dx], [np.concatenate([image[0] for image in alone]), np.concatenate([g["x"] for g in grads])])
    same([dgamma.reshape(-1), dbeta.reshape(-1)], [sum(g[n] for g in grads) for n in ("gamma", "beta")])


@every_norm
def test_nothing_is_written_to_and_nothing_is_shared(norm):
    inputs, dout = images(norm)
    with unchanged(inputs):
        out, cache = forward(norm, inputs)
    with unchanged(inputs, dout, cache):
        first, second = (arrays_in([gradients(norm, dout, cache)]) for _ in range(2))
    assert all(map(np.array_equal, first, second)) and not np.shares_memory(out, inputs["x"])
    assert not any(np.shares_memory(grad, dout) for grad in first)


def test_statistics_of_channels_in_training_and_at_test_time():
    inputs, _ = images("batchnorm", N=4, C=3)
    x, gamma, beta = inputs.values()
    param = {"mode": "train", "momentum": 0.75}
    for part in (x, x[:2]):
        spatial_batchnorm_forward(part, gamma, beta, param)
    axes = (0, 2, 3)
    mean = 0.75 * 0.25 * x.mean(axis=axes) + 0.25 * x[:2].mean(axis=axes)
    var = 0.75 * 0.25 * x.var(axis=axes) + 0.25 * x[:2].var(axis=axes)
    same([param["running_mean"], param["running_var"]], [mean, var])
    param["mode"] = "test"
    out, cache = spatial_batchnorm_forward(x[:1], gamma, beta, param)
    column = (slice(None), None, None)
    same([out], [gamma[column] * (x[:1] - mean[column]) / np.sqrt(var + 1e-5)[column] + beta[column]])
    assert cache is None
    with refused(ValueError, "spatial_batchnorm_backward: cache is None"):
        spatial_batchnorm_backward(x[:1], cache)


def test_what_public_notebooks_of_batchnorm_state():
    """The code of the notebooks of 2016 to 2026, with the numbers stored in them."""
    np.random.seed(231)
    x, axes = 4 * np.random.randn(2, 3, 4, 5) + 10, (0, 2, 3)
    np.testing.assert_allclose(x.mean(axis=axes), [9.33463814, 8.90909116, 9.11056338], atol=5e-9)
    out, _ = spatial_batchnorm_forward(x, np.ones(3), np.zeros(3), {"mode": "train"})
    np.testing.assert_allclose(out.mean(axis=axes), 0, atol=1e-14)
    np.testing.assert_allclose(out.std(axis=axes), [0.99999962, 0.99999951, 0.9999996], atol=5e-9)
    out, _ = spatial_batchnorm_forward(x, np.asarray([3, 4, 5]), np.asarray([6, 7, 8]), {"mode": "train"})
    np.testing.assert_allclose(out.mean(axis=axes), [6, 7, 8], rtol=1e-13)
    np.testing.assert_allclose(out.std(axis=axes), [2.99999885, 3.99999804, 4.99999798], atol=5e-9)

    np.random.seed(231)
    bn_param, gamma, beta = {"mode": "train"}, np.ones(4), np.zeros(4)
    for _ in range(50):
        x = 2.3 * np.random.randn(10, 4, 11, 12) + 13
        spatial_batchnorm_forward(x, gamma, beta, bn_param)
    bn_param["mode"] = "test"
    x = 2.3 * np.random.randn(10, 4, 11, 12) + 13
    a_norm, _ = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(a_norm.mean(axis=axes), 0, atol=0.15)  # "close to zero, but noisier": 0.08
    np.testing.assert_allclose(a_norm.std(axis=axes), 1, atol=0.05)
    assert bn_param["running_mean"].shape == bn_param["running_var"].shape == (4,)


def test_what_public_notebooks_of_groupnorm_state():
    np.random.seed(231)
    x, ones = 4 * np.random.randn(2, 6, 4, 5) + 10, np.ones((1, 6, 1, 1))
    for param in ({"mode": "train"}, {}, {"eps": 1e-5}):  # notebooks pass the first one here
        out, _ = spatial_groupnorm_forward(x, ones, 0 * ones, 2, param)
        groups = out.reshape(4, -1)
        np.testing.assert_allclose(groups.mean(axis=1), 0, atol=1e-14)
        stated = [0.99999963, 0.99999948, 0.99999973, 0.99999968]
        np.testing.assert_allclose(groups.std(axis=1), stated, atol=5e-9)


@every_norm
def test_the_gradient_checks_of_public_notebooks(norm):
    """N = 2 and a large mean, as they have it; they expect relative errors of 1e-6 and 1e-7 at most."""
    np.random.seed(231)
    N, C, H, W = (2, 3, 4, 5) if norm == "batchnorm" else (2, 6, 4, 5)
    shape = (C,) if norm == "batchnorm" else (1, C, 1, 1)
    x = 5 * np.random.randn(N, C, H, W) + 12
    gamma, beta, dout = np.random.randn(*shape), np.random.randn(*shape), np.random.randn(N, C, H, W)
    inputs = {"x": x, "gamma": gamma, "beta": beta}
    grads = gradients(norm, dout, forward(norm, inputs, G=2, eps=1e-5)[1])
    for name, value in inputs.items():
        numeric = eval_numerical_gradient_array(
            lambda _: forward(norm, inputs, G=2, eps=1e-5)[0], value, dout
        )
        assert rel_error(numeric, grads[name]) <= {"batchnorm": 1e-6, "groupnorm": 1e-7}[norm], name


def test_the_batchnorm_of_a_learner_is_used(monkeypatch):
    """With any cache, and as it is at the time of the call."""

    def own_forward(x, gamma, beta, bn_param):
        mean, var = x.mean(axis=0), x.var(axis=0) + bn_param.get("eps", 1e-5)
        return gamma * (x - mean) / var**0.5 + beta, [x, gamma, bn_param]

    def own_backward(dout, cache):
        x, gamma, bn_param = cache

        def f(v):
            centered = v - v.mean(axis=0)
            return gamma * centered / ((centered**2).mean(axis=0) + bn_param.get("eps", 1e-5)) ** 0.5

        x_hat = f(x) / gamma
        return complex_step_gradient(f, x, dout), (dout * x_hat).sum(axis=0), dout.sum(axis=0)

    expected = {}
    for norm in NORMS:
        inputs, dout = images(norm, N=3, C=3, H=1, W=2)
        out, cache = forward(norm, inputs)
        expected[norm] = [out, *gradients(norm, dout, cache).values()]
    monkeypatch.setattr(layers, "batchnorm_forward", own_forward)
    monkeypatch.setattr(layers, "batchnorm_backward", own_backward)
    for norm in NORMS:
        inputs, dout = images(norm, N=3, C=3, H=1, W=2)
        out, cache = forward(norm, inputs)
        same([out, *gradients(norm, dout, cache).values()], expected[norm])


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"G": 4}, "G must divide the 6 channels of x, got 4; try one of 1, 2, 3, 6"),
        (
            {"gamma": np.ones(6)},
            "gamma must be (1, C, 1, 1) = (1, 6, 1, 1) to go with x (3, 6, 2, 5), got (6,); "
            "try gamma.reshape(1, 6, 1, 1)",
        ),
        ({"gamma": np.ones((2, 6, 2, 2))}, "gamma must be (1, C, 1, 1) = (1, 6, 1, 1)"),
        ({"x": np.ones((3, 60))}, "x must be (N, C, H, W), got (3, 60)"),
    ],
    ids=["G", "gamma-of-one-axis", "gamma-of-four-axes", "x"],
)
def test_groupnorm_says_what_does_not_fit(change, complaint):
    arguments = images("groupnorm")[0] | {"G": 2, "gn_param": {}} | change
    with refused(ValueError, f"spatial_groupnorm_forward: {complaint}"):
        spatial_groupnorm_forward(**arguments)


def test_images_turned_by_a_quarter_are_no_upstream_gradient():
    """dout has as many numbers as out, and batchnorm alone would take it."""
    inputs, dout = images("batchnorm")
    _, cache = forward("batchnorm", inputs)
    with refused(ValueError, "spatial_batchnorm_backward: dout must have the shape of the forward's output"):
        spatial_batchnorm_backward(dout.transpose(0, 1, 3, 2), cache)
