"""Refuse a variance that overflows its dtype, or that is zero, before anything is divided by it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np


def require_variance(axis: int) -> Callable:
    """A last check of a normalization's options: x, the first array, has a variance along axis.

    A variance that overflows makes x_hat zero, so out would be finite and wrong; one that vanishes, where eps
    is zero, leaves x_hat no digits. NaN and infinity pass, because they show in out. In mode "test" batchnorm
    (axis 0) is given its variance, and x is not looked at.

    Raises:
        OverflowError, ValueError: with the column or row, before anything is changed.
    """

    def check(where: str, options: Mapping, arrays: Sequence[np.ndarray]) -> None:
        x = arrays[0]
        if axis == 0 and options["mode"] == "test":
            return
        limits = np.finfo(x.dtype)
        # One fast pass: no variance exceeds the sum of all squares.
        if options.get("eps", 1) >= limits.tiny and np.vdot(x, x).real < limits.max:
            return
        eps = float(options.get("eps", 1e-5))
        with np.errstate(all="ignore"):
            centered = x - x.mean(axis=axis, keepdims=True)
            inv_std = 1 / np.sqrt((centered * centered).mean(axis=axis) + eps)
        require_scale(where, x, inv_std, eps, axis)

    return check


def require_scale(where: str, x: np.ndarray, inv_std: np.ndarray, eps: float, axis: int = 0) -> None:
    """Check inv_std, 1 / sqrt(var + eps), of each column (axis 0) or row (axis 1) of x: see above."""
    tiny = np.finfo(x.dtype).tiny
    if eps >= tiny and inv_std.all():
        return
    line, inv_std = "row" if axis else "column", np.abs(inv_std)
    overflows, vanishes = inv_std == 0, inv_std > tiny**-0.5
    if overflows.any():
        raise OverflowError(
            f"{where}: the variance of {line} {overflows.argmax()} of x overflows "
            f"{x.dtype}; try a smaller learning_rate or weight_scale, or x in float64"
        )
    if vanishes.any():
        raise ValueError(
            f"{where}: the variance of {line} {vanishes.argmax()} of x is 0 or tiny, and eps is {eps:g}; "
            "try eps=1e-5"
        )
