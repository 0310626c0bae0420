"""From a solved notebook to a learner's: cards as the manifest has them, answers left open, no outputs.

Two kinds of cells are left to the learner, and neither stops the notebook: a cell with the tag `answer`
(below a question) and one with the tag `worksheet` (a line of the derivation). In a code cell the values of
its assignments and the bodies of its functions become three dots, all else stays; the first line is a comment
that says what to write. In a Markdown cell the model answer goes.
"""

import ast
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from classroom.manifest import Exercise, ManifestError, load_exercises
from classroom.releasing.blanks import Function, body_of, replace_bodies, withheld_functions
from classroom.releasing.cards import CARD, card, card_of_written, check_line, title_of_card
from cs231n.common.words import ANSWER, PLACE_FOR_WORDS, question_of

__all__ = [
    "ModelAnswer",
    "blank_notebook",
    "cards_in",
    "is_open",
    "model_answers",
    "open_in_colab",
    "without_magics",
]

WORKSHEET = "worksheet"
OPEN_TAGS = (ANSWER, WORKSHEET)
WORDS = re.compile(r"<details><summary>Model answer</summary>\n\n(.+)\n\n</details>\s*", re.DOTALL)
Assignment = ast.Assign | ast.AnnAssign


class ModelAnswer(NamedTuple):
    """What a cell that is left to the learner holds in the solved notebook."""

    question: str  # "2.7"; "" in a worksheet cell
    words: str  # of an answer in words, else ""
    code: tuple[ast.expr | ast.stmt, ...]  # the values of its assignments, the statements of its functions


