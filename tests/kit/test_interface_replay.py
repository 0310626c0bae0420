"""What the public notebooks of 2016 to 2026 do with our names; each layer alone is tested in tests/layers."""

# ruff: noqa: F403, F405 (the star import is what those notebooks do)

import numpy as np
import pytest

from cs231n.classifiers.fc_net import *
from cs231n.gradient_check import eval_numerical_gradient, rel_error
from cs231n.optim import adam, rmsprop, sgd_momentum
from cs231n.solver import Solver
from tests.support import make_blobs


def check_perturbed_live(model, X, y, bound):
    """Each gradient against differences of a loss that reads the parameters from the model."""
    loss, grads = model.loss(X, y)
    for name in grads:
        numeric = eval_numerical_gradient(lambda _: model.loss(X, y)[0], model.params[name], verbose=False)
        if getattr(model, "normalization", None) == "batchnorm" and name in ("b1", "b2"):
            assert np.abs(numeric).max() < 1e-8 and np.abs(grads[name]).max() < 1e-8  # true value zero
        else:
            assert rel_error(numeric, grads[name]) < bound
    return loss


@pytest.mark.parametrize("reg", [0.0, 0.7])
def test_two_layer_net_with_parameters_put_in(reg):
    N, D, H, C = 3, 5, 50, 7
    X, y = np.random.randn(N, D), np.random.randint(C, size=N)
    model = TwoLayerNet(input_dim=D, hidden_dim=H, num_classes=C, weight_scale=1e-3)
    model.reg = reg
    model.params["W1"] = np.linspace(-0.7, 0.3, num=D * H).reshape(D, H)
    model.params["b1"] = np.linspace(-0.1, 0.9, num=H)
    model.params["W2"] = np.linspace(-0.3, 0.4, num=H * C).reshape(H, C)
    model.params["b2"] = np.linspace(-0.9, 0.1, num=C)
    hidden = np.maximum(X @ model.params["W1"] + model.params["b1"], 0)
    by_hand = hidden @ model.params["W2"] + model.params["b2"]
    assert np.abs(model.loss(X) - by_hand).sum() < 1e-10
    check_perturbed_live(model, X, y, 1e-6)


# fmt: off
@pytest.mark.parametrize("words", [
    {}, {"normalization": "batchnorm"}, {"normalization": "layernorm"}, {"use_batchnorm": True},
    {"dropout": 0}, {"dropout": 0.75, "seed": 123}, {"dropout_keep_ratio": 0.5, "seed": 123},
], ids=str)
# fmt: on
@pytest.mark.parametrize("reg", [0, 3.14])
def test_deep_nets(words, reg):
    X, y = np.random.randn(5, 9), np.random.randint(4, size=5)
    sizes = {"input_dim": 9, "num_classes": 4, "weight_scale": 5e-2, "dtype": np.float64}
    loss = check_perturbed_live(FullyConnectedNet([8, 6], reg=reg, **sizes, **words), X, y, 1e-4)
    assert loss > 1


@pytest.mark.parametrize("rule", [sgd_momentum, rmsprop, adam])
def test_update_rules_with_memory_passed_in_and_read_back(rule):
    w, dw = np.linspace(-0.4, 0.6, 20).reshape(4, 5), np.linspace(-0.6, 0.4, 20).reshape(4, 5)
    past = np.linspace(0.6, 0.9, 20).reshape(4, 5)
    if rule is sgd_momentum:
        config, expected = {"velocity": past}, {"velocity": 0.9 * past - 1e-2 * dw}
        step = expected["velocity"]
    elif rule is rmsprop:
        config, expected = {"cache": past}, {"cache": 0.99 * past + 0.01 * dw**2}
        step = -1e-2 * dw / (np.sqrt(expected["cache"]) + 1e-8)
    else:
        config = {"m": past, "v": past, "t": 5}
        expected = {"m": 0.9 * past + 0.1 * dw, "v": 0.999 * past + 0.001 * dw**2, "t": 6}
        step = -1e-2 * expected["m"] / (1 - 0.9**6) / (np.sqrt(expected["v"] / (1 - 0.999**6)) + 1e-8)
    next_w, config = rule(w, dw, config={"learning_rate": 1e-2, **config})
    assert rel_error(w + step, next_w) < 1e-7
    assert all(rel_error(expected[name], config[name]) < 1e-7 for name in expected)


def test_solver_and_what_is_plotted():
    data, D, C = make_blobs(num_train=50)
    data["y_train"] = np.random.RandomState(0).randint(C, size=50)  # labels without reason: it overfits
    model = FullyConnectedNet([100, 100], input_dim=D, num_classes=C, weight_scale=1e-1)
    options = {"print_every": 10, "num_epochs": 100, "batch_size": 25, "verbose": False}
    solver = Solver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-2}, **options)
    solver.train()
    assert len(solver.loss_history) == 200
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 101
    assert solver.train_acc_history[-1] == 1.0
    predictions = np.argmax(solver.model.loss(data["X_val"]), axis=1)
    assert (predictions == data["y_val"]).mean() == solver.best_val_acc == max(solver.val_acc_history)
