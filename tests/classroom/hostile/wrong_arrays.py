# Arrays of the wrong shape, the wrong type, too large, and none at all.
import numpy as np


def affine_forward(x, w, b):
    return np.full((len(x), w.shape[1]), np.nan), None


def relu_forward(x):
    return x.T, x


def softmax_loss(x, y):
    return "low", np.array([object()])


def batchnorm_forward(x, gamma, beta, bn_param):
    return np.zeros(10_000_000), None


def layernorm_forward(x, gamma, beta, ln_param):
    return np.broadcast_to(0.0, (1 << 40,)), None


def dropout_forward(x, dropout_param):
    return x.astype(complex) * 1j, None
