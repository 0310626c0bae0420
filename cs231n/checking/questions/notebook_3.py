"""The questions of notebook 3."""

import itertools
from collections.abc import Mapping

import numpy as np
import sympy

from cs231n.checking.questions.kinds import Expression, Number, Prediction, Question
from cs231n.gradient_check import complex_step_gradient

__all__ = ["QUESTIONS"]

Symbols = Mapping[str, sympy.Symbol]


def _count_entries(sizes: list[int], biases: bool = True) -> int:
    """Of all weight matrices between layers of these sizes, with their biases or without."""
    return sum((fan_in + biases) * fan_out for fan_in, fan_out in zip(sizes, sizes[1:]))


IMAGE = 3 * 32 * 32


def _first_loss(num_classes: int) -> float:
    """The cross-entropy of equal scores."""
    scores = np.zeros(num_classes)
    return float(np.log(np.exp(scores).sum()) - scores[0])


def _largest_rate(curvatures: list[float]) -> float:
    """Where the slowest of the factors |1 - rate * a| reaches one, by halving an interval."""
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        shrinks = all(abs(1 - middle * a) < 1 for a in curvatures)
        low, high = (middle, high) if shrinks else (low, middle)
    return low


def _steps_until(share: float, rho: float) -> int:
    """Steps of a memory of constant input, until it holds that share of its limit."""
    memory, steps = 0.0, 0
    while memory < share:
        memory, steps = rho * memory + (1 - rho), steps + 1
    return steps


def _first_step_of_adam(s: Symbols) -> sympy.Expr:
    """Without the corrections, from m = v = 0 and a positive gradient."""
    dw = sympy.Symbol("dw", positive=True)
    m, v = (1 - s["b1"]) * dw, (1 - s["b2"]) * dw**2
    return sympy.simplify(m / sympy.sqrt(v))


def _kept_by_two(s: Symbols) -> sympy.Expr:
    """The probability that an entry is not zero after both masks."""
    total = sympy.Integer(0)
    for first, second in itertools.product((0, 1), repeat=2):
        probability = (s["p"] if first else 1 - s["p"]) * (s["q"] if second else 1 - s["q"])
        total += probability * first * second
    return total


def _count_gradients(num_hidden: int, last_too: bool = False, normalized: bool = True) -> int:
    """Entries of the dict of gradients of a FullyConnectedNet."""
    count = 0
    for layer in range(num_hidden + 1):
        has_norm = normalized and (layer < num_hidden or last_too)
        count += len(["W", "b", *(["gamma", "beta"] if has_norm else [])])
    return count


def _free_entries(axis: int) -> int:
    """The rank of many gradients of a bias of 8 entries, in front of a normalization along an axis."""
    rng = np.random.RandomState(0)
    a, b = rng.randn(5, 8), np.zeros(8)

    def normalized(b: np.ndarray) -> np.ndarray:
        centered = a + b - (a + b).mean(axis=axis, keepdims=True)
        return centered * ((centered * centered).mean(axis=axis, keepdims=True) + 1e-5) ** -0.5

    gradients = [complex_step_gradient(normalized, b, rng.randn(5, 8)) for _ in range(20)]
    return int(np.linalg.matrix_rank(np.array(gradients), tol=1e-9))


def _relative_step(s: Symbols) -> sympy.Expr:
    """The factor on |gradient| / |w| when w is multiplied by c; the loss depends on its direction alone."""
    c, (w1, w2) = s["c"], sympy.symbols("w1 w2", positive=True)
    gradient = sympy.diff(w1 / sympy.sqrt(w1**2 + w2**2), w1)
    factor = gradient.subs({w1: c * w1, w2: c * w2}, simultaneous=True) / c / gradient
    positive = sympy.Symbol("c", positive=True)  # a factor in front of batchnorm; relu comes behind it
    return sympy.simplify(factor.subs(c, positive)).subs(positive, c)


