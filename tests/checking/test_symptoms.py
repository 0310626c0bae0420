"""docs/symptoms.md: right code or a planted mistake produces each symptom, with the numbers of the page."""

import re
import warnings

import numpy as np
import pytest

from cs231n import layers
from cs231n.checking.answers import ANSWERS, OF_EVERY_EXERCISE
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.sections import link_sections
from cs231n.checking.symptoms import PAGE, SECTIONS, section_of
from cs231n.checking.verdict import verdict
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.gradient_check import (
    assert_gradient,
    complex_step_gradient,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    rel_error,
)
from cs231n.layers import (
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)
from cs231n.pages.markup import short_id
from tests.support import ROOT, relative

TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
SECTION_TEXTS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
SYMPTOMS = {}
EPS = 1e-5


def symptom(heading):
    """Register a function that produces a symptom and yields texts that its section must hold."""

    def register(function):
        SYMPTOMS[heading] = function
        return function

    return register


def about(value, text):
    """text, a number such as "1e-11", if value has that size."""
    assert 0.1 < value / float(text) < 10, (value, text)
    return text


def batch(N=8, D=3, seed=0):
    """x, gamma, beta and a random dout."""
    rng = np.random.RandomState(seed)
    return 2 * rng.randn(N, D) + 1, rng.uniform(0.5, 2, D), rng.randn(D), rng.randn(N, D)


def forward(x, gamma, beta, eps=EPS):
    return batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})


def paths(x, gamma, dout, eps=EPS):
    """dx as its parts: direct, through the mean, through the variance; and x_hat."""
    s = np.sqrt(x.var(axis=0) + eps)
    x_hat, h = (x - x.mean(axis=0)) / s, gamma * dout
    return h / s, -h.mean(axis=0) / s, -x_hat * (h * x_hat).mean(axis=0) / s, x_hat


def plain_error(a, b):
    """The relative error without a smallest denominator."""
    with np.errstate(invalid="ignore"):
        return np.nanmax(np.abs(a - b) / (np.abs(a) + np.abs(b)))


def net_gradient(N, seed, parameter="W1", hidden=(20,) * 5, net_seed=None, **options):
    """A gradient of a net with weights of size 1, and its central differences."""
    np.random.seed(seed)
    X, y = np.random.randn(N, 15), np.random.randint(10, size=N)
    options = {"normalization": "batchnorm", "weight_scale": 1, "dtype": np.float64} | options
    net = FullyConnectedNet([*hidden], input_dim=15, seed=net_seed, **options)
    value = net.params[parameter]
    return net.loss(X, y)[1][parameter], eval_numerical_gradient(
        lambda _: net.loss(X, y)[0], value, verbose=False
    )


@symptom("The W1 error is 1e0 at N = 2")
def batch_of_two():
    for seed in range(3):
        right, numeric = net_gradient(10, seed)
        assert 0.1 < np.abs(right).max() < 10 and plain_error(right, numeric) < 1e-6
        tiny, numeric = net_gradient(2, seed)
        assert np.abs(tiny).max() < float("1e-5") and plain_error(tiny, numeric) > 0.9
    yield from ("between 0.1 and 10", "below 1e-5", "1e-6", about(np.abs(tiny - numeric).max(), "1e-10"))
    _, cache = forward(*batch(N=2)[:3])
    np.testing.assert_allclose(np.abs(cache.x_hat), 1, atol=1e-4)


@symptom("db of the affine before batchnorm is 1e-11 and the relative error is 1")
def bias_in_front():
    rng = np.random.RandomState(0)
    x, w, b, dout = rng.randn(10, 5), rng.randn(5, 30), rng.randn(30), rng.randn(10, 30)
    ones, zeros = np.ones(30), np.zeros(30)
    _, cache = forward(affine_forward(x, w, b)[0], ones, zeros)
    right = batchnorm_backward(dout, cache)[0].sum(axis=0)
    numeric = eval_numerical_gradient_array(
        lambda v: forward(affine_forward(x, w, v)[0], ones, zeros)[0], b, dout
    )
    yield about(np.abs(right).max(), "1e-15")
    yield about(np.abs(numeric).max(), "1e-11")
    assert plain_error(right, numeric) == 1
    yield about(rel_error(right, numeric), "1e-3")


@symptom("The check fails in float32")
def float32():
    for dtype, text in [(np.float32, "1e-1"), (np.float64, "1e-10")]:
        x, gamma, beta, dout = (a.astype(dtype) for a in batch())
        dx, _, _ = batchnorm_backward(dout, forward(x, gamma, beta)[1])

        def layer(v, gamma=gamma, beta=beta):
            return forward(v, gamma, beta)[0]

        yield about(relative(eval_numerical_gradient_array(layer, x, dout), dx), text)


