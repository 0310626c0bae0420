"""An exception in a learner's code, in words: what it says, the line it came from."""

import ast
import traceback
from pathlib import Path

from cs231n.checking.reloading import EDITED_FILES, message_of

__all__ = [
    "RAISED",
    "describe_exception",
    "describe_left_raise",
    "find_user_line",
    "is_edited",
]

RAISED = (Exception, SystemExit)  # what a learner's function may raise: exit() must not end the check


SHOWN_LINES, SHOWN_CHARACTERS = 5, 500


def describe_exception(error: BaseException) -> tuple[str, str]:
    """Its name with the beginning of its words, and the line that it came from; "" if none is a learner's."""
    text = message_of(error)
    if isinstance(error, SyntaxError) and isinstance(error.msg, str) and error.filename:
        text = error.msg  # without the place, which follows
    shown = "\n".join(text[:SHOWN_CHARACTERS].split("\n")[:SHOWN_LINES])
    place = find_user_line(error)
    if place.startswith("in learner_code.py,"):  # the check's own call was refused
        place = ""
    return f"{type(error).__name__}: {shown}{' ...' * (shown != text)}", place


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


def is_edited(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).resolve() in EDITED_FILES
