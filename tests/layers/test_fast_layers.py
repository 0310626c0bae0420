"""What fast_layers adds to the contracts of layers; those themselves test_layers checks in each edition."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cs231n import fast_layers, layer_utils, layers, optim
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.gradient_check import assert_directional
from cs231n.solver import Solver
from tests.support import problem, relative

ROOT = Path(fast_layers.__file__).parent.parent


@pytest.fixture(params=["numba", "NumPy"], autouse=True)
def edition(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(fast_layers, "kernels", None)
    else:
        pytest.importorskip("numba", reason="needs numba: pip install '.[fast]'")


def pair_of_nets(dtype, **options):
    """The same net of the readable layers and of the fast ones."""
    options = {
        "hidden_dims": [7, 6],
        "input_dim": 5,
        "num_classes": 4,
        "weight_scale": 0.5,
        "reg": 0.1,
        "dtype": dtype,
        **options,
    }
    return [
        FullyConnectedNet(**options, rng=np.random.RandomState(0), layers=module)
        for module in (layer_utils, fast_layers)
    ]


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-11), (np.float32, 1e-3)])
@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
@pytest.mark.parametrize("keep", [1, 0.7])
def test_a_net_is_the_same_net(dtype, tolerance, normalization, keep):
    rng = np.random.RandomState(1)
    X, y = rng.randn(8, 5), rng.randint(4, size=8)
    nets = pair_of_nets(dtype, normalization=normalization, dropout_keep_ratio=keep, seed=3)
    (loss, grads), (fast_loss, fast_grads) = [net.loss(X, y) for net in nets]
    assert abs(loss - fast_loss) < tolerance
    for name, g in grads.items():
        assert fast_grads[name].dtype == dtype
        # A bias in front of batchnorm has gradient zero: rounding in one edition, exactly in the other.
        assert np.abs(g - fast_grads[name]).max() < tolerance * max(1, np.abs(g).max()), name
    scores, fast_scores = [net.loss(X) for net in nets]
    assert relative(fast_scores, scores) < tolerance


def test_a_net_of_fast_layers_passes_the_gradient_check():
    rng = np.random.RandomState(1)
    X, y = rng.randn(8, 5), rng.randint(4, size=8)
    _, net = pair_of_nets(np.float64, normalization="batchnorm")
    _, grads = net.loss(X, y)
    for name, w in net.params.items():
        assert_directional(name, grads[name], lambda _: net.loss(X, y)[0], w, rng=np.random.RandomState(2))


def test_nan_stays_nan_so_that_divergence_is_seen():
    X = np.random.RandomState(0).randn(50, 5)
    X[3, 2] = np.nan
    y = np.arange(50) % 4
    for net in pair_of_nets(np.float32, normalization="batchnorm"):
        with np.errstate(invalid="ignore"):
            assert np.isnan(net.loss(X, y)[0])


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_statistics_of_many_rows_whose_mean_drifts(dtype, tolerance):
    """The kernel merges the statistics of some ten parts of these rows; the mean of each is another one."""
    rng, N = np.random.RandomState(0), 100_003
    x = (rng.randn(N, 3) + np.linspace(0, 20, N)[:, None]).astype(dtype)
    param, ones, zeros = {"mode": "train", "momentum": 0}, np.ones(3, dtype), np.zeros(3, dtype)
    fast_layers.batchnorm_forward(x, ones, zeros, param)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(param["running_mean"], exact.mean(axis=0), rtol=tolerance)
    np.testing.assert_allclose(param["running_var"], exact.var(axis=0), rtol=tolerance)


@pytest.mark.parametrize("mean, N", [(1e4, 100), (1e4, 10_000), (1e6, 1000)])
def test_a_large_mean_costs_float32_no_digits(mean, N):
    x = (mean + np.random.RandomState(0).randn(N, 3)).astype(np.float32)
    param, ones, zeros = {"mode": "train", "momentum": 0}, np.ones(3, np.float32), np.zeros(3, np.float32)
    out, _ = fast_layers.batchnorm_forward(x, ones, zeros, param)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(param["running_var"], exact.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(out, (exact - exact.mean(axis=0)) / exact.std(axis=0), atol=5e-3)


@pytest.mark.parametrize(
    "settings", [{}, {"beta1": 0.5}, {"beta2": 1 - 1e-8}, {"beta1": 1 - 1e-8}, {"beta2": 0.999999}], ids=str
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", ["adam", "adamw"])
def test_adam_is_adam(settings, dtype, rule):
    rng, settings = np.random.RandomState(0), settings | ({"weight_decay": 0.3} if rule == "adamw" else {})
    w = fast_w = rng.randn(30, 7).astype(dtype)
    config, fast_config = dict(settings), dict(settings)
    for _ in range(50):
        dw = rng.randn(30, 7).astype(dtype)
        before = fast_w.copy()
        w, config = getattr(optim, rule)(w, dw, config)
        next_w, fast_config = getattr(fast_layers, rule)(fast_w, dw, fast_config)
        assert np.array_equal(fast_w, before) and next_w.dtype == dtype
        fast_w = next_w
    # The weights of both moved by about 0.05; float32 holds numbers of size 1 to 1e-7.
    assert np.abs(w - fast_w).max() < (2e-6 if dtype == np.float32 else 1e-14)


def test_the_solver_takes_the_adam_of_the_nets_layers():
    X = np.zeros((4, 5), np.float32)
    data = {"X_train": X, "y_train": np.zeros(4, int), "X_val": X, "y_val": np.zeros(4, int)}
    readable, fast = [Solver(net, data, update_rule="adam") for net in pair_of_nets(np.float32)]
    assert readable.update_rule is optim.adam and fast.update_rule is fast_layers.adam


def test_both_backwards_accept_the_cache_of_either_forward():
    p, param = problem((9, 7)), {"mode": "train"}
    for forward in (layers.batchnorm_forward, fast_layers.batchnorm_forward):
        _, cache = forward(p.x, p.gamma, p.beta, param)
        for backward in (fast_layers.batchnorm_backward, fast_layers.batchnorm_backward_alt):
            dx, _, _ = backward(p.dout, cache)
            assert np.abs(dx.sum(axis=0)).max() < 1e-12 < np.abs(dx).max()


def test_without_numba_it_imports_all_the_same():
    code = (
        "import sys; sys.modules['numba'] = None\nfrom cs231n import fast_layers; print(fast_layers.kernels)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "None", done.stderr
