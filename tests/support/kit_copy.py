"""A copy of the kit, for tests of what a learner's edits bring about."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def kit_copied_to(folder):
    """-> folder, and what runs Python code there as a process of its own."""
    shutil.copytree(ROOT / "cs231n", folder / "cs231n", ignore=shutil.ignore_patterns("__pycache__"))
    return folder, lambda code: subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )
