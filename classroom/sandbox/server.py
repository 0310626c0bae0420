"""The process in a sandbox that forks the children of one student, and the folder that they share.

A start takes a tenth of a second, most of it to import numpy, and a fork some milliseconds. The process has
imported what no student wrote before there is a file of the student in the folder, and then waits. One child
follows the other: what it left is removed first, and its pipes are its own.
"""

import functools
import json
import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path, PurePosixPath
from typing import Any

from classroom.sandbox.levels import Command
from cs231n.common.environment import ONE_THREAD

__all__ = ["ChildFolder", "SandboxError", "Server", "compiled"]

START_SECONDS = 300  # Python and numpy start, maybe on a busy machine


class SandboxError(OSError):
    """A child could not be started, or was ended by the machine: not the student's fault."""


class Server:
    """The process that forks children; see child.py.

    Args:
        command: how to start it.
        settings: of child.py.
        folder: of the children.
        level: of the sandbox, for messages.

    Raises:
        SandboxError: it did not start.
    """

    def __init__(self, command: Command, settings: dict[str, Any], folder: Path, level: str):
        self._level, self._errors = level, tempfile.TemporaryFile()
        self._control, control_end = socket.socketpair()
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control.settimeout(START_SECONDS)
        self._pidfd: int | None = None
        environment = {
            **ONE_THREAD,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "HOME": command.home,
            "TMPDIR": command.home,
        }
        try:
            self._process = subprocess.Popen(
                [*command.argv, json.dumps(settings)],
                stdin=control_end.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                cwd=folder,
                env=environment,
                umask=0o022,  # of the folders that a level makes on the way to the child
            )
        except OSError as error:  # the level's command is not installed, say
            self._control.close()
            self._errors.close()
            raise SandboxError(f"the sandbox ({level}) did not start: {error}") from None
        finally:
            control_end.close()
        try:
            pid = self._receive_pid()
            if pid != self._process.pid:  # process 1 in there: with it all others end
                self._pidfd = os.pidfd_open(pid)
        except BaseException:
            self.close()
            raise

    def fork(self) -> tuple[int, int, int]:
        """Start a child.

        Returns:
            Its process number, and the ends of the pipes to it and from it.

        Raises:
            SandboxError: it did not start.
        """
        (requests, to_child), (from_child, answers) = os.pipe(), os.pipe()
        try:
            socket.send_fds(self._control, [b"f"], [requests, answers])
            return self._receive_pid(), to_child, from_child
        except BaseException as error:
            os.close(to_child)
            os.close(from_child)
            if isinstance(error, OSError):
                raise self.start_error(error) from None
            raise
        finally:
            os.close(requests)
            os.close(answers)

    def wait(self) -> int | None:
        """The exit code of the child, as of subprocess; None if it has not ended within 2 seconds."""
        try:
            self._control.send(b"w")
            return json.loads(self._control.recv(100) or str(-signal.SIGKILL))
        except OSError:
            return -signal.SIGKILL

    def start_error(self, reason: object) -> SandboxError:
        """Why there is no child: the last line that it wrote, or else the reason."""
        self._errors.seek(0)
        lines = self._errors.read(2000).decode(errors="replace").strip().splitlines()
        return SandboxError(f"the sandbox ({self._level}) did not start: {lines[-1] if lines else reason}")

    def close(self) -> None:
        """End the process and all in its sandbox."""
        self._control.close()
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
        self._errors.close()

    def _receive_pid(self) -> int:
        """The number, as this process sees it, of the process that has sent a byte."""
        try:
            byte, ancillary, *_ = self._control.recvmsg(1, socket.CMSG_SPACE(12))
        except OSError as error:
            raise self.start_error(error) from None
        if not byte:
            self._process.wait()
            raise self.start_error("its process ended without an answer")
        return struct.unpack("3i", ancillary[0][2])[0]


def compiled(sources: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """{path: content} of a .pyc for each source, none of them a student's.

    Python takes it only if it holds the digest of the source (PEP 552): a student's file in the place of one
    of the kit is compiled in the child.
    """
    return {_pyc_path(path): _pyc(path, source) for path, source in sources.items() if path.endswith(".py")}


def _pyc_path(path: str) -> str:
    """Where a child looks for it; the grader itself may be told to look elsewhere."""
    file = PurePosixPath(path)
    return str(file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc")


@functools.lru_cache(512)  # the kit is the same for each student
def _pyc(path: str, source: str | bytes) -> bytes:
    source = source if isinstance(source, bytes) else source.encode()
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + b"\3\0\0\0" + source_hash(source) + marshal.dumps(code)


class ChildFolder:
    """The folder of one student's children, and the Server that forks them.

    Args:
        kit: {path: source} of what goes into it, besides what every child needs.
        user: whose group may read it, or None.

    Attributes:
        path: of the folder.
        server: of the children, or None; `put` asks for it.
    """

    def __init__(self, kit: Mapping[str, str | bytes], user: int | None):
        self.path = Path(tempfile.mkdtemp(prefix="cs231n-child-"))
        self.server: Server | None = None
        self._sources: dict[str, str | bytes] = {}  # as they are in the folder
        scripts = ("child.py", "landlock.py", "seccomp.py", "wire.py")
        self._kit = {**{name: Path(__file__).with_name(name).read_bytes() for name in scripts}, **kit}
        self._kit |= compiled(self._kit)
        self._files: Mapping[str, str | bytes] = {}
        (self.path / "packages").mkdir()
        (self.path / "packages").chmod(0o755)  # whatever the umask of the grader is
        if user is not None:  # no other child may read it, should nothing else hide it
            os.chown(self.path, -1, user)
            self.path.chmod(0o750)

    def put(self, files: Mapping[str, str | bytes]) -> None:
        """Choose what the next children find in the folder, in the place of files of the kit and besides."""
        self._files = files

    def write_kit(self) -> None:
        """Write the files of the kit alone: no Server starts where there is a file of a student."""
        self._write(self._kit)

    def write_files(self) -> None:
        """Write what was `put`."""
        self._write({**self._kit, **self._files})

    def _write(self, sources: dict[str, str | bytes]) -> None:
        for path in self._sources.keys() - sources.keys():
            (self.path / path).unlink()
        for path, source in sources.items():
            if self._sources.get(path) == source:
                continue
            file = self.path / path
            self._make_folder(file.parent)
            file.write_bytes(source if isinstance(source, bytes) else source.encode())
            file.chmod(0o644)
        self._sources = sources

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, whatever the umask of the grader is."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir()
            folder.chmod(0o755)

    def end_server(self) -> None:
        """End the Server, if there is one."""
        if self.server is not None:
            self.server.close()
            self.server = None
