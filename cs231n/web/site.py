"""Write the site: pages of the stored notebooks, the kit as a zip, the runtime, the scripts."""

import gzip
import html
import json
import shutil
import tempfile
from pathlib import Path

import nbformat

from cs231n.checking.submission import NOTEBOOKS, without_outputs
from cs231n.common.files import REPOSITORY, atomic_write, zip_of
from cs231n.pages import render
from cs231n.pages.execute import Outcome
from cs231n.web.assignment import editable_files
from cs231n.web.runtime import compile_archive, compile_pinned, find_runtime, load_table

__all__ = ["write_site"]

STATIC = Path(__file__).with_name("static")
TITLES = {  # of what the progress bar names
    "pyodide.asm.wasm.packed": "Python",
    "python_stdlib.zip.packed": "Python's library",
    "numpy.zip.packed": "NumPy",
    "kit.zip.packed": "the kit",
}
LATE = {"sympy": ["mpmath.zip.packed", "sympy.zip.packed"]}  # {module: what its first import fetches}
IMAGES = (
    "**In this page the images of CIFAR-10 are not there.** Cells that need them {here}; the others run. "
    "To run all, type in the folder of the {folder}, on a computer: `./setup.sh {command}` "
    "(on Windows: `python -m cs231n {command}`)."
)
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'{cdn}; "
    "style-src 'self' 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)


def write_site(out: Path, runtime: str) -> int:
    """Write the folder `out`; other files in it stay.

    Args:
        out: made if it is not there.
        runtime: "bundled", and no request leaves the site; or "cdn", which has matplotlib.

    Returns:
        The size of the site in bytes.

    Raises:
        DataError: a file of the runtime cannot be had.
        OSError: a file cannot be written.
    """
    table, files = load_table(), find_runtime(runtime)
    contents = _runtime_contents(files)
    out.mkdir(parents=True, exist_ok=True)
    written = [*_write_runtime(out, runtime, files, contents, table), *_write_pages(out, runtime, table)]
    for script in STATIC.iterdir():
        shutil.copyfile(script, out / script.name)
        written.append(out / script.name)
    return sum(path.stat().st_size for path in written)


def _write_runtime(
    out: Path, runtime: str, files: dict[str, Path], contents: dict[str, bytes], table: dict
) -> list[Path]:
    """The folder `runtime`, with site.json, which tells the worker what to load."""
    folder = out / "runtime"
    folder.mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    lock = json.loads(files["pyodide-lock.json"].read_bytes())
    site = {"files": rows, "late": LATE, "lock": {"info": lock["info"], "packages": {}}}
    if runtime == "cdn":
        rows += _cdn_files(lock["packages"], table)
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)
        if name in TITLES:
            rows.append({"name": name, "size": len(content), "title": TITLES[name]})
    for path, value in {folder / "site.json": site, out / "editable.json": editable_files()}.items():
        with atomic_write(path) as file:
            file.write(json.dumps(value).encode())
    return [path for path in folder.iterdir() if path.is_file()]


def _cdn_files(packages: dict[str, dict], table: dict) -> list[dict[str, object]]:
    """Of each wheel that the worker takes from the CDN its address and its digest in the lock file."""
    names = list[str](table["cdn_packages"])
    for name in names:
        names += [other for other in packages[name]["depends"] if other not in names]
    return [
        {
            "name": file,
            "address": table["cdn"] + file,
            "sha256": packages[name]["sha256"],
            "size": 0,
            "title": name,
        }
        for name in names
        for file in [packages[name]["file_name"]]
    ]


def _runtime_contents(files: dict[str, Path]) -> dict[str, bytes]:
    """{name in the folder `runtime`: content}."""
    contents, cache = {}, files["pyodide.js"].parent
    for name, path in files.items():
        if name.startswith("pyodide.asm."):  # few servers compress, so the file is compressed
            contents[f"{name}.packed"] = gzip.compress(path.read_bytes(), mtime=0)
        elif name.endswith((".zip", ".whl")):
            stem = name.removesuffix(".zip").partition("-")[0]
            contents[f"{stem}.zip.packed"] = compile_pinned(path, cache)
        elif not name.endswith("-lock.json"):
            contents[name] = path.read_bytes()
    with tempfile.TemporaryDirectory() as temp:
        kit = Path(temp) / "kit.zip"
        kit.write_bytes(zip_of(_kit_files()))
        contents["kit.zip.packed"] = compile_archive(kit, cache)
    return contents


def _kit_files() -> dict[str, bytes]:
    """The package and the notebooks, without what makes pages and what only a terminal starts."""
    package = REPOSITORY / "cs231n"
    paths = [path for kind in ("*.py", "*.json") for path in package.rglob(kind)]
    names = {path.relative_to(REPOSITORY).as_posix(): path for path in paths}
    notebooks = {name: without_outputs((REPOSITORY / name).read_bytes()) for name in NOTEBOOKS}
    left_out = ("cs231n/pages/", "cs231n/commands/", "cs231n/web/site.py", "cs231n/web/runtime")
    files = {name: path.read_bytes() for name, path in names.items() if not name.startswith(left_out)}
    return files | notebooks


def _write_pages(out: Path, runtime: str, table: dict) -> list[Path]:
    cdn = f" {table['cdn']}" if runtime == "cdn" else ""
    policy = html.escape(POLICY.format(cdn=cdn), quote=True)
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    declaration = REPOSITORY / "cs231n" / "declaration.txt"
    if declaration.is_file():  # what Download asks
        question = html.escape(declaration.read_text(encoding="utf-8").strip(), quote=True)
        head += f'<meta name="declaration" content="{question}">\n'
    scripts = '<link rel="stylesheet" href="web.css">\n'
    names = ("store.js", "output.js", "page.js", "files.js", "figure.js")
    scripts += "".join(f'<script src="{name}" defer></script>\n' for name in names)
    paths = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
    site, cards = render.Site(out, paths, head=head, notebook_head=scripts), []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        _say_what_does_not_run(notebook)
        cards.append(site.write_notebook(Outcome(path, notebook, 0.0, None)))
    site.write_docs()
    site.write_index(cards, [], False)
    return site.written


def _say_what_does_not_run(notebook: nbformat.NotebookNode) -> None:
    """Put a note into the first section that needs the images; at the top if it is section 1."""
    asks = [n for n, cell in enumerate(notebook.cells) if "get_CIFAR10_data(" in cell.source]
    if not asks:
        return
    headings = [n for n in range(asks[0]) if notebook.cells[n].source.startswith("## ")]
    if any(cell.get("outputs") for cell in notebook.cells):
        note = IMAGES.format(here="keep the results that are stored here", folder="kit", command="run")
    else:
        note = IMAGES.format(here="say so", folder="assignment", command="start")
    cell = nbformat.v4.new_markdown_cell(note)
    notebook.cells.insert(headings[-1] + 1 if len(headings) > 1 else 1, cell)
