"""Nets: what they hold, what they compute, and the gradient of the whole in every combination."""

import copy
import pickle
from itertools import product

import numpy as np
import pytest

from cs231n import layer_utils
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.gradient_check import assert_directional, assert_gradient, complex_step_gradient
from cs231n.layers import softmax_loss
from tests.support import arrays_in, refused, relative, unchanged

NORMALIZATIONS = [None, "batchnorm", "layernorm"]


def batch(N=8, shape=(7,), C=4, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(N, *shape)), rng.randint(C, size=N)


def small_net(normalization=None, keep=1, reg=0.0, dtype=np.float64, hidden=(6, 5), **more):
    net = FullyConnectedNet(
        list(hidden),
        input_dim=7,
        num_classes=4,
        normalization=normalization,
        dropout_keep_ratio=keep,
        reg=reg,
        weight_scale=0.5,
        dtype=dtype,
        seed=3,
        **more,
    )
    for name, w in net.params.items():  # ones and zeros can hide a wrong backward
        if name[0] in "bg":
            w += np.random.uniform(-0.4, 0.4, w.shape).astype(dtype)
    return net


def check_net(net, X, y):
    grads = net.loss(X, y)[1]
    assert grads.keys() == net.params.keys()
    for name, grad in grads.items():
        assert grad.shape == net.params[name].shape
        assert_gradient(f"d{name}", grad, lambda _: net.loss(X, y)[0], net.params[name])


@pytest.mark.parametrize(
    "normalization, keep, reg", list(product(NORMALIZATIONS, [1, 0.6], [0.0, 3.14])), ids=str
)
def test_gradient_of_the_whole_net(normalization, keep, reg):
    for seed in range(2):
        check_net(small_net(normalization, keep, reg), *batch(seed=seed))


@pytest.mark.parametrize("reg", [0.0, 0.7])
def test_gradient_of_the_two_layer_net(reg):
    for seed in range(3):
        net = TwoLayerNet(input_dim=7, hidden_dim=6, num_classes=4, weight_scale=0.5, reg=reg)
        net.params["b1"] += np.random.normal(size=6)
        check_net(net, *batch(seed=seed))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_gradient_by_complex_step(normalization):
    """Complex is no dtype of the contract, but the layers take it, so the whole net can be probed."""
    net = small_net(normalization, reg=0.3)
    X, y = batch()
    net.dtype = np.complex128
    grads = net.loss(X, y)[1]
    for name, w in list(net.params.items()):

        def f(v, name=name):
            kept = net.params[name]
            net.params[name] = v
            for bn_param in net.bn_params:
                bn_param.clear()
            try:
                return net.loss(X, y)[0]
            finally:
                net.params[name] = kept

        np.testing.assert_allclose(complex_step_gradient(f, w), grads[name].real, rtol=1e-10, atol=1e-13)


def test_a_net_without_hidden_layers_is_a_softmax_classifier():
    net, (X, y) = small_net(hidden=()), batch()
    assert net.num_layers == 1 and set(net.params) == {"W1", "b1"}
    scores = X @ net.params["W1"] + net.params["b1"]
    np.testing.assert_array_equal(net.loss(X), scores)
    assert abs(net.loss(X, y)[0] - softmax_loss(scores, y)[0]) <= 1e-15


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_params(normalization):
    net = FullyConnectedNet(
        [300, 200], input_dim=50, num_classes=7, normalization=normalization, weight_scale=3e-2
    )
    shapes = {"W1": (50, 300), "b1": (300,), "W2": (300, 200), "b2": (200,), "W3": (200, 7), "b3": (7,)}
    if normalization:
        shapes |= {"gamma1": (300,), "beta1": (300,), "gamma2": (200,), "beta2": (200,)}
    assert {name: w.shape for name, w in net.params.items()} == shapes
    for name, w in net.params.items():
        assert w.dtype == np.float32
        if name[0] == "W":
            assert abs(w.std() - 3e-2) < 1e-3 and abs(w.mean()) < 3e-3  # a few standard errors
        else:
            assert np.all(w == (1 if name.startswith("gamma") else 0))
    assert net.num_layers == 3 and net.normalization == normalization and not net.use_dropout
    assert isinstance(net.bn_params, list) and len(net.bn_params) == (2 if normalization else 0)
    assert net.dropout_param == {} and net.reg == 0.0 and net.dtype == np.float32


