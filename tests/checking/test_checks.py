"""check and its table: right solutions pass in any style, wrong ones fail, and the words help."""

import importlib
import re
import sys
from argparse import ArgumentParser

import numpy as np
import pytest

from cs231n import checks, layers
from cs231n.checking.answers import definitions
from cs231n.checking.answers.definitions import defined
from cs231n.checking.problems import EXERCISES, InputChanged, WrongReturn, problems, run
from cs231n.checks import check, main, verdict
from tests.corpus.solutions import SOLUTIONS, built
from tests.support.kit_copy import kit_copied_to

STYLES = [(exercise, style) for exercise, styles in SOLUTIONS.items() for style in styles]
every_exercise = pytest.mark.parametrize("exercise", EXERCISES)


def arguments(*names):
    parser = ArgumentParser()
    checks.add_arguments(parser)
    return parser.parse_args(names)


def with_edit(exercise, style, old, new):
    source = SOLUTIONS[exercise][style]
    assert old in source
    return built(exercise, source.replace(old, new))


@pytest.mark.parametrize("exercise, style", STYLES, ids=[f"{e}-{s}" for e, s in STYLES])
def test_right_solutions_of_every_style_pass(exercise, style):
    assert verdict(exercise, built(exercise, SOLUTIONS[exercise][style])).status == "passed"


@every_exercise
def test_the_kits_own_solutions_pass(exercise, capsys):
    assert check(exercise) is True
    assert capsys.readouterr().out == f"{exercise}: passed\n"


@pytest.mark.parametrize("shape", [None, (5, 4), (4, 9), (3, 6)], ids=str)
@every_exercise
def test_definitions_agree_with_the_kit_on_any_problem(exercise, shape):
    module = importlib.import_module(EXERCISES[exercise])
    for seed in (0, 5):
        inputs = problems(exercise, seed, shape)
        got = run(exercise, module, inputs)
        for name, right in defined(exercise, inputs, got).items():
            # Both are exact but for rounding: the definition goes by products and a complex step.
            np.testing.assert_allclose(got[name], right, rtol=1e-10, atol=1e-12, err_msg=name)


@every_exercise
def test_a_problem_follows_from_its_seed_and_is_left_alone(exercise):
    inputs, again, other = (problems(exercise, seed) for seed in (3, 3, 4))
    run(exercise, importlib.import_module(EXERCISES[exercise]), inputs)
    assert inputs.keys() == again.keys()
    assert all(np.array_equal(inputs[name], again[name]) for name in inputs)
    assert any(not np.array_equal(inputs[name], other[name]) for name in inputs)


def test_the_oracle_of_a_backward_is_the_learners_own_forward():
    unbiased = "batchnorm_backward", "staged", "np.var(x, axis=0)", "np.var(x, axis=0, ddof=1)"
    found = verdict("batchnorm_backward", with_edit(*unbiased))
    assert found.status == "wrong" and "Check batchnorm_forward first: yours differs" in found.lines[0]
    source = (
        SOLUTIONS["batchnorm_backward"]["staged"]
        .replace(*unbiased[2:])
        .replace("(x - mu) / N +", "(x - mu) / (N - 1) +")
    )
    assert verdict("batchnorm_backward", built("batchnorm_backward", source)).status == "passed"


def test_a_right_backward_behind_another_forward_is_told_so():
    def forward(x, gamma, beta, bn_param):
        out, cache = layers.batchnorm_forward(x, gamma, beta, bn_param)
        return 2 * out, cache

    module = built("batchnorm_backward", "")
    module.batchnorm_forward = forward
    found = verdict("batchnorm_backward", module)
    assert found.kind == "another-forward" and "Check batchnorm_forward first" in found.lines[0]


def test_a_backward_behind_a_forward_that_casts_is_told_so():
    source = SOLUTIONS["batchnorm_backward"]["staged"]
    cast = source.replace("    N, D = x.shape\n", "    x = x.astype(np.float64)\n    N, D = x.shape\n", 1)
    assert cast != source
    found = verdict("batchnorm_backward", built("batchnorm_backward", cast))
    assert found.kind == "not-float32" and found.lines[0].startswith("Check batchnorm_forward first")
    own = SOLUTIONS["batchnorm_backward"]["graph"].replace(", dout.dtype)", ")")
    found = verdict("batchnorm_backward", built("batchnorm_backward", own))
    assert found.kind == "not-float32" and "first:" not in found.lines[0]


