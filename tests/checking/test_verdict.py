"""verdict, check and the command: right solutions pass in any style, wrong ones fail, and the words help."""

import re
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n import layers
from cs231n.checking.answers import dropout, nets, norms, primitives, update_rules
from cs231n.checking.answers import layers as layer_answers
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.verdict import Verdict, format_verdict, verdict
from cs231n.checks import _card, check
from tests.corpus import SOLUTIONS, STYLES, built


@pytest.mark.parametrize("exercise, style", STYLES)
def test_right_solutions_of_every_style_pass(exercise, style):
    assert verdict(exercise, built(exercise, SOLUTIONS[exercise][style])) == Verdict(exercise, "passed", ())


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_kits_own_solutions_pass(exercise, capsys):
    assert check(exercise) is True
    head = "Exercise .* of 17, |Exercise 18, optional, "
    assert re.fullmatch(f"({head})?{exercise}(, .* points)?: passed\n", capsys.readouterr().out)


def layers_with(**functions):
    """The layers of the kit, some of them replaced."""
    module = built("batchnorm_backward", "")
    vars(module).update(functions)
    return module


def twice_forward(x, gamma, beta, bn_param):
    out, cache = layers.batchnorm_forward(x, gamma, beta, bn_param)
    return 2 * out, cache


OWN, NEITHER = "is the gradient of this wrong forward", "neither of this forward nor of the right one"


@pytest.mark.parametrize("divisor, words", [("N", NEITHER), ("(N - 1)", OWN)], ids=["neither", "own"])
def test_a_backward_of_a_wrong_forward_is_wrong_and_the_forward_is_named_first(divisor, words):
    unbiased = SOLUTIONS["batchnorm_backward"]["plain"].replace(
        "np.var(x, axis=0)", "np.var(x, axis=0, ddof=1)"
    )
    source = unbiased.replace("(x - mu) / N +", f"(x - mu) / {divisor} +")
    result = verdict("batchnorm_backward", built("batchnorm_backward", source))
    assert (result.status, result.kind) == ("wrong", "another-forward")
    assert result.findings[0].startswith("Check batchnorm_forward first: ") and words in result.findings[0]
    assert len(result.findings) == 2 and result.findings[1].startswith("dx: 35 of 35 entries are wrong")


@pytest.mark.parametrize(
    "scale, spoil, kinds",
    [
        (1, lambda dx: dx, ""),
        (1, lambda dx: -dx, "another-forward"),
        (2, lambda dx: dx, "another-forward"),
        (2, lambda dx: dx + np.arange(35).reshape(7, 5) ** 2, "another-forward"),
        (2, lambda dx: -dx, "another-forward"),
        (2, lambda dx: dx.T, "transposed"),
    ],
    ids="right sign own unknown sign-of-own shape".split(),
)
def test_behind_another_forward_only_what_is_certain_is_said(scale, spoil, kinds):
    """A backward that gives the gradient of the layer as defined passes, whatever its forward returns."""

    def backward(dout, cache):
        dx, *rest = layers.batchnorm_backward(scale * dout, cache)
        return spoil(dx), *rest

    module = layers_with(batchnorm_forward=twice_forward, batchnorm_backward=backward)
    result = verdict("batchnorm_backward", module)
    assert (result.kind, result.status) == (kinds, "wrong" if kinds else "passed")
    assert not kinds or result.findings[0].startswith("Check batchnorm_forward first")
    assert kinds != "transposed" or "dx has the wrong shape" in result.findings[1]
    assert "factor that differs" not in " ".join(result.findings)


BACKWARDS = [name for name, exercise in EXERCISES.items() if exercise.forward]


@pytest.mark.parametrize("name", BACKWARDS)
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("no"), StopIteration(), KeyError("running_var")], ids=repr
)
def test_a_backward_whose_forward_raises_waits_for_it(name, error):
    forward = EXERCISES[name].forward
    result = verdict(name, layers_with(**{forward: raising(error)}))
    (finding,) = result.findings
    assert result.status == "wrong" and finding.startswith(f"Check {forward} first")
    assert type(error).__name__ in finding and finding.count("\n") == 1 and "in test_verdict.py" in finding


