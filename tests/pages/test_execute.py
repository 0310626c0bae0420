"""Notebooks side by side, in kernels of their own, and how Ctrl-C ends them."""

import os
import re
import signal
import time

import nbclient
import pytest

from cs231n.commands import run
from cs231n.pages import execute
from tests.support import ROOT
from tests.support.notebooks import write_notebook
from tests.support.python import alive, run_python, wait_for

needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGINT to one process")

# The kernel's parent is this process: a cell can press Ctrl-C for the user.
PRESS = "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\n"


@needs_signals
@pytest.mark.parametrize(
    "when", ["async_start_new_kernel", "async_start_new_kernel_client", "async_wait_for_reply"]
)
def test_an_interrupt_while_a_kernel_starts_ends_the_run_and_the_kernel(tmp_path, monkeypatch, capfd, when):
    path = write_notebook(tmp_path / "1.ipynb", "import time; time.sleep(60)")
    whole, kernels = getattr(nbclient.NotebookClient, when), []

    async def pressed(self, *args, **kwargs):
        kernels.append(self.km)
        os.kill(os.getpid(), signal.SIGINT)
        return await whole(self, *args, **kwargs)

    monkeypatch.setattr(nbclient.NotebookClient, when, pressed)
    with pytest.raises(KeyboardInterrupt):
        execute.execute([path], print)
    assert not kernels[0].has_kernel
    assert capfd.readouterr().err == ""


INTO_ANOTHER_ERROR = "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise ValueError"
# The press is within try: its interrupt can come back before the next line.
PRESS_IGNORED = (
    "import os, signal, time\ntry:\n    os.kill(os.getppid(), signal.SIGINT)\n    time.sleep(20)\n"
    "except KeyboardInterrupt:\n    pass\n"
)
IGNORED = "while True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"


CELLS = {
    "in a cell": [PRESS + "time.sleep(60)"],
    "between cells": [PRESS, "time.sleep(60)"],
    "in the last": [PRESS],
    "turned into another error": [PRESS + INTO_ANOTHER_ERROR],
    "ignored": [PRESS + IGNORED],
}


@needs_signals
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_an_interrupt_ends_the_run_whatever_the_cell_makes_of_it(tmp_path, monkeypatch, cells):
    monkeypatch.setattr(execute, "INTERRUPT_GRACE", 1)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execute.execute([write_notebook(tmp_path / "1.ipynb", *cells)], print)
    assert time.monotonic() - began < 30


@needs_signals
def test_an_interrupted_run_keeps_the_pages_it_has(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute, "count_cores", lambda: 1)
    write_notebook(tmp_path / "0_done.ipynb", "1")
    write_notebook(tmp_path / "1_never_ends.ipynb", PRESS + "time.sleep(60)")
    assert run.main(tmp_path, tmp_path / "reports") == 130
    assert "run: interrupted; the pages of those that had ended are in" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["0_done.html"]


def waits_for(path):
    """Code that waits for a file, for a minute at most."""
    return (
        "import time; from pathlib import Path\n"
        f"for _ in range(600):\n    if Path({str(path)!r}).exists(): break\n    time.sleep(0.1)\n"
        f"assert Path({str(path)!r}).exists()"
    )


def test_two_notebooks_run_at_once_and_their_cards_are_in_the_order_of_the_notebooks(
    tmp_path, monkeypatch, capsys
):
    """Each waits for the other; then 1 waits for the page of 2, so 2 ends first."""
    monkeypatch.setattr(execute, "count_cores", lambda: 8)
    reports = tmp_path / "reports"
    for n, waits in (
        (1, [waits_for(tmp_path / "2"), waits_for(reports / "2.html")]),
        (2, [waits_for(tmp_path / "1")]),
    ):
        touch = f"from pathlib import Path\nPath({str(tmp_path / str(n))!r}).touch()"
        write_notebook(tmp_path / f"{n}.ipynb", touch, *waits, text=f"# Title {n}")
    assert run.main(tmp_path, reports, tmp_path) == 0
    assert re.findall(r"^  (\d) .* ok$", capsys.readouterr().out, re.M) == ["2", "1"]
    index = (reports / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<a\b[^>]*href="([^"]*)"', index) == ["1.html", "2.html"]
    entries = (reports / "search-index.js").read_text(encoding="utf-8")
    assert entries.index("Title 1") < entries.index("Title 2")


