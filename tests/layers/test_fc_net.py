"""Nets: what they hold, what they compute, and the gradient of the whole in every combination."""

import copy
import pickle
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n import layer_utils
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.gradient_check import assert_directional, assert_gradient, complex_step_gradient
from cs231n.layers import softmax_loss
from tests.corpus.solutions.loops import layers as loops
from tests.support import SEEDS, SHAPES, arrays_in, problem, refused, relative, unchanged

NORMALIZATIONS = [None, "batchnorm", "layernorm"]
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)


def batch(N=8, shape=(7,), C=4, seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(N, *shape)), rng.randint(C, size=N)


def net_of(normalization=None, keep=1, hidden=(6, 5), **options):
    """7 numbers in, 4 classes out; no parameter is one or zero, for these can hide a wrong backward."""
    options = {"weight_scale": 0.5, "dtype": np.float64, "seed": 3, **options}
    net = FullyConnectedNet(list(hidden), 7, 4, keep, normalization, **options)
    for name, w in net.params.items():
        if name[0] in "bg":
            w += np.random.uniform(-0.4, 0.4, w.shape).astype(w.dtype)
    return net


def check_net(net, X, y):
    grads = net.loss(X, y)[1]
    assert grads.keys() == net.params.keys()
    for name, grad in grads.items():
        assert_gradient(f"d{name}", grad, lambda _: net.loss(X, y)[0], net.params[name])


@pytest.mark.parametrize("seed, smoothing", [(0, 0.0), (1, 0.2)])
@pytest.mark.parametrize(
    "normalization, keep, reg", list(product(NORMALIZATIONS, [1, 0.6], [0.0, 3.14])), ids=str
)
def test_gradient_of_the_whole_net(normalization, keep, reg, smoothing, seed):
    check_net(net_of(normalization, keep, reg=reg, label_smoothing=smoothing), *batch(seed=seed))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reg", [0.0, 0.7])
def test_gradient_of_the_two_layer_net(reg, seed):
    net = TwoLayerNet(input_dim=7, hidden_dim=6, num_classes=4, weight_scale=0.5, reg=reg)
    net.params["b1"] += np.random.normal(size=6)
    check_net(net, *batch(seed=seed))


@every_normalization
def test_gradient_by_complex_step(normalization, monkeypatch):
    """Complex is no dtype of the contract, but the layers take it, so the whole net can be probed."""
    net, (X, y) = net_of(normalization, reg=0.3), batch()
    net.dtype = np.complex128
    grads = net.loss(X, y)[1]
    for name, w in list(net.params.items()):

        def f(v, name=name):
            for bn_param in net.bn_params:
                bn_param.clear()
            with monkeypatch.context() as patch:
                patch.setitem(net.params, name, v)
                return net.loss(X, y)[0]

        np.testing.assert_allclose(complex_step_gradient(f, w), grads[name].real, rtol=1e-10, atol=1e-13)


def test_a_large_net_by_one_direction_each():
    options = {"normalization": "batchnorm", "dtype": np.float64, "weight_scale": 2e-2}
    net, (X, y) = FullyConnectedNet([100] * 5, **options), batch(N=10, shape=(3, 32, 32), C=10)
    for name, grad in net.loss(X, y)[1].items():
        # A small h, for among so many relus one has its kink near.
        assert_directional(f"d{name}", grad, lambda _: net.loss(X, y)[0], net.params[name], h=1e-6)


def test_a_net_without_hidden_layers_is_a_softmax_classifier():
    net, (X, y) = net_of(hidden=()), batch()
    assert net.num_layers == 1 and set(net.params) == {"W1", "b1"}
    scores = X @ net.params["W1"] + net.params["b1"]
    np.testing.assert_array_equal(net.loss(X), scores)
    assert abs(net.loss(X, y)[0] - softmax_loss(scores, y)[0]) <= 1e-15


@every_normalization
def test_params(normalization):
    net = FullyConnectedNet([300, 200], 50, 7, normalization=normalization, weight_scale=3e-2)
    shapes = {"W1": (50, 300), "b1": (300,), "W2": (300, 200), "b2": (200,), "W3": (200, 7), "b3": (7,)}
    if normalization:
        shapes |= {"gamma1": (300,), "beta1": (300,), "gamma2": (200,), "beta2": (200,)}
    assert {name: w.shape for name, w in net.params.items()} == shapes
    assert {w.dtype for w in net.params.values()} == {np.dtype(np.float32)}
    for name, w in net.params.items():
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
    (X, y), position = batch(), np.random.get_state()[2]
    nets = [FullyConnectedNet([6], 7, 4, dropout_keep_ratio=0.5, rng=make(1)) for _ in range(2)]
    losses = [[net.loss(X, y)[0] for _ in range(3)] for net in nets]
    assert losses[0] == losses[1] and len(set(losses[0])) == 3 and np.random.get_state()[2] == position


