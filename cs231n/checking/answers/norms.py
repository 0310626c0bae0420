"""Batch and layer normalization: their definition, and what goes wrong in them.

Both are one function here: layer normalization is batch normalization of the transposed array, rows=True.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from cs231n.checking.answers.primitives import (
    Answers,
    Explanation,
    Misconception,
    Predict,
    column_mean,
    gradients_of,
    table,
    upstream_ignored,
    variance,
    weighted_sum,
)
from cs231n.checking.compare import allclose
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import complex_step_gradient

__all__ = ["ANSWERS", "norm", "norm_paths"]

RUNNING = "the docstring of batchnorm_forward"
LAYERNORM_BACKWARD = "notebook 2, section 8"


def eq(*numbers: int) -> str:
    return "notebook 2, equation " + ", ".join(f"({n})" for n in numbers)


def divide_by_root(t: np.ndarray, var: np.ndarray, eps: float) -> np.ndarray:
    return t * (var + eps) ** -0.5


def norm(
    x: np.ndarray,
    gamma: Any,
    beta: Any,
    eps: float,
    *,
    rows: bool = False,
    mean: Callable = column_mean,
    var: Callable = variance,
    divide: Callable = divide_by_root,
) -> np.ndarray:
    """Normalize columns (or rows), with replaceable steps.

    mean(t) and var(t, mean) -> (N, D) or what broadcasts to it; divide(t - mean, var, eps) -> x_hat.
    """
    t = x.T if rows else x
    m = mean(t)
    x_hat = divide(t - m, var(t, m), eps)
    return gamma * (x_hat.T if rows else x_hat) + beta


def _layer(i: Inputs, **steps: Any) -> np.ndarray:
    return norm(i["x"], i["gamma"], i["beta"], i["eps"], **steps)


def _gradients(i: Inputs, **steps: Any) -> Arrays:
    arguments = {name: i[name] for name in ("x", "gamma", "beta")}
    return gradients_of(
        lambda x, gamma, beta: norm(x, gamma, beta, i["eps"], **steps), i["dout"], **arguments
    )


def _dx(i: Inputs, gamma: np.ndarray, **steps: Any) -> np.ndarray:
    return complex_step_gradient(lambda v: norm(v, gamma, i["beta"], i["eps"], **steps), i["x"], i["dout"])


def norm_paths(i: Inputs, rows: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx of a normalization in its three parts: by x itself, by the mean, by the variance.  Each (N, D)

    The paths of notebook 2: where a statistic is held, it is measured on an x that does not move.
    """
    arrays = ((i[name].shape, i[name].tobytes()) for name in ("x", "gamma", "beta", "dout"))
    return _cached_paths(rows, i["eps"], *arrays)


