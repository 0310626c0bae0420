"""Checkpoints: what comes back is what was saved, and a foreign file changes nothing."""

import tempfile
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import load_checkpoint
from cs231n.training.checkpoint import load_model, save_checkpoint
from tests.support import arrays_in, make_blobs
from tests.support.scripted import net, run, solver_of


def float32_net(normalization="batchnorm", **more):
    return net(np.float32, normalization, **more)


def trained(folder, model=None):
    """A model after three epochs, and the stem of its checkpoints."""
    stem = folder / "deep" / "run"
    run(model or float32_net(), make_blobs()[0], num_epochs=3, batch_size=20, checkpoint_name=stem)
    return stem


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The path of a checkpoint of float32_net."""
    return trained(tmp_path_factory.mktemp("stored")).with_name("run_epoch_1.npz")


def content(model):
    return {k: w.tobytes() for k, w in model.params.items()}, [
        {k: a.tobytes() for k, a in p.items() if k.startswith("running")} for p in model.bn_params
    ]


def check_refused(path, model, words):
    before = content(model)
    with pytest.raises(ValueError, match=f"load_checkpoint: .*{path.name} .*{words}"):
        load_checkpoint(path, model)
    assert content(model) == before


@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(tmp_path, normalization, dtype):
    model, measured = net(dtype, normalization), []
    loss = model.loss

    def watched(X, y=None):
        if y is None and len(X) == 40:  # the validation set: what is saved is what was measured
            measured.append(content(model))
        return loss(X, y)

    model.loss = watched
    stem = trained(tmp_path, model)
    assert sorted(p.name for p in stem.parent.iterdir()) == [f"run_epoch_{e}.npz" for e in (1, 2, 3)]
    assert len(measured) == 4
    for epoch in (1, 2, 3):
        fresh = net(dtype, normalization)
        load_checkpoint(f"{stem}_epoch_{epoch}.npz", fresh)
        assert content(fresh) == measured[epoch]
        assert all(a.dtype == dtype for a in arrays_in([fresh.params, fresh.bn_params]))


OTHER_NETS = [{"hidden": (8, 6)}, {"hidden": (8,)}, {"normalization": None}, {"normalization": "layernorm"}]


@pytest.mark.parametrize("change", OTHER_NETS, ids=str)
def test_the_file_of_another_model_is_refused(stored, change):
    check_refused(stored, float32_net(**change), "try the model it was written by")


def without(name):
    return lambda key, a: None if name in key else a


def spoilt(name, change):
    return lambda key, a: change(a) if key == name else a


# fmt: off
@pytest.mark.parametrize("change, words", [
    *((without(name), "has .*running_(mean|var) missing, the model has ")
      for name in ("running", "bn_params/0", "bn_params/1/running_var")),
    *((spoilt(name, change), f"has {name} .*, the model has")
      for name in ("bn_params/0/running_mean", "bn_params/1/running_var", "params/b2")
      for change in (lambda a: a[:3], lambda a: a[:, None], lambda a: a[0], lambda a: a.astype(str))),
])
# fmt: on
def test_a_file_with_other_arrays_is_refused(tmp_path, stored, change, words):
    """By a model that has statistics, so that it is seen to keep them."""
    with np.load(stored) as file:
        arrays = {key: change(key, file[key]) for key in file.files}
    np.savez(tmp_path / "x.npz", **{key: a for key, a in arrays.items() if a is not None})
    model, data = float32_net(), make_blobs(dtype=np.float32)[0]
    model.loss(data["X_train"], data["y_train"])
    check_refused(tmp_path / "x.npz", model, words)


# fmt: off
@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm"])
@pytest.mark.parametrize("name, default, other", [("eps", 1e-5, 1e-3), ("momentum", 0.9, 0.5)])
# fmt: on
def test_another_setting_of_a_norm_is_refused_by_name(tmp_path, normalization, name, default, other):
    class Own(FullyConnectedNet):
        """No net of this kit."""

    for kind in (FullyConnectedNet, Own):
        model, again = (kind([8, 7], 6, 3, normalization=normalization) for _ in range(2))
        model.loss(np.ones((4, 6)), np.arange(4) % 3)
        model.bn_params[1][name] = np.float64(other)
        save_checkpoint(tmp_path / "other.npz", model)
        words = f"bn_params/1/{name} {other}, the model has {default}; try {name}={other} in its bn_params"
        check_refused(tmp_path / "other.npz", again, words)
        again.bn_params[1][name] = other
        load_checkpoint(tmp_path / "other.npz", again)
        again.bn_params[0][name] = default  # which is what it has without
        load_checkpoint(tmp_path / "other.npz", again)
        again.bn_params[0][name] = np.float32(0.1)  # which is another number than 0.1
        check_refused(tmp_path / "other.npz", again, f"bn_params/0/{name} {default}, the model has 0.1000")


def test_statistics_in_a_dict_of_any_order(tmp_path):
    def make(names):
        return SimpleNamespace(
            params={f"gamma{i}": np.ones(i) for i in range(1, 12)},
            normalization="batchnorm",
            bn_params={
                f"bn_param{i}": {"running_mean": np.full(i, 1.0 * i), "running_var": np.ones(i)}
                for i in names
            },
        )

    ordered = make(range(1, 12))
    save_checkpoint(tmp_path / "x.npz", make(sorted(range(1, 12), key=str)))
    for p in ordered.bn_params.values():
        p["running_mean"] *= 0
    load_checkpoint(tmp_path / "x.npz", ordered)
    for i in range(1, 12):
        assert (ordered.bn_params[f"bn_param{i}"]["running_mean"] == i).all()


def test_what_layers_leave_in_a_bn_param_spoils_no_file(tmp_path):
    model = float32_net()
    model.loss(np.ones((4, 6)), np.arange(4) % 3)
    model.bn_params[0] |= {"cache": (np.ones(3), {}), "eps": np.float64(1e-5)}
    save_checkpoint(tmp_path / "x.npz", model)
    load_checkpoint(tmp_path / "x.npz", float32_net())
    load_model(tmp_path / "x.npz")


def test_a_model_with_names_of_its_own_comes_back(tmp_path):
    def make(scale):
        bn_params = [{"running_mean": scale * np.ones(4)}, {}]
        return SimpleNamespace(params={"w": np.full((6, 3), scale)}, bn_params=bn_params)

    model, fresh = make(2.0), make(1.0)
    save_checkpoint(tmp_path / "own.npz", model)
    load_checkpoint(tmp_path / "own.npz", fresh)
    assert content(fresh) == content(model)


@pytest.mark.parametrize(
    "option, denied", [("run", False), ("checkpoint_name", False), ("checkpoint_name", True)]
)
def test_where_nothing_can_be_written_nothing_is_trained(tmp_path, monkeypatch, blobs, option, denied):
    if not denied:
        (tmp_path / "taken").write_text("not a folder")
    else:
        monkeypatch.setattr(tempfile, "TemporaryFile", Mock(side_effect=PermissionError(13, "denied")))
    solver = solver_of(float32_net(), blobs[0], **{option: tmp_path / "taken" / "run"})
    before = content(solver.model)
    with pytest.raises(OSError, match=f"Solver.train: cannot write .*taken.*try another {option}"):
        solver.train()
    assert solver.loss_history == [] and content(solver.model) == before


def test_the_model_keeps_its_dtype(tmp_path):
    model = float32_net()
    load_checkpoint(f"{trained(tmp_path, net())}_epoch_1.npz", model)
    assert all(a.dtype == np.float32 for a in arrays_in([model.params, model.bn_params]))


# fmt: off
@pytest.mark.parametrize("write", [
    lambda path: np.savez(path, W1=np.zeros((6, 8))),
    lambda path: np.save(path.open("wb"), np.zeros(3)),
    lambda path: np.savez(path, **{"params/W1": np.array([{}], dtype=object)}),
    lambda path: path.write_bytes(b"no archive"),
    lambda path: path.write_bytes(b""),
    lambda path: np.savez(path, normalization="None", model="{"),
    lambda path: np.savez(path, normalization="None", model="[1]"),
], ids=["other-npz", "npy", "pickled", "text", "empty", "no-json", "list"])
# fmt: on
def test_what_is_no_checkpoint_is_refused(tmp_path, write):
    write(tmp_path / "x.npz")
    check_refused(tmp_path / "x.npz", float32_net(), "is not a checkpoint")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        load_checkpoint(tmp_path / "nowhere.npz", float32_net())
