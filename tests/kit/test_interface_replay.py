"""What the public notebooks of 2016 to 2026 do with our names, in short scripts of our own."""

# ruff: noqa: F403, F405 (the star import is what those notebooks do)

import numpy as np
import pytest

from cs231n.classifiers.fc_net import *
from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.optim import adam, rmsprop, sgd_momentum
from cs231n.solver import Solver
from cs231n.vis_utils import visualize_grid
from tests.support import make_blobs


def rel_error(x, y):
    return np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y))))


@pytest.mark.parametrize(
    "forward, backward, bound",
    [(affine_forward, affine_backward, 1e-7), (affine_relu_forward, affine_relu_backward, 1e-6)],
)
def test_layers_with_weights_by_eval_numerical_gradient_array(forward, backward, bound):
    inputs = {"x": np.random.randn(10, 2, 3), "w": np.random.randn(6, 5), "b": np.random.randn(5)}
    dout = np.random.randn(10, 5)
    for name, gradient in zip(inputs, backward(dout, forward(**inputs)[1])):

        def f(v, name=name):
            return forward(**{**inputs, name: v})[0]

        assert rel_error(gradient, eval_numerical_gradient_array(f, inputs[name], dout)) < bound


@pytest.mark.parametrize(
    "forward, backward, param, bound",
    [
        (relu_forward, relu_backward, [], 1e-7),
        (dropout_forward, dropout_backward, [{"mode": "train", "p": 0.2, "seed": 123}], 1e-8),
    ],
)
def test_layers_without_weights_by_eval_numerical_gradient_array(forward, backward, param, bound):
    x, dout = np.random.randn(10, 10) + (10 if param else 0), np.random.randn(10, 10)
    numeric = eval_numerical_gradient_array(lambda v: forward(v, *param)[0], x, dout)
    assert rel_error(numeric, backward(dout, forward(x, *param)[1])) < bound


@pytest.mark.parametrize("loss_of, expected", [(svm_loss, 9), (softmax_loss, 2.3)])
def test_losses_of_tiny_scores(loss_of, expected):
    x, y = 0.001 * np.random.randn(50, 10), np.random.randint(10, size=50)
    loss, dx = loss_of(x, y)
    assert abs(loss - expected) < 0.05
    assert rel_error(eval_numerical_gradient(lambda v: loss_of(v, y)[0], x, verbose=False), dx) < 1e-6


def test_two_layer_net():
    N, D, H, C, std = 3, 5, 50, 7, 1e-3
    X, y = np.random.randn(N, D), np.random.randint(C, size=N)
    model = TwoLayerNet(input_dim=D, hidden_dim=H, num_classes=C, weight_scale=std)
    assert abs(model.params["W1"].std() - std) < std / 10 and abs(model.params["W2"].std() - std) < std / 10
    assert np.all(model.params["b1"] == 0) and np.all(model.params["b2"] == 0)

    model.params["W1"] = np.linspace(-0.7, 0.3, num=D * H).reshape(D, H)
    model.params["b1"] = np.linspace(-0.1, 0.9, num=H)
    model.params["W2"] = np.linspace(-0.3, 0.4, num=H * C).reshape(H, C)
    model.params["b2"] = np.linspace(-0.9, 0.1, num=C)
    scores = model.loss(X)
    hidden = np.maximum(X @ model.params["W1"] + model.params["b1"], 0)
    by_hand = hidden @ model.params["W2"] + model.params["b2"]
    assert scores.shape == (N, C) and np.abs(scores - by_hand).sum() < 1e-10
    free, _ = model.loss(X, np.asarray([0, 5, 1]))
    model.reg = 1.0
    bound, _ = model.loss(X, np.asarray([0, 5, 1]))
    assert abs(bound - free - 0.5 * sum(np.sum(model.params[k] ** 2) for k in ("W1", "W2"))) < 1e-10
    for reg in (0.0, 0.7):
        model.reg = reg
        loss, grads = model.loss(X, y)
        for name in sorted(grads):
            numeric = eval_numerical_gradient(
                lambda _: model.loss(X, y)[0], model.params[name], verbose=False
            )
            assert rel_error(numeric, grads[name]) < 1e-6


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"normalization": "batchnorm"},
        {"normalization": "layernorm"},
        {"use_batchnorm": True},
        {"dropout": 0.75, "seed": 123},
        {"dropout": 0},
        {"dropout_keep_ratio": 0.5, "seed": 123},
    ],
    ids=str,
)
@pytest.mark.parametrize("reg", [0, 3.14])
def test_deep_nets_with_parameters_perturbed_live(words, reg):
    N, D, H1, H2, C = 5, 9, 8, 6, 4
    X, y = np.random.randn(N, D), np.random.randint(C, size=(N,))
    model = FullyConnectedNet(
        [H1, H2], input_dim=D, num_classes=C, reg=reg, weight_scale=5e-2, dtype=np.float64, **words
    )
    loss, grads = model.loss(X, y)
    assert loss > 1
    normalized = model.normalization == "batchnorm"
    for name in sorted(grads):
        numeric = eval_numerical_gradient(lambda _: model.loss(X, y)[0], model.params[name], verbose=False)
        if normalized and name in ("b1", "b2"):
            assert np.abs(numeric).max() < 1e-8 and np.abs(grads[name]).max() < 1e-8  # true value zero
        else:
            assert rel_error(numeric, grads[name]) < 1e-4  # entries near zero, over the floor of 1e-8


