"""What a student handed in: a zip or a folder, of which the files with exercises are read, into memory.

A zip is never unpacked to disk. So paths that lead out of it, links and bombs have nothing to act on; they
are still named, for a student may have made them by accident.
"""

import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

__all__ = ["RejectedFileError", "Submission", "find_submissions", "read_submission"]

MAX_FILE_BYTES = 1 << 20  # of one source file; the longest of the kit has 20,000
MAX_ZIP_BYTES = 64 << 20  # of a zip within a folder or a zip
MAX_ENTRIES = 10_000  # of a zip or a folder: more is a mistake
CHUNK_BYTES = 1 << 16


class Submission(NamedTuple):
    """The files of one student."""

    files: dict[str, str]  # {path: source}
    faults: dict[str, str]  # {path: why it could not be read}; "" for the submission as a whole
    notes: list[str]  # what was strange and did no harm

    def digest(self) -> str:
        """A SHA-256 digest of all of it."""
        return hashlib.sha256(json.dumps(self[:], sort_keys=True).encode()).hexdigest()


class RejectedFileError(ValueError):
    """A file, or a submission, that is not read; the message says why, without a subject."""


def find_submissions(folder: str | os.PathLike) -> dict[str, Path]:
    """The submissions in a folder: every zip and every folder, whose name is the student's.

    Returns:
        {student: path}.

    Raises:
        OSError: the folder cannot be read.
        ValueError: there is no submission, or there are two of one student.
    """
    paths: dict[str, Path] = {}
    if not Path(folder).is_dir():
        raise ValueError(f"grade: there is no folder {folder}; try: the folder that holds the submissions")
    for path in sorted(Path(folder).iterdir()):
        is_zip = path.suffix.lower() == ".zip"
        if path.name.startswith((".", "__MACOSX")) or not (is_zip or path.is_dir()):
            continue
        student = path.stem if is_zip else path.name
        if student in paths:
            both = f"{paths[student].name} and {path.name}"
            raise ValueError(f"grade: {both} are both of {student}; try: move one of them away")
        paths[student] = path
    if not paths:
        raise ValueError(
            f"grade: no .zip and no folder in {folder}; try: the folder that holds the submissions"
        )
    return paths


def read_submission(
    path: str | os.PathLike, names: Sequence[str], max_bytes: int = MAX_FILE_BYTES, label: str = ""
) -> Submission:
    """Read the files of a student, at the top of a zip or folder or below one folder of it.

    Where none of them is there, the one zip in it is read instead, or else the files of those names that lie
    anywhere, each in one place. Never raises for what a student did: faults say what is wrong, by file.

    Args:
        path: of the zip or folder.
        names: of the files to read, "cs231n/layers.py", ...
        max_bytes: of one of these files.
        label: what to call it in place of the name of the file, which may be that of the student.
    """
    path = Path(path)
    label = label or path.name
    submission = Submission({}, {}, [])
    try:
        source = _Folder(path) if path.is_dir() else _Zip(path)
        with source:
            _read(source, names, submission, max_bytes)
    except RejectedFileError as error:
        submission.faults[""] = f"{label}: {error}"
    except Exception as error:  # what a zip makes zipfile raise is not to be listed: one byte will do
        submission.faults[""] = f"{label} cannot be read as a zip ({error}); try: python -m cs231n submit"
    return submission


