r"""Genuine mistakes: a few functions in the manner of learners, and what `check` must say of each exercise.

In a file, `== name` begins a case. Lines "EXERCISE, EXERCISE fails: WORDS" follow: the text of the verdict
has one of the WORDS, separated by |; or "points at: NAME": if it fails, its text names the function NAME; or
"passes". "style: NAME" says which right solution the functions go into, if not the usual one. "edit NAME:
`old` -> `new`" replaces a part of a function, class or method everywhere; \n is the end of a line. An
exercise that has no line passes if it is right; if it is wrong because of another, it points at that one.
"""

import re
from pathlib import Path
from typing import NamedTuple

from tests.corpus.harness import STYLES, Result, Sources, edited, replaced

HERE = Path(__file__).parent


class Case(NamedTuple):
    name: str
    expects: dict[str, str]  # {exercise: "fails: WORDS", "points at: NAME" or "passes"}
    source: str
    style: str
    edits: tuple[tuple[str, str, str], ...]

    @property
    def solution(self) -> Sources:
        result = replaced(STYLES[self.style], self.source)
        for edit in self.edits:
            result = edited(result, *edit)
        return result


def _read(text: str) -> Case:
    head, _, source = text.partition("\n\n")
    name, *lines = head.splitlines()
    expects, style, edits = {}, "usual", []
    for line in lines:
        if edit := re.fullmatch(r"edit (\S+): `(.*)` -> `(.*)`", line):
            edits.append(tuple(part.replace("\\n", "\n") for part in edit.groups()))
            continue
        if line.startswith("style: "):
            style = line.removeprefix("style: ")
            continue
        exercises, wanted = re.fullmatch(r"(.*?) ((?:fails: |points at: |passes).*)", line).groups()
        expects |= dict.fromkeys(exercises.split(", "), wanted)
    return Case(name.strip(), expects, source.strip() + "\n", style, tuple(edits))


CASES = {
    case.name: case
    for file in sorted(HERE.glob("*.txt"))
    for case in map(_read, re.split(r"^== ", file.read_text(encoding="utf-8"), flags=re.M)[1:])
}


def words_of(case: Case, exercise: str) -> str:
    """The words of which a verdict must have one, or ""."""
    kind, _, words = case.expects.get(exercise, "").partition(": ")
    return words if kind == "fails" else ""


def holds(case: Case, result: Result) -> bool:
    """Whether a verdict is what the case expects."""
    default = "points at: " + "|".join(result.truth.because_of) if result.truth.because_of else "passes"
    kind, _, words = case.expects.get(result.exercise, default).partition(": ")
    said = any(word.strip().lower() in result.text.lower() for word in words.split("|"))
    if isinstance(result.verdict, Exception):
        return False
    if kind == "fails":
        return said and not result.passed
    return result.passed or (kind == "points at" and said)
