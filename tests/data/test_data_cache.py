"""What is kept for the next run: damaged, shared, cluttered, not to be written."""

import os
import time
import types

import numpy as np
import pytest

from cs231n.data import cache, sources
from cs231n.data.cache import cache_folder
from cs231n.data.errors import DataError
from tests.support.data_search import KEPT, find, in_cache


def test_the_search_is_repeated_when_the_last_was_a_while_ago(home, tiny, server):
    found = find(home, tiny)
    old = time.time() - sources.RETRY_AFTER - 1
    os.utime(found.path, (old, old))
    assert find(home, tiny, "good", server=server).real


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-1],
        lambda b: b[:50],
        lambda b: b"",
        lambda b: b + b"x",
        lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:],
    ],
    ids=["cut", "header-cut", "empty", "longer", "one-bit"],
)
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


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[]",
        '{"source": "x", "origin": "", "files": [["name", "size", 3]]}',
        '{"source": "x", "origin": "", "files": [["name", 3]]}',
        '{"source": "x", "origin": "", "files": 3}',
    ],
)
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
    assert in_cache() == KEPT


def test_where_no_lock_is_to_be_had_a_file_just_written_stays(home, tiny, server, monkeypatch):
    leave_behind(cache_folder())
    old = cache_folder() / "old.tmp"
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    monkeypatch.setattr(cache, "try_lock", lambda f: None)
    assert find(home, tiny, "good", server=server).real
    assert (cache_folder() / "cifar-10.npy.1.2.tmp").exists() and not old.exists()


def test_a_cache_that_cannot_be_written_is_an_error_that_says_so(home, tiny, server):
    (home / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot write to the cache .*XDG_CACHE_HOME"):
        find(home, tiny, "good", server=server)


def test_a_full_disk_is_an_error_before_anything_is_fetched(home, tiny, server, monkeypatch):
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10_000_000))
    with pytest.raises(DataError, match="10 MB free, 600 MB needed"):
        find(home, tiny, "good", server=server)
    assert server.requests == []


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def half(f):
        f.write(b"new, but")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.write_file(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="the XDG convention is not that of Windows")
def test_the_cache_is_where_the_xdg_convention_puts_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (
        ("", tmp_path / ".cache/cs231n"),
        ("relative", tmp_path / ".cache/cs231n"),
        (str(tmp_path / "x"), tmp_path / "x/cs231n"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == expected
