"""The search for the tiny data set, in this process or one of its own, and an npm of our making."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from cs231n.data.cache import cache_folder
from cs231n.data.download import DownloadLimits
from cs231n.data.sources import locate

QUICK = DownloadLimits(connect=2, response=1, silence=0.5, window=0.3, min_speed=100_000)
CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = ["cifar-10.json", "cifar-10.npy", "lock"]


def find(home, tiny, *ways, server=None, limits=QUICK, **kwargs):
    mirrors = tuple(server.address(way) for way in ways)
    return locate(tiny._replace(mirrors=mirrors), home / "datasets", limits=limits, **kwargs)


def in_cache():
    return sorted(p.name for p in cache_folder().iterdir())


def start(home, data, *words, before=()):
    """find_child.py in a process of its own, which has come to the point where the search begins."""
    script = CHECKOUT / "tests" / "support" / "find_child.py"
    command = [*before, sys.executable, str(script), str(home / "datasets"), *words]
    # Unbuffered: what is read beyond the first line would be lost to communicate().
    child = subprocess.Popen(
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdin.write(pickle.dumps(data))
    child.stdin.close()
    child.stdin = None
    ready = child.stdout.readline()
    assert ready == b"ready\n", (ready, child.stderr.read())
    return child


needs_sh = pytest.mark.skipif(os.name == "nt", reason="the npm of install_npm is a shell script")


def install_npm(home, tarball=None, view=0):
    """A command npm whose `pack` copies tarball and whose `view` ends with the given status."""
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
