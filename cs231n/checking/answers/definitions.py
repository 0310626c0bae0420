"""The layers by their definitions, each part of which can be held still or replaced.

Here a check asks what a function ought to give, and what it would give if one idea in it were wrong. All is
analytic, so that a complex step can pass. It is written to be altered, not to be used: each mean is a
product with a matrix of 1/N, each update rule what must be left over of it, which is nothing.
"""

from functools import lru_cache

import numpy as np

from cs231n.checking.problems import AGAIN, MEMORIES, NETS
from cs231n.gradient_check import complex_step_gradient

__all__ = [
    "as_chosen",
    "average",
    "defined",
    "gradients_of",
    "kept_by",
    "norm",
    "norm_paths",
    "rule_step",
    "spread",
    "two_layers",
    "with_again",
]


def average(t):
    """The mean of each column, in every row."""
    return np.full((len(t), len(t)), 1 / len(t)) @ t


def spread(t, mean):
    return average((t - mean) ** 2)


def over_root(t, var, eps):
    return t * (var + eps) ** -0.5


def norm(x, gamma, beta, eps, *, rows=False, mean=average, var=spread, divide=over_root):
    """Batch normalization, or with rows=True layer normalization, with other ideas of its three steps.

    mean(t) and var(t, mean) -> (N, D) or what broadcasts to it; divide(t - mean, var, eps) -> x_hat.
    """
    t = x.T if rows else x
    m = mean(t)
    x_hat = divide(t - m, var(t, m), eps)
    return gamma * (x_hat.T if rows else x_hat) + beta


def gradients_of(f, dout, **arguments):
    """The derivative of sum(f(**arguments) * dout) by each argument, named d + the argument's name."""
    return {
        f"d{name}": complex_step_gradient(lambda v, name=name: f(**{**arguments, name: v}), value, dout)
        for name, value in arguments.items()
    }


def norm_paths(given, rows=False):
    """dx of a normalization in its three parts: by x itself, by the mean, by the variance.  Each (N, D)

    The paths of notebook 2: where a statistic is held, it is measured on an x that does not move.
    """
    arrays = ((given[name].shape, given[name].tobytes()) for name in ("x", "gamma", "beta", "dout"))
    return _norm_paths(rows, given["eps"], *arrays)


@lru_cache(4)  # one diagnosis asks for the paths of one problem some twenty times
def _norm_paths(rows, eps, *arrays):
    x, gamma, beta, dout = (np.frombuffer(content).reshape(shape) for shape, content in arrays)
    still = x.T if rows else x
    held = {"mean": lambda t: average(still), "var": lambda t, mean: spread(still, average(still))}

    def slope(**frozen):
        return complex_step_gradient(lambda v: norm(v, gamma, beta, eps, rows=rows, **frozen), x, dout)

    direct = slope(**held)
    return direct, slope(var=held["var"]) - direct, slope(mean=held["mean"]) - direct


def cross_entropy(scores, y):
    """For each row: -log of the softmax at the label, from differences of scores alone."""
    return np.log(np.exp(scores - scores[np.arange(len(y)), y][:, None]).sum(axis=1))


def cost(scores, targets):
    """For each row what its labels cost, mixed as targets (N, C) say."""
    labels = [np.full(len(scores), c) for c in range(scores.shape[1])]
    return np.einsum("nc,cn->n", targets, np.stack([cross_entropy(scores, label) for label in labels]))


def smooth(given, classes):
    """The targets of label smoothing, (N, C)."""
    shared = given["label_smoothing"]
    return (1 - shared) * np.eye(classes)[given["y"]] + shared / classes


def weigh(past, new, weight_of_past):
    return np.polyval([past, new], weight_of_past)


PASTS = {"sgd_momentum": ("momentum",), "rmsprop": ("decay_rate",), "adam": ("beta1", "beta2")}
POWERS = {"velocity": 1, "cache": 2, "m": 1, "v": 2}  # of the gradient that a memory gathers


def imbalance(rule, g, altered):
    """(what a rule updates, what is left over in it), in order: nothing is, if after holds the right values.

    altered replaces a piece of the rule: past and new, the weights of the old memory and of what enters;
    betas, the two of adam; square and root; used, the memory that rmsprop divides by; count, adam's number of
    the step, and correct, what it does with it.
    """
    rate, eps = g["learning_rate"], g.get("epsilon")
    root = altered.get("root", lambda v, eps: v**0.5 + eps)
    weights = dict(zip(MEMORIES[rule], altered.get("betas", [g[s] for s in PASTS[rule]])))
    for name, weight in weights.items():
        weight = altered.get("past", weight)
        enters = g["dw"] if POWERS[name] == 1 else altered.get("square", lambda dw: dw**2)(g["dw"])
        new = altered.get("new", 1 - weight if eps is not None else -rate)
        yield name, lambda after, name=name, w=weight, e=enters, n=new: after[name] - weigh(g[name], n * e, w)
    if rule == "sgd_momentum":
        yield "next_w", lambda after: after["next_w"] - g["w"] - after["velocity"]
    elif rule == "rmsprop":
        yield (
            "next_w",
            lambda after: (
                rate * g["dw"] + (after["next_w"] - g["w"]) * root(altered.get("used", after["cache"]), eps)
            ),
        )
    else:
        b1, b2 = weights.values()
        count = altered.get("count", g["t"] + 1)
        correct = altered.get("correct", lambda m, v: (m / (1 - b1**count), v / (1 - b2**count)))

        def of_adam(after):
            m_hat, v_hat = correct(after["m"], after["v"])
            return rate * m_hat + (after["next_w"] - g["w"]) * root(v_hat, eps)

        yield "next_w", of_adam


