"""Known misconceptions: for each exercise, what its arrays would be if one idea in it were wrong.

    MISCONCEPTIONS[exercise] = [Misconception(kind, sentence, source, predict), ...]

predict(given, right) -> {name: array}: what the misconception makes of a problem's inputs, with the right
arrays at hand; names that it leaves right are left out. The sentence points at the idea, source at the place
that explains it; neither says what to write.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cs231n.checking.answers.definitions import gradients_of, positive, rows_of
from cs231n.checking.answers.nets import net_rows, rule_rows
from cs231n.checking.answers.norms import (
    UPSTREAM,
    batchnorm_forward_rows,
    norm_backward_rows,
    norm_forward_rows,
)
from cs231n.checking.problems import EXERCISES, MEMORIES

__all__ = ["MISCONCEPTIONS", "Misconception", "in_any_array"]


class Misconception(NamedTuple):
    kind: str
    sentence: str
    source: str
    predict: Callable


def in_any_array(right):
    """What may happen to one array of any exercise: (kind, sentence, what it would be then)."""
    sizes = {n for n in (*np.shape(right), np.size(right)) if n > 2}
    rows = [
        ("zero", "every entry is zero: is the result assigned, and returned?", 0 * right),
        ("sign", "right up to the sign.", -right),
    ]
    for n in sorted(sizes):
        rows += [
            (
                "sum-for-mean",
                f"too large by a factor of exactly {n}, a size of the array: a sum stands "
                "where there should be a mean, or a division is missing.",
                n * right,
            ),
            (
                "mean-for-sum",
                f"too small by a factor of exactly {n}, a size of the array: a mean stands "
                "where there should be a sum, or one division is too many.",
                right / n,
            ),
        ]
    return [
        *rows,
        ("twice", "twice what it should be: something is counted twice, or a half is missing.", 2 * right),
        (
            "half",
            "half of what it should be: a factor of 2 is lost, as from the slope of a square.",
            right / 2,
        ),
    ]


AFFINE_FORWARD = [
    (
        "bias-left-out",
        "the bias is not added.",
        "the docstring of affine_forward",
        lambda g, r: {"out": r["out"] - g["b"]},
    ),
    (
        "bias-subtracted",
        "the bias is subtracted.",
        "the docstring of affine_forward",
        lambda g, r: {"out": r["out"] - 2 * g["b"]},
    ),
    (
        "examples-mixed",
        "the reshape mixes examples: the first axis of x counts them, and has to stay the first.",
        "the docstring of affine_forward",
        lambda g, r: {"out": np.einsum("dn,dm->nm", g["x"].reshape(-1, len(g["x"])), g["w"]) + g["b"]},
    ),
    (
        "columns-first",
        "each example is flattened in another order than the rows of w expect: the last axis "
        "of x runs fastest.",
        "the docstring of affine_forward",
        lambda g, r: {
            "out": np.einsum("nd,dm->nm", g["x"].reshape(len(g["x"]), -1, order="F"), g["w"]) + g["b"]
        },
    ),
    (
        "weights-reshaped",
        "w is reshaped where it should be used as it is, or transposed: a reshape keeps the "
        "order of the entries, a transpose swaps the axes.",
        "the docstring of affine_forward",
        lambda g, r: {
            "out": np.einsum("nd,dm->nm", rows_of(g["x"]), g["w"].T.reshape(g["w"].shape)) + g["b"]
        },
    ),
    (
        "mean-for-sum",
        "the product is averaged over the features: a product of matrices is a sum.",
        "the docstring of affine_forward",
        lambda g, r: {"out": (r["out"] - g["b"]) / len(g["w"]) + g["b"]},
    ),
]

AFFINE_BACKWARD = [
    (
        "mean-for-sum",
        "averaged over the batch: w and b serve every example, so their gradients add up; the "
        "mean, if there is one, is in the loss and thus in dout already.",
        "notebook 1, section 1",
        lambda g, r: {"dw": r["dw"] / len(g["x"]), "db": r["db"] / len(g["x"])},
    ),
    (
        "weights-reshaped",
        "w is reshaped where a transpose is meant: a reshape keeps the order of the "
        "entries, a transpose swaps the axes.",
        "the docstring of affine_backward",
        lambda g, r: {
            "dx": np.einsum("nm,md->nd", g["dout"], g["w"].reshape(g["w"].T.shape)).reshape(g["x"].shape)
        },
    ),
    (
        "columns-first",
        "flattened in another order than in the forward: the last axis of x runs fastest.",
        "the docstring of affine_forward",
        lambda g, r: {
            "dx": rows_of(r["dx"]).reshape(g["x"].shape, order="F"),
            "dw": np.einsum("nd,nm->dm", g["x"].reshape(len(g["x"]), -1, order="F"), g["dout"]),
        },
    ),
    (
        "examples-mixed",
        "the reshape of x mixes examples: a transpose is not a reshape.",
        "the docstring of affine_backward",
        lambda g, r: {"dw": np.einsum("dn,nm->dm", g["x"].reshape(-1, len(g["x"])), g["dout"])},
    ),
    (
        "one-example",
        "it comes from one example alone: every example uses w and b, so their gradients add up "
        "over the batch.",
        "notebook 1, section 1",
        lambda g, r: {"db": g["dout"][-1], "dw": np.einsum("d,m->dm", rows_of(g["x"])[-1], g["dout"][-1])},
    ),
    (
        "one-example",
        "it comes from one example alone: every example uses w and b, so their gradients add up "
        "over the batch.",
        "notebook 1, section 1",
        lambda g, r: {"db": g["dout"][0], "dw": np.einsum("d,m->dm", rows_of(g["x"])[0], g["dout"][0])},
    ),
    (
        *UPSTREAM,
        lambda g, r: gradients_of(
            lambda x, w, b: np.einsum("nd,dm->nm", rows_of(x), w) + b,
            np.ones_like(g["dout"]),
            **{name: g[name] for name in "xwb"},
        ),
    ),
]

RELU_FORWARD = [
    ("not-applied", "x comes back as it was.", "the docstring of relu_forward", lambda g, r: {"out": g["x"]}),
    (
        "wrong-side",
        "the negative entries are kept, and the positive ones set to zero.",
        "the docstring of relu_forward",
        lambda g, r: {"out": g["x"] - r["out"]},
    ),
    (
        "absolute-value",
        "negative entries change their sign; they should become zero.",
        "the docstring of relu_forward",
        lambda g, r: {"out": 2 * r["out"] - g["x"]},
    ),
    (
        "slope-for-value",
        "these are the ones and zeros of its slope, not its values.",
        "the docstring of relu_forward",
        lambda g, r: {"out": np.sign(r["out"])},
    ),
    (
        "clipped-above",
        "large entries are cut off at 1: relu bounds from below only.",
        "the docstring of relu_forward",
        lambda g, r: {"out": np.clip(r["out"], 0, 1)},
    ),
    *[
        (
            "leaky",
            "negative entries are made small; they should become zero.",
            "the docstring of relu_forward",
            lambda g, r, a=a: {"out": r["out"] + a * (g["x"] - r["out"])},
        )
        for a in (0.01, 0.1, 0.2)
    ],
]

RELU_BACKWARD = [
    (
        "mask-on-the-wrong-array",
        "the mask is taken from dout: whether an entry passes is decided by the sign "
        "of the forward's input, whatever sign the gradient has.",
        "the docstring of relu_backward",
        lambda g, r: {"dx": positive(g["dout"])},
    ),
    (
        "mask-missing",
        "the whole of dout passes: where the forward gave zero, x has no influence.",
        "the docstring of relu_backward",
        lambda g, r: {"dx": g["dout"]},
    ),
    *[
        (
            "mask-inverted",
            "the gradient passes where the forward stopped the values, and stops where it let them by.",
            "the docstring of relu_backward",
            lambda g, r, at_0=at_0: {"dx": g["dout"] * ((g["x"] < 0) + at_0 * (g["x"] == 0))},
        )
        for at_0 in (0, 1)
    ],
    *[
        (
            "passes-at-zero",
            "dout passes where x is 0, in full or in part; relu has no slope there, and the kit "
            "takes 0 for it.",
            "the docstring of relu_backward",
            lambda g, r, part=part: {"dx": r["dx"] + part * g["dout"] * (g["x"] == 0)},
        )
        for part in (1, 0.5)
    ],
    (
        "value-for-slope",
        "dout is multiplied by the value of relu; the chain rule asks for its slope.",
        "notebook 1, section 1",
        lambda g, r: {"dx": r["dx"] * g["x"]},
    ),
    (*UPSTREAM, lambda g, r: {"dx": (g["x"] > 0) * 1.0}),
    (
        "both-masks",
        "the mask is taken from x and from dout: the sign of the gradient plays no part.",
        "the docstring of relu_backward",
        lambda g, r: {"dx": positive(r["dx"])},
    ),
]


def softmax_of(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=1)[:, None]


def at_labels(given):
    return np.eye(given["x"].shape[1])[given["y"]]


def as_loss(loss):
    return {"loss": loss, "loss_of_large": loss}


def smoothed(targets_of, share=lambda targets: 1):
    """What label smoothing gives with other targets; share, of the probabilities in the gradient."""

    def predict(g, r):
        s, C = g["label_smoothing"], g["x"].shape[1]
        targets, p = targets_of(at_labels(g), s, C), softmax_of(g["x"])
        return {
            "loss_smoothed": -(targets * np.log(p)).sum() / len(p),
            "dx_smoothed": (share(targets) * p - targets) / len(p),
        }

    return predict


def row_sums(targets):
    return targets.sum(axis=1)[:, None]


SMOOTHING = [
    (
        "smoothing-ignored",
        "label_smoothing is not used.",
        "the docstring of softmax_loss",
        lambda g, r: {"loss_smoothed": r["loss"], "dx_smoothed": r["dx"]},
    ),
    *[
        (
            "smoothing-not-spread",
            "what the label gives up goes to no other class: the targets of a row add up to 1.",
            "the docstring of softmax_loss",
            smoothed(lambda hot, s, C: (1 - s) * hot, share),
        )
        for share in (row_sums, lambda targets: 1)
    ],
    (
        "smoothing-over-the-others",
        "what the label gives up is spread over the other classes; it is spread "
        "over all, the label's own included.",
        "the docstring of softmax_loss",
        smoothed(lambda hot, s, C: (1 - s) * hot + s / (C - 1) * (1 - hot)),
    ),
    *[
        (
            "smoothing-misses-the-label",
            "what the label gives up is spread over all classes, but the label's "
            "own part of it is missing: the targets of a row add up to 1.",
            "the docstring of softmax_loss",
            smoothed(lambda hot, s, C: (1 - s) * hot + s / C * (1 - hot), share),
        )
        for share in (row_sums, lambda targets: 1)
    ],
]

SOFTMAX = [
    *SMOOTHING,
    (
        "sum-for-mean",
        "added up over the batch: the loss is a mean over the examples, so that loss and "
        "gradient do not grow with the batch.",
        "the docstring of softmax_loss",
        lambda g, r: {**as_loss(r["loss"] * len(g["x"])), "dx": r["dx"] * len(g["x"])},
    ),
    (
        "divided-by-classes",
        "divided by the number of classes: the mean is over the examples alone.",
        "the docstring of softmax_loss",
        lambda g, r: {**as_loss(r["loss"] / g["x"].shape[1]), "dx": r["dx"] / g["x"].shape[1]},
    ),
    (
        "divided-by-classes",
        "divided by the number of classes: the mean is over the number of examples.",
        "the docstring of softmax_loss",
        lambda g, r: {
            **as_loss(r["loss"] * len(g["x"]) / g["x"].shape[1]),
            "dx": r["dx"] * len(g["x"]) / g["x"].shape[1],
        },
    ),
    (
        "label-left-out",
        "the gradient forgets the label: the score of the right class should rise when the loss falls.",
        "the docstring of softmax_loss",
        lambda g, r: {"dx": softmax_of(g["x"]) / len(g["x"])},
    ),
    (
        "label-left-out",
        "the gradient forgets the label, and the mean over the batch.",
        "the docstring of softmax_loss",
        lambda g, r: {"dx": softmax_of(g["x"])},
    ),
    (
        "label-only",
        "the gradient reaches the right class alone: its probability depends on every score of the row.",
        "the docstring of softmax_loss",
        lambda g, r: {"dx": r["dx"] * at_labels(g)},
    ),
    (
        "mean-in-half",
        "the label's part is divided by N and the other is not, or the other way round: the "
        "mean is over the whole difference.",
        "the docstring of softmax_loss",
        lambda g, r: {"dx": softmax_of(g["x"]) - at_labels(g) / len(g["x"])},
    ),
    (
        "mean-in-half",
        "the label's part is not divided by N and the other is: the mean is over the whole difference.",
        "the docstring of softmax_loss",
        lambda g, r: {"dx": softmax_of(g["x"]) / len(g["x"]) - at_labels(g)},
    ),
    (
        "log-missing",
        "the loss is minus the mean probability of the label; its logarithm is missing.",
        "the docstring of softmax_loss",
        lambda g, r: as_loss(-(softmax_of(g["x"]) * at_labels(g)).sum() / len(g["x"])),
    ),
    *[
        (
            "other-logarithm",
            "the logarithm is not the natural one.",
            "the docstring of softmax_loss",
            lambda g, r, base=base: as_loss(r["loss"] / np.log(base)),
        )
        for base in (2, 10)
    ],
    (
        "every-class",
        "the loss adds up -log p of every class; only the label's counts.",
        "the docstring of softmax_loss",
        lambda g, r: as_loss(-np.log(softmax_of(g["x"])).sum() / len(g["x"])),
    ),
    (
        "softmax-over-the-batch",
        "the probabilities add up to 1 down the columns: softmax runs over the classes of one example.",
        "the docstring of softmax_loss",
        lambda g, r: as_loss(-(np.log(softmax_of(g["x"].T).T) * at_labels(g)).sum() / len(g["x"])),
    ),
    (
        "upstream-of-the-loss",
        "the gradient is multiplied by the loss itself: dx is the slope of the loss, whatever its value.",
        "notebook 1, section 1",
        lambda g, r: {"dx": r["dx"] * r["loss"]},
    ),
]


SCALE = "notebook 3, section 8"


def rescaled(factor):
    return lambda g, r: {
        name: factor(g["p"]) * value
        for name, value in r.items()
        if name.startswith("out") and name != "out_in_test"
    }


DROPOUT_FORWARD = [
    (
        "not-rescaled",
        "what is kept is not rescaled: the mean of an entry has to stay.",
        SCALE,
        rescaled(lambda p: p),
    ),
    (
        "rescaled-the-wrong-way",
        "what is kept is made smaller: there is less of it, so it has to grow.",
        SCALE,
        rescaled(lambda p: p**2),
    ),
    ("p-is-kept", "rescaled by 1 - p: p is the probability to keep.", SCALE, rescaled(lambda p: p / (1 - p))),
    ("rescaled-twice", "rescaled twice.", SCALE, rescaled(lambda p: 1 / p)),
    (
        "rescaled-at-test",
        "mode 'test' rescales: with inverted dropout it is the identity.",
        SCALE,
        lambda g, r: {"out_in_test": g["x"] * g["p"]},
    ),
    (
        "rescaled-at-test",
        "mode 'test' rescales: with inverted dropout it is the identity.",
        SCALE,
        lambda g, r: {"out_in_test": g["x"] / g["p"]},
    ),
    (
        "dropped-at-test",
        "mode 'test' drops entries: there it is the identity.",
        SCALE,
        lambda g, r: {"out_in_test": r["out"]},
    ),
]

DROPOUT_BACKWARD = [
    (
        "not-rescaled",
        "the gradient passes the mask but not the scale: the forward multiplied by both.",
        SCALE,
        lambda g, r: {"dx": r["dx"] * g["p"]},
    ),
    (
        "mask-missing",
        "the whole of dout passes: a dropped entry has no influence.",
        SCALE,
        lambda g, r: {"dx": g["dout"]},
    ),
    (
        "mask-missing",
        "rescaled, but the whole of dout passes: a dropped entry has no influence.",
        SCALE,
        lambda g, r: {"dx": g["dout"] / g["p"]},
    ),
    (
        "mask-inverted",
        "the gradient passes where the forward dropped, and stops where it kept.",
        SCALE,
        lambda g, r: {"dx": g["dout"] / g["p"] - r["dx"]},
    ),
    (
        "mask-inverted",
        "the gradient passes where the forward dropped, and stops where it kept.",
        SCALE,
        lambda g, r: {"dx": g["dout"] - r["dx"] * g["p"]},
    ),
    (
        "rescaled-twice",
        "rescaled twice: the mask may hold the scale already.",
        SCALE,
        lambda g, r: {"dx": r["dx"] / g["p"]},
    ),
    (
        "rescaled-the-wrong-way",
        "made smaller where the forward made it larger.",
        SCALE,
        lambda g, r: {"dx": r["dx"] * g["p"] ** 2},
    ),
    (
        "value-for-slope",
        "dout is multiplied by the forward's output; the chain rule asks for its slope.",
        "notebook 1, section 1",
        lambda g, r: {"dx": r["dx"] * g["x"]},
    ),
    (*UPSTREAM, lambda g, r: {"dx": r["dx"] / g["dout"]}),
    (
        "rescaled-at-test",
        "mode 'test' rescales the gradient: the forward is the identity there.",
        SCALE,
        lambda g, r: {"dx_in_test": g["dout"] * g["p"]},
    ),
    (
        "rescaled-at-test",
        "mode 'test' rescales the gradient: the forward is the identity there.",
        SCALE,
        lambda g, r: {"dx_in_test": g["dout"] / g["p"]},
    ),
    (
        "dropped-at-test",
        "mode 'test' drops part of the gradient: the forward is the identity there.",
        SCALE,
        lambda g, r: {"dx_in_test": r["dx"]},
    ),
]


def not_float32(exercise):
    file = EXERCISES[exercise].rpartition(".")[2]
    source = "the docstring of FullyConnectedNet" if "Net" in exercise else f"the first lines of {file}.py"
    return (
        "not-float32",
        "for float32 something comes back as float64: an array is cast on the way, or "
        "made without a dtype, as zeros, ones and random numbers are; or a NumPy number is a factor.",
        source,
        lambda g, r: {"itemsize": np.array(8)},
    )


_ROWS = {
    "affine_forward": AFFINE_FORWARD,
    "affine_backward": AFFINE_BACKWARD,
    "relu_forward": RELU_FORWARD,
    "relu_backward": RELU_BACKWARD,
    "softmax_loss": SOFTMAX,
    "batchnorm_forward": batchnorm_forward_rows(),
    "batchnorm_backward": norm_backward_rows(rows=False),
    "batchnorm_backward_alt": norm_backward_rows(rows=False),
    "layernorm_forward": norm_forward_rows(rows=True),
    "layernorm_backward": norm_backward_rows(rows=True),
    "dropout_forward": DROPOUT_FORWARD,
    "dropout_backward": DROPOUT_BACKWARD,
}

MISCONCEPTIONS = {
    exercise: [
        Misconception(*row)
        for row in (
            *(
                _ROWS[exercise]
                if exercise in _ROWS
                else rule_rows(exercise)
                if exercise in MEMORIES
                else net_rows(exercise)
            ),
            not_float32(exercise),
        )
    ]
    for exercise in EXERCISES
}
