"""The kinds of questions: a number, an expression, a prediction. None of them holds its answer in plain text.

The right answer is computed when somebody answers: from a definition, or by measuring. So a reader of these
files still has to think.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import sympy
from sympy.core.function import AppliedUndef
from sympy.parsing.sympy_parser import parse_expr

__all__ = ["NOTED", "NOT_YET", "OPEN", "RIGHT", "Expression", "Number", "Prediction", "Question", "Response"]

SUMS = {"dbeta": ("g",), "dgamma": ("g", "x_hat")}  # names of sums over the batch: of which product
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
RIGHT, NOT_YET, NOTED, OPEN = "right", "not yet", "noted", "open"


class Response(NamedTuple):
    status: str  # RIGHT, NOT_YET, NOTED or OPEN
    sentence: str = ""


class Question(Protocol):
    def respond(self, value: Any) -> Response: ...


class Number(NamedTuple):
    """A number, or an array of numbers.

    Args:
        right: right() -> the number or array, computed.
        wrong: what to say of a known wrong answer: [(wrong() -> number or array, sentence)].
        otherwise: what to say of any other wrong answer.
        rtol, atol: tolerance, as in np.isclose.
    """

    right: Callable[[], Any]
    wrong: tuple[tuple[Callable[[], Any], str], ...] = ()
    otherwise: str = ""
    rtol: float = 1e-6
    atol: float = 1e-9

    def respond(self, value: Any) -> Response:
        if value is ...:
            return Response(OPEN)
        right = np.asarray(self.right(), dtype=float)
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            advice = " Write it without quotation marks." if isinstance(value, str) else ""
            return Response(NOT_YET, f"Expected {_in_words(right.shape)}, got {value!r}.{advice}")
        if numbers.shape != right.shape:
            shapes = _in_words(right.shape), _in_words(numbers.shape)
            return Response(NOT_YET, f"Expected {shapes[0]}, got {shapes[1]}.")
        if np.allclose(numbers, right, rtol=self.rtol, atol=self.atol):
            return Response(RIGHT)
        for wrong, sentence in self.wrong:
            if np.allclose(numbers, np.asarray(wrong(), dtype=float), rtol=self.rtol, atol=self.atol):
                return Response(NOT_YET, sentence)
        return Response(NOT_YET, self.otherwise)


def _in_words(shape: tuple[int, ...]) -> str:
    if not shape:
        return "one number"
    if len(shape) > 1:
        return f"an array of shape {shape}"
    count = COUNTS[shape[0]] if shape[0] < len(COUNTS) else shape[0]
    return f"a list of {count} number{'s' * (shape[0] != 1)}"


class Expression(NamedTuple):
    """A formula, as text or as a SymPy expression.

    Args:
        symbols: the names that may stand in it, as "g mu s N".
        right: right(symbols by name) -> the SymPy expression, derived from a definition.
        wrong: what to say of known wrong answers: {formula as text: sentence}.
        otherwise: what to say of any other wrong answer.
    """

    symbols: str
    right: Callable[[Mapping[str, sympy.Symbol]], sympy.Expr]
    wrong: Mapping[str, str] = {}
    otherwise: str = ""

    def respond(self, value: Any) -> Response:
        if value is ...:
            return Response(OPEN)
        names = {name: sympy.Symbol(name, real=True) for name in self.symbols.split()}
        try:
            expression = self._parse(value, names)
            is_formula = isinstance(expression, sympy.Expr) and not expression.has(sympy.Lambda)
        except Exception:  # whatever SymPy makes of what a learner types
            is_formula = False
        if not is_formula:
            reason = _why_no_formula(value, self.symbols.split())
            return Response(
                NOT_YET, f'This is not a formula: {reason}. Try Python\'s notation, as in "2 * x / N".'
            )
        unknown = sorted(str(s) for s in expression.free_symbols if s not in names.values())
        unknown += sorted(f"{call.func}()" for call in expression.atoms(AppliedUndef))
        if unknown:
            return Response(NOT_YET, f"{', '.join(unknown)}: the answer has only {', '.join(names)}.")
        if expression.has(sympy.zoo, sympy.nan, sympy.oo):
            return Response(NOT_YET, "This is no number: is something divided by zero?")
        if _equal(expression, self.right(names)):
            return Response(RIGHT)
        for text, sentence in self.wrong.items():
            if _equal(expression, self._parse(text, names)):
                return Response(NOT_YET, sentence)
        return Response(NOT_YET, self.otherwise)

    @staticmethod
    def _parse(value: Any, names: Mapping[str, sympy.Symbol]) -> sympy.Expr:
        if isinstance(value, str):
            text = re.sub(r"\b(np|math)\.", "", value.replace("^", "**"))
            text = re.sub(r"\b(\w+)\.(sum|mean)\(", r"\2(\1, ", text).replace(", )", ")")
            functions = {
                "sum": lambda t, *_, **__: _sum(t, names),
                "mean": lambda t, *_, **__: _mean(t, names),
            }
            return sympy.sympify(parse_expr(text, local_dict=functions | dict(names)))
        return sympy.sympify(value).subs({sympy.Symbol(name): symbol for name, symbol in names.items()})


def _sum(t: sympy.Expr, names: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """The sum over the batch of c g, of c g x_hat, or of such terms, by the names that stand for these sums.

    Raises:
        ValueError: of anything else, or where a name is not among those of the answer.
    """
    of_rows = [names[name] for name in ("g", "x_hat", "x", "w") if name in names]
    result = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(t)):
        factor, summed = term.as_independent(*of_rows)
        known = [name for name, product in SUMS.items() if name in names and names.keys() >= set(product)]
        products = {sympy.Mul(*(names[name] for name in SUMS[total])): names[total] for total in known}
        if summed not in products:
            raise ValueError(f"no name stands for the sum of {summed}")
        result += factor * products[summed]
    return result


def _mean(t: sympy.Expr, names: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    return _sum(t, names) / names["N"]


def _why_no_formula(value: Any, names: list[str]) -> str:
    if not isinstance(value, str):
        return "write it as text, in quotation marks"
    value = re.sub(r"\b(np|math)\.", "", value)
    if not value.strip():
        return "nothing is between the quotation marks"
    if value.count("(") != value.count(")"):
        return "its brackets do not match"
    if re.search(r"\b(sum|mean)\s*\(", value):
        sums = [name for name in SUMS if name in names]
        has = f"the sums of this answer are called {' and '.join(sums)}" if sums else "it needs no sum"
        return f"in it each name is one number, and {has}"
    if re.search(rf"(\d|\)|\b({'|'.join(names)}))\s*\(", value):
        return "a * is missing in front of a bracket"
    if re.search(r"\d\s*[A-Za-z]|[\w)]\s+\w|\)\s*\w", value):
        return "an operator such as * is missing between two factors"
    for mark, reason in (
        ("=", "write only what is on the right of the sign ="),
        (",", "a comma makes two values of it"),
        ("[", "the answer needs no square brackets: it is one formula for one entry"),
        (".", "a name is followed by a dot"),
    ):
        if mark in value:
            return reason
    return f"{value!r} cannot be read"


def _equal(a: sympy.Expr, b: sympy.Expr) -> bool:
    """Whether a and b are one formula; where roots or decimals hide it, numbers between 0 and 1 decide."""
    if sympy.simplify(a - b) == 0:
        return True
    rng, symbols = np.random.RandomState(0), sorted((a - b).free_symbols, key=str)
    for _ in range(3):
        point = {symbol: rng.uniform(0.1, 0.9) for symbol in symbols}
        try:
            at_a, at_b = (complex(expression.subs(point)) for expression in (a, b))
        except TypeError:  # no number, as where a sum is not carried out
            return False
        if not abs(at_a - at_b) <= 1e-9 * (abs(at_a) + abs(at_b)):
            return False
    return True


class Prediction(NamedTuple):
    """A choice that is noted; the figure below it gives the answer."""

    choices: tuple[str, ...]

    def respond(self, value: Any) -> Response:
        if value is ...:
            return Response(OPEN)
        if not isinstance(value, str) or value not in self.choices:
            return Response(NOT_YET, f"Choose one of {', '.join(map(repr, self.choices))}, got {value!r}.")
        return Response(NOTED, f"You predict {value!r}. Now run the next cell.")
