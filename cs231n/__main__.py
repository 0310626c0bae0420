"""The commands of the kit: python -m cs231n COMMAND."""

import argparse
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cs231n", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("data", help="fetch and verify CIFAR-10; say where each byte came from")
    commands.add_parser("run", help="run the four notebooks and write them as pages under reports/")
    command = parser.parse_args(argv).command
    if command == "data":
        from cs231n.data_utils import main as job
    else:
        from cs231n.report import main as job
    return job()


if __name__ == "__main__":
    sys.exit(main())