@symptom("One error is 1e0 and all the others are small")
def kink():
    x, dout = np.random.RandomState(0).randn(2, 4, 5)
    x[1, 2] = 0.3e-5
    numeric = eval_numerical_gradient_array(lambda v: relu_forward(v)[0], x, dout)
    dx = relu_backward(dout, relu_forward(x)[1])
    off = np.abs(numeric - dx) > 1e-9
    assert off.sum() == 1 and off[1, 2]
    assert numeric[1, 2] / dout[1, 2] == pytest.approx(0.65)
    yield "0.65"


@symptom("The check passes with all ones upstream")
def all_ones():
    x, gamma, beta, dout = batch()
    ones = np.ones_like(x)

    def layer(v):
        return forward(v, gamma, beta)[0]

    right = batchnorm_backward(ones, forward(x, gamma, beta)[1])[0]
    yield about(np.abs(right).max(), "1e-16")
    direct, by_mean, _, _ = paths(x, gamma, ones)
    for wrong in (0 * x, direct + by_mean, right / gamma):
        assert_gradient("dx", wrong, layer, x, ones)
    direct, by_mean, by_variance, _ = paths(x, gamma, dout)
    assert_gradient("dx", direct + by_mean + by_variance, layer, x, dout)
    for wrong in (0 * x, direct + by_mean, (direct + by_mean + by_variance) / gamma):
        with pytest.raises(AssertionError):
            assert_gradient("dx", wrong, layer, x, dout)


@symptom("dx, db or the loss is right up to a factor of N")
def factor_of_n():
    x, _, _, dout = batch(N=8)
    w, b = np.random.RandomState(1).randn(3, 4), np.zeros(4)
    upstream = np.random.RandomState(2).randn(8, 4)
    numeric = eval_numerical_gradient_array(lambda v: affine_forward(x, w, v)[0], b, upstream)
    np.testing.assert_allclose(upstream.mean(axis=0) / numeric, 1 / 8, rtol=1e-6)
    yield "1/8"
    scores, y = np.random.RandomState(3).randn(8, 4), np.arange(8) % 4
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose((p - np.eye(4)[y]) / softmax_loss(scores, y)[1], 8, rtol=1e-12)
    yield "exactly 8"


@symptom("dx is right only on the diagonal")
def diagonal():
    x, gamma, beta, dout = batch(N=8)
    _, cache = forward(x, gamma, beta)
    _, _, _, x_hat = paths(x, gamma, dout)
    slope = gamma / np.sqrt(x.var(axis=0) + EPS) * (1 - 1 / 8 - x_hat**2 / 8)  # of y_i by its own x_i
    for i in range(8):
        one = np.zeros_like(x)
        one[i] = 1
        right = batchnorm_backward(one, cache)[0]
        np.testing.assert_allclose((one * slope)[i], right[i], rtol=1e-9)
        others = np.arange(8) != i
        assert (one * slope)[others].any() == False and np.abs(right[others]).min() > 1e-4  # noqa: E712
    errors = []
    for seed in range(20):
        x, gamma, beta, dout = batch(8, 3, seed)
        direct, by_mean, by_variance, x_hat = paths(x, gamma, dout)
        right = direct + by_mean + by_variance
        errors.append(relative(direct * (1 - 1 / 8 - x_hat**2 / 8), right))
    assert 0.1 < np.median(errors) < 0.5
    yield "10 to 50 %"


@symptom("dx is wrong and I do not know which part")
def which_part():
    for seed in range(5):
        x, gamma, beta, dout = batch(8, 3, seed)
        direct, by_mean, by_variance, x_hat = paths(x, gamma, dout)
        right = direct + by_mean + by_variance
        np.testing.assert_allclose(right, batchnorm_backward(dout, forward(x, gamma, beta)[1])[0], rtol=1e-9)
        size = np.abs(right).max()

        def zeros(dx, x_hat=x_hat, size=size):
            """Whether the column sums of dx, and of dx times x_hat, are 0 in all columns."""
            return [bool((np.abs(t.sum(axis=0)) < 1e-4 * size).all()) for t in (dx, dx * x_hat)]

        assert zeros(right) == zeros(2 * right) == zeros(right / gamma) == [True, True]
        assert zeros(direct + by_variance) == zeros(direct - by_mean + by_variance) == [False, True]
        assert zeros(direct + by_mean) == zeros(direct + by_mean - by_variance) == [True, False]
        assert zeros(direct) == zeros(by_mean + by_variance) == [False, False]
    yield from ("| 0 | 0 |", "| not 0 | 0 |", "| 0 | not 0 |", "| not 0 | not 0 |", "1e-4")


