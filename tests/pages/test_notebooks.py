"""The stored notebooks: executed in one go, without an error, a hole, or a trace of a machine."""

import base64
import re
import struct

import nbformat
import pytest

from tests.support import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["1_gradient_checking", "2_batchnorm_gradient", "3_fully_connected_net", "4_train_on_cifar10"]
NAMES += ["5_second_derivative"]

# Absolute paths as they leak into tracebacks and warnings; /content/drive is Colab's, the same for everybody.
FOLDERS = "home|root|tmp|Users|work|workspace|var|private|opt|usr|mnt"
MACHINE = re.compile(rf"(?<![\w.~/:-])/(?:{FOLDERS})/\w|\b[A-Z]:\\\\?\w|ipykernel_\d+")


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    read = nbformat.read(request.param, as_version=4)
    read.name = request.param.stem
    return read


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def is_compared(notebook, cell):
    """Whether nbval compares the outputs of a cell with the stored ones; notebook 4 depends on its data."""
    lax = notebook.name.startswith("4")
    return "nbval-check-output" in tags(cell) if lax else "nbval-ignore-output" not in tags(cell)


def test_all_are_there():
    assert [path.stem for path in PATHS] == NAMES


def test_executed_in_one_go(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out.ename for cell in cells for out in cell.outputs if out.output_type == "error"]
    assert all(cell.source.strip() for cell in cells)


def test_first_code_cells_are_identical():
    (first,) = {code_cells(nbformat.read(path, 4))[0].source for path in PATHS}
    assert "from cs231n.notebook import answer, check, hint" in first and len(first.splitlines()) < 10
    assert "google.colab" not in first and "autoreload" not in first


def test_images_have_words_and_a_size_for_a_page(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                assert kind == "image/png"
                alt = output.metadata[kind]["alt"]
                assert len(alt.split()) >= 5 and alt.rstrip().endswith("."), f"no sentence: {alt!r}"
                assert output.metadata[kind].get("alttext") == alt
                width, height = struct.unpack(">II", base64.b64decode(output.data[kind])[16:24])
                assert 200 <= width <= 2000 and 100 <= height <= 2000
                # A PNG differs with each version of matplotlib, so it is not compared byte by byte.
                assert not is_compared(notebook, cell), cell.source[:80]


def texts_of(output):
    yield output.get("text", "")
    yield from (text for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


def test_no_path_of_a_machine_and_nothing_on_stderr(notebook):
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        for text in [cell.source, *(text for output in outputs for text in texts_of(output))]:
            leak = MACHINE.search(text)
            assert not leak, f"...{text[max(0, leak.start() - 40) :][:120]}..."
        assert not [output.text for output in outputs if output.get("name") == "stderr"]


def test_the_search_for_paths_finds_them():
    for leak in (f"File /{'home'}/me/x.py", f"at /{'tmp'}/x", "C:\\Users\\me", "ipykernel_123/45.py"):
        assert MACHINE.search(leak), leak


def test_metadata_is_clean(notebook):
    assert notebook.nbformat == 4 and notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    known = r"nbval-(ignore|check)-output|card|answer|worksheet|figure|explorable|question-[1-5]\.[1-9]\d?"
    for cell in notebook.cells:
        folded = {"jupyter": {"source_hidden": True}} if "answer" in tags(cell) else {}
        more = {key: value for key, value in cell.metadata.items() if key != "tags"}
        assert more in ({}, folded), "execution times and editor settings differ with each run"
        assert all(re.fullmatch(known, tag) for tag in tags(cell)), tags(cell)


def test_compared_outputs_hold_no_digits_that_change(notebook):
    """Compared cells print verdicts: no exponent of a raw error, no time, no address."""
    for cell in code_cells(notebook):
        if is_compared(notebook, cell):
            assert cell.outputs or "nbval-check-output" not in tags(cell), "nothing to compare"
            for text in [text for output in cell.outputs for text in texts_of(output)]:
                assert not re.search(r"\d\.\d+e-\d\d|0x[0-9a-f]{6}|\d\.\d+ ?m?s\b|it/s", text), text


def test_a_question_and_a_check(notebook):
    """Prose and code keep the rhythm: questions are asked, and checks assert."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert prose.startswith("# ") and prose.count("**Question") >= 2 and "Your turn" not in prose
    code = "\n".join(cell.source for cell in code_cells(notebook))
    assert len(re.findall(r"^ *(?:\w+\.)?assert", code, re.M)) >= 5
