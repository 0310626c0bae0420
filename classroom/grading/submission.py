"""What a student handed in: a zip or a folder, of which the named files are read, into memory.

A zip is never unpacked to disk. So paths that climb out, links and bombs have nothing to act on; they are
still named, for a student may have made them by accident.
"""

import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["Submission", "read_submission", "students"]

LARGEST = 1 << 20  # bytes of one source file; the longest of the kit has 20,000
LARGEST_ZIP = 64 << 20  # bytes of a zip within a folder or a zip
MANY = 10_000  # entries of a zip or a folder: more is a mistake
CHUNK = 1 << 16


class Submission(NamedTuple):
    files: dict  # path -> source, as str
    problems: dict  # path -> why it could not be read; "" for the submission as a whole
    notes: list  # what was strange and did no harm

    def digest(self):
        return hashlib.sha256(json.dumps(self[:], sort_keys=True).encode()).hexdigest()


class Refused(ValueError):
    pass


def students(folder):
    """The submissions in folder, {student: path}: every zip and every folder, whose name is the student's.

    Raises: OSError; ValueError if there is none, or two of one student.
    """
    found = {}
    if not Path(folder).is_dir():
        raise ValueError(f"grade: there is no folder {folder}; try: the folder that holds the submissions")
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith((".", "__MACOSX")) or not (path.suffix.lower() == ".zip" or path.is_dir()):
            continue
        name = path.stem if path.suffix.lower() == ".zip" else path.name
        if name in found:
            raise ValueError(
                f"grade: {found[name].name} and {path.name} are both of {name}; try: move one of them away"
            )
        found[name] = path
    if not found:
        raise ValueError(
            f"grade: no .zip and no folder in {folder}; try: the folder that holds the submissions"
        )
    return found


def read_submission(path, wanted):
    """The wanted files ("cs231n/layers.py", ...) of a zip or folder, at its top or below one folder of it.

    Where none of these is there, the one zip that is there instead is read, or else the files of those names
    that lie anywhere, each in one place. Never raises for what a student did: what is wrong is in problems,
    by file.
    """
    files, problems, notes = {}, {}, []
    try:
        with _open(Path(path)) as source:
            _read(source, wanted, files, problems, notes)
    except Refused as refused:
        problems[""] = f"{Path(path).name}: {refused}"
    except Exception as error:  # what a zip makes zipfile raise is not to be listed: one byte will do
        problems[""] = f"{Path(path).name} cannot be read as a zip ({error}); try: python -m cs231n submit"
    return Submission(files, problems, notes)


def _read(source, wanted, files, problems, notes, within=False):
    """Fill files, problems and notes from source; within says that source is itself a zip in another."""
    names = source.names()
    if len(names) > MANY:
        raise Refused(f"it holds {len(names)} files, more than {MANY}; try: python -m cs231n submit")
    out = [name for name in names if _leads_out(name)]
    if out:
        notes.append(f"the path {out[0][:80]!r} leads out of the zip; it was left alone")
    top = _top(names, wanted)
    usable = [name for name in names if not _leads_out(name) and "__MACOSX" not in name]
    places = {name: [str(top / name)] for name in wanted}
    if not any(place in names or source.is_link(place) for (place,) in places.values()):
        zips = [name for name in usable if name.lower().endswith(".zip")]
        if len(zips) == 1 and not within:
            notes.append(f"the files were read from {zips[0][:80]!r} in it")
            with _Zip(io.BytesIO(source.read(zips[0], LARGEST_ZIP))) as inner:
                return _read(inner, wanted, files, problems, notes, within=True)
        places = {
            name: [n for n in usable if PurePosixPath(n).name == PurePosixPath(name).name] for name in wanted
        }
        if not any(places.values()):
            shown = ", ".join(name[:60] for name in sorted(usable)[:4]) + (", ..." if usable[4:] else "")
            raise Refused(
                f"none of {', '.join(wanted)} is in it, but {shown or 'nothing'}; "
                "try: python -m cs231n submit"
            )
        notes.append(f"no file is at its place, such as {wanted[0]}; they were read by their names alone")
    digests = _digests(source, str(top / "manifest.json"))
    for name, found in places.items():
        try:
            if len(found) != 1:
                raise Refused(
                    "is missing"
                    if not found
                    else f"is there {len(found)} times, as {' and '.join(n[:60] for n in found[:2])}"
                )
            content = source.read(found[0])
            files[name] = _text(content)
            if digests.get(name, _digest(content)) != _digest(content):
                notes.append(f"{name} was edited after submit had packed it; it is marked as it is.")
        except Refused as refused:
            problems[name] = f"{name} {refused}"


def _digests(source, name):
    """{path: SHA-256} as submit wrote them into its manifest; of one that is no such, none."""
    try:
        return {path: entry["sha256"] for path, entry in json.loads(source.read(name))["files"].items()}
    except Exception:  # not there, or not read: the files may be good all the same
        return {}


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _open(path):
    return _Folder(path) if path.is_dir() else _Zip(path)


class _Zip(zipfile.ZipFile):
    def names(self):
        return [info.filename for info in self.infolist()]

    def is_link(self, name):
        return False  # links have names in a zip

    def read(self, name, most=LARGEST):
        infos = [info for info in self.infolist() if info.filename == name]
        if not infos:
            raise Refused("is missing")
        if len(infos) > 1:
            raise Refused(f"is in the zip {len(infos)} times")
        (info,) = infos
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Refused("is a link, not a file")
        if info.flag_bits & 1:
            raise Refused("is locked with a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("is compressed in a way that is not read; try: python -m cs231n submit")
        with self.open(info) as file:
            return _limited(file, most)


class _Folder:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def names(self):
        found = []
        for entry in self.path.rglob("*"):
            if not entry.is_symlink():
                found.append(entry.relative_to(self.path).as_posix())
            if len(found) > MANY:
                break
        return found

    def is_link(self, name):
        """Whether name is, or is below, a link: anywhere on the way one could lead out."""
        path = PurePosixPath(name)
        return any((self.path / part).is_symlink() for part in (path, *path.parents[:-1]))

    def read(self, name, most=LARGEST):
        if self.is_link(name):
            raise Refused("is a link, not a file")
        path = self.path / name
        if not path.exists():
            raise Refused("is missing")
        if not path.is_file():
            raise Refused("is no file")
        with open(path, "rb") as file:
            return _limited(file, most)


def _limited(file, most):
    content = bytearray()
    while chunk := file.read(CHUNK):
        content += chunk
        if len(content) > most:
            raise Refused(f"is larger than {most} bytes")
    return bytes(content)


def _top(names, wanted):
    """The folder in which most wanted files are, the shallowest first: many zip a folder with all in it."""
    tops, present = {PurePosixPath()}, set(names)
    for name in names:
        for w in wanted:
            if name.endswith("/" + w) and "__MACOSX" not in name and not _leads_out(name):
                tops.add(PurePosixPath(name[: -len(w) - 1]))
    return max(
        tops, key=lambda top: (sum(str(top / w) in present for w in wanted), -len(top.parts), str(top))
    )


def _leads_out(name):
    return ".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\")) or name[1:2] == ":"


def _text(content):
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refused("is in UTF-16; try: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"is not UTF-8, at byte {error.start}; try: save it as UTF-8") from None
    if text.lstrip().startswith("{") and '"nbformat"' in text:
        raise Refused("is a notebook, not a Python file; try: the file of that name from the kit")
    return text
