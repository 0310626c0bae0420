"""What is wrong in one situation alone fails there; a net is judged over right layers; what is printed."""

import numpy as np
import pytest

from cs231n import layers, optim
from cs231n.checking.answers.right_layers import RIGHT_LAYERS
from cs231n.checking.dependencies import try_over_right_layers
from cs231n.checking.diagnosis import diagnose
from cs231n.checking.exercises import EXERCISES
from cs231n.checking.problems import list_public_problems, make_problem
from cs231n.checking.verdict import WRONG, format_verdict, verdict
from cs231n.checks import _card
from tests.corpus import built, solved


def with_functions(exercise, **functions):
    module = built(exercise, "")
    vars(module).update(functions)
    return module


def spoilt_if(function, condition):
    """A function whose first array is spoilt where condition(*arguments)."""

    def wrong(*arguments):
        first, *rest = function(*arguments)
        return first + 0.1 * condition(*arguments), *rest

    return wrong


def spoilt_gradient_if(function, condition):
    def wrong(*arguments):
        value = function(*arguments)
        return value + 0.1 if condition(value) else value

    return wrong


def naive_softmax(shift):
    def softmax_loss(x, y):
        N = len(x)
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(N), y] + shift).mean()
        p[np.arange(N), y] -= 1
        return loss, p / N

    return softmax_loss


def affine_backward_of_axes(axes):
    def wrong(dout, cache):
        dx, dw, db = layers.affine_backward(dout, cache)
        return dx * (dx.ndim != axes), dw, db

    return wrong


def rule_with(name, **settings):
    """A rule with other defaults than the course's."""

    def wrong(w, dw, config=None):
        config = {} if config is None else config
        for key, value in settings.items():
            config.setdefault(key, value)
        return getattr(optim, name)(w, dw, config)

    return wrong


def default_of(function, **settings):
    """A norm whose dict of settings has other defaults."""

    def wrong(x, gamma, beta, param):
        for key, value in settings.items():
            param.setdefault(key, value(x) if callable(value) else value)
        return function(x, gamma, beta, param)

    return wrong


def divided_by_gamma(function):
    """A backward that takes gamma out and divides by it again, which is no number where gamma is 0."""

    def wrong(*arguments):
        dx, *rest = function(*arguments)
        gamma = arguments[-1].gamma  # of the cache
        return dx * (gamma / gamma), *rest

    return wrong


PLANTED = [
    ("affine_forward", "For x of 2 axes", spoilt_if(layers.affine_forward, lambda x, *_: x.ndim == 2)),
    ("affine_forward", "For x of 4 axes", spoilt_if(layers.affine_forward, lambda x, *_: x.ndim == 4)),
    ("affine_backward", "For x of 2 axes", affine_backward_of_axes(2)),
    ("affine_backward", "For x of 4 axes", affine_backward_of_axes(4)),
    ("relu_forward", "For x of 4 axes", spoilt_if(layers.relu_forward, lambda x: x.ndim == 4)),
    ("relu_forward", "For x of 1 axis", spoilt_if(layers.relu_forward, lambda x: x.ndim == 1)),
    ("relu_backward", "For x of 4 axes", spoilt_gradient_if(layers.relu_backward, lambda v: v.ndim == 4)),
    ("relu_backward", "For x of 1 axis", spoilt_gradient_if(layers.relu_backward, lambda v: v.ndim == 1)),
    ("softmax_loss", "For scores that lie far apart", naive_softmax(0)),
    ("softmax_loss", "For scores that lie far apart", naive_softmax(1e-12)),
    ("dropout_forward", "For x of 4 axes", spoilt_if(layers.dropout_forward, lambda x, _: x.ndim == 4)),
    ("dropout_forward", "For x of 1 axis", spoilt_if(layers.dropout_forward, lambda x, _: x.ndim == 1)),
    (
        "dropout_backward",
        "For x of 4 axes",
        spoilt_gradient_if(layers.dropout_backward, lambda v: v.ndim == 4),
    ),
    (
        "dropout_backward",
        "For x of 1 axis",
        spoilt_gradient_if(layers.dropout_backward, lambda v: v.ndim == 1),
    ),
    ("batchnorm_forward", "With no settings given", default_of(layers.batchnorm_forward, momentum=0.1)),
    ("batchnorm_forward", "With no settings given", default_of(layers.batchnorm_forward, eps=1e-3)),
    (
        "batchnorm_forward",
        "With no settings given",
        default_of(layers.batchnorm_forward, running_var=lambda x: np.ones_like(x[0])),
    ),
    ("layernorm_forward", "With no eps given", default_of(layers.layernorm_forward, eps=1e-8)),
    *(
        (name, "Where an entry of gamma is 0", divided_by_gamma(getattr(layers, name)))
        for name in (
            "batchnorm_backward",
            "batchnorm_backward_alt",
            "batchnorm_double_backward",
            "layernorm_backward",
        )
    ),
    ("sgd_momentum", "Called without config", rule_with("sgd_momentum", momentum=0.5)),
    ("rmsprop", "Called without config", rule_with("rmsprop", decay_rate=0.9)),
    ("adam", "Called without config", rule_with("adam", t=1)),
    ("adam", "Called without config", rule_with("adam", epsilon=1e-3)),
]


