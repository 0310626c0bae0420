"""Mirrors and addresses that misbehave, and downloads that break off."""

import hashlib
import http.server
import shutil
import sys
import time

import pytest

from cs231n.data.cache import cache_folder
from cs231n.data.download import download
from cs231n.data.errors import DataError
from cs231n.data.sources import locate
from tests.support.bad_server import FLOOD, Server
from tests.support.data_search import KEPT, QUICK, find, in_cache, install_npm, needs_sh


def test_an_address_that_never_ends_is_left_at_the_larger_size(home, tiny, server, monkeypatch):
    monkeypatch.setenv("CS231N_CIFAR10", server.address("flood"))
    with pytest.raises(DataError, match="sent more than"):
        find(home, tiny)
    largest = max(tiny.archive.size, tiny.npm_archive.size)
    assert server.flooded < FLOOD / 4  # what the sockets buffer comes on top of what was taken
    left = [p.stat().st_size for p in cache_folder().glob("*.part")]
    assert all(size <= largest + (1 << 16) for size in left)


@pytest.mark.parametrize("left", ["archive", "npm_archive"])
def test_a_named_address_is_not_asked_again_for_what_came_whole(home, tiny, monkeypatch, left):
    archive = getattr(tiny, left)
    served = Server((home / "published" / archive.name).read_bytes(), archive.name)
    try:
        url = served.address("good")
        monkeypatch.setenv("CS231N_CIFAR10", url)
        cache_folder().mkdir(parents=True)
        name = f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{archive.name}.part"
        (cache_folder() / name).write_bytes(served.content)
        assert find(home, tiny).real
    finally:
        served.close()


@pytest.mark.parametrize(
    "way, says",
    [
        ("404", "answered 404"),
        ("503", "answered 503"),
        ("html", "web page"),
        ("disguised-html", "offers a file of 40 bytes"),
        ("flip:1000", "corrupted: sha256"),
        ("cut", "broke off after"),
        ("stall", "silent for 0.5 s"),
        ("trickle", "too slow"),
        ("endless", "sent more than"),
    ],
)
def test_a_bad_mirror_costs_one_line_and_the_next_is_tried(home, tiny, server, capsys, way, says):
    began = time.monotonic()
    found = find(home, tiny, way, "good", server=server)
    assert time.monotonic() - began < 3  # the one that trickles would go on for five seconds
    assert found.real and found.origin == server.address("good")
    assert server.requests[0] == (way, None)
    lines = [line for line in capsys.readouterr().err.splitlines() if "fetching" not in line]
    assert len(lines) == 1 and says in lines[0], lines


def test_what_a_mirror_left_is_completed_by_the_next_which_is_asked_for_the_rest_only(home, tiny, server):
    find(home, tiny, "cut", "good", server=server)
    half = tiny.archive.size // 2
    assert server.requests == [("cut", None), ("good", f"bytes={half}-")]


def test_an_interrupted_download_goes_on_in_the_next_run(home, tiny, server, monkeypatch):
    find(home, tiny, "cut", server=server)  # ends with the stand-in
    del server.requests[:]
    assert find(home, tiny, "good", server=server, retry=True).real
    assert server.requests == [("good", f"bytes={tiny.archive.size // 2}-")]


def test_a_server_without_ranges_sends_it_all_again(home, tiny, server):
    assert find(home, tiny, "cut", "no-range", server=server).real
    assert server.requests[1] == ("no-range", f"bytes={tiny.archive.size // 2}-")


def test_wrong_bytes_left_by_one_mirror_do_not_spoil_the_next(home, tiny, server):
    cache_folder().mkdir(parents=True)
    (cache_folder() / f"{tiny.archive.name}.part").write_bytes(b"\0" * 2000)
    assert find(home, tiny, "good", server=server).real
    assert server.requests == [("good", "bytes=2000-"), ("good", None)]


@pytest.mark.parametrize("left", [0, 1], ids=["whole", "a-byte-too-many"])
def test_a_part_that_lacks_nothing_is_not_asked_for_again(home, tiny, server, left):
    path = home / "x"
    (home / "x.part").write_bytes(server.content + b"!" * left)
    download(server.address("good"), path, [tiny.archive.size], tiny.archive.sha256, QUICK)
    assert path.read_bytes() == server.content and len(server.requests) == left


def test_a_machine_without_network_learns_so_at_once(home, tiny):
    began = time.monotonic()
    found = locate(
        tiny._replace(mirrors=("http://127.0.0.1:9/a", "http://no-such-host.invalid/b")), home / "datasets"
    )
    assert not found.real and time.monotonic() - began < 10


def test_a_host_that_swallows_connections_is_given_up(home, monkeypatch):
    def silence(*args, **kwargs):
        time.sleep(10)
        raise TimeoutError

    monkeypatch.setattr("cs231n.data.download.socket.create_connection", silence)
    began = time.monotonic()
    with pytest.raises(DataError, match="no answer within 0.2 s"):
        download("http://127.0.0.1:9/x", home / "x", [1], limits=QUICK._replace(connect=0.2))
    assert time.monotonic() - began < 5


def test_no_progress_bar_where_nobody_watches_and_one_on_a_terminal(home, tiny, server, monkeypatch, capsys):
    find(home, tiny, "good", server=server)
    assert "%" not in capsys.readouterr().err
    shutil.rmtree(home / "cache")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    find(home, tiny, "good", server=server)
    assert "%" in capsys.readouterr().err


def test_the_misbehaving_server_is_on_this_machine_only(server):
    assert isinstance(server.http, http.server.HTTPServer) and server.http.server_address[0] == "127.0.0.1"


def test_an_archive_that_a_killed_search_left_whole_is_verified_and_not_fetched_again(home, tiny, server):
    cache_folder().mkdir(parents=True)
    left = cache_folder() / tiny.archive.name
    left.write_bytes(server.content)
    assert find(home, tiny, "good", server=server).real and server.requests == [] and in_cache() == KEPT
    shutil.rmtree(home / "cache")
    cache_folder().mkdir(parents=True)
    left.write_bytes(b"\0" * len(server.content))
    assert find(home, tiny, "good", server=server).real and in_cache() == KEPT


@needs_sh
def test_what_a_mirror_left_half_is_no_longer_kept_once_another_source_had_it_all(home, tiny, server):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    assert find(home, tiny, "cut", server=server).source.startswith("npm") and in_cache() == KEPT