def test_weights_come_from_the_global_stream_w1_first():
    np.random.seed(3)
    net = FullyConnectedNet([6], input_dim=7, num_classes=4, weight_scale=0.1, dtype=np.float64, seed=99)
    two = TwoLayerNet(7, 6, 4, 0.1)
    np.random.seed(3)
    for model in (net, two):
        np.testing.assert_array_equal(model.params["W1"], np.random.normal(0, 0.1, (7, 6)))
        np.testing.assert_array_equal(model.params["W2"], np.random.normal(0, 0.1, (6, 4)))


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_rng_instead_of_the_global_stream(make):
    stream = np.random.get_state()[2]
    nets = [
        FullyConnectedNet([6], input_dim=7, num_classes=4, dropout_keep_ratio=0.5, rng=make(1))
        for _ in range(2)
    ]
    X, y = batch()
    losses = [[net.loss(X, y)[0] for _ in range(3)] for net in nets]
    assert losses[0] == losses[1] and len(set(losses[0])) == 3 and np.random.get_state()[2] == stream


def test_params_are_live():
    net, (X, y) = small_net("batchnorm"), batch()
    first = net.loss(X, y)[0]
    net.params["W2"][0] += 1
    second = net.loss(X, y)[0]
    net.params["b3"] = net.params["b3"] + np.arange(4)
    assert len({first, second, net.loss(X, y)[0]}) == 3
    net.params = {name: np.zeros_like(w) for name, w in net.params.items()}
    assert abs(net.loss(X, y)[0] - np.log(4)) <= 1e-15
    net.reg = 2.0
    net.params["W1"][0, 0] = 3.0
    assert abs(net.loss(X, y)[0] - np.log(4) - 9.0) <= 1e-12  # 0.5 * 2 * 3^2


def test_regularization_is_half_reg_times_squares_of_w_alone():
    for normalization in NORMALIZATIONS:
        X, y = batch()
        free, bound = small_net(normalization, reg=0.0), small_net(normalization, reg=0.8)
        bound.params = {name: w.copy() for name, w in free.params.items()}
        (loss0, grads0), (loss, grads) = free.loss(X, y), bound.loss(X, y)
        weights = [w for name, w in bound.params.items() if name[0] == "W"]
        assert abs(loss - loss0 - 0.4 * sum(np.sum(w * w) for w in weights)) <= 1e-12
        for name, w in bound.params.items():
            wanted = grads0[name] + (0.8 * w if name[0] == "W" else 0)
            np.testing.assert_allclose(grads[name], wanted, rtol=1e-12, atol=1e-15)


def test_test_mode_uses_the_running_statistics_and_no_mask():
    net, (X, y) = small_net("batchnorm", 0.5), batch(N=20)
    for _ in range(200):
        net.loss(X, y)
    kept = [dict(p) for p in net.bn_params]
    whole = net.loss(X)
    np.testing.assert_allclose(
        np.concatenate([net.loss(X[:1]), net.loss(X[1:])]), whole, rtol=1e-12, atol=1e-13
    )
    for before, after in zip(kept, net.bn_params):
        assert all(after[k] is before[k] for k in ("running_mean", "running_var"))
    assert [p["mode"] for p in net.bn_params] == ["test", "test"] and net.dropout_param["mode"] == "test"
    net.loss(X, y)
    assert [p["mode"] for p in net.bn_params] == ["train", "train"] and net.dropout_param["mode"] == "train"


@pytest.mark.parametrize(
    "words, use_dropout",
    [
        ({}, False),
        ({"dropout": 1}, False),
        ({"dropout": 0}, False),
        ({"dropout_keep_ratio": 0}, False),
        ({"dropout": 0.25}, True),
        ({"dropout_keep_ratio": 0.25}, True),
    ],
    ids=str,
)
def test_both_names_of_dropout(words, use_dropout):
    net = FullyConnectedNet([6], input_dim=7, num_classes=4, **words)
    assert net.use_dropout == use_dropout
    assert net.dropout_param == ({"mode": "train", "p": 0.25} if use_dropout else {})
    X, y = batch()
    assert (net.loss(X, y)[0] != net.loss(X, y)[0]) == use_dropout


def test_seed_repeats_the_mask_and_leaves_the_stream_alone():
    net, (X, y) = small_net(keep=0.5), batch()
    assert net.dropout_param == {"mode": "train", "p": 0.5, "seed": 3}
    stream = np.random.get_state()[2]
    assert net.loss(X, y)[0] == net.loss(X, y)[0] and np.random.get_state()[2] == stream


