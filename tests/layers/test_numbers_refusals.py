# ruff: noqa: F401  layers are found by name, in the edition under test
"""What is no number, no label and no setting, over every layer and every argument: refused, and named."""

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.layer_utils import affine_norm_relu_dropout_forward, affine_relu_forward
from cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    svm_loss,
)
from cs231n.optim import sgd
from cs231n.solver import Solver
from tests.support import refused, unchanged
from tests.support.strategies import SEEDS, cases

EDITIONS = pytest.mark.usefixtures("edition")
N, D, M = 4, 3, 5
X, W, B, GAMMA, Y = np.ones((N, D)), np.ones((D, M)), np.ones(M), np.ones(D), np.arange(N) % D
HIDDEN = np.ones(M)


def backward_of(name):
    """(backward, dout, cache), made when called, so that they belong to the edition under test."""
    layers = globals()
    forward = {
        "affine": lambda: affine_forward(X, W, B),
        "relu": lambda: relu_forward(X),
        "batchnorm": lambda: batchnorm_forward(X, GAMMA, GAMMA, {"mode": "train"}),
        "layernorm": lambda: layernorm_forward(X, GAMMA, GAMMA, {}),
        "dropout": lambda: dropout_forward(X, {"mode": "train", "p": 0.5}),
    }[name.split("_")[0]]
    out, cache = forward()
    return layers[name], np.ones_like(out), cache


ARRAYS = {  # function: its arrays by name, and what follows them
    "affine_forward": ({"x": X, "w": W, "b": B}, []),
    "relu_forward": ({"x": X}, []),
    "softmax_loss": ({"x": X}, [Y]),
    "svm_loss": ({"x": X}, [Y]),
    "batchnorm_forward": ({"x": X, "gamma": GAMMA, "beta": GAMMA}, [{"mode": "train"}]),
    "layernorm_forward": ({"x": X, "gamma": GAMMA, "beta": GAMMA}, [{}]),
    "dropout_forward": ({"x": X}, [{"mode": "train", "p": 0.5}]),
    "affine_relu_forward": ({"x": X, "w": W, "b": B}, []),
    "affine_norm_relu_dropout_forward": (
        {"x": X, "w": W, "b": B, "gamma": HIDDEN, "beta": HIDDEN},
        [{"mode": "train"}, "batchnorm", {}],
    ),
}
BACKWARDS = [
    "affine_backward",
    "relu_backward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "layernorm_backward",
    "dropout_backward",
]
NO_NUMBERS = {
    "bool": lambda a: a.astype(bool),
    "int": lambda a: a.astype(int),
    "uint8": lambda a: a.astype(np.uint8),
    "float16": lambda a: a.astype(np.float16),
    "object": lambda a: a.astype(object),
    "text": lambda a: a.astype(str),
    "list": lambda a: a.tolist(),
    "none": lambda a: None,
    "number": lambda a: 1.0,
    "masked": lambda a: np.ma.masked_array(a.copy()),
    "time": lambda a: a.astype("M8[s]"),
    "bytes": lambda a: a.astype("S3"),
}
MISFITS = {
    "empty": lambda a: a[:0].copy(),
    "more-axes": lambda a: a[None].copy(),
    "longer": lambda a: np.repeat(a, 3, axis=0),
}


@EDITIONS
@cases(
    "arrays of layers, refused",
    function=st.sampled_from([*ARRAYS, *BACKWARDS]),
    spoil=st.sampled_from([*NO_NUMBERS, *MISFITS]),
    data=st.data(),
)
def test_arrays_that_are_none(function, spoil, data):
    """The message names the array, and nothing was changed."""
    if function in BACKWARDS:
        call, dout, cache = backward_of(function)
        named, rest, name = {"dout": dout}, [cache], "dout"
    else:
        (named, rest), call = ARRAYS[function], globals()[function]
        name = data.draw(st.sampled_from([*named]))
    wrong = {**NO_NUMBERS, **MISFITS}[spoil](named[name])
    assume(spoil not in MISFITS or name != "x" or fits_not(function, spoil))
    arguments = [wrong if key == name else a for key, a in named.items()]
    dicts = [dict(r) if isinstance(r, dict) else r for r in rest]
    with (
        unchanged(*[a for a in arguments if isinstance(a, np.ndarray)]),
        refused((TypeError, ValueError), f"{name}", ": ") as _,
    ):
        call(*arguments, *rest)
    if function not in BACKWARDS:
        assert [dict(r) if isinstance(r, dict) else r for r in rest] == dicts


