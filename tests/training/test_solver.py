"""The training loop: what it keeps, what it draws, what it prints, and what it refuses."""

import re
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.optim import sgd
from cs231n.solver import Solver
from tests.support import make_blobs, refused


class Scripted:
    """A model that learns nothing but a step count, and answers as many validation examples right as told."""

    def __init__(self, accuracies, losses=(), fails_at=None):
        self.params = {"W": np.zeros(3)}
        self.bn_params = [{"mode": "train"}]
        self.accuracies, self.losses, self.fails_at = accuracies, losses, fails_at
        self.steps, self.batches = 0, []

    def loss(self, X, y=None):
        step = self.steps
        if y is None:
            right = self.accuracies[min(step - 1, len(self.accuracies) - 1)]
            scores = np.zeros((len(X), 2))
            scores[:, 1] = np.arange(len(X)) >= right * len(X)  # labels are all 0
            return scores
        if step == self.fails_at:
            raise KeyboardInterrupt
        self.steps += 1
        self.batches.append(X[:, 0].astype(int).tolist())
        self.bn_params[0] |= {"running_mean": np.full(2, 1.0 + step), "running_var": np.full(2, 2.0 + step)}
        return self.losses[step] if step < len(self.losses) else 1.0, {"W": -np.ones(3)}


def numbered(N=10):
    """Ten examples that carry their own number; all labels 0."""
    X, y = np.arange(float(N))[:, None], np.zeros(N, int)
    return {"X_train": X, "y_train": y, "X_val": X, "y_val": y}


def run(model, data=None, **options):
    solver = Solver(
        model,
        data or numbered(),
        **{
            "verbose": False,
            "batch_size": 10,
            "num_epochs": 4,
            "optim_config": {"learning_rate": 1.0},
            **options,
        },
    )
    solver.train()
    return solver


def net(dtype=np.float64, normalization="batchnorm", D=6, C=3, **more):
    return FullyConnectedNet(
        [8, 7], input_dim=D, num_classes=C, normalization=normalization, dtype=dtype, weight_scale=0.3, **more
    )


def check_best(solver_class):
    """After steps 1 to 4 with accuracies .2 .8 .8 .4, the model is that of step 2, statistics included."""
    model = Scripted([0.2, 0.8, 0.8, 0.4])
    solver = solver_class(
        model, numbered(), batch_size=10, num_epochs=4, verbose=False, optim_config={"learning_rate": 1.0}
    )
    solver.train()
    assert np.array_equal(model.params["W"], [2, 2, 2])
    assert np.array_equal(model.bn_params[0]["running_mean"], [2, 2])
    assert np.array_equal(model.bn_params[0]["running_var"], [3, 3])
    assert solver.best_val_acc == 0.8 and np.array_equal(solver.best_params["W"], [2, 2, 2])
    assert solver.val_acc_history == solver.train_acc_history == [0.2, 0.8, 0.8, 0.4]


def test_the_best_parameters_come_back_with_their_statistics():
    check_best(Solver)


class ForgetsStatistics(Solver):
    def train(self):
        super().train()
        self.model.bn_params[0]["running_mean"] = np.full(2, 4.0)


class KeepsTheLast(Solver):
    def train(self):
        super().train()
        self.model.params["W"] = np.full(3, 4.0)


class TakesTies(Solver):
    def _measure(self):
        self.best_val_acc -= 1e-9
        super()._measure()


@pytest.mark.parametrize("wrong", [ForgetsStatistics, KeepsTheLast, TakesTies])
def test_the_check_of_the_best_rejects(wrong):
    with pytest.raises(AssertionError):
        check_best(wrong)


def test_recorded_accuracy_is_what_the_model_gives_after_training():
    data, D, C = make_blobs(num_val=150, seed=4)
    data["X_val"] = data["X_val"] + np.random.RandomState(1).normal(size=data["X_val"].shape)
    model = net(D=D, C=C)
    solver = run(
        model, data, num_epochs=12, batch_size=20, update_rule="adam", optim_config={"learning_rate": 1e-2}
    )
    again = solver.check_accuracy(data["X_val"], data["y_val"])
    assert solver.best_val_acc == max(solver.val_acc_history) == again
    assert len(set(solver.val_acc_history)) > 2, "a run without ups and downs shows nothing"


def test_learning_happens_with_every_rule():
    data, D, C = make_blobs()
    for rule, rate in {"sgd": 0.1, "sgd_momentum": 0.02, "rmsprop": 0.01, "adam": 0.01}.items():
        solver = run(
            net(D=D, C=C, dtype=np.float32),
            data,
            update_rule=rule,
            num_epochs=30,
            batch_size=20,
            optim_config={"learning_rate": np.float64(rate)},
        )
        assert solver.train_acc_history[-1] > 0.9, rule
        assert solver.loss_history[-1] < 0.5 * solver.loss_history[0], rule
        assert all(w.dtype == np.float32 for w in solver.model.params.values())


