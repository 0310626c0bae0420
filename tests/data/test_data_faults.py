"""Every way in which a server can fail, at every place in the file, and damage at every place of the cache.

What counts as held: the first search ends with the right digest, or with one line that a person can read, and
without it under the name of CIFAR-10; nothing that came broken is taken for whole; and the next search, of a
server that works, ends with the right digest and a clean cache.
"""

import os
import re
import shutil
import time

import pytest

from cs231n.data import cache
from cs231n.data.cache import cache_folder, cached_digest, has_digest
from cs231n.data.download import DownloadLimits
from cs231n.data.errors import DataError
from tests.support.bad_server import FLOOD, LENGTHS
from tests.support.data_search import KEPT, QUICK, find, in_cache
from tests.support.tally import tried

pytestmark = pytest.mark.reliability

FAULTS = [
    "403",
    "404",
    "503",
    "html",
    "disguised-html",
    "reason",
    "nothing",
    "not-http",
    "slow-headers",
    "continue",
    "cut",
    "cut:0",
    "stall",
    "trickle",
    "flip:0",
    "flip:1000",
    "endless",
    "flood",
    "unannounced",
    "no-range",
    "wrong-range",
    *[f"length:{way}" for way in LENGTHS],
    *[f"redirect:{to}" for to in ("", "loop", "file", "ftp", "nowhere", "nonsense", "flood")],
]


@pytest.fixture
def rows():
    return 1  # 19 kB, so that every tenth byte can be the one where it happens


def after(home, tiny, server, way, capsys, limits=DownloadLimits()):  # noqa: B008
    """What a search says of a server that fails this way, or "". The next then has to end well."""
    said = attempt(home, tiny, server, way, capsys, limits)
    assert said.isprintable() and len(said) < 250, said
    kept = cache_folder() / "cifar-10.npy"
    assert kept.exists() == (not said)
    found = find(home, tiny, "good", server=server, retry=True, limits=DownloadLimits())
    assert found.real and cached_digest(found.path) == found.digest == tiny.digest
    assert set(in_cache()) - {"stand-in.npy"} == set(KEPT)
    for name in KEPT[:2]:
        (cache_folder() / name).unlink()
    return said


def attempt(home, tiny, server, way, capsys, limits):
    capsys.readouterr()
    found = find(home, tiny, way, server=server, retry=True, limits=limits)
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if not line.startswith("npm: ") and "fetching" not in line and "drawing" not in line
    ]
    assert len(lines) == (not found.real)
    if found.real:
        assert cached_digest(found.path) == found.digest == tiny.digest
    return "".join(lines)


def places(content, many, sample):
    return range(0, len(content), 10 if many else len(content) // sample)


def test_a_file_that_breaks_off_at_every_tenth_byte(home, tiny, server, capsys, many):
    for at in places(server.content, many, 40):
        with tried("Data", "a download that breaks off"):
            assert f"broke off after {at:,} of" in after(home, tiny, server, f"cut:{at}", capsys)
            assert server.requests[-1] == ("good", f"bytes={at}-" if at else None)


def test_a_bit_that_flips_in_every_tenth_byte(home, tiny, server, capsys, many):
    for at in places(server.content, many, 40):
        with tried("Data", "a download with a wrong bit"):
            assert "corrupted: sha256" in after(home, tiny, server, f"flip:{at}", capsys)


def test_a_server_that_fails_in_every_way(home, tiny, server, capsys, many):
    for way in FAULTS if many else FAULTS[::3]:
        for have in (0, 5000):  # bytes of an earlier search to go on from
            with tried("Data", "a mirror that fails"):
                cache_folder().mkdir(parents=True, exist_ok=True)
                (cache_folder() / f"{tiny.archive.name}.part").write_bytes(server.content[:have])
                server.flooded, began = 0, time.monotonic()
                after(home, tiny, server, way, capsys, QUICK)
                assert time.monotonic() - began < 5, way
                assert server.flooded < FLOOD / 4, way  # what sockets hold, not what it would send


@pytest.mark.parametrize("way, seconds", [("slow-headers", 0.8), ("silent", 0.5)])
def test_how_long_there_was_no_answer(home, tiny, server, capsys, way, seconds):
    said = attempt(home, tiny, server, way, capsys, QUICK._replace(response=0.8))
    assert float(re.search("no answer within ([0-9.]+) s", said)[1]) >= seconds


def test_a_named_address_that_fails_in_every_way(home, tiny, server, monkeypatch, many):
    for way in FAULTS if many else FAULTS[1::3]:
        if way == "trickle":
            continue  # of an address that was named, any speed will do
        with tried("Data", "an address in CS231N_CIFAR10 that fails"):
            monkeypatch.setenv("CS231N_CIFAR10", server.address(way))
            try:
                found = find(home, tiny)
                assert cached_digest(found.path) == tiny.digest
            except DataError as e:
                assert re.fullmatch(r"CS231N_CIFAR10=http://.*: .*; unset it to look elsewhere", str(e)), e
                assert len(str(e)) < 400 and str(e).isprintable()
                assert not (cache_folder() / "cifar-10.npy").exists()
            monkeypatch.setenv("CS231N_CIFAR10", server.address("good"))
            assert cached_digest(find(home, tiny).path) == tiny.digest and in_cache() == KEPT
            shutil.rmtree(home / "cache")


def test_a_proxy_that_is_nonsense(home, tiny, server, capsys, monkeypatch):
    for proxy in ("http://127.0.0.1:abc", "http://127.0.0.1:9", "http://[::1", "127.0.0.1:9", "no proxy"):
        with tried("Data", "a proxy that fails"):
            monkeypatch.setenv("http_proxy", proxy)
            assert "cannot be reached" in attempt(home, tiny, server, "good", capsys, QUICK)
            monkeypatch.delenv("http_proxy")
            assert find(home, tiny, "good", server=server, retry=True).digest == tiny.digest
            shutil.rmtree(home / "cache")


def test_kept_images_damaged_at_every_place_are_not_read(home, tiny, server, many):
    """Every bit of the header, one bit of every tenth byte behind it, and cut at every tenth byte."""
    path = find(home, tiny, "good", server=server).path
    content = path.read_bytes()
    bits = [(at, 1 << bit) for at in range(128) for bit in range(8)]
    bits += [(at, 1) for at in range(128, len(content), 10)]
    damaged = [content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :] for at, bit in bits]
    damaged += [content[:at] for at in range(0, len(content), 10)]
    for damage in damaged if many else damaged[::29]:
        with tried("Data", "damage to the images kept"):
            path.write_bytes(damage)
            cache._digest_at.cache_clear()  # two writes within a tick of the clock look alike
            assert not has_digest(path, tiny.digest) or damage[128:] == content[128:]
    find(home, tiny, "good", server=server)
    assert path.read_bytes() == content


def test_a_note_damaged_at_every_place_costs_no_more_than_the_name_of_the_source(home, tiny, server, many):
    found = find(home, tiny, "good", server=server)
    note = found.path.with_suffix(".json")
    content = note.read_bytes()
    damaged = [
        content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        for at in range(len(content))
        for bit in range(8)
    ]
    damaged += [content[:at] for at in range(len(content))]
    for damage in damaged if many else damaged[::97]:
        with tried("Data", "damage to the note beside them"):
            note.write_bytes(damage)
            assert find(home, tiny, server=server)[:3] == found[:3]
    assert os.listdir(home / "datasets") == []
