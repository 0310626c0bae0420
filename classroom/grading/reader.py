"""The process that parses a submission: an archive, sources and notebooks that are not to be trusted.

submission.py starts it as `python -I -S -c ... KIT SETTINGS`; stdin is the archive, and stdout JSON. What a
student packed can make a parser take any time and memory: this process has MAX_SECONDS of processor time
and MAX_MEMORY, and ends where they end. It runs no code of a student.

An archive is never unpacked to disk. So paths that lead out of it, links and bombs have nothing to act on;
they are still named, because a student may have made them by accident.
"""

import errno
import hashlib
import io
import json
import os
import re
import resource
import stat
import sys
import tarfile
import tokenize
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

from classroom.releasing.blanks import find_blank
from cs231n.common.words import answers_in_words

__all__ = [
    "ARCHIVES",
    "RejectedFileError",
    "is_skipped",
    "lone_archive",
    "main",
    "require_few",
]

MAX_SECONDS = 20  # of processor time; a usual submission takes a tenth of one
MAX_MEMORY = 512 << 20  # bytes of address space
MAX_FILE_BYTES = 1 << 20  # of one source file; the longest of the kit has 20,000
MAX_NOTEBOOK_BYTES = 8 << 20  # with its pictures
MAX_INNER_BYTES = 64 << 20  # of an archive within another
MAX_ENTRIES = 10_000  # files of a submission: more is a mistake
MAX_ANSWER_CHARS = 5000  # of one answer in words: some 800 words
CHUNK_BYTES = 1 << 16
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TAR_STARTS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # if compressed
SKIPPED = ("__MACOSX", "__pycache__", "node_modules", "site-packages")  # folders that are no student's work
CODING = re.compile(r"\A((?:.*\n)??[ \t\f]*#.*?coding[:=][ \t]*)[-\w.]+")
OUT_OF_MEMORY = 3  # exit status


class RejectedFileError(ValueError):
    """A file, or a submission, that is not read; the message says why, without a subject."""


class Entry(NamedTuple):
    """A file of an archive."""

    name: str  # as the archive has it
    mode: int  # as os.stat gives it, 0 if unknown
    fault: str  # why it cannot be read, or ""
    read: Callable[[int], bytes]  # its content; of no more than so many bytes


Entries = Mapping[str, Sequence[Entry]]  # by path, with / and without ./; a path may be there twice


class Reading(NamedTuple):
    """What was read of some names."""

    files: dict[str, str]
    faults: dict[str, str]
    notes: list[str]
    declared: list[str]  # about assistants, in manifest.json; one text, or none


def main() -> None:
    """Read the archive of stdin as SETTINGS, the last argument, say."""
    for name, value in (("AS", MAX_MEMORY), ("CPU", MAX_SECONDS), ("CORE", 0), ("FSIZE", 0)):
        limit = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    try:
        reply = read(sys.stdin.buffer, **json.loads(sys.argv[-1]))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # there is no memory for an orderly end
    json.dump(reply, sys.stdout)


def read(
    file: IO[bytes],
    label: str,
    names: Sequence[str],
    labels: Mapping[str, Mapping[str, str]],
    notebooks: Sequence[str],
    questions: Sequence[str],
) -> dict[str, Any]:
    """Read an archive. What a student did wrong is a fault.

    Args:
        file: the archive.
        label: what faults call it.
        names: of the files with exercises, "cs231n/layers.py", ...
        labels: {file: {function: label of the exercise that it is to solve}}.
        notebooks: the files with answers in words.
        questions: the numbers of those that are asked, "2.9"; without any, no notebook is read.
    """
    sources, words = Reading({}, {}, [], []), Reading({}, {}, [], [])
    try:
        entries = _list(file, (*names, *notebooks))
        archive = lone_archive(entries, names)
        if archive:
            sources.notes.append(f"the files were read from {archive[:80]!r} in it")
            inner = io.BytesIO(_content(entries, archive, MAX_INNER_BYTES))
            entries = _list(inner, (*names, *notebooks))
        for reading, wanted, max_bytes in (
            (sources, names, MAX_FILE_BYTES),
            (words, notebooks if questions else [], MAX_NOTEBOOK_BYTES),
        ):
            try:
                _fill(reading, entries, wanted, max_bytes)
            except RejectedFileError as error:
                reading.faults[""] = f"{label}: {error}"
    except RejectedFileError as error:
        sources.faults[""] = words.faults[""] = f"{label}: {error}"
    except MemoryError:
        raise
    except Exception as error:  # what an archive makes a parser raise is not to be listed: one byte will do
        if isinstance(error, OSError) and error.errno in (errno.EIO, errno.ESTALE):
            raise  # the disk
        fault = f"{label} cannot be read as a {_kind(file)} ({error}); try: python -m cs231n submit"
        sources.faults[""] = words.faults[""] = fault
    answers, faults = dict[str, str](), [*words.faults.values()]
    for name, text in words.files.items():
        try:
            answers |= answers_in_words(json.loads(text))
        except (ValueError, RecursionError, MemoryError):
            faults.append(f"{name} is not a notebook; try: open it in Jupyter and save it")
    return {
        **sources._asdict(),
        "blank": {name: find_blank(text, labels.get(name, {})) for name, text in sources.files.items()},
        "answers": {number: _printable(answers[number]) for number in questions if answers.get(number)},
        "answer_faults": faults,
    }


