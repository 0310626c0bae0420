# Wants 8 GiB, and touches them.
import numpy as np


def affine_forward(x, w, b):
    return np.ones(1 << 30), None
