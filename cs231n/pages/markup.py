"""Markdown as HTML: mathematics as MathML, short ids for headings, and links from (16) to equation 16."""

import html
import re
import sys
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import unquote

from math_core import LatexError, LatexToMathML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

__all__ = ["Heading", "PageText", "find_equations", "link_pages", "mathml", "plain_text", "short_id"]

NUMBERED = "align|equation|gather|multline"  # environments that LaTeX numbers unless starred
CONVERTER = LatexToMathML(fancy_error=False, allow_unreliable_rendering=True)
TAG = r"\\tag\{(\d+)\}"
MENTION = re.compile(r"(^|[^\w)\]])\((\d+)\)(?!\w)")  # (16), and not f(16)
PRINTED = re.compile(r"^( *)\((\d+)\)", re.M)  # a line of an output that begins with (16)
LINK = re.compile(r'<a(?: class="eq-(\d+)")? href="([^"]*)"([^>]*)>(.*?)</a>', re.S)


class Heading(NamedTuple):
    level: int
    id: str
    html: str


def short_id(heading: str) -> str:
    """The id of a heading: "section-4" and "exercise-6" where it is numbered, else as GitHub makes it."""
    heading = re.sub(r"\s", " ", heading.strip()).lower()
    if number := re.match(r"(\d+)\.? ", heading):
        return f"section-{number[1]}"
    if numbered := re.match(r"(\w+ \d+):", heading):
        return numbered[1].replace(" ", "-")
    return re.sub(r"[^\w -]", "", heading).replace(" ", "-")


def plain_text(markup: str) -> str:
    """The text of HTML on one line."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", markup))).strip()


def find_equations(markdown: str) -> list[str]:
    r"""The numbers of the equations that a text defines with \tag."""
    return re.findall(TAG, markdown)


def link_pages(markup: str, pages: Collection[str]) -> str:
    """Turn links to notebooks and Markdown files into links to their pages, with the short ids of headings.

    A link of the class eq-16, or to #eq-16, leads to that equation. In JupyterLab, which has no ids for
    equations, the first leads to the section. A link to a file without a page becomes plain text.

    Args:
        markup: HTML.
        pages: their names, as in "2_batchnorm_gradient.html".
    """

    def link(match: re.Match[str]) -> str:
        equation, address, attributes, text = match.groups()
        if re.match(r"[a-z]+:", address):
            return match[0]
        path, _, anchor = address.partition("#")
        page = re.sub(r"^(?:\.\./(?:docs|notebooks)/)?([^/]*)\.(ipynb|md)$", r"\1.html", path)
        if page and page not in pages:
            return text
        target = f"eq-{equation}" if equation else short_id(unquote(anchor).replace("-", " "))
        return f'<a href="{page}{"#" if target else ""}{target}"{attributes}>{text}</a>'

    return LINK.sub(link, markup)


def mathml(latex: str, display: bool) -> str:
    r"""Convert LaTeX, without its dollars, to HTML. As in JupyterLab, only \tag numbers an equation.

    A numbered equation has the id eq-16, and its number is a link to it.

    Raises:
        LatexError: the LaTeX cannot be converted.
    """
    latex = re.sub(rf"\\(begin|end){{({NUMBERED})}}", r"\\\1{\2*}", latex.strip())
    numbers = find_equations(latex)
    converted = CONVERTER.convert_with_local_state(re.sub(TAG, "", latex), displaystyle=display)
    if not display:
        return converted
    links = ""  # beside the formula: what is inside a <math> is read as one thing
    for number in numbers:
        own_id = "" if number == numbers[0] else f' id="eq-{number}"'
        links += f'<a href="#eq-{number}"{own_id} aria-label="Equation {number}">({number})</a>'
    first_id = f' id="eq-{numbers[0]}"' if numbers else ""
    return f'<span class="equation"{first_id}>{converted}{links}</span>'


def _mathml_or_source(latex: str, display: bool) -> str:
    """As mathml, but a formula that cannot be converted is reported and shows its source."""
    try:
        return mathml(latex, display)
    except LatexError as error:
        print(f"run: cannot set ${latex.strip()}$: {error}", file=sys.stderr)
        return f"<code>{html.escape(latex)}</code>"


def _unlink(markup: str) -> str:
    """The markup without links to equations, for a heading or a link, which may hold no other link."""
    return re.sub(r'<a class="mention"[^>]*>(.*?)</a>', r"\1", markup)


class PageText:
    """The text of one page.

    Args:
        equations: the numbers that the page defines; only these become links.
    """

    def __init__(self, equations: Collection[str] = ()) -> None:
        self.equations = equations
        self.headings: list[Heading] = []
        self.anchors: list[tuple[str, str]] = []  # (id, text or LaTeX) of headings and numbered equations

    def markdown(self, source: str, **options: Any) -> str:
        """Convert Markdown to HTML; the options are those of nbconvert's IPythonRenderer."""
        return MarkdownWithMath(renderer=_Renderer(self, escape=False, **options)).render(source)

    def link_equations(self, markup: str, mention: re.Pattern[str] = PRINTED) -> str:
        """Link each mention of an equation: by default a number at the beginning of a line."""

        def link(match: re.Match[str]) -> str:
            before, number = match.groups()
            if number not in self.equations:
                return match[0]
            return f'{before}<a class="mention" href="#eq-{number}">({number})</a>'

        return mention.sub(link, markup)

    def heading(self, markup: str, level: int) -> str:
        """A heading with its id and a link to itself."""
        text = plain_text(markup)
        first_choice = "top" if level == 1 else short_id(text)
        taken, name, count = {heading.id for heading in self.headings}, first_choice, 1
        while name in taken:
            count += 1
            name = f"{first_choice}-{count}"
        self.headings.append(Heading(level, name, markup))
        self.anchors.append((name, text))
        label = html.escape(f"Link to {text}")
        link = f'<a class="anchor-link" href="#{name}" aria-label="{label}">#</a>'
        return f'<h{level} id="{name}">{markup}{link}</h{level}>\n'


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, with MathML in the place of a script in the reader's browser."""

    def __init__(self, page: PageText, **options: Any) -> None:
        super().__init__(**options)
        self.page = page

    def _html_embed_images(self, html: str) -> str:
        """As nbconvert's, which would close a <details> at its first blank line."""
        return super()._html_embed_images(html) if "<img" in html else html

    def text(self, text: str) -> str:
        return self.page.link_equations(super().text(text), MENTION)

    def heading(self, text: str, level: int, **_: Any) -> str:
        return self.page.heading(_unlink(text), level)

    def link(self, text: str, *address: Any, **attributes: Any) -> str:
        return super().link(_unlink(text), *address, **attributes)

    def inline_math(self, body: str) -> str:
        return _mathml_or_source(body, display=False)

    def block_math(self, body: str) -> str:
        self.page.anchors += [(f"eq-{number}", body) for number in find_equations(body)[:1]]
        return _mathml_or_source(body, display=True)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")
