"""The decorators above functions: what they leave as it is, which body they run, and what they say."""

import copy
import importlib
import inspect
import linecache
import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from classroom.releasing.blanks import blank_functions
from cs231n import fast_layers, layer_utils, layers, optim
from cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from cs231n.contracts import Number, require, shapes, takes
from tests.support import refused

X, W, B, G, Y = np.ones((4, 3)), np.ones((3, 5)), np.zeros(5), np.ones(3), np.array([0, 1, 2, 0])
TRAIN = {"mode": "train"}
CONTRACTS = [*(getattr(layers, name) for name in layers.__all__), layer_utils.affine_norm_relu_forward]


@pytest.mark.parametrize(
    "function", [*CONTRACTS, *(getattr(optim, rule) for rule in optim.__all__)], ids=lambda f: f.__name__
)
def test_a_decorated_function_looks_like_the_one_below(function):
    body = function.__wrapped__
    assert inspect.signature(function) == inspect.signature(body)
    assert (function.__name__, function.__doc__) == (body.__name__, body.__doc__) and body.__doc__
    assert pickle.loads(pickle.dumps(function)) is function and copy.deepcopy(function) is function


@pytest.mark.parametrize("function", CONTRACTS, ids=lambda f: f.__name__)
def test_contracts_can_be_listed(function):
    contract = function.contract
    listed = {item.name for item in contract.items} | contract.rules.keys()
    free = {"cache"} if function.__name__ in layers.__all__ else {*"xwb", "gamma", "beta", "norm_param"}
    assert contract.where == function.__name__
    assert listed == inspect.signature(function).parameters.keys() - free


def test_a_class_is_named_and_keeps_its_signature():
    assert list(inspect.signature(FullyConnectedNet).parameters)[:2] == ["hidden_dims", "input_dim"]
    for net in (TwoLayerNet, FullyConnectedNet):
        assert net.__init__.contract.where == net.__name__

    class Deeper(TwoLayerNet):
        pass

    with refused(ValueError, "TwoLayerNet: hidden_dim must be at least 1, got 0"):
        Deeper(hidden_dim=0)


@pytest.mark.parametrize(
    "call, complaint",
    [
        (lambda: layers.affine_forward(X, W), "missing 1 required positional argument: 'b'"),
        (lambda: layers.affine_forward(X, w=W), "missing 1 required positional argument: 'b'"),
        (lambda: layers.relu_forward(X, X), "takes 1 positional argument but 2 were given"),
        (lambda: layers.relu_forward(X, x=X), "got multiple values for argument 'x'"),
        (lambda: layers.relu_forward(x=X, y=X), "got an unexpected keyword argument 'y'"),
        (lambda: layers.affine_forward(b=B, w=W, x=None), "affine_forward: x must be a numpy array"),
        (lambda: FullyConnectedNet([5], label_smoothing="1"), "FullyConnectedNet: label_smoothing must be"),
    ],
)
def test_arguments_by_name_and_arguments_that_python_refuses(call, complaint):
    with refused(TypeError, complaint):
        call()


def test_arguments_by_name_and_defaults_reach_the_body():
    @takes("x (N, D)", rate=Number(0, 1), start=Number(0))
    def outer(x, rate=0.5, *rest, start=7, **more):
        return rate, rest, start, more

    assert outer(X) == (0.5, (), 7, {})
    assert outer(X, 0.1, -2, start=3, other=4) == (0.1, (-2,), 3, {"other": 4})
    for args, more in [((), {"x": X, "rate": 2, "other": 4}), ((X, 2, 2), {}), ((X, 0.5, 2), {"start": -1})]:
        with refused(ValueError, "outer: "):
            outer(*args, **more)
    twice = takes("x (N, ...)")(outer)
    assert twice(X)[0] == 0.5 and twice.contract is not outer.contract and twice.__wrapped__ is outer


@pytest.mark.parametrize(
    "spec, complaint",
    [
        ("z (N, D)", "f has no argument z"),
        ("x like cache", "f has no argument cache"),
        ("x [N, D]", "'x [N, D]' is not a list"),
        ("x (N) y (N)", "not a list"),
    ],
)
def test_a_mistake_in_a_contract_shows_where_it_is_written(spec, complaint):
    def f(x):
        pass

    with refused(ValueError, complaint):
        takes(spec)(f)
    with refused(ValueError, "f has no argument z"):
        takes("x (N, D)", z=Number(0))(f)


