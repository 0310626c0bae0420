"""The questions of notebook 2."""

from collections.abc import Mapping

import numpy as np
import sympy

from cs231n.checking.questions.kinds import Expression, Number, Prediction, Question
from cs231n.gradient_check import complex_step_gradient

__all__ = ["QUESTIONS"]

Symbols = Mapping[str, sympy.Symbol]

SMALL = np.array([[2, 3], [4, 3], [5, 3], [6, 8], [8, 3]], dtype=float)  # the batch for a pencil
GAMMA = np.array([3.0, 2.0])
UPSTREAM = np.array([[2, 0], [-1, 1], [0, -1], [1, 2], [3, 3]], dtype=float)
GRAPH = {
    "x": ["mu", "centered"],
    "mu": ["centered"],
    "centered": ["squared", "x_hat"],
    "squared": ["var"],
    "var": ["std"],
    "std": ["inv_std"],
    "inv_std": ["x_hat"],
    "x_hat": ["scaled"],
    "scaled": ["y"],
}


def _normalize(x: np.ndarray, axis: int = 0, eps: float = 0.0) -> np.ndarray:
    deviation = x - x.mean(axis=axis, keepdims=True)
    return deviation / np.sqrt((deviation**2).mean(axis=axis, keepdims=True) + eps)


def _changed_in_the_table() -> int:
    moved = SMALL + np.array([100, 0])
    steps = [lambda x: x, lambda x: x - x.mean(axis=0), _normalize, lambda x: GAMMA * _normalize(x)]
    return sum(int(np.sum(~np.isclose(step(SMALL), step(moved)))) for step in steps)


def _running_mean(momentum: float = 0.9, batches: int = 2) -> float:
    running = 0.0
    for _ in range(batches):
        running = momentum * running + (1 - momentum) * SMALL[:, 0].mean()
    return running


def _changed_entries() -> int:
    x = np.sin(np.arange(18.0)).reshape(6, 3)
    moved = x.copy()
    moved[2, 1] += 0.5
    return int(np.sum(_normalize(x) != _normalize(moved)))


def _count_paths(start: str = "x", end: str = "y") -> int:
    return 1 if start == end else sum(_count_paths(after, end) for after in GRAPH.get(start, []))


def _small_dcentered() -> np.ndarray:
    def output(centered: np.ndarray) -> np.ndarray:
        return GAMMA * centered / np.sqrt((centered**2).mean(axis=0))

    return complex_step_gradient(output, SMALL - SMALL.mean(axis=0), UPSTREAM)[:, 0]


def _direct_part() -> np.ndarray:
    return complex_step_gradient(lambda t: GAMMA * t / SMALL.std(axis=0), SMALL, UPSTREAM)[:, 0]


def _small_dx(column: int) -> np.ndarray:
    return complex_step_gradient(lambda t: GAMMA * _normalize(t), SMALL, UPSTREAM)[:, column]


def _row_of_h() -> np.ndarray:
    """The gradient of x_hat for the row of the question."""
    gamma, g = np.array([2.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0])
    return complex_step_gradient(lambda x_hat: gamma * x_hat, np.zeros(3), g)


def _term_of_shifted_mean(names: Symbols) -> sympy.Expr:
    """dvar times the slope of mean((x - m - 1)^2) at m = mean(x), for a batch of three."""
    m, xs = sympy.Symbol("m"), sympy.symbols("x1:4")
    slope = sympy.diff(sum((x - m - 1) ** 2 for x in xs) / 3, m).subs(m, sum(xs) / 3)
    return names["dvar"] * sympy.simplify(slope)


def _sum_of_middle_term() -> float:
    """For the small batch, by (15): the slopes of the variance with the mean held fixed, times any dvar."""
    x, mu = SMALL[:, 0], SMALL[:, 0].mean()
    return float(complex_step_gradient(lambda t: ((t - mu) ** 2).mean(), x).sum())


def _left_over(names: Symbols) -> sympy.Expr:
    """The term of dgamma comes in with a minus: 1/3 of it is right, 1/2 is taken off."""
    term = names["gamma"] / names["s"] * names["x_hat"] * names["dgamma"]
    third, half = sympy.Rational(1, 3), sympy.Rational(1, 2)
    return -third * term - (-half * term)


