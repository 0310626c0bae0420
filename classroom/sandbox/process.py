"""A process for a student's code: what it may see, what it may use, and for how long.

Two levels:

    bubblewrap   a file system of its own, which holds Python, numpy and the student's files and nothing else,
                 read-only but for 16 MiB; no network; no sight of other processes
    limits       no file system of its own and the processes of the machine: Landlock, the filter of system
                 calls and the limits below hold; for a container with one submission and nothing else

At each level: processor time, memory, file size and open files are limited, no process and no thread can be
started, the environment is scrubbed, and a grader that is root runs the child as another user. Where the
kernel has them, seccomp.py refuses system calls and landlock.py files, at bubblewrap as a second wall.
"""

import functools
import os
import platform
import select
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from classroom.sandbox import landlock, seccomp, wire
from classroom.sandbox.levels import LEVELS, SPACE_BYTES, command_for
from classroom.sandbox.server import START_SECONDS, ChildFolder, SandboxError, Server

__all__ = [
    "Child",
    "ChildFolder",
    "ChildExitedError",
    "ChildTimeoutError",
    "Limits",
    "SandboxError",
    "best_level",
    "child_folder",
    "missing_walls",
    "wall_seconds",
]

ADVICE = (
    "sudo apt install bubblewrap; on Ubuntu 24.04 also sudo sysctl -w "
    "kernel.apparmor_restrict_unprivileged_userns=0; or, in a container with one submission and nothing "
    "else, --unsafe"
)
LOOK_MS = 100  # between two looks at a child that computes


class Limits(NamedTuple):
    """What a student's code may use."""

    seconds: float = 10  # of processor time, for one exercise
    total: float = 120  # of processor time, for one submission
    memory: int = 1 << 30  # bytes of address space
    file: int = 1 << 20  # bytes of one file


def wall_seconds(processor_seconds: float) -> float:
    """How long to wait for that much processor time: far longer, since the machine may do other work."""
    return 12 * processor_seconds + 60


class ChildExitedError(Exception):
    """The child is gone, or sends nonsense; the message says which."""


class ChildTimeoutError(ChildExitedError):
    """The child did not answer in time."""


@contextmanager
def child_folder(kit: Mapping[str, str | bytes]) -> Iterator[ChildFolder]:
    """Make the folder of the children of one student; at the end their process and the folder go.

    Args:
        kit: {path: source} of what goes into it, besides what every child needs; nothing of a student.
    """
    folder = ChildFolder(kit, _child_user())
    try:
        yield folder
    finally:
        folder.end_server()
        shutil.rmtree(folder.path, ignore_errors=True)


