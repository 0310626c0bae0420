"""Whole nets: their scores, losses and gradients by definition, and what goes wrong on the way."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cs231n.checking.answers.layers import cross_entropy, hinge, softmax
from cs231n.checking.answers.norm_definition import norm
from cs231n.checking.answers.primitives import (
    Answers,
    Explanation,
    Misconception,
    Predict,
    relu,
    rows_of,
    table,
)
from cs231n.checking.compare import Diagnosis
from cs231n.checking.exercises.nets import kinds_of
from cs231n.checking.learner_code import Arrays, Inputs
from cs231n.gradient_check import complex_step_gradient

__all__ = ["ANSWERS"]

DIGITS = "0123456789"


def net_scores(
    params: Arrays,
    X: np.ndarray,
    kind: str,
    testing: bool,
    i: Inputs,
    *,
    activate: Callable = relu,
    last: Callable = lambda t: t,
    drop: Callable = lambda t, k, testing: t,
    activate_first: bool = False,
) -> np.ndarray:
    """The scores of a fully-connected net of any depth, with the default eps of 1e-5.

    Args:
        params: {"W1": ..., "b1": ..., "gamma1": ..., ...}.
        X: (N, d1, ..., dk).
        kind: one of kinds_of(i); of dropout it knows only `drop`.
        testing: whether batchnorm uses the running statistics of `i`.
        i: inputs of the problem.
        activate: replaces relu.
        last: last(scores).
        drop: drop(t, k, testing) is what becomes of the units of hidden layer k.
        activate_first: relu comes before the normalization.
    """
    t, L = rows_of(X), sum(name[0] == "W" for name in params)
    normalization = kind.partition("+")[0]
    for k in range(1, L):
        t = np.einsum("nd,dm->nm", t, params[f"W{k}"]) + params[f"b{k}"]
        if normalization in ("plain", "dropout"):
            t = activate(t)
        else:
            held: dict[str, Any] = {}
            if normalization == "batchnorm" and testing:
                mean, var = i[f"running_mean{k}"], i[f"running_var{k}"]
                held = {"mean": lambda t, mean=mean: mean, "var": lambda t, m, var=var: var}
            t = activate(t) if activate_first else t
            t = norm(
                t, params[f"gamma{k}"], params[f"beta{k}"], 1e-5, rows=normalization == "layernorm", **held
            )
            t = t if activate_first else activate(t)
        t = drop(t, k, testing)
    return last(np.einsum("nd,dm->nm", t, params[f"W{L}"]) + params[f"b{L}"])


def half_squares(params: Arrays, reg: float) -> np.ndarray:
    return 0.5 * reg * sum((value**2).sum() for name, value in params.items() if name[0] == "W")


def mean_cross_entropy(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cross_entropy(scores, y).sum() / len(y)


def net_outputs(
    i: Inputs,
    kind: str = "plain",
    *,
    penalty: Callable = half_squares,
    data_loss: Callable = mean_cross_entropy,
    scores: Callable = net_scores,
    **altered: Any,
) -> dict[str, Any]:
    """{scores, loss, gradients by the name of the parameter} of a net; the gradients as functions.

    penalty(params, reg) and data_loss(scores, y) replace the two terms of the loss, scores and altered
    (pieces of) net_scores.
    """
    kinds = ("W", "b") if kind in ("plain", "dropout") else ("W", "b", "gamma", "beta")
    params = {name: value for name, value in i.items() if name.rstrip(DIGITS) in kinds and name[-1] in DIGITS}

    def loss(params: Arrays) -> np.ndarray:
        s = scores(params, i["X"], kind, False, i, **altered)
        return data_loss(s, i["y"]) + penalty(params, i["reg"])

    def of(
        name: str,
    ) -> Callable:  # complex also where a net that is altered does not use the parameter at all
        return lambda v: loss({**params, name: v}) + 0 * v.sum()

    grads = {name: partial(complex_step_gradient, of(name), value) for name, value in params.items()}
    return {"scores": scores(params, i["X"], kind, True, i, **altered), "loss": loss(params), **grads}


def params_written(source: str) -> list[Misconception]:
    sentence = "loss writes into params, so the next loss is another one; try a new array for the gradient."
    return table(source, ("writes-into-params", sentence, lambda i, e: {"params_written": np.array(1)}))


def masked(t: np.ndarray, mask: np.ndarray, testing: bool) -> np.ndarray:
    return t if testing else t * mask


def masks_of(arrays: Arrays) -> Arrays:
    """The masks that the learner's dropout drew: the definition leaves them free."""
    return {name: np.asarray(value) for name, value in arrays.items() if name.startswith("mask")}


