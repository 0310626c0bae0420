"""What unshare can do here: mounts and a network that only one process sees."""

import shutil
import subprocess
from functools import cache


@cache
def can_unshare():
    """Whether a process may have mounts and a network of its own; many containers forbid it."""
    return shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-rmn", "true"], capture_output=True).returncode == 0
