"""Pack the exercises into one zip to hand in, and check them: python -m cs231n submit."""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

from cs231n import checks  # and no module that imports a learner's files, which may not compile
from cs231n.checking.imports import refusals
from cs231n.common.files import zip_of

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = (
    "notebooks/1_gradient_checking.ipynb",
    "notebooks/2_batchnorm_gradient.ipynb",
    "notebooks/3_fully_connected_net.ipynb",
    "notebooks/4_train_on_cifar10.ipynb",
)


class SubmitError(Exception):
    """What keeps the zip from being written, in one line for each thing."""


def exercises(root=ROOT):
    """The entries of cs231n/exercises.json: number, title, functions, files."""
    return json.loads((root / "cs231n" / "exercises.json").read_text(encoding="utf-8"))


def wanted(root=ROOT):
    """The files to hand in: those that hold a function of an exercise, and the notebooks."""
    modules = {file for exercise in exercises(root) for file in exercise["files"]}
    return [*sorted(modules), *NOTEBOOKS]


def collect(root=ROOT):
    """{path: bytes} of the files to hand in, with manifest.json, which holds their digests.

    Raises: SubmitError that names every file that is missing or cannot be read.
    """
    files, faults = {}, []
    for name in wanted(root):
        try:
            content = (root / name).read_bytes()
            files[name] = without_outputs(content) if name.endswith(".ipynb") else content
        except OSError as error:
            faults.append(f"{name} is missing: {error.strerror}; try: take it from the kit again")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(f"{name} is no notebook: {error}; try: open it in Jupyter and save it")
    if faults:
        raise SubmitError("\n".join(faults))
    digests = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return files | {"manifest.json": (json.dumps({"files": digests}, indent=1) + "\n").encode()}


def without_outputs(content):
    """A notebook with its sources and tags alone: a traceback names folders, and metadata may name people."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"] = {}
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def add_arguments(parser):
    parser.add_argument(
        "-o",
        "--output",
        default="submission.zip",
        metavar="FILE",
        help="the zip to write (default: submission.zip, where you stand)",
    )


def main(arguments, root=ROOT):
    """The command. Status 0 only if every file is there and every exercise passes; 1 otherwise.

    Without a file nothing is written; what does not pass yet is handed in all the same. The zip is written
    before the checks, which a loop without end would never leave.
    """
    try:
        files = collect(root)
    except (OSError, SubmitError) as error:
        print(f"submit: nothing was written.\n{error}", file=sys.stderr)
        return 1
    draft = Path(f"{arguments.output}.part")
    try:
        draft.write_bytes(zip_of(files))
        os.replace(draft, arguments.output)
    except OSError as error:
        draft.unlink(missing_ok=True)
        print(
            f"submit: cannot write {arguments.output}: {error.strerror}; try another place with -o",
            file=sys.stderr,
        )
        return 1
    print(f"{arguments.output} holds", *files, sep="\n  ")
    refused = any(refusals(root, name) for name in files if name.endswith(".py"))
    first = "It imports what is not there when it is marked: see below" if refused else "It is complete"
    print(f"{first}. Now the checks; Ctrl-C stops them.\n", flush=True)
    try:
        status = checks.main(argparse.Namespace(names=[]))
    except KeyboardInterrupt:
        print(
            f"submit: the checks were stopped; {arguments.output} is written, hand it in as it is, or go "
            "on and submit again",
            file=sys.stderr,
        )
        return 130
    if status:
        sys.stdout.flush()
        print(
            f"submit: {arguments.output} is written, although not every exercise passes yet; hand it in as "
            "it is, or go on and submit again",
            file=sys.stderr,
        )
    return status
