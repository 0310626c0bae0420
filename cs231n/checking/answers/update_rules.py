"""Update rules as residuals, which are zero where a step is right; and what goes wrong in a step."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from cs231n.checking.answers.primitives import Answers, Misconception, Predict, table, weighted_sum
from cs231n.checking.exercises.update_rules import DEFAULTS
from cs231n.checking.learner_code import Arrays, Inputs

__all__ = ["ANSWERS"]

Residual = Callable[[Arrays], np.ndarray]


class Rule(NamedTuple):
    """An update rule.

    Args:
        memories: {memory: (the setting that weighs its past, the power of dw that it gathers)}.
        residual: residual(after, i, altered, weights) of next_w; see rule_residuals.
    """

    memories: dict[str, tuple[str, int]]
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
    "sgd_momentum": Rule({"velocity": ("momentum", 1)}, _of_momentum),
    "rmsprop": Rule({"cache": ("decay_rate", 2)}, _of_rmsprop),
    "adam": Rule({"m": ("beta1", 1), "v": ("beta2", 2)}, _of_adam),
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


def steps(step: Callable[[Inputs], Arrays]) -> Callable[[Inputs, Arrays], Arrays]:
    """Do step(inputs of one step) -> next_w and memory: once, or twice where the defaults are tried."""

    def predict(i: Inputs, e: Arrays) -> Arrays:
        after = step(i)
        if not i.get("by_default"):
            return after
        memory = {name: value for name, value in after.items() if name != "next_w"}
        second = step({**i, **memory, "w": after["next_w"], "dw": i["dw_next"]})
        return {"first_w": after["next_w"], **second}

    return predict


def _altered(rule: str, **pieces: Any) -> Callable[[Inputs, Arrays], Arrays]:
    return steps(lambda i: rule_step(rule, i, **pieces))


def _of_settings(rule: str, change: Callable[[Inputs], Inputs]) -> Predict:
    """A right step with other inputs: change(i) are those that differ."""
    return steps(lambda i: rule_step(rule, {**i, **change(i)}))


def _of_step(rule: str, change: Callable[[Inputs, Arrays], Arrays]) -> Predict:
    """change(inputs of one step, right arrays) are those that differ."""

    def step(i: Inputs) -> Arrays:
        right = rule_step(rule, i)
        return {**right, **change(i, right)}

    return steps(step)


OTHER_DEFAULTS = {
    "learning_rate": (1.0, 1e-1, 1e-2, 5e-3, 1e-3, 1e-4),
    "momentum": (0.999, 0.99, 0.95, 0.9, 0.8, 0.5, 0.0),
    "decay_rate": (0.999, 0.99, 0.95, 0.9, 0.5),
    "beta1": (0.999, 0.99, 0.95, 0.9, 0.8, 0.5),
    "beta2": (0.9999, 0.999, 0.995, 0.99, 0.95, 0.9),
    "epsilon": (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12, 0.0),
}


def other_defaults(rule: str) -> list[Misconception]:
    """For each setting: it is not given, and then has another value than the course's."""

    def predict(setting: str, value: float) -> Predict:
        otherwise = _of_settings(rule, lambda i: {setting: value})
        return lambda i, e: otherwise(i, e) if i.get("by_default") else {}

    return [
        Misconception(
            "other-default",
            f"if config has no {setting}, your code does not use the default {default:g}.",
            f"the docstring of {rule}",
            predict(setting, value),
        )
        for setting, default in DEFAULTS[rule].items()
        for value in OTHER_DEFAULTS.get(setting, ())
        if value != default
    ]


def fixed_settings(rule: str) -> list[Misconception]:
    """For each setting: the code has a fixed number in its place."""

    def predict(setting: str, value: float) -> Predict:
        otherwise = _of_settings(rule, lambda i: {setting: value})
        return lambda i, e: {} if i.get("by_default") or i[setting] == value else otherwise(i, e)

    return [
        Misconception(
            "setting-fixed",
            f"the {setting} in config is not used: in its place the code has a fixed number, {value:g}.",
            f"the docstring of {rule}",
            predict(setting, value),
        )
        for setting in DEFAULTS[rule]
        for value in OTHER_DEFAULTS.get(setting, ())
        if setting != "epsilon" and value not in (0, 1)  # as if it were left out, which has rows of its own
    ]


def _forget(memory: str) -> Callable[[Inputs], Inputs]:
    return lambda i: {memory: 0 * i[memory]}


