"""The folder of a run: what is in it, who may resume from it, and what is refused without a trace."""

import csv
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n import fast_layers, layer_utils
from cs231n.classifiers import fc_net
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.data.augment import shift
from cs231n.solver import Solver
from cs231n.training import run_checkpoints, run_state
from cs231n.training.checkpoint import describe, load_checkpoint
from tests.support import make_blobs, refused
from tests.support.resume_child import frozen, image_data, start
from tests.support.scripted import run

FILES = ["config.json", "curves.png", "history.csv", "model.npz"]

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A trained Solver and its folder, which tests copy before they spoil it."""
    trained = start(tmp_path_factory.mktemp("finished") / "run")
    trained.train()
    return trained, trained.run


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[1], tmp_path / "copy")


def test_the_files_of_a_run(finished):
    trained, folder = finished
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoint_42.npz",
        "checkpoint_48.npz",
        *FILES,
        "run.lock",
    ]
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 9))
    assert [int(row["step"]) for row in rows] == list(range(6, 49, 6))
    assert [float(row["val_acc"]) for row in rows] == trained.val_acc_history[1:]
    assert [float(row["train_acc"]) for row in rows] == trained.train_acc_history[1:]
    losses = np.array(trained.loss_history, np.float64).reshape(8, 6).mean(axis=1)
    np.testing.assert_allclose([float(row["loss"]) for row in rows], losses, rtol=1e-15)
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    config = json.loads((folder / "config.json").read_text())
    assert config["solver"]["update_rule"] == "adamw" and config["model"]["hidden_dims"] == [12, 11]
    assert config["solver"]["augment"]["name"] == "cs231n.data.augment.flip_and_shift"
    assert (folder / "curves.png").read_bytes()[1:4] == b"PNG"


def test_no_file_holds_a_pickle(finished):
    for path in finished[1].glob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[key].dtype.kind in "fiuU" for key in file.files)


def net(hidden_dims=(9, 7), **more):
    return FullyConnectedNet(list(hidden_dims), 48, 3, **more)


def net_with_settings():
    model = net([9], normalization="batchnorm", weight_scale=0.1)
    model.bn_params[0] |= {"eps": 0.1, "momentum": 0.5}
    return model


def float32_two_layer_net():
    model = TwoLayerNet(48, 8, 3, 0.1)
    model.params = {name: w.astype(np.float32) for name, w in model.params.items()}
    return model


def net_of_numpy_scalars():
    return net(
        np.array([9, 7]).tolist() + [np.int64(5)], dropout_keep_ratio=np.float32(0.7), reg=np.float32(1e-3),
        seed=np.int64(5), label_smoothing=np.float64(0.1), normalization=np.str_("batchnorm"),
        dtype=np.dtype("float32"),
    )  # fmt: skip


def deep_net_in_another_order():
    model = net(range(5, 16), normalization="batchnorm", weight_scale=0.5)
    model.params = {name: model.params[name] for name in sorted(model.params)}  # W1, W10, W11, W12, W2, ...
    return model


# fmt: off
NETS = {
    "plain": lambda: net([7]),
    "batchnorm-fast": lambda: net(normalization="batchnorm", dtype=np.float64, layers=fast_layers, reg=1e-3),
    "batchnorm-settings": net_with_settings,
    "layernorm-dropout-seeded": lambda: net(normalization="layernorm", dropout_keep_ratio=0.7, seed=4),
    "no-hidden-layer": lambda: net([], weight_scale=0.1),
    "two-layer": lambda: TwoLayerNet(48, 8, 3, 0.1, reg=np.float32(1e-3)),
    "two-layer-float32": float32_two_layer_net,
    "numpy-scalars": net_of_numpy_scalars,
    "another-order": deep_net_in_another_order,
}
# fmt: on


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_load_predicts_bit_for_bit(tmp_path, make):
    data, model = image_data(), make()
    run(model, data, num_epochs=2, batch_size=20, run=tmp_path / "run", checkpoint_name=tmp_path / "named")
    scores, again, stream = model.loss(data["X_val"]).tobytes(), make(), frozen(np.random.get_state())
    loaded = Solver.load(tmp_path / "run")
    assert frozen(np.random.get_state()) == stream, "load drew from the global stream"
    load_checkpoint(tmp_path / "run" / "model.npz", again)
    assert loaded.loss(data["X_val"]).tobytes() == again.loss(data["X_val"]).tobytes() == scores
    assert type(Solver.load(tmp_path / "named_epoch_2.npz")) is type(loaded) is type(model)
    for name, default in {"layers": None, "bn_params": []}.items():
        assert frozen(getattr(loaded, name, default)) == frozen(getattr(model, name, default))
    resumed = Solver.resume(tmp_path / "run", data)
    kinds = [[(name, w.dtype) for name, w in net.params.items()] for net in (model, loaded, resumed.model)]
    assert kinds[0] == kinds[1] == kinds[2]
    assert describe(loaded) == describe(resumed.model) == describe(model)
    assert json.loads(json.dumps(describe(model))) == describe(model)


def test_numpy_scalars_in_the_settings_are_numbers_in_the_files(tmp_path):
    settings = {
        "optim_config": {"learning_rate": np.float32(0.25), "weight_decay": np.float64(0.5)},
        "lr_decay": np.float64(0.5), "batch_size": np.int64(20), "num_epochs": np.int32(1),
        "num_val_samples": np.uint8(30), "verbose": np.bool_(False),
        "keep": np.str_("last"), "update_rule": np.str_("adamw"), "print_every": np.int64(5),
        "checkpoint_name": tmp_path / "named",
    }  # fmt: skip
    run(net([5]), image_data(), run=tmp_path / "run", **settings)
    stored = json.loads((tmp_path / "run" / "config.json").read_text())["solver"]
    settings["checkpoint_name"] = str(tmp_path / "named")
    assert {name: stored[name] for name in settings} == settings
    resumed = Solver.resume(tmp_path / "run", image_data())
    for name, value in settings.items():
        assert getattr(resumed, name) == value
        assert type(getattr(resumed, name)) in (dict, float, int, bool, str), name


class PublicNet:
    """With the arguments and attributes of a public solution, and no other: softmax regression."""

    def __init__(self, hidden_dims, input_dim, num_classes, dropout_keep_ratio=1, normalization=None,
                 reg=0.0, weight_scale=1e-2, dtype=np.float32, seed=None):  # fmt: skip
        self.params = {"W1": np.zeros((input_dim, num_classes), dtype), "b1": np.zeros(num_classes, dtype)}
        self.normalization, self.use_dropout, self.reg, self.dtype = normalization, False, reg, dtype
        self.num_layers, self.dropout_param, self.bn_params = 1, {}, []

    def loss(self, X, y=None):
        scores, cache = layer_utils.affine_forward(X, self.params["W1"], self.params["b1"])
        if y is None:
            return scores
        loss, dscores = layer_utils.softmax_loss(scores, y)
        return loss, dict(zip(("W1", "b1"), layer_utils.affine_backward(dscores, cache)[1:]))


def test_the_net_of_a_public_solution_is_saved_and_built_again(tmp_path, monkeypatch):
    public = type("FullyConnectedNet", (PublicNet,), {"__module__": "cs231n.classifiers.fc_net"})
    elsewhere = type("FullyConnectedNet", (PublicNet,), {})
    another = type("ThreeLayerNet", (PublicNet,), {"__module__": "cs231n.classifiers.fc_net"})
    assert describe(elsewhere([], 48, 3)) is describe(another([], 48, 3)) is None
    monkeypatch.setattr(fc_net, "FullyConnectedNet", public)
    data, model = image_data(), public([], 48, 3)
    run(model, data, num_epochs=1, batch_size=20, run=tmp_path)
    scores = model.loss(data["X_val"]).tobytes()
    assert model.params["W1"].any() and Solver.load(tmp_path).loss(data["X_val"]).tobytes() == scores
    assert Solver.resume(tmp_path, data).best_params["W1"].tobytes() == model.params["W1"].tobytes()
    public.__init__ = lambda self, hidden_dims: None
    with refused(ValueError, "fc_net.py cannot build the FullyConnectedNet again", "try with model="):
        Solver.resume(tmp_path, data)


def check_refused(path, *fragments, data=None, error=ValueError, **more):
    """Solver.resume refuses in these words, and takes nothing from the global stream."""
    with refused(error, "Solver.resume: ", *fragments):
        Solver.resume(path, data or image_data(), **more)


def rewrite(path, change):
    """The checkpoint at path, its state as change has it."""
    with np.load(path) as file:
        arrays = dict(file)
    state = json.loads(str(arrays.pop("state")))
    change(state)
    np.savez(path, state=json.dumps(state), **arrays)


def test_another_version(copy):
    rewrite(copy / "checkpoint_48.npz", lambda state: state.update(version=3))
    check_refused(copy, "checkpoint_48.npz is of version 3", "reads versions 1 to 2", "checkpoint_42.npz")


FOREIGN = [{"layers": "antigravity"}, {"kind": "affine_forward"}, {"kind": "__import__"}]


def test_load_says_when_a_run_has_no_model_yet(tmp_path):
    start(tmp_path / "run", num_epochs=0).train()
    with refused(FileNotFoundError, "there is no model.npz in", "after its first epoch"):
        Solver.load(tmp_path / "run")


def test_the_state_of_a_run_is_no_net_and_the_folder_is_named(copy):
    state = run_checkpoints.checkpoints(copy)[-1]
    with refused(ValueError, f"{state} is the state of a run", f"try Solver.load({str(copy)!r})"):
        Solver.load(state)
    assert Solver.load(copy).params


@pytest.mark.parametrize("part", FOREIGN)
def test_a_file_cannot_name_a_module_to_import(copy, part):
    rewrite(copy / "checkpoint_48.npz", lambda state: state["described"].update(part))
    with refused(ValueError, "is not of this kit"):
        Solver.resume(copy, image_data())
    assert "antigravity" not in sys.modules


def test_a_foreign_file(copy):
    shutil.copy(copy / "model.npz", copy / "checkpoint_54.npz")
    check_refused(copy, "checkpoint_54.npz is not a checkpoint of a run", "checkpoint_48.npz")
    np.savez(copy / "checkpoint_54.npz", state=np.array([{}], dtype=object))
    check_refused(copy, "checkpoint_54.npz is not a checkpoint", "checkpoint_48.npz")


def test_no_checkpoint(tmp_path):
    np.savez(tmp_path / "checkpoint_1.npz", state="[1, 2")
    check_refused(tmp_path, "there is no earlier checkpoint")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Solver.resume(tmp_path / "nowhere", image_data())
    (tmp_path / "checkpoint_1.npz").unlink()
    check_refused(tmp_path, "no checkpoint_STEP.npz", error=FileNotFoundError)


# fmt: off
@pytest.mark.parametrize("name, change", [
    ("X_train", lambda X: np.where(np.arange(X.size).reshape(X.shape) == 7, X + 1e-3, X)),
    ("X_train", lambda X: X[[1, 0, *range(2, len(X))]]),
    ("X_val", lambda X: X.astype(np.float64)),
    ("y_val", lambda y: np.array([*y[:-1], y[-1] ^ 1])),
], ids=["number", "order", "dtype", "label"])
# fmt: on
def test_other_data(copy, name, change):
    data = image_data()
    Solver.resume(copy, data)
    check_refused(copy, "other data", "sha256", data=data | {name: change(data[name])})


def test_the_digest_does_not_depend_on_the_memory_layout():
    data = image_data()
    views = {name: np.asfortranarray(a) for name, a in data.items()}
    assert not views["X_train"].flags.c_contiguous
    assert run_state.data_digest(SimpleNamespace(**views)) == run_state.data_digest(SimpleNamespace(**data))


class Linear:
    """A model of somebody else's."""

    def __init__(self, classes=3):
        self.params = {"w": np.zeros((6, classes))}

    def loss(self, X, y=None):
        scores = X @ self.params["w"]
        if y is None:
            return scores
        loss, dscores = layer_utils.softmax_loss(scores, y)
        return loss, {"w": X.T @ dscores}