def test_zero_epochs_leave_the_model_as_it_came():
    model = Scripted([0.5])
    solver = Solver(model, numbered(), num_epochs=0, verbose=False)
    model.params["W"] += 7  # weights loaded after the solver was made
    solver.train()
    assert np.array_equal(model.params["W"], [7, 7, 7])
    assert solver.loss_history == solver.val_acc_history == []


def test_accuracy_zero_keeps_the_first_measured():
    model = Scripted([0.0])
    solver = run(model)
    assert np.array_equal(model.params["W"], [1, 1, 1]) and solver.best_val_acc == 0
    assert np.array_equal(solver.best_params["W"], [1, 1, 1])


def test_histories_and_epochs():
    solver = run(Scripted([0.5]), batch_size=3, num_epochs=2, num_train_samples=4, num_val_samples=4)
    assert len(solver.loss_history) == 6  # 10 // 3 = 3 an epoch, one example left out
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 3  # first iteration, two epochs
    assert solver.epoch == 2
    for batch in (solver.model.batches[:3], solver.model.batches[3:]):
        seen = sum(batch, [])
        assert len(seen) == len(set(seen)) == 9, "an epoch repeated an example"


def test_a_batch_larger_than_the_set_is_the_whole_set():
    solver = run(Scripted([0.5]), batch_size=1000, num_epochs=2)
    assert [sorted(b) for b in solver.model.batches] == [list(range(10))] * 2
    assert len(solver.val_acc_history) == 2


def test_train_again_goes_on():
    solver = run(Scripted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]))
    solver.train()
    assert solver.epoch == 8 and len(solver.loss_history) == 8 and solver.best_val_acc == 0.8


def test_learning_rate_decays_once_an_epoch():
    solver = run(Scripted([0.5]), batch_size=5, num_epochs=3, lr_decay=0.5)
    # Two steps an epoch at rates 1, 1/2, 1/4, each along +1.
    assert solver.optim_configs["W"]["learning_rate"] == 0.125
    solver = run(Scripted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), batch_size=5, num_epochs=3, lr_decay=0.5)
    assert np.array_equal(solver.model.params["W"], np.full(3, 2 * (1 + 0.5 + 0.25)))


def test_the_settings_given_are_not_written_to():
    config = {"learning_rate": 0.5}
    solver = run(Scripted([0.5]), optim_config=config, update_rule="adam", lr_decay=0.5)
    assert config == {"learning_rate": 0.5}
    assert solver.optim_configs["W"]["t"] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_ends_the_run_and_says_where(bad):
    model = Scripted([0.3, 0.6, 0.9], losses=[1.0, 2.0, bad])
    with pytest.warns(
        RuntimeWarning, match=f"loss is {bad} at iteration 3.*0.600.*smaller learning_rate"
    ) as caught:
        solver = run(model)
    assert caught[0].filename == __file__
    assert solver.loss_history == [1.0, 2.0] and np.array_equal(model.params["W"], [2, 2, 2])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("normalization", [None, "batchnorm"])
def test_a_diverged_model_is_never_the_best(normalization):
    data, D, C = make_blobs(dtype=np.float32)
    model = net(np.float32, normalization, D, C)
    run(model, data, num_epochs=3, batch_size=20, optim_config={"learning_rate": 1e30})
    scores = model.loss(data["X_val"])
    assert np.isfinite(scores).all(), "train() gave back parameters whose scores are NaN"


@pytest.mark.parametrize("fails_at, steps", [(3, 2), (1, 1)])
def test_ctrl_c_gives_the_best_so_far(fails_at, steps):
    model = Scripted([0.2, 0.8, 0.4], fails_at=fails_at)
    with pytest.raises(KeyboardInterrupt):
        run(model)
    assert np.array_equal(model.params["W"], np.full(3, steps))
    assert model.bn_params[0]["running_mean"][0] == steps


def test_ctrl_c_before_the_first_measurement_undoes_no_earlier_run():
    model = Scripted([0.2, 0.8])
    second = Solver(model, numbered(), batch_size=10, verbose=False)  # made before, trained after
    run(model, num_epochs=2)
    model.fails_at = 2
    with pytest.raises(KeyboardInterrupt):
        second.train()
    assert np.array_equal(model.params["W"], [2, 2, 2])


