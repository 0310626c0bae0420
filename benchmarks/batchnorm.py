"""Time of batch normalization, float32, one thread, relative to the staged pass and to PyTorch.

python benchmarks/batchnorm.py [--json FILE]
"""

from harness import main, median_and_spread, one_thread, race, with_kernels

one_thread()

import baseline  # noqa: E402
import numpy as np  # noqa: E402

from cs231n import fast_layers, layers  # noqa: E402

SHAPES = [(100, 100), (200, 1000), (500, 500), (1000, 1000)]


def contenders(N, D):
    """{"backward": {form: call}, "forward": ...}"""
    rng = np.random.RandomState(0)
    x, dout = rng.randn(N, D).astype(np.float32), rng.randn(N, D).astype(np.float32)
    gamma, beta = rng.rand(D).astype(np.float32), rng.randn(D).astype(np.float32)
    param = {"mode": "train"}
    usual = baseline.batchnorm_forward(x, gamma, beta, {})[1]
    cache = layers.batchnorm_forward(x, gamma, beta, param)[1]
    backward = {
        "staged, usual": lambda: baseline.batchnorm_backward_staged(dout, usual),
        "closed, usual": lambda: baseline.batchnorm_backward_post(dout, usual),
        "layers, staged": lambda: layers.batchnorm_backward(dout, cache),
        "layers, closed": lambda: layers.batchnorm_backward_alt(dout, cache),
    }
    forward = {
        "usual": lambda: baseline.batchnorm_forward(x, gamma, beta, {}),
        "layers": lambda: layers.batchnorm_forward(x, gamma, beta, param),
    }
    editions = {"fast, NumPy": None}
    if fast_layers.kernels is not None:
        editions["fast, numba"] = fast_layers.kernels
    for edition, kernels in editions.items():
        forward[edition] = with_kernels(
            fast_layers, kernels, lambda: fast_layers.batchnorm_forward(x, gamma, beta, param)
        )
        fused = forward[edition]()[1]
        backward[edition] = with_kernels(
            fast_layers, kernels, lambda fused=fused: fast_layers.batchnorm_backward(dout, fused)
        )
    try:
        import torch
    except ImportError:
        return {"backward": backward, "forward": forward}
    torch.set_num_threads(1)
    aten = torch.ops.aten
    tx, tdout, tgamma, tbeta = map(torch.from_numpy, (x, dout, gamma, beta))
    mean, var = torch.zeros(D), torch.zeros(D)
    _, mu, rstd = aten.native_batch_norm(tx, tgamma, tbeta, mean, var, True, 0.1, 1e-5)
    forward["PyTorch"] = lambda: aten.native_batch_norm(tx, tgamma, tbeta, mean, var, True, 0.1, 1e-5)
    backward["PyTorch"] = lambda: aten.native_batch_norm_backward(
        tdout, tx, tgamma, None, None, mu, rstd, True, 1e-5, [True] * 3
    )
    return {"backward": backward, "forward": forward}


def measure():
    rows = []
    for N, D in SHAPES:
        for direction, calls in contenders(N, D).items():
            times = {name: median_and_spread(t) for name, t in race(calls).items()}
            for name, (median, spread) in times.items():
                over = {"x usual": next(iter(times.values()))[0] / median}
                if "PyTorch" in times:
                    over["x PyTorch"] = times["PyTorch"][0] / median
                rows.append(
                    {
                        "pass": direction,
                        "shape": f"({N}, {D})",
                        "form": name,
                        "ms": f"{1e3 * median:.4f}",
                        "+-": f"{100 * spread:.0f} %",
                        **{k: f"{v:.2f}" for k, v in over.items()},
                    }
                )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
