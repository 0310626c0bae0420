"""The processor time of a submission, over its two tries."""

from classroom.grading.marking import mark
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import Submission
from tests.support.grading import BRIEF, EXERCISES, function, solved

LOOP = "exec('while True: pass')"


def test_a_second_try_has_no_more_time_than_the_first():
    """What was endless in the first try was free in the second, so what came after it was right."""
    loops = [function(name, "*_", LOOP) for name in ("affine_forward", "relu_forward")]
    exercises = tuple(e for e in EXERCISES if e.title in ("affine_forward", "relu_forward", "softmax_loss"))
    limits = BRIEF._replace(seconds=1, total=2)
    options = MarkingOptions(exercises, 7, limits, weakest_level="limits")
    submission = Submission(solved("\n\n".join(loops)), {}, [])
    first, _ = mark(submission, options)
    again, _ = mark(submission, options, earlier=first)
    assert first[exercises[0].number].is_endless
    assert [result.kind for result in (*first.values(), *again.values())] == ["timed-out"] * 6