def test_seeds_reproduce():
    def batches(**how):
        return run(Scripted([0.5]), batch_size=3, num_train_samples=4, num_val_samples=3, **how).model.batches

    stream = np.random.get_state()[2]
    assert batches(seed=1) == batches(seed=1) != batches(seed=2)
    for make in (np.random.RandomState, np.random.default_rng):
        assert batches(rng=make(1)) == batches(rng=make(1)) != batches(rng=make(2))
    assert np.random.get_state()[2] == stream, "a solver with its own seed drew from the global stream"
    np.random.seed(1)
    first = batches()
    assert batches() != first
    np.random.seed(1)
    assert batches() == first


def test_a_whole_run_is_reproduced_by_the_global_seed():
    data, D, C = make_blobs()

    def params():
        np.random.seed(7)
        return run(net(D=D, C=C, dropout_keep_ratio=0.7), data, batch_size=16).model.params

    first, second = params(), params()
    assert all(np.array_equal(first[k], second[k]) for k in first)


def test_lines_printed(capsys):
    run(
        Scripted([0.25, 0.75], losses=[2.5]),
        numbered(8),
        verbose=True,
        batch_size=4,
        num_epochs=2,
        print_every=3,
    )
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "(Iteration 1 / 4) loss: 2.500000",
        "(Epoch 0 / 2) train acc: 0.250000; val_acc: 0.250000",
        "(Epoch 1 / 2) train acc: 0.750000; val_acc: 0.750000",
        "(Iteration 4 / 4) loss: 1.000000",
        "(Epoch 2 / 2) train acc: 0.750000; val_acc: 0.750000",
    ]
    assert captured.err == "", "a bar where nobody watches"


def test_epochs_are_counted_on_when_training_goes_on(capsys):
    solver = run(Scripted([0.5]), verbose=True, num_epochs=1)
    solver.train()
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("(Epoch")]
    assert [line.split(" train")[0] for line in epochs] == ["(Epoch 1 / 1)", "(Epoch 2 / 2)"]


