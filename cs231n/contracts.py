"""What a function may be given, checked before it does anything: one sentence that says what to change."""

import re
import sys
from functools import cache

import numpy as np


@cache
def _parse(spec):
    """ "w (D, M), b (M,)" -> (("w", ("D", "M"), "(D, M)"), ("b", ("M",), "(M,)"))"""
    return tuple(
        (name, tuple(d.strip() for d in dims.split(",") if d.strip()), f"({dims})")
        for name, dims in re.findall(r"(\w+) \(([^)]*)\)", spec)
    )


def require(where, spec, *arrays):
    """Check floating-point arrays against the shapes in a docstring.

        require("affine_forward", "w (D, M), b (M,)", w, b)

    A letter stands for one positive size, the same wherever it returns; "..." for any number of sizes.
    where is the name of the caller, for the message.

    Raises: TypeError if an array is no ndarray or not floating point (complex is admitted, so that a
            complex step can pass through); ValueError if a shape does not fit or an array is empty.
    """
    key = [spec]
    for a in arrays:
        key += type(a), getattr(a, "shape", None), getattr(a, "dtype", None)
    key = tuple(key)
    if key in _passed:
        return
    sizes = {}
    for (name, dims, shown), array in zip(_parse(spec), arrays, strict=True):
        if not is_plain_array(array):
            raise TypeError(f"{where}: {name} must be a numpy array {shown}, got {instead(name, array)}")
        if array.dtype.kind not in "fc":
            raise TypeError(f"{where}: {name} must be floating point, got {instead(name, array)}")
        if array.dtype == np.float16:
            raise TypeError(
                f"{where}: {name} must have 32 bits or more, for float16 ends at 65504; "
                f"try {name}.astype(np.float32)"
            )
        shape = array.shape
        fixed = dims[:-1] if dims[-1:] == ("...",) else dims
        fits = len(shape) >= len(fixed) if fixed is not dims else len(shape) == len(fixed)
        for letter, size in zip(fixed, shape):
            fits = fits and sizes.setdefault(letter, size) == size
        if not fits:
            raise ValueError(_misfit(where, spec, name, dims, shown, shape, arrays))
        if array.size == 0:
            raise ValueError(
                f"{where}: {name} {shown} is empty, its shape is {shape}; "
                "try a batch of at least one row and one column"
            )
    if len(_passed) < 4096:
        _passed.add(key)


_passed = set()  # shapes and dtypes that passed a spec: a training step asks the same again and again


def is_plain_array(value):
    """Whether value is an array whose * and mean are those of arrays: no np.matrix, no masked array."""
    return isinstance(value, np.ndarray) and not isinstance(value, (np.matrix, np.ma.MaskedArray))


def instead(name, value, dtype="float64"):
    """What value is where an array of dtype is wanted, and what makes one of it, for the end of a message."""
    if is_plain_array(value):
        return f"{value.dtype}; try {name}.astype(np.{dtype})"
    got = type(value).__name__
    return got if value is None else f"{got}; try np.array({name}, dtype=np.{dtype})"


def _misfit(where, spec, name, dims, shown, shape, arrays):
    sizes, others = {}, []
    for (other, other_dims, _), array in zip(_parse(spec), arrays):
        if other == name:
            break
        sizes.update(zip(other_dims, array.shape))
        others.append(f"{other} {array.shape}")
    wanted = tuple(sizes.get(d, d) for d in dims)
    message = f"{where}: {name} must be {shown}"
    if others:
        message += f" = {_show(wanted)} to go with {', '.join(others)}"
    message += f", got {shape}"
    if shape[::-1] == wanted:
        message += f"; try {name}.T"
    elif len(wanted) == 1 and wanted[0] in (np.prod(shape), dims[0]):
        message += f"; try {name}.reshape(-1)"
    elif len(shape) > len(wanted) == 2:
        message += f"; try {name}.reshape(len({name}), -1)"
    return message


def _show(sizes):
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def require_labels(where, y, num_rows, num_classes=np.inf):
    """Check that y (num_rows,) holds integer class labels, 0 <= y < num_classes.

    Raises: TypeError if y is no integer array; ValueError if its shape or a label does not fit.
    """
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "iu":
        raise TypeError(f"{where}: y must be an array of integer labels, got {instead('y', y, 'int64')}")
    if y.shape != (num_rows,):
        hint = "; one-hot rows? try y.argmax(axis=1)" if y.shape == (num_rows, num_classes) else ""
        raise ValueError(f"{where}: y must have one label a row, shape ({num_rows},), got {y.shape}{hint}")
    outside = (y < 0) | (y >= num_classes)
    if outside.any():
        i = int(outside.argmax())
        wanted = "at least 0" if num_classes == np.inf else f"in 0..{num_classes - 1}"
        raise ValueError(
            f"{where}: labels must be {wanted}, got y[{i}] = {y[i]} "
            f"({outside.sum()} of {num_rows} outside); try labels that start at 0"
        )


