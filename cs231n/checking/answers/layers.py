"""The affine layer, relu and the two losses: their definitions, and what goes wrong in them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cs231n.checking.answers.primitives import (
    Answers,
    gradients_of,
    relu,
    rows_of,
    table,
    upstream_ignored,
    upstream_returned,
)
from cs231n.checking.compare import allclose
from cs231n.checking.exercises.layers import large_offset
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import complex_step_gradient

__all__ = ["ANSWERS", "affine", "cross_entropy", "hinge", "softmax", "softmax_gradient"]

CHAIN_RULE = "notebook 1, section 1"
OWN_LAYERS = "notebook 1, section 9"


def affine(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nd,dm->nm", rows_of(x), w) + b


def _columns_first(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1, order="F")


def affine_gradients(i: Inputs, dout: np.ndarray) -> Arrays:
    return gradients_of(affine, dout, x=i["x"], w=i["w"], b=i["b"])


# fmt: off
AFFINE_FORWARD = table(
    "the docstring of affine_forward",
    ("bias-left-out", "the bias is not added.", lambda i, e: {"out": e["out"] - i["b"]}),
    ("bias-subtracted", "the bias is subtracted.", lambda i, e: {"out": e["out"] - 2 * i["b"]}),
    ("examples-mixed",
     "the reshape mixes examples: the first axis of x is the batch, and it must stay the first axis.",
     lambda i, e: {"out": affine(i["x"].reshape(-1, len(i["x"])).T, i["w"], i["b"])}),
    ("columns-first",
     "each example is flattened in another order than the rows of w expect: the last axis of x varies "
     "fastest.",
     lambda i, e: {"out": affine(_columns_first(i["x"]), i["w"], i["b"])}),
    ("weights-reshaped",
     "w is reshaped where it should be used as it is, or transposed: a reshape keeps the order of the "
     "entries, a transpose swaps the axes.",
     lambda i, e: {"out": affine(i["x"], i["w"].T.reshape(i["w"].shape), i["b"])}),
    ("bias-left-out", "the bias is not added to every row.",
     lambda i, e: {"out": e["out"] - i["b"] * (np.arange(len(i["x"])) > 0)[:, None]}),
    ("mean-for-sum", "the product is averaged over the features: a matrix product is a sum.",
     lambda i, e: {"out": affine(i["x"], i["w"] / len(i["w"]), i["b"])}),
)

AFFINE_BACKWARD = [
    *table(
        CHAIN_RULE,
        ("mean-for-sum",
         "this is a mean over the batch, but every example uses w and b, so their gradients add up. A mean "
         "in "
         "the loss is already in dout.",
         lambda i, e: {"dw": e["dw"] / len(i["x"]), "db": e["db"] / len(i["x"])}),
        ("one-example",
         "only one example is used, but every example uses w and b, so their gradients add up over the "
         "batch.",
         *(
             lambda i, e, n=n: {
                 "db": i["dout"][n],
                 "dw": np.einsum("d,m->dm", rows_of(i["x"])[n], i["dout"][n]),
             }
             for n in (-1, 0)
         )),
    ),
    *table(
        OWN_LAYERS,
        ("weights-reshaped",
         "w is reshaped where a transpose is meant: a reshape keeps the order of the entries, a transpose "
         "swaps the axes.",
         lambda i, e: {
             "dx": np.einsum("nm,md->nd", i["dout"], i["w"].reshape(i["w"].T.shape)).reshape(i["x"].shape)
         }),
        ("examples-mixed", "the reshape of x mixes examples: a transpose is not a reshape.",
         lambda i, e: {"dw": np.einsum("dn,nm->dm", i["x"].reshape(-1, len(i["x"])), i["dout"])}),
    ),
    *table(
        "the docstring of affine_forward",
        ("columns-first",
         "x is flattened in another order than in the forward: the last axis of x varies fastest.",
         lambda i, e: {
             "dx": rows_of(e["dx"]).reshape(i["x"].shape, order="F"),
             "dw": np.einsum("nd,nm->dm", _columns_first(i["x"]), i["dout"]),
         }),
    ),
    *table(
        OWN_LAYERS,
        ("sum-of-everything",
         "every entry of db is the sum over all of dout: each bias belongs to one column.",
         lambda i, e: {"db": np.full_like(i["b"], i["dout"].sum())}),
    ),
    *upstream_ignored(lambda i, e: affine_gradients(i, np.ones_like(i["dout"]))),
    *upstream_ignored(lambda i, e: {"db": np.ones_like(i["b"])}),
    *upstream_returned("dx", "dw", "db"),
]

RELU_FORWARD = table(
    "the docstring of relu_forward",
    ("not-applied", "x is returned unchanged.", lambda i, e: {"out": i["x"]}),
    ("wrong-side", "the negative entries are kept, and the positive ones set to zero.",
     lambda i, e: {"out": i["x"] - e["out"]}),
    ("absolute-value", "negative entries change their sign; they should become zero.",
     lambda i, e: {"out": 2 * e["out"] - i["x"]}),
    ("slope-for-value", "this is the slope of relu, zeros and ones, and not its value.",
     lambda i, e: {"out": np.sign(e["out"])}),
    ("clipped-above", "large entries are cut off, as in relu6; relu has no upper bound.",
     *(lambda i, e, bound=bound: {"out": np.clip(e["out"], 0, bound)} for bound in (1, 6, 10, 20))),
    ("leaky", "negative entries are made small, as in a leaky relu; they should become zero.",
     *(lambda i, e, a=a: {"out": e["out"] + a * (i["x"] - e["out"])} for a in (0.01, 0.1, 0.2))),
)

RELU_BACKWARD = [
    *table(
        OWN_LAYERS,
        ("mask-on-the-wrong-array",
         "the mask is taken from dout: whether an entry passes depends on the sign of x, not on the sign of "
         "dout.", lambda i, e: {"dx": relu(i["dout"])}),
        ("mask-missing", "dout passes unchanged: where the forward gives zero, x has no influence.",
         lambda i, e: {"dx": i["dout"]}),
        ("mask-inverted",
         "the mask is inverted: dout passes where x is negative, and stops where x is positive.",
         lambda i, e: {"dx": i["dout"] * (i["x"] < 0)}, lambda i, e: {"dx": i["dout"] * (i["x"] <= 0)}),
        ("leaky", "part of dout passes where x is negative; relu is flat there, so nothing passes.",
         *(
             lambda i, e, a=a: {"dx": e["dx"] + a * i["dout"] * (i["x"] < 0)}
             for a in (0.01, 0.1, 0.2, 0.001)
         )),
        ("one-example",
         "the mask of one example is used for all of them: if the cache is an array, cache[0] is its first "
         "row.", lambda i, e: {"dx": i["dout"] * (i["x"][0] > 0)}),
        ("both-masks", "the mask is taken from x and from dout: the sign of dout does not matter.",
         lambda i, e: {"dx": relu(e["dx"])}),
    ),
    *table(
        CHAIN_RULE,
        ("value-for-slope", "dout is multiplied by the value of relu; the chain rule needs its slope.",
         lambda i, e: {"dx": e["dx"] * i["x"]}),
    ),
    *upstream_ignored(lambda i, e: {"dx": (i["x"] > 0) * 1.0}),
]
# fmt: on


def _passes_at_zero(i: Inputs, dx: np.ndarray) -> np.ndarray:
    """Where x is 0 and dout passes, in part or in full: any slope from 0 to 1 is right there."""
    if np.shape(dx) != i["x"].shape:
        return np.zeros(i["x"].shape, bool)
    return (i["x"] == 0) & (dx * np.sign(i["dout"]) > 0) & (np.abs(dx) <= np.abs(i["dout"]))


def adopt_slope_at_zero(i: Inputs, outputs: Arrays, e: Arrays) -> Arrays:
    dx = outputs.get("dx", np.array(np.nan))
    return {**e, "dx": np.where(_passes_at_zero(i, dx), dx, e["dx"])}


def relu_backward_notes(i: Inputs, outputs: Arrays, e: Arrays) -> dict[str, str]:
    if not _passes_at_zero(i, outputs.get("dx", np.array(np.nan))).any():
        return {}
    return {
        "passes-at-zero": "dout passes where x is exactly 0, in full or in part. Relu has no slope there; "
        "this kit uses 0."
    }


def cross_entropy(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each row: -log of the softmax at the label, from differences of scores alone."""
    largest = scores.real.max(axis=1)
    of_label = scores[np.arange(len(y)), y]
    return np.log(np.exp(scores - largest[:, None]).sum(axis=1)) + largest - of_label


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum(axis=1)[:, None]