def common_misconceptions(rule: str) -> list[Misconception]:
    memories = list(RULES[rule].memories)
    named = " and ".join(memories)

    def step(change: Callable) -> Predict:
        """change(w, next_w, learning rate)."""
        return _of_step(rule, lambda i, e: {"next_w": change(i["w"], e["next_w"], i["learning_rate"])})

    # fmt: off
    return other_defaults(rule) + table(
        f"the docstring of {rule}",
        ("uphill",
         "the step has the wrong sign: it goes up the gradient, and the loss falls in the other direction.",
         step(lambda w, n, a: 2 * w - n)),
        ("memory-not-stored",
         f"config still has the old {named}: the new values must be written back into config.",
         _of_step(rule, lambda i, e: {name: i[name] for name in memories})),
        ("config-ignored", "the values in config are not used: each step is computed like a first step.",
         _of_settings(rule, lambda i: {**DEFAULTS[rule], **{name: 0 * i[name] for name in memories}})),
        ("memory-ignored", f"your code does not use the old {named} in config: each step starts from zero.",
         _of_settings(rule, lambda i: {name: 0 * i[name] for name in memories}),
         _of_settings(rule, lambda i: {n: 0 * i[n] for n in ("t", *memories) if n in i}),
         *(_of_settings(rule, _forget(name)) for name in memories)),
        ("learning-rate-ignored", "the learning rate is not used.",
         step(lambda w, next_w, rate: w + (next_w - w) / rate)),
        ("learning-rate-twice", "the learning rate is used twice.",
         step(lambda w, next_w, rate: w + (next_w - w) * rate)),
        ("step-without-w", "next_w is only the step: w is not added.",
         step(lambda w, next_w, rate: next_w - w)),
        ("no-step", "next_w equals w: no step is made.", step(lambda w, next_w, rate: w)),
    )
    # fmt: on


def _velocity(make: Callable, step: Callable = lambda w, v: w + v) -> Predict:
    """From the velocity that make(dw, old velocity, momentum, rate) gives, and next_w = step(w, velocity)."""

    def one_step(i: Inputs) -> Arrays:
        v = make(i["dw"], i["velocity"], i["momentum"], i["learning_rate"])
        return {"velocity": v, "next_w": step(i["w"], v)}

    return steps(one_step)


def _rate_outside(make: Callable) -> Predict:
    """A velocity of gradients, make(dw, old velocity, momentum), which the learning rate multiplies."""

    def one_step(i: Inputs) -> Arrays:
        v = make(i["dw"], i["velocity"], i["momentum"])
        return {"velocity": v, "next_w": i["w"] - i["learning_rate"] * v}

    return steps(one_step)


# fmt: off
SGD_MOMENTUM = common_misconceptions("sgd_momentum") + table(
    "the docstring of sgd_momentum",
    ("momentum-reversed",
     "momentum is the weight of the new step; it should be the weight of the old velocity.",
     _velocity(lambda dw, v, m, rate: (1 - m) * v - m * rate * dw)),
    ("momentum-reversed", "the old velocity is weighted by 1 - momentum; it should be weighted by momentum.",
     _velocity(lambda dw, v, m, rate: (1 - m) * v - rate * dw)),
    ("weighted-average", "the gradient is weighted by 1 - momentum: the velocity is a sum, not an average.",
     _velocity(lambda dw, v, m, rate: m * v - (1 - m) * rate * dw),
     _velocity(lambda dw, v, m, rate: m * v - (1 - m) * dw)),
    ("weighted-average",
     "the velocity is an average of gradients, which the learning rate multiplies afterwards: here it is a "
     "sum of steps, and the learning rate multiplies each gradient as it enters.",
     _rate_outside(lambda dw, v, m: m * v + (1 - m) * dw)),
    ("velocity-uphill", "the velocity has the wrong sign: it points down, against the gradient.",
     _velocity(lambda dw, v, m, rate: m * v + rate * dw)),
    ("velocity-uphill", "the velocity has the wrong sign: it points down, and w moves along it.",
     _velocity(lambda dw, v, m, rate: m * v + rate * dw, lambda w, v: w - v)),
    ("learning-rate-outside",
     "the learning rate multiplies the whole velocity: here it multiplies the gradient as it enters, so that "
     "the velocity holds steps.",
     _rate_outside(lambda dw, v, m: m * v + dw)),
    ("learning-rate-ignored", "the learning rate is not used in the velocity.",
     _velocity(lambda dw, v, m, rate: m * v - dw)),
    ("past-not-weighted", "momentum is not used: the old velocity should be multiplied by it.",
     _velocity(lambda dw, v, m, rate: v - rate * dw)),
    ("old-velocity", "w moves by the old velocity: the velocity must be updated first, then used.",
     _of_step("sgd_momentum", lambda i, e: {"next_w": i["w"] + i["velocity"]})),
    ("nesterov", "this is Nesterov momentum; the exercise asks for plain momentum.",
     _of_step("sgd_momentum", lambda i, e: {
         "next_w": i["w"] - i["learning_rate"] * i["dw"] + i["momentum"] * e["velocity"]
     }),
     _of_step("sgd_momentum", lambda i, e: {
         "next_w": i["w"] - i["momentum"] * i["velocity"] + (1 + i["momentum"]) * e["velocity"]
     })),
    ("velocity-left-out", "w moves by the gradient alone: the old velocity is not used.",
     _of_step("sgd_momentum", lambda i, e: {"next_w": i["w"] - i["learning_rate"] * i["dw"]})),
)
# fmt: on


