"""What to do about an error that Python or NumPy raises in a learner's line."""

import difflib
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cs231n.checking.compare import join_words
from cs231n.checking.exceptions import is_edited
from cs231n.checking.reloading import message_of
from cs231n.checking.shape_advice import advise_on_shapes
from cs231n.checking.syntax_advice import advise_on_syntax

__all__ = ["advise_on_error"]

Values = dict[str, Any]
BUILT_IN = ("None", "True", "False", "range", "len", "print", "float", "int", "enumerate", "zip", "self")
AT_THE_TOP = "This line is in no function, so it runs before every check; try it in a cell of a notebook."
# Words of PyTorch, and where they differ those of NumPy.
METHODS = {"clamp": "np.clip", "unsqueeze": "reshape", "permute": "transpose", "matmul": "@", "mm": "@"}
ARGUMENTS = {"dim": "axis", "axes": "axis", "keepdim": "keepdims", "unbiased": "ddof", "correction": "ddof"}


class Line(NamedTuple):
    """The last line of a learner's that ran.

    Args:
        text: of the line.
        names: the local values of its function.
        globals: those of its module.
        caller: "fc_net.py, line 7, _loss", a line of the learner's that called this function; or "".
    """

    text: str
    names: Values
    globals: Values
    caller: str = ""

    @property
    def values(self) -> Values:
        """The values of the names on the line, in order."""
        words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", self.text))
        return {word: self.names[word] for word in words if word in self.names}


def advise_on_error(error: BaseException) -> str:
    """What an error means and one thing to try, with the shapes or keys on its line; or ""."""
    if isinstance(error, SyntaxError) and isinstance(error.msg, str) and isinstance(error.lineno, int):
        return advise_on_syntax(error, _read(str(error.filename)))
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = zip(traceback.extract_tb(error.__traceback__), frames)
    edited = [(place, frame) for place, frame in places if is_edited(place)]
    if not edited:
        return ""
    place, frame = edited[-1]
    above = [f"{Path(p.filename).name}, line {p.lineno}, {p.name}" for p, _ in edited[:-1]]
    line = Line(place.line or "", frame.f_locals, frame.f_globals, above[-1] if above else "")
    advice = _advise_on_line(f"{type(error).__name__}: {message_of(error)}", line) if line.text else ""
    if place.name == "<module>" and not re.match(r"(import|from|def|class)\b|@", line.text):
        return f"{advice} {AT_THE_TOP}".strip()
    return advice


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _advise_on_line(text: str, line: Line) -> str:
    if re.search(r"\bmax\(", line.text) and re.search("integer|truth value", text):
        return "np.maximum compares entry by entry; max and np.max look for the largest entry."
    for pattern, advise in ADVICE:
        found = re.search(pattern, text)
        if found and (advice := advise(found, line)):
            return advice
    return ""