def deep_nets(i: Inputs, e: Arrays, drop: Callable = masked, **altered: Any) -> dict[str, Any]:
    """The nets of a problem, with pieces of net_outputs replaced; e holds the masks of dropout."""
    masks, outputs = masks_of(e), dict[str, Any]()
    for kind in kinds_of(i):
        pieces = dict(altered)
        if "dropout" in kind:
            pieces["drop"] = lambda t, k, testing: drop(t, masks[f"mask{k}"], testing)
        outputs |= {f"{kind}.{name}": value for name, value in net_outputs(i, kind, **pieces).items()}
    return outputs


INITIAL = (  # what is wrong where `initial` is 1, 2, ...
    "names and shapes: W, b of every layer, and gamma, beta of every hidden layer that is normalized.",
    "the weights: they are normal random numbers times weight_scale.",
    "gamma: it starts as ones.",
    "b and beta: they start as zeros.",
)


def explain_initial(i: Inputs, name: str, outputs: Arrays, expected: np.ndarray) -> Explanation | None:
    """Answers.explain of the parameters that a net begins with."""
    if not name.endswith("initial"):
        return None
    words = INITIAL[int(outputs[name]) - 1]
    return "initial-parameters", f"__init__ creates wrong parameters; look at {words}", DEEP_DOC


def deep_expected(i: Inputs, outputs: Arrays) -> Arrays:
    masks = masks_of(outputs)
    for name, mask in masks.items():
        shape = len(i["X"]), i[f"b{name[4:]}"].size
        masks[name] = mask if mask.shape == shape else np.ones(shape)  # another shape is said elsewhere
    initial = {f"{kind}.initial": np.array(0) for kind in kinds_of(i)}
    return _computed(deep_nets(i, masks)) | initial | masks | {"params_written": np.array(0)}


def _computed(predictions: dict[str, Any]) -> Arrays:
    return {name: value() if callable(value) else value for name, value in predictions.items()}


def check_masks(i: Inputs, outputs: Arrays) -> Diagnosis | None:
    """Check that something of a net with dropout can be told by its masks: not all is dropped, or lost."""
    masks = np.concatenate([[1.0], *map(np.ravel, masks_of(outputs).values())])
    if np.isfinite(masks).all() and masks[1:].any():
        return None
    sentence = "Check dropout_forward first: its masks are 0 or not finite, so this net cannot be checked."
    return Diagnosis("another-layer", sentence, DROPOUT, "")


def adopt_masks(i: Inputs, outputs: Arrays, expected: Arrays) -> Arrays:
    masks = masks_of(expected)
    if check_masks(i, outputs):
        return expected
    if any(n not in outputs or np.shape(outputs[n]) != np.shape(mask) for n, mask in masks.items()):
        return expected
    if all(np.array_equal(outputs[name], mask) for name, mask in masks.items()):
        return expected
    return expected | deep_expected(i, {name: outputs[name] for name in masks})


def _squares_of(*kinds: str, half: float = 0.5) -> Callable:
    """The L2 penalty over the parameters of these kinds: "W", "b", "gamma", "beta"; or of these names."""
    return lambda params, reg: (
        half
        * reg
        * sum((v**2).sum() for name, v in params.items() if name in kinds or name.rstrip(DIGITS) in kinds)
    )


def _sum_over_weights(f: Callable, half: float) -> Callable:
    return lambda params, reg: half * reg * sum(f(v).sum() for name, v in params.items() if name[0] == "W")


def _mean_square(v: np.ndarray) -> np.ndarray:
    return (v**2).sum() / v.size


def _length(v: np.ndarray) -> np.ndarray:
    return (v**2).sum() ** 0.5


def _squares_of_last(params: Arrays, reg: float) -> np.ndarray:
    return _squares_of(f"W{sum(name[0] == 'W' for name in params)}")(params, reg)


def _squares_without(k: int) -> Callable:
    """The L2 penalty over all weights but W{k}."""
    return lambda params, reg: (
        0.5 * reg * sum((v**2).sum() for name, v in params.items() if name[0] == "W" and name != f"W{k}")
    )


