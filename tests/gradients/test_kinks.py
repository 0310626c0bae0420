"""Entries of x near a kink of f: the checks say so, and blame no gradient that is right."""

import numpy as np
import pytest

from cs231n.gradient_check import (
    assert_directional,
    assert_gradient,
)
from tests.support import problem

both_checks = pytest.mark.parametrize("check", [assert_gradient, assert_directional])


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
