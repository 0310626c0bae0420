"""python -m cs231n submit: pack the exercises into one zip to hand in, and check them."""

import argparse
import json
import sys
from pathlib import Path

from cs231n.checking.imports import check_imports  # and nothing that imports a learner's files
from cs231n.checking.submission import SubmitError, ask_declaration, collect, describe_answers
from cs231n.checks import check_exercises
from cs231n.common.files import REPOSITORY, atomic_write, zip_of

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        default="submission.zip",
        metavar="FILE",
        help="the zip to write (default: submission.zip in this folder)",
    )
    parser.add_argument(
        "--declaration", metavar="TEXT", help="how you used AI assistants, if your class asks"
    )


def main(arguments: argparse.Namespace) -> int:
    """Exit status 0 only if every file is there and every exercise passes; 1 otherwise; 130 for Ctrl-C.

    If a file is missing, nothing is written; an exercise that does not pass yet is handed in all the same.
    The zip is written before the checks, which an endless loop would never leave.
    """
    output = Path(arguments.output)
    declaration = arguments.declaration
    try:
        if declaration is None:
            declaration = ask_declaration()
    except SubmitError as error:
        print(f"submit: {error}", file=sys.stderr)
        return 1
    try:
        files = collect(declaration=declaration)
    except (OSError, SubmitError) as error:
        print(f"submit: nothing was written.\n{error}", file=sys.stderr)
        return 1
    try:
        with atomic_write(output) as file:
            file.write(zip_of(files))
    except OSError as error:
        print(f"submit: cannot write {output}: {error.strerror}; try another place with -o", file=sys.stderr)
        return 1
    print(f"{output} holds", *files, sep="\n  ")
    declared = json.loads(files["manifest.json"]).get("declaration")
    if declared:
        print(f"Your declaration about assistants: {declared}")
    answers = describe_answers(files)
    if answers:
        print(f"{answers}.")
    refused = any(check_imports(REPOSITORY, name) for name in files if name.endswith(".py"))
    first = (
        "It imports a module that the grader does not have: see below" if refused else "All files are in it"
    )
    print(f"{first}. Now the checks; Ctrl-C stops them.\n", flush=True)
    go_on = "hand it in as it is, or continue and submit again"
    try:
        status = check_exercises()
    except KeyboardInterrupt:
        print(f"submit: the checks were stopped; {output} is written, {go_on}", file=sys.stderr)
        return 130
    if status:
        sys.stdout.flush()
        print(f"submit: {output} is written; an exercise above does not pass yet: {go_on}", file=sys.stderr)
    return status
