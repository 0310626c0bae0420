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
import signal
import struct
import sys
from collections.abc import Collection

__all__ = [
    "CALLS",
    "CHECKED_CALLS",
    "MACHINES",
    "die_with_parent",
    "hide_memory",
    "refuse_calls",
    "unavailable_reason",
]

CALLS: dict[str, tuple[int | None, int | None]] = {  # x86_64, aarch64
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
    # What no limit of files and no Landlock covers: the rights and the end of files of the same user, and
    # folders in folders, so that what a home holds is quickly counted.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "truncate": (76, 45),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    # The network, and other processes of the same user.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),  # it makes many of these calls past a filter
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
}
# To outlive the grader, to let the kernel signal others, to set the limits of others: {call: (its numbers,
# which argument, values of it, whether these are refused or all but these)}.
CHECKED_CALLS = {
    "prctl": ((157, 167), 0, (1,), True),  # PR_SET_PDEATHSIG
    "fcntl": ((72, 25), 1, (8, 15), True),  # F_SETOWN, F_SETOWN_EX
    "prlimit64": ((302, 261), 0, (0,), False),  # of this process
}
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 1, 4, 22, 38, 2
# Load a word of the call's data; skip steps if it equals a value, or not; if it is at least a value; return.
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


def refuse_calls(allowed: Collection[str] = ()) -> None:
    """Let these calls fail with EPERM from now on; a call of another ABI ends the process by SIGSYS.

    Args:
        allowed: those of CHECKED_CALLS that are not refused.

    Raises:
        OSError: the kernel does not take the filter.
    """
    i = list(MACHINES).index(platform.machine())
    program = [
        (LOAD, 0, 0, 4),
        (EQUAL, 1, 0, MACHINES[platform.machine()]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),
        (AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, KILL),
    ]
    for pair in CALLS.values():
        if (number := pair[i]) is not None:
            program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    for name, (numbers, argument, values, are_refused) in CHECKED_CALLS.items():
        if name in allowed:
            continue
        actions = (REFUSE, ALLOW) if are_refused else (ALLOW, REFUSE)
        program += [(EQUAL, 0, 2 * len(values) + 2, numbers[i]), (LOAD, 0, 0, 16 + 8 * argument)]
        for value in values:
            program += [(EQUAL, 0, 1, value), (RETURN, 0, 0, actions[0])]
        program.append((RETURN, 0, 0, actions[1]))
    program.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sock_fprog = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    error = _prctl(PR_SET_NO_NEW_PRIVS, 1) or _prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(sock_fprog))
    if error:
        raise OSError(error, f"the filter of system calls: {os.strerror(error)}")


def die_with_parent() -> None:
    """End this process by SIGKILL when the one that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_memory() -> None:
    """Close this process's /proc/PID/mem to others of its user: for the filter it is an ordinary file."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, first: int, second: int = 0) -> int:
    """Call prctl(2). Returns 0, or errno on failure."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return ctypes.get_errno() if prctl(option, first, second, 0, 0) else 0