@symptom("The gradient check passes and check does not")
def another_layer():
    x, _, _, dout = batch(N=8)
    for divisor, outside, text in [(7, False, "6 %"), (8, True, "0.4 %")]:

        def layer(v, divisor=divisor, outside=outside):
            centered = v - v.sum(axis=0) / len(v)
            var = (centered * centered).sum(axis=0) / divisor
            return centered / ((var**0.5 + 1e-2) if outside else (var + 1e-2) ** 0.5)

        own = complex_step_gradient(layer, x, dout)
        assert_gradient("dx", own, layer, x, dout)
        right = batchnorm_backward(dout, forward(x, np.ones(3), np.zeros(3), 1e-2)[1])[0]
        assert f"{100 * relative(own, right):.1g} %" == text
        yield text


@symptom("The running mean has the shape (1, D)")
def shape_of_the_running_mean():
    x, gamma, beta, _ = batch(N=8)
    param = {"mode": "train", "running_mean": 0.1 * x.mean(axis=0, keepdims=True)}
    with pytest.raises(ValueError, match="running_mean") as caught:
        batchnorm_forward(x, gamma, beta, param)
    yield from (str(caught.value), "keepdims=True")


@symptom("out or dx is NaN")
def not_a_number():
    x = np.array([[1001.78], [1001.82]], np.float32)
    one_pass = np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2
    with np.errstate(invalid="ignore"):
        assert one_pass < -EPS and np.isnan(np.sqrt(one_pass + EPS))
    assert one_pass == -1 / 16  # of two numbers there is one way to add them up
    yield "-0.06"
    assert np.mean((x - np.mean(x, axis=0)) ** 2) > 0
    constant = np.ones((8, 1))
    with np.errstate(invalid="ignore"):
        assert np.isnan((constant - constant.mean(axis=0)) / constant.std(axis=0)).all()
    assert np.isfinite(forward(constant, np.ones(1), np.zeros(1))[0]).all()
    yield "0 / 0"


@symptom("dx is float64 for float32 input")
def upcast():
    x = np.ones((8, 3), np.float32)
    for factor in (np.ones((8, 3)), np.float64(0.5), np.zeros(3) + 2):
        assert (x * factor).dtype == np.float64
    for factor in (np.ones_like(x), 0.5, 1 / len(x)):
        assert (x * factor).dtype == np.float32
    yield from ("np.ones((N, D))", "np.ones_like(x)")


@symptom("The second call gives another result")
def written_into():
    x, gamma, beta, dout = batch()

    def own_backward(dout, cache):
        dx_hat, x_hat, s = cache[2] * dout, cache[0], cache[1]
        x_hat -= x_hat.mean(axis=0)  # of the caller's x
        x_hat /= s
        return (dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)) / s

    cache = x.copy(), np.sqrt(x.var(axis=0) + EPS), gamma
    first, second = own_backward(dout, cache), own_backward(dout, cache)
    np.testing.assert_allclose(first, batchnorm_backward(dout, forward(x, gamma, beta)[1])[0], rtol=1e-9)
    assert relative(second, first) > 0.1 and relative(cache[0], x) > 0.1
    yield "`x -= mean`"


@symptom("The gradient check of a net with dropout fails")
def masks():
    for seed, text in [(None, "1e0"), (5, "1e-7")]:
        options = {"dropout_keep_ratio": 0.7, "normalization": None, "hidden": [20], "net_seed": seed}
        right, numeric = net_gradient(10, 0, "W1", **options)
        error = relative(numeric, right)
        assert error > 0.9 if seed is None else error < float(text)
        yield text


