"""PyTorch's autograd as an oracle that shares no line with us. An optional extra."""

import numpy as np
import pytest

from tests.support import SEEDS, SHAPES, problem, relative

torch = pytest.importorskip("torch", reason="PyTorch is an optional oracle: pip install torch to run these")

from cs231n import optim  # noqa: E402
from cs231n.classifiers.fc_net import (  # noqa: E402
    FullyConnectedNet,
    affine_relu_backward,
    affine_relu_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_double_backward,
    batchnorm_forward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    softmax_loss,
    svm_loss,
)

F = torch.nn.functional
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def leaf(a):
    return torch.tensor(a, requires_grad=True)


def agree(computed, by_torch, tolerance=1e-12):  # float64: the same sums in another order
    for a, b in zip(computed, by_torch, strict=True):
        b = b.detach().numpy() if isinstance(b, torch.Tensor) else b
        assert relative(a, b) <= tolerance


@every_seed
@every_shape
def test_affine_and_relu(shape, seed):
    p = problem(shape, seed)
    w, b, dout = p.rng.normal(size=(shape[1], 4)), p.rng.normal(size=4), p.rng.normal(size=(shape[0], 4))
    out, cache = affine_relu_forward(p.x, w, b)
    leaves = leaf(p.x), leaf(w), leaf(b)
    by_torch = F.relu(leaves[0] @ leaves[1] + leaves[2])
    by_torch.backward(torch.tensor(dout))
    agree([out, *affine_relu_backward(dout, cache)], [by_torch, *(v.grad for v in leaves)])


@every_seed
@every_shape
def test_losses(shape, seed):
    p = problem(shape, seed)
    y = torch.tensor(p.y)
    # PyTorch's hinge loss divides by the number of classes too.
    for computed, by_torch in [
        (softmax_loss, F.cross_entropy),
        (svm_loss, lambda x, y: shape[1] * F.multi_margin_loss(x, y, margin=1.0)),
    ]:
        x = leaf(p.x)
        loss = by_torch(x, y)
        loss.backward()
        agree(computed(p.x, p.y), [loss, x.grad])


@pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])
@every_seed
@every_shape
def test_batchnorm(shape, seed, backward):
    p, N = problem(shape, seed), shape[0]
    param = {"mode": "train", "eps": 1e-3, "momentum": 0.7}
    out, cache = batchnorm_forward(p.x, p.gamma, p.beta, param)
    leaves = leaf(p.x), leaf(p.gamma), leaf(p.beta)
    mean, var = torch.zeros(shape[1], dtype=torch.float64), torch.zeros(shape[1], dtype=torch.float64)
    by_torch = F.batch_norm(
        leaves[0], mean, var, *leaves[1:], training=True, momentum=0.3, eps=1e-3
    )  # 1 - momentum
    by_torch.backward(torch.tensor(p.dout))
    agree([out, *backward(p.dout, cache)], [by_torch, *(v.grad for v in leaves)])
    agree([param["running_mean"], param["running_var"]], [mean, var * (N - 1) / N])  # PyTorch stores N - 1
    param["mode"] = "test"
    by_torch = F.batch_norm(leaves[0], mean, var * (N - 1) / N, *leaves[1:], training=False, eps=1e-3)
    agree([batchnorm_forward(p.x, p.gamma, p.beta, param)[0]], [by_torch])


@pytest.mark.parametrize("eps", [0.2, 1e-5])
@every_seed
@every_shape
def test_double_backward_of_batchnorm(shape, seed, eps):
    """PyTorch's, of its fused batch_norm, which has a formula of its own for it."""
    p = problem(shape, seed)
    ddx = p.rng.normal(size=shape)
    _, cache = batchnorm_forward(p.x, p.gamma, p.beta, {"mode": "train", "eps": eps})
    x, gamma, dout = leaf(p.x), leaf(p.gamma), leaf(p.dout)
    out = F.batch_norm(x, None, None, gamma, torch.tensor(p.beta), training=True, eps=eps)
    (dx,) = torch.autograd.grad(out, x, dout, create_graph=True)
    by_torch = torch.autograd.grad(dx, (dout, x, gamma), torch.tensor(ddx))
    agree(batchnorm_double_backward(ddx, p.dout, cache), by_torch)


