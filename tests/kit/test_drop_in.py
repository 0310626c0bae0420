"""Whole files of a public solution in the place of the kit's, and parts of it."""

import ast
import json
import shutil

import pytest

from classroom.manifest import load_exercises
from cs231n.checking.edition import label_of
from cs231n.checking.submission import NOTEBOOKS
from tests.corpus.harness import USUAL
from tests.support import ROOT
from tests.support.python import run_python
from tests.support.road import Walk, is_card_of, make_edition

FILES = {"layers": "", "layer_utils": "", "optim": "", "fc_net": "classifiers"}
EDITIONS = {"kit": "cs231n/fast_layers.py", "learner": "classroom/releasing/learner_fast_layers.py"}
OF_2018 = ("layernorm_forward", "layernorm_backward")


def without(source, names):
    """The source of a module without some of its functions."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if getattr(node, "name", "") not in names]
    return ast.unparse(tree)


def kit_with(folder, files, edition="kit", lacking=()):
    """A copy of the package in folder, with whole files of the corpus; the layers without those lacking."""
    shutil.copytree(ROOT / "cs231n", folder / "cs231n")  # with its bytecode
    shutil.copy(ROOT / EDITIONS[edition], folder / "cs231n" / "fast_layers.py")
    return drop_in(folder, files, lacking)


def drop_in(folder, files=FILES, lacking=()):
    """Whole files of the corpus in the places of the kit's in folder."""
    for name in files:
        target = folder / "cs231n" / FILES[name] / f"{name}.py"
        target.write_text(without(USUAL[name], lacking) if name == "layers" else USUAL[name])
    return folder


def run(folder, *codes):
    """What each code prints as JSON, all in one process with the kit of a folder; of one code, no list."""
    done = run_python("\n".join(codes), cwd=folder, env={"PYTHONPATH": str(folder)})
    assert done.returncode == 0, done.stderr
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(printed) == len(codes), done.stdout
    return printed if codes[1:] else printed[0]


mixtures = pytest.mark.parametrize(
    "files",
    [["layers"], ["layer_utils"], ["optim"], ["fc_net"], ["layers", "layer_utils"], [*FILES]],
    ids="-".join,
)

NETS = """
import json, numpy as np
from cs231n import fast_layers
from cs231n.classifiers.fc_net import *
from cs231n.gradient_check import eval_numerical_gradient
affine_forward, affine_relu_forward, dropout_backward
rng, errors = np.random.RandomState(0), []
X, y = rng.randn(6, 2, 4), rng.randint(3, size=6)
for norm in (None, "batchnorm", "layernorm"):
    for keep in (1, 0.7):
        np.random.seed(0)
        net = FullyConnectedNet([5, 4], 8, 3, dropout_keep_ratio=keep, normalization=norm, reg=0.1,
                                weight_scale=0.5, dtype=np.float64, seed=3)
        for name, w in net.params.items():
            if name[0] == "b":
                w += rng.uniform(0.1, 0.4, w.shape)
        grads = net.loss(X, y)[1]
        for name, w in net.params.items():
            expected = eval_numerical_gradient(lambda _: net.loss(X, y)[0], w, verbose=False)
            errors.append(np.abs(expected - grads[name]).max())
print(json.dumps(max(errors)))
"""


# A central difference of 1e-5 in float64 is off by about 1e-10 times the third derivative.
MOST_OFF = 1e-7


@mixtures
def test_nets_of_the_kit_have_right_gradients(files, tmp_path):
    assert run(kit_with(tmp_path, files), NETS) < MOST_OFF


LACKING = """
import json, numpy as np
from cs231n import fast_layers, layer_utils, sandwiches
from cs231n.classifiers.fc_net import FullyConnectedNet
X, y, said = np.ones((4, 8)) * np.arange(4)[:, None], np.zeros(4, int), {}
for norm in (None, "batchnorm", "layernorm"):
    for module in (sandwiches, fast_layers):
        try:
            FullyConnectedNet([5], 8, 3, normalization=norm, layers=module).loss(X, y)
        except NotImplementedError as error:
            said[f"{norm}, {module.__name__}"] = str(error)
print(json.dumps(said))
"""


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_a_file_of_2016_lacks_is_an_error_where_it_is_called(edition, tmp_path):
    said = run(kit_with(tmp_path, ["layers"], edition, OF_2018), LACKING)
    label = label_of("layernorm_forward")
    assert said == {f"layernorm, cs231n.{module}": label for module in ("sandwiches", "fast_layers")}