def _read(
    source: "_Folder | _Zip",
    names: Sequence[str],
    submission: Submission,
    max_bytes: int,
    is_inner: bool = False,
) -> None:
    """Fill a submission from a source; is_inner says that the source is itself a zip in another."""
    entries = source.names()
    if len(entries) > MAX_ENTRIES:
        raise RejectedFileError(
            f"it holds {len(entries)} files, more than {MAX_ENTRIES}; try: python -m cs231n submit"
        )
    outside = [entry for entry in entries if _leads_out(entry)]
    if outside:
        submission.notes.append(f"the path {outside[0][:80]!r} leads out of the zip; it was left alone")
    top = _top_folder(entries, names)
    usable = [entry for entry in entries if not _leads_out(entry) and "__MACOSX" not in entry]
    places = {name: [str(top / name)] for name in names}
    if not any(place in entries or source.is_link(place) for (place,) in places.values()):
        zips = [entry for entry in usable if entry.lower().endswith(".zip")]
        if len(zips) == 1 and not is_inner:
            submission.notes.append(f"the files were read from {zips[0][:80]!r} in it")
            with _Zip(io.BytesIO(source.read_file(zips[0], MAX_ZIP_BYTES))) as inner:
                return _read(inner, names, submission, max_bytes, is_inner=True)
        places = {
            name: [entry for entry in usable if PurePosixPath(entry).name == PurePosixPath(name).name]
            for name in names
        }
        if not any(places.values()):
            some = ", ".join(entry[:60] for entry in sorted(usable)[:4]) + (", ..." if usable[4:] else "")
            raise RejectedFileError(
                f"none of {', '.join(names)} is in it, but {some or 'nothing'}; try: python -m cs231n submit"
            )
        submission.notes.append(
            f"no file is at its place, such as {names[0]}; they were read by their names alone"
        )
    digests = _manifest_digests(source, str(top / "manifest.json"))
    for name, entries in places.items():
        try:
            if not entries:
                raise RejectedFileError("is missing")
            if len(entries) > 1:
                both = " and ".join(entry[:60] for entry in entries[:2])
                raise RejectedFileError(f"is there {len(entries)} times, as {both}")
            content = source.read_file(entries[0], max_bytes)
            submission.files[name] = _decode(name, content)
            digest = hashlib.sha256(content).hexdigest()
            if digests.get(name, digest) != digest:
                submission.notes.append(
                    f"{name} was edited after submit had packed it; it is marked as it is."
                )
        except RejectedFileError as error:
            submission.faults[name] = f"{name} {error}"


def _manifest_digests(source: "_Folder | _Zip", name: str) -> dict[str, str]:
    """{path: SHA-256} as submit wrote them into its manifest; empty if there is none that can be read."""
    try:
        return {path: entry["sha256"] for path, entry in json.loads(source.read_file(name))["files"].items()}
    except Exception:  # the files may be good all the same
        return {}


class _Zip(zipfile.ZipFile):
    def names(self) -> list[str]:
        return [info.filename for info in self.infolist()]

    def is_link(self, name: str) -> bool:
        return False  # links have names in a zip

    def read_file(self, name: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        infos = [info for info in self.infolist() if info.filename == name]
        if not infos:
            raise RejectedFileError("is missing")
        if len(infos) > 1:
            raise RejectedFileError(f"is in the zip {len(infos)} times")
        (info,) = infos
        if stat.S_ISLNK(info.external_attr >> 16):
            raise RejectedFileError("is a link, not a file")
        if info.flag_bits & 1:
            raise RejectedFileError("is locked with a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RejectedFileError("is compressed in a way that is not read; try: python -m cs231n submit")
        with self.open(info) as file:
            return _read_at_most(file, max_bytes)


class _Folder:
    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "_Folder":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def names(self) -> list[str]:
        names: list[str] = []
        for entry in self.path.rglob("*"):
            if not entry.is_symlink():
                names.append(entry.relative_to(self.path).as_posix())
            if len(names) > MAX_ENTRIES:
                break
        return names

    def is_link(self, name: str) -> bool:
        """Whether name is, or is below, a link: anywhere on the way one could lead out."""
        path = PurePosixPath(name)
        return any((self.path / part).is_symlink() for part in (path, *path.parents[:-1]))

    def read_file(self, name: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        if self.is_link(name):
            raise RejectedFileError("is a link, not a file")
        path = self.path / name
        if not path.exists():
            raise RejectedFileError("is missing")
        if not path.is_file():
            raise RejectedFileError("is no file")
        with open(path, "rb") as file:
            return _read_at_most(file, max_bytes)


def _read_at_most(file: IO[bytes], max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := file.read(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise RejectedFileError(f"is larger than {max_bytes} bytes")
    return bytes(content)


def _top_folder(entries: Collection[str], names: Sequence[str]) -> PurePosixPath:
    """The folder in which most of the files are, the shallowest first: many zip a folder with all in it."""
    tops, present = {PurePosixPath()}, set(entries)
    for entry in entries:
        for name in names:
            if entry.endswith("/" + name) and "__MACOSX" not in entry and not _leads_out(entry):
                tops.add(PurePosixPath(entry[: -len(name) - 1]))
    return max(
        tops,
        key=lambda top: (sum(str(top / name) in present for name in names), -len(top.parts), str(top)),
    )


def _leads_out(name: str) -> bool:
    return ".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\")) or name[1:2] == ":"


def _decode(name: str, content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise RejectedFileError("is in UTF-16; try: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedFileError(f"is not UTF-8, at byte {error.start}; try: save it as UTF-8") from None
    if name.endswith(".py") and text.lstrip().startswith("{") and '"nbformat"' in text:
        raise RejectedFileError("is a notebook, not a Python file; try: the file of that name from the kit")
    return text
