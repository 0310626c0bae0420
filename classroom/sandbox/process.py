"""A process for a student's code: what it may see, what it may use, and for how long.

Three levels, of which the first that works here is taken:

    bubblewrap   a file system of its own, which holds Python, numpy and the student's files and nothing else,
                 read-only but for 16 MiB; no network; no sight of other processes
    namespaces   unshare: no network, no sight of other processes, all files read-only but for 16 MiB; the
                 repository, the submissions, the results, the home folder and temporary files are covered,
                 other files that the user may read are not
    limits       nothing is hidden: only the limits below hold

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
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classroom.manifest import ROOT
from classroom.sandbox import seccomp, wire
from cs231n.common.executors import ONE_THREAD

__all__ = ["LEVELS", "Child", "Ended", "Limits", "NoSandbox", "TimedOut", "best_level", "folder_for"]

HERE = Path(__file__).resolve().parent
LEVELS = ("bubblewrap", "namespaces", "limits")


class Limits(NamedTuple):
    seconds: float = 10  # of wall time, for one exercise
    total: float = 120  # of wall time, for one submission
    cpu: int = 60  # seconds, for one child
    memory: int = 1 << 30  # bytes of address space
    file: int = 1 << 20  # bytes of one file


class NoSandbox(OSError):
    """A child could not be started: not the student's fault."""


class Ended(Exception):
    """The child is gone, or talks nonsense; the message says which."""


class TimedOut(Ended):
    """The child did not answer in time."""


@contextmanager
def folder_for(files):
    """A folder for one child, with files {path: source} and what it needs itself; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cs231n-child-"))
    try:
        for name in ("child.py", "seccomp.py", "wire.py"):
            shutil.copyfile(HERE / name, folder / name)
        for path, source in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(source if isinstance(source, bytes) else source.encode())
        (folder / "home").mkdir()
        (folder / "packages").mkdir()
        if _user() is not None:  # no other child may read it, should nothing else hide it
            os.chown(folder, -1, _user())
            folder.chmod(0o750)
            os.chown(folder / "home", _user(), -1)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Child:
    """A child over a folder of folder_for; with Child(...) as child: child.ask(request).

    hidden are folders that the student's code must not see, if the level can hide them.

    Raises: NoSandbox if it cannot be started.
    """

    def __init__(self, folder, level, limits, hidden=()):
        self._limits = limits
        if level == "limits" and not seccomp.missing():
            seccomp.hide_memory()
        argv, packages, home = _command(level, folder, [p for p in hidden if Path(p).is_dir()])
        settings = {
            "packages": packages,
            "user": _user(),
            "filter": not seccomp.missing(),
            **limits._asdict(),
        }
        with tempfile.TemporaryFile() as said:
            try:
                self._process = subprocess.Popen(
                    [*argv, json.dumps(settings)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    bufsize=0,
                    start_new_session=True,
                    cwd=folder,
                    env={
                        **ONE_THREAD,
                        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                        "LANG": "C.UTF-8",
                        "HOME": home,
                        "TMPDIR": home,
                    },
                )
            except OSError as error:  # the level's command is not installed, say
                raise NoSandbox(f"the sandbox ({level}) did not start: {error}") from None
            for pipe in (self._process.stdin, self._process.stdout):
                os.set_blocking(pipe.fileno(), False)
            try:
                self._answer(time.monotonic() + 60)  # Python and numpy start, maybe on a busy machine
            except BaseException as failed:
                self.close()
                if not isinstance(failed, Ended):
                    raise
                reason = _last_line(said) or failed
                raise NoSandbox(f"the sandbox ({level}) did not start: {reason}") from None

    def ask(self, request, deadline=None):
        """Send request, a value that wire can encode, and return the answer, or raise Ended or TimedOut.

        deadline is of time.monotonic() (default: in limits.seconds).
        """
        deadline = deadline or time.monotonic() + self._limits.seconds
        message = memoryview(wire.encode(request))
        while message:
            try:
                message = message[self._wait(self._process.stdin, select.POLLOUT, deadline, message) :]
            except BrokenPipeError:
                raise self._ended() from None
        return self._answer(deadline)

    def _answer(self, deadline):
        try:
            head, body = wire.lengths(self._read(wire.LENGTHS.size, deadline))
            answer = wire.decode(self._read(head, deadline), self._read(body, deadline))
        except wire.Malformed as error:
            raise Ended(str(error)) from None
        if not isinstance(answer, dict):
            raise Ended("an answer in a form that is not the grader's")
        return answer

    def _read(self, size, deadline):
        content = bytearray()
        while len(content) < size:
            chunk = self._wait(self._process.stdout, select.POLLIN, deadline, size - len(content))
            if not chunk:
                raise self._ended()
            content += chunk
        return bytes(content)

    def _wait(self, pipe, event, deadline, what):
        """Wait until pipe can be read or written, then do so: what is the content, or the most to read."""
        poll = select.poll()
        poll.register(pipe, event)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut(f"no answer after {self._limits.seconds:g} seconds")
            if poll.poll(min(left, 1) * 1000):
                done = pipe.write(what) if event == select.POLLOUT else pipe.read(min(what, 1 << 20))
                if done is not None:
                    return done

    def _ended(self):
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:  # a student's code can close what it finds open, and go on
            return Ended("it closed the pipe to the grader")
        status = -status if status < 0 else status - 128 if status > 128 else None  # bwrap adds 128
        name = signal.Signals(status).name if status in set(signal.Signals) else None
        if name in ("SIGXCPU", "SIGKILL"):
            return TimedOut(f"ended by {name}: its {self._limits.cpu} seconds of CPU are used up")
        return Ended(f"its process ended{f' by {name}' if name else ''} without an answer")

    def close(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout):
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _user():
    """Whom the child of a root runs as: a user of no name and no files, another one for each worker."""
    return 65000 + os.getpid() % 500 if os.geteuid() == 0 else None


def _numpy():
    """The folders that numpy consists of: nothing else of site-packages is for the child to see."""
    found = Path(np.__file__).resolve().parent
    return [path for path in (found, found.with_name("numpy.libs")) if path.is_dir()]


def _python():
    """The interpreter without its venv, and the folder it lives in, unless that is /usr."""
    executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    prefix = Path(sys.base_prefix).resolve()
    return executable, None if prefix == Path("/usr") else prefix


def _packages_of_others():
    """Folders of installed packages that Python may bring along: a solved cs231n may be among them."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folders = [
        sysconfig.get_path("purelib"),
        *site.getsitepackages(),
        "/usr/lib/python3/dist-packages",
        f"/usr/local/lib/{version}/dist-packages",
        f"{sys.base_prefix}/lib/{version}/site-packages",
    ]
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]


