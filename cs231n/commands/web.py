"""python -m cs231n web OUT: the notebooks as a folder of static pages, whose cells run in the browser."""

import argparse
import sys
from pathlib import Path

from cs231n.data.errors import DataError
from cs231n.web.runtime import RUNTIMES
from cs231n.web.site import write_site

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write")
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default=RUNTIMES[0],
        help="where the browser gets NumPy from: bundled, the folder itself, so that no request leaves the "
        "site; or cdn, the runtime's own server, which has matplotlib too (default: bundled)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0, or 1 if the site cannot be written."""
    try:
        size = write_site(arguments.out, arguments.runtime)
    except DataError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"web: cannot write {error.filename}: {error.strerror}; try another folder", file=sys.stderr)
        return 1
    quoted = f'"{arguments.out}"' if " " in str(arguments.out) else arguments.out
    print(f"{arguments.out} holds the pages and what runs them, {size / 1e6:.0f} MB. To open them here:")
    print(f"  python -m http.server --bind 127.0.0.1 --directory {quoted} 8000")
    print("and, in a browser, http://127.0.0.1:8000")
    return 0