def fits_not(function, spoil):
    """Whether x spoiled so is wrong: some functions take any shape, and any number of rows."""
    if spoil == "empty":
        return True
    return spoil == "more-axes" and function not in ("relu_forward", "dropout_forward")


LABELS = {
    "float": lambda y: y.astype(float),
    "text": lambda y: y.astype(str),
    "negative": lambda y: y - 1,
    "too-large": lambda y: y + 1,
    "one-hot": lambda y: np.eye(D, dtype=int)[y],
    "bool": lambda y: y > 0,
    "short": lambda y: y[:-1],
    "long": lambda y: np.append(y, 0),
    "column": lambda y: y[:, None],
    "list": lambda y: y.tolist(),
    "none": lambda y: None,
    "object": lambda y: y.astype(object),
    "huge": lambda y: np.where(y == 0, 2**63, y.astype(np.uint64)),
    "number": lambda y: 0,
    "nan": lambda y: np.where(y == 0, np.nan, y),
    "wrapped": lambda y: (y - 1).astype(np.uint8),
}


@cases(
    "labels, refused",
    spoil=st.sampled_from([*LABELS]),
    function=st.sampled_from(["softmax_loss", "svm_loss", "net", "two-layer", "accuracy"]),
)
def test_labels_that_are_none(function, spoil):
    wrong = LABELS[spoil](Y)
    if function == "accuracy" and spoil in ("list", "none"):  # a list of labels is taken there
        return
    net = FullyConnectedNet([4], input_dim=D, num_classes=D)
    call = {
        "net": net.loss,
        "two-layer": TwoLayerNet(D, 4, D).loss,
        "accuracy": lambda x, y: Solver(
            net, {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
        ).check_accuracy(x, y),
    }.get(function, globals().get(function))
    if spoil == "none" and function in ("net", "two-layer"):  # a call without labels asks for scores
        return
    with (
        unchanged(wrong),
        refused(
            (TypeError, ValueError), "label" if spoil in ("negative", "too-large", "huge", "wrapped") else "y"
        ),
    ):
        call(X, wrong)


@cases(
    "labels of any integer type",
    seed=SEEDS,
    reverse=st.booleans(),
    kind=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"]),
)
def test_labels_of_any_integer_type_mean_the_same(kind, seed, reverse):
    x, y = np.random.RandomState(seed).normal(size=(N, D)), Y[::-1] if reverse else Y
    for loss in (softmax_loss, svm_loss):
        with unchanged(x, y):
            (ours, dx), (same, dsame) = loss(x, y.astype(kind)), loss(x, y)
        assert ours == same and np.array_equal(dx, dsame)


BAD_COUNTS = st.sampled_from([np.nan, np.inf, -np.inf, -1, "1", None, 1j, True, np.ones(2), [0.5]])
BAD_NUMBERS = BAD_COUNTS | st.just(10**400)  # as a count it is merely large
SETTINGS = {
    ("batchnorm_forward", "eps"): {"mode": "train"},
    ("batchnorm_forward", "momentum"): {"mode": "train"},
    ("layernorm_forward", "eps"): {},
    ("dropout_forward", "p"): {"mode": "train"},
    ("dropout_forward", "seed"): {"mode": "train", "p": 0.5},
}


@EDITIONS
@cases("settings of layers, refused", which=st.sampled_from([*SETTINGS]), bad=BAD_NUMBERS)
def test_settings_that_are_none(which, bad):
    function, name = which
    if name == "seed" and bad is None:  # which asks for no seed
        return
    param = SETTINGS[which] | {name: bad}
    arguments = [X] if function == "dropout_forward" else [X, GAMMA, GAMMA]
    with unchanged(*arguments, param), refused((TypeError, ValueError), f"{function}: ", f"['{name}']"):
        globals()[function](*arguments, param)


@EDITIONS
@cases(
    "settings of layers, refused",
    bad=st.sampled_from(
        [np.array("train"), np.array(["train", "test"]), 1, True, ["train"], b"train", None, "TRAIN"]
    ),
    function=st.sampled_from(["batchnorm_forward", "dropout_forward", "sandwich"]),
)
def test_a_mode_that_is_none(function, bad):
    if function == "sandwich" and bad is None:
        return
    call = {
        "batchnorm_forward": lambda: batchnorm_forward(X, GAMMA, GAMMA, {"mode": bad}),
        "dropout_forward": lambda: dropout_forward(X, {"p": 0.5, "mode": bad}),
        "sandwich": lambda: affine_norm_relu_dropout_forward(
            X, W, B, HIDDEN, HIDDEN, {"mode": "train"}, bad, {}
        ),
    }[function]
    with refused(ValueError, "normalization" if function == "sandwich" else "['mode']", "must be one of"):
        call()


NET = {
    "reg": BAD_NUMBERS,
    "weight_scale": BAD_NUMBERS,
    "dropout_keep_ratio": BAD_NUMBERS,
    "label_smoothing": BAD_NUMBERS,
    "input_dim": BAD_COUNTS,
    "num_classes": BAD_COUNTS,
    "seed": st.sampled_from([-1, 2**32, 1.5, "1", np.nan, True]),
    "use_batchnorm": st.sampled_from(["no", "yes", 1, 0, "", np.ones(2)]),
    "normalization": st.sampled_from(["batch", 1, True, np.ones(2), np.array("batchnorm"), ["batchnorm"]]),
    "dtype": st.sampled_from([np.float16, int, "text", None, np.complex128]),
}


@cases("settings of nets, refused", name=st.sampled_from([*NET]), data=st.data())
def test_settings_of_nets_that_are_none(name, data):
    bad = data.draw(NET[name])
    with refused((TypeError, ValueError), "FullyConnectedNet: ", name):
        FullyConnectedNet([4], **{"input_dim": D, "num_classes": D, name: bad})
    if name in ("reg", "weight_scale", "input_dim", "num_classes"):
        with refused((TypeError, ValueError), "TwoLayerNet: ", name):
            TwoLayerNet(**{name: bad})


SOLVER = {
    **dict.fromkeys(["batch_size", "num_epochs", "print_every"], BAD_COUNTS),
    "lr_decay": BAD_NUMBERS,
    **dict.fromkeys(
        ["patience", "clip_norm", "num_train_samples", "num_val_samples"],
        BAD_COUNTS.filter(lambda v: v is not None),
    ),
    "seed": st.sampled_from([-1, 2**32, 1.5, "1", np.nan, True]),
    "update_rule": st.sampled_from(["Adam", sgd, None, np.array("sgd"), np.ones(2)]),
    "schedule": st.sampled_from(["step", None, np.array("cosine"), 1]),
}


@cases("settings of the Solver, refused", name=st.sampled_from([*SOLVER]), data=st.data())
def test_settings_of_the_solver_that_are_none(name, data):
    net = FullyConnectedNet([4], input_dim=D, num_classes=D)
    bad = data.draw(SOLVER[name])
    with refused((TypeError, ValueError), "Solver: ", name):
        Solver(net, {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}, **{name: bad})


def test_validation_data_that_does_not_go_with_the_rest():
    net = FullyConnectedNet([4], input_dim=D, num_classes=D)
    good = {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
    with refused(ValueError, "data['X_val'] must hold examples as large as those in", "(3,), got (2,)"):
        Solver(net, good | {"X_val": X[:, :2]})
    Solver(net, good | {"X_val": X.reshape(N, 1, D)})  # an image or its row
    before = {name: w.copy() for name, w in net.params.items()}
    solver = Solver(net, good | {"y_val": Y + 1}, verbose=False)
    with pytest.raises(ValueError, match="labels must be in 0..2, got y.2. = 3"):
        solver.train()
    assert all(np.array_equal(before[name], w) for name, w in net.params.items())
    assert solver.best_params.keys() == before.keys()


def test_dropout_and_its_newer_name_are_one_argument():
    """A dropout_keep_ratio of 1 is its default, so it counts as not given, as documented."""
    assert FullyConnectedNet([4], dropout=0.5, dropout_keep_ratio=1).dropout_param["p"] == 0.5
    with refused(ValueError, "two names of one argument"):
        FullyConnectedNet([4], dropout=0.5, dropout_keep_ratio=0.7)
