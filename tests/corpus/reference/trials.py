"""A trial: what a learner's functions give, compared value by value with what is right."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Trial = Iterator[tuple[str, Any, Any]]  # (what is compared, a learner's value, the right one)


class Truth(NamedTuple):
    right: bool
    reason: str = ""
    because_of: tuple[str, ...] = ()  # it is wrong, or could not be tried everywhere, only because of these


class ForwardIsOff(Exception):
    """A backward, or a net, that cannot be judged: what it rests on is wrong."""


def same(actual: Any, expected: Any) -> bool:
    """Equal to 6 digits, of the same shape, and float64 if it is an array, as its inputs are."""
    try:
        actual, expected = np.asarray(actual), np.asarray(expected, float)
        if actual.shape != expected.shape or (actual.ndim and actual.dtype != float):
            return False
        scale = np.abs(expected).max(initial=1e-3)
        return bool(np.isclose(actual, expected, rtol=1e-6, atol=1e-8 * scale).all())
    except (TypeError, ValueError):
        return False


def first_fault(trial: Trial) -> str:
    """What is off first, or the exception that a learner's function raises; "" if nothing is."""
    try:
        for what, actual, expected in trial:
            if not same(actual, expected):
                return f"{what} is off"
    except ForwardIsOff:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@contextlib.contextmanager
def patched_functions(modules: list[Any], functions: dict[str, Any]) -> Iterator[None]:
    """While it lasts, every name of `functions` that a module has means the function given."""
    before = [{name: vars(m)[name] for name in functions if name in vars(m)} for m in modules]
    for module, own in zip(modules, before):
        vars(module).update({name: functions[name] for name in own})
    try:
        yield
    finally:
        for module, own in zip(modules, before):
            vars(module).update(own)
