"""python -m cs231n check [NAME ...]: a verdict for each exercise, and how many have passed."""

import argparse
import sys

from cs231n.checking.edition import find_exercise
from cs231n.checks import check_exercises

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="name of an exercise, its number, or the beginning of its name (default: all)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit status 0 if all exercises pass, 1 if not, 2 if a name is unknown."""
    try:
        names = [find_exercise(name) for name in arguments.names]
    except ValueError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    return check_exercises(names)
