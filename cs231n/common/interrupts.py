"""Ctrl-C during a long call into LAPACK."""

import atexit
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["run_interruptibly"]

Result = TypeVar("Result")


def run_interruptibly(function: Callable[[], Result]) -> Result:
    """function() in a thread, so that Ctrl-C acts at once where one call of it takes seconds.

    After Ctrl-C the thread computes on for nothing, and does not keep the process from ending: if it still
    computes then, the exit status is 130.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
        Exception: what function raises.
    """
    results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((function(), None))
        except BaseException as error:
            results.put((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while True:
        try:
            result, error = results.get(timeout=0.1)  # without a timeout, Windows would not see Ctrl-C
        except queue.Empty:
            continue
        except KeyboardInterrupt:
            atexit.register(_end_process, thread)
            raise
        if error is not None:
            raise error
        return result


def _end_process(thread: threading.Thread) -> None:
    """End at once if thread still computes: it would crash when the exit frees the memory of BLAS."""
    if thread.is_alive():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(130)
