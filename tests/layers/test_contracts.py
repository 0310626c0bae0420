"""What a wrong call is told: who refuses which argument, what it got and wanted; and that nothing moved."""

import numpy as np
import pytest

from cs231n import layers
from cs231n.contracts import (
    require,
    require_choice,
    require_count,
    require_labels,
    require_number,
    require_options,
)
from tests.support import problem, refused, unchanged

X, GAMMA, BETA = np.ones((4, 3)), np.ones(3), np.zeros(3)
W, B, Y = np.ones((3, 5)), np.zeros(5), np.array([0, 1, 2, 0])

REFUSED = {
    # affine
    "affine-x-list": ("affine_forward", [X.tolist(), W, B], TypeError, ["x", "numpy array", "list"]),
    "affine-x-integers": (
        "affine_forward",
        [X.astype(int), W, B],
        TypeError,
        ["x", "int64", "x.astype(np.float64)"],
    ),
    "affine-x-too-wide": (
        "affine_forward",
        [np.ones((4, 2, 2)), W, B],
        ValueError,
        ["w", "(4, M)", "x (4, 2, 2)", "4 numbers an example", "(3, 5)"],
    ),
    "affine-x-empty": ("affine_forward", [np.ones((0, 3)), W, B], ValueError, ["x", "empty", "(0, 3)"]),
    "affine-x-number": ("affine_forward", [np.ones(()), W, B], ValueError, ["x", "(N, D...)", "()"]),
    "affine-w-flat": ("affine_forward", [X, np.ones(3), B], ValueError, ["w", "(D, M)", "(3,)"]),
    "affine-w-integers": ("affine_forward", [X, W.astype(int), B], TypeError, ["w", "int64"]),
    "affine-b-column": (
        "affine_forward",
        [X, W, B[:, None]],
        ValueError,
        ["b", "(5,)", "(5, 1)", "reshape(-1)"],
    ),
    "affine-b-short": ("affine_forward", [X, W, np.zeros(4)], ValueError, ["b", "(5,)", "w (3, 5)", "(4,)"]),
    # relu and dropout
    "relu-integers": ("relu_forward", [X.astype(int)], TypeError, ["x", "int64"]),
    "relu-none": ("relu_forward", [None], TypeError, ["x", "NoneType"]),
    "dropout-p-zero": (
        "dropout_forward",
        [X, {"mode": "train", "p": 0}],
        ValueError,
        ["'p'", "keep", "above 0", "0"],
    ),
    "dropout-p-big": (
        "dropout_forward",
        [X, {"mode": "train", "p": 1.5}],
        ValueError,
        ["'p'", "at most 1", "1.5"],
    ),
    "dropout-p-nan": ("dropout_forward", [X, {"mode": "train", "p": np.nan}], ValueError, ["'p'", "nan"]),
    "dropout-p-missing": ("dropout_forward", [X, {"mode": "train"}], TypeError, ["'p'", "None"]),
    "dropout-p-text": ("dropout_forward", [X, {"mode": "train", "p": "half"}], TypeError, ["'p'", "'half'"]),
    "dropout-mode-typo": (
        "dropout_forward",
        [X, {"mode": "tarin", "p": 0.5}],
        ValueError,
        ["'mode'", "'tarin'", "'train', 'test'"],
    ),
    "dropout-mode-missing": ("dropout_forward", [X, {"p": 0.5}], ValueError, ["'mode'", "'train', 'test'"]),
    "dropout-unknown": (
        "dropout_forward",
        [X, {"mode": "train", "keep": 0.5}],
        ValueError,
        ["'keep'", "p, mode"],
    ),
    "dropout-no-dict": ("dropout_forward", [X, 0.5], TypeError, ["dropout_param", "dict", "float"]),
    "dropout-seed": (
        "dropout_forward",
        [X, {"mode": "train", "p": 0.5, "seed": -1}],
        ValueError,
        ["seed", "-1"],
    ),
    "dropout-rng": ("dropout_forward", [X, {"mode": "train", "p": 0.5, "rng": 3}], TypeError, ["rng", "3"]),
    # losses
    "softmax-labels-float": (
        "softmax_loss",
        [X, Y.astype(float)],
        TypeError,
        ["y", "float64", "astype(np.int64)"],
    ),
    "softmax-label-high": ("softmax_loss", [X, Y + 1], ValueError, ["labels", "0..2", "y[2] = 3", "1 of 4"]),
    "softmax-label-low": ("softmax_loss", [X, Y - 1], ValueError, ["labels", "0..2", "y[0] = -1", "2 of 4"]),
    "softmax-one-hot": ("softmax_loss", [X, np.eye(4, 3, dtype=int)], ValueError, ["y", "(4,)", "argmax"]),
    "softmax-labels-short": ("softmax_loss", [X, Y[:3]], ValueError, ["y", "(4,)", "(3,)"]),
    "softmax-flat": ("softmax_loss", [np.ones(3), Y], ValueError, ["x", "(N, C)", "(3,)"]),
    "svm-label-high": ("svm_loss", [X, Y + 7], ValueError, ["labels", "0..2", "y[0] = 7"]),
    "svm-list": ("svm_loss", [X, [0, 1, 2, 0]], TypeError, ["y", "list; try np.array(y, dtype=np.int64)"]),
    "svm-none": ("svm_loss", [X, None], TypeError, ["y must be an array of integer labels, got NoneType"]),
    # normalization
    "batchnorm-mode-missing": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {}],
        ValueError,
        ["'mode'", "'train', 'test'", "None"],
    ),
    "batchnorm-mode-typo": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {"mode": "eval"}],
        ValueError,
        ["'mode'", "'eval'"],
    ),
    "batchnorm-unknown": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {"mode": "train", "epsilon": 1}],
        ValueError,
        ["'epsilon'", "eps, momentum"],
    ),
    "batchnorm-no-dict": (
        "batchnorm_forward",
        [X, GAMMA, BETA, "train"],
        TypeError,
        ["bn_param", "dict", "str"],
    ),
    "batchnorm-eps": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {"mode": "train", "eps": -1e-5}],
        ValueError,
        ["'eps'", "at least 0", "-1e-05"],
    ),
    "batchnorm-momentum": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {"mode": "train", "momentum": 1.1}],
        ValueError,
        ["'momentum'", "at most 1", "1.1"],
    ),
    "batchnorm-images": (
        "batchnorm_forward",
        [np.ones((4, 3, 2)), GAMMA, BETA, {"mode": "train"}],
        ValueError,
        ["x", "(N, D)", "(4, 3, 2)", "x.reshape(len(x), -1)"],
    ),
    "batchnorm-gamma-per-row": (
        "batchnorm_forward",
        [X, np.ones(4), BETA, {"mode": "train"}],
        ValueError,
        ["gamma", "(3,)", "x (4, 3)", "(4,)"],
    ),
    "batchnorm-beta-row": (
        "batchnorm_forward",
        [X, GAMMA, np.zeros((1, 3)), {"mode": "train"}],
        ValueError,
        ["beta", "(3,)", "(1, 3)", "reshape(-1)"],
    ),
    "batchnorm-empty": (
        "batchnorm_forward",
        [np.ones((0, 3)), GAMMA, BETA, {"mode": "train"}],
        ValueError,
        ["x", "empty", "(0, 3)"],
    ),
    "batchnorm-running": (
        "batchnorm_forward",
        [X, GAMMA, BETA, {"mode": "test", "running_mean": np.zeros(4), "running_var": np.ones(3)}],
        ValueError,
        ["running_mean", "(3,)", "(4,)"],
    ),
    "layernorm-eps": (
        "layernorm_forward",
        [X, GAMMA, BETA, {"eps": "small"}],
        TypeError,
        ["'eps'", "'small'"],
    ),
    "layernorm-gamma": (
        "layernorm_forward",
        [X, np.ones(4), BETA, {}],
        ValueError,
        ["gamma", "(3,)", "(4,)"],
    ),
    "layernorm-none": ("layernorm_forward", [X, GAMMA, BETA, None], TypeError, ["ln_param", "NoneType"]),
}