FIRST_ORDER = [n for n in BACKWARDS if n != "dropout_backward" and not EXERCISES[n].second_order]


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_backward_that_fits_its_own_wrong_forward_alone_is_wrong(name):
    """Both are those of twice the layer."""
    forward = EXERCISES[name].forward

    def doubled(dout, cache):
        gradients = getattr(layers, name)(2 * dout, cache)
        return gradients

    def forward_doubled(*arguments):
        out, cache = getattr(layers, forward)(*arguments)
        return 2 * out, cache

    result = verdict(name, layers_with(**{name: doubled, forward: forward_doubled}))
    assert (result.status, result.kind) == ("wrong", "another-forward")
    assert result.findings[0].startswith(f"Check {forward} first") and OWN in result.findings[0]
    assert verdict(name, layers_with(**{forward: forward_doubled})).status == "passed"


def test_of_a_double_backward_behind_a_wrong_forward_nothing_is_said():
    """Differences of that forward are the gradients of another function."""

    def forward_doubled(*arguments):
        out, cache = layers.batchnorm_forward(*arguments)
        return 2 * out, cache

    def wrong(ddx, dout, cache):
        return 2 * ddx, ddx, cache.gamma

    module = layers_with(batchnorm_forward=forward_doubled, batchnorm_double_backward=wrong)
    result = verdict("batchnorm_double_backward", module)
    assert result.findings[0] == "Check batchnorm_forward first: its out is wrong."


def test_a_backward_of_dropout_is_judged_by_the_mask_of_its_own_forward():
    def never_rescaled(x, dropout_param):
        mask = np.random.RandomState(dropout_param.get("seed")).rand(*x.shape) < dropout_param["p"]
        return (x * mask, mask) if dropout_param["mode"] == "train" else (x, np.ones_like(x))

    functions = {"dropout_forward": never_rescaled, "dropout_backward": lambda dout, mask: dout * mask}
    assert verdict("dropout_backward", layers_with(**functions)).status == "passed"
    assert verdict("dropout_forward", layers_with(**functions)).kind == "not-rescaled"
    nothing = {**functions, "dropout_forward": lambda x, dropout_param: (x, np.ones_like(x))}
    result = verdict("dropout_backward", layers_with(**nothing))
    assert result.findings[0].startswith("Check dropout_forward first: it keeps 100% of the entries")


def casting_forward(x, gamma, beta, bn_param):
    arrays = (array.astype(np.float64) for array in (x, gamma, beta))
    return layers.batchnorm_forward(*arrays, bn_param)


def casting_backward(dout, cache):
    return tuple(grad.astype(np.float64) for grad in layers.batchnorm_backward(dout, cache))


@pytest.mark.parametrize(
    "functions, blames_forward",
    [({"batchnorm_forward": casting_forward}, True), ({"batchnorm_backward": casting_backward}, False)],
    ids=["forward", "backward"],
)
def test_the_function_that_casts_is_the_one_to_look_at(functions, blames_forward):
    (note,) = verdict("batchnorm_backward", layers_with(**functions)).notes
    assert blames_forward or note.startswith("dx, dgamma, dbeta are float64 for float32 input. ")
    assert note.startswith("batchnorm_forward returns float64") == blames_forward


def raising(error):
    def function(*_):
        raise error

    return function


@pytest.mark.parametrize(
    "blank, findings",
    [
        ("batchnorm_backward", ()),
        (
            "batchnorm_forward",
            ("It needs exercise 6, batchnorm_forward (notebook 2, section 2), which is not written yet.",),
        ),
    ],
)
def test_what_is_not_implemented_is_told_from_what_is_wrong(blank, findings):
    module = layers_with(**{blank: raising(NotImplementedError(f"Exercise 0: {blank}"))})
    expected = Verdict("batchnorm_backward", "not written yet", findings)
    assert verdict("batchnorm_backward", module) == expected


