"""python -m cs231n train, on a few images and a tiny net: what it prints, keeps, refuses and goes on with."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n import recipes
from cs231n.__main__ import main
from cs231n.commands import train
from cs231n.data.augment import views
from cs231n.data.whitening import Whitening
from cs231n.recipes import RECIPES, Recipe, predict
from cs231n.solver import Solver
from tests.support.python import start_python

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def small_images(monkeypatch, tmp_path):
    """Small images in place of CIFAR-10; what was asked for: (how many test images, after how many steps)."""
    monkeypatch.chdir(tmp_path)
    calls, steps = [], []

    def data(num_training=60, num_validation=20, num_test=20, subtract_mean=True):
        calls.append((num_test, len(steps)))
        rng = np.random.RandomState(0)
        sizes = {"train": min(num_training, 60), "val": min(num_validation, 20), "test": min(num_test, 30)}
        return {
            f"{k}_{part}": (rng.rand(n, 3, 32, 32).astype(np.float32) if k == "X" else np.arange(n) % 10)
            for part, n in sizes.items()
            for k in "Xy"
        }

    def step(solver, *batch, original=Solver._step):
        steps.append(1)
        return original(solver, *batch)

    monkeypatch.setattr(recipes, "get_CIFAR10_data", data)
    whitening = Whitening(np.zeros(3072, "f"), np.eye(3072, dtype="f"))
    monkeypatch.setattr(recipes, "fit_whitening", lambda X, softening: whitening)
    monkeypatch.setattr(train, "data_source", lambda: "SMALL")
    monkeypatch.setattr(train, "warn_of_stand_in", lambda: None)
    monkeypatch.setattr(Solver, "_step", step)
    monkeypatch.setitem(RECIPES, "minute", Recipe([8, 6], epochs=9, pixels=1))
    return calls


def test_a_run_prints_its_story_and_keeps_a_model_that_answers_the_same(small_images, capsys, tmp_path):
    assert main(["train", "minute"]) == 0
    out = capsys.readouterr().out
    assert "minute: 3072 - 8 - 6 - 10, 9 epochs, SMALL" in out and max(map(len, out.splitlines())) < 80
    assert re.search(r"test accuracy +\d+\.\d\d %", out) and re.search(r"peak memory [\d,]+ MB", out)
    folder = tmp_path / "runs" / "minute-0"
    files = {"config.json", "history.csv", "model.npz", "curves.png", "whitening.npz"}
    assert {p.name for p in folder.iterdir()} >= files and Solver.load(folder).params["W1"].shape == (3072, 8)
    # No test image is read before training has ended; a batch of 512 is all of the 60 images.
    assert small_images == [(0, 0), (10_000, 9)]


def test_a_seed_is_a_result_and_another_seed_another():
    X = np.random.RandomState(0).rand(60, 3, 32, 32).astype(np.float32)
    data = {"X_train": X, "y_train": np.arange(60) % 10, "X_val": X[:20], "y_val": np.arange(20) % 10}
    weights = []
    for seed in (1, 1, 2):
        solver = recipes.solver_for("minute", data, seed, verbose=False)
        solver.num_epochs = 2
        solver.train()
        weights.append(solver.model.params["W1"])
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_a_run_is_not_written_over_and_goes_on_if_small_images(small_images, capsys, tmp_path, monkeypatch):
    assert main(["train", "minute", "--run", "whole"]) == 0

    def interrupted(solver, *batch, original=Solver._step):
        if len(solver.loss_history) == 7:
            raise KeyboardInterrupt
        return original(solver, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(Solver, "_step", interrupted)
        assert main(["train", "minute"]) == 130
    assert "--run runs/minute-0 --resume" in capsys.readouterr().err.replace("\\", "/")
    assert main(["train", "minute"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["train", "minute", "--resume"]) == 0
    whole, resumed = [Solver.load(tmp_path / folder) for folder in ("whole", "runs/minute-0")]
    assert all(np.array_equal(w, resumed.params[name]) for name, w in whole.params.items())


SLOW_WHITENING = """
import sys
import numpy as np
from cs231n import recipes
from cs231n.__main__ import main
X = np.random.RandomState(0).rand(60, 3, 32, 32).astype(np.float32)
y = np.arange(60) % 10
data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
recipes.get_CIFAR10_data = lambda **_: data
matrix = np.random.RandomState(0).normal(size=(2500, 2500))

def fit(X, softening):
    print("in LAPACK", flush=True)
    np.linalg.eigh(matrix @ matrix.T)  # as fit_whitening does; it takes seconds, and sees no signal
    print("end of LAPACK", flush=True)

recipes.fit_whitening = fit
sys.exit(main(["train", "minute", "--run", sys.argv[1]]))
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_while_whitening_acts_at_once_and_advises_what_works(tmp_path):
    folder = tmp_path / "two words; $HOME"
    with start_python(["-c", SLOW_WHITENING, folder], stderr=subprocess.PIPE) as process:
        while "in LAPACK" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130 and "end of LAPACK" not in out
    line = err.strip()
    assert "\n" not in line and "--resume" not in line and "nothing is trained yet; to start again: " in line
    words = shlex.split(line.partition("to start again: ")[2])
    assert words[:3] == ["python", "-m", "cs231n"] and words[-1] == str(folder)
    assert not folder.exists()


