"""`record`, the command run, its table and its pages, on small notebooks made here."""

import contextlib
import io
import json
import os
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from classroom.manifest import load_exercises
from classroom.releasing.release import learner_edition
from cs231n.commands import run
from cs231n.pages import execute, render
from cs231n.pages.markup import PageText, mathml, short_id
from cs231n.report import RESULTS, record
from tests.support import ROOT
from tests.support.notebooks import write_notebook
from tests.support.python import run_python, start_python

# A picture of one pixel.
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIND = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom cs231n.report import record\n"
MATHS = r"""# What is measured

The mean $\mu_j = \frac{1}{N}\sum_i x_{ij}$.

Then more.

$$ \frac{\partial L}{\partial x} = \underbrace{\sum_i g_i}_{d\beta} \tag{7} $$

\begin{align}
y &= \gamma \odot \hat{x} \tag{8} \\
J &= \begin{pmatrix} a & b \\ c & d \end{pmatrix}
\end{align}
"""
PASSES = [
    f"{FIND}for error in (2e-10, 1e-12):\n    record('largest gradient error', error, 'all agree')",
    "from IPython.display import display\n"
    f"display({{'image/png': {DOT!r}, 'text/plain': 'dot'}}, raw=True,\n"
    "        metadata={'image/png': {'alt': 'a \"dot\"'}})",
    "display({'application/vnd.jupyter.widget-view+json': {'model_id': '0'},\n"
    "         'text/plain': 'a bar at nought'}, raw=True)",
    "display({'text/latex': r'$\\frac{1}{2}$', 'text/plain': '1/2'}, raw=True)",
]
SPEED = """# Speed

See [the mean](1_passes.ipynb#What-is-measured), [below](#whats-slow), [the code](../benchmarks/layers.py),
[another text](other.md) and [elsewhere](https://cs231n.org/x.md).

## What's slow
"""
FAILS = [
    f"{FIND}record('data source', 'STAND-IN, not CIFAR-10', 'stand-in')",
    "raise ValueError('first line\\nlast line')",
    "print('never reached')",
]


def tags(html, *names):
    """[(tag, its attributes)] of a page, of those names or of all."""
    found, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))
    parser.feed(html)
    return [(tag, attrs) for tag, attrs in found if tag in names or not names]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run over a notebook that passes and one that fails."""
    folder = tmp_path_factory.mktemp("notebooks")
    paths = [
        write_notebook(folder / "1_passes.ipynb", *PASSES, text=MATHS),
        write_notebook(folder / "2_fails.ipynb", *FAILS, text="# It fails"),
    ]
    docs = folder / "docs"
    docs.mkdir()
    (docs / "speed.md").write_text(SPEED)
    before = {path: path.read_bytes() for path in paths}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run.main(folder, folder / "reports", docs)
    pages = {path.name: path.read_text(encoding="utf-8") for path in (folder / "reports").iterdir()}
    assert {path: path.read_bytes() for path in paths} == before
    return SimpleNamespace(status=status, out=out.getvalue(), err=err.getvalue(), pages=pages)


def test_a_failing_cell_is_named_and_the_other_pages_are_written(ran):
    what = "cell 2 of 3: ValueError: last line"
    assert ran.status == 1 and f"FAILED 2_fails.ipynb, {what}" in ran.err
    assert sorted(ran.pages) == [
        "1_passes.html",
        "2_fails.html",
        "index.html",
        "reader.js",
        "search-index.js",
        "speed.html",
    ]
    assert what in ran.pages["2_fails.html"] and what in ran.pages["index.html"]
    assert ran.pages["2_fails.html"].count("never reached") == 1  # in its source alone


def test_the_table_has_what_was_recorded_and_invents_nothing(ran):
    lines = [line for line in ran.out.splitlines() if line.strip()]
    assert re.search(r"^largest gradient error +2\.0e-10$", ran.out, re.M)  # the larger of the two
    assert re.search(r"^test accuracy with batchnorm +not measured$", ran.out, re.M)
    assert sum("not measured" in line for line in lines) == len(RESULTS) - 2
    assert max(map(len, (line for line in lines if "pages:" not in line))) <= 80


def test_the_stand_in_is_announced_above_and_below(ran):
    table = ran.out[ran.out.index("***") : ran.out.rindex("***")]
    assert "largest gradient error" in table and table.count("STAND-IN DATA") == 2
    index = ran.pages["index.html"]
    assert index.index("Stand-in data") < index.index("Measured in this run") < index.rindex("Stand-in data")
    assert "Stand-in data" not in ran.pages["1_passes.html"]


@pytest.mark.parametrize("name", ["1_passes.html", "2_fails.html", "speed.html", "index.html"])
def test_a_page_needs_no_network_and_has_no_script_inside(ran, name):
    for tag, attrs in tags(ran.pages[name]):
        assert tag not in ("link", "iframe", "object")
        source = attrs.get("src", "data:")
        assert source.startswith("data:") or (tag == "script" and source in ran.pages)
        assert not [attribute for attribute in attrs if attribute.startswith("on")]
    assert not re.search(r"<script[^>]*>[^<]|javascript:", ran.pages[name])
    assert not re.search(r"url\((?!data:)|@import", ran.pages[name])
    assert "/*style*/" not in ran.pages[name]


def test_a_page_shows_mathematics_figures_and_no_widget(ran):
    page = ran.pages["1_passes.html"]
    assert len(tags(page, "math")) == 4
    assert ">(7)<" in page and ">(8)<" in page and ">(9)<" not in page
    assert not re.search(r"\$|\\frac|\\begin|\\tag", page[page.index("<main>") : page.index("record")])
    assert "@font-face" in page and "@font-face" not in ran.pages["2_fails.html"]
    assert [image["alt"] for _, image in tags(page, "img")] == ['a "dot"']
    text = "".join(re.findall(r"<pre>([^<]*)", page))
    assert "all agree" in text and "a bar at nought" not in text


QUESTION = r"""# 6. Simplify

