"""Execute notebooks, each in a kernel of its own, with progress and a Ctrl-C that ends all of them."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async
from tqdm import tqdm

from cs231n.common.terminal import format_duration, is_watched

__all__ = ["Outcome", "execute", "join_streams"]

HEARTBEAT_SECONDS = 30  # between two lines of a log while notebooks run
INTERRUPT_GRACE = 5  # seconds in which an interrupted cell may end by itself
MOST_AT_ONCE = 2  # kernels; each has CIFAR-10 in memory


class Outcome(NamedTuple):
    """One executed notebook; `error` is None if every cell ran, else it names the cell and the error."""

    path: Path
    notebook: nbformat.NotebookNode
    seconds: float
    error: str | None


def join_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs of a cell, all of a stream in its first, standard output before standard error.

    Of a line that carriage returns write again, as a progress bar does, the last state stays. The time is
    linear; that of nbclient's coalesce_streams grows with the square of a line's length.
    """
    texts: dict[str, list[str]] = {}
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            joined.append(output)
            continue
        if output.name not in texts:
            joined.append(output)
        texts.setdefault(output.name, []).append(output.text)
    for output in joined:
        if output.output_type == "stream":
            lines = "".join(texts[output.name]).split("\n")
            output.text = "\n".join(line[line.rfind("\r", 0, len(line) - 1) + 1 :] for line in lines)
    for i, (first, second) in enumerate(zip(joined, joined[1:])):
        if (first.get("name"), second.get("name")) == ("stderr", "stdout"):
            joined[i : i + 2] = [second, first]
    return joined


class Execution:
    """The execution of one notebook, which another thread can interrupt; the file is not changed."""

    def __init__(self, path: Path):
        self.path = path
        self.notebook = nbformat.read(path, as_version=4)
        self.code_cells = [
            cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip()
        ]
        for cell in self.code_cells:
            cell.outputs, cell.execution_count = [], None
        self.number = 0  # of the cell at work
        self.executed = 0
        self.started: float | None = None
        self.finished = self.interrupted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = NotebookClient(
            self.notebook,
            timeout=None,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--log-level=ERROR"],
            on_cell_execute=self._begin_cell,
            on_cell_executed=self._end_cell,
        )

    def _begin_cell(self, **_: object) -> None:
        self.number += 1

    def _end_cell(self, **_: object) -> None:
        self.executed += 1

    @property
    def place(self) -> str:
        return f"cell {self.number} of {len(self.code_cells)}"

    def run(self) -> Outcome:
        """Run every cell in the notebook's folder. The kernel has ended afterwards."""
        self.started, error = time.monotonic(), None
        try:
            asyncio.run(self._run())
        except CellExecutionError as failure:
            last = (failure.evalue.strip().splitlines() or [""])[-1]
            error = f"{self.place}: {failure.ename}: {last}"
        except DeadKernelError:
            error = f"{self.place}: the kernel died, perhaps for want of memory"
        except asyncio.CancelledError:
            error = f"{self.place}: interrupted"
        finally:
            self.finished = True
            for cell in self.code_cells:
                cell.outputs = join_streams(cell.outputs)
        return Outcome(self.path, self.notebook, time.monotonic() - self.started, error)

    async def _run(self) -> None:
        self._job = asyncio.ensure_future(self._client.async_execute())
        self._loop = asyncio.get_running_loop()
        if self.interrupted:
            self._job.cancel()
        await asyncio.wait({self._job})
        manager = self._client.km
        if self.interrupted and manager is not None and manager.has_kernel:
            await ensure_async(manager.shutdown_kernel(now=True))  # it was about to start
        self._job.result()

    def interrupt(self) -> None:
        """Ctrl-C: the cell can end itself for a while; at the second, and between cells, the kernel ends."""
        again, self.interrupted = self.interrupted, True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._interrupt, again)

    def _interrupt(self, again: bool) -> None:
        if self.number and not again and self._client.km is not None:
            asyncio.ensure_future(ensure_async(self._client.km.interrupt_kernel()))
            asyncio.get_running_loop().call_later(INTERRUPT_GRACE, self._job.cancel)
        else:
            self._job.cancel()


def execute(paths: Sequence[Path], finish: Callable[[Outcome], None]) -> None:
    """Execute notebooks, two at once where there are two cores, and show progress.

    Args:
        paths: the notebooks; where two run at once, the last ones start first, because they take longest.
        finish: called in this thread with each outcome, as soon as its notebook has ended.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C. All kernels have ended, as after any other exception.
    """
    workers = min(MOST_AT_ONCE, count_cores())
    executions = [Execution(path) for path in (paths if workers == 1 else paths[::-1])]
    last_line = time.monotonic()
    bar = tqdm(
        total=sum(len(execution.code_cells) for execution in executions),
        desc="notebooks",
        disable=not is_watched(),
        ncols=79,
        leave=False,
        bar_format="{desc} |{bar}| {n_fmt} of {total_fmt} cells, {elapsed}",
    )
    # nbclient's own handler of Ctrl-C ends a kernel at once; in a thread it is not installed.
    pool = ThreadPoolExecutor(workers)
    try:
        pending = {pool.submit(execution.run) for execution in executions}
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            if done:
                bar.clear()
            for future in done:
                finish(future.result())
            bar.n = sum(execution.executed for execution in executions)
            bar.refresh()  # the clock goes on while a long cell runs
            if bar.disable and (now := time.monotonic()) - last_line >= HEARTBEAT_SECONDS:
                last_line = now
                for execution in executions:
                    if execution.started is not None and not execution.finished:
                        elapsed = format_duration(now - execution.started)
                        print(f"  {execution.path.stem}: {execution.place}, {elapsed}", flush=True)
    finally:
        bar.close()
        _end(pool, executions)


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end(pool: ThreadPoolExecutor, executions: list[Execution]) -> None:
    """End what is still at work; another Ctrl-C ends its kernels at once."""
    while True:
        try:
            for execution in executions:
                execution.interrupt()
            return pool.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            continue