def rule_step(rule, given, **altered):
    """One step of a rule, as {next_w, and its memory}: what leaves nothing over, the zero of a line each."""
    after = {"t": given["t"] + 1} if rule == "adam" else {}
    for name, left_over in imbalance(rule, given, altered):
        at_0, at_1 = (left_over({**after, name: np.full(given["w"].shape, at)}) for at in (0.0, 1.0))
        after[name] = at_0 / (at_0 - at_1)
    return after


FRESH = {
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0},
}


def two_steps(rule, given, **altered):
    """What problems.run gives for a rule: one step from a memory, and a first step with every default."""
    fresh = {**given, **FRESH[rule], **{name: np.zeros_like(given["w"]) for name in MEMORIES[rule]}}
    first = rule_step(rule, fresh, **altered)
    return {**rule_step(rule, given, **altered), "first_w": first["next_w"]}


def positive(t):
    return t * (t.real > 0)


def rows_of(X):
    return X.reshape(len(X), -1)


def net_scores(
    params,
    X,
    kind,
    testing,
    given,
    *,
    activate=positive,
    last=lambda t: t,
    drop=lambda t, i, testing: t,
    **altered,
):
    """The scores of a fully-connected net of any depth, for problems' eps of 1e-5.

    drop(t, i, testing) is what becomes of the units of hidden layer i.
    """
    t, L = rows_of(X), sum(name[0] == "W" for name in params)
    for i in range(1, L):
        t = np.einsum("nd,dm->nm", t, params[f"W{i}"]) + params[f"b{i}"]
        if kind != "plain":
            held = {}
            if kind == "batchnorm" and testing:
                mean, var = given[f"running_mean{i}"], given[f"running_var{i}"]
                held = {"mean": lambda t, mean=mean: mean, "var": lambda t, m, var=var: var}
            normed = norm(
                activate(t) if altered.get("activate_first") else t,
                params[f"gamma{i}"],
                params[f"beta{i}"],
                1e-5,
                rows=kind == "layernorm",
                **held,
            )
            t = normed if altered.get("activate_first") else activate(normed)
        else:
            t = activate(t)
        t = drop(t, i, testing)
    return last(np.einsum("nd,dm->nm", t, params[f"W{L}"]) + params[f"b{L}"])


def net_losses(given, kind="plain", *, penalty=None, data_loss=None, scores=net_scores, **altered):
    """{scores, loss, gradients by the name of the parameter} of a net.

    penalty(params, reg) and data_loss(scores, y) replace the two terms of the loss.
    """
    names = [n for n in given if n[0] in "Wb" and n[1:].isdigit()] + [
        n for n in given if kind != "plain" and n.rstrip("0123456789") in ("gamma", "beta")
    ]
    params = {name: given[name] for name in dict.fromkeys(names)}
    penalty = penalty or half_squares
    data_loss = data_loss or (lambda s, y: cross_entropy(s, y).sum() / len(y))

    def loss(params):
        s = scores(params, given["X"], kind, False, given, **altered)
        return data_loss(s, given["y"]) + penalty(params, given["reg"])

    def of(name):  # complex also where a net that is altered does not use the parameter at all
        return lambda v: loss({**params, name: v}) + 0 * v.sum()

    grads = {name: complex_step_gradient(of(name), value) for name, value in params.items()}
    return {"scores": scores(params, given["X"], kind, True, given, **altered), "loss": loss(params), **grads}


def half_squares(params, reg):
    return 0.5 * reg * sum((value**2).sum() for name, value in params.items() if name[0] == "W")


def two_layers(given, **altered):
    return net_losses(given, **altered)


def deep_nets(given, **altered):
    return {
        f"{kind}.{what}": value for kind in NETS for what, value in net_losses(given, kind, **altered).items()
    }


def masked(t, mask, testing):
    return t if testing else t * mask


def dropout_net(given, chosen, drop=masked):
    """The plain net with dropout, where chosen holds its masks: they are free."""
    found = net_losses(given, drop=lambda t, i, testing: drop(t, chosen[f"dropout.mask{i}"], testing))
    return {f"dropout.{what}": value for what, value in found.items()} | {
        name: np.asarray(value) for name, value in chosen.items() if name.startswith("dropout.mask")
    }