@pytest.mark.parametrize("word, normalization", [(True, "batchnorm"), (False, None)])
def test_use_batchnorm_of_the_old_years(word, normalization):
    assert FullyConnectedNet([6], use_batchnorm=word).normalization == normalization


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("reg", [0.1, np.float64(0.1)], ids=["float", "np.float64"])
def test_float32_all_the_way(normalization, reg):
    X, y = batch(N=30)
    net = small_net(normalization, np.float64(0.6), reg, np.float32)
    net64 = small_net(normalization, 0.6, 0.1, np.float64)
    net64.params = {name: w.astype(np.float64) for name, w in net.params.items()}
    (loss, grads), (loss64, grads64) = net.loss(X, y), net64.loss(X, y)
    assert loss.dtype == net.loss(X).dtype == np.float32 and loss64.dtype == np.float64
    assert all(a.dtype == np.float32 for a in arrays_in([net.params, grads, net.bn_params]))
    assert abs(loss - loss64) <= 1e-5 * loss64
    for name, grad in grads.items():
        if normalization != "batchnorm" or name not in ("b1", "b2"):  # those are zero up to rounding
            assert relative(grad, grads64[name]) <= 1e-4  # rounding grows through three layers
    assert net.loss(X.astype(np.float64)).dtype == net.loss((9 * X).astype(np.int8)).dtype == np.float32


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_loss_writes_neither_to_the_batch_nor_to_the_parameters(normalization):
    net, (X, y) = small_net(normalization, 0.5, 0.1), batch(shape=(7, 1))
    with unchanged(X, y, net.params):
        _, grads = net.loss(X, y)
        net.loss(X)
    assert not any(np.shares_memory(g, w) for g in grads.values() for w in [X, *net.params.values()])


def test_images_are_read_as_rows():
    net = FullyConnectedNet([6], input_dim=12, num_classes=4, weight_scale=0.5)
    X, _ = batch(shape=(3, 2, 2))
    np.testing.assert_array_equal(net.loss(X), net.loss(X.reshape(8, 12)))


@pytest.mark.parametrize(
    "arguments, error, fragments",
    [
        ({"hidden_dims": 100}, TypeError, ["hidden_dims", "100", "try [100]"]),
        ({"hidden_dims": np.array([4, 5])}, TypeError, ["hidden_dims", "[4 5]", "try list(hidden_dims)"]),
        ({"hidden_dims": None}, TypeError, ["hidden_dims", "None", "try [100]"]),
        ({"hidden_dims": [100, 0]}, ValueError, ["hidden_dims", "at least 1", "0"]),
        ({"hidden_dims": [10.0]}, TypeError, ["hidden_dims", "10.0", "integer", "try 10"]),
        ({"input_dim": -1}, ValueError, ["input_dim", "-1"]),
        ({"num_classes": "ten"}, TypeError, ["num_classes", "ten"]),
        (
            {"normalization": "batch_norm"},
            ValueError,
            ["normalization", "batch_norm", "'batchnorm'", "'layernorm'"],
        ),
        ({"dropout_keep_ratio": 1.5}, ValueError, ["dropout_keep_ratio", "1.5"]),
        ({"dropout": -0.5}, ValueError, ["dropout", "-0.5"]),
        ({"dropout": 0.5, "dropout_keep_ratio": 0.5}, ValueError, ["dropout", "dropout_keep_ratio"]),
        (
            {"use_batchnorm": True, "normalization": "layernorm"},
            ValueError,
            ["use_batchnorm", "normalization"],
        ),
        ({"reg": -1}, ValueError, ["reg", "-1"]),
        ({"reg": np.nan}, ValueError, ["reg", "nan"]),
        ({"weight_scale": None}, TypeError, ["weight_scale", "None"]),
        ({"dtype": np.int64}, ValueError, ["dtype", "int64", "float32"]),
        ({"dtype": "floaty"}, (TypeError, ValueError), ["dtype", "floaty", "float32"]),
        ({"dtype": None}, (TypeError, ValueError), ["dtype", "None", "float32"]),
        ({"seed": "abc"}, (TypeError, ValueError), ["seed", "abc"]),
        ({"rng": 5}, TypeError, ["rng", "5"]),
    ],
    ids=str,
)
def test_construction_refuses(arguments, error, fragments):
    with refused(error, "FullyConnectedNet", *fragments):
        FullyConnectedNet(**{"hidden_dims": [6], "input_dim": 7, **arguments})


@pytest.mark.parametrize(
    "arguments, fragments",
    [
        ({"hidden_dim": 0}, ["hidden_dim", "0"]),
        ({"reg": -2}, ["reg", "-2"]),
        ({"weight_scale": -1}, ["weight_scale"]),
    ],
)
def test_two_layer_net_refuses(arguments, fragments):
    with refused(ValueError, "TwoLayerNet", *fragments):
        TwoLayerNet(**arguments)


