"""Schedules of the learning rate: from the progress of a run to a factor on the rate that was configured.

Each is schedule(progress, **settings) -> factor. progress is the share of the steps already done, 0 before
the first one and just below 1 before the last; settings are plain numbers, and a factor is never negative.
"""

import inspect
import math

from cs231n.contracts import require_choice, require_number, require_options

__all__ = ["SCHEDULES", "constant", "cosine", "one_cycle", "require_schedule"]


def constant(progress):
    """The rate as it was configured."""
    return 1.0


def cosine(progress, final=0.0):
    """Half a cosine from 1 down to final: slow at both ends, fastest in the middle.

        factor = final + (1 - final) (1 + cos(pi progress)) / 2

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """
    require_number("cosine", "progress", progress, 0, 1)
    require_number("cosine", "final", final, 0)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress, warm_up=0.3, start=0.04, final=0.0):
    """A straight line from start up to 1 for the share warm_up of the run, then a cosine down to final.

    The configured rate is the peak, so it can be larger than one that is held from the first step.
    Source: Smith and Topin 2018, arXiv:1708.07120; the cosine on the way down is later custom.
    """
    require_number("one_cycle", "progress", progress, 0, 1)
    require_number("one_cycle", "warm_up", warm_up, 0, 1, below=True)
    require_number("one_cycle", "start", start, 0)
    require_number("one_cycle", "final", final, 0)
    if progress < warm_up:
        return start + (1 - start) * progress / warm_up
    return cosine((progress - warm_up) / (1 - warm_up), final)


SCHEDULES = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}


def require_schedule(where, schedule, config):
    """Check that schedule names one of SCHEDULES and that config, a dict or None, fits it.

    Raises: TypeError; ValueError.
    """
    require_choice(where, "schedule", schedule, tuple(SCHEDULES))
    config = {} if config is None else config
    settings = list(inspect.signature(SCHEDULES[schedule]).parameters)[1:]
    require_options(where, "schedule_config", config, settings or ["no settings"])
    SCHEDULES[schedule](0.0, **config)