def smoothed_net(given):
    found = net_losses(given, data_loss=lambda s, y: cost(s, smooth(given, s.shape[1])).sum() / len(y))
    return {f"smoothed.{what}": value for what, value in found.items()}


def as_chosen(exercise, given, got, right):
    """right; but what hangs on a choice that the definition leaves free, a mask of dropout, for got's."""
    if exercise.startswith("dropout"):
        return defined(exercise, given, got)
    masks = [name for name in right if name.startswith("dropout.mask")]
    if all(name in got and np.shape(got[name]) == right[name].shape for name in masks) and not all(
        np.array_equal(got[name], right[name]) for name in masks
    ):
        return right | dropout_net(given, got)
    return right


def kept_by(out):
    """Where dropout let entries through: a choice the definition leaves free."""
    return out != 0


def defined(exercise, given, got):
    """What run gives of an exercise by definition, as {name: array}; got is asked only for what the
    definition leaves free, which is the mask of dropout."""
    return with_again(exercise, given, _defined(exercise, given, got))


def with_again(exercise, given, right):
    """right, and what the second function of the exercise, and a call in float32, have to give once more."""
    return {
        **right,
        **{again: right[name] for again, name in AGAIN.get(exercise, {}).items()},
        "itemsize": given["itemsize"],
    }


def _defined(exercise, given, got):
    if exercise.startswith("affine"):

        def affine(x, w, b):
            return np.einsum("nd,dm->nm", rows_of(x), w) + b

        arguments = {name: given[name] for name in "xwb"}
        return (
            {"out": affine(**arguments)}
            if exercise == "affine_forward"
            else gradients_of(affine, given["dout"], **arguments)
        )
    if exercise == "relu_forward":
        return {"out": positive(given["x"])}
    if exercise == "relu_backward":
        return gradients_of(lambda x: positive(x), given["dout"], x=given["x"])
    if exercise == "softmax_loss":
        x, y = given["x"], given["y"]
        loss = cross_entropy(x, y).sum() / len(y)
        dx = complex_step_gradient(lambda v: cross_entropy(v, y).sum() / len(y), x)
        targets = smooth(given, x.shape[1])

        def smoothed(v):
            return cost(v, targets).sum() / len(y)

        return {
            "loss": loss,
            "dx": dx,
            "loss_of_large": loss,
            "loss_smoothed": smoothed(x),
            "dx_smoothed": complex_step_gradient(smoothed, x),
        }
    if exercise == "batchnorm_forward":
        return batchnorm_by_definition(given)
    if "norm_" in exercise:
        rows = exercise.startswith("layer")
        arguments = {name: given[name] for name in ("x", "gamma", "beta")}

        def layer(x, gamma, beta):
            return norm(x, gamma, beta, given["eps"], rows=rows)

        return (
            {"out": layer(**arguments)}
            if exercise == "layernorm_forward"
            else gradients_of(layer, given["dout"], **arguments)
        )
    if exercise == "dropout_forward":
        drawn = {
            name: kept_by(got[name]) * given["x"] / given["p"]
            for name in ("out", "out_of_other_seed", "out_unseeded", "out_unseeded_again")
        }
        return {**drawn, "out_again": np.asarray(got["out"]), "out_in_test": given["x"]}
    if exercise == "dropout_backward":
        slope = got["out"] / given["x"]  # linear, entry by entry, so one point knows the slope
        return {"dx": np.prod([slope, given["dout"]], axis=0), "dx_in_test": given["dout"]}
    if exercise in MEMORIES:
        return two_steps(exercise, given)
    if exercise == "TwoLayerNet.loss":
        return two_layers(given)
    return deep_nets(given) | dropout_net(given, got) | smoothed_net(given)


def batchnorm_by_definition(given, *, memory_weight=None, stored_mean=None, stored_var=None, **altered):
    x, gamma, beta, eps = (given[name] for name in ("x", "gamma", "beta", "eps"))
    past = given["momentum"] if memory_weight is None else memory_weight
    mean = average(x)[0] if stored_mean is None else stored_mean
    var = spread(x, average(x))[0] if stored_var is None else stored_var
    kept = {"running_mean": given["running_mean"], "running_var": given["running_var"]}
    return {
        "out": norm(x, gamma, beta, eps, **altered),
        "running_mean": weigh(kept["running_mean"], (1 - past) * mean, past),
        "running_var": weigh(kept["running_var"], (1 - past) * var, past),
        "out_in_test": norm(
            x,
            gamma,
            beta,
            eps,
            **{**altered, "mean": lambda t: kept["running_mean"], "var": lambda t, m: kept["running_var"]},
        ),
        **{f"{name}_after_test": value for name, value in kept.items()},
    }
