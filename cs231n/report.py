"""Execute the notebooks, write them as pages that need no network, and print the closing table.

A notebook hands a number over with `record`. `run` executes every notebook in a kernel of its own, leaves the
files on disk as they are, collects what was recorded, and writes one page each and an index under reports/.
"""

import asyncio
import contextlib
import math
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

from cs231n.common.terminal import format_duration, is_watched

ROOT = Path(__file__).resolve().parent.parent
SIGN_OF_LIFE = 30  # seconds between the lines that a log gets while a notebook runs
GRACE = 5  # seconds in which an interrupted cell may end itself


def _percent(value):
    return f"{100 * value:.1f} %"


# The rows of the closing table, and how each is written.
RESULTS = {
    "largest gradient error": "{:.1e}".format,
    "closed form over staged": "{:.1f}x".format,
    "validation accuracy with batchnorm": _percent,
    "validation accuracy without": _percent,
    "test accuracy with batchnorm": _percent,
    "test accuracy without": _percent,
    "final net, test accuracy": _percent,
    "data source": str,
}


class Outcome(NamedTuple):
    """What came of one notebook; `error` is None where every cell ran."""

    path: Path
    notebook: dict
    seconds: float
    error: str | None


def record(name, value, text):
    """Show `text`, and hand `value` to the closing table of `python -m cs231n run`.

    Args:    name, one of RESULTS; value, a finite number (accuracies as fractions of 1) or, for the data
             source, a string; text, the line a reader sees.
    The value travels as metadata of the output, which nbval leaves out of its comparison: a stored notebook
    holds the text to account, and a measured number may differ from machine to machine.
    """
    if name not in RESULTS:
        raise ValueError(f"record: unknown name {name!r}; try one of: {', '.join(RESULTS)}")
    value = value if isinstance(value, str) else float(value)
    wanted = str if RESULTS[name] is str else float
    if not isinstance(value, wanted):
        raise ValueError(f"record: {name!r} must be a {wanted.__name__}, got {value!r}")
    if wanted is float and not math.isfinite(value):
        raise ValueError(f"record: {name!r} must be finite, got {value}; did the training diverge?")
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import display

        display({"text/plain": text}, metadata={"cs231n": {"name": name, "value": value}}, raw=True)
    else:
        print(text)


def collect(notebooks):
    """The recorded values by name: the largest of the gradient errors, of any other name the last."""
    found = {}
    for notebook in notebooks:
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                entry = output.get("metadata", {}).get("cs231n")
                if not entry or entry.get("name") not in RESULTS:
                    continue
                name, value = entry["name"], entry["value"]
                if name == "largest gradient error" and name in found:
                    value = max(value, found[name])
                found[name] = value
    return found


def is_stand_in(found):
    return "stand-in" in str(found.get("data source", "")).lower()


def table_rows(found, seconds):
    rows = [(name, show(found[name]) if name in found else "not measured") for name, show in RESULTS.items()]
    return [*rows, ("time", format_duration(seconds))]


def print_table(rows, stand_in, width=80):
    warning = "STAND-IN DATA: these accuracies are not those of CIFAR-10."
    print()
    if stand_in:
        print(f"*** {warning} ***")
    left = max(len(name) for name, _ in rows) + 2
    for name, shown in rows:
        print(textwrap.fill(shown, width, initial_indent=name.ljust(left), subsequent_indent=" " * left))
    if stand_in:
        print(f"*** {warning} ***")


def execute(path):
    """Run every cell of the notebook at `path`, in its folder, showing progress; the file is not changed."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from tqdm import tqdm

    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    started, error, number, interrupted = time.monotonic(), None, 0, False
    bar = tqdm(
        total=len(code),
        desc=path.stem,
        disable=not is_watched(),
        ncols=79,
        leave=False,
        bar_format="{desc} |{bar}| {n_fmt} of {total_fmt} cells, {elapsed}",
    )

    def starts(**_):
        nonlocal number
        number += 1

    # Streams are coalesced so that a progress bar inside a cell leaves its last state, not each of them.
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
        on_cell_execute=starts,
        on_cell_executed=lambda **_: bar.update(),
    )

    async def watched():
        loop, job, said = asyncio.get_running_loop(), asyncio.ensure_future(client.async_execute()), started

        def interrupt():
            nonlocal interrupted
            if number and not interrupted:
                asyncio.ensure_future(client.km.interrupt_kernel())  # the cell can end itself
                loop.call_later(GRACE, job.cancel)
            else:
                job.cancel()
            interrupted = True

        await asyncio.sleep(0)  # nbclient puts up its handler, which trips over a kernel not yet there
        with contextlib.suppress(NotImplementedError):  # on Windows nobody has a handler
            loop.add_signal_handler(signal.SIGINT, interrupt)
        while not job.done():
            await asyncio.wait({job}, timeout=1)
            bar.refresh()  # the clock goes on while a long cell runs
            now = time.monotonic()
            if bar.disable and now - said >= SIGN_OF_LIFE and not job.done():
                said = now
                print(
                    f"  {path.stem}: cell {number} of {len(code)}, {format_duration(now - started)}",
                    flush=True,
                )
        if interrupted and client.km is not None and client.km.has_kernel:
            await client.km.shutdown_kernel(now=True)  # it was about to start
        job.result()

    try:
        asyncio.run(watched())
    except CellExecutionError as failure:
        last = (failure.evalue.strip().splitlines() or [""])[-1]
        error = f"cell {number} of {len(code)}: {failure.ename}: {last}"
    except DeadKernelError:
        error = f"cell {number} of {len(code)}: the kernel died, perhaps for want of memory"
    except asyncio.CancelledError:
        interrupted = True
    finally:
        bar.close()
    if interrupted:
        raise KeyboardInterrupt
    return Outcome(path, notebook, time.monotonic() - started, error)


def main(notebooks=ROOT / "notebooks", reports=ROOT / "reports"):
    """Execute every notebook, each with its page, print the closing table; status 0 if every cell ran."""
    started = time.monotonic()
    paths = sorted(notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        print(f"run: no notebook in {notebooks}; try a fresh clone", file=sys.stderr)
        return 1
    from cs231n.pages import render

    try:
        reports.mkdir(parents=True, exist_ok=True)
        (reports / "index.html").unlink(missing_ok=True)  # an old index must not pass for this run's
    except OSError as refused:
        print(f"run: cannot write {reports}: {refused.strerror}; try another folder", file=sys.stderr)
        return 1

    print(f"Executing {len(paths)} notebooks; those that train nets take minutes.")
    outcomes, cards = [], []
    for path in paths:
        try:
            outcome = execute(path)
        except KeyboardInterrupt:
            kept = f"the pages of those before it are in {reports}" if cards else "no page was written"
            print(f"\nrun: interrupted in {path.name}; {kept}", file=sys.stderr)
            return 130
        outcomes.append(outcome)
        cards.append(render.write_page(outcome, reports))
        verdict = "FAILED" if outcome.error else "ok"
        print(f"  {path.stem:<28}{format_duration(outcome.seconds):>12}   {verdict}", flush=True)

    found = collect(outcome.notebook for outcome in outcomes)
    rows = table_rows(found, time.monotonic() - started)
    render.write_index(cards, rows, is_stand_in(found), reports)
    print_table(rows, is_stand_in(found))
    print(f"\nThe pages: {reports / 'index.html'}")
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        print(f"FAILED {outcome.path.name}, {outcome.error}", file=sys.stderr)
    return 1 if failed else 0
