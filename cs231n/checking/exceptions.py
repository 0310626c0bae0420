"""An exception in a learner's code, in words: what it says, the line it came from, and what to look at."""

import ast
import re
import traceback
from pathlib import Path

import numpy as np

from cs231n.checking.reloading import EDITED_FILES, message_of

__all__ = [
    "RAISED",
    "advise_on_arrays",
    "describe_exception",
    "describe_left_raise",
    "find_user_line",
    "is_edited",
]

RAISED = (Exception, SystemExit)  # what a learner's function may raise: exit() must not end the check


SHOWN_LINES, SHOWN_CHARACTERS = 5, 500


def describe_exception(error: BaseException) -> tuple[str, str]:
    """Its name with the beginning of its words, and the line that it came from."""
    text = message_of(error)
    shown = "\n".join(text[:SHOWN_CHARACTERS].split("\n")[:SHOWN_LINES])
    return f"{type(error).__name__}: {shown}{' ...' * (shown != text)}", find_user_line(error)


def find_user_line(error: BaseException) -> str:
    """Where in the learner's files an error came from: the last of their lines that ran.

    Where a contract refused the arguments of a function, it is the line that called the function.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"in {Path(error.filename).name}, line {error.lineno}: {(error.text or '').strip()}"
    frames = traceback.extract_tb(error.__traceback__)
    edited = [frame for frame in frames if is_edited(frame)]
    if not edited:
        outside = [frame for frame in frames if Path(frame.filename).parent.name != "contracts"]
        return f"in {Path(outside[-1].filename).name}, line {outside[-1].lineno}"
    frame = edited[-1]
    return f"in {Path(frame.filename).name}, line {frame.lineno}, {frame.name}: {frame.line}"


def describe_left_raise(error: NotImplementedError) -> str:
    """Where a function with code of the learner still has the raise of its blank; "" if it has no code."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not is_edited(frames[-1]):
        return ""
    path, line, name = Path(frames[-1].filename), frames[-1].lineno or 0, frames[-1].name
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # edited since
        return ""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name == name
            and node.lineno <= line <= (node.end_lineno or 0)
        ):
            body = node.body[ast.get_docstring(node, clean=False) is not None :]
            if len(body) > 1 or not isinstance(body[0], ast.Raise):
                place = f"`raise NotImplementedError` on line {line} of {path.name}"
                return f"{name} still contains {place}; delete that line once your code is complete."
    return ""


def advise_on_arrays(error: BaseException) -> str:
    """What to do about an error of NumPy's own in a learner's line, with the shapes on that line; or ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = zip(traceback.extract_tb(error.__traceback__), frames)
    line, names = next(
        ((place.line or "", frame.f_locals) for place, frame in [*places][::-1] if is_edited(place)),
        ("", {}),
    )
    message = message_of(error)
    if re.search(r"\bmax\(", line) and re.search("integer|truth value", message):
        return "np.maximum compares entry by entry; max and np.max look for the largest entry."
    if "NoneType" in message:
        empty = [word for word in re.findall(r"[A-Za-z_]\w*", line) if word in names and names[word] is None]
        reason = ": the forward returned none, as in mode 'test'" if "cache" in empty else ""
        return f"{', '.join(empty)} on this line is None{reason}." if empty else ""
    if not isinstance(error, ValueError) or not re.search("core dimension|broadcast|not aligned", message):
        return ""
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line.partition(" = ")[2] or line))
    arrays = {word: names[word] for word in words if isinstance(names.get(word), np.ndarray)}
    if len({array.shape for array in arrays.values()}) < 2:
        return "The shapes do not fit; print the shape of each array on this line."
    advice = "print them" + ", and read each example as one row" * any(a.ndim > 2 for a in arrays.values())
    shapes = ", ".join(f"{word} {array.shape}" for word, array in arrays.items())
    return f"The shapes on this line are {shapes}. Two of them do not fit; {advice}."


def is_edited(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).resolve() in EDITED_FILES
