"""Training keeps float32 whatever numbers the settings are, and loses no mask."""

import numpy as np
import pytest

from cs231n import fast_layers, optim, sandwiches
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.solver import Solver
from cs231n.training.callbacks import ClipGradients
from cs231n.training.schedules import cosine
from tests.support import arrays_in, make_blobs, refused
from tests.support.scripted import Scripted, net, numbered, run, solver_of

RULES = ["sgd", "sgd_momentum", "rmsprop", "adam", "adamw"]


def plain_rule(w, dw, config):
    """A rule of a learner, without a check of its own."""
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw, config


def deep(normalization, layers):
    model = net(
        np.float32, normalization, reg=np.float64(0.1), label_smoothing=np.float64(0.1), weight_scale=0.1,
        dropout_keep_ratio=np.float64(0.7), layers=layers,
    )  # fmt: skip
    for param in model.bn_params:
        param |= {"eps": np.float64(1e-5), "momentum": np.float64(0.9)}
    return model


def two_layers():
    model = TwoLayerNet(6, 5, 3, 0.1, reg=np.float64(0.1))
    model.params = {name: w.astype(np.float32) for name, w in model.params.items()}
    return model


# fmt: off
MODELS = {
    "batchnorm": lambda: deep("batchnorm", sandwiches), "layernorm": lambda: deep("layernorm", sandwiches),
    "fast": lambda: deep("batchnorm", fast_layers), "two-layer": two_layers,
}
# fmt: on


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("rule", [*RULES, "plain_rule"])
def test_numbers_of_numpy_keep_float32(monkeypatch, rule, make):
    monkeypatch.setattr(optim, "plain_rule", plain_rule, raising=False)
    model, seen = make(), []
    loss = model.loss

    def watched(X, y=None):
        returned = loss(X, y)
        seen.append(returned)
        return returned

    model.loss = watched
    settings = {"learning_rate": np.float64(1e-3)} | (
        {"weight_decay": np.float64(0.1)} if rule == "adamw" else {}
    )
    solver = run(
        model, make_blobs(dtype=np.float32)[0], num_epochs=2, batch_size=20, update_rule=rule,
        optim_config=settings, lr_decay=np.float64(0.5), schedule=cosine(final=np.float64(0.1)),
        callbacks=[ClipGradients(np.float64(0.1))],
    )  # fmt: skip
    floats = arrays_in(
        [model.params, solver.best_params, solver.optim_configs, seen, getattr(model, "bn_params", [])]
    )
    assert {a.dtype for a in floats} == {np.dtype(np.float32)}
    assert {np.asarray(value).dtype for value in solver.loss_history} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", ["X_train", "y_train", "X_val", "y_val"])
def test_masked_data_is_refused(name):
    data = numbered()
    data[name] = np.ma.masked_array(data[name], data[name] > 3)
    words = (
        f"data['{name}']",
        "MaskedArray, whose mask would be ignored; try ",
        ".filled(value), or leave out",
    )
    with refused(TypeError, "Solver", *words):
        Solver(Scripted([0.5]), data)


def test_masked_data_of_check_accuracy_is_refused():
    data = make_blobs()[0]
    X, y = data["X_val"], data["y_val"]
    solver = solver_of(FullyConnectedNet([5], 6, 3), data)
    for masked in ((np.ma.masked_array(X, X > 0), y), (X, np.ma.masked_array(y, y > 1))):
        with refused(TypeError, "MaskedArray, whose mask would be ignored"):
            solver.check_accuracy(*masked)
