"""Executed notebooks as pages that stand alone: mathematics, figures and style inside, no script, no network.

LaTeX becomes MathML when the page is written. Browsers draw MathML themselves, but well only with a font
made for mathematics, which a phone or a bare Linux may lack: so each page carries those glyphs of STIX Two
Math that it uses.
"""

import base64
import io
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import jinja2
from fontTools import subset
from math_core import LatexError, LatexToMathML
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from cs231n.common.terminal import format_duration
from cs231n.report import collect, is_stand_in

TEMPLATES = Path(__file__).resolve().parent / "templates"
NUMBERED = "align|equation|gather|multline"  # environments that LaTeX numbers unless starred
CONVERTER = LatexToMathML(fancy_error=False, allow_unreliable_rendering=True)


def mathml(latex, display):
    r"""LaTeX without its dollars -> HTML. As in JupyterLab, only \tag numbers an equation."""
    latex = re.sub(rf"\\(begin|end){{({NUMBERED})}}", r"\\\1{\2*}", latex.strip())
    if r"\tag" in latex and not re.match(rf"\\begin{{({NUMBERED})\*}}", latex):
        latex = rf"\begin{{equation*}}{latex}\end{{equation*}}"
    html = CONVERTER.convert_with_local_state(latex, displaystyle=display)
    return f'<span class="equation">{html}</span>' if display else html


def mathml_or_source(latex, display):
    """One formula that cannot be set must not cost the reader the page: show its source, and say so."""
    try:
        return mathml(latex, display)
    except LatexError as error:
        print(f"run: cannot set ${latex.strip()}$: {error}", file=sys.stderr)
        return f"<code>{jinja2.utils.markupsafe.escape(latex)}</code>"


class Renderer(IPythonRenderer):
    """nbconvert's Markdown, with mathematics set here rather than by a script in the reader's browser."""

    def inline_math(self, body):
        return mathml_or_source(body, display=False)

    def block_math(self, body):
        return mathml_or_source(body, display=True)

    def latex_environment(self, name, body):
        return mathml_or_source(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)


def markdown(source, **renderer_options):
    return MarkdownWithMath(renderer=Renderer(escape=False, **renderer_options)).render(source)


def latex_output(source):
    """A text/latex output, whose dollars or brackets are part of it."""
    return markdown(source if source.lstrip().startswith(("$", r"\begin")) else f"$${source}$$")


class PageExporter(HTMLExporter):
    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", self.markdown_cell
        yield "latex2html", latex_output

    @jinja2.pass_context
    def markdown_cell(self, context, source):
        folder = context.get("resources", {}).get("metadata", {}).get("path", "")
        attachments = context.get("cell", {}).get("attachments", {})
        return markdown(source, embed_images=True, path=folder, attachments=attachments, anchor_link_text="#")


def without_widgets(notebook):
    """The notebook less the widgets: they need a script, and a progress bar that is done says nothing."""
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                output
                for output in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            ]
    notebook.metadata.pop("widgets", None)
    return notebook


def font(html):
    """The glyphs of STIX Two Math that `html` needs, as a data address."""
    package = find_spec("ziamath").submodule_search_locations[0]  # only its font is wanted: not imported
    options = subset.Options(flavor="woff")
    glyphs = subset.Subsetter(options)
    # A browser takes a lone letter from the italic blocks, h from another place, and adds the sign of a root.
    glyphs.populate(text=html + "\u210e\u221a", unicodes=[*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)])
    out = io.BytesIO()
    with subset.load_font(f"{package}/fonts/STIXTwoMath-Regular.ttf", options) as whole:
        glyphs.subset(whole)
        subset.save_font(whole, out, options)
    return "data:font/woff;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def style(html):
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    if "<math" in html:
        css += f"@font-face {{ font-family: 'STIX Two Math subset'; src: url({font(html)}); }}\n"
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{css}"


def title_and_summary(notebook, stem):
    """The first heading of the notebook, and the paragraph under it as HTML."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", text, re.M)
    if not heading:
        return stem.replace("_", " "), ""
    return heading[1].strip(), markdown(text[heading.end() :].strip().split("\n\n")[0])


def write_page(outcome, reports):
    """Write the page of one notebook into `reports`; returns its card, which is what the index says of it."""
    exporter = PageExporter(
        template_file="page.html.j2", extra_template_paths=[str(TEMPLATES)], exclude_output_prompt=True
    )
    notebook = without_widgets(outcome.notebook)
    title, summary = title_and_summary(notebook, outcome.path.stem)
    card = {
        "page": f"{outcome.path.stem}.html",
        "title": title,
        "summary": summary,
        "time": format_duration(outcome.seconds),
        "error": outcome.error,
        "stand_in": is_stand_in(collect([notebook])),
    }
    resources = {"metadata": {"path": str(outcome.path.parent), "name": title}, "card": card}
    html, _ = exporter.from_notebook_node(notebook, resources)
    (reports / card["page"]).write_text(html.replace("/*style*/", style(html)), encoding="utf-8")
    return card


def write_index(cards, rows, stand_in, reports):
    """Write index.html: the cards, and the rows of the closing table."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    html = environment.get_template("index.html.j2").render(cards=cards, rows=rows, stand_in=stand_in)
    (reports / "index.html").write_text(html.replace("/*style*/", style(html)), encoding="utf-8")
