"""python -m cs231n check [NAME ...]: a verdict for each exercise, and how far one has come."""

import argparse
import sys

from cs231n.checking.edition import entries, find_exercise, format_points
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.verdict import PASSED, format_verdict, verdict
from cs231n.common.terminal import text_width

__all__ = ["add_arguments", "check_exercises", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="an exercise: batchnorm_backward, its number, or a beginning of its name (default: all)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit status 0 if all exercises pass, 1 if not, 2 if a name is unknown."""
    try:
        names = [find_exercise(name) for name in arguments.names]
    except ValueError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    return check_exercises(names)


def check_exercises(names: list[str] | None = None) -> int:
    """Print a line for each exercise (default: all of this edition), and its reasons. Exit status as main."""
    by_title = {entry.title: entry for entry in entries() if entry.title in EXERCISES}
    names = names or list(by_title)
    passed, reported = list[str](), set()
    width = text_width()
    longest = max(map(len, names))
    for name in names:
        result, entry = verdict(name), by_title.get(name)
        passed += [name] * (result.status == PASSED)
        if result.kind in ("no-import", "borrowed"):  # of a whole file: reported once
            if result.findings in reported:
                result = result._replace(findings=("For the reason above.",))
            reported.add(result.findings)
        number, points = (f"{entry.number}", format_points(entry.points)) if entry else ("", "")
        if width < 60:
            points = points.partition(" ")[0]
        head = f"{number:>2}  {name:<{longest}}  {points:>{9 if width >= 60 else 2}}  "
        print(format_verdict(head, result, width), flush=True)
    earned, possible = (sum(by_title[n].points for n in some if n in by_title) for some in (passed, names))
    print(f"{len(passed)} of {len(names)} exercises passed, {earned:g} of {format_points(possible)}")
    return int(len(passed) < len(names))
