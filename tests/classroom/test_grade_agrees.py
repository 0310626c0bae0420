"""The grader and `check` agree on every exercise: right or wrong, why, what to check first, where.

One thing is meant to differ: where only what an exercise rests on is wrong, the grader tries it with the
reference in the place of that, and gives points (follow-through), and `check` says what to check first.
"""

import ast
import importlib
import re
import sys
from itertools import islice
from types import ModuleType

import numpy as np
import pytest

from classroom.grading import runner
from cs231n.checking.exercises import EXERCISES as REGISTRY
from cs231n.checking.verdict import MISSING, PASSED, verdict
from cs231n.common.files import REPOSITORY
from tests.corpus import SOLUTIONS, STYLES, labelled
from tests.support import grading
from tests.support.answers import known_answers as known_answers
from tests.support.grading import NET, OPTIM, function, marked, solved, with_functions

TITLES = [exercise.title for exercise in grading.EXERCISES]
# Where a check looks for it: what layers.py defines itself counts there, and not what it imports.
FILE_OF = {title: f"{REGISTRY[title].module.replace('.', '/')}.py" for title in TITLES}
NEEDED_BY = {
    exercise.title: [e.title for e in grading.EXERCISES if exercise.number in e.needs]
    for exercise in grading.EXERCISES
}
# Files with exercises and what imports them, in the order in which one imports another.
MODULES = [
    f"cs231n.{name}"
    for name in ("second_derivative", "layers", "layer_utils", "sandwiches", "optim", "classifiers.fc_net")
]
KINDS = {"error": {"raised"}, MISSING: {"not-implemented", "waits"}}  # names that differ
# Right, but a loop over the batch for each entry takes longer than the large problem has.
TOO_SLOW = [("batchnorm_backward", "loops"), ("batchnorm_backward_alt", "loops")]
BORROWED = re.compile(r"from tests.corpus.solutions.plain.layers import (\w+(?:, \w+)*).*")
FIRST = re.compile(r"Check (\w+)")


def verdicts(files, titles, monkeypatch):
    """{title: Verdict} of `check`, on the files of a submission."""
    modules = {}
    with np.errstate():  # a file may change it
        for name in MODULES:
            package, _, attribute = name.rpartition(".")
            modules[name] = ModuleType(name)
            monkeypatch.setattr(importlib.import_module(package), attribute, modules[name], raising=False)
            monkeypatch.setitem(sys.modules, name, modules[name])
            file = f"{name.replace('.', '/')}.py"
            source = files[file] if file in files else (REPOSITORY / file).read_text()
            exec(compile(source, str(REPOSITORY / file), "exec"), vars(modules[name]))
        return {title: verdict(title, modules[REGISTRY[title].module]) for title in titles}


def disagreement(checked, graded):
    """In what a Verdict and an ExerciseResult of one exercise differ; "" if they agree."""
    findings = " ".join([*checked.findings[:1], *checked.notes])
    words = " ".join([graded.text, *graded.notes])
    first = FIRST.search(findings)
    passed = checked.status == PASSED
    if first and FIRST.search(words) and FIRST.search(words)[1] != first[1]:
        return f"first: {first[1]} and {FIRST.search(words)[1]}"
    if graded.reference_used_for:
        blamed = first[1] if first else ""
        if not blamed and "It needs" not in findings and checked.kind != "error":
            return f"points with the reference's {graded.reference_used_for} alone"
        return ""
    if passed != graded.is_right:
        return f"{checked.status} and {graded.kind}"
    if bool(first) != bool(FIRST.search(words)):
        return f"only one says what to check first: {findings!r} and {words!r}"
    if passed:
        same = len(checked.notes) == len(graded.notes)
        return "" if same else f"notes: {checked.notes} and {graded.notes}"
    kind = checked.kind or checked.status
    if graded.kind not in KINDS.get(kind, {kind}):
        return f"kinds: {kind} and {graded.kind}"
    situation = next((s for s in REGISTRY[checked.exercise].situations if findings.startswith(s)), "")
    return "" if graded.text.startswith(situation) else f"situation: {situation!r} and {graded.text!r}"