def _with_epsilon_added(rule: str, i: Inputs) -> Arrays:
    after = rule_step(rule, i, root=lambda v, eps: v**0.5)
    return {**after, "next_w": after["next_w"] + i["epsilon"]}


def scaling_misconceptions(rule: str) -> list[Misconception]:
    """Of the rules that divide by the root of a mean square."""
    # fmt: off
    return common_misconceptions(rule) + table(
        f"the docstring of {rule}",
        ("epsilon-inside-the-root", "epsilon is under the root; it should be added after the root.",
         _altered(rule, root=lambda v, eps: (v + eps) ** 0.5)),
        ("epsilon-left-out", "your code does not use the epsilon of config.",
         *(_altered(rule, root=lambda v, eps, other=other: v**0.5 + other) for other in (0, 1e-6, 1e-5))),
        ("epsilon-outside-the-quotient",
         "epsilon is added after the division; it should be added to the root, before the division.",
         steps(lambda i: _with_epsilon_added(rule, i))),
        ("root-missing", "the step is divided by the mean square; its root is missing.",
         _altered(rule, root=lambda v, eps: v + eps)),
        ("square-missing", "the mean of squares uses the gradient itself, not its square.",
         _altered(rule, square=lambda dw: dw)),
        ("square-missing",
         "the mean of squares uses absolute values, not squares.",
         _altered(rule, square=np.abs)),
    )
    # fmt: on


# fmt: off
RMSPROP = scaling_misconceptions("rmsprop") + table(
    "the docstring of rmsprop",
    ("decay-reversed",
     "decay_rate is the weight of the new square; it should be the weight of the old cache.",
     steps(lambda i: rule_step("rmsprop", i, past=1 - i["decay_rate"]))),
    ("new-not-weighted", "the new square is not weighted: the two weights should add up to 1.",
     _altered("rmsprop", new=1)),
    ("past-not-weighted",
     "all squares are added up, as in AdaGrad: decay_rate is the weight of the old cache, and the two "
     "weights "
     "should add up to 1.",
     _altered("rmsprop", past=1, new=1)),
    ("past-not-weighted", "the old cache is not weighted: the two weights should add up to 1.",
     steps(lambda i: rule_step("rmsprop", i, past=1, new=1 - i["decay_rate"]))),
    ("old-cache", "the step uses the old cache: the cache must be updated first, then used.",
     steps(lambda i: rule_step("rmsprop", i, used=i["cache"]))),
)
# fmt: on


def _corrected(correct: Callable[..., tuple]) -> Predict:
    """Adam with another bias correction: correct(m, v, beta1, beta2, t) -> what the step uses."""

    def step(i: Inputs) -> Arrays:
        settings = i["beta1"], i["beta2"], i["t"] + 1
        return rule_step("adam", i, correct=lambda m, v: correct(m, v, *settings))

    return steps(step)


def _other_betas(of_settings: Callable) -> Predict:
    """Adam with the two weights that of_settings(beta1, beta2) gives."""
    return steps(lambda i: rule_step("adam", i, betas=of_settings(i["beta1"], i["beta2"])))


def _epsilon_hat(i: Inputs) -> Arrays:
    """The order of computation that section 2 of the paper of Adam describes as more efficient."""
    scale = (1 - i["beta2"] ** (i["t"] + 1)) ** 0.5
    return rule_step("adam", i, root=lambda v, eps: v**0.5 + eps / scale)


def _counted_from(first: float) -> Predict:
    """Two steps by default, where t starts at another number than 0."""
    otherwise = _of_settings("adam", lambda i: {"t": i["t"] + first if i["t"] == 0 else i["t"]})
    return lambda i, e: otherwise(i, e) if i.get("by_default") else {}


