"""The learner's edition, built and used: none of it passes, with the solutions in it all of it passes.

And what a release refuses: to overwrite, to lose a file, to give a solution away.
"""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from classroom.manifest import ManifestError, load_exercises
from classroom.releasing import release
from classroom.releasing.release import LeakError, learner_edition, write_targets
from tests.support.python import run_python
from tests.support.releases import ROOT, SHORT, SOLVED, command, copy_kit, solve, write_manifest
from tests.support.releases import remembered as remembered


def run(folder, code_or_args):
    """Python in folder, without this repository."""
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
    top = ".gitignore LICENSE README.md cs231n datasets notebooks pyproject.toml requirements.lock"
    assert {name.split("/")[0] for name in files} == {*top.split(), "requirements.txt", "setup.sh"}
    assert "cs231n/kernels.py" not in files and not any(name.endswith((".pyc", "~")) for name in files)
    assert os.access(built / "setup.sh", os.X_OK)
    same = [name for name in files if name not in changed and not name.endswith(".ipynb")]
    assert {name: files[name] for name in same} == {name: (ROOT / name).read_bytes() for name in same}


def test_the_zip_is_the_folder_and_the_same_each_time(built, tmp_path):
    with zipfile.ZipFile(f"{built}.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
        assert archive.getinfo("learner/setup.sh").external_attr >> 16 == 0o100755
    assert packed == {f"learner/{name}": content for name, content in contents(built).items()}
    os.utime(ROOT / "cs231n" / "exercises.json")
    assert command(tmp_path / "learner") == 0
    assert (tmp_path / "learner.zip").read_bytes() == Path(f"{built}.zip").read_bytes()


def test_every_exercise_fails_by_not_implemented_alone(learner):
    done = check(learner)
    assert (done.returncode, done.stderr) == (1, "") and done.stdout.endswith("\n0 of 17 passed\n")
    blank = re.findall(r"^ *(\d+)  (\S+) +not implemented yet$", done.stdout, re.M)
    assert blank == [(str(exercise.number), exercise.title) for exercise in load_exercises()]
    assert "wrong" not in done.stdout


CALLS_EACH_WITH_NONE = """
import inspect, pkgutil, sys
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
    done = run(learner, ["-c", CALLS_EACH_WITH_NONE, *labels])
    assert done.stdout.splitlines() == [f"{name} {label}" for name, label in labels.items()], done.stderr


def test_every_module_of_it_can_be_imported(learner):
    done = run(
        learner,
        "import importlib, pkgutil, cs231n\n"
        "for m in pkgutil.walk_packages(cs231n.__path__, 'cs231n.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)",
    )
    assert done.returncode == 0, done.stderr


USES_FUSED_LAYERS = """
import numpy as np
from cs231n import fast_layers, layers
from cs231n.classifiers.fc_net import FullyConnectedNet
assert fast_layers.batchnorm_backward is layers.batchnorm_backward
assert fast_layers.kernels is None
net = FullyConnectedNet([5, 4], input_dim=6, normalization='batchnorm', layers=fast_layers)
net.loss(np.ones((3, 6)), np.array([1, 2, 3]))
"""


def test_with_the_solutions_in_their_places_every_exercise_passes_and_the_fused_layers_are_these(learner):
    solve(learner)
    done = check(learner)
    assert done.returncode == 0 and done.stdout.endswith("\n17 of 17 passed\n"), done.stdout + done.stderr
    done = run(learner, USES_FUSED_LAYERS)
    assert done.returncode == 0, done.stderr


def test_a_short_release_leaves_the_rest_solved(tmp_path):
    assert command(tmp_path / "short", "--manifest", SHORT) == 0
    done = check(tmp_path / "short")
    assert done.stdout.count("not implemented yet") == len(load_exercises(SHORT)) == 5
    assert done.stdout.endswith("\n0 of 5 passed\n")
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


@pytest.mark.parametrize(
    "name, label",
    [
        ("1_gradient_checking", "1: affine_forward"),
        pytest.param("2_batchnorm_gradient", "6: batchnorm_forward", marks=pytest.mark.slow),
        pytest.param("3_fully_connected_net", "1: affine_forward", marks=pytest.mark.slow),
        pytest.param("4_train_on_cifar10", "15: adam", marks=pytest.mark.slow),
    ],
)
def test_a_notebook_runs_up_to_its_first_exercise_and_says_so(name, label, learner):
    assert run_notebook(learner, name)[1:] == [f"NotImplementedError: Exercise {label}"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["1_gradient_checking", "2_batchnorm_gradient", "3_fully_connected_net"])
def test_a_notebook_over_solutions_runs_up_to_its_first_blank_cell(name, learner):
    solve(learner)
    cells = json.loads((learner / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    blanks = [i for i, cell in enumerate(cells) if "raise NotImplementedError(" in "".join(cell["source"])]
    assert run_notebook(learner, name)[:1] == [str(i) for i in blanks[:1]]


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


def test_a_write_that_fails_leaves_the_old_one(tmp_path):
    write_targets({tmp_path / "out": {"a": b"old"}})
    with pytest.raises(TypeError):
        write_targets({tmp_path / "out": {"a": "no bytes"}}, replace=True)
    assert (tmp_path / "out" / "a").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def kit(tmp_path):
    return copy_kit(tmp_path / "kit")


NOTEBOOK = "notebooks/2_batchnorm_gradient.ipynb"
LEAK = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"


TEXTS = ["setup.sh", "classroom/releasing/learner_readme.md", "cs231n/pages/templates/page.html.j2"]


@pytest.mark.parametrize("place", [NOTEBOOK, "cs231n/solver.py", *TEXTS])
def test_a_planted_leak_stops_the_release(place, kit, tmp_path):
    text = (kit / place).read_text(encoding="utf-8")
    # Of the notebook, cells lose their tags.
    spoiled = text.replace('"exercise-8"', '"nbval-skip"') if place == NOTEBOOK else f"{text}\n# {LEAK}\n"
    (kit / place).write_text(spoiled, encoding="utf-8")
    with pytest.raises(LeakError, match="would give a solution away"):
        release.release(load_exercises(), tmp_path / "out", root=kit)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.zip").exists()


def test_a_name_that_is_missing_stops_the_release(tmp_path, capsys):
    manifest = write_manifest(tmp_path, 7, functions=["cs231n.layers.batchnorm_backwards"])
    assert command(tmp_path / "out", "--manifest", manifest) == 1
    message = "release: cs231n/layers.py has no function batchnorm_backwards; try batchnorm_backward"
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_file_that_does_not_compile_stops_the_release(kit):
    (kit / "cs231n" / "solver.py").write_text("def f(:\n")
    with pytest.raises(ManifestError, match="cs231n/solver.py does not compile"):
        learner_edition(load_exercises(), kit)
