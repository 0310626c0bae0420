"""The double backward of batch normalization: what is right, and what goes wrong in it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cs231n.checking.answers.norm_definition import layer, norm
from cs231n.checking.answers.norm_explanation import describe_factor
from cs231n.checking.answers.primitives import (
    Answers,
    Explanation,
    Predict,
    column_mean,
    gradients_of,
    table,
    variance,
)
from cs231n.checking.compare import allclose
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = ["DOUBLE_BACKWARD"]


def eq(*numbers: int) -> str:
    return "notebook 5, equation " + ", ".join(f"({n})" for n in numbers)


PROJECTION = "notebook 5, section 1"


def kernel_of(x_hat: np.ndarray, mean: float = 1, variance: float = 1) -> np.ndarray:
    """P of each column as a matrix (N, N, D), with factors on its two means."""
    N = len(x_hat)
    pairs = variance * np.einsum("nd,kd->nkd", x_hat, x_hat) + mean
    return np.eye(N)[..., None] - pairs / N


def apply(kernel: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.einsum("nkd,kd->nd", kernel, t)


def deviation_of(x: np.ndarray, eps: float) -> np.ndarray:
    return (variance(x, column_mean(x)) + eps) ** 0.5


def gradients(i: Inputs) -> Arrays:
    """By complex steps through dx, each column of which is a matrix times one of dout."""

    def dx_of(dout: np.ndarray, x: np.ndarray, gamma: np.ndarray) -> np.ndarray:
        x_hat = norm(x, 1, 0, i["eps"])
        return apply(kernel_of(x_hat), gamma * dout) / deviation_of(x, i["eps"])

    return gradients_of(dx_of, i["ddx"], dout=i["dout"], x=i["x"], gamma=i["gamma"])


class Terms(NamedTuple):
    """The three terms of dx, in every row, and what they are made of."""

    by_scale: np.ndarray  # (N, D)  through 1 / s, with a mean of ddx x_hat
    before: np.ndarray  # (N, D)  through the x_hat before the mean of P
    inside: np.ndarray  # (N, D)  through the x_hat in the mean of P
    factor: np.ndarray  # (N, D)  -gamma / s^2
    x_hat: np.ndarray
    s: np.ndarray  # (N, D)
    p_ddx: np.ndarray
    p_dout: np.ndarray

    def sum(self) -> np.ndarray:
        return self.by_scale + self.before + self.inside


def terms_of(i: Inputs, kernel: Callable = kernel_of, x_hat: Callable | None = None) -> Terms:
    """kernel(x_hat) stands for P; x_hat(i) for x_hat."""
    h = x_hat(i) if x_hat else norm(i["x"], 1, 0, i["eps"])
    s = deviation_of(i["x"], i["eps"])
    ddx, dout, matrix = i["ddx"], i["dout"], kernel(h)
    p_ddx, p_dout = apply(matrix, ddx), apply(matrix, dout)
    factor = -i["gamma"] * s**-2
    by_scale, before = column_mean(ddx * h) * p_dout, column_mean(dout * h) * p_ddx
    return Terms(by_scale, before, column_mean(dout * p_ddx) * h, factor, h, s, p_ddx, p_dout)


def with_dx(combine: Callable[[Terms, Inputs], np.ndarray]) -> Predict:
    """What combine(terms, inputs) in place of the sum of three terms gives."""

    def predict(i: Inputs, e: Arrays) -> Arrays:
        t = terms_of(i)
        return {"dx": t.factor * combine(t, i)}

    return predict


def with_all(**steps: Callable) -> Predict:
    """All three gradients with another P or x_hat."""

    def predict(i: Inputs, e: Arrays) -> Arrays:
        t = terms_of(i, **steps)
        return {
            "ddout": i["gamma"] / t.s * t.p_ddx,
            "dx": t.factor * t.sum(),
            "dgamma": np.einsum("nd,nd->d", i["ddx"], t.p_dout / t.s),
        }

    return predict


def times(name: str, factor: Callable[[Inputs, np.ndarray], Any]) -> Predict:
    """One gradient times factor(inputs, s), with s of shape (D,)."""
    return lambda i, e: {name: e[name] * factor(i, deviation_of(i["x"], i["eps"])[0])}


TERMS = (
    "the term with the mean of ddx x_hat",
    "the term with the mean of dout x_hat",
    "the term with the mean of dout times P ddx",
)
# fmt: off
MISCONCEPTIONS = [
    *table(
        eq(30),
        ("scale-held-fixed",
         "the change of 1/s is missing. If x moves along ddx, s moves by the mean of ddx x_hat.",
         with_dx(lambda t, i: t.before + t.inside)),
        ("sign-of-a-term", "the term through 1/s has the wrong sign: if s grows, dx shrinks.",
         with_dx(lambda t, i: t.sum() - 2 * t.by_scale)),
    ),
    *table(
        eq(31),
        ("x-hat-held-fixed",
         "x_hat is held fixed and only 1/s moves. Both depend on x.",
         with_dx(lambda t, i: t.by_scale)),
        ("projection-left-out",
         "in the term through the x_hat before the mean, P is missing: x_hat does not move along ddx itself, "
         "but along P ddx.",
         with_dx(lambda t, i: t.by_scale + column_mean(i["dout"] * t.x_hat) * i["ddx"] + t.inside)),
    ),
    *table(
        eq(32),
        ("x-hat-inside-held-fixed",
         "the x_hat in the mean of P is held fixed. It depends on x as well.",
         with_dx(lambda t, i: t.by_scale + t.before)),
        ("projection-left-out",
         "in the term through the x_hat in the mean, P is missing: x_hat does not move along ddx itself, "
         "but along P ddx.",
         with_dx(lambda t, i: t.by_scale + t.before + t.x_hat * column_mean(i["dout"] * i["ddx"]))),
    ),
    *table(
        eq(33),
        ("x-hat-before-held-fixed",
         "the x_hat before the mean in P is held fixed. It depends on x as well.",
         with_dx(lambda t, i: t.by_scale + t.inside)),
        ("projection-left-out",
         "P is missing in both terms through x_hat: x_hat does not move along ddx itself, but along P ddx.",
         with_dx(lambda t, i: t.by_scale + t.x_hat * column_mean(i["dout"] * i["ddx"])
                 + column_mean(i["dout"] * t.x_hat) * i["ddx"])),
        ("sign-of-a-term", "both terms through x_hat have the wrong sign: P subtracts them.",
         with_dx(lambda t, i: t.by_scale - t.before - t.inside)),
    ),
    *table(
        eq(34),
        ("projection-left-out",
         "in the term through 1/s, P is missing: dx is P dout times gamma / s, and not dout times gamma / s.",
         with_dx(lambda t, i: column_mean(i["ddx"] * t.x_hat) * i["dout"] + t.before + t.inside)),
        ("means-exchanged",
         "the mean of ddx x_hat and the mean of dout x_hat are exchanged: the change of s by ddx goes with "
         "P dout.",
         with_dx(lambda t, i: column_mean(i["ddx"] * t.x_hat) * t.p_ddx
                 + column_mean(i["dout"] * t.x_hat) * t.p_dout + t.inside)),
        ("sum-for-mean", "a sum stands where a mean belongs: in each term a factor 1/N is missing.",
         with_dx(lambda t, i: t.sum() * len(i["x"]))),
        ("mean-for-sum", "it is divided by N twice: each term has one mean.",
         with_dx(lambda t, i: t.sum() / len(i["x"]))),
        ("features-for-batch-size",
         "it is divided by the number of features; a mean down a column divides by the number of examples.",
         with_dx(lambda t, i: t.sum() * len(i["x"]) / i["x"].shape[1])),
        ("n-minus-1", "it is divided by N - 1; the means of the forward divide by N.",
         with_dx(lambda t, i: t.sum() * len(i["x"]) / (len(i["x"]) - 1))),
        ("sign", "it has the wrong sign.",
         with_dx(lambda t, i: -t.sum())),
        ("deviation-once",
         "1/s stands where 1/s^2 belongs: one 1/s is in dx, and its change and that of x_hat bring another.",
         times("dx", lambda i, s: s)),
        ("deviation-left-out", "the division by s^2 is missing.", times("dx", lambda i, s: s**2)),
        ("deviation-three-times", "1/s^3 stands where 1/s^2 belongs.", times("dx", lambda i, s: 1 / s)),
        ("eps-left-out", "eps is missing in the s^2 that it is divided by.",
         times("dx", lambda i, s: s**2 / (s**2 - i["eps"]))),
        ("gamma-left-out", "gamma is left out: dx has it as a factor.",
         with_dx(lambda t, i: t.sum() / i["gamma"])),
        ("gamma-twice", "gamma is used twice.", times("dx", lambda i, s: i["gamma"])),
        ("statistics-held-fixed",
         "it is zero, as in mode test: mean and variance are held fixed. In training they depend on x.",
         lambda i, e: {"dx": 0 * e["dx"]}),
        ("first-derivative",
         "this is the dx of batchnorm_backward, the first derivative: differentiate it once more with "
         "respect to x.",
         lambda i, e: {"dx": i["gamma"] / terms_of(i).s * terms_of(i).p_dout}),
        ("first-derivative",
         "this is ddout, the derivative with respect to dout: differentiate dx with respect to x as well.",
         lambda i, e: {"dx": e["ddout"]}),
        ("dout-ignored", "dout is not used, or replaced by ones: dx is linear in it.",
         lambda i, e: gradients({**i, "dout": np.ones_like(i["dout"])})),
    ),
    *table(
        eq(37, 38),
        ("ddout-and-dx-swapped", "ddout and dx are swapped.",
         lambda i, e: {"ddout": e["dx"], "dx": e["ddout"]}),
    ),
    *table(
        eq(37, 38, 39),
        ("upstream-ignored", "the upstream gradient ddx is not used, or replaced by ones.",
         lambda i, e: gradients({**i, "ddx": np.ones_like(i["ddx"])})),
    ),
    *table(
        PROJECTION,
        ("x-hat-left-out",
         "P takes away the mean alone; its part along x_hat is missing.",
         with_all(kernel=lambda h: kernel_of(h, variance=0))),
        ("mean-left-out",
         "P takes away the part along x_hat alone; the mean is missing.",
         with_all(kernel=lambda h: kernel_of(h, mean=0))),
        ("normalization-left-out",
         "P is missing: every entry of dx depends on every entry of dout in its column.",
         with_all(kernel=lambda h: kernel_of(h, 0, 0))),
        ("sign-in-the-projection", "P adds the part along x_hat; it should subtract it.",
         with_all(kernel=lambda h: kernel_of(h, variance=-1))),
        ("sum-for-mean", "P has sums where means belong: a factor 1/N is missing in it.",
         with_all(kernel=lambda h: kernel_of(h, len(h), len(h))),
         with_all(kernel=lambda h: kernel_of(h, 1, len(h)))),
        ("x-for-x-hat", "x is used in place of x_hat.", with_all(x_hat=lambda i: i["x"])),
        ("deviation-left-out", "x - mean is used in place of x_hat: divide it by s.",
         with_all(x_hat=lambda i: i["x"] - column_mean(i["x"]))),
    ),
    *table(
        eq(37),
        ("dout-for-ddx",
         "ddout is made of dout. dx is linear in dout, so its derivative with respect to dout does not "
         "contain dout, but ddx.",
         lambda i, e: {"ddout": i["gamma"] / terms_of(i).s * terms_of(i).p_dout}),
        ("gamma-left-out", "gamma is left out: dx has it as a factor.",
         lambda i, e: {"ddout": terms_of(i).p_ddx / terms_of(i).s}),
        ("gamma-twice", "gamma is used twice.", times("ddout", lambda i, s: i["gamma"])),
        ("deviation-left-out", "the division by s is missing.", times("ddout", lambda i, s: s)),
        ("deviation-twice", "it is divided by s twice.", times("ddout", lambda i, s: 1 / s)),
    ),
    *table(
        eq(39),
        ("gamma-in-dgamma",
         "dgamma contains gamma: dx is linear in gamma, so its slope does not contain gamma.",
         lambda i, e: {"dgamma": e["dgamma"] * i["gamma"]}),
        ("deviation-left-out", "the division by s is missing.", times("dgamma", lambda i, s: s)),
        ("projection-left-out", "P is missing: gamma multiplies P dout, and not dout.",
         lambda i, e: {"dgamma": np.einsum("nd,nd->d", i["ddx"], i["dout"] / terms_of(i).s)}),
        ("mean-for-sum",
         "this is a mean over the batch, but every example uses gamma, so its gradients add up.",
         lambda i, e: {"dgamma": e["dgamma"] / len(i["x"])}),
        ("first-derivative",
         "this is the dgamma of batchnorm_backward; here it is dx that depends on gamma, and not the output.",
         lambda i, e: {"dgamma": np.einsum("nd,nd->d", i["dout"], terms_of(i).x_hat)}),
        ("first-derivative", "ddx replaces dout in the dgamma of batchnorm_backward; here it is dx that "
         "depends on gamma, and not the output.",
         lambda i, e: {"dgamma": np.einsum("nd,nd->d", i["ddx"], terms_of(i).x_hat)}),
        ("sum-of-everything",
         "every entry is the sum over the whole array: gamma has one entry for each column, so its gradient "
         "is a sum over its own column.",
         lambda i, e: {"dgamma": np.full_like(e["dgamma"], e["dgamma"].sum())}),
    ),
]
# fmt: on


def explain(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
    """dx as a sum of its three terms, each with a factor for every column."""
    actual = outputs[name]
    if name != "dx" or not np.isfinite(actual).all():
        return None
    t = terms_of(i)
    parts = [t.factor * part for part in (t.by_scale, t.before, t.inside)]
    columns = zip(*(part.T for part in parts), actual.T)
    solved = [np.linalg.lstsq(np.stack(part, axis=1), y, rcond=None)[0] for *part, y in columns]
    factors = np.stack(solved, axis=1)
    if not allclose(sum(factor * part for factor, part in zip(factors, parts)), actual):
        return None
    faults = [describe_factor(factor, len(actual), t.s[0], i["gamma"]) for factor in factors]
    if all(fault == "is right" for fault in faults):
        return None
    words = "; ".join(f"{term} {fault}" for term, fault in zip(TERMS, faults))
    return "several-terms", f"{words}.", eq(34)


DOUBLE_BACKWARD = Answers(lambda i, outputs: gradients(i), MISCONCEPTIONS, explain, forward_out=layer)