class Child:
    """A process for a student's code in a folder of `child_folder`; in one folder there is one at a time.

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

    def __init__(self, folder: ChildFolder, level: str, limits: Limits, hidden: Sequence[str] = ()):
        self._limits = limits
        self._cpu_limit = int(limits.total) + 60  # the last resort: this process counts as well
        self._folder = folder
        self._home = folder.path / "home" if level == "limits" else None  # where no file system bounds it
        # Only these keep a child from leaving anything for the next one.
        self._is_last = bool(seccomp.unavailable_reason() or landlock.unavailable_reason())
        if folder.server is None:
            folder.write_kit()
            folder.server = self._start_server(level, hidden)
        folder.write_files()
        self._server = folder.server
        self._status: int | None = None
        self._pid, to_child, from_child = self._server.fork()
        self._stdin, self._stdout = os.fdopen(to_child, "wb", 0), os.fdopen(from_child, "rb", 0)
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        self._seconds = 0.0
        self._ends = (float("inf"), time.monotonic() + START_SECONDS)
        try:
            self._answer()
        except BaseException as error:
            self.close()
            if not isinstance(error, ChildExitedError):
                raise
            raise self._server.start_error(error) from None

    def _start_server(self, level: str, hidden: Sequence[str]) -> Server:
        if level == "limits" and not seccomp.unavailable_reason():
            seccomp.hide_memory()
        command = command_for(level, self._folder.path, hidden)
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home.mkdir(mode=0o755)
            if (user := _child_user()) is not None:
                os.chown(self._home, user, -1)
        settings = {
            "packages": command.packages,
            "home": command.home,
            "readable": command.readable,
            "hidden": command.hidden,
            "user": _child_user(),
            "filter": not seccomp.unavailable_reason(),
            "landlock": not landlock.unavailable_reason(),
            "cpu": self._cpu_limit,
            "memory": self._limits.memory,
            "file": self._limits.file,
        }
        return Server(command, settings, self._folder.path, level)

    def seconds(self) -> float:
        """The processor time that the child has used since its start, as far as it can be known."""
        with suppress(OSError):  # it has ended
            self._seconds = time.clock_gettime(~self._pid << 3 | 2)  # MAKE_PROCESS_CPUCLOCK of the kernel
        return self._seconds

    def ask(
        self, request: dict[str, Any], seconds: float | None = None, end: float | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its first answer.

        Args:
            request: a value that `wire.encode` takes.
            seconds: of processor time that the child may use from now (default: those of the limits).
            end: of time.monotonic(), when waiting is over (default: `wall_seconds` from now).

        Raises:
            ChildExitedError, ChildTimeoutError: there is no answer.
            SandboxError: the machine ended the child.
        """
        self._set_ends(seconds, end)
        message = memoryview(wire.encode(request))
        while message:
            self._wait(self._stdin, select.POLLOUT)
            try:
                message = message[self._stdin.write(message) or 0 :]
            except BrokenPipeError:
                raise self._exit_error() from None
        return self._answer()

    def next_answer(self, seconds: float | None = None, end: float | None = None) -> dict[str, Any]:
        """Wait for a further answer to the same request; seconds, end and errors as of `ask`."""
        self._set_ends(seconds, end)
        return self._answer()

    def _set_ends(self, seconds: float | None, end: float | None) -> None:
        seconds = self._limits.seconds if seconds is None else seconds
        self._ends = (self.seconds() + seconds, end or time.monotonic() + wall_seconds(seconds))

    def _answer(self) -> dict[str, Any]:
        try:
            head, body = wire.parse_lengths(self._read(wire.LENGTHS.size))
            answer = wire.decode(self._read(head), self._read(body))
        except wire.MalformedMessageError as error:
            raise ChildExitedError(str(error)) from None
        if not isinstance(answer, dict):
            raise ChildExitedError("an answer in a form that is not the grader's")
        return answer

    def _read(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            chunk = self._stdout.read(min(size - len(content), 1 << 20))
            if chunk is None:  # nothing has come yet
                self._wait(self._stdout, select.POLLIN)
            elif not chunk:
                raise self._exit_error()
            else:
                content += chunk
        return bytes(content)

    def _wait(self, pipe: IO[bytes], event: int) -> None:
        """Wait until `pipe` can be read or written."""
        poll = select.poll()
        poll.register(pipe, event)
        processor_end, wall_end = self._ends
        while True:
            if self.seconds() >= processor_end:
                raise ChildTimeoutError(f"used its {self._limits.seconds:g} seconds of processor time")
            if time.monotonic() >= wall_end:
                minutes = wall_seconds(self._limits.seconds) / 60
                raise ChildTimeoutError(f"no answer within {minutes:.3g} minutes")
            if self._home and _size_of(self._home) > SPACE_BYTES:
                raise ChildExitedError(f"it wrote more than {SPACE_BYTES >> 20} MiB")
            if poll.poll(LOOK_MS):
                return

    def _exit_error(self) -> ChildExitedError | SandboxError:
        seconds = self.seconds()
        self._status = self._server.wait()
        if self._status is None:  # a student's code can close every pipe, and go on
            return ChildExitedError("it closed the pipe to the grader")
        number = -self._status
        name = signal.Signals(number).name if number in set(signal.Signals) else None
        if name in ("SIGXCPU", "SIGKILL") and seconds > self._cpu_limit - 1:
            return ChildTimeoutError(f"used {self._cpu_limit} seconds of processor time")
        if name == "SIGKILL":
            return SandboxError(
                f"its process was ended by SIGKILL after {seconds:.1f} seconds of processor time, of "
                f"{self._limits.seconds:g} for an exercise: the machine or container has too little memory; "
                "try: more memory, or fewer workers (--executor serial)"
            )
        return ChildExitedError(f"its process ended{f' by {name}' if name else ''} without an answer")

    def close(self) -> None:
        """End the process; with it goes what it left."""
        if self._status is None:  # it is not waited for, so its number is its own
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._status = self._server.wait()
        for pipe in (self._stdin, self._stdout):
            pipe.close()
        if self._is_last or self._status is None:
            self._folder.end_server()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _child_user() -> int | None:
    """The user that the child of a root runs as: without name or files, another one for each worker."""
    return 65000 + os.getpid() % 500 if os.geteuid() == 0 else None


def _size_of(folder: Path) -> int:
    """The bytes of disk that the files in a folder take; a name takes some as well."""
    size = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            size += max(4096, 512 * entry.stat(follow_symlinks=False).st_blocks)
    return size


def missing_walls(level: str) -> str:
    """What this kernel lacks, and what a child can therefore reach; "" if nothing."""
    missing = []
    if reason := seccomp.unavailable_reason():
        network = " and the network" * (level == "limits")
        missing.append(f"{reason}, so student code could use memory that no limit counts{network}")
    if level == "limits" and (reason := landlock.unavailable_reason()):
        missing.append(f"{reason}, so student code could read the files that the grader may read")
    return "; ".join(missing)


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
            "grade: the sandbox for a student's code needs Linux, not "
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
    raise SandboxError(message if "; try: " in message else f"{message}; try: {ADVICE}")
