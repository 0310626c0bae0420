"""Checkpoints: what comes back is what was saved, and a foreign file changes nothing."""

import numpy as np
import pytest
from conftest import arrays_in, make_blobs

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver, load_checkpoint


def net(hidden=(8, 7), normalization="batchnorm", dtype=np.float32):
    return FullyConnectedNet(list(hidden), input_dim=6, num_classes=3, normalization=normalization,
                             dtype=dtype,
                             weight_scale=0.3)


def trained(folder, model, **more):
    """model after three epochs, and the stem of its checkpoints."""
    stem = folder / "deep" / "run"
    Solver(model, make_blobs()[0], num_epochs=3, batch_size=20, verbose=False, checkpoint_name=str(stem),
           **more).train()
    return stem


def content(model):
    return {k: w.tobytes() for k, w in model.params.items()}, [
        {k: a.tobytes() for k, a in p.items() if k.startswith("running")} for p in model.bn_params]


@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(tmp_path, normalization, dtype):
    model, measured = net(normalization=normalization, dtype=dtype), []
    loss = model.loss

    def watched(X, y=None):
        if y is None and len(X) == 40:      # the validation set: what is saved is what was measured
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
    stem = trained(tmp_path, net())
    fresh = net()
    load_checkpoint(f"{stem}_epoch_3.npz", fresh)
    data = make_blobs()[0]
    solver = Solver(fresh, data, num_epochs=1, batch_size=20, verbose=False)
    before = solver.check_accuracy(data["X_val"], data["y_val"])
    solver.train()
    assert solver.best_val_acc >= before - 0.1


FOREIGN = {
    "another-size": lambda: net(hidden=(8, 6)), "another-depth": lambda: net(hidden=(8,)),
    "no-normalization": lambda: net(normalization=None), "layernorm": lambda: net(normalization="layernorm"),
}


@pytest.mark.parametrize("other", FOREIGN.values(), ids=FOREIGN)
def test_the_file_of_another_model_is_refused(tmp_path, other):
    path = f"{trained(tmp_path, net())}_epoch_1.npz"
    model = other()
    before = content(model)
    with pytest.raises(ValueError,
                       match="load_checkpoint: .*run_epoch_1.npz.*try the model it was written by"):
        load_checkpoint(path, model)
    assert content(model) == before


def test_a_file_without_statistics_is_refused_by_a_batchnorm_net(tmp_path):
    path = f"{trained(tmp_path, net(normalization='layernorm'))}_epoch_1.npz"
    model = net()
    trained(tmp_path / "other", model)
    before = content(model)
    with pytest.raises(ValueError, match="load_checkpoint"):
        load_checkpoint(path, model)
    assert content(model) == before


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


@pytest.mark.parametrize("write", [write_npz, write_npy, write_pickle, lambda p: p.write_bytes(b"no archive"),
                                   lambda p: p.write_bytes(b"")],
                         ids=["other-npz", "npy", "pickled", "text", "empty"])
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