def noisy(X, rng):
    return X + rng.normal(size=X.shape)


def own_run(folder, epochs=4):
    options = {"num_epochs": epochs, "batch_size": 20, "update_rule": "adam", "optim_config": None}
    return run(Linear(), make_blobs()[0], rng=3, augment=noisy, run=folder, **options)


def test_a_model_and_an_augmentation_of_ones_own_are_handed_in(tmp_path):
    straight = own_run(tmp_path / "straight")
    own_run(tmp_path / "run", epochs=2)  # it stops half-way, as far as its last checkpoint knows
    path, data = tmp_path / "run" / "checkpoint_6.npz", make_blobs()[0]
    rewrite(path, lambda state: state["settings"].update(num_epochs=4))
    check_refused(path, "test_runs.Linear", "model=...", data=data, augment=noisy)
    check_refused(path, "test_runs.noisy", "augment=...", data=data, model=Linear())
    check_refused(path, "(6, 3)", "(6, 4)", data=data, model=Linear(4), augment=noisy)
    resumed = Solver.resume(path, data, model=Linear(), augment=noisy)
    resumed.train()
    assert resumed.model.params["w"].tobytes() == straight.model.params["w"].tobytes()
    assert resumed.loss_history == straight.loss_history
    with refused(ValueError, "Solver.load: ", "load_checkpoint(path, model)"):
        Solver.load(tmp_path / "run")


