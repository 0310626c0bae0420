"""Known misconceptions about batchnorm and layernorm; misconceptions.py says what a row is."""

import numpy as np

from cs231n.checking.answers.definitions import average, gradients_of, norm, norm_paths, spread

__all__ = ["UPSTREAM", "batchnorm_forward_rows", "norm_backward_rows", "norm_forward_rows"]


def eq(*numbers):
    return "notebook 2, equation " + ", ".join(f"({n})" for n in numbers)


UPSTREAM = (
    "upstream-ignored",
    "the upstream gradient dout is not used, or replaced by ones: the chain rule "
    "multiplies every local slope by what comes from above.",
    "notebook 1, section 1",
)


def unbiased(t, mean):
    return spread(t, mean) * len(t) / (len(t) - 1)


def everywhere(t):
    return np.full_like(t, t.sum() / t.size)


def total(t):
    return average(t) * len(t)


EPS_OUTSIDE = ("eps-outside-the-root", "eps is added to the root, not under it.", eq(3))

# (kind, sentence, source, what replaces a step of definitions.norm)
ALTERED = [
    (
        "n-minus-1",
        "the variance divides by N - 1; here it divides by N, where it normalizes and where it is stored.",
        eq(2),
        {"var": unbiased},
    ),
    (*EPS_OUTSIDE, {"divide": lambda t, var, eps: t / (var**0.5 + eps)}),
    *[
        (
            "eps-left-out",
            "the eps that was given is not used.",
            eq(3),
            {"divide": lambda t, var, eps, other=other: t * (var + other) ** -0.5},
        )
        for other in (0, 1e-5, 1e-8)
    ],
    (
        "root-missing",
        "divided by the variance; its root, the standard deviation, is missing.",
        eq(3),
        {"divide": lambda t, var, eps: t / (var + eps)},
    ),
    (
        "sum-for-mean",
        "the mean is a sum: its division is missing.",
        eq(1),
        {"mean": total, "var": lambda t, mean: spread(t, average(t))},
    ),
    (
        "sum-for-mean",
        "mean and variance are sums: their divisions are missing.",
        eq(1, 2),
        {"mean": total, "var": lambda t, mean: len(t) * spread(t, mean)},
    ),
    (
        "sum-for-mean",
        "the variance is a sum of squares: its division is missing.",
        eq(2),
        {"var": lambda t, mean: len(t) * spread(t, mean)},
    ),
    (
        "variance-about-zero",
        "the variance is the mean of the squares of x itself; the mean was not subtracted first.",
        eq(2),
        {"var": lambda t, mean: average(t**2)},
    ),
    (
        "mean-not-subtracted",
        "the mean is not subtracted.",
        eq(3),
        {"mean": lambda t: 0 * t, "var": lambda t, mean: spread(t, average(t))},
    ),
    (
        "mean-not-subtracted",
        "the mean is not subtracted, from x or in the variance.",
        eq(2, 3),
        {"mean": lambda t: 0 * t},
    ),
    ("variance-ignored", "not divided by the standard deviation.", eq(3), {"divide": lambda t, var, eps: t}),
    (
        "statistics-of-everything",
        "one mean and one variance for the whole array: they are taken line by line.",
        eq(1, 2),
        {"mean": everywhere, "var": lambda t, mean: everywhere((t - mean) ** 2)},
    ),
]


def of_columns(rows, source):
    """source, an equation about the columns of batchnorm; for rows what says the same of them."""
    return "the docstring of layernorm_forward" if rows else source


