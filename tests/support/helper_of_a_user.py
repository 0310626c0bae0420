"""A module of a user, whose functions draw from a generator that no run can save."""

from functools import partial

import numpy as np

GENERATOR = np.random.default_rng(3)


def jitter(X, rng=None):
    return X + GENERATOR.normal()


def scale(X):
    return X * np.float32(1 + 0 * np.pi)


of_partial = partial(jitter, rng=None)