def test_a_net_left_to_write_does_not_wait_for_a_layer_that_it_would_call():
    source = """
class FullyConnectedNet(FullyConnectedNet):
    def _scores(self, X):
        raise NotImplementedError("Exercise 17: FullyConnectedNet")

def dropout_forward(x, dropout_param):
    raise NotImplementedError("Exercise 11: dropout_forward")
"""
    module = built("FullyConnectedNet", source)
    assert verdict("FullyConnectedNet", module) == Verdict("FullyConnectedNet", "not written yet", ())


@pytest.mark.parametrize("factor, status", [(1, "passed"), (2, "wrong")])
def test_a_written_argument_does_not_hide_the_values(factor, status):
    def backward(dout, cache):
        gradients = [factor * gradient for gradient in layers.batchnorm_backward(dout, cache)]
        dout *= 2
        return tuple(gradients)

    result = verdict("batchnorm_backward", layers_with(batchnorm_backward=backward))
    assert result.status == status and "writes into" not in " ".join(result.findings)
    assert result.notes[0].startswith("batchnorm_backward writes into its argument dout, ")
    assert result.notes[0].endswith("; try dout = dout.copy() as its first line.")
    assert len(result.notes) == 1 and (result.kind == "twice") == (factor == 2)


NET_THAT_WRITES = """
class TwoLayerNet(TwoLayerNet):
    def loss(self, X, y=None):
        result = super().loss(X, y)
        if y is not None:
            self.params["W1"] += 1
            result[1]["b1"] *= FACTOR
        return result
"""


@pytest.mark.parametrize("factor, words", [(1, "params: loss writes into params"), (-1, 'grads["b1"]: ')])
def test_a_net_that_writes_into_its_params_is_wrong_and_its_values_come_first(factor, words):
    module = built("TwoLayerNet.loss", NET_THAT_WRITES.replace("FACTOR", str(factor)))
    result = verdict("TwoLayerNet.loss", module)
    assert result.status == "wrong" and result.findings[0].startswith(words)
    assert (result.kind == "writes-into-params") == (factor == 1) == (len(result.findings) == 1)


def test_a_note_is_a_bullet_below_the_verdict(capsys):
    assert format_verdict("f: ", Verdict("f", "passed", (), notes=("it is slow.",)), 60) == (
        "f: passed\n  - also: it is slow."
    )
    assert "<b>passed</b><ul" in _card("f", Verdict("f", "passed", (), notes=("a < b.",)))
    assert ">also: a &lt; b.</li>" in _card("f", Verdict("f", "passed", (), notes=("a < b.",)))


@pytest.mark.parametrize(
    "backward, kind, line",
    [
        (
            lambda dout, cache: None,
            "wrong-return",
            "batchnorm_backward must return dx, dgamma, dbeta; got None. Is `return` missing?",
        ),
        (
            lambda dout, cache: layers.batchnorm_backward(dout.T, cache),
            "error",
            "ValueError: batchnorm_backward: dout must",
        ),
    ],
    ids=["return", "raise"],
)
def test_a_misuse_has_a_sentence(backward, kind, line):
    result = verdict("batchnorm_backward", layers_with(batchnorm_backward=backward))
    assert (result.status, result.kind) == ("wrong", kind) and line in result.findings[0]
    assert kind != "error" or re.search(r"\nin test_verdict\.py, line \d+", result.findings[0])


@pytest.mark.parametrize(
    "spoil, kinds",
    [
        (lambda dx: dx.T, "transposed"),
        (lambda dx: dx[0], "shape"),
        (lambda dx: dx[None], "shape"),
        (lambda dx: dx.astype(np.float32), "dtype"),
        (lambda dx: dx.astype(complex), "wrong-return"),
        (lambda dx: dx * np.nan, "not-finite"),
        (lambda dx: dx / 0, "not-finite"),
        (lambda dx: 0 * dx, "zero"),
        (lambda dx: dx + 1e-5, "mean-path"),
        (lambda dx: 1.0001 * dx, "unknown|several-paths"),
        (lambda dx: dx.tolist(), ""),
    ],
    ids="transposed row axis float32 complex nan inf zero shifted scaled list".split(),
)
def test_whatever_comes_back_has_a_verdict(spoil, kinds):
    def backward(dout, cache):
        dx, *rest = layers.batchnorm_backward(dout, cache)
        return spoil(dx), *rest

    assert verdict("batchnorm_backward", layers_with(batchnorm_backward=backward)).kind in kinds.split("|")


