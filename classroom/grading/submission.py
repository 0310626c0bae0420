"""What a student handed in: an archive or a folder, of which the files with exercises are read.

This process takes bytes and asks no parser: reader.py does, in a process of its own with limits. Every error
of the disk is a NotMarkedError, and no fault of the student.
"""

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from classroom.grading import reader
from classroom.grading.reference import submitted_files
from classroom.grading.result import NotMarkedError
from classroom.grading.words import StudentWords
from classroom.manifest import Exercise, locate_function
from classroom.releasing.blanks import find_blank
from cs231n.checking.submission import NOTEBOOKS
from cs231n.common.files import REPOSITORY

__all__ = [
    "HandIn",
    "Submission",
    "find_submissions",
    "list_ignored",
    "open_hand_in",
    "read_submission",
    "student_of",
    "submission_of",
]

MAX_ARCHIVE_BYTES = 1 << 30  # of the archive of a student, who may have packed an environment of Python
WALL_SECONDS = 6 * reader.MAX_SECONDS  # on a busy machine
READER = "import sys; sys.path.insert(0, sys.argv[1]); from classroom.grading.reader import main; main()"
NOT_READ = (".7z", ".rar")  # archives too, but the standard library cannot read them


class Submission(NamedTuple):
    """The files of one student."""

    files: dict[str, str]  # {path: source}
    faults: dict[str, str]  # {path: why it could not be read}; "" for the submission as a whole
    notes: list[str]  # what was strange and did no harm
    blank: Mapping[str, Sequence[str]] = {}  # {path: functions of exercises that are as they were handed out}
    words: StudentWords = StudentWords({}, ())
    declaration: str = ""  # of the student, about assistants


class HandIn(NamedTuple):
    """An archive that is open, or a folder of which what matters is packed into one."""

    file: IO[bytes]
    digest: str  # of its bytes
    label: str  # what messages call it
    note: str = ""  # what was strange and did no harm
    fault: str = ""  # why it is not to be read


def find_submissions(folder: str | os.PathLike) -> dict[str, Path]:
    """The submissions in a folder: every archive and every folder, whose name is the student's.

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
        student = student_of(path)
        if student is None:
            continue
        if student in paths:
            both = f"{paths[student].name} and {path.name}"
            raise ValueError(f"grade: {both} both belong to {student}; try: move one of them away")
        paths[student] = path
    if not paths:
        names = "; ".join(list_ignored(folder)) or "nothing"
        raise ValueError(
            f"grade: no archive and no folder in {folder}, but {names}; "
            "try: the folder that holds a zip or a folder for each student"
        )
    return paths


def list_ignored(folder: str | os.PathLike) -> list[str]:
    """The names in a folder that are no submission, and not hidden."""
    return [
        path.name
        for path in sorted(Path(folder).iterdir())
        if student_of(path) is None and not reader.is_skipped(path.name)
    ]


def student_of(path: Path) -> str | None:
    """Whose submission that is, or None if it is none."""
    if path.name.startswith((".", "__MACOSX")):
        return None
    endings = [end for end in (*reader.ARCHIVES, *NOT_READ) if path.name.lower().endswith(end)]
    if endings:
        return path.name[: -len(max(endings, key=len))]
    return path.name if os.path.isdir(path) else None


def open_hand_in(path: str | os.PathLike, exercises: Sequence[Exercise], label: str = "") -> HandIn:
    """Open a submission; the caller closes its file.

    Args:
        path: of the archive or folder.
        exercises: of a folder their files, the notebooks and an archive are taken, and names of all else.
        label: what to call it in place of the name of the file, which may be that of the student.

    Raises:
        NotMarkedError: it cannot be read, which is not the student's doing.
    """
    path = Path(path)
    label, note, fault = label or path.name, "", ""
    if path.name.lower().endswith(NOT_READ):
        raise NotMarkedError(f"{label} is an unknown kind of archive; try: unpack it into a folder")
    try:
        if os.path.isdir(path):
            file: IO[bytes] = tempfile.TemporaryFile()
            try:
                archive = _pack(path, file, exercises)
            except reader.RejectedFileError as error:
                archive, fault = None, f"{label}: {error}"
            if archive:
                note = f"the files were read from {archive[:80]!r} in it"
                file.close()
                file = _open_regular(path / archive, os.O_NOFOLLOW)
        else:
            file = _open_regular(path)
        if os.fstat(file.fileno()).st_size > MAX_ARCHIVE_BYTES:
            fault = f"{label}: it is larger than {MAX_ARCHIVE_BYTES} bytes; try: python -m cs231n submit"
        digest = hashlib.sha256(fault.encode())
        file.seek(0)
        while not fault and (chunk := file.read(1 << 20)):
            digest.update(chunk)
    except OSError as error:
        raise _not_marked(error, path, label) from None
    return HandIn(file, digest.hexdigest(), label, note, fault)


def _not_marked(error: OSError, path: Path, label: str) -> NotMarkedError:
    name = os.path.relpath(error.filename, path) if isinstance(error.filename, str) else "."
    where = "" if name == "." else f", at {name}"
    return NotMarkedError(
        f"{label} cannot be read here ({error.strerror or error}{where}); "
        "try: make it readable to you (chmod -R u+rX), or copy it again"
    )


def _open_regular(path: Path, flags: int = 0) -> IO[bytes]:
    """Open a file for reading. A pipe, which might never end, is an OSError."""
    file = open(path, "rb", opener=lambda name, mode: os.open(name, mode | os.O_NONBLOCK | flags))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(None, "it is not a file", str(path))
    return file


def _pack(path: Path, packed: IO[bytes], exercises: Sequence[Exercise]) -> str | None:
    """Pack a folder into a tar; or return the path of the one archive in it, if that is read instead."""
    found = _list_folder(path)
    names = submitted_files(exercises)
    archive = reader.lone_archive(found, names)
    if archive and stat.S_ISREG(found[archive]):
        return archive
    wanted = {PurePosixPath(name).name for name in (*names, *NOTEBOOKS, "manifest.json")}
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode in sorted(found.items()):
            info, content = tarfile.TarInfo(name), b""
            if stat.S_ISLNK(mode):
                info.type = tarfile.SYMTYPE
            elif not stat.S_ISREG(mode):
                info.type = tarfile.FIFOTYPE
            elif PurePosixPath(name).name in wanted:
                with _open_regular(path / name, os.O_NOFOLLOW) as file:
                    content = file.read(reader.MAX_NOTEBOOK_BYTES + 1)  # the reader says that it is too large
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
            if packed.tell() > reader.MAX_INNER_BYTES:
                raise reader.RejectedFileError(
                    f"it holds more than {reader.MAX_INNER_BYTES} bytes; try: python -m cs231n submit"
                )
    return None


def _list_folder(path: Path) -> dict[str, int]:
    """{path below it: mode} of the files and links in a folder, but those that are no student's work."""

    def fail(error: OSError) -> None:
        raise error

    found: dict[str, int] = {}
    for folder, subfolders, files in os.walk(path, onerror=fail):
        if "pyvenv.cfg" in files and Path(folder) != path:
            subfolders.clear()
            continue
        subfolders[:] = [name for name in subfolders if not reader.is_skipped(name)]
        for name in (*files, *subfolders):
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if not stat.S_ISDIR(mode) and not reader.is_skipped(name):
                found[os.path.relpath(os.path.join(folder, name), path)] = mode
        reader.require_few(found)
    return found


