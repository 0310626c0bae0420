"""Update rules against their equations, unrolled by hand, and statements that hold whatever the code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.optim import adam, adamw, clip_by_norm, rmsprop, sgd, sgd_momentum
from tests.support import refused, unchanged

RULES = [sgd, sgd_momentum, rmsprop, adam, adamw]
DEFAULTS = {
    sgd: {"learning_rate": 1e-2},
    sgd_momentum: {"learning_rate": 1e-2, "momentum": 0.9},
    rmsprop: {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    adam: {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    adamw: {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
}
MEMORY = {
    sgd: [],
    sgd_momentum: ["velocity"],
    rmsprop: ["cache"],
    adam: ["m", "v", "t"],
    adamw: ["m", "v", "t"],
}
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)


def steps(n=4, shape=(3, 5), seed=0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=shape), [rng.normal(size=shape) for _ in range(n)]


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
    w, gradients = steps()
    ours, config = w, None
    for dw in gradients:
        ours, config = rule(ours, dw, config)
    np.testing.assert_allclose(ours, by_hand(rule, w, gradients), rtol=1e-12)


@every_rule
def test_config_defaults_and_memory(rule):
    w, (dw, *_) = steps()
    _, config = rule(w, dw)
    memory = MEMORY[rule]
    assert {k: v for k, v in config.items() if k not in memory} == DEFAULTS[rule]
    assert set(memory) <= config.keys()
    for name in set(memory) - {"t"}:
        assert config[name].shape == w.shape
    if rule in (adam, adamw):
        assert config["t"] == 1


@every_rule
def test_a_config_with_memory_goes_on_from_there(rule):
    w, gradients = steps(6)
    through, config = w, {"learning_rate": 0.05}
    for dw in gradients[:3]:
        through, config = rule(through, dw, config)
    resumed, saved = through.copy(), {k: np.copy(v) if np.ndim(v) else v for k, v in config.items()}
    for dw in gradients[3:]:
        through, config = rule(through, dw, config)
        resumed, saved = rule(resumed, dw, saved)
    np.testing.assert_array_equal(through, resumed)


@every_rule
def test_memory_is_written_back_into_the_same_dict(rule):
    w, (dw, *_) = steps()
    config = {"learning_rate": 0.5}
    assert rule(w, dw, config)[1] is config and config["learning_rate"] == 0.5


@every_rule
def test_neither_w_nor_dw_nor_old_memory_is_written_to(rule):
    w, (dw, dw2, *_) = steps()
    _, config = rule(w, dw)
    old = {name: config[name] for name in MEMORY[rule] if name != "t"}
    with unchanged(w, dw2, old):
        next_w, _ = rule(w, dw2, config)
    assert not np.shares_memory(next_w, w)


@every_rule
@pytest.mark.parametrize("number", [float, np.float64, np.float32], ids=lambda t: t.__name__)
def test_float32_stays_float32_whatever_the_settings(rule, number):
    w, gradients = steps()
    w32, config = w.astype(np.float32), {k: number(v) for k, v in DEFAULTS[rule].items()}
    for dw in gradients:
        w32, config = rule(w32, dw.astype(np.float32), config)
    assert w32.dtype == np.float32
    assert all(config[k].dtype == np.float32 for k in MEMORY[rule] if k != "t")
    np.testing.assert_allclose(w32, by_hand(rule, w, gradients), rtol=1e-4, atol=1e-6)  # float32


@every_rule
def test_next_w_has_the_dtype_of_w(rule):
    """Also when the gradient, or the memory of an earlier run, comes in another."""
    for kind, other in [(np.float32, np.float64), (np.float64, np.float32)]:
        w, gradients = steps(3)
        w, config = w.astype(kind), {}
        for dw in gradients:
            before = dw.astype(other)
            with unchanged(w, before):
                w, config = rule(w, before, config)
            assert w.dtype == kind
            for name in set(MEMORY[rule]) - {"t"}:
                assert config[name].dtype == kind
                config[name] = config[name].astype(other)
        np.testing.assert_allclose(w, by_hand(rule, *steps(3)), rtol=1e-4, atol=1e-6)  # float32


@every_rule
def test_numbers_will_do_for_arrays(rule):
    wanted = rule(np.array([1.5]), np.array([0.5]))[0][0]
    for w, dw in [(1.5, 0.5), (np.float64(1.5), np.float64(0.5)), (np.array(1.5), np.array(0.5))]:
        once, config = rule(w, dw)
        assert once == wanted
        assert rule(once, dw, config)[0] < once


@every_rule
def test_lists_and_integer_weights_are_refused(rule):
    w, (dw, *_) = steps()
    for bad_w, bad_dw, name in [
        (w.tolist(), dw, "w"),
        (w, dw.tolist(), "dw"),
        (None, dw, "w"),
        (w, None, "dw"),
    ]:
        with refused(TypeError, f"{rule.__name__}: {name} must be a numpy array, got "):
            rule(bad_w, bad_dw)
    with refused(TypeError, rule.__name__, "w must be floating point, of 32 bits or more, got int64; "):
        rule(w.astype(np.int64), dw)
    for name in set(MEMORY[rule]) - {"t"}:
        with refused(TypeError, rule.__name__, f"config['{name}'] must be a numpy array, got list; try "):
            rule(w, dw, {name: w.tolist()})


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(0, 99))
def test_any_shape(shape, seed):
    w, gradients = steps(2, tuple(shape), seed)
    for rule in RULES:
        ours, config = rule(np.asarray(w), np.asarray(gradients[0]))
        ours, config = rule(ours, np.asarray(gradients[1]), config)
        assert np.shape(ours) == tuple(shape)


def test_adam_s_first_step_is_the_sign():
    w, (dw, *_) = steps()
    for scale in (1e-3, 1, 1e6):
        first = w - adam(w, scale * dw)[0]
        np.testing.assert_allclose(first, 1e-3 * np.sign(dw), rtol=1e-3)  # epsilon over |dw|


@pytest.mark.parametrize("rule", [rmsprop, adam], ids=lambda r: r.__name__)
def test_a_long_constant_gradient_walks_at_the_learning_rate(rule):
    w, config, dw = np.zeros(3), {"learning_rate": 0.1}, np.array([1e-2, -3.0, 50.0])
    for _ in range(3000):
        previous, (w, config) = w, rule(w, dw, config)
    np.testing.assert_allclose(previous - w, 0.1 * np.sign(dw), rtol=1e-4)  # epsilon, and 0.99^3000


def test_momentum_reaches_the_geometric_sum():
    w, config, dw = np.zeros(2), None, np.array([1.0, -2.0])
    for _ in range(500):
        w, config = sgd_momentum(w, dw, config)
    np.testing.assert_allclose(config["velocity"], -1e-2 * dw / (1 - 0.9), rtol=1e-12)


@every_rule
def test_a_zero_gradient_at_the_start_moves_nothing(rule):
    w, _ = steps()
    moved = w if rule is not adamw else w - 1e-3 * 1e-2 * w  # but for what decays
    np.testing.assert_array_equal(rule(w, np.zeros_like(w))[0], moved)


def test_adamw_without_decay_is_adam():
    w, gradients = steps()
    ours, theirs, config, other = w, w, {"weight_decay": 0}, None
    for dw in gradients:
        ours, config = adamw(ours, dw, config)
        theirs, other = adam(theirs, dw, other)
    np.testing.assert_array_equal(ours, theirs)


def test_decoupled_decay_shrinks_every_weight_alike():
    """In adam with L2 the decay is divided by the gradient's size; here every weight loses the same share."""
    w, config = np.array([1.0, -20.0]), {"weight_decay": 0.1}
    for _ in range(50):
        w, config = adamw(w, np.zeros(2), config)
    np.testing.assert_allclose(w, np.array([1.0, -20.0]) * (1 - 1e-4) ** 50, rtol=1e-12)


