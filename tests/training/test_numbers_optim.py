"""Update rules, clipping and schedules over drawn numbers: the formula in long double, or a refusal."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from cs231n import fast_layers, optim
from cs231n.optim import adam, adamw, rmsprop, sgd, sgd_momentum
from cs231n.training import clipping
from cs231n.training.schedules import constant, cosine, one_cycle
from tests.support import refused, unchanged
from tests.support.scripted import net, run
from tests.support.strategies import DTYPES, SCALES, arrays, assert_right, cases, limits, magnitude, wide

SHAPES = st.lists(st.integers(1, 5), max_size=3).map(tuple)
RATES = st.sampled_from([0, 1e-3, 0.5, 1e3, np.float32(0.1), np.float64(1e-4)])
SHARES = st.sampled_from([0, 0.5, 0.9, 0.999])
EDITIONS = [rmsprop, adam, adamw, fast_layers.adam, fast_layers.adamw]
every_clip = pytest.mark.parametrize(
    "clip", [optim.clip_by_norm, clipping.clip_by_norm], ids=lambda f: f.__module__
)


def steps(data, shape, dtype, count=3, **kind):
    return data.draw(arrays(shape, dtype)), [data.draw(arrays(shape, dtype, **kind)) for _ in range(count)]


@cases("sgd", data=st.data(), shape=SHAPES, dtype=DTYPES, rate=RATES)
def test_sgd(data, shape, dtype, rate):
    w, (dw,) = steps(data, shape, dtype, 1)
    with unchanged(w, dw):
        ours, _ = sgd(w, dw, {"learning_rate": rate})
    eps, largest, smallest = limits(dtype)
    step = float(rate) * wide(dw)
    size = magnitude(w) + magnitude(step)
    assert_right("next_w", ours, wide(w) - step, 4 * eps * size + 2 * smallest, dtype, 2 * size > largest)


@cases("sgd_momentum", data=st.data(), shape=SHAPES, dtype=DTYPES, rate=RATES, momentum=SHARES)
def test_sgd_momentum(data, shape, dtype, rate, momentum):
    w, gradients = steps(data, shape, dtype)
    eps, largest, smallest = limits(dtype)
    config, truth, velocity, size = {"learning_rate": rate, "momentum": momentum}, wide(w), 0, magnitude(w)
    for dw in gradients:
        with unchanged(w, dw):
            w, config = sgd_momentum(w, dw, config)
        velocity = wide(momentum) * velocity - float(rate) * wide(dw)
        truth, size = truth + velocity, size + 3 * magnitude(dw) * float(rate)
        off, extreme = 16 * eps * size + 9 * smallest, 4 * size > largest
        assert_right("next_w", w, truth, off, dtype, extreme)
        assert_right("velocity", config["velocity"], velocity, off, dtype, extreme)


def adaptive_truth(rule, w, gradients, past1, past2, rate, epsilon, decay, dtype):
    """w after the gradients by rmsprop, adam or adamw in long double, with how far off rounding may be.

    Squares too small for dtype vanish, so the root is known to lie between two bounds only.
    """
    eps, _, smallest = limits(dtype)
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
    return w, m, v, off + 8 * smallest * (1 + rate) + 8 * eps * magnitude(w)


@pytest.fixture(
    params=[*EDITIONS, (fast_layers.adam, None), (fast_layers.adamw, None)],
    ids=lambda p: f"{p.__module__}-{p.__name__}" if callable(p) else f"without-numba-{p[0].__name__}",
)
def rule(request, monkeypatch):
    if callable(request.param):
        return request.param
    monkeypatch.setattr(fast_layers, "kernels", None)
    return request.param[0]


# fmt: off
@cases("rmsprop, adam, adamw", data=st.data(), shape=SHAPES, dtype=DTYPES, past1=SHARES, past2=SHARES,
       rate=st.sampled_from([0, 1e-3, 0.5]), epsilon=st.sampled_from([1e-8, 1e-3]))
# fmt: on
def test_rules_that_divide_by_a_root(rule, data, shape, dtype, past1, past2, rate, epsilon):
    w, gradients = steps(data, shape, dtype, 2, scales=st.sampled_from([1.0, 1e-3, 1e-30, 1e15, 1e30]))
    name, decay = rule.__name__, 0.1 if rule.__name__ == "adamw" else 0
    config = {"learning_rate": rate, "epsilon": epsilon}
    config |= {"decay_rate": past2} if name == "rmsprop" else {"beta1": past1, "beta2": past2}
    config |= {"weight_decay": decay} if decay else {}
    taken, next_w = [], w
    for dw in gradients:
        lost = np.isfinite(dw) & ~(wide(dw) ** 2 <= limits(dtype)[1])
        if lost.any():
            before = dict(config)
            with unchanged(next_w, dw), pytest.raises(OverflowError, match=f"{name}: dw holds .* overflows"):
                rule(next_w, dw, config)
            if rule.__module__.endswith("fast_layers") and fast_layers.kernels and config.get("t") == 0:
                assert not config["m"].any() and not config["v"].any()  # in place, so it starts anew
            else:
                assert all(config.get(key) is before.get(key) for key in ("m", "v", "cache", "t"))
            return
        with unchanged(next_w, dw):
            next_w, config = rule(next_w, dw, config)
        taken.append(dw)
        truth, _, v, off = adaptive_truth(name, w, taken, past1, past2, rate, epsilon, decay, dtype)
        extreme = 4 * magnitude(truth) + 4 * magnitude(w) > limits(dtype)[1]
        assert_right("next_w", next_w, truth, off, dtype, may_overflow=extreme | ~np.isfinite(v))


# fmt: off
@every_clip
@cases("clip_by_norm", data=st.data(), shapes=st.lists(SHAPES, min_size=1, max_size=3), dtype=DTYPES,
       norm=st.sampled_from([1e-3, 1.0, 1e10, 1e-35]))
# fmt: on
def test_clip_by_norm(clip, data, shapes, dtype, norm):
    """A gradient with NaN or infinity in it stays so; nothing else is scaled away."""
    scales = [SCALES, st.just(1e200)][dtype == np.float64 and data.draw(st.booleans())]
    grads = {f"W{i}": data.draw(arrays(s, dtype, scales)) for i, s in enumerate(shapes)}
    with unchanged(*grads.values()):
        clipped = clip(grads, norm)
    eps, _, smallest = limits(dtype)
    # Each divided by the largest first, so that squares fit where long double is no wider than float64.
    largest = max(float(magnitude(g).max()) for g in grads.values()) or 1.0
    found = largest * np.sqrt(sum(((wide(g) / largest) ** 2).sum() for g in grads.values()))
    if not np.isfinite(found):
        assert not all(np.isfinite(g).all() for g in clipped.values())
        return
    scale = min(wide(1), norm / found) if found else wide(1)
    for name, g in grads.items():
        off = 64 * eps * magnitude(g) * scale + 4 * smallest * (1 + magnitude(g))  # scale may be denormal
        assert_right(name, clipped[name], wide(g) * scale, off, dtype)


@every_clip
@pytest.mark.parametrize("size, dtype", [(1e200, np.float64), (1e-200, np.float64), (1e30, np.float32)])
def test_a_norm_whose_squares_do_not_fit_is_clipped_all_the_same(clip, size, dtype):
    grads = {"W": np.array([3, 0], dtype) * dtype(size), "b": np.array([4], dtype) * dtype(size)}
    clipped = clip(grads, size)
    np.testing.assert_allclose([*clipped["W"], *clipped["b"]], np.array([0.6, 0, 0.8]) * size, rtol=1e-6)


# fmt: off
@cases("schedules", progress=st.floats(0, 1), final=st.floats(0, 10), start=st.floats(0, 10),
       warm_up=st.floats(0, 1, exclude_max=True))
# fmt: on
def test_schedules(progress, final, start, warm_up):
    assert constant(progress) == 1
    fall = lambda share: math.cos(math.pi * share / 2) ** 2  # noqa: E731
    rounding = 1e-15 * (1 + final + start)
    assert abs(cosine(progress, final) - (final * (1 - fall(progress)) + fall(progress))) <= 8 * rounding
    ours = one_cycle(progress, warm_up, start, final)
    if progress < warm_up:
        share = progress / warm_up
        assert abs(ours - (start * (1 - share) + share)) <= 8 * rounding
    else:
        share = fall((progress - warm_up) / (1 - warm_up))
        assert abs(ours - (final * (1 - share) + share)) <= 8 * rounding
    assert 0 <= ours <= max(1, start, final) * (1 + 1e-15)


BAD = st.sampled_from([np.nan, np.inf, -np.inf, -0.5, 1.5, "0.5", None, True, np.ones(2), 1j, 10**400])


@cases("schedules, refused", bad=BAD, schedule=st.sampled_from([cosine, one_cycle]))
def test_progress_outside_the_run_is_refused(bad, schedule):
    with refused((TypeError, ValueError), f"{schedule.__name__}: progress must be"):
        schedule(bad)


ALL_RULES = st.sampled_from([*EDITIONS, sgd, sgd_momentum])
NOT_EVEN_A_RATE = BAD.filter(lambda v: not isinstance(v, float) or v != 1.5)


@cases("optim, refused", bad=NOT_EVEN_A_RATE, rule=ALL_RULES, data=st.data())
def test_settings_that_mean_nothing_are_refused(bad, rule, data):
    w = np.ones(3)
    names = [name for name, value in rule(w, w)[1].items() if np.ndim(value) == 0]
    name = data.draw(st.sampled_from(names))
    with unchanged(w), refused((TypeError, ValueError), rule.__name__, f"config['{name}'] must be"):
        rule(w, w, {name: bad})


# fmt: off
@cases("optim, refused", rule=ALL_RULES, full=st.booleans(), name=st.sampled_from(["w", "dw"]),
       kind=st.sampled_from([bool, complex, object, str, np.float16, "M8[s]", list, "masked"]))
# fmt: on
def test_arrays_that_hold_no_numbers_are_refused(rule, name, full, kind):
    """Also with a full config, which fast_layers takes as checked."""
    good = np.ones((2, 2))
    bad = {list: good.tolist(), "masked": np.ma.masked_array(good)}.get(kind)
    bad = np.zeros((2, 2), int).astype(kind) if bad is None else bad
    config = rule(good, good)[1] if full else None
    if name == "dw" and kind is np.float16:
        assert rule(good, bad, config)[0].dtype == np.float64  # in the dtype of w, as documented
        return
    arguments = {"w": good, "dw": good, name: bad}
    with refused(TypeError, rule.__name__, f"{name} must "):
        rule(arguments["w"], arguments["dw"], config)


@pytest.mark.parametrize("rule", ["rmsprop", "adam", "adamw"])
def test_a_rule_that_overflows_ends_the_run_and_keeps_the_best(blobs, rule):
    model = net(np.float32)
    scores, before = model.loss, {name: w.copy() for name, w in model.params.items()}
    huge = {name: np.full_like(w, 1e30) for name, w in before.items()}
    model.loss = lambda X, y=None: scores(X) if y is None else (1.0, huge)
    with pytest.warns(RuntimeWarning, match=f"ends at iteration 1: {rule}: dw holds 1e.30.*the best"):
        run(model, blobs[0], update_rule=rule, optim_config=None)
    assert all(np.array_equal(before[name], w) for name, w in model.params.items())
