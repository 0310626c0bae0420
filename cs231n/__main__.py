"""The commands of the kit: python -m cs231n COMMAND."""

import argparse
import os
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cs231n", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("data", help="fetch and verify CIFAR-10; say where each byte came from")
    commands.add_parser("run", help="run the four notebooks and write them as pages under reports/")
    command = parser.parse_args(argv).command
    if hasattr(sys.stdout, "reconfigure"):      # the name of a folder may hold what a terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if command == "data":
            from cs231n.data_utils import main as job
        else:
            from cs231n.report import main as job
        status = job()
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as missing:
        if missing.name.split(".")[0] == "cs231n":
            raise
        activate = r".venv\Scripts\activate (README.md says how to make .venv)" if os.name == "nt" else \
            "source .venv/bin/activate (after ./setup.sh run)"
        print(f"{command}: no {missing.name} in this Python; try: {activate}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:                   # also while the imports run, which takes seconds
        print(f"\n{command}: interrupted; try the same command again", file=sys.stderr)
        return 130
    except BrokenPipeError:                     # as in: python -m cs231n data | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())      # for the last flush, at exit
        return 141


if __name__ == "__main__":
    sys.exit(main())
