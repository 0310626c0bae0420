"""The options: how they are listed, changed, stored; early stopping, clipping, decay that spares biases."""

import copy
import importlib
import inspect
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from cs231n import optim
from cs231n.classifiers.fc_net import TwoLayerNet
from cs231n.solver import Solver
from cs231n.training import callbacks, ownership
from cs231n.training.callbacks import Callback, ClipGradients, EarlyStopping
from cs231n.training.options import SolverOptions, options_from_json, options_to_json
from cs231n.training.schedules import cosine
from tests.support import refused
from tests.support.scripted import Scripted, net, numbered, run, solver_of

#             first iteration = end of epoch 1, as an epoch is one step here
ACCURACIES = [0.2, 0.8, 0.8, 0.4, 0.7, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("patience, epochs", [(1, 3), (2, 4), (3, 5), (4, 10), (9, 11)])
def test_patience(patience, epochs, keep):
    """Best after epoch 2, matched but not beaten after 3, beaten after 6."""
    solver = run(Scripted(ACCURACIES), num_epochs=11, keep=keep, callbacks=[EarlyStopping(patience)])
    assert solver.epoch == len(solver.loss_history) == epochs
    assert solver.best_val_acc == max(ACCURACIES[:epochs])
    assert np.array_equal(solver.best_params["W"], np.full(3, solver.best_epoch))
    assert np.array_equal(
        solver.model.params["W"], np.full(3, epochs if keep == "last" else solver.best_epoch)
    )


def test_patience_begins_anew_with_each_call():
    solver = run(Scripted([0.5]), num_epochs=9, callbacks=[EarlyStopping(2)])
    assert solver.epoch == 3
    solver.train()
    assert solver.epoch == 5


def test_keep_last_ends_with_the_last_parameters_and_knows_the_best():
    solver = run(Scripted(ACCURACIES), num_epochs=11, keep="last")
    assert np.array_equal(solver.model.params["W"], np.full(3, 11))
    assert (solver.best_epoch, solver.best_val_acc) == (6, 0.9)
    assert np.array_equal(solver.best_params["W"], np.full(3, 6))


@pytest.mark.parametrize("scale, step", [(100.0, 0.1), (0.01, 0.01)])
def test_clip_norm(scale, step):
    """Gradients that are 5 * scale long, of which 0.5 may stay."""
    grads, params = ({"W": np.array([-3 * size]), "b": np.array([-4 * size])} for size in (scale, 0.0))
    loss = lambda X, y=None: X @ np.ones((1, 2)) if y is None else (1.0, grads)  # noqa: E731
    model = SimpleNamespace(params=params, loss=loss)
    run(model, num_epochs=1, callbacks=[ClipGradients(0.5)], keep="last")
    np.testing.assert_allclose([*model.params["W"], *model.params["b"]], [3 * step, 4 * step], rtol=1e-15)
    assert grads["W"][0] == -3 * scale, "the gradients of the model were written to"


@pytest.mark.parametrize(
    "keep, words",
    [
        ("best", ["run: best validation accuracy 0.900, after epoch 6"]),
        (
            "last",
            ["run: best validation accuracy 0.900, after epoch 6", "the last parameters are kept: 0.100"],
        ),
    ],
)
def test_the_figure_of_a_run_names_the_best_and_what_is_kept(tmp_path, monkeypatch, keep, words):
    titles, whole = [], Figure.savefig

    def see(figure, *args, **more):
        titles.append(figure.axes[0].get_title())
        whole(figure, *args, **more)

    monkeypatch.setattr(Figure, "savefig", see)
    solver = run(Scripted(ACCURACIES), num_epochs=11, keep=keep, run=tmp_path / "run")
    assert titles == ["\n".join(words)]
    W = np.load(tmp_path / "run" / "model.npz")["params/W"]
    assert np.array_equal(W, solver.model.params["W"]) and W[0] == (11 if keep == "last" else 6)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_resume_knows_the_best_and_what_is_kept(tmp_path, keep, without_pictures):
    solver = run(Scripted(ACCURACIES), num_epochs=11, keep=keep, run=tmp_path, callbacks=[EarlyStopping(2)])
    resumed = Solver.resume(tmp_path, numbered(), model=Scripted(ACCURACIES))
    assert (resumed.best_epoch, resumed.best_val_acc) == (2, 0.8)
    assert np.array_equal(resumed.best_params["W"], [2, 2, 2])
    resumed.train()
    assert resumed.epoch == solver.epoch == 4, "the run had stopped, and goes on"
    assert resumed.model.params["W"][0] == solver.model.params["W"][0] == (4 if keep == "last" else 2)


def test_divergence_with_keep_last_says_what_is_kept():
    with pytest.warns(RuntimeWarning, match="the last parameters that were measured are kept. Try a smaller"):
        solver = run(Scripted([0.3, 0.9, 0.6], losses=[1.0, 2.0, 3.0, np.nan]), keep="last")
    assert np.array_equal(solver.model.params["W"], [3, 3, 3]) and solver.best_val_acc == 0.9


class Record(Callback):
    """Its hooks, as they are called; it stops the training after an epoch, or fails in a hook."""

    def __init__(self, stop_after=None, fail_in=None):
        self.calls, self.stop_after, self.fail_in = [], stop_after, fail_in

    def note(self, hook, solver):
        self.calls.append((hook, solver.epoch, len(solver.loss_history)))
        if hook == self.fail_in:
            raise KeyError(hook)
        if hook == "end_epoch" and solver.epoch == self.stop_after:
            solver.stop_training = True

    start, end_epoch, finish, close = (
        lambda self, solver, hook=hook: self.note(hook, solver)
        for hook in ("start", "end_epoch", "finish", "close")
    )

    def after_backward(self, solver, grads):
        self.note("after_backward", solver)
        return {name: 2 * g for name, g in grads.items()}


def test_the_hooks_of_a_callback():
    record = Record(stop_after=2)
    solver = run(Scripted([0.1, 0.2, 0.3, 0.4]), batch_size=5, callbacks=[record, ClipGradients(10.0)])
    steps = [("after_backward", 0, 0), ("after_backward", 0, 1), ("end_epoch", 1, 2)]
    steps += [("after_backward", 1, 2), ("after_backward", 1, 3), ("end_epoch", 2, 4)]
    assert record.calls == [("start", 0, 0), *steps, ("finish", 2, 4), ("close", 2, 4)]
    assert np.array_equal(solver.model.params["W"], np.full(3, 4 * 2.0)), "the gradients were not doubled"


def test_a_callback_from_before_a_reload_is_taken(monkeypatch):
    before = EarlyStopping(1)
    for name, value in list(vars(callbacks).items()):
        monkeypatch.setattr(callbacks, name, value)  # undone at the end
    importlib.reload(callbacks)
    assert not isinstance(before, callbacks.Callback)
    for part in (before, callbacks.EarlyStopping(1)):
        assert run(Scripted([0.5]), callbacks=[part]).epoch == 2


@pytest.mark.parametrize("hook", ["start", "after_backward", "end_epoch", "finish"])
def test_close_is_called_after_an_error_in_any_hook(hook):
    record, solver = Record(fail_in=hook), solver_of(Scripted([0.5]))
    solver.callbacks = [record]
    with pytest.raises(KeyError, match=hook):
        solver.train()
    assert record.calls[-1][0] == "close"


def test_an_error_in_close_keeps_no_other_callback_open(tmp_path):
    records = [Record(), Record(fail_in="close"), Record()]
    solver = solver_of(Scripted([0.5]), run=tmp_path / "run")
    solver.callbacks = records
    with pytest.raises(KeyError, match="close"):
        solver.train()
    assert [record.calls[-1][0] for record in records] == ["close"] * 3
    ownership.require_unlocked(tmp_path / "run")


def test_a_callback_that_returns_no_gradients_leaves_them():
    class Watch(Callback):
        def after_backward(self, solver, grads):
            pass

    solvers = [run(Scripted([0.1, 0.2]), callbacks=hooks) for hooks in ([], [Watch()])]
    assert np.array_equal(*(solver.model.params["W"] for solver in solvers))


@pytest.mark.parametrize("rng", [None, 3, np.random.default_rng(3)], ids=str)
def test_a_solver_is_copied_and_pickled(blobs, rng):
    """The copies train as the original does, from the global stream too; half-trained ones as well."""
    options = {
        "callbacks": [EarlyStopping(9)],
        "schedule": cosine(),
        "augment": noisy,
        "batch_size": 20,
        "rng": rng,
    }
    solver = solver_of(TwoLayerNet(6, 5, 3), blobs[0], **options)
    for _ in range(2):
        copies = [copy.deepcopy(solver), pickle.loads(pickle.dumps(solver)), solver]  # noqa: S301
        losses = []
        for each in copies:
            np.random.seed(1)
            each.train()
            losses.append(each.loss_history)
        assert losses[0] == losses[1] == losses[2] and copies[0].model is not solver.model
    assert (copies[0].rng is np.random) == (copies[1].rng is np.random) == (rng is None)
    assert copy.copy(solver).rng is solver.rng


def noisy(X, rng):
    return X + 0.1 * rng.normal(size=X.shape)


def test_weight_decay_spares_what_has_one_dimension(blobs):
    model = net()
    before, loss = {name: w.copy() for name, w in model.params.items()}, model.loss
    zeros = {name: np.zeros_like(w) for name, w in before.items()}
    model.loss = lambda X, y=None: loss(X) if y is None else (loss(X, y)[0], zeros)
    config = {"learning_rate": 0.5, "weight_decay": 0.1}
    run(model, blobs[0], num_epochs=1, batch_size=60, update_rule="adamw", optim_config=config)
    for name, w in model.params.items():
        share = 0.95 if name[0] == "W" else 1.0
        np.testing.assert_allclose(w, share * before[name], rtol=1e-14, err_msg=name)


def test_weight_decay_keeps_its_default(blobs):
    solver = run(net(), blobs[0], update_rule="adamw", num_epochs=1, optim_config=None)
    for name, config in solver.optim_configs.items():
        assert config["weight_decay"] == (1e-2 if name[0] == "W" else 0.0), name


def test_help_lists_every_option_in_a_line_of_its_own():
    names = list(inspect.signature(Solver).parameters)
    assert re.findall(r"^    (\w+): ", inspect.getdoc(Solver).split("Raises:")[0], re.M) == names
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
    options = SolverOptions(checkpoint_name=tmp_path / "net", augment=np.flip, rng=3, optim_config={"t": 1})
    stored = options_to_json(options)
    assert stored["checkpoint_name"] == str(tmp_path / "net") and stored["augment"]["name"].endswith(".flip")
    assert stored.keys() == inspect.signature(SolverOptions).parameters.keys() - {"run", "rng"}
    again = SolverOptions(**options_from_json(stored, augment=np.flip))
    assert options_to_json(again) == stored and again.augment is np.flip


def test_the_update_rules_are_those_of_a_public_solution(monkeypatch):
    """Its optim.py has four functions, and perhaps a rule of the learner's own; adamw is the kit's."""

    def signed(w, dw, config=None):
        config = {"learning_rate": 1.0} if not config else config
        return w - config["learning_rate"] * np.sign(dw), config

    for name in [name for name in vars(optim) if not name.startswith("__")]:
        if name not in ("sgd", "sgd_momentum", "rmsprop", "adam"):
            monkeypatch.delattr(optim, name)
    monkeypatch.setattr(optim, "signed", signed, raising=False)
    rules = "'sgd', 'sgd_momentum', 'rmsprop', 'adam', 'signed', 'adamw'"
    with refused(ValueError, "update_rule", f"one of {rules}; got 'np'"):
        solver_of(Scripted([0.5]), update_rule="np")
    solver = run(
        Scripted([0.1, 0.2, 0.3]), num_epochs=3, update_rule="signed", callbacks=[ClipGradients(0.1)]
    )
    assert np.array_equal(solver.model.params["W"], [3, 3, 3])
