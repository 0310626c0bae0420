"""Time of batchnorm's backward pass as N and D grow, compared with a plain copy of the batch.

python benchmarks/scaling.py [--json FILE] [--picture FILE.png]
"""

from harness import main, median_and_spread, one_thread, race

one_thread()

import numpy as np  # noqa: E402

from cs231n import fast_layers, layers  # noqa: E402

SIZES = [10**3, 10**4, 10**5, 10**6, 10**7]
LABELS = {
    "staged": "staged",
    "closed": "closed form",
    "fast": "closed form, fused",
    "copy": "copying the batch",
}


def contenders(N, D):
    rng = np.random.RandomState(0)
    x, dout = rng.randn(N, D).astype(np.float32), rng.randn(N, D).astype(np.float32)
    ones, zeros, target = np.ones(D, np.float32), np.zeros(D, np.float32), np.empty_like(x)
    caches = {
        module: module.batchnorm_forward(x, ones, zeros, {"mode": "train"})[1]
        for module in (layers, fast_layers)
    }
    return {
        "staged": lambda: layers.batchnorm_backward(dout, caches[layers]),
        "closed": lambda: layers.batchnorm_backward_alt(dout, caches[layers]),
        "fast": lambda: fast_layers.batchnorm_backward(dout, caches[fast_layers]),
        "copy": lambda: np.copyto(target, x),
    }


def measure():
    rows = []
    for grows, shape in [("N", lambda size: (size // 100, 100)), ("D", lambda size: (100, size // 100))]:
        for size in SIZES:
            times = race(contenders(*shape(size)), rounds=7, seconds=0.01)
            medians = {name: median_and_spread(t)[0] for name, t in times.items()}
            rows.append(
                {
                    "grows": grows,
                    "shape": str(shape(size)),
                    **{f"{name}, ns per entry": f"{1e9 * t / size:.2f}" for name, t in medians.items()},
                }
            )
    return rows


def draw(rows, path):
    import matplotlib.pyplot as plt

    from cs231n.vis_utils import style

    style()
    figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    for axes, grows in zip(both, "ND"):
        for name in ("staged", "closed", "fast", "copy"):
            cost = [
                float(row[f"{name}, ns per entry"]) * size / 1e6
                for row, size in zip([r for r in rows if r["grows"] == grows], SIZES)
            ]
            axes.loglog(SIZES, cost, "o-", label=LABELS[name], color="0.6" if name == "copy" else None)
        axes.loglog(
            SIZES, [size / 1e5 for size in SIZES], ":", color="0.3", label="slope 1, ten ns per entry"
        )
        axes.set(title=f"{grows} grows, {'DN'[grows == 'D']} = 100", xlabel="entries of the batch, N D")
    both[0].set(ylabel="milliseconds for a backward pass")
    both[0].legend(fontsize=8)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main(__doc__, measure, draw)
