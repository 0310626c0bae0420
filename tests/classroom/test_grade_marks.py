"""Marks: follow-through, partial credit, what is right in another way, and what costs only a part."""

import ast
from pathlib import Path

import pytest

from classroom.grading import compare
from classroom.grading.marking import mark
from classroom.grading.result import ExerciseResult, NotMarkedError
from classroom.grading.runner import MarkingOptions, Runner
from classroom.grading.submission import Submission
from classroom.sandbox.process import Child
from tests.corpus.harness import USUAL
from tests.support import grading
from tests.support.grading import (
    BRIEF,
    EXERCISES,
    LAYER_UTILS,
    LAYERS,
    NET,
    OPTIM,
    SECOND_DERIVATIVE,
    blank,
    burn,
    function,
    marked,
    result_of,
    shares,
    solved,
    with_functions,
    wrong,
)

PATIENT = {"seconds": 5}  # on a machine that is busy


def test_a_wrong_forward_does_not_cost_the_backward():
    results = marked(solved(function("batchnorm_forward", "x, *rest", "_batchnorm_forward(2 * x, *rest)")))
    assert wrong(results).keys() == {"batchnorm_forward"}
    assert results["batchnorm_backward"].reference_used_for == ("batchnorm_forward",)
    assert results["FullyConnectedNet"].reference_used_for == ("batchnorm_forward",)


@pytest.mark.parametrize("name", ["batchnorm_backward_alt", "affine_backward", "dropout_backward"])
def test_a_backward_without_its_forward_is_marked_with_the_references(name):
    source = solved()[LAYERS]
    (node,) = [node for node in ast.parse(source).body if getattr(node, "name", "") == name]
    results = marked(blank(ast.get_source_segment(source, node) + "\n"))
    assert shares(results) == {name: 1.0}
    assert results[name].reference_used_for == (name.removesuffix("_alt").replace("backward", "forward"),)


def test_a_backward_whose_forward_was_deleted_is_marked_with_the_references():
    files = {**solved(), LAYERS: f"{solved()[LAYERS]}\ndel affine_forward\n"}
    titles = ["affine_forward", "affine_backward"]
    assert shares(marked(files, only=titles)) == {"affine_backward": 1.0}


def test_a_function_whose_helper_is_not_there_raises():
    """And so it does in `check`: what was handed in does not run."""
    helper = function("affine_backward", "dout, cache", "_not_handed_in(dout, cache)")
    result = result_of("affine_backward", solved(helper))
    assert (result.share, result.kind) == (0, "raised") and "_not_handed_in" in result.text


def test_whole_files_of_a_public_solution_have_full_marks():
    files = {file: USUAL[Path(file).stem] for file in grading.FILES if Path(file).stem in USUAL}
    assert wrong(marked(files, **PATIENT)) == {"batchnorm_double_backward": "missing"}


def test_a_net_over_blank_layers_is_marked_with_the_references():
    results = marked({**blank(), NET: solved()[NET]})
    assert shares(results) == {"TwoLayerNet.loss": 1.0, "FullyConnectedNet": 1.0}


def test_layers_that_cannot_be_imported_do_not_cost_the_net():
    results = marked({**solved(), LAYERS: "def affine_forward(x, w, b)\n    return x @ w"})
    right = "TwoLayerNet.loss sgd_momentum rmsprop adam FullyConnectedNet batchnorm_double_backward".split()
    assert shares(results) == dict.fromkeys(right, 1.0)
    relu = results["relu_forward"]
    assert relu.kind == "no-import" and "SyntaxError" in relu.text and "(layers.py, line 1)" in relu.text


@pytest.mark.parametrize(
    "source, words",
    [
        ("def batchnorm_double_backward(ddx, dout, cache)\n", "SyntaxError"),
        ("from cs231n.layers import batchnorm_backward\n", "ImportError"),  # a circle
    ],
)
def test_an_optional_file_that_cannot_be_imported_costs_nothing_else(source, words):
    results = marked({**solved(), SECOND_DERIVATIVE: source})
    assert wrong(results) == {"batchnorm_double_backward": "no-import"}
    assert words in results["batchnorm_double_backward"].text


OWN_AFFINE = """
def affine_forward(x, w, b):
    rows = x.reshape(len(x), -1)
    out = [[sum(a * c for a, c in zip(row, column)) for column in w.T] for row in rows]
    return np.array(out) + b, {"x": x, "w": w, "b": b}

def affine_backward(dout, cache):
    x, w = cache["x"], cache["w"]
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
"""
CLOSED_FORM = next(line for line in grading.BATCHNORM.splitlines(keepends=True) if "    dx =" in line)
LOOPS = """    dx = np.empty_like(dout)
    for j in range(dout.shape[1]):
        for i in range(N):
            dx[i, j] = cache["factor"][j] * (dout[i, j] - dbeta[j] / N - x_hat[i, j] * dgamma[j] / N)
"""


