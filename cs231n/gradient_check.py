"""Check analytic gradients numerically, by central differences or a complex step.

    assert_gradient("dx", dx, lambda v: batchnorm_forward(v, gamma, beta, param())[0], x, dout)

returns if the gradient is right; else it raises an error that says what is wrong, where, by how much, and
what to try. The functions work for any f, not only for layers.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cs231n.contracts import describe_with_fix, is_plain_array, require_count, require_number

__all__ = [
    "rel_error",
    "assert_gradient",
    "assert_directional",
    "complex_step_gradient",
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "eval_numerical_gradient_blobs",
    "eval_numerical_gradient_net",
    "grad_check_sparse",
]


TWO_RESULTS = "f gives two results for one x; if it has dropout, set its seed."


def rel_error(x: np.ndarray | float, y: np.ndarray | float) -> float:
    """The largest relative error of two arrays of the same shape: max |x - y| / max(1e-8, |x| + |y|).

    Raises:
        TypeError: an array does not hold numbers.
        ValueError: the shapes differ, or an array is empty.
    """
    for name, a in [("x", x), ("y", y)]:
        _require_numbers("rel_error", name, a)
        if np.size(a) == 0:
            raise ValueError(f"rel_error: {name} is empty, its shape is {np.shape(a)}")
    x, y = (np.asarray(a, np.result_type(np.asarray(a), np.float64)) for a in (x, y))
    if x.shape != y.shape and x.ndim and y.ndim:
        raise ValueError(f"rel_error: x and y must have the same shape, got {x.shape} and {y.shape}")
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def eval_numerical_gradient(f: Callable, x: np.ndarray, verbose: bool = True, h: float = 1e-5) -> np.ndarray:
    """Central differences of a scalar f at x.

    Each entry of x is moved in place by +h and -h and then put back to the bit, also when f raises; f may
    therefore ignore its argument and read the array it closes over. The change of f is divided by the
    distance of the two points after rounding, which in float32 is not quite 2h.

    Args:
        f: from an array like x to a number.
        x: floating-point array of any shape.
        verbose: print each entry.
        h: the step; 1e-5 suits float64.

    Returns:
        The gradient, with the shape and dtype of x.

    Raises:
        TypeError: x is not floating point (an integer cannot move by h).
        ValueError: x is read-only, or h is lost in its rounding.
    """
    grad = np.zeros_like(x)
    for index in _indices("eval_numerical_gradient", x, h):
        change, step = _central_change(f, x, index, h)
        if change.ndim:
            raise ValueError(
                f"eval_numerical_gradient: f must return one number, got an array {change.shape}; "
                "try eval_numerical_gradient_array"
            )
        grad[index] = change / step
        if verbose:
            print(index, grad[index])
    return grad


def eval_numerical_gradient_array(
    f: Callable, x: np.ndarray, df: np.ndarray | float, h: float = 1e-5
) -> np.ndarray:
    """Central differences of sum(f(x) * df), for f from array to array and the upstream gradient df.

    Args:
        f: from an array like x to one like df.
        x: moved in place and put back, as in eval_numerical_gradient.
        df: a number, or an array of the shape of f(x).
        h: the step.

    Returns:
        The gradient, with the shape and dtype of x.

    Raises:
        TypeError, ValueError: as eval_numerical_gradient, and if df does not have the shape of f(x).
    """
    grad = np.zeros_like(x)
    for index in _indices("eval_numerical_gradient_array", x, h):
        change, step = _central_change(f, x, index, h)
        _require_upstream("eval_numerical_gradient_array", df, change)
        grad[index] = np.sum(change * df) / step
    return grad


def eval_numerical_gradient_blobs(
    f: Callable, inputs: Sequence, output: Any, h: float = 1e-5
) -> list[np.ndarray]:
    """Central differences for a function that reads and writes blobs, objects with arrays vals and diffs.

    Args:
        f: f(*inputs, output) reads the vals of each input and writes output.vals.
        inputs: a tuple of blobs.
        output: a blob whose diffs hold the upstream gradient.
        h: the step.

    Returns:
        The gradients, one for each input, with the shape of its vals.
    """

    def values(_):
        f(*inputs, output)
        return output.vals

    return [eval_numerical_gradient_array(values, blob.vals, output.diffs, h) for blob in inputs]


def eval_numerical_gradient_net(net: Any, inputs: Sequence, output: Any, h: float = 1e-5) -> list[np.ndarray]:
    """eval_numerical_gradient_blobs for an object whose forward() goes from its inputs to its output."""
    return eval_numerical_gradient_blobs(lambda *_: net.forward(), inputs, output, h)


def grad_check_sparse(
    f: Callable, x: np.ndarray, analytic_grad: np.ndarray, num_checks: int = 10, h: float = 1e-5
) -> None:
    """Compare num_checks entries, drawn from the global numpy stream, and print a line for each."""
    indices = _indices("grad_check_sparse", x, h)
    require_count("grad_check_sparse", "num_checks", num_checks, 0)
    _require_numbers("grad_check_sparse", "analytic_grad", analytic_grad)
    if np.shape(analytic_grad) != x.shape:
        raise ValueError(
            f"grad_check_sparse: analytic_grad must have the shape of x, {x.shape}, "
            f"got {np.shape(analytic_grad)}"
        )
    for _ in range(num_checks):
        index = indices[np.random.randint(len(indices))]
        change, step = _central_change(f, x, index, h)
        numerical, analytic = change / step, analytic_grad[index]
        print(
            f"numerical: {numerical:f} analytic: {analytic:f}, "
            f"relative error: {rel_error(numerical, analytic):e}"
        )


def complex_step_gradient(
    f: Callable, x: np.ndarray | float, df: np.ndarray | float = 1.0, h: float = 1e-30
) -> np.ndarray:
    """The gradient of sum(f(x) * df) by a step along the imaginary axis: no subtraction, so no cancellation.

        f(x + ih) = f(x) + ih f'(x) + O(h^2)        so        f'(x) = Im f(x + ih) / h

    For f made of analytic operations: + - * / ** exp log sqrt sum mean @, and max or a mask away from the
    kink. abs and a complex conjugate are not analytic: they give wrong results without an error.

    Args:
        f: takes a complex array of the shape of x.
        x: real array, not modified.
        df: upstream gradient, as in eval_numerical_gradient_array.
        h: the step, as small as you like.

    Returns:
        The gradient, float64, with the shape of x, right to about 1e-15 relative.

    Raises:
        TypeError: f lost the imaginary part on the way.

    Source: Squire and Trapp 1998, SIAM Review 40(1), eq. 4.
    """
    grad = np.empty(np.shape(x))
    for index in np.ndindex(grad.shape):
        moved = np.array(x, dtype=np.complex128)
        moved[index] += 1j * h
        out = np.asarray(f(moved))
        if out.dtype.kind != "c":
            raise TypeError(
                f"complex_step_gradient: f returned {out.dtype} for a complex argument, so the "
                "step was lost; try eval_numerical_gradient_array, or look for astype in f"
            )
        _require_upstream("complex_step_gradient", df, out)
        grad[index] = np.sum(out.imag * df) / h
    return grad


def assert_gradient(
    name: str,
    analytic: Any,
    f: Callable,
    x: np.ndarray,
    dout: np.ndarray | float = 1.0,
    h: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """Compare analytic with the gradient of sum(f(x) * dout) by central differences; raise if they differ.

    An entry passes when |analytic - numeric| <= atol + rtol * |numeric|. atol is there for a gradient whose
    true value is zero, where a relative error means nothing. So keep gradients well above atol: below it,
    zeros pass.

    Args:
        name: what to call the gradient in the message.
        analytic: the gradient to check.
        f: from an array like x to one like dout.
        x: float64 array, moved in place and put back.
        dout: upstream gradient, random, since all ones hide mistakes; not needed where f returns a number.
        h: the step.
        rtol: relative tolerance; the default suits float64.
        atol: absolute tolerance.

    Raises:
        AssertionError: the gradient is wrong; the message says where, by how much, and what to try. Or it
            cannot be compared, because f has a kink within h of x, as relu has at 0.
        TypeError: x is not float64.
        ValueError: dout does not have the shape of f(x).
    """
    analytic = _as_gradient("assert_gradient", name, analytic, x)
    center = _call_checking_purity(name, f, x)
    _require_dout("assert_gradient", dout, center)
    numeric = eval_numerical_gradient_array(f, x, dout, h)
    off = ~(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric)) | ~np.isfinite(numeric)
    if not off.any():
        return
    repeats = np.array_equal(f(x), f(x), equal_nan=True)
    at_kink = np.zeros(x.shape, bool)
    for index in map(tuple, np.argwhere(off & repeats)):
        at_kink[index] = _has_kink(f, x, index, h, center, dout, analytic)
    wrong, near, extra = off & ~at_kink, "within h of a kink of f", ""
    if wrong.any():
        verb, what = "disagrees", "wrong"
        advice = advice_on(np.where(at_kink, 0, analytic), np.where(at_kink, 0, numeric), wrong, atol)
        extra = f"\n  {at_kink.sum()} other entries are {near}" if at_kink.any() else ""
    else:
        verb, what, wrong = "cannot be compared", near, off
        advice = "move these entries of x more than h away from it (relu has one at 0), or take a smaller h."
    if not repeats:
        advice = TWO_RESULTS
    distance = np.where(np.isfinite(analytic - numeric), np.abs(analytic - numeric), np.inf)
    distance = np.where(wrong, distance, 0)
    worst = np.unravel_index(np.argmax(distance >= 0.999 * distance.max()), x.shape)  # the first of equals
    ratio = f", ratio {analytic[worst] / numeric[worst]:.4g}" if abs(numeric[worst]) > atol else ""
    place = ", ".join(str(int(i)) for i in worst)
    raise AssertionError(
        f"{name} {verb} with central differences\n  {wrong.sum()} of {x.size} entries are {what}; "
        f"the worst is at ({place}): "
        f"analytic {analytic[worst]:.4g}, numerical {numeric[worst]:.4g}{ratio}{extra}\n"
        f"  compared in float64, h={h:g}, rtol={rtol:g}, atol={atol:g}; x {x.shape}\n"
        + textwrap.fill(f"Try: {advice}", 78, initial_indent="  ", subsequent_indent="       ")
    )


def assert_directional(
    name: str,
    analytic: Any,
    f: Callable,
    x: np.ndarray,
    dout: np.ndarray | float = 1.0,
    rng: Any = None,
    h: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """Check one number instead of all: the slope along a random direction, two evaluations whatever the size.

        sum(analytic * u)  against  sum((f(x + hu) - f(x - hu)) * dout) / 2h,        |u| = 1

    A wrong gradient passes only if its error is orthogonal to u. A failure cannot say which entry is wrong;
    assert_gradient can.

    Args:
        name, analytic, f, x, dout, h, rtol, atol: as in assert_gradient.
        rng: where u comes from, a numpy Generator or RandomState (default: the global numpy stream).

    Raises:
        AssertionError, TypeError, ValueError: as assert_gradient.
    """
    analytic = _as_gradient("assert_directional", name, analytic, x)
    u = (np.random if rng is None else rng).normal(size=x.shape)
    u /= np.linalg.norm(u)
    change, step = _central_change(f, x, ..., h * u)
    _require_step(np.linalg.norm(step), np.abs(x).max(), x.dtype, 2 * h)
    _require_dout("assert_directional", dout, change)
    numeric, slope = np.sum(change * dout) / (2 * h), np.sum(analytic * step) / (2 * h)
    if not np.isfinite(numeric) or not abs(slope - numeric) <= atol + rtol * abs(numeric):
        verb, advice = "disagrees", "assert_gradient on a smaller x; it names the wrong entries."
        center = np.copy(f(x))
        if not np.array_equal(center, f(x), equal_nan=True):
            advice = TWO_RESULTS
        elif _has_kink(f, x, ..., h * u, center, dout, analytic):
            verb, advice = "cannot be compared", "a smaller h, or another x: f has a kink within h of x."
        raise AssertionError(
            f"{name} {verb} with central differences along a random direction\n"
            f"  slope: analytic {slope:.6g}, numerical {numeric:.6g}\n"
            f"  compared in float64, h={h:g}, rtol={rtol:g}, atol={atol:g}; x {x.shape}\n"
            f"  Try: {advice}"
        )


def _call_checking_purity(name: str, f: Callable, x: np.ndarray) -> np.ndarray:
    """f(x), for an f that leaves x alone: one that does not would be compared with a moving target."""
    before = x.copy()
    out = np.copy(f(x))
    if not np.array_equal(x, before, equal_nan=True):
        x[...] = before
        raise AssertionError(
            f"{name} cannot be checked: f writes into its argument x\n"
            "  Try: out = x - mu in place of x -= mu, or x = x.copy() as its first line."
        )
    return out


def _indices(where: str, x: Any, h: Any) -> list[tuple[int, ...]]:
    _require_movable(where, x)
    require_number(where, "h", h, 0, above=True)
    return list(np.ndindex(x.shape))


def _require_movable(where: str, x: Any) -> None:
    if not is_plain_array(x) or x.dtype.kind != "f":
        raise TypeError(
            f"{where}: x must be a floating-point array, because its entries move by h; "
            f"got {describe_with_fix('x', x)}"
        )
    if not x.flags.writeable:
        raise ValueError(f"{where}: x is read-only, but its entries are moved in place; try x.copy()")


def _moved(f: Callable, x: np.ndarray, index: Any, h: Any) -> tuple[np.ndarray, Any]:
    """f with x[index] moved by h, and the move that rounding left of it; x is put back whatever f does."""
    before, value = x.copy(), x[index] + np.float64(0)  # all of x: f may write into its argument
    try:
        x[index] = value + h
        move = x[index] - value
        if index is not ...:
            _require_step(move, value, x.dtype, h)
        return _values(f, x), move
    finally:
        x[...] = before


def _central_change(f: Callable, x: np.ndarray, index: Any, h: Any) -> tuple[np.ndarray, Any]:
    """f with x[index] moved up by h less f with it moved down, and the distance of these two points."""
    up, high = _moved(f, x, index, h)
    down, low = _moved(f, x, index, -h)
    return up - down, high - low


@np.errstate(invalid="ignore")  # the analytic gradient may be infinite
def _has_kink(
    f: Callable, x: np.ndarray, index: Any, h: Any, center: np.ndarray, dout: Any, analytic: np.ndarray
) -> bool:
    """Whether a kink of f within h of x[index] is why the slope of f there is not the analytic one.

    If not, f less its analytic tangent is smooth: its slopes to the right and to the left have the same mean
    at h as at h/4, and differ by 4 times as much. At a kink one of these is off by half of what the central
    difference is, or more.
    """
    slopes, length = [], np.linalg.norm(h)
    try:
        for step in (h, -h, h / 4, -h / 4):
            moved, move = _moved(f, x, index, step)
            change = np.sum((moved - center) * dout) - np.sum(analytic[index] * move)
            slopes.append(change / np.sum(move * h / length))
    except ValueError:  # h/4 is lost in rounding
        return False
    mean, mean_near = (slopes[0] + slopes[1]) / 2, (slopes[2] + slopes[3]) / 2
    jump, jump_near = slopes[0] - slopes[1], slopes[2] - slopes[3]
    eps = np.finfo(center.dtype if center.dtype.kind == "f" else np.float64).eps
    noise = 64 * eps * np.sum(np.abs(center * dout)) / length
    return bool(max(abs(mean - mean_near), abs(jump / 4 - jump_near)) > max(abs(mean) / 4, noise))


def _values(f: Callable, x: np.ndarray) -> np.ndarray:
    """f(x) as an array that can be subtracted: a copy, because f may return x itself."""
    out = np.asarray(f(x))
    if out.dtype.kind not in "fiub":
        raise TypeError(f"f must return real numbers, got {out.dtype}; does it end with return?")
    return out.astype(np.result_type(out, np.float64))


def _require_step(move: Any, value: Any, dtype: np.dtype, h: Any) -> None:
    if not move or abs(move - h) > 0.1 * abs(h):
        raise ValueError(
            f"h={abs(h):g} is lost in the rounding of x, {value:g} in {dtype}: an entry moves by "
            f"{move:g}; try a larger h, or x in float64 and of size about 1"
        )


def _require_numbers(where: str, name: str, values: Any) -> None:
    kind = np.asarray(values).dtype
    if kind.kind not in "fiubc":
        raise TypeError(f"{where}: {name} must hold numbers, got {describe_with_fix(name, values)}")


def _require_upstream(where: str, df: Any, out: np.ndarray) -> None:
    _require_numbers(where, "the upstream gradient", df)
    if np.ndim(df) > 0 and np.shape(df) != np.shape(out):
        raise ValueError(
            f"{where}: the upstream gradient must have the shape of f(x), {np.shape(out)}, got {np.shape(df)}"
        )


def _require_dout(where: str, dout: Any, out: np.ndarray) -> None:
    if np.ndim(dout) == 0 < np.ndim(out):
        raise ValueError(
            f"{where}: f returns an array {np.shape(out)}, so dout must be an array too, and random, "
            f"because all ones hide mistakes; try dout=np.random.randn{np.shape(out)}"
        )
    _require_upstream(where, dout, out)


def _as_gradient(where: str, name: str, analytic: Any, x: Any) -> np.ndarray:
    """analytic as an array of the shape of x, which is float64 and may be written to."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        raise TypeError(
            f"{where}: x must be float64, because at h=1e-5 a float32 difference is wrong by "
            f"percents; got {describe_with_fix('x', x)}"
        )
    _require_movable(where, x)
    if analytic is None:
        raise AssertionError(f"{name} is None\n  Try: return it from the backward function.")
    if np.shape(analytic) != x.shape:
        hint = "a gradient has the shape of its array, as dx that of x"
        if np.shape(analytic)[::-1] == x.shape:
            hint += "; the transpose has the right shape"
        raise AssertionError(
            f"{name} has the wrong shape\n  got {np.shape(analytic)}, expected {x.shape}\n  Try: {hint}."
        )
    return np.asarray(analytic)


