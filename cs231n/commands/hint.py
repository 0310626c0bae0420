"""python -m cs231n hint NAME [STEP]: a hint for an exercise, in three steps."""

import argparse
import sys

from cs231n.checking.edition import entry_of, find_exercise
from cs231n.checking.hints import format_hint, wrap_hint
from cs231n.common.terminal import text_width

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME",
        help="name of an exercise, its number, or the beginning of its name",
    )
    parser.add_argument(
        "step",
        nargs="?",
        type=int,
        default=1,
        metavar="STEP",
        help="1 the idea (default), 2 the equation and the picture, 3 shapes and the order of the steps",
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit status 0, or 2 if there is no such exercise or step."""
    try:
        name = find_exercise(arguments.name)
        entry = entry_of(name)
        text = format_hint(
            name, arguments.step, f"python -m cs231n hint {entry.number if entry else name} {{}}"
        )
    except ValueError as error:
        print(f"hint: {error}", file=sys.stderr)
        return 2
    print(wrap_hint(text, text_width()))
    return 0
