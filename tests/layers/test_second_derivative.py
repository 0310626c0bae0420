# ruff: noqa: F403, F405  layers are found by name, in the edition under test
"""batchnorm_double_backward against two derivatives of a backward, and the identities of a Hessian."""

import functools

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from cs231n.gradient_check import complex_step_gradient, eval_numerical_gradient_array
from cs231n.layers import *
from tests.support import SEEDS, SHAPES, problem, refused, relative, unchanged

pytestmark = pytest.mark.usefixtures("edition")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)
every_eps = pytest.mark.parametrize("eps", [0.2, 1e-5])


def case(shape, seed=0, dtype=np.float64):
    """A problem with an upstream ddx as well."""
    p = problem(shape, seed, dtype)
    p.ddx = p.rng.normal(size=shape).astype(dtype)
    return p


def cache_of(p, eps=1e-5, **changed):
    values = vars(p) | changed
    return batchnorm_forward(values["x"], values["gamma"], p.beta, {"mode": "train", "eps": eps})[1]


def double_backward(p, eps=1e-5, **changed):
    """[ddout, dx, dgamma]"""
    values = vars(p) | changed
    return [*batchnorm_double_backward(values["ddx"], values["dout"], cache_of(p, eps, **changed))]


def dx_by_paths(x, gamma, dout, eps):
    """The dx of batchnorm summed over its three paths; a complex step passes through it."""
    N, centered = len(x), x - x.mean(axis=0)
    s = np.sqrt((centered * centered).mean(axis=0) + eps)
    g = gamma * dout
    dvar = -(g * centered).sum(axis=0) / (2 * s**3)
    return g / s + 2 * centered * dvar / N - g.sum(axis=0) / (N * s)


@every_eps
@every_seed
@every_shape
def test_it_agrees_with_central_differences_of_the_backward(shape, seed, eps):
    """Of the kit's own dx, whose differences are right to 1e-9 or so of the largest entry."""
    p = case(shape, seed)
    for name, grad in zip(("dout", "x", "gamma"), double_backward(p, eps)):

        def dx_of(v, name=name):
            values = vars(p) | {name: v}
            return batchnorm_backward(values["dout"], cache_of(p, eps, **{name: v}))[0]

        assert relative(eval_numerical_gradient_array(dx_of, getattr(p, name), p.ddx), grad) <= 1e-8, name


