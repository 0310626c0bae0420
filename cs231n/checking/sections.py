"""The numbered sections of the notebooks: which of them holds an equation, and links to them."""

import html
import json
import re
from typing import NamedTuple

from cs231n.common.files import REPOSITORY

__all__ = ["Sections", "add_section", "link_sections", "read_sections"]

EQUATIONS = re.compile(r"notebook (\d), equation ((?:\(\d+\)(?:, )?)+)")
SYMPTOM = re.compile(r"docs/symptoms\.md#[\w-]+")
SECTION = re.compile(r"(notebook (\d), sections? (\d+))((?:, equations? (?:\(\d+\)(?:, )?)+)?)")


class Sections(NamedTuple):
    file: str  # the name of the notebook
    headings: dict[str, str]  # {number: whole heading}: {"6": "6. Simplify"}
    of_equations: dict[str, str]  # {number of an equation: number of its section}


def read_sections(notebook: str) -> Sections | None:
    """The sections of the notebook of that number, or None if there is no such file to read."""
    headings: dict[str, str] = {}
    of_equations: dict[str, str] = {}
    number = ""
    try:
        (path,) = (REPOSITORY / "notebooks").glob(f"{notebook}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        for line in "\n".join(texts).splitlines():
            if heading := re.match(r"## ((\d+)\. .*)", line):
                text, number = heading.groups()
                headings[number] = re.sub(r"[*`]", "", text).strip()
            for equation in re.findall(r"\\tag\{(\d+)\}", line):
                of_equations[equation] = number
    except (OSError, ValueError, KeyError, TypeError):  # no notebook, several, or a broken one
        return None
    return Sections(path.name, headings, of_equations)


def add_section(source: str) -> str:
    """ "notebook 2, equation (13), (16)" with the section that holds the last of the equations.

    Other text is returned as it is.
    """
    match = EQUATIONS.search(source)
    sections = read_sections(match[1]) if match else None
    if match is None or sections is None:
        return source
    numbers = re.findall(r"\d+", match[2])
    section = sections.of_equations.get(numbers[-1])
    if not section:
        return source
    equations = f"equation{'s' * (len(numbers) > 1)} {match[2]}"
    return source.replace(match[0], f"notebook {match[1]}, section {section}, {equations}")


def link_sections(text: str) -> str:
    """Text as HTML, with a link where it names a section of a notebook, an equation in it, or a symptom.

    JupyterLab has no ids for equations. There the link of equation 16, of the class eq-16, leads to its
    section; in the pages it leads to the equation.
    """

    def link(match: re.Match[str]) -> str:
        place, notebook, number, equations = match.groups()
        sections = read_sections(notebook)
        if sections is None or number not in sections.headings:
            return match[0]

        def address(section: str) -> str:
            # JupyterLab's anchor of a heading: its text, with dashes for spaces.
            return html.escape(f"{sections.file}#{sections.headings[section].replace(' ', '-')}")

        def link_equation(equation: re.Match[str]) -> str:
            section = sections.of_equations.get(equation[1])
            if not section:
                return equation[0]
            return f'<a class="eq-{equation[1]}" href="{address(section)}">{equation[0]}</a>'

        return f'<a href="{address(number)}">{place}</a>' + re.sub(r"\((\d+)\)", link_equation, equations)

    return SYMPTOM.sub(r'<a href="../\g<0>">\g<0></a>', SECTION.sub(link, html.escape(text)))
