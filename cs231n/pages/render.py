"""Write executed notebooks as HTML pages; mathematics, figures and style are inside, with no script.

LaTeX becomes MathML when the page is written. Browsers draw MathML themselves, but well only with a font
made for mathematics. A phone or a bare Linux may have none, so each page embeds the glyphs of STIX Two Math
that it uses.
"""

import base64
import html
import io
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypedDict

import jinja2
from fontTools import subset
from math_core import LatexError, LatexToMathML
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from cs231n.common.terminal import format_duration
from cs231n.pages.execute import Outcome
from cs231n.pages.results import collect, is_synthetic

__all__ = ["Card", "markdown", "mathml", "write_index", "write_page"]

TEMPLATES = Path(__file__).resolve().parent / "templates"
NUMBERED = "align|equation|gather|multline"  # environments that LaTeX numbers unless starred
CONVERTER = LatexToMathML(fancy_error=False, allow_unreliable_rendering=True)


class Card(TypedDict):
    """What index.html says of a notebook."""

    page: str  # file name
    title: str
    summary: str  # HTML
    time: str
    error: str | None
    synthetic: bool


def mathml(latex: str, display: bool) -> str:
    r"""Convert LaTeX, without its dollars, to HTML. As in JupyterLab, only \tag numbers an equation.

    Raises:
        LatexError: the LaTeX cannot be converted.
    """
    latex = re.sub(rf"\\(begin|end){{({NUMBERED})}}", r"\\\1{\2*}", latex.strip())
    if r"\tag" in latex and not re.match(rf"\\begin{{({NUMBERED})\*}}", latex):
        latex = rf"\begin{{equation*}}{latex}\end{{equation*}}"
    converted = CONVERTER.convert_with_local_state(latex, displaystyle=display)
    return f'<span class="equation">{converted}</span>' if display else converted


def _mathml_or_source(latex: str, display: bool) -> str:
    """As mathml, but a formula that cannot be converted is reported and shows its source."""
    try:
        return mathml(latex, display)
    except LatexError as error:
        print(f"run: cannot set ${latex.strip()}$: {error}", file=sys.stderr)
        return f"<code>{html.escape(latex)}</code>"


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, with MathML in the place of a script in the reader's browser."""

    def _html_embed_images(self, html: str) -> str:
        """As nbconvert's, which would close a <details> at its first blank line."""
        return super()._html_embed_images(html) if "<img" in html else html

    def inline_math(self, body: str) -> str:
        return _mathml_or_source(body, display=False)

    def block_math(self, body: str) -> str:
        return _mathml_or_source(body, display=True)

    def latex_environment(self, name: str, body: str) -> str:
        return _mathml_or_source(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)


def markdown(source: str, **renderer_options: Any) -> str:
    """Convert a Markdown cell to HTML; the options are those of nbconvert's IPythonRenderer."""
    return MarkdownWithMath(renderer=_Renderer(escape=False, **renderer_options)).render(source)


def _latex_output(source: str) -> str:
    """A text/latex output, whose dollars or brackets are part of it."""
    return markdown(source if source.lstrip().startswith(("$", r"\begin")) else f"$${source}$$")


class _PageExporter(HTMLExporter):
    def default_filters(self) -> Iterator[tuple[str, Callable[..., str]]]:
        yield from super().default_filters()
        yield "markdown2html", self.markdown_cell
        yield "latex2html", _latex_output

    @jinja2.pass_context
    def markdown_cell(self, context: jinja2.runtime.Context, source: str) -> str:
        folder = context.get("resources", {}).get("metadata", {}).get("path", "")
        attachments = context.get("cell", {}).get("attachments", {})
        return markdown(source, embed_images=True, path=folder, attachments=attachments, anchor_link_text="#")


def _remove_widgets(notebook: NotebookNode) -> None:
    """Widgets need a script; those of ours are progress bars."""
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                output
                for output in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            ]
    notebook.metadata.pop("widgets", None)


def _font_url(page: str) -> str:
    """The glyphs of STIX Two Math that `page` needs, as a data: URL."""
    ziamath = find_spec("ziamath")  # only its font is used, so it is not imported
    assert ziamath is not None and ziamath.submodule_search_locations is not None
    path = f"{ziamath.submodule_search_locations[0]}/fonts/STIXTwoMath-Regular.ttf"
    options = subset.Options(flavor="woff")
    glyphs = subset.Subsetter(options)
    # A browser takes a lone letter from the italic blocks, h from another place, and adds the sign of a root.
    glyphs.populate(text=page + "\u210e\u221a", unicodes=[*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)])
    out = io.BytesIO()
    with subset.load_font(path, options) as whole:
        glyphs.subset(whole)
        subset.save_font(whole, out, options)
    return "data:font/woff;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _css(page: str) -> str:
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    if "<math" in page:
        css += f"@font-face {{ font-family: 'STIX Two Math subset'; src: url({_font_url(page)}); }}\n"
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{css}"


def _write(page: str, path: Path) -> None:
    """Write a page with its style; a link to a notebook leads to its page, whose anchors are the same."""
    page = re.sub(r'(href="[^"/:#]+)\.ipynb(?=["#])', r"\1.html", page)
    path.write_text(page.replace("/*style*/", _css(page)), encoding="utf-8")


def _title_and_summary(notebook: NotebookNode, stem: str) -> tuple[str, str]:
    """The first heading of the notebook, and the paragraph under it as HTML."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", text, re.M)
    if not heading:
        return stem.replace("_", " "), ""
    return heading[1].strip(), markdown(text[heading.end() :].strip().split("\n\n")[0])


def write_page(outcome: Outcome, reports: Path, head: str = "") -> Card:
    """Write the page of one notebook into the folder `reports`.

    Args:
        outcome: its notebook loses its widgets.
        reports: an existing folder.
        head: HTML for the head of the page.

    Returns:
        The card of the page, for write_index.
    """
    exporter = _PageExporter(
        template_file="page.html.j2", extra_template_paths=[str(TEMPLATES)], exclude_output_prompt=True
    )
    _remove_widgets(outcome.notebook)
    title, summary = _title_and_summary(outcome.notebook, outcome.path.stem)
    card: Card = {
        "page": f"{outcome.path.stem}.html",
        "title": title,
        "summary": summary,
        "time": format_duration(outcome.seconds),
        "error": outcome.error,
        "synthetic": is_synthetic(collect([outcome.notebook])),
    }
    resources = {"metadata": {"path": str(outcome.path.parent), "name": title}, "card": card, "head": head}
    page, _ = exporter.from_notebook_node(outcome.notebook, resources)
    _write(page, reports / card["page"])
    return card


def write_index(
    cards: list[Card], rows: list[tuple[str, str]], synthetic: bool, reports: Path, head: str = ""
) -> None:
    """Write index.html: the cards, and the closing table if it has rows; `synthetic` adds warnings."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    page = environment.get_template("index.html.j2").render(
        cards=cards, rows=rows, synthetic=synthetic, head=head
    )
    _write(page, reports / "index.html")
