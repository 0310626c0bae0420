"""Time of checking the gradients of a whole net: every entry, or one random direction per parameter.

    python benchmarks/gradient_check.py [--json FILE]

Both judge the right gradients and the same mistakes, planted into one parameter's gradient at a time.
"""

import time

from harness import main, one_thread

one_thread()

import numpy as np  # noqa: E402

from cs231n.classifiers.fc_net import FullyConnectedNet  # noqa: E402
from cs231n.gradient_check import assert_directional, assert_gradient  # noqa: E402

CHECKS = {
    "assert_gradient, every entry": assert_gradient,
    "assert_directional, one direction": assert_directional,
}
MISTAKES = {
    "sign": lambda g: -g,
    "half": lambda g: g / 2,
    "0.1 % off": lambda g: 1.001 * g,
    "zeros": np.zeros_like,
    "one entry off": lambda g: g + 0.01 * (np.arange(g.size) == 1).reshape(g.shape),
    "last row missing": lambda g: np.concatenate([g[:-1], 0 * g[-1:]]),
}


def contender(hidden):
    rng = np.random.RandomState(0)
    net = FullyConnectedNet(
        hidden,
        input_dim=20,
        num_classes=5,
        normalization="batchnorm",
        reg=0.1,
        weight_scale=0.3,
        dtype=np.float64,
        rng=rng,
    )
    for w in net.params.values():
        if w.ndim == 1:
            w += rng.uniform(0.2, 1, w.shape)  # ones and zeros hide mistakes
    X, y = rng.randn(8, 20), rng.randint(5, size=8)
    _, grads = net.loss(X, y)
    return net, grads, lambda _: net.loss(X, y)[0]


def passes(check, *arguments):
    np.random.seed(0)
    try:
        check(*arguments)
    except AssertionError:
        return False
    return True


def measure():
    rows = []
    for hidden in ([10, 8], [40, 30], [100, 100]):
        net, grads, loss = contender(hidden)
        # A bias in front of batchnorm has gradient zero: what is planted there stays zero.
        planted = [
            (name, mistake(grads[name]))
            for name in grads
            for mistake in MISTAKES.values()
            if name == f"b{net.num_layers}" or name[0] != "b" or name.startswith("beta")
        ]
        planted = planted if hidden[0] < 40 else planted[::17]  # every entry of a large net: minutes
        for what, check in CHECKS.items():
            start = time.perf_counter()
            right = sum(passes(check, name, g, loss, net.params[name]) for name, g in grads.items())
            seconds = time.perf_counter() - start
            caught = sum(not passes(check, name, g, loss, net.params[name]) for name, g in planted)
            rows.append(
                {
                    "net": f"20, {hidden}, 5",
                    "numbers": sum(w.size for w in net.params.values()),
                    "check": what,
                    "seconds": f"{seconds:.3f}",
                    "right ones passed": f"{right} of {len(grads)}",
                    "mistakes caught": f"{caught} of {len(planted)}",
                }
            )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