def advice_on(analytic: np.ndarray, numeric: np.ndarray, off: np.ndarray, atol: float) -> str:
    """One thing to try, from the pattern of the error alone."""
    if not np.isfinite(numeric).all():
        return "the forward function itself gives NaN or infinity near x; start there."
    if not np.isfinite(analytic).all():
        return "NaN or infinity: look for a division by zero, or a log or root of a negative number."
    if not analytic.any():
        return "every entry is zero: is the result assigned and returned?"
    if np.abs(numeric).max() <= atol:
        return "the numeric gradient is zero: does f use its argument, and is dout random, not all ones?"
    error = analytic - numeric
    residual_tolerance = atol + 0.01 * np.abs(error).max()  # what is left where a pattern explains it
    scale = np.sum(analytic * numeric) / np.sum(numeric * numeric)
    if np.abs(analytic - scale * numeric).max() <= residual_tolerance:
        if abs(scale + 1) < 1e-3:
            return "only the sign is wrong."
        for n in numeric.shape:
            if n > 1 and min(abs(scale - n), abs(scale - 1 / n)) < 1e-3 * scale:
                return (
                    f"a constant ratio equal to {n} or 1/{n}, a size of x, often means a sum in place of a "
                    "mean, or a mean in place of a sum."
                )
        return f"it is wrong by a constant factor, {scale:.4g}: a factor is missing or used twice."
    if numeric.ndim == 2:
        if len(error) > 1 and np.ptp(error, axis=0).max() <= residual_tolerance:
            return (
                "the error is the same in every row: a term that reaches every row through a sum over "
                "the batch is missing, or counted twice."
            )
        for axis, what in [(0, "columns"), (1, "rows")]:
            lines = np.flatnonzero(off.any(axis=axis))
            counted = off.any(axis=axis) | numeric.any(axis=axis)  # a right line of zeros says nothing
            if len(lines) < counted.sum():
                numbers = ", ".join(map(str, lines[:8]))
                return f"only {what} {numbers} are wrong; compare one of them with a right one."
    return "check one step of the backward pass at a time, each against differences of its own forward step."
