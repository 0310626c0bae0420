"""Make a small problem for an exercise, and run a learner's function on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

import numpy as np

from cs231n.checking.exercises import require_exercise
from cs231n.checking.exercises.exercise import AGAIN, SMALL, same_numbers
from cs231n.checking.learner_code import Arrays, Inputs, Namespace, WrongReturn, array, record_writes

__all__ = [
    "BESIDES",
    "Called",
    "arguments_of",
    "arrays_in_float64",
    "call_layer",
    "call_once",
    "find_reshaped",
    "find_writes",
    "forbid_other_backwards",
    "judge",
    "list_public_problems",
    "make_problem",
    "run",
]

# Further inputs of every problem and outputs of every run, with the values that they have if all is well.
BESIDES = {"itemsize": 4, "written": 0, "written_later": 0, "not_repeated": 0}


def list_public_problems(name: str) -> list[tuple[int, str]]:
    """(seed, situation) of the problems of a learner's own check; the grader begins with them."""
    situations = ("", "", *require_exercise(name).situations)
    return list(enumerate(situations))


def make_problem(
    name: str,
    seed: int,
    shape: tuple[int, int] | None = None,
    situation: str = "",
    variant: int | None = None,
) -> Inputs:
    """The inputs of one problem: float64 arrays, labels and numbers, the same for the same seed.

    Among them are those of BESIDES, further outputs of `run`.

    Args:
        name: of an exercise.
        seed: the seed of the random numbers, not negative and of any size.
        shape: (N, D), default (7, 5): D features or classes, N > 2 rows. All other sizes follow. Keep N and
            D apart, so that a swapped axis does not fit.
        situation: one of the exercise's, or "" for the main one.
        variant: of the main situation, a place in the exercise's variants; None: its inputs.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = require_exercise(name)
    N, D = shape or (7, 5)
    M = next(m for m in (3, 5, 4, 6) if m not in (N, D))
    make_inputs = exercise.situations[situation] if situation else exercise.inputs
    if variant is not None:
        make_inputs = exercise.variants[variant]
    rng = np.random.RandomState(seed if seed < 2**32 else _words_of(seed))
    inputs = make_inputs(rng, N, D, M)
    for setting, (low, high) in exercise.settings.items():
        if seed and setting in inputs and not inputs.get("by_default"):
            number = rng.uniform(low, high)
            inputs[setting] = int(number) if isinstance(low, int) else number
    return inputs | {key: np.array(value) for key, value in BESIDES.items()}


def _words_of(number: int) -> np.ndarray:
    """The 32-bit words of a number, the lowest first."""
    size = -(-number.bit_length() // 32)
    return np.frombuffer(number.to_bytes(4 * size, "little"), "<u4")


class Called(NamedTuple):
    """The result of one call of a learner's code.

    Args:
        arrays: by name; those of a second call with the same cache begin with AGAIN.
        written: the number of arguments that the exercise's own function wrote into.
        written_later: whether it wrote into an array that another function got before, or changed the shape
            of an argument.
    """

    arrays: Arrays
    written: int
    written_later: bool


def run(name: str, module: Namespace, inputs: Inputs) -> Arrays:
    """Run a learner's code: in float64, in float32, and once more in float64.

    Args:
        name: of an exercise.
        module: where its function is found, and for a backward pass also the forward that makes its cache.
        inputs: of `make_problem`; not modified, whatever the function does.

    Returns:
        As `judge`.

    Raises:
        WrongReturn: of learner_code.
        Exception: what the function raises, NotImplementedError among others.
    """

    def repeat() -> Called | None:
        try:
            return call_once(name, module, arguments_of(inputs, np.float64))
        except Exception:
            return None

    return judge(name, inputs, lambda dtype: call_once(name, module, arguments_of(inputs, dtype)), repeat)


def judge(
    name: str, inputs: Inputs, call: Callable[[type], Called], repeat: Callable[[], Called | None]
) -> Arrays:
    """Call a learner's code, which may run elsewhere, and check all that can be seen from outside.

    Args:
        name: of an exercise.
        inputs: of `make_problem`.
        call: call(dtype): the code, with arguments of that dtype.
        repeat: the code again, in float64; None if it raises.

    Returns:
        The arrays of the first call by name; itemsize: the bytes of the widest number in an array of the
        float32 call; written and written_later as in Called; not_repeated: 1 if another call gave something
        else than the first, else 0. A large problem is tried once alone.
    """
    first = call(np.float64)
    calls, single = [first], Arrays()
    arrays = {key: value for key, value in first.arrays.items() if not key.startswith(AGAIN)}
    differs = any(
        not same_numbers(value, first.arrays.get(AGAIN + key, value)) for key, value in arrays.items()
    )
    if max(map(np.size, inputs.values())) <= SMALL:  # a large problem has the time of one call
        calls.append(call(np.float32))
        single = calls[-1].arrays
        if again := repeat():
            calls.append(again)
        free = require_exercise(name).free
        differs |= not again or any(
            not same_numbers(value, again.arrays.get(key)) for key, value in arrays.items() if key not in free
        )
    sizes = [array.itemsize for array in single.values() if array.ndim and array.dtype.kind == "f"]
    return {
        **arrays,
        "itemsize": np.array(max(sizes, default=4)),
        "written": np.array(max(called.written for called in calls)),
        "written_later": np.array(int(any(called.written_later for called in calls))),
        "not_repeated": np.array(int(differs)),
    }


def call_once(name: str, module: Namespace, arguments: Inputs) -> Called:
    """Call a learner's code once, with arguments of `arguments_of`, and watch what it writes into."""
    with record_writes() as writes:
        arrays = require_exercise(name).call(module, arguments)
    own = ("loss", name)
    written = sum(function in own for function, _ in writes.at_once)
    return Called(arrays, written, any(function in own for function, *_ in writes.later))


