"""Does anything of a solution or of a model answer survive? Fragments of them, searched for in every text.

Text that is no program is searched for lines of code: comments, strings, stored outputs, pages. Bytecode of
the kit is not read: it must be that of the source beside it, which is searched. The search misses pictures,
and code that does the same in another way, as kernels.py does entry by entry: release.py withholds such files
by name.
"""

import _imp
import ast
import gzip
import html
import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from classroom.releasing.fragments import Fragments, parts_of, words_of
from classroom.releasing.notebooks import without_magics

__all__ = ["Leak", "find_leaks"]


class Leak(NamedTuple):
    """A place where a fragment of a solution stands."""

    file: str
    place: str  # "line 12", "cell 7, line 3", "cell 7, output"
    text: str  # the first line of the fragment
    owner: str  # "exercise 8, batchnorm_backward_alt", "the model answer to question 2.7"

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.text!r} is of {self.owner}"


def find_leaks(files: Mapping[str, bytes], fragments: Fragments) -> list[Leak]:
    """Every place in files {path: content} where one of the fragments stands, the largest of each line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of text that looks like a program
        leaks = [leak for path in sorted(files) for leak in _search_file(path, files[path], fragments)]
    return leaks + [
        Leak(path, "bytecode", path.rpartition("/")[2], "a source that was not searched")
        for path in sorted(files)
        if re.search(r"(^|/)(cs231n|classroom)/.*\.pyc$", path) and not _source_is_searched(path, files)
    ]


def _source_is_searched(path: str, files: Mapping[str, bytes]) -> bool:
    """Whether bytecode, of any Python, has in its header the hash of the source beside it."""
    source = files.get(re.sub(r"__pycache__/([^/]+)\.[^/.]+\.pyc$", r"\1.py", path))
    magic, flags, digest = (files[path][start:end] for start, end in [(0, 4), (4, 8), (8, 16)])
    if source is None or not int.from_bytes(flags, "little") & 1:  # by time, not by hash
        return False
    return _imp.source_hash(int.from_bytes(magic, "little"), source) == digest


def _search_file(path: str, content: bytes, fragments: Fragments) -> list[Leak]:
    if content.startswith(b"\x1f\x8b"):
        return _search_file(path.removesuffix(".packed"), gzip.decompress(content), fragments)
    if content.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
        return find_leaks(members, fragments)
    if b"\0" in content:  # no text: a picture, an array
        return []
    text = content.decode("utf-8", errors="replace")
    if path.endswith(".ipynb"):
        leaks = _search_notebook(path, json.loads(text), fragments)
    elif path.endswith(".json"):
        leaks = _search_json(path, json.loads(text), fragments)
    elif path.endswith(".py"):
        leaks = _search_code(path, "", text, fragments)
    else:
        leaks = _search_prose(path, "", text, fragments)
    return list(dict.fromkeys([*leaks, *_search_sentences(path, text, fragments)]))


def _search_sentences(path: str, text: str, fragments: Fragments) -> Iterator[Leak]:
    """Sentences of model answers in a file; marks and line breaks between their words make no difference."""
    if path.endswith(".ipynb"):
        cells = ["\n".join(_strings(cell)) for cell in json.loads(text)["cells"]]
        places = {f"cell {number}": cell for number, cell in enumerate(cells, start=1)}
    elif path.endswith(".json"):
        places = {"its text": "\n".join(_strings(json.loads(text)))}
    else:
        places = {"its text": _without_tags(text)}
    sentences = [(sentence, owner) for (kind, sentence), owner in fragments.items() if kind == "words"]
    for place, content in places.items() if sentences else ():
        words = f" {' '.join(words_of(content))} "
        for sentence, owner in sentences:
            if f" {sentence} " in words:
                yield Leak(path, place, sentence, owner)


def _search_notebook(path: str, notebook: dict[str, Any], fragments: Fragments) -> Iterator[Leak]:
    for number, cell in enumerate(notebook["cells"], start=1):
        source = "".join(cell["source"])
        search = _search_code if cell["cell_type"] == "code" else _search_prose
        yield from search(path, f"cell {number}, ", source, fragments)
        for text in _strings({key: value for key, value in cell.items() if key != "source"}):
            yield from _search_prose(path, f"cell {number}, stored beside its source, ", text, fragments)
    for text in _strings(notebook["metadata"]):
        yield from _search_prose(path, "metadata, ", text, fragments)


def _search_json(path: str, value: Any, fragments: Fragments) -> Iterator[Leak]:
    """Each text in it, as code if it is some; in an object the place is named by its key."""
    for name, part in value.items() if isinstance(value, dict) else [("", value)]:
        for text in _strings(part):
            yield from _search_code(path, f"{name}, " if name else "", text, fragments)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value; a list of lines is one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield "".join(value)
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _search_code(path: str, where: str, text: str, fragments: Fragments) -> Iterator[Leak]:
    try:
        tree = ast.parse(without_magics(text))
    except SyntaxError:
        yield from _search_prose(path, where, text, fragments)
        return
    yield from _search_tree(path, where, tree, text.splitlines(), fragments)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _search_prose(path, where, node.value, fragments, node.lineno)
    for number, line in enumerate(text.splitlines(), start=1):
        if "#" in line:
            yield from _search_prose(path, where, line.partition("#")[2], fragments, number)


def _search_tree(
    path: str, where: str, tree: ast.Module, lines: Sequence[str], fragments: Fragments
) -> Iterator[Leak]:
    reported: set[int] = set()
    for part, keys in parts_of(tree.body):  # a statement comes before the expressions in it
        owner = next((fragments[key] for key in keys if key in fragments), None)
        if owner is not None and part.lineno not in reported:
            reported.update(range(part.lineno, (part.end_lineno or part.lineno) + 1))
            yield Leak(path, f"{where}line {part.lineno}", lines[part.lineno - 1].strip(), owner)


# What may stand before code in prose: quotes, prompts, list marks, comment marks, the signs of a patch.
MARKS = re.compile(
    r"^(?:\s|>>>|\.\.\.|[>|#*+-](?=\s|$)|[+-](?=\w)|#|//|/\*|<!--|In \[\d*\]:|\d+[.)|:]\s|-+>\s*\d+)*"
)
TRAIL = re.compile(r"(?:[\s.,;:|]|\*/|-->)+$")


def _search_prose(path: str, where: str, text: str, fragments: Fragments, first: int = 1) -> Iterator[Leak]:
    """Code in text that is no program: a line, lines that a bracket joins, what stands between backticks."""
    if len(text) > 4000 and not re.search(r"\s", text[:4000]):  # the base64 of a picture
        return
    if path.endswith(".js"):  # it computes entry by entry, of a batch whose size it may know
        text = re.sub(r"(?<=/ )\d+\b", "N", re.sub(r"(?<=\w)\[\w+\]", "", text))
    raw = _without_tags(text).splitlines() or [""]
    if len(raw) == 1 and re.match(r"[+-]\w", raw[0]):  # a sign, for a patch has more lines
        clean = [TRAIL.sub("", raw[0])]
    else:
        clean = [TRAIL.sub("", MARKS.sub("", line)) for line in raw]
    for start in range(len(raw)):
        # A minus at the start of the line after an open bracket may be the mark of a list, or not.
        joined = {_join_brackets([clean[start], *rest[start + 1 : start + 8]]) for rest in (clean, raw)}
        candidates = {clean[start]}
        for line in joined:
            candidates |= {
                line,
                *re.split(";|//", line),
                *map(_without_closers, line.split("=>")[1:]),
                *re.findall(r"`([^`]+)`", line),
                *re.findall(r"  +(\S.*?)(?=  |$)", line),
            }
        for candidate in sorted(candidates):
            for code in {candidate, candidate.strip().rstrip(":"), candidate.partition("=")[2]}:
                if any(sign in code for sign in "+-*/@=<>("):
                    place = f"{where}line {first + start}"
                    yield from _search_line(path, place, code.strip(" \t\"'"), fragments)


def _without_tags(text: str) -> str:
    """Text without colours and HTML; what was code in a sentence stands between two spaces, as in a table."""
    text = re.sub(r"</?code\b[^<>]*>", "  ", text)
    return html.unescape(re.sub(r"\x1b\[[0-9;]*m|</?[a-zA-Z][^<>]*>", "", text))


def _join_brackets(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        text += line.strip() + " "
        if sum(map(text.count, "([{")) <= sum(map(text.count, ")]}")):
            break
    return text.strip()


def _without_closers(code: str) -> str:
    """Without the brackets at its end that close what stands before it."""
    code = TRAIL.sub("", code)
    while code.endswith(")") and code.count(")") > code.count("("):
        code = TRAIL.sub("", code[:-1])
    return code


def _search_line(path: str, place: str, code: str, fragments: Fragments) -> Iterator[Leak]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for leak in _search_tree(path, "", tree, code.splitlines(), fragments):
        yield Leak(path, place, leak.text, leak.owner)
