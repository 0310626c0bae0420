"""Dropout by its mask: any random mask of the right share is right."""

import itertools
from types import SimpleNamespace

import numpy as np
from numpy.random import RandomState

from tests.corpus.reference.trials import ForwardIsOff, Trial, same


def try_dropout_forward(kit: SimpleNamespace) -> Trial:
    def mask(shape, p, seed):
        param = {"mode": "train", "p": p, **({} if seed is None else {"seed": seed})}
        return kit.layers.dropout_forward(np.ones(shape), param)[0]

    for shape in [(4000,), (70, 60), (8, 9, 10, 7)]:
        for p in (0.35, 0.8):
            x = RandomState(1).randn(*shape)
            x.flat[::7] = 0
            first, second = mask(shape, p, 3), mask(shape, p, 3)
            yield f"the mask for x of shape {shape}", first, np.where(np.asarray(first) != 0, 1 / p, 0)
            yield "the mask with the same seed", second, first
            out, _ = kit.layers.dropout_forward(x.copy(), {"mode": "train", "p": p, "seed": 3})
            yield "out", out, x * first
            others = [mask(shape, p, 4), mask(shape, p, None), mask(shape, p, None)]
            kept = [mask != 0 for mask in (first, *others)]
            yield (
                "the share that is kept",
                [float(abs(k.mean() - p) < 3 / k.size**0.5) for k in kept],
                [1] * 4,
            )
            both = [(a == b).mean() for a, b in itertools.combinations(kept, 2)]
            # Neighbours along an axis are as independent as two masks are.
            both += [
                (k.take(range(1, n), a) == k.take(range(n - 1), a)).mean()
                for k in kept
                for a, n in enumerate(shape)
            ]
            alike = p * p + (1 - p) ** 2
            yield (
                "how much masks have in common",
                (np.abs(np.array(both) - alike) < 0.05) * 1.0,
                np.ones(len(both)),
            )
            out, _ = kit.layers.dropout_forward(x.copy(), {"mode": "test", "p": p, "seed": 3})
            yield "out in mode test", out, x


def try_dropout_backward(kit: SimpleNamespace, failed: list[str]) -> Trial:
    forward, backward = kit.layers.dropout_forward, kit.layers.dropout_backward
    for shape, mode in itertools.product([(30,), (8, 6), (3, 2, 4, 2)], ["train", "test"]):
        r, results = RandomState(5), []
        x, dout = r.randn(*shape), r.randn(*shape)
        x.flat[::4] = 0
        try:
            for given, state in [(np.ones(shape), 6), (np.ones(shape), 8), (x, 6)]:
                np.random.seed(state)
                results.append(forward(given.copy(), {"mode": mode, "p": 0.6, "seed": 7}))
        except Exception as error:
            failed.append(f"dropout_forward: {type(error).__name__}: {error}")
            continue
        (mask, _), (again, _), (out, cache) = results
        if mode == "train" and np.ptp(mask) == 0:
            failed.append("dropout_forward drops nothing, or everything")
        elif not same(again, mask):
            failed.append("dropout_forward ignores its seed")
        elif not same(out, x * mask):
            failed.append("dropout_forward is no product with a mask")
        elif len(np.unique(mask)) > 2:
            failed.append("dropout_forward multiplies the kept entries by different numbers")
        dx = backward(dout.copy(), cache)
        # A forward that is wrong in mode test leaves two gradients that are right.
        yield f"dx in mode {mode}", dx, dout if mode == "test" and same(dx, dout) else dout * mask
    if len(failed) == 6:
        raise ForwardIsOff(failed[0])