@symptom("The loss at test time is nonsense")
def statistics_at_test_time():
    rng = np.random.RandomState(0)
    gamma, beta = np.ones(3), np.zeros(3)
    x = 3 + 2 * rng.randn(200, 3)

    def in_test_mode(param, x=x):
        return batchnorm_forward(x, gamma, beta, {**param, "mode": "test"})[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(in_test_mode({}), x * 316.2, rtol=1e-3)
    yield "316 times"

    def train(momentum, steps=10):
        param = {"mode": "train", "momentum": momentum}
        for _ in range(steps):
            batchnorm_forward(3 + 2 * rng.randn(20, 3), gamma, beta, param)
        return param

    param = {"mode": "train"}
    for _ in range(10):
        batchnorm_forward(x, gamma, beta, param)
    yield f"{100 * (param['running_var'] / x.var(axis=0)).mean():.0f} %"
    ripe = train(0.9, 100)
    assert np.abs(in_test_mode(ripe).std() - 1) < 0.15 and np.abs(in_test_mode(ripe).mean()) < 0.15
    np.testing.assert_allclose(in_test_mode(ripe)[:1], in_test_mode(ripe, x[:1]))  # an example alone
    alone = batchnorm_forward(x[:1], gamma, beta, {"mode": "train"})[0]
    np.testing.assert_allclose(alone, np.zeros((1, 3)), atol=1e-9)  # what statistics of the batch give
    yield "exactly beta"
    jumps = [np.ptp([train(m, 30)["running_mean"] for _ in range(30)], axis=0).mean() for m in (0.9, 0.1)]
    assert jumps[1] > 2 * jumps[0]  # momentum reversed: the statistics of nearly one batch alone


@symptom("The first loss is not 2.3")
def first_loss():
    y = np.arange(100) % 10
    loss = softmax_loss(np.zeros((100, 10)), y)[0]
    assert f"{loss:.1f}" == "2.3" and f"{100 * loss:.0f}" == "230"
    large = softmax_loss(20 * np.random.RandomState(0).randn(100, 10), y)[0]
    assert 10 < large < 100
    yield from ("2.3", "230", "between 10 and 100")


@pytest.mark.parametrize("heading", SYMPTOMS)
def test_the_symptom_is_what_the_page_says(heading):
    text = " ".join(SECTION_TEXTS[heading].split())
    stated = list(SYMPTOMS[heading]())
    assert stated and [part for part in stated if part not in text] == []


def test_the_page_holds_these_symptoms_and_each_names_its_cell_and_a_way_out():
    assert list(SECTION_TEXTS) == list(SYMPTOMS)
    for heading, text in SECTION_TEXTS.items():
        marks = re.findall(r"^\*(What you see|What it means|What to do|Shown in)\.\*", text, re.M)
        assert marks == ["What you see", "What it means", "What to do", "Shown in"], heading
        assert re.search(r"^\*Shown in\.\* .*\.\./notebooks/\d_\w+\.ipynb#", text, re.M), heading


KINDS = {name: {row.kind for row in [*a.misconceptions, *OF_EVERY_EXERCISE]} for name, a in ANSWERS.items()}
# Kinds of compare.py, diagnosis.py and norm_explanation.py, which no table of misconceptions has.
OTHERS = {"shape", "not-finite", "sum-for-mean", "mean-for-sum"}
OTHERS |= {"mean-path", "variance-path", "direct-path", "several-paths"}


@pytest.mark.parametrize("section, kinds, exercises", SECTIONS, ids=[section for section, *_ in SECTIONS])
def test_a_diagnosis_points_at_a_section_of_the_page(section, kinds, exercises):
    assert section in {short_id(heading) for heading in SECTION_TEXTS}
    names = EXERCISES if exercises is None else exercises
    for kind in kinds.split():
        assert kind in OTHERS or any(kind in KINDS[name] for name in names), kind
        assert all(section_of(name, kind) == f"{PAGE}#{section}" for name in names)


def test_a_verdict_ends_with_the_section_and_only_where_one_fits(monkeypatch):
    def only_the_diagonal(dout, cache):
        centered, inv_std, x_hat, gamma = cache
        dx = gamma * inv_std * dout * (1 - 1 / len(dout) - x_hat**2 / len(dout))
        return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)

    assert verdict("batchnorm_backward").findings == ()
    monkeypatch.setattr(layers, "batchnorm_backward", only_the_diagonal)
    wrong = verdict("batchnorm_backward", layers)
    assert wrong.kind == "diagonal-only"
    assert wrong.findings[-1] == f"More: {PAGE}#dx-is-right-only-on-the-diagonal"
    right = layers.batchnorm_backward_alt
    monkeypatch.setattr(layers, "batchnorm_backward", lambda *a: [right(*a)[k] for k in (0, 2, 1)])
    swapped = verdict("batchnorm_backward", layers)
    assert swapped.kind == "dgamma-and-dbeta-swapped" and "symptoms" not in str(swapped.findings)
    place = f"{PAGE}#dx-is-right-only-on-the-diagonal"
    assert link_sections(wrong.findings[-1]) == f'More: <a href="../{place}">{place}</a>'