@pytest.mark.parametrize(
    "spoil, kind, words",
    [
        (
            lambda dx: dx + np.arange(35).reshape(7, 5) ** 2,
            "another-forward",
            "this is the gradient of neither",
        ),
        (lambda dx: -dx, "sign-of-both|sign|another-forward", "Check batchnorm_forward first"),
        (lambda dx: dx.T, "transposed", "dx has the wrong shape"),
    ],
    ids=["unknown", "sign", "shape"],
)
def test_behind_another_forward_only_what_is_certain_is_said(spoil, kind, words):
    def backward(dout, cache):
        dx, *rest = layers.batchnorm_backward(dout, cache)
        return spoil(2 * dx), *(2 * grad for grad in rest)

    def forward(x, gamma, beta, bn_param):
        out, cache = layers.batchnorm_forward(x, gamma, beta, bn_param)
        return 2 * out, cache

    module = with_backward(backward)
    module.batchnorm_forward = forward
    found = verdict("batchnorm_backward", module)
    assert found.kind in kind.split("|") and words in found.lines[0]
    assert found.lines[0].startswith("Check batchnorm_forward first")
    assert "factor that differs" not in " ".join(found.lines)


def raising(error):
    def function(*_):
        raise error

    return function


def with_backward(function):
    module = built("batchnorm_backward", "")
    module.batchnorm_backward = function
    return module


def test_what_is_not_implemented_is_told_from_what_is_wrong():
    own = verdict(
        "batchnorm_backward", with_backward(raising(NotImplementedError("Exercise 7: batchnorm_backward")))
    )
    assert own == ("batchnorm_backward", "not implemented yet", (), "")
    module = with_backward(layers.batchnorm_backward)
    module.batchnorm_forward = raising(NotImplementedError("Exercise 6: batchnorm_forward"))
    found = verdict("batchnorm_backward", module)
    assert found.status == "not implemented yet"
    assert found.lines == ("It waits for Exercise 6: batchnorm_forward.",)


def test_a_net_left_to_write_does_not_wait_for_a_layer_that_it_would_call():
    module = built(
        "FullyConnectedNet",
        """
class FullyConnectedNet(FullyConnectedNet):
    def _scores(self, X):
        raise NotImplementedError("Exercise 17: FullyConnectedNet")

def dropout_forward(x, dropout_param):
    raise NotImplementedError("Exercise 11: dropout_forward")
""",
    )
    assert verdict("FullyConnectedNet", module) == ("FullyConnectedNet", "not implemented yet", (), "")


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "must return dx, dgamma, dbeta; got NoneType"),
        ((1, 2), "got 2 values"),
        ((None, 1, 2), "dx is None"),
        (("a", 1, 2), "dx must be a numpy array, got str"),
        (([[1], [1, 2]], 1, 2), "dx must be a numpy array, got list"),
        ((np.array([{}]), 1, 2), "dx must be a numpy array, got ndarray"),
    ],
    ids=str,
)
def test_a_wrong_return_says_what_came_and_what_should(value, words):
    found = verdict("batchnorm_backward", with_backward(lambda dout, cache: value))
    assert (found.status, found.kind) == ("wrong", "wrong-return") and words in found.lines[0]
    with pytest.raises(WrongReturn):
        run("batchnorm_backward", with_backward(lambda dout, cache: value), problems("batchnorm_backward", 0))


def test_writing_into_an_argument_is_named():
    def backward(dout, cache):
        dout *= 2
        return layers.batchnorm_backward(dout, cache)

    found = verdict("batchnorm_backward", with_backward(backward))
    assert found.kind == "writes-into-input" and "dout = dout.copy()" in found.lines[0]
    with pytest.raises(InputChanged):
        run("batchnorm_backward", with_backward(backward), problems("batchnorm_backward", 0))


@pytest.mark.parametrize(
    "spoil, kind",
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
        (lambda dx: dx.tolist(), "not-float32"),
    ],
    ids=[
        "transposed",
        "row",
        "axis",
        "float32",
        "complex",
        "nan",
        "inf",
        "zero",
        "shifted",
        "scaled",
        "list",
    ],
)
def test_whatever_comes_back_has_a_verdict(spoil, kind):
    def backward(dout, cache):
        dx, *rest = layers.batchnorm_backward(dout, cache)
        return spoil(dx), *rest

    found = verdict("batchnorm_backward", with_backward(backward))
    assert (found.kind or found.status) in kind.split("|")


def test_an_exception_shows_the_learners_line():
    found = verdict("batchnorm_forward", built("batchnorm_forward", ""))
    assert found.status == "passed"
    module = with_backward(lambda dout, cache: layers.batchnorm_backward(dout.T, cache))
    found = verdict("batchnorm_backward", module)
    assert found.kind == "error" and found.lines[0].startswith("ValueError: batchnorm_backward: dout must")
    assert re.match(r"in test_checks\.py, line \d+", found.lines[1])


def test_ctrl_c_says_which_exercise_ran(capsys):
    with pytest.raises(KeyboardInterrupt):
        verdict("batchnorm_backward", with_backward(raising(KeyboardInterrupt)))
    assert "batchnorm_backward was interrupted in " in capsys.readouterr().err