NO_PICTURE = """
from cs231n.training import run_folder
run_folder.Run.finish = lambda *_: None
"""
TRAINING = """
import json, sys, numpy as np
from cs231n import recipes
from cs231n.solver import Solver
from cs231n.training import run_folder
from cs231n.training.checkpoint import make_net
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
rng = np.random.RandomState(0)
y = np.arange(512) % 10
X = (rng.randn(10, 3, 32, 32)[y] + 0.1 * rng.randn(512, 3, 32, 32)).astype(np.float32)
data = {"X_train": X, "y_train": y, "X_val": X[:50], "y_val": y[:50]}
learned = {}
for rule, rate in [("sgd", 0.3), ("sgd_momentum", 3e-2), ("rmsprop", 1e-3), ("adam", 1e-3), ("adamw", 1e-3)]:
    np.random.seed(0)
    net = FullyConnectedNet([20], normalization="batchnorm", dropout_keep_ratio=0.9)
    solver = Solver(net, data, update_rule=rule, optim_config={"learning_rate": rate}, num_epochs=3, rng=0,
                    verbose=False, run=f"run {rule}")
    solver.train()
    run_folder.Run.finish = lambda *_: None
    same = Solver.load(f"run {rule}")
    learned[rule] = [solver.best_val_acc, float(np.abs(net.loss(X) - same.loss(X)).max())]
    assert Solver.resume(f"run {rule}", data).best_val_acc == solver.best_val_acc
before = np.random.get_state()[1].tolist()
first, again = [recipes.solver_for("minute", data, seed=3, verbose=False) for _ in range(2)]
assert before == np.random.get_state()[1].tolist()
assert all(np.array_equal(w, again.model.params[name]) for name, w in first.model.params.items())
first.train()
learned["recipe"] = [first.best_val_acc, 0]
print(json.dumps(learned))
"""


@mixtures
def test_nets_of_a_learner_have_right_gradients_train_with_every_rule_and_are_loaded_again(files, tmp_path):
    """A float64 mask makes weights float64; loaded as float32, scores of size 10 are rounded to 1e-5.

    One picture, for all files together, is enough: it takes longer than the training.
    """
    training = TRAINING if len(files) == len(FILES) else NO_PICTURE + TRAINING
    off, learned = run(kit_with(tmp_path, files, "learner"), NETS, training)
    assert off < MOST_OFF
    assert [*learned] == ["sgd", "sgd_momentum", "rmsprop", "adam", "adamw", "recipe"]
    assert min(accuracy for accuracy, _ in learned.values()) > 0.9, learned
    assert max(difference for _, difference in learned.values()) < 1e-4, learned


OLD_NET = """
import json, numpy as np
from cs231n.classifiers import fc_net
from cs231n.training.checkpoint import build, describe, make_net

class FullyConnectedNet(fc_net.FullyConnectedNet):
    def __init__(self, hidden_dims, input_dim=8, num_classes=3, dropout=0, use_batchnorm=False, reg=0.0,
                 weight_scale=1e-2, dtype=np.float32, seed=None):
        super().__init__(hidden_dims, input_dim, num_classes, dropout or 1, "batchnorm" if use_batchnorm else
                         None, reg, weight_scale, dtype, seed)
        self.use_batchnorm = use_batchnorm
        del self.normalization
        self.arguments = dropout, use_batchnorm

FullyConnectedNet.__module__ = fc_net.__name__
fc_net.FullyConnectedNet, made = FullyConnectedNet, []
size = {"hidden_dims": [5], "input_dim": 8, "num_classes": 3}
for options in ({}, {"normalization": None}, {"normalization": "batchnorm"}, {"dropout_keep_ratio": 0.5}):
    net = make_net("FullyConnectedNet", **size, **options)
    made += [net.arguments, build(describe(net)).arguments]
try:
    make_net("FullyConnectedNet", **size, normalization="layernorm")
except TypeError as error:
    made.append(str(error))
print(json.dumps(made))
"""


def test_a_net_of_2016_is_made_and_built_again_by_its_own_arguments(tmp_path):
    *made, refused = run(kit_with(tmp_path, ["fc_net"]), OLD_NET)
    assert made == [[0, False]] * 4 + [[0, True]] * 2 + [[0.5, False]] * 2
    assert "fc_net.py takes no normalization, so it has no layernorm" in refused


EXERCISES = load_exercises()


def test_notebook_2_goes_on_to_the_first_card_that_a_file_of_2016_lacks(tmp_path):
    folder = drop_in(make_edition(tmp_path / "edition", EXERCISES), ["layers"], OF_2018)
    with Walk(folder, NOTEBOOKS[1]) as walk:
        stop = walk.go_on()
    (card,) = (exercise for exercise in EXERCISES if exercise.title == OF_2018[0])
    assert is_card_of(stop, card), stop
    assert f"layers.py has no {OF_2018[0]}, which is exercise {card.number}" in " ".join(stop.text.split())


@pytest.mark.slow
def test_notebooks_run_to_their_ends(tmp_path):
    folder = drop_in(make_edition(tmp_path / "edition", EXERCISES))
    for name in NOTEBOOKS:
        with Walk(folder, name) as walk:
            stop = walk.go_on()
        assert stop is None, stop
