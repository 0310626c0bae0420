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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from classroom.sandbox import landlock, seccomp, wire
from classroom.sandbox.levels import INFO_FD, LEVELS, SPACE_BYTES, command_for
from cs231n.common.environment import ONE_THREAD

__all__ = [
    "Child",
    "ChildExitedError",
    "ChildTimeoutError",
    "Limits",
    "SandboxError",
    "best_level",
    "child_folder",
    "missing_walls",
    "wall_seconds",
]

START_SECONDS = 300  # Python and numpy start, maybe on a busy machine
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


class SandboxError(OSError):
    """A child could not be started, or was ended by the machine: not the student's fault."""


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
        for name in ("child.py", "landlock.py", "seccomp.py", "wire.py"):
            shutil.copyfile(Path(__file__).with_name(name), folder / name)
        for path, source in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(source if isinstance(source, bytes) else source.encode())
        (folder / "packages").mkdir()
        for entry in folder.rglob("*"):  # whatever the umask of the grader is
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        user = _child_user()
        if user is not None:  # no other child may read it, should nothing else hide it
            os.chown(folder, -1, user)
            folder.chmod(0o750)
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
        self._cpu_limit = int(limits.total) + 60  # the last resort: this process counts as well
        if level == "limits" and not seccomp.unavailable_reason():
            seccomp.hide_memory()
        command = command_for(level, folder, hidden)
        self._home = folder / "home" if level == "limits" else None  # where no file system bounds it
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)  # what a child before this one left
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
            "memory": limits.memory,
            "file": limits.file,
        }
        environment = {
            **ONE_THREAD,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "HOME": command.home,
            "TMPDIR": command.home,
        }
        info, info_end = os.pipe()
        with tempfile.TemporaryFile() as errors, os.fdopen(info) as info_file:
            try:
                self._process = subprocess.Popen(
                    [str(info_end) if word == INFO_FD else word for word in command.argv]
                    + [json.dumps(settings)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                    cwd=folder,
                    env=environment,
                    umask=0o022,  # of the folders that a level makes on the way to the child
                    pass_fds=[info_end] if INFO_FD in command.argv else [],
                )
            except OSError as error:  # the level's command is not installed, say
                raise SandboxError(f"the sandbox ({level}) did not start: {error}") from None
            finally:
                os.close(info_end)
            assert self._process.stdin and self._process.stdout
            self._stdin, self._stdout = self._process.stdin, self._process.stdout
            for pipe in (self._stdin, self._stdout):
                os.set_blocking(pipe.fileno(), False)
            told = info_file.read()  # by bubblewrap: process 1 in there
            self._pid = json.loads(told)["child-pid"] if told else self._process.pid
            self._pidfd = _open_pidfd(self._pid) if told else None
            self._seconds = 0.0
            self._ends = (float("inf"), time.monotonic() + START_SECONDS)
            try:
                self._answer()
                if told:  # process 1 runs the student's code, or started the one that does
                    children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
                    self._pid = int(children[0]) if children else self._pid
            except BaseException as error:
                self.close()
                if not isinstance(error, ChildExitedError):
                    raise
                reason = _last_line(errors) or error
                raise SandboxError(f"the sandbox ({level}) did not start: {reason}") from None

    def seconds(self) -> float:
        """The processor time that the child has used since its start, as far as it can be known."""
        with suppress(OSError):  # it has ended
            self._seconds = time.clock_gettime(~self._pid << 3 | 2)  # MAKE_PROCESS_CPUCLOCK of the kernel
        return self._seconds

    def ask(
        self, request: dict[str, Any], seconds: float | None = None, end: float | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Args:
            request: a value that `wire.encode` takes.
            seconds: of processor time that the child may use from now (default: those of the limits).
            end: of time.monotonic(), when waiting is over (default: `wall_seconds` from now).

        Raises:
            ChildExitedError, ChildTimeoutError: there is no answer.
            SandboxError: the machine ended the child.
        """
        seconds = self._limits.seconds if seconds is None else seconds
        self._ends = (self.seconds() + seconds, end or time.monotonic() + wall_seconds(seconds))
        message = memoryview(wire.encode(request))
        while message:
            self._wait(self._stdin, select.POLLOUT)
            try:
                message = message[self._stdin.write(message) or 0 :]
            except BrokenPipeError:
                raise self._exit_error() from None
        return self._answer()

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
            self._wait(self._stdout, select.POLLIN)
            chunk = self._stdout.read(min(size - len(content), 1 << 20))
            if chunk == b"":
                raise self._exit_error()
            content += chunk or b""
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
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:  # a student's code can close every pipe, and go on
            return ChildExitedError("it closed the pipe to the grader")
        number = -status if status < 0 else status - 128  # bwrap adds 128
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
        """End the process and all that it started."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll(10_000)  # until it has ended
            os.close(self._pidfd)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # it may have left its group
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            pipe.close()
        if self._home and not self._home.is_symlink():  # for the next child
            for entry in os.scandir(self._home):
                with suppress(OSError):
                    shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _child_user() -> int | None:
    """The user that the child of a root runs as: without name or files, another one for each worker."""
    return 65000 + os.getpid() % 500 if os.geteuid() == 0 else None


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended
        return None


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
