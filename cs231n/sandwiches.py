"""Hidden layers of a net as one: affine, normalization, relu and dropout, each of layers.py.

Caches of layers.py go from a forward to its backward as they are: they hold what the two agree on.
"""

from cs231n import layers
from cs231n.contracts import DROPOUT, OneOf, Optional, stand_ins, takes
from cs231n.layers import *

__all__ = [
    "affine_norm_relu_forward",
    "affine_norm_relu_backward",
    "affine_norm_relu_dropout_forward",
    "affine_norm_relu_dropout_backward",
]

_OF_LATER_YEARS = ("layernorm_forward", "layernorm_backward", "batchnorm_backward_alt")
globals().update(stand_ins(layers, _OF_LATER_YEARS))  # a layers.py of 2016 has no layernorm


@takes(normalization=OneOf(("batchnorm", "layernorm")))
def affine_norm_relu_forward(x, w, b, gamma, beta, norm_param, normalization):
    """Affine, then normalization "batchnorm" or "layernorm", then relu.

    Args:
        x: (N, d1, ..., dk), each example read as one row of D numbers.
        w: (D, M) weights.
        b, gamma, beta: (M,) biases, scale and shift.
        norm_param: the dict that batchnorm_forward or layernorm_forward takes.
        normalization: "batchnorm" or "layernorm".
    Returns: out (N, M); cache, for affine_norm_relu_backward.
    """
    a, affine_cache = affine_forward(x, w, b)
    norm_forward = batchnorm_forward if normalization == "batchnorm" else layernorm_forward
    normed, norm_cache = norm_forward(a, gamma, beta, norm_param)
    out, relu_cache = relu_forward(normed)
    return out, (x, affine_cache, norm_cache, relu_cache, normalization)


def affine_norm_relu_backward(dout, cache, needs_dx=True):
    """dout (N, M) -> dx with the shape of x, dw (D, M), db, dgamma, dbeta (M,).

    Args:
        dout: (N, M) upstream gradient.
        cache: of affine_norm_relu_forward.
        needs_dx: False gives None for dx, which the first layer of a net does not need.
    """
    x, affine_cache, norm_cache, relu_cache, normalization = cache
    norm_backward = batchnorm_backward_alt if normalization == "batchnorm" else layernorm_backward
    da, dgamma, dbeta = norm_backward(relu_backward(dout, relu_cache), norm_cache)
    return *_affine_backward_if(needs_dx, da, affine_cache, x), dgamma, dbeta


@takes(normalization=OneOf((None, "batchnorm", "layernorm")), dropout_param=Optional(DROPOUT, empty=True))
def affine_norm_relu_dropout_forward(x, w, b, gamma, beta, norm_param, normalization, dropout_param):
    """One hidden layer of a net: affine [- normalization] - relu [- dropout].

    Args:
        x, w, b: as in affine_norm_relu_forward.
        gamma, beta, norm_param: as there, but not read where normalization is None.
        normalization: None, "batchnorm" or "layernorm".
        dropout_param: the dict that dropout_forward takes; None or {} leaves dropout out.
    Returns: out (N, M); cache, for affine_norm_relu_dropout_backward.
    """
    if normalization is None:
        a, affine_cache = affine_forward(x, w, b)
        out, relu_cache = relu_forward(a)
        cache = x, affine_cache, relu_cache
    else:
        out, cache = affine_norm_relu_forward(x, w, b, gamma, beta, norm_param, normalization)
    return then_dropout(out, cache, normalization, dropout_param)


def then_dropout(out, cache, normalization, dropout_param):
    """The last part of affine_norm_relu_dropout_forward, after the layers before it gave out and cache."""
    if not dropout_param:
        return out, (cache, None, normalization)
    out, dropout_cache = dropout_forward(out, dropout_param)
    return out, (cache, dropout_cache, normalization)


def affine_norm_relu_dropout_backward(dout, cache, needs_dx=True):
    """dout (N, M) -> dx, dw, db, dgamma, dbeta; the last two are None without normalization.

    Args:
        dout: (N, M) upstream gradient.
        cache: of affine_norm_relu_dropout_forward.
        needs_dx: False gives None for dx.
    """
    cache, dropout_cache, normalization = cache
    if dropout_cache is not None:
        dout = dropout_backward(dout, dropout_cache)
    if normalization is None:
        x, affine_cache, relu_cache = cache
        return *_affine_backward_if(needs_dx, relu_backward(dout, relu_cache), affine_cache, x), None, None
    return affine_norm_relu_backward(dout, cache, needs_dx)


def _affine_backward_if(needs_dx, dout, cache, x):
    """affine_backward, but with None for dx and one product less if needs_dx is False."""
    if needs_dx:
        return affine_backward(dout, cache)
    return None, x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
