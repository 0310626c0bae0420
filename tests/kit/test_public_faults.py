"""Faults of the public kit that this one must not have, one test each.

8, 10, 11 and 12 are tested in tests/data, tests/pages, tests/checking and tests/pages/test_vis_utils.py, 9 in
test_requirements.py.
"""

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet, dropout_forward
from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.solver import Solver, load_checkpoint
from tests.support import make_blobs


def net(D, C, **more):
    return FullyConnectedNet([8], **{"input_dim": D, "num_classes": C, "weight_scale": 0.3, **more})


@pytest.mark.parametrize("num_epochs", [0, 2])
def test_fault_1_best_parameters_wiped_when_accuracy_stays_zero_or_no_epoch_runs(blobs, num_epochs):
    data, D, C = blobs
    data = data | {"y_val": np.full_like(data["y_val"], 9)}
    model = net(D, 10)
    model.params["b2"][9] = -100  # never its answer, so the accuracy stays zero
    solver = Solver(model, data, verbose=False, num_epochs=num_epochs)
    solver.train()
    assert solver.best_val_acc == 0
    assert set(model.params) == set(solver.best_params) == {"W1", "b1", "W2", "b2"}
    assert model.loss(data["X_val"]).shape == (40, 10)


def test_fault_2_best_parameters_without_their_running_statistics():
    data, D, C = make_blobs(num_val=200, seed=3)
    data["X_val"] = data["X_val"] + 2 * np.random.RandomState(1).normal(size=data["X_val"].shape)
    model = net(D, C, normalization="batchnorm")
    solver = Solver(
        model, data, num_epochs=10, batch_size=5, optim_config={"learning_rate": 0.3}, verbose=False
    )
    solver.train()
    assert solver.val_acc_history[-1] != solver.best_val_acc, "the last epoch was the best: nothing shown"
    assert solver.check_accuracy(data["X_val"], data["y_val"]) == solver.best_val_acc


@pytest.mark.parametrize("solver_seed", [None, 5])
def test_fault_3_a_dropout_seed_repeats_the_minibatches(blobs, solver_seed):
    data, D, C = blobs
    model, seen = net(D, C, dropout_keep_ratio=0.5, seed=123), []
    loss = model.loss
    model.loss = lambda X, y=None: (seen.append(X.tobytes()) if y is not None else None) or loss(X, y)
    Solver(model, data, num_epochs=20, batch_size=15, verbose=False, seed=solver_seed).train()
    assert len(seen) == len(set(seen)) == 80


def test_fault_4_divergence_goes_on_silently(blobs):
    data, D, C = blobs
    options = {"num_epochs": 50, "batch_size": 20, "optim_config": {"learning_rate": 1e6}}
    solver = Solver(net(D, C), data, verbose=False, **options)
    message = "Solver.train: the loss is .*learning_rate"
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=message):
        solver.train()
    assert len(solver.loss_history) < 150 and np.isfinite(solver.loss_history).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"update_rule": "np"}, "update_rule must be one of 'sgd'.*got 'np'"),
    ],
)
def test_fault_4_nonsense_accepted_or_crashing_later(blobs, options, message):
    data, D, C = blobs
    with pytest.raises(ValueError, match=message):
        Solver(net(D, C), data, **options)


def test_fault_5_checkpoints_that_nothing_can_load(blobs, tmp_path):
    data, D, C = blobs
    model = net(D, C, normalization="batchnorm")
    # One batch, so that the only parameters measured are those of the checkpoint and of the model afterwards.
    options = {"num_epochs": 1, "batch_size": len(data["X_train"]), "checkpoint_name": str(tmp_path / "run")}
    Solver(model, data, verbose=False, **options).train()
    fresh = net(D, C, normalization="batchnorm")
    fresh.loss(data["X_train"], data["y_train"])  # statistics of its own, to be replaced
    scores = model.loss(data["X_val"])
    assert not np.allclose(fresh.loss(data["X_val"]), scores, rtol=0.1)
    load_checkpoint(tmp_path / "run_epoch_1.npz", fresh)
    assert np.array_equal(fresh.loss(data["X_val"]), scores)
    with np.load(tmp_path / "run_epoch_1.npz", allow_pickle=False) as stored:
        assert {"params/W1", "params/gamma1", "bn_params/0/running_var"} <= set(stored.files)


def test_fault_6_a_typo_in_normalization_is_ignored():
    message = "normalization must be one of None, 'batchnorm', 'layernorm'; got 'batchnrom'"
    with pytest.raises(ValueError, match=message):
        FullyConnectedNet([5], normalization="batchnrom")


@pytest.mark.parametrize(
    "param, message",
    [
        ({"mode": "trian", "p": 0.5}, r"dropout_param\['mode'\] must be one of 'train', 'test'; got 'trian'"),
        ({"mode": "train", "p": 0}, "probability to keep, must be above 0"),
    ],
)
def test_fault_6_a_typo_or_zero_in_dropout_fails_far_away_or_gives_nan(param, message):
    with pytest.raises(ValueError, match=message):
        dropout_forward(np.ones((2, 3)), param)
    assert np.isfinite(FullyConnectedNet([5], input_dim=3, dropout_keep_ratio=0).loss(np.ones((2, 3)))).all()


@pytest.mark.parametrize("numeric", [eval_numerical_gradient, eval_numerical_gradient_array])
def test_fault_7_a_numerical_gradient_leaves_x_changed_when_f_raises(numeric):
    x = np.arange(6.0).reshape(2, 3) / 7
    before = x.tobytes()
    with pytest.raises(ZeroDivisionError):
        numeric(lambda _: 1 / 0, x, 1.0)
    assert x.tobytes() == before


def test_fault_7_a_numerical_gradient_of_integers_answers_49999_for_2():
    with pytest.raises(TypeError, match="must be a floating-point array.*int64.*astype"):
        eval_numerical_gradient(lambda x: np.sum(2 * x), np.arange(3, dtype=np.int64))