def require_cache(where, cache, kind):
    """Check that cache is of the kind that the forward returns: np.ndarray, a NamedTuple, or a plain tuple.

    A NamedTuple is known by its fields, for its class is another one once the module is reloaded; a plain
    tuple's kind is the names of what is in it. Raises: TypeError.
    """
    fields = getattr(kind, "_fields", kind)
    if kind is np.ndarray:
        wanted, fits = "a numpy array", isinstance(cache, np.ndarray)
    else:
        wanted = f"a tuple of {', '.join(fields)}"
        fits = (
            isinstance(cache, tuple)
            and len(cache) == len(fields)
            and getattr(cache, "_fields", None) == getattr(kind, "_fields", None)
        )
    if not fits:
        got = type(cache).__name__ + (f" of {len(cache)}" if isinstance(cache, tuple) else "")
        forward = where.removesuffix("_alt").replace("backward", "forward")
        raise TypeError(f"{where}: cache must be {wanted}, got {got}; try out, cache = {forward}(...)")


def require_options(where, name, options, known):
    """Check that the dict called name holds no key outside known, so that a typo is not ignored.

    Raises: TypeError if options is no dict; ValueError that names the key and the known ones.
    """
    if not isinstance(options, dict):
        raise TypeError(f"{where}: {name} must be a dict, got {type(options).__name__}; try {name}={{}}")
    for key in options:
        if key not in known:
            raise ValueError(f"{where}: {name} has no option {key!r}; it takes {', '.join(known)}")


def require_choice(where, name, value, choices):
    """Check that value is one of choices. Raises: ValueError that lists them."""
    if not isinstance(value, (str, type(None))) or value not in choices:  # an array has no one truth value
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def require_number(where, name, value, low, high=np.inf, *, above=False, below=False):
    """Check low <= value <= high; above=True excludes low itself, below=True excludes high.

    Raises: TypeError if value is no real number; ValueError, also for NaN.
    """
    if type(value) is float and low < value < high:  # the common case, and once for every layer of a step
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where}: {name} must be a number, got {value!r}")
    if not low <= value <= high or above and value == low or below and value == high:
        bound = f"above {low}" if above else f"at least {low}"
        if high < np.inf:
            bound += f" and below {high}" if below else f" and at most {high}"
        raise ValueError(f"{where}: {name} must be {bound}, got {value}")
    # An int like 10**400 is no infinity, but no float can hold it either.
    if np.isinf(value) if isinstance(value, (float, np.floating)) else abs(int(value)) > sys.float_info.max:
        raise ValueError(f"{where}: {name} must be finite, got {value}")


def require_count(where, name, value, low, high=np.inf):
    """Check that value is an integer, low <= value <= high. Raises: TypeError; ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        whole = isinstance(value, (float, np.floating)) and value == value // 1
        hint = f"; try {value:.0f}" if whole else ""
        raise TypeError(f"{where}: {name} must be an integer, got {value!r}{hint}")
    if not low <= value <= high:
        bound = f" and at most {high}" if high < np.inf else ""
        raise ValueError(f"{where}: {name} must be at least {low}{bound}, got {value}")


def require_seed(where, name, seed):
    """Check that seed is one that a RandomState takes, 0 <= seed < 2^32. Raises: TypeError; ValueError."""
    require_count(where, name, seed, 0, 2**32 - 1)


def require_scale(where, x, inv_std, eps):
    """Check inv_std, 1 / sqrt(var + eps), for each column (or row) of x: no out is finite and wrong.

    A variance that overflows makes inv_std zero, and x_hat with it; one that vanishes, where eps is none,
    leaves x_hat no digits. NaN passes, for it shows. Raises: OverflowError, ValueError with the place.
    """
    tiny = np.finfo(x.dtype).tiny
    if eps >= tiny and inv_std.all():
        return
    line = "column" if inv_std.ndim == 1 else "row"
    inv_std = np.abs(inv_std).reshape(-1)
    overflows, vanishes = inv_std == 0, inv_std > tiny**-0.5
    if overflows.any():
        raise OverflowError(
            f"{where}: x has a {line}, {overflows.argmax()}, whose variance overflows "
            f"{x.dtype}; try a smaller learning_rate or weight_scale, or x in float64"
        )
    if vanishes.any():
        raise ValueError(
            f"{where}: x has a {line}, {vanishes.argmax()}, without variance, and eps is "
            f"{eps:g}; try eps=1e-5"
        )


def require_rng(where, rng):
    """Check that rng is a numpy Generator or RandomState (or the module np.random). Raises: TypeError."""
    if not callable(getattr(rng, "permutation", None)):
        raise TypeError(
            f"{where}: rng must be a numpy Generator or RandomState, got {rng!r}; "
            "try np.random.default_rng(0)"
        )
