"""A small problem for each exercise, and what a learner's function makes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import numpy as np

from cs231n.checking.exercises import require_exercise
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, record_writes

__all__ = [
    "PUBLIC_SEEDS",
    "arrays_in_float64",
    "forbid_other_backwards",
    "make_problem",
    "run",
    "written_arguments",
]

PUBLIC_SEEDS = (0, 1)  # the problems of a learner's own check; the grader begins with them

SMALL = 50_000  # entries of an array up to which a problem is tried in float32 too


def make_problem(name: str, seed: int, shape: tuple[int, int] | None = None) -> Inputs:
    """The inputs of one problem: float64 arrays, labels and numbers, the same for the same seed.

    Among them are itemsize, 4: the bytes of a number in the float32 that `run` tries as well; and written, 0:
    the number of arguments that a function may write into.

    Args:
        name: of an exercise.
        seed: of the random numbers, below 2^32.
        shape: (N, D), default (7, 5): D features or classes, N > 2 rows. All other sizes follow. Keep N and
            D apart, so that a swapped axis does not fit.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = require_exercise(name)
    N, D = shape or (7, 5)
    M = next(m for m in (3, 5, 4, 6) if m not in (N, D))
    return {
        **exercise.inputs(np.random.RandomState(seed), N, D, M),
        "itemsize": np.array(4),
        "written": np.array(0),
    }


def run(name: str, module: Namespace, inputs: Inputs) -> Arrays:
    """Run a learner's code, once in float64 and once in float32.

    Args:
        name: of an exercise.
        module: where its function is found, and for a backward pass also the forward that makes its cache.
        inputs: of `make_problem`; not modified, whatever the function does.

    Returns:
        The arrays of the float64 call by name; itemsize: the bytes of the widest number in an array of the
        float32 call; and written: the number of arguments that the exercise's own function wrote into.

    Raises:
        WrongReturn: of learner_code.
        Exception: what the function raises, NotImplementedError among others.
    """
    with record_writes() as writes:
        arrays, single = _call(name, module, inputs, np.float64), {}
        if max(map(np.size, inputs.values())) <= SMALL:  # a large problem has the time of one call
            single = _call(name, module, inputs, np.float32)
    sizes = [array.itemsize for array in single.values() if array.ndim and array.dtype.kind == "f"]
    written = sum(function in ("loss", name) for function, _ in writes)
    return {**arrays, "itemsize": np.array(max(sizes, default=4)), "written": np.array(written)}


def arrays_in_float64(name: str, module: Namespace, inputs: Inputs) -> list[str]:
    """The names of the arrays that come back as float64 for float32; arguments as for `run`."""
    outputs = _call(name, module, inputs, np.float32)
    return [name for name, value in outputs.items() if value.ndim and value.dtype == np.float64]


def _call(name: str, module: Namespace, inputs: Inputs, dtype: type) -> Arrays:
    arguments = {
        name: np.array(v, dtype if v.dtype.kind == "f" else None) if isinstance(v, np.ndarray) else v
        for name, v in inputs.items()
        if name not in ("itemsize", "written")
    }
    return require_exercise(name).call(module, arguments)


def written_arguments(name: str, module: Namespace, inputs: Inputs) -> list[str]:
    """The names of the arguments that the function writes into; arguments as for `run`."""
    with record_writes() as writes:
        _call(name, module, inputs, np.float64)
    return [argument for function, argument in writes if function in ("loss", name)]


@contextmanager
def forbid_other_backwards(name: str, module: Namespace) -> Iterator[None]:
    """While batchnorm_backward_alt is tried, make the other backward passes raise: it cannot call them.

    It changes `module`, so it is for a process that no other thread shares.
    """

    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(
            f"{name} calls another backward, but the closed form stands on its own: with pen and paper "
            "first; try notebook 2, sections 5 and 6"
        )

    own = {n: vars(module)[n] for n in require_exercise(name).forbidden if n in vars(module)}
    vars(module).update(dict.fromkeys(own, refuse))
    try:
        yield
    finally:
        vars(module).update(own)