def _length_after_a_step(names: Symbols) -> sympy.Expr:
    w, step = sympy.Matrix([names["w"], 0]), sympy.Matrix([0, names["d"]])  # at a right angle
    moved = w - names["r"] * step
    return moved.dot(moved)


def _alone(names: Symbols) -> sympy.Expr:
    mu = names["x"]  # the mean of one row
    var = (names["x"] - mu) ** 2
    return names["gamma"] * (names["x"] - mu) / sympy.sqrt(var + names["eps"]) + names["beta"]


def _through_statistics(names: Symbols, scale: str, weight: sympy.Expr, has_mean: bool = True) -> sympy.Expr:
    """The chain rule over x_hat, the mean and the mean square, each row with its weight."""
    x, mu, t = sympy.symbols("x mu t")
    s, gamma = names[scale], names["gamma"]
    sum_of_g, sum_of_g_x_hat = names.get("dbeta", 0), names["dgamma"]
    slope = sympy.diff(1 / sympy.sqrt(t), t).subs(t, s**2)  # of 1/s, as the square of s moves
    gradient_of_square = gamma * s * sum_of_g_x_hat * slope
    ways = gamma * names["g"] * sympy.diff((x - mu) / s, x)
    ways += gradient_of_square * sympy.diff(weight * (x - mu) ** 2, x)
    if has_mean:
        ways += gamma * sum_of_g * sympy.diff((x - mu) / s, mu) * sympy.diff(weight * x, x)
    return sympy.simplify(ways.subs(x, mu + s * names["x_hat"]).subs(sympy.Abs(s), s))


def _centering(names: Symbols) -> sympy.Expr:
    x, mu = sympy.symbols("x mu")
    direct = names["g"] * sympy.diff(x - mu, x)
    return direct + names["dbeta"] * sympy.diff(x - mu, mu) * sympy.diff(x / names["N"], x)


def _in_test_mode(names: Symbols) -> sympy.Expr:
    x, mu, beta = sympy.symbols("x mu beta")
    return names["g"] * sympy.diff(names["gamma"] * (x - mu) / names["s"] + beta, x)


