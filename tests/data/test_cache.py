"""The cache: damaged, shared, cluttered, not to be written."""

import io
import os
import time
import types

import numpy as np
import pytest

from cs231n.data import cache, sources
from cs231n.data.cache import cache_folder
from cs231n.data.errors import DataError
from tests.support.data_search import CACHE_FILES, cache_listing, find


def pickled(content):
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", pickled])
def test_damaged_cache_is_reported_and_replaced(home, tiny, server, damage, capsys):
    path = find(home, tiny, "good", server=server).path
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert find(home, tiny, "good", server=server).path.read_bytes() == content
    assert "damaged" in capsys.readouterr().err


FILES = '{"source": "x", "origin": "", "files": %s}'


@pytest.mark.parametrize("note", ["{", "[]", *(FILES % x for x in ('[["a", "size", 3]]', '[["a", 3]]', "3"))])
def test_cache_with_a_wrong_note_is_still_used(home, tiny, server, note):
    path = find(home, tiny, "good", server=server).path
    path.with_suffix(".json").write_text(note)
    assert "source unknown" in find(home, tiny, "good", server=server).source
    assert len(server.requests) == 1


def leave_behind(folder):
    """What killed processes leave, and a link to nothing that looks the same."""
    (folder / "npm-abc").mkdir(parents=True)
    (folder / "npm-abc" / "x.tgz").write_bytes(b"x")
    (folder / "cifar-10.npy.1.2.tmp").write_bytes(b"x")
    if os.name != "nt":
        os.symlink("nowhere", folder / "x.tmp")


@pytest.mark.parametrize("locked", [True, False])
def test_leftovers_of_killed_processes_go_at_the_next_search_but_new_ones_without_a_lock(
    home, tiny, server, monkeypatch, locked
):
    leave_behind(cache_folder())
    old = cache_folder() / "old.tmp"
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    if not locked:
        monkeypatch.setattr(cache, "try_lock", lambda f: None)
    assert find(home, tiny, "good", server=server).real and not old.exists()
    assert (cache_folder() / "cifar-10.npy.1.2.tmp").exists() != locked
    assert not locked or cache_listing() == CACHE_FILES


def test_stand_in_is_used_again_for_a_while_and_then_the_search_repeated(home, tiny, server):
    dataset = find(home, tiny, "404", server=server)
    assert not dataset.real and cache_listing() == ["lock", "stand-in.npy"]
    assert find(home, tiny, "good", server=server) == dataset and len(server.requests) == 1
    old = time.time() - sources.RETRY_AFTER - 1
    os.utime(dataset.path, (old, old))
    assert find(home, tiny, "good", server=server).real
    assert find(home, tiny).real


def test_cache_that_cannot_be_written_is_an_error(home, tiny, server):
    (home / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot write to the cache .*XDG_CACHE_HOME"):
        find(home, tiny, "good", server=server)


def test_full_disk_is_an_error_before_anything_is_fetched(home, tiny, server, monkeypatch):
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10_000_000))
    with pytest.raises(DataError, match="10 MB free, 600 MB needed"):
        find(home, tiny, "good", server=server)
    assert server.requests == []


@pytest.mark.skipif(os.name == "nt", reason="the XDG convention is not that of Windows")
@pytest.mark.parametrize("value, folder", [("", ".cache"), ("relative", ".cache"), ("{home}/x", "x")])
def test_cache_is_where_the_xdg_convention_puts_it(monkeypatch, tmp_path, value, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", value.format(home=tmp_path))
    assert cache_folder() == tmp_path / folder / "cs231n"
