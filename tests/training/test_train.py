"""python -m cs231n train, on a few images and a tiny net: what it prints, keeps, refuses and goes on with."""

import re
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


@pytest.mark.parametrize(
    "arguments, words",
    [(["minute", "--resume", "--run", "nowhere"], "nowhere"), (["minute", "--seed", "-1"], "seed")],
)
def test_what_cannot_be_done_is_said_in_a_line(small_images, capsys, arguments, words):
    assert main(["train", *arguments]) == 1
    err = capsys.readouterr().err
    assert words in err and len(err.splitlines()) == 1 and "Traceback" not in err


def test_predict_is_the_mean_of_the_probabilities_over_the_ten_views():
    def scores(X):
        return X.reshape(len(X), -1)[:, :40:4]

    X = np.random.RandomState(0).randn(1003, 3, 32, 32)
    each = []
    for view in views(X):
        exp_scores = np.exp(scores(view))
        each.append(exp_scores / exp_scores.sum(axis=1, keepdims=True))
    assert len(each) == 10
    np.testing.assert_allclose(predict(SimpleNamespace(loss=scores), X), np.mean(each, axis=0), rtol=1e-12)