def _loss_and_gradient(loss: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> Arrays:
    """The mean over the rows, and its gradient by the scores."""

    def mean(v: np.ndarray) -> np.ndarray:
        return loss(v).sum() / len(v)

    return {"loss": mean(x), "dx": complex_step_gradient(mean, x)}


def softmax_gradient(x: np.ndarray, y: np.ndarray) -> Arrays:
    return _loss_and_gradient(lambda v: cross_entropy(v, y), x)


def softmax_expected(i: Inputs, outputs: Arrays) -> Arrays:
    right = softmax_gradient(i["x"], i["y"])
    return {**right, "loss_of_large": right["loss"]}


def softmax_notes(i: Inputs, outputs: Arrays, e: Arrays) -> dict[str, str]:
    large = outputs.get("loss_of_large", np.array(np.nan))
    if np.isfinite(large).all():
        if allclose(large, e["loss"]):
            return {}
        return {"large-scores": "The loss is wrong for rows of scores around 1000 and around -1000."}
    return {
        "overflow": "The loss is NaN or infinite for rows of scores around 1000 and around -1000: exp "
        "overflows, or gives 0 for a whole row. Softmax does not change if you subtract one number from all "
        "scores of a row; each row may have its own number."
    }


def _at_labels(i: Inputs) -> np.ndarray:
    return np.eye(i["x"].shape[1])[i["y"]]


def _with_labels_of_all_rows(i: Inputs, power: int) -> Arrays:
    """softmax_loss with p[:, y] for p[np.arange(N), y]; power 1 sums over its (N, N) entries, 2 averages."""
    p, N = softmax(i["x"]), len(i["x"])
    counts = _at_labels(i).sum(axis=0)
    loss = -np.einsum("nc,c->", np.log(p), counts) / N**power
    return {**_losses(loss), "dx": (p - (counts > 0)) / N}


# With log p of the rows y, and of the rows of a one-hot array whose rows y are ones.
LOSSES_OF_ROWS: tuple[Callable, ...] = (
    lambda logs, y: -logs[y].sum() / logs[y].size,
    lambda logs, y: -logs[y].sum() / len(y),
    lambda logs, y: -logs[np.unique(y)].sum() / len(y),
)


def _with_labels_as_rows(i: Inputs, loss: Callable) -> Arrays:
    """softmax_loss with p[y] for p[np.arange(N), y], where there are such rows."""
    N = len(i["x"])
    if i["y"].max() >= N:
        return {}
    is_label = np.isin(np.arange(N), i["y"])[:, None]
    p = softmax(i["x"])
    return {**_losses(loss(np.log(p), i["y"])), "dx": (p - is_label) / N}


def _with_probabilities(i: Inputs, p: np.ndarray) -> Arrays:
    """softmax_loss with other probabilities."""
    loss = -np.log(p[_at_labels(i) == 1]).sum() / len(p)
    return {**_losses(loss), "dx": (p - _at_labels(i)) / len(p)}


def _shifted_by_smallest(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.min(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]


def _with_sums(i: Inputs, add_up: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """softmax_loss with other sums of exp; each row is shifted by its largest score."""
    shifted = i["x"] - i["x"].max(axis=1)[:, None]
    return _with_probabilities(i, np.exp(shifted) / add_up(np.exp(shifted)))


def _with_log_of_base(i: Inputs, base: float) -> np.ndarray:
    """The mean cross entropy, were only the log of the sum to another base."""
    z = i["x"] - i["x"].max(axis=1)[:, None]
    return (np.log(np.exp(z).sum(axis=1)) / np.log(base) - z[_at_labels(i) == 1]).sum() / len(z)


def _losses(loss: np.ndarray) -> Arrays:
    return {"loss": loss, "loss_of_large": loss}


# fmt: off
SOFTMAX = table(
    "the docstring of softmax_loss",
    # First, since others are infinite there as well.
    ("log-of-zero",
     "the loss is infinite: the probability of the label is so small that it underflows to 0, and its log is "
     "infinite. The log of a quotient is a difference of logs, and a difference does not underflow.",
     lambda i, e: {"loss": np.array(np.inf)}),
    ("sum-for-mean",
     "this is a sum over the batch; the loss is a mean over the examples, so that loss and gradient do not "
     "grow with the batch.", lambda i, e: {**_losses(e["loss"] * len(i["x"])), "dx": e["dx"] * len(i["x"])}),
    ("mean-for-sum", "it is divided by the number of examples twice; the loss is one mean over them.",
     lambda i, e: {**_losses(e["loss"] / len(i["x"])), "dx": e["dx"] / len(i["x"])}),
    ("hinge-for-softmax",
     "this is the hinge loss of svm_loss; softmax_loss takes -log of the probability of the label.",
     lambda i, e: _hinge()(i, e) | _losses(_hinge()(i, e)["loss"])),
    ("shift-by-the-smallest",
     "the smallest score of a row is subtracted from its scores, so they are positive and exp overflows; the "
     "largest belongs there.",
     lambda i, e: _with_probabilities(i, _shifted_by_smallest(i["x"]))),
    ("divided-by-classes", "it is divided by the number of classes; the mean is over the examples only.",
     lambda i, e: {**_losses(e["loss"] / i["x"].shape[1]), "dx": e["dx"] / i["x"].shape[1]}),
    ("divided-by-classes", "it is divided by the number of classes in place of the number of examples.",
     lambda i, e: {
         **_losses(e["loss"] * len(i["x"]) / i["x"].shape[1]),
         "dx": e["dx"] * len(i["x"]) / i["x"].shape[1],
     }),
    ("log-missing", "the loss is minus the mean probability of the label; its logarithm is missing.",
     lambda i, e: _losses(-(softmax(i["x"]) * _at_labels(i)).sum() / len(i["x"]))),
    ("other-logarithm", "the logarithm has another base; the loss needs the natural logarithm.",
     *(lambda i, e, base=base: _losses(e["loss"] / np.log(base)) for base in (2, 10)),
     *(lambda i, e, base=base: _losses(_with_log_of_base(i, base)) for base in (2, 10))),
    ("every-class", "the loss adds up -log p of every class; only the class of the label counts.",
     lambda i, e: _losses(-np.log(softmax(i["x"])).sum() / len(i["x"]))),
    ("binary-cross-entropy",
     "this is binary cross-entropy, which adds -log(1 - p) of the other classes; only -log p of the label "
     "counts.",
     lambda i, e: _losses(
         -(np.log(softmax(i["x"])) * _at_labels(i) + np.log(1 - softmax(i["x"])) * (1 - _at_labels(i))).sum()
         / len(i["x"])
     )),
    ("labels-of-all-rows",
     "every row is indexed by the labels of all rows, as with [:, y]: each row has one label, so the index "
     "needs the row numbers and the labels together.",
     *(lambda i, e, power=power: _with_labels_of_all_rows(i, power) for power in (1, 2))),
    ("labels-as-rows",
     "the labels are used as row numbers, as with p[y]: they are columns, and each row has its own, so the "
     "index needs the row numbers and the labels together.",
     *(lambda i, e, loss=loss: _with_labels_as_rows(i, loss) for loss in LOSSES_OF_ROWS)),
    ("shift-in-one-term",
     "one term uses the shifted scores and the other the original ones: what is subtracted from a row must "
     "be subtracted in both terms.",
     lambda i, e: {
         "loss": e["loss"] - i["x"].max(axis=1).sum() / len(i["x"]),
         "loss_of_large": e["loss"] - (i["x"].max(axis=1) + large_offset(len(i["x"]))).sum() / len(i["x"]),
     }),
    ("softmax-over-the-batch",
     "the probabilities add up to 1 down each column, over the batch: softmax runs along each row, over the "
     "classes of one example.",
     lambda i, e: _with_probabilities(i, softmax(i["x"].T).T)),
    ("softmax-over-everything",
     "the probabilities add up to 1 over the whole array: softmax runs along each row, over the classes of "
     "one example.",
     lambda i, e: _with_probabilities(i, softmax(i["x"].reshape(1, -1)).reshape(i["x"].shape))),
    ("softmax-over-the-batch",
     "the sum of exp is taken over axis 0, the examples; softmax needs axis 1, the classes of one example.",
     lambda i, e: _with_sums(i, lambda t: t.sum(axis=0))),
    ("softmax-over-everything",
     "the sum of exp is taken over the whole array; softmax needs axis 1, the classes of one example.",
     lambda i, e: _with_sums(i, np.sum)),
    ("shift-down-the-columns",
     "the largest score is taken over axis 0, the examples; the shift needs axis 1, since softmax stays the "
     "same only if all scores of a row lose the same number.",
     lambda i, e: _with_probabilities(i, softmax(i["x"] - i["x"].max(axis=0)))),
    ("scores-clipped", "the scores are clipped: where they lie far apart, the loss is too small.",
     *(
         lambda i, e, bound=bound, shift=shift: {
             "loss": cross_entropy(np.clip(shift(i["x"]), -bound, bound), i["y"]).sum() / len(i["x"])
         }
         for bound in (5, 10, 15, 20, 30, 50, 80, 88, 100, 200, 500, 700, 709)
         for shift in (lambda x: x, lambda x: x - x.max(axis=1)[:, None])
     )),
    ("small-number-in-the-log",
     "a small number is added in the log, or p is cut off there: where p is smaller than that number, the "
     "loss is too small. The log of a quotient is a difference of logs, and needs no such number.",
     *(
         lambda i, e, floor=floor, cut=cut: {
             "loss": -np.log(cut(softmax(i["x"])[_at_labels(i) == 1], floor)).sum() / len(i["x"])
         }
         for floor in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16,
                       1e-20, 1e-30, 1e-50, 1e-100, 1e-300)
         for cut in (np.add, np.maximum)
     )),
) + table(
    OWN_LAYERS,
    ("label-left-out",
     "the label is missing in the gradient: the score of the right class should rise when the loss falls.",
     lambda i, e: {"dx": softmax(i["x"]) / len(i["x"])}),
    ("label-left-out", "the label and the mean over the batch are missing in the gradient.",
     lambda i, e: {"dx": softmax(i["x"])}),
    ("slope-of-the-probability",
     "p (1 - p) is the slope of a probability by its own score; the loss is the log of the label's "
     "probability, and it depends on every score of the row.",
     *(
         lambda i, e, sign=sign, at=at, mean=mean: {
             "dx": sign * softmax(i["x"]) * (1 - softmax(i["x"])) * (_at_labels(i) if at else 1)
             / (len(i["x"]) if mean else 1)
         }
         for sign in (1, -1) for at in (False, True) for mean in (True, False)
     ),
     *(
         lambda i, e, sign=sign: {
             "dx": sign * (softmax(i["x"]) * _at_labels(i)).sum(axis=1)[:, None] * e["dx"]
         }
         for sign in (1, -1)
     )),
    ("label-everywhere",
     "1 is subtracted from the probability of every class; only the label's class has this term.",
     lambda i, e: {"dx": (softmax(i["x"]) - 1) / len(i["x"])}, lambda i, e: {"dx": softmax(i["x"]) - 1}),
    ("label-only",
     "only the right class has a gradient; its probability depends on every score of the row.",
     lambda i, e: {"dx": e["dx"] * _at_labels(i)}),
    ("mean-in-half",
     "the label's term is divided by N and the other term is not: the mean is over the whole difference.",
     lambda i, e: {"dx": softmax(i["x"]) - _at_labels(i) / len(i["x"])}),
    ("label-added",
     "the label's term is added: the score of the right class should rise when the loss falls.",
     lambda i, e: {"dx": e["dx"] + 2 * _at_labels(i) / len(i["x"])}),
    ("mean-in-half",
     "the label's term is not divided by N and the other term is: the mean is over the whole difference.",
     lambda i, e: {"dx": softmax(i["x"]) / len(i["x"]) - _at_labels(i)}),
) + table(
    CHAIN_RULE,
    ("upstream-of-the-loss",
     "the gradient is multiplied by the loss: dx is the slope of the loss and does not depend on its value.",
     lambda i, e: {"dx": e["dx"] * e["loss"]}),
)
# fmt: on


def hinge(
    scores: np.ndarray,
    y: np.ndarray,
    *,
    margin: float = 1.0,
    bend: Callable = relu,
    gather: Callable = np.sum,
) -> np.ndarray:
    """For each row: the margins by which the scores of other classes come too near that of the label."""
    others = 1 - np.eye(scores.shape[1])[y]
    return gather(others * bend(scores - scores[np.arange(len(y)), y][:, None] + margin), axis=1)


def _hinge(**altered: Any) -> Callable[[Inputs, Arrays], Arrays]:
    return lambda i, e: _loss_and_gradient(lambda v: hinge(v, i["y"], **altered), i["x"])


def _violations(i: Inputs) -> np.ndarray:
    """1 where the score of another class comes too near that of the label, else 0.  (N, C)"""
    return (i["x"] - i["x"][_at_labels(i) == 1][:, None] + 1 > 0) * (1 - _at_labels(i))


# fmt: off
SVM = table(
    "the docstring of svm_loss",
    ("sum-for-mean", "this is a sum over the batch; the loss is a mean over the examples.",
     lambda i, e: {"loss": e["loss"] * len(i["x"]), "dx": e["dx"] * len(i["x"])}),
    ("divided-by-classes", "it is divided by the number of classes too; the mean is over the examples only.",
     lambda i, e: {"loss": e["loss"] / i["x"].shape[1], "dx": e["dx"] / i["x"].shape[1]}),
    ("margin-left-out", "the margin of 1 is not added.", _hinge(margin=0.0)),
    ("label-counted",
     "the label's own class counts as a violation of the margin; the sum is over the other classes.",
     lambda i, e: {"loss": e["loss"] + 1},
     lambda i, e: {"loss": e["loss"] + 1, "dx": e["dx"] - _at_labels(i) / len(i["x"])},
     lambda i, e: {"loss": e["loss"] + 1, "dx": e["dx"] + _at_labels(i) / len(i["x"])}),
    ("label-left-out", "the label has no gradient; its score is in every margin of its row.",
     lambda i, e: {"dx": e["dx"] * (1 - _at_labels(i))}),
    ("violations-not-counted",
     "the label's gradient counts one margin only; its score is in every margin of its row.",
     lambda i, e: {"dx": (_violations(i) - _at_labels(i)) / len(i["x"])},
     lambda i, e: {
         "dx": (_violations(i) - _at_labels(i) * _violations(i).max(axis=1)[:, None]) / len(i["x"])
     }),
    ("value-for-slope", "the gradient holds the margins themselves; the slope of a hinge is 0 or 1.",
     lambda i, e: {"dx": _hinge(bend=lambda t: relu(t) ** 2 / 2)(i, e)["dx"]}),
    ("squared-hinge", "the margins are squared; the exercise is the plain hinge.",
     _hinge(bend=lambda t: relu(t) ** 2)),
    ("hinge-left-out", "negative margins count too; the hinge makes them 0.", _hinge(bend=lambda t: t)),
    ("sign-of-the-margin",
     "the two scores of a margin are swapped: the margin grows with the score of the other class.",
     _hinge(bend=lambda t: relu(2 - t))),
    ("largest-only",
     "only the largest margin of a row counts; the loss adds up all of them.",
     _hinge(gather=np.max)),
)
# fmt: on


def affine_out(i: Inputs) -> np.ndarray:
    return affine(i["x"], i["w"], i["b"])


ANSWERS = {
    "affine_forward": Answers(lambda i, outputs: {"out": affine_out(i)}, AFFINE_FORWARD),
    "affine_backward": Answers(
        lambda i, outputs: affine_gradients(i, i["dout"]), AFFINE_BACKWARD, forward_out=affine_out
    ),
    "relu_forward": Answers(lambda i, outputs: {"out": relu(i["x"])}, RELU_FORWARD),
    "relu_backward": Answers(
        lambda i, outputs: gradients_of(lambda x: relu(x), i["dout"], x=i["x"]),
        RELU_BACKWARD,
        adopt_choices=adopt_slope_at_zero,
        forward_out=lambda i: relu(i["x"]),
        notes=relu_backward_notes,
    ),
    "softmax_loss": Answers(softmax_expected, SOFTMAX, notes=softmax_notes),
    "svm_loss": Answers(_hinge(), SVM),
}
