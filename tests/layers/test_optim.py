"""Update rules: their definition in long double over drawn arrays, unrolled sums, and the config."""

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n import fast_layers, optim
from cs231n.adamw import ADAM, adamw
from cs231n.contracts import update_rule
from cs231n.contracts.update_rule import BLOCK
from cs231n.optim import adam, rmsprop, sgd, sgd_momentum
from tests.corpus import SOLUTIONS, built
from tests.support import unchanged
from tests.support.strategies import DTYPES, arrays, assert_right, cases, limits, magnitude, wide

SHAPES = st.lists(st.integers(1, 5), max_size=3).map(tuple)
SHARES = st.sampled_from([0, 0.5, 0.9, 0.999])
RATES = st.sampled_from([0, 1e-3, 0.5, 1e3, np.float32(0.1), np.float64(1e-4)])
DEFAULTS = {
    sgd: {"learning_rate": 1e-2},
    sgd_momentum: {"learning_rate": 1e-2, "momentum": 0.9},
    rmsprop: {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    adam: {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    adamw: {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2},
}
MEMORY = {sgd: [], sgd_momentum: ["velocity"], rmsprop: ["cache"], adam: ["m", "v"], adamw: ["m", "v"]}
every_rule = pytest.mark.parametrize("rule", DEFAULTS, ids=lambda r: r.__name__)


@cases("sgd", data=st.data(), shape=SHAPES, dtype=DTYPES, rate=RATES)
def test_sgd(data, shape, dtype, rate):
    w, dw = data.draw(arrays(shape, dtype)), data.draw(arrays(shape, dtype))
    with unchanged(w, dw):
        next_w, _ = sgd(w, dw, {"learning_rate": rate})
    (eps, largest, smallest), step = limits(dtype), float(rate) * wide(dw)
    size = magnitude(w) + magnitude(step)
    assert_right("next_w", next_w, wide(w) - step, 4 * eps * size + 2 * smallest, dtype, 2 * size > largest)


@cases("sgd_momentum", data=st.data(), shape=SHAPES, dtype=DTYPES, rate=RATES, momentum=SHARES)
def test_sgd_momentum(data, shape, dtype, rate, momentum):
    w, *gradients = (data.draw(arrays(shape, dtype)) for _ in range(4))
    eps, largest, smallest = limits(dtype)
    config, truth, velocity, size = {"learning_rate": rate, "momentum": momentum}, wide(w), 0, magnitude(w)
    for dw in gradients:
        with unchanged(w, dw):
            w, config = sgd_momentum(w, dw, config)
        velocity = wide(momentum) * velocity - float(rate) * wide(dw)
        truth, size = truth + velocity, size + 3 * magnitude(dw) * float(rate)
        off, overflows = 16 * eps * size + 9 * smallest, 4 * size > largest
        assert_right("next_w", w, truth, off, dtype, overflows)
        assert_right("velocity", config["velocity"], velocity, off, dtype, overflows)


def adaptive_truth(rule, w, gradients, past1, past2, rate, epsilon, decay):
    """w after the gradients by rmsprop, adam or adamw in long double, with v, and how far off w may be.

    Squares too small for the dtype vanish, so the root is known to lie between two bounds only.
    """
    eps, _, smallest = limits(w.dtype)
    w, m, v, size, off = wide(w), 0, 0, 0, 0
    rounding = 8 * eps + 8 * np.finfo(float).eps / (1 - max(past1, past2))  # of 1 - beta^t in float64
    for t, dw in enumerate(map(wide, gradients), start=1):
        m, v = past1 * m + (1 - wide(past1)) * dw, past2 * v + (1 - wide(past2)) * dw**2
        size = past1 * size + (1 - wide(past1)) * magnitude(dw)
        corrections = (1, 1) if rule == "rmsprop" else (1 - wide(past1) ** t, 1 - wide(past2) ** t)
        up = dw if rule == "rmsprop" else m / corrections[0]
        high, middle, low = (
            np.sqrt(np.maximum((v + k * 4 * t * smallest) / corrections[1], 0)) + epsilon for k in (1, 0, -1)
        )
        reach = ((magnitude(dw) if rule == "rmsprop" else size) + 4 * smallest) / corrections[0]
        step = rate * up / np.maximum(middle, smallest)
        off = off + rate * reach * (rounding * 4 * t / low + 1 / low - 1 / high) + 4 * eps * magnitude(w)
        w = w - step - rate * decay * w
    return w, v, off + 8 * smallest * (1 + rate) + 8 * eps * magnitude(w)


FAST = [fast_layers.adam, fast_layers.adamw]
EDITIONS = [(rule, True) for rule in (rmsprop, adam, adamw, *FAST)] + [(rule, False) for rule in FAST]


@pytest.mark.parametrize(
    "rule, numba",
    EDITIONS,
    ids=[f"{rule.__module__[7:]}.{rule.__name__}-{numba}" for rule, numba in EDITIONS],
)
@cases(
    "rmsprop, adam, adamw",
    data=st.data(),
    shape=SHAPES,
    dtype=DTYPES,
    past1=SHARES,
    past2=SHARES,
    rate=st.sampled_from([0, 1e-3, 0.5]),
    epsilon=st.sampled_from([1e-8, 1e-3]),
)
def test_rules_that_divide_by_a_root(
    monkeypatch, numba, rule, data, shape, dtype, past1, past2, rate, epsilon
):
    with monkeypatch.context() as patch:
        if not numba:
            patch.setattr(fast_layers, "kernels", None)
        divided_by_a_root(rule, data, shape, dtype, past1, past2, rate, epsilon)


def divided_by_a_root(rule, data, shape, dtype, past1, past2, rate, epsilon):
    scales, name = st.sampled_from([1.0, 1e-3, 1e-30, 1e15, 1e30]), rule.__name__
    w, *gradients = data.draw(arrays(shape, dtype)), *(data.draw(arrays(shape, dtype, scales)) for _ in "12")
    decay = 0.1 if name == "adamw" else 0
    config = {"learning_rate": rate, "epsilon": epsilon} | ({"weight_decay": decay} if decay else {})
    config |= {"decay_rate": past2} if name == "rmsprop" else {"beta1": past1, "beta2": past2}
    next_w, broken = w, np.zeros(shape, bool)  # where NaN or infinity shows already
    for i, dw in enumerate(gradients):
        lost, before = np.isfinite(dw) & ~(wide(dw) ** 2 <= limits(dtype)[1]), dict(config)
        try:
            with unchanged(next_w, dw):
                next_w, config = rule(next_w, dw, config)
        except OverflowError as error:
            assert f"{name}: dw holds {magnitude(dw)[lost].max():g}, whose square overflows" in str(error)
            if rule.__module__.endswith("fast_layers") and fast_layers.kernels and config.get("t") == 0:
                assert not config["m"].any() and not config["v"].any()  # in place, so it starts anew
            else:
                assert all(config.get(key) is before.get(key) for key in ("m", "v", "cache", "t"))
            return
        assert not (lost & ~broken).any()
        broken |= ~np.isfinite(dw)
        truth, v, off = adaptive_truth(name, w, gradients[: i + 1], past1, past2, rate, epsilon, decay)
        extreme = 4 * magnitude(truth) + 4 * magnitude(w) > limits(dtype)[1]
        assert_right("next_w", next_w, truth, off, dtype, may_overflow=extreme | ~np.isfinite(v))


def steps(rule, dtype=np.float64, config=None, count=4, gradient_dtype=None):
    """(weights after so many steps, config, weights before them, gradients)"""
    rng = np.random.RandomState(0)
    w = start = rng.normal(size=(3, 5))
    gradients = [rng.normal(size=(3, 5)) for _ in range(count)]
    w = w.astype(dtype)
    for dw in gradients:
        w, config = rule(w, dw.astype(gradient_dtype or dtype), config)
    return w, config, start, gradients


def unrolled(rule, w, gradients):
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
def test_agrees_with_the_unrolled_sums_and_fills_the_config(rule):
    w, config, start, gradients = steps(rule)
    np.testing.assert_allclose(w, unrolled(rule, start, gradients), rtol=1e-12)
    counter = {"t": 4} if "m" in MEMORY[rule] else {}
    assert {k: v for k, v in config.items() if k not in MEMORY[rule]} == DEFAULTS[rule] | counter
    assert all(config[name].shape == w.shape for name in MEMORY[rule])


@every_rule
@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.longdouble], ids=lambda t: t.__name__)
@pytest.mark.parametrize("dtype, gradient_dtype", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_next_w_and_memory_have_the_dtype_of_w(rule, number, dtype, gradient_dtype):
    settings = {name: number(value) for name, value in DEFAULTS[rule].items()}
    w, config, start, gradients = steps(rule, dtype, settings, gradient_dtype=gradient_dtype)
    assert {a.dtype for a in (w, *(config[name] for name in MEMORY[rule]))} == {np.dtype(dtype)}
    np.testing.assert_allclose(w, unrolled(rule, start, gradients), rtol=1e-4, atol=1e-6)  # float32


@every_rule
def test_a_config_with_memory_goes_on_from_there_in_any_dtype_and_its_arrays_stay(rule):
    w, config, *_, (dw, *_) = steps(rule)
    stored = {k: np.array(v, np.longdouble) if k in MEMORY[rule] else v for k, v in config.items()}
    with unchanged(w, dw, *(a for c in (config, stored) for a in c.values() if isinstance(a, np.ndarray))):
        next_w, same = rule(w, dw, config)
        resumed, _ = rule(w, dw, stored)
    assert same is config and not np.shares_memory(next_w, w)
    np.testing.assert_array_equal(next_w, resumed)


@every_rule
@pytest.mark.parametrize("kind", [float, np.float64, np.array])
def test_numbers_will_do_for_arrays(rule, kind):
    expected, expected_config = rule(np.array([1.5]), np.array([0.5]))
    w, config = rule(kind(1.5), kind(0.5))
    assert w == expected[0] and rule(w, kind(0.5), config)[0] < w
    assert rule(1, kind(0.5))[0] == rule(kind(1.0), kind(0.5))[0]


@every_rule
def test_a_zero_gradient_at_the_start_moves_nothing_but_what_decays(rule):
    w = steps(rule)[2]
    np.testing.assert_array_equal(rule(w, 0 * w)[0], w if rule is not adamw else w - 1e-3 * 1e-2 * w)


def test_decoupled_decay_shrinks_every_weight_alike_and_without_it_adamw_is_adam():
    """In adam with L2 the decay is divided by the gradient's size; here every weight loses the same share."""
    w, config = start, config = np.array([1.0, -20.0]), {"weight_decay": 0.1}
    for _ in range(50):
        w, config = adamw(w, np.zeros(2), config)
    np.testing.assert_allclose(w, start * (1 - 1e-4) ** 50, rtol=1e-12)
    np.testing.assert_array_equal(steps(adamw, config={"weight_decay": 0})[0], steps(adam)[0])


@pytest.mark.parametrize("style", SOLUTIONS["adam"])
def test_adamw_goes_by_any_adam_also_one_without_our_check(style, monkeypatch):
    monkeypatch.setattr(optim, "adam", built("adam", SOLUTIONS["adam"][style]).adam)
    w, config, start, gradients = steps(adamw)
    np.testing.assert_allclose(w, unrolled(adamw, start, gradients), rtol=1e-12)
    assert {k: v for k, v in config.items() if k not in MEMORY[adamw]} == DEFAULTS[adamw] | {"t": 4}


@pytest.mark.parametrize("rule", [adam, adamw], ids=lambda r: r.__name__)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_a_large_w_give_the_bits_of_the_whole(rule, dtype, order, monkeypatch):
    """Against the body of the rule, which gets all of w at once; the last block is a short one."""
    rng, rows, sizes = np.random.RandomState(0), BLOCK // 100, []
    w = whole = np.asarray(rng.normal(size=(3 * rows, 101)), dtype, order)
    config, whole_config = {}, {}
    rule(w, w, whole_config)  # for the settings
    whole_config.update(m=0 * w, v=0 * w, t=0)
    body = optim.adam.__wrapped__

    def recorded(w, dw, config):
        sizes.append(w.size)
        return body(w, dw, config)

    for _ in range(3):
        dw = rng.normal(size=w.shape).astype(dtype)
        whole, whole_config = rule.__wrapped__(whole, dw, whole_config)
        with monkeypatch.context() as patch:
            patch.setattr(optim.adam, "__wrapped__", recorded)
            with unchanged(w, dw, *(config[name] for name in ("m", "v") if name in config)):
                w, same = rule(w, dw, config)
        assert same is config and w.shape == whole.shape
    assert sizes == [BLOCK, BLOCK, BLOCK, w.size - 3 * BLOCK] * 3
    np.testing.assert_array_equal(w, whole)
    assert config.keys() == whole_config.keys()
    for name, value in whole_config.items():
        np.testing.assert_array_equal(config[name], value, strict=True)


@pytest.mark.parametrize("style", SOLUTIONS["adam"])
def test_blocks_serve_any_adam(style):
    """One that returns another dict, and one with names of its own, as well."""
    body = built("adam", SOLUTIONS["adam"][style]).adam
    rule = update_rule(blocks=True, **ADAM)(body)
    rng = np.random.RandomState(0)
    w, dw = rng.normal(size=(2, BLOCK + 7))
    config, whole_config = {}, {**ADAM, "m": 0 * w, "v": 0 * w}
    for _ in range(2):
        whole, whole_config = body(w, dw, whole_config)
        next_w, config = rule(w, dw, config)
    np.testing.assert_array_equal(next_w, whole)
    for name, value in whole_config.items():
        np.testing.assert_array_equal(config[name], value)


def test_every_rule_is_listed_by_its_name():
    assert optim.__all__ == [rule.__name__ for rule in DEFAULTS if rule is not adamw]