def _with_reg_not_squared(i: Inputs, loss: np.ndarray) -> np.ndarray:
    return loss + 0.5 * i["reg"] * sum((v - v**2).sum() for name, v in i.items() if name[0] == "W")


def common_misconceptions(nets: Callable, doc: str) -> list[Misconception]:
    """Of nets(inputs, expected arrays, **altered)."""

    def altered(**pieces: Any) -> Predict:
        return lambda i, e: nets(i, e, **pieces)

    def only(ending: str, change: Callable) -> Predict:
        """change(inputs, right array) for the names that end so: scores, or the loss."""
        return lambda i, e: {name: change(i, value) for name, value in e.items() if name.endswith(ending)}

    # fmt: off
    return [
        *table(
            doc,
            ("reg-without-half",
             "the factor 1/2 of the regularization is missing, in the loss or in the gradients.",
             altered(penalty=_squares_of("W", half=1))),
            ("reg-halved-twice",
             "the regularization is half of what it should be: the slope of half a square has no 1/2.",
             altered(penalty=_squares_of("W", half=0.25))),
            ("reg-left-out",
             "the regularization is missing: it belongs in the loss and in the gradients of the weights.",
             altered(penalty=lambda params, reg: 0)),
            ("reg-on-biases", "the biases are regularized; only the weights should be.",
             altered(penalty=_squares_of("W", "b"))),
            ("reg-on-one-layer", "only the last layer is regularized; the sum is over all layers.",
             altered(penalty=_squares_of_last)),
            ("reg-on-one-layer", "only the first layer is regularized; the sum is over all layers.",
             altered(penalty=_squares_of("W1"))),
            ("reg-as-a-mean",
             "the penalty is a mean over the weights; it should be half the sum of their squares.",
             *(altered(penalty=_sum_over_weights(_mean_square, half)) for half in (0.5, 1))),
            ("reg-fixed", "the regularization strength is a fixed number in the code; it should be reg.",
             *(altered(penalty=lambda params, reg, fixed=fixed: half_squares(params, fixed))
               for fixed in (1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 1e-4))),
            ("reg-not-squared", "the weights are not squared in the penalty.",
             only("loss", _with_reg_not_squared)),
            ("reg-not-squared", "the penalty uses absolute values; it should be half the sum of the squares.",
             *(altered(penalty=_sum_over_weights(lambda v: v * np.sign(v.real), half)) for half in (0.5, 1))),
            ("reg-not-squared",
             "the penalty uses the norm of each weight matrix, which is a root; it should use the square.",
             *(altered(penalty=_sum_over_weights(_length, half)) for half in (0.5, 1))),
            ("reg-has-the-wrong-sign", "the regularization is subtracted.",
             altered(penalty=_squares_of("W", half=-0.5))),
        ),
        *table(
            "the docstring of softmax_loss",
            ("sum-for-mean", "the loss, or its gradient, is a sum over the batch; it should be a mean.",
             altered(data_loss=lambda s, y: cross_entropy(s, y).sum())),
            ("mean-for-sum",
             "the loss, or its gradient, is divided by the batch size again: softmax_loss returns a mean "
             "already.",
             altered(data_loss=lambda s, y: cross_entropy(s, y).sum() / len(y) ** 2)),
        ),
        *table(
            doc,
            ("svm-for-softmax", "the loss is the hinge of svm_loss; the net uses softmax_loss.",
             altered(data_loss=lambda s, y: hinge(s, y).sum() / len(y))),
            ("relu-missing", "relu is missing: two affine layers in a row are one affine layer.",
             altered(activate=lambda t: t)),
            ("relu-on-scores", "the scores pass through relu; the last layer is affine only.",
             altered(last=relu)),
        ),
        *table(
            "notebook 3, section 1",
            ("relu-skipped-on-the-way-back", "the backward pass skips relu.",
             altered(activate=lambda t: relu(t.real) + t - t.real)),
        ),
        *table(
            doc,
            ("probabilities-for-scores", "the scores are probabilities: softmax belongs to the loss.",
             only("scores", lambda i, s: softmax(s))),
            ("one-step-too-far",
             "the gradients have the wrong sign, as if they were the step of the weights.",
             lambda i, e: {k: -v for k, v in e.items() if not k.endswith(("loss", "scores"))}),
        ),
    ]
    # fmt: on


