"""Update rules against their equations, unrolled by hand, and statements that hold whatever the code."""

import copy

import numpy as np
import pytest

from cs231n import optim
from cs231n.optim import adam, adamw, rmsprop, sgd, sgd_momentum
from cs231n.training import clipping
from tests.support import arrays_in, refused, unchanged

ADAM = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
DEFAULTS = {
    sgd: {"learning_rate": 1e-2},
    sgd_momentum: {"learning_rate": 1e-2, "momentum": 0.9},
    rmsprop: {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    adam: ADAM,
    adamw: ADAM | {"weight_decay": 1e-2},
}
MEMORY = {sgd: [], sgd_momentum: ["velocity"], rmsprop: ["cache"], adam: ["m", "v"], adamw: ["m", "v"]}
every_rule = pytest.mark.parametrize("rule", DEFAULTS, ids=lambda r: r.__name__)


def steps(n=4):
    rng = np.random.RandomState(0)
    return rng.normal(size=(3, 5)), [rng.normal(size=(3, 5)) for _ in range(n)]


W, (DW, *_) = steps()


def by_hand(rule, w, gradients):
    """The same steps, entry by entry in Python floats, each memory written as the sum it stands for."""
    w = w.copy()
    for index in np.ndindex(w.shape):
        past = []
        for t, g in enumerate((float(dw[index]) for dw in gradients), start=1):
            past.append(g)
            ages = [(t - 1 - i, p) for i, p in enumerate(past)]
            if rule is sgd:
                step = 1e-2 * g
            elif rule is sgd_momentum:
                step = 1e-2 * sum(0.9**a * p for a, p in ages)
            elif rule is rmsprop:
                step = 1e-2 * g / (sum(0.01 * 0.99**a * p * p for a, p in ages) ** 0.5 + 1e-8)
            else:
                m = sum(0.1 * 0.9**a * p for a, p in ages) / (1 - 0.9**t)
                v = sum(0.001 * 0.999**a * p * p for a, p in ages) / (1 - 0.999**t)
                step = 1e-3 * (m / (v**0.5 + 1e-8) + (1e-2 * w[index] if rule is adamw else 0))
            w[index] -= step
    return w


@every_rule
def test_agrees_with_the_unrolled_sums(rule):
    """With a copy of the config in each step: it holds all that a rule remembers."""
    w, gradients = steps()
    ours, config = w, None
    for dw in gradients:
        ours, config = rule(ours, dw, copy.deepcopy(config))
    np.testing.assert_allclose(ours, by_hand(rule, w, gradients), rtol=1e-12)


@every_rule
def test_the_config(rule):
    """Defaults are filled in, memory is written into the same dict, and arrays of before are left alone."""
    config, memory = {}, MEMORY[rule]
    assert rule(W, DW, config)[1] is config
    steps_taken = {"t": 1} if rule in (adam, adamw) else {}
    assert {k: v for k, v in config.items() if k not in memory} == DEFAULTS[rule] | steps_taken
    old = {name: config[name] for name in memory}
    assert all(a.shape == W.shape for a in old.values())
    config["learning_rate"] = 0.5
    with unchanged(W, DW, old):
        next_w, _ = rule(W, DW, config)
    assert not np.shares_memory(next_w, W) and config["learning_rate"] == 0.5


@every_rule
@pytest.mark.parametrize("number", [float, np.float64, np.float32], ids=lambda t: t.__name__)
@pytest.mark.parametrize("kind, other", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_everything_has_the_dtype_of_w(rule, number, kind, other):
    """Whatever the settings are, and the gradient, and the memory of an earlier run."""
    w, gradients = steps()
    ours, config = w.astype(kind), {k: number(v) for k, v in DEFAULTS[rule].items()}
    for dw in gradients:
        ours, config = rule(ours, dw.astype(other), config)
        assert {a.dtype for a in arrays_in([ours, config])} == {np.dtype(kind)}
        config |= {name: config[name].astype(other) for name in MEMORY[rule]}
    np.testing.assert_allclose(ours, by_hand(rule, w, gradients), rtol=1e-4, atol=1e-6)  # float32


@every_rule
def test_numbers_will_do_for_arrays(rule):
    expected = rule(np.array([1.5]), np.array([0.5]))[0][0]
    for w, dw in [(1.5, 0.5), (np.float64(1.5), np.float64(0.5)), (np.array(1.5), np.array(0.5))]:
        once, config = rule(w, dw)
        assert once == expected and rule(once, dw, config)[0] < once


@pytest.mark.parametrize("rule", [rmsprop, adam], ids=lambda r: r.__name__)
def test_a_long_constant_gradient_walks_at_the_learning_rate(rule):
    w, config, dw = np.zeros(3), {"learning_rate": 0.1}, np.array([1e-2, -3.0, 50.0])
    for _ in range(3000):
        previous, (w, config) = w, rule(w, dw, config)
    np.testing.assert_allclose(previous - w, 0.1 * np.sign(dw), rtol=1e-4)  # epsilon, and 0.99^3000


def test_adamw_without_decay_is_adam():
    w, gradients = steps()
    ours, theirs, config, other = w, w, {"weight_decay": 0}, None
    for dw in gradients:
        ours, config = adamw(ours, dw, config)
        theirs, other = adam(theirs, dw, other)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("clip", [optim.clip_by_norm, clipping.clip_by_norm], ids=lambda f: f.__module__)
def test_clip_by_norm(clip):
    rng = np.random.RandomState(0)
    grads = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3), "c": np.zeros(2)}
    whole = np.concatenate([g.ravel() for g in grads.values()])
    size = np.sqrt(np.sum(whole**2))
    with unchanged(grads, *grads.values()):
        for norm in (0.1, 1.0, 0.999 * size):
            clipped = np.concatenate([g.ravel() for g in clip(grads, norm).values()])
            np.testing.assert_allclose(clipped, whole * norm / size, rtol=1e-14)  # same direction
        for norm in (1.001 * size, 1e9):
            clipped = clip(grads, norm)
            assert all(clipped[name] is g for name, g in grads.items())