QUESTIONS: dict[str, Question] = {
    "3.1": Number(
        right=lambda: _count_entries([IMAGE, 50, 10]),
        wrong=(
            (lambda: _count_entries([IMAGE, 50, 10], biases=False), "Each layer has biases too, b1 and b2."),
            (lambda: _count_entries([32 * 32, 50, 10]), "Each pixel has three colours."),
            (lambda: len("W1 b1 W2 b2".split()), "That is the number of arrays; count their entries."),
        ),
        otherwise="Write the shapes of W1, b1, W2 and b2 next to each other, and add their sizes.",
    ),
    "3.2": Number(
        right=lambda: _first_loss(100),
        wrong=(
            (lambda: _first_loss(10), "That is for 10 classes. What is the probability of each of 100?"),
            (lambda: np.log10(100), "The loss has the natural logarithm, np.log."),
            (lambda: -_first_loss(100), "A loss is not negative: it is minus the log of a probability."),
            (lambda: 1 / 100, "That is the probability of each class; the loss is minus its log."),
        ),
        otherwise="With equal scores each class has the same probability; the loss is minus its log.",
        rtol=1e-2,
    ),
    "3.5": Prediction(("training", "validation", "no difference")),
    "3.6": Prediction(("noise", "blurred shapes", "sharp objects")),
    "3.7": Prediction(("about 10 %", "about 20 %", "about 40 %")),
    "3.9": Number(
        right=lambda: _largest_rate([0.5, 5, 19, 21]),
        wrong=(
            (
                lambda: _largest_rate([0.5, 5, 19, 21]) / 2,
                "There the steepest bowl is at its bottom after one step. It can be twice as large.",
            ),
            (lambda: _largest_rate([0.5]), "That suits the flattest bowl; the steepest one diverges."),
            (lambda: _largest_rate([0.5, 5, 19]), "The bowl with a = 21 still diverges."),
        ),
        otherwise="Each bowl shrinks if rate * a < 2. Which of the four is the strictest?",
        rtol=1e-3,
    ),
    "3.10": Number(
        right=lambda: _steps_until(0.9, 0.9),
        wrong=(
            (lambda: _steps_until(0.9, 0.9) - 1, "One step earlier it is just below 90 %."),
            (lambda: 10, "Ten is how many times the step of sgd the limit is; look at 1 - 0.9**t."),
        ),
        otherwise="The velocity over its limit is 1 - rho**t. For which t does it first reach 0.9?",
    ),
    "3.11": Prediction(("sgd", "sgd_momentum", "the same")),
    "3.12": Expression(
        symbols="b1 b2",
        right=_first_step_of_adam,
        wrong={
            "1": "That is the length with the corrections.",
            "(1 - b1) / (1 - b2)": "The step divides by the root of v.",
            "(1 - b1) / sqrt(b2)": "At the first step v is (1 - b2) dw^2, since v started at zero.",
            "b1 / sqrt(b2)": "The new gradient has the weight 1 - b1 in m, and 1 - b2 in v.",
        },
        otherwise="Compute m and v after one step from zero, then m / sqrt(v).",
    ),
    "3.13": Prediction(("sgd", "sgd_momentum", "rmsprop", "adam")),
    "3.14": Expression(
        symbols="p q",
        right=_kept_by_two,
        wrong={
            "p + q": "A probability cannot exceed one. An entry stays only if both layers keep it.",
            "(p + q) / 2": "An entry stays only if both layers keep it.",
            "p + q - p * q": "That is the probability that at least one of them keeps it.",
            "(1 - p) * (1 - q)": "That is the probability that both drop it.",
        },
        otherwise="With which probability is an entry kept by the first layer and by the second?",
    ),
    "3.15": Number(
        right=lambda: _count_gradients(5),
        wrong=(
            (lambda: _count_gradients(5, last_too=True), "The last layer has no gamma and no beta."),
            (lambda: _count_gradients(5, normalized=False), "Batchnorm's gamma and beta are learned too."),
            (lambda: _count_gradients(4), "Five hidden layers, and one more for the scores."),
        ),
        otherwise="Count the layers first, then what each of them learns.",
    ),
    "3.16": Number(
        right=lambda: _free_entries(axis=1),
        wrong=(
            (
                lambda: _free_entries(axis=0),
                "That is batchnorm. Layernorm takes the mean along a row, so it removes less.",
            ),
            (lambda: 8, "One change of b has no effect: the same number added to all 8 entries."),
            (lambda: 1, "One entry is what follows from the rest, not what you must know."),
        ),
        otherwise="Add the same number to all entries of b: what does that say of the sum of the gradient?",
    ),
    "3.17": Prediction(("all ten", "all but W3 and b3", "only some of those eight")),
    "3.19": Prediction(("3 layers", "5 layers", "5 layers, batchnorm")),
    "3.20": Expression(
        symbols="c",
        right=_relative_step,
        wrong={
            "1": "The loss stays, but weights that are c times larger need a c times larger change.",
            "1 / c": "That is the factor of the gradient. The weights have grown as well.",
            "c": "The gradient becomes smaller: with larger weights the same step turns them less.",
            "c**2": "It is the other way round: with larger weights the same step turns them less.",
        },
        otherwise="By which factor does the gradient change? And the weights? Divide.",
    ),
    "3.21": Prediction(("nothing", "sgd is no longer last", "momentum is in front")),
    "3.23": Prediction(("higher", "lower", "about the same")),
    "3.25": Number(
        right=lambda: _steps_until(0.99, 0.9),
        wrong=(
            (lambda: _steps_until(0.99, 0.9) - 1, "One pass earlier it is just outside 1 %."),
            (lambda: _steps_until(0.9, 0.9), "That is within 10 %."),
        ),
        otherwise="The distance from mu, over mu, is rho**k. For which k is it first below 0.01?",
    ),
}
