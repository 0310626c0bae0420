"""Training on bad numbers, and on sets of an odd size: the right result, or an error that says so."""

import warnings

import numpy as np
import pytest

from cs231n import fast_layers, layer_utils
from cs231n.solver import Solver
from cs231n.training import run_folder
from tests.support import make_blobs, refused
from tests.support.resume_child import frozen, no_picture
from tests.support.scripted import net, solver_of
from tests.support.tally import tried

pytestmark = pytest.mark.reliability

KINDS = [(layers, norm) for layers in (layer_utils, fast_layers) for norm in (None, "batchnorm", "layernorm")]
every_kind = pytest.mark.parametrize(
    "layers, norm", KINDS, ids=[f"{layers.__name__[7:]}-{norm}" for layers, norm in KINDS]
)


def blobs(**changed):
    """The blobs, with some arrays as a function of theirs has it."""
    data = make_blobs(dtype=np.float32)[0]
    return data | {name: change(data[name].copy()) for name, change in changed.items()}


def solver_for(data, layers, norm, num_classes=3, **more):
    model = net(np.float32, norm, num_classes=num_classes, layers=layers, rng=np.random.RandomState(1))
    rule = {"update_rule": "adam", "optim_config": {"learning_rate": 1e-2}}
    return solver_of(model, data, **{"batch_size": 20, "num_epochs": 20, "rng": 0, **rule, **more})


def setting(value, *where):
    """A function that puts value there into an array."""

    def change(a):
        a[where or ...] = value
        return a

    return change


@every_kind
@pytest.mark.parametrize("part", ["X_train", "X_val"])
@pytest.mark.parametrize("where", [(), (7, 2), (-1, -1)], ids=str)
def test_images_that_are_not_finite(part, layers, norm, where):
    for value in (np.nan, np.inf, -np.inf):
        hint = f"try to leave out that example and its label, or to correct what made it {value}"
        with tried("Training", "NaN or infinity in the data"):
            with refused(ValueError, "Solver: ", part, "in example", hint):
                solver_for(blobs(**{part: setting(value, *where)}), layers, norm)


LABELS = {
    "nan": lambda y: setting(np.nan, 5)(y.astype(float)),
    "float": lambda y: y.astype(float),
    "negative": setting(-1, 7),
    "text": lambda y: y.astype(str),
    "one-hot": lambda y: np.eye(3, dtype=int)[y],
}


@every_kind
@pytest.mark.parametrize("part", ["y_train", "y_val"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_that_mean_nothing(part, layers, norm, labels):
    with tried("Training", "invalid labels"), refused((TypeError, ValueError), part):
        solver_for(blobs(**{part: labels}), layers, norm)


@every_kind
@pytest.mark.parametrize("part", ["y_train", "y_val"])
@pytest.mark.parametrize("where", [0, 31, -1])
def test_a_label_too_high_shows_in_the_first_step(part, layers, norm, where):
    solver = solver_for(blobs(**{part: setting(3, where)}), layers, norm, num_train_samples=10)
    before = frozen(solver.model.params)
    with tried("Training", "invalid labels"):
        with pytest.raises(ValueError, match=r"labels must be in 0\.\.2, got y\[\d+\] = 3"):
            solver.train()
        assert frozen(solver.model.params) == before and len(solver.loss_history) <= 1


@every_kind
def test_nan_that_comes_up_at_a_step(layers, norm, many):
    for step in range(1, 60) if many else (1, 2, 31):
        calls = iter(range(1, 61))

        def poisoned(X, rng, calls=calls, step=step):
            return X * (np.nan if next(calls) == step else 1)

        solver = solver_for(blobs(), layers, norm, augment=poisoned)
        before = frozen(solver.model.params)
        with tried("Training", "NaN at a step of training"):
            with pytest.warns(RuntimeWarning, match=f"loss is nan at iteration {step}, so the run ends here"):
                solver.train()
            assert len(solver.loss_history) == step - 1
            if step == 1:
                assert frozen(solver.model.params) == before
            else:
                assert solver.check_accuracy(solver.X_val, solver.y_val) == solver.best_val_acc


@every_kind
def test_a_batch_larger_than_the_set_is_the_set(layers, norm):
    whole, larger = [solver_for(blobs(), layers, norm, batch_size=size) for size in (60, 10**9)]
    with tried("Training", "a batch larger than the set"):
        whole.train()
        larger.train()
        assert frozen(whole.model.params) == frozen(larger.model.params)
        assert whole.loss_history == larger.loss_history and len(whole.loss_history) == 20


@every_kind
def test_one_class_only(layers, norm):
    solver = solver_for(blobs(y_train=setting(1), y_val=setting(1)), layers, norm)
    with tried("Training", "one class only"):
        solver.train()
        assert solver.best_val_acc == 1 and solver.loss_history[-1] < 0.5 * solver.loss_history[0]
    solver = solver_for(blobs(y_train=setting(0), y_val=setting(0)), layers, norm, num_classes=1)
    before = frozen(solver.model.params)
    with tried("Training", "one class only"):  # the only one there is: nothing to learn
        solver.train()
        assert solver.best_val_acc == 1 and set(solver.loss_history) == {0}
        assert frozen(solver.model.params) == before


@every_kind
def test_zero_epochs(layers, norm, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)
    for batch_size in (20, 1):  # and no warning of a batch of one, for there is none
        folder = tmp_path / str(batch_size)
        solver = solver_for(blobs(), layers, norm, num_epochs=0, batch_size=batch_size, run=folder)
        before = frozen(solver.model.params)
        with tried("Training", "zero epochs"), warnings.catch_warnings():
            warnings.simplefilter("error")
            solver.train()
            Solver.resume(folder, blobs()).train()
            assert frozen(solver.model.params) == before and solver.loss_history == []


@every_kind
def test_an_empty_set(layers, norm):
    for part in ("train", "val"):
        empty = {f"{name}_{part}": lambda a: a[:0] for name in "Xy"}
        with tried("Training", "an empty set"), refused(ValueError, f"X_{part}", "at least one", "try"):
            solver_for(blobs(**empty), layers, norm)


@every_kind
def test_one_image(layers, norm):
    first = {name: lambda a: a[:1] for name in ("X_train", "y_train")}
    solver = solver_for(blobs(**first), layers, norm, num_epochs=100)
    with tried("Training", "one training image, batches of one"):
        if norm == "batchnorm":
            with pytest.warns(RuntimeWarning, match="Solver.train: a batch of one example .* try more"):
                solver.train()
        else:
            solver.train()
            assert solver.loss_history[-1] < 0.1 and solver.train_acc_history[-1] == 1
        assert len(solver.loss_history) == 100


@every_kind
def test_batches_of_one(layers, norm):
    """Under batchnorm each example becomes beta, so the losses are those of any other images: it warns."""
    losses, case = [], tried("Training", "one training image, batches of one")
    with case, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for data in (blobs(), blobs(X_train=lambda X: X[::-1] - 3)):
            solver = solver_for(data, layers, norm, batch_size=1, num_epochs=2, update_rule="sgd")
            solver.train()
            losses.append(solver.loss_history)
        same = np.allclose(*losses, rtol=1e-6)
        assert same == (norm == "batchnorm")
        assert [w.filename for w in caught] == [__file__] * 2 * same