@lru_cache(4)  # one diagnosis asks for the paths of one problem some twenty times
def _cached_paths(rows: bool, eps: float, *arrays: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, gamma, beta, dout = (np.frombuffer(content).reshape(shape) for shape, content in arrays)
    still = x.T if rows else x
    held: dict[str, Callable] = {
        "mean": lambda t: column_mean(still),
        "var": lambda t, mean: variance(still, column_mean(still)),
    }

    def slope(**frozen: Callable) -> np.ndarray:
        return complex_step_gradient(lambda v: norm(v, gamma, beta, eps, rows=rows, **frozen), x, dout)

    direct = slope(**held)
    return direct, slope(var=held["var"]) - direct, slope(mean=held["mean"]) - direct


def _mean(x: np.ndarray) -> np.ndarray:
    return column_mean(x)[0]


def _var(x: np.ndarray) -> np.ndarray:
    return variance(x, column_mean(x))[0]


def batchnorm_expected(i: Inputs, outputs: Arrays) -> Arrays:
    past, running = i["momentum"], {name: i[name] for name in ("running_mean", "running_var")}
    return {
        "out": _layer(i),
        "running_mean": weighted_sum(i["running_mean"], (1 - past) * _mean(i["x"]), past),
        "running_var": weighted_sum(i["running_var"], (1 - past) * _var(i["x"]), past),
        "out_in_test": _layer(i, mean=lambda t: i["running_mean"], var=lambda t, m: i["running_var"]),
        **{f"{name}_after_test": value for name, value in running.items()},
    }


def _whole_mean(t: np.ndarray) -> np.ndarray:
    return np.full_like(t, t.sum() / t.size)


def _column_sum(t: np.ndarray) -> np.ndarray:
    return column_mean(t) * len(t)


def _divide_by_other_eps(other: float) -> dict[str, Callable]:
    return {"divide": lambda t, var, eps: t * (var + other) ** -0.5}


# (kind, sentence, source, steps of norm that it replaces)
# fmt: off
ALTERED: list[tuple[str, str, str, dict[str, Callable]]] = [
    ("n-minus-1",
     "the variance divides by N - 1; here it divides by N, where it normalizes and where it is stored.",
     eq(2), {"var": lambda t, mean: variance(t, mean) * len(t) / (len(t) - 1)}),
    ("eps-outside-the-root", "eps is added to the root, not under it.", eq(3),
     {"divide": lambda t, var, eps: t / (var**0.5 + eps)}),
    *[
        ("eps-left-out", "the eps that was given is not used.", eq(3), _divide_by_other_eps(other))
        for other in (0, 1e-5, 1e-8)
    ],
    ("root-missing", "divided by the variance; its root, the standard deviation, is missing.", eq(3),
     {"divide": lambda t, var, eps: t / (var + eps)}),
    ("sum-for-mean", "the mean is a sum: its division is missing.", eq(1),
     {"mean": _column_sum, "var": lambda t, mean: variance(t, column_mean(t))}),
    ("sum-for-mean", "mean and variance are sums: their divisions are missing.", eq(1, 2),
     {"mean": _column_sum, "var": lambda t, mean: len(t) * variance(t, mean)}),
    ("sum-for-mean", "the variance is a sum of squares: its division is missing.", eq(2),
     {"var": lambda t, mean: len(t) * variance(t, mean)}),
    ("variance-about-zero",
     "the variance is the mean of the squares of x itself; the mean was not subtracted first.", eq(2),
     {"var": lambda t, mean: column_mean(t**2)}),
    ("mean-not-subtracted", "the mean is not subtracted.", eq(3),
     {"mean": lambda t: 0 * t, "var": lambda t, mean: variance(t, column_mean(t))}),
    ("mean-not-subtracted", "the mean is not subtracted, from x or in the variance.", eq(2, 3),
     {"mean": lambda t: 0 * t}),
    ("variance-ignored", "not divided by the standard deviation.", eq(3), {"divide": lambda t, var, eps: t}),
    ("statistics-of-everything",
     "one mean and one variance for the whole array: they are taken line by line.", eq(1, 2),
     {"mean": _whole_mean, "var": lambda t, mean: _whole_mean((t - mean) ** 2)}),
]
# fmt: on


def _forward_source(rows: bool, source: str) -> str:
    """`source` for batchnorm, the docstring for layernorm: notebook 2 derives columns only."""
    return "the docstring of layernorm_forward" if rows else source


def _of_each_out(change: Callable) -> Predict:
    """change(out, gamma, beta) for the output in each mode."""
    return lambda i, e: {
        name: change(e[name], i["gamma"], i["beta"]) for name in ("out", "out_in_test") if name in e
    }


def forward_misconceptions(rows: bool) -> list[Misconception]:
    def altered(steps: dict[str, Callable]) -> Predict:
        def predict(i: Inputs, e: Arrays) -> Arrays:
            outputs = {"out": _layer(i, rows=rows, **steps)}
            if "divide" in steps and not rows:
                x_hat = steps["divide"](i["x"] - i["running_mean"], i["running_var"], i["eps"])
                outputs["out_in_test"] = i["gamma"] * x_hat + i["beta"]
            return outputs

        return predict

    along = "layernorm takes them over the features of one example, along each row."
    down = "batchnorm takes them over the batch, down each column."
    # fmt: off
    return [
        *(
            Misconception(kind, sentence, _forward_source(rows, source), altered(steps))
            for kind, sentence, source, steps in ALTERED
        ),
        Misconception(
            "along-the-wrong-axis",
            f"the statistics run along the wrong axis: {along if rows else down}",
            _forward_source(rows, eq(1, 2)),
            lambda i, e: {"out": _layer(i, rows=not rows)},
        ),
        *table(
            eq(4),
            ("gamma-left-out", "gamma is not used.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma + beta)),
            ("beta-left-out", "beta is not added.", _of_each_out(lambda out, gamma, beta: out - beta)),
            ("scale-and-shift-left-out", "neither gamma nor beta is used: this is x_hat.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma)),
            ("gamma-and-beta-swapped", "gamma shifts and beta scales.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma * beta + gamma)),
        ),
    ]
    # fmt: on


def _stored(mean: Callable | None = None, var: Callable | None = None) -> Predict:
    """The running statistics, were mean(x, eps) and var(x, eps) stored; None leaves one out."""
    samples = {"running_mean": mean, "running_var": var}
    return lambda i, e: {
        name: i["momentum"] * i[name] + (1 - i["momentum"]) * sample(i["x"], i["eps"])
        for name, sample in samples.items()
        if sample
    }


def _weighted(weigh: Callable) -> Predict:
    """The running statistics, were they weigh(momentum, past, new)."""
    return lambda i, e: {
        "running_mean": weigh(i["momentum"], i["running_mean"], _mean(i["x"])),
        "running_var": weigh(i["momentum"], i["running_var"], _var(i["x"])),
    }


# fmt: off
BATCHNORM_FORWARD = forward_misconceptions(rows=False) + table(
    RUNNING,
    ("running-statistics-in-training",
     "training uses the running statistics; there it is this batch that counts.",
     lambda i, e: {"out": e["out_in_test"]}),
    ("batch-statistics-at-test",
     "mode 'test' uses the statistics of this batch; there the running ones count.",
     lambda i, e: {"out_in_test": e["out"]}),
    ("updated-at-test", "mode 'test' changes the running statistics; only training may.",
     lambda i, e: {f"{n}_after_test": e[n] for n in ("running_mean", "running_var")}),
    ("momentum-reversed", "momentum weighs the new sample; here it weighs the past.",
     _weighted(lambda m, past, new: m * new + (1 - m) * past)),
    ("momentum-ignored", "the momentum that was given is not used: 0.9 is only its default.",
     _weighted(lambda m, past, new: 0.9 * past + 0.1 * new)),
    ("not-stored", "the running statistics are not written back into bn_param, or not updated.",
     _weighted(lambda m, past, new: past)),
    ("past-forgotten", "the running statistics are those of this batch; the past has no weight.",
     _weighted(lambda m, past, new: new)),
    ("past-forgotten", "the sample is weighted, but the past is gone: it is not read from bn_param.",
     _weighted(lambda m, past, new: (1 - m) * new)),
    ("sample-not-weighted", "the past is weighted and the sample is not: the two weights add up to 1.",
     _weighted(lambda m, past, new: m * past + new)),
    ("past-not-weighted", "the sample is weighted and the past is not: the two weights add up to 1.",
     _weighted(lambda m, past, new: past + (1 - m) * new)),
    ("n-minus-1", "the variance that is stored divides by N - 1; here it divides by N in both places.",
     _stored(var=lambda x, eps: _var(x) * len(x) / (len(x) - 1))),
    ("deviation-stored", "the standard deviation is stored where the variance should be.",
     _stored(var=lambda x, eps: _var(x) ** 0.5), _stored(var=lambda x, eps: (_var(x) + eps) ** 0.5)),
    ("eps-in-the-memory", "eps is stored with the variance; it belongs under the root alone.",
     _stored(var=lambda x, eps: _var(x) + eps)),
    ("sum-for-mean", "a sum over the batch is stored; the mean is meant.",
     _stored(lambda x, eps: _mean(x) * len(x), lambda x, eps: _var(x) * len(x))),
)
# fmt: on

# dx as direct, mean and variance, the three paths, with n the size that the statistics are taken over.
# fmt: off
PATHS: list[tuple[str, str, str, Callable]] = [
    ("mean-held-fixed",
     "the mean is held fixed: moving one entry moves the mean, and the mean moves every entry of its {line}.",
     eq(13, 16), lambda direct, mean, variance, n: direct + variance),
    ("variance-held-fixed",
     "the variance is held fixed: moving one entry moves the variance, and so every entry of its {line}.",
     eq(11, 16), lambda direct, mean, variance, n: direct + mean),
    ("statistics-held-fixed",
     "mean and variance are held fixed, as in test mode: in training both are functions of x.", eq(16),
     lambda direct, mean, variance, n: direct),
    ("direct-path-missing",
     "the direct way from x to x_hat is missing: only what passes through the statistics is there.", eq(16),
     lambda direct, mean, variance, n: mean + variance),
    ("sum-for-mean", "the 1/N of the mean is missing on the way back through it.", eq(14),
     lambda direct, mean, variance, n: direct + n * mean + variance),
    ("sum-for-mean", "the 1/N of the variance is missing on the way back through it.", eq(15),
     lambda direct, mean, variance, n: direct + mean + n * variance),
    ("sum-for-mean", "both 1/N, of mean and variance, are missing on the way back.", eq(14, 15),
     lambda direct, mean, variance, n: direct + n * mean + n * variance),
    ("mean-for-sum", "the way through the mean is divided by N twice.", eq(13, 14),
     lambda direct, mean, variance, n: direct + mean / n + variance),
    ("mean-for-sum", "the way through the variance is divided by N twice.", eq(11, 15),
     lambda direct, mean, variance, n: direct + mean + variance / n),
    ("n-minus-1", "the way through the variance divides by N - 1: the forward divides by N.", eq(15),
     lambda direct, mean, variance, n: direct + mean + variance * n / (n - 1)),
    ("slope-of-the-square", "the 2 of the square's slope is missing in the way through the variance.", eq(15),
     lambda direct, mean, variance, n: direct + mean + variance / 2),
    ("slope-of-the-root", "the 1/2 of the root's slope is missing in the way through the variance.", eq(10),
     lambda direct, mean, variance, n: direct + mean + 2 * variance),
    ("slope-of-the-square", "the 2 of the square and the 1/2 of the root are both left in, or counted twice.",
     eq(10, 15), lambda direct, mean, variance, n: direct + mean + variance / 4),
    ("sign-of-the-mean", "the way through the mean has the wrong sign: the mean is subtracted.", eq(9),
     lambda direct, mean, variance, n: direct - mean + variance),
    ("sign-of-the-variance",
     "the way through the variance has the wrong sign: a larger variance makes x_hat smaller.", eq(10),
     lambda direct, mean, variance, n: direct + mean - variance),
    ("sign-of-both", "the ways through mean and variance both have the wrong sign.", eq(9, 10),
     lambda direct, mean, variance, n: direct - mean - variance),
]
# fmt: on


TERMS = ("g", "dbeta", "dgamma")  # of equation (20): what the direct, mean and variance path become


def _in_closed_form(*off: bool) -> str:
    """Which terms of equation (20) to look at, where the direct, mean or variance path is off."""
    terms = [term for term, is_off in zip(TERMS, off) if is_off]
    *first, last = terms
    words = f"terms with {', '.join(first)} and {last}" if first else f"term with {last}"
    return f" In equation (20), look at the {words}."


def backward_misconceptions(rows: bool, closed_form: bool = False) -> list[Misconception]:
    """dx by its paths, and by altered forwards; dgamma and dbeta by what may stand in their sums.

    With closed_form a sentence on a path names its term of equation (20).
    """
    line = "row" if rows else "column"
    in_variance = _in_closed_form(False, False, True) if closed_form else ""

    def size(i: Inputs) -> int:
        return i["x"].shape[1 if rows else 0]

    def by_paths(combine: Callable) -> Predict:
        return lambda i, e: {"dx": combine(*norm_paths(i, rows), size(i))}

    def terms_of(combine: Callable) -> str:
        return _in_closed_form(*(combine(*path, 7) != 1 for path in np.eye(3))) if closed_form else ""

    def altered(steps: dict[str, Callable]) -> Predict:
        return lambda i, e: _gradients(i, rows=rows, **steps)

    def x_hat(i: Inputs) -> np.ndarray:
        return norm(i["x"], 1, 0, i["eps"], rows=rows)

    def deviation(i: Inputs) -> np.ndarray:
        t = i["x"].T if rows else i["x"]
        s = (variance(t, column_mean(t)) + i["eps"]) ** 0.5
        return s.T if rows else s

    def scaled_variance_path(factor: Callable) -> Predict:
        def predict(i: Inputs, e: Arrays) -> Arrays:
            direct, mean, variance = norm_paths(i, rows)
            return {"dx": direct + mean + variance * factor(i)}

        return predict

    def dgamma(what: Callable) -> Predict:
        return lambda i, e: {"dgamma": np.einsum("nd->d", i["dout"] * what(i))}

    wrong_axis = "layernorm takes them along each row." if rows else "batchnorm takes them down each column."
    # fmt: off
    return [
        *(
            Misconception(kind, text.format(line=line) + terms_of(f), at, by_paths(f))
            for kind, text, at, f in PATHS
        ),
        *table(
            eq(10),
            ("power-of-the-root",
             "the slope of (variance + eps)^(-1/2) has the wrong power: lower the exponent by one." + in_variance,
             *(scaled_variance_path(lambda i, k=k: deviation(i) ** k) for k in (1, 2, 3, -1, -3))),
        ),
        *table(
            eq(20),
            ("x-for-x-hat", "x stands where the normalized x_hat is meant, in the way through the variance." + in_variance,
             scaled_variance_path(lambda i: i["x"] / x_hat(i))),
        ),
        *table(
            eq(8),
            ("deviation-left-out", "the division by the standard deviation is missing.",
             lambda i, e: {"dx": e["dx"] * deviation(i)}),
            ("deviation-twice", "divided by the standard deviation twice.",
             lambda i, e: {"dx": e["dx"] / deviation(i)}),
            ("variance-for-deviation", "multiplied by the standard deviation where a division is meant.",
             lambda i, e: {"dx": e["dx"] * deviation(i) ** 2}),
        ),
        *table(
            eq(5),
            ("gamma-left-out", "gamma is left out: x_hat reaches the loss through it.",
             lambda i, e: {"dx": _dx(i, np.ones_like(i["gamma"]), rows=rows)}),
            ("gamma-twice", "gamma is used twice.", lambda i, e: {"dx": _dx(i, i["gamma"] ** 2, rows=rows)}),
        ),
        *table(
            LAYERNORM_BACKWARD if rows else eq(1, 2),
            ("along-the-wrong-axis", f"this is the gradient of statistics along the other axis: {wrong_axis}",
             lambda i, e: {"dx": _dx(i, i["gamma"], rows=not rows)}),
        ),
        *(
            Misconception(kind, f"as if in the forward: {text}", _forward_source(rows, at), altered(steps))
            for kind, text, at, steps in ALTERED
        ),
        *upstream_ignored(
            lambda i, e: {
                "dbeta": np.full_like(i["beta"], len(i["x"])),
                "dgamma": np.einsum("nd->d", x_hat(i)),
            }
        ),
        *table(
            eq(6),
            ("x-for-x-hat", "dgamma is summed with x; gamma multiplies x_hat.", dgamma(lambda i: i["x"])),
            ("deviation-left-out",
             "dgamma is summed with x - mean; gamma multiplies x_hat, which is divided by the standard "
             "deviation.", dgamma(lambda i: x_hat(i) * deviation(i))),
            ("output-for-x-hat", "dgamma is summed with the output; gamma multiplies x_hat.",
             dgamma(lambda i: i["gamma"] * x_hat(i) + i["beta"])),
            ("gamma-in-dgamma",
             "dgamma has gamma in it: the output is linear in gamma, so its slope is free of it.",
             lambda i, e: {"dgamma": e["dgamma"] * i["gamma"]}),
            ("x-hat-left-out", "dgamma is the plain sum of dout: that is dbeta; gamma multiplies x_hat.",
             lambda i, e: {"dgamma": e["dbeta"]}),
        ),
        *table(
            eq(7),
            ("gamma-in-dbeta", "dbeta has gamma in it: beta is added after gamma has done its work.",
             lambda i, e: {"dbeta": e["dbeta"] * i["gamma"]}),
        ),
        *table(
            eq(6, 7),
            ("mean-for-sum",
             "averaged over the batch: gamma and beta serve every example, so their gradients add up.",
             lambda i, e: {name: e[name] / len(i["x"]) for name in ("dgamma", "dbeta")}),
            ("dgamma-and-dbeta-swapped", "dgamma and dbeta have changed places.",
             lambda i, e: {"dgamma": e["dbeta"], "dbeta": e["dgamma"]}),
        ),
    ]
    # fmt: on


def _down_columns(i: Inputs, through_mean: bool, through_variance: bool) -> np.ndarray:
    """layernorm's dx if its ways through mean and variance are averaged over the batch; False for a row's."""
    direct, mean, variance_path = norm_paths(i, rows=True)
    h = norm(i["x"], 1, 0, i["eps"], rows=True)
    s = (variance(i["x"].T, column_mean(i["x"].T)) + i["eps"]).T ** 0.5
    pairs = np.stack([np.ones((len(h),) * 2 + h.shape[1:]), np.einsum("nd,kd->nkd", h, h)]) / len(h)
    ways = [-np.einsum("nkd,kd->nd", pair, direct * s) / s for pair in pairs]
    return direct + (ways[0] if through_mean else mean) + (ways[1] if through_variance else variance_path)


def _statistics_times(i: Inputs, rows: bool, factor: float) -> Arrays:
    direct, mean, variance_path = norm_paths(i, rows)
    return {"dx": direct + (mean + variance_path) * factor}


FEATURES_FOR_BATCH_SIZE = table(
    eq(14, 15),
    (
        "features-for-batch-size",
        "divided by the number of features: a mean down a column divides by the number of examples.",
        lambda i, e: _statistics_times(i, False, len(i["x"]) / i["x"].shape[1]),
    ),
)
# The nodes of notebook 2, section 4, that say what an equation of its section 5 says.
NODES = {
    5: ["scaled = gamma * x_hat"],
    6: ["scaled = gamma * x_hat"],
    7: ["y = scaled + beta"],
    8: ["x_hat = centered * inv_std"],
    9: ["centered = x - mu"],
    10: ["std = sqrt(var + eps)", "inv_std = 1 / std"],
    11: ["var = mean(squared)"],
    13: ["mu = mean(x)"],
    14: ["mu = mean(x)"],
    15: ["squared = centered^2", "var = mean(squared)"],
    16: ["centered = x - mu"],
    20: ["squared = centered^2"],
}


def by_nodes(source: str) -> str:
    """A source for batchnorm_backward: its card stands below section 4, before the equations from (5) on."""
    numbers = [int(number) for number in re.findall(r"\((\d+)\)", source)]
    if not numbers or min(numbers) not in NODES:
        return source
    nodes = list(dict.fromkeys(node for number in numbers for node in NODES[number]))
    *first, last = nodes
    words = f"nodes {', '.join(first)} and {last}" if first else f"node {last}"
    return f"notebook 2, section 4, the {words}"


BACK_THROUGH = (
    "the way back through {} averages over the batch, down each column: the statistics of layernorm belong "
    "to a row, and so does what comes back through them."
)
# fmt: off
LAYERNORM_ROWS = backward_misconceptions(rows=True) + table(
    LAYERNORM_BACKWARD,
    ("gamma-outside-the-means",
     "gamma is taken out of the means, as batchnorm may: along a row it differs from entry to entry, so it "
     "stays inside.", lambda i, e: {"dx": i["gamma"] * _dx(i, np.ones_like(i["gamma"]), rows=True)}),
    ("means-down-the-columns", BACK_THROUGH.format("mean and variance"),
     lambda i, e: {"dx": _down_columns(i, True, True)}),
    ("means-down-the-columns", BACK_THROUGH.format("the mean"),
     lambda i, e: {"dx": _down_columns(i, True, False)}),
    ("means-down-the-columns", BACK_THROUGH.format("the variance"),
     lambda i, e: {"dx": _down_columns(i, False, True)}),
    ("batch-size-for-features",
     "divided by the number of examples: a mean along a row divides by the number of features.",
     lambda i, e: _statistics_times(i, True, i["x"].shape[1] / len(i["x"]))),
)
# fmt: on


WAYS = (  # of x to the output, with the equation of notebook 2
    ("direct", "the direct way", 8),
    ("mean", "the way through the mean", 13),
    ("variance", "the way through the variance", 11),
)


def explain_dx(
    rows: bool, closed_form: bool = False
) -> Callable[[Inputs, str, np.ndarray, np.ndarray], Explanation | None]:
    """Answers.explain: dx as a sum of its three paths, each with a factor for every column (or row)."""

    def explain(i: Inputs, name: str, actual: np.ndarray, expected: np.ndarray) -> Explanation | None:
        if name != "dx" or not np.isfinite(actual).all():
            return None
        turn = np.transpose if rows else np.asarray
        yours, paths = turn(actual), [turn(path) for path in norm_paths(i, rows)]
        columns = zip(*(path.T for path in paths), yours.T)
        solved = [np.linalg.lstsq(np.stack(path, axis=1), y, rcond=None)[0] for *path, y in columns]
        factors = np.stack(solved, axis=1)
        if not allclose(sum(factor * path for factor, path in zip(factors, paths)), yours):
            return None
        t = turn(i["x"])
        deviation = (_var(t) + i["eps"]) ** 0.5
        parts, off = [], {}
        for (way, words, equation), factor in zip(WAYS, factors):
            factor_name = _name_factor(factor, len(t), deviation, 1.0 if rows else i["gamma"])
            parts.append(f"{words} is {factor_name}")
            if factor_name != "right":
                off[way] = f"({equation})"
        if not off:  # the layer's gradient as defined, behind a forward that is not
            return None
        kind = "several-paths" if len(off) > 1 else f"{next(iter(off))}-path"
        terms = _in_closed_form(*(way in off for way, *_ in WAYS)) if closed_form else ""
        return kind, "; ".join(parts) + "." + terms, f"notebook 2, equation {', '.join(off.values())}"

    return explain


def explain_by_nodes(i: Inputs, name: str, actual: np.ndarray, expected: np.ndarray) -> Explanation | None:
    """Answers.explain of batchnorm_backward."""
    explanation = explain_dx(rows=False)(i, name, actual, expected)
    if explanation is None:
        return None
    kind, sentence, source = explanation
    return kind, sentence, by_nodes(source)


def _name_factor(factor: np.ndarray, n: int, deviation: np.ndarray, gamma: Any) -> str:
    """A factor on a path in words: a product of as few of the usual slips as it takes."""
    if np.abs(factor).max() < 1e-6:
        return "missing"
    slips: list[dict[int, tuple[Any, str]]] = [
        {0: (1, ""), 1: (-1, "of the wrong sign")},
        {0: (1, ""), -1: (1 / gamma, "without gamma"), 1: (gamma, "with gamma twice")},
        {
            0: (1, ""),
            1: (n, "without its 1/N"),
            -1: (1 / n, "with 1/N twice"),
            2: (n / (n - 1), "divided by N - 1 in place of N"),
        },
        {
            0: (1, ""),
            1: (deviation, "without a 1/s"),
            2: (deviation**2, "without 1/s^2"),
            3: (deviation**3, "without 1/s^3"),
            -1: (1 / deviation, "with a 1/s too many"),
            -2: (deviation**-2, "with 1/s^2 too many"),
        },
        {0: (1, ""), 1: (2, "twice too large"), -1: (0.5, "half of what it should be")},
    ]
    for choice in sorted(product(*slips), key=lambda choice: sum(k != 0 for k in choice)):
        value = np.prod(np.broadcast_arrays(*(slip[k][0] for slip, k in zip(slips, choice))), axis=0)
        if np.allclose(factor, value, rtol=1e-5, atol=1e-6):
            return ", ".join(slip[k][1] for slip, k in zip(slips, choice) if k) or "right"
    if np.ptp(factor) < 1e-5:
        return f"off by a factor of {factor[0]:.4g}"
    return "off by a factor that differs from line to line"


ANSWERS = {
    "batchnorm_forward": Answers(batchnorm_expected, BATCHNORM_FORWARD),
    "batchnorm_backward": Answers(
        lambda i, outputs: _gradients(i),
        [
            row._replace(source=by_nodes(row.source))
            for row in backward_misconceptions(rows=False) + FEATURES_FOR_BATCH_SIZE
        ],
        explain_by_nodes,
    ),
    "batchnorm_backward_alt": Answers(
        lambda i, outputs: _gradients(i),
        backward_misconceptions(rows=False, closed_form=True) + FEATURES_FOR_BATCH_SIZE,
        explain_dx(rows=False, closed_form=True),
    ),
    "layernorm_forward": Answers(
        lambda i, outputs: {"out": _layer(i, rows=True)}, forward_misconceptions(rows=True)
    ),
    "layernorm_backward": Answers(
        lambda i, outputs: _gradients(i, rows=True), LAYERNORM_ROWS, explain_dx(rows=True)
    ),
}
