"""The learner's site: made by the command of the learner's edition, and searched as the edition is."""

import functools
import gzip
import io
import json
import py_compile
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from classroom.manifest import load_exercises
from classroom.releasing.leaks import find_leaks
from classroom.releasing.platforms import PLATFORMS, Platform
from classroom.releasing.release import learner_edition
from cs231n.common.files import zip_of
from cs231n.data.errors import DataError
from cs231n.pages.execute import Outcome
from cs231n.pages.render import Site
from cs231n.web.runtime import find_runtime
from tests.support.browser import skip_or_fail
from tests.support.releases import ROOT, SHORT, command, remembered  # noqa: F401

LEAK = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"
SOLVED = (ROOT / "cs231n" / "layers.py").read_bytes()
HASH = py_compile.PycInvalidationMode.CHECKED_HASH


@functools.cache
def fragments():
    return learner_edition(load_exercises())[1]


def page(folder, cell):
    """The page of a notebook with one cell, as the site has it."""
    path = folder / "2.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 2. Title"), cell]), path)
    Site(folder, [path], folder).write_notebook(Outcome(path, nbformat.read(path, 4), 0.0, None))
    return (folder / "2.html").read_bytes()


def text(folder, source):
    return page(folder, new_markdown_cell(source))


def sentence(folder):
    """A model answer in words, one of them in bold."""
    first, *words = next(words for kind, words in fragments() if kind == "words").split()
    return text(folder, f"So: **{first}** {' '.join(words)}.")


def bytecode(folder, source, mode=HASH):
    (folder / "layers.py").write_bytes(source)
    py_compile.compile(folder / "layers.py", folder / "layers.pyc", invalidation_mode=mode)
    return (folder / "layers.pyc").read_bytes()


def notebook(source):
    return nbformat.writes(new_notebook(cells=[new_code_cell(source)])).encode()


PYC = "cs231n/__pycache__/layers.cpython-313.pyc"
PLANTED = {  # {case: (file, its content, where the leak is found in it)}
    "a code cell": ("2.html", lambda f: page(f, new_code_cell(f"y = 1\n{LEAK}")), "line "),
    "code in a sentence": ("2.html", lambda f: text(f, f"So `{LEAK}` it is."), "line "),
    "a block of code": ("2.html", lambda f: text(f, f"```python\n{LEAK}\n```"), "line "),
    "an answer in words": ("2.html", sentence, "its text"),
    "the editor": (
        "editable.json",
        lambda _: json.dumps({"cs231n/layers.py": SOLVED.decode()}).encode(),
        "cs231n/layers.py, line ",
    ),
    "a script": ("figure.js", lambda _: f"  const {LEAK};\n".encode(), "line 1"),
    "a script, entry by entry": (
        "figure.js",
        lambda _: b"const dx = g.map((v, i) => a / s * (v - dbeta / 6 - h[i] * dgamma / 6));\n",
        "line 1",
    ),
    "a remark in a script": ("figure.js", lambda _: f"x = 1; // {LEAK}\n".encode(), "line 1"),
    "a remark in a page": ("index.html", lambda _: f"<p>\n<!-- {LEAK} -->\n".encode(), "line 2"),
    "a style sheet": ("web.css", lambda _: f"/* {LEAK} */\n".encode(), "line 1"),
    "packed source": ("kit.zip/cs231n/layers.py", lambda _: SOLVED, "line "),
    "packed bytecode": (f"kit.zip/{PYC}", lambda f: bytecode(f, SOLVED), "bytecode"),
    "a packed notebook": ("kit.zip/notebooks/2.ipynb", lambda _: notebook(LEAK), "cell 1, line 1"),
}


@pytest.mark.parametrize("name, make, place", PLANTED.values(), ids=PLANTED)
def test_a_leak_in_the_site_stops_the_release(name, make, place, tmp_path, monkeypatch, capsys):
    (tmp_path / "draft").mkdir()
    content, out = make(tmp_path / "draft"), tmp_path / "learner"
    if name.startswith("kit.zip/"):
        packed = {"cs231n/layers.py": b"x = 1\n", name.removeprefix("kit.zip/"): content}
        site = {"runtime/kit.zip": zip_of(packed)}
        name = f"runtime/{name}"
    else:
        site = {name: content}
    monkeypatch.setitem(PLATFORMS, "web", Platform(lambda *_: site, "folder"))
    assert command(out, "--for", "web") == 1
    assert f" would give a solution away:\n  {name}, {place}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["draft"]


def test_bytecode_is_that_of_the_source_beside_it(tmp_path):
    blank = b"def f():\n    raise NotImplementedError\n"
    right = bytecode(tmp_path, blank)

    def leaks(**files):
        return [str(leak) for leak in find_leaks(files, fragments())]

    assert leaks(**{PYC: right, "cs231n/layers.py": blank, "numpy/core.pyc": right}) == []
    where = f"{PYC}, bytecode: 'layers.cpython-313.pyc' is of a source that was not searched"
    by_time = bytecode(tmp_path, blank, py_compile.PycInvalidationMode.TIMESTAMP)
    for files in (
        {PYC: right},
        {PYC: right, "cs231n/layers.py": blank + b"#"},
        {PYC: by_time, "cs231n/layers.py": blank},
        {PYC: b"", "cs231n/layers.py": blank},
    ):
        assert leaks(**files) == [where]


def test_without_npm_nothing_is_written(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert command(tmp_path / "learner", "--for", "web") == 1
    error = capfd.readouterr().err
    assert "npm, which is not installed; try: install Node.js\nrelease: the site cannot be made" in error
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.slow
def test_the_site_of_a_short_edition(tmp_path, capsys):
    """Its cards, its points, and that the search reads what stands in the real site."""
    try:
        find_runtime("bundled")
    except DataError as error:
        skip_or_fail(f"needs the runtime: {error}")
    settings = {"exercises": json.loads(SHORT.read_text()), "words": {"2.12": 5}, "due": "2026-12-01T23:59Z"}
    settings |= {"declaration": 'Which "assistants" & how?'}
    (tmp_path / "mine.json").write_text(json.dumps(settings))
    out = tmp_path / "a course" / "week 3"
    assert command(out, "--for", "web", "--manifest", tmp_path / "mine.json") == 0
    site = out.with_name("week 3-web")
    assert capsys.readouterr().out.startswith("5 exercises for 50 points; no solution was found")
    assert list(json.loads((site / "editable.json").read_text())) == ["cs231n/layers.py"]
    pages = {path.name[0]: path.read_text("utf-8") for path in site.glob("[0-9]*.html")}
    question = '<meta name="declaration" content="Which &quot;assistants&quot; &amp; how?">'
    assert all(question in page for page in pages.values())
    written = "is already written in this edition"
    assert [pages[name].count(written) for name in "12345"] == [5, 0, 7, 0, 0]
    assert pages["5"].count("batchnorm_double_backward</code> is not in this edition") == 1
    assert "Exercise 6: batchnorm_forward (10 points)" in pages["2"] and "Model answer" not in pages["2"]
    kit = gzip.decompress((site / "runtime" / "kit.zip.packed").read_bytes())
    with zipfile.ZipFile(io.BytesIO(kit)) as archive:
        assert sum(entry["points"] for entry in json.loads(archive.read("cs231n/exercises.json"))) == 50

    files = {
        path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()
    }
    leaks = {leak.file for leak in find_leaks(files, fragments())}  # of what this edition has solved
    solved = ("layers", "optim", "classifiers/fc_net")
    assert leaks == {"editable.json", *(f"runtime/kit.zip/cs231n/{name}.py" for name in solved)}
