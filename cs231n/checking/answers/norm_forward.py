"""The forward of batch and layer normalization: what goes wrong in it."""

from collections.abc import Callable

import numpy as np

from cs231n.checking.answers.norm_definition import eq, layer, mean_of, variance_of
from cs231n.checking.answers.primitives import (
    Explanation,
    Misconception,
    Predict,
    column_mean,
    table,
    variance,
    weighted_sum,
)
from cs231n.checking.compare import allclose
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = [
    "ALTERED",
    "BATCHNORM_FORWARD",
    "batchnorm_expected",
    "explain_mode",
    "forward_misconceptions",
    "forward_source",
]

RUNNING = "the docstring of batchnorm_forward"
BATCH_AT_TEST = "mode 'test' uses the statistics of this batch; it should use the running ones."


def batchnorm_expected(i: Inputs, outputs: Arrays) -> Arrays:
    past, running = i["momentum"], {name: i[name] for name in ("running_mean", "running_var")}
    return {
        "out": layer(i),
        "running_mean": weighted_sum(i["running_mean"], (1 - past) * mean_of(i["x"]), past),
        "running_var": weighted_sum(i["running_var"], (1 - past) * variance_of(i["x"]), past),
        "out_in_test": layer(i, mean=lambda t: i["running_mean"], var=lambda t, m: i["running_var"]),
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
     "the variance divides by N - 1; here it divides by N, the number of values.", eq(2),
     {"var": lambda t, mean: variance(t, mean) * len(t) / (len(t) - 1)}),
    ("eps-outside-the-root", "eps is added after the root; it belongs under the root.", eq(3),
     {"divide": lambda t, var, eps: t / (var**0.5 + eps)}),
    *[
        ("eps-left-out", "eps is left out, or your code does not use the eps that it gets.", eq(3),
         _divide_by_other_eps(other))
        for other in (0, 1e-5, 1e-8)
    ],
    ("root-missing",
     "x - mean is divided by the variance; it should be divided by its root, the standard deviation.",
     eq(3), {"divide": lambda t, var, eps: t / (var + eps)}),
    ("variance-for-deviation",
     "x - mean is multiplied by the standard deviation; it should be divided by it.", eq(3),
     {"divide": lambda t, var, eps: t * (var + eps) ** 0.5}),
    ("sum-for-mean", "the mean is only a sum: the division is missing.", eq(1),
     {"mean": _column_sum, "var": lambda t, mean: variance(t, column_mean(t))}),
    ("sum-for-mean", "mean and variance are only sums: the divisions are missing.", eq(1, 2),
     {"mean": _column_sum, "var": lambda t, mean: len(t) * variance(t, mean)}),
    ("sum-for-mean", "the variance is only a sum of squares: the division is missing.", eq(2),
     {"var": lambda t, mean: len(t) * variance(t, mean)}),
    ("variance-about-zero",
     "the variance is the mean of the squares of x itself; the mean was not subtracted first.", eq(2),
     {"var": lambda t, mean: column_mean(t**2)}),
    ("mean-not-subtracted", "the mean is not subtracted.", eq(3),
     {"mean": lambda t: 0 * t, "var": lambda t, mean: variance(t, column_mean(t))}),
    ("mean-not-subtracted", "the mean is subtracted neither from x nor in the variance.", eq(2, 3),
     {"mean": lambda t: 0 * t}),
    ("variance-ignored", "the division by the standard deviation is missing.", eq(3),
     {"divide": lambda t, var, eps: t}),
    ("normalization-left-out", "nothing is normalized: x itself is scaled and shifted.", eq(1, 2, 3),
     {"mean": lambda t: 0 * t, "divide": lambda t, var, eps: t}),
    ("statistics-of-everything",
     "mean and variance are taken over the whole array; each column (layernorm: each row) has its own.",
     eq(1, 2),
     {"mean": _whole_mean, "var": lambda t, mean: _whole_mean((t - mean) ** 2)}),
]
# fmt: on