def _some_nets(*kinds: str, **pieces: Any) -> Predict:
    """Altered in the nets alone whose kind holds one of these words."""
    return lambda i, e: {
        name: v
        for name, v in deep_nets(i, e, **pieces).items()
        if any(kind in name.partition(".")[0] for kind in kinds)
    }


def _as_kind(kind: str, other: str) -> Predict:
    """The nets with a normalization, computed as if it were another; as if there were none: "plain"."""

    def scores(params: Arrays, X: np.ndarray, k: str, testing: bool, i: Inputs, **rest: Any) -> np.ndarray:
        return net_scores(params, X, other if kind in k else k, testing, i, **rest)

    return _some_nets(kind, scores=scores)


def _in_mode(testing: bool) -> Predict:
    return _some_nets(
        "batchnorm", scores=lambda params, X, k, _, i, **rest: net_scores(params, X, k, testing, i, **rest)
    )


def _dropped(drop: Callable) -> Predict:
    return _some_nets("dropout", drop=drop)


DEEP_DOC = "the docstring of FullyConnectedNet.loss"
DROPOUT = "notebook 3, section 5"
# fmt: off
DEEP = [
    *common_misconceptions(deep_nets, DEEP_DOC),
    *params_written(DEEP_DOC),
    *table(
        DEEP_DOC,
        *(
            (
                "reg-missing-in-one-layer",
                f"W{k} is not regularized; the regularization is a sum over all layers.",
                lambda i, e, k=k: deep_nets(i, e, penalty=_squares_without(k)) if f"W{k}" in i else {},
            )
            for k in (1, 2, 3, 4)
        ),
    ),
    *table(
        DROPOUT,
        ("dropout-left-out", "dropout is not applied: this is the result of the net without it.",
         _dropped(lambda t, mask, testing: t)),
        ("dropout-skipped-on-the-way-back", "the backward pass skips dropout.",
         _dropped(lambda t, *mask: masked(t.real, *mask) + t - t.real)),
    ),
    *table(
        DEEP_DOC,
        ("dropped-at-test", "without labels dropout still drops entries; it should be in mode 'test'.",
         _dropped(lambda t, mask, testing: t * mask)),
        *(
            ("reg-on-gamma", words, lambda i, e, kinds=kinds: deep_nets(i, e, penalty=_squares_of(*kinds)))
            for words, kinds in [
                ("gamma and beta are regularized; only the weights should be.", ("W", "gamma", "beta")),
                ("gamma is regularized; only the weights should be.", ("W", "gamma")),
                ("everything is regularized; only the weights should be.", ("W", "b", "gamma", "beta")),
            ]
        ),
        ("relu-before-normalization", "relu comes before the normalization; it should come after it.",
         _some_nets("batchnorm", "layernorm", activate_first=True)),
        *(
            (
                "normalization-left-out",
                f"{kind} is not applied: this is the result of the plain net.",
                _as_kind(kind, "plain"),
            )
            for kind in ("batchnorm", "layernorm")
        ),
        ("other-normalization",
         "batchnorm is used in place of layernorm.",
         _as_kind("layernorm", "batchnorm")),
        ("other-normalization",
         "layernorm is used in place of batchnorm.",
         _as_kind("batchnorm", "layernorm")),
        ("dgamma-and-dbeta-swapped", "the gradients of gamma and beta are swapped.",
         lambda i, e: {
             name: e[name.replace("gamma", "#").replace("beta", "gamma").replace("#", "beta")]
             for name in e
             if "gamma" in name or ".beta" in name
         }),
        ("batch-statistics-at-test",
         "without labels batchnorm still uses the statistics of the batch; it should be in mode 'test'.",
         _in_mode(testing=False)),
        ("running-statistics-in-training",
         "with labels batchnorm uses the running statistics; it should be in mode 'train'.",
         _in_mode(testing=True)),
    ),
]
# fmt: on


def two_layer_net(i: Inputs, e: Arrays, **altered: Any) -> dict[str, Any]:
    return net_outputs(i, **altered)


ANSWERS = {
    "TwoLayerNet.loss": Answers(
        lambda i, outputs: _computed(net_outputs(i)) | {"params_written": np.array(0)},
        [
            *common_misconceptions(two_layer_net, "the docstring of TwoLayerNet.loss"),
            *params_written("the docstring of TwoLayerNet.loss"),
        ],
    ),
    "FullyConnectedNet": Answers(deep_expected, DEEP, explain_initial, check_masks, adopt_masks),
}
