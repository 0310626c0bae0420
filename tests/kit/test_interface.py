"""The interface that notebooks of 2016 to 2026 call: names, signatures, and how they reach us."""

import ast
import importlib
import inspect
import re
import sys

import numpy as np
import pytest

from cs231n.__main__ import main
from tests.support import ROOT
from tests.support.python import run_python

LAYERS = """affine_forward affine_backward relu_forward relu_backward softmax_loss svm_loss batchnorm_forward
    batchnorm_backward batchnorm_backward_alt batchnorm_double_backward layernorm_forward layernorm_backward
    dropout_forward dropout_backward spatial_batchnorm_forward spatial_batchnorm_backward
    spatial_groupnorm_forward spatial_groupnorm_backward"""
SANDWICHES = "affine_relu_forward affine_relu_backward"
NAMES = {  # what a star import brings, at least
    "classifiers.fc_net": f"TwoLayerNet FullyConnectedNet {LAYERS} {SANDWICHES}",
    "layers": LAYERS,
    "layer_utils": SANDWICHES,
    "optim": "sgd sgd_momentum rmsprop adam",
    "solver": "Solver",
    "gradient_check": """rel_error eval_numerical_gradient eval_numerical_gradient_array grad_check_sparse
        eval_numerical_gradient_blobs eval_numerical_gradient_net assert_gradient assert_directional
        complex_step_gradient""",
    "data_utils": "get_CIFAR10_data load_CIFAR10 load_CIFAR_batch load_pickle",
    "vis_utils": "visualize_grid vis_grid vis_nn",
}
MODULES = ["contracts", *NAMES]
LEARNERS = {
    f"cs231n.{name}"
    for name in (
        "layers",
        "sandwiches",
        "second_derivative",
        "spatial_layers",
        "layer_utils",
        "optim",
        "classifiers.fc_net",
    )
}

SIGNATURES = {  # the arguments that callers give by place, with the defaults they rely on: whose they are
    "x, w, b": "layers.affine_forward layer_utils.affine_relu_forward",
    "dout, cache": """layers.affine_backward layers.relu_backward layers.batchnorm_backward
        layers.batchnorm_backward_alt layers.layernorm_backward layers.dropout_backward
        layer_utils.affine_relu_backward layers.spatial_batchnorm_backward
        layers.spatial_groupnorm_backward""",
    "ddx, dout, cache": "layers.batchnorm_double_backward",
    "x": "layers.relu_forward",
    "x, y": "layers.softmax_loss layers.svm_loss gradient_check.rel_error",
    "x, gamma, beta, bn_param": "layers.batchnorm_forward layers.spatial_batchnorm_forward",
    "x, gamma, beta, G, gn_param": "layers.spatial_groupnorm_forward",
    "x, gamma, beta, ln_param": "layers.layernorm_forward",
    "x, dropout_param": "layers.dropout_forward",
    "input_dim=3072, hidden_dim=100, num_classes=10, weight_scale=0.001, reg=0.0": """
        classifiers.fc_net.TwoLayerNet""",
    "w, dw, config=None": "optim.sgd optim.sgd_momentum optim.rmsprop optim.adam",
    "self, X, y, num_samples=None, batch_size=100": "solver.Solver.check_accuracy",
    "self": "solver.Solver.train",
    "f, x, verbose=True, h=1e-05": "gradient_check.eval_numerical_gradient",
    "f, x, df, h=1e-05": "gradient_check.eval_numerical_gradient_array",
    "f, inputs, output, h=1e-05": "gradient_check.eval_numerical_gradient_blobs",
    "net, inputs, output, h=1e-05": "gradient_check.eval_numerical_gradient_net",
    "f, x, analytic_grad, num_checks=10, h=1e-05": "gradient_check.grad_check_sparse",
    "f": "data_utils.load_pickle",
    "filename": "data_utils.load_CIFAR_batch",
    "ROOT": "data_utils.load_CIFAR10",
    "Xs, ubound=255.0, padding=1": "vis_utils.visualize_grid",
    "Xs": "vis_utils.vis_grid",
    "rows": "vis_utils.vis_nn",
}
KEYWORDS = {  # those that callers give by name
    "classifiers.fc_net.FullyConnectedNet": """hidden_dims, input_dim=3072, num_classes=10, reg=0.0,
        dropout_keep_ratio=1, normalization=None, seed=None, weight_scale=0.01,
        dtype=<class 'numpy.float32'>""",
    "solver.Solver": """update_rule='sgd', lr_decay=1.0, batch_size=100, num_epochs=10, num_val_samples=None,
        num_train_samples=1000, checkpoint_name=None, print_every=10, verbose=True""",
    "data_utils.get_CIFAR10_data": """num_training=49000, num_validation=1000, num_test=1000,
        subtract_mean=True""",
}


