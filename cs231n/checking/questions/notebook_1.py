"""The questions of notebook 1."""

from collections.abc import Callable, Mapping

import numpy as np
import sympy

from cs231n.checking.questions.kinds import Expression, Number, Prediction, Question

__all__ = ["QUESTIONS"]

Symbols = Mapping[str, sympy.Symbol]


def _da(a: float, b: float, both: bool = True) -> float:
    """The slope of ((a b) + a)^2 in a; without `both` the second a is held fixed."""
    step = sympy.Symbol("step")
    second = a + step if both else a
    return float((((a + step) * b + second) ** 2).diff(step).subs(step, 0))


def _mean_slope(names: Symbols) -> sympy.Expr:
    entry, others = sympy.symbols("entry others")
    return (names["g"] * (entry + others) / names["N"]).diff(entry)


def _second_derivative(names: Symbols) -> sympy.Expr:
    """Of the parabola through the three points."""
    t, h = sympy.Symbol("t"), names["h"]
    points = [(-h, names["down"]), (0, names["middle"]), (h, names["up"])]
    return sympy.interpolate(points, t).diff(t, 2)


def _best_step(names: Symbols) -> sympy.Expr:
    u, h = sympy.symbols("u h", positive=True)
    (step,) = sympy.solve((u / h + h**2).diff(h), h)
    return step.subs(u, names["u"])


def _centred(f: Callable[[float], np.ndarray], x: float, h: float) -> float:
    return float((f(x + h) - f(x - h)) / (2 * h))


def _ramp(x: np.ndarray | float) -> np.ndarray:
    return np.maximum(0, x)


def _traps() -> list[bool]:
    """The traps of x (2, 3), gamma of ones and a random g, for a layer without a kink."""
    rng = np.random.RandomState(0)
    x, gamma, g = rng.randn(2, 3), np.ones(3), rng.randn(2, 3)
    has_kink = False
    return [bool((g == 1).all()), len(x) == 2, has_kink, x.shape[0] == x.shape[1] or bool((gamma == 1).all())]


def _entries_that_move() -> int:
    rng = np.random.RandomState(0)
    rows, weights = rng.randn(7, 4), rng.randn(4, 3)
    step = np.zeros((4, 3))
    step[1, 0] = 1
    return int(np.count_nonzero(rows @ (weights + step) - rows @ weights))


def _through_relu() -> np.ndarray:
    """The gradient from slopes to the left, which are 0 at the kink."""
    x, upstream = np.array([-1.0, 2.0, 0.0, 3.0]), np.array([5.0, 6.0, 7.0, 8.0])
    return upstream * (_ramp(x) - _ramp(x - 0.5)) / 0.5


def _log_sum_slope(names: Symbols) -> sympy.Expr:
    return sympy.log(sum(map(sympy.exp, names.values()))).diff(names["a"])


def _right_class_slope(names: Symbols) -> sympy.Expr:
    """The slope of log(e^s + rest) - s, with `rest` written through p = e^s / (e^s + rest)."""
    s, rest = sympy.symbols("s rest", positive=True)
    p, loss = names["p"], (sympy.log(sympy.exp(s) + rest) - s) / names["N"]
    return sympy.simplify(loss.diff(s).subs(rest, sympy.exp(s) / p - sympy.exp(s)))


