"""The folder of this user where images are kept: no process and no second checkout fetches them again.

A kept file is one .npy of bytes, shape (6, rows * 3073), a row for each block of data_formats; so the digest
of its content is the content digest. It is read in small pieces: mapped, it would count as memory in use.
"""

import contextlib
import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from cs231n.common.files import atomic_write, try_lock
from cs231n.common.terminal import log
from cs231n.data.download import DataError
from cs231n.data.formats import BATCHES, PIXELS


class CacheError(DataError):
    """The cache cannot be written: no other source of data can help."""


def cache_folder():
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # by the XDG convention a relative one counts as unset
        base = Path.home() / ("AppData/Local" if os.name == "nt" else ".cache")
    return Path(base) / "cs231n"


def content_digest(blocks):
    """The digest of a data set is that of its blocks, one after the other, whatever form it came in."""
    return hashlib.sha256(np.ascontiguousarray(blocks, np.uint8)).hexdigest()


def kept_digest(path):
    """The content digest of a kept file."""
    h = hashlib.sha256()
    with open(path, "rb") as f:
        _header(f)
        while chunk := f.read(1 << 18):
            h.update(chunk)
    return h.hexdigest()


def _header(f):
    """Read the header of a kept file; returns (where its content begins, images a block)."""
    try:
        if np.lib.format.read_magic(f) != (1, 0):
            raise ValueError("another version of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        if dtype != np.uint8 or len(shape) != 2 or shape[0] != len(BATCHES) or shape[1] % (PIXELS + 1):
            raise ValueError(f"it holds {shape} {dtype}")
        if os.fstat(f.fileno()).st_size != f.tell() + shape[0] * shape[1]:
            raise ValueError("it is cut short")
    except Exception as e:  # of a damaged header numpy's parser may raise anything
        raise DataError(f"{f.name} is damaged: {e}") from None
    return f.tell(), shape[1] // (PIXELS + 1)


def pieces(path, start, stop, size=1000):
    """Images start to stop of a kept file, at most size at a time, counted through all six blocks.

    Yields (offset from start, pixels (n, 3072), labels (n,)), both uint8.
    """
    with open(path, "rb") as f:
        content, rows = _header(f)
        at = start
        while at < stop:
            block, i = divmod(at, rows)
            n = min(size, stop - at, rows - i)
            begin = content + block * rows * (PIXELS + 1)
            f.seek(begin + i * PIXELS)
            pixels = np.fromfile(f, np.uint8, n * PIXELS).reshape(n, PIXELS)
            f.seek(begin + rows * PIXELS + i)
            yield at - start, pixels, np.fromfile(f, np.uint8, n)
            at += n


def intact(path, digest):
    """Whether the file is there with this content; it is read through once a process unless it changes."""
    try:
        stat = path.stat()
        return _digest_of(path, stat.st_size, stat.st_mtime_ns) == digest
    except (OSError, DataError):
        return False


@lru_cache(maxsize=4)
def _digest_of(path, size, mtime_ns):
    return kept_digest(path)


def unwritable(folder, e):
    return CacheError(
        f"cannot write to the cache {folder} ({e.strerror or e}); make room, or let "
        "XDG_CACHE_HOME (on Windows LOCALAPPDATA) name another folder"
    )


def write(path, fill):
    """Let fill(file) write the file at path, whole or not at all. Raises: CacheError if it cannot."""
    try:
        with atomic_write(path) as file:
            fill(file)
    except OSError as e:
        raise unwritable(path.parent, e) from None


@contextlib.contextmanager
def locked(folder):
    """One process at a time; yields whether that is certain, which some file systems cannot promise.

    The system lets go of the lock when its holder ends, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        f = open(folder / "lock", "a+b")
    except OSError as e:
        raise unwritable(folder, e) from None
    with f:
        waiting = False
        while (held := try_lock(f)) is False:
            if not waiting:
                log("another process is fetching the data; waiting for it")
            waiting = True
            time.sleep(0.2)
        yield held is True