def test_another_style_and_another_cache_are_right_and_loops_over_columns_are_in_time():
    files = with_functions(solved(OWN_AFFINE), grading.BATCHNORM.replace(CLOSED_FORM, LOOPS))
    results = marked({**files, LAYER_UTILS: blank()[LAYER_UTILS]})
    assert wrong(results) == {"batchnorm_double_backward": "raised"}  # the kit's own needs the kit's cache


DROPOUT = """
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return x, (dropout_param, None)
    mask = MASK
    return x * mask, (dropout_param, mask)

def dropout_backward(dout, cache):
    return dout if cache[1] is None else dout * cache[1]
"""
OWN_MASK = "(np.random.default_rng(dropout_param.get('seed')).random(x.shape) > 1 - p).astype(x.dtype) / p"


def test_any_mask_of_dropout_is_right_and_a_net_is_marked_by_the_masks_that_its_own_dropout_draws():
    titles = ["dropout_forward", "dropout_backward", "FullyConnectedNet"]
    own = solved(DROPOUT.replace("MASK", OWN_MASK))
    assert wrong(marked(own, **PATIENT, only=titles)) == {}
    unregularized = """
class FullyConnectedNet(FullyConnectedNet):
    def loss(self, X, y=None):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y)
        return loss - 0.5 * self.reg * sum(np.sum(v**2) for k, v in self.params.items() if "W" in k), grads
"""
    result = result_of("FullyConnectedNet", with_functions(own, unregularized, NET), **PATIENT)
    assert result.kind == "reg-left-out" and result.share == 96 / 102  # but for the six losses


SOFTMAX = """
def softmax_loss(x, y):
    N, C = x.shape
    log_p = x - SHIFT
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    target = np.eye(C, dtype=x.dtype)[y]
    return -np.sum(target * log_p) / N, (np.exp(log_p) - target) / N
"""
NET_WITHOUT = """
class FullyConnectedNet(FullyConnectedNet):
    def __init__(self, *sizes, dropout_keep_ratio=None, **options):
        super().__init__(*sizes, **options)
"""
RELU_FORWARD = function("relu_forward", "x", "np.maximum(x, 0), x")
RELU_BACKWARD = function("relu_backward", "dout, cache", "dout * (cache >= 0)")
REPEATS = "\n\n".join(function(f"{name}_forward", "x, *rest", "x, None") for name in ("batchnorm", "dropout"))
ONE_SEED = function("dropout_forward", "x, param", "_dropout_forward(x, {'seed': 0, **param})")
ONE_MASK = "(np.arange(x.size).reshape(x.shape) * 0.618 % 1 < p) / p"
IN_FLOAT64 = function("batchnorm_forward", "x, *rest", "_batchnorm_forward(x.astype(np.float64), *rest)")


# fmt: off
@pytest.mark.parametrize("title, source, kind, share", [
    ("FullyConnectedNet", NET_WITHOUT, "dropout-left-out", 55 / 102),
    ("softmax_loss", SOFTMAX.replace("SHIFT", "x.max(axis=1, keepdims=True)"), "right", 1),
    ("softmax_loss", SOFTMAX.replace("SHIFT", "x.max()"), "right", 1),
    ("relu_backward", RELU_FORWARD + RELU_BACKWARD, "right", 1),
    ("dropout_forward", ONE_SEED, "one-mask", 0),
    ("dropout_forward", DROPOUT.replace("MASK", ONE_MASK), "one-mask", 0),
    ("dropout_forward", DROPOUT.replace("MASK", "np.zeros(x.shape)"), "mask-by-line", 0),
    ("dropout_forward", REPEATS, "nothing-dropped", 0),
    ("batchnorm_forward", REPEATS, "not-stored", 0),
    ("batchnorm_forward", IN_FLOAT64, "right", 1),
])  # fmt: on
def test_a_part_costs_its_share(title, source, kind, share):
    result = result_of(title, solved(source, NET if "Net" in title else LAYERS), **PATIENT)
    assert result.kind == kind and result.share == pytest.approx(share)


IN_PLACE = """
def relu_backward(dout, cache):
    dout[cache <= 0] = 0
    return FACTOR * dout
"""


