"""Where trials run: in this process, in processes beside it, or on a cluster. All are concurrent.futures."""

import os
import pickle
import queue
import signal
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process

__all__ = ["ONE_THREAD", "Processes", "Serial", "WorkerLost", "executor_for"]

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
LIVES = 3


class WorkerLost(RuntimeError):
    """A task ended its worker, and the next one, and the one after that."""


class Serial(Executor):
    """Each task runs in this process, as it is submitted."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Worker processes on this machine, each started with one BLAS thread.

    A task whose worker is killed runs again on a new one, without any other noticing; after three workers it
    raises WorkerLost. (A ProcessPoolExecutor breaks as a whole, and does not say whose task it was.) Workers
    are started afresh, not forked, so tasks must be functions of a module; at shutdown they are killed.
    """

    def __init__(self, workers):
        self._threads = ThreadPoolExecutor(workers)  # one waits for each process
        self._idle = queue.SimpleQueue()
        self._started = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn, /, *args, **kwargs):
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, *task):
        task = pickle.dumps(task)
        for _ in range(LIVES):
            worker = self._take()
            try:
                if not worker.ready:
                    worker.wait_until_ready()
                worker.pipe.send_bytes(task)
                answer = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                worker.kill()
                continue
            self._idle.put(worker)
            result, error = pickle.loads(answer)
            if error is not None:
                raise error
            return result
        raise WorkerLost(f"{LIVES} workers ended before the task did; out of memory? try fewer workers")

    def _take(self):
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot run a task after shutdown")
            try:
                return self._idle.get_nowait()
            except queue.Empty:
                worker = _Worker()
                self._started.append(worker)
                return worker

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Without wait, or with cancel_futures, also what runs now is given up."""
        if wait and not cancel_futures:
            self._threads.shutdown()
        with self._lock:
            self._closed = True
        for worker in self._started:
            worker.kill()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


class _Worker:
    """A process, and the end of the pipe it listens to."""

    def __init__(self):
        context = get_context("spawn")  # a forked one would keep the BLAS threads of this process
        self.ready = False
        self._ending = threading.Lock()
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _environment(ONE_THREAD):
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def wait_until_ready(self):
        try:
            self.pipe.recv_bytes()
        except EOFError:
            if self._exitcode() < 0:  # killed, not at fault
                raise
            raise RuntimeError(
                "a worker process could not start, its error is printed above; in a script, "
                "try if __name__ == '__main__': around what starts the search"
            ) from None
        self.ready = True

    def kill(self):
        self.process.kill()
        self._exitcode()

    def _exitcode(self):
        with self._ending:  # of two threads that join a process, one learns how it ended
            self.process.join()
            return self.process.exitcode


def _work(pipe):
    """What a worker does: run what comes through the pipe, until there is no parent to hear of it."""
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


def _end_with_parent():
    parent_process().join()
    os._exit(1)


_starting = threading.Lock()


@contextmanager
def _environment(variables):
    with _starting:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def executor_for(text):
    """The executor that "serial", "processes:4" or "dask:tcp://host:8786" names, for a with statement.

    Whatever still runs on it when the statement ends is given up.

    Raises: ValueError for any other text; ModuleNotFoundError, OSError if there is no dask, or no scheduler.
    """
    kind, _, rest = text.partition(":")
    if kind == "serial" and not rest:
        yield Serial()
    elif kind == "processes" and rest.isdecimal() and int(rest) > 0:
        executor = Processes(int(rest))
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)
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
            yield client.get_executor(pure=False)  # a trial is run, not looked up
    else:
        raise ValueError(
            f"executor must be serial, processes:N or dask:ADDRESS, got {text!r}; "
            f"try processes:{os.cpu_count()}"
        )
