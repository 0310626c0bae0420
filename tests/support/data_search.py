"""The search for the tiny data set, in this process or one of its own, and an npm of our making."""

import os
import pickle
import subprocess
import sys

import pytest

from cs231n.data import synthetic
from cs231n.data.cache import cache_folder
from cs231n.data.download import DownloadLimits
from cs231n.data.sources import locate
from tests.support import ROOT

QUICK = DownloadLimits(connect=2, response=1, silence=0.5, window=0.3, min_speed=100_000)
CACHE_FILES = ["cifar-10.json", "cifar-10.npy", "lock"]


def find(home, tiny, *faults, server=None, limits=QUICK, **kwargs):
    """Locate the tiny set, with one mirror at the server for each of the faults ("good" is none)."""
    mirrors = tuple(server.address(fault) for fault in faults)
    return locate(tiny._replace(mirrors=mirrors), home / "datasets", limits=limits, **kwargs)


def cache_listing():
    return sorted(p.name for p in cache_folder().iterdir())


def start_search(home, published, *words, before=()):
    """Start find_child.py; returns the process once its search begins."""
    script = ROOT / "tests" / "support" / "find_child.py"
    command = [*before, sys.executable, str(script), str(home / "datasets"), *words]
    # Unbuffered: what is read beyond the first line would be lost to communicate().
    child = subprocess.Popen(
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdin.write(pickle.dumps((published, synthetic.make_blocks())))
    child.stdin.close()
    child.stdin = None
    first_line = child.stdout.readline()
    assert first_line == b"ready\n", (first_line, child.stderr.read())
    return child


needs_sh = pytest.mark.skipif(os.name == "nt", reason="the npm of install_npm is a shell script")


def install_npm(home, tarball=None, view=0):
    """Install a command npm whose `pack` copies tarball and whose `view` ends with the status."""
    npm, script = home / "bin" / "npm", home / "bin" / "npm.py"
    # Through sh, since a #! line cannot hold a path with a space in it.
    npm.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    script.write_text(f"""import os, shutil, sys
open({str(home / "npm.log")!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "view":
    sys.stderr.write("npm error network cannot reach the registry\\nnpm error A complete log of this run\\n")
    sys.exit({view})
shutil.copy({str(tarball)!r}, os.getcwd())
""")
    npm.chmod(0o755)
