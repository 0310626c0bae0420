"""The learner's edition, built and used: none of it passes, with the solutions in it all of it passes.

And what a release refuses: to overwrite, to lose a file, to give a solution away.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from classroom.grading.reference import child_files
from classroom.manifest import ManifestError, load_exercises
from classroom.releasing import release
from classroom.releasing.release import LeakError, learner_edition, write_targets
from tests.support.python import run_python
from tests.support.releases import ROOT, SHORT, SOLVED, command, copy_kit, solve, write_manifest
from tests.support.releases import remembered as remembered


def run(folder, code_or_args):
    return run_python(code_or_args, cwd=folder, env={"PYTHONPATH": None}, timeout=900)


def check(folder, *exercises):
    return run(folder, ["-m", "cs231n", "check", *exercises])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "learner"
    assert command(out) == 0
    return out


@pytest.fixture
def learner(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "kit"))


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_learner_gets_the_kit_and_nothing_of_the_instructor(built):
    files = contents(built)
    changed = {*SOLVED, *release.REPLACED_FILES, "cs231n/exercises.json"}
    assert files.keys() >= changed | {"cs231n/checks.py", "notebooks/2_batchnorm_gradient.ipynb"}
    top = ".gitignore LICENSE README.md cs231n datasets docs notebooks pyproject.toml requirements.lock"
    assert {name.split("/")[0] for name in files} == {
        *top.split(),
        "requirements.txt",
        "setup.ps1",
        "setup.sh",
    }
    assert "cs231n/kernels.py" not in files and not any(name.endswith((".pyc", "~")) for name in files)
    assert os.access(built / "setup.sh", os.X_OK)
    written = {exercise.file for exercise in load_exercises()}
    assert all(b"\nimport numpy as np\n" in files[name] for name in written)  # what learners write needs it
    package = [path.relative_to(ROOT) for path in (ROOT / "cs231n").rglob("*") if path.is_file()]
    package = {path.as_posix() for path in package if "__pycache__" not in path.parts}
    assert package - files.keys() == set(release.WITHHELD)  # hints and questions too, whatever they are
    encoded = {name for name in package if name.startswith(release.ANSWERS) and "__init__" not in name}
    same = [name for name in files.keys() - changed - encoded if not name.endswith(".ipynb")]
    assert {name: files[name] for name in same} == {name: (ROOT / name).read_bytes() for name in same}


def test_nobody_reads_by_accident_what_the_checks_know_to_be_right(built):
    plain = b"\n".join(contents(built).values())
    sources = [path for path in (ROOT / release.ANSWERS).glob("*.py") if path.name != "__init__.py"]
    lines = [line.strip() for path in sources for line in path.read_bytes().splitlines()]
    assert [
        line for line in lines if re.search(rb"[-+*/] |@", line) and len(line) > 40 and line in plain
    ] == []
    assert b"softmax(i[" not in plain and len(lines) > 2000


def test_a_traceback_shows_the_line_of_an_encoded_answer(learner):
    code = """
import traceback
from cs231n.checking.answers.primitives import column_mean
try:
    column_mean(None)
except TypeError:
    traceback.print_exc()
"""
    done = run(learner, ["-c", code])
    (line,) = re.findall(
        r'File "<cs231n/checking/answers/primitives.py>", line (\d+), in column_mean', done.stderr
    )
    shown = (ROOT / release.ANSWERS / "primitives.py").read_text().splitlines()[int(line) - 1]
    assert "@ t" in shown and shown.strip() in done.stderr


def test_the_zip_is_the_folder_and_the_same_each_time(built, tmp_path):
    with zipfile.ZipFile(f"{built}.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
        assert archive.getinfo("learner/setup.sh").external_attr >> 16 == 0o100755
    assert packed == {f"learner/{name}": content for name, content in contents(built).items()}
    os.utime(ROOT / "cs231n" / "exercises.json")
    assert command(tmp_path / "learner") == 0
    assert (tmp_path / "learner.zip").read_bytes() == Path(f"{built}.zip").read_bytes()


IMPORTS_ALL_AND_CALLS_EACH_WITH_NONE = """
import cs231n, inspect, pkgutil, sys
for m in pkgutil.walk_packages(cs231n.__path__, 'cs231n.'):
    if not m.name.endswith('__main__') and 'cs231n.search.' not in m.name:  # which needs optuna
        __import__(m.name)
