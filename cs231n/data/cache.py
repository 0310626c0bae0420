"""The user's cache: the data is fetched once for all processes and checkouts.

The images are one .npy of bytes with shape (6, rows * 3073), a row for each block of formats.py; so the
SHA-256 of its content is the content digest. It is read in chunks: a memory map would count as memory in use.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np

from cs231n.common.files import REPOSITORY, atomic_write, try_lock
from cs231n.common.terminal import log
from cs231n.data.errors import CacheError, DataError
from cs231n.data.formats import BATCHES, PIXELS

CHUNK = 1000  # images that are read at once
XDG_AT_START = REPOSITORY / "datasets" / "cache_folder.txt"


def cache_folder() -> Path:
    """The folder of the cache, which need not exist: ~/.cache/cs231n, or where XDG_CACHE_HOME puts it.

    If it is not set now, it counts as it was when `python -m cs231n start` made this copy of the kit.
    """
    base: str | Path = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base) and XDG_AT_START.is_file():
        base = os.fsdecode(XDG_AT_START.read_bytes())
        base = base if os.path.isdir(base) else ""  # the folder may have moved to another machine
    if not os.path.isabs(base):  # by the XDG convention a relative one counts as unset
        base = Path.home() / ("AppData/Local" if os.name == "nt" else ".cache")
    return Path(base) / "cs231n"


def content_digest(blocks: np.ndarray) -> str:
    """The SHA-256 of the blocks, one after the other, in hexadecimal: the same whatever form they came in."""
    return hashlib.sha256(np.ascontiguousarray(blocks, np.uint8).data).hexdigest()


def cached_digest(path: Path) -> str:
    """The content digest of a cache file.

    Raises:
        DataError: the file is damaged.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        _read_header(f)
        while chunk := f.read(1 << 18):
            digest.update(chunk)
    return digest.hexdigest()


def _read_header(f: IO[bytes]) -> tuple[int, int]:
    """Read the header of a cache file -> (offset of its content, images a block)."""
    try:
        if np.lib.format.read_magic(f) != (1, 0):
            raise ValueError("another version of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        if dtype != np.uint8 or len(shape) != 2 or shape[0] != len(BATCHES) or shape[1] % (PIXELS + 1):
            raise ValueError(f"it holds {shape} {dtype}")
        if os.fstat(f.fileno()).st_size != f.tell() + shape[0] * shape[1]:
            raise ValueError("it is cut short")
    except Exception as e:  # for a damaged header numpy's parser may raise anything
        raise DataError(f"{f.name} is damaged: {e}") from None
    return f.tell(), shape[1] // (PIXELS + 1)


def iter_chunks(path: Path, start: int, stop: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Read a range of images from a cache file, counted through all six blocks.

    Args:
        path: the cache file.
        start: the first image.
        stop: the image after the last one.

    Yields:
        (offset from start, pixels (n, 3072) uint8, labels (n,) uint8).
    """
    with open(path, "rb") as f:
        content, rows = _read_header(f)
        at = start
        while at < stop:
            block, i = divmod(at, rows)
            n = min(CHUNK, stop - at, rows - i)
            begin = content + block * rows * (PIXELS + 1)
            f.seek(begin + i * PIXELS)
            # np.fromfile would turn Ctrl-C into a TypeError.
            pixels = np.frombuffer(f.read(n * PIXELS), np.uint8).reshape(n, PIXELS)
            f.seek(begin + rows * PIXELS + i)
            yield at - start, pixels, np.frombuffer(f.read(n), np.uint8)
            at += n


def has_digest(path: Path, digest: str) -> bool:
    """Whether a cache file has this content digest; a process reads it once, unless it changes."""
    try:
        stat = path.stat()
        return _digest_at(path, stat.st_size, stat.st_mtime_ns) == digest
    except (OSError, DataError):
        return False


@lru_cache(maxsize=4)
def _digest_at(path: Path, size: int, mtime_ns: int) -> str:
    return cached_digest(path)


def cache_error(folder: Path, error: OSError) -> CacheError:
    """The error to raise where the cache in `folder` cannot be written."""
    return CacheError(
        f"cannot write to the cache {folder} ({error.strerror or error}); free disk space, or let "
        "XDG_CACHE_HOME (on Windows LOCALAPPDATA) name another folder"
    )


def write_file(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file of the cache, whole or not at all.

    Args:
        path: the file.
        fill: called with the open file, writes its content.

    Raises:
        CacheError: the file cannot be written.
    """
    try:
        with atomic_write(path) as file:
            fill(file)
    except OSError as e:
        raise cache_error(path.parent, e) from None


@contextlib.contextmanager
def cache_lock(folder: Path) -> Iterator[bool]:
    """Hold an exclusive lock on the cache, after waiting for whoever has it; makes the folder.

    Yields:
        True, or False where the file system has no locks (some NFS): then another process may be at work too.

    Raises:
        CacheError: the folder or the lock cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        f = open(folder / "lock", "a+b")
    except OSError as e:
        raise cache_error(folder, e) from None
    with f:
        locked = try_lock(f)
        if locked is False:
            log("another process is fetching the data; waiting for it")
        while locked is False:
            time.sleep(0.2)
            locked = try_lock(f)
        yield locked is True
