"""Atomic writes, locks, digests, reproducible archives."""

import contextlib
import hashlib
import io
import os
import secrets
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO

__all__ = ["REPOSITORY", "atomic_write", "sha256_of", "try_lock", "zip_of"]

REPOSITORY = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a temporary file in the folder of `path`, for writing bytes.

    On success it is fsynced and renamed over `path`; on an exception it is removed. A reader therefore sees
    the old file or the new one, never a part. Each call has a temporary file of its own, so threads and
    processes may write the same `path`; the last one to finish wins.

    Raises:
        OSError: the disk is full, or the folder may not be written; its filename is set.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        if error.errno and not error.filename:
            error.filename = str(path)  # of a full disk the system does not say where
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)


def try_lock(file: IO) -> bool | None:
    """Lock an open file for this process, without waiting.

    The operating system releases the lock when the process dies.

    Returns:
        True if the lock is held now, False if another process holds it, None where the file system has no
        locks (some NFS): callers must then expect other processes.
    """
    if os.name == "nt":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 digest of a file, in hexadecimal; the file is read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def zip_of(files: Mapping[str, bytes], executable: Collection[str] = ()) -> bytes:
    """The bytes of a zip with `files`, the same for the same files on any day and machine.

    Args:
        files: {path in the archive: content}.
        executable: names of files, without their folder, that get the right to be run.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.rpartition("/")[2] in executable else 0o100644) << 16
            archive.writestr(entry, content)
    return packed.getvalue()
