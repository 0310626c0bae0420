"""Check an exercise: a verdict in about a second, and what seems to be wrong.

    from cs231n.checks import check
    check("batchnorm_backward")

`python -m cs231n check` does it for every exercise. docs/diagnosis.md says how it works.
"""

import html

from cs231n.checking.edition import entries, entry_of, find_exercise, format_points
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.sections import link_sections
from cs231n.checking.verdict import MISSING, PASSED, WRONG, Verdict, format_verdict, verdict
from cs231n.common.terminal import in_notebook, text_width

__all__ = ["check", "check_exercises", "show_verdict"]

BORDERS = {PASSED: "#2e9d4f", MISSING: "#d08a00", WRONG: "#d64545"}


def check(exercise: str | int) -> bool:
    """Show whether an exercise is right and, if it is not, what seems to be wrong.

    Args:
        exercise: its name, its number, or a beginning of its name that no other has: "batchnorm_backward",
            7, "adam", "Two".

    Returns:
        True if it is right.

    Raises:
        UnknownName: there is no such exercise; the message says which name it could be.
    """
    return show_verdict(find_exercise(exercise)).status == PASSED


def show_verdict(name: str) -> Verdict:
    """Check an exercise and show the verdict: in a notebook as a small box, elsewhere as text."""
    result, head = verdict(name), _head(name)
    text = format_verdict(f"{head}: ", result, text_width())
    if in_notebook():
        from IPython.display import display

        display({"text/html": _card(head, result), "text/plain": text}, raw=True)
    else:
        print(text)
    return result


def check_exercises(names: list[str] | None = None) -> int:
    """Print a line for each exercise (default: all of this edition), its findings, and how many have passed.

    Returns:
        The exit status: 0 if all pass, 1 if not. Of those not named, an optional one may be left out.
    """
    by_title = {entry.title: entry for entry in entries() if entry.title in EXERCISES}
    optional = {name for name, entry in by_title.items() if entry.optional}
    counted = names or [name for name in by_title if name not in optional]
    names = names or list(by_title)
    passed, wrong, reported = list[str](), False, set()
    width = text_width()
    longest = max(map(len, names))
    for name in names:
        result, entry = verdict(name), by_title.get(name)
        passed += [name] * (result.status == PASSED)
        wrong |= result.status == WRONG
        if result.kind in ("no-import", "borrowed"):  # of a whole file: reported once
            if result.findings in reported:
                result = result._replace(findings=("For the reason above.",))
            reported.add(result.findings)
        number, points = (f"{entry.number}", format_points(entry.points)) if entry else ("", "")
        if width < 60:
            points = points.partition(" ")[0]
        if entry and entry.optional:
            points = f"{entry.points:g} bonus" if width >= 60 else f"+{entry.points:g}"
        head = f"{number:>2}  {name:<{longest}}  {points:>{9 if width >= 60 else 2}}  "
        head += "optional, " if entry and entry.optional and result.status == MISSING else ""
        print(format_verdict(head, result, width), flush=True)
    earned, possible, bonus = (
        sum(by_title[name].points for name in some if name in by_title)
        for some in ({*passed} - optional, {*names} - optional, {*passed} & optional)
    )
    num_passed = sum(name in passed for name in counted)
    line = f"{num_passed} of {len(counted)} exercises passed, {earned:g} of {format_points(possible)}"
    print(line + (f", and {format_points(bonus, bonus=True)}" if bonus else ""))
    return int(wrong or num_passed < len(counted))


def _head(name: str) -> str:
    """ "Exercise 7 of 17, batchnorm_backward, 15 points", or the name if this edition does not ask for it."""
    entry, numbers = entry_of(name), [entry.number for entry in entries() if not entry.optional]
    if entry is None:
        return name
    if entry.optional:
        return f"Exercise {entry.number}, optional, {name}, {format_points(entry.points, bonus=True)}"
    count = f" of {len(numbers)}" if numbers == list(range(1, len(numbers) + 1)) else ""
    return f"Exercise {entry.number}{count}, {name}, {format_points(entry.points)}"


def _card(head: str, result: Verdict) -> str:
    """HTML with no colour of its own but in the border, so that it reads in the light and in the dark."""
    findings = "".join(
        f'<li style="margin: 0.2em 0">{link_sections(finding).replace(chr(10), "<br>")}</li>'
        for finding in (*result.findings, *(f"also: {note}" for note in result.notes))
    )
    if result.printed:
        printed = f'<pre style="margin: 0; white-space: pre-wrap">{html.escape(result.printed)}</pre>'
        findings += f"<li>Your code printed:{printed}</li>"
    return (
        f'<div style="border-left: 0.3em solid {BORDERS[result.status]}; padding: 0.2em 0 0.2em 0.8em; '
        f'max-width: 48em; line-height: 1.4">{html.escape(head)}: <b>{result.status}</b>'
        + (f'<ul style="margin: 0.3em 0 0 0; padding-left: 1.3em">{findings}</ul>' if findings else "")
        + "</div>"
    )
