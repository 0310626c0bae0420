"""Archives and folders made to do harm: one line that a person can read, or the right images.

The digest of an archive is verified before it is opened. Here the readers get what no digest kept out: still
they write no file, call nothing, and take no more memory or time than the real archive does.
"""

import gzip
import hashlib
import os
import pickle
import tarfile
from io import BytesIO

import pytest

from cs231n.data import formats
from cs231n.data.cache import content_digest
from cs231n.data.errors import DataError
from cs231n.data.formats import BATCHES, read_batches_archive, read_folder, read_png_archive
from tests.support import archive_bombs as bombs
from tests.support.data_search import find
from tests.support.tally import tried
from tests.support.tiny_cifar import tiny_batches, write_folder, write_tar

pytestmark = pytest.mark.reliability


@pytest.fixture
def rows():
    return 1


def digest_or_line(read, path):
    """The digest of the images in an archive, or the one line about it."""
    try:
        with bombs.bounded():
            return content_digest(read(path, 1))
    except DataError as e:
        assert len(str(e)) < 700
        return str(e)


TARS = bombs.HARMLESS_TARS | bombs.HOSTILE_TARS | bombs.HOSTILE_GZIPS


@pytest.mark.parametrize("case", TARS)
def test_hostile_tar(home, tiny, monkeypatch, case):
    monkeypatch.chdir(home / "bin")
    path = home / "x.tar.gz"
    with tried("Data", "malicious archives and files"):
        path.write_bytes(TARS[case]())
        before = sorted(home.rglob("*"))
        right = digest_or_line(read_batches_archive, path) == tiny.digest
        assert right == (case in bombs.HARMLESS_TARS) and sorted(home.rglob("*")) == before


PACKAGES = {f"a PNG of {id}": ("data_batch_1.png", make) for id, make in bombs.HOSTILE_PNGS.items()}
PACKAGES |= {f"labels {id}": ("train_lables.json", make) for id, make in bombs.HOSTILE_LABELS.items()}


@pytest.mark.filterwarnings("ignore:Image size")  # what PIL says of it, before it is refused
@pytest.mark.parametrize("name, make", PACKAGES.values(), ids=PACKAGES)
def test_hostile_package(home, tiny, name, make):
    with tarfile.open(home / "published" / tiny.npm_archive.name) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    with tried("Data", "malicious archives and files"):
        path = write_tar(home / "x.tar.gz", members | {f"package/{name}": make()})
        assert digest_or_line(read_png_archive, path) != tiny.digest


# fmt: off
@pytest.mark.parametrize("content, says", [
    (bombs.header("x") * 101, "it has more than 100 members"),
    (bombs.header("x", (8 << 30) - 512, tarfile.XHDTYPE), "at most 67,108,864 are allowed"),
], ids=["members", "a part"])
# fmt: on
def test_excess_in_a_tar_is_named(tmp_path, content, says):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=f"x.tar.gz cannot be read .*{says}"):
        read_batches_archive(path, 1)


def call_of_the_right_size(batch):
    call = pickle.dumps(bombs.Call(os.system, f"touch {batch.parent / 'outside'}"), 0)
    batch.write_bytes(call + bytes(batch.stat().st_size - len(call)))


@pytest.mark.skipif(os.name == "nt", reason="needs the links and devices of Unix")
# fmt: off
@pytest.mark.parametrize("harm, says", [
    (lambda batch: (batch.unlink(), os.mkfifo(batch)), "data_batch_1 missing"),
    (lambda batch: (batch.unlink(), batch.symlink_to("/dev/zero")), "data_batch_1 missing"),
    (lambda batch: (batch.unlink(), batch.symlink_to(batch)), "data_batch_1 missing"),
    (lambda batch: os.truncate(batch, 10 << 30), "data_batch_1 has 10,737,418,240 bytes, not "),
    (lambda batch: batch.write_bytes(b""), "data_batch_1 has 0 bytes, not "),
    (call_of_the_right_size, "data_batch_1 is not as published: md5"),
], ids=["fifo", "device", "link to itself", "hole", "empty", "call"])
# fmt: on
def test_batch_that_is_not_as_published_is_never_unpickled(home, tiny, monkeypatch, harm, says):
    folder = write_folder(home / "mine", tiny_batches(rows=1))
    harm(folder / BATCHES[0])
    monkeypatch.setattr(formats, "load_pickle", lambda f: pytest.fail("unpickled"))
    monkeypatch.setenv("CS231N_CIFAR10", str(folder))
    with tried("Data", "malicious archives and files"), bombs.bounded():
        with pytest.raises(DataError, match=f"^CS231N_CIFAR10=.*{says}.*; unset it to look elsewhere$"):
            find(home, tiny)
        assert not (folder / "outside").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs the devices of Unix")
@pytest.mark.parametrize("special", ["/dev/zero", "/dev/stdin", "fifo"])
def test_named_device_is_refused(home, tiny, monkeypatch, special):
    os.mkfifo(home / "fifo")
    monkeypatch.setenv("CS231N_CIFAR10", str(home / special))
    with tried("Data", "malicious archives and files"), bombs.bounded():
        with pytest.raises(DataError, match="^CS231N_CIFAR10=.*; unset it to look elsewhere$"):
            find(home, tiny)


def flips(content, places):
    """content with one bit wrong, at each of the places in turn."""
    for i, at in enumerate(places):
        yield content[:at] + bytes([content[at] ^ 1 << i % 8]) + content[at + 1 :]


@pytest.mark.parametrize("read", [read_batches_archive, read_png_archive])
def test_wrong_bit_in_an_archive_gives_images_or_one_line(home, tiny, many, read):
    """In the headers of the tar of batches, and everywhere in that of PNGs."""
    content, path = bombs.WHOLE, home / "x.tar.gz"
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        places = [m.offset + i for m in tar for i in range(512)]
    if read is read_png_archive:
        content = gzip.decompress((home / "published" / tiny.npm_archive.name).read_bytes())
        places = range(0, len(content), 7)
    for wrong in flips(content, places[:: 1 if many else 97]):
        with tried("Data", "one wrong bit in an archive, a batch or a PNG"):
            path.write_bytes(gzip.compress(wrong, 0))
            digest_or_line(read, path)


def test_wrong_bit_in_a_batch_is_refused(home, tiny, many):
    folder = write_folder(home / "mine", tiny_batches(rows=1))
    batch = folder / BATCHES[3]
    content = batch.read_bytes()
    for wrong in flips(content, range(0, len(content), 1 if many else 97)):
        with tried("Data", "one wrong bit in an archive, a batch or a PNG"):
            batch.write_bytes(wrong)
            with pytest.raises(DataError, match=f"md5 {hashlib.md5(wrong).hexdigest()[:12]}"):
                read_folder(folder, 1, tiny.batches)
