"""A process for a student's code: what it may see, what it may use, and for how long.

Two levels:

    bubblewrap   a file system of its own, which holds Python, numpy and the student's files and nothing else,
                 read-only but for 16 MiB; no network; no sight of other processes
    limits       nothing is hidden: only the limits below hold; for a container with one submission

At every level: CPU, memory, file size and open files are limited, no process and no thread can be started,
the environment is scrubbed, and a grader that is root runs the child as another user. On a Linux that has
the filter of seccomp.py, no socket can be opened either, nor memory be had that the limit does not count.
"""

import functools
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from classroom.sandbox import seccomp, wire
from classroom.sandbox.levels import LEVELS, command_for
from cs231n.common.executors import ONE_THREAD

__all__ = [
    "Child",
    "ChildExitedError",
    "ChildTimeoutError",
    "Limits",
    "SandboxError",
    "best_level",
    "child_folder",
]


class Limits(NamedTuple):
    """What a student's code may use."""

    seconds: float = 10  # of wall time, for one exercise
    total: float = 120  # of wall time, for one submission
    cpu: int = 60  # seconds, for one child
    memory: int = 1 << 30  # bytes of address space
    file: int = 1 << 20  # bytes of one file


class SandboxError(OSError):
    """A child could not be started: not the student's fault."""


class ChildExitedError(Exception):
    """The child is gone, or sends nonsense; the message says which."""


class ChildTimeoutError(ChildExitedError):
    """The child did not answer in time."""


