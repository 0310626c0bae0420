# ruff: noqa: F403  layers are found by name, in the edition under test
"""Refusals, made from the contracts: for each array every wrong kind, for each rule what lies outside it.

Each message begins with the function's name and names the argument; no array, no dict and no stream moves.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n import fast_layers, layer_utils, layers, optim
from cs231n.adamw import adamw
from cs231n.classifiers import fc_net
from cs231n.contracts import (
    RNG,
    ZEROS,
    Check,
    Number,
    OneOf,
    Optional,
    require_bool,
    require_count,
    require_float_dtype,
    require_layers,
    require_seed,
    require_sizes,
)
from cs231n.contracts.takes import Options, Shape
from cs231n.layer_utils import *
from cs231n.layers import *
from cs231n.spatial_layers import Groups
from cs231n.training.callbacks import clip_by_norm
from tests.support import refused, unchanged
from tests.support.strategies import SEEDS, cases

EDITIONS = pytest.mark.usefixtures("edition")
SIZES = {"1": 1, "N": 4, "D": 3, "D...": 3, "M": 5, "C": 3, "...": 3, "H": 2, "W": 5}
X, Y = np.random.RandomState(0).normal(size=(4, 3)), np.arange(4) % 3
IMAGES = np.random.RandomState(0).normal(size=(4, 3, 2, 5))
# (function, whose message it is, array): a sandwich hands its arrays to the layers inside.
ARRAYS = [(name, name, item) for name in layers.__all__ for item in getattr(layers, name).contract.items]
ARRAYS += [
    ("affine_norm_relu_dropout_forward", where, item)
    for _, where, item in ARRAYS
    if where == "affine_forward" or where == "batchnorm_forward" and item.name != "x"
]
ARRAYS = [case for case in ARRAYS if not case[2].limit]


def arguments_of(name):
    """Keyword arguments with which the function passes its contract."""
    if name.startswith("affine_norm_relu"):
        gamma = np.ones(5)
        arguments = arguments_of("affine_forward") | {"gamma": gamma, "beta": gamma}
        arguments |= {"norm_param": {"mode": "train"}, "normalization": "batchnorm"}
        return arguments | {"dropout_param": {}} if "dropout" in name else arguments
    if "backward" in name:
        forward = name.removesuffix("_alt").replace("double_", "").replace("backward", "forward")
        out, cache = globals()[forward](**arguments_of(forward))
        more = {"ddx": np.ones_like(out)} if "double" in name else {}
        return more | {"dout": np.ones_like(out), "cache": cache}
    contract = getattr(layers, name).contract
    arguments = {rule: good(contract.rules[rule]) for rule in contract.rules}
    for item in contract.items:
        shape = [SIZES[letter] for letter in item.dims] if item.dims != ("...",) else (4, 3)
        x = IMAGES if "H" in item.dims else X
        arguments[item.name] = Y.copy() if item.limit else x.copy() if item.name == "x" else np.ones(shape)
    return arguments


def good(rule):
    if isinstance(rule, Shape):
        return np.ones([SIZES[letter] for letter in re.findall(r"\w+", rule.dims)])
    if isinstance(rule, Groups):
        return 3
    if isinstance(rule, Options):
        return {key: good(rule.rules[key]) for key in rule.required}
    return rule.choices[0] if isinstance(rule, OneOf) else 0.5


DTYPES = ["bool", "int64", "uint8", "float16", "object", "str", "S3", "M8[s]"]
NO_FLOATS = {dtype: lambda a, dtype=dtype: a.astype(dtype) for dtype in DTYPES} | {
    "list": lambda a: a.tolist(),
    "none": lambda a: None,
    "number": lambda a: 1.0,
    "like-an-array": lambda a: SimpleNamespace(shape=[4, 3], dtype="f4"),
    "masked": lambda a: np.ma.masked_array(a.copy()),
    "matrix": lambda a: np.atleast_2d(a).reshape(-1, a.shape[-1]).view(np.matrix),
}
MISFITS = {
    "empty": lambda a: a[:0].copy(),
    "an-axis-more": lambda a: a[None].copy(),
    "an-axis-less": lambda a: np.array(a[0]),
    "longer": lambda a: np.repeat(a, 3, axis=0),
    "transposed": lambda a: a.T.copy(),
}
WRONG = NO_FLOATS | MISFITS


def misfits(item, first):
    """Those that cannot fit: the first array is free in its sizes, and one of any shape in its axes too."""
    if item.like:
        return MISFITS
    anywhere = [] if "..." in item.text else ["an-axis-more", "an-axis-less"]
    return ["empty", *anywhere, *([] if first else ["longer"]), *(["transposed"] * (item.name == "w"))]


@EDITIONS
@pytest.mark.parametrize("name, where, item", ARRAYS, ids=[f"{name}-{item.name}" for name, _, item in ARRAYS])
@cases("arrays of layers, refused", data=st.data())
def test_arrays_that_do_not_fit(name, where, item, data):
    first = item is getattr(layers, where).contract.items[0]
    spoil = data.draw(st.sampled_from([*NO_FLOATS, *misfits(item, first)]))
    arguments = arguments_of(name)
    arguments[item.name] = WRONG[spoil](arguments[item.name])
    error = TypeError if spoil in NO_FLOATS else ValueError
    with unchanged(*arguments.values()), refused(error, f"{where}: {item.name} "):
        globals()[name](**arguments)


LABELS = {dtype: lambda y, dtype=dtype: y.astype(dtype) for dtype in ("float64", "str", "object", "bool")} | {
    "negative": lambda y: y - 1,
    "too-large": lambda y: y + 1,
    "wrapped": lambda y: (y - 1).astype(np.uint8),
    "huge": lambda y: np.where(y == 0, 2**63, y.astype(np.uint64)),
    "one-hot": lambda y: np.eye(3, dtype=int)[y],
    "short": lambda y: y[:-1],
    "long": lambda y: np.append(y, 0),
    "column": lambda y: y[:, None],
    "list": lambda y: y.tolist(),
    "none": lambda y: None,
    "number": lambda y: 0,
    "nan": lambda y: np.where(y == 0, np.nan, y),
    "masked": lambda y: np.ma.masked_array(y.copy()),
}
LABELLED = {
    "softmax_loss": layers.softmax_loss,
    "svm_loss": layers.svm_loss,
    "FullyConnectedNet.loss": fc_net.FullyConnectedNet([4], 3, 3).loss,
    "TwoLayerNet.loss": fc_net.TwoLayerNet(3, 4, 3).loss,
}


@pytest.mark.parametrize("name", LABELLED)
@cases("labels, refused", spoil=st.sampled_from([*LABELS]))
def test_wrong_labels_are_refused(name, spoil):
    if spoil == "none" and "Net" in name:  # a call without labels asks for scores
        return
    wrong, where = LABELS[spoil](Y), name.replace("TwoLayerNet.loss", "softmax_loss")
    argument = "labels" if spoil in ("negative", "too-large", "huge", "wrapped") else "y"
    with unchanged(X, wrong), refused((TypeError, ValueError), f"{where}: {argument} must "):
        LABELLED[name](X, wrong)


@cases(
    "labels of any integer type",
    seed=SEEDS,
    reverse=st.booleans(),
    kind=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4"]),
)
def test_labels_of_any_integer_type_mean_the_same(kind, seed, reverse):
    x, y = np.random.RandomState(seed).normal(size=(4, 3)), Y[::-1] if reverse else Y
    for loss_of in (layers.softmax_loss, layers.svm_loss):
        with unchanged(x, y):
            (loss, dx), (same, dsame) = loss_of(x, y.astype(kind)), loss_of(x, y)
        assert loss == same and np.array_equal(dx, dsame)


NO_NUMBERS = [np.nan, np.inf, -np.inf, "1", None, 1j, True, np.ones(2), [0.5], {}]
NO_COUNTS = [*NO_NUMBERS, -1, 1.5, 2.0]
CHECKED = {
    require_count: [*NO_COUNTS, 0],
    require_seed: [*NO_COUNTS, 2**32],
    require_bool: ["no", "", 1, 0, np.ones(2)],
    require_float_dtype: [np.float16, int, "float32", None, np.complex128, np.ones(2), [np.float32]],
    require_sizes: [100, None, "45", np.array([4, 5]), [0], [10.0], [[4]], [True], (3, None), {4}],
    require_layers: [None, "fast_layers", np, {}],
    RNG.require: [3, None, "rng", {}],
}


def wrong_values(rule):
    """What a rule refuses."""
    if isinstance(rule, Optional):
        return [value for value in wrong_values(rule.rule) if value is not None]
    if isinstance(rule, Number):
        return [*NO_NUMBERS, 10**400, rule.low - 1, rule.high + 1]
    if isinstance(rule, OneOf):
        words = [word for word in rule.choices if word]
        wrong = [words[0].upper(), words[0].encode(), [words[0]], np.array(words[0]), np.array(words), 1, ""]
        return wrong if None in rule.choices else [*wrong, None]
    if isinstance(rule, Options):
        required = good(rule)
        one_missing = [{k: v for k, v in required.items() if k != key} for key in required]
        return [None, 0.5, "train", [], X, required | {"typo": 1}, *one_missing]
    if isinstance(rule, Shape):
        right = ["matrix", *(["int64", "uint8"] if rule.integers else [])]
        kinds = [kind for kind in NO_FLOATS if kind not in right] + ["empty", "an-axis-more", "longer"]
        return [WRONG[kind](good(rule)) for kind in kinds]
    if isinstance(rule, Groups):
        return [*NO_COUNTS, 0, 2, 4, 6]
    assert isinstance(rule, Check)
    return CHECKED[rule.require]


def settings_of(rules):
    """Yield (label in a message, rule, function from a bad value to the argument that holds it)."""
    for name, rule in rules.items():
        yield name, rule, lambda bad, name=name: {name: bad}
        options = rule.rule if isinstance(rule, Optional) else rule
        if isinstance(options, Options):
            for key in (key for key, inner in options.rules.items() if inner is not None):
                place = lambda bad, name=name, key=key, options=options: {name: good(options) | {key: bad}}  # noqa: E731
                yield f"{name}[{key!r}]", options.rules[key], place


DECORATED = [getattr(module, name) for module in (layers, layer_utils) for name in module.__all__]
CONTRACTS = [function.contract for function in DECORATED if hasattr(function, "contract")]
SETTINGS = [(contract.where, *setting) for contract in CONTRACTS for setting in settings_of(contract.rules)]


@EDITIONS
@pytest.mark.parametrize(
    "name, label, rule, place", SETTINGS, ids=[f"{name}-{label}" for name, label, *_ in SETTINGS]
)
@cases("settings of layers, refused", data=st.data())
def test_settings_of_layers_outside_their_rule(name, label, rule, place, data):
    arguments = arguments_of(name) | place(data.draw(st.sampled_from(wrong_values(rule))))
    with unchanged(*arguments.values()), refused((TypeError, ValueError), f"{name}: {label}"):
        globals()[name](**arguments)


NETS = [
    (net, name, rule)
    for net in (fc_net.TwoLayerNet, fc_net.FullyConnectedNet)
    for name, rule in net.__init__.contract.rules.items()
]


@pytest.mark.parametrize("net, name, rule", NETS, ids=[f"{net.__name__}-{name}" for net, name, _ in NETS])
@cases("settings of nets, refused", data=st.data())
def test_settings_of_nets_outside_their_rule(net, name, rule, data):
    arguments = {} if net is fc_net.TwoLayerNet else {"hidden_dims": [4]}
    arguments[name] = data.draw(st.sampled_from(wrong_values(rule)))
    with refused((TypeError, ValueError), f"{net.__name__}: {name}"):
        net(**arguments)


RULES = [*(getattr(optim, name) for name in optim.__all__), adamw, fast_layers.adam, fast_layers.adamw]
SETTINGS_OF_RULES = {rule.__name__: rule.settings for rule in RULES if hasattr(rule, "settings")}
RULE_SETTINGS = [(rule, name) for rule in RULES for name in SETTINGS_OF_RULES[rule.__name__]]
every_rule = pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: f"{rule.__module__.removeprefix('cs231n.')}.{rule.__name__}"
)


@pytest.mark.parametrize("rule, name", RULE_SETTINGS, ids=lambda v: getattr(v, "__name__", v))
@cases("optim, refused", data=st.data())
def test_settings_of_rules(rule, name, data):
    wrong = [*NO_NUMBERS, 10**400, -0.5]
    if SETTINGS_OF_RULES[rule.__name__][name] is ZEROS:
        kinds = [kind for kind in NO_FLOATS if kind not in ("int64", "uint8", "float16", "number")]
        wrong = [WRONG[kind](X) for kind in [*kinds, *MISFITS]] + [1.0]
    bad, w = data.draw(st.sampled_from(wrong)), X.copy()
    config = {"learning_rate": np.float64(0.1)} | {name: bad}
    with unchanged(w, config), refused((TypeError, ValueError), f"{rule.__name__}: config['{name}'] must "):
        rule(w, w, config)


@every_rule
@pytest.mark.parametrize("config", [[1e-3], "adam", {"lr": 1}, {"learning_rate": 1, 5: 5}], ids=str)
def test_what_is_no_config(rule, config):
    with unchanged(config), refused((TypeError, ValueError), f"{rule.__name__}: config "):
        rule(X, X, config)


@every_rule
@pytest.mark.parametrize("name", ["w", "dw"])
@cases("optim, refused", spoil=st.sampled_from([*WRONG]), full=st.booleans())
def test_arrays_of_rules(rule, name, spoil, full):
    """Also with a full config, which fast_layers takes as checked."""
    bad = WRONG[spoil](X)
    config = rule(X, X)[1] if full else {}
    if name == "dw" and spoil in ("int64", "uint8", "float16"):
        assert rule(X, bad, config)[0].dtype == np.float64  # in the dtype of w, as documented
        return
    if spoil == "number":
        bad = 1j
    # A w of another shape shows as a dw of another shape, or, with a full config, as such a memory.
    named = name if spoil in NO_FLOATS else "dw"
    with unchanged(config), refused((TypeError, ValueError), f"{rule.__name__}: {named} must "):
        rule(**({"w": X, "dw": X} | {name: bad}), config=config)


def net_of(**options):
    return fc_net.FullyConnectedNet([4], 3, 3, **options)


def norm_of(**options):
    return layers.batchnorm_forward(X, np.ones(3), np.ones(3), {"mode": "train", **options})


ENDS = {  # what is allowed, up to the very end, and what is not
    "['eps']": (lambda v: norm_of(eps=v), [0, 1e9], [-1e-9]),
    "['momentum']": (lambda v: norm_of(momentum=v), [0, 1], [-1e-9, 1.001]),
    "['p']": (lambda v: layers.dropout_forward(X, {"mode": "train", "p": v}), [1e-9, 1], [0.0, 1.001]),
    "['seed']": (
        lambda v: layers.dropout_forward(X, {"mode": "train", "p": 1, "seed": v}),
        [0, 2**32 - 1, np.uint8(1), None],
        [-1, 2**32],
    ),
    "dropout_keep_ratio": (lambda v: net_of(dropout_keep_ratio=v), [0, 1, np.float32(0.5)], [-1e-9, 1.001]),
    "dropout": (lambda v: net_of(dropout=v), [0, 1], [-1e-9, 1.001]),
    "label_smoothing": (lambda v: net_of(label_smoothing=v), [0, 0.999], [-1e-9, 1]),
    "reg": (lambda v: net_of(reg=v), [0, 1e300, np.int8(1)], [-1e-9, np.inf]),
    "weight_scale": (lambda v: net_of(weight_scale=v), [0, 1e30], [-1e-9, np.inf]),
    "hidden_dims": (lambda v: fc_net.FullyConnectedNet(v, 3, 3), [[], [1], (np.int64(1),)], [[0]]),
    "use_batchnorm": (lambda v: net_of(use_batchnorm=v), [None, False, np.True_], [1]),
    "norm": (lambda v: clip_by_norm({"W": X}, v), [1e-300, 1e300], [0.0]),
    "['learning_rate']": (lambda v: optim.sgd(X, X, {"learning_rate": v}), [0, 1, 1e9], [-1e-9]),
    "sgd_momentum's ['momentum']": (lambda v: optim.sgd_momentum(X, X, {"momentum": v}), [0, 1], [1.001]),
    "['decay_rate']": (lambda v: optim.rmsprop(X, X, {"decay_rate": v}), [0, 1], [1.001]),
    "['beta1']": (lambda v: optim.adam(X, X, {"beta1": v}), [0, 0.999], [1.0, 1]),
    "['beta2']": (lambda v: adamw(X, X, {"beta2": v}), [0, 0.999], [1.0, 1]),
    "['weight_decay']": (lambda v: adamw(X, X, {"weight_decay": v}), [0, 2], [-1e-9]),
    "['t']": (lambda v: optim.adam(X, X, {"t": v}), [0, 10**9], [-1]),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_range_reaches_to_its_ends(name):
    call, allowed, outside = ENDS[name]
    for value in allowed:
        call(value)
    for value in outside:
        with refused((TypeError, ValueError), name.rpartition("'s ")[2], " must be ", str(value).strip("[]")):
            call(value)


def test_dropout_and_its_newer_name_are_one_argument():
    """A dropout_keep_ratio of 1 is its default, so it counts as not given, as documented."""
    assert net_of(dropout=0.5, dropout_keep_ratio=1).dropout_param["p"] == 0.5
    for names in (
        {"dropout": 0.5, "dropout_keep_ratio": 0.7},
        {"use_batchnorm": True, "normalization": "layernorm"},
    ):
        with refused(ValueError, *names, "two names of one argument"):
            net_of(**names)