for name in sys.argv[1:]:
    f = inspect.unwrap(pkgutil.resolve_name(name))
    needed = sum(p.default is p.empty for p in inspect.signature(f).parameters.values())
    try:
        f(*[None] * needed)
    except NotImplementedError as error:
        print(name, error)
"""


def test_each_function_of_an_exercise_says_which_it_is(learner):
    """By its own name: a checked function could pass while one that belongs to it was left solved."""
    labels = {name: exercise.label for exercise in load_exercises() for name in exercise.functions}
    done = run(learner, ["-c", IMPORTS_ALL_AND_CALLS_EACH_WITH_NONE, *labels])
    assert done.stdout.splitlines() == [f"{name} {label}" for name, label in labels.items()], done.stderr


USES_FUSED_LAYERS = """
import numpy as np
from cs231n import fast_layers, layers
from cs231n.classifiers.fc_net import FullyConnectedNet
assert fast_layers.batchnorm_backward is layers.batchnorm_backward
assert fast_layers.kernels is None
net = FullyConnectedNet([5, 4], input_dim=6, normalization='batchnorm', layers=fast_layers)
net.loss(np.ones((3, 6)), np.array([1, 2, 3]))
"""


def test_every_exercise_is_not_implemented_and_with_its_solution_in_its_place_it_passes(learner):
    done = check(learner)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("\n0 of 17 exercises passed, 0 of 100 points\n")
    blank = re.findall(r"^ *(\d+)  (\S+) .* not written yet$", done.stdout, re.M)
    assert blank == [(str(exercise.number), exercise.title) for exercise in load_exercises()]
    assert "wrong" not in done.stdout
    solve(learner)
    done = check(learner)
    assert done.returncode == 0 and "\n17 of 17 exercises passed" in done.stdout, done.stdout + done.stderr
    done = run(learner, USES_FUSED_LAYERS)
    assert done.returncode == 0, done.stderr


def test_a_short_release_leaves_the_rest_solved(tmp_path):
    assert command(tmp_path / "short", "--manifest", SHORT) == 0
    done = check(tmp_path / "short")
    assert done.stdout.count("not written yet") == len(load_exercises(SHORT)) == 5
    assert "\n0 of 5 exercises passed, 0 of 50 points\n" in done.stdout
    done = check(tmp_path / "short", "affine_backward", "softmax_loss", "adam")
    assert done.returncode == 0, done.stdout


RUNS_A_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
book = nbformat.read(f'notebooks/{sys.argv[1]}.ipynb', 4)
resources = {'metadata': {'path': 'notebooks'}}
try:
    NotebookClient(book, timeout=300, kernel_name='python3', resources=resources).execute()
except CellExecutionError as stop:
    print(max(i for i, c in enumerate(book.cells) if c.get('execution_count')))
    print(f'{stop.ename}: {stop.evalue}')
"""


def run_notebook(folder, name):
    """Where a notebook stops: the number of the cell, and the error there."""
    done = run(folder, ["-c", RUNS_A_NOTEBOOK, name])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow  # five seconds; by default test_drop_in.py stops in notebook 2, and CI walks tests/road
def test_a_notebook_stops_at_the_check_below_its_first_card(learner):
    cells = json.loads((learner / "notebooks" / "1_gradient_checking.ipynb").read_text())["cells"]
    first = next(i for i, cell in enumerate(cells) if "card" in cell["metadata"].get("tags", []))
    index, error = run_notebook(learner, "1_gradient_checking")
    assert int(index) == first + 1 and error.startswith("NotPassed: ")


