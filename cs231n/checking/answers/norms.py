"""Batch and layer normalization: what is right, and what goes wrong."""

from cs231n.checking.answers.norm_backward import (
    FEATURES_FOR_BATCH_SIZE,
    LAYERNORM_ROWS,
    backward_misconceptions,
    by_nodes,
)
from cs231n.checking.answers.norm_definition import gradients, layer
from cs231n.checking.answers.norm_explanation import explain_by_nodes, explain_dx
from cs231n.checking.answers.norm_forward import (
    BATCHNORM_FORWARD,
    batchnorm_expected,
    explain_mode,
    forward_misconceptions,
)
from cs231n.checking.answers.norm_second_derivative import DOUBLE_BACKWARD
from cs231n.checking.answers.primitives import Answers

__all__ = ["ANSWERS"]

ANSWERS = {
    "batchnorm_forward": Answers(batchnorm_expected, BATCHNORM_FORWARD, explain_mode),
    "batchnorm_backward": Answers(
        lambda i, outputs: gradients(i),
        [
            row._replace(source=by_nodes(row.source))
            for row in backward_misconceptions(rows=False) + FEATURES_FOR_BATCH_SIZE
        ],
        explain_by_nodes,
        forward_out=layer,
    ),
    "batchnorm_backward_alt": Answers(
        lambda i, outputs: gradients(i),
        backward_misconceptions(rows=False, closed_form=True) + FEATURES_FOR_BATCH_SIZE,
        explain_dx(rows=False, closed_form=True),
        forward_out=layer,
    ),
    "layernorm_forward": Answers(
        lambda i, outputs: {"out": layer(i, rows=True)}, forward_misconceptions(rows=True)
    ),
    "layernorm_backward": Answers(
        lambda i, outputs: gradients(i, rows=True),
        LAYERNORM_ROWS,
        explain_dx(rows=True),
        forward_out=lambda i: layer(i, rows=True),
    ),
    "batchnorm_double_backward": DOUBLE_BACKWARD,
}
