"""The interface that notebooks of 2016 to 2026 call: names, signatures, and how they reach us."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = """affine_forward affine_backward relu_forward relu_backward softmax_loss svm_loss batchnorm_forward
    batchnorm_backward batchnorm_backward_alt layernorm_forward layernorm_backward dropout_forward
    dropout_backward""".split()
SANDWICHES = ["affine_relu_forward", "affine_relu_backward"]
MODULES = [
    "contracts",
    "layers",
    "layer_utils",
    "classifiers.fc_net",
    "optim",
    "solver",
    "gradient_check",
    "data_utils",
    "vis_utils",
]

SIGNATURES = {  # the arguments that callers give by place, with the defaults they rely on
    "layers.affine_forward": "x, w, b",
    "layers.affine_backward": "dout, cache",
    "layers.relu_forward": "x",
    "layers.relu_backward": "dout, cache",
    "layers.softmax_loss": "x, y, label_smoothing=0.0",
    "layers.svm_loss": "x, y",
    "layers.batchnorm_forward": "x, gamma, beta, bn_param",
    "layers.batchnorm_backward": "dout, cache",
    "layers.batchnorm_backward_alt": "dout, cache",
    "layers.layernorm_forward": "x, gamma, beta, ln_param",
    "layers.layernorm_backward": "dout, cache",
    "layers.dropout_forward": "x, dropout_param",
    "layers.dropout_backward": "dout, cache",
    "layer_utils.affine_relu_forward": "x, w, b",
    "layer_utils.affine_relu_backward": "dout, cache",
    "classifiers.fc_net.TwoLayerNet": "input_dim=3072, hidden_dim=100, num_classes=10, "
    "weight_scale=0.001, reg=0.0",
    "optim.sgd": "w, dw, config=None",
    "optim.sgd_momentum": "w, dw, config=None",
    "optim.rmsprop": "w, dw, config=None",
    "optim.adam": "w, dw, config=None",
    "solver.Solver.check_accuracy": "self, X, y, num_samples=None, batch_size=100",
    "solver.Solver.train": "self",
    "gradient_check.rel_error": "x, y",
    "gradient_check.eval_numerical_gradient": "f, x, verbose=True, h=1e-05",
    "gradient_check.eval_numerical_gradient_array": "f, x, df, h=1e-05",
    "gradient_check.eval_numerical_gradient_blobs": "f, inputs, output, h=1e-05",
    "gradient_check.eval_numerical_gradient_net": "net, inputs, output, h=1e-05",
    "gradient_check.grad_check_sparse": "f, x, analytic_grad, num_checks=10, h=1e-05",
    "data_utils.load_pickle": "f",
    "data_utils.load_CIFAR_batch": "filename",
    "data_utils.load_CIFAR10": "ROOT",
    "vis_utils.visualize_grid": "Xs, ubound=255.0, padding=1",
    "vis_utils.vis_grid": "Xs",
    "vis_utils.vis_nn": "rows",
}
KEYWORDS = {  # those that callers give by name
    "classifiers.fc_net.FullyConnectedNet": {
        "hidden_dims": inspect.Parameter.empty,
        "input_dim": 3072,
        "num_classes": 10,
        "dropout_keep_ratio": 1,
        "normalization": None,
        "reg": 0.0,
        "weight_scale": 1e-2,
        "dtype": np.float32,
        "seed": None,
    },
    "solver.Solver": {
        "update_rule": "sgd",
        "lr_decay": 1.0,
        "batch_size": 100,
        "num_epochs": 10,
        "num_train_samples": 1000,
        "num_val_samples": None,
        "checkpoint_name": None,
        "print_every": 10,
        "verbose": True,
    },
    "data_utils.get_CIFAR10_data": {
        "num_training": 49000,
        "num_validation": 1000,
        "num_test": 1000,
        "subtract_mean": True,
    },
}


def look_up(name):
    parts = name.split(".")
    depth = next(i for i, part in enumerate(parts) if part not in ("classifiers",)) + 1
    thing = importlib.import_module("cs231n." + ".".join(parts[:depth]))
    for part in parts[depth:]:
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    parameters = inspect.signature(look_up(name)).parameters.values()
    assert ", ".join(str(p.replace(annotation=p.empty)) for p in parameters) == SIGNATURES[name]


@pytest.mark.parametrize("name", KEYWORDS)
def test_keywords(name):
    parameters = inspect.signature(look_up(name)).parameters
    assert {k: parameters[k].default for k in KEYWORDS[name]} == KEYWORDS[name]


def run(code, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module, names",
    [
        ("classifiers.fc_net", ["TwoLayerNet", "FullyConnectedNet", *LAYERS, *SANDWICHES]),
        ("layers", LAYERS),
        ("layer_utils", SANDWICHES),
        ("optim", ["sgd", "sgd_momentum", "rmsprop", "adam"]),
        ("solver", ["Solver"]),
        (
            "gradient_check",
            [
                "rel_error",
                "eval_numerical_gradient",
                "eval_numerical_gradient_array",
                "eval_numerical_gradient_blobs",
                "eval_numerical_gradient_net",
                "grad_check_sparse",
                "assert_gradient",
                "assert_directional",
                "complex_step_gradient",
            ],
        ),
        ("data_utils", ["get_CIFAR10_data", "load_CIFAR10", "load_CIFAR_batch", "load_pickle"]),
        ("vis_utils", ["visualize_grid", "vis_grid", "vis_nn"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_star_import_brings(module, names):
    scope = {}
    exec(f"from cs231n.{module} import *", scope)
    assert set(names) <= scope.keys()
    spilled = {n for n, v in scope.items() if n == "np" or inspect.ismodule(v)}
    assert not spilled, "a star import that rebinds a caller's names is a trap"


def test_star_imports_together_clash_with_nothing():
    """No name may mean two things, and rel_error means what the notebooks' own does."""
    scopes = []
    for module in (
        "classifiers.fc_net",
        "layers",
        "layer_utils",
        "gradient_check",
        "optim",
        "solver",
        "vis_utils",
    ):
        scopes.append({})
        exec(f"from cs231n.{module} import *", scopes[-1])
    for name in set().union(*scopes) - {"__builtins__"}:
        assert len({id(s[name]) for s in scopes if name in s}) == 1, name
    rng = np.random.RandomState(0)
    for x, y in [(rng.normal(size=(3, 5)), rng.normal(size=(3, 5))), (np.zeros(2), np.full(2, 1e-9))]:
        theirs = np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y))))
        assert scopes[3]["rel_error"](x, y) == theirs


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_numpy_and_the_standard_library_alone(module):
    out = run(
        f"import sys, cs231n.{module}\n"
        "print(*{m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))"
    )
    others = {m for m in out.split() if not m.startswith(("_", "sitecustomize", "distutils"))}
    assert others <= {"cs231n", "numpy", "mkl", "cython_runtime"}


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
    assert (
        run("from cs231n.classifiers.fc_net import *; print(TwoLayerNet().params['W1'].shape)", tmp_path)
        == "(3072, 100)\n"
    )


@pytest.mark.parametrize(
    "arguments, status, words",
    [(["--help"], 0, ["data", "run"]), ([], 2, ["COMMAND"]), (["dat"], 2, ["dat", "data", "run"])],
    ids=str,
)
def test_the_command_explains_itself(arguments, status, words, capsys):
    from cs231n.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == status
    captured = capsys.readouterr()
    assert all(word in (captured.err if status else captured.out) for word in words)
