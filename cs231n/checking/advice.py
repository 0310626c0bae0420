"""What to do about an error that Python or NumPy raises in a learner's line."""

import re
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from cs231n.checking.exceptions import is_edited
from cs231n.checking.reloading import message_of

__all__ = ["advise_on_error"]

Values = dict[str, Any]  # of the names on a line


def advise_on_error(error: BaseException) -> str:
    """What an error means and one thing to try, with the shapes or keys on its line; or ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = zip(traceback.extract_tb(error.__traceback__), frames)
    line, names = next(
        ((place.line or "", frame.f_locals) for place, frame in [*places][::-1] if is_edited(place)),
        ("", {}),
    )
    values = {word: names[word] for word in re.findall(r"[A-Za-z_]\w*", line) if word in names}
    text = f"{type(error).__name__}: {message_of(error)}"
    if re.search(r"\bmax\(", line) and re.search("integer|truth value", text):
        return "np.maximum compares entry by entry; max and np.max look for the largest entry."
    if (unset := re.match(r"NameError: name '(\w+)' is not defined", text)) and line:
        if place := _find_in_dicts(unset[1], names):
            return f"{unset[1]} has no value here; the value is in {place}."
    for pattern, advise in ADVICE if line else ():
        found = re.search(pattern, text)
        if found and (advice := advise(found, values, line)):
            return advice
    if isinstance(error, ValueError) and re.search("core dimension|broadcast|not aligned", text):
        return _advise_on_shapes(text, names, line)
    return ""


def _advise_on_shapes(text: str, names: Values, line: str) -> str:
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line.partition(" = ")[2] or line))
    arrays = {word: names[word] for word in words if isinstance(names.get(word), np.ndarray)}
    rows = re.search(r"broadcast together with shapes \((\d+),(\d+)\) \(\1,\)", text)
    advice = (
        f"\n({rows[1]},) is one number for each row, and NumPy compares shapes from the last axis. If each "
        f"row should have its own number, make it ({rows[1]}, 1), with keepdims=True or reshape; if each "
        "column, sum or average over axis=0."
        if rows
        else ""
    )
    if len({array.shape for array in arrays.values()}) < 2:
        return "The shapes do not fit; print the shape of each array on this line." + advice
    shapes = ", ".join(f"{word} {array.shape}" for word, array in arrays.items())
    misfits = re.findall(r"\([\d,]*\)", text.partition("broadcast")[2])
    known = {str(array.shape).replace(" ", "") for array in arrays.values()}
    if parts := [shape for shape in misfits if shape not in known]:
        return (
            f"The shapes on this line are {shapes}. A part of the line has the shape {parts[0]}, which does "
            f"not fit: print the shape of each part.{advice}"
        )
    examples = ", and read each example as one row" * any(a.ndim > 2 for a in arrays.values())
    return f"The shapes on this line are {shapes}. Two of them do not fit; print them{examples}.{advice}"


def _advise_on_none(found: re.Match, values: Values, line: str) -> str:
    empty = [word for word, value in values.items() if value is None]
    if empty:
        reason = ": the forward returned None in its place" if "cache" in empty else ""
        if empty == ["y"]:
            reason = ": without labels only the scores are needed, and this line should not run"
        return f"{', '.join(empty)} on this line is None{reason}."
    return "A value on this line is None, as a function without return gives it: print each of them."


def _advise_on_tuple(found: re.Match, values: Values, line: str) -> str:
    tuples = [word for word, value in values.items() if isinstance(value, tuple)]
    if ".shape" in line:
        return "A shape is a tuple. If a function takes each size by itself, use a star: f(*x.shape)."
    if not tuples:
        return ""
    names = ", ".join(tuples)
    return f"{names} on this line is a tuple: give a name to each of its values first, as in x, w, b = cache."


def _advise_on_unpacking(found: re.Match, values: Values, line: str) -> str:
    right = line.rpartition("=")[2].strip()
    value = values.get(right)
    if isinstance(value, np.ndarray):
        return f"{right} is an array; its sizes are in {right}.shape."
    if not isinstance(value, tuple):
        return "Count the names on the left and the values on the right: the two numbers must be the same."
    fields = getattr(value, "_fields", ())
    more = f": {', '.join(fields)}" if fields else ", in the order in which the forward returned them"
    return f"{right} holds {len(value)} values{more}. Give a name to each of them."


def _advise_on_key(found: re.Match, values: Values, line: str) -> str:
    dicts = {word: value for word, value in values.items() if isinstance(value, dict)}
    lacking = [word for word, value in dicts.items() if found[1].strip("'\"") not in value]
    if not lacking:
        params = getattr(values.get("self"), "params", None)
        if not (isinstance(params, dict) and "self.params" in line):
            return ""
        return f"self.params has no key {found[1]}; its keys: {', '.join(map(repr, params))}."
    keys = ", ".join(map(repr, dicts[lacking[0]])) or "none"
    return (
        f"{lacking[0]} has no key {found[1]}; its keys: {keys}. If a setting may be left out, read it with "
        ".get(key, default)."
    )


def _find_in_dicts(name: str, names: Values) -> str:
    """Where a dict of the function, or self.params, has this key, as in config['momentum']; or ""."""
    params = getattr(names.get("self"), "params", None)
    dicts = {word: v for word, v in (names | {"self.params": params}).items() if isinstance(v, dict)}
    return next((f"{word}[{name!r}]" for word, value in dicts.items() if name in value), "")


def _advise_on_attribute(found: re.Match, values: Values, line: str) -> str:
    for word, value in values.items():
        if type(value).__name__ == found[1]:
            if place := _find_in_dicts(found[2], {word: value}):
                return f"{word} has no {found[2]}; the value is in {place}."
            fields = getattr(value, "_fields", ())
            has = f"holds {', '.join(fields)}" if fields else f"is of the type {found[1]}"
            return f"{word} {has}, and has no {found[2]}: is the name right?"
    return ""


def _advise_on_name(found: re.Match, values: Values, line: str) -> str:
    return (
        f"{found[1]} has no value here: a function has its arguments and what it computed before this line. "
        "Is the name right? Does it come from the cache, or from an import at the top of the file?"
    )


def _advise_on_unset(found: re.Match, values: Values, line: str) -> str:
    if re.match(rf"{found[1]}\s*([-+*/@]|//|\*\*)?=[^=]", line):
        return f"This line reads {found[1]} before any line has given it a value: where is its old value?"
    return (
        f"No line that ran has given {found[1]} a value: an if above has skipped it. Set it in each branch."
    )


def _advise_on_index(found: re.Match, values: Values, line: str) -> str:
    axis, size = int(found[2]), int(found[3])
    arrays = [
        word
        for word, value in values.items()
        if isinstance(value, np.ndarray) and value.shape[axis : axis + 1] == (size,)
    ]
    of = f" of {' or '.join(arrays)}" * bool(arrays)
    return f"Axis {axis}{of} has the size {size}, and its entries are counted from 0. Is this the right axis?"


def _advise_on_reshape(found: re.Match, values: Values, line: str) -> str:
    size = int(np.prod([int(n) for n in re.findall(r"\d+", found[2])]))
    new = f"which is no multiple of {size}" if "-1" in line else f"the new shape {size}"
    return f"A reshape keeps the number of entries: the array has {found[1]}, {new}."


def _say(sentence: str) -> Callable[[re.Match, Values, str], str]:
    """The sentence, with {1}, {2} for the groups of the pattern."""
    return lambda found, values, line: sentence.format(*(found[0], *found.groups()))


ADVICE: list[tuple[str, Callable[[re.Match, Values, str], str]]] = [
    ("NoneType", _advise_on_none),
    (
        r"axis (-?\d+) is out of bounds for array of dimension (\d)",
        _say(
            "Axes are counted from 0, and this array has {2}, so there is no axis {1}. Print its shape: "
            "a sum or a mean without keepdims removes an axis."
        ),
    ),
    (
        r"index (-?\d+) is out of bounds for axis (\d) with size (\d+)",
        _advise_on_index,
    ),
    (r"bitwise_xor|for \^:", _say("In Python a power is written with **, and ^ is something else.")),
    (r"KeyError: (.*)", _advise_on_key),
    (
        "truth value of an array",
        _say(
            "An if or a while asks one question, and an array has many entries: a comparison such as x > 0 "
            "gives an answer for each entry, which np.where or a product can use."
        ),
    ),
    ("tuple|not supported between|unsupported operand|inhomogeneous", _advise_on_tuple),
    ("too many values to unpack|not enough values to unpack", _advise_on_unpacking),
    (r"'(\w+)' object has no attribute '(\w+)'", _advise_on_attribute),
    (
        r"UnboundLocalError: .*'(\w+)'",
        _advise_on_unset,
    ),
    (r"NameError: name '(\w+)' is not defined", _advise_on_name),
    (r"cannot reshape array of size (\d+) into shape (\(.*\))", _advise_on_reshape),
    (
        "'([^']*)' object is not callable",
        _say("Round brackets call a function. An array is read with square brackets; a product needs its *."),
    ),
]
