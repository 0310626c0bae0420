"""What a process may do here: have mounts and a network that it alone sees, or become another user."""

import os
import shutil
import subprocess
import sys
from functools import cache


@cache
def can_unshare():
    """Whether a process may have mounts and a network of its own; many containers forbid it."""
    used = "ip link set lo up && mount -t tmpfs none /tmp && mount -o remount,ro none /tmp && umount /tmp"
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-rmn", "sh", "-c", used], capture_output=True).returncode == 0
    )


@cache
def can_become_nobody():
    """Whether root may become another user, which some containers forbid; who is not root need not."""
    become = "import os; os.setgroups([]); os.setuid(65534)"
    return (
        os.geteuid() != 0
        or subprocess.run([sys.executable, "-c", become], capture_output=True).returncode == 0
    )
