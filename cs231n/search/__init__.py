"""Search over hyper-parameters, here or on a cluster: docs/search.md has the whole of it."""

from cs231n.common.executors import executor_for
from cs231n.search.halving import propose, rungs, search
from cs231n.search.space import choice, integer, log_uniform, uniform

__all__ = ["choice", "executor_for", "integer", "log_uniform", "propose", "rungs", "search", "uniform"]
