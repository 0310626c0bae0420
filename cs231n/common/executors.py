"""Executors of concurrent.futures: in this process, in worker processes, or on a dask cluster."""

import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from cs231n.common.environment import ONE_THREAD, environment

__all__ = ["ONE_THREAD", "Processes", "Serial", "WorkerLost", "executor_for", "run_on_each_worker"]

MAX_ATTEMPTS = 3  # workers that one task may cost


class WorkerLost(RuntimeError):
    """Each of the workers that tried a task ended before the task did."""


class Serial(Executor):
    """Each task runs in this process, as it is submitted."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Worker processes on this machine, each started with one BLAS thread.

    A task whose worker is killed runs again on a new worker, and the other tasks go on; after MAX_ATTEMPTS
    workers it raises WorkerLost. (A ProcessPoolExecutor breaks as a whole, and does not say which task did
    it.) Workers are spawned, not forked, so tasks must be functions of a module; shutdown kills the workers.

    Args:
        workers: how many processes run at a time.
    """

    def __init__(self, workers: int):
        self._num_workers = workers
        self._threads = ThreadPoolExecutor(workers)  # one waits for each process
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._started: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    def run_on_each_worker(self, fn: Callable, /, *args: Any) -> list[Any]:
        """Call a function once in each worker: as many tasks at a time go to as many workers."""
        futures = [self.submit(fn, *args) for _ in range(self._num_workers)]
        return [future.result() for future in futures]

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, *task: Any) -> Any:
        message = pickle.dumps(task)
        for _ in range(MAX_ATTEMPTS):
            worker = self._acquire_worker()
            try:
                if not worker.ready:
                    worker.wait_until_ready()
                worker.pipe.send_bytes(message)
                answer = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                worker.kill()
                continue
            self._idle.put(worker)
            result, error = pickle.loads(answer)
            if error is not None:
                raise error
            return result
        raise WorkerLost(
            f"{MAX_ATTEMPTS} workers ended before the task did; out of memory? try fewer workers"
        )

    def _acquire_worker(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot run a task after shutdown")
            try:
                return self._idle.get_nowait()
            except queue.Empty:
                worker = _Worker()
                self._started.append(worker)
                return worker

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kill the workers. Tasks that run now end first, but not with wait=False or cancel_futures=True."""
        if wait and not cancel_futures:
            self._threads.shutdown()
        with self._lock:
            self._closed = True
        for worker in self._started:
            worker.kill()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


_starting = threading.Lock()


class _Worker:
    """A process, and the end of its pipe in this process."""

    def __init__(self) -> None:
        context = get_context("spawn")  # a forked one would keep the BLAS threads of this process
        self.ready = False
        self._ending = threading.Lock()
        self.pipe, child_pipe = context.Pipe()
        self.process = context.Process(target=_work, args=(child_pipe,), daemon=True)
        with _starting, environment(ONE_THREAD):
            self.process.start()
        child_pipe.close()  # so that the pipe ends with the process

    def wait_until_ready(self) -> None:
        try:
            self.pipe.recv_bytes()
        except EOFError:
            if self._exitcode() < 0:  # killed, not at fault
                raise
            raise RuntimeError(
                "a worker process could not start, its error is printed above; in a script, "
                "try to start the search below if __name__ == '__main__':"
            ) from None
        self.ready = True

    def kill(self) -> None:
        self.process.kill()
        self._exitcode()

    def _exitcode(self) -> int:
        with self._ending:  # of two threads that join a process, one learns how it ended
            self.process.join()
            return self.process.exitcode or 0


def _work(pipe: Any) -> None:
    """Run the tasks that come through the pipe, until the parent process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send_bytes(b"ready")
    while True:
        task = pipe.recv_bytes()
        try:
            fn, args, kwargs = pickle.loads(task)
            answer = pickle.dumps((fn(*args, **kwargs), None))
        except Exception as error:
            answer = pickle.dumps((None, error))
        pipe.send_bytes(answer)


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
        processes = Processes(int(rest))
        try:
            yield processes
        finally:
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
            executor = client.get_executor(pure=False)  # a trial is run, not looked up
            executor.client = client  # for run_on_each_worker
            yield executor
    else:
        raise ValueError(
            f"executor must be serial, processes:N or dask:ADDRESS, got {text!r}; "
            f"try processes:{os.cpu_count()}"
        )


def run_on_each_worker(executor: Executor, fn: Callable, /, *args: Any) -> list[Any]:
    """What a function returns in each worker of an executor of `executor_for`, before it has other tasks."""
    if isinstance(executor, Processes):
        return executor.run_on_each_worker(fn, *args)
    client = getattr(executor, "client", None)  # of dask
    return [fn(*args)] if client is None else list(client.run(fn, *args).values())