def test_a_blank_body_keeps_its_check():
    source = Path(layers.__file__).read_bytes()
    names = [name for name in layers.__all__ if getattr(layers, name).__module__ == "cs231n.layers"]
    exercise = SimpleNamespace(section="notebook 1, section 9", label="later")
    blank = blank_functions("layers.py", source, dict.fromkeys(names, exercise))
    module = {"__name__": "cs231n.layers"}
    exec(compile(blank, "layers.py", "exec"), module)
    for name in names:
        assert str(module[name].contract.items) == str(getattr(layers, name).contract.items)
    with refused(ValueError, "affine_forward: b must be (M,)"):
        module["affine_forward"](X, W, B[:, None])
    with refused(ValueError, "batchnorm_forward: bn_param['mode'] must be one of"):
        module["batchnorm_forward"](X, G, G, {})
    with refused(NotImplementedError, "later"):
        module["affine_forward"](X, W, B)


EDITED = """
from cs231n.contracts import takes, update_rule
@takes("x (N, {letter})")
def layer(x):
    return {value}
@update_rule(rate={value})
def rule(w, dw, config=None):
    return {value}, config
class Net:
    @takes("x (N, D)")
    def __init__(self, x):
        self.value = {value}
"""


@pytest.mark.parametrize("by", ["importlib", "IPython"])
def test_a_reloaded_module_runs_its_new_bodies(tmp_path, monkeypatch, by):
    """By IPython's autoreload also under names that were imported before the edit."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, "edited_layers", module := ModuleType("edited_layers"))
    (tmp_path / "edited_layers.py").write_text(EDITED.format(value=1, letter="D"))
    importlib.reload(module)
    names = SimpleNamespace(layer=module.layer, rule=module.rule, Net=module.Net)
    (tmp_path / "edited_layers.py").write_text(EDITED.format(value=22, letter="D, M"))
    if by == "importlib":
        names = importlib.reload(module)
    else:
        autoreload = pytest.importorskip("IPython.extensions.autoreload", reason="needs IPython")
        autoreload.superreload(module)
    assert names.layer(np.ones((2, 3, 4))) == names.Net(X).value == 22
    assert names.rule(X, X) == (22, {"rate": 22})
    with refused(ValueError, "layer: x must be (N, D, M), got (4, 3)"):
        names.layer(X)


@pytest.mark.parametrize("edition", [layer_utils, fast_layers], ids=lambda m: m.__name__)
def test_the_warning_of_test_mode_names_the_line_of_the_caller(edition):
    with pytest.warns(RuntimeWarning, match="mode 'test' before any training batch") as caught:
        edition.batchnorm_forward(X, G, G, {"mode": "test"})
        FullyConnectedNet([3], 3, 3, normalization="batchnorm", layers=edition).loss(X)
    assert {warning.filename for warning in caught} == {__file__}
    assert "edition.batchnorm_forward(X" in linecache.getline(__file__, caught[0].lineno)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edition.batchnorm_forward(X, G, G, {"mode": "test", "running_mean": G, "running_var": G})


def test_shapes_that_passed_are_remembered_and_nothing_else(monkeypatch):
    monkeypatch.setattr(shapes, "_passed", passed := set())
    require("f", "x (N, D), b (D,)", X, G)
    assert len(passed) == 1
    with monkeypatch.context() as patch:
        patch.setattr(shapes, "parse", None)  # not even looked at
        require("f", "x (N, D), b (D,)", 2 * X, G)
    for wrong in (X.astype(int), X.astype(np.float16), X.T, X[:0], X.view(np.matrix), np.ma.masked_array(X)):
        for _ in range(2):
            with refused((TypeError, ValueError), "f: "):
                require("f", "x (N, D), b (D,)", wrong, G)
    assert len(passed) == 1
    for N in range(1, 5000):
        require("f", "x (N,)", np.broadcast_to(1.0, N))
    assert len(passed) == 4096


class Odd:
    """A cache that answers every question with an error."""

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "cache", [Odd(), object(), {"x_hat": G}, (X, G), SimpleNamespace(x_hat=[1])], ids=lambda v: str(type(v))
)
def test_a_cache_may_be_anything(cache):
    @takes("dout like cache.x_hat")
    def backward(dout, cache):
        return cache

    assert backward(X, cache) is cache
    with refused(TypeError, "backward: dout must be a numpy array"):
        backward(None, cache)
    with refused(
        ValueError, "backward: dout must have the shape of the forward's output, (4, 3), got (3, 4)"
    ):
        backward(X.T, SimpleNamespace(x_hat=X))


def batchnorm(x=X, gamma=G, param=TRAIN):
    return layers.batchnorm_forward(x, gamma, G, dict(param))


SENTENCES = {  # those that learners meet most, in full, without the function's name
    "b must be (M,) = (5,) to go with x (4, 3), w (3, 5), got (5, 1); try b.reshape(-1)": lambda: (
        layers.affine_forward(X, W, B[:, None])
    ),
    "w must be (D, M) = (4, M) to go with x (4, 2, 2), which has 4 numbers per example, got (3, 5)": (
        lambda: layers.affine_forward(np.ones((4, 2, 2)), W, B)
    ),
    "x must be floating point, got int64; try x.astype(np.float64)": (
        lambda: layers.relu_forward(X.astype(np.int64))
    ),
    "labels must be in 0..2, got y[2] = 3 (1 of 4 outside); try labels that start at 0": (
        lambda: layers.softmax_loss(X, Y + 1)
    ),
    "y must have one label per row, shape (4,), got (4, 3); one-hot rows? try y.argmax(axis=1)": (
        lambda: layers.softmax_loss(X, np.eye(4, 3, dtype=int))
    ),
    "y must be an array of integer labels, got float64; try y.astype(np.int64)": (
        lambda: layers.svm_loss(X, Y / 1)
    ),
    "bn_param has no option 'epsilon'; it takes mode, eps, momentum, running_mean, running_var": (
        lambda: batchnorm(param={"mode": "train", "epsilon": 1})
    ),
    "x must be (N, D), got (4, 3, 2); try x.reshape(len(x), -1)": lambda: batchnorm(np.ones((4, 3, 2))),
    "x (N, D) is empty, its shape is (0, 3); try a batch of at least one row and one column": (
        lambda: batchnorm(X[:0])
    ),
    "bn_param['running_var'] must be (D,) = (3,) to go with x (4, 3), gamma (3,), beta (3,), got (5,)": (
        lambda: batchnorm(param={"mode": "test", "running_var": B})
    ),
    "cache is None, which is what batchnorm_forward returns in mode 'test'; "
    "try the cache of a forward in mode 'train'": lambda: layers.batchnorm_backward(X, None),
    "dout must have the shape of the forward's output, (4, 3), got (3, 4); try dout.T": (
        lambda: layers.batchnorm_backward_alt(X.T, batchnorm()[1])
    ),
    "dropout_param['p'], the probability to keep, must be above 0 and at most 1, got 0": (
        lambda: layers.dropout_forward(X, {"mode": "train", "p": 0})
    ),
    "hidden_dims must be a list of sizes, got 100; try [100] for one hidden layer of 100": (
        lambda: FullyConnectedNet(100)
    ),
    "hidden_dims[1] must be an integer, got 10.0; try 10": lambda: FullyConnectedNet([5, 10.0]),
    "hidden_dims[0] must be an integer, got 0.5": lambda: FullyConnectedNet([0.5]),
    "hidden_dims[0] must be at least 1, got 0": lambda: FullyConnectedNet([0]),
    "reg must be at least 0, got -1": lambda: FullyConnectedNet([5], reg=-1),
    "label_smoothing must be at least 0 and below 1, got 1": (
        lambda: FullyConnectedNet([5], label_smoothing=1)
    ),
    "config['m'] must have the shape of w, (4, 3), got (3,); try a new config for each parameter": (
        lambda: optim.adam(X, X, {"m": G})
    ),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_whole_sentence(sentence):
    with pytest.raises((TypeError, ValueError)) as caught:
        SENTENCES[sentence]()
    assert str(caught.value).partition(": ")[2] == sentence


@pytest.mark.parametrize(
    "spec, shapes_of, complaint",
    [
        ("a (...)", [()], None),
        ("a (N, ...), b (N,)", [(2, 9, 9), (2,)], None),
        ("a (N, D...), b (D,)", [(2, 3, 4), (12,)], None),
        ("a (N, D...)", [()], "a must be (N, D...), got ()"),
        ("a (N, ...), b (N,)", [(2, 3), (3,)], "b must be (N,) = (2,) to go with a (2, 3), got (3,)"),
        ("a (N, D), b (D, N)", [(2, 3), (2, 3)], "got (2, 3); try b.T"),
        (
            "a (N, D), b (D, M)",
            [(2, 3), (4, 3)],
            "b must be (D, M) = (3, M) to go with a (2, 3), got (4, 3); try b.T",
        ),
        ("a (N, N)", [(2, 3)], "a must be (N, N), got (2, 3)"),
    ],
    ids=str,
)
def test_require(spec, shapes_of, complaint):
    arrays = [np.ones(shape) for shape in shapes_of]
    if complaint is None:
        require("f", spec, *arrays)
    else:
        with refused(ValueError, "f: ", complaint):
            require("f", spec, *arrays)
