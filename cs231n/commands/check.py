"""python -m cs231n check [NAME ...]: a verdict for each exercise."""

import argparse
import sys

from cs231n.checking.edition import numbers
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.verdict import PASSED, format_verdict, verdict

__all__ = ["add_arguments", "check_exercises", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="an exercise, as batchnorm_backward (default: all)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit status 0 if all exercises pass, 1 if not, 2 if a name is unknown."""
    unknown = [name for name in arguments.names if name not in EXERCISES]
    if unknown:
        print(f"check: no exercise {unknown[0]!r}; there are {', '.join(EXERCISES)}", file=sys.stderr)
        return 2
    return check_exercises(arguments.names)


def check_exercises(names: list[str] | None = None) -> int:
    """Print a line for each exercise (default: all of this edition), and its reasons. Exit status as main."""
    number_of = numbers()
    names = names or list(number_of)
    passed, reported = 0, set()
    for name in names:
        result = verdict(name)
        passed += result.status == PASSED
        if result.kind in ("no-import", "borrowed"):  # of a whole file: reported once
            if result.lines in reported:
                result = result._replace(lines=("For the reason above.",))
            reported.add(result.lines)
        print(format_verdict(f"{number_of.get(name, ''):>3}  {name:24}", result, indent=5), flush=True)
    print(f"{passed} of {len(names)} passed")
    return int(passed < len(names))
