"""python -m cs231n train, on a few images and a tiny net: what it prints, keeps, refuses and goes on with."""

import re

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
def asked(monkeypatch, tmp_path):
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

    def step(solver, batch, original=Solver._step):
        steps.append(1)
        return original(solver, batch)

    monkeypatch.setattr(recipes, "get_CIFAR10_data", data)
    monkeypatch.setattr(
        recipes, "fit_whitening", lambda X, softening: Whitening(np.zeros(3072, "f"), np.eye(3072, dtype="f"))
    )
    monkeypatch.setattr(train, "data_source", lambda: "SMALL")
    monkeypatch.setattr(train, "warn_of_stand_in", lambda: None)
    monkeypatch.setattr(Solver, "_step", step)
    monkeypatch.setitem(RECIPES, "minute", Recipe([8, 6], epochs=9, pixels=1))
    return calls


def test_a_run_prints_its_story_and_keeps_a_model_that_answers_the_same(asked, capsys, tmp_path):
    assert main(["train", "minute"]) == 0
    said = capsys.readouterr().out
    assert "minute: 3072 - 8 - 6 - 10, 9 epochs, SMALL" in said
    assert re.search(r"test accuracy +\d+\.\d\d %", said) and re.search(r"peak memory [\d,]+ MB", said)
    assert max(map(len, said.splitlines())) < 80
    folder = tmp_path / "runs" / "minute-0"
    assert {p.name for p in folder.iterdir()} >= {
        "config.json",
        "history.csv",
        "model.npz",
        "curves.png",
        "whitening.npz",
    }
    assert Solver.load(folder).params["W1"].shape == (3072, 8)


def test_no_test_image_is_read_before_training_has_ended(asked):
    main(["train", "minute"])
    assert asked == [(0, 0), (10_000, 9)]  # a batch of 512 is all of 60 images


def test_a_seed_is_a_result_and_another_seed_another():
    data = {
        "X_train": np.random.RandomState(0).rand(60, 3, 32, 32).astype(np.float32),
        "y_train": np.arange(60) % 10,
        "X_val": np.zeros((20, 3, 32, 32), np.float32),
        "y_val": np.arange(20) % 10,
    }
    trained = []
    for seed in (1, 1, 2):
        solver = recipes.solver_for("minute", data, seed, verbose=False)
        solver.num_epochs = 2
        solver.train()
        trained.append(solver.model.params["W1"])
    assert np.array_equal(trained[0], trained[1]) and not np.array_equal(trained[0], trained[2])


def test_a_run_is_not_written_over_and_goes_on_if_asked(asked, capsys, tmp_path, monkeypatch):
    assert main(["train", "minute", "--run", "whole"]) == 0

    def interrupted(solver, batch, original=Solver._step):
        if len(solver.loss_history) == 7:
            raise KeyboardInterrupt
        return original(solver, batch)

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
def test_what_cannot_be_done_is_said_in_a_line(asked, capsys, arguments, words):
    assert main(["train", *arguments]) == 1
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1 and "Traceback" not in said


def test_predict_is_the_mean_of_the_probabilities_over_the_ten_views():
    class Model:
        def loss(self, X):
            return X.reshape(len(X), -1)[:, :40:4]

    X = np.random.RandomState(0).randn(1003, 3, 32, 32)
    each = []
    for view in views(X):
        odds = np.exp(view.reshape(len(X), -1)[:, :40:4])
        each.append(odds / odds.sum(axis=1, keepdims=True))
    assert len(each) == 10
    np.testing.assert_allclose(predict(Model(), X), np.mean(each, axis=0), rtol=1e-12)
