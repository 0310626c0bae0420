"""What a child may open: a list for Landlock, by which a process narrows its own rights to files.

No command and no package is needed, only Linux 5.13. This file is copied into the folder of a child, so it
imports the standard library only.

Source: landlock(7) and linux/landlock.h; the numbers of calls are the same on every machine.
"""

import ctypes
import functools
import os
import struct
import sys
from collections.abc import Collection, Sequence

__all__ = ["confine_files", "leave_parent", "unavailable_reason"]

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION, PATH_BENEATH, PR_SET_NO_NEW_PRIVS = 1, 1, 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
ALL_OF_1 = (1 << 13) - 1  # with: make and remove entries of folders
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # since versions 2, 3 and 5
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # all others are of folders only
TCP, SIGNALS_AND_ABSTRACT_SOCKETS = 0b11, 0b11  # since versions 4 and 6


def unavailable_reason() -> str:
    """Why Landlock cannot be used on this machine; "" if it can."""
    return "" if _version() else "this kernel has no Landlock"


def confine_files(
    readable: Sequence[str], hidden: Collection[str], devices: Sequence[str], home: str
) -> None:
    """From now on this process opens only what is named here, connects to no TCP port and signals nobody.

    Args:
        readable: folders and files; all below a folder, too.
        hidden: folders, by their real paths, that are not to be read though they may lie in one of those; the
            names in them can be listed.
        devices: files to read and write.
        home: the folder to read and write.

    Raises:
        OSError: the kernel does not take it.
    """
    version = _version()
    handled = ALL_OF_1 | REFER * (version > 1) | TRUNCATE * (version > 2) | IOCTL_DEV * (version > 4)
    attributes = [handled, TCP, SIGNALS_AND_ABSTRACT_SOCKETS][: 1 + (version > 3) + (version > 5)]
    content = struct.pack(f"{len(attributes)}Q", *attributes)
    ruleset = _call(CREATE_RULESET, content, len(content), 0)

    def allow(path: str, rights: int) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # there is none
            return
        rights &= handled if os.path.isdir(path) else handled & OF_FILES
        _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
        os.close(fd)

    def allow_reading(path: str) -> None:
        """Each entry of a folder gets a rule of its own if something in it is hidden: no rule takes away."""
        inside = [folder for folder in hidden if f"{folder}/".startswith(f"{path}/")]
        if not inside:
            allow(path, READ_FILE | READ_DIR)
        elif path not in inside:
            allow(path, READ_DIR)
            for entry in os.scandir(path):
                if not entry.is_symlink():
                    allow_reading(entry.path)

    for path in dict.fromkeys(map(os.path.realpath, readable)):
        allow_reading(path)
    for path in devices:
        allow(path, READ_FILE | WRITE_FILE)
    allow(home, handled & ~EXECUTE)
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def leave_parent() -> None:
    """Confine this process once more, so that Landlock keeps it from the memory of its parent as well."""
    ruleset = _call(CREATE_RULESET, struct.pack("Q", EXECUTE), 8, 0)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _version() -> int:
    """Of the kernel's Landlock; 0 if it has none."""
    try:
        return _call(CREATE_RULESET, None, 0, VERSION) if sys.platform == "linux" else 0
    except OSError:
        return 0


@functools.cache  # there are hundreds of rules
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    values = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    result: int = _libc().syscall(ctypes.c_long(number), *values)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