# fmt: off
ADAM = scaling_misconceptions("adam") + table(
    "the docstring of adam",
    ("correction-missing",
     "the bias correction is missing: m and v start at zero, and are too small at first.",
     _altered("adam", correct=lambda m, v: (m, v))),
    ("correction-missing", "the bias correction of m is missing.",
     _corrected(lambda m, v, b1, b2, t: (m, v / (1 - b2**t)))),
    ("correction-missing", "the bias correction of v is missing.",
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b1**t), v))),
    ("correction-multiplied",
     "the bias correction multiplies: m and v are too small at first, so it should divide.",
     _corrected(lambda m, v, b1, b2, t: (m * (1 - b1**t), v * (1 - b2**t)))),
    ("correction-multiplied", "the bias correction of m multiplies; it should divide.",
     _corrected(lambda m, v, b1, b2, t: (m * (1 - b1**t), v / (1 - b2**t)))),
    ("correction-multiplied", "the bias correction of v multiplies; it should divide.",
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b1**t), v * (1 - b2**t)))),
    ("corrected-memory-stored",
     "the corrected value is stored in config: the correction is for this step only.",
     _of_step("adam", lambda i, e: {
         "m": e["m"] / (1 - i["beta1"] ** e["t"]), "v": e["v"] / (1 - i["beta2"] ** e["t"])
     })),
    ("t-too-late", "t is used before it is increased: the first step has t = 1.",
     steps(lambda i: rule_step("adam", i, count=i["t"]))),
    ("t-starts-at-one",
     "if config has no t, the first step already has t = 2: the default of t is 0, and t is increased before "
     "it is used.", _counted_from(1)),
    ("t-not-counted", "t is not increased in config.",
     _of_step("adam", lambda i, e: {"t": np.asarray(i["t"])})),
    ("t-not-counted", "the bias correction does not change with t: it is always that of the first step.",
     steps(lambda i: rule_step("adam", i, count=1))),
    ("t-twice", "t is increased twice.",
     steps(lambda i: rule_step("adam", i, count=i["t"] + 2) | {"t": np.asarray(i["t"] + 2.0)})),
    ("t-multiplied", "the bias correction multiplies by t; it should use beta to the power of t.",
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b1 * t), v / (1 - b2 * t))),
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b1 * t), v / np.abs(1 - b2 * t))),
     _corrected(lambda m, v, b1, b2, t: (m / ((1 - b1) * t), v / ((1 - b2) * t)))),
    ("square-of-m", "v uses the square of m; it should use the square of dw.",
     steps(lambda i: rule_step("adam", i, square=lambda dw: rule_step("adam", i)["m"] ** 2))),
    ("one-beta",
     "beta1 is used for both m and v; v should use beta2.",
     _other_betas(lambda b1, b2: (b1, b1))),
    ("one-beta",
     "beta2 is used for both m and v; m should use beta1.",
     _other_betas(lambda b1, b2: (b2, b2))),
    ("weights-of-two-betas",
     "in v the new square is weighted by 1 - beta1 and the old value by beta2: the two weights should add up "
     "to 1.",
     steps(lambda i: rule_step(
         "adam", i, square=lambda dw: (1 - i["beta1"]) / (1 - i["beta2"]) * dw**2
     ))),
    ("betas-swapped", "beta1 and beta2 are swapped.", _other_betas(lambda b1, b2: (b2, b1))),
    ("betas-swapped", "beta1 and beta2 are swapped in m and v, but not in their bias corrections.",
     steps(lambda i: rule_step(
         "adam", i, betas=(i["beta2"], i["beta1"]),
         correct=lambda m, v: (m / (1 - i["beta1"] ** (i["t"] + 1)), v / (1 - i["beta2"] ** (i["t"] + 1))),
     ))),
    ("betas-swapped", "beta1 and beta2 are swapped in the bias corrections.",
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b2**t), v / (1 - b1**t)))),
    ("one-beta", "the bias corrections of m and v use the same beta; each should use its own.",
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b1**t), v / (1 - b1**t))),
     _corrected(lambda m, v, b1, b2, t: (m / (1 - b2**t), v / (1 - b2**t)))),
    ("beta-reversed", "beta is the weight of the new value; it should be the weight of the old one.",
     _other_betas(lambda b1, b2: (1 - b1, 1 - b2))),
    ("epsilon-hat",
     "epsilon is added to the root of v before its bias correction, as in the paper's shorter form; the "
     "exercise adds it to the root of the corrected v.", steps(_epsilon_hat)),
)
# fmt: on

ANSWERS = {
    # Last: (1 - 0.9) * 0.1 looks like a rate that is fixed at 0.01.
    rule: Answers(_altered(rule), misconceptions + fixed_settings(rule))
    for rule, misconceptions in [("sgd_momentum", SGD_MOMENTUM), ("rmsprop", RMSPROP), ("adam", ADAM)]
}
