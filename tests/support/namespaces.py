"""What a process may do here: have mounts and a network that it alone sees, or become another user."""

import os
import shutil
import subprocess
import sys
from functools import cache


@cache
def _succeeds(*command):
    return (
        shutil.which(command[0]) is not None and not subprocess.run(command, capture_output=True).returncode
    )


def can_unshare():
    """Whether a process may have mounts and a network of its own; many containers forbid it."""
    used = "ip link set lo up && mount -t tmpfs none /tmp && mount -o remount,ro none /tmp && umount /tmp"
    return _succeeds("unshare", "-rmn", "sh", "-c", used)


def can_become_nobody():
    """Whether root may become another user, which some containers forbid; who is not root need not."""
    return os.geteuid() != 0 or _succeeds(
        sys.executable, "-c", "import os; os.setgroups([]); os.setuid(65534)"
    )
