"""A user who may not write, or not read: the files are root's, or a copy of somebody else's."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from cs231n.data import synthetic
from cs231n.data.cache import cache_folder, write_file
from tests.support.data_search import find, start_search
from tests.support.namespaces import can_become_nobody
from tests.support.tally import tried

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(os.name == "nt", reason="needs the modes and users of Unix"),
]

# The modes of the cache, as "folder", and of what is in it; ".." is the folder above it.
MODES = {
    "no cache, and nowhere to make one": {"..": 0o555},
    "an empty cache": {"folder": 0o555},
    "a cache not to be entered": {"folder": 0o000},
    "the lock of another": {"folder": 0o777, "lock": 0o444},
    "images, to be read": {"folder": 0o555, "cifar-10.npy": 0o444, "cifar-10.json": 0o444},
    "images, without their note": {"folder": 0o555, "cifar-10.npy": 0o444, "cifar-10.json": 0o000},
    "images, not to be read": {"folder": 0o555, "cifar-10.npy": 0o000},
    "images, to be replaced": {"folder": 0o777, "lock": 0o666, "cifar-10.npy": 0o000},
    "half an archive of another": {"folder": 0o777, "lock": 0o666, "{archive}.part": 0o444},
    "an archive of another": {"folder": 0o777, "lock": 0o666, "{archive}": 0o000},
    "a stand-in of another": {"folder": 0o777, "lock": 0o666, "stand-in.npy": 0o444},
    "what a dead process left": {"folder": 0o777, "lock": 0o666, "npm-x.tmp": 0o000},
}
READABLE = {"images, to be read", "images, without their note"}


@pytest.fixture
def base(monkeypatch):
    """The folder above the cache; not below tmp_path, which is closed to other users."""
    if not can_become_nobody():
        pytest.skip("this root may not become another user")
    base = Path(tempfile.mkdtemp())
    monkeypatch.setenv("XDG_CACHE_HOME", str(base))
    yield base
    allow(base)
    shutil.rmtree(base)


def allow(base):
    for path in (base, cache_folder()):
        if path.exists():
            path.chmod(0o755)
    for path in cache_folder().glob("*"):
        path.chmod(0o755)


def restrict(modes, fetch, archive):
    """Fill the cache, and give each of its files its mode."""
    folder = cache_folder()
    if "folder" in modes:
        folder.mkdir()
        if "cifar-10.npy" in modes:
            fetch()
        for name, mode in modes.items():
            path = folder / name
            if name == "stand-in.npy":
                write_file(path, lambda f: np.save(f, synthetic.make_blocks()))
            elif ".tar.gz" in name:
                path.write_bytes(archive[:-1000] if name.endswith(".part") else archive)
            elif name != "folder":
                path.touch()
            if name != "folder":
                path.chmod(mode)
        folder.chmod(modes["folder"])
    folder.parent.chmod(modes.get("..", 0o755))


@pytest.mark.parametrize("fault", ["good", pytest.param("404", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", MODES)
def test_without_permission_it_is_one_line_or_the_right_digest(home, tiny, server, base, case, fault):
    with tried("Data", "no permission to write, or to read"):
        modes = {name.format(archive=tiny.archive.name): mode for name, mode in MODES[case].items()}
        restrict(modes, lambda: find(home, tiny, "good", server=server), server.content)
        child = start_search(home, tiny._replace(mirrors=(server.address(fault),)), "nobody")
        out, err = child.communicate(timeout=60)
        line = out.decode().strip()
        allowed = line.startswith("DataError cannot write to the cache") and "XDG_CACHE" in line
        allowed |= fault == "404" and line.endswith(" False")
        assert line == f"{tiny.digest} True" or case not in READABLE and allowed, (line, err)
        allow(base)
        assert find(home, tiny, "good", server=server, retry=True).digest == tiny.digest
