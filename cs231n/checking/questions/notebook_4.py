"""The questions of notebook 4."""

import math
from collections.abc import Iterator
from itertools import count, permutations

import numpy as np
import sympy

from cs231n.checking.questions.kinds import Expression, Number, Prediction, Question

__all__ = ["QUESTIONS"]

ANIMALS = {"bird", "cat", "deer", "dog", "frog", "horse"}
CLASSES = ANIMALS | {"plane", "car", "ship", "truck"}
NETS = Prediction(("none", "batchnorm only", "batchnorm and layernorm", "all three"))


def _mean_square_after_relu() -> float:
    """E[relu(z)^2] for a standard normal z, by quadrature."""
    z, weights = np.polynomial.hermite_e.hermegauss(40)
    return float(weights @ np.maximum(z, 0) ** 2 / weights.sum())


def _factor(alpha: float, H: int) -> float:
    return math.sqrt(H * alpha**2 * _mean_square_after_relu())


def _layers_until(size: float) -> int:
    ratio = math.sqrt(math.pi / (math.pi - 1))
    return next(layers for layers in count() if ratio**layers >= size)


def _steps_until(share: float) -> int:
    running = 0.0
    for t in count(1):
        running = 0.9 * running + 0.1
        if running >= share:
            return t
    raise AssertionError


def _images_for(deviation: float) -> int:
    return next(N for N in count(1) if N * deviation**2 >= 1 - 1e-9)


def _deviation_of_difference(p: float, n: int, sets: int = 2) -> float:
    outcomes, probability = np.array([1, 0]), np.array([p, 1 - p])
    variance = probability @ (outcomes - probability @ outcomes) ** 2
    return 2 * math.sqrt(sets * variance / n)


def _is_between(mistakes: Iterator[tuple[str, str]]) -> float:
    """The share of the mistakes (true class, answer) between animals and machines."""
    return float(np.mean([(true in ANIMALS) != (answer in ANIMALS) for true, answer in mistakes]))


