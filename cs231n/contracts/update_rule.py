"""The decorator of update rules: config arrives complete and checked."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from cs231n.contracts.require import describe_with_fix, is_plain_array, require_number, require_options

ZEROS = object()  # the start of a rule's memory: an array of zeros like w
Function = TypeVar("Function", bound=Callable)

SHARES = ("momentum", "decay_rate", "beta1", "beta2")  # settings between 0 and 1


BLOCK = 2**14  # entries: what a rule computes from so many stays in the processor's cache


def update_rule(*, blocks: bool = False, **settings: Any) -> Callable[[Function], Function]:
    """Decorate a rule(w, dw, config): config arrives complete and checked, dw in the dtype of w.

    Args:
        blocks: True for a rule whose memory and next_w depend, entry by entry, on that entry of w, dw and the
            memory alone. It gets more than BLOCK entries in parts, which is faster and gives the same bits.
        **settings: what config may hold, and the value of each where it is missing; ZEROS for a memory of
            the shape of w.

    Raises:
        TypeError, ValueError: w, dw or config is not what a rule takes.
        OverflowError: the rule squares dw (it has an epsilon), and a square is infinite.
    """

    def decorate(function):
        @functools.wraps(function)
        def wrapper(w, dw, config=None):
            config = init_config(function.__name__, w, dw, config, checked.settings)
            dw = _as_dtype_of(w, dw)
            if blocks and np.size(w) > BLOCK:
                return _step_by_blocks(checked, w, dw, config)
            return checked.__wrapped__(w, dw, config)

        checked: Any = wrapper
        checked.settings = settings
        return checked

    return decorate


def _step_by_blocks(rule: Any, w: np.ndarray, dw: np.ndarray, config: dict) -> tuple[np.ndarray, dict]:
    names = [name for name, value in rule.settings.items() if value is ZEROS]
    flat = [a.reshape(-1) for a in (w, dw, *(config[name] for name in names))]
    outs: list[np.ndarray] = []
    for start in range(0, w.size, BLOCK):
        part = slice(start, start + BLOCK)
        w_part, dw_part, *memory = (a[part] for a in flat)
        next_w, after = rule.__wrapped__(w_part, dw_part, {**config, **dict(zip(names, memory))})
        results = next_w, *(after[name] for name in names)
        outs = outs or [np.empty(w.size, result.dtype) for result in results]
        for out, result in zip(outs, results):
            out[part] = result
    next_w, *memory = (out.reshape(w.shape) for out in outs)
    config.update({**after, **dict(zip(names, memory))})
    return next_w, config


def init_config(where: str, w: Any, dw: Any, config: dict | None, settings: Mapping[str, Any]) -> dict:
    """Check the arguments of an update rule, then give config what it lacks; returns config."""
    config = {} if config is None else config
    require_options(where, "config", config, settings)
    _require_real(where, "w", w)
    _require_real(where, "dw", dw)
    dtype = getattr(w, "dtype", np.dtype(float))
    if dtype.kind != "f" or dtype.itemsize < 4:
        raise TypeError(
            f"{where}: w must be floating point, of 32 bits or more, got {describe_with_fix('w', w)}"
        )
    if np.shape(w) != np.shape(dw):
        raise ValueError(f"{where}: dw must have the shape of w, {np.shape(w)}, got {np.shape(dw)}")
    values = {}
    for name, value in config.items():
        label = f"config[{name!r}]"
        if settings[name] is ZEROS:
            _require_real(where, label, value)
            if np.shape(value) != np.shape(w):
                raise ValueError(
                    f"{where}: {label} must have the shape of w, {np.shape(w)}, got {np.shape(value)}; "
                    "try a new config for each parameter"
                )
            value = _as_dtype_of(w, value)
        elif type(value) is not float or not 0 <= value < 1:
            high = 1 if name in SHARES else np.inf
            require_number(where, label, value, 0, high, below="beta" in name)  # adam divides by 1 - beta
            # A float64 scalar, like 10 ** np.random.uniform(-4, -2), would turn float32 weights into float64.
            value = int(value) if isinstance(value, (int, np.integer)) else float(value)
        values[name] = value
    if "epsilon" in settings:
        require_finite_squares(where, _as_dtype_of(w, dw))
    for name, value in settings.items():
        if name not in config:
            values[name] = np.zeros_like(w) if value is ZEROS else value
    config.update(values)
    return config


def require_finite_squares(where: str, dw: Any) -> None:
    """Check that no finite entry of dw has an infinite square: no step would ever follow it.

    An infinite or NaN entry passes, for the next w shows it. Raises: OverflowError.
    """
    if np.vdot(dw, dw) < np.inf:  # one fast pass, and no square exceeds their sum
        return
    with np.errstate(over="ignore"):
        lost = np.isfinite(dw) & np.isinf(np.square(dw))
    if lost.any():
        largest = np.max(np.abs(dw), where=lost, initial=0)
        raise OverflowError(
            f"{where}: dw holds {largest:g}, whose square overflows {np.result_type(dw)}; "
            "try a smaller learning_rate, or clip_by_norm"
        )


def _as_dtype_of(w: Any, array: Any) -> Any:
    """array in the dtype of w, so that float32 weights stay float32; a Python number has no dtype to keep."""
    dtype = getattr(w, "dtype", None)
    return array if getattr(array, "dtype", dtype) == dtype else np.asarray(array, dtype)


def _require_real(where: str, name: str, value: Any) -> None:
    is_array = is_plain_array(value) or isinstance(value, np.number)
    if not is_array and (isinstance(value, bool) or not isinstance(value, (float, int))):
        raise TypeError(f"{where}: {name} must be a numpy array, got {describe_with_fix(name, value)}")
    if is_array and value.dtype.kind not in "fiu":
        raise TypeError(f"{where}: {name} must hold real numbers, got {describe_with_fix(name, value)}")
