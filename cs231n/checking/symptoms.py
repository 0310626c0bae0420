"""Which section of docs/symptoms.md fits a diagnosis."""

from collections.abc import Collection

__all__ = ["PAGE", "SECTIONS", "section_of"]

PAGE = "docs/symptoms.md"
NORM_BACKWARD = ("batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward")
NORM_FORWARD = ("batchnorm_forward", "layernorm_forward")
NORMS = (*NORM_FORWARD, *NORM_BACKWARD)

# (the id of a section, the kinds of diagnosis that it explains, the exercises; None: all)
SECTIONS: list[tuple[str, str, Collection[str] | None]] = [
    (
        "dx-db-or-the-loss-is-right-up-to-a-factor-of-n",
        "sum-for-mean mean-for-sum features-for-batch-size batch-size-for-features",
        None,
    ),
    ("dx-is-right-only-on-the-diagonal", "diagonal-only", None),
    (
        "dx-is-wrong-and-i-do-not-know-which-part",
        """mean-held-fixed variance-held-fixed statistics-held-fixed direct-path-missing sign-of-the-mean
        sign-of-the-variance sign-of-both slope-of-the-square slope-of-the-root power-of-the-root
        x-hat-in-the-sum x-for-centered sum-missing mean-path variance-path direct-path several-paths""",
        NORM_BACKWARD,
    ),
    ("the-check-passes-with-all-ones-upstream", "upstream-ignored", None),
    ("the-check-passes-with-all-ones-upstream", "gamma-left-out", NORM_BACKWARD),
    (
        "the-gradient-check-passes-and-check-does-not",
        "eps-outside-the-root eps-left-out n-minus-1 variance-about-zero",
        NORM_FORWARD,
    ),
    ("the-gradient-check-passes-and-check-does-not", "eps-outside-the-root", NORM_BACKWARD),
    ("the-running-mean-has-the-shape-1-d", "shape", NORMS),
    ("out-or-dx-is-nan", "not-finite", NORMS),
    ("the-second-call-gives-another-result", "writes-into-x depends-on-earlier-calls", None),
    (
        "the-loss-at-test-time-is-nonsense",
        """not-stored past-forgotten past-not-weighted sample-not-weighted momentum-reversed momentum-ignored
        running-statistics-in-training running-statistics-swapped batch-statistics-at-test updated-at-test
        deviation-stored eps-in-the-memory""",
        ("batchnorm_forward",),
    ),
]


def section_of(exercise: str, kind: str) -> str:
    """The address of the section that explains a diagnosis of this kind; empty if there is none."""
    for section, kinds, exercises in SECTIONS:
        if kind in kinds.split() and (exercises is None or exercise in exercises):
            return f"{PAGE}#{section}"
    return ""
