"""Numbers drawn to break things: scales, poison, memory layouts; and what counts as a right answer to them.

The rule for every function: a finite answer is right, to as many digits as its arguments have; NaN, infinity
and what outgrows the dtype show in the answer, where they belong, or raise an error that names the argument.
No argument changes. The truth is computed in long double, whose range holds every square of a float64.
"""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from tests.support.tally import HELD, TRIED

DTYPES = st.sampled_from([np.float32, np.float64])
SCALES = st.sampled_from([1.0, 1e-3, 1e6, 1e-30, 1e30, 1e-42])  # the last is denormal in float32
LAYOUTS = st.sampled_from(["C", "F", "strided", "reversed", "read-only"])
OFFSETS = st.sampled_from([0.0, 1.0, 1e6])
POISON = st.sampled_from([None, None, None, np.nan, np.inf, -np.inf])
SEEDS = st.integers(0, 2**31)
WIDE = np.finfo(np.longdouble).maxexp > 2**11  # not on every processor


def cases(function, /, **strategies):
    """given(**strategies), with every case counted under the name of the function that it tries."""

    def decorate(test):
        @functools.wraps(test)
        def counted(*args, **kwargs):
            try:
                with np.errstate(all="ignore"):  # a warning of numpy is not the only sign
                    test(*args, **kwargs)
            except UnsatisfiedAssumption:
                raise
            except Exception:  # hypothesis stops a draw that is too long by another kind
                TRIED["Numbers", function] += 1
                raise
            TRIED["Numbers", function] += 1
            HELD["Numbers", function] += 1

        quiet = settings(suppress_health_check=list(HealthCheck))  # the fixture of editions, and the time
        return pytest.mark.reliability(quiet(given(**strategies)(counted)))

    return decorate


def laid_out(a, layout):
    """The numbers of a in another order of memory."""
    if layout == "F":
        return a.copy(order="F")
    if layout in ("strided", "reversed") and a.ndim:
        step = 2 if layout == "strided" else -1
        a = np.repeat(a, 2, axis=-1)[..., ::2] if step == 2 else a[..., ::-1].copy()[..., ::-1]
    elif layout == "read-only":
        a = a.copy()
        a.flags.writeable = False
    return a


@st.composite
def arrays(draw, shape, dtype, scales=SCALES, poison=POISON, offsets=OFFSETS, layouts=LAYOUTS):
    """Normal numbers of one scale around an offset of so many deviations, or alike; perhaps one broken."""
    scale, seed = draw(scales), draw(SEEDS)
    kind = draw(st.sampled_from(["normal", "normal", "normal", "constant", "zeros", "column"]))
    rng = np.random.RandomState(seed)
    a = np.asarray(rng.normal(size=shape) + draw(offsets))
    if kind == "constant":
        a[...] = a.flat[0]
    elif kind == "column" and a.ndim:
        a[..., 0] = a.flat[0]
    a = np.asarray(a * (scale if kind != "zeros" else 0.0)).astype(dtype)
    bad = draw(poison)
    if bad is not None:
        a[np.unravel_index(rng.randint(a.size), a.shape)] = bad
    return laid_out(a, draw(layouts))


def wide(*things):
    """Arrays and numbers as long double."""
    wides = [np.asarray(t, dtype=np.longdouble) for t in things]
    return wides if len(wides) > 1 else wides[0]


def magnitude(a):
    """|a| in long double, with 0 for what is not finite, so that a tolerance made of it is a number."""
    return np.where(np.isfinite(a), np.abs(wide(a)), 0)


def assert_right(name, computed, truth, tolerance, dtype, may_overflow=False):
    """computed has the shape of truth, dtype, and each entry is right, or not finite where it has to be."""
    computed, truth = np.asarray(computed), np.asarray(truth)
    assert computed.shape == truth.shape, f"{name}: shape {computed.shape} for {truth.shape}"
    assert computed.dtype == dtype, f"{name}: {computed.dtype} for {np.dtype(dtype)}"
    fits = np.abs(truth) <= np.finfo(dtype).max
    near = np.abs(wide(computed) - truth) <= tolerance
    right = np.where(fits, near | ~np.isfinite(computed) & may_overflow, ~np.isfinite(computed) | near)
    if not right.all():
        at = np.unravel_index(np.argmin(right), right.shape)
        bound = np.broadcast_to(tolerance, right.shape)[at]
        raise AssertionError(
            f"{name} at {at}: computed {computed[at]!r}, truth {truth[at]!r}, tolerance {bound!r}"
        )


def limits(dtype):
    """eps, the largest number and the smallest, denormal, one of dtype."""
    info = np.finfo(dtype)
    return wide(info.eps, info.max, info.smallest_subnormal)
