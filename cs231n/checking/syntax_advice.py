"""What to do about a line that Python cannot read: a bracket, a colon, a quotation mark, the indentation."""

import difflib
import keyword
import re
from collections.abc import Callable

__all__ = ["advise_on_syntax"]

# Characters that word processors and web pages put in the place of those of a keyboard.
KEYS = {
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "*",
    "\N{FULLWIDTH LEFT PARENTHESIS}": "(",
    "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
    "\N{FULLWIDTH COMMA}": ",",
    "\N{FULLWIDTH COLON}": ":",
}
LOOK = (
    "Compare this line, and the end of the line above, with lines that work: is a bracket, a comma, an "
    "operator or a quotation mark missing?"
)


def advise_on_syntax(error: SyntaxError, source: str) -> str:
    """What is wrong with the line that Python could not read, as far as the text shows it.

    Args:
        error: of the compiler.
        source: the text of the file; "" if it cannot be had.
    """
    lines, number = source.splitlines(), error.lineno or 0
    line = lines[number - 1] if 0 < number <= len(lines) else (error.text or "")
    if isinstance(error, TabError):
        return _advise_on_tab(line)
    if isinstance(error, IndentationError):
        return _advise_on_indentation(error.msg, line, lines[: max(number - 1, 0)])
    if "unterminated" in error.msg and any(source.count(marks) % 2 for marks in ('"""', "'''")):
        return (
            "The number of triple quotation marks in the file is odd: a text that begins with three of them "
            "has no end. Look at what you wrote last, at this line or above it."
        )
    if error.msg.startswith("invalid syntax") and (advice := _advise_on_line(line)):
        return advice
    for pattern, advise in ADVICE:
        if found := re.search(pattern, error.msg):
            return advise(found, line)
    return ""


def _advise_on_tab(line: str) -> str:
    begins = "This line begins with a tab" if line.startswith("\t") else "This line begins with spaces"
    return f"{begins}, and a line above it does not. Use four spaces for each step, and no tabs."


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip())


def _count_spaces(number: int) -> str:
    return f"{number or 'no'} space{'s' * (number != 1)}"


def _advise_on_indentation(message: str, line: str, above: list[str]) -> str:
    begins = f"This line begins with {_count_spaces(_spaces(line))}"
    before = next((text for text in reversed(above) if text.strip()), "")
    if "expected an indented block" in message:
        return (
            f"{begins}. A line that ends with a colon needs at least one line below it that begins further "
            "right, by four spaces."
        )
    if "unexpected indent" in message:
        return (
            f"{begins}, the line above it with {_count_spaces(_spaces(before))}. A line begins further right "
            "only if the line above ends with a colon."
        )
    return f"{begins}, and no block above it does. Let it begin where the other lines of its block begin."


def _advise_on_line(line: str) -> str:
    """What is wrong with a line of which Python says only that it is invalid."""
    code = line.split("#")[0].strip()
    first, _, rest = code.partition(" ")
    if re.match(r"(<<<<<<<|=======|>>>>>>>)", code):
        return "Git wrote this line at a conflict: keep one of the two versions, and delete the lines of Git."
    if re.match(r"(>>>|\.\.\. )", code):
        return "This is the prompt of an example: delete it, and keep what follows it."
    if re.match(r"[%!]", code):
        return "This is a command for a notebook, and this file is Python alone: delete the line."
    if found := re.search(r"\+\+|--$", code):
        return f"Python has no {found[0]}: add or subtract 1, as with += 1."
    if re.match(r"(else|elif|except|finally)\b", code):
        return f"An {first.rstrip(':')} stands in the column of its if or try, directly below that block."
    if (name := re.match(r"(\w+)\s*=[^=]", code)) and keyword.iskeyword(name[1]):
        return f"{name[1]} is a word of Python, and no name for a value: choose another name."
    if found := re.search(r"(\*\*|//|[-+*/@=%<>,])$", code):
        return f"The line ends with {found[1]}, and what should follow is missing."
    if re.match(r"if\b.*[^=!<>]=[^=]|(while|elif)\b.*[^=!<>]=[^=]", code):
        return "One = gives a name a value; == compares two values."
    near = difflib.get_close_matches(first, keyword.kwlist, 1, 0.7)
    if rest and near and first.isidentifier() and not keyword.iskeyword(first):
        return f"Is {near[0]} meant where {first} stands?"
    for left, right in re.findall(r"([\w.]+|\))\s+(?=([A-Za-z_0-9]\w*))", code):
        if not keyword.iskeyword(left) and not keyword.iskeyword(right):
            return f"Between {left} and {right} an operator such as *, or a comma, is missing."
    return LOOK


def _say(sentence: str) -> Callable[[re.Match, str], str]:
    """The sentence, with {1}, {2} for the groups of the pattern."""
    return lambda found, line: sentence.format(*(found[0], *found.groups()))


def _advise_on_return(found: re.Match, line: str) -> str:
    return (
        f"This line begins with {_count_spaces(_spaces(line))}, so it is not in a function. Let the lines of "
        "a function begin four spaces further right than its def."
    )


def _advise_on_character(found: re.Match, line: str) -> str:
    key = KEYS.get(found[1])
    return (
        f"This character comes from another program: type it again, as {key} on the keyboard." if key else ""
    )


ADVICE: list[tuple[str, Callable[[re.Match, str], str]]] = [
    (
        r"^'(.)' was never closed",
        _say("Each bracket that opens needs one that closes: count those behind this {1}."),
    ),
    (
        r"^unmatched '(.)'",
        _say("No bracket is open where this {1} stands: it is one too many, or one before it is missing."),
    ),
    (
        r"^closing parenthesis '(.)' does not match opening parenthesis '(.)'",
        _say("A bracket that opens as {2} closes as its own kind, and not with {1}."),
    ),
    ("^expected ':'", _say("A line with if, else, for, while, def, class or with ends with a colon.")),
    (
        "unterminated",
        _say("A text ends with the quotation mark with which it begins, in the same line."),
    ),
    ("outside function", _advise_on_return),
    (
        "^cannot assign to",
        _say("The name that gets the value stands to the left of =, and what it gets to the right."),
    ),
    (r"^invalid character '(.)'", _advise_on_character),
    (
        "^invalid non-printable character",
        _say("A character in this line cannot be seen, as in text from a web page: type the line again."),
    ),
    (
        "^f-string: ",
        _say("In an f-string each {{ needs its }}, before the text ends."),
    ),
    (
        "after line continuation character",
        _say(
            r"Nothing may follow a \ in its line, not even a space. Within brackets a line ends without it."
        ),
    ),
    ("^invalid syntax", _say(LOOK)),
]