@pytest.mark.parametrize(
    "X, y, error, fragments",
    [
        (np.zeros((5, 8)), np.zeros(5, int), ValueError, ["X", "7", "(5, 8)"]),
        (np.zeros((0, 7)), np.zeros(0, int), ValueError, ["X", "(0, 7)"]),
        (np.zeros((5, 7)), np.full(5, 4), ValueError, ["labels", "0..3", "4"]),
        (np.zeros((5, 7)), np.full(5, -1), ValueError, ["labels", "-1"]),
        (np.zeros((5, 7)), np.zeros(4, int), ValueError, ["y", "(5,)", "(4,)"]),
        (np.zeros((5, 7)), np.zeros(5), TypeError, ["y", "float64", "astype"]),
        (np.zeros((5, 7)), np.eye(5, 4, dtype=int), ValueError, ["y", "argmax"]),
        (np.full((5, 7), "a"), np.zeros(5, int), (TypeError, ValueError), ["X"]),
    ],
    ids=["too-wide", "empty", "label-high", "label-low", "short", "float-labels", "one-hot", "text"],
)
def test_loss_refuses_before_anything_is_changed(X, y, error, fragments):
    net = small_net("batchnorm", 0.5)
    net.dropout_param.pop("seed")
    net.loss(*batch())
    net.loss(batch()[0])
    with unchanged(net.params, net.dropout_param, *net.bn_params), refused(error, *fragments):
        net.loss(X, y)


def break_w3(net):
    net.params["W3"] = net.params["W3"].T.copy()


def break_reg(net):
    net.reg = "small"


@pytest.mark.parametrize("break_it", [break_w3, break_reg])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_late_failure_leaves_modes_and_statistics_as_they_were(normalization, break_it):
    net, (X, y) = small_net(normalization, 0.5), batch()
    fresh = [dict(param) for param in [*net.bn_params, net.dropout_param]]
    break_it(net)
    with refused(ValueError):
        net.loss(X, y)
    assert [*net.bn_params, net.dropout_param] == fresh

    net = small_net(normalization, 0.5)
    net.loss(X, y)
    net.loss(X)  # the modes are "test" now, and a failing training pass must not flip them
    kept = dict(net.params)
    break_it(net)
    with unchanged(net.dropout_param, *net.bn_params), refused(ValueError):
        net.loss(X, y)
    if break_it is break_w3:
        net.params = kept
        net.loss(X, y)
        break_it(net)
        with unchanged(net.dropout_param, *net.bn_params), refused(ValueError, "w"):
            net.loss(X)


def test_list_of_hidden_dims_is_a_hint_that_works():
    assert FullyConnectedNet(list(np.array([4, 5]))).num_layers == 3


# The checks above, shown to fail on nets with a planted bug.
PLANTED = {
    "dropout-mask-forgotten": (
        "affine_norm_relu_dropout_backward",
        lambda right: lambda dout, cache, needs_dx: right(dout, (cache[0], None, cache[2])),
    ),
    "dx-of-a-deeper-layer-doubled": (
        "affine_norm_relu_dropout_backward",
        lambda right: lambda dout, cache, needs_dx: (lambda dx, *rest: (2 * dx, *rest))(*right(dout, cache)),
    ),
    "beta-and-gamma-swapped": (
        "affine_norm_relu_dropout_backward",
        lambda right: lambda dout, cache, needs_dx: (lambda *d: (*d[:3], d[4], d[3]))(*right(dout, cache)),
    ),
    "loss-summed-not-averaged": (
        "softmax_loss",
        lambda right: lambda x, y: (right(x, y)[0], len(x) * right(x, y)[1]),
    ),
}


@pytest.mark.parametrize("name, plant", PLANTED.values(), ids=PLANTED)
def test_the_net_check_rejects(monkeypatch, name, plant):
    net = small_net("batchnorm", 0.6)
    monkeypatch.setattr(layer_utils, name, plant(getattr(layer_utils, name)))
    with pytest.raises(AssertionError, match="disagrees"):
        check_net(net, *batch())


def test_a_large_net_by_one_direction_each():
    net, (X, y) = (
        FullyConnectedNet(
            [100] * 5, num_classes=10, normalization="batchnorm", dtype=np.float64, weight_scale=2e-2
        ),
        batch(N=10, shape=(3, 32, 32), C=10),
    )
    for name, grad in net.loss(X, y)[1].items():
        # A small h, for among so many relus one has its kink near.
        assert_directional(f"d{name}", grad, lambda _: net.loss(X, y)[0], net.params[name], h=1e-6)


def test_a_net_can_be_copied_and_pickled():
    net, (X, y) = small_net("batchnorm"), batch()
    net.loss(X, y)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(twin.loss(X), net.loss(X)) and twin.layers is net.layers
        twin.params["W1"] += 1
        assert not np.array_equal(twin.loss(X), net.loss(X))


@pytest.mark.parametrize("layers", [None, "fast_layers"])
def test_layers_must_be_a_module_of_layers(layers):
    with refused(TypeError, "FullyConnectedNet", "layers", repr(layers)):
        FullyConnectedNet([3], layers=layers)