@pytest.mark.parametrize(
    "name, situation, function", PLANTED, ids=[f"{name}-{s}-{k}" for k, (name, s, _) in enumerate(PLANTED)]
)
def test_what_is_wrong_in_one_situation_alone_fails_there_and_the_verdict_names_it(name, situation, function):
    result = verdict(name, with_functions(name, **{name: function}))
    assert result.status == WRONG and result.findings[0].startswith(situation), result


@pytest.mark.parametrize("shift, kind", [(0, "log-of-zero"), (1e-12, "small-number-in-the-log")])
def test_a_log_of_a_probability_that_underflows_is_named(shift, kind):
    module = with_functions("softmax_loss", softmax_loss=naive_softmax(shift))
    assert verdict("softmax_loss", module).kind == kind


def test_every_situation_has_a_planted_mistake():
    situations = {(name, s) for name, exercise in EXERCISES.items() for s in exercise.situations}
    planted = {
        (name, s) for name, s in situations for n, start, _ in PLANTED if n == name and s.startswith(start)
    }
    assert {name for name, _ in situations - planted} <= {"FullyConnectedNet"}


@pytest.mark.parametrize("kind", ["batchnorm", "layernorm"])
def test_dropout_beside_a_normalization_is_tried(kind):
    source = f"""
class FullyConnectedNet(FullyConnectedNet):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if self.normalization == "{kind}" and self.use_dropout:
            self.dropout_param["p"] = 1.0
"""
    result = verdict("FullyConnectedNet", built("FullyConnectedNet", source))
    assert result.status == WRONG and result.findings[0].startswith("With three hidden layers")
    assert result.kind == "dropout-left-out"


def test_a_public_problem_has_a_situation_and_the_first_two_are_the_main_one():
    for name, exercise in EXERCISES.items():
        seeds, situations = zip(*list_public_problems(name))
        assert len({*seeds}) == len(seeds) and situations == ("", "", *exercise.situations)


def test_t_that_starts_at_one_and_is_counted_before_its_use_is_named():
    result = verdict("adam", with_functions("adam", adam=rule_with("adam", t=1)))
    assert result.kind == "t-starts-at-one"


def centering_forward(x, gamma, beta, bn_param):
    return layers.batchnorm_forward(x, gamma, beta, bn_param)[0], (x, gamma, beta, bn_param)


def centering_backward(dout, cache):
    x, gamma, beta, bn_param = cache
    gradients = layers.batchnorm_backward(dout, layers.batchnorm_forward(x, gamma, beta, bn_param)[1])
    x -= x.mean(axis=0)
    return gradients


