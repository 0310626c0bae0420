"""Where submissions are marked: in this process, in worker processes, or on a dask cluster."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from cs231n.common.environment import ONE_THREAD, environment

__all__ = ["Serial", "executor_for", "run_on_each_worker"]


class Serial(Executor):
    """Each task runs in this process, as it is submitted."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(Executor):
    """A ProcessPoolExecutor that goes on after a worker was killed.

    All tasks that run or wait then raise BrokenExecutor; the next one that is submitted starts new workers.
    """

    def __init__(self, num_workers: int):
        self.num_workers = num_workers
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Spawned: a forked worker would keep the BLAS threads of this process.
        return ProcessPoolExecutor(self.num_workers, get_context("spawn"), _prepare_worker)

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool = self._start()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


@contextmanager
def executor_for(text: str) -> Iterator[Executor]:
    """An executor for a with statement; what still runs when the statement ends is cancelled.

    Args:
        text: "serial", "processes:4" or "dask:tcp://host:8786".

    Raises:
        ValueError: any other text.
        ModuleNotFoundError: dask is not installed.
        OSError: no scheduler answers at the address.
    """
    kind, _, rest = text.partition(":")
    if kind == "serial" and not rest:
        yield Serial()
    elif kind == "processes" and rest.isdecimal() and int(rest) > 0:
        others = set(active_children())
        with environment(ONE_THREAD), _Processes(int(rest)) as processes:
            try:
                yield processes
            finally:
                for worker in set(active_children()) - others:
                    worker.kill()
                processes.shutdown(cancel_futures=True)
    elif kind == "dask" and rest:
        try:
            from distributed import Client
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                f"dask: no {missing.name} in this Python; try: pip install -e '.[cluster]'", name=missing.name
            ) from None
        try:
            client = Client(rest, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise OSError(
                f"dask: no scheduler answers at {rest} ({error}); try the address that "
                "`dask scheduler` prints"
            ) from None
        with client:
            executor = client.get_executor(pure=False)  # a submission is marked, not looked up
            executor.client = client  # for run_on_each_worker
            yield executor
    else:
        raise ValueError(
            f"executor must be serial, processes:N or dask:ADDRESS, got {text!r}; "
            f"try processes:{os.cpu_count()}"
        )


def run_on_each_worker(executor: Executor, fn: Callable, /, *args: Any) -> list[Any]:
    """What a function returns in the workers of an executor of `executor_for`.

    Of worker processes as many calls go to as many workers: a worker that starts late may get none.
    """
    if isinstance(executor, _Processes):
        futures = [executor.submit(fn, *args) for _ in range(executor.num_workers)]
        return [future.result() for future in futures]
    client = getattr(executor, "client", None)  # of dask
    return [fn(*args)] if client is None else list(client.run(fn, *args).values())
