"""A filter of system calls, by which a child refuses itself what no limit of setrlimit covers.

libseccomp's binding for Python is in no package that pip installs, so the few instructions are written here.
This file is copied beside the student's code as well, so it imports the standard library only.

Source: seccomp(2) and linux/seccomp.h, linux/bpf_common.h, linux/audit.h; the numbers of calls are those of
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64, where it is untested).
"""

import ctypes
import errno
import os
import platform
import struct
import sys

__all__ = ["CALLS", "hide_memory", "missing", "refuse_calls"]

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
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # of a word; of what was loaded; of that; a value
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
X32 = 0x40000000  # from here on x86_64 takes a number for one of its 32-bit calls


def missing():
    """Why no filter can be installed here; "" if it can."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in MACHINES or struct.calcsize("P") != 8:
        return f"no filter of system calls is known for {platform.system()} on {machine}"
    # Where the kernel has it, it looks for the filter at the address 0.
    if _prctl(PR_SET_SECCOMP, FILTER, 0) != errno.EFAULT:
        return "this kernel has no filter of system calls"
    return ""


def refuse_calls():
    """Let each of CALLS fail with EPERM from now on, and end the process by SIGSYS for one of another ABI.

    Raises: OSError.
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
    whole = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    failed = _prctl(PR_SET_NO_NEW_PRIVS, 1) or _prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(whole))
    if failed:
        raise OSError(failed, f"the filter of system calls: {os.strerror(failed)}")


def hide_memory():
    """Close this process's /proc/PID/mem to others of its user: to the filter it is a file as any other."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(what, one, two=0):
    """errno, or 0."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return ctypes.get_errno() if prctl(what, one, two, 0, 0) else 0