def _nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that is `name` but for a slip of the keyboard; or ""."""

    def plain(word: str) -> str:
        return word.replace("_", "").casefold()

    names = [other for other in names if not other.startswith("_") and other != name]
    same = [other for other in names if plain(other) == plain(name)]
    turned = [other for other in names if len(name) > 2 and sorted(other) == sorted(name)]
    return next(iter([*same, *turned, *difflib.get_close_matches(name, names, 1, 0.75)]), "")


def _advise_on_none(found: re.Match, line: Line) -> str:
    empty = [word for word, value in line.values.items() if value is None]
    if not empty:
        return "A value on this line is None, as a function without return gives it: print each of them."
    if empty == ["y"]:
        return (
            "y on this line is None: without labels only the scores are needed, and this line should not run."
        )
    reason = ": the forward returned None in its place" if "cache" in empty else ""
    return f"{', '.join(empty)} on this line is None{reason or ': look where it gets its value'}."


def _advise_on_tuple(found: re.Match, line: Line) -> str:
    tuples = [word for word, value in line.values.items() if isinstance(value, tuple)]
    if ".shape" in line.text:
        return "A shape is a tuple. If a function takes each size by itself, use a star: f(*x.shape)."
    if not tuples:
        return ""
    names = ", ".join(tuples)
    return f"{names} on this line is a tuple: give a name to each of its values first, as in x, w, b = cache."


def _advise_on_list(found: re.Match, line: Line) -> str:
    lists = [word for word, value in line.values.items() if isinstance(value, list)]
    return f"{', '.join(lists)} on this line is a list; np.array makes an array of it." if lists else ""


def _advise_on_unpacking(found: re.Match, line: Line) -> str:
    right = re.split(r"(?<![=!<>])=(?!=)", line.text, maxsplit=1)[-1].strip()
    value = line.values.get(right)
    if isinstance(value, np.ndarray):
        return f"{right} is an array; its sizes are in {right}.shape."
    if not isinstance(value, tuple):
        if call := re.match(r"([\w.]+)\(", right):
            return f"{call[1]} gives another number of values than there are names on the left."
        return "Count the names on the left and the values on the right: the two numbers must be the same."
    fields = getattr(value, "_fields", ())
    more = f": {', '.join(fields)}" if fields else ", in the order in which the forward returned them"
    advice = f"{right} holds {len(value)} values{more}."
    if line.caller and right == "cache":
        return f"{advice} It was passed in {line.caller}: is it the cache of this function's own forward?"
    return f"{advice} Give a name to each of them."


def _advise_on_key(found: re.Match, line: Line) -> str:
    key = found[1].strip("'\"")
    dicts = {word: value for word, value in line.values.items() if isinstance(value, dict)}
    params = getattr(line.names.get("self"), "params", None)
    if isinstance(params, dict) and "self.params" in line.text:
        dicts["self.params"] = params
    word = next((word for word, value in dicts.items() if key not in value), "")
    if not word:
        return ""
    keys = [str(other) for other in dicts[word]]
    advice = f"{word} has no key {found[1]}; its keys: {', '.join(map(repr, keys)) or 'none'}."
    if not re.search(r"\d", key) and (near := _nearest(key, keys)):
        return f"{advice} Is {near!r} meant?"
    if word == "config" or word.endswith("param"):
        return f"{advice} If a setting may be left out, read it with .get(key, default)."
    return advice


def _find_value(name: str, names: Values) -> str:
    """Where a dict of the function, self.params or self has this name, as in config['momentum']; or ""."""
    own = getattr(names.get("self"), "__dict__", {})
    for word, value in (names | {"self.params": own.get("params")}).items():
        if isinstance(value, dict) and name in value:
            return f"{word}[{name!r}]"
    return f"self.{name}" if name in own else ""


def _advise_on_attribute(found: re.Match, line: Line) -> str:
    kind, name = found[1].rpartition(".")[2], found[2]
    for word, value in line.values.items():
        if type(value).__name__ != kind:
            continue
        if isinstance(value, np.ndarray):
            near = METHODS.get(name) or _nearest(name, dir(value))
            advice = f"{word} is a NumPy array, and has no {name}"
            return f"{advice}: {near} may be what you need." if near else f"{advice}: is the name right?"
        if place := _find_value(name, {word: value}):
            return f"{word} has no {name}; the value is in {place}."
        fields = getattr(value, "_fields", ())
        has = f"holds {', '.join(fields)}" if fields else f"is of the type {kind}"
        return f"{word} {has}, and has no {name}: is the name right?"
    return ""


def _advise_on_module(found: re.Match, line: Line) -> str:
    near = _nearest(found[2], dir(sys.modules.get(found[1])))
    return f"{found[1]} has no {found[2]}: " + (f"is {near} meant?" if near else "is the name right?")


def _advise_on_argument(found: re.Match, line: Line) -> str:
    name = found[1]
    if name in ARGUMENTS:
        return f"NumPy's word is {ARGUMENTS[name]}, not {name}."
    return f"The function on this line takes no argument {name}: look up what its arguments are called."


def _advise_on_call(found: re.Match, line: Line) -> str:
    if ".shape(" in line.text:
        return "shape is a tuple and no function: write nothing behind it, or one place in square brackets."
    if ".size(" in line.text:
        return "In NumPy size is the number of entries, and no function; the sizes of the axes are in shape."
    return "Round brackets call a function. An array is read with square brackets; a product needs its *."


def _advise_on_name(found: re.Match, line: Line) -> str:
    name = found[1]
    if place := _find_value(name, line.names):
        return f"{name} has no value here; the value is in {place}."
    if near := _nearest(name, [*line.names, *line.globals, *BUILT_IN]):
        return f"{name} has no value here, and {near} has one: is {near} meant?"
    return (
        f"{name} has no value here: a function has its arguments and what it computed before this line. "
        "Is the name right? Does it come from the cache, or from an import at the top of the file?"
    )


def _advise_on_unset(found: re.Match, line: Line) -> str:
    if re.match(rf"{found[1]}\s*([-+*/@]|//|\*\*)?=[^=]", line.text):
        return f"This line reads {found[1]} before any line has given it a value: where is its old value?"
    return (
        f"No line that ran has given {found[1]} a value: an if above has skipped it. Set it in each branch."
    )


def _advise_on_index(found: re.Match, line: Line) -> str:
    axis, size = int(found[2]), int(found[3])
    arrays = [
        word
        for word, value in line.values.items()
        if isinstance(value, np.ndarray) and value.shape[axis : axis + 1] == (size,)
    ]
    of = f" of {' or '.join(arrays)}" * bool(arrays)
    return f"Axis {axis}{of} has the size {size}, and its entries are counted from 0. Is this the right axis?"


def _advise_on_list_index(found: re.Match, line: Line) -> str:
    own = getattr(line.names.get("self"), "__dict__", {})
    known = line.names | {f"self.{name}": value for name, value in own.items()}
    lists = {word: v for word, v in known.items() if isinstance(v, (list, tuple)) and f"{word}[" in line.text}
    sizes = [f"{word} has {len(value)}" for word, value in lists.items()]
    return f"{join_words(sizes)} entries, and they are counted from 0." if sizes else ""


def _advise_on_float(found: re.Match, line: Line) -> str:
    floats = [f"{word} is {value}" for word, value in line.values.items() if isinstance(value, float)]
    if not floats:
        return ""
    return (
        f"{join_words(floats)}: a size or a place must be a whole number. / gives a float, // a whole number."
    )


def _advise_on_reshape(found: re.Match, line: Line) -> str:
    size = int(np.prod([int(n) for n in re.findall(r"\d+", found[2])]))
    new = f"which is no multiple of {size}" if "-1" in line.text else f"the new shape {size}"
    return f"A reshape keeps the number of entries: the array has {found[1]}, {new}."


def _say(sentence: str) -> Callable[[re.Match, Line], str]:
    """The sentence, with {1}, {2} for the groups of the pattern."""
    return lambda found, line: sentence.format(*(found[0], *found.groups()))


ADVICE: list[tuple[str, Callable[[re.Match, Line], str]]] = [
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
    ("index out of range", _advise_on_list_index),
    (r"bitwise_xor|for \^:", _say("In Python a power is written with **, and ^ is something else.")),
    (r"KeyError: (.*)", _advise_on_key),
    (
        "truth value of an array",
        _say(
            "An if or a while asks one question, and an array has many entries: a comparison such as x > 0 "
            "gives an answer for each entry, which np.where or a product can use."
        ),
    ),
    ("object is not callable", _advise_on_call),
    ("unexpected keyword argument '(\\w+)'", _advise_on_argument),
    (
        r"only concatenate str .not .(int|float)",
        _say("A number joins a text only as text: as str(n), or in an f-string."),
    ),
    ("multiply sequence|only concatenate list", _advise_on_list),
    ("'float' object cannot be interpreted|slice indices must be integers", _advise_on_float),
    (
        "Cannot interpret .* as a data type",
        _say("The second argument is read as a dtype. A shape is one tuple, in brackets of its own."),
    ),
    (
        "must be a sub-type of ndarray",
        _say("In NumPy view reads the same bytes as another dtype; reshape gives another shape."),
    ),
    (
        "only integers, slices",
        _say("An array is read by whole numbers, slices such as 2:5, or an array of places."),
    ),
    (
        r"'(int|float)' object is not iterable",
        _say("for goes through a list, an array or range(n), and here it gets one number."),
    ),
    ("RecursionError", _say("This function calls itself, directly or by another, and never ends.")),
    ("tuple|not supported between|unsupported operand|inhomogeneous", _advise_on_tuple),
    ("too many values to unpack|not enough values to unpack", _advise_on_unpacking),
    (r"'([\w.]+)' object has no attribute '(\w+)'", _advise_on_attribute),
    (r"module '([\w.]+)' has no attribute '(\w+)'", _advise_on_module),
    (
        r"UnboundLocalError: .*'(\w+)'",
        _advise_on_unset,
    ),
    (r"NameError: name '(\w+)' is not defined", _advise_on_name),
    (r"cannot reshape array of size (\d+) into shape (\(.*\))", _advise_on_reshape),
    (
        "ValueError.*(core dimension|broadcast|not aligned)",
        lambda found, line: advise_on_shapes(found.string, line.names, line.text),
    ),
]