QUESTIONS: dict[str, Question] = {
    "2.1": Number(
        _changed_in_the_table,
        ((lambda: 20, "The mean of the column moves by 100 too, so the deviations stay."),
         (lambda: 10, "Of the two columns of x only one was moved, and its deviations stay.")),
        "Look at the four columns of the table one by one: does a shift of x reach x - mu?",
    ),
    "2.2": Number(
        _running_mean,
        ((lambda: _running_mean(batches=1), "That is the value after one batch; the second moves it again."),
         (lambda: _running_mean(0.1), "Momentum weighs the old value: 0.9 of it, and 0.1 of the batch."),
         (lambda: SMALL[:, 0].mean(), "That is the mean of the batch. The running mean starts at 0 and takes "
                                      "only a tenth of the batch each time.")),
        "Start at 0, and put the mean of the column, 5, into the rule twice.",
    ),
    "2.3": Number(
        _changed_entries,
        ((lambda: 1, "The entry also moves the mean and the variance of its column."),
         (lambda: 3, "A row is one example. Statistics are taken down a column."),
         (lambda: 18, "The other columns have a mean and a variance of their own.")),
        "Which entries of y depend on the mean of the column that you changed?",
    ),
    "2.4": Number(
        lambda: (_count_paths(), _count_paths("x", "var") * _count_paths("var")),
        ((lambda: (3, 1), "Both forks count: two paths lead from x to centered, and each splits into two."),
         (lambda: (4, 1), "There are two paths from x to centered, and both lead to var.")),
        "Count the paths from x to centered, then those from centered to x_hat.",
    ),
    "2.5": Number(
        _small_dcentered,
        ((_direct_part, "That is the part through x_hat alone. The part through squared is missing."),
         (lambda: _small_dcentered() - _direct_part(), "That is the part through squared alone."),
         (lambda: _small_dx(0), "That is dx already: one step too far.")),
        "Go node by node, as in the nine cells; dvar of the first column is -15/16.",
    ),
    "2.6": Number(lambda: _small_dx(0).sum(), (), "Take the signs along: two entries are positive."),
    "2.7": Expression(
        "dvar N",
        _term_of_shifted_mean,
        {"2 * dvar / N": "The sum in (12) has N terms, and each is 1 too small: that is N times.",
         "-2 * dvar": "Both the bracket and the slope have a minus.",
         "0": "The deviations from mu + 1 do not add up to zero."},
        "Put m = mu + 1 into (12): what do the deviations add up to?",
    ),
    "2.8": Number(
        _sum_of_middle_term,
        ((lambda: 2, "A factor 2 is in the slope of the square; look at what it is multiplied by."),),
        "dvar and N are the same for all i. What do the deviations from the mean add up to?",
    ),
    "2.9": Expression(
        "gamma s x_hat dgamma",
        _left_over,
        {"-gamma * x_hat * dgamma / (6 * s)": "Only the sign is wrong: the wrong line subtracts too much.",
         "x_hat * dgamma / 6": "The bracket is multiplied by gamma / s."},
        "Only the last term differs. Subtract it with 1/2 from it with 1/3, and mind its minus.",
    ),
    "2.10": Prediction(("along the radius", "along the tangent", "anywhere")),
    "2.11": Expression(
        "w d r",
        _length_after_a_step,
        {"(w - r * d)**2": "Lengths subtract only along one line. By (24) the step is at a right angle to w.",
         "(w + r * d)**2": "Lengths add only along one line. By (24) the step is at a right angle to w.",
         "w**2": "A step at a right angle makes the column longer."},
        "The column and the step are two sides of a right-angled triangle.",
    ),
    "2.13": Number(
        lambda: _normalize(np.array([2.0, 4, 6, 8]), eps=4.0),
        ((lambda: _normalize(np.array([2.0, 4, 6, 8])), "eps is 4 here, not 0: it is added to the variance."),
         (lambda: np.array([2.0, 4, 6, 8]) - 5, "These are the deviations; divide them by the root.")),
        "The mean is 5 and the variance also; so what is under the root?",
    ),
    "2.14": Number(
        lambda: _row_of_h().mean(),
        ((lambda: 2, "That is mean(gamma) times mean(g): gamma differs along the row and stays in the sum."),
         (lambda: _row_of_h().sum(), "That is the sum; the mean divides it by D.")),
        "First multiply entry by entry, then take the mean of the three products.",
    ),
    "2.16": Prediction(("none", "some", "all")),
    "2.18": Expression(
        "x gamma beta eps",
        _alone,
        {"gamma * x + beta": "The mean of one row is the row itself, so x - mu is zero.",
         "0": "x_hat is zero; the shift still comes after it."},
        "What are mean and variance of a single row?",
    ),
    "2.19": Prediction(("less than 2", "2 to 5", "more than 5")),
    "2.21": Prediction(("grow without bound", "stop at a number", "go back to 0")),
    "2.22": Number(
        lambda: _small_dx(1),
        ((lambda: _small_dx(0), "That is the first column."),
         (lambda: _small_dx(1) / GAMMA[1], "gamma of the second column is 2.")),
        "Here dbeta is 5 and dgamma is 2.5; put them into (20). The entries must add up to zero.",
    ),
    "2.23": Expression(
        "g dbeta N",
        _centering,
        {"g": "The mean depends on x_i too.",
         "g - dbeta": "x_i enters the mean with the factor 1/N."},
        "Two paths lead from x_i to the outputs: the direct one, and the one through the mean.",
    ),
    "2.27": Expression(
        "gamma r g x_hat dgamma N",
        lambda names: _through_statistics(names, "r", 1 / names["N"], has_mean=False),
        {"gamma * g / r": "r depends on x too.",
         "gamma / r * (g - x_hat * dgamma)": "x_i enters the mean square with the factor 1/N."},
        "Nothing is subtracted from x, so one of the two terms of (20) disappears.",
    ),
    "2.28": Expression(
        "w gamma s g x_hat dbeta dgamma",
        lambda names: _through_statistics(names, "s", names["w"]),
        {"gamma / s * (g - dbeta - x_hat * dgamma)": "x_i enters mean and variance with its weight.",
         "gamma / s * w * (g - dbeta - x_hat * dgamma)": "The direct path has no weight."},
        "In (14) and (15), what takes the place of 1/N?",
    ),
    "2.29": Expression(
        "gamma s g",
        _in_test_mode,
        {"g / s": "y is gamma x_hat + beta.",
         "gamma * g": "x_hat is divided by s.",
         "0": "The direct path is left."},
        "With mu and s constant, y is a straight line in x: what is its slope?",
    ),
}  # fmt: skip