def lone_archive(paths: Collection[str], names: Sequence[str]) -> str | None:
    """The one archive among paths, if none of the files with those names is at its place."""
    archives = [path for path in paths if path.lower().endswith(ARCHIVES)]
    has_files = any(f"/{path}".endswith(f"/{name}") for path in paths for name in names)
    return archives[0] if len(archives) == 1 and not has_files else None


def require_few(paths: Collection[str]) -> None:
    """Raise a RejectedFileError if there are more than MAX_ENTRIES."""
    if len(paths) > MAX_ENTRIES:
        raise RejectedFileError(
            f"it holds {len(paths)} files, more than {MAX_ENTRIES}; try: python -m cs231n submit"
        )


def _kind(file: IO[bytes]) -> str:
    """What kind of archive it is, whatever its name says."""
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    return "tar" if start.startswith(TAR_STARTS) or start[257:262] == b"ustar" else "zip"


def _list(file: IO[bytes], names: Iterable[str]) -> dict[str, list[Entry]]:
    """The files of an archive, but those that are no student's work."""
    everything = [*(_list_zip(file) if _kind(file) == "zip" else _list_tar(file, names))]
    paths = [re.sub(r"^(\./)+", "", entry.name.replace("\\", "/")) for entry in everything]
    venvs = tuple(path.removesuffix("pyvenv.cfg") for path in paths if path.endswith("/pyvenv.cfg"))
    entries: dict[str, list[Entry]] = {}
    for path, entry in zip(paths, everything):
        if path and not path.endswith("/") and not path.startswith(venvs) and not is_skipped(path):
            entries.setdefault(path, []).append(entry)
    require_few(entries)
    return entries


def is_skipped(path: str) -> bool:
    """Whether a file lies in a folder that is no student's work, or is hidden."""
    return any(
        part in SKIPPED or part.startswith(".") and part not in (".", "..") for part in path.split("/")
    )


def _list_zip(file: IO[bytes]) -> Iterator[Entry]:
    archive = zipfile.ZipFile(file)
    for info in archive.infolist():
        fault = ""
        if info.flag_bits & 1:
            fault = "is locked with a password"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "has an unknown compression; try: python -m cs231n submit"
        yield Entry(info.filename, info.external_attr >> 16, fault, partial(_read_of_zip, archive, info))


def _read_of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    with archive.open(info) as file:
        return _read_at_most(file, max_bytes)


def _list_tar(file: IO[bytes], names: Iterable[str]) -> Iterator[Entry]:
    """Files that may be of those names are read at once: to go back in a compressed tar takes long."""
    early = {PurePosixPath(name).name for name in (*names, "manifest.json")}
    archive = tarfile.open(fileobj=file)
    for info in archive:
        kind = (
            stat.S_IFREG if info.isreg() else stat.S_IFLNK if info.islnk() or info.issym() else stat.S_IFCHR
        )
        read = partial(_read_of_tar, archive, info)
        if info.isreg() and PurePosixPath(info.name.replace("\\", "/")).name in early:
            try:
                read = partial(_take_at_most, read(MAX_NOTEBOOK_BYTES))
            except RejectedFileError:
                pass  # as it will again, should it be asked for
        if not info.isdir():
            yield Entry(info.name, kind, "", read)


def _read_of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, max_bytes: int) -> bytes:
    file = archive.extractfile(info)
    assert file is not None  # it is a regular file
    return _read_at_most(file, max_bytes)


def _take_at_most(content: bytes, max_bytes: int) -> bytes:
    return _read_at_most(io.BytesIO(content), max_bytes)


