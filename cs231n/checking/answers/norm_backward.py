"""The backward of batch and layer normalization: what goes wrong in it."""

import re
from collections.abc import Callable

import numpy as np

from cs231n.checking.answers.norm_definition import dx_of, eq, gradients, norm, norm_paths
from cs231n.checking.answers.norm_forward import ALTERED, forward_source
from cs231n.checking.answers.primitives import (
    Misconception,
    Predict,
    column_mean,
    table,
    upstream_ignored,
    upstream_returned,
    variance,
)
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = [
    "FEATURES_FOR_BATCH_SIZE",
    "LAYERNORM_ROWS",
    "backward_misconceptions",
    "by_nodes",
    "in_closed_form",
]

LAYERNORM_BACKWARD = "notebook 2, section 8"

# dx as direct, mean and variance, the three paths, with n the size that the statistics are taken over.
# fmt: off
PATHS: list[tuple[str, str, str, Callable]] = [
    ("mean-held-fixed",
     "the mean is held fixed, but if one entry of x changes, the mean changes, and so does every entry of "
     "its "
     "{line}.",
     eq(13, 16), lambda direct, mean, variance, n: direct + variance),
    ("variance-held-fixed",
     "the variance is held fixed, but if one entry of x changes, the variance changes, and so does every "
     "entry "
     "of "
     "its {line}.",
     eq(11, 16), lambda direct, mean, variance, n: direct + mean),
    ("statistics-held-fixed",
     "mean and variance are held fixed, as in test mode: in training both depend on x.", eq(16),
     lambda direct, mean, variance, n: direct),
    ("direct-path-missing",
     "the direct path from x to x_hat is missing: only the paths through mean and variance are there.",
     eq(16),
     lambda direct, mean, variance, n: mean + variance),
    ("sum-for-mean", "the factor 1/N is missing on the path through the mean.", eq(14),
     lambda direct, mean, variance, n: direct + n * mean + variance),
    ("sum-for-mean", "the factor 1/N is missing on the path through the variance.", eq(15),
     lambda direct, mean, variance, n: direct + mean + n * variance),
    ("sum-for-mean", "the factor 1/N is missing on the paths through mean and variance.", eq(14, 15),
     lambda direct, mean, variance, n: direct + n * mean + n * variance),
    ("mean-for-sum", "the path through the mean is divided by N twice.", eq(13, 14),
     lambda direct, mean, variance, n: direct + mean / n + variance),
    ("mean-for-sum", "the path through the variance is divided by N twice.", eq(11, 15),
     lambda direct, mean, variance, n: direct + mean + variance / n),
    ("n-minus-1", "the path through the variance divides by N - 1; the forward divides by N.", eq(15),
     lambda direct, mean, variance, n: direct + mean + variance * n / (n - 1)),
    ("slope-of-the-square",
     "the 2 of the square's slope is missing on the path through the variance.",
     eq(15),
     lambda direct, mean, variance, n: direct + mean + variance / 2),
    ("slope-of-the-root", "the 1/2 of the root's slope is missing on the path through the variance.", eq(10),
     lambda direct, mean, variance, n: direct + mean + 2 * variance),
    ("slope-of-the-square",
     "the path through the variance is a quarter of what it should be: look at the 2 of the square's slope "
     "and "
     "the 1/2 of the root's slope.",
     eq(10, 15), lambda direct, mean, variance, n: direct + mean + variance / 4),
    ("sign-of-the-mean", "the path through the mean has the wrong sign: the mean is subtracted.", eq(9),
     lambda direct, mean, variance, n: direct - mean + variance),
    ("sign-of-the-variance",
     "the path through the variance has the wrong sign: a larger variance makes x_hat smaller.", eq(10),
     lambda direct, mean, variance, n: direct + mean - variance),
    ("sign-of-both", "the paths through mean and variance both have the wrong sign.", eq(9, 10),
     lambda direct, mean, variance, n: direct - mean - variance),
]
# fmt: on


TERMS = ("g", "dbeta", "dgamma")  # of equation (20): what the direct, mean and variance path become