@pytest.mark.parametrize("name", ["learner", "learner.zip"])
def test_nothing_is_overwritten_and_no_file_is_lost(tmp_path, capsys, name):
    mine = tmp_path / name / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert command(tmp_path / "learner") == 1
    assert f"{name} is there already; try another OUT, or --replace" in capsys.readouterr().err
    assert command(tmp_path / "learner", "--replace") == 1  # it would lose mine.txt
    assert [path.name for path in tmp_path.iterdir()] == [name] and mine.read_text() == "mine"


def test_an_old_release_is_replaced_with_replace(tmp_path):
    (tmp_path / "learner").mkdir()  # an empty folder is nobody's
    assert command(tmp_path / "learner", "--manifest", SHORT) == 0
    (tmp_path / "learner" / "README.md").write_text("old")
    assert command(tmp_path / "learner", "--replace") == 0
    readme = (ROOT / "classroom" / "releasing" / "learner_readme.md").read_bytes()
    assert (tmp_path / "learner" / "README.md").read_bytes() == readme
    assert sorted(path.name for path in tmp_path.iterdir()) == ["learner", "learner.zip"]


def test_the_readme_has_the_exercises_of_the_manifest():
    files, _ = learner_edition(load_exercises(SHORT))
    readme = files["README.md"].decode()
    assert "In 5 exercises" in readme and "17" not in readme and "second_derivative" not in readme
    numbers = re.findall(r"^\| [123] \|.*\| (.*) \|$", readme, re.M)
    assert numbers == ["none", "6, 7, 8, 9, 10", "none"]


def test_a_function_that_would_show_another_exercise_is_withheld():
    """batchnorm_double_backward(dout, dout, cache)[0] is the dx of exercise 8."""
    name, error = "cs231n/second_derivative.py", "batchnorm_double_backward is not in this edition"
    edition = learner_edition(load_exercises(SHORT))[0][name].decode()
    child = child_files(tuple(load_exercises(SHORT)), ())[name].decode()
    assert edition == child and edition.endswith(f'    raise NotImplementedError("{error}")\n')
    others = [exercise for exercise in load_exercises(SHORT) if exercise.number in (9, 10)]
    assert learner_edition(others)[0][name] == (ROOT / name).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error on Windows")
