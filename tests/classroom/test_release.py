"""The learner edition, built and used: nothing of it passes, with the solutions in it all of it passes."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from classroom.manifest import load
from classroom.releasing import release
from tests.support.releases import ROOT, SHORT, SOLVED, command, remember

remembered = pytest.fixture(autouse=True, scope="module")(remember)


def run(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "learner"
    assert command(out) == 0
    return out


@pytest.fixture
def learner(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "kit"))


def test_a_learner_gets_these_and_nothing_of_the_instructor(built):
    names = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert {
        "README.md",
        "setup.sh",
        "cs231n/layers.py",
        "cs231n/checks.py",
        "cs231n/exercises.json",
        "notebooks/2_batchnorm_gradient.ipynb",
        "datasets/README.md",
    } <= names
    assert {name.split("/")[0] for name in names} == {
        ".gitignore",
        "LICENSE",
        "README.md",
        "cs231n",
        "datasets",
        "notebooks",
        "pyproject.toml",
        "requirements.lock",
        "requirements.txt",
        "setup.sh",
    }
    assert "cs231n/kernels.py" not in names and not any(name.endswith((".pyc", "~")) for name in names)
    assert os.access(built / "setup.sh", os.X_OK)


def test_what_holds_no_exercise_is_the_kits_byte_for_byte(built):
    changed = {*SOLVED, *release.INSTEAD, "cs231n/exercises.json"}
    for path in built.rglob("*"):
        name = path.relative_to(built).as_posix()
        if path.is_file() and name not in changed and not name.endswith(".ipynb"):
            assert path.read_bytes() == (ROOT / name).read_bytes(), name


def test_the_zip_is_the_folder_and_the_same_each_time(built, tmp_path):
    with zipfile.ZipFile(f"{built}.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"learner/{path.relative_to(built).as_posix()}": path.read_bytes()
            for path in built.rglob("*")
            if path.is_file()
        }
        assert archive.getinfo("learner/setup.sh").external_attr >> 16 == 0o100755
    os.utime(ROOT / "cs231n" / "exercises.json")
    assert command(tmp_path / "learner") == 0
    assert (tmp_path / "learner.zip").read_bytes() == Path(f"{built}.zip").read_bytes()


def test_every_exercise_fails_by_not_implemented_alone(learner):
    told = run(learner, "cs231n", "check")
    assert told.returncode == 1 and told.stdout.endswith("\n0 of 17 passed\n"), told.stdout + told.stderr
    for exercise in load():
        line = rf"^ *{exercise.number}  {re.escape(exercise.title)} +not implemented yet$"
        assert re.search(line, told.stdout, re.M), exercise.title
    assert "wrong" not in told.stdout and told.stderr == ""


def test_with_the_solutions_in_their_places_every_exercise_passes(learner):
    for name in SOLVED:
        shutil.copy(ROOT / name, learner / name)
    told = run(learner, "cs231n", "check")
    assert told.returncode == 0 and told.stdout.endswith("\n17 of 17 passed\n"), told.stdout + told.stderr


def test_each_part_of_an_exercise_says_which_it_is(learner):
    """By its own name: a checked function could pass while one that belongs to it was left solved."""
    code = (
        "import functools, importlib, inspect, sys\n"
        "for name in sys.argv[1:]:\n"
        "    cut = 3 if 'classifiers' in name else 2\n"
        "    parts = name.split('.')\n"
        "    f = functools.reduce(getattr, parts[cut:], importlib.import_module('.'.join(parts[:cut])))\n"
        "    f = inspect.unwrap(f)\n"
        "    needed = sum(p.default is p.empty for p in inspect.signature(f).parameters.values())\n"
        "    try:\n"
        "        f(*[None] * needed)\n"
        "    except NotImplementedError as error:\n"
        "        print(name, error)\n"
    )
    parts = {name: exercise for exercise in load() for name in exercise.functions}
    told = subprocess.run([sys.executable, "-c", code, *parts], cwd=learner, capture_output=True, text=True)
    assert told.stdout.splitlines() == [
        f"{name} Exercise {exercise.number}: {exercise.title}" for name, exercise in parts.items()
    ], told.stderr


def test_every_module_of_it_can_be_imported(learner):
    code = (
        "import importlib, pkgutil, cs231n\n"
        "for m in pkgutil.walk_packages(cs231n.__path__, 'cs231n.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=learner, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_the_fused_layers_of_a_learner_are_the_learners(learner):
    for name in SOLVED:
        shutil.copy(ROOT / name, learner / name)
    code = (
        "import numpy as np\nfrom cs231n import fast_layers, layers\n"
        "from cs231n.classifiers.fc_net import FullyConnectedNet\n"
        "assert fast_layers.batchnorm_backward is layers.batchnorm_backward\n"
        "assert fast_layers.kernels is None\n"
        "net = FullyConnectedNet([5, 4], input_dim=6, normalization='batchnorm', layers=fast_layers)\n"
        "net.loss(np.ones((3, 6)), np.array([1, 2, 3]))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=learner, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_a_short_release_leaves_the_rest_solved(tmp_path):
    assert command(tmp_path / "short", "--manifest", SHORT) == 0
    told = run(tmp_path / "short", "cs231n", "check")
    assert told.stdout.count("not implemented yet") == len(load(SHORT)) == 5
    assert told.stdout.endswith("\n0 of 5 passed\n")
    told = run(tmp_path / "short", "cs231n", "check", "affine_backward", "softmax_loss", "adam")
    assert told.returncode == 0, told.stdout


def notebooks_stop(folder, names):
    """{notebook: (number of the cell where it stops, what it says there)}, in a kernel of its own each."""
    code = (
        "import json, sys, nbformat\nfrom nbclient import NotebookClient\n"
        "from nbclient.exceptions import CellExecutionError\n"
        "for name in sys.argv[1:]:\n"
        "    book = nbformat.read(f'notebooks/{name}.ipynb', 4)\n"
        "    try:\n"
        "        NotebookClient(book, timeout=300, kernel_name='python3',\n"
        "                       resources={'metadata': {'path': 'notebooks'}}).execute()\n"
        "        print(json.dumps([name, None, '']))\n"
        "    except CellExecutionError as stop:\n"
        "        cell = max(i for i, c in enumerate(book.cells) if c.get('execution_count'))\n"
        "        print(json.dumps([name, cell, f'{stop.ename}: {stop.evalue}']))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert told.returncode == 0, told.stderr
    return {name: (cell, said) for name, cell, said in map(json.loads, told.stdout.splitlines())}


def test_notebook_1_runs_up_to_the_first_exercise_and_says_so(learner):
    cell, said = notebooks_stop(learner, ["1_gradient_checking"])["1_gradient_checking"]
    assert cell == 24 and said == "NotImplementedError: Exercise 1: affine_forward"


@pytest.mark.slow
def test_every_notebook_runs_up_to_its_first_exercise(learner):
    names = sorted(path.stem for path in (learner / "notebooks").glob("*.ipynb"))
    stopped = notebooks_stop(learner, names)
    assert {name: said for name, (_, said) in stopped.items()} == {
        "1_gradient_checking": "NotImplementedError: Exercise 1: affine_forward",
        "2_batchnorm_gradient": "NotImplementedError: Exercise 6: batchnorm_forward",
        "3_fully_connected_net": "NotImplementedError: Exercise 1: affine_forward",
        "4_train_on_cifar10": "NotImplementedError: Exercise 15: adam",
    }
    for name in SOLVED:  # then up to the first of its cells that is to be written
        shutil.copy(ROOT / name, learner / name)
    stopped = notebooks_stop(learner, names[:3])
    assert stopped["1_gradient_checking"] == (None, "")
    for name in names[1:3]:
        cells = json.loads((learner / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
        first = next(i for i, source in enumerate(sources) if "raise NotImplementedError(" in source)
        assert stopped[name][0] == first and stopped[name][1].startswith("NotImplementedError: Exercise ")
