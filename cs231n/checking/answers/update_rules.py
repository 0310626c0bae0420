"""Update rules as residuals, which are zero where a step is right; and what goes wrong in a step."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from cs231n.checking.answers.primitives import Answers, Misconception, Predict, table, weighted_sum
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = ["ANSWERS"]

Residual = Callable[[Arrays], np.ndarray]


class Rule(NamedTuple):
    """An update rule.

    Args:
        memories: {memory: (the setting that weighs its past, the power of dw that it gathers)}.
        defaults: {setting: value}; t, the number of the step, is one where the rule counts.
        residual: residual(after, i, altered, weights) of next_w; see rule_residuals.
    """

    memories: dict[str, tuple[str, int]]
    defaults: dict[str, float]
    residual: Callable[[Arrays, Inputs, dict[str, Any], dict[str, float]], np.ndarray]


def _of_momentum(after: Arrays, i: Inputs, altered: dict[str, Any], weights: dict[str, float]) -> np.ndarray:
    return after["next_w"] - i["w"] - after["velocity"]


def _of_rmsprop(after: Arrays, i: Inputs, altered: dict[str, Any], weights: dict[str, float]) -> np.ndarray:
    root = altered.get("root", _root)(altered.get("used", after["cache"]), i["epsilon"])
    return i["learning_rate"] * i["dw"] + (after["next_w"] - i["w"]) * root


def _of_adam(after: Arrays, i: Inputs, altered: dict[str, Any], weights: dict[str, float]) -> np.ndarray:
    (b1, b2), count = weights.values(), altered.get("count", i["t"] + 1)
    correct = altered.get("correct", lambda m, v: (m / (1 - b1**count), v / (1 - b2**count)))
    m_hat, v_hat = correct(after["m"], after["v"])
    root = altered.get("root", _root)(v_hat, i["epsilon"])
    return i["learning_rate"] * m_hat + (after["next_w"] - i["w"]) * root


def _root(v: np.ndarray, eps: float) -> np.ndarray:
    return v**0.5 + eps


RULES = {
    "sgd_momentum": Rule(
        {"velocity": ("momentum", 1)}, {"learning_rate": 1e-2, "momentum": 0.9}, _of_momentum
    ),
    "rmsprop": Rule(
        {"cache": ("decay_rate", 2)},
        {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
        _of_rmsprop,
    ),
    "adam": Rule(
        {"m": ("beta1", 1), "v": ("beta2", 2)},
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0},
        _of_adam,
    ),
}


def rule_residuals(rule: str, i: Inputs, altered: dict[str, Any]) -> Iterator[tuple[str, Residual]]:
    """Yield (name, residual) for each quantity that `rule` updates, in order.

    residual(after) is zero when after[name] is right. It is affine in after[name], which is why rule_step can
    solve it from two evaluations.

    Args:
        rule: a key of RULES.
        i: inputs of a problem.
        altered: pieces of the rule to replace: past and new, the weights of the old memory and of what
            enters; betas, the two of adam; square and root; used, the memory that rmsprop divides by; count,
            the number of adam's step, and correct, what it does with it.
    """

    def of_memory(name: str, weight: float, new: np.ndarray) -> Residual:
        return lambda after: after[name] - weighted_sum(i[name], new, weight)

    memories = RULES[rule].memories
    weights = dict(zip(memories, altered.get("betas", [i[setting] for setting, _ in memories.values()])))
    for name, (_, power) in memories.items():
        weight = altered.get("past", weights[name])
        enters = i["dw"] if power == 1 else altered.get("square", lambda dw: dw**2)(i["dw"])
        weight_of_new = 1 - weight if "epsilon" in i else -i["learning_rate"]  # an average, or a sum of steps
        yield name, of_memory(name, weight, altered.get("new", weight_of_new) * enters)
    yield "next_w", lambda after: RULES[rule].residual(after, i, altered, weights)


def rule_step(rule: str, i: Inputs, **altered: Any) -> Arrays:
    """One step of a rule, as {next_w, and its memory}: solve each residual for its zero."""
    after = {"t": np.asarray(i["t"] + 1)} if "t" in i else {}
    for name, residual in rule_residuals(rule, i, altered):
        at_0, at_1 = (residual({**after, name: np.full(i["w"].shape, at)}) for at in (0.0, 1.0))
        after[name] = at_0 / (at_0 - at_1)
    return after


def two_steps(rule: str, i: Inputs, **altered: Any) -> Arrays:
    """One step from a memory, and a first step with every default."""
    fresh = {**i, **RULES[rule].defaults, **{name: np.zeros_like(i["w"]) for name in RULES[rule].memories}}
    first = rule_step(rule, fresh, **altered)
    return {**rule_step(rule, i, **altered), "first_w": first["next_w"]}


def _altered(rule: str, **pieces: Any) -> Predict:
    return lambda i, e: two_steps(rule, i, **pieces)


def _first_step(rule: str, i: Inputs, **pieces: Any) -> np.ndarray:
    return two_steps(rule, i, **pieces)["first_w"]


def common_misconceptions(rule: str) -> list[Misconception]:
    memories, first_rate = list(RULES[rule].memories), RULES[rule].defaults["learning_rate"]
    named = " and ".join(memories)

    def step(change: Callable) -> Predict:
        """change(w, next_w, learning rate) for the step from a memory and for the first."""
        return lambda i, e: {
            "next_w": change(i["w"], e["next_w"], i["learning_rate"]),
            "first_w": change(i["w"], e["first_w"], first_rate),
        }

    # fmt: off
    return table(
        f"the docstring of {rule}",
        ("uphill", "the step goes up the gradient: a loss falls against it.",
         step(lambda w, n, a: 2 * w - n)),
        ("memory-not-stored",
         f"config still holds the old {named}: what the rule remembers is written back into it.",
         lambda i, e: {name: i[name] for name in memories}),
        ("memory-ignored", f"what config remembers in {named} is not used: each step starts from zero.",
         lambda i, e: two_steps(rule, {**i, **{name: 0 * i[name] for name in memories}})),
        ("learning-rate-ignored", "the learning rate is not used.",
         step(lambda w, next_w, rate: w + (next_w - w) / rate)),
        ("learning-rate-twice", "the learning rate is used twice.",
         step(lambda w, next_w, rate: w + (next_w - w) * rate)),
        ("step-without-w", "next_w is the step alone: w is not added.",
         step(lambda w, next_w, rate: next_w - w)),
        ("no-step", "next_w is still w.", step(lambda w, next_w, rate: w)),
    )
    # fmt: on


def _velocity(make: Callable, step: Callable = lambda w, v: w + v) -> Predict:
    """From the velocity that make(dw, old velocity, momentum, rate) gives."""

    def predict(i: Inputs, e: Arrays) -> Arrays:
        v = make(i["dw"], i["velocity"], i["momentum"], i["learning_rate"])
        first = make(i["dw"], 0 * i["velocity"], 0.9, 1e-2)
        return {"velocity": v, "next_w": step(i["w"], v), "first_w": step(i["w"], first)}

    return predict


# fmt: off
SGD_MOMENTUM = common_misconceptions("sgd_momentum") + table(
    "the docstring of sgd_momentum",
    ("momentum-reversed", "momentum weighs what is new; here it weighs the past.",
     _velocity(lambda dw, v, m, rate: (1 - m) * v - m * rate * dw)),
    ("momentum-reversed", "the past is weighted by 1 - momentum; momentum is the weight of the past.",
     _velocity(lambda dw, v, m, rate: (1 - m) * v - rate * dw)),
    ("weighted-average", "the gradient is weighted by 1 - momentum: the velocity is a sum, not an average.",
     _velocity(lambda dw, v, m, rate: m * v - (1 - m) * rate * dw),
     _velocity(lambda dw, v, m, rate: m * v - (1 - m) * dw)),
    ("velocity-uphill", "the velocity has the wrong sign: it points down, against the gradient.",
     _velocity(lambda dw, v, m, rate: m * v + rate * dw)),
    ("velocity-uphill", "the velocity has the wrong sign: it points down, and w moves along it.",
     _velocity(lambda dw, v, m, rate: m * v + rate * dw, lambda w, v: w - v)),
    ("learning-rate-outside",
     "the learning rate multiplies the whole velocity: here it multiplies the gradient as it enters, so that "
     "the velocity holds steps.",
     lambda i, e: {
         "velocity": i["momentum"] * i["velocity"] + i["dw"],
         "next_w": i["w"] - i["learning_rate"] * (i["momentum"] * i["velocity"] + i["dw"]),
     }),
    ("learning-rate-ignored", "the learning rate is not used in the velocity.",
     _velocity(lambda dw, v, m, rate: m * v - dw)),
    ("past-not-weighted", "momentum is not used: the old velocity keeps its whole weight.",
     _velocity(lambda dw, v, m, rate: v - rate * dw)),
    ("old-velocity", "w moves by the old velocity: it is updated first, then used.",
     lambda i, e: {"next_w": i["w"] + i["velocity"], "first_w": i["w"]}),
    ("nesterov", "this is Nesterov's step, a look ahead; the exercise is the plain one.",
     lambda i, e: {
         "next_w": i["w"] - i["learning_rate"] * i["dw"] + i["momentum"] * e["velocity"],
         "first_w": i["w"] + 1.9 * (e["first_w"] - i["w"]),
     }),
    ("velocity-left-out", "w moves by the gradient alone, without the velocity's past.",
     lambda i, e: {"next_w": i["w"] - i["learning_rate"] * i["dw"]}),
)
# fmt: on


def scaling_misconceptions(rule: str) -> list[Misconception]:
    """Of the rules that divide by the root of a mean square."""
    # fmt: off
    return common_misconceptions(rule) + table(
        f"the docstring of {rule}",
        ("epsilon-inside-the-root", "epsilon is under the root; here it is added to the root.",
         _altered(rule, root=lambda v, eps: (v + eps) ** 0.5)),
        ("epsilon-left-out", "epsilon is not used.", _altered(rule, root=lambda v, eps: v**0.5)),
        ("root-missing", "the step is divided by the mean square; its root is missing.",
         _altered(rule, root=lambda v, eps: v + eps)),
        ("square-missing", "the memory of squares gathers the gradient itself.",
         _altered(rule, square=lambda dw: dw)),
        ("square-missing", "the memory of squares gathers absolute values.", _altered(rule, square=np.abs)),
    )
    # fmt: on


# fmt: off
RMSPROP = scaling_misconceptions("rmsprop") + table(
    "the docstring of rmsprop",
    ("decay-reversed", "decay_rate weighs the new square; it weighs the past.",
     lambda i, e: {
         **two_steps("rmsprop", i, past=1 - i["decay_rate"]),
         "first_w": _first_step("rmsprop", i, past=1 - 0.99),
     }),
    ("new-not-weighted", "the new square enters with its whole weight: the two weights add up to 1.",
     _altered("rmsprop", new=1)),
    ("past-not-weighted", "the old cache keeps its whole weight: the two weights add up to 1.",
     lambda i, e: {**two_steps("rmsprop", i, past=1, new=1 - i["decay_rate"]), "first_w": e["first_w"]}),
    ("old-cache", "the step uses the old cache: it is updated first, then used.",
     lambda i, e: {
         "next_w": two_steps("rmsprop", i, used=i["cache"])["next_w"],
         "first_w": i["w"] - 1e-2 * i["dw"] / 1e-8,
     }),
)
# fmt: on


def _half_corrected(i: Inputs, only: str) -> Arrays:
    """Adam with the bias correction of one memory alone."""

    def correct(b1: float, b2: float, t: int) -> Callable:
        return lambda m, v: (m / (1 - b1**t), v) if only == "m" else (m, v / (1 - b2**t))

    return {
        "next_w": two_steps("adam", i, correct=correct(i["beta1"], i["beta2"], i["t"] + 1))["next_w"],
        "first_w": _first_step("adam", i, correct=correct(0.9, 0.999, 1)),
    }


def _other_betas(of_settings: Callable) -> Predict:
    """Adam with the two weights that of_settings(beta1, beta2) gives."""
    return lambda i, e: {
        **two_steps("adam", i, betas=of_settings(i["beta1"], i["beta2"])),
        "first_w": _first_step("adam", i, betas=of_settings(0.9, 0.999)),
    }


# fmt: off
ADAM = scaling_misconceptions("adam") + table(
    "the docstring of adam",
    ("correction-missing",
     "the bias correction is missing: both memories start at zero, and are too small at first.",
     _altered("adam", correct=lambda m, v: (m, v))),
    ("correction-missing", "the bias correction of m is missing.", lambda i, e: _half_corrected(i, "v")),
    ("correction-missing", "the bias correction of v is missing.", lambda i, e: _half_corrected(i, "m")),
    ("corrected-memory-stored", "the corrected memory is stored: the correction is for this step's use only.",
     lambda i, e: {"m": e["m"] / (1 - i["beta1"] ** e["t"]), "v": e["v"] / (1 - i["beta2"] ** e["t"])}),
    ("t-too-late", "t is used before it is counted up: the first step has t = 1.",
     lambda i, e: {
         "next_w": two_steps("adam", i, count=i["t"])["next_w"],
         "first_w": np.full_like(i["w"], np.nan),
     }),
    ("t-not-counted", "t is not counted up in config.", lambda i, e: {"t": np.asarray(i["t"])}),
    ("t-not-counted", "the correction does not grow with t: it is always that of the first step.",
     lambda i, e: {"next_w": two_steps("adam", i, count=1)["next_w"]}),
    ("t-twice", "t is counted up twice.",
     lambda i, e: {
         "t": np.asarray(i["t"] + 2.0),
         "next_w": two_steps("adam", i, count=i["t"] + 2)["next_w"],
         "first_w": _first_step("adam", i, count=2),
     }),
    ("t-multiplied", "the power in the bias correction is a product: beta to the power of t, not times t.",
     lambda i, e: {
         "next_w": two_steps(
             "adam",
             i,
             correct=lambda m, v: (m / (1 - i["beta1"] * e["t"]), v / (1 - i["beta2"] * e["t"])),
         )["next_w"]
     }),
    ("one-beta", "beta1 weighs both memories; each has its own.", _other_betas(lambda b1, b2: (b1, b1))),
    ("one-beta", "beta2 weighs both memories; each has its own.", _other_betas(lambda b1, b2: (b2, b2))),
    ("betas-swapped", "beta1 and beta2 have changed places.", _other_betas(lambda b1, b2: (b2, b1))),
    ("beta-reversed", "beta weighs what is new; it weighs the past.",
     _other_betas(lambda b1, b2: (1 - b1, 1 - b2))),
)
# fmt: on

ANSWERS = {
    rule: Answers(_altered(rule), misconceptions)
    for rule, misconceptions in [("sgd_momentum", SGD_MOMENTUM), ("rmsprop", RMSPROP), ("adam", ADAM)]
}
