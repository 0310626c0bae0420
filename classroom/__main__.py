"""The instructor's commands: python -m classroom COMMAND."""

import argparse
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m classroom", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    from classroom.grading import grade
    from classroom.releasing import release

    jobs = {
        "release": (release, "make the learner's folder and zip from the solved kit"),
        "grade": (grade, "grade a folder of submissions"),
    }
    for name, (job, said) in jobs.items():
        job.add_arguments(commands.add_parser(name, help=said, description=job.__doc__))
    arguments = parser.parse_args(argv)
    try:
        return jobs[arguments.command][0].main(arguments)
    except KeyboardInterrupt:
        print(f"\n{arguments.command}: interrupted; try the same command again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