def _read_at_most(file: IO[bytes], max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := file.read(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise RejectedFileError(f"is larger than {max_bytes} bytes")
    return bytes(content)


def _fill(reading: Reading, entries: Entries, names: Sequence[str], max_bytes: int) -> None:
    """Read the files of those names, at the top of an archive, below one folder of it, or anywhere."""
    if not names:
        return
    outside = [path for path in entries if _leads_out(path)]
    if outside:
        name = entries[outside[0]][0].name
        reading.notes.append(f"the path {name[:80]!r} leads out of the archive; it was ignored")
    entries = {path: found for path, found in entries.items() if not _leads_out(path)}
    top = _choose_top(reading, entries, names, max_bytes)
    if top is not None:
        places = {name: [str(top / name)] for name in names}
    else:
        places = {
            name: [path for path in entries if PurePosixPath(path).name == PurePosixPath(name).name]
            for name in names
        }
        if not any(places.values()):
            some = ", ".join(path[:60] for path in sorted(entries)[:4]) + ", ..." * (len(entries) > 4)
            raise RejectedFileError(
                f"none of {', '.join(names)} is in it, but {some or 'nothing'}; try: python -m cs231n submit"
            )
        reading.notes.append(f"no file is in its folder, such as {names[0]}; they were found by their names")
    manifest = _read_manifest(entries, str((top or PurePosixPath()) / "manifest.json"))
    digests = manifest.get("files", {})
    if "declaration" in manifest:
        reading.declared.append(manifest["declaration"][:MAX_ANSWER_CHARS])
    for name, paths in places.items():
        try:
            if not paths:
                raise RejectedFileError("is missing")
            if len(paths) > 1:
                both = " and ".join(path[:60] for path in paths[:2])
                raise RejectedFileError(f"is there {len(paths)} times, as {both}")
            content = _content(entries, paths[0], max_bytes)
            reading.files[name] = _decode(name, content)
            digest = hashlib.sha256(content).hexdigest()
            if digests.get(name, digest) != digest:
                reading.notes.append(f"{name} was edited after submit had packed it; it is marked as it is.")
        except RejectedFileError as error:
            reading.faults[name] = f"{name} {error}"


def _content(entries: Entries, path: str, max_bytes: int) -> bytes:
    """The content of a file."""
    for place in (path, *map(str, PurePosixPath(path).parents)):
        if any(stat.S_ISLNK(entry.mode) for entry in entries.get(place, ())):
            raise RejectedFileError("is a link, not a file")
    found = entries.get(path, ())
    if len(found) != 1:
        raise RejectedFileError(f"is in the archive {len(found)} times" if found else "is missing")
    (entry,) = found
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG):
        raise RejectedFileError("is not a file")
    if entry.fault:
        raise RejectedFileError(entry.fault)
    return entry.read(max_bytes)


def _choose_top(
    reading: Reading, entries: Entries, names: Sequence[str], max_bytes: int
) -> PurePosixPath | None:
    """The folder in which most of the files are, the shallowest first: many zip a folder with all in it.

    Returns:
        The folder, or None if there is none.

    Raises:
        RejectedFileError: another one as near to the top has files that differ, and either may be the one.
    """
    tops = {
        PurePosixPath(path[: -len(name)])
        for path in entries
        for name in names
        if f"/{path}".endswith(f"/{name}")
    }
    if not tops:  # a link may stand where the folder of the files should be
        folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
        return None if folders.isdisjoint(entries) else PurePosixPath()
    counts = {top: sum(str(top / name) in entries for name in names) for top in tops}
    best = max(tops, key=lambda top: (counts[top], -len(top.parts), str(top)))
    for top in sorted(tops - {best}):
        if all(_are_equal(entries, str(top / name), str(best / name), max_bytes) for name in names):
            continue
        if len(top.parts) <= len(best.parts):
            raise RejectedFileError(
                f"it holds two copies, {str(best)[:60]} and {str(top)[:60]}; try: hand in one of them"
            )
        reading.notes.append(f"there is another copy in {str(top)[:80]!r}; it was ignored")
    return best


def _are_equal(entries: Entries, path: str, other: str, max_bytes: int) -> bool:
    """Whether the file at path is not there, or has the content of the other."""
    try:
        return path not in entries or _content(entries, path, max_bytes) == _content(
            entries, other, max_bytes
        )
    except RejectedFileError:
        return False


def _read_manifest(entries: Entries, path: str) -> dict[str, Any]:
    """What submit wrote: {path: SHA-256} as "files", perhaps a "declaration"; empty if it is unreadable."""
    try:
        manifest = json.loads(_content(entries, path, MAX_FILE_BYTES))
        declared = {"declaration": str(manifest["declaration"])} if "declaration" in manifest else {}
        return {"files": {name: entry["sha256"] for name, entry in manifest["files"].items()}, **declared}
    except Exception:  # the files may be good all the same
        return {}


def _leads_out(path: str) -> bool:
    return ".." in path.split("/") or path.startswith("/") or path[1:2] == ":"


def _decode(name: str, content: bytes) -> str:
    """The text of a file. A coding that the source declares is then UTF-8, as which the child gets it."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise RejectedFileError("is in UTF-16; try: save it as UTF-8")
    coding = "utf-8"
    if name.endswith(".py"):
        try:
            coding = tokenize.detect_encoding(io.BytesIO(content).readline)[0].removesuffix("-sig")
        except SyntaxError:
            pass  # Python cannot import it, and will say why
    try:
        text = content.decode("utf-8-sig" if coding == "utf-8" else coding)
    except (LookupError, UnicodeError) as error:
        at = f", at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise RejectedFileError(f"is not {coding.upper()}{at}; try: save it as UTF-8") from None
    if coding != "utf-8":
        text = CODING.sub(r"\1utf-8", text, count=1)
    if name.endswith(".py") and text.lstrip().startswith("{") and '"nbformat"' in text:
        raise RejectedFileError("is a notebook, not a Python file; try: the file of that name from the kit")
    return text


def _printable(text: str) -> str:
    """Text for a page: lines stay, what steers a terminal or turns the direction of writing goes."""
    if len(text) > MAX_ANSWER_CHARS:
        text = f"{text[:MAX_ANSWER_CHARS]} ... (cut here: {len(text)} characters)"
    text = re.sub(r"\r\n?", "\n", text)
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
