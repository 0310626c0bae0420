"""docs/relatives.md: the function on that page, for each row of its table, against a complex step."""

import re

import numpy as np
import pytest

from cs231n.gradient_check import complex_step_gradient
from cs231n.layers import (
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)
from tests.support import ROOT, relative

TEXT = (ROOT / "docs" / "relatives.md").read_text(encoding="utf-8")
SIZES = {"N": 3, "D": 5, "C": 4, "G": 2, "H": 2, "W": 7}
ROWS = re.findall(r"^\| ([\w ,]+) \| `(\(.*?\))` \| `(\(.*?\))` \| ([\w/ ]+) \| n - (\d) \|$", TEXT, re.M)
every_row = pytest.mark.parametrize("layer, shape, axes, count, lost", ROWS, ids=[row[0] for row in ROWS])
EPS = 0.2  # large enough to be seen


def page_function():
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names = {"np": np}
    exec(code, names)
    return names["normalize_backward"]


def forward(x, axes, eps, subtract_mean):
    """x_hat by its definition, without keepdims and without a projector."""
    n = np.prod([x.shape[a] for a in axes])
    sums = [a if a in axes else None for a in range(x.ndim)]
    place = tuple(slice(None) if a is None else None for a in sums)
    mean = x.sum(axis=axes)[place] / n if subtract_mean else 0
    return (x - mean) * (((x - mean) ** 2).sum(axis=axes)[place] / n + eps) ** -0.5


def setting(layer, shape, axes):
    rng = np.random.RandomState(0)
    x, dx_hat = rng.randn(2, *eval(shape, dict(SIZES)))
    return 2 * x + 1, dx_hat, eval(axes), "without the mean" not in layer


@every_row
def test_the_function_of_the_page_is_the_gradient_of_each_row(layer, shape, axes, count, lost):
    x, dx_hat, axes, subtract_mean = setting(layer, shape, axes)
    right = complex_step_gradient(lambda v: forward(v, axes, EPS, subtract_mean), x, dx_hat)
    assert relative(page_function()(x, dx_hat, axes, EPS, subtract_mean), right) <= 1e-14
    for wrong in {*range(x.ndim)} - {*axes}:  # and of no other row
        other = page_function()(x, dx_hat, (*axes, wrong), EPS, subtract_mean)
        assert relative(other, right) > 1e-2
    assert relative(page_function()(x, dx_hat, axes, EPS, not subtract_mean), right) > 1e-2


@every_row
def test_the_projector_keeps_as_many_directions_as_the_page_says(layer, shape, axes, count, lost):
    """The rank of the whole Jacobian at eps = 0, of which each set has a block."""
    x, _, axes, subtract_mean = setting(layer, shape, axes)
    n = np.prod([x.shape[a] for a in axes])
    assert n == eval(re.sub(r"(\w) (?=\w)", r"\1 * ", count), dict(SIZES))
    units = np.eye(x.size).reshape(-1, *x.shape)
    jacobian = np.stack([page_function()(x, unit, axes, 0.0, subtract_mean).reshape(-1) for unit in units])
    assert np.linalg.matrix_rank(jacobian, tol=1e-10) == (n - int(lost)) * (x.size // n)


def test_the_table_has_every_relative():
    assert [row[0] for row in ROWS] == [
        "batch normalization",
        "batch normalization of images",
        "layer normalization",
        "group normalization",
        "instance normalization",
        "RMS normalization, without the mean",
    ]
    assert TEXT.count("| n - ") == len(ROWS)


def test_the_layers_of_the_kit_are_rows_of_the_table():
    dx_of, rng = page_function(), np.random.RandomState(1)
    x, g = rng.randn(2, 3, 5)
    gamma, beta = rng.uniform(0.5, 2, 5), rng.randn(5)
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": EPS})
    assert relative(batchnorm_backward_alt(g, cache)[0], dx_of(x, gamma * g, (0,), EPS)) <= 1e-14
    _, cache = layernorm_forward(x, gamma, beta, {"eps": EPS})
    assert relative(layernorm_backward(g, cache)[0], dx_of(x, gamma * g, (1,), EPS)) <= 1e-14
    x, g = rng.randn(2, 3, 4, 2, 7)
    gamma, beta = rng.uniform(0.5, 2, 4), rng.randn(4)
    wide = gamma.reshape(1, 4, 1, 1)
    _, cache = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": EPS})
    assert relative(spatial_batchnorm_backward(g, cache)[0], dx_of(x, wide * g, (0, 2, 3), EPS)) <= 1e-14
    for G in (1, 2, 4):
        _, cache = spatial_groupnorm_forward(x, wide, beta.reshape(1, 4, 1, 1), G, {"eps": EPS})
        groups = (3, G, 4 // G, 2, 7)
        by_page = dx_of(x.reshape(groups), (wide * g).reshape(groups), (2, 3, 4), EPS).reshape(x.shape)
        assert relative(spatial_groupnorm_backward(g, cache)[0], by_page) <= 1e-14
        if G == 4:
            assert relative(by_page, dx_of(x, wide * g, (2, 3), EPS)) <= 1e-14


def test_a_set_of_one_or_two_numbers_passes_no_gradient():
    dx_of = page_function()
    pair, g = np.array([[0.3, 1.9]]), np.array([[1.0, 0.2]])
    assert np.abs(dx_of(pair, g, (1,), 0.0)).max() <= 1e-15 < np.abs(dx_of(pair, g, (1,), 0.0, False)).max()
    one = np.array([[-0.7]])
    np.testing.assert_allclose(forward(one, (1,), 0.0, False), [[-1.0]])
    np.testing.assert_allclose(forward(one, (1,), EPS, True), [[0.0]])


def test_weights_in_front_have_no_gradient_along_themselves():
    """Batch normalization: each column of W. Layer normalization: W as a whole, and no single column."""
    rng, dx_of = np.random.RandomState(2), page_function()
    z, W, g = rng.randn(9, 4), rng.randn(4, 5), rng.randn(9, 5)
    by_batch, by_row = (z.T @ dx_of(z @ W, g, axes, 0.0) for axes in [(0,), (1,)])
    assert np.abs((W * by_batch).sum(axis=0)).max() <= 1e-13 < 0.1 < np.abs(W * by_batch).max()
    assert abs((W * by_row).sum()) <= 1e-13 and np.abs((W * by_row).sum(axis=0)).max() > 0.1