# fmt: off
@pytest.mark.parametrize("title, source, words", [
    ("softmax_loss", SOFTMAX.replace("SHIFT", "x.max()"), "around 1000 and around -1000"),
    ("relu_backward", RELU_FORWARD + RELU_BACKWARD, "dout passes where x is exactly 0"),
    ("batchnorm_forward", IN_FLOAT64, "is float64 for float32 input"),
    ("relu_backward", RELU_FORWARD + IN_PLACE.replace("FACTOR", "1"), "It writes into"),
])  # fmt: on
@pytest.mark.parametrize("notes_weight", [0, 0.1])
def test_a_note_costs_what_the_manifest_says(title, source, words, notes_weight, monkeypatch):
    exercises = [exercise._replace(notes_weight=notes_weight) for exercise in grading.EXERCISES]
    monkeypatch.setattr(grading, "EXERCISES", tuple(exercises))
    result = result_of(title, solved(source), **PATIENT)
    assert result.is_right and result.share == 1 - notes_weight and words in result.notes[0]
    assert len(result.notes) == 1


def test_wrong_values_are_not_hidden_behind_a_written_argument():
    result = result_of("relu_backward", solved(RELU_FORWARD + IN_PLACE.replace("FACTOR", "-1")), **PATIENT)
    assert (result.kind, result.share) == ("sign", 0) and "It writes into" in result.notes[0]


# fmt: off
@pytest.mark.parametrize("line, words", [
    ("import matplotlib.pyplot as plt", "matplotlib is not there when your work is marked."),
    ("from cs231n import vis_utils", "cs231n.vis_utils is not handed in."),
    ("from cs231n.my_helpers import f", "cs231n.my_helpers is not handed in."),
    ("from cs231n.gradient_check import rel_error", "cs231n.gradient_check could give the answers."),
])  # fmt: on
def test_a_refused_import_is_reported_in_the_words_of_the_checks(line, words):
    result = result_of("rmsprop", {**solved(), OPTIM: f"{line}\n{solved()[OPTIM]}"})
    assert result.kind == "no-import"
    assert result.text.startswith(f"cs231n/optim.py cannot be imported. {words} An exercise may import ")
    assert result.text.endswith(" (optim.py, line 1).")


def test_a_failure_of_the_grader_is_no_mark(monkeypatch):
    def fails(title, *_):
        raise RecursionError

    monkeypatch.setattr(compare, "find_notes", fails)
    with pytest.raises(NotMarkedError, match=r"1 affine_forward \(RecursionError\); try: "):
        marked(solved(), only=["affine_forward", "relu_forward"])


ENDLESS = """
def relu_forward(x):
    while True:
        pass
"""


def test_a_second_try_is_for_what_ran_out_of_time_alone(monkeypatch):
    """And an exercise that calls one which does so again is not tried with it once more."""
    tried = []
    real = Runner.try_exercise

    def try_exercise(self, exercise, reference, hidden, *slow_needs):
        tried.append((exercise.title, bool(reference), hidden))
        return real(self, exercise, reference, hidden, *slow_needs)

    monkeypatch.setattr(Runner, "try_exercise", try_exercise)
    slow = ExerciseResult(0.0, "timed-out", "Slow.")
    earlier = {e.number: ExerciseResult(0.25, "raised", "As before.") for e in EXERCISES}
    numbers = {e.title: e.number for e in EXERCISES}
    for title in ("affine_forward", "relu_forward", "relu_backward"):
        earlier[numbers[title]] = slow
    options = MarkingOptions(EXERCISES, 7, BRIEF._replace(seconds=1), weakest_level="limits")
    results, _ = mark(Submission(solved(ENDLESS), {}, []), options, earlier=earlier)
    own = [(title, False, hidden) for hidden in (False, True) for title in ("affine_forward", "relu_forward")]
    assert tried == [*own, ("relu_backward", True, True)]
    assert results[numbers["affine_forward"]] == ExerciseResult(1.0)
    assert results[numbers["relu_forward"]].text.endswith("while no other student's code was running.")
    assert results[numbers["relu_backward"]].share == 1
    others = [e.number for e in EXERCISES if not e.title.startswith(("affine_f", "relu"))]
    assert all(results[number].text == "As before." for number in others)


def test_what_needs_an_endless_function_has_less_time_alone(monkeypatch):
    """And all of it with the reference's; what does not call that function is right without it."""
    granted = {}
    real = Child.ask

    def ask(self, request, seconds=None, end=None):
        if "ask" in request:
            granted.setdefault(request["exercise"], []).append(seconds)
        return real(self, request, seconds, end)

    monkeypatch.setattr(Child, "ask", ask)
    forward = "def affine_relu_forward(x, w, b):\n    out, cache = affine_forward(x, w, b)\n"
    forward += "    return np.maximum(out, 0), (cache, out)\n"
    files = with_functions(solved(ENDLESS), forward, NET)
    titles = ["affine_forward", "relu_forward", "relu_backward", "TwoLayerNet.loss"]
    results = marked(files, only=titles, seconds=3)
    assert wrong(results) == {"relu_forward": "timed-out"} and results["relu_forward"].is_endless
    assert results["relu_backward"].reference_used_for == ("relu_forward",)
    assert results["TwoLayerNet.loss"].reference_used_for == ()
    assert granted["relu_backward"][0] < 0.7 and 2 < granted["relu_backward"][1] <= 3