def in_closed_form(*off: bool) -> str:
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
    in_mean = in_closed_form(False, True, False) if closed_form else ""
    in_variance = in_closed_form(False, False, True) if closed_form else ""

    def size(i: Inputs) -> int:
        return i["x"].shape[1 if rows else 0]

    def by_paths(combine: Callable) -> Predict:
        return lambda i, e: {"dx": combine(*norm_paths(i, rows), size(i))}

    def terms_of(combine: Callable) -> str:
        return in_closed_form(*(combine(*path, 7) != 1 for path in np.eye(3))) if closed_form else ""

    def altered(steps: dict[str, Callable]) -> Predict:
        return lambda i, e: gradients(i, rows=rows, **steps)

    def x_hat(i: Inputs) -> np.ndarray:
        return norm(i["x"], 1, 0, i["eps"], rows=rows)

    def deviation(i: Inputs) -> np.ndarray:
        t = i["x"].T if rows else i["x"]
        s = (variance(t, column_mean(t)) + i["eps"]) ** 0.5
        return s.T if rows else s

    def direct(i: Inputs) -> np.ndarray:
        return norm_paths(i, rows)[0]

    def with_variance_term(i: Inputs, term: Callable) -> np.ndarray:
        """dx whose way through the variance is -term(g, x_hat, mean) / s, with g = gamma dout."""
        direct, mean, _ = norm_paths(i, rows)

        def average(t: np.ndarray) -> np.ndarray:
            return column_mean(t.T).T if rows else column_mean(t)

        return direct + mean - term(i["gamma"] * i["dout"], x_hat(i), average) / deviation(i)

    def with_whole_sums(i: Inputs, by_mean: bool, by_variance: bool) -> np.ndarray:
        """dx where the sums of these paths run over the whole array."""
        direct, mean, variance = norm_paths(i, rows)
        h, s = x_hat(i), deviation(i)
        if by_mean:
            mean = np.full_like(mean, -direct.sum() / size(i))
        if by_variance:
            variance = -h * s * (direct * h / s).sum() / size(i)
        return direct + mean + variance

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
            *(
                ("power-of-the-root",
                 f"the path through the variance has {count} too {few}: the slope of (variance + eps)^(-1/2) "
                 f"has an exponent that is lower by one.{in_variance}",
                 scaled_variance_path(lambda i, k=k: deviation(i) ** k))
                for k, count, few in [
                    (1, "one factor 1/s", "few"), (2, "two factors 1/s", "few"),
                    (3, "three factors 1/s", "few"), (-1, "one factor 1/s", "many"),
                    (-3, "three factors 1/s", "many"),
                ]
            ),
            ("power-of-the-root",
             "the power -1.5 of the slope is taken of the standard deviation; it is that of variance + eps."
             + in_variance, scaled_variance_path(lambda i: deviation(i) ** 1.5)),
        ),
        *table(
            eq(20),
            ("x-for-x-hat",
             "x is used in place of x_hat, on the path through the variance." + in_variance,
             scaled_variance_path(lambda i: i["x"] / x_hat(i))),
        ),
        *table(
            eq(16),
            ("diagonal-only",
             "this is only the diagonal of the Jacobian: how each entry of x changes its own output. Through "
             f"mean and variance it changes every output of its {line}.",
             *(
                 lambda i, e, by_mean=by_mean, by_variance=by_variance: {
                     "dx": direct(i) * (1 - by_mean / size(i) - by_variance * x_hat(i) ** 2 / size(i))
                 }
                 for by_mean, by_variance in [(1, 1), (1, 0), (0, 1)]
             )),
        ),
        *table(
            eq(20),
            ("x-hat-in-the-sum",
             "on the path through the variance, x_hat stands before the sum and not in it: each entry of the "
             "sum has its own x_hat." + in_variance,
             lambda i, e: {"dx": with_variance_term(i, lambda g, h, mean: h**2 * mean(g))}),
            ("x-hat-in-the-sum",
             "on the path through the variance, the x_hat in the sum is missing." + in_variance,
             lambda i, e: {"dx": with_variance_term(i, lambda g, h, mean: h * mean(g))}),
            ("x-hat-in-the-sum",
             "on the path through the variance, the x_hat before the sum is missing." + in_variance,
             lambda i, e: {"dx": with_variance_term(i, lambda g, h, mean: mean(g * h))}),
            ("x-hat-in-the-sum",
             "on the path through the variance, x_hat is squared in the sum: one x_hat belongs in the sum, "
             "and the other before it." + in_variance,
             lambda i, e: {"dx": with_variance_term(i, lambda g, h, mean: mean(g * h**2))}),
        ),
        *table(
            eq(13),
            ("sum-missing",
             "on the path through the mean the sum is missing: the mean moves every entry of its "
             f"{line}, so their gradients add up.{in_mean}",
             lambda i, e: {"dx": direct(i) * (1 - 1 / size(i)) + norm_paths(i, rows)[2]}),
        ),
        *table(
            eq(11),
            ("sum-missing",
             "on the path through the variance the sum is missing: the variance moves every entry of its "
             f"{line}, so their gradients add up.{in_variance}",
             lambda i, e: {"dx": with_variance_term(i, lambda g, h, mean: h**2 * g / size(i))}),
        ),
        *table(
            eq(11, 13),
            *(
                ("sum-of-everything",
                 f"on the {ways}, the sum is over the whole array: each {line} has a sum of its own."
                 + in_closed_form(False, by_mean, by_variance) * closed_form,
                 lambda i, e, by=(by_mean, by_variance): {"dx": with_whole_sums(i, *by)})
                for ways, by_mean, by_variance in [
                    ("path through the mean", True, False),
                    ("path through the variance", False, True),
                    ("paths through mean and variance", True, True),
                ]
            ),
        ),
        *table(
            eq(15),
            ("x-for-centered",
             "on the path through the variance, x stands where x - mean belongs." + in_variance,
             lambda i, e: {"dx": with_variance_term(
                 i, lambda g, h, mean: h * mean(g * i["x"]) / deviation(i))},
             lambda i, e: {"dx": with_variance_term(
                 i, lambda g, h, mean: i["x"] * mean(g * h) / deviation(i))},
             lambda i, e: {"dx": with_variance_term(
                 i, lambda g, h, mean: i["x"] * mean(g * i["x"]) / deviation(i) ** 2)}),
        ),
        *table(
            eq(8),
            ("normalization-left-out",
             "this is the gradient of gamma x + beta: it does not go through the normalization.",
             lambda i, e: {"dx": i["gamma"] * i["dout"]}),
            ("deviation-left-out", "the division by the standard deviation is missing.",
             lambda i, e: {"dx": e["dx"] * deviation(i)}),
            ("eps-left-out", "eps is missing under the root that dx is divided by.",
             lambda i, e: {"dx": e["dx"] * deviation(i) / (deviation(i) ** 2 - i["eps"]) ** 0.5}),
            ("deviation-twice", "it is divided by the standard deviation twice.",
             lambda i, e: {"dx": e["dx"] / deviation(i)}),
            ("variance-for-deviation",
             "it is multiplied by the standard deviation; it should be divided by it.",
             lambda i, e: {"dx": e["dx"] * deviation(i) ** 2}),
        ),
        *table(
            eq(5),
            ("gamma-left-out", "gamma is left out: the forward multiplies x_hat by gamma.",
             lambda i, e: {"dx": dx_of(i, np.ones_like(i["gamma"]), rows=rows)}),
            ("gamma-twice", "gamma is used twice.",
             lambda i, e: {"dx": dx_of(i, i["gamma"] ** 2, rows=rows)}),
        ),
        *table(
            LAYERNORM_BACKWARD if rows else eq(1, 2),
            ("along-the-wrong-axis", f"mean and variance are taken along the wrong axis: {wrong_axis}",
             lambda i, e: {"dx": dx_of(i, i["gamma"], rows=not rows)}),
        ),
        *upstream_ignored(
            lambda i, e: {
                "dbeta": np.full_like(i["beta"], len(i["x"])),
                "dgamma": np.einsum("nd->d", x_hat(i)),
            }
        ),
        *table(
            eq(6),
            ("x-for-x-hat", "dgamma uses x; gamma multiplies x_hat.", dgamma(lambda i: i["x"])),
            ("deviation-left-out",
             "dgamma uses x - mean; gamma multiplies x_hat, which is divided by the standard "
             "deviation.", dgamma(lambda i: x_hat(i) * deviation(i))),
            ("output-for-x-hat", "dgamma uses the output; gamma multiplies x_hat.",
             dgamma(lambda i: i["gamma"] * x_hat(i) + i["beta"])),
            ("gamma-in-dgamma",
             "dgamma contains gamma: the output is linear in gamma, so its slope does not contain gamma.",
             lambda i, e: {"dgamma": e["dgamma"] * i["gamma"]}),
            ("x-hat-left-out", "dgamma is the sum of dout, which is dbeta; gamma multiplies x_hat.",
             lambda i, e: {"dgamma": e["dbeta"]}),
        ),
        *table(
            eq(7),
            ("gamma-in-dbeta", "dbeta contains gamma: beta is added after the multiplication by gamma.",
             lambda i, e: {"dbeta": e["dbeta"] * i["gamma"]}),
        ),
        *table(
            eq(6, 7),
            ("mean-for-sum",
             "this is a mean over the batch, but every example uses gamma and beta, so their gradients add "
             "up.",
             lambda i, e: {name: e[name] / len(i["x"]) for name in ("dgamma", "dbeta")}),
            ("sum-of-everything",
             "every entry is the sum over the whole array: gamma and beta have one entry for each column, so "
             "each gradient is a sum over its own column.",
             lambda i, e: {name: np.full_like(e[name], e[name].sum()) for name in ("dgamma", "dbeta")}),
            ("dgamma-and-dbeta-swapped", "dgamma and dbeta are swapped.",
             lambda i, e: {"dgamma": e["dbeta"], "dbeta": e["dgamma"]}),
        ),
        *(
            Misconception(
                kind,
                f"this is the gradient of a wrong forward: {text}",
                forward_source(rows, at),
                altered(steps),
            )
            for kind, text, at, steps in ALTERED
        ),
        *upstream_returned("dx", "dgamma", "dbeta"),
    ]
    # fmt: on