def check_clip(clip):
    rng = np.random.RandomState(0)
    grads = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3), "c": np.zeros(2)}
    whole = np.concatenate([g.ravel() for g in grads.values()])
    size = np.sqrt(np.sum(whole**2))
    with unchanged(grads, *grads.values()):
        for norm in (0.1, 1.0, 0.999 * size):
            clipped = clip(grads, norm)
            found = np.concatenate([clipped[name].ravel() for name in grads])
            np.testing.assert_allclose(found, whole * norm / size, rtol=1e-14)  # same direction, that length
        for norm in (1.001 * size, 1e9):
            clipped = clip(grads, norm)
            assert all(clipped[name] is g for name, g in grads.items())


def test_clip_by_norm():
    check_clip(clip_by_norm)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda grads, norm: {name: clip_by_norm({name: g}, norm)[name] for name, g in grads.items()},
        lambda grads, norm: {name: np.clip(g, -norm, norm) for name, g in grads.items()},
        lambda grads, norm: {
            name: g * norm / np.sqrt(sum(np.sum(h**2) for h in grads.values())) for name, g in grads.items()
        },
    ],
    ids=["each-by-itself", "by-value", "always"],
)
def test_the_check_of_clip_rejects(wrong):
    with pytest.raises(AssertionError):
        check_clip(wrong)


