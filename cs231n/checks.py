"""What to run after an exercise: a verdict in about a second, and what seems to be wrong.

    from cs231n.checks import check
    check("batchnorm_backward")

`python -m cs231n check` does it for every exercise. docs/diagnosis.md says how it works.
"""

import html

from cs231n.checking.edition import entries, entry_of, find_exercise, format_points, label_of
from cs231n.checking.sections import link_sections
from cs231n.checking.verdict import MISSING, PASSED, WRONG, Verdict, format_verdict, verdict
from cs231n.common.terminal import in_notebook, text_width

__all__ = ["check", "show_verdict"]

BORDERS = {PASSED: "#2e9d4f", MISSING: "#d08a00", WRONG: "#d64545"}


def check(exercise: str | int) -> bool:
    """Show whether an exercise is right and, if it is not, what seems to be wrong.

    Args:
        exercise: its name, its number, or a beginning of its name that no other has: "batchnorm_backward",
            7, "adam", "Two".

    Returns:
        True if it is right.

    Raises:
        ValueError: there is no such exercise; the message says which name it could be.
    """
    return show_verdict(find_exercise(exercise)).status == PASSED


def show_verdict(name: str) -> Verdict:
    """Check an exercise and show the verdict: in a notebook as a small card, elsewhere as text."""
    result = verdict(name)
    text = format_verdict(f"{label_of(name)}{_progress(name, ' ({})')}: ", result, width=text_width())
    if in_notebook():
        from IPython.display import display

        display({"text/html": _card(result), "text/plain": text}, raw=True)
    else:
        print(text)
    return result


def _progress(name: str, form: str) -> str:
    """Where an exercise stands: "7 of 17, 15 points"; nothing if this edition does not ask for it."""
    entry, all_entries = entry_of(name), entries()
    if entry is None:
        return ""
    is_whole = [e.number for e in all_entries] == list(range(1, len(all_entries) + 1))
    place = f"{entry.number} of {len(all_entries)}, " if is_whole else ""
    return form.format(place + format_points(entry.points))


def _card(result: Verdict) -> str:
    """HTML with no colour of its own but in the border, so that it reads in the light and in the dark."""
    findings = "".join(
        f'<li style="margin: 0.2em 0">{link_sections(finding).replace(chr(10), "<br>")}</li>'
        for finding in result.findings
    )
    return (
        f'<div style="border-left: 0.3em solid {BORDERS[result.status]}; padding: 0.2em 0 0.2em 0.8em; '
        'max-width: 48em; line-height: 1.4">'
        f"<b>{html.escape(label_of(result.exercise))}: {result.status}</b>"
        f"{_progress(result.exercise, ' &nbsp; <small>{}</small>')}"
        + (f'<ul style="margin: 0.3em 0 0 0; padding-left: 1.3em">{findings}</ul>' if findings else "")
        + "</div>"
    )
