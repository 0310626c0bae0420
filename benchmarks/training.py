"""Time of a training step (float32, batchnorm, Adam): this kit, the usual solution, PyTorch, JAX.

    python benchmarks/training.py [--cores 1|2] [--json FILE]

A step is a batch of random numbers of CIFAR-10's size: loss, gradients, update. The floor is the step's
matrix products alone, by NumPy's BLAS. On one core a time is the processor's, so other programs do not count;
on two it is that of the clock, for an idle machine. All contenders are in one process, which is pinned to
these cores. A peer that is not installed is left out: pip install torch jax; torch.compile needs a C++
compiler.
"""

import argparse
import functools
import os
import time

from harness import main, median_and_spread, pin, race, with_kernels

options = argparse.ArgumentParser(add_help=False)
options.add_argument(
    "--cores", type=int, default=1, choices=(1, 2), help="cores, and threads of each library"
)
CORES = options.parse_known_args()[0].cores
pin(CORES)
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

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


def torch_step(hidden, X, y, fused=True, compiled=False):
    import torch

    torch.set_num_threads(CORES)
    torch.manual_seed(0)
    modules, size = [torch.nn.Flatten()], X[0].size
    for width in hidden:
        modules += [torch.nn.Linear(size, width), torch.nn.BatchNorm1d(width), torch.nn.ReLU()]
        size = width
    net = torch.nn.Sequential(*modules, torch.nn.Linear(size, 10))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
    tX, ty, cross_entropy = torch.from_numpy(X), torch.from_numpy(y), torch.nn.CrossEntropyLoss()

    def loss_of(images, labels):
        return cross_entropy(net(images), labels)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        adam.zero_grad(set_to_none=True)
        loss_of(tX, ty).backward()
        adam.step()

    step()
    return step


def jax_step(hidden, X, y):
    """One compiled function of the state, whose memory the next state takes over."""
    import jax
    from jax import numpy as jnp

    net = FullyConnectedNet(hidden, normalization="batchnorm", weight_scale=0.02)
    params = {name: jnp.array(w) for name, w in net.params.items()}
    zeros = jax.tree.map(jnp.zeros_like, params)
    running = {f"{name}{i}": jnp.zeros(M) for i, M in enumerate(hidden, 1) for name in ("mean", "var")}

    def loss_of(params, running, X, y):
        h, next_running = X.reshape(len(X), -1), {}
        for i in range(1, len(hidden) + 1):
            a = h @ params[f"W{i}"] + params[f"b{i}"]
            mean, var = a.mean(axis=0), a.var(axis=0)
            x_hat = (a - mean) * jax.lax.rsqrt(var + 1e-5)
            h = jax.nn.relu(params[f"gamma{i}"] * x_hat + params[f"beta{i}"])
            for name, value in ("mean", mean), ("var", var):
                next_running[f"{name}{i}"] = 0.9 * running[f"{name}{i}"] + 0.1 * value
        L = len(hidden) + 1
        log_p = jax.nn.log_softmax(h @ params[f"W{L}"] + params[f"b{L}"])
        return -log_p[jnp.arange(len(y)), y].mean(), next_running

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state, X, y):
        params, m, v, t, running = state
        (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(params, running, X, y)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate, correction = 1e-3 / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
        params = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) * correction + 1e-8), params, m, v)
        return (params, m, v, t, running), loss

    state = params, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0), running
    jX, jy = jnp.array(X), jnp.array(y)

    def step():
        nonlocal state
        state, loss = update(state, jX, jy)
        jax.block_until_ready((state, loss))

    step()
    return step


PEERS = {
    "PyTorch": functools.partial(torch_step, fused=False),
    "PyTorch, fused Adam": torch_step,
    "torch.compile, fused Adam": functools.partial(torch_step, compiled=True),
    "JAX, jit": jax_step,
}


def contenders(hidden, batch):
    rng = np.random.RandomState(0)
    X, y = rng.randn(batch, 3, 32, 32).astype(np.float32), rng.randint(10, size=batch)
    calls = {
        "usual solution": usual_step(hidden, X, y),
        "layers": our_step(hidden, X, y, layer_utils, optim.adam),
    }
    fast_step = our_step(hidden, X, y, fast_layers, fast_layers.adam)
    calls["fast, NumPy"] = with_kernels(fast_layers, None, fast_step)
    if fast_layers.kernels is not None:
        fast_step = our_step(hidden, X, y, fast_layers, fast_layers.adam)
        calls["fast, numba"] = with_kernels(fast_layers, fast_layers.kernels, fast_step)
    for name, make in PEERS.items():
        try:
            calls[name] = make(hidden, X, y)
        except Exception as error:  # not installed, or no compiler
            print(f"{name} is left out: {str(error).strip().splitlines()[0]}")
    calls["matrix products alone"] = floor_step(hidden, X)
    return calls


def measure():
    rows = []
    timer, pause = (time.process_time, 0) if CORES == 1 else (time.perf_counter, 0.1)
    for hidden, batch in NETS:
        times = race(contenders(hidden, batch), rounds=25, seconds=0.1, timer=timer, pause=pause)
        medians = {name: median_and_spread(t)[0] for name, t in times.items()}
        best = min((name for name in PEERS if name in times), key=medians.get, default=None)
        for name, own_times in times.items():
            shape = str(hidden) if len(set(hidden)) > 1 else f"[{hidden[0]}] * {len(hidden)}"
            row = {
                "net, batch": f"{shape}, {batch}",
                "step": name,
                "ms": f"{1e3 * medians[name]:.3f}",
                "samples/s": f"{batch / medians[name]:,.0f}",
                "x usual": f"{medians['usual solution'] / medians[name]:.2f}",
            }
            if best:
                ratio, spread = median_and_spread([t / own for t, own in zip(times[best], own_times)])
                row |= {"x best peer": f"{ratio:.2f}", "+-": f"{ratio * spread:.2f}"}
            rows.append({**row, "of floor": f"{medians['matrix products alone'] / medians[name]:.2f}"})
    return rows


if __name__ == "__main__":
    main(__doc__, measure, parents=[options])