def test_params_are_live():
    net, (X, y) = net_of("batchnorm"), batch()
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


@every_normalization
def test_regularization_is_half_reg_times_squares_of_w_alone(normalization):
    (X, y), free, bound = batch(), net_of(normalization), net_of(normalization, reg=0.8)
    bound.params = {name: w.copy() for name, w in free.params.items()}
    (free_loss, free_grads), (loss, grads) = free.loss(X, y), bound.loss(X, y)
    squares = sum(np.sum(w * w) for name, w in bound.params.items() if name[0] == "W")
    assert abs(loss - free_loss - 0.4 * squares) <= 1e-12
    for name, w in bound.params.items():
        expected = free_grads[name] + (0.8 * w if name[0] == "W" else 0)
        np.testing.assert_allclose(grads[name], expected, rtol=1e-12, atol=1e-15)


def test_test_mode_uses_the_running_statistics_no_mask_and_no_smoothing():
    net, (X, y) = net_of("batchnorm", 0.5, label_smoothing=0.2), batch(N=20)
    for _ in range(200):
        net.loss(X, y)
    with unchanged(*[{k: v for k, v in p.items() if k != "mode"} for p in net.bn_params]):
        scores, halves = net.loss(X), [net.loss(X[:1]), net.loss(X[1:])]
    np.testing.assert_allclose(np.concatenate(halves), scores, rtol=1e-12, atol=1e-13)
    assert [p["mode"] for p in [*net.bn_params, net.dropout_param]] == ["test"] * 3
    net.loss(X, y)
    assert [p["mode"] for p in [*net.bn_params, net.dropout_param]] == ["train"] * 3
    plain = net_of(label_smoothing=0.2)
    assert plain.loss(X, y)[0] == plain.softmax_loss(plain.loss(X), y)[0]


