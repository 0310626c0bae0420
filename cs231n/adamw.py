"""The update rule adamw, over the adam of optim.py."""

from cs231n import optim
from cs231n.contracts import ZEROS, update_rule

__all__ = ["ADAM", "ADAMW", "adamw"]

ADAM = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "m": ZEROS, "v": ZEROS, "t": 0}
ADAMW = {**ADAM, "weight_decay": 1e-2}


@update_rule(blocks=True, **ADAMW)
def adamw(w, dw, config=None):
    """adam with decoupled weight decay, which shrinks the weights without passing through m or v.

        next_w = w - learning_rate (m_hat / (sqrt(v_hat) + epsilon) + weight_decay w)

    Args:
        w, dw: as in optim.rmsprop.
        config: dict of what optim.adam takes, and weight_decay 1e-2.
    Returns: next_w, config.
    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2; weight_decay is multiplied by the
    learning rate as well, which makes a schedule the same for both.
    """
    step = getattr(optim.adam, "__wrapped__", optim.adam)  # without its check, which refuses weight_decay
    decay = config["learning_rate"] * config["weight_decay"] * w  # before the step, which may write into w
    next_w, config = step(w, dw, config)
    return next_w - decay, config
