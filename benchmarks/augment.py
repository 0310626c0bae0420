"""Time of augmentation and of a training step, one thread; augmentation may take at most 15 % of a step.

    python benchmarks/augment.py [--json FILE]

The batch is 128 images of CIFAR-10's size; the step is that of training.py, [1024, 512, 256] with batchnorm
and Adam, in both editions of the layers.
"""

from harness import main, median_and_spread, one_thread, race

one_thread()

import numpy as np  # noqa: E402
from training import our_step  # noqa: E402

from cs231n import fast_layers, layer_utils, optim  # noqa: E402
from cs231n.data import augment  # noqa: E402

HIDDEN, BATCH = [1024, 512, 256], 128


def measure():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(BATCH, 3, 32, 32)).astype(np.float32), rng.integers(10, size=BATCH)
    calls = {
        one.__name__: lambda one=one: one(X, rng)
        for one in (augment.flip, augment.shift, augment.flip_and_shift)
    }
    calls["training step, layers"] = our_step(HIDDEN, X, y, layer_utils, optim.adam)
    calls["training step, fast_layers"] = our_step(HIDDEN, X, y, fast_layers, fast_layers.adam)
    times = {name: median_and_spread(t) for name, t in race(calls, rounds=15, seconds=0.1).items()}
    step = times["training step, fast_layers"][0]
    return [
        {
            "call": name,
            "ms": f"{1e3 * median:.2f}",
            "+-": f"{100 * spread:.0f} %",
            "share of a fast step": f"{100 * median / step:.1f} %",
        }
        for name, (median, spread) in times.items()
    ]


if __name__ == "__main__":
    main(__doc__, measure)
