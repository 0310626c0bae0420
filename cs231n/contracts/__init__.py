"""Checks of the arguments of a function: written above it, and run before its first line.

    @takes("x (N, D...), w (D, M), b (M,)")
    def affine_forward(x, w, b):

A call that does not fit raises TypeError or ValueError with one sentence that says what to change. The check
is outside the body, so an edit of the body does not remove it.
"""

from cs231n.contracts.names import public_names, stand_ins
from cs231n.contracts.require import (
    describe_with_fix,
    is_plain_array,
    require_bool,
    require_choice,
    require_count,
    require_float_dtype,
    require_labels,
    require_layers,
    require_number,
    require_rng,
    require_seed,
    require_sizes,
)
from cs231n.contracts.shapes import require
from cs231n.contracts.takes import (
    BATCHNORM,
    DROPOUT,
    FUSED_BATCHNORM,
    LAYERNORM,
    RNG,
    Check,
    Number,
    OneOf,
    Optional,
    Shape,
    takes,
)
from cs231n.contracts.update_rule import ZEROS, init_config, require_finite_squares, update_rule
from cs231n.contracts.variance import require_scale