def test_ctrl_c_says_which_exercise_ran(capsys):
    with pytest.raises(KeyboardInterrupt):
        verdict("batchnorm_backward", layers_with(batchnorm_backward=raising(KeyboardInterrupt)))
    assert "batchnorm_backward was interrupted in " in capsys.readouterr().err


def test_ctrl_c_at_the_start_leaves_no_timer_that_prints_later(monkeypatch):
    timers = []

    class Interrupted(threading.Timer):
        def start(self):
            super().start()
            timers.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Timer", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        verdict("relu_forward")
    assert timers[0].finished.is_set()


@pytest.mark.parametrize("no_color", [True, False])
def test_colours_only_on_a_terminal_that_wants_them(no_color, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
    check("relu_forward")
    assert ("\x1b[32mpassed" in capsys.readouterr().out) != no_color


FAMILIES = [layer_answers, norms, dropout, update_rules, nets, primitives]


@pytest.mark.parametrize("rule", ["sgd_momentum", "rmsprop", "adam"])
def test_no_piece_of_the_definitions_is_a_rule(rule):
    """Pasted over the rule, by its name and arguments: no function of the definitions passes."""
    for function in {value for family in FAMILIES for value in vars(family).values() if callable(value)}:
        module = built(rule, "")
        setattr(module, rule, function)
        assert verdict(rule, module).status == "wrong", function


def test_an_edited_file_is_read_again_without_a_restart(kit):
    done = kit.python("""
import os
from cs231n.checks import check
check("relu_backward")
with open("cs231n/layers.py", "a") as file:
    file.write("\\n\\ndef relu_backward(dout, cache):\\n    return dout\\n")
os.utime("cs231n/layers.py", ns=(1, 1))
check("relu_backward")
check("TwoLayerNet.loss")
""")
    first, relu, net = done.stdout.split("Exercise ")[1:]
    assert first == "4 of 17, relu_backward, 3 points: passed\n", done.stderr
    assert relu.startswith("4 of 17, relu_backward, 3 points: wrong\n")
    assert net.startswith("11 of 17, TwoLayerNet.loss, 5 points: passed\n")
    assert "also: Check relu_backward first: it is wrong, and this net calls it." in net


REST = "\n    def rest(self):\n        L = 0\n"  # what stood below a blank body goes into a method of its own


LEFT = "raise NotImplementedError('Exercise 3: relu_forward')"


@pytest.mark.parametrize(
    "body, above",
    [
        ([LEFT, "return np.maximum(x, 0), x"], 1),
        (["out = np.maximum(x, 0)", LEFT], 0),
        (["if x.ndim == 3:", "    return np.maximum(x, 0), x", "else:", f"    {LEFT}"], 0),
    ],
    ids=["first line", "last line", "branch"],
)
def test_a_raise_left_in_a_written_function_is_named_with_its_line(kit, body, above):
    last = kit.append("layers.py", "def relu_forward(x):\n    " + "\n    ".join(body))
    sentence = f"relu_forward still contains `raise NotImplementedError` on line {last - above} of layers.py"
    assert sentence in kit.check(3) and sentence in kit.check(4)
    done = kit.python("from cs231n.notebook import check; check(3)")
    assert f"Exercise 3: relu_forward is not written yet. {sentence}" in done.stderr


def test_a_raise_left_in_the_loss_of_a_net_is_named_with_its_line(kit):
    left = "raise NotImplementedError('Exercise 17: FullyConnectedNet')"
    kit.edit(
        "classifiers/fc_net.py",
        "        grads, L = {}, self.num_layers\n",
        f"        grads = {{}}\n        {left}\n",
    )
    assert re.fullmatch(
        r"FullyConnectedNet: not written yet The scores are right\. _loss still contains `raise "
        r"NotImplementedError` on line \d+ of fc_net\.py; delete that line once your code is complete\.",
        kit.check(17),
    )


def test_scores_are_checked_while_the_loss_is_left_to_write(kit):
    file, left = "classifiers/fc_net.py", "_loss in fc_net.py is not written yet."
    call = "self.layers.affine_norm_relu_dropout_forward("
    kit.edit(
        file,
        "        grads, L = {}, self.num_layers\n",
        f"        raise NotImplementedError('Exercise 17: FullyConnectedNet')\n{REST}",
    )
    assert kit.check(17) == f"FullyConnectedNet: not written yet The scores are right. {left}"
    kit.edit(file, "        return scores, caches\n", "        return np.maximum(scores, 0), caches\n")
    text = kit.check("FullyConnectedNet")
    assert text.startswith("FullyConnectedNet: wrong scores of the plain net, ") and text.endswith(left)
    assert "the scores pass through relu" in text
    kit.edit(file, call, f"(self.bn_params[i] if self.normalization else i) and {call}")
    text = kit.check("FullyConnectedNet")
    assert text.startswith("FullyConnectedNet: wrong IndexError: ") and text.endswith(left)
    kit.edit(
        file,
        "        hidden, caches, L = X, {}, self.num_layers\n",
        f"        raise NotImplementedError\n{REST}",
    )
    assert kit.check("FullyConnectedNet") == (
        "FullyConnectedNet: not written yet _scores in fc_net.py is not written yet."
    )


@pytest.mark.parametrize(
    "text, error",
    [
        ("def broken(:", "SyntaxError: "),
        (f"total = 0{'+1' * 100_000}", "(RecursionError|MemoryError): "),
        ("nothing = '\0'", "(Value|Syntax)Error: "),
    ],
    ids=["syntax", "too deep", "a null byte"],
)
def test_a_file_that_python_cannot_parse_is_a_verdict(kit, text, error):
    kit.append("optim.py", text)
    assert re.fullmatch(
        f"adam: wrong {error}.* in optim.py.* relu_forward: passed", kit.check("adam", "relu_forward")
    )


def test_a_file_that_is_missing_is_said_of_its_own_exercises(kit):
    (kit.folder / "cs231n" / "optim.py").unlink()
    assert kit.check("relu_forward", "adam") == (
        "relu_forward: passed adam: wrong cs231n/optim.py cannot be read (No such file or directory); "
        "try: copy it from the kit again."
    )


@pytest.mark.parametrize("arguments", ["dout, cache", "dout=dout, cache=cache"])
def test_the_closed_form_may_not_call_the_staged_one(kit, arguments):
    call = f"return batchnorm_backward({arguments})"
    kit.append("layers.py", f"def batchnorm_backward_alt(dout, cache):\n    {call}")
    alt, rest = kit.check("batchnorm_backward_alt", "batchnorm_backward").split(" batchnorm_backward: ")
    assert "batchnorm_backward_alt calls another backward, but it must compute the closed form itself" in alt
    assert alt.endswith(f"batchnorm_backward_alt: {call}") and rest == "passed"


def test_refused_arguments_show_the_line_that_gave_them(kit):
    kit.edit("classifiers/fc_net.py", "affine_forward(hidden, W2, b2)", "affine_forward(hidden, W2.T, b2)")
    line = r"in fc_net.py, line \d+, loss: scores, scores_cache = affine_forward\("
    assert re.search(line, kit.check("TwoLayerNet.loss"))


def test_a_function_that_runs_on_and_on_is_named_after_a_while(monkeypatch, capfd):
    """The check goes on: a slow machine may yet end."""
    monkeypatch.setattr("cs231n.checking.verdict.SLOW_SECONDS", 0.2)
    module = SimpleNamespace(relu_forward=lambda x: (time.sleep(0.5), (np.maximum(x, 0), x))[1])
    assert verdict("relu_forward", module).status == "passed"
    assert "relu_forward has been running for 20 seconds" in capfd.readouterr().err
    assert verdict("affine_forward").status == "passed" and not capfd.readouterr().err
