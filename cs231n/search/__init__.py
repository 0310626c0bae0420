"""Search over hyper-parameters, on one machine or on a cluster; docs/search.md is the manual."""

from cs231n.common.executors import executor_for
from cs231n.search.halving import rungs, search
from cs231n.search.space import choice, integer, log_uniform, propose, uniform

__all__ = ["choice", "executor_for", "integer", "log_uniform", "propose", "rungs", "search", "uniform"]