def test_initial_loss_is_log_of_the_number_of_classes():
    model = FullyConnectedNet([100, 50], weight_scale=1e-4)
    X, y = np.random.randn(50, 3, 32, 32), np.random.randint(10, size=50)
    assert abs(model.loss(X, y)[0] - np.log(10)) < 1e-3


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


def test_batchnorm_statistics_in_both_modes():
    np.random.seed(231)
    N, D1, D2, D3 = 200, 50, 60, 3
    W1, W2 = np.random.randn(D1, D2), np.random.randn(D2, D3)
    a = np.maximum(0, np.random.randn(N, D1).dot(W1)).dot(W2)
    out, _ = batchnorm_forward(a, np.ones(D3), np.zeros(D3), {"mode": "train"})
    assert np.abs(out.mean(axis=0)).max() < 1e-12 and np.abs(out.std(axis=0) - 1).max() < 1e-6
    gamma, beta, bn_param = np.asarray([1.0, 2.0, 3.0]), np.asarray([11.0, 12.0, 13.0]), {"mode": "train"}
    for _ in range(50):
        a = np.maximum(0, np.random.randn(N, D1).dot(W1)).dot(W2)
        batchnorm_forward(a, gamma, beta, bn_param)
    bn_param["mode"] = "test"
    a = np.maximum(0, np.random.randn(N, D1).dot(W1)).dot(W2)
    out, _ = batchnorm_forward(a, gamma, beta, bn_param)
    assert np.abs(out.mean(axis=0) - beta).max() < 0.5 and np.abs(out.std(axis=0) / gamma - 1).max() < 0.15


@pytest.mark.parametrize("ln_param", [{}, {"mode": "train"}], ids=str)
def test_layernorm_statistics(ln_param):
    a = np.maximum(0, np.random.randn(4, 50).dot(np.random.randn(50, 60))).dot(np.random.randn(60, 30))
    out, _ = layernorm_forward(a, np.ones(30), np.zeros(30), ln_param)
    assert np.abs(out.mean(axis=1)).max() < 1e-12 and np.abs(out.std(axis=1) - 1).max() < 1e-4
    out, _ = layernorm_forward(a, 3 * np.ones(30), 5 * np.ones(30), ln_param)
    assert np.abs(out.mean(axis=1) - 5).max() < 1e-12 and np.abs(out.std(axis=1) - 3).max() < 1e-4


@pytest.mark.parametrize("p", [0.25, 0.4, 0.7])
def test_dropout_means_and_zeros(p):
    x = np.random.randn(500, 500) + 10
    out, _ = dropout_forward(x, {"mode": "train", "p": p})
    same, _ = dropout_forward(x, {"mode": "test", "p": p})
    assert abs(out.mean() - 10) < 0.2 and abs((out == 0).mean() - (1 - p)) < 0.01
    assert np.array_equal(same, x)


@pytest.mark.parametrize(
    "rule, rate", [("sgd", 5e-3), ("sgd_momentum", 5e-3), ("rmsprop", 1e-4), ("adam", 1e-3)]
)
def test_solver_runs_and_what_is_plotted(rule, rate):
    data, D, C = make_blobs(num_train=200, num_val=60)
    model = FullyConnectedNet([20] * 3, input_dim=D, num_classes=C, weight_scale=5e-2)
    options = {"num_epochs": 5, "batch_size": 20, "print_every": 1000, "verbose": False}
    solver = Solver(model, data, update_rule=rule, optim_config={"learning_rate": rate}, **options)
    solver.train()
    assert len(solver.loss_history) == 50
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 6
    assert max(solver.train_acc_history) <= 1 and solver.best_val_acc == max(solver.val_acc_history)
    predictions = np.argmax(solver.model.loss(data["X_val"]), axis=1)
    assert (predictions == data["y_val"]).mean() == solver.best_val_acc


def test_overfitting_a_few_examples():
    data, D, C = make_blobs(num_train=50)
    data["y_train"] = np.random.RandomState(0).randint(C, size=50)  # labels without reason
    model = FullyConnectedNet([100, 100], input_dim=D, num_classes=C, weight_scale=1e-1)
    options = {"print_every": 10, "num_epochs": 100, "batch_size": 25, "verbose": False}
    solver = Solver(model, data, update_rule="adam", optim_config={"learning_rate": 1e-2}, **options)
    solver.train()
    assert solver.train_acc_history[-1] == 1.0


def test_first_layer_weights_as_pictures():
    W1 = TwoLayerNet().params["W1"].reshape(32, 32, 3, -1).transpose(3, 0, 1, 2)
    grid = visualize_grid(W1, padding=3).astype("uint8")
    assert grid.shape == (10 * 35 - 3, 10 * 35 - 3, 3) and grid.max() == 255
