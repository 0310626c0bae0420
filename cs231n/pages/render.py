"""Write executed notebooks and docs/ as pages of one site.

Each page holds its mathematics, figures and style, and reads without a script. LaTeX becomes MathML when the
page is written.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import jinja2
import nbformat
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

from cs231n.common.files import REPOSITORY
from cs231n.common.terminal import format_duration
from cs231n.pages.execute import Outcome
from cs231n.pages.markup import PageText, find_equations, link_pages, plain_text
from cs231n.pages.results import collect, is_synthetic
from cs231n.pages.search_index import Entry, as_script, find_entries, find_symptoms
from cs231n.pages.style import style_of

__all__ = ["DOCS", "Card", "Site"]

TEMPLATES = Path(__file__).resolve().parent / "templates"
STATIC = Path(__file__).resolve().parent / "static"
DOCS = REPOSITORY / "docs"
ORDER = """symptoms paper relatives commands assistants classroom platforms grading diagnosis speed training
    search reliability web pages libraries""".split()


class Card(TypedDict):
    """What index.html says of a notebook."""

    page: str  # file name
    title: str
    summary: str  # HTML
    time: str
    error: str | None
    synthetic: bool


class Link(NamedTuple):
    page: str  # file name
    title: str


class Site:
    """A folder of pages that link to each other.

    Args:
        out: an existing folder.
        notebooks: paths, in the order of the pages.
        docs: a folder of Markdown files, which become pages as well.
        head: HTML for the head of each page.
        notebook_head: HTML for the head of each notebook's page, after `head`.
    """

    def __init__(
        self, out: Path, notebooks: Iterable[Path], docs: Path = DOCS, head: str = "", notebook_head: str = ""
    ) -> None:
        self.out, self.head, self.notebook_head = out, head, notebook_head
        self.written: list[Path] = []
        self.entries: list[Entry] = []
        self.docs = [path for stem in ORDER if (path := docs / f"{stem}.md").exists()]
        self.links = [Link(f"{path.stem}.html", _first_heading(path)) for path in [*notebooks, *self.docs]]
        self.environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)

    def write_notebook(self, outcome: Outcome) -> Card:
        """Write the page of one notebook, which loses its widgets."""
        cells = outcome.notebook.cells
        source = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        text = PageText(find_equations(source))
        exporter = _BodyExporter(text)
        _remove_widgets(outcome.notebook)
        folder = {"metadata": {"path": str(outcome.path.parent)}}
        body, _ = exporter.from_notebook_node(outcome.notebook, folder)
        card: Card = {
            "page": f"{outcome.path.stem}.html",
            "title": _first_heading(outcome.path),
            "summary": _summary(source),
            "time": format_duration(outcome.seconds),
            "error": outcome.error,
            "synthetic": is_synthetic(collect([outcome.notebook])),
        }
        warnings = [] if outcome.error is None else [f"This notebook stopped at {outcome.error}"]
        self._write(
            card["page"], body, text, self.notebook_head, synthetic=card["synthetic"], warnings=warnings
        )
        return card

    def write_docs(self) -> None:
        """Write the pages of the folder docs."""
        for path in self.docs:
            text = PageText()
            body = text.markdown(path.read_text(encoding="utf-8"), embed_images=True, path=str(path.parent))
            body = f'<div class="text_cell_render rendered_html">\n{body}\n</div>'
            self._write(f"{path.stem}.html", body, text)

    def write_index(self, cards: list[Card], rows: list[tuple[str, str]], synthetic: bool) -> None:
        """Write index.html and the scripts.

        Args:
            cards: of the notebooks.
            rows: of the closing table, if there is one.
            synthetic: adds warnings.
        """
        docs = self.links[len(self.links) - len(self.docs) :]
        body = self.environment.get_template("index.html.j2").render(cards=cards, rows=rows, docs=docs)
        self._write("index.html", body, PageText(), synthetic=synthetic)
        pages = [link.page for link in self.links]
        at = {page: n for n, page in enumerate(["index.html", *pages])}
        entries = sorted(self.entries, key=lambda entry: at[entry.address.partition("#")[0]])
        index = as_script([*entries, *find_symptoms(entries, pages)])
        (self.out / "search-index.js").write_text(index, encoding="utf-8")
        self.written.append(self.out / "search-index.js")
        for script in STATIC.iterdir():
            self.written.append(shutil.copyfile(script, self.out / script.name))

    def _write(self, name: str, body: str, text: PageText, head: str = "", **options: Any) -> None:
        """Write a page around `body`."""
        names = [link.page for link in self.links]
        at = names.index(name) if name in names else None
        title = self.links[at].title if at is not None else "The gradient of batch normalization"
        self.entries += find_entries(name, title, text)
        # Names, brackets and spaces have no colour.
        body = re.sub(r'<span class="[npw]">([^<]*)</span>', r"\1", body)
        page = self.environment.get_template("page.html.j2").render(
            body=link_pages(body, ["index.html", *names]),
            head=self.head + head,
            title=title,
            headings=[heading for heading in text.headings if heading.level < 4],
            previous=self.links[at - 1] if at else None,
            next=self.links[at + 1] if at is not None and at + 1 < len(names) else None,
            is_index=at is None,
            **options,
        )
        (self.out / name).write_text(page.replace("/*style*/", style_of(page), 1), encoding="utf-8")
        self.written.append(self.out / name)


class _BodyExporter(HTMLExporter):
    """The cells of a notebook as HTML, whose text is that of `text`."""

    def __init__(self, text: PageText) -> None:
        self.text = text
        super().__init__(
            template_file="notebook.html.j2",
            extra_template_paths=[str(TEMPLATES)],
            exclude_output_prompt=True,
        )

    def default_filters(self) -> Iterator[tuple[str, Callable[..., str]]]:
        yield from super().default_filters()
        yield "markdown2html", self.markdown_cell
        yield "latex2html", self.latex_output
        yield "link_equations", self.text.link_equations

    @jinja2.pass_context
    def markdown_cell(self, context: jinja2.runtime.Context, source: str) -> str:
        folder = context.get("resources", {}).get("metadata", {}).get("path", "")
        attachments = context.get("cell", {}).get("attachments", {})
        return self.text.markdown(source, embed_images=True, path=folder, attachments=attachments)

    def latex_output(self, source: str) -> str:
        """A text/latex output, whose dollars or brackets are part of it."""
        is_whole = source.lstrip().startswith(("$", r"\begin"))
        return self.text.markdown(source if is_whole else f"$${source}$$")


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


def _first_heading(path: Path) -> str:
    """The title of a notebook or a Markdown file, without markup; or its name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    heading = re.search(r"^# .+$", text, re.M)
    return plain_text(PageText().markdown(heading[0]))[:-1] if heading else path.stem.replace("_", " ")


def _summary(source: str) -> str:
    """The paragraph under the first heading as HTML, with the formula that it announces."""
    heading = re.search(r"^# +.+$", source, re.M)
    if not heading:
        return ""
    first, *others = source[heading.end() :].strip().split("\n\n")
    return PageText().markdown("\n\n".join([first, *others[:1]] if first.endswith(":") else [first]))