def parameters_of(name):
    """The parameters of cs231n.NAME as texts, without annotations."""
    module = next(module for module in MODULES if name.startswith(f"{module}."))
    thing = importlib.import_module(f"cs231n.{module}")
    for part in name.removeprefix(f"{module}.").split("."):
        thing = getattr(thing, part)
    parameters = inspect.signature(thing).parameters.values()
    return [str(parameter.replace(annotation=parameter.empty)) for parameter in parameters]


@pytest.mark.parametrize("name, signature", [(name, s) for s in SIGNATURES for name in SIGNATURES[s].split()])
def test_signature(name, signature):
    assert ", ".join(parameters_of(name)) == signature


@pytest.mark.parametrize("name", KEYWORDS)
def test_keywords(name):
    assert set(re.split(r",\s+", KEYWORDS[name])) <= set(parameters_of(name))


def star_import(module):
    scope = {}
    exec(f"from cs231n.{module} import *", scope)
    return scope


@pytest.mark.parametrize("module", NAMES)
def test_star_import_brings(module):
    scope = star_import(module)
    assert set(NAMES[module].split()) <= scope.keys()
    spilled = {name for name, value in scope.items() if name == "np" or inspect.ismodule(value)}
    assert not spilled, "a star import that rebinds a caller's names is a trap"


def test_star_imports_together_clash_with_nothing():
    """No name may mean two things, and rel_error means what the notebooks' own does."""
    scopes = [star_import(module) for module in NAMES]
    for name in set().union(*scopes) - {"__builtins__"}:
        assert len({id(scope[name]) for scope in scopes if name in scope}) == 1, name
    rel_error = star_import("gradient_check")["rel_error"]
    rng = np.random.RandomState(0)
    for x, y in [(rng.normal(size=(3, 5)), rng.normal(size=(3, 5))), (np.zeros(2), np.full(2, 1e-9))]:
        assert rel_error(x, y) == np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y))))


FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "cs231n").rglob("*.py")
}


def imported_with(module):
    """What comes in when a module of ours is imported: our modules, and the top packages of the rest."""
    for statement in ast.parse(FILES[module].read_text(encoding="utf-8")).body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) or "TYPE_CHECKING" in ast.unparse(
            statement
        ):
            continue
        for node in ast.walk(statement):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from {name if name in FILES else name.split(".")[0] for name in names}


def test_modules_import_numpy_and_the_standard_library_alone():
    queue = [f"cs231n.{module}" for module in MODULES]
    for module in queue:
        names = set(imported_with(module)) - {"cs231n", "numpy", *sys.stdlib_module_names}
        if module in LEARNERS:
            assert {name for name in names if not name.startswith("cs231n.contracts")} <= LEARNERS, module
        assert names <= FILES.keys(), module
        queue += sorted(names - set(queue))


def run(code, cwd=ROOT):
    done = run_python(["-W", "error", "-c", code], cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_reload_and_go_on():
    """As the notebooks' autoreload does: each module, in any order, with objects made before."""
    run(f"""
import importlib, numpy as np
from cs231n.classifiers import fc_net
from cs231n import solver
modules = [importlib.import_module('cs231n.' + m) for m in {MODULES}]
net = fc_net.FullyConnectedNet([6, 5], input_dim=4, num_classes=3, normalization='batchnorm', dropout=0.5)
X, y = np.random.randn(12, 4), np.arange(12) % 3
cache = fc_net.batchnorm_forward(X, np.ones(4), np.zeros(4), {{'mode': 'train'}})[1]
for order in (modules, modules[::-1]):
    for module in order:
        importlib.reload(module)
    net.loss(X, y)
    fc_net.batchnorm_backward(X, cache)
    data = dict(X_train=X, y_train=y, X_val=X, y_val=y)
    for model in (net, fc_net.FullyConnectedNet([6], input_dim=4, num_classes=3)):
        solver.Solver(model, data, num_epochs=2, batch_size=4, verbose=False).train()
scope = {{}}
exec('from cs231n.classifiers.fc_net import *', scope)
assert scope['FullyConnectedNet'] is fc_net.FullyConnectedNet and 'affine_relu_forward' in scope
""")


def test_works_from_any_folder(tmp_path):
    code = "from cs231n.classifiers.fc_net import *; print(TwoLayerNet().params['W1'].shape)"
    assert run(code, tmp_path) == "(3072, 100)\n"


@pytest.mark.parametrize(
    "arguments, status, words",
    [(["--help"], 0, ["data", "run"]), ([], 2, ["COMMAND"]), (["dat"], 2, ["dat", "data", "run"])],
)
def test_the_command_explains_itself(arguments, status, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == status
    captured = capsys.readouterr()
    assert all(word in (captured.err if status else captured.out) for word in words)