@pytest.mark.parametrize("layer, arguments, error, fragments", REFUSED.values(), ids=REFUSED)
def test_layers_refuse_before_anything_moves(layer, arguments, error, fragments):
    dicts = [dict(a) for a in arguments if isinstance(a, dict)]
    with unchanged(*arguments), refused(error, f"{layer}: ", *fragments):
        getattr(layers, layer)(*arguments)
    assert [a for a in arguments if isinstance(a, dict)] == dicts or "running_mean" in dicts[0]


BACKWARDS = [
    "affine_backward",
    "relu_backward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "layernorm_backward",
    "dropout_backward",
]


def caches():
    p = problem((4, 3))
    return {
        "affine": layers.affine_forward(p.x, W, B)[1],
        "relu": layers.relu_forward(p.x)[1],
        "batchnorm": layers.batchnorm_forward(p.x, GAMMA, BETA, {"mode": "train"})[1],
        "layernorm": layers.layernorm_forward(p.x, GAMMA, BETA, {})[1],
        "dropout": layers.dropout_forward(p.x, {"mode": "train", "p": 0.5})[1],
    }


@pytest.mark.parametrize("backward", BACKWARDS[1:])  # a product of matrices refuses by itself
def test_backwards_refuse_another_upstream(backward):
    cache = caches()[backward.split("_")[0]]
    right = (4, 5) if backward == "affine_backward" else (4, 3)
    for wrong in (right[::-1], (1, right[1]), (right[0], 1), right[1:], (*right, 1)):
        hint = "; try dout.T" if wrong == right[::-1] else "; try the "
        with refused(ValueError, f"{backward}: ", "dout", str(right), str(wrong), hint):
            getattr(layers, backward)(np.ones(wrong), cache)
    for wrong in (1.0, None, np.ones(right, int)):
        with refused(TypeError, f"{backward}: ", "dout"):
            getattr(layers, backward)(wrong, cache)