def forward_source(rows: bool, source: str) -> str:
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
            outputs = {"out": layer(i, rows=rows, **steps)}
            if "divide" in steps and not rows:
                mean = 0 if "mean" in steps else i["running_mean"]
                x_hat = steps["divide"](i["x"] - mean, i["running_var"], i["eps"])
                outputs["out_in_test"] = i["gamma"] * x_hat + i["beta"]
            return outputs

        return predict

    along = "layernorm takes them over the features of one example, along each row."
    down = "batchnorm takes them over the batch, down each column."
    # fmt: off
    return [
        *table(
            forward_source(rows, RUNNING),
            ("other-default",
             f"if {'ln' if rows else 'bn'}_param has no eps, your code does not use the default 1e-5.",
             *(
                 by_default(altered(_divide_by_other_eps(other)))
                 for other in (1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
             )),
        ),
        *(
            Misconception(kind, sentence, forward_source(rows, source), altered(steps))
            for kind, sentence, source, steps in ALTERED
        ),
        Misconception(
            "along-the-wrong-axis",
            f"mean and variance are taken along the wrong axis: {along if rows else down}",
            forward_source(rows, eq(1, 2)),
            lambda i, e: {"out": layer(i, rows=not rows)},
        ),
        *table(
            eq(4),
            ("gamma-left-out", "gamma is not used.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma + beta)),
            ("beta-left-out", "beta is not added.", _of_each_out(lambda out, gamma, beta: out - beta)),
            ("scale-and-shift-left-out", "neither gamma nor beta is used: this is x_hat.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma)),
            ("beta-scaled", "gamma scales beta too; beta should be added after the multiplication by gamma.",
             _of_each_out(lambda out, gamma, beta: out - beta + gamma * beta)),
            ("gamma-and-beta-swapped", "gamma and beta are swapped: gamma shifts and beta scales.",
             _of_each_out(lambda out, gamma, beta: (out - beta) / gamma * beta + gamma)),
        ),
    ]
    # fmt: on


def by_default(predict: Predict) -> Predict:
    """Only where settings are left to the function."""
    return lambda i, e: predict(i, e) if i.get("by_default") else {}


def _stored(mean: Callable | None = None, var: Callable | None = None) -> Predict:
    """The running statistics, were mean(x, eps) and var(x, eps) stored; None leaves one out."""
    samples = {"running_mean": mean, "running_var": var}
    return lambda i, e: {
        name: i["momentum"] * i[name] + (1 - i["momentum"]) * sample(i["x"], i["eps"])
        for name, sample in samples.items()
        if sample
    }


def _row_mean(t: np.ndarray) -> np.ndarray:
    return column_mean(t.T).T


def _with_statistics(mean: Callable, var: Callable) -> Predict:
    """mean(t) and var(t, mean) in out and in the running statistics, which get their shapes from them."""

    def running(i: Inputs, name: str, sample: np.ndarray) -> np.ndarray:
        return i["momentum"] * i[name] + (1 - i["momentum"]) * (
            sample[0] if (sample == sample[0]).all() else sample
        )

    return lambda i, e: {
        "out": layer(i, mean=mean, var=var),
        "running_mean": running(i, "running_mean", mean(i["x"])),
        "running_var": running(i, "running_var", var(i["x"], mean(i["x"]))),
    }


def _over_another_axis(kind: str, axis: str, mean: Callable) -> list[Misconception]:
    """One or both statistics taken by another `mean`, about either mean."""
    needed = f"over {axis}; batchnorm needs axis 0, the examples."

    def var(t: np.ndarray, m: np.ndarray) -> np.ndarray:
        return mean((t - m) ** 2)

    # fmt: off
    return table(
        eq(1, 2),
        (kind, f"mean and variance are taken {needed}", _with_statistics(mean, var)),
        (kind, f"the mean is taken {needed}",
         _with_statistics(mean, lambda t, m: variance(t, column_mean(t))), _with_statistics(mean, variance)),
        (kind, f"the variance is taken {needed}",
         _with_statistics(column_mean, lambda t, m: var(t, mean(t))), _with_statistics(column_mean, var)),
    )
    # fmt: on


def _weighted(weigh: Callable) -> Predict:
    """The running statistics, were they weigh(momentum, past, new)."""
    return lambda i, e: {
        "running_mean": weigh(i["momentum"], i["running_mean"], mean_of(i["x"])),
        "running_var": weigh(i["momentum"], i["running_var"], variance_of(i["x"])),
    }


# fmt: off
BATCHNORM_FORWARD = forward_misconceptions(rows=False) + table(
    RUNNING,
    ("running-statistics-in-training",
     "mode 'train' uses the running statistics; it should use those of this batch.",
     lambda i, e: {"out": e["out_in_test"]},
     lambda i, e: {"out": layer(i, mean=lambda t: e["running_mean"], var=lambda t, m: e["running_var"])}),
    ("batch-statistics-at-test",
     BATCH_AT_TEST,
     lambda i, e: {"out_in_test": e["out"]}),
    ("normalization-left-out",
     "mode 'test' returns x as it is; it should normalize x with the running statistics.",
     lambda i, e: {"out_in_test": i["x"]}),
    ("updated-at-test", "mode 'test' changes the running statistics; only mode 'train' should.",
     lambda i, e: {f"{n}_after_test": e[n] for n in ("running_mean", "running_var")}),
    ("other-default", "if bn_param has no momentum, your code does not use the default 0.9.",
     *(
         by_default(_weighted(lambda m, past, new, other=other: (1 - other) * new))
         for other in (0.99, 0.1, 0.5, 0.95, 0.999, 0.997, 0.01, 0.6, 0.7, 0.8)
     )),
    ("running-statistics-start",
     "the running variance starts at one; the running statistics should start at zero.",
     by_default(lambda i, e: {"running_var": e["running_var"] + i["momentum"]})),
    ("running-statistics-start", "both running statistics start at one; they should start at zero.",
     by_default(lambda i, e: {n: e[n] + i["momentum"] for n in ("running_mean", "running_var")})),
    ("running-statistics-start",
     "the running statistics start as those of the first batch; they should start at zero.",
     by_default(_weighted(lambda m, past, new: new))),
    ("momentum-reversed", "momentum is the weight of the new value; it should be the weight of the old one.",
     _weighted(lambda m, past, new: m * new + (1 - m) * past)),
    ("momentum-ignored", "your code does not use the momentum that it gets: 0.9 is only the default.",
     _weighted(lambda m, past, new: 0.9 * past + 0.1 * new)),
    ("not-stored", "the running statistics are not written back into bn_param, or not updated.",
     _weighted(lambda m, past, new: past)),
    ("running-statistics-swapped", "running_mean and running_var are swapped.",
     lambda i, e: {"running_mean": e["running_var"], "running_var": e["running_mean"]}),
    ("past-forgotten", "the running statistics are those of this batch: the old values have no weight.",
     _weighted(lambda m, past, new: new)),
    ("past-forgotten", "the new value is weighted, but the old one is missing: it is not read from bn_param.",
     _weighted(lambda m, past, new: (1 - m) * new)),
    ("sample-not-weighted",
     "the old value is weighted and the new one is not: the two weights should add up to 1.",
     _weighted(lambda m, past, new: m * past + new)),
    ("past-not-weighted",
     "the new value is weighted and the old one is not: the two weights should add up to 1.",
     _weighted(lambda m, past, new: past + (1 - m) * new)),
    ("n-minus-1", "the stored variance divides by N - 1; here it divides by N, as in the normalization.",
     _stored(var=lambda x, eps: variance_of(x) * len(x) / (len(x) - 1))),
    ("deviation-stored", "the standard deviation is stored; it should be the variance.",
     _stored(var=lambda x, eps: variance_of(x) ** 0.5),
     _stored(var=lambda x, eps: (variance_of(x) + eps) ** 0.5)),
    ("eps-in-the-memory", "eps is stored with the variance; it belongs under the root only.",
     _stored(var=lambda x, eps: variance_of(x) + eps)),
    ("sum-for-mean", "a sum over the batch is stored; it should be a mean.",
     _stored(lambda x, eps: mean_of(x) * len(x), lambda x, eps: variance_of(x) * len(x))),
)
# fmt: on
BATCHNORM_FORWARD += _over_another_axis(
    "along-the-wrong-axis", "axis 1, the features of one example", _row_mean
)
BATCHNORM_FORWARD += _over_another_axis("statistics-of-everything", "the whole array", _whole_mean)


def explain_mode(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
    """Answers.explain of batchnorm_forward: whether mode "test" does what mode "train" does."""
    if name == "out_in_test" and allclose(outputs[name], outputs["out"]):
        sentence = "mode 'test' gives the same out as mode 'train': it should use the running statistics."
        return "batch-statistics-at-test", sentence, RUNNING
    return None
