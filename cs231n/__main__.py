"""The commands of the kit: python -m cs231n COMMAND."""

import argparse
import importlib
import os
import sys

from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import report_missing_package

COMMANDS = {  # each is a module of cs231n.commands
    "start": "make the assignment in a folder of your own, set it up, open notebook 1",
    "setup": "what setup.sh and setup.ps1 do: make .venv and install; then run, test or lab",
    "data": "fetch and verify CIFAR-10, and print where it came from",
    "run": "run the notebooks and write them as pages under reports/",
    "web": "write the notebooks as a folder of pages whose cells run in the browser",
    "check": "check the exercises, and explain what is wrong",
    "hint": "show a hint for an exercise, in three steps",
    "train": "train a net by a recipe: minute, good, best or hour",
    "search": "search over hyper-parameters, here or on a cluster",
    "submit": "check the exercises and pack them into one zip to hand in",
}
NEED_PROJECT = ("start", "setup", "run", "web", "submit")  # they work on the folder of the project


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    if hasattr(sys.stdout, "reconfigure"):  # the name of a folder may hold what a terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m cs231n", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {
        name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()
    }
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        parser.exit(2, parser.format_help())
    command = argv[0] if argv[0] in COMMANDS else parser.parse_args(argv).command
    is_project = any((REPOSITORY / name).exists() for name in ("setup.sh", "notebooks"))
    if command in NEED_PROJECT and not is_project:
        print(
            f"{command}: needs the folder of the project, and this cs231n was installed without it; "
            "try: the same command in a copy of the project",
            file=sys.stderr,
        )
        return 1
    try:
        # One module alone: importing them all takes seconds, and some need packages that others do not.
        job = importlib.import_module(f"cs231n.commands.{command}")
        if hasattr(job, "add_arguments"):
            job.add_arguments(parsers[command])
        arguments = parser.parse_args(argv)
        status = job.main(arguments) if hasattr(job, "add_arguments") else job.main()
        sys.stdout.flush()
        return status
    except ModuleNotFoundError as missing:
        return report_missing_package(command, missing)
    except KeyboardInterrupt:  # also while the imports run, which takes seconds
        print(f"\n{command}: interrupted; try the same command again", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in: python -m cs231n data | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush, at exit
        return 141


if __name__ == "__main__":
    sys.exit(main())