def test_a_setting_of_a_function_of_the_kit_is_not_forgotten(tmp_path):
    data, few = image_data(), partial(shift, pixels=1)
    run(net([5]), data, num_epochs=1, augment=few, run=tmp_path / "run")
    check_refused(tmp_path / "run", "augment.shift(pixels=1), got ", "augment.shift;", augment=shift)
    Solver.resume(tmp_path / "run", data, augment=few)
    resumed = Solver.resume(tmp_path / "run", data).augment
    assert (resumed.func, resumed.args, resumed.keywords) == (shift, (), {"pixels": 1})


def test_a_run_is_not_written_over(finished, tmp_path):
    with pytest.raises(FileExistsError, match=r"Solver: .* holds a run already .*Solver.resume\("):
        start(finished[1])
    start(tmp_path / "new")  # what is not trained leaves no trace
    assert not (tmp_path / "new").exists()


def test_a_stream_that_cannot_be_saved_is_refused_before_the_first_step(tmp_path):
    trained = start(tmp_path / "run", rng="RandomState")
    trained.rng = SimpleNamespace(permutation=np.random.permutation)
    with pytest.raises(TypeError, match="Generator or RandomState"):
        trained.train()
    assert trained.loss_history == []


def test_pack_keeps_every_bit():
    tree = {
        "npz": np.float32(0.1),
        "a": [np.zeros((0, 3)), {"npz": np.arange(6)[::-2]}, None],
        "b": {"x": 0.1 + 0.2, "big": 2**127 + 1, "inf": float("inf"), "text": "npz", "flag": True},
    }
    arrays = {}
    text = json.dumps(run_checkpoints.pack(tree, arrays))
    assert frozen(run_checkpoints.unpack(json.loads(text), arrays)) == frozen(tree)
    with pytest.raises(TypeError, match="its keys are text, got 1 in state/a"):
        run_checkpoints.pack({"a": {1: 2}}, {})


@pytest.mark.parametrize("value", [Path("x"), b"x", {1}, 1j, np.array([{}]), np.random.default_rng(3)])
def test_what_a_run_cannot_save_without_a_pickle_is_named(value):
    with refused(TypeError, "a run can save numbers, text,", "in state/a/0; try one of these"):
        run_checkpoints.pack({"a": [value]}, {})


def test_training_twice_is_one_history(tmp_path):
    trained = start(tmp_path / "run", num_epochs=2)
    trained.train()
    trained.train()
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [row["epoch"] + " " + row["step"] for row in rows] == ["1 6", "2 12", "3 18", "4 24"]
    names = [p.name for p in run_checkpoints.checkpoints(tmp_path / "run")]
    assert names == ["checkpoint_18.npz", "checkpoint_24.npz"]