def _command(level, folder, hidden):
    """argv but for the settings, and where packages and home are within."""
    executable, prefix = _python()
    python, root = [str(executable), "-I", "-S", "-B"], os.geteuid() == 0
    if level == "bubblewrap":
        argv = [
            "bwrap",
            "--unshare-net",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--die-with-parent",
            "--new-session",
            "--ro-bind",
            "/usr",
            "/usr",
        ]
        argv += (
            ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            if root
            else ["--unshare-user"]
        )
        for name in ("/bin", "/lib", "/lib32", "/lib64", "/sbin"):
            if os.path.islink(name):
                argv += ["--symlink", os.readlink(name), name]
            elif os.path.isdir(name):
                argv += ["--ro-bind", name, name]
        for name in ("/etc/ld.so.cache", "/etc/alternatives"):
            argv += ["--ro-bind-try", name, name]
        binds = {prefix: prefix} if prefix else {}
        binds |= {path: Path("/packages", path.name) for path in _numpy()}
        above = [folder for at in binds.values() for folder in reversed(at.parents) if folder != Path("/")]
        for name in dict.fromkeys(above):
            argv += ["--perms", "0755", "--dir", str(name)]  # left to bwrap, only root could pass through
        for path, at in binds.items():
            argv += ["--ro-bind", str(path), str(at)]
        for name in _packages_of_others():
            if Path(name).resolve().is_relative_to("/usr") or prefix and Path(name).is_relative_to(prefix):
                argv += ["--tmpfs", name, "--remount-ro", name]
        argv += [
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--size",
            "4096",
            "--tmpfs",
            "/dev/shm",
            "--perms",
            "1777",
            "--size",
            str(16 << 20),
            "--tmpfs",
            "/tmp",
            "--ro-bind",
            str(folder),
            "/kit",
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
            "--chdir",
            "/tmp",
            *python,
            "/kit/child.py",
        ]
        return argv, "/packages", "/tmp"

    packages, home = folder / "packages", str(folder / "home")
    if level == "limits":
        for path in _numpy():
            if not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
        return [*python, str(folder / "child.py")], str(packages), home

    binds = {path: f"/sys/packages/{path.name}" for path in _numpy()} | {Path(folder): "/sys/kit"}
    if prefix:
        binds[prefix] = "/sys/python"
        # Its library may be known by an absolute path, into the home folder, which is covered.
        python[:1] = [
            "env",
            "LD_LIBRARY_PATH=/sys/python/lib",
            str(Path("/sys/python", executable.relative_to(prefix))),
        ]
    mounts = [word for path, at in binds.items() for word in ("bind", str(path), at)]
    temporary = (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/dev/pts")
    for path in dict.fromkeys([str(ROOT), *map(str, hidden), os.path.expanduser("~"), *temporary]):
        if path != "/":
            mounts += ["hide", path]
    argv = [
        "unshare",
        *([] if root else ["--user", "--map-root-user"]),
        "--mount",
        "--pid",
        "--net",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        MOUNTS,
        "sh",
        str(executable),
        READ_ONLY,
        *mounts,
        "--",
    ]
    if not root:  # root within the namespace could uncover what is covered
        argv += ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return [*argv, *python, "/sys/kit/child.py"], "/sys/packages", "/sys/home"


# What a child needs is laid out over /sys, in which nothing lies that is to be covered: neither Python nor,
# as in /tmp, the child's own folder. A bind of what is read-only is read-only.
MOUNTS = """
set -e
mount -t proc proc /proc
"$1" -I -S -c "$2"
shift 2
mount -t tmpfs -o size=4k,mode=755 none /sys
mkdir /sys/home
mount -t tmpfs -o size=16m,nr_inodes=4k,mode=1777 none /sys/home
while [ "$1" = bind ]; do
    mkdir -p "$3"
    mount --bind "$2" "$3"
    shift 3
done
mount -o remount,bind,ro /sys
while [ "$1" = hide ]; do
    if [ -d "$2" ]; then mount -t tmpfs -o size=4k,mode=555,ro none "$2"; fi
    shift 2
done
shift
cd "$HOME"
exec "$@"
"""
# mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, {MOUNT_ATTR_RDONLY}), of Linux 5.12 on: mount(8) of Debian 12 has
# no word for it, and one call for each mount fails where one of them cannot be reached.
READ_ONLY = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(442, -100, b"/", 0x8000, struct.pack("4Q", 1, 0, 0, 0), ctypes.c_size_t(32)):
    sys.exit("mount_setattr: " + os.strerror(ctypes.get_errno()))
"""


def _last_line(file):
    file.seek(0)
    said = file.read(2000).decode(errors="replace").strip().splitlines()
    return next((line for line in reversed(said) if "dmesg(1)" not in line), "")  # mount's last word


@functools.cache
def best_level(least="limits"):
    """The first of LEVELS that works here. Raises: NoSandbox that says why, if that is weaker than least."""
    if platform.system() != "Linux":
        raise NoSandbox(
            "grade: a student's code is confined by what only Linux has, not "
            f"{platform.system()}; try: a machine or a container with Linux"
        )
    if least == LEVELS[0] and seccomp.missing():
        raise NoSandbox(f"grade: {seccomp.missing()}; try: Linux on {' or '.join(seccomp.MACHINES)}")
    reasons = []
    for level in LEVELS[: LEVELS.index(least) + 1]:
        try:
            with folder_for({}) as folder, Child(folder, level, Limits()):
                return level
        except OSError as error:
            reasons.append(str(error))
    raise NoSandbox(f"grade: {'; '.join(reasons)}; try: sudo apt install bubblewrap")
