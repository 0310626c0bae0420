"""Label smoothing: the textbook formula, the present loss where it is off, and central differences."""

import numpy as np
import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.gradient_check import complex_step_gradient, eval_numerical_gradient_array
from cs231n.layers import softmax_loss
from tests.support import SHAPES, problem, refused, relative, unchanged

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def by_hand(x, y, s):
    """-mean_i sum_j t_ij log p_ij, entry by entry."""
    N, C = x.shape
    total = 0.0
    for i in range(N):
        p = np.exp(x[i]) / np.exp(x[i]).sum()
        for j in range(C):
            total -= ((1 - s) * (j == y[i]) + s / C) * np.log(p[j])
    return total / N


def check(loss_of, shape, s):
    p = problem(shape)
    with unchanged(p.x, p.y):
        loss, dx = loss_of(p.x, p.y, s)
    assert abs(loss - by_hand(p.x, p.y, s)) <= 1e-13
    numeric = eval_numerical_gradient_array(lambda v: np.array(loss_of(v, p.y, s)[0]), p.x, np.array(1.0))
    assert relative(dx, numeric) <= 1e-8  # central differences, h = 1e-5
    return p, dx


@every_shape
@pytest.mark.parametrize("s", [0.0, 0.1, 0.7])
def test_the_formula_and_its_gradient(shape, s):
    p, dx = check(softmax_loss, shape, s)
    assert relative(complex_step_gradient(lambda v: softmax_loss(v, p.y, s)[0], p.x), dx) <= 1e-14
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-15)  # targets sum to 1, whatever s


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y, s: (softmax_loss(x, y, s)[0], softmax_loss(x, y)[1]),
        lambda x, y, s: softmax_loss(x, y, s * x.shape[1] / (x.shape[1] - 1)),  # s spread over the others
        lambda x, y, s: softmax_loss(x, y),
    ],
    ids=["gradient-unsmoothed", "over-the-others", "forgotten"],
)
def test_the_check_rejects(wrong):
    with pytest.raises(AssertionError):
        check(wrong, (4, 3), 0.1)


def present(x, y):
    """softmax_loss as it was before it could smooth."""
    N = len(x)
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dx = np.exp(log_p)
    dx[np.arange(N), y] -= 1
    return -log_p[np.arange(N), y].mean(), dx / N


@every_shape
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_smoothing_nothing_changes_by_a_bit(shape, dtype):
    p = problem(shape, dtype=dtype)
    (loss, dx), (old_loss, old_dx) = softmax_loss(p.x, p.y), present(p.x, p.y)
    assert loss == old_loss and loss.dtype == old_loss.dtype and dx.tobytes() == old_dx.tobytes()


def test_a_class_that_is_ruled_out():
    x, y = np.array([[0.0, 1.0, -np.inf], [2.0, 0.0, 1.0]]), np.array([0, 2])
    loss, dx = softmax_loss(x, y)
    assert np.isfinite(loss) and np.isfinite(dx).all() and dx[0, 2] == 0
    assert softmax_loss(x, y, 0.1)[0] == np.inf  # it should have had a share of s / C


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [float, np.float64], ids=["float", "numpy"])
def test_dtypes_are_kept(dtype, number):
    p = problem((4, 3), dtype=dtype)
    loss, dx = softmax_loss(p.x, p.y, number(0.1))
    assert loss.dtype == dx.dtype == dtype
    net = FullyConnectedNet([5], 3, 3, dtype=dtype, label_smoothing=number(0.1))
    assert all(g.dtype == dtype for g in net.loss(p.x, p.y)[1].values())


def test_the_net_passes_it_on_in_training_alone():
    p = problem((9, 7))
    net = FullyConnectedNet([5], 7, 7, dtype=np.float64, label_smoothing=0.2, weight_scale=0.5)
    scores = net.loss(p.x)
    assert abs(net.loss(p.x, p.y)[0] - by_hand(scores, p.y, 0.2)) <= 1e-13
    net.label_smoothing = 0.0
    assert net.loss(p.x, p.y)[0] == softmax_loss(scores, p.y)[0]


@pytest.mark.parametrize(
    "bad, error",
    [(1, ValueError), (-0.1, ValueError), (np.nan, ValueError), ("0.1", TypeError), (None, TypeError)],
    ids=str,
)
def test_refuses(bad, error):
    p = problem((4, 3))
    with refused(error, "softmax_loss: label_smoothing must be"):
        softmax_loss(p.x, p.y, bad)
    with refused(error, "FullyConnectedNet: label_smoothing must be"):
        FullyConnectedNet([5], label_smoothing=bad)
