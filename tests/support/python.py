"""Python in a process of its own: the kit importable from any folder, one thread, captured text."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from tests.support import ROOT


def _call(
    code_or_args: str | Sequence[object],
    cwd: str | os.PathLike | None,
    env: Mapping[str, str | None] | None,
) -> dict:
    arguments = ["-c", code_or_args] if isinstance(code_or_args, str) else code_or_args
    changed = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg", **(env or {})}
    return {
        "args": [sys.executable, *map(str, arguments)],
        "cwd": cwd,
        "env": {name: value for name, value in {**os.environ, **changed}.items() if value is not None},
        "text": True,
    }


def run_python(
    code_or_args: str | Sequence[object],
    cwd: str | os.PathLike | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end.

        run_python("print(1)").stdout
        run_python(["-m", "cs231n", "check"], cwd=tmp_path, env={"NO_COLOR": "1"}).returncode

    Args:
        code_or_args: a text is code, as after -c; a sequence is the arguments, each turned into a text.
        cwd: the folder to run in (default: that of this process).
        env: variables on top of those of this process; None removes one. PYTHONPATH is the repository root.
        timeout: seconds.

    Returns:
        returncode, stdout and stderr, the last two as text. A status other than 0 raises nothing.
    """
    return subprocess.run(**_call(code_or_args, cwd, env), capture_output=True, timeout=timeout)


def start_python(
    code_or_args: str | Sequence[object],
    cwd: str | os.PathLike | None = None,
    env: Mapping[str, str | None] | None = None,
    **popen: object,
) -> subprocess.Popen[str]:
    """Start Python and return at once; the arguments are those of run_python, popen those of Popen.

    Standard output and error are pipes unless `popen` says otherwise.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(**{**_call(code_or_args, cwd, env), **pipes, **popen})


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until condition() is true; an AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