@contextmanager
def child_folder(files: Mapping[str, str | bytes]) -> Iterator[Path]:
    """Make the folder of one child, and remove it at the end.

    Args:
        files: {path: source} of what goes into it, besides what every child needs.
    """
    folder = Path(tempfile.mkdtemp(prefix="cs231n-child-"))
    try:
        for name in ("child.py", "seccomp.py", "wire.py"):
            shutil.copyfile(Path(__file__).with_name(name), folder / name)
        for path, source in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(source if isinstance(source, bytes) else source.encode())
        (folder / "home").mkdir()
        (folder / "packages").mkdir()
        for entry in folder.rglob("*"):  # whatever the umask of the grader is
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        user = _child_user()
        if user is not None:  # no other child may read it, should nothing else hide it
            os.chown(folder, -1, user)
            folder.chmod(0o750)
            os.chown(folder / "home", user, -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Child:
    """A process that runs child.py in a folder of `child_folder`.

        with Child(folder, best_level(), Limits()) as child:
            reply = child.ask(request)

    Args:
        folder: of `child_folder`.
        level: one of LEVELS.
        limits: what the student's code may use.
        hidden: folders that it must not see, if the level can hide them.

    Raises:
        SandboxError: it cannot be started.
    """

    def __init__(self, folder: Path, level: str, limits: Limits, hidden: Sequence[str] = ()):
        self._limits = limits
        if level == "limits" and not seccomp.unavailable_reason():
            seccomp.hide_memory()
        command = command_for(level, folder, [path for path in hidden if Path(path).is_dir()])
        settings = {
            "packages": command.packages,
            "user": _child_user(),
            "filter": not seccomp.unavailable_reason(),
            **limits._asdict(),
        }
        environment = {
            **ONE_THREAD,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "HOME": command.home,
            "TMPDIR": command.home,
        }
        with tempfile.TemporaryFile() as errors:
            try:
                self._process = subprocess.Popen(
                    [*command.argv, json.dumps(settings)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                    cwd=folder,
                    env=environment,
                    umask=0o022,  # of the folders that a level makes on the way to the child
                )
            except OSError as error:  # the level's command is not installed, say
                raise SandboxError(f"the sandbox ({level}) did not start: {error}") from None
            assert self._process.stdin and self._process.stdout
            self._stdin, self._stdout = self._process.stdin, self._process.stdout
            for pipe in (self._stdin, self._stdout):
                os.set_blocking(pipe.fileno(), False)
            try:
                self._answer(time.monotonic() + 60)  # Python and numpy start, maybe on a busy machine
            except BaseException as error:
                self.close()
                if not isinstance(error, ChildExitedError):
                    raise
                reason = _last_line(errors) or error
                raise SandboxError(f"the sandbox ({level}) did not start: {reason}") from None

    def ask(self, request: dict[str, Any], deadline: float | None = None) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Args:
            request: a value that `wire.encode` takes.
            deadline: of time.monotonic() (default: in limits.seconds from now).

        Raises:
            ChildExitedError, ChildTimeoutError: there is no answer.
        """
        deadline = deadline or time.monotonic() + self._limits.seconds
        message = memoryview(wire.encode(request))
        while message:
            self._wait(self._stdin, select.POLLOUT, deadline)
            try:
                message = message[self._stdin.write(message) or 0 :]
            except BrokenPipeError:
                raise self._exit_error() from None
        return self._answer(deadline)

    def _answer(self, deadline: float) -> dict[str, Any]:
        try:
            head, body = wire.parse_lengths(self._read(wire.LENGTHS.size, deadline))
            answer = wire.decode(self._read(head, deadline), self._read(body, deadline))
        except wire.MalformedMessageError as error:
            raise ChildExitedError(str(error)) from None
        if not isinstance(answer, dict):
            raise ChildExitedError("an answer in a form that is not the grader's")
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._wait(self._stdout, select.POLLIN, deadline)
            chunk = self._stdout.read(min(size - len(content), 1 << 20))
            if chunk == b"":
                raise self._exit_error()
            content += chunk or b""
        return bytes(content)

    def _wait(self, pipe: IO[bytes], event: int, deadline: float) -> None:
        """Wait until `pipe` can be read or written."""
        poll = select.poll()
        poll.register(pipe, event)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(min(left, 1) * 1000):
                return
        raise ChildTimeoutError(f"no answer after {self._limits.seconds:g} seconds")

    def _exit_error(self) -> ChildExitedError:
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:  # a student's code can close every pipe, and go on
            return ChildExitedError("it closed the pipe to the grader")
        number = -status if status < 0 else status - 128  # bwrap adds 128
        name = signal.Signals(number).name if number in set(signal.Signals) else None
        if name in ("SIGXCPU", "SIGKILL"):
            return ChildTimeoutError(f"ended by {name}: its {self._limits.cpu} seconds of CPU are used up")
        return ChildExitedError(f"its process ended{f' by {name}' if name else ''} without an answer")

    def close(self) -> None:
        """End the process and all that it started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            pipe.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _child_user() -> int | None:
    """The user that the child of a root runs as: without name or files, another one for each worker."""
    return 65000 + os.getpid() % 500 if os.geteuid() == 0 else None


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read(2000).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


@functools.cache
def best_level(weakest: str = LEVELS[0]) -> str:
    """The first of LEVELS that works on this machine.

    Args:
        weakest: one of LEVELS; what hides less than this one is not tried.

    Raises:
        SandboxError: none works; the message says why.
    """
    if platform.system() != "Linux":
        raise SandboxError(
            "grade: a student's code is confined by what only Linux has, not "
            f"{platform.system()}; try: a virtual machine with Linux (WSL 2 on Windows), or a container"
        )
    if weakest == LEVELS[0] and seccomp.unavailable_reason():
        machines = " or ".join(seccomp.MACHINES)
        raise SandboxError(f"grade: {seccomp.unavailable_reason()}; try: Linux on {machines}")
    reasons = []
    for level in LEVELS[: LEVELS.index(weakest) + 1]:
        try:
            with child_folder({}) as folder, Child(folder, level, Limits()):
                return level
        except OSError as error:
            reasons.append(str(error))
    message = f"grade: {'; '.join(reasons)}"
    raise SandboxError(message if "; try: " in message else f"{message}; try: {_advice()}")


def _advice() -> str:
    command = "sudo apt install bubblewrap"
    if shutil.which("bwrap"):
        command = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04)"
    return f"{command}; or --unsafe, in a container that holds one submission and nothing else"
