"""The output of long jobs: lines, a progress bar, durations."""

import os
import shutil
import sys
from typing import Any

__all__ = [
    "Progress",
    "format_duration",
    "in_notebook",
    "ipython_shell",
    "is_watched",
    "log",
    "report_missing_package",
    "text_width",
    "use_color",
]


def ipython_shell() -> Any:
    """The shell of IPython that this code runs in, of a notebook or of a terminal; None elsewhere."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def in_notebook() -> bool:
    """Whether this runs in a notebook, which shows figures itself; IPython in a terminal does not."""
    shell, terminal = ipython_shell(), sys.modules.get("IPython.terminal.interactiveshell")
    return shell is not None and not (terminal and isinstance(shell, terminal.TerminalInteractiveShell))


def is_watched() -> bool:
    """Whether a person sees standard error at once: on a terminal, or in a notebook."""
    return sys.stderr is not None and sys.stderr.isatty() or in_notebook()


def use_color() -> bool:
    """Whether standard output is a terminal whose user has not set NO_COLOR."""
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def text_width() -> int:
    """The columns that text should take: those of the terminal, from 40 to 100."""
    return min(max(shutil.get_terminal_size().columns, 40), 100)


def log(line: str) -> None:
    """Print a line to standard error at once."""
    print(line, file=sys.stderr, flush=True)


def report_missing_package(command: str, error: ModuleNotFoundError) -> int:
    """Say on one line that this Python lacks a package, and what to try.

    Returns:
        The exit status, 1.

    Raises:
        ModuleNotFoundError: a module of the kit itself is missing.
    """
    if not error.name or error.name.split(".")[0] in ("cs231n", "classroom"):
        raise error
    activate = "source .venv/bin/activate (after ./setup.sh lab)"
    if os.name == "nt":
        activate = r".venv\Scripts\activate (after .\setup.ps1 lab)"
    if extra := {"optuna": "search", "distributed": "cluster"}.get(error.name):
        activate = f"pip install -e '.[{extra}]'"
    log(f"{command}: no {error.name} in this Python; try: {activate}")
    return 1


def format_duration(seconds: float) -> str:
    """ "4.2 s" below ten seconds, "42 s" below a minute, then "7 min 3 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest} s" if whole else f"{rest} s"


class Progress:
    """A bar over `total` steps where somebody watches, and lines above it.

        with Progress(total) as bar:
            bar.say("epoch 1")
            bar.advance(loss=0.1, val_acc=0.5)

    Args:
        total: number of steps.
        done: steps that were done before.
        verbose: False prints nothing at all.
    """

    def __init__(self, total: int, done: int = 0, verbose: bool = True):
        self.total, self.done, self.verbose = total, done, verbose
        self.bar = None

    def __enter__(self) -> "Progress":
        if self.verbose and is_watched():
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, initial=self.done, leave=False, unit="it", dynamic_ncols=True)
        return self

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self.bar is not None:
            self.bar.write(line)
        elif self.verbose:
            print(line)

    def advance(self, **numbers: float) -> None:
        """Move the bar by one step and show `numbers` at its end."""
        if self.bar is not None:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in numbers.items()}, refresh=False)
            self.bar.update()

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
