"""No stilted phrase returns in what a person reads; CONTRIBUTING.md, "Use plain words", has the rule."""

import ast
import re

import nbformat
import pytest

from tests.support import ROOT

# Regular expressions; case is ignored. Most match sentences that were in the kit before.
STILTED = [
    r"a machine doubts|in doubt\b|doubts? (that|a|the) (very )?(equation|gradient)",
    r"takes no further words",
    r"yours \S+, wanted",
    r"have not already paid for",
    r"if you do not say",
    r"what (is left|remains|stays):|what (it|they) cost the reader",
    r"\b(an?|one) \w+ an? (line|trial|iteration|epoch|row|batch|student|worker|exercise|argument|day)\b",
    r"points in the mean\b",
    r"\bseed: of\b",
    r"\bby machine\b",
    r"only if it survived",
    r"(^|[.:;|] )who(ever)? (does|reads|decodes|knows|starts|follows|sleeps|hangs|has not)\b",
    r"\basks? nobody\b|\bnobody's (concern|fault)",
    r"\b(is|are|stands?) nowhere (stored|said|written)",
    r"\bwhatever that is\b",
    r"\banew\b",
    r"\bstands? (there|above|below)\b|where CIFAR-10 lies",
    r"\bone's own\b",
    r"tried, and (what )?held",
    r"\bmakes? of it\b",
    r"is not there when it is (marked|graded)",
    r"\bso many bytes\b|\bmean nothing\b",
    r"\b(is|are) to be (marked|read|closed|noted|solved|tried)\b",
]
FOLDERS = ("docs", "datasets", "notebooks", "cs231n", "classroom")
KINDS = (".md", ".ipynb", ".py", ".html", ".j2", ".js", ".css", ".json")


def strings(source: str):
    """Docstrings, messages and every other string of Python code; {} stands for a value in an f-string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def text_of(path) -> str:
    if path.suffix == ".py":
        return "\n\n".join(strings(path.read_text("utf-8")))
    if path.suffix == ".ipynb":
        return "\n\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    return path.read_text("utf-8")


READ = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff")]
READ += [ROOT / name for name in ("setup.sh", "setup.ps1", "environment.yml")]
READ += [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*")) if p.suffix in KINDS]


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_words_are_plain(path):
    text = " ".join(text_of(path).split())
    found = [m[0] for phrase in STILTED for m in re.finditer(phrase, text, re.I)]
    assert not found, f"{path.relative_to(ROOT)}: say it in plain words: {found}"