def test_x_of_the_caller_written_through_the_cache_is_wrong():
    module = with_functions(
        "batchnorm_backward", batchnorm_forward=centering_forward, batchnorm_backward=centering_backward
    )
    result = verdict("batchnorm_backward", module)
    assert (result.status, result.kind) == (WRONG, "writes-into-x")
    assert "batchnorm_backward writes into x, which batchnorm_forward got" in result.findings[0]


def counting(function):
    calls = []

    def wrong(*arguments):
        calls.append(None)
        first, *rest = function(*arguments)
        return first * len(calls), *rest

    return wrong


def test_a_result_that_depends_on_earlier_calls_is_wrong():
    module = with_functions("affine_backward", affine_backward=counting(layers.affine_backward))
    assert verdict("affine_backward", module).kind == "depends-on-earlier-calls"


NET_SOURCE = """
class TwoLayerNet(TwoLayerNet):
    def loss(self, X, y=None):
        W1, b1, W2, b2 = (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        a, affine_cache = affine_forward(X, W1, b1)
        h, relu_cache = relu_forward(a)
        scores, cache = affine_forward(h, W2, b2)
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        dh, dW2, db2 = affine_backward(dscores, cache)
        _, dW1, db1 = affine_backward(relu_backward(dh, relu_cache), affine_cache)
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        reg = {factor} * self.reg
        return loss, {{"W1": dW1 + reg * W1, "b1": db1, "W2": dW2 + reg * W2, "b2": db2}}
"""


def two_layer_net(factor=1, **functions):
    module = built("TwoLayerNet.loss", NET_SOURCE.format(factor=factor))
    vars(module).update(functions)
    return module


def absolute(x):
    return np.abs(x), x


def summed_softmax(x, y):
    loss, dx = layers.softmax_loss(x, y)
    return loss * len(x), dx * len(x)


@pytest.mark.parametrize(
    "functions, words",
    [
        ({}, ""),
        ({"relu_forward": absolute}, "Check relu_forward first: it is wrong, and this net calls it."),
        (
            {"relu_forward": absolute, "softmax_loss": summed_softmax},
            "Check relu_forward and softmax_loss first: they are wrong, and this net calls them.",
        ),
        ({"batchnorm_forward": lambda *_: None}, ""),
    ],
    ids=["none", "one", "two", "not called"],
)
def test_a_net_that_is_right_over_right_layers_passes_with_a_note_on_those_it_calls(functions, words):
    result = verdict("TwoLayerNet.loss", two_layer_net(**functions))
    assert (result.status, result.findings) == ("passed", ())
    assert result.notes == ((f"{words} With correct layers the net is right.",) if words else ())


def test_a_wrong_net_over_a_wrong_layer_shows_both():
    result = verdict("TwoLayerNet.loss", two_layer_net(2, relu_forward=absolute))
    assert (result.status, result.kind) == (WRONG, "reg-without-half")
    first = "Check relu_forward first: it is wrong, and this net calls it. "
    assert result.findings[0] == f"{first}With correct layers the net is wrong too:"
    assert "factor 1/2" in result.findings[1]


def test_a_wrong_net_over_right_layers_is_the_nets_own_fault():
    result = verdict("TwoLayerNet.loss", two_layer_net(2))
    assert (result.status, result.kind) == (WRONG, "reg-without-half") and "Check" not in result.findings[0]


def test_the_learners_layers_are_back_in_place_afterwards():
    module = two_layer_net(relu_forward=absolute)
    before = dict(vars(module))
    problem = make_problem("TwoLayerNet.loss", 0)
    assert try_over_right_layers(EXERCISES["TwoLayerNet.loss"], module, problem).wrong_layers == (
        "relu_forward",
    )
    assert vars(module) == before


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "dropout_backward" else ())
        for name in EXERCISES["FullyConnectedNet"].layers
        if name != "batchnorm_backward_alt"
    ],
)
def test_right_layers_are_right(layer):
    """As layers of the learner's own they pass their check."""
    result = verdict(layer, with_functions(layer, **RIGHT_LAYERS))
    assert result.status == "passed", result


