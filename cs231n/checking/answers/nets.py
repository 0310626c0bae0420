"""Known misconceptions about update rules and whole nets; misconceptions.py says what a row is."""

import numpy as np

from cs231n.checking.answers.definitions import (
    FRESH,
    cross_entropy,
    deep_nets,
    dropout_net,
    masked,
    net_scores,
    positive,
    two_layers,
    two_steps,
)
from cs231n.checking.problems import MEMORIES, NETS

__all__ = ["net_rows", "rule_rows"]


def rule_rows(rule):
    doc = f"the docstring of {rule}"

    first_rate = FRESH[rule]["learning_rate"]

    def altered(**pieces):
        return lambda g, r: two_steps(rule, g, **pieces)

    def uphill(g, r):
        return {"next_w": 2 * g["w"] - r["next_w"], "first_w": 2 * g["w"] - r["first_w"]}

    rows = [
        ("uphill", "the step goes up the gradient: a loss falls against it.", doc, uphill),
        (
            "memory-not-stored",
            f"config still holds the old {' and '.join(MEMORIES[rule])}: what the rule "
            "remembers is written back into it.",
            doc,
            lambda g, r: {name: g[name] for name in MEMORIES[rule]},
        ),
        (
            "memory-ignored",
            f"what config remembers in {' and '.join(MEMORIES[rule])} is not used: each step "
            "starts from zero.",
            doc,
            lambda g, r: two_steps(rule, {**g, **{name: 0 * g[name] for name in MEMORIES[rule]}}),
        ),
        (
            "learning-rate-ignored",
            "the learning rate is not used.",
            doc,
            lambda g, r: {
                "next_w": g["w"] + (r["next_w"] - g["w"]) / g["learning_rate"],
                "first_w": g["w"] + (r["first_w"] - g["w"]) / first_rate,
            },
        ),
        (
            "learning-rate-twice",
            "the learning rate is used twice.",
            doc,
            lambda g, r: {
                "next_w": g["w"] + (r["next_w"] - g["w"]) * g["learning_rate"],
                "first_w": g["w"] + (r["first_w"] - g["w"]) * first_rate,
            },
        ),
        (
            "step-without-w",
            "next_w is the step alone: w is not added.",
            doc,
            lambda g, r: {"next_w": r["next_w"] - g["w"], "first_w": r["first_w"] - g["w"]},
        ),
        ("no-step", "next_w is still w.", doc, lambda g, r: {"next_w": g["w"], "first_w": g["w"]}),
    ]
    if rule == "sgd_momentum":
        lr, mu = (lambda g: g["learning_rate"]), (lambda g: g["momentum"])

        def velocity(make, step=lambda w, v: w + v):
            """From the velocity that make(g, old velocity, momentum, rate) gives."""

            def predict(g, r):
                v = make(g, g["velocity"], mu(g), lr(g))
                return {
                    "velocity": v,
                    "next_w": step(g["w"], v),
                    "first_w": step(g["w"], make(g, 0 * g["velocity"], 0.9, 1e-2)),
                }

            return predict

        return rows + [
            (
                "momentum-reversed",
                "momentum weighs what is new; here it weighs the past.",
                doc,
                velocity(lambda g, v, m, a: (1 - m) * v - m * a * g["dw"]),
            ),
            (
                "momentum-reversed",
                "the past is weighted by 1 - momentum; momentum is the weight of the past.",
                doc,
                velocity(lambda g, v, m, a: (1 - m) * v - a * g["dw"]),
            ),
            (
                "weighted-average",
                "the gradient is weighted by 1 - momentum: the velocity is a sum, not an average.",
                doc,
                velocity(lambda g, v, m, a: m * v - (1 - m) * a * g["dw"]),
            ),
            (
                "weighted-average",
                "the gradient is weighted by 1 - momentum: the velocity is a sum, not an average.",
                doc,
                velocity(lambda g, v, m, a: m * v - (1 - m) * g["dw"]),
            ),
            (
                "velocity-uphill",
                "the velocity has the wrong sign: it points down, against the gradient.",
                doc,
                velocity(lambda g, v, m, a: m * v + a * g["dw"]),
            ),
            (
                "velocity-uphill",
                "the velocity has the wrong sign: it points down, and w moves along it.",
                doc,
                velocity(lambda g, v, m, a: m * v + a * g["dw"], lambda w, v: w - v),
            ),
            (
                "learning-rate-outside",
                "the learning rate multiplies the whole velocity: here it multiplies "
                "the gradient as it enters, so that the velocity holds steps.",
                doc,
                lambda g, r: {
                    "velocity": mu(g) * g["velocity"] + g["dw"],
                    "next_w": g["w"] - lr(g) * (mu(g) * g["velocity"] + g["dw"]),
                },
            ),
            (
                "learning-rate-ignored",
                "the learning rate is not used in the velocity.",
                doc,
                velocity(lambda g, v, m, a: m * v - g["dw"]),
            ),
            (
                "past-not-weighted",
                "momentum is not used: the old velocity keeps its whole weight.",
                doc,
                velocity(lambda g, v, m, a: v - a * g["dw"]),
            ),
            (
                "old-velocity",
                "w moves by the old velocity: it is updated first, then used.",
                doc,
                lambda g, r: {"next_w": g["w"] + g["velocity"], "first_w": g["w"]},
            ),
            (
                "nesterov",
                "this is Nesterov's step, a look ahead; the exercise is the plain one.",
                doc,
                lambda g, r: {
                    "next_w": g["w"] - lr(g) * g["dw"] + mu(g) * r["velocity"],
                    "first_w": g["w"] + 1.9 * (r["first_w"] - g["w"]),
                },
            ),
            (
                "velocity-left-out",
                "w moves by the gradient alone, without the velocity's past.",
                doc,
                lambda g, r: {"next_w": g["w"] - lr(g) * g["dw"]},
            ),
        ]
    rows += [
        (
            "epsilon-inside-the-root",
            "epsilon is under the root; here it is added to the root.",
            doc,
            altered(root=lambda v, eps: (v + eps) ** 0.5),
        ),
        ("epsilon-left-out", "epsilon is not used.", doc, altered(root=lambda v, eps: v**0.5)),
        (
            "root-missing",
            "the step is divided by the mean square; its root is missing.",
            doc,
            altered(root=lambda v, eps: v + eps),
        ),
        (
            "square-missing",
            "the memory of squares gathers the gradient itself.",
            doc,
            altered(square=lambda dw: dw),
        ),
        ("square-missing", "the memory of squares gathers absolute values.", doc, altered(square=np.abs)),
    ]
    if rule == "rmsprop":
        return rows + [
            (
                "decay-reversed",
                "decay_rate weighs the new square; it weighs the past.",
                doc,
                lambda g, r: {
                    **two_steps(rule, g, past=1 - g["decay_rate"]),
                    "first_w": two_steps(rule, g, past=1 - 0.99)["first_w"],
                },
            ),
            (
                "new-not-weighted",
                "the new square enters with its whole weight: the two weights add up to 1.",
                doc,
                altered(new=1),
            ),
            (
                "past-not-weighted",
                "the old cache keeps its whole weight: the two weights add up to 1.",
                doc,
                lambda g, r: {**two_steps(rule, g, past=1, new=1 - g["decay_rate"]), "first_w": r["first_w"]},
            ),
            (
                "old-cache",
                "the step uses the old cache: it is updated first, then used.",
                doc,
                lambda g, r: {
                    "next_w": two_steps(rule, g, used=g["cache"])["next_w"],
                    "first_w": g["w"] - 1e-2 * g["dw"] / 1e-8,
                },
            ),
        ]
    return rows + [
        (
            "correction-missing",
            "the bias correction is missing: both memories start at zero, and are too small at first.",
            doc,
            altered(correct=lambda m, v: (m, v)),
        ),
        (
            "correction-missing",
            "the bias correction of m is missing.",
            doc,
            lambda g, r: half_corrected(g, "v"),
        ),
        (
            "correction-missing",
            "the bias correction of v is missing.",
            doc,
            lambda g, r: half_corrected(g, "m"),
        ),
        (
            "corrected-memory-stored",
            "the corrected memory is stored: the correction is for this step's use only.",
            doc,
            lambda g, r: {"m": r["m"] / (1 - g["beta1"] ** r["t"]), "v": r["v"] / (1 - g["beta2"] ** r["t"])},
        ),
        (
            "t-too-late",
            "t is used before it is counted up: the first step has t = 1.",
            doc,
            lambda g, r: {
                "next_w": two_steps(rule, g, count=g["t"])["next_w"],
                "first_w": np.full_like(g["w"], np.nan),
            },
        ),
        ("t-not-counted", "t is not counted up in config.", doc, lambda g, r: {"t": np.asarray(g["t"])}),
        (
            "t-not-counted",
            "the correction does not grow with t: it is always that of the first step.",
            doc,
            lambda g, r: {"next_w": two_steps(rule, g, count=1)["next_w"]},
        ),
        (
            "t-twice",
            "t is counted up twice.",
            doc,
            lambda g, r: {
                "t": np.asarray(g["t"] + 2.0),
                "next_w": two_steps(rule, g, count=g["t"] + 2)["next_w"],
                "first_w": two_steps(rule, g, count=2)["first_w"],
            },
        ),
        (
            "t-multiplied",
            "the power in the bias correction is a product: beta to the power of t, not times t.",
            doc,
            lambda g, r: {
                "next_w": two_steps(
                    rule,
                    g,
                    correct=lambda m, v: (m / (1 - g["beta1"] * r["t"]), v / (1 - g["beta2"] * r["t"])),
                )["next_w"]
            },
        ),
        *[
            (
                "one-beta",
                f"beta{k + 1} weighs both memories; each has its own.",
                doc,
                lambda g, r, k=k: {
                    **two_steps(rule, g, betas=(g[f"beta{k + 1}"],) * 2),
                    "first_w": two_steps(rule, g, betas=((0.9, 0.999)[k],) * 2)["first_w"],
                },
            )
            for k in (0, 1)
        ],
        (
            "betas-swapped",
            "beta1 and beta2 have changed places.",
            doc,
            lambda g, r: {
                **two_steps(rule, g, betas=(g["beta2"], g["beta1"])),
                "first_w": two_steps(rule, g, betas=(0.999, 0.9))["first_w"],
            },
        ),
        (
            "beta-reversed",
            "beta weighs what is new; it weighs the past.",
            doc,
            lambda g, r: {
                **two_steps(rule, g, betas=(1 - g["beta1"], 1 - g["beta2"])),
                "first_w": two_steps(rule, g, betas=(0.1, 0.001))["first_w"],
            },
        ),
    ]


