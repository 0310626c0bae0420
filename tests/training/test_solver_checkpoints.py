"""Checkpoints: what comes back is what was saved, and a foreign file changes nothing."""

import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver, load_checkpoint
from cs231n.training.checkpoint import save_checkpoint
from tests.support import arrays_in, make_blobs


def net(hidden=(8, 7), normalization="batchnorm", dtype=np.float32):
    return FullyConnectedNet(
        list(hidden), input_dim=6, num_classes=3, normalization=normalization, dtype=dtype, weight_scale=0.3
    )


def trained(folder, model, **more):
    """model after three epochs, and the stem of its checkpoints."""
    stem = folder / "deep" / "run"
    Solver(
        model, make_blobs()[0], num_epochs=3, batch_size=20, verbose=False, checkpoint_name=str(stem), **more
    ).train()
    return stem


def content(model):
    return {k: w.tobytes() for k, w in model.params.items()}, [
        {k: a.tobytes() for k, a in p.items() if k.startswith("running")} for p in model.bn_params
    ]


@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(tmp_path, normalization, dtype):
    model, measured = net(normalization=normalization, dtype=dtype), []
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
        fresh = net(normalization=normalization, dtype=dtype)
        load_checkpoint(f"{stem}_epoch_{epoch}.npz", fresh)
        assert content(fresh) == measured[epoch]
        assert all(a.dtype == dtype for a in arrays_in([fresh.params, fresh.bn_params]))


def test_training_goes_on_from_a_checkpoint(tmp_path):
    data = make_blobs()[0]
    options = {
        "batch_size": 20,
        "verbose": False,
        "update_rule": "adam",
        "optim_config": {"learning_rate": 0.02},
    }
    first = Solver(net(), data, num_epochs=10, checkpoint_name=str(tmp_path / "run"), **options)
    first.train()
    fresh = net()
    fresh.loss(data["X_train"], data["y_train"])  # statistics for a first guess
    solver = Solver(fresh, data, num_epochs=1, **options)
    untrained = solver.check_accuracy(data["X_val"], data["y_val"])
    load_checkpoint(tmp_path / "run_epoch_10.npz", fresh)
    loaded = solver.check_accuracy(data["X_val"], data["y_val"])
    assert loaded == first.val_acc_history[-1] > untrained + 0.2
    solver.train()
    assert solver.loss_history[0] < 0.5 * first.loss_history[0]
    assert abs(solver.loss_history[0] - np.mean(first.loss_history[-3:])) < 0.1  # the losses of one epoch


FOREIGN = {
    "another-size": lambda: net(hidden=(8, 6)),
    "another-depth": lambda: net(hidden=(8,)),
    "no-normalization": lambda: net(normalization=None),
    "layernorm": lambda: net(normalization="layernorm"),
}


@pytest.mark.parametrize("other", FOREIGN.values(), ids=FOREIGN)
def test_the_file_of_another_model_is_refused(tmp_path, other):
    path = f"{trained(tmp_path, net())}_epoch_1.npz"
    model = other()
    before = content(model)
    with pytest.raises(
        ValueError, match="load_checkpoint: .*run_epoch_1.npz.*try the model it was written by"
    ):
        load_checkpoint(path, model)
    assert content(model) == before


def test_a_file_without_statistics_is_refused_by_a_batchnorm_net(tmp_path):
    stored = f"{trained(tmp_path, net())}_epoch_1.npz"
    for name in ("running", "bn_params/0", "bn_params/1/running_var"):
        path, model = tmp_path / "partly.npz", net()
        rewrite(stored, path, lambda key, a, name=name: None if name in key else a)
        trained(tmp_path / "other", model)
        check_refused(path, model, "running_(mean|var) missing, the model has ")


WRONG_STATISTICS = {
    "size": lambda a: a[:3],
    "column": lambda a: a[:, None],
    "number": lambda a: np.float32(1),
    "text": lambda a: a.astype(str),
}


@pytest.mark.parametrize("spoil", WRONG_STATISTICS.values(), ids=WRONG_STATISTICS)
@pytest.mark.parametrize("name", ["bn_params/0/running_mean", "bn_params/1/running_var", "params/b2"])
def test_a_file_with_spoilt_arrays_is_refused(tmp_path, name, spoil):
    stored = f"{trained(tmp_path, net())}_epoch_1.npz"
    path, model = tmp_path / "spoilt.npz", net()
    rewrite(stored, path, lambda key, a: spoil(a) if key == name else a)
    trained(tmp_path / "other", model)
    check_refused(path, model, f"{name} .*, the model has")


def rewrite(stored, path, change):
    """The file stored, each array as change(key, array) has it, or left out where that is None."""
    with np.load(stored) as file:
        arrays = {key: change(key, file[key]) for key in file.files}
    np.savez(path, **{key: a for key, a in arrays.items() if a is not None})


def check_refused(path, model, words):
    before = content(model)
    with pytest.raises(ValueError, match=f"load_checkpoint: .*{path.name} has .*{words}"):
        load_checkpoint(path, model)
    assert content(model) == before


def test_a_model_with_names_of_its_own_comes_back(tmp_path):
    def make():
        return SimpleNamespace(params={"w": np.zeros((6, 3))}, bn_params=[{"running_mean": np.ones(4)}, {}])

    model, fresh = make(), make()
    model.params["w"] += 2
    model.bn_params[0]["running_mean"] *= 5
    save_checkpoint(tmp_path / "own.npz", model)
    load_checkpoint(tmp_path / "own.npz", fresh)
    assert content(fresh) == content(model)


@pytest.mark.parametrize("blocked", ["folder-is-a-file", "nobody-may-write"])
def test_where_nothing_can_be_written_nothing_is_trained(tmp_path, monkeypatch, blocked):
    stem = tmp_path / "taken" / "run"
    if blocked == "folder-is-a-file":
        stem.parent.write_text("not a folder")
    else:

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    model, data = net(), make_blobs()[0]
    before = content(model)
    solver = Solver(model, data, num_epochs=1, verbose=False, checkpoint_name=str(stem))
    with pytest.raises(OSError, match="Solver.train: cannot write .*taken.*try another checkpoint_name"):
        solver.train()
    assert solver.loss_history == [] and content(model) == before


def test_the_model_keeps_its_dtype(tmp_path):
    path = f"{trained(tmp_path, net(dtype=np.float64))}_epoch_1.npz"
    model = net(dtype=np.float32)
    load_checkpoint(path, model)
    assert all(a.dtype == np.float32 for a in arrays_in([model.params, model.bn_params]))


def write_npz(path):
    np.savez(path, W1=np.zeros((6, 8)))


def write_npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def write_pickle(path):
    np.savez(path, **{"params/W1": np.array([{}], dtype=object)})


@pytest.mark.parametrize(
    "write",
    [
        write_npz,
        write_npy,
        write_pickle,
        lambda p: p.write_bytes(b"no archive"),
        lambda p: p.write_bytes(b""),
    ],
    ids=["other-npz", "npy", "pickled", "text", "empty"],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, write):
    path, model = tmp_path / "x.npz", net()
    write(path)
    before = content(model)
    with pytest.raises(ValueError):
        load_checkpoint(path, model)
    assert content(model) == before


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        load_checkpoint(tmp_path / "nowhere.npz", net())


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    stem = trained(tmp_path, net())
    kept = {p: p.read_bytes() for p in stem.parent.iterdir()}

    def half_a_file(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        trained(tmp_path, net())
    assert {p: p.read_bytes() for p in stem.parent.iterdir()} == kept
