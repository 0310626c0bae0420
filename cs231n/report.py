"""Pass a measured number from a notebook to the closing table of `python -m cs231n run`."""

import math
from collections.abc import Callable

from cs231n.common.terminal import ipython_shell

__all__ = ["RESULTS", "record"]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


# The rows of the closing table, and how each value is written.
RESULTS: dict[str, Callable[..., str]] = {
    "largest gradient error": "{:.1e}".format,
    "closed form over staged": "{:.1f}x".format,
    "validation accuracy with batchnorm": _percent,
    "validation accuracy without": _percent,
    "test accuracy with batchnorm": _percent,
    "test accuracy without": _percent,
    "final net, test accuracy": _percent,
    "data source": str,
}


def record(name: str, value: float | str, text: str) -> None:
    """Show `text`, and store `value` for the closing table of `python -m cs231n run`.

    The value is stored in the metadata of the output, which nbval does not compare: the text is the same on
    every machine, a measured number is not.

    Args:
        name: one of RESULTS.
        value: a finite number (accuracies as fractions of 1); for the data source a string.
        text: the line that a reader sees.

    Raises:
        ValueError: the name is unknown, or the value is of another type or not finite.
    """
    if name not in RESULTS:
        raise ValueError(f"record: unknown name {name!r}; try one of: {', '.join(RESULTS)}")
    value = value if isinstance(value, str) else float(value)
    value_type = str if RESULTS[name] is str else float
    if not isinstance(value, value_type):
        raise ValueError(f"record: {name!r} must be a {value_type.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"record: {name!r} must be finite, got {value}; did the training diverge?")
    if ipython_shell() is not None:
        from IPython.display import display

        display({"text/plain": text}, metadata={"cs231n": {"name": name, "value": value}}, raw=True)
    else:
        print(text)