def test_silent_without_verbose(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(Scripted([0.5]), verbose=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_a_bar_with_loss_and_accuracy_where_somebody_watches(capsys, monkeypatch, where):
    if where == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    else:
        kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
        monkeypatch.setitem(sys.modules, "IPython", kernel)
        monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    run(Scripted([0.25, 0.75], losses=[2.5]), numbered(8), verbose=True)
    captured = capsys.readouterr()
    assert re.search(r"3/4.*loss=1\.000, val_acc=0\.750", captured.err.replace("\r", "\n"))
    assert "(Epoch 4 / 4) train acc: 0.750000; val_acc: 0.750000" in captured.out


def test_a_model_is_anything_with_params_and_loss():
    class Plain:
        def __init__(self):
            self.params = {"w": np.zeros((1, 2))}

        def loss(self, X, y=None):
            return X @ self.params["w"] if y is None else (1.0, {"w": np.array([[-1.0, 0.0]])})

    model = Plain()
    assert run(model).best_val_acc == 1.0 and not hasattr(model, "bn_params")


def test_check_accuracy():
    model = Scripted([0.3])
    solver = Solver(model, numbered(100), verbose=False)
    model.loss = lambda X, y=None: np.stack([X[:, 0] < 30, X[:, 0] >= 30], axis=1)
    X, y = numbered(100)["X_val"], np.zeros(100, int)
    for batch_size in (1, 7, 100, 1000):
        assert solver.check_accuracy(X, y, batch_size=batch_size) == 0.3
    assert solver.check_accuracy(X, y, num_samples=1000) == 0.3
    assert solver.check_accuracy(X, y, num_samples=10) in np.arange(11) / 10
    for bad in ({"num_samples": 0}, {"batch_size": 0}):
        with refused(ValueError, "check_accuracy", *bad, "at least 1"):
            solver.check_accuracy(X, y, **bad)


@pytest.mark.parametrize(
    "num_images, labels", [(0, (0,)), (6, (2,)), (6, (1,)), (6, (6, 1)), (6, ()), (2, (6,))], ids=str
)
@pytest.mark.parametrize("num_samples", [None, 2])
def test_check_accuracy_wants_one_label_an_image(num_images, labels, num_samples):
    solver = Solver(Scripted([0.3]), numbered(), verbose=False)
    with refused(ValueError, "check_accuracy: ", f"X ({num_images}, 1)", f"y {labels}", "; try "):
        solver.check_accuracy(np.ones((num_images, 1)), np.zeros(labels, int), num_samples)


def test_check_accuracy_takes_labels_in_a_list():
    solver = Solver(Scripted([0.3]), numbered(), verbose=False)
    solver.model.steps = 1
    assert solver.check_accuracy(numbered()["X_val"], [0] * 10) == 0.3


REFUSED = {
    "unknown-argument": ({"learning_rate": 1}, ValueError, ["learning_rate"]),
    "unknown-rule": ({"update_rule": "adagrad"}, ValueError, ["update_rule", "adagrad", "'sgd_momentum'"]),
    "rule-is-a-function": ({"update_rule": sgd}, ValueError, ["update_rule", "'sgd'"]),
    "unknown-setting": ({"optim_config": {"lr": 1}}, ValueError, ["'lr'", "learning_rate"]),
    "bad-setting": ({"optim_config": {"learning_rate": -1}}, ValueError, ["learning_rate", "-1"]),
    "settings-no-dict": ({"optim_config": 0.1}, TypeError, ["optim_config", "dict", "float"]),
    "batch-zero": ({"batch_size": 0}, ValueError, ["batch_size", "at least 1", "0"]),
    "batch-half": ({"batch_size": 0.5}, TypeError, ["batch_size", "integer", "0.5"]),
    "epochs": ({"num_epochs": -1}, ValueError, ["num_epochs", "-1"]),
    "decay": ({"lr_decay": 0}, ValueError, ["lr_decay", "above 0"]),
    "print-every": ({"print_every": 0}, ValueError, ["print_every"]),
    "train-samples": ({"num_train_samples": 0}, ValueError, ["num_train_samples"]),
    "val-samples": ({"num_val_samples": 1.5}, TypeError, ["num_val_samples", "1.5"]),
    "seed-and-rng": ({"seed": 1, "rng": np.random}, ValueError, ["seed", "rng"]),
    "seed-text": ({"seed": "one"}, TypeError, ["seed", "one"]),
    "rng-number": ({"rng": 1}, TypeError, ["rng", "1"]),
    "no-val": ({"data": {k: v for k, v in numbered().items() if k != "X_val"}}, ValueError, ["X_val"]),
    "no-train": (
        {"data": numbered() | {"X_train": np.zeros((0, 1)), "y_train": np.zeros(0, int)}},
        ValueError,
        ["X_train", "at least one", "(0, 1)"],
    ),
    "data-none": (
        {"data": None},
        TypeError,
        ["data", "dict", "X_train, y_train, X_val, y_val", "NoneType", "try get_CIFAR10_data()"],
    ),
    "data-list": ({"data": [1, 2]}, TypeError, ["data", "dict", "list"]),
    "images-list": (
        {"data": numbered() | {"X_train": [[1.0], [2.0]]}},
        TypeError,
        ["X_train", "list; try np.array(data['X_train'], dtype=np.float32)"],
    ),
    "images-none": ({"data": numbered() | {"X_val": None}}, TypeError, ["X_val", "NoneType"]),
    "images-number": ({"data": numbered() | {"X_val": np.array(3.0)}}, ValueError, ["X_val", "()"]),
    "labels-list": ({"data": numbered() | {"y_val": [0] * 10}}, TypeError, ["y_val", "list; try np.array("]),
    "too-few-labels": (
        {"data": numbered() | {"y_val": np.zeros(9, int)}},
        ValueError,
        ["y_val", "(10,)", "(9,)"],
    ),
    "float-labels": ({"data": numbered() | {"y_train": np.zeros(10)}}, TypeError, ["y_train", "float64"]),
    "negative-label": ({"data": numbered() | {"y_train": np.full(10, -1)}}, ValueError, ["y_train", "-1"]),
    "no-model": ({"model": "net"}, TypeError, ["model", "str"]),
}


@pytest.mark.parametrize("change, error, fragments", REFUSED.values(), ids=REFUSED)
def test_refuses(change, error, fragments):
    arguments = {"model": Scripted([0.5]), "data": numbered(), "verbose": False, **change}
    with refused(error, *fragments) as _, warnings.catch_warnings():
        Solver(arguments.pop("model"), arguments.pop("data"), **arguments)


def test_a_negative_label_is_not_told_of_infinity():
    with pytest.raises(ValueError) as caught:
        Solver(Scripted([0.5]), numbered() | {"y_train": np.full(10, -1)})
    assert "inf" not in str(caught.value)


def test_the_dict_of_parameters_stays_the_same_dict():
    model = Scripted([0.2, 0.8, 0.4])
    params = model.params
    run(model)
    assert params is model.params and np.array_equal(params["W"], [2, 2, 2])


def test_scores_that_are_not_finite_are_told_of():
    model = Scripted([0.5])
    model.loss = lambda X, y=None: np.full((len(X), 2), np.nan) if y is None else (1.0, {"W": -np.ones(3)})
    with pytest.warns(RuntimeWarning, match="no score on X_val is finite"):
        run(model, num_epochs=1)