@every_seed
@every_shape
def test_layernorm(shape, seed):
    p = problem(shape, seed)
    out, cache = layernorm_forward(p.x, p.gamma, p.beta, {})
    leaves = leaf(p.x), leaf(p.gamma), leaf(p.beta)
    by_torch = F.layer_norm(leaves[0], (shape[1],), *leaves[1:], eps=1e-5)
    by_torch.backward(torch.tensor(p.dout))
    agree([out, *layernorm_backward(p.dout, cache)], [by_torch, *(v.grad for v in leaves)])


def torch_loss(net, X, y, mask_of):
    leaves = {name: leaf(w) for name, w in net.params.items()}
    hidden = torch.tensor(X.reshape(len(X), -1))
    for i in range(1, net.num_layers):
        hidden = hidden @ leaves[f"W{i}"] + leaves[f"b{i}"]
        if net.normalization == "batchnorm":
            hidden = F.batch_norm(
                hidden, None, None, leaves[f"gamma{i}"], leaves[f"beta{i}"], training=True, eps=1e-5
            )
        elif net.normalization == "layernorm":
            hidden = F.layer_norm(hidden, hidden.shape[1:], leaves[f"gamma{i}"], leaves[f"beta{i}"], eps=1e-5)
        hidden = F.relu(hidden) * torch.tensor(mask_of(tuple(hidden.shape)))
    L = net.num_layers
    loss = F.cross_entropy(hidden @ leaves[f"W{L}"] + leaves[f"b{L}"], torch.tensor(y))
    loss = loss + sum(0.5 * net.reg * (w**2).sum() for name, w in leaves.items() if name[0] == "W")
    loss.backward()
    return loss, {name: w.grad.numpy() for name, w in leaves.items()}


@pytest.mark.parametrize("keep", [1, 0.6])
@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
def test_the_whole_net(normalization, keep):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(8, 2, 5)), rng.randint(4, size=8)
    net = FullyConnectedNet(
        [7, 6, 5],
        input_dim=10,
        num_classes=4,
        normalization=normalization,
        reg=0.3,
        dropout_keep_ratio=keep,
        weight_scale=0.5,
        dtype=np.float64,
        seed=9,
    )

    def mask_of(shape):
        param = {"mode": "train", "p": keep, "seed": 9}
        return dropout_forward(np.ones(shape), param)[0]

    loss, grads = net.loss(X, y)
    loss_by_torch, by_torch = torch_loss(net, X, y, mask_of)
    assert abs(loss - loss_by_torch.item()) <= 1e-12
    for name, grad in grads.items():
        if normalization == "batchnorm" and name in ("b1", "b2", "b3"):
            assert np.abs(grad).max() <= 1e-14 and np.abs(by_torch[name]).max() <= 1e-14  # true value zero
        else:
            agree([grad], [by_torch[name]], 1e-11)  # four layers of rounding


@pytest.mark.parametrize(
    "rule, make",
    [
        (optim.sgd, lambda w: torch.optim.SGD(w, lr=1e-2)),
        (optim.sgd_momentum, lambda w: torch.optim.SGD(w, lr=1e-2, momentum=0.9)),
        (optim.rmsprop, lambda w: torch.optim.RMSprop(w, lr=1e-2, alpha=0.99, eps=1e-8)),
        (optim.adam, lambda w: torch.optim.Adam(w, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)),
    ],
    ids=["sgd", "sgd_momentum", "rmsprop", "adam"],
)
def test_update_rules(rule, make):
    rng = np.random.RandomState(0)
    w, config = rng.normal(size=(3, 5)), None
    by_torch = leaf(w)
    optimizer = make([by_torch])
    for _ in range(20):
        dw = rng.normal(size=(3, 5))
        w, config = rule(w, dw, config)
        by_torch.grad = torch.tensor(dw)
        optimizer.step()
        agree([w], [by_torch])
