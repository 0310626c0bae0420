"""The instructor's commands: python -m classroom COMMAND."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from cs231n.common.terminal import report_missing_package


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m classroom", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    try:
        from classroom.grading import grade, similar
        from classroom.releasing import release
    except ModuleNotFoundError as missing:
        return report_missing_package("classroom", missing)
    commands = {
        "release": (release, "make the learner's folder and zip from the solved kit"),
        "grade": (grade, "grade a folder of submissions"),
        "similar": (similar, "list pairs of similar submissions"),
    }
    for name, (module, summary) in commands.items():
        module.add_arguments(subparsers.add_parser(name, help=summary, description=module.__doc__))
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        parser.exit(2, parser.format_help())
    arguments = parser.parse_args(argv)
    try:
        return commands[arguments.command][0].main(arguments)
    except KeyboardInterrupt:
        print(f"\n{arguments.command}: interrupted; try the same command again", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in: python -m classroom release | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush, at exit
        return 141


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # no name of a student is an error
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as after Ctrl-C
    sys.exit(main())
