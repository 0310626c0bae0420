"""Run the client of a registry: npm or pip. Nothing that it fetches is run."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cs231n.data.errors import DataError

__all__ = ["run_client"]


def run_client(name: str, command: Sequence[str], folder: Path, seconds: float) -> None:
    """Run a command in a folder, for so many seconds at most.

    Raises:
        DataError: it fails; the message begins with `name` and ends with what the client printed about it.
    """
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{name} took more than {seconds} s") from None
    except OSError as error:
        raise DataError(f"{name} does not start ({error.strerror})") from None
    if process.returncode:
        # npm ends with where its log lies; what went wrong stands in the lines before
        lines = [line.removeprefix("npm error").strip() for line in process.stderr.splitlines()]
        lines = [line for line in lines if len(line) > 8 and "log of this run" not in line]
        raise DataError(f"{name} failed ({(lines or ['no message'])[-1][:200]})")
