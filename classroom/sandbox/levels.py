"""The three levels of the sandbox: the command line that starts a child at each of them."""

import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cs231n.common.files import REPOSITORY

__all__ = ["LEVELS", "Command", "command_for", "numpy_folders"]

LEVELS = ("bubblewrap", "namespaces", "limits")  # the strongest first; process.py says what each hides
SPACE_BYTES = 16 << 20  # that a child may write, where it has a file system of its own


class Command(NamedTuple):
    """How to start a child, and where it finds things."""

    argv: list[str]  # all words but the last one, the settings
    packages: str  # the folder that holds numpy, as the child sees it
    home: str  # the folder that the child may write to


def command_for(level: str, folder: Path, hidden: Sequence[str] = ()) -> Command:
    """The command that runs child.py of `folder` at one of LEVELS.

    Args:
        level: one of LEVELS.
        folder: of the child, with child.py in it.
        hidden: existing folders that the child must not see. At "limits" nothing is hidden.
    """
    make = {"bubblewrap": _bubblewrap, "namespaces": _namespaces, "limits": _limits}[level]
    return make(folder, hidden)


def numpy_folders() -> list[Path]:
    """The folders that numpy consists of: nothing else of site-packages is for the child to see."""
    package = Path(np.__file__).resolve().parent
    return [path for path in (package, package.with_name("numpy.libs")) if path.is_dir()]


def _interpreter() -> tuple[Path, Path | None]:
    """Python without its venv, and the folder it lives in, unless that is /usr."""
    executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    prefix = Path(sys.base_prefix).resolve()
    return executable, None if prefix == Path("/usr") else prefix


def _python_words() -> list[str]:
    return [str(_interpreter()[0]), "-I", "-S", "-B"]


def _site_packages() -> list[str]:
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


def _bubblewrap(folder: Path, hidden: Sequence[str]) -> Command:
    """A file system of its own: what is not bound into it is hidden."""
    _, prefix = _interpreter()
    argv = "bwrap --unshare-net --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try".split()
    argv += "--die-with-parent --new-session --ro-bind /usr /usr".split()
    if os.geteuid() == 0:
        argv += "--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID".split()
    else:
        argv += ["--unshare-user"]
    for name in ("/bin", "/lib", "/lib32", "/lib64", "/sbin"):
        if os.path.islink(name):
            argv += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            argv += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/alternatives"):
        argv += ["--ro-bind-try", name, name]
    binds = {prefix: prefix} if prefix else {}
    binds |= {path: Path("/packages", path.name) for path in numpy_folders()}
    parents = [parent for target in binds.values() for parent in reversed(target.parents)]
    for parent in dict.fromkeys(parents):
        if parent != Path("/"):  # made by bwrap itself, only root could pass through it
            argv += ["--perms", "0755", "--dir", str(parent)]
    for path, target in binds.items():
        argv += ["--ro-bind", str(path), str(target)]
    for name in _site_packages():
        if Path(name).resolve().is_relative_to("/usr") or prefix and Path(name).is_relative_to(prefix):
            argv += ["--tmpfs", name, "--remount-ro", name]
    argv += "--proc /proc --dev /dev --size 4096 --tmpfs /dev/shm".split()
    argv += ["--perms", "1777", "--size", str(SPACE_BYTES), "--tmpfs", "/tmp"]
    argv += ["--ro-bind", str(folder), "/kit"]
    argv += "--remount-ro /dev --remount-ro / --chdir /tmp".split()
    return Command([*argv, *_python_words(), "/kit/child.py"], "/packages", "/tmp")


def _namespaces(folder: Path, hidden: Sequence[str]) -> Command:
    """All files of this machine read-only, with empty folders over those that are to be hidden."""
    executable, prefix = _interpreter()
    python, is_root = _python_words(), os.geteuid() == 0
    binds = {path: f"/sys/packages/{path.name}" for path in numpy_folders()} | {folder: "/sys/kit"}
    if prefix:
        binds[prefix] = "/sys/python"
        # Its library may be known by an absolute path, into the home folder, which is covered.
        moved = Path("/sys/python", executable.relative_to(prefix))
        python[:1] = ["env", "LD_LIBRARY_PATH=/sys/python/lib", str(moved)]
    mounts = [word for path, target in binds.items() for word in ("bind", str(path), target)]
    temporary = (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/dev/pts")
    for name in dict.fromkeys([str(REPOSITORY), *hidden, os.path.expanduser("~"), *temporary]):
        if name != "/":
            mounts += ["hide", name]
    argv = ["unshare", *([] if is_root else ["--user", "--map-root-user"])]
    argv += "--mount --pid --net --ipc --uts --fork --kill-child sh -c".split()
    argv += [MOUNTS, "sh", str(executable), READ_ONLY, *mounts, "--"]
    if not is_root:  # root within the namespace could uncover what is covered
        argv += "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all".split()
    return Command([*argv, *python, "/sys/kit/child.py"], "/sys/packages", "/sys/home")


# What a child needs is laid out over /sys, in which nothing lies that is to be covered: neither Python nor,
# as in /tmp, the child's own folder. A bind of what is read-only is read-only.
MOUNTS = f"""
set -e
mount -t proc proc /proc
"$1" -I -S -c "$2"
shift 2
mount -t tmpfs -o size=4k,mode=755 none /sys
mkdir /sys/home
mount -t tmpfs -o size={SPACE_BYTES},nr_inodes=4k,mode=1777 none /sys/home
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


def _limits(folder: Path, hidden: Sequence[str]) -> Command:
    """No file system of its own: only the limits that child.py sets hold."""
    packages = folder / "packages"
    for path in numpy_folders():
        if not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)
    return Command([*_python_words(), str(folder / "child.py")], str(packages), str(folder / "home"))