def norm_forward_rows(rows):
    axis = (
        "along-the-wrong-axis",
        "the statistics run along the wrong axis: "
        + (
            "layernorm takes them over the features of one example, along each row."
            if rows
            else "batchnorm takes them over the batch, down each column."
        ),
        of_columns(rows, eq(1, 2)),
    )

    def layer(g, **altered):
        return {"out": norm(g["x"], g["gamma"], g["beta"], g["eps"], **{"rows": rows, **altered})}

    def in_test(g, divide):
        x_hat = divide(g["x"] - g["running_mean"], g["running_var"], g["eps"])
        return {"out_in_test": g["gamma"] * x_hat + g["beta"]}

    table = [
        (
            kind,
            sentence,
            of_columns(rows, source),
            lambda g, r, altered=altered: {
                **layer(g, **altered),
                **(in_test(g, altered["divide"]) if "divide" in altered and not rows else {}),
            },
        )
        for kind, sentence, source, altered in ALTERED
    ]
    return [
        *table,
        (*axis, lambda g, r: layer(g, rows=not rows)),
        (
            "gamma-left-out",
            "gamma is not used.",
            eq(4),
            lambda g, r: {name: (out - g["beta"]) / g["gamma"] + g["beta"] for name, out in outs(r)},
        ),
        (
            "beta-left-out",
            "beta is not added.",
            eq(4),
            lambda g, r: {name: out - g["beta"] for name, out in outs(r)},
        ),
        (
            "scale-and-shift-left-out",
            "neither gamma nor beta is used: this is x_hat.",
            eq(4),
            lambda g, r: {name: (out - g["beta"]) / g["gamma"] for name, out in outs(r)},
        ),
        (
            "gamma-and-beta-swapped",
            "gamma shifts and beta scales.",
            eq(4),
            lambda g, r: {
                name: (out - g["beta"]) / g["gamma"] * g["beta"] + g["gamma"] for name, out in outs(r)
            },
        ),
    ]


def outs(right):
    return [(name, right[name]) for name in ("out", "out_in_test") if name in right]


def stored(mean=None, var=None):
    """The running statistics, were they updated from mean(x) and var(x), or with another weight."""

    def predict(g, r, m=mean, v=var):
        past = g["momentum"]
        return {
            name: past * g[name] + (1 - past) * sample(g["x"])
            for name, sample in [("running_mean", m), ("running_var", v)]
            if sample
        }

    return predict


def columns_mean(x):
    return average(x)[0]


def columns_var(x):
    return spread(x, average(x))[0]


def weighed(weigh):
    return lambda g, r: {
        "running_mean": weigh(g["momentum"], g["running_mean"], columns_mean(g["x"])),
        "running_var": weigh(g["momentum"], g["running_var"], columns_var(g["x"])),
    }


RUNNING = "the docstring of batchnorm_forward"


def batchnorm_forward_rows():
    return [
        *norm_forward_rows(rows=False),
        (
            "running-statistics-in-training",
            "training uses the running statistics; there it is this batch that counts.",
            RUNNING,
            lambda g, r: {"out": r["out_in_test"]},
        ),
        (
            "batch-statistics-at-test",
            "mode 'test' uses the statistics of this batch; there the running ones count.",
            RUNNING,
            lambda g, r: {"out_in_test": r["out"]},
        ),
        (
            "updated-at-test",
            "mode 'test' changes the running statistics; only training may.",
            RUNNING,
            lambda g, r: {f"{n}_after_test": r[n] for n in ("running_mean", "running_var")},
        ),
        (
            "momentum-reversed",
            "momentum weighs the new sample; here it weighs the past.",
            RUNNING,
            weighed(lambda m, past, new: m * new + (1 - m) * past),
        ),
        (
            "momentum-ignored",
            "the momentum that was given is not used: 0.9 is only its default.",
            RUNNING,
            weighed(lambda m, past, new: 0.9 * past + 0.1 * new),
        ),
        (
            "not-stored",
            "the running statistics are not written back into bn_param, or not updated.",
            RUNNING,
            weighed(lambda m, past, new: past),
        ),
        (
            "past-forgotten",
            "the running statistics are those of this batch; the past has no weight.",
            RUNNING,
            weighed(lambda m, past, new: new),
        ),
        (
            "past-forgotten",
            "the sample is weighted, but the past is gone: it is not read from bn_param.",
            RUNNING,
            weighed(lambda m, past, new: (1 - m) * new),
        ),
        (
            "sample-not-weighted",
            "the past is weighted and the sample is not: the two weights add up to 1.",
            RUNNING,
            weighed(lambda m, past, new: m * past + new),
        ),
        (
            "past-not-weighted",
            "the sample is weighted and the past is not: the two weights add up to 1.",
            RUNNING,
            weighed(lambda m, past, new: past + (1 - m) * new),
        ),
        (
            "n-minus-1",
            "the variance that is stored divides by N - 1; here it divides by N in both places.",
            RUNNING,
            stored(var=lambda x: columns_var(x) * len(x) / (len(x) - 1)),
        ),
        (
            "deviation-stored",
            "the standard deviation is stored where the variance should be.",
            RUNNING,
            stored(var=lambda x: columns_var(x) ** 0.5),
        ),
        (
            "deviation-stored",
            "the standard deviation is stored where the variance should be.",
            RUNNING,
            lambda g, r: stored(var=lambda x: (columns_var(x) + g["eps"]) ** 0.5)(g, r),
        ),
        (
            "eps-in-the-memory",
            "eps is stored with the variance; it belongs under the root alone.",
            RUNNING,
            lambda g, r: stored(var=lambda x: columns_var(x) + g["eps"])(g, r),
        ),
        (
            "sum-for-mean",
            "a sum over the batch is stored; the mean is meant.",
            RUNNING,
            stored(mean=lambda x: columns_mean(x) * len(x), var=lambda x: columns_var(x) * len(x)),
        ),
    ]


