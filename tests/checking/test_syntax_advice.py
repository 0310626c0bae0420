"""A line that Python cannot read gets a sentence that is true of it, in every Python of the kit."""

from types import SimpleNamespace

import pytest

from cs231n.checking.syntax_advice import advise_on_syntax
from cs231n.checking.verdict import verdict

PAIR = "    out = np.maximum(0, x)\n"


@pytest.mark.parametrize(
    "body, words",
    [
        ("    out = np.maximum(0, x\n    return out, x", "count those behind this (."),
        ("    out = np.maximum(0, x))", "No bracket is open where this ) stands"),
        ("    out = np.maximum(0, x]", "A bracket that opens as ( closes as its own kind, and not with ]."),
        ("    if x is None\n        return x", "ends with a colon."),
        ("    if x = 0:\n        return x", "One = gives a name a value; == compares two values."),
        ('    name = "relu\n    return x', "A text ends with the quotation mark with which it begins"),
        ('    """my notes\n    return x', "The number of triple quotation marks in the file is odd"),
        (f"{PAIR}      cache = x", "begins with 6 spaces, the line above it with 4 spaces."),
        (f"    if True:\n    {PAIR}      cache = x", "begins with 6 spaces, and no block above it does."),
        (f"    if True:\n{PAIR}", "begins with 4 spaces. A line that ends with a colon needs at least one"),
        ("", "needs at least one line below it"),
        (f"{PAIR}\tcache = x", "begins with a tab, and a line above it does not."),
        (f"    if True:\n\t\tx\n{PAIR}", ""),
        ("    out = np.maximum(0, x) *\n    return out", "ends with *, and what should follow is missing."),
        ("    out =\n    return out", "ends with =, and what should follow is missing."),
        ("    retrun out, x", "Is return meant where retrun stands?"),
        ("    out = np.maximum(0 x)", "Between 0 and x an operator such as *, or a comma, is missing."),
        ("    out = 2 x", "Between 2 and x an operator such as *, or a comma, is missing."),
        ("    return x, (x, w b)", "Between w and b an operator such as *, or a comma, is missing."),
        ("    return x w", "Between x and w an operator such as *, or a comma, is missing."),
        ("    out = \N{LEFT DOUBLE QUOTATION MARK}relu", 'type it again, as " on the keyboard.'),
        ("    out = x \N{MINUS SIGN} x", "type it again, as - on the keyboard."),
        ("    out = x \N{NO-BREAK SPACE}- x", "A character in this line cannot be seen"),
        ("    np.maximum(0, x) = out", "The name that gets the value stands to the left of ="),
        (f"{PAIR}    else:\n        out = x", "An else stands in the column of its if"),
        ("    %timeit np.maximum(0, x)", "This is a command for a notebook"),
        ("    >>> out = x", "This is the prompt of an example"),
        ("    lambda = 3", "lambda is a word of Python, and no name for a value"),
        ('    print(f"shape {x.shape")', ""),
        (f"{PAIR}<<<<<<< HEAD\n    return x\n=======", "Git wrote this line"),
        ("    i++\n    return x", "Python has no ++"),
        ("    out = x \\ \n    return out", "Nothing may follow a \\ in its line"),
        (f"{PAIR}return out, x", "begins with no spaces, so it is not in a function."),
    ],
)
def test_what_python_cannot_read_is_explained(body, words):
    source = f"def relu_forward(x):\n{body}\n"
    if not body:
        source += "\n\ndef relu_backward(dout, cache):\n    return dout\n"
    with pytest.raises(SyntaxError) as raised:
        compile(source, "layers.py", "exec")
    advice = advise_on_syntax(raised.value, source)
    assert words in advice and advice.endswith((".", "?")) and len(advice) < 200
    assert advise_on_syntax(raised.value, "") is not None  # the file is gone


def test_an_odd_error_of_a_learner_is_described_all_the_same():
    def relu_forward(x):
        raise SyntaxError(5)

    assert verdict("relu_forward", SimpleNamespace(relu_forward=relu_forward)).kind == "error"


def test_nothing_is_said_of_an_error_of_unknown_kind():
    assert advise_on_syntax(SyntaxError("odd", ("layers.py", None, None, None)), "") == ""


def test_a_file_that_cannot_be_run_gets_its_line_once_and_advice(kit):
    number = kit.append("optim.py", "def broken(:")
    kit.append("second_derivative.py", "sgd_momentum('hello', 1)")
    broken, on_top = kit.check("adam", "batchnorm_double_backward").split("Exercise 18")
    assert broken.startswith(
        f"adam: wrong SyntaxError: invalid syntax in optim.py, line {number}: def broken(: Compare this line"
    )
    assert on_top.rstrip().endswith(
        "This line is in no function, so it runs before every check; try it in a cell of a notebook."
    )
