"""Time of a training step (float32, one thread, batchnorm, Adam): this kit, the usual solution, PyTorch.

    python benchmarks/training.py [--json FILE]

A step is a batch of random numbers of CIFAR-10's size: loss, gradients, update. The floor is the step's
matrix products alone, by NumPy's BLAS.
"""

from harness import main, median_and_spread, one_thread, race

one_thread()

import baseline  # noqa: E402
import numpy as np  # noqa: E402

from cs231n import fast_layers, layer_utils, optim  # noqa: E402
from cs231n.classifiers.fc_net import FullyConnectedNet  # noqa: E402

NETS = [([100] * 5, 100), ([1024, 512, 256], 128)]
ADAM = {"learning_rate": 1e-3}


def our_step(hidden, X, y, layers, rule):
    net = FullyConnectedNet(hidden, normalization="batchnorm", weight_scale=0.02, layers=layers)
    configs = {name: dict(ADAM) for name in net.params}

    def step():
        _, grads = net.loss(X, y)
        for name, w in net.params.items():
            net.params[name], configs[name] = rule(w, grads[name], configs[name])

    return step


def usual_step(hidden, X, y):
    params = FullyConnectedNet(hidden, normalization="batchnorm", weight_scale=0.02).params
    net = baseline.Net(params, len(hidden) + 1)
    configs = {
        name: {
            "learning_rate": 1e-3,
            "beta1": 0.9,
            "beta2": 0.999,
            "epsilon": 1e-8,
            "t": 0,
            "m": np.zeros_like(w),
            "v": np.zeros_like(w),
        }
        for name, w in params.items()
    }

    def step():
        _, grads = net.loss(X, y)
        for name, w in params.items():
            params[name], configs[name] = baseline.adam(w, grads[name], configs[name])

    return step


def floor_step(hidden, X):
    """The products of a step without dx of the first layer: forward, dw, dx."""
    rng, rows = np.random.RandomState(0), X.reshape(len(X), -1)
    sizes = [rows.shape[1], *hidden, 10]
    hs = [rows, *(rng.rand(len(X), size).astype(np.float32) for size in sizes[1:])]
    ws = [rng.rand(*pair).astype(np.float32) for pair in zip(sizes, sizes[1:])]

    def step():
        for i, w in enumerate(ws):
            hs[i] @ w
            hs[i].T @ hs[i + 1]
            if i > 0:
                hs[i + 1] @ w.T

    return step


def torch_step(hidden, X, y, fused):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    modules, size = [torch.nn.Flatten()], X[0].size
    for width in hidden:
        modules += [torch.nn.Linear(size, width), torch.nn.BatchNorm1d(width), torch.nn.ReLU()]
        size = width
    net = torch.nn.Sequential(*modules, torch.nn.Linear(size, 10))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
    tX, ty, loss_of = torch.from_numpy(X), torch.from_numpy(y), torch.nn.CrossEntropyLoss()

    def step():
        adam.zero_grad(set_to_none=True)
        loss_of(net(tX), ty).backward()
        adam.step()

    return step


def contenders(hidden, batch):
    rng = np.random.RandomState(0)
    X, y = rng.randn(batch, 3, 32, 32).astype(np.float32), rng.randint(10, size=batch)
    calls = {
        "usual solution": usual_step(hidden, X, y),
        "layers": our_step(hidden, X, y, layer_utils, optim.adam),
    }
    compiled = fast_layers.kernels

    def in_edition(kernels, step):
        def run():
            fast_layers.kernels = kernels
            step()
            fast_layers.kernels = compiled

        return run

    calls["fast, NumPy"] = in_edition(None, our_step(hidden, X, y, fast_layers, fast_layers.adam))
    if compiled is not None:
        calls["fast, numba"] = in_edition(compiled, our_step(hidden, X, y, fast_layers, fast_layers.adam))
    try:
        for fused in (False, True):
            calls[f"PyTorch{', fused Adam' if fused else ''}"] = torch_step(hidden, X, y, fused)
    except ImportError:
        pass
    calls["matrix products alone"] = floor_step(hidden, X)
    return calls


def measure():
    rows = []
    for hidden, batch in NETS:
        times = {
            name: median_and_spread(t)
            for name, t in race(contenders(hidden, batch), rounds=25, seconds=0.1).items()
        }
        rivals = [median for name, (median, _) in times.items() if name.startswith("PyTorch")]
        for name, (median, spread) in times.items():
            shape = str(hidden) if len(set(hidden)) > 1 else f"[{hidden[0]}] * {len(hidden)}"
            row = {
                "net, batch": f"{shape}, {batch}",
                "step": name,
                "ms": f"{1e3 * median:.3f}",
                "+-": f"{100 * spread:.0f} %",
                "x usual": f"{times['usual solution'][0] / median:.2f}",
            }
            if rivals:
                row["x PyTorch"] = f"{min(rivals) / median:.2f}"
            rows.append({**row, "of floor": f"{times['matrix products alone'][0] / median:.2f}"})
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