def test_clip_by_norm_where_float32_cannot_hold_a_square():
    grads = {"W": np.array([3e25, 0], np.float32), "b": np.array([-4e25], np.float32)}
    clipped = clip_by_norm(grads, 5.0)
    np.testing.assert_allclose([*clipped["W"], *clipped["b"]], [3, 0, -4], rtol=1e-6)  # float32
    assert all(g.dtype == np.float32 for g in clipped.values())


@pytest.mark.parametrize(
    "rule, config, error, fragments",
    [
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
    ],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_refuses(rule, config, error, fragments):
    w, (dw, *_) = steps()
    before = dict(config) if isinstance(config, dict) else list(config)
    with unchanged(w, dw), refused(error, *fragments):
        rule(w, dw, config)
    assert config.keys() == before.keys() if isinstance(config, dict) else config == before


@every_rule
def test_refuses_a_gradient_of_another_shape(rule):
    w, _ = steps()
    config = {}
    for dw in (np.zeros((5, 3)), np.zeros(5), np.zeros((1, 5)), 0.0):
        with refused(ValueError, rule.__name__, "dw", "(3, 5)", str(np.shape(dw))):
            rule(w, dw, config)
    assert config == {}


# Shown to fail: rules with a planted mistake, against the unrolled sums.
def adam_without_correction(w, dw, config=None):
    w_next, config = adam(w, dw, config)
    return w - 1e-3 * config["m"] / (np.sqrt(config["v"]) + 1e-8), config


def adam_that_counts_late(w, dw, config=None):
    if config is not None:
        config["t"] -= 1
        config["t"] = max(config["t"], 1)
    return adam(w, dw, config)


def adam_with_l2(w, dw, config=None):
    return adam(w, dw + 1e-2 * w, config)


def adamw_that_forgets_the_rate(w, dw, config=None):
    next_w, config = adam(w, dw, config)
    return next_w - 1e-2 * w, config


def rmsprop_with_epsilon_in_the_root(w, dw, config=None):
    _, config = rmsprop(w, dw, config)
    return w - 1e-2 * dw / np.sqrt(config["cache"] + 1e-8), config


def momentum_that_weighs_the_present(w, dw, config=None):
    v = 0.9 * (config or {"velocity": 0})["velocity"] - 0.1 * 1e-2 * dw
    return w + v, {"velocity": v}


@pytest.mark.parametrize(
    "rule, wrong",
    [
        (adam, adam_without_correction),
        (adam, adam_that_counts_late),
        (adamw, adam_with_l2),
        (adamw, adamw_that_forgets_the_rate),
        (adamw, adam),
        (rmsprop, rmsprop_with_epsilon_in_the_root),
        (sgd_momentum, momentum_that_weighs_the_present),
        (sgd, lambda w, dw, config=None: (w + 1e-2 * dw, config)),
    ],
    ids=lambda r: r.__name__,
)
def test_the_unrolled_sums_reject(rule, wrong):
    w, gradients = steps()
    ours, config = w, None
    for dw in gradients:
        ours, config = wrong(ours, dw, config)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(ours, by_hand(rule, w, gradients), rtol=1e-12)
