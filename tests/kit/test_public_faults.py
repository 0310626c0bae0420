"""Faults of the public kit that this one must not have, one test each.

Those of the data, the submission and the notebooks have their tests beside the rest of their subject.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet, dropout_forward
from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.solver import Solver, load_checkpoint
from cs231n.vis_utils import vis_grid, vis_nn, visualize_grid
from tests.support import make_blobs

ROOT = Path(__file__).resolve().parents[2]


def net(D, C, **more):
    return FullyConnectedNet([8], **{"input_dim": D, "num_classes": C, "weight_scale": 0.3, **more})


def never_right(data):
    """Validation labels of a class that no net ever answers, its score being one among too many."""
    return data | {"y_val": np.full_like(data["y_val"], 9)}


def test_fault_1_best_parameters_wiped_when_accuracy_stays_zero_or_no_epoch_runs(blobs):
    data, D, C = blobs
    for options, data_used in [({"num_epochs": 0}, data), ({"num_epochs": 2}, never_right(data))]:
        model = net(D, 10)
        solver = Solver(model, data_used, verbose=False, **options)
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
    model = net(D, C)
    solver = Solver(
        model, data, num_epochs=50, batch_size=20, verbose=False, optim_config={"learning_rate": 1e6}
    )
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match="Solver.train: the loss is .*learning_rate"),
    ):
        solver.train()
    assert len(solver.loss_history) < 150 and np.isfinite(solver.loss_history).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"update_rule": "np"}, "update_rule must be one of 'sgd'.*got 'np'"),
    ],
)
def test_fault_4_nonsense_accepted_or_crashing_later(blobs, options, words):
    data, D, C = blobs
    with pytest.raises(ValueError, match=words):
        Solver(net(D, C), data, **options)


def test_fault_5_checkpoints_that_nothing_can_load(blobs, tmp_path):
    data, D, C = blobs
    model = net(D, C, normalization="batchnorm")
    # One batch, so that the only parameters measured are those of the checkpoint and of the model afterwards.
    Solver(
        model,
        data,
        num_epochs=1,
        batch_size=len(data["X_train"]),
        verbose=False,
        checkpoint_name=str(tmp_path / "run"),
    ).train()
    fresh = net(D, C, normalization="batchnorm")
    fresh.loss(data["X_train"], data["y_train"])  # statistics of its own, to be replaced
    scores = model.loss(data["X_val"])
    assert not np.allclose(fresh.loss(data["X_val"]), scores, rtol=0.1)
    load_checkpoint(tmp_path / "run_epoch_1.npz", fresh)
    assert np.array_equal(fresh.loss(data["X_val"]), scores)
    with np.load(tmp_path / "run_epoch_1.npz", allow_pickle=False) as stored:
        assert {"params/W1", "params/gamma1", "bn_params/0/running_var"} <= set(stored.files)


def test_fault_6_a_typo_in_normalization_is_ignored():
    with pytest.raises(
        ValueError, match="normalization must be one of None, 'batchnorm', 'layernorm'; got 'batchnrom'"
    ):
        FullyConnectedNet([5], normalization="batchnrom")


def test_fault_6_a_typo_in_a_dropout_mode_fails_far_away():
    with pytest.raises(
        ValueError, match=r"dropout_param\['mode'\] must be one of 'train', 'test'; got 'trian'"
    ):
        dropout_forward(np.ones((2, 3)), {"mode": "trian", "p": 0.5})


def test_fault_6_keep_probability_0_gives_nan():
    with pytest.raises(ValueError, match="probability to keep, must be above 0"):
        dropout_forward(np.ones((2, 3)), {"mode": "train", "p": 0})
    assert np.isfinite(FullyConnectedNet([5], input_dim=3, dropout_keep_ratio=0).loss(np.ones((2, 3)))).all()


def test_fault_7_a_numerical_gradient_leaves_x_changed_when_f_raises():
    def fails(_):
        raise ZeroDivisionError

    for numeric in (
        lambda x: eval_numerical_gradient(fails, x),
        lambda x: eval_numerical_gradient_array(fails, x, 1.0),
    ):
        x = np.arange(6.0).reshape(2, 3) / 7
        before = x.tobytes()
        with pytest.raises(ZeroDivisionError):
            numeric(x)
        assert x.tobytes() == before


def test_fault_7_a_numerical_gradient_of_integers_answers_49999_for_2():
    with pytest.raises(TypeError, match="must be a floating-point array.*int64.*astype"):
        eval_numerical_gradient(lambda x: np.sum(2 * x), np.arange(3, dtype=np.int64))


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("cs231n/**/*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_fault_9_compatibility_packages(path):
    assert not set(imports_of(path)) & {"past", "future", "six", "imageio", "builtins"}


def test_fault_9_pins_of_another_age():
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in wanted.splitlines() if re.match(r"\w", line)}
    assert "numpy" in names and not names & {"past", "future", "six", "imageio"}
    assert re.search(r"^numpy>=2", wanted, re.M) and int(np.__version__.split(".")[0]) >= 2


def test_fault_12_a_constant_image_is_nan():
    constant = np.full((3, 4, 4, 3), 7.0)
    for grid in (visualize_grid(constant), vis_grid(constant), vis_nn([list(constant)])):
        assert np.isfinite(grid).all()
