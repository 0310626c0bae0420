"""What a learner hands in: the files with exercises and the notebooks, without anything of the machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cs231n.checking.edition import entries
from cs231n.common.files import REPOSITORY
from cs231n.common.words import answers_in_words

__all__ = [
    "NOTEBOOKS",
    "SubmitError",
    "ask_declaration",
    "collect",
    "describe_answers",
    "packed_files",
    "without_outputs",
]

NOTEBOOKS = (
    "notebooks/1_gradient_checking.ipynb",
    "notebooks/2_batchnorm_gradient.ipynb",
    "notebooks/3_fully_connected_net.ipynb",
    "notebooks/4_train_on_cifar10.ipynb",
    "notebooks/5_second_derivative.ipynb",
)
USES = ("none", "for explanations", "for code")  # of an assistant


class SubmitError(Exception):
    """Why nothing can be packed, with a line for each file."""


def packed_files(root: Path = REPOSITORY) -> list[str]:
    """The files to hand in: those that hold a function of an exercise, and the notebooks."""
    return [*sorted({file for entry in entries(root) for file in entry.files}), *NOTEBOOKS]


def ask_declaration(root: Path = REPOSITORY) -> str:
    """What the learner declares about assistants, asked on the terminal; "" if this edition does not ask.

    Raises:
        SubmitError: it asks, and nobody can answer.
    """
    path = root / "cs231n" / "declaration.txt"
    if not path.is_file():
        return ""
    print(path.read_text(encoding="utf-8").strip())
    print(*(f"  {number}  {use}" for number, use in enumerate(USES, start=1)), sep="\n")
    try:
        number = ""
        while number not in {"1", "2", "3"}:
            number = input("1, 2 or 3: ").strip()
        words = input("Which, and what for? One line, or only Enter: ").strip()
    except (EOFError, RuntimeError):  # the second if there is no input at all
        raise SubmitError(
            "your class asks how you used assistants, and there is no terminal to answer; "
            'try: --declaration "none", or for example --declaration "for explanations: what axis=0 means"'
        ) from None
    return USES[int(number) - 1] + (f": {words}" if words else "")


def collect(root: Path = REPOSITORY, declaration: str = "") -> dict[str, bytes]:
    """{path: content} of the files to hand in, and of manifest.json, which holds their digests.

    Args:
        root: the kit's folder.
        declaration: what the learner declares about assistants.

    Raises:
        SubmitError: a file is missing or cannot be read; every such file is named.
    """
    files, faults = {}, []
    for name in packed_files(root):
        try:
            content = (root / name).read_bytes()
            files[name] = without_outputs(content) if name.endswith(".ipynb") else content
        except OSError as error:
            faults.append(f"{name} is missing: {error.strerror}; try: copy it from the kit again")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(f"{name} is not a notebook: {error}; try: open it in Jupyter and save it")
    if faults:
        raise SubmitError("\n".join(faults))
    digests = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    manifest = {"files": digests} | ({"declaration": declaration} if declaration else {})
    return files | {"manifest.json": (json.dumps(manifest, indent=1) + "\n").encode()}


def without_outputs(content: bytes) -> bytes:
    """A notebook with its sources and tags alone: a traceback names folders, and metadata may name people."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"] = {}
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def describe_answers(files: Mapping[str, bytes]) -> str:
    """How many questions in words are answered in {path: content}; "" if there are no such questions."""
    answers: dict[str, str] = {}
    for name in NOTEBOOKS:
        answers |= answers_in_words(json.loads(files[name])) if name in files else {}
    if not answers:
        return ""
    still_open = [question for question, text in answers.items() if not text]
    line = f"{len(answers) - len(still_open)} of {len(answers)} questions in words are answered"
    return f"{line}; open: {', '.join(still_open)}" if still_open else line