@given(
    N=st.integers(3, 9),
    D=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    eps=st.sampled_from([0.2, 1e-5]),
    mean=st.floats(-8, 8),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_it_agrees_with_a_complex_step(N, D, seed, eps, mean, dtype):
    """Of another expression of dx, in float64. Nothing cancels in the step, so what is left is rounding.

    Moving x by its own rounding moves x_hat by cond times it, and each of the three terms is a product of at
    most N entries of dout and of ddx.
    """
    p = case((N, D), seed, dtype)
    p.x = (p.x * p.rng.uniform(0.5, 2, D) + mean).astype(dtype)
    with unchanged(p.x, p.gamma, p.dout, p.ddx):
        grads = double_backward(p, eps)
    exact = {name: getattr(p, name).astype(np.float64) for name in ("dout", "x", "gamma", "ddx")}
    std = np.sqrt(exact["x"].var(axis=0) + eps).min()
    cond = 1 + np.abs(p.x).max() / std
    size = np.abs(p.ddx).max() * np.maximum(1, np.abs(p.dout).max()) * p.gamma.max() * (1 + 1 / std) ** 2
    bound = 4 * np.finfo(dtype).eps * cond * N * size
    for name, grad in zip(("dout", "x", "gamma"), grads):

        def dx_of(v, name=name):
            return dx_by_paths(**{n: exact[n] for n in ("dout", "x", "gamma")} | {name: v}, eps=eps)

        truth = complex_step_gradient(dx_of, exact[name], exact["ddx"])
        assert grad.dtype == dtype and grad.shape == truth.shape
        assert np.abs(grad - truth).max() <= bound, name


@functools.cache
def derived_by_sympy(N):
    """[ddout, dx, dgamma] of one column of N, differentiated as symbols and evaluated to 40 digits."""
    x, g, v = (sympy.symbols(f"{letter}:{N}") for letter in "xgv")
    gamma = sympy.Symbol("gamma")
    s = sympy.sqrt(sum((t - sum(x) / N) ** 2 for t in x) / N + sympy.Rational(1, 5))
    loss = sum(gamma * a * (t - sum(x) / N) / s for a, t in zip(g, x))
    along_v = sum(b * sympy.diff(loss, t) for b, t in zip(v, x))
    p = case((N, 1))
    numbers = np.concatenate([p.x, p.dout, p.ddx, p.gamma[:, None]]).ravel()
    values = {symbol: sympy.Rational(float(number)) for symbol, number in zip([*x, *g, *v, gamma], numbers)}
    return [
        [float(sympy.diff(along_v, symbol).subs(values).evalf(40)) for symbol in symbols]
        for symbols in (g, x, [gamma])
    ]


def test_it_is_the_second_derivative_by_sympy():
    for grad, truth in zip(double_backward(case((4, 1)), eps=0.2), derived_by_sympy(4), strict=True):
        np.testing.assert_allclose(grad.ravel(), truth, rtol=1e-13)


@every_eps
@every_seed
@every_shape
def test_it_is_a_symmetric_map_of_ddx_and_of_dout(shape, seed, eps):
    """<u, D(dx)[v]> = <v, D(dx)[u]>, since it is a Hessian; and dout and ddx may be exchanged in it."""
    p, u = case(shape, seed), np.random.RandomState(seed + 9).normal(size=shape)
    along_v, along_u = double_backward(p, eps), double_backward(p, eps, ddx=u)
    for first, second in zip(along_v[:2], along_u[:2]):
        sums = (u * first).sum(axis=0), (p.ddx * second).sum(axis=0)
        np.testing.assert_allclose(*sums, rtol=1e-11, atol=1e-13)
    exchanged = double_backward(p, eps, ddx=p.dout, dout=p.ddx)
    for value, expected in zip(exchanged[1:], along_v[1:]):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-13)
    dx = batchnorm_backward(p.dout, cache_of(p, eps))[0]
    np.testing.assert_allclose(p.gamma * along_v[2], (p.ddx * dx).sum(axis=0), rtol=1e-11, atol=1e-13)


@every_eps
@every_seed
@every_shape
def test_along_1_it_is_zero_and_along_x_hat_what_homogeneity_says(shape, seed, eps):
    """x + c has the dx of x. With eps = 0, a x has dx / a, so the derivative along x_hat is -dx / s.

    With eps, x_hat has the mean square 1 - e, where e = eps / s^2, and the formula gives the rest.
    """
    p = case(shape, seed)
    s = np.sqrt(p.x.var(axis=0) + eps)
    x_hat, e = (p.x - p.x.mean(axis=0)) / s, eps / s**2
    dx, dgamma, _ = batchnorm_backward(p.dout, cache_of(p, eps))
    scale = np.abs(dx).max()
    along_1, along_x_hat, any_other = (
        double_backward(p, eps, ddx=ddx)[1] for ddx in (np.ones(shape), x_hat, p.ddx)
    )
    assert np.abs(along_1).max() <= 1e-13 * scale and np.abs(any_other.sum(axis=0)).max() <= 1e-13 * scale
    expected = -dx / s * (1 - e) - 2 * e * p.gamma / s**2 * dgamma / len(p.x) * x_hat
    np.testing.assert_allclose(along_x_hat, expected, rtol=0, atol=1e-13 * scale)


def test_it_refuses_what_does_not_belong_together():
    p = case((4, 3))
    cache, other = cache_of(p), cache_of(case((5, 3)))
    with refused(ValueError, "batchnorm_double_backward: dout must be (N, D) = (4, 3)", "; try dout.T"):
        batchnorm_double_backward(p.ddx, p.dout.T, cache)
    with refused(ValueError, "batchnorm_double_backward: dout must have the shape of the forward's output"):
        batchnorm_double_backward(p.ddx, p.dout, other)
    with refused(TypeError, "batchnorm_double_backward: ddx must be a numpy array (N, D)"):
        batchnorm_double_backward(None, p.dout, cache)
    param = {"mode": "test", "running_mean": p.beta, "running_var": p.gamma}
    in_test = batchnorm_forward(p.x, p.gamma, p.beta, param)[1]
    with refused(ValueError, "cache is None", "mode 'test'; try the cache of a forward in mode 'train'"):
        batchnorm_double_backward(p.ddx, p.dout, in_test)