def submission_of(
    files: dict[str, str], exercises: Sequence[Exercise], faults: dict[str, str] | None = None
) -> Submission:
    """The submission of sources that this process may parse: the kit's own, not those of a stranger."""
    labels = _labels(exercises)
    blank = {file: find_blank(source, labels.get(file, {})) for file, source in files.items()}
    return Submission(files, faults or {}, [], blank)


def _labels(exercises: Sequence[Exercise]) -> dict[str, dict[str, str]]:
    """{file: {function that is checked: label of its exercise}}."""
    labels: dict[str, dict[str, str]] = {}
    for exercise in exercises:
        file, name = locate_function(exercise.functions[0])
        labels.setdefault(file, {})[name] = exercise.label
    return labels


def read_submission(
    hand_in: HandIn, exercises: Sequence[Exercise], questions: Collection[str] = ()
) -> Submission:
    """Read the files of a student, in a process with limits. What the student did wrong is a fault.

    Args:
        hand_in: of `open_hand_in`.
        exercises: whose files are read: at the top or below one folder; or else from the one archive in it;
            or else wherever they lie, each in one place.
        questions: the numbers of those that are answered in words; without any, no notebook is read.

    Raises:
        NotMarkedError: that process did not end as it should, which is not the student's doing.
    """
    if hand_in.fault:
        return Submission({}, {"": hand_in.fault}, [])
    settings = {
        "label": hand_in.label,
        "names": submitted_files(exercises),
        "labels": _labels(exercises),
        "notebooks": NOTEBOOKS,
        "questions": [*questions],
    }
    hand_in.file.seek(0)
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", READER, str(REPOSITORY), json.dumps(settings)],
            stdin=hand_in.file,
            capture_output=True,
            timeout=WALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotMarkedError(
            f"{hand_in.label} was not read within {WALL_SECONDS} seconds; try: a machine with less other work"
        ) from None
    except OSError as error:
        raise NotMarkedError(f"its reader did not start ({error}); try: the same command again") from None
    if ended.returncode in (-signal.SIGXCPU, -signal.SIGSEGV, reader.OUT_OF_MEMORY):
        fault = (
            f"{hand_in.label} cannot be read within {reader.MAX_SECONDS} seconds and "
            f"{reader.MAX_MEMORY >> 20} MiB of memory; try: python -m cs231n submit"
        )
        return Submission({}, {"": fault}, [], words=StudentWords({}, [fault]))
    if ended.returncode:
        reason = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise NotMarkedError(
            f"its reader ended with status {ended.returncode} ({reason}); try: the same command again"
        )
    reply = json.loads(ended.stdout)
    return Submission(
        reply["files"],
        reply["faults"],
        [*filter(None, [hand_in.note]), *reply["notes"]],
        reply["blank"],
        StudentWords(reply["answers"], reply["answer_faults"]),
        "".join(reply["declared"]),
    )
