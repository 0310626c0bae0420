"""Batch and group normalization of images: the batchnorm of layers.py over other axes, by reshapes alone.

cs231n.layers hands these functions on. They look into no cache of the batchnorm there, so they are right as
soon as that one is.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from cs231n.contracts import BATCHNORM, LAYERNORM, Shape, require_count, takes

__all__ = [
    "spatial_batchnorm_forward",
    "spatial_batchnorm_backward",
    "spatial_groupnorm_forward",
    "spatial_groupnorm_backward",
]

SpatialBatchNormCache = namedtuple("SpatialBatchNormCache", "x norm_cache")
SpatialGroupNormCache = namedtuple("SpatialGroupNormCache", "x_hat gamma G norm_cache")


class Groups(NamedTuple):
    """A rule for G: it divides C, the channels of the first array."""

    def check(self, contract, name, value, arrays):
        require_count(contract.where, name, value)
        C = arrays[0].shape[1]
        if C % value:
            divisors = ", ".join(str(G) for G in range(1, C + 1) if C % G == 0)
            raise ValueError(
                f"{contract.where}: {name} must divide the {C} channels of x, got {value}; "
                f"try one of {divisors}"
            )


PER_CHANNEL, PER_CHANNEL_4D = Shape("(C,)", integers=True), Shape("(1, C, 1, 1)", integers=True)
# The variance is checked by batchnorm_forward.
SPATIAL_BATCHNORM = BATCHNORM._replace(
    rules={**BATCHNORM.rules, "running_mean": Shape("(C,)"), "running_var": Shape("(C,)")}, then=()
)
GROUPNORM = LAYERNORM._replace(then=())


@takes("x (N, C, H, W)", gamma=PER_CHANNEL, beta=PER_CHANNEL, bn_param=SPATIAL_BATCHNORM)
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Batch normalization of each channel: its statistics are over the N H W pixels of all images.

    Args:
        x: (N, C, H, W).
        gamma, beta: (C,) scale and shift.
        bn_param: the dict that batchnorm_forward takes; running_mean and running_var are (C,).
    Returns: out (N, C, H, W); cache, for spatial_batchnorm_backward (None in mode "test").
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, section 3.2.
    """
    from cs231n.layers import batchnorm_forward  # here, because layers imports this file

    out, cache = batchnorm_forward(_to_rows(x), _as_floats(gamma, x), _as_floats(beta, x), bn_param)
    return _to_images(out, x.shape), cache if cache is None else SpatialBatchNormCache(x, cache)


@takes("dout like cache.x")
def spatial_batchnorm_backward(dout, cache):
    """dout (N, C, H, W) -> dx (N, C, H, W), dgamma (C,), dbeta (C,)."""
    from cs231n.layers import batchnorm_backward

    dx, dgamma, dbeta = batchnorm_backward(_to_rows(dout), cache.norm_cache)
    return _to_images(dx, dout.shape), dgamma, dbeta


@takes("x (N, C, H, W)", gamma=PER_CHANNEL_4D, beta=PER_CHANNEL_4D, G=Groups(), gn_param=GROUPNORM)
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    """Give each group of C/G channels of each image mean 0 and variance 1, then scale and shift each channel.

    G = 1 is layer normalization of whole images, G = C is instance normalization.

    Args:
        x: (N, C, H, W); the channels of a group follow each other.
        gamma, beta: (1, C, 1, 1) scale and shift.
        G: number of groups, which divides C.
        gn_param: dict of eps 1e-5, under the root; it may be empty, or a bn_param, whose eps alone is read.
    Returns: out (N, C, H, W); cache, for spatial_groupnorm_backward.
    Source: Wu and He 2018, arXiv:1803.08494, section 3.
    """
    from cs231n.layers import batchnorm_forward

    groups = x.reshape(len(x) * G, -1).T  # (C/G H W, N G), a column for each group of each image
    ones, param = np.ones(len(x) * G, x.dtype), {"mode": "train", "eps": gn_param.get("eps", 1e-5)}
    x_hat, cache = batchnorm_forward(groups, ones, 0 * ones, param)
    x_hat, gamma = x_hat.T.reshape(x.shape), _as_floats(gamma, x)
    return gamma * x_hat + _as_floats(beta, x), SpatialGroupNormCache(x_hat, gamma, G, cache)


@takes("dout like cache.x_hat")
def spatial_groupnorm_backward(dout, cache):
    """dout (N, C, H, W) -> dx (N, C, H, W), dgamma (1, C, 1, 1), dbeta (1, C, 1, 1)."""
    from cs231n.layers import batchnorm_backward

    x_hat, gamma, G, norm_cache = cache
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3), keepdims=True)
    dx, _, _ = batchnorm_backward((gamma * dout).reshape(len(dout) * G, -1).T, norm_cache)
    return dx.T.reshape(dout.shape), dgamma, dbeta


def _to_rows(images):
    """(N, C, H, W) -> (N H W, C), a row for each pixel."""
    return images.transpose(0, 2, 3, 1).reshape(-1, images.shape[1])


def _to_images(rows, shape):
    N, C, H, W = shape
    return rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)


def _as_floats(array, x):
    """Integers in the dtype of x; batchnorm_forward takes none, and public notebooks pass them here."""
    return array.astype(x.dtype) if array.dtype.kind in "iu" else array