QUESTIONS: dict[str, Question] = {
    "1.1": Number(
        lambda: _da(3, -0.5, both=False),
        wrong=(
            (lambda: _da(3, -0.5), "This is the right da, with both terms. Leave the second one out."),
            (lambda: _da(3, -0.5) - _da(3, -0.5, both=False), "This is the term to leave out."),
        ),
        otherwise="Look at da = b dp + dq: the second term comes from q = p + a. What is b dp?",
    ),
    "1.2": Expression(
        "g N",
        _mean_slope,
        wrong={
            "g": "This is what a sum hands to each entry. The mean also divides by N.",
            "g * N": "The mean divides by N, so moving one entry moves the mean by less than the entry.",
        },
        otherwise="Move one entry by 1. By how much does the mean move? Multiply that by g.",
    ),
    "1.3": Expression(
        "up middle down h",
        _second_derivative,
        wrong={
            "(up - down) / (2 * h)": "This is the centred difference, and it measures f'. Add up and down.",
            "(up + down) / h**2": "The sum of the two series also has the term 2 f(x). Subtract it.",
            "(up + down - middle) / h**2": "Each of the two series has the term f(x). How often must it go?",
            "2 * (up - 2 * middle + down) / h**2": "In each series the term in f'' is h^2 / 2 f''.",
            "(up - 2 * middle + down) / (2 * h**2)": "There are two series, each with h^2 / 2 f''.",
            "(up - 2 * middle + down) / h": "The term in f'' has the factor h^2, so divide by h^2.",
        },
        otherwise="Write both series up to the term in h^2 and add them. What is left beside f''?",
    ),
    "1.4": Prediction(("falls", "falls, then stays", "falls, then rises")),
    "1.5": Expression(
        "u",
        _best_step,
        wrong={
            "u**(1/3)": "The power is right. Set the derivative -u/h^2 + 2h to zero: where does the 2 go?",
            "(2 * u)**(1/3)": "From -u/h^2 + 2h = 0 follows 2h^3 = u. On which side is the 2?",
            "u**(1/2)": "This is the step of forward differences, whose error is u/h + h. Here it is h^2.",
        },
        otherwise="The derivative of u/h + h^2 in h is -u/h^2 + 2h. Set it to zero and solve for h.",
    ),
    "1.6": Number(
        lambda: _centred(np.square, 3.0, 0.5) - 6,
        wrong=(
            (lambda: 0.5, "This is the error of the forward difference, h/2 f''. Use both sides of x."),
            (lambda: 0.25, "The error begins with h^2/6 f'''. What is the third derivative of x^2?"),
            (lambda: 6, "This is the slope. Subtract the true slope from it."),
        ),
        otherwise="Compute (3.5^2 - 2.5^2) / (2 * 0.5), and subtract the true slope of x^2 at 3.",
    ),
    "1.7": Number(
        lambda: (np.abs(-2.0 + 1e-30j) / 1e-30).imag,
        wrong=(
            (lambda: -1, "This is the true slope. The complex step takes the imaginary part of the root."),
            (lambda: 1, "The root is a real number. What is the imaginary part of a real number?"),
        ),
        otherwise="The complex step is Im f(x + ih) / h. What is the imaginary part of the root?",
    ),
    "1.8": Number(
        lambda: float(np.finfo(np.float32).eps) ** (1 / 3),
        wrong=(
            (
                lambda: float(np.finfo(np.float32).eps) ** (1 / 2),
                "This is the step of forward differences, u^(1/2). Centred ones have another power.",
            ),
            (
                lambda: float(np.finfo(np.float64).eps) ** (1 / 3),
                "This is the step for float64. In float32 u is much larger.",
            ),
            (lambda: float(np.finfo(np.float32).eps), "This is u itself. The claim has a power of it."),
        ),
        otherwise="The claim of section 3 gives a power of u for centred differences. Take u = 2^-23.",
        rtol=0.7,
        atol=0,
    ),
    "1.11": Number(
        lambda: _centred(_ramp, 5e-6, 1e-5),
        wrong=(
            (lambda: 1, "x is positive, but x - h is not. Evaluate max(0, x) at x + h and at x - h."),
            (lambda: 0.5, "This is the difference at x = 0 itself. Here x is half a step to the right."),
            (lambda: 1.5, "The centred difference divides by 2h."),
        ),
        otherwise="Evaluate max(0, x) at x + h = 1.5e-5 and at x - h = -0.5e-5, and divide by 2h.",
    ),
    "1.12": Number(
        _traps,
        wrong=(
            (lambda: [0, 1, 0, 0], "Look at gamma: would a forgotten gamma show?"),
            (lambda: [0, 0, 0, 1], "Look at the number of rows of x."),
            (lambda: [1, 1, 0, 1], "Trap 1 is about the upstream gradient g, and g is random here."),
            (lambda: [0, 1, 1, 1], "Trap 3 needs a kink, as in max(0, x). Where has this layer one?"),
            (lambda: [1, 1, 1, 1], "Not all of them: g is random, and the layer has no kink."),
        ),
        otherwise="Go through the four: is g all ones, are there two rows, is there a kink, is gamma ones?",
    ),
    "1.13": Number(
        lambda: 2 * np.empty((3072, 100)).size,
        wrong=(
            (lambda: np.empty((3072, 100)).size, "This is the number of entries. What does each cost?"),
            (lambda: 2, "This is the cost along one direction. Here each entry is moved on its own."),
        ),
        otherwise="Count the entries, and how often f is evaluated for each.",
    ),
    "1.15": Number(
        lambda: np.empty((3, 32, 32, 10)).size,
        wrong=(
            (lambda: np.empty((50, 3, 32, 32, 10)).size, "All examples use the same w, so 50 is not in it."),
            (lambda: np.empty((3, 32, 32)).size, "This is D. w has one column for each of the 10 outputs."),
            (lambda: np.empty((32, 32, 10)).size, "An image has 3 numbers for each pixel."),
            (lambda: np.empty((3, 32, 32, 10)).size + 10, "This counts the biases too. They are in b."),
        ),
        otherwise="w has the shape (D, M). D is the number of entries of one image, M the number of outputs.",
    ),
    "1.16": Number(
        _entries_that_move,
        wrong=(
            (lambda: 1, "All examples use the same weight, so it is in more than one output."),
            (lambda: 3, "This is a row of the output. In which outputs out_ij does w_kj stand?"),
            (lambda: 4, "This is D, over which the sum for one output runs. Count outputs."),
            (lambda: 21, "w_kj stands only in column j of the output."),
        ),
        otherwise="Look at out_ij = sum_k x_ik w_kj + b_j: for which i and which j does w_21 stand in it?",
    ),
    "1.17": Number(
        lambda: np.array([1, -2, 1]) @ _ramp(1.5 - np.arange(3)),
        wrong=(
            (lambda: 0, "Without relu the three terms cancel. What is relu(-0.5)?"),
            (lambda: 1.5, "This is the first term. relu(0.5) is not zero."),
            (lambda: 1, "The second term has the factor 2."),
        ),
        otherwise="Compute relu(1.5), relu(0.5) and relu(-0.5), and add them with the factors 1, -2 and 1.",
    ),
    "1.18": Number(
        _through_relu,
        wrong=(
            (lambda: [0, 6, 7, 8], "At x = 0 the slope is chosen as 0, so nothing passes there."),
            (lambda: [0, 6, 3.5, 8], "Centred differences give a half at the kink. The kit chooses 0 there."),
            (lambda: [0, 2, 0, 3], "This is relu(x), the output. The gradient is dout times the slope."),
            (lambda: [0, 1, 0, 1], "These are the slopes. Multiply them by dout."),
            (lambda: [5, 6, 7, 8], "The slope depends on x: where x is negative, nothing passes."),
        ),
        otherwise="Multiply each entry of dout by the slope at x: 1 where x > 0, else 0.",
    ),
    "1.19": Number(
        lambda: -np.log(1 / np.ones(10).sum()),
        wrong=(
            (lambda: 0.1, "This is the probability of each class. The loss is -log of it."),
            (lambda: 1, "This is the logarithm to the base 10. The loss has the natural logarithm."),
            (lambda: -np.log(np.ones(10).sum()), "The loss is minus the logarithm of a number below 1."),
            (lambda: 10, "This is 1 / p. The loss is its logarithm."),
        ),
        otherwise="Ten equal probabilities that sum to 1: what is each, and what is -log of it?",
        rtol=2e-3,
    ),
    "1.20": Expression(
        "a b c",
        _log_sum_slope,
        wrong={
            "1 / (exp(a) + exp(b) + exp(c))": "By the chain rule the derivative of the sum is a factor too.",
            "exp(a)": "This is the derivative of the sum. The logarithm has a slope too.",
            "1": "Only log(e^a) alone has the derivative 1. Here three terms are added first.",
        },
        otherwise="The derivative of log(z) is 1/z, times the derivative of z with respect to a.",
    ),
    "1.21": Expression(
        "p N",
        _right_class_slope,
        wrong={
            "p / N": "This is right for the other classes. The right class also has the second term, -s_y.",
            "p - 1": "This is the gradient of one example's loss. The loss is a mean over N examples.",
            "(1 - p) / N": "Only the sign is wrong: the second term is -s_y.",
            "p / N - 1": "The mean divides both terms by N.",
            "-1 / N": "This is the second term. The log of the sum also depends on this score.",
        },
        otherwise="Add the derivatives of both terms, p and that of -s_y, and divide by N.",
    ),
    "1.22": Prediction(("falls to almost 0", "stops falling far above 0", "does not fall")),
    "1.23": Prediction(("straight lines", "circles", "curves along the arms")),
}