def printing(text, lines):
    def relu_forward(x):
        for _ in range(lines):
            print(text)
        return np.maximum(x, 0), x

    return relu_forward


@pytest.mark.parametrize(
    "text, lines, shown",
    [
        ("x", 0, ""),
        ("here", 1, "here\nhere"),
        ("a line", 10_000, "..."),
        ("long" * 10_000, 1, "..."),
        ("\x1b[31mred", 1, "red"),
    ],
)
def test_what_is_printed_is_shown_apart_and_shortened(text, lines, shown, capsys):
    result = verdict("relu_forward", with_functions("relu_forward", relu_forward=printing(text, lines)))
    assert result.status == "passed" and not capsys.readouterr().out
    assert shown in result.printed and len(result.printed) < 600 and result.printed.count("\n") <= 5
    assert ("Your code printed:" in format_verdict("f: ", result, 70)) == bool(lines)
    assert ("Your code printed:" in _card("f", result)) == bool(lines)


def test_the_box_of_a_notebook_shows_what_is_printed_as_text():
    result = verdict("relu_forward", with_functions("relu_forward", relu_forward=printing("<b>a\nb", 1)))
    assert "&lt;b&gt;a\nb" in _card("f", result) and "<pre " in _card("f", result)


def test_a_misconception_that_gives_one_array_by_chance_is_not_named():
    """next_w is still w for a step with the old velocity of zeros; velocity moves."""
    inputs, right = solved("sgd_momentum", 2, None, "Called without config, two steps")
    by_chance = {**right, "first_w": inputs["w"], "next_w": inputs["w"] - 0.5 * inputs["dw"]}
    assert diagnose("sgd_momentum", inputs, by_chance, right).kind != "no-step"
    still = {**right, "first_w": inputs["w"], "next_w": inputs["w"]}
    assert diagnose("sgd_momentum", inputs, still, right).kind == "no-step"


@pytest.mark.parametrize("written", ["W1", "W2"])
def test_a_misconception_may_be_in_one_line_of_two(written):
    inputs, right = solved("TwoLayerNet.loss")
    changed = {**right, written: right[written] + inputs["reg"] * inputs[written]}
    assert diagnose("TwoLayerNet.loss", inputs, changed, right).kind == "reg-without-half"
    both = {**changed, "b1": 1.7 * right["b1"] + 0.1}
    named = diagnose("TwoLayerNet.loss", inputs, both, right)
    assert "no known mistake fits" in named.sentence or "constant" in named.sentence


NET_OF_2019 = """
kit_net = FullyConnectedNet


class FullyConnectedNet(kit_net):
    def __init__(self, hidden_dims, input_dim=3072, num_classes=10, dropout=1, NORMALIZATION, reg=0.0,
                 weight_scale=1e-2, dtype=np.float32, seed=None):
        super().__init__(hidden_dims, input_dim, num_classes, dropout_keep_ratio=dropout, reg=reg,
                         weight_scale=weight_scale, dtype=dtype, seed=seed,
                         normalization=locals().get("normalization"))
"""


@pytest.mark.parametrize(
    "argument, status, words",
    [
        ("normalization=None", "passed", ""),
        ("use_batchnorm=False", WRONG, "FullyConnectedNet.__init__ in fc_net.py must take normalization"),
    ],
)
def test_a_net_may_have_the_argument_names_of_2019_and_not_of_2016(argument, status, words):
    module = built("FullyConnectedNet", NET_OF_2019.replace("NORMALIZATION", argument))
    result = verdict("FullyConnectedNet", module)
    assert result.status == status and words in " ".join(result.findings)