def _down_columns(i: Inputs, through_mean: bool, through_variance: bool) -> np.ndarray:
    ""
    "layernorm's dx if its paths through mean and variance are averaged over the batch; False: over a row."
    direct, mean, variance_path = norm_paths(i, rows=True)
    h = norm(i["x"], 1, 0, i["eps"], rows=True)
    s = (variance(i["x"].T, column_mean(i["x"].T)) + i["eps"]).T ** 0.5
    pairs = np.stack([np.ones((len(h),) * 2 + h.shape[1:]), np.einsum("nd,kd->nkd", h, h)]) / len(h)
    ways = [-np.einsum("nkd,kd->nd", pair, direct * s) / s for pair in pairs]
    return direct + (ways[0] if through_mean else mean) + (ways[1] if through_variance else variance_path)


def _gamma_outside(i: Inputs, term: Callable) -> np.ndarray:
    """layernorm's dx with gamma before it all; through the variance goes term(dout, x_hat, mean)."""
    t = i["x"].T
    s = (variance(t, column_mean(t)) + i["eps"]).T ** 0.5

    def average(t: np.ndarray) -> np.ndarray:
        return column_mean(t.T).T

    x_hat = norm(i["x"], 1, 0, i["eps"], rows=True)
    return i["gamma"] / s * (i["dout"] - average(i["dout"]) - term(i["dout"], x_hat, average))