# fmt: off
@pytest.mark.parametrize("rule, config, error, fragments", [
    (sgd, {"lr": 1}, ValueError, ["sgd", "'lr'", "learning_rate"]),
    (sgd, {"momentum": 0.9}, ValueError, ["sgd", "'momentum'", "learning_rate"]),
    (sgd, [1e-3], TypeError, ["sgd", "config", "list"]),
    (sgd, {"learning_rate": -1}, ValueError, ["learning_rate", "-1", "at least 0"]),
    (sgd, {"learning_rate": np.nan}, ValueError, ["learning_rate", "nan"]),
    (sgd, {"learning_rate": "1e-3"}, TypeError, ["learning_rate", "'1e-3'"]),
    (sgd_momentum, {"momentum": 1.5}, ValueError, ["momentum", "1.5", "at most 1"]),
    (sgd_momentum, {"velocity": np.zeros(4)}, ValueError, ["velocity", "(3, 5)", "(4,)"]),
    (rmsprop, {"decay_rate": -0.1}, ValueError, ["decay_rate", "-0.1"]),
    (adam, {"beta1": 1.0}, ValueError, ["beta1", "1.0"]),
    (adam, {"beta2": 1}, ValueError, ["beta2", "1"]),
    (adam, {"t": -1}, ValueError, ["t", "-1"]),
    (adam, {"weight_decay": 0.1}, ValueError, ["adam", "'weight_decay'"]),
    (adamw, {"weight_decay": -0.1}, ValueError, ["adamw", "weight_decay", "-0.1"]),
    (adamw, {"beta2": 1.0}, ValueError, ["adamw", "beta2", "1.0"]),
    *((rule, {name: W.tolist()}, TypeError, [f"config['{name}'] must be a numpy array, got list; try "])
      for rule, names in MEMORY.items() for name in names),
], ids=lambda v: getattr(v, "__name__", str(v)[:40]))
# fmt: on
def test_a_config_is_refused(rule, config, error, fragments):
    before = copy.deepcopy(config)
    with unchanged(W, DW), refused(error, *fragments):
        rule(W, DW, config)
    assert config.keys() == before.keys() if isinstance(config, dict) else config == before


# fmt: off
@every_rule
@pytest.mark.parametrize("w, dw, error, fragments", [
    (W.tolist(), DW, TypeError, ["w must be a numpy array, got "]),
    (W, DW.tolist(), TypeError, ["dw must be a numpy array, got "]),
    (None, DW, TypeError, ["w must be a numpy array, got "]),
    (W, None, TypeError, ["dw must be a numpy array, got "]),
    (W.astype(np.int64), DW, TypeError, ["w must be floating point, of 32 bits or more, got int64; "]),
    *((W, dw, ValueError, ["dw", "(3, 5)", str(np.shape(dw))])
      for dw in (np.zeros((5, 3)), np.zeros(5), np.zeros((1, 5)), 0.0)),
], ids=lambda v: "")
# fmt: on
def test_arrays_are_refused(rule, w, dw, error, fragments):
    config = {}
    with refused(error, f"{rule.__name__}: ", *fragments):
        rule(w, dw, config)
    assert config == {}
