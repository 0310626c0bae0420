"""Early stopping, clipped gradients and decay that spares biases, as the Solver applies them."""

import inspect
import re

import numpy as np
import pytest

from cs231n import optim
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training.options import SolverOptions, options_from_json, options_to_json
from tests.support import make_blobs, refused
from tests.training.test_solver import Scripted, net, numbered, run

#             first iteration = end of epoch 1, as an epoch is one step here
ACCURACIES = [0.2, 0.8, 0.8, 0.4, 0.7, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("patience, epochs", [(None, 11), (1, 3), (2, 4), (3, 5), (4, 10), (9, 11)])
def test_patience(patience, epochs):
    """Best after epoch 2, matched but not beaten after 3, beaten after 6."""
    solver = run(Scripted(ACCURACIES), num_epochs=11, patience=patience)
    assert solver.epoch == len(solver.loss_history) == epochs
    assert solver.best_val_acc == max(ACCURACIES[:epochs])
    assert np.array_equal(solver.model.params["W"], np.full(3, solver.best_epoch))


def test_keep_last_ends_with_the_last_parameters_and_their_accuracy():
    """The best would be those after epoch 6."""
    solver = run(Scripted(ACCURACIES), num_epochs=11, keep="last")
    assert np.array_equal(solver.model.params["W"], np.full(3, 11)) and solver.best_epoch == 11
    assert solver.best_val_acc == ACCURACIES[-1]
    with refused(ValueError, "keep", "'best', 'last'"):
        run(Scripted(ACCURACIES), keep="first")


def test_patience_begins_anew_with_each_call():
    solver = run(Scripted([0.5]), num_epochs=9, patience=2)
    assert solver.epoch == 3
    solver.train()
    assert solver.epoch == 5


class LargeGradients(Scripted):
    """(3, 4) in all: 5 long."""

    def __init__(self, scale):
        super().__init__([0.5])
        self.params, self.scale, self.grads = {"W": np.zeros(1), "b": np.zeros(1)}, scale, []

    def loss(self, X, y=None):
        if y is None:
            return super().loss(X, y)
        self.grads.append({"W": np.array([-3 * self.scale]), "b": np.array([-4 * self.scale])})
        return super().loss(X, y)[0], self.grads[-1]


def test_clip_norm():
    model = LargeGradients(scale=100.0)
    run(model, num_epochs=1, clip_norm=0.5)
    np.testing.assert_allclose([model.params["W"][0], model.params["b"][0]], [0.3, 0.4], rtol=1e-15)
    assert model.grads[0]["W"][0] == -300, "the gradients of the model were written to"
    model = LargeGradients(scale=0.01)
    run(model, num_epochs=1, clip_norm=0.5)
    assert model.params["W"][0] == 0.03 and model.params["b"][0] == 0.04


def test_weight_decay_spares_what_has_one_dimension():
    data, D, C = make_blobs()
    model = FullyConnectedNet([5, 4], D, C, normalization="batchnorm", dtype=np.float64)
    before = {name: w.copy() for name, w in model.params.items()}
    loss = model.loss
    model.loss = lambda X, y=None: (
        loss(X)
        if y is None
        else (loss(X, y)[0], {name: np.zeros_like(w) for name, w in model.params.items()})
    )
    run(
        model,
        data,
        num_epochs=1,
        batch_size=60,
        update_rule="adamw",
        optim_config={"learning_rate": 0.5, "weight_decay": 0.1},
    )
    for name, w in model.params.items():
        share = 0.95 if name[0] == "W" else 1.0
        np.testing.assert_allclose(w, share * before[name], rtol=1e-14, err_msg=name)


def test_weight_decay_keeps_its_default():
    solver = Solver(net(), make_blobs()[0], update_rule="adamw", verbose=False, num_epochs=1)
    solver.train()
    assert {name: config["weight_decay"] for name, config in solver.optim_configs.items()} == {
        name: 1e-2 if w.ndim == 2 else 0.0 for name, w in solver.model.params.items()
    }


@pytest.mark.parametrize(
    "change, error, fragments",
    [
        ({"patience": 0}, ValueError, ["patience", "at least 1"]),
        ({"patience": 1.5}, TypeError, ["patience", "integer", "1.5"]),
        ({"clip_norm": 0}, ValueError, ["clip_norm", "above 0"]),
        ({"clip_norm": "1"}, TypeError, ["clip_norm", "number", "'1'"]),
        ({"optim_config": {"weight_decay": 0.1}}, ValueError, ["sgd", "'weight_decay'"]),
    ],
    ids=str,
)
def test_refuses(change, error, fragments):
    with refused(error, *fragments):
        Solver(Scripted([0.5]), numbered(), **change)


def test_help_lists_every_option_in_a_line_of_its_own():
    names = list(inspect.signature(Solver).parameters)
    assert re.findall(r"^        (\w+): ", Solver.__doc__.split("Raises:")[0], re.M) == names
    assert names == ["model", "data", *inspect.signature(SolverOptions).parameters]


def test_an_option_changed_between_two_calls_is_checked_and_used():
    solver = run(Scripted([0.5]), num_epochs=2)
    solver.batch_size, solver.num_epochs = 5, 1
    solver.train()
    assert len(solver.loss_history) == 2 + 2
    solver.batch_size = 0
    with refused(ValueError, "Solver: batch_size must be at least 1"):
        solver.train()


def test_options_are_stored_as_json_has_them(tmp_path):
    options = SolverOptions(checkpoint_name=tmp_path / "net", augment=np.flip, seed=3, optim_config={"t": 1})
    stored = options_to_json(options)
    assert stored["checkpoint_name"] == str(tmp_path / "net") and stored["augment"].endswith(".flip")
    assert stored.keys() == inspect.signature(SolverOptions).parameters.keys() - {"run", "seed", "rng"}
    again = SolverOptions(**options_from_json(stored, augment=np.flip))
    assert options_to_json(again) == stored and again.augment is np.flip


def test_the_update_rules_are_those_of_a_public_solution(monkeypatch):
    """Its optim.py has four functions, and perhaps a rule of the learner's own, but no helper of ours."""

    def signed(w, dw, config=None):
        config = {"learning_rate": 1.0} if not config else config
        return w - config["learning_rate"] * np.sign(dw), config

    for name in [name for name in vars(optim) if not name.startswith("__")]:
        if name not in ("sgd", "sgd_momentum", "rmsprop", "adam"):
            monkeypatch.delattr(optim, name)
    monkeypatch.setattr(optim, "signed", signed, raising=False)
    with refused(ValueError, "update_rule", "'sgd', 'sgd_momentum', 'rmsprop', 'adam', 'signed'; got 'np'"):
        Solver(Scripted([0.5]), numbered(), update_rule="np")
    solver = run(Scripted([0.1, 0.2, 0.3]), num_epochs=3, update_rule="signed", clip_norm=0.1)
    assert np.array_equal(solver.model.params["W"], [3, 3, 3])