def half_corrected(g, only):
    """Adam with the bias correction of one memory alone."""

    def correct(b1, b2, t):
        return lambda m, v: (m / (1 - b1**t), v) if only == "m" else (m, v / (1 - b2**t))

    return {
        "next_w": two_steps("adam", g, correct=correct(g["beta1"], g["beta2"], g["t"] + 1))["next_w"],
        "first_w": two_steps("adam", g, correct=correct(0.9, 0.999, 1))["first_w"],
    }


def penalty_of(*kinds, half=0.5):
    """The L2 penalty over the parameters whose name begins with one of kinds."""
    return lambda params, reg: (
        half * reg * sum((v**2).sum() for name, v in params.items() if name.rstrip("0123456789") in kinds)
    )


def only_of(name):
    return lambda params, reg: 0.5 * reg * (params[name] ** 2).sum()


def all_but(name):
    return lambda params, reg: (
        0.5 * reg * sum((v**2).sum() for other, v in params.items() if other[0] == "W" and other != name)
    )


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum(axis=1)[:, None]


def net_rows(exercise):
    deep = exercise == "FullyConnectedNet"
    doc = f"the docstring of {'FullyConnectedNet.loss' if deep else exercise}"
    nets = deep_nets if deep else two_layers
    last = "W3" if deep else "W2"

    def altered(**pieces):
        return lambda g, r: nets(g, **pieces)

    def only(ending, make):
        """make(right array) for the names that end so: scores, or the loss."""
        return lambda g, r: {name: make(g, value) for name, value in r.items() if name.endswith(ending)}

    rows = [
        (
            "reg-without-half",
            "the regularization lacks its factor 1/2, in the loss or in the gradients.",
            doc,
            altered(penalty=penalty_of("W", half=1)),
        ),
        (
            "reg-halved-twice",
            "the regularization is half of what it should be: the slope of half a square has no 1/2.",
            doc,
            altered(penalty=penalty_of("W", half=0.25)),
        ),
        (
            "reg-left-out",
            "the regularization is missing: it belongs in the loss and in the gradients of the weights.",
            doc,
            altered(penalty=lambda params, reg: 0),
        ),
        (
            "reg-on-biases",
            "the biases are regularized; only the weights are.",
            doc,
            altered(penalty=penalty_of("W", "b")),
        ),
        (
            "reg-on-one-layer",
            "the regularization reaches the last layer alone.",
            doc,
            altered(penalty=only_of(last)),
        ),
        (
            "reg-on-one-layer",
            "the regularization reaches the first layer alone.",
            doc,
            altered(penalty=only_of("W1")),
        ),
        (
            "reg-not-squared",
            "the weights are not squared in the penalty.",
            doc,
            only(
                "loss",
                lambda g, loss: (
                    loss + 0.5 * g["reg"] * sum((g[k] - g[k] ** 2).sum() for k in g if k[0] == "W")
                ),
            ),
        ),
        (
            "reg-has-the-wrong-sign",
            "the regularization is subtracted.",
            doc,
            altered(penalty=penalty_of("W", half=-0.5)),
        ),
        (
            "sum-for-mean",
            "the loss, or its gradient, is added up over the batch; it is a mean.",
            "the docstring of softmax_loss",
            altered(data_loss=lambda s, y: cross_entropy(s, y).sum()),
        ),
        (
            "relu-missing",
            "there is no relu: two affine layers in a row are one affine layer.",
            doc,
            altered(activate=lambda t: t),
        ),
        (
            "relu-on-scores",
            "the scores pass through relu; the last layer is affine alone.",
            doc,
            altered(last=positive),
        ),
        (
            "relu-skipped-on-the-way-back",
            "the gradient goes past relu as if it were not there.",
            "notebook 3, section 1",
            altered(activate=lambda t: positive(t.real) + t - t.real),
        ),
        (
            "probabilities-for-scores",
            "the scores are probabilities: softmax belongs to the loss.",
            doc,
            only("scores", lambda g, s: softmax(s)),
        ),
        (
            "one-step-too-far",
            "the gradients are those of a weight step: they hold -gradient.",
            doc,
            lambda g, r: {k: -v for k, v in r.items() if not k.endswith(("loss", "scores"))},
        ),
    ]
    if not deep:
        return rows

    def some_nets(*kinds, **pieces):
        """Altered in the nets of these kinds alone."""
        return lambda g, r: {k: v for k, v in nets(g, **pieces).items() if k.startswith(kinds)}

    def as_kind(kind, other):
        """The net of a kind, computed as if it were of another."""
        return {
            "scores": lambda params, X, k, testing, g, **rest: net_scores(
                params, X, other if k == kind else k, testing, g, **rest
            )
        }

    def in_mode(testing):
        return {"scores": lambda params, X, k, _, g, **rest: net_scores(params, X, k, testing, g, **rest)}

    def as_plain(kind):
        return lambda g, r: {
            f"{kind}.{name.partition('.')[2]}": value
            for name, value in r.items()
            if name.startswith("plain.")
        }

    def dropped(drop):
        return lambda g, r: {
            name: value for name, value in dropout_net(g, r, drop).items() if "mask" not in name
        }

    return rows + [
        *[
            (
                "reg-missing-in-one-layer",
                f"the regularization does not reach W{i}; it adds up over all layers.",
                doc,
                altered(penalty=all_but(f"W{i}")),
            )
            for i in (1, 2, 3)
        ],
        (
            "dropout-left-out",
            "dropout is not applied: the net is the plain one.",
            "notebook 3, section 8",
            as_plain("dropout"),
        ),
        (
            "dropout-skipped-on-the-way-back",
            "the gradient goes past dropout as if it were not there.",
            "notebook 3, section 8",
            dropped(lambda t, *mask: masked(t.real, *mask) + t - t.real),
        ),
        (
            "dropped-at-test",
            "without labels dropout still drops; then it is in mode 'test'.",
            "notebook 3, section 9",
            dropped(lambda t, mask, testing: t * mask),
        ),
        (
            "smoothing-ignored",
            "label_smoothing is not handed on to softmax_loss, or not used there.",
            doc,
            as_plain("smoothed"),
        ),
        (
            "reg-on-gamma",
            "gamma and beta are regularized; only the weights are.",
            doc,
            altered(penalty=penalty_of("W", "gamma", "beta")),
        ),
        (
            "reg-on-gamma",
            "gamma is regularized; only the weights are.",
            doc,
            altered(penalty=penalty_of("W", "gamma")),
        ),
        (
            "reg-on-gamma",
            "everything is regularized; only the weights are.",
            doc,
            altered(penalty=penalty_of("W", "b", "gamma", "beta")),
        ),
        (
            "relu-before-normalization",
            "relu comes before the normalization; it comes after.",
            doc,
            some_nets("batchnorm", "layernorm", activate_first=True),
        ),
        *[
            (
                "normalization-left-out",
                f"{kind} is left out: the net is the plain one.",
                doc,
                some_nets(kind, **as_kind(kind, "plain")),
            )
            for kind in NETS[1:]
        ],
        (
            "other-normalization",
            "batchnorm where layernorm is meant.",
            doc,
            some_nets("layernorm", **as_kind("layernorm", "batchnorm")),
        ),
        (
            "other-normalization",
            "layernorm where batchnorm is meant.",
            doc,
            some_nets("batchnorm", **as_kind("batchnorm", "layernorm")),
        ),
        (
            "batch-statistics-at-test",
            "without labels batchnorm still uses the statistics of the batch; then it is in mode 'test'.",
            "notebook 3, section 9",
            some_nets("batchnorm", **in_mode(False)),
        ),
        (
            "running-statistics-in-training",
            "with labels batchnorm uses the running statistics; then it is in mode 'train'.",
            "notebook 3, section 9",
            some_nets("batchnorm", **in_mode(True)),
        ),
    ]
