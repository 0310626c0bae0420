"""Mistakes of learners that had no name, or a wrong one: check says what it has computed, and no more."""

import pytest

from cs231n.checking.verdict import verdict
from tests.corpus import built

SOFTMAX = """
def softmax_loss(x, y):
    N = len(x)
    z = x - {shift}
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -(z[range(N), y] - np.log(np.exp(z).sum(axis=1))).mean()
    dx = p.copy()
    dx[range(N), y] -= 1
    {then}
"""
LARGEST = "x.max(axis=1, keepdims=True)"
NORM = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mu, var, eps, m = x.mean(axis=0), x.var(axis=0), bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    old = {{k: bn_param.get(k, np.zeros_like(mu)) for k in ("running_mean", "running_var")}}
    out = gamma * (x - mu) / np.sqrt(var + {eps}) + beta
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = m * old["running_mean"] + (1 - m) * mu
        bn_param["running_var"] = m * old["running_var"] + (1 - m) * var
    else:
        bn_param.update(old)
        {test}
    return out, None
"""
STAGED = """
def {name}(dout, cache):
    x_hat, inv_std, gamma = cache[{first}:]
    {n} = dout.shape[{axis}]
    g = dout * gamma
    def total(t):
        return t.sum(axis={axis}, keepdims=True)
    dx = inv_std * (g - {mean} - {variance})
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)
"""
BATCH = """
def batchnorm_backward(dout, cache):
    centered, inv_std, x_hat, gamma = cache
    N, g = len(dout), dout * gamma
    {lines}
    dvar = {dvar}
    dx = {direct} + dvar * 2 * {second} / N + {dmu} / N
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)
"""
DVAR, DMU = "(g * centered * -0.5 * inv_std**3).sum(axis=0)", "-(g * inv_std).sum(axis=0)"


def batch(lines="x = centered + 2", dvar=DVAR, direct="g * inv_std", second="centered", dmu=DMU):
    return BATCH.format(lines=lines, dvar=dvar, direct=direct, second=second, dmu=dmu)


def layer(mean="total(g) / D", variance="x_hat * total(g * x_hat) / D"):
    return STAGED.format(
        name="layernorm_backward", first="", n="D", axis=1, mean=mean, variance=variance
    ).replace("cache[:]", "cache")


@pytest.mark.parametrize(
    "exercise, source, kind, words",
    [
        (
            "relu_backward",
            "def relu_backward(dout, cache):\n    return dout * (cache[0] > 0)",
            "one-example",
            "dx: the mask of one example is used for all of them",
        ),
        (
            "relu_backward",
            "def relu_backward(dout, cache):\n    dx = dout * (cache > 0)",
            "wrong-return",
            "relu_backward must return dx; got None. Is `return` missing?",
        ),
        (
            "affine_forward",
            "def affine_forward(x, w, b):\n    x.shape = len(x), -1\n    return x @ w + b, (x, w, b)",
            "writes-into-x",
            "affine_forward changes the shape of its argument x, which its caller still needs",
        ),
        (
            "affine_forward",
            "def affine_forward(x, w, b):\n    return x.reshape(len(x), -1) @ w + b",
            "wrong-return",
            "affine_forward must return out, cache; got one array alone.",
        ),
        (
            "softmax_loss",
            SOFTMAX.format(shift=LARGEST, then="return loss"),
            "wrong-return",
            "softmax_loss must return loss, dx; got one number alone.",
        ),
        (
            "softmax_loss",
            SOFTMAX.format(shift=LARGEST, then="return loss / N, dx / N**2"),
            "mean-for-sum",
            "loss, dx: it is divided by the number of examples twice",
        ),
        (
            "softmax_loss",
            SOFTMAX.format(shift="x.min(axis=1, keepdims=True)", then="return loss, dx / N").replace(
                "-(z[range(N), y] - np.log(np.exp(z).sum(axis=1))).mean()", "-np.log(p[range(N), y]).mean()"
            ),
            "shift-by-the-smallest",
            "For scores that lie far apart: loss, dx: the smallest score of a row is subtracted",
        ),
        (
            "softmax_loss",
            SOFTMAX.format(shift=LARGEST, then="return loss, (p - 1) / N"),
            "label-everywhere",
            "dx: 1 is subtracted from the probability of every class",
        ),
        (
            "softmax_loss",
            "def softmax_loss(x, y):\n    return svm_loss(x, y)",
            "hinge-for-softmax",
            "loss, dx: this is the hinge loss of svm_loss",
        ),
        (
            "batchnorm_forward",
            NORM.format(eps="1e-5", test="pass"),
            "eps-left-out",
            "out in mode \"test\": mode 'test' gives the same out as mode 'train'",
        ),
        (
            "batchnorm_forward",
            NORM.format(eps="eps", test="out = x"),
            "normalization-left-out",
            "out in mode \"test\": mode 'test' returns x as it is",
        ),
        (
            "batchnorm_backward",
            batch(dmu="-(g * inv_std)"),
            "sum-missing",
            "dx: on the path through the mean the sum is missing: the mean moves every entry of its column",
        ),
        (
            "batchnorm_backward",
            batch(dvar="g * centered * -0.5 * inv_std**3"),
            "sum-missing",
            "dx: on the path through the variance the sum is missing",
        ),
        (
            "layernorm_backward",
            layer(variance="x_hat * g * x_hat / D"),
            "sum-missing",
            "the sum is missing: the variance moves every entry of its row",
        ),
        (
            "batchnorm_backward",
            batch(dvar="(g * centered * -0.5 * inv_std**3).sum()", dmu="-(g * inv_std).sum()"),
            "sum-of-everything",
            "dx: on the paths through mean and variance, the sum is over the whole array: each column has",
        ),
        (
            "batchnorm_backward",
            batch(dmu="-(g * inv_std).sum()"),
            "sum-of-everything",
            "dx: on the path through the mean, the sum is over the whole array: each column has a sum",
        ),
        (
            "batchnorm_backward",
            batch(lines="g_s = g\n    g_s *= inv_std", direct="g_s", dmu="-g_s.sum(axis=0)"),
            "power-of-the-root",
            "dx: the path through the variance has one factor 1/s too many",
        ),
        (
            "sgd_momentum",
            "def sgd_momentum(w, dw, config=None):\n    config = config or {}\n"
            "    v = 0.9 * config.get('velocity', 0 * w) - config.get('learning_rate', 1e-2) * dw\n"
            "    config['velocity'] = v\n    return w + v, config",
            "setting-fixed",
            "the momentum in config is not used: in its place the code has a fixed number, 0.9.",
        ),
        (
            "dropout_forward",
            "def dropout_forward(x, dropout_param):\n    p, mask = dropout_param['p'], None\n"
            "    if dropout_param['mode'] == 'train':\n        mask = (np.random.rand(*x.shape) < p) / p\n"
            "    return x if mask is None else x * mask, (dropout_param, mask)",
            "seed-ignored",
            "one seed gives two different masks",
        ),
        (
            "batchnorm_backward",
            "def batchnorm_backward(dout, cache):\n    return dout.sum(axis=0), dout.sum(axis=0), dout",
            "order",
            "the values are returned in the wrong order",
        ),
    ],
)
def test_a_mistake_is_named(exercise, source, kind, words):
    result = verdict(exercise, built(exercise, source))
    assert result.status == "wrong" and result.kind == kind
    assert words in "\n".join(result.findings)


def test_the_evidence_of_an_ignored_seed_are_two_masks():
    source = "def dropout_forward(x, dropout_param):\n    p, mask = dropout_param['p'], None\n"
    source += "    if dropout_param['mode'] == 'train':\n        mask = (np.random.rand(*x.shape) < p) / p\n"
    source += "    return x if mask is None else x * mask, (dropout_param, mask)"
    worst = verdict("dropout_forward", built("dropout_forward", source)).findings[1]
    assert worst.endswith("of 10000 entries are kept in one call and dropped in the next.")
