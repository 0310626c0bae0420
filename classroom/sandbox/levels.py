"""The two levels of the sandbox: the command line that starts a child at each of them."""

import os
import site
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cs231n.common.files import REPOSITORY

__all__ = ["LEVELS", "SPACE_BYTES", "Command", "command_for", "numpy_folders"]

LEVELS = ("bubblewrap", "limits")  # the strongest first; process.py says what each hides
SPACE_BYTES = 16 << 20  # that a child's home may hold
SYSTEM = "/usr /bin /lib /lib32 /lib64 /sbin /etc/ld.so.cache /etc/alternatives".split()


class Command(NamedTuple):
    """How to start a child, and where it finds things."""

    argv: list[str]  # all words but the last one, the settings
    packages: str  # the folder that holds numpy, as the child sees it
    home: str  # the folder that the child may write to
    readable: list[str]  # what else it needs, besides its own folder
    hidden: list[str]  # folders in what is readable that it must not read


def command_for(level: str, folder: Path, hidden: Sequence[str] = ()) -> Command:
    """The command that runs child.py of `folder` at one of LEVELS.

    Args:
        level: one of LEVELS.
        folder: of the child, with child.py in it.
        hidden: folders that the child must not see, besides the repository and installed packages.
    """
    paths = [Path(path).resolve() for path in (*_site_packages(), str(REPOSITORY), *hidden)]
    roots = (Path("/usr"), _prefix())
    covered = [
        str(path)
        for path in dict.fromkeys(paths)
        if path.is_dir() and path not in roots and any(path.is_relative_to(root) for root in roots)
    ]
    return {"bubblewrap": _bubblewrap, "limits": _limits}[level](folder, covered)


def numpy_folders() -> list[Path]:
    """The folders that numpy consists of: nothing else of site-packages is for the child to see."""
    package = Path(np.__file__).resolve().parent
    return [path for path in (package, package.with_name("numpy.libs")) if path.is_dir()]


def _prefix() -> Path:
    """The folder that Python without its venv lives in."""
    return Path(sys.base_prefix).resolve()


def _python_words(folder: str) -> list[str]:
    executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    start = f"import sys; sys.path.insert(0, {folder!r}); import child; child.main()"
    return [str(executable), "-I", "-S", "-B", "-c", start]


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
    prefix = _prefix()
    argv = "bwrap --unshare-net --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try".split()
    # Else process 1 would be bubblewrap's: of the child's user, without filter, with memory to write into.
    argv += "--as-pid-1 --die-with-parent --new-session".split()
    if os.geteuid() == 0:
        argv += "--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID".split()
    else:
        argv += ["--unshare-user"]
    for name in SYSTEM:
        if os.path.islink(name):
            argv += ["--symlink", os.readlink(name), name]
        else:
            argv += ["--ro-bind-try", name, name]
    binds = {} if prefix == Path("/usr") else {prefix: prefix}
    binds |= {path: Path("/packages", path.name) for path in numpy_folders()}
    parents = [parent for target in binds.values() for parent in reversed(target.parents)]
    for parent in dict.fromkeys(parents):
        if parent != Path("/"):  # made by bwrap itself, only root could pass through it
            argv += ["--perms", "0755", "--dir", str(parent)]
    for path, target in binds.items():
        argv += ["--ro-bind", str(path), str(target)]
    for name in hidden:
        argv += ["--tmpfs", name, "--remount-ro", name]
    argv += "--proc /proc --dev /dev --size 4096 --tmpfs /dev/shm".split()
    argv += ["--perms", "1777", "--size", str(SPACE_BYTES), "--tmpfs", "/tmp"]
    argv += ["--ro-bind", str(folder), "/kit"]
    argv += "--remount-ro /dev --remount-ro / --chdir /tmp".split()
    readable = [*SYSTEM, str(prefix), "/packages"]
    return Command([*argv, *_python_words("/kit")], "/packages", "/tmp", readable, list(hidden))


def _limits(folder: Path, hidden: Sequence[str]) -> Command:
    """No file system of its own: what child.py sets holds, and nothing else."""
    packages = folder / "packages"
    for path in numpy_folders():
        if not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)
    argv = _python_words(str(folder))
    readable = [*SYSTEM, *map(str, [_prefix(), *numpy_folders()])]
    return Command(argv, str(packages), str(folder / "home"), readable, list(hidden))
