"""Every way in which a server can fail, at every place in the file, and damage at every place of the cache.

What counts as held: the first search ends with the right digest, or with one line that a person can read, and
without it under the name of CIFAR-10; nothing that came broken is taken for whole; and the next search, of a
server that works, ends with the right digest and a clean cache.
"""

import re
import time

import pytest

from cs231n.data import cache
from cs231n.data.cache import cache_folder, cached_digest, has_digest
from cs231n.data.download import DownloadLimits
from cs231n.data.errors import DataError
from tests.support.bad_server import FLOOD
from tests.support.data_search import CACHE_FILES, QUICK, cache_listing, find
from tests.support.tally import tried

pytestmark = pytest.mark.reliability

# What the line says of each fault; "" if the archive comes all the same.
# fmt: off
FAULTS = {
    **{status: f"answered {status}" for status in ("403", "404", "503")},
    "reason": "answered 500 .*no no", "nothing": "connection lost", "not-http": "connection lost",
    "html": "answered with a web page", "disguised-html": "offers a file of .* bytes",
    "slow-headers": "no answer within 1 s", "continue": "no answer within 1 s",
    "cut": "broke off after", "cut:0": "broke off after 0 of",
    "stall": "silent for 0.5 s", "trickle": "too slow",
    "flip:0": "corrupted: sha256", "flip:1000": "corrupted: sha256",
    "endless": "sent more than", "flood": "sent more than",
    **dict.fromkeys(("unannounced", "no-range", "wrong-range", "redirect:", "redirect:flood"), ""),
    **dict.fromkeys(("length:longer", "length:shorter", "length:negative"), "offers a file of"),
    "length:huge": "offers a file of '9+'", "length:word": "offers a file of .*many",
    "redirect:loop": "answered 302", "redirect:file": "answered 302 .*file:///etc/passwd",
    "redirect:ftp": "redirects to ftp", "redirect:nowhere": "cannot be reached",
    "redirect:nonsense": "connection lost",
}
# fmt: on


@pytest.fixture
def rows():
    return 1  # 19 kB, so that every tenth byte can be the one where it happens


@pytest.fixture
def attempt(home, tiny, server, capsys):
    """attempt(fault, limits) -> the line that a search prints of this server, "" if it has the images."""

    def attempt(fault, limits=DownloadLimits()):  # noqa: B008
        capsys.readouterr()
        dataset = find(home, tiny, fault, server=server, retry=True, limits=limits)
        printed = capsys.readouterr().err.splitlines()
        lines = [line for line in printed if not re.search("^npm: |fetching|drawing", line)]
        assert len(lines) == (not dataset.real)
        assert dataset.real == (cache_folder() / "cifar-10.npy").exists() == (dataset.digest == tiny.digest)
        assert cached_digest(dataset.path) == dataset.digest
        line = "".join(lines)
        assert line.isprintable() and len(line) < 250
        return line

    return attempt


@pytest.fixture
def recover(home, tiny, server):
    """recover(): the next search, of a server that works, ends well; then the images leave the cache."""

    def recover():
        dataset = find(home, tiny, "good", server=server, retry=True, limits=DownloadLimits())
        assert dataset.real and cached_digest(dataset.path) == dataset.digest == tiny.digest
        assert set(cache_listing()) - {"stand-in.npy"} == set(CACHE_FILES)
        for name in CACHE_FILES[:2]:
            (cache_folder() / name).unlink()

    return recover


