"""A filter of system calls: a child forbids itself what no limit of setrlimit covers.

libseccomp's binding for Python is in no package that pip installs, so the few instructions are written here.
This file is copied into the folder of a child, so it imports the standard library only.

Source: seccomp(2) and linux/seccomp.h, linux/bpf_common.h, linux/audit.h; the numbers of calls are those of
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64, where it is untested).
"""

import ctypes
import errno
import os
import platform
import struct
import sys

__all__ = ["CALLS", "MACHINES", "hide_memory", "refuse_calls", "unavailable_reason"]

CALLS = {  # x86_64, aarch64
    # Memory that counts for no process, and lasts when its process has gone or given it back.
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # Keys, which the next child of the same user could read.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # A user namespace makes a student root there, who may mount memory.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    # The network, and other processes of the same user.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),  # it makes many of these calls past a filter
}
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 4, 22, 38, 2
# Load a word of the call's data; jump if it equals a value; jump if it is at least a value; return a value.
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
X32 = 0x40000000  # from here on x86_64 takes a number for one of its 32-bit calls


def unavailable_reason() -> str:
    """Why no filter can be installed on this machine; "" if it can."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in MACHINES or struct.calcsize("P") != 8:
        return f"no filter of system calls is known for {platform.system()} on {machine}"
    # With a NULL program the kernel answers EFAULT if it supports filters, and EINVAL if it does not.
    if _prctl(PR_SET_SECCOMP, FILTER, 0) != errno.EFAULT:
        return "this kernel has no filter of system calls"
    return ""


def refuse_calls() -> None:
    """Let each of CALLS fail with EPERM from now on; a call of another ABI ends the process by SIGSYS.

    Raises:
        OSError: the kernel does not take the filter.
    """
    numbers = [pair[list(MACHINES).index(platform.machine())] for pair in CALLS.values()]
    last = len(numbers)
    program = [
        (LOAD, 0, 0, 4),
        (EQUAL, 0, last + 4, MACHINES[platform.machine()]),  # else KILL
        (LOAD, 0, 0, 0),
        (AT_LEAST, last + 2, 0, X32),
        *((EQUAL, last - i, 0, number) for i, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, KILL),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sock_fprog = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    error = _prctl(PR_SET_NO_NEW_PRIVS, 1) or _prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(sock_fprog))
    if error:
        raise OSError(error, f"the filter of system calls: {os.strerror(error)}")


def hide_memory() -> None:
    """Close this process's /proc/PID/mem to others of its user: for the filter it is an ordinary file."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, first: int, second: int = 0) -> int:
    """Call prctl(2). Returns 0, or errno on failure."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return ctypes.get_errno() if prctl(option, first, second, 0, 0) else 0
