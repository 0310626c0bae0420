"""The training loop: what it keeps, what it draws, what it prints, and what it refuses."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n.optim import sgd
from cs231n.solver import Solver
from cs231n.training.callbacks import ClipGradients, EarlyStopping
from cs231n.training.schedules import cosine, one_cycle
from tests.support import make_blobs, refused, text_id
from tests.support.scripted import Scripted, net, numbered, run, solver_of


def test_the_best_parameters_come_back_with_their_statistics():
    """After steps 1 to 4 with accuracies .2 .8 .8 .4, the model is that of step 2, statistics included."""
    model = Scripted([0.2, 0.8, 0.8, 0.4])
    params = model.params
    solver = run(model)
    assert params is model.params and np.array_equal(params["W"], [2, 2, 2])
    assert np.array_equal(model.bn_params[0]["running_mean"], [2, 2])
    assert np.array_equal(model.bn_params[0]["running_var"], [3, 3])
    assert solver.best_val_acc == 0.8 and np.array_equal(solver.best_params["W"], [2, 2, 2])
    assert solver.val_acc_history == solver.train_acc_history == [0.2, 0.8, 0.8, 0.4]


def test_recorded_accuracy_is_what_the_model_gives_after_training():
    data = make_blobs(num_val=150, seed=4)[0]
    data["X_val"] = data["X_val"] + np.random.RandomState(1).normal(size=data["X_val"].shape)
    rule = {"update_rule": "adam", "optim_config": {"learning_rate": 1e-2}}
    solver = run(net(), data, num_epochs=12, batch_size=20, **rule)
    again = solver.check_accuracy(data["X_val"], data["y_val"])
    assert solver.best_val_acc == max(solver.val_acc_history) == again
    assert len(set(solver.val_acc_history)) > 2, "a run without ups and downs shows nothing"


RATES = {"sgd": 0.1, "sgd_momentum": 0.02, "rmsprop": 0.01, "adam": 0.01}


@pytest.mark.parametrize("rule, rate", RATES.items())
def test_learning_happens_with_every_rule(blobs, rule, rate):
    options = {"update_rule": rule, "optim_config": {"learning_rate": np.float64(rate)}}
    solver = run(net(np.float32), blobs[0], num_epochs=30, batch_size=20, **options)
    assert solver.train_acc_history[-1] > 0.9
    assert solver.loss_history[-1] < 0.5 * solver.loss_history[0]
    assert all(w.dtype == np.float32 for w in solver.model.params.values())


def test_zero_epochs_leave_the_model_as_it_came():
    model = Scripted([0.5])
    solver = solver_of(model, num_epochs=0)
    model.params["W"] += 7  # weights loaded after the solver was made
    solver.train()
    assert np.array_equal(model.params["W"], [7, 7, 7])
    assert solver.loss_history == solver.val_acc_history == []


def test_accuracy_zero_keeps_the_first_measured():
    solver = run(Scripted([0.0]))
    assert np.array_equal(solver.best_params["W"], [1, 1, 1]) and solver.best_val_acc == 0


def test_histories_and_epochs():
    solver = run(Scripted([0.5]), batch_size=3, num_epochs=2, num_train_samples=4, num_val_samples=4)
    assert len(solver.loss_history) == 6  # 10 // 3 = 3 an epoch, one example left out
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 3  # first iteration, two epochs
    assert solver.epoch == 2
    for batches in (solver.model.batches[:3], solver.model.batches[3:]):
        examples = sum(batches, [])
        assert len(examples) == len(set(examples)) == 9, "an epoch repeated an example"


@pytest.mark.parametrize("samples", [4, None])
def test_the_training_accuracy_is_measured_on_so_many_examples(samples):
    class Counting(Scripted):
        scored = 0

        def loss(self, X, y=None):
            self.scored += y is None and len(X)
            return super().loss(X, y)

    assert run(Counting([0.5]), num_epochs=1, num_train_samples=samples).model.scored == (samples or 10) + 10


def test_train_again_goes_on(capsys):
    solver = run(Scripted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]), verbose=True)
    solver.train()
    assert solver.epoch == 8 and len(solver.loss_history) == 8 and solver.best_val_acc == 0.8
    epochs = re.findall(r"^\(Epoch (\d / \d)", capsys.readouterr().out, re.M)
    assert epochs == [f"{epoch} / {4 if epoch < 5 else 8}" for epoch in range(1, 9)]


def test_learning_rate_decays_once_an_epoch():
    # Two steps an epoch at rates 1, 1/2, 1/4, each along +1; the best accuracy comes last.
    solver = run(Scripted([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), batch_size=5, num_epochs=3, lr_decay=0.5)
    assert np.array_equal(solver.model.params["W"], np.full(3, 2 * (1 + 0.5 + 0.25)))
    assert solver.optim_configs["W"]["learning_rate"] == 0.125


def test_the_settings_given_are_not_written_to():
    config = {"learning_rate": 0.5}
    solver = run(Scripted([0.5]), optim_config=config, update_rule="adam", lr_decay=0.5)
    assert config == {"learning_rate": 0.5} and solver.optim_configs["W"]["t"] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_ends_the_run_and_says_where(bad):
    model, words = Scripted([0.3, 0.6, 0.9], losses=[1.0, 2.0, bad]), f"loss is {bad} at iteration 3.*0.600"
    with pytest.warns(RuntimeWarning, match=words + ".*smaller learning_rate") as caught:
        solver = solver_of(model)
        solver.train()
    assert caught[0].filename == __file__
    assert solver.loss_history == [1.0, 2.0] and np.array_equal(model.params["W"], [2, 2, 2])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("normalization", [None, "batchnorm"])
def test_a_diverged_model_is_never_the_best(normalization):
    data, model = make_blobs(dtype=np.float32)[0], net(np.float32, normalization)
    run(model, data, num_epochs=3, batch_size=20, optim_config={"learning_rate": 1e30})
    assert np.isfinite(model.loss(data["X_val"])).all(), "train() gave back parameters whose scores are NaN"


def test_scores_that_are_not_finite_are_told_of():
    model = Scripted([0.5])
    model.loss = lambda X, y=None: np.full((len(X), 2), np.nan) if y is None else (1.0, {"W": -np.ones(3)})
    solver = solver_of(model, num_epochs=1)
    with pytest.warns(RuntimeWarning, match="no score on X_val is finite") as caught:
        solver.train()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("fails_at, steps", [(3, 2), (1, 1)])
def test_ctrl_c_gives_the_best_so_far(fails_at, steps):
    model = Scripted([0.2, 0.8, 0.4], fails_at=fails_at)
    with pytest.raises(KeyboardInterrupt):
        run(model)
    assert np.array_equal(model.params["W"], np.full(3, steps))
    assert model.bn_params[0]["running_mean"][0] == steps


def test_ctrl_c_before_the_first_measurement_undoes_no_earlier_run():
    model = Scripted([0.2, 0.8])
    second = solver_of(model)  # made before, trained after
    run(model, num_epochs=2)
    model.fails_at = 2
    with pytest.raises(KeyboardInterrupt):
        second.train()
    assert np.array_equal(model.params["W"], [2, 2, 2])


def batches(**how):
    return run(Scripted([0.5]), batch_size=3, num_train_samples=4, num_val_samples=3, **how).model.batches


def test_seeds_reproduce():
    stream = np.random.get_state()[2]
    assert batches(rng=1) == batches(rng=np.int64(1)) != batches(rng=2)
    for make in (np.random.RandomState, np.random.default_rng):
        assert batches(rng=make(1)) == batches(rng=make(1)) != batches(rng=make(2))
    assert np.random.get_state()[2] == stream, "a solver with its own seed drew from the global stream"
    np.random.seed(1)
    first = batches()
    assert batches() != first
    np.random.seed(1)
    assert batches() == first


def test_lines_printed(capsys):
    options = {"verbose": True, "batch_size": 4, "num_epochs": 2, "print_every": 3}
    run(Scripted([0.25, 0.75], losses=[2.5]), numbered(8), **options)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "(Iteration 1 / 4) loss: 2.500000",
        "(Epoch 0 / 2) train acc: 0.250000; val_acc: 0.250000",
        "(Epoch 1 / 2) train acc: 0.750000; val_acc: 0.750000",
        "(Iteration 4 / 4) loss: 1.000000",
        "(Epoch 2 / 2) train acc: 0.750000; val_acc: 0.750000",
    ]
    assert captured.err == "", "a bar where nobody watches"


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


def test_check_accuracy():
    solver = solver_of(Scripted([0.3]), numbered(100))
    solver.model.loss = lambda X, y=None: np.stack([X[:, 0] < 30, X[:, 0] >= 30], axis=1)
    X, y = numbered(100)["X_val"], np.zeros(100, int)
    for batch_size in (1, 7, 100, 1000):
        assert solver.check_accuracy(X, y, batch_size=batch_size) == 0.3
    assert solver.check_accuracy(X, y, num_samples=1000) == solver.check_accuracy(X, y.tolist()) == 0.3
    assert solver.check_accuracy(X, y, num_samples=10) in np.arange(11) / 10
    for bad in ({"num_samples": 0}, {"batch_size": 0}):
        with refused(ValueError, "check_accuracy", *bad, "at least 1"):
            solver.check_accuracy(X, y, **bad)


@pytest.mark.parametrize(
    "num_images, labels", [(0, (0,)), (6, (2,)), (6, (1,)), (6, (6, 1)), (6, ()), (2, (6,))], ids=str
)
@pytest.mark.parametrize("num_samples", [None, 2])
def test_check_accuracy_wants_one_label_an_image(num_images, labels, num_samples):
    with refused(ValueError, "check_accuracy: ", f"X ({num_images}, 1)", f"y {labels}", "; try "):
        X, y = np.ones((num_images, 1)), np.zeros(labels, int)
        solver_of(Scripted([0.3])).check_accuracy(X, y, num_samples)


def fades(progress):
    if progress < 0.5:
        return 1.0


# fmt: off
@pytest.mark.parametrize("options, error, fragments", [
    ({"learning_rate": 1, "rate": 2}, ValueError, ["unknown argument 'learning_rate', 'rate'"]),
    ({"update_rule": "adagrad"}, ValueError, ["update_rule", "adagrad", "'sgd_momentum'"]),
    ({"update_rule": sgd}, ValueError, ["update_rule", "'sgd'"]),
    ({"optim_config": {"lr": 1}}, ValueError, ["'lr'", "learning_rate"]),
    ({"optim_config": {"learning_rate": -1}}, ValueError, ["learning_rate", "-1"]),
    ({"optim_config": {"weight_decay": 0.1}}, ValueError, ["sgd", "'weight_decay'"]),
    ({"optim_config": 0.1}, TypeError, ["optim_config", "dict", "float"]),
    ({"batch_size": 0}, ValueError, ["batch_size", "at least 1", "0"]),
    ({"batch_size": 0.5}, TypeError, ["batch_size", "integer", "0.5"]),
    ({"num_epochs": -1}, ValueError, ["num_epochs", "-1"]),
    ({"lr_decay": 0}, ValueError, ["lr_decay", "above 0"]),
    ({"print_every": 0}, ValueError, ["print_every"]),
    ({"keep": "first"}, ValueError, ["keep", "'best', 'last'"]),
    ({"augment": "flip"}, TypeError, ["augment must be a function (batch, rng)", "'flip'"]),
    ({"num_train_samples": 0}, ValueError, ["num_train_samples"]),
    ({"checkpoint_name": b"net"}, TypeError, ["checkpoint_name must be a path, got b'net'"]),
    ({"checkpoint_name": 3}, TypeError, ["checkpoint_name must be a path, got 3"]),
    ({"num_val_samples": 1.5}, TypeError, ["num_val_samples", "1.5"]),
    ({"run": 5}, TypeError, ["run must be a folder or a Run", "5", "try run='runs/first'"]),
    ({"rng": "one"}, TypeError, ["rng must be an integer", "one"]),
    ({"rng": -1}, ValueError, ["rng", "at least 0", "-1"]),
    ({"schedule": "linear"}, TypeError, ["schedule", "'linear'", "try schedule=cosine()"]),
    ({"schedule": "one_cycle"}, TypeError, ["try schedule=one_cycle(), from cs231n.training.schedules"]),
    ({"schedule": one_cycle}, TypeError, ["schedule must be None or a function progress -> factor"]),
    ({"schedule": lambda progress: None}, TypeError, ["schedule(0.0) must be a number", "None"]),
    ({"schedule": fades}, TypeError, ["schedule(0.5) must be a number, got None; is `return` missing in"]),
    ({"callbacks": EarlyStopping(3)}, TypeError, ["callbacks must be a list", "EarlyStopping(patience=3)"]),
    ({"callbacks": [EarlyStopping]}, TypeError, ["list of Callback objects", "try callbacks=["]),
    ({"seed": 1}, ValueError, ["unknown argument 'seed'", "try rng=0 in place of seed"]),
    ({"patience": 1}, ValueError, ["'patience'", "callbacks=[EarlyStopping(patience=3)] of cs231n."]),
    ({"clip_norm": 1, "lr": 1}, ValueError, ["'clip_norm', 'lr'", "[ClipGradients(1.0)] of cs231n."]),
    ({"schedule_config": {}}, ValueError, ["'schedule_config'", "try schedule=cosine(final=0.1)"]),
], ids=text_id)
# fmt: on
def test_an_option_is_refused(options, error, fragments):
    with refused(error, *fragments):
        Solver(Scripted([0.5]), numbered(), **options)


def test_an_augment_that_returns_nothing_is_named_before_the_first_step():
    def flip(X, rng):
        X[:] = -X

    solver = solver_of(Scripted([0.5]), augment=flip)
    words = "^Solver: augment must return a batch of images, got None; is `return` missing in flip"
    with pytest.raises(TypeError, match=words):
        solver.train()
    assert solver.loss_history == []


# fmt: off
@pytest.mark.parametrize("make, error, fragments", [
    (lambda: EarlyStopping(0), ValueError, ["EarlyStopping: patience", "at least 1"]),
    (lambda: EarlyStopping(1.5), TypeError, ["patience", "integer", "1.5"]),
    (lambda: ClipGradients(0), ValueError, ["ClipGradients: norm", "above 0"]),
    (lambda: ClipGradients("1"), TypeError, ["norm", "number", "'1'"]),
    (lambda: cosine(final=-1), ValueError, ["cosine: final", "at least 0", "-1"]),
    (lambda: cosine(final=np.inf), ValueError, ["cosine: final", "inf"]),
    (lambda: one_cycle(warm_up=1), ValueError, ["one_cycle: warm_up", "below 1"]),
    (lambda: one_cycle(start="low"), TypeError, ["one_cycle: start", "'low'"]),
], ids=text_id)
# fmt: on
def test_a_setting_of_a_part_is_refused(make, error, fragments):
    with refused(error, *fragments):
        make()


# fmt: off
@pytest.mark.parametrize("changed, error, fragments", [
    (numbered(0), ValueError, ["X_train", "at least one", "(0, 1)"]),
    ({"X_train": [[1.0], [2.0]]}, TypeError, ["list; try np.array(data['X_train'], dtype=np.float32)"]),
    ({"X_val": None}, TypeError, ["X_val", "NoneType"]),
    ({"X_val": np.array(3.0)}, ValueError, ["X_val", "()"]),
    ({"X_val": np.ones((10, 2))}, ValueError, ["X_val", "as large as", "(1,), got (2,)"]),
    ({"X_val": np.r_[0:9.0, np.inf]}, ValueError, ["X_val", "got inf in example 9"]),
    ({"y_val": [0] * 10}, TypeError, ["y_val", "list; try np.array("]),
    ({"y_val": np.zeros(9, int)}, ValueError, ["y_val", "(10,)", "(9,)"]),
    ({"y_train": np.full(10, -1)}, ValueError, ["y_train", "labels must be at least 0, got y[0] = -1"]),
], ids=lambda value: "")
# fmt: on
def test_data_is_refused(changed, error, fragments):
    with refused(error, "Solver", *fragments):
        Solver(Scripted([0.5]), numbered() | changed)


# fmt: off
@pytest.mark.parametrize("data, error, fragments", [
    (None, TypeError, ["dict", "X_train, y_train, X_val, y_val", "NoneType", "try get_CIFAR10_data()"]),
    ([1, 2], TypeError, ["data", "dict", "list"]),
    ({name: a for name, a in numbered().items() if name != "X_val"}, ValueError, ["X_val"]),
], ids=["None", "list", "part"])
# fmt: on
def test_what_is_no_data_is_refused(data, error, fragments):
    with refused(error, "Solver", *fragments):
        Solver(Scripted([0.5]), data)


@pytest.mark.parametrize(
    "model", ["net", SimpleNamespace(params={}, loss=len), SimpleNamespace(params={"W": 1})]
)
def test_a_model_without_params_or_loss_is_refused(model):
    with refused(TypeError, "model must have params and loss(X, y)", type(model).__name__):
        Solver(model, numbered())
