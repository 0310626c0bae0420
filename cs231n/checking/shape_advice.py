"""What to do about arrays on a line whose shapes do not fit."""

import re
from typing import Any

import numpy as np

from cs231n.checking.compare import join_words

__all__ = ["advise_on_shapes"]


def advise_on_shapes(text: str, names: dict[str, Any], line: str) -> str:
    """Which arrays do not fit, and one thing to try.

    Args:
        text: of NumPy's error.
        names: the local values of the function.
        line: in which the error was raised.
    """
    if found := re.search(r"from shape (\(.*?\)) into shape (\(.*?\))", text):
        return _advise_on_assignment(*found.groups())
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line.partition(" = ")[2] or line))
    arrays = {word: names[word] for word in words if isinstance(names.get(word), np.ndarray)}
    misfits = re.findall(r"\([\d,]*\)", re.split("broadcast|shapes", text, maxsplit=1)[-1])
    advice = _advise_on_rows(text) or _advise_on_product(text)
    if len({array.shape for array in arrays.values()}) < 2:
        return "The shapes do not fit; print the shape of each array on this line." + advice
    known = {word: str(array.shape).replace(" ", "") for word, array in arrays.items()}
    parts = list(dict.fromkeys(shape for shape in misfits if shape not in known.values()))
    if misfits and not parts:
        arrays = {word: array for word, array in arrays.items() if known[word] in misfits}
    shapes = ", ".join(f"{word} {array.shape}" for word, array in arrays.items())
    if parts:
        part = "A part of the line has the shape" if len(parts) == 1 else "Parts of the line have the shapes"
        fit = "does not fit" if len(parts) == 1 else "do not fit"
        return (
            f"The shapes on this line are {shapes}. {part} {join_words(parts)}, which {fit}: "
            f"print the shape of each part.{advice}"
        )
    examples = ", and read each example as one row" * any(a.ndim > 2 for a in arrays.values())
    return f"The shapes on this line are {shapes}. Two of them do not fit; print them{examples}.{advice}"


def _advise_on_assignment(right: str, left: str) -> str:
    sizes = [np.prod([int(n) for n in re.findall(r"\d+", shape)]) for shape in (right, left)]
    advice = " Both have the same number of entries: a reshape makes them fit." * bool(sizes[0] == sizes[1])
    return f"What is assigned has the shape {right}, and the place for it has {left}.{advice}"


def _advise_on_rows(text: str) -> str:
    """What to do about one number for each row, (N,), beside (N, D)."""
    rows = re.search(r"broadcast together with shapes (?:\((\d+),\d+\) \(\1,\)|\((\d+),\) \(\2,\d+\))", text)
    if rows is None:
        return ""
    n = rows[1] or rows[2]
    return (
        f"\n({n},) is one number for each row, and NumPy compares shapes from the last axis. If each "
        f"row should have its own number, make it ({n}, 1), with keepdims=True or reshape; if each "
        "column, sum or average over axis=0."
    )


def _advise_on_product(text: str) -> str:
    found = re.search(r"(\d+) \(dim \d\) != (\d+) \(dim \d\)", text)
    found = found or re.search(r"\(size (\d+) is different from (\d+)\)", text)
    if found is None:
        return ""
    lengths = join_words(sorted(found.groups(), key=int))
    return (
        "\n@ and dot multiply matrices: the rows of the first array must be as long as the columns of the "
        f"second, and here these lengths are {lengths}. A product entry by entry is written with *."
    )