def test_dropout_in_mode_test_still_asks_for_an_upstream():
    cache = layers.dropout_forward(X, {"mode": "test", "p": 0.5})[1]
    for wrong in (None, 1.0, X.tolist(), X.astype(int)):
        with refused(TypeError, "dropout_backward: ", "dout", "; try " if wrong is not None else ""):
            layers.dropout_backward(wrong, cache)


@pytest.mark.parametrize(
    "spec, shapes, complaint",
    [
        ("a (N, D)", [(2, 3)], None),
        ("a (N, D), b (D,)", [(2, 3), (3,)], None),
        ("a (...)", [()], None),
        ("a (N, ...)", [(2,)], None),
        ("a (N, ...), b (N,)", [(2, 9, 9), (2,)], None),
        ("a (N, D)", [(2,)], "a must be (N, D), got (2,)"),
        ("a (N, D), b (D,)", [(2, 3), (2,)], "b must be (D,) = (3,) to go with a (2, 3), got (2,)"),
        ("a (N, D), b (D, N)", [(2, 3), (2, 3)], "got (2, 3); try b.T"),
        ("a (N, N)", [(2, 3)], "a must be (N, N), got (2, 3)"),
        ("a (N, D)", [(2, 0)], "a (N, D) is empty, its shape is (2, 0)"),
    ],
    ids=str,
)
def test_require(spec, shapes, complaint):
    arrays = [np.ones(s) for s in shapes]
    if complaint is None:
        require("f", spec, *arrays)
        return
    with refused(ValueError, "f: ", complaint):
        require("f", spec, *arrays)


def test_the_small_ones():
    require_labels("f", np.array([0, 2], np.uint8), 2, 3)
    require_options("f", "param", {"a": 1}, ("a", "b"))
    require_choice("f", "mode", None, (None, "x"))
    for value in (0, 1.5, np.float32(2), np.int8(3)):
        require_number("f", "n", value, 0)
    require_count("f", "n", np.int64(1), 1)
    for value in (True, "1", None, 1j, np.ones(1), np.True_):
        with refused(TypeError, "f: n must be a number, got"):
            require_number("f", "n", value, 0)
    for value in (True, 1.0, "1", None):
        with refused(TypeError, "f: n must be an integer, got"):
            require_count("f", "n", value, 1)
    for value in (0, np.nan, -np.inf):
        with refused(ValueError, "f: n must be above 0, got"):
            require_number("f", "n", value, 0, above=True)
    with refused(TypeError, "f: n must be an integer, got 10.0; try 10"):
        require_count("f", "n", 10.0, 1)
    with pytest.raises(TypeError, match="^f: n must be an integer, got 0.5$"):
        require_count("f", "n", 0.5, 0)
    with refused(ValueError, "f: n must be at least 1, got 0"):
        require_count("f", "n", 0, 1)
    with refused(ValueError, "f: mode must be one of 'a', 'b'; got 'c'"):
        require_choice("f", "mode", "c", ("a", "b"))
