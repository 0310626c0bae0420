"""Layers that always come together, as one: a sandwich has a forward, a backward and one cache."""

from cs231n import sandwiches
from cs231n.layers import *
from cs231n.sandwiches import *

__all__ = ["affine_relu_forward", "affine_relu_backward", *sandwiches.__all__]


def affine_relu_forward(x, w, b):
    """Affine, then relu.

    Args:
        x: (N, d1, ..., dk), each example read as one row of D numbers.
        w: (D, M) weights.
        b: (M,) biases.
    Returns: out (N, M); cache, for affine_relu_backward.
    """
    a, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (affine_cache, relu_cache)


def affine_relu_backward(dout, cache):
    """dout (N, M) -> dx with the shape of x, dw (D, M), db (M,)."""
    affine_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), affine_cache)