def is_open(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is left to the learner."""
    return any(tag in OPEN_TAGS for tag in _tags(cell))


def blank_notebook(name: str, text: str, exercises: Sequence[Exercise]) -> str:
    """The learner's edition of a notebook.

    Args:
        name: of the notebook, for messages.
        text: of the notebook, JSON.
        exercises: those of the edition.

    Raises:
        ManifestError: a cell that is left to the learner does not say what to write, a card is no card, or a
            tag is not known.
    """
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)  # the state of sliders is an output too
    by_title = {exercise.title: exercise for exercise in exercises}
    withheld = {title for _, title in withheld_functions(exercises)}
    following = [*notebook["cells"][1:], None]
    for cell, below in zip(notebook["cells"], following):
        source, tags = "".join(cell["source"]), _tags(cell)
        try:
            _refuse_strange_tags(cell)
            if CARD in tags:
                title = _require_card(cell, below, by_title)
                source = card(by_title[title]) if title in by_title else card_of_written(title)
                if title in withheld:
                    source = f"`{title}` is not in this edition. The cells below that need it say so."
                    below["source"] = [f"# {title} is not in this edition: there is nothing to check"]
            elif is_open(cell):
                _parse_open(cell)
                source = _open_code(source) if cell["cell_type"] == "code" else PLACE_FOR_WORDS
                cell.pop("attachments", None)
        except ManifestError as error:
            raise _located(name, cell, error) from None
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        cell["metadata"] = {"tags": tags} if tags else {}  # a folded answer opens
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def open_in_colab(name: str, text: str, url: str) -> str:
    """A notebook with a link that opens it in Colab, and with first and last cells for there.

    Args:
        name: its path in the repository.
        text: of the notebook, JSON.
        url: of the repository at GitHub.

    Raises:
        ManifestError: it is no such address, or the first cell is not as it should be.
    """
    match = re.fullmatch(r"https://github\.com/([\w-]+/([\w.-]+?))(?:\.git)?/?", url)
    if not match:
        raise ManifestError(f"--url {url} is no repository at GitHub; try https://github.com/OWNER/REPO")
    notebook = json.loads(text)
    link = f"\n[Open in Colab](https://colab.research.google.com/github/{match[1]}/blob/main/{name})\n"
    notebook["cells"][0]["source"][1:1] = link.splitlines(keepends=True)
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    source = "".join(first["source"])
    for old, new in _FIRST_CELL.items():
        if source.count(old) != 1:
            raise ManifestError(f"{name}: its first code cell has not {old!r} once")
        source = source.replace(old, new.format(*match.groups()))
    first["source"] = source.splitlines(keepends=True)
    for number, line in enumerate(_LAST_CELLS):
        cell = {"id": f"last-{number}", "cell_type": "code", "metadata": {}, "source": [line]}
        notebook["cells"].append({**cell, "outputs": [], "execution_count": None})
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


_FIRST_CELL = {
    "import sys\n": "import os\nimport sys\n",
    "kits = ": """if Path("/content").is_dir():  # on Colab, for a Drive that has no such folder yet
    os.system("git clone -q --depth 1 https://github.com/{0} /content/{1}")
kits = """,
    "kits)]": 'kits), "/content/{1}"]',
}
_LAST_CELLS = (
    "check()  # all exercises, and your points",
    '!cd "{sys.path[0]}" && python -m cs231n submit  # writes submission.zip there, to hand in',
)


def cards_in(text: str) -> list[str]:
    """The titles of the cards in a notebook, in their order."""
    titles = map(title_of_card, json.loads(text)["cells"])
    return [title for title in titles if title is not None]


def model_answers(name: str, text: str) -> list[ModelAnswer]:
    """What the cells that are left to the learner hold in a solved notebook.

    Raises:
        ManifestError: as for `blank_notebook`.
    """
    answers = []
    for cell in json.loads(text)["cells"]:
        if is_open(cell):
            try:
                answers.append(ModelAnswer(question_of(_tags(cell)) or "", *_parse_open(cell)))
            except ManifestError as error:
                raise _located(name, cell, error) from None
    return answers


def _located(name: str, cell: Mapping[str, Any], error: ManifestError) -> ManifestError:
    return ManifestError(f"{name}, the cell {''.join(cell['source'])[:60]!r}: {error}")


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def _refuse_strange_tags(cell: Mapping[str, Any]) -> None:
    """A misspelt tag would hand out what stands in the cell."""
    tags = _tags(cell)
    for tag in tags:
        if "exerci" in tag.lower():
            raise ManifestError(
                f"the tag {tag!r} leaves nothing open; try {CARD} for the card of an exercise, {ANSWER} with "
                f"question-2.7 and the like for an answer, {WORKSHEET} for a line of a derivation"
            )
        close = difflib.get_close_matches(tag.lower(), (CARD, *OPEN_TAGS), n=1, cutoff=0.75)
        if close and tag != close[0]:
            raise ManifestError(f"the tag {tag!r} is not known; try {close[0]}")
        if tag.lower().startswith("question") and question_of([tag]) is None:
            raise ManifestError(f"the tag {tag!r} names no question; try question-2.7 and the like")
    if (ANSWER in tags) != (question_of(tags) is not None):
        raise ManifestError(f"an answer has two tags, {ANSWER} and question-2.7 and the like; got {tags}")
    if sum(tag in (CARD, *OPEN_TAGS) for tag in tags) > 1:
        raise ManifestError(f"a cell is a {CARD}, an {ANSWER} or a {WORKSHEET}, not two of them; got {tags}")


def _require_card(
    cell: Mapping[str, Any], below: Mapping[str, Any] | None, by_title: Mapping[str, Exercise]
) -> str:
    """The title of a card.

    Raises:
        ManifestError: it is not a card, or has no check below it.
    """
    title = title_of_card(cell) or ""
    if title not in by_title and title not in [exercise.title for exercise in load_exercises()]:
        raise ManifestError(
            f"it has the tag {CARD}, but is not the card of an exercise; "
            "try the text that classroom.releasing.cards.card returns"
        )
    if below is None or below["cell_type"] != "code" or "".join(below["source"]) != check_line(title):
        raise ManifestError(f"the cell below a card must be {check_line(title)}")
    return title


def _parse_open(cell: Mapping[str, Any]) -> tuple[str, tuple[ast.expr | ast.stmt, ...]]:
    """The model answer in a cell that is left to the learner: in words, or as code.

    Raises:
        ManifestError: a line of it would be handed out as it is, or the cell is not built as it should be.
    """
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        match = WORDS.fullmatch(source)
        if not match:
            raise ManifestError(
                "an answer in words must be <details><summary>Model answer</summary>, an empty line, the "
                "answer, an empty line, </details>"
            )
        return match[1], ()
    if not source.startswith("# "):
        raise ManifestError(
            "it is left to the learner and does not say what to write; try a comment as its first line"
        )
    try:
        tree = ast.parse(without_magics(source))
    except SyntaxError as error:
        raise ManifestError(f"it does not compile: {error}") from None
    code: list[ast.expr | ast.stmt] = []
    calls: list[ast.Call] = []
    for node in tree.body:
        match node:
            case ast.Assign() | ast.AnnAssign() if node.value is not None and _targets_are_names(node):
                code.append(node.value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                code += body_of(node)
            case ast.Expr(value=ast.Call() as call):
                calls.append(call)
            case ast.Import() | ast.ImportFrom() | ast.Pass():
                pass
            case _:
                raise ManifestError(
                    f"line {node.lineno} would stay as it is; a cell that is left to the learner may hold "
                    "assignments to a name, functions, calls and imports"
                )
    if not code:
        raise ManifestError("it is left to the learner, but has no assignment and no function to write")
    question = question_of(_tags(cell))
    if question:
        answered = [call.args for call in calls if getattr(call.func, "id", "") == "answer"]
        match answered:
            case [[ast.Constant(value=str(number)), ast.Name()]] if number == question:
                pass
            case _:
                raise ManifestError(f'its one call of answer must be answer("{question}", NAME)')
    return "", tuple(code)


def _targets_are_names(node: Assignment) -> bool:
    """Whether three dots can be assigned: not to several names at once, nor to the entry of an array."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(target, ast.Name) for target in targets)


def _open_code(source: str) -> str:
    """The source of a code cell with three dots for each value that the learner is to write."""
    content = source.encode()
    starts = [0, *accumulate(map(len, content.splitlines(keepends=True)))]
    tree = ast.parse(without_magics(source))
    for node in reversed(tree.body):
        value = node.value if isinstance(node, Assignment) else None
        if value is not None:
            begin = starts[value.lineno - 1] + value.col_offset
            end = starts[(value.end_lineno or value.lineno) - 1] + (value.end_col_offset or 0)
            content = content[:begin] + b"..." + content[end:]
    tree = ast.parse(without_magics(content.decode()))
    functions = [(node, ["return ..."]) for node in tree.body if isinstance(node, Function)]
    return replace_bodies(content, functions).decode().rstrip("\n")


def without_magics(source: str) -> str:
    """`source` with IPython's own lines (%..., !...) as pass, so that Python can parse it."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)
