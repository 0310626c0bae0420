"""Whether a learner's functions are right by the course: an oracle from the definitions alone.

It shares no line with cs231n/checking. A gradient is taken from the definition of a layer, or of a net, by a
complex step: f(x + ih) = f(x) + ih f'(x), exact to the last digits for a small h. What only this kit asks
(float32 kept, arguments left alone, scores near 1000, the slope of relu at 0) is not asked here.
"""

import contextlib
import io
import warnings
from types import SimpleNamespace

import numpy as np

from tests.corpus.reference.layers import GRADIENTS, judge_layer
from tests.corpus.reference.nets import NETS, judge_net
from tests.corpus.reference.trials import Truth
from tests.corpus.reference.update_rules import RULES, judge_rule

__all__ = ["EXERCISES", "GRADIENTS", "NETS", "Truth", "judge"]

EXERCISES = (
    "affine_forward affine_backward relu_forward relu_backward softmax_loss batchnorm_forward "
    "batchnorm_backward batchnorm_backward_alt layernorm_forward layernorm_backward TwoLayerNet.loss "
    "sgd_momentum rmsprop adam dropout_forward dropout_backward FullyConnectedNet"
).split()


def judge(exercise: str, kit: SimpleNamespace) -> Truth:
    """Whether an exercise is right in kit, whose layers, layer_utils, optim and fc_net are modules."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if exercise in NETS:
            return judge_net(exercise, kit)
        return judge_rule(exercise, kit) if exercise in RULES else judge_layer(exercise, kit)
