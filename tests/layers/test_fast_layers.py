"""What fast_layers adds to the contracts of layers; those themselves test_layers checks in each edition."""

import numpy as np
import pytest

from cs231n import fast_layers, layer_utils, layers, optim
from cs231n.adamw import adamw
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from tests.support import problem, relative
from tests.support.python import run_python
from tests.support.strategies import WIDE, wide

RULES = {"adam": optim.adam, "adamw": adamw}


@pytest.fixture(params=["numba", "NumPy"], autouse=True)
def edition(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(fast_layers, "kernels", None)
    else:
        pytest.importorskip("numba", reason="needs numba: pip install '.[fast]'")


def pair_of_nets(dtype, **options):
    """The same net of the readable layers and of the fast ones."""
    options = {"input_dim": 5, "num_classes": 4, "weight_scale": 0.5, "reg": 0.1, "dtype": dtype, **options}
    return [
        FullyConnectedNet([7, 6], **options, rng=np.random.RandomState(0), layers=module)
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


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("cached", [0, np.inf])
def test_a_product_has_the_same_value_and_order_of_memory_for_small_and_for_large_weights(
    cached, order, monkeypatch
):
    monkeypatch.setattr(fast_layers, "_IN_CACHE", cached)
    rng = np.random.RandomState(0)
    x, w = (np.asarray(rng.randn(*shape), order=order) for shape in ((6, 5, 2), (10, 4)))
    before = x.copy(), w.copy()
    out = fast_layers._product(x, w, w[0])
    np.testing.assert_allclose(out, np.einsum("nd,dm->nm", x.reshape(6, 10), w), rtol=1e-13)
    assert out.flags.c_contiguous and np.array_equal(x, before[0]) and np.array_equal(w, before[1])


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("N, D, M", [(9, 3072, 40), (9, 4000, 40), (100, 3072, 128), (5, 7, 3)])
def test_a_weight_gradient_has_the_same_value_in_blocks_and_in_one_product(N, D, M, order, monkeypatch):
    monkeypatch.setattr(fast_layers, "_IS_ONE_THREAD", True)
    rng = np.random.RandomState(0)
    rows, da = (np.asarray(rng.randn(N, size), order=order) for size in (D, M))
    exact = np.einsum("nd,nm->dm", rows, da)
    assert np.abs(fast_layers._weight_gradient(rows, da) - exact).max() <= 1e-14 * N * np.abs(exact).max()


@pytest.mark.parametrize("rows", [1, 3, 700])
@pytest.mark.parametrize("value", [1e20, 1e30, 1e35])
def test_a_variance_that_overflows_is_refused_with_its_column(rows, value):
    """Also where what the mean lost by rounding has a square that overflows."""
    x = np.random.RandomState(0).randn(7 + rows, 3).astype(np.float32)
    x[2 : 2 + rows, 1] = value
    with pytest.raises(OverflowError, match="the variance of column 1 of x overflows float32"):
        fast_layers.batchnorm_forward(x, x[0], x[0], {"mode": "train"})


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


def replaced(x, i, value):
    """x (N, D) with row i equal to value."""
    x = x.copy()
    x[i] = value
    return x


OUTLIERS = [(i, value) for i in (0, 1, -1) for value in (30, -1e4, 1e8)]
COLUMNS = {  # what is done to columns of mean 0 and deviation 1
    "normal": lambda x: x,
    **{f"row {i} is {v:g}": lambda x, i=i, v=v: replaced(x, i, v) for i, v in OUTLIERS},
    **{f"mean {m:g}": lambda x, m=m: x + m for m in (30, -1e4, 1e6)},
    "mean 1e4, row 0 is -1e4": lambda x: replaced(x + 1e4, 0, -1e4),
    "drift": lambda x: x + np.linspace(0, 1e4, len(x))[:, None],
    "constant": lambda x: 0 * x + 1234.567,
    "constant but for row 0": lambda x: replaced(0 * x, 0, 1e4),
    "tiny": lambda x: 1e-6 * x,
}


def passes(module, normalization, eps, x, gamma, beta, dout):
    """{result: array} of a forward and a backward pass."""
    param = {"mode": "train", "momentum": 0, "eps": eps}
    out, cache = getattr(module, f"{normalization}_forward")(x, gamma, beta, param)
    dx, dgamma, dbeta = getattr(module, f"{normalization}_backward")(dout, cache)
    return {"out": out, "dx": dx, "dgamma": dgamma, "dbeta": dbeta, "var": param.get("running_var")}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N, eps", [(3, 1e-5), (500, 1e-5), (500, 1e-12), (49_000, 1e-12)])
@pytest.mark.parametrize("columns", COLUMNS)
def test_batchnorm_is_as_exact_as_in_layers(columns, N, eps, dtype):
    """Against layers in a wider dtype: at most 4 times the error of layers in the same dtype.

    In layers the roundings may happen to cancel, so 2 sqrt(N) of them are added: a sum of N rows has one
    rounding for each, of a random sign.
    """
    if dtype == np.float64 and not WIDE:
        pytest.skip("long double is float64 on this processor")
    rng = np.random.RandomState(0)
    drawn = COLUMNS[columns](rng.randn(N, 3)), rng.uniform(0.5, 2, 3), rng.randn(3), rng.randn(N, 3)
    inputs = [a.astype(dtype) for a in drawn]
    with np.errstate(all="ignore"):
        fast, readable = (passes(module, "batchnorm", eps, *inputs) for module in (fast_layers, layers))
    exact = passes(layers, "batchnorm", eps, *wide(*inputs))
    for name, truth in exact.items():
        error, usual = (np.abs(wide(results[name]) - truth).max() for results in (fast, readable))
        size = max(np.abs(truth).max(), 1)  # a sum of N may happen to be 0
        bound = 4 * usual + 2 * np.sqrt(N) * np.finfo(dtype).eps * size
        assert error <= bound, f"{name}: error {error:.2g}, of layers {usual:.2g}, bound {bound:.2g}"


@pytest.mark.parametrize("N, eps", [(3, 1e-5), (500, 1e-5), (500, 1e-12), (49_000, 1e-12)])
@pytest.mark.parametrize("columns", COLUMNS)
def test_layernorm_is_as_exact_as_its_argument(columns, N, eps):
    """x has an error of eps |x| from its own rounding, so x_hat of eps max|x| / std: at most 8 times that."""
    rng = np.random.RandomState(0)
    x = np.float32(COLUMNS[columns](rng.randn(N, 3))).T.copy()
    gamma = np.float32(rng.uniform(0.5, 2, N))
    inputs = x, gamma, gamma - 1, np.float32(rng.randn(3, N))
    exact = passes(layers, "layernorm", eps, *map(np.float64, inputs))
    std = np.sqrt(x.astype(float).var(axis=1) + eps)
    for name, result in list(passes(fast_layers, "layernorm", eps, *inputs).items())[:4]:
        bound = 8 * np.finfo(x.dtype).eps * (1 + np.max(np.abs(x).max(axis=1) / std))
        assert np.abs(result - exact[name]).max() <= bound * np.abs(exact[name]).max(), name


@pytest.mark.parametrize(
    "settings", [{}, {"beta1": 0.5}, {"beta2": 1 - 1e-8}, {"beta1": 1 - 1e-8}, {"beta2": 0.999999}], ids=str
)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("rule", ["adam", "adamw"])
def test_adam_is_adam(settings, dtype, tolerance, rule):
    """Over 50 steps, which move a weight by 0.05; float32 holds numbers of size 1 to 1e-7."""
    rng, settings = np.random.RandomState(0), settings | ({"weight_decay": 0.3} if rule == "adamw" else {})
    w = fast_w = rng.randn(30, 7).astype(dtype)
    config, fast_config = dict(settings), dict(settings)
    for _ in range(50):
        dw = rng.randn(30, 7).astype(dtype)
        w, config = RULES[rule](w, dw, config)
        fast_w, fast_config = getattr(fast_layers, rule)(fast_w, dw, fast_config)
    assert fast_w.dtype == dtype and np.abs(w - fast_w).max() < tolerance


@pytest.mark.parametrize("rule", ["adam", "adamw"])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_adam_of_more_entries_than_a_block_and_in_any_order_of_memory(rule, layout):
    w, dw = (layout(np.random.RandomState(seed).randn(300, 300)) for seed in range(2))
    next_w, config = RULES[rule](w, dw)
    fast_w, fast_config = getattr(fast_layers, rule)(w, dw)
    for value, fast_value in zip((next_w, *config.values()), (fast_w, *fast_config.values()), strict=True):
        np.testing.assert_allclose(fast_value, value, rtol=1e-13)


@pytest.mark.parametrize("number", [np.float64, np.float32, np.longdouble], ids=lambda t: t.__name__)
@pytest.mark.parametrize("rule", ["adam", "adamw"])
def test_a_setting_that_a_schedule_makes_a_numpy_number_keeps_float32(rule, number):
    w, config = np.ones((3, 5), np.float32), {}
    for _ in range(2):
        w, config = getattr(fast_layers, rule)(w, w, config)
        config |= {name: number(value) for name, value in config.items() if isinstance(value, float)}
    assert {a.dtype for a in (w, config["m"], config["v"])} == {np.dtype(np.float32)}


def test_the_solver_takes_the_adam_of_the_nets_layers():
    X = np.zeros((4, 5), np.float32)
    data = {"X_train": X, "y_train": np.zeros(4, int), "X_val": X, "y_val": np.zeros(4, int)}
    readable, fast = [Solver(net, data, update_rule="adam") for net in pair_of_nets(np.float32)]
    assert readable._rule is optim.adam and fast._rule is fast_layers.adam


@pytest.mark.parametrize("forward", [layers.batchnorm_forward, fast_layers.batchnorm_forward])
@pytest.mark.parametrize("backward", [fast_layers.batchnorm_backward, fast_layers.batchnorm_backward_alt])
def test_both_backwards_accept_the_cache_of_either_forward(forward, backward):
    p = problem((9, 7))
    _, cache = forward(p.x, p.gamma, p.beta, {"mode": "train"})
    dx, _, _ = backward(p.dout, cache)
    assert np.abs(dx.sum(axis=0)).max() < 1e-12 < np.abs(dx).max()


def test_without_numba_it_imports_all_the_same():
    code = (
        "import sys; sys.modules['numba'] = None; from cs231n import fast_layers; print(fast_layers.kernels)"
    )
    done = run_python(code)
    assert done.stdout.strip() == "None", done.stderr


def test_a_memory_that_an_overflow_has_reached_starts_anew(edition):
    """The compiled adam writes into m and v on its way, so what it leaves after an overflow is no memory."""
    w, config = np.ones(3, np.float32), {}
    fast_layers.adam(w, w, config)
    with pytest.raises(OverflowError, match="whose square overflows"):
        fast_layers.adam(w, np.array([1, 1e30, 1], np.float32), config)
    steps = 0 if fast_layers.kernels else 1  # NumPy looks before it writes
    assert config["t"] == steps and np.array_equal(config["m"], np.full(3, 0.1 * steps, np.float32))