Why? See [section 1](1_first.ipynb#1.-First), or [the course](https://cs231n.org/x.ipynb).

<details><summary>Model answer</summary>

Two *words*, $\sqrt{x}$, and

$$ a = b $$

</details>"""


def page_of(folder, cells, name="2_second"):
    """The page of a notebook, beside that of an empty notebook 1_first."""
    paths = [folder / "1_first.ipynb", folder / f"{name}.ipynb"]
    for path, content in zip(paths, ([], cells)):
        nbformat.write(new_notebook(cells=content), path)
    outcome = execute.Outcome(paths[1], new_notebook(cells=cells), 1.0, None)
    render.Site(folder, paths).write_notebook(outcome)
    return (folder / f"{name}.html").read_text(encoding="utf-8")


def test_answers_are_folded_and_links_lead_to_pages(tmp_path):
    folded = new_code_cell(
        "answer('4.1', 0.1)",
        metadata={"jupyter": {"source_hidden": True}},
        outputs=[new_output("stream", text="right")],
    )
    cells = [new_markdown_cell(QUESTION), folded, new_code_cell("print('open')")]
    page = page_of(tmp_path, cells)
    words, code = re.findall(r"<details><summary>Model answer</summary>(.*?)</details>", page, re.S)
    assert "<em>words</em>" in words and len(tags(words, "math")) == 2 and "$" not in words
    assert "answer(" in re.sub("<[^>]*>", "", code) and "right" in code and "open" not in code
    links = [link["href"] for _, link in tags(page, "a")]
    assert "1_first.html#section-1" in links and "https://cs231n.org/x.ipynb" in links
    assert [heading["id"] for _, heading in tags(page, "h1")] == ["top"]


NUMBERED = r"""# 2. Numbered

$$ a = b \tag{3} $$

By (3), (4) and `(3)`; f(3) and $f(3)$ are no mentions, and neither is [see (3) there](1_first.ipynb).

$$ b = c \tag{4} $$

## 1. Twice

### Exercise 6: the `mean` (3 points)

## 1. Twice"""


def test_a_mention_of_an_equation_leads_to_it_and_nothing_else_does(tmp_path):
    code = new_code_cell(
        "holds(3, (3), f(3))  # by (3)",
        outputs=[new_output("stream", text="(3) holds\n  (4), one line\n(5) is none\nf(3), and (3)")],
    )
    card = '<a class="eq-4" href="1_first.ipynb#6.-Simplify">(4)</a>'
    shown = new_code_cell("check()", outputs=[new_output("display_data", {"text/html": card})])
    page = page_of(tmp_path, [new_markdown_cell(NUMBERED), code, shown])
    mentions = [link["href"] for _, link in tags(page, "a") if link.get("class") == "mention"]
    assert mentions == ["#eq-3", "#eq-4", "#eq-3", "#eq-4"]
    equations = [span["id"] for _, span in tags(page, "span") if span.get("class") == "equation"]
    assert equations == ["eq-3", "eq-4"]
    assert '<a href="1_first.html#eq-4">(4)</a>' in page
    labels = {link["aria-label"]: link["href"] for _, link in tags(page, "a") if "aria-label" in link}
    assert labels["Equation 3"] == "#eq-3" and labels["Equation 4"] == "#eq-4"


def test_the_search_index_holds_headings_equations_and_mistakes(ran, tmp_path):
    script = ran.pages["search-index.js"]
    entries = json.loads(script.partition(" = ")[2].rstrip(";\n"))
    assert ["speed.html#whats-slow", "What's slow", "Speed"] in entries
    assert ["1_passes.html", "What is measured", ""] in entries
    equation = "Equation (7): L x underbrace sum i g dbeta"
    assert ["1_passes.html#eq-7", equation, "What is measured, What is measured"] in entries


def test_ids_are_short_and_unlike(tmp_path):
    page = page_of(tmp_path, [new_markdown_cell(NUMBERED)])
    ids = [attrs["id"] for _, attrs in tags(page, "h1", "h2", "h3")]
    assert ids == ["top", "section-1", "exercise-6", "section-1-2"]
    labels = [link["aria-label"] for _, link in tags(page, "a") if link.get("class") == "anchor-link"]
    assert labels[2] == "Link to Exercise 6: the mean (3 points)"
    assert short_id("What a student's code can reach") == "what-a-students-code-can-reach"


def test_links_of_docs_lead_to_pages_and_a_file_that_has_none_is_plain_text(ran):
    page = ran.pages["speed.html"]
    links = [link["href"] for _, link in tags(page[page.index("<main>") :], "a")]
    outside = [link for link in links if not link.startswith("#")]
    assert outside == ["1_passes.html#what-is-measured", "https://cs231n.org/x.md", "2_fails.html"]
    assert "#whats-slow" in links and "another text and <a" in page


def test_a_release_holds_all_that_pages_are_made_of():
    files, _ = learner_edition(load_exercises())
    folder = ROOT / "cs231n" / "pages"
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(paths) > 9 and {path.relative_to(ROOT).as_posix() for path in paths} <= set(files)


def test_the_index_has_a_card_for_each_notebook(ran):
    index = ran.pages["index.html"]
    assert [link["href"] for _, link in tags(index, "a")] == ["1_passes.html", "2_fails.html", "speed.html"]
    assert "What is measured" in index and "Then more" not in index


def test_what_stops_a_run_before_it_starts_is_one_clear_line(tmp_path, capsys):
    assert run.main(tmp_path, tmp_path / "reports") == 1
    assert "no notebook in" in capsys.readouterr().err
    write_notebook(tmp_path / "1_never_runs.ipynb", "raise SystemExit")
    (tmp_path / "reports").write_text("a file where the folder should be")
    assert run.main(tmp_path, tmp_path / "reports") == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["cs231n data", "cs231n run", "classroom", "classroom release OUT", "classroom grade IN -o OUT"]
)
def test_a_python_without_the_packages_is_one_line(words):
    done = run_python(["-S", "-m", *words.split()], cwd=ROOT)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    name = words.split()[0 if words.startswith("classroom") else 1]
    assert re.match(rf"{name}: no (numpy|jinja2) in this Python; try: .*\.venv", done.stderr)