def places(content, many):
    return range(0, len(content), 10 if many else len(content) // 40)


def test_download_that_breaks_off_at_every_tenth_byte(server, attempt, recover, many):
    for at in places(server.content, many):
        with tried("Data", "a download that breaks off"):
            assert f"broke off after {at:,} of" in attempt(f"cut:{at}")
            recover()
            assert server.requests[-1] == ("good", f"bytes={at}-" if at else None)


def test_download_with_a_wrong_bit_at_every_tenth_byte(server, attempt, recover, many):
    for at in places(server.content, many):
        with tried("Data", "a download with a wrong bit"):
            assert "corrupted: sha256" in attempt(f"flip:{at}")
            recover()


@pytest.mark.parametrize("have", [0, pytest.param(5000, marks=pytest.mark.slow)])  # bytes to go on from
@pytest.mark.parametrize("fault", FAULTS)
def test_mirror_that_fails(tiny, server, attempt, recover, fault, have):
    with tried("Data", "a mirror that fails"):
        cache_folder().mkdir(parents=True)
        (cache_folder() / f"{tiny.archive.name}.part").write_bytes(server.content[:have])
        began = time.monotonic()
        line = attempt(fault, QUICK)
        assert time.monotonic() - began < 5
        assert server.flooded < FLOOD / 4  # what sockets hold, not what it would send
        if not have:
            assert re.search(FAULTS[fault] or "^$", line)
        recover()


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "trickle"])  # any speed will do here
def test_named_address_that_fails(home, tiny, server, monkeypatch, fault):
    with tried("Data", "an address in CS231N_CIFAR10 that fails"):
        monkeypatch.setenv("CS231N_CIFAR10", server.address(fault))
        try:
            assert cached_digest(find(home, tiny).path) == tiny.digest
        except DataError as e:
            assert re.fullmatch(r"CS231N_CIFAR10=http://.*: .*; unset it to look elsewhere", str(e))
            assert len(str(e)) < 400 and str(e).isprintable()
            assert not (cache_folder() / "cifar-10.npy").exists()
        monkeypatch.setenv("CS231N_CIFAR10", server.address("good"))
        assert cached_digest(find(home, tiny).path) == tiny.digest and cache_listing() == CACHE_FILES


@pytest.mark.parametrize("fault, seconds", [("slow-headers", 0.8), ("silent", 0.5)])
def test_line_says_how_long_there_was_no_answer(attempt, fault, seconds):
    line = attempt(fault, QUICK._replace(response=0.8))
    assert float(re.search("no answer within ([0-9.]+) s", line)[1]) >= seconds


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:abc", "http://127.0.0.1:9", "http://[::1", "127.0.0.1:9", "no"]
)
def test_proxy_that_fails(attempt, recover, monkeypatch, proxy):
    with tried("Data", "a proxy that fails"):
        monkeypatch.setenv("http_proxy", proxy)
        assert "cannot be reached" in attempt("good", QUICK)
        monkeypatch.delenv("http_proxy")
        recover()


def flip(content, at, bit):
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def test_cached_images_damaged_at_every_place_are_not_read(home, tiny, server, many):
    """Every bit of the header, one bit of every tenth byte behind it, and cut at every tenth byte."""
    path = find(home, tiny, "good", server=server).path
    content = path.read_bytes()
    damaged = [flip(content, at, bit) for at in range(128) for bit in range(8)]
    damaged += [flip(content, at, 0) for at in range(128, len(content), 10)]
    damaged += [content[:at] for at in range(0, len(content), 10)]
    for damage in damaged if many else damaged[::29]:
        with tried("Data", "damage to the cached images"):
            path.write_bytes(damage)
            cache._digest_at.cache_clear()  # two writes within a tick of the clock look alike
            assert not has_digest(path, tiny.digest) or damage[128:] == content[128:]
    find(home, tiny, "good", server=server)
    assert path.read_bytes() == content


def test_damage_to_the_note_costs_no_more_than_the_name_of_the_source(home, tiny, server, many):
    dataset = find(home, tiny, "good", server=server)
    note = dataset.path.with_suffix(".json")
    content = note.read_bytes()
    damaged = [flip(content, at, bit) for at in range(len(content)) for bit in range(8)]
    damaged += [content[:at] for at in range(len(content))]
    for damage in damaged if many else damaged[::97]:
        with tried("Data", "damage to the note about their source"):
            note.write_bytes(damage)
            assert find(home, tiny, server=server)[:3] == dataset[:3]