@pytest.mark.parametrize("s", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_label_smoothing_is_the_cross_entropy_with_smoothed_targets(shape, seed, s):
    p, (N, C), net = problem(shape, seed), shape, net_of(label_smoothing=s)
    with unchanged(p.x, p.y):
        loss, dx = net.softmax_loss(p.x, p.y)
    log_p = p.x - np.log(np.exp(p.x).sum(axis=1, keepdims=True))
    target = (1 - s) * np.eye(C)[p.y] + s / C
    assert abs(loss + (target * log_p).sum() / N) <= 1e-14 * (1 + np.abs(log_p).max())  # rounding
    assert_gradient("dx", dx, lambda v: net.softmax_loss(v, p.y)[0], p.x)
    assert relative(complex_step_gradient(lambda v: net.softmax_loss(v, p.y)[0], p.x), dx) <= 1e-14
    assert np.abs(dx.sum(axis=1)).max() <= 1e-15  # a constant on every score of a row changes nothing
    in_float32 = net.softmax_loss(p.x.astype(np.float32), p.y)
    assert all(a.dtype == np.float32 for a in in_float32)
    np.testing.assert_allclose(in_float32[1], dx, rtol=1e-5, atol=1e-6)


def test_label_smoothing_needs_no_more_than_a_softmax_loss_of_scores_and_labels():
    net, (X, y) = net_of(label_smoothing=0.2), batch()
    right = net.loss(X, y)
    net.layers = SimpleNamespace(**{**vars(layer_utils), "softmax_loss": loops.softmax_loss})
    loss, grads = net.loss(X, y)
    np.testing.assert_allclose(loss, right[0], rtol=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, right[1][name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "words, use_dropout",
    [
        ({}, False),
        *(({name: p}, p == 0.25) for name in ("dropout", "dropout_keep_ratio") for p in (1, 0, 0.25)),
    ],
    ids=str,
)
def test_both_names_of_dropout(words, use_dropout):
    net, (X, y) = FullyConnectedNet([6], input_dim=7, num_classes=4, **words), batch()
    assert net.use_dropout == use_dropout
    assert net.dropout_param == ({"mode": "train", "p": 0.25} if use_dropout else {})
    assert (net.loss(X, y)[0] != net.loss(X, y)[0]) == use_dropout


def test_seed_repeats_the_mask_and_leaves_the_stream_alone():
    net, (X, y) = net_of(keep=0.5), batch()
    assert net.dropout_param == {"mode": "train", "p": 0.5, "seed": 3}
    position = np.random.get_state()[2]
    assert net.loss(X, y)[0] == net.loss(X, y)[0] and np.random.get_state()[2] == position


@pytest.mark.parametrize("word, normalization", [(True, "batchnorm"), (False, None)])
def test_use_batchnorm_of_the_old_years(word, normalization):
    assert FullyConnectedNet([6], use_batchnorm=word).normalization == normalization


@every_normalization
@pytest.mark.parametrize("number", [float, np.float64])
def test_float32_all_the_way(normalization, number):
    (X, y), numbers = batch(N=30), {"reg": number(0.1), "label_smoothing": number(0.1)}
    net = net_of(normalization, number(0.6), dtype=np.float32, **numbers)
    net64 = net_of(normalization, 0.6, **numbers)
    net64.params = {name: w.astype(np.float64) for name, w in net.params.items()}
    (loss, grads), (loss64, grads64) = net.loss(X, y), net64.loss(X, y)
    assert loss.dtype == net.loss(X).dtype == np.float32 and loss64.dtype == np.float64
    assert all(a.dtype == np.float32 for a in arrays_in([net.params, grads, net.bn_params]))
    assert abs(loss - loss64) <= 1e-5 * loss64
    for name, grad in grads.items():
        if normalization != "batchnorm" or name not in ("b1", "b2"):  # those are zero up to rounding
            assert relative(grad, grads64[name]) <= 1e-4  # rounding grows through three layers
    assert net.loss(X.astype(np.float64)).dtype == net.loss((9 * X).astype(np.int8)).dtype == np.float32


@pytest.mark.parametrize("number", [float, np.float64])
def test_a_float32_two_layer_net_has_float32_gradients(number):
    net, (X, y) = TwoLayerNet(7, 6, 4, 0.5, reg=number(0.1)), batch()
    net.params = {name: w.astype(np.float32) for name, w in net.params.items()}
    loss, grads = net.loss(X.astype(np.float32), y)
    assert loss.dtype == np.float32 and all(grad.dtype == np.float32 for grad in grads.values())


@every_normalization
def test_loss_reads_images_as_rows_and_writes_neither_to_the_batch_nor_to_the_parameters(normalization):
    net, (X, y) = net_of(normalization, 0.5, reg=0.1), batch(shape=(7, 1, 1))
    with unchanged(X, y, net.params):
        _, grads = net.loss(X, y)
        scores = net.loss(X)
    assert not any(np.shares_memory(g, w) for g in grads.values() for w in [X, *net.params.values()])
    np.testing.assert_array_equal(scores, net.loss(X.reshape(8, 7)))


@pytest.mark.parametrize(
    "X, complaint",
    [
        (
            np.zeros((5, 8)),
            "X must be (N, ...), N > 0, with 7 numbers per example, got (5, 8); try another X",
        ),
        (
            np.zeros((0, 7)),
            "X must be (N, ...), N > 0, with 7 numbers per example, got (0, 7); try another X",
        ),
        (np.full((5, 7), "a"), "X must hold numbers, got <U1"),
        (np.zeros((5, 7)), "labels must be in 0..3, got y[0] = 4 (5 of 5 outside)"),
    ],
    ids=["too-wide", "empty", "text", "label"],
)
def test_loss_refuses_before_anything_is_changed(X, complaint):
    net = net_of("batchnorm", 0.5, seed=None)
    net.loss(*batch())
    net.loss(batch()[0])
    with unchanged(net.params, net.dropout_param, *net.bn_params):
        with refused((TypeError, ValueError), f"FullyConnectedNet.loss: {complaint}"):
            net.loss(X, np.full(len(X), 4))


@pytest.mark.parametrize("make", [net_of, partial(TwoLayerNet, 7, 6, 4)], ids=["deep", "two-layer"])
def test_no_mask_is_lost(make):
    net, (X, y) = make(), batch()
    for labels in (y, None):
        with refused(
            TypeError, "MaskedArray, whose mask would be ignored; try ", ".filled(value), or leave out"
        ):
            net.loss(np.ma.masked_array(X, X > 0), labels)
    with refused(
        TypeError,
        "y must be an array of integer labels, got MaskedArray, whose mask",
        "; try y.filled(value)",
    ):
        net.loss(X, np.ma.masked_array(y, y == 3))


def transpose_w3(net):
    net.params["W3"] = net.params["W3"].T.copy()


def spoil_reg(net):
    net.reg = "small"


@pytest.mark.filterwarnings("ignore:.*before any training batch")
@pytest.mark.parametrize("spoil", [transpose_w3, spoil_reg])
@pytest.mark.parametrize("modes", ["new", "train", "test"])
@every_normalization
def test_a_late_failure_leaves_modes_and_statistics_as_they_were(normalization, modes, spoil):
    net, (X, y) = net_of(normalization, 0.5), batch()
    if modes != "new":
        net.loss(X, y)
    if modes == "test":
        net.loss(X)
    spoil(net)
    with unchanged(net.dropout_param, *net.bn_params), refused(ValueError):
        net.loss(X, y)
    if spoil is transpose_w3:
        with unchanged(net.dropout_param, *net.bn_params), refused(ValueError, "w must be (D, M)"):
            net.loss(X)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_net_can_be_copied_and_pickled(copied):
    net, (X, y) = net_of("batchnorm"), batch()
    net.loss(X, y)
    twin = copied(net)
    assert np.array_equal(twin.loss(X), net.loss(X)) and twin.layers is net.layers
    twin.params["W1"] += 1
    assert not np.array_equal(twin.loss(X), net.loss(X))
