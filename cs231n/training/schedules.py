"""Schedules of the learning rate: from the progress of a run to a factor on the configured rate.

Each is schedule(progress, **settings) -> factor. progress is the share of the steps already done, 0 before
the first one and just below 1 before the last; settings are plain numbers, and a factor is never negative.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

from cs231n.contracts import require_choice, require_number, require_options

__all__ = ["SCHEDULES", "constant", "cosine", "one_cycle", "require_schedule"]


def constant(progress: float) -> float:
    """The configured rate, throughout."""
    return 1.0


def cosine(progress: float, final: float = 0.0) -> float:
    """Half a cosine from 1 down to `final`: slow at both ends, fastest in the middle.

        factor = final + (1 - final) (1 + cos(pi progress)) / 2

    Source:
        Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """
    require_number("cosine", "progress", progress, 0, 1)
    require_number("cosine", "final", final, 0)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress: float, warm_up: float = 0.3, start: float = 0.04, final: float = 0.0) -> float:
    """A straight line up to the configured rate, which is the peak, then a cosine down.

    The peak can be larger than a rate that is constant from the first step.

    Args:
        progress: share of the steps already done, 0 to 1.
        warm_up: share of the run before the peak, below 1.
        start: the factor at progress 0.
        final: the factor at progress 1.

    Source:
        Smith and Topin 2018, arXiv:1708.07120; the cosine on the way down is later custom.
    """
    require_number("one_cycle", "progress", progress, 0, 1)
    require_number("one_cycle", "warm_up", warm_up, 0, 1, below=True)
    require_number("one_cycle", "start", start, 0)
    require_number("one_cycle", "final", final, 0)
    if progress < warm_up:
        return start + (1 - start) * progress / warm_up
    return cosine((progress - warm_up) / (1 - warm_up), final)


SCHEDULES: dict[str, Callable[..., float]] = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}


def require_schedule(where: str, schedule: Any, config: Any) -> None:
    """Check that `schedule` is a name in SCHEDULES and that `config`, a dict or None, holds its settings.

    Raises:
        TypeError, ValueError: the message begins with `where` and names the setting.
    """
    require_choice(where, "schedule", schedule, tuple(SCHEDULES))
    config = {} if config is None else config
    settings = list(inspect.signature(SCHEDULES[schedule]).parameters)[1:]
    require_options(where, "schedule_config", config, settings or ["no settings"])
    SCHEDULES[schedule](0.0, **config)
