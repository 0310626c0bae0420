"""Clipping: one scale for all gradients, by the definition in long double over drawn arrays."""

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n.training.callbacks import clip_by_norm
from tests.support import unchanged
from tests.support.strategies import DTYPES, SCALES, arrays, assert_right, cases, limits, magnitude, wide

SHAPES = st.lists(st.integers(1, 5), max_size=3).map(tuple)


@cases(
    "clip_by_norm",
    data=st.data(),
    shapes=st.lists(SHAPES, min_size=1, max_size=3),
    dtype=DTYPES,
    norm=st.sampled_from([1e-3, 1, 1e10, 1e-35, np.float64(0.1)]),
)
def test_clip_by_norm(data, shapes, dtype, norm):
    """A gradient with NaN or infinity in it stays so; nothing else is scaled away."""
    scales = [SCALES, st.just(1e200)][dtype == np.float64 and data.draw(st.booleans())]
    grads = {f"W{i}": data.draw(arrays(s, dtype, scales)) for i, s in enumerate(shapes)}
    with unchanged(grads):
        clipped = clip_by_norm(grads, norm)
    eps, _, smallest = limits(dtype)
    # Each divided by the largest first, so that squares fit where long double is no wider than float64.
    largest = max(float(magnitude(g).max()) for g in grads.values()) or 1.0
    total = largest * np.sqrt(sum(((wide(g) / largest) ** 2).sum() for g in grads.values()))
    if not np.isfinite(total):
        assert not all(np.isfinite(g).all() for g in clipped.values())
        return
    scale = min(wide(1), norm / total) if total else wide(1)
    for name, g in grads.items():  # the scale itself may be denormal
        off = 64 * eps * magnitude(g) * scale + 4 * smallest * (1 + magnitude(g))
        assert_right(name, clipped[name], wide(g) * scale, off, dtype)


@pytest.mark.parametrize("size, dtype", [(1e200, "f8"), (1e-200, "f8"), (1e25, "f4"), (1, "f4")])
def test_clipping_has_one_scale_for_all_also_where_no_square_fits(size, dtype):
    grads = {"W": np.array([3 * size, 0], dtype), "b": np.array([-4 * size], dtype)}
    clipped = clip_by_norm(grads, 5.0 * min(size, 0.1))
    expected = np.array([3, 0, -4]) * min(size, 0.1)
    np.testing.assert_allclose(np.concatenate([*clipped.values()]).astype(float), expected, rtol=1e-6)
    assert clip_by_norm(grads, 5.001 * size) is grads and {g.dtype for g in clipped.values()} == {
        np.dtype(dtype)
    }


def test_gradients_as_long_as_the_norm_are_returned_as_they_are():
    grads = {"W": np.array([3.0, 4.0])}
    assert clip_by_norm(grads, 5) is grads and clip_by_norm({}, 5) == {}
