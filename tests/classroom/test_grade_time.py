"""The processor time of a submission, over its calls and its two tries."""

from classroom.grading.marking import mark
from classroom.grading.reference import make_trials
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import Submission
from classroom.sandbox.process import Child
from tests.support.grading import BRIEF, EXERCISES, function, result_of, solved

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


def test_a_problem_is_sent_once_for_all_of_its_calls(monkeypatch):
    requests = []
    real = Child.ask

    def ask(self, request, *arguments):
        requests.append(request.get("dtypes"))
        return real(self, request, *arguments)

    monkeypatch.setattr(Child, "ask", ask)
    assert result_of("softmax_loss", solved()).share == 1
    small, large = ["float64", "float32", "float64"], ["float64"]
    trials = make_trials("softmax_loss", 7)
    assert [dtypes for dtypes in requests if dtypes] == [large if t.is_large else small for t in trials]


def test_the_time_of_each_call_is_known_although_a_problem_is_sent_once():
    loop = function("relu_forward", "x", f"{LOOP} if x.dtype == np.float32 else _relu_forward(x)")
    result = result_of("relu_forward", solved(loop), seconds=1)
    assert (result.share, result.kind, result.is_endless) == (0, "timed-out", True)
