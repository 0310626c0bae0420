"""A memory of what is right for the problems of a check."""

from functools import lru_cache

import numpy as np
import pytest

from cs231n.checking import diagnosis
from cs231n.checking.answers import ANSWERS

_known = {}  # {(exercise, every input, the masks that an answer depends on): the right arrays}


def _remember(name, expected):
    def remembered(inputs, outputs):
        masks = {key: np.asarray(value) for key, value in outputs.items() if key.startswith("mask")}
        if any(mask.dtype.kind == "O" for mask in masks.values()):
            return expected(inputs, outputs)
        arrays = [(key, np.asarray(value)) for key, value in [*inputs.items(), *masks.items()]]
        problem = (name, *((key, a.shape, a.dtype.str, a.tobytes()) for key, a in arrays))
        if problem not in _known:
            _known[problem] = {key: np.array(value) for key, value in expected(inputs, outputs).items()}
            for array in _known[problem].values():
                array.flags.writeable = False
        return dict(_known[problem])

    return remembered


@pytest.fixture(autouse=True, scope="module")
def known_answers():
    """Import it to use it: what is right for a problem, and what mistakes give there, is computed once.

    Thousands of wrong solutions are tried on the same few problems. Dropout is left out: there it depends on
    all that comes back, and takes no time.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, answers in ANSWERS.items():
            if not name.startswith("dropout"):
                patch.setitem(ANSWERS, name, answers._replace(expected=_remember(name, answers.expected)))
        of_each = lru_cache(256)(diagnosis._prediction_cache.__wrapped__)
        patch.setattr(diagnosis, "_prediction_cache", of_each)
        yield
