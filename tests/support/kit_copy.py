"""A copy of the kit, for tests of what a learner's edits bring about."""

import shutil
from functools import partial

from tests.support import ROOT
from tests.support.python import run_python


def kit_copied_to(folder):
    """-> folder, and what runs Python code there as a process of its own."""
    shutil.copytree(ROOT / "cs231n", folder / "cs231n", ignore=shutil.ignore_patterns("__pycache__"))
    return folder, partial(run_python, cwd=folder, env={"PYTHONPATH": str(folder)}, timeout=60)