QUESTIONS: dict[str, Question] = {
    "4.1": Number(
        right=lambda: np.trace(np.full((10, 10), 1.0)) / 100,
        wrong=(
            (lambda: 10, "Write percent as a share: a number between 0 and 1."),
            (lambda: 0.5, "Right and wrong are not equally likely: one of ten classes is right."),
        ),
        otherwise="Imagine 1,000 images, and a guess among ten classes for each: how many are right?",
        rtol=0.01,
    ),
    "4.2": Prediction(("faster, far ahead at the end", "faster, close at the end", "no faster")),
    "4.3": Expression(
        "r",
        lambda s: sympy.solve(sympy.Symbol("c") * s["r"] - 1, sympy.Symbol("c"))[0],
        wrong={
            "r": "r is below 1, but a step with batch normalization may take longer than one without.",
            "1 - r": "That is the share of the steps that it saves, not a ratio of times.",
        },
        otherwise="Let the other net need time 1 for all its steps. With batchnorm it is r times as many "
        "steps, each c times as long. When is the product 1?",
    ),
    "4.4": Number(
        right=lambda: _factor(0.02, 100),
        wrong=(
            (lambda: 0.02 * math.sqrt(100), "relu is missing: it keeps half of the mean square."),
            (lambda: _factor(0.02, 100) ** 2, "That is the factor of the mean square; take the root."),
            (lambda: 0.02 * 100 / 2, "H stands under the root."),
        ),
        otherwise="Put alpha = 0.02 and H = 100 into the equation above.",
        rtol=0.02,
    ),
    "4.5": NETS,
    "4.6": Expression(
        "H",
        lambda s: max(
            sympy.solve(sympy.Symbol("a") ** 2 * s["H"] / 2 - 1, sympy.Symbol("a")),
            key=lambda a: float(a.subs(s["H"], 2)),
        ),
        wrong={
            "2 / H": "That is alpha squared; take the root.",
            "sqrt(1 / H)": "relu is missing: it keeps half of the mean square.",
            "sqrt(H / 2)": "That is one over alpha.",
        },
        otherwise="Set alpha * sqrt(H / 2) to one and solve for alpha.",
    ),
    "4.7": Number(
        right=lambda: np.divide(1e-4**2 * 100 / 3, 1e-5),
        wrong=(
            (lambda: 1e-5 / (1e-4**2 * 100 / 3), "That is epsilon over sigma squared."),
            (lambda: 1e-4 * 100 / 3 / 1e-5, "alpha is squared in the variance."),
        ),
        otherwise="Put alpha = 1e-4 and H = 100 into alpha^2 H / 3, then divide by 1e-5.",
        rtol=0.06,
    ),
    "4.8": NETS,
    "4.9": Expression(
        "alpha eta H",
        lambda s: sympy.sqrt(s["H"] * s["eta"] ** 2) / sympy.sqrt(s["H"] * s["alpha"] ** 2),
        wrong={
            "eta": "That is the step of one entry. Divide the length of the step by the length of w.",
            "alpha / eta": "That is the other ratio: the larger the weight, the less a step turns it.",
            "eta / (alpha * sqrt(H))": "The step has H entries as well, so its length has a root of H too.",
            "eta * sqrt(H) / alpha": "w has H entries as well, so its length has a root of H too.",
        },
        otherwise="The length of a vector of H entries of size a is a * sqrt(H).",
    ),
    "4.10": NETS,
    "4.12": NETS,
    "4.13": Number(
        right=lambda: _layers_until(1000),
        wrong=((lambda: 1000 / 1.21, "The factors multiply: after two layers it is 1.21 * 1.21."),),
        otherwise="You look for n with 1.21^n = 1000: take logarithms.",
        rtol=0.04,
    ),
    "4.15": Number(
        right=lambda: _images_for(0.1),
        wrong=(
            (
                lambda: 10,
                "The deviation falls with the root of N: with ten it is a third of sigma.",
            ),
        ),
        otherwise="Set sigma / sqrt(N) to sigma / 10 and solve for N.",
    ),
    "4.16": Prediction(("batchnorm", "layernorm", "neither")),
    "4.18": Number(
        right=lambda: _steps_until(0.99),
        wrong=(
            (lambda: _steps_until(0.99) - 1, "One step too early: check 1 - 0.9**t."),
            (lambda: _steps_until(0.9), "That is 90 %."),
        ),
        otherwise="You look for the smallest t with 0.9^t <= 0.01: take logarithms, or try in a loop.",
        atol=0.3,
    ),
    "4.19": Prediction(("lower", "the same", "higher")),
    "4.21": Prediction(("the same", "lower, restored", "lower, not restored")),
    "4.23": Prediction(("batchnorm", "neither", "no difference")),
    "4.26": Expression(
        "n p",
        lambda s: sympy.sqrt((s["p"] - s["p"] ** 2) / s["n"]),
        wrong={
            "sqrt(n * p * (1 - p))": "That counts images. An accuracy is a share: divide by n.",
            "p * (1 - p) / n": "That is the variance; take the root.",
            "sqrt(p * (1 - p))": "That is one image. A mean over n images varies less.",
        },
        otherwise="An accuracy is the number of right answers divided by n. Do the same to the deviation.",
    ),
    "4.27": Number(
        right=lambda: _deviation_of_difference(0.55, 1000),
        wrong=(
            (lambda: _deviation_of_difference(0.55, 1000) / 2, "That is one standard deviation; take two."),
            (
                lambda: _deviation_of_difference(0.55, 1000, sets=1),
                "Both vary: add their variances.",
            ),
            (lambda: 4 * math.sqrt(0.55 * 0.45 / 1000), "Add the variances, not the deviations."),
        ),
        otherwise="Take the variance of one accuracy, p(1 - p)/n, twice; then twice the root.",
        rtol=0.03,
    ),
    "4.28": Number(
        right=lambda: _is_between(permutations(sorted(CLASSES), 2)),
        wrong=(
            (lambda: 24 / 90, "That is one direction: a machine is taken for an animal as well."),
            (lambda: 48 / 100, "Right answers are no mistakes: ten of the hundred pairs drop out."),
        ),
        otherwise="Count the cells off the diagonal of the matrix, and those with an animal and a machine.",
        rtol=0.02,
    ),
    "4.29": Prediction(("plane and ship", "car and truck", "cat and dog", "deer and horse")),
}
