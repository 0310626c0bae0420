"""The index that the pages' search box looks into: headings, equations, and what `check` says of mistakes."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cs231n.checking.answers import ANSWERS
from cs231n.checking.sections import add_section, link_sections
from cs231n.pages.markup import PageText, find_equations, link_pages, plain_text

__all__ = ["Entry", "as_script", "find_entries", "find_symptoms"]

LAYOUT = r"frac|left|right|q?quad|mathbf|partial|sqrt|in|ne|cdot|odot|top|Big[lr]|pm"


class Entry(NamedTuple):
    """A line among the results: where it leads, its text, and the place that is named below it."""

    address: str
    text: str
    place: str


def find_entries(page: str, title: str, text: PageText) -> Iterator[Entry]:
    """The headings and the numbered equations of a page."""
    section = title
    for name, part in text.anchors:
        if name.startswith("eq-"):
            for number in find_equations(part):
                yield Entry(
                    f"{page}#eq-{number}", f"Equation ({number}): {_words(part)}", f"{title}, {section}"
                )
        elif name == "top":
            yield Entry(page, title, "")
        else:
            section = part
            yield Entry(f"{page}#{name}", part, title)


def _words(latex: str) -> str:
    """The symbols of an equation, as they are called in code."""
    latex = re.sub(r"\\hat\s*(\w)", r"\1_hat", re.sub(r"\\(tag|text|begin|end)\{[^}]*\}", "", latex))
    latex = re.sub(rf"\\(?:{LAYOUT})(?![A-Za-z])", " ", latex).replace("\\var", "\\")
    words = re.findall(r"[A-Za-z]+(?:_hat)?", re.sub(r"\bd\s*\\?(?=\w)", "d", latex))
    return " ".join(dict.fromkeys(words))


def find_symptoms(entries: list[Entry], pages: Iterable[str]) -> Iterator[Entry]:
    """What `check` may say of a mistake, with the equation or section that explains it, else the exercise."""
    cards = {
        entry.text.split(": ", 1)[1].split(" (")[0]: entry
        for entry in entries
        if "#exercise-" in entry.address
    }
    known = {entry.address: entry for entry in entries}
    seen = set()
    for name, answers in ANSWERS.items():
        for misconception in answers.misconceptions:
            text = f"{name}: {misconception.sentence}"
            linked = link_pages(link_sections(add_section(misconception.source)), list(pages))
            addresses = [address for address in re.findall(r'href="([^"]*)"', linked) if address in known]
            entry = known[addresses[-1]] if addresses else cards.get(name)
            if entry and text not in seen:
                seen.add(text)
                yield Entry(entry.address, text, plain_text(linked) if addresses else entry.text)


def as_script(entries: Iterable[Entry]) -> str:
    """The index as a script, since a page that was opened as a file may not fetch anything."""
    return (
        "window.searchIndex = " + json.dumps(list(entries), ensure_ascii=False, separators=(",", ":")) + ";\n"
    )