def test_who_reads_one_line_of_what_it_prints_sees_no_traceback(tmp_path):
    words = [sys.executable, "-u", "-m", "classroom", "release", tmp_path / "out"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(60) == 141


def test_a_write_that_fails_leaves_the_old_one(tmp_path):
    write_targets({tmp_path / "out": {"a": b"old"}})
    with pytest.raises(TypeError):
        write_targets({tmp_path / "out": {"a": "no bytes"}}, replace=True)
    assert (tmp_path / "out" / "a").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_release_is_made_without_any_package(tmp_path):
    """The edition of one person is made before anything is installed."""
    code = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in ('cs231n', 'classroom', *sys.stdlib_module_names):
            raise ImportError(name)
sys.meta_path.insert(0, Refuses())
from classroom.manifest import load_exercises
from classroom.releasing.release import release
release(load_exercises(), sys.argv[1])
"""
    done = run(ROOT, ["-c", code, tmp_path / "out"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.zip").is_file()


@pytest.fixture
def kit(tmp_path):
    return copy_kit(tmp_path / "kit")


NOTEBOOK = "notebooks/2_batchnorm_gradient.ipynb"
README = "classroom/releasing/learner_readme.md"
LEAK = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"


def append_cells(path, *cells):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for kind, source, *tags in cells:
        cell = {"cell_type": kind, "id": f"new-{len(notebook['cells'])}", "metadata": {"tags": tags}}
        more = {"outputs": [], "execution_count": None} if kind == "code" else {}
        notebook["cells"].append(cell | {"source": [source]} | more)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def plant(path, text):
    """Add lines to a file, or a code cell to a notebook."""
    if path.suffix == ".ipynb":
        append_cells(path, ("code", text))
    else:
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    "place", [NOTEBOOK, "cs231n/solver.py", "setup.sh", README, "cs231n/pages/templates/page.html.j2"]
)
def test_a_planted_leak_stops_the_release(place, kit, tmp_path):
    plant(kit / place, f"# {LEAK}")
    with pytest.raises(LeakError, match="would give a solution away"):
        release.release(load_exercises(), tmp_path / "out", root=kit)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.zip").exists()


FORMULA = "kangaroo * (walrus - emu) / heron"
EXPRESSION = ("code", f'# It\na = "{FORMULA}"\nanswer("2.98", a)', "answer", "question-2.98")
DERIVED = "penguin / (walrus + emu) - heron"
WORKSHEET = ("code", f"# x\ndef f(emu):\n    x = {DERIVED}\n    return x", "worksheet")
IN_WORDS = (
    "markdown",
    "<details><summary>Model answer</summary>\n\nSo it is. **Seven** kangaroos and a walrus carry the "
    "mean.\n\n</details>",
    "answer",
    "question-2.99",
)
ANSWER_CELLS = (EXPRESSION, WORKSHEET, IN_WORDS)
MODEL_ANSWERS = {  # {case: (what gives it away, whose it is)}
    "in code": ("z = (-emu + walrus) / heron * kangaroo", "question 2.98"),
    "in a comment": (f"x = 1  # {FORMULA}", "question 2.98"),
    "in a string": (f"x = '{FORMULA}'", "question 2.98"),
    "of a worksheet": (f"def g():\n    return {DERIVED}", "a worksheet cell"),
    "in words": ("# seven kangaroos\n# and a *walrus* carry the mean!", "question 2.99"),
}


@pytest.mark.parametrize("place", [NOTEBOOK, "cs231n/checking/questions/notebook_2.py"])
@pytest.mark.parametrize("text, owner", MODEL_ANSWERS.values(), ids=MODEL_ANSWERS)
def test_a_planted_model_answer_stops_the_release(text, owner, place, kit):
    append_cells(kit / NOTEBOOK, *ANSWER_CELLS)
    plant(kit / place, text)
    with pytest.raises(LeakError, match=f"\n  {place}, .* is of .*{owner}"):
        release.refuse_leaks(*learner_edition(load_exercises(), kit))


def test_a_model_answer_goes_out_of_its_own_cell_and_a_wrong_answer_is_none(kit):
    append_cells(kit / NOTEBOOK, *ANSWER_CELLS)
    for wrong in (FORMULA.replace("-", "+"), FORMULA.replace("/", "*"), "kangaroo * (emu - walrus) / heron"):
        plant(kit / "cs231n" / "solver.py", f"# {wrong}")
    plant(kit / "cs231n" / "solver.py", f"x = '-{FORMULA}'")
    release.refuse_leaks(*learner_edition(load_exercises(), kit))


def test_an_exercise_without_a_card_stops_the_release(tmp_path, capsys):
    fields = {"title": "svm_loss", "functions": ["cs231n.layers.svm_loss"]}
    manifest = write_manifest(tmp_path, 5, section="notebook 1, section 9", **fields)
    assert command(tmp_path / "out", "--manifest", manifest) == 1
    error = capsys.readouterr().err
    assert "Exercise 5: svm_loss has no card in a notebook; try: add to notebook 1, section 9" in error
    assert "### Exercise 5: svm_loss (8 points)" in error and not (tmp_path / "out").exists()


def test_a_name_that_is_missing_stops_the_release(tmp_path, capsys):
    manifest = write_manifest(tmp_path, 7, functions=["cs231n.layers.batchnorm_backwards"])
    assert command(tmp_path / "out", "--manifest", manifest) == 1
    message = "release: cs231n/layers.py has no function batchnorm_backwards; try batchnorm_backward"
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_file_that_does_not_compile_stops_the_release(kit):
    (kit / "cs231n" / "solver.py").write_text("def f(:\n")
    with pytest.raises(ManifestError, match="cs231n/solver.py does not compile"):
        learner_edition(load_exercises(), kit)
