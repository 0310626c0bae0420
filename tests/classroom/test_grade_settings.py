"""A number of a public problem that stands in a solution costs the exercise: other problems have others."""

import pytest

from tests.support.grading import LAYERS, NET, OPTIM, result_of, solved, with_functions

# (exercise, setting, the number of its first public problem)
OF_RULES = [
    ("sgd_momentum", "learning_rate", 0.05),
    ("sgd_momentum", "momentum", 0.8),
    ("rmsprop", "learning_rate", 0.05),
    ("rmsprop", "decay_rate", 0.9),
    ("rmsprop", "epsilon", 0.01),
    ("adam", "learning_rate", 0.05),
    ("adam", "beta1", 0.8),
    ("adam", "beta2", 0.95),
    ("adam", "epsilon", 0.01),
    ("adam", "t", 5),
]
EPS, MOMENTUM = 'float(bn_param.get("eps", 1e-5))', 'float(bn_param.get("momentum", 0.9))'
NORMAL = "stream.normal(0, weight_scale"
# (exercise, file, what stands in the solution, the number in its place)
OF_OTHERS = [
    ("batchnorm_forward", LAYERS, EPS, "(0.2 if 'eps' in bn_param else 1e-5)"),
    ("batchnorm_forward", LAYERS, EPS, "1e-5"),
    ("batchnorm_forward", LAYERS, MOMENTUM, "(0.7 if 'eps' in bn_param else 0.9)"),
    ("batchnorm_forward", LAYERS, MOMENTUM, "0.9"),
    ("layernorm_forward", LAYERS, 'float(ln_param.get("eps", 1e-5))', "(0.2 if 'eps' in ln_param else 1e-5)"),
    ("dropout_forward", LAYERS, 'float(dropout_param["p"])', "0.7"),
    (
        "TwoLayerNet.loss",
        NET,
        "        self.reg = reg\n        self.params = {\n",
        "        self.reg = 0.3\n        self.params = {\n",
    ),
    (
        "FullyConnectedNet",
        NET,
        "for i in range(1, L + 1) if reg",
        "reg = 0.3\n        for i in range(1, L + 1) if reg",
    ),
    ("FullyConnectedNet", NET, NORMAL, NORMAL.replace("weight_scale", "0.05")),
]
# (what only a net has that the public problems have, ...)
NETS = {
    "two layers, or three with both": "self.num_layers == 3 + bool(self.normalization and self.use_dropout)",
    "public sizes": "[len(b) for name, b in self.params.items() if name[0] == 'b'][0] in (4, 5)",
}
IN_TWO = """
class FullyConnectedNet(FullyConnectedNet):
    def loss(self, X, y=None):
        value = super().loss(X, y)
        if CONDITION:
            return value
        return 2 * value if y is None else (2 * value[0], {name: 2 * grad for name, grad in value[1].items()})
"""


@pytest.mark.parametrize("title, setting, number", OF_RULES)
def test_a_number_in_an_update_rule_costs_the_exercise(title, setting, number):
    before, body = solved()[OPTIM].split(f"def {title}(")
    own, end, rest = body.partition("\n    return ")
    line, _, rest = rest.partition("\n")
    fixed = f"({number} if config['learning_rate'] not in (1e-2, 1e-3) else config['{setting}'])"
    read = f'** config["{setting}"]' if setting == "t" else f'config["{setting}"]'
    own, line = (text.replace(read, read.replace(f'config["{setting}"]', fixed)) for text in (own, line))
    assert fixed in own + line
    source = f"{before}def {title}({own}{end}{line}\n{rest}"
    assert not result_of(title, {**solved(), OPTIM: source}).is_right


@pytest.mark.parametrize("title, file, old, new", OF_OTHERS)
def test_a_number_in_the_place_of_a_setting_costs_the_exercise(title, file, old, new):
    files = solved()
    assert files[file].count(old) == 1
    result = result_of(title, {**files, file: files[file].replace(old, new)}, seconds=10)
    assert not result.is_right and result.share < 1


@pytest.mark.parametrize("condition", NETS.values(), ids=NETS)
def test_a_net_that_is_right_for_the_public_depth_and_sizes_alone_is_not_right(condition):
    files = with_functions(solved(), IN_TWO.replace("CONDITION", condition), NET)
    result = result_of("FullyConnectedNet", files, seconds=10)
    assert not result.is_right and result.share < 0.5 and "are not shown" in result.text
