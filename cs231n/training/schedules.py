"""Schedules of the learning rate: from the progress of a run to a factor on the configured rate.

    Solver(model, data, schedule=cosine(final=0.1))

A schedule is called with progress, the share of the steps already done: 0 before the first one, and just
below 1 before the last. Any function of it will do; the repr of those here is the call that makes them.
"""

import math
from dataclasses import dataclass, fields

from cs231n.contracts import require_number

__all__ = ["cosine", "one_cycle"]


class _Schedule:
    def __post_init__(self) -> None:
        for setting in fields(self):  # type: ignore[arg-type]
            name, value = setting.name, getattr(self, setting.name)
            most = 1 if name == "warm_up" else math.inf
            require_number(type(self).__name__, name, value, 0, most, below=most == 1)
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True)
class cosine(_Schedule):
    """Half a cosine from 1 down to `final`: slow at both ends, fastest in the middle.

        factor = final + (1 - final) (1 + cos(pi progress)) / 2

    Args:
        final: the factor at progress 1, at least 0.

    Source:
        Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """

    final: float = 0.0

    def __call__(self, progress: float) -> float:
        require_number("cosine", "progress", progress, 0, 1)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class one_cycle(_Schedule):
    """A straight line up to the configured rate, which is the peak, then a cosine down.

    The peak can be larger than a rate that is constant from the first step.

    Args:
        warm_up: share of the run before the peak, below 1.
        start: the factor at progress 0, at least 0.
        final: the factor at progress 1, at least 0.

    Source:
        Smith and Topin 2018, arXiv:1708.07120; the cosine on the way down is later custom.
    """

    warm_up: float = 0.3
    start: float = 0.04
    final: float = 0.0

    def __call__(self, progress: float) -> float:
        require_number("one_cycle", "progress", progress, 0, 1)
        if progress < self.warm_up:
            return self.start + (1 - self.start) * progress / self.warm_up
        return cosine(self.final)((progress - self.warm_up) / (1 - self.warm_up))