def norm_backward_rows(rows):
    """dx by its paths, and by altered forwards; dgamma and dbeta by what may stand in their sums."""

    def size(g):
        return g["x"].shape[1 if rows else 0]

    def by_paths(combine):
        return lambda g, r: {"dx": combine(*norm_paths(g, rows), size(g))}

    def altered(g, **steps):
        return gradients_of(
            lambda x, gamma, beta: norm(x, gamma, beta, g["eps"], rows=rows, **steps),
            g["dout"],
            x=g["x"],
            gamma=g["gamma"],
            beta=g["beta"],
        )

    def with_gamma(g, gamma, dout, scale=1):
        return {
            "dx": scale
            * gradients_of(lambda x: norm(x, gamma, g["beta"], g["eps"], rows=rows), dout, x=g["x"])["dx"]
        }

    def deviation(g):
        t = g["x"].T if rows else g["x"]
        s = (spread(t, average(t)) + g["eps"]) ** 0.5
        return s.T if rows else s

    def x_hat(g):
        return norm(g["x"], 1, 0, g["eps"], rows=rows)

    def down_columns(g, mean, variance):
        """layernorm's dx if its ways through mean and variance are averaged over the batch; 0 for a row's."""
        direct, by_mean, by_variance = norm_paths(g, rows)
        h, s = x_hat(g), deviation(g)
        pairs = np.stack([np.ones((len(h),) * 2 + h.shape[1:]), np.einsum("nd,kd->nkd", h, h)]) / len(h)
        ways = [-np.einsum("nkd,kd->nd", pair, direct * s) / s for pair in pairs]
        return {"dx": direct + (ways[0] if mean else by_mean) + (ways[1] if variance else by_variance)}

    def sums(name, what):
        return lambda g, r: {name: np.einsum("nd->d", what(g))}

    lines = "row" if rows else "column"
    table = [
        (
            "mean-held-fixed",
            "the mean is held fixed: moving one entry moves the mean, and the mean moves "
            f"every entry of its {lines}.",
            eq(13, 16),
            by_paths(lambda a, b, c, n: a + c),
        ),
        (
            "variance-held-fixed",
            "the variance is held fixed: moving one entry moves the variance, and with "
            f"it every entry of its {lines}.",
            eq(11, 16),
            by_paths(lambda a, b, c, n: a + b),
        ),
        (
            "statistics-held-fixed",
            "mean and variance are held fixed, as in test mode: in training both are functions of x.",
            eq(16),
            by_paths(lambda a, b, c, n: a),
        ),
        (
            "direct-path-missing",
            "the direct way from x to x_hat is missing: only what passes through the statistics is there.",
            eq(16),
            by_paths(lambda a, b, c, n: b + c),
        ),
        (
            "sum-for-mean",
            "the 1/N of the mean is missing on the way back through it.",
            eq(14),
            by_paths(lambda a, b, c, n: a + n * b + c),
        ),
        (
            "sum-for-mean",
            "the 1/N of the variance is missing on the way back through it.",
            eq(15),
            by_paths(lambda a, b, c, n: a + b + n * c),
        ),
        (
            "sum-for-mean",
            "both 1/N, of mean and variance, are missing on the way back.",
            eq(14, 15),
            by_paths(lambda a, b, c, n: a + n * b + n * c),
        ),
        (
            "mean-for-sum",
            "the way through the mean is divided by N twice.",
            eq(13, 14),
            by_paths(lambda a, b, c, n: a + b / n + c),
        ),
        (
            "mean-for-sum",
            "the way through the variance is divided by N twice.",
            eq(11, 15),
            by_paths(lambda a, b, c, n: a + b + c / n),
        ),
        (
            "n-minus-1",
            "the way through the variance divides by N - 1: the forward divides by N.",
            eq(15),
            by_paths(lambda a, b, c, n: a + b + c * n / (n - 1)),
        ),
        (
            "slope-of-the-square",
            "the 2 of the square's slope is missing in the way through the variance.",
            eq(15),
            by_paths(lambda a, b, c, n: a + b + c / 2),
        ),
        (
            "slope-of-the-root",
            "the 1/2 of the root's slope is missing in the way through the variance.",
            eq(10),
            by_paths(lambda a, b, c, n: a + b + 2 * c),
        ),
        (
            "slope-of-the-square",
            "the 2 of the square and the 1/2 of the root are both left in, or counted twice.",
            eq(10, 15),
            by_paths(lambda a, b, c, n: a + b + c / 4),
        ),
        (
            "sign-of-the-mean",
            "the way through the mean has the wrong sign: the mean is subtracted.",
            eq(9),
            by_paths(lambda a, b, c, n: a - b + c),
        ),
        (
            "sign-of-the-variance",
            "the way through the variance has the wrong sign: a larger variance makes x_hat smaller.",
            eq(10),
            by_paths(lambda a, b, c, n: a + b - c),
        ),
        (
            "sign-of-both",
            "the ways through mean and variance both have the wrong sign.",
            eq(9, 10),
            by_paths(lambda a, b, c, n: a - b - c),
        ),
        *[
            (
                "power-of-the-root",
                "the slope of (variance + eps)^(-1/2) has the wrong power: lower the exponent by one.",
                eq(10),
                lambda g, r, k=k: {
                    "dx": (lambda a, b, c: a + b + c * deviation(g) ** k)(*norm_paths(g, rows))
                },
            )
            for k in (1, 2, 3, -1, -3)
        ],
        (
            "x-for-x-hat",
            "x stands where the normalized x_hat is meant, in the way through the variance.",
            eq(20),
            lambda g, r: {"dx": (lambda a, b, c: a + b + c / x_hat(g) * g["x"])(*norm_paths(g, rows))},
        ),
        (
            "deviation-left-out",
            "the division by the standard deviation is missing.",
            eq(8),
            lambda g, r: {"dx": r["dx"] * deviation(g)},
        ),
        (
            "deviation-twice",
            "divided by the standard deviation twice.",
            eq(8),
            lambda g, r: {"dx": r["dx"] / deviation(g)},
        ),
        (
            "variance-for-deviation",
            "multiplied by the standard deviation where a division is meant.",
            eq(8),
            lambda g, r: {"dx": r["dx"] * deviation(g) ** 2},
        ),
        (
            "gamma-left-out",
            "gamma is left out: x_hat reaches the loss through it.",
            eq(5),
            lambda g, r: with_gamma(g, np.ones_like(g["gamma"]), g["dout"]),
        ),
        (
            "gamma-twice",
            "gamma is used twice.",
            eq(5),
            lambda g, r: with_gamma(g, g["gamma"] ** 2, g["dout"]),
        ),
        (
            "along-the-wrong-axis",
            "this is the gradient of statistics along the other axis: "
            + ("layernorm takes them along each row." if rows else "batchnorm takes them down each column."),
            "notebook 2, exercise 9" if rows else eq(1, 2),
            lambda g, r: {
                "dx": gradients_of(
                    lambda x: norm(x, g["gamma"], g["beta"], g["eps"], rows=not rows), g["dout"], x=g["x"]
                )["dx"]
            },
        ),
        *[
            (
                kind,
                "as if in the forward: " + sentence,
                of_columns(rows, source),
                lambda g, r, steps=steps: altered(g, **steps),
            )
            for kind, sentence, source, steps in ALTERED
        ],
        (
            *UPSTREAM,
            lambda g, r: {
                "dbeta": np.full_like(g["beta"], len(g["x"])),
                "dgamma": np.einsum("nd->d", x_hat(g)),
            },
        ),
        (
            "x-for-x-hat",
            "dgamma is summed with x; gamma multiplies x_hat.",
            eq(6),
            sums("dgamma", lambda g: g["dout"] * g["x"]),
        ),
        (
            "deviation-left-out",
            "dgamma is summed with x - mean; gamma multiplies x_hat, which is divided by "
            "the standard deviation.",
            eq(6),
            sums("dgamma", lambda g: g["dout"] * x_hat(g) * deviation(g)),
        ),
        (
            "output-for-x-hat",
            "dgamma is summed with the output; gamma multiplies x_hat.",
            eq(6),
            sums("dgamma", lambda g: g["dout"] * (g["gamma"] * x_hat(g) + g["beta"])),
        ),
        (
            "gamma-in-dgamma",
            "dgamma has gamma in it: the output is linear in gamma, so its slope is free of it.",
            eq(6),
            lambda g, r: {"dgamma": r["dgamma"] * g["gamma"]},
        ),
        (
            "gamma-in-dbeta",
            "dbeta has gamma in it: beta is added after gamma has done its work.",
            eq(7),
            lambda g, r: {"dbeta": r["dbeta"] * g["gamma"]},
        ),
        (
            "mean-for-sum",
            "averaged over the batch: gamma and beta serve every example, so their gradients add up.",
            eq(6, 7),
            lambda g, r: {k: r[k] / len(g["x"]) for k in ("dgamma", "dbeta")},
        ),
        (
            "dgamma-and-dbeta-swapped",
            "dgamma and dbeta have changed places.",
            eq(6, 7),
            lambda g, r: {"dgamma": r["dbeta"], "dbeta": r["dgamma"]},
        ),
        (
            "x-hat-left-out",
            "dgamma is the plain sum of dout: that is dbeta; gamma multiplies x_hat.",
            eq(6),
            lambda g, r: {"dgamma": r["dbeta"]},
        ),
    ]
    if rows:
        table += [
            (
                "gamma-outside-the-means",
                "gamma is taken out of the means, as batchnorm may: along a row it "
                "differs from entry to entry, so it stays inside.",
                "notebook 2, exercise 9",
                lambda g, r: with_gamma(g, np.ones_like(g["gamma"]), g["dout"], g["gamma"]),
            ),
            *[
                (
                    "means-down-the-columns",
                    f"the way back through {what} averages over the batch, down each "
                    "column: the statistics of layernorm belong to a row, and so does what comes back "
                    "through them.",
                    "notebook 2, exercise 9",
                    lambda g, r, mean=mean, variance=variance: down_columns(g, mean, variance),
                )
                for what, mean, variance in [
                    ("mean and variance", 1, 1),
                    ("the mean", 1, 0),
                    ("the variance", 0, 1),
                ]
            ],
            (
                "batch-size-for-features",
                "divided by the number of examples: a mean along a row divides by the number of features.",
                "notebook 2, exercise 9",
                lambda g, r: by_paths(lambda a, b, c, n: a + (b + c) * n / len(g["x"]))(g, r),
            ),
        ]
    else:
        table += [
            (
                "features-for-batch-size",
                "divided by the number of features: a mean down a column divides by the number of examples.",
                eq(14, 15),
                lambda g, r: by_paths(lambda a, b, c, n: a + (b + c) * n / g["x"].shape[1])(g, r),
            ),
        ]
    return table