def test_a_backward_of_its_own_loop_says_what_ran_out_of_time_before():
    backward = function("relu_backward", "dout, cache", "exec('while True: pass')")
    results = marked(solved(f"{ENDLESS}\n\n{backward}"), only=["relu_forward", "relu_backward"], seconds=1)
    result = results["relu_backward"]
    assert result.text == "It ran out of time, and so did relu_forward, which it needs."
    assert (result.share, result.kind, result.is_endless) == (0, "timed-out", True)


def test_only_one_call_that_takes_nearly_all_of_the_time_is_endless():
    """Many calls, an import or a large problem that are somewhat too slow may be so by the machine's load."""
    slow = function("relu_forward", "x", f"{burn(0.4)} or _relu_forward(x)")
    large = function("softmax_loss", "x, y", f"{burn(3)} if x.size > 9999 else _softmax_loss(x, y)")
    for title, code in (("relu_forward", slow), ("softmax_loss", large), ("affine_forward", burn(3))):
        result = marked(solved(code), only=[title], seconds=1)[title]
        assert result.kind == "timed-out" and not result.is_endless, title


def test_what_a_child_loads_again_does_not_count_as_the_students_time():
    """After the one before it has ended."""
    exits = function("affine_backward", "*a", "__import__('os')._exit(3)")
    slow = function("relu_forward", "x", f"{burn(0.02)} or _relu_forward(x)")
    files = solved(f"{exits}\n\n{slow}\n\n{burn(1.2)}\n")  # 1.2 + 50 * 0.02 > 2
    results = marked(files, only=["affine_forward", "affine_backward", "relu_forward"])
    assert wrong(results) == {"affine_backward": "crashed"}


@pytest.mark.slow
def test_an_exercise_and_a_submission_have_their_time():
    files = solved(function("relu_forward", "x", f"{burn(0.8)} or np.maximum(x, 0), x"))
    assert marked(files)["relu_forward"].kind == "timed-out"  # five times 0.8 s are more than 2 s
    results = marked(files, seconds=20, total=2)
    assert results["affine_forward"].share == 1
    for title in ("relu_forward", "softmax_loss", "adam"):  # a net gets time of its own with the reference
        assert results[title].kind == "timed-out"
        assert results[title].text.startswith("The whole submission has used its 2 seconds")


MASKS = {
    "zeros": "np.zeros(x.shape, x.dtype)",
    "NaN": "np.full(x.shape, np.nan, x.dtype)",
    "some NaN": "np.where(np.random.RandomState(dropout_param.get('seed')).rand(*x.shape) < p, np.nan, 0)",
}
NET_OF_ZEROS = """
class FullyConnectedNet(FullyConnectedNet):
    def loss(self, X, y=None):
        if not self.use_dropout or y is None:
            return super().loss(X, y)
        scores, grads = self.params[f"b{self.num_layers}"] + np.zeros((len(X), 1)), {}
        loss, dscores = layers.softmax_loss(scores, y)
        for name, value in self.params.items():
            grads[name] = self.reg * value if name[0] == "W" else 0 * value
            loss += 0.5 * self.reg * (value**2).sum() * (name[0] == "W")
        grads[f"b{self.num_layers}"] = dscores.sum(0)
        return loss, grads
"""


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_of_nothing_earns_nothing(mask):
    """Nor does what is right for such a mask alone, in dropout_backward and in a net."""
    value = "dout if cache[1] is None else np.where(cache[1] == 0, 0, np.nan)"
    backward = function("dropout_backward", "dout, cache", value)
    files = solved(DROPOUT.replace("MASK", mask).partition("def dropout_backward")[0] + backward)
    files = with_functions(files, NET_OF_ZEROS, NET)
    results = marked(files, only=["dropout_forward", "dropout_backward", "FullyConnectedNet"], **PATIENT)
    assert results["dropout_forward"].share == 0 and results["FullyConnectedNet"].share < 0.7
    assert results["dropout_backward"].share == 0


SUMS = """
def _sums(dout, cache):
    return dout, (dout * cache.x_hat).sum(axis=0), dout.sum(axis=0)

batchnorm_backward = batchnorm_backward_alt = layernorm_backward = _sums

def affine_backward(dout, cache):
    return 0 * cache[0], 0 * cache[1], dout.sum(axis=0)
"""


def test_sums_alone_earn_a_fifth():
    titles = ["batchnorm_backward", "batchnorm_backward_alt", "layernorm_backward", "affine_backward"]
    results = marked(solved(SUMS), only=titles)
    assert shares(results) == dict.fromkeys(titles, pytest.approx(0.2))