def test_an_unknown_name_lists_the_known(capsys):
    with pytest.raises(ValueError, match="no exercise 'batchnorm'; there are affine_forward, "):
        check("batchnorm")
    assert main(arguments("batchnorm")) == 2
    assert "there are affine_forward" in capsys.readouterr().err


def test_the_table_has_a_line_for_each_and_fits_80_columns(capsys, monkeypatch):
    assert main(arguments()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 18 and lines[-1] == "17 of 17 passed"
    monkeypatch.setattr(layers, "relu_backward", lambda dout, cache: dout)
    assert main(arguments("relu_forward", "relu_backward")) == 1
    out = capsys.readouterr().out
    assert "relu_forward            passed" in out and "relu_backward           wrong" in out
    assert "the whole of dout passes" in out and "worst at" in out and "1 of 2 passed" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("no_color", [True, False])
def test_colours_only_on_a_terminal_that_wants_them(no_color, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
    check("relu_forward")
    assert ("\x1b[32mpassed" in capsys.readouterr().out) != no_color


def test_an_edited_file_is_read_again_without_a_restart(tmp_path):
    folder, python = kit_copied_to(tmp_path)
    done = python("""
import os
from cs231n.checks import check
check("relu_backward")
with open("cs231n/layers.py", "a") as file:
    file.write("\\n\\ndef relu_backward(dout, cache):\\n    return dout\\n")
os.utime("cs231n/layers.py", ns=(1, 1))
check("relu_backward")
check("TwoLayerNet.loss")
""")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "relu_backward: passed" in said and "relu_backward: wrong" in said
    assert "TwoLayerNet.loss: wrong" in said and "relu" in said.split("TwoLayerNet.loss: wrong")[1]


@pytest.mark.parametrize(
    "exercise, file, old",
    [
        (
            "affine_backward",
            "layer_utils.py",
            "    if needs_dx:\n        return affine_backward(dout, cache)\n",
        ),
        ("adam", "optim.py", "    beta1, beta2 = config"),
    ],
    ids=["affine_backward_if", "_adam_step"],
)
def test_every_function_of_an_exercise_has_to_be_written(exercise, file, old, tmp_path):
    folder, python = kit_copied_to(tmp_path)
    path = folder / "cs231n" / file
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    if exercise == "adam":  # all of it in adam, and nothing where adamw looks
        source = source.replace(
            "    return _adam_step(w, dw, config), config\n\n\ndef adamw",
            "    return _own(w, dw, config), config\n\n\ndef adamw",
        )
        whole = source[source.index("def _adam_step") : source.index("def clip_by_norm")]
        source += "\n\n" + whole.replace("_adam_step", "_own")
    number = {"affine_backward": 2, "adam": 15}[exercise]
    blank = f"    raise NotImplementedError('Exercise {number}: {exercise}')\n"
    path.write_text(source.replace(old, blank + old, 1), encoding="utf-8")
    done = python(f"from cs231n.checks import check; check('{exercise}')")
    name = {"affine_backward": "affine_backward_if", "adam": "_adam_step"}[exercise]
    assert f": not implemented yet\n  {name} in {file} is left to write." in done.stdout, done.stderr


def test_a_second_function_is_checked_and_named_like_the_first(tmp_path):
    folder, python = kit_copied_to(tmp_path)
    path = folder / "cs231n" / "layer_utils.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace("dout.sum(axis=0)", "dout.mean(axis=0)"), encoding="utf-8")
    done = python("from cs231n.checks import check; check('affine_backward')")
    assert "affine_backward: wrong\n  db_without_dx: averaged over the batch" in done.stdout


def test_no_piece_of_the_definitions_is_a_rule():
    """Pasted over the rule, by its name and arguments: no function of the definitions passes."""
    functions = {name: value for name, value in vars(definitions).items() if callable(value)}
    for rule in ("sgd_momentum", "rmsprop", "adam"):
        for function in functions.values():
            module = built(rule, "")
            setattr(module, rule, function)
            assert verdict(rule, module).status == "wrong"


def test_what_is_wrong_with_a_file_is_said_once(tmp_path):
    folder, python = kit_copied_to(tmp_path)
    with open(folder / "cs231n" / "layers.py", "a", encoding="utf-8") as file:
        file.write("\n\ndef broken(:\n")
    done = python("from cs231n.__main__ import main; main(['check'])")
    assert done.stdout.count("SyntaxError") == 1 and done.stdout.count("For the reason above.") == 13
    assert "3 of 17 passed" in done.stdout, done.stderr


def test_a_file_that_does_not_compile_is_a_verdict(tmp_path):
    folder, python = kit_copied_to(tmp_path)
    source = folder / "cs231n" / "layers.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n\ndef broken(:\n", encoding="utf-8")
    done = python("from cs231n.checks import check; check('relu_forward'); check('adam')")
    assert done.returncode == 0, done.stderr
    assert "SyntaxError" in done.stdout and "in layers.py, line" in done.stdout
    assert "adam: passed" in done.stdout