def command_that_prints(expression):
    """Code that runs python -m cs231n with a command of its own, which prints the value of `expression`."""
    return (
        "import sys, types, cs231n.__main__ as kit\n"
        f"job = types.SimpleNamespace(main=lambda: print({expression}) or 0)\n"
        "sys.modules['cs231n.commands.planted'] = job\n"
        "kit.COMMANDS['planted'] = 'prints'\n"
        "sys.exit(kit.main(['planted']))"
    )


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error on Windows")
def test_output_that_nobody_reads_is_no_error():
    with start_python(command_that_prints("'x' * 1_000_000")) as process:
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(60) == 141


def test_a_folder_whose_name_the_terminal_cannot_show():
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run_python(command_that_prints("chr(0xfc)"), env=ascii_only)
    assert done.returncode == 0 and done.stdout == "\\xfc\n", done.stderr


# fmt: off
@pytest.mark.parametrize("name, value, message", [
    ("largest gradient eror", 1.0, "unknown name"),
    ("test accuracy without", float("nan"), "finite"),
    ("test accuracy without", "high", "must be a float"),
    ("data source", 3, "must be a str"),
])
# fmt: on
def test_record_refuses(name, value, message):
    with pytest.raises(ValueError, match=message):
        record(name, value, "a line")


def test_record_outside_jupyter_prints_its_line(capsys):
    record("test accuracy without", 0.5, "half of them")
    assert capsys.readouterr().out == "half of them\n"


# fmt: off
@pytest.mark.parametrize("latex", [
    r"\sigma^2_{\mathcal{B}} = \frac1N\sum_{i=1}^N (\hat{x}_i - \mu)^2 \in \mathbb{R}^{N\times D}",
    r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\left.\frac{dL}{dx}\right|_{x=0} \approx \operatorname{Im} f(x + ih)/h + \mathcal{O}(h^2)",
    r"\begin{aligned} a &= b \\ &\ll \lVert x \rVert \sqrt{\sigma^2 + \epsilon} \end{aligned}",
    r"\begin{equation} \boldsymbol{\mu} \propto \mathbf{1}^\top x \end{equation}",
])
# fmt: on
def test_mathml_sets(latex):
    html = mathml(latex, display=True)
    assert "<math" in html and "\\" not in html and "(1)" not in html  # no number nobody gave


def test_a_formula_that_cannot_be_set_shows_its_source_and_is_reported(capsys):
    assert r"<code>\nosuch{x}</code>" in PageText().markdown(r"See $\nosuch{x}$ here.")
    assert "nosuch" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_our_notebooks_is_set(capsys, path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            PageText().markdown(cell.source, attachments=cell.get("attachments", {}))
    assert capsys.readouterr().err == ""
