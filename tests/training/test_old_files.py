"""Files that were written before a module moved, or an attribute of the Solver got another name."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.data.augment import flip_and_shift, shift
from cs231n.solver import Solver
from cs231n.training.callbacks import ClipGradients, EarlyStopping
from cs231n.training.schedules import cosine, one_cycle
from tests.support import refused, text_id

SHIFT = partial(shift, pixels=1)
SHAPES = {"W1": (4, 3), "b1": (3,), "gamma1": (3,), "beta1": (3,), "W2": (3, 2), "b2": (2,)}

# What commit d4f53ae wrote after two of three epochs, but for the names of the arrays, which it also holds.
STATE = json.loads("""{
    "format": "cs231n run", "version": 1,
    "rows": [[1, 2, 0.0, 0.65, 0.5, 0.5, 0.0933], [2, 4, 0.1, 0.88, 0.5, 0.5, 0.05]],
    "settings": {
        "update_rule": "sgd_momentum", "optim_config": {"learning_rate": 0.1}, "lr_decay": 1.0,
        "schedule": "cosine", "schedule_config": {}, "batch_size": 3, "num_epochs": 3,
        "num_train_samples": 1000, "num_val_samples": null, "patience": null, "keep": "best",
        "clip_norm": null, "checkpoint_name": null, "print_every": 10, "verbose": false,
        "augment": "cs231n.augment.flip_and_shift"},
    "described": {
        "kind": "FullyConnectedNet", "input_dim": 4, "num_classes": 2, "reg": 0.0, "hidden_dims": [3],
        "normalization": "batchnorm", "dtype": "float64", "dropout_keep_ratio": 0.5, "seed": null,
        "label_smoothing": 0.0, "layers": "cs231n.layer_utils", "bn_params": [{}]},
    "kind": "cs231n.classifiers.fc_net.FullyConnectedNet",
    "counters": {"epoch": 2, "best_epoch": 0, "best_val_acc": 0.5, "_done": 4, "_rate": 0.1}
}""")


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(10, 1, 2, 2))
    return {"X_train": X[:6], "y_train": np.arange(6) % 2, "X_val": X[6:], "y_val": np.arange(4) % 2}


def write_as_before(folder, data):
    """checkpoint_4.npz and model.npz in folder -> the arrays by their path in the state."""
    arrays, rng, digest = {}, np.random.RandomState(1), hashlib.sha256()
    for name, a in data.items():
        digest.update(f"{name} {a.dtype.str} {a.shape}\n".encode() + a.tobytes())

    def put(path, array):
        arrays[f"state/{path}"] = array
        return {"npz": f"state/{path}"}

    def draw(path, **shapes):
        return {name: put(f"{path}/{name}", rng.uniform(1, 2, shape)) for name, shape in shapes.items()}

    def stream(i):
        _, key, pos, _, _ = np.random.RandomState(10 + i).get_state()
        state = {"key": put(f"streams/states/{i}/state/state/key", key), "pos": pos}
        state = {"bit_generator": "MT19937", "state": state, "has_gauss": 0, "gauss": 0.0}
        return {"kind": "RandomState", "state": state}

    statistics = {"running_mean": 3, "running_var": 3}
    histories = {"loss_history": 4, "train_acc_history": 3, "val_acc_history": 3}
    state = {
        **STATE,
        "data": digest.hexdigest(),
        "histories": {name: put(f"histories/{name}", np.full(n, 0.5)) for name, n in histories.items()},
        "params": draw("params", **SHAPES),
        "bn_params": [{"mode": "test", **draw("bn_params/0", **statistics)}],
        "optim_configs": {
            name: {"learning_rate": 0.05, "momentum": 0.9, "velocity": velocity}
            for name, velocity in draw("velocity", **SHAPES).items()
        },
        "best": [draw("best/0", **SHAPES), [draw("best/1/0", **statistics)]],
        "streams": {"held": {"solver": 1}, "states": [stream(0), stream(1)]},
    }
    np.savez(folder / "checkpoint_4.npz", state=json.dumps(state), **arrays)
    best = {path[len("state/best/0/") :]: a for path, a in arrays.items() if path.startswith("state/best/0/")}
    np.savez(
        folder / "model.npz",
        normalization="batchnorm",
        model=json.dumps(STATE["described"]),
        **{f"params/{name}": w for name, w in best.items()},
        **{path.replace("state/best/1", "bn_params"): a for path, a in arrays.items() if "/best/1/" in path},
    )
    return arrays


def test_a_checkpoint_from_before_goes_on(tmp_path, data):
    arrays = write_as_before(tmp_path, data)
    solver = Solver.resume(tmp_path, data)
    assert solver.augment is flip_and_shift and solver.update_rule == "sgd_momentum"
    for name in SHAPES:
        assert np.array_equal(solver.model.params[name], arrays[f"state/params/{name}"])
        assert np.array_equal(solver.optim_configs[name]["velocity"], arrays[f"state/velocity/{name}"])
        assert np.array_equal(solver.best_params[name], arrays[f"state/best/0/{name}"])
    for rng, seed in ((solver.rng, 11), (np.random, 10)):
        assert np.array_equal(rng.permutation(9), np.random.RandomState(seed).permutation(9))
    solver.train()
    assert solver.epoch == 3 and len(solver.loss_history) == 6
    assert solver.optim_configs["W1"]["learning_rate"] == pytest.approx(0.1 * (1 + np.cos(5 / 6 * np.pi)) / 2)
    with np.load(tmp_path / "checkpoint_6.npz") as file:
        state = json.loads(str(file["state"]))
    lost = [
        name
        for part in ("settings", "described", "counters")
        for name in STATE[part].keys() - state[part].keys()
    ]
    assert state["version"] == 2 and sorted(lost) == [
        "_done",
        "_rate",
        "clip_norm",
        "patience",
        "schedule_config",
    ]


# fmt: off
@pytest.mark.parametrize("before, now", [
    ({"schedule": "constant"}, {"schedule": None, "callbacks": []}),
    ({"schedule_config": {"final": 0.25}}, {"schedule": cosine(final=0.25)}),
    ({"schedule": "one_cycle", "schedule_config": {"warm_up": 0.5, "start": 1}},
     {"schedule": one_cycle(warm_up=0.5, start=1)}),
    ({"patience": 3}, {"callbacks": [EarlyStopping(3)]}),
    ({"clip_norm": 0.5, "patience": 1}, {"callbacks": [ClipGradients(0.5), EarlyStopping(1)]}),
    ({"augment": "functools.partial"}, {"augment": SHIFT}),
], ids=text_id)
# fmt: on
def test_the_options_of_before_become_parts(tmp_path, data, monkeypatch, before, now):
    for name, value in before.items():
        monkeypatch.setitem(STATE["settings"], name, value)
    write_as_before(tmp_path, data)
    solver = Solver.resume(tmp_path, data, augment=now.get("augment"))
    assert {name: getattr(solver, name) for name in now} == now
    solver.train()
    assert solver.epoch == (2 if before.get("patience") == 1 else 3)


@pytest.mark.parametrize("change, words", [
    ({"dropout_keep_ratio": 0.9}, "dropout_keep_ratio 0.5, not 0.9"),
    ({"normalization": "layernorm"}, "normalization 'batchnorm', not 'layernorm'"),
])
def test_another_model_than_before_is_refused(tmp_path, data, change, words):
    write_as_before(tmp_path, data)
    options = {"dropout_keep_ratio": 0.5, "normalization": "batchnorm", "dtype": np.float64}
    same, other = (FullyConnectedNet([3], 4, 2, **options | more) for more in ({}, change))
    Solver.resume(tmp_path, data, model=same)
    with refused(ValueError, words):
        Solver.resume(tmp_path, data, model=other)


def test_a_model_from_before_is_loaded(tmp_path, data):
    arrays = write_as_before(tmp_path, data)
    model = Solver.load(tmp_path)
    assert all(np.array_equal(w, arrays[f"state/best/0/{name}"]) for name, w in model.params.items())
    assert np.array_equal(model.bn_params[0]["running_var"], arrays["state/best/1/0/running_var"])


@pytest.mark.parametrize("name", ["cs231n.optim.sgd", "mine.flip", "cs231n.augment.np"])
def test_an_augmentation_of_before_that_is_not_known_is_named(tmp_path, data, monkeypatch, name):
    monkeypatch.setitem(STATE["settings"], "augment", name)
    write_as_before(tmp_path, data)
    shown = name.replace("cs231n.augment", "cs231n.data.augment")
    with refused(ValueError, f"{shown}, which is not of this kit; try ", "augment=..."):
        Solver.resume(tmp_path, data)
    with refused(ValueError, f"augment {shown}, got ", f"flip_and_shift; try augment={name.split('.')[-1]}"):
        Solver.resume(tmp_path, data, augment=flip_and_shift)
