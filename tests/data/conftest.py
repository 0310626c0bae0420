"""Fixtures for the search for the data: a home with an empty cache, a tiny data set, a server of it."""

from contextlib import closing

import numpy as np
import pytest

from cs231n.data import synthetic
from cs231n.data.cache import content_digest
from tests.support.bad_server import Server
from tests.support.tiny_cifar import ROWS, publish


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with bin/, datasets/ and published/; no variable set, an empty cache, a tiny stand-in."""
    monkeypatch.delenv("CS231N_CIFAR10", raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    blocks = np.full((6, ROWS * 3073), 7, np.uint8)
    monkeypatch.setattr(synthetic, "make_blocks", lambda: blocks)
    monkeypatch.setattr(synthetic, "DIGEST", content_digest(blocks))
    for name in ("bin", "datasets", "published"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def rows():
    """Images a batch of the tiny set; a module may have its own."""
    return ROWS


@pytest.fixture
def tiny(home, rows):
    """The record of the tiny set, whose archives are in home/published."""
    return publish(home / "published", rows)


@pytest.fixture
def server(home, tiny):
    """A server of the tiny archive on this machine."""
    content = (home / "published" / tiny.archive.name).read_bytes()
    with closing(Server(content, tiny.archive.name)) as server:
        yield server
