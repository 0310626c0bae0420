"""What one student handed in, once or several times: when, and how late."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from classroom.deadlines import Deadline, format_duration, format_time
from classroom.grading.roster import CANVAS_FILE, Person, split_number
from classroom.grading.submission import student_of

__all__ = ["Attempt", "add_lateness", "group_by_name", "in_order", "refuse_copied_dates"]

MAX_FILES = 10_000  # of a folder
MAX_HAND_INS = 20  # of a student: older ones are left out
MOODLE_COLUMN, MOODLE_TIME = "Last modified (submission)", "%A, %d %B %Y, %I:%M %p"
BY_FILE, BY_CANVAS = "the date of the file", "Canvas"
COPIED = timedelta(hours=1)  # files of a class, all late and that close, were copied or unpacked


class Attempt(NamedTuple):
    """One of the hand-ins of a student."""

    path: Path
    number: int  # 1 for the first
    total: int  # how many there are
    time: datetime | None  # None: not known
    source: str  # of the time
    is_late: bool = False  # as Canvas says, if the time is not known


def group_by_name(paths: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The hand-ins of each student, where no roster says who is who: ada.zip and ada-1.zip are ada's."""
    groups: dict[str, list[Path]] = {}
    for stem, path in paths.items():
        name = split_number(stem)[0]
        groups.setdefault(name if name in paths else stem, []).append(path)
    return groups


def in_order(student: str, paths: Iterable[Path], deadline: Deadline, person: Person | None) -> list[Attempt]:
    """The hand-ins of a student, the newest last.

    Args:
        student: as reports say.
        paths: archives and folders; a folder that holds archives alone is one hand-in for each of them.
        deadline: its time zone is used, and it may know when the newest was handed in.
        person: of the roster.
    """
    zone = deadline.due.tzinfo if deadline.due else timezone.utc
    known = {}
    for path in paths:
        for archive in _archives_in(path):
            stem = student_of(archive) or archive.name
            canvas = CANVAS_FILE.match(stem) if archive == path else None
            series, number = (canvas["id"], int(canvas["file"])) if canvas else split_number(stem)
            known[archive] = (series, number, _file_time(archive, zone), canvas)
    is_series = len({series for series, *_ in known.values()}) == 1  # else numbers say nothing
    ordered = sorted(known, key=lambda path: (known[path][1] * is_series, known[path][2], path.name))
    ordered = ordered[-MAX_HAND_INS:]
    hand_ins = []
    for number, path in enumerate(ordered, start=1):
        _, _, time, canvas = known[path]
        attempt = Attempt(path, number, len(ordered), time, BY_FILE)
        if canvas:  # the dates of its files are those of the download
            attempt = attempt._replace(time=None, source=BY_CANVAS, is_late=bool(canvas["late"]))
        hand_ins.append(attempt)
    moodle_time = _moodle_time(person, zone)
    if moodle_time:
        hand_ins[-1] = hand_ins[-1]._replace(time=moodle_time, source="Moodle")
    if student in deadline.handed_in:
        hand_ins[-1] = hand_ins[-1]._replace(time=deadline.handed_in[student], source="the manifest")
    return hand_ins


def refuse_copied_dates(hand_ins: Mapping[str, Attempt], deadline: Deadline) -> None:
    """Raise ValueError if all files were copied after the deadline, so that the whole class would be late."""
    times = [
        (attempt.time, deadline.due_of(student))
        for student, attempt in hand_ins.items()
        if attempt.source == BY_FILE and attempt.time
    ]
    if len(times) < 3 or not all(due and time > due for time, due in times):
        return
    if max(time for time, _ in times) - min(time for time, _ in times) <= COPIED:
        raise ValueError(
            f"grade: {len(times)} files have dates of the same hour, after the deadline: that is when they "
            "were copied or unpacked; try: a copy that keeps dates (cp -p), or handed_in in the manifest"
        )


def add_lateness(
    results: dict[str, Any], student: str, attempt: Attempt, deadline: Deadline, rule: str
) -> dict[str, Any]:
    """Results with what the page says of a hand-in, and without the points that being late costs.

    Args:
        results: with all tests.
        student: as reports say.
        attempt: that was marked.
        deadline: with the rule for late work.
        rule: "newest" or "best".
    """
    points: float = round(sum(test["score"] for test in results["tests"]), 2)
    lost: float = 0
    lines: list[str] = []
    due = deadline.due_of(student)
    if due and attempt.time is None:
        lines.append(
            f"{BY_CANVAS} marks it as late, but not by how much. No points are lost."
            if attempt.is_late
            else f"{BY_CANVAS} marks it as on time."
        )
    elif due and attempt.time:
        extension = ", with an extension" * (student in deadline.extensions)
        when = attempt.time.astimezone(due.tzinfo)
        lines.append(
            f"Handed in {format_time(when)}, according to {attempt.source}. "
            f"Due {format_time(due)}{extension}."
        )
        late = when - due
        if late > timedelta():
            share = deadline.share_lost(late)
            lost = round(points * share, 2)
            cost = f"{100 * share:g} % of the points are lost, {lost:g} of {points:g}"
            lines.append(f"That is {format_duration(late)} late: {cost if share else 'no points are lost'}.")
        else:
            lines[-1] += " That is on time."
    if attempt.total > 1:
        this = "this is the last" if attempt.number == attempt.total else f"this is number {attempt.number}"
        lines.append(f"Of {attempt.total} hand-ins, the {rule} counts: {this}.")
    handed_in = attempt.time.isoformat(timespec="minutes") if due and attempt.time else ""
    return results | {
        "score": round(points - lost, 2),
        "extra_data": results["extra_data"]
        | {"lateness": {"handed_in": handed_in, "lost": lost, "lines": lines}},
    }


def _archives_in(path: Path) -> list[Path]:
    """The archives of a folder that holds several, and nothing else; else the path itself."""
    try:
        entries = [entry for entry in path.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    except OSError:  # no folder, or one that cannot be read, as whoever reads it says
        return [path]
    archives = [entry for entry in entries if student_of(entry) is not None and entry.is_file()]
    return sorted(archives) if len(archives) > 1 and len(archives) == len(entries) else [path]


def _file_time(path: Path, zone: Any) -> datetime:
    """The date of an archive, or of the newest file of a folder."""
    newest = path.lstat().st_mtime
    with suppress(OSError):  # of a disk that fails: whoever reads the folder says so
        files = [entry for entry, _ in zip(path.rglob("*"), range(MAX_FILES)) if not entry.is_dir()]
        newest = max((file.lstat().st_mtime for file in files), default=newest)
    return datetime.fromtimestamp(newest, zone).replace(microsecond=0)


def _moodle_time(person: Person | None, zone: Any) -> datetime | None:
    """When Moodle's worksheet says that a person handed in; it does not name a time zone."""
    try:
        return (
            datetime.strptime(person.cells[MOODLE_COLUMN], MOODLE_TIME).replace(tzinfo=zone)
            if person
            else None
        )
    except (KeyError, ValueError):
        return None
