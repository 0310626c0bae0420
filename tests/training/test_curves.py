"""curves.png, the picture of a run: drawn whatever the numbers and the name; its errors end nothing."""

import sys
import warnings

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training import run_checkpoints
from tests.support.resume_child import image_data, start
from tests.support.scripted import run


def test_zero_epochs_are_a_run_without_a_model(tmp_path):
    start(tmp_path / "run", num_epochs=0).train()
    names = sorted(p.name for p in (tmp_path / "run").iterdir())
    assert names == ["checkpoint_0.npz", "config.json", "curves.png", "history.csv", "run.lock"]
    with pytest.raises(FileNotFoundError, match="model.npz"):
        Solver.load(tmp_path / "run")


def test_divergence_keeps_the_run(tmp_path):
    model = FullyConnectedNet([8], 48, 3, weight_scale=0.3, dtype=np.float64)
    config = {"learning_rate": 1e30}
    with pytest.warns(RuntimeWarning):
        run(model, image_data(), optim_config=config, batch_size=20, num_epochs=3, run=tmp_path)
    assert run_checkpoints.checkpoints(tmp_path) and (tmp_path / "curves.png").exists()
    loaded, X = Solver.load(tmp_path), image_data()["X_val"]
    assert np.array_equal(loaded.loss(X), model.loss(X)) and np.isfinite(loaded.loss(X)).all()


def test_without_matplotlib_everything_but_the_picture(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.warns(RuntimeWarning, match="curves.png is not drawn.*no matplotlib") as caught:
        start(tmp_path / "run", num_epochs=1).train()
    assert caught[-1].filename == __file__
    assert (tmp_path / "run" / "model.npz").exists() and not (tmp_path / "run" / "curves.png").exists()


@pytest.mark.parametrize("name", ["lr$3 and $x_{", "梯度 🙂", "a\nb" * 40, "x" * 200, r"$\frac$", "_"])
def test_a_picture_shows_any_name_of_a_run(name, tmp_path):
    solver = start(tmp_path / name, num_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solver.train()
    assert (tmp_path / name / "curves.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("error", [ValueError("broken"), RuntimeError("no freetype"), MemoryError()])
def test_no_error_of_a_picture_ends_a_run(error, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.warns(RuntimeWarning, match="curves.png is not drawn .*history.csv has") as caught:
        start(tmp_path / "run", num_epochs=1).train()
    assert len(caught) == 1 and caught[0].filename == __file__
    assert (tmp_path / "run" / "model.npz").exists()