@pytest.mark.parametrize("cores, most", [(1, 1), (8, 2)])
def test_no_more_notebooks_at_once_than_cores_and_two(tmp_path, monkeypatch, cores, most):
    monkeypatch.setattr(execute, "count_cores", lambda: cores)
    code = (
        "import time; from pathlib import Path\n"
        f"mine, all_of_them = Path({str(tmp_path)!r}, 'NAME.busy'), Path({str(tmp_path)!r})\n"
        "mine.touch()\nmost = 0\n"
        "for _ in range(10):\n    most = max(most, len(list(all_of_them.glob('*.busy')))); time.sleep(0.1)\n"
        "mine.unlink()\nprint(most)"
    )
    paths = [write_notebook(tmp_path / f"{n}.ipynb", code.replace("NAME", str(n))) for n in range(4)]
    outcomes = []
    execute.execute(paths, outcomes.append)
    assert len(outcomes) == 4
    assert max(int(outcome.notebook.cells[0].outputs[0].text) for outcome in outcomes) <= most


@needs_signals
@pytest.mark.parametrize("presses", [1, 2])
def test_an_interrupt_ends_both_kernels_and_says_so_once(tmp_path, monkeypatch, capsys, presses):
    """The second press comes while cells ignore the first, long before their time is over."""
    monkeypatch.setattr(execute, "count_cores", lambda: 2)
    monkeypatch.setattr(execute, "INTERRUPT_GRACE", 1 if presses == 1 else 60)
    pids = [tmp_path / "1", tmp_path / "2"]
    for n, path in enumerate(pids, start=1):
        code = f"import os; from pathlib import Path\nPath({str(path)!r}).write_text(str(os.getpid()))"
        press = [waits_for(pids[1]), PRESS_IGNORED * (presses - 1) + PRESS + IGNORED] * (n == 1)
        write_notebook(tmp_path / f"{n}.ipynb", code, *press, "import time\n" + IGNORED)
    began = time.monotonic()
    assert run.main(tmp_path, tmp_path / "reports") == 130
    assert time.monotonic() - began < 40
    assert capsys.readouterr().err.strip() == "run: interrupted; no page was written"
    wait_for(lambda: not any(alive(int(path.read_text())) for path in pids), seconds=5)


def test_a_page_that_cannot_be_written_ends_the_other_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "count_cores", lambda: 2)
    monkeypatch.setattr(execute, "INTERRUPT_GRACE", 1)
    pid = tmp_path / "pid"
    paths = [
        write_notebook(tmp_path / "1.ipynb", waits_for(pid)),
        write_notebook(
            tmp_path / "2.ipynb",
            f"import os, time; from pathlib import Path\nPath({str(pid)!r}).write_text(str(os.getpid()))\n"
            + IGNORED,
        ),
    ]

    def disk_is_full(outcome):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        execute.execute(paths, disk_is_full)
    wait_for(lambda: not alive(int(pid.read_text())), seconds=5)


def test_a_log_shows_that_a_long_cell_is_alive(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute, "HEARTBEAT_SECONDS", 0)
    write_notebook(tmp_path / "1_long.ipynb", "1", "import time; time.sleep(2)")
    assert run.main(tmp_path, tmp_path / "reports") == 0
    assert re.search(r"^  1_long: cell 2 of 2, \d\.\d s$", capsys.readouterr().out, re.M)


@needs_signals
@pytest.mark.parametrize("command, package", [("data", "numpy"), ("run", "jinja2")])
def test_an_interrupt_during_the_imports_is_one_line(tmp_path, command, package):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, os, signal, sys\n"
        "class Press(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {package!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
    )
    done = run_python(["-m", "cs231n", command], cwd=ROOT, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 130 and done.stdout == ""
    assert done.stderr.strip() == f"{command}: interrupted; try the same command again"
