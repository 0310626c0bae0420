"""The questions of notebook 5."""

from collections.abc import Mapping

import sympy

from cs231n.checking.questions.kinds import Expression, Prediction, Question

__all__ = ["QUESTIONS"]


def _stretched(names: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """The slope of dx where each deviation is multiplied by 1 + t / s: the gradient is divided by that."""
    t = sympy.Symbol("t")
    return sympy.diff(names["dx"] / (1 + t / names["s"]), t).subs(t, 0)


QUESTIONS: dict[str, Question] = {
    "5.1": Expression(
        "dx s",
        _stretched,
        {"0": "No output changes, but a gradient is per unit of x, and the unit has become smaller.",
         "dx / s": "If x is wider, the same change of y takes a longer step: is the slope larger or smaller?",
         "-dx": "That is the slope along x - mu. How long is x_hat, compared with x - mu?"},
        "By what is dx divided if each deviation is multiplied by c? Differentiate for c = 1 + t/s at t = 0.",
    ),
    "5.2": Prediction(("it goes to 0", "it stops at a number", "it grows without bound")),
}  # fmt: skip