def test_ctrl_c_is_advised_by_what_there_is(small_images, capsys, monkeypatch):
    """Before the first checkpoint, after it, in the evaluation, and on a resumed run."""
    command = ["train", "minute", "--run", "my runs/a"]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    def advice():
        out, err = capsys.readouterr()
        line = err.strip().splitlines()[-1]
        assert f"{out}{err}".count("continue") == ("to continue: " in line)
        return shlex.split(line.partition("to continue: ")[2]), line

    for target in ((recipes, "fit_whitening"), (train, "solver_for")):
        with monkeypatch.context() as patch:
            patch.setattr(*target, interrupted)
            assert main(command) == 130
        assert "nothing is trained yet; to start again: python" in advice()[1]
    for again in (command, [*command, "--resume"]):
        for target in ((Solver, "_step"), (train, "evaluate_on_test_set")):
            if target[0] is train and again is command:
                continue
            with monkeypatch.context() as patch:
                patch.setattr(*target, interrupted)
                assert main(again) == 130
            assert advice()[0] == [
                "python",
                "-m",
                "cs231n",
                *command[:2],
                "--seed",
                "0",
                *command[2:],
                "--resume",
            ]
    assert main([*command, "--resume"]) == 0


def test_advice_about_a_folder_that_holds_a_run(small_images, capsys, monkeypatch):
    """Another recipe is not continued, and is advised by its own name."""
    monkeypatch.setitem(RECIPES, "good", Recipe([8, 6], epochs=2, pixels=1))
    assert main(["train", "good", "--run", "a run"]) == 0
    capsys.readouterr()
    assert main(["train", "minute", "--run", "a run"]) == 1
    err = capsys.readouterr().err
    assert "to continue it: python -m cs231n train good --seed 0 --run 'a run' --resume; " in err
    assert main(["train", "minute", "--run", "a run", "--resume"]) == 1
    assert "train: the run in a run is of good, not of minute; try good" in capsys.readouterr().err


@pytest.mark.parametrize("content, words", [(b"mine", "is not a checkpoint"), (None, "is of other images")])
def test_a_file_of_the_user_called_whitening_stays(small_images, capsys, tmp_path, content, words):
    path = tmp_path / "run" / "whitening.npz"
    path.parent.mkdir()
    path.write_bytes(content) if content else np.savez(path, mean=np.ones(3))
    before = path.read_bytes()
    assert main(["train", "minute", "--run", "run"]) == 1
    assert words in capsys.readouterr().err and path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_a_second_process_that_resumes_gets_one_line(small_images, capsys, monkeypatch):
    codes = []

    def second(solver, *batch, original=Solver._step):
        if len(solver.loss_history) == 3:
            codes.extend(main(["train", "minute", *more]) for more in ([], ["--resume"]))
        return original(solver, *batch)

    monkeypatch.setattr(Solver, "_step", second)
    assert main(["train", "minute"]) == 0
    err = capsys.readouterr().err
    assert codes == [1, 1] and len(lines := err.splitlines()) == 2
    assert all(f"another Solver trains in {Path('runs').absolute()}" in line for line in lines)


def test_the_accuracy_that_is_printed_is_that_of_the_model(small_images, capsys, monkeypatch):
    """The recipes keep the last parameters, which need not be the best."""
    monkeypatch.setattr(
        train, "solver_for", lambda *args, **more: trained.append(make(*args, **more)) or trained[-1]
    )
    make, trained = recipes.solver_for, []
    assert main(["train", "minute"]) == 0
    printed = re.search(r"validation accuracy +(.*) %", capsys.readouterr().out)[1]
    assert printed == f"{100 * trained[0].val_acc_history[-1]:.1f}"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            ["minute", "--resume", "--run", "nowhere"],
            "no run in nowhere; to start one: python -m cs231n train",
        ),
        (["minute", "--seed", "-1"], "seed"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(small_images, capsys, arguments, words):
    assert main(["train", *arguments]) == 1
    err = capsys.readouterr().err
    assert words in err and len(err.splitlines()) == 1 and "Traceback" not in err


@pytest.mark.parametrize("arguments, count", [((), 10), ((2,), 26), ((RECIPES["hour"].view_pixels,), 58)])
def test_predict_is_the_mean_of_the_probabilities_over_the_views(arguments, count):
    def scores(X):
        return X.reshape(len(X), -1)[:, :40:4]

    X = np.random.RandomState(0).randn(1003, 3, 32, 32)
    each = []
    for view in views(X, *arguments):
        exp_scores = np.exp(scores(view))
        each.append(exp_scores / exp_scores.sum(axis=1, keepdims=True))
    assert len(each) == count
    probabilities = predict(SimpleNamespace(loss=scores), X, *arguments)
    np.testing.assert_allclose(probabilities, np.mean(each, axis=0), rtol=1e-12)


def test_a_run_is_evaluated_on_the_views_of_its_recipe(small_images, monkeypatch):
    seen = []
    monkeypatch.setattr(recipes, "views", lambda X, pixels: seen.append(pixels) or views(X, pixels))
    monkeypatch.setitem(RECIPES, "hour", RECIPES["hour"]._replace(hidden_dims=[8], epochs=1))
    assert main(["train", "hour"]) == 0 and seen == [RECIPES["hour"].view_pixels]
