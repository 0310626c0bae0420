"""Marks: follow-through, partial credit, and whatever is right in another way."""

import ast
import time

import pytest

from classroom.grading import marking
from classroom.manifest import ROOT
from tests.support.grading_class import (
    BRIEF,
    LAYERS,
    WRONG_ALT,
    blank,
    changed,
    marked,
    shares,
    solved,
    wrong,
)

NET = "cs231n/classifiers/fc_net.py"
WRONG_FORWARD = (LAYERS, "var = squared.mean(axis=0)  ", "var = squared.sum(axis=0) / (len(x) - 1)  ")


def body(function):
    """The source of a function of the solved layers."""
    source = (ROOT / LAYERS).read_text()
    (node,) = [n for n in ast.parse(source).body if getattr(n, "name", "") == function]
    return "\n\n" + ast.get_source_segment(source, node) + "\n"


def test_one_mistake_costs_one_exercise_and_is_recognized():
    attempts = marked(changed(solved(), WRONG_ALT))
    assert wrong(attempts) == {"batchnorm_backward_alt": "mean-held-fixed"}
    alt = attempts["batchnorm_backward_alt"]
    assert alt.share == 1 / 2  # dgamma and dbeta are right, and dx counts as both
    assert "dx: the mean is held fixed" in alt.text and "notebook 2" in alt.text


def test_a_wrong_forward_does_not_cost_the_backward():
    attempts = marked(changed(solved(), WRONG_FORWARD))
    assert wrong(attempts) == {"batchnorm_forward": "n-minus-1"}
    assert attempts["batchnorm_backward"].followed == ("batchnorm_forward",)
    assert attempts["FullyConnectedNet"].followed == ("batchnorm_forward",)


@pytest.mark.parametrize("function", ["batchnorm_backward_alt", "affine_backward", "dropout_backward"])
def test_a_backward_without_its_forward_is_marked_with_the_references(function):
    files = blank()
    files[LAYERS] += body(function)
    if function == "affine_backward":  # whose exercise has a second function
        files["cs231n/layer_utils.py"] = solved()["cs231n/layer_utils.py"]
    attempts = marked(files)
    assert shares(attempts) == {function: 1.0}
    assert attempts[function].followed == (function.removesuffix("_alt").replace("backward", "forward"),)


def test_a_net_over_blank_layers_is_marked_with_the_references():
    attempts = marked({**blank(), NET: solved()[NET]})
    assert shares(attempts) == {"TwoLayerNet.loss": 1.0, "FullyConnectedNet": 1.0}


def test_layers_that_cannot_be_imported_do_not_cost_the_net():
    attempts = marked({**solved(), LAYERS: "def affine_forward(x, w, b)\n    return x @ w"})
    assert set(shares(attempts)) == {
        "sgd_momentum",
        "rmsprop",
        "adam",
        "TwoLayerNet.loss",
        "FullyConnectedNet",
    }
    assert attempts["relu_forward"].kind == "no-import"
    text = attempts["relu_forward"].text
    assert "SyntaxError" in text and "(layers.py, line 1)" in text


def test_another_style_and_another_cache_are_right():
    files = changed(
        solved(),
        (
            LAYERS,
            "    return x.reshape(len(x), -1) @ w + b, (x, w, b)",
            "    rows = x.reshape(len(x), -1)\n"
            "    out = [[sum(a * c for a, c in zip(row, column)) for column in w.T] for row in rows]\n"
            "    return np.array(out) + b, {'x': x, 'w': w, 'b': b}",
        ),
        (
            LAYERS,
            "    x, w, b = cache\n",
            "    x, w, b = cache['x'], cache['w'], cache['b']\n",
        ),
        ("cs231n/layer_utils.py", "    x, _, _ = cache\n", "    x = cache['x']\n"),
    )
    assert wrong(marked(files)) == {}


def test_any_mask_of_dropout_that_is_one_is_right():
    mask = "    mask = (rng.random(x.shape) < p).astype(x.dtype) / p\n"
    other = (
        "    rng = np.random.default_rng(dropout_param.get('seed'))\n"
        "    mask = (rng.random(x.shape) > 1 - p).astype(x.dtype) / p\n"
    )
    assert wrong(marked(changed(solved(), (LAYERS, mask, other)))).keys() <= {"FullyConnectedNet"}
    none = "    mask = np.zeros(x.shape)\n"
    assert set(wrong(marked(changed(solved(), (LAYERS, mask, none))))) == {"dropout_forward"}


def test_what_only_repeats_an_input_earns_nothing():
    files = blank()
    files[LAYERS] += (
        "\ndef batchnorm_forward(x, gamma, beta, bn_param):\n    return x, None\n"
        "\ndef dropout_forward(x, dropout_param):\n    return x, None\n"
    )
    attempts = marked(files)
    assert shares(attempts) == {} and attempts["dropout_forward"].kind == "nothing-dropped"


def test_loops_over_columns_are_in_time():
    loops = (
        LAYERS,
        "    dx = gamma * inv_std * (dout - dbeta / N -",
        """    dx = np.empty_like(dout)
    for j in range(dout.shape[1]):
        h = x_hat[:, j]
        for i in range(N):
            dx[i, j] = gamma[j] * inv_std[j] * (dout[i, j] - dbeta[j] / N - h[i] * dgamma[j] / N)
    return dx, dgamma, dbeta
    dx = gamma * inv_std * (dout - dbeta / N -""",
    )
    assert wrong(marked(changed(solved(), loops))) == {}


def test_what_cannot_be_marked_costs_one_exercise(monkeypatch):
    real = marking.agrees

    def fails(got, right):
        if right.shape and right.shape[-1:] == (3,) and right.ndim == 2:
            raise RecursionError
        return real(got, right)

    monkeypatch.setattr(marking, "agrees", fails)
    attempts = marked(solved())
    assert attempts["affine_forward"].kind == "unmarkable"
    assert "RecursionError" in attempts["affine_forward"].text
    assert attempts["relu_forward"].share == 1


def test_the_start_of_a_child_is_not_of_the_students_time(monkeypatch):
    """Nor is what the next child loads again after one has ended."""
    real = marking.Child

    class Late(real):
        def __init__(self, *args):
            super().__init__(*args)
            time.sleep(2.2)

    monkeypatch.setattr(marking, "Child", Late)
    ends = "\n\ndef relu_forward(x):\n    import os\n    os._exit(3)\n"
    files = {**solved(), LAYERS: solved()[LAYERS] + ends}
    attempts = marked(files, only=["affine_forward", "relu_forward", "relu_backward"])
    assert wrong(attempts) == {"relu_forward": "crashed"}


@pytest.mark.slow
def test_an_exercise_and_a_submission_have_their_time():
    slow = "\nimport time\n\ndef relu_forward(x):\n    time.sleep(0.8)\n    return np.maximum(x, 0), x\n"
    files = {**solved(), LAYERS: solved()[LAYERS] + slow}
    assert marked(files)["relu_forward"].kind == "timed-out"  # five times 0.8 s are more than 2 s
    attempts = marked(files, limits=BRIEF._replace(seconds=20, total=2))
    assert attempts["affine_forward"].share == 1
    for title in ("relu_forward", "softmax_loss", "FullyConnectedNet"):
        assert attempts[title].kind == "timed-out"
        assert attempts[title].text == "The 2 seconds for all of the submission were used up."