def disagreements(files, titles, monkeypatch):
    with monkeypatch.context() as patch:
        checked = verdicts(files, titles, patch)
    graded = marked(files, only=titles, seconds=10, total=60)
    found = {title: disagreement(checked[title], graded[title]) for title in titles}
    return {title: words for title, words in found.items() if words}


def handed_in(title, source):
    """The files of a submission with a source of tests/corpus, which may import functions of another one."""
    files = solved(file=FILE_OF[title])
    if borrowed := BORROWED.search(source):
        plain, source = SOLUTIONS["relu_forward"]["plain"], source.replace(borrowed[0], "")
        nodes = {getattr(node, "name", ""): node for node in ast.parse(plain).body}
        parts = [ast.get_source_segment(plain, nodes[name]) for name in borrowed[1].split(", ")]
        source = "\n\n".join([*filter(None, parts), source])
    return with_functions(files, source, FILE_OF[title])


def sample(cases, num_cases):
    """Some cases by default; all of them with -m slow."""
    cases = list(cases)
    chosen = {*islice(range(0, len(cases), max(1, len(cases) // num_cases)), num_cases)}
    return [
        pytest.param(*case, marks=[] if k in chosen else pytest.mark.slow) for k, case in enumerate(cases)
    ]


@pytest.mark.parametrize(
    "title, style", sample([s for s in STYLES if s[0] in TITLES and s not in TOO_SLOW], 8)
)
def test_on_right_solutions(title, style, monkeypatch):
    files = handed_in(title, SOLUTIONS[title][style])
    assert disagreements(files, [title], monkeypatch) == {}


@pytest.mark.parametrize("noted", [False, True], ids=["wrong", "noted"])
@pytest.mark.parametrize("part", sample([(k,) for k in range(80)], 3))
def test_on_mistakes(part, noted, monkeypatch):
    bugs = [bug for bug in labelled(noted) if bug[0] in TITLES][part::80]
    found = {
        (title, name): disagreements(handed_in(title, source), [title], monkeypatch)
        for title, name, source, _ in bugs
    }
    assert {bug: words for bug, words in found.items() if words} == {}


BATCHNORM = """
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, keep = bn_param.get("eps", 1e-5), bn_param.get("momentum", MOMENTUM)
    old = [bn_param.get(name, 0 * gamma) for name in ("running_mean", "running_var")]
    if bn_param["mode"] == "test":
        return (x - old[0]) / np.sqrt(old[1] + eps) * gamma + beta, None
    mu, var = x.mean(0), x.var(0)
    bn_param["running_mean"] = keep * old[0] + (1 - keep) * mu
    bn_param["running_var"] = keep * old[1] + (1 - keep) * var
    scale = np.sqrt(var + eps)
    centred = x - mu
    return OUT, [x, mu, scale, gamma]

def _textbook(dout, cache):
    x, mu, scale, gamma = cache
    n, h = dout.shape[0], (x - mu) / scale
    total, along = dout.sum(0), (dout * h).sum(0)
    return gamma / scale / n * (n * dout - total - h * along), along, total

def batchnorm_backward(dout, cache):
    return _textbook(dout, cache)

def batchnorm_backward_alt(dout, cache):
    return _textbook(dout, cache)
"""
OUT = "centred / scale * gamma + beta"
NOTHING_NORMALIZED = """
def _slopes(dout, cache):
    return dout * cache[3], (dout * cache[0]).sum(0), dout.sum(0)

def batchnorm_backward(dout, cache):
    return _slopes(dout, cache)

def batchnorm_backward_alt(dout, cache):
    return _slopes(dout, cache)
"""
WRITES_LATER = """
def batchnorm_backward_alt(dout, cache):
    x, mu, scale, gamma = cache
    x -= mu
    n, h = len(x), x / scale
    return gamma / scale * (dout - dout.mean(0) - h * (dout * h).mean(0)), (dout * h).sum(0), dout.sum(0)
"""
AFFINE = """
def affine_forward(x, w, b):
    n, d1, d2 = x.shape
    return x.reshape(n, d1 * d2) @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)
"""
DROPOUT = """
def dropout_forward(x, dropout_param):
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    kept = MASK
    return (x, None) if dropout_param["mode"] == "test" else (x * kept, kept)

def dropout_backward(dout, cache):
    return dout if cache is None else dout * cache
"""
RELU_AND_BLOCK = """
def relu_forward(x):
    return abs(x), x

def block(x, w, b):
    rows, first = affine_forward(x, w, b)
    out, second = relu_forward(rows)
    return out, (first, second)
"""
NET_OF_BLOCKS = """
from cs231n import layers as own

class TwoLayerNet(TwoLayerNet):
    def loss(self, X, y=None):
        P = self.params
        hidden, cache = own.block(X, P["W1"], P["b1"])
        scores, last = own.affine_forward(hidden, P["W2"], P["b2"])
        if y is None:
            return scores
        loss, dscores = own.softmax_loss(scores, y)
        dhidden, dW2, db2 = own.affine_backward(dscores, last)
        _, dW1, db1 = own.affine_backward(own.relu_backward(dhidden, cache[1]), cache[0])
        grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        for name in ("W1", "W2"):
            loss = loss + FACTOR * self.reg * (P[name] ** 2).sum()
            grads[name] = grads[name] + 2 * FACTOR * self.reg * P[name]
        return loss, grads
"""
FLAT_RELU = """
def relu_forward(x):
    if x.ndim > 2:
        raise NotImplementedError
    return _relu_forward(x)
"""
SOFTMAX = """
def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True)
    target = np.eye(x.shape[1], dtype=x.dtype)[y]
    return -np.log((p * target).sum(1)).mean(), (p - target) / len(x)
"""
RMSPROP = """
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config
"""
REG_TWICE = """
class FullyConnectedNet(FullyConnectedNet):
    def loss(self, X, y=None):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y)
        return loss + 0.5 * self.reg * sum((v**2).sum() for k, v in self.params.items() if "W" in k), grads
"""


QUICK = (
    "other cache",
    "nothing normalized",
    "default momentum",
    "three axes alone",
    "exits",
    "not written",
    "p is dropped",
    "no defaults",
    "a helper in layers.py",
    "a net wrong over a wrong layer",
)


def batchnorm(out=OUT, momentum="0.9", more=""):
    return BATCHNORM.replace("OUT", out).replace("MOMENTUM", momentum) + more


def net_of_blocks(factor):
    return with_functions(solved(RELU_AND_BLOCK), NET_OF_BLOCKS.replace("FACTOR", factor), NET)


TWICE = function("batchnorm_forward", "x, *rest", "_batchnorm_forward(2 * x, *rest)")
ONE_AXIS = "(np.random.rand(*x.shape[:1], *x.shape[1:2]) < dropout_param['p']) / dropout_param['p']"
DROPPED = "(np.random.rand(*x.shape) < 1 - dropout_param['p']) / (1 - dropout_param['p'])"
ONE_SEED = "(np.random.RandomState(3).rand(*x.shape) < dropout_param['p']) / dropout_param['p']"
# {name: (files, exercises that it changes)}
SUBMISSIONS = {
    "own batchnorm": (solved(batchnorm()), ["batchnorm_forward"]),
    "root and eps": (
        solved(batchnorm("centred / (np.sqrt(var) + eps) * gamma + beta")),
        ["batchnorm_forward"],
    ),
    "other cache": (solved(TWICE), ["batchnorm_forward"]),
    "nothing normalized": (
        solved(batchnorm("x * gamma + beta", more=NOTHING_NORMALIZED)),
        ["batchnorm_forward"],
    ),
    "default momentum": (solved(batchnorm(momentum="0.5")), ["batchnorm_forward"]),
    "writes later": (solved(batchnorm(more=WRITES_LATER)), ["batchnorm_backward_alt"]),
    "calls the staged one": (
        solved(function("batchnorm_backward_alt", "*a", "batchnorm_backward(*a)")),
        ["batchnorm_backward_alt"],
    ),
    "three axes alone": (solved(AFFINE), ["affine_forward"]),
    "exits": (solved(function("affine_forward", "*a", "__import__('sys').exit(0)")), ["affine_forward"]),
    "strict numbers": ({**solved(), OPTIM: solved()[OPTIM] + "\nnp.seterr(all='raise')\n"}, ["adam"]),
    "prints": (solved(function("relu_forward", "x", "print(x) or _relu_forward(x)")), ["relu_forward"]),
    "not written": (
        solved(
            "def layernorm_forward(*a):\n    raise NotImplementedError('Exercise 9: layernorm_forward')\n"
        ),
        ["layernorm_forward"],
    ),
    "not written for 4 axes": (solved(FLAT_RELU), ["relu_forward"]),
    "two axes alone": (solved(DROPOUT.replace("MASK", ONE_AXIS)), ["dropout_forward"]),
    "p is dropped": (solved(DROPOUT.replace("MASK", DROPPED)), ["dropout_forward"]),
    "one mask": (solved(DROPOUT.replace("MASK", ONE_SEED)), ["dropout_forward"]),
    "log of p": (solved(SOFTMAX), ["softmax_loss"]),
    "no defaults": (solved(RMSPROP, OPTIM), ["rmsprop"]),
    "wide numbers": (
        solved(
            function("rmsprop", "*a", "(lambda w, c: (w.astype(np.longdouble), c))(*_rmsprop(*a))"), OPTIM
        ),
        ["rmsprop"],
    ),
    "errors": (solved(function("relu_backward", "dout, cache", "dout[:, 99]")), ["relu_backward"]),
    "a helper in layers.py": (net_of_blocks("0.5"), ["relu_forward"]),
    "a net as wrong as a layer": (net_of_blocks("1"), ["relu_forward"]),
    "a net wrong by itself": (solved(REG_TWICE, NET), ["FullyConnectedNet"]),
    "a net wrong over a wrong layer": (
        with_functions(solved(TWICE), REG_TWICE, NET),
        ["batchnorm_forward", "FullyConnectedNet"],
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SUBMISSIONS]
)
def test_on_functions_that_rest_on_others(name, monkeypatch):
    files, changed = SUBMISSIONS[name]
    reached = {*changed, *(title for each in changed for title in NEEDED_BY[each])}
    needed = {e.title for e in grading.EXERCISES if {*NEEDED_BY[e.title]} & reached}
    titles = [title for title in TITLES if title in reached | needed]
    assert disagreements(files, titles, monkeypatch) == {}


def test_a_disagreement_is_noticed(monkeypatch):
    """The harness finds it where the grader leaves situations out, or looks for no fault of a forward."""
    titles = ["batchnorm_forward", "batchnorm_backward"]
    files = solved(batchnorm(momentum="0.5"))
    real = runner.make_trials
    with monkeypatch.context() as patch:
        patch.setattr(runner, "make_trials", lambda *a: [t for t in real(*a) if not t.situation])
        found = disagreements(files, titles, monkeypatch)
    assert found == {"batchnorm_forward": "wrong and right"}
    files = solved(batchnorm("x * gamma + beta", more=NOTHING_NORMALIZED))
    monkeypatch.setattr(runner, "find_forward_fault", lambda *a: None)
    assert disagreements(files, titles, monkeypatch).keys() == {"batchnorm_backward"}