def arguments_of(inputs: Inputs, dtype: type) -> Inputs:
    """A copy of the inputs of a problem, its floating-point arrays of that dtype."""
    return {
        key: np.array(v, dtype if v.dtype.kind == "f" else None) if isinstance(v, np.ndarray) else v
        for key, v in inputs.items()
        if key not in BESIDES
    }


def arrays_in_float64(name: str, module: Namespace, inputs: Inputs) -> list[str]:
    """The names of the arrays that come back as float64 for float32; arguments as for `run`."""
    outputs = call_once(name, module, arguments_of(inputs, np.float32)).arrays
    return [
        key
        for key, value in outputs.items()
        if value.ndim and value.dtype == np.float64 and not key.startswith(AGAIN)
    ]


def call_layer(name: str, module: Namespace, inputs: Inputs) -> np.ndarray:
    """The out of a forward pass, of the inputs of any problem that it fits.

    Raises:
        WrongReturn: it changed the shape of an argument, which its caller still needs; or out is no array.
        Exception: what the function raises.
    """
    layer = require_exercise(name).layer
    assert layer is not None
    with record_writes() as writes:
        out = array(name, "out", layer(module, inputs)[0])
    for function, _, argument in writes.later:
        raise WrongReturn(
            f"{function} changes the shape of its argument {argument}, which its caller still needs"
        )
    return out


def find_writes(name: str, module: Namespace, inputs: Inputs) -> tuple[list[str], list[tuple[str, str]]]:
    """What the exercise's own function writes into: its arguments, and (function, argument) of earlier calls.

    Arguments as for `run`.
    """
    with record_writes() as writes:
        require_exercise(name).call(module, arguments_of(inputs, np.float64))
    own = ("loss", name)
    return (
        [argument for function, argument in writes.at_once if function in own],
        [(earlier, argument) for function, earlier, argument in writes.later if function in own],
    )


def find_reshaped(name: str, module: Namespace, inputs: Inputs) -> list[str]:
    """The arguments of the exercise's own function that have another shape after a call. As find_writes."""
    with record_writes() as writes:
        require_exercise(name).call(module, arguments_of(inputs, np.float64))
    return [argument for function, argument in writes.reshaped if function in ("loss", name)]


@contextmanager
def forbid_other_backwards(name: str, module: Namespace) -> Iterator[None]:
    """While batchnorm_backward_alt is tried, make the other backward passes raise: it cannot call them.

    It changes `module`, so it is for a process that no other thread shares.
    """

    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(
            f"{name} calls another backward, but it must compute the closed form itself: derive it with pen "
            "and paper first; try notebook 2, sections 5 and 6"
        )

    own = {n: vars(module)[n] for n in require_exercise(name).forbidden if n in vars(module)}
    vars(module).update(dict.fromkeys(own, refuse))
    try:
        yield
    finally:
        vars(module).update(own)
