"""Execute a notebook in a kernel of its own, with progress and a Ctrl-C that ends both."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async
from tqdm import tqdm

from cs231n.common.terminal import format_duration, is_watched

__all__ = ["Outcome", "execute", "join_streams"]

HEARTBEAT_SECONDS = 30  # between two lines of a log while a notebook runs
INTERRUPT_GRACE = 5  # seconds in which an interrupted cell may end by itself


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


def execute(path: Path) -> Outcome:
    """Run every cell of a notebook in its folder, and show progress; the file is not changed.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C. The kernel has ended.
    """
    notebook = nbformat.read(path, as_version=4)
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for cell in code_cells:
        cell.outputs, cell.execution_count = [], None
    started, error, number, interrupted = time.monotonic(), None, 0, False
    bar = tqdm(
        total=len(code_cells),
        desc=path.stem,
        disable=not is_watched(),
        ncols=79,
        leave=False,
        bar_format="{desc} |{bar}| {n_fmt} of {total_fmt} cells, {elapsed}",
    )

    def count_cell(**_: object) -> None:
        nonlocal number
        number += 1

    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
        on_cell_execute=count_cell,
        on_cell_executed=lambda **_: bar.update(),
    )

    async def run() -> None:
        loop, job = asyncio.get_running_loop(), asyncio.ensure_future(client.async_execute())
        last_line = started

        def interrupt() -> None:
            nonlocal interrupted
            if number and not interrupted and client.km is not None:
                asyncio.ensure_future(ensure_async(client.km.interrupt_kernel()))  # the cell can end itself
                loop.call_later(INTERRUPT_GRACE, job.cancel)
            else:
                job.cancel()
            interrupted = True

        await asyncio.sleep(0)  # nbclient installs its handler, which fails while there is no kernel
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(signal.SIGINT, interrupt)
        while not job.done():
            await asyncio.wait({job}, timeout=1)
            bar.refresh()  # the clock goes on while a long cell runs
            now = time.monotonic()
            if bar.disable and now - last_line >= HEARTBEAT_SECONDS and not job.done():
                last_line = now
                place = f"cell {number} of {len(code_cells)}"
                print(f"  {path.stem}: {place}, {format_duration(now - started)}", flush=True)
        if interrupted and client.km is not None and client.km.has_kernel:
            await ensure_async(client.km.shutdown_kernel(now=True))  # it was about to start
        job.result()

    try:
        asyncio.run(run())
    except CellExecutionError as failure:
        last = (failure.evalue.strip().splitlines() or [""])[-1]
        error = f"cell {number} of {len(code_cells)}: {failure.ename}: {last}"
    except DeadKernelError:
        error = f"cell {number} of {len(code_cells)}: the kernel died, perhaps for want of memory"
    except asyncio.CancelledError:
        interrupted = True
    finally:
        bar.close()
        for cell in code_cells:
            cell.outputs = join_streams(cell.outputs)
    if interrupted:
        raise KeyboardInterrupt
    return Outcome(path, notebook, time.monotonic() - started, error)