def _statistics_times(i: Inputs, rows: bool, factor: float) -> Arrays:
    direct, mean, variance_path = norm_paths(i, rows)
    return {"dx": direct + (mean + variance_path) * factor}


FEATURES_FOR_BATCH_SIZE = table(
    eq(14, 15),
    (
        "features-for-batch-size",
        "it is divided by the number of features; a mean down a column divides by the number of examples.",
        lambda i, e: _statistics_times(i, False, len(i["x"]) / i["x"].shape[1]),
    ),
)
# The nodes of notebook 2, section 4, that say what an equation of its section 5 says.
NODES = {
    5: ["scaled = gamma times x_hat"],
    6: ["scaled = gamma times x_hat"],
    7: ["y = scaled + beta"],
    8: ["x_hat = centered times inv_std"],
    9: ["centered = x - mu"],
    10: ["std = root of var + eps", "inv_std = 1 / std"],
    11: ["var = mean(squared)"],
    13: ["mu = mean(x)"],
    14: ["mu = mean(x)"],
    15: ["squared = centered^2", "var = mean(squared)"],
    16: ["centered = x - mu"],
    20: ["squared = centered^2"],
}


def by_nodes(source: str) -> str:
    """A source for batchnorm_backward: its card is below section 4, before the equations from (5) on."""
    numbers = [int(number) for number in re.findall(r"\((\d+)\)", source)]
    if not numbers or min(numbers) not in NODES:
        return source
    nodes = list(dict.fromkeys(node for number in numbers for node in NODES[number]))
    *first, last = nodes
    words = f"nodes {', '.join(first)} and {last}" if first else f"node {last}"
    return f"notebook 2, section 4, the {words}"


BACK_THROUGH = (
    "on the path through {}, the means are taken over the batch, down each column: the statistics of "
    "layernorm belong to a row, so these means are taken along each row."
)
# fmt: off
LAYERNORM_ROWS = backward_misconceptions(rows=True) + table(
    LAYERNORM_BACKWARD,
    ("gamma-outside-the-means",
     "gamma is taken out of the means, as in batchnorm: along a row it differs from entry to entry, so it "
     "must stay inside.", lambda i, e: {"dx": i["gamma"] * dx_of(i, np.ones_like(i["gamma"]), rows=True)}),
    ("gamma-outside-the-means",
     "gamma is taken out of the means, but it differs from entry to entry. And the path through the "
     "variance needs one x_hat in its sum and one before it.",
     *(lambda i, e, term=term: {"dx": _gamma_outside(i, term)}
       for term in (lambda g, h, mean: h**2 * mean(g), lambda g, h, mean: mean(g * h**2),
                    lambda g, h, mean: h * mean(g), lambda g, h, mean: mean(g * h)))),
    ("means-down-the-columns", BACK_THROUGH.format("mean and variance"),
     lambda i, e: {"dx": _down_columns(i, True, True)}),
    ("means-down-the-columns", BACK_THROUGH.format("the mean"),
     lambda i, e: {"dx": _down_columns(i, True, False)}),
    ("means-down-the-columns", BACK_THROUGH.format("the variance"),
     lambda i, e: {"dx": _down_columns(i, False, True)}),
    ("batch-size-for-features",
     "it is divided by the number of examples; a mean along a row divides by the number of features.",
     lambda i, e: _statistics_times(i, True, i["x"].shape[1] / len(i["x"]))),
)
# fmt: on
