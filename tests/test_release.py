"""The learner edition, built and used: nothing of it passes, with the solutions in it all of it passes."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from classroom import release
from classroom.manifest import MANIFEST, load
from classroom.release import LeakError, learner_edition, write

ROOT = Path(__file__).parent.parent
SHORT = MANIFEST.with_name("exercises_short.json")
SOLVED = ("cs231n/layers.py", "cs231n/layer_utils.py", "cs231n/optim.py", "cs231n/classifiers/fc_net.py")


def command(*arguments):
    parser = argparse.ArgumentParser()
    release.add_arguments(parser)
    return release.main(parser.parse_args([str(a) for a in arguments]))


def run(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=300)


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
    assert {"README.md", "setup.sh", "cs231n/layers.py", "cs231n/checks.py", "cs231n/exercises.json",
            "notebooks/2_batchnorm_gradient.ipynb", "datasets/README.md"} <= names
    assert {name.split("/")[0] for name in names} == {
        ".gitignore", "LICENSE", "README.md", "cs231n", "datasets", "notebooks", "pyproject.toml",
        "requirements.lock", "requirements.txt", "setup.sh"}
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
            for path in built.rglob("*") if path.is_file()}
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
    for exercise in load():
        for name in exercise.functions:
            called = probe(learner, name)
            assert f"NotImplementedError: Exercise {exercise.number}: {exercise.title}" in called, name


def probe(folder, name):
    parts = name.split(".")
    cut = 2 if parts[1] != "classifiers" else 3
    found = f"import inspect; from {'.'.join(parts[:cut])} import {parts[cut]}; f = {'.'.join(parts[cut:])}"
    called = "f(*[None] * sum(p.default is p.empty for p in inspect.signature(f).parameters.values()))"
    return run(folder, "timeit", "-n1", "-r1", "-s", found, called).stderr


def test_every_module_of_it_can_be_imported(learner):
    code = ("import importlib, pkgutil, cs231n\n"
            "for m in pkgutil.walk_packages(cs231n.__path__, 'cs231n.'):\n"
            "    m.name.endswith('__main__') or importlib.import_module(m.name)")
    told = subprocess.run([sys.executable, "-c", code], cwd=learner, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_the_fused_layers_of_a_learner_are_the_learners(learner):
    for name in SOLVED:
        shutil.copy(ROOT / name, learner / name)
    code = ("import numpy as np\nfrom cs231n import fast_layers, layers\n"
            "from cs231n.classifiers.fc_net import FullyConnectedNet\n"
            "assert fast_layers.batchnorm_backward is layers.batchnorm_backward\n"
            "assert fast_layers.kernels is None\n"
            "net = FullyConnectedNet([5, 4], input_dim=6, normalization='batchnorm', layers=fast_layers)\n"
            "net.loss(np.ones((3, 6)), np.array([1, 2, 3]))")
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
    code = ("import json, sys, nbformat\nfrom nbclient import NotebookClient\n"
            "from nbclient.exceptions import CellExecutionError\n"
            "for name in sys.argv[1:]:\n"
            "    book = nbformat.read(f'notebooks/{name}.ipynb', 4)\n"
            "    try:\n"
            "        NotebookClient(book, timeout=300, kernel_name='python3',\n"
            "                       resources={'metadata': {'path': 'notebooks'}}).execute()\n"
            "        print(json.dumps([name, None, '']))\n"
            "    except CellExecutionError as stop:\n"
            "        cell = max(i for i, c in enumerate(book.cells) if c.get('execution_count'))\n"
            "        print(json.dumps([name, cell, f'{stop.ename}: {stop.evalue}']))\n")
    told = subprocess.run([sys.executable, "-c", code, *names], cwd=folder, capture_output=True, text=True,
                          timeout=900)
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
        "4_train_on_cifar10": "NotImplementedError: Exercise 15: adam"}
    for name in SOLVED:         # then up to the first of its cells that is to be written
        shutil.copy(ROOT / name, learner / name)
    stopped = notebooks_stop(learner, names[:3])
    assert stopped["1_gradient_checking"] == (None, "")
    for name in names[1:3]:
        cells = json.loads((learner / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
        first = next(i for i, source in enumerate(sources) if "raise NotImplementedError(" in source)
        assert stopped[name][0] == first and stopped[name][1].startswith("NotImplementedError: Exercise ")


def test_nothing_is_overwritten_without_being_told(built, tmp_path, capsys):
    for name in ("learner", "learner.zip"):
        folder = tmp_path / name[-3:]
        folder.mkdir()
        (folder / name).mkdir()
        (folder / name / "mine.txt").write_text("mine")
        assert command(folder / "learner") == 1
        assert f"{name} is there already; try another OUT, or --replace" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == [name]
        assert command(folder / "learner", "--replace") == 1    # it would lose mine.txt
        assert (folder / name / "mine.txt").read_text() == "mine"


def test_an_old_release_is_replaced_when_told(tmp_path):
    (tmp_path / "learner").mkdir()      # an empty folder is nobody's
    assert command(tmp_path / "learner", "--manifest", SHORT) == 0
    (tmp_path / "learner" / "README.md").write_text("old")
    assert command(tmp_path / "learner", "--replace") == 0
    readme = (ROOT / "classroom" / "learner_readme.md").read_bytes()
    assert (tmp_path / "learner" / "README.md").read_bytes() == readme
    assert sorted(path.name for path in tmp_path.iterdir()) == ["learner", "learner.zip"]


def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    write({tmp_path / "out": {"a": b"old"}})
    with pytest.raises(TypeError):
        write({tmp_path / "out": {"a": "no bytes"}}, replace=True)
    assert (tmp_path / "out" / "a").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def kit(folder):
    """A copy of what a release is made from, to be spoilt."""
    for name in ("cs231n", "notebooks", "datasets", "classroom"):
        shutil.copytree(ROOT / name, folder / name,
                        ignore=shutil.ignore_patterns("__pycache__", "cifar*", "*.npy"))
    for name in ("setup.sh", "requirements.txt", "requirements.lock", "pyproject.toml", "LICENSE",
                 ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


LEAK = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"


def spoil(root, place):
    if place == "notebooks/2_batchnorm_gradient.ipynb":     # cells whose tags were lost
        text = (root / place).read_text(encoding="utf-8")
        (root / place).write_text(text.replace('"exercise-8"', '"nbval-skip"'), encoding="utf-8")
    else:
        with open(root / place, "a", encoding="utf-8") as file:
            file.write(f"\n# {LEAK}\n")


@pytest.mark.parametrize("place", ["notebooks/2_batchnorm_gradient.ipynb", "cs231n/solver.py", "setup.sh",
                                   "classroom/learner_readme.md", "cs231n/templates/page.html.j2"])
def test_a_planted_leak_stops_the_release(place, tmp_path):
    root = kit(tmp_path / "kit")
    spoil(root, place)
    with pytest.raises(LeakError, match="would give a solution away"):
        release.release(load(), tmp_path / "out", root=root)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.zip").exists()


def test_a_name_that_is_missing_stops_the_release(tmp_path, capsys):
    entries = json.loads(MANIFEST.read_text())
    entries[6]["functions"] = ["cs231n.layers.batchnorm_backwards"]
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    assert command(tmp_path / "out", "--manifest", tmp_path / "mine.json") == 1
    said = capsys.readouterr().err
    assert "release: cs231n/layers.py has no function batchnorm_backwards; try batchnorm_backward" in said
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_compile_stops_the_release(tmp_path):
    root = kit(tmp_path / "kit")
    (root / "cs231n" / "solver.py").write_text("def f(:\n")
    with pytest.raises(Exception, match="cs231n/solver.py does not compile"):
        learner_edition(load(), root)


def test_github_gets_a_workflow_with_a_step_for_each_exercise(tmp_path):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter")
    assert command(tmp_path / "learner", "--for", "github") == 0
    workflow = yaml.safe_load((tmp_path / "learner/.github/workflows/classroom.yml").read_text())
    steps = workflow["jobs"]["run-autograding-tests"]["steps"]
    graded = [step for step in steps if "max-score" in step.get("with", {})]
    assert sum(step["with"]["max-score"] for step in graded) == 100
    assert [step["with"]["command"].split()[-1] for step in graded] == [exercise.title for exercise in load()]
    assert steps[-1]["with"]["runners"].split(",") == [step["id"] for step in graded]
    assert set(steps[-1]["env"]) == {f"{step['id'].upper()}_RESULTS" for step in graded}
    pinned = subprocess.run(["bash", "-c", steps[2]["run"].replace("pip install", "echo")],
                            cwd=tmp_path / "learner", capture_output=True, text=True).stdout
    assert pinned.startswith("numpy>=2")


def test_gradescope_gets_an_autograder_and_the_learner_does_not(tmp_path):
    assert command(tmp_path / "learner", "--for", "gradescope") == 0
    with zipfile.ZipFile(tmp_path / "learner-gradescope.zip") as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "config.json", "kit/cs231n/layers.py",
                "kit/classroom/grade.py"} <= names
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o100755
        assert json.loads(archive.read("config.json"))["seed"] >= 0
    with zipfile.ZipFile(tmp_path / "learner.zip") as archive:
        assert not any("classroom" in name for name in archive.namelist())


@pytest.mark.slow
def test_the_autograder_of_gradescope_runs(tmp_path):
    assert command(tmp_path / "learner", "--for", "gradescope") == 0
    base = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "learner-gradescope.zip") as archive:
        archive.extractall(base / "source")
    (base / "venv" / "bin").mkdir(parents=True)
    (base / "venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (base / "venv" / "bin" / "python").chmod(0o755)
    for name in SOLVED:
        (base / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, base / "submission" / name)
    told = subprocess.run(["bash", base / "source" / "run_autograder"], capture_output=True, text=True,
                          env=os.environ | {"AUTOGRADER": str(base)}, timeout=300)
    assert told.returncode == 0, told.stderr
    results = json.loads((base / "results" / "results.json").read_text())
    assert sum(test["score"] for test in results["tests"]) == 100


def test_nbgrader_gets_a_course_in_which_students_files_are_kept(tmp_path):
    assert command(tmp_path / "ps", "--for", "nbgrader") == 0
    course = tmp_path / "ps-nbgrader"
    config = {}
    exec((course / "nbgrader_config.py").read_text(), {"get_config": lambda: argparse.Namespace(
        CourseDirectory=argparse.Namespace(), Autograde=argparse.Namespace(),
        ExecutePreprocessor=argparse.Namespace())}, config)
    kept = config["c"].Autograde.exclude_overwriting["ps"]
    assert set(kept) == set(SOLVED) and all((course / "source" / "ps" / name).is_file() for name in kept)
    learner = tmp_path / "ps" / "cs231n" / "layers.py"
    assert (course / "source" / "ps" / "cs231n" / "layers.py").read_bytes() == learner.read_bytes()
    with zipfile.ZipFile(course / "source" / "ps" / "notebooks.zip") as archive:
        assert len(archive.namelist()) == 4
    cells = json.loads((course / "source" / "ps" / "checks.ipynb").read_text())["cells"]
    assert sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in cells) == 100
