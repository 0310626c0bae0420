"""What to run after an exercise: a verdict in about a second, and what seems to be wrong.

    from cs231n.checks import check
    check("batchnorm_backward")

`python -m cs231n check` does it for every exercise. docs/diagnosis.md says how it works.
"""

from cs231n.checking.verdict import PASSED, format_verdict, verdict

__all__ = ["check"]


def check(exercise: str) -> bool:
    """Print whether an exercise is right and, if it is not, what seems to be wrong.

    Args:
        exercise: its name: "batchnorm_backward", "adam", "TwoLayerNet.loss", ...

    Returns:
        True if it is right.

    Raises:
        ValueError: there is no such exercise; the message lists the names.
    """
    result = verdict(exercise)
    print(format_verdict(f"{exercise}: ", result, indent=2))
    return result.status == PASSED
