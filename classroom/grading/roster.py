"""Who is in the class: a CSV of people, as Canvas or Moodle exports it, and whose each submission is."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from classroom.grading.result import sanitize

__all__ = [
    "Matches",
    "Person",
    "Roster",
    "find_student",
    "match_submissions",
    "read_roster",
    "read_table",
    "split_number",
]

# Names of columns, in lower case. The first of IDS that is there is the id that pages of --anonymous show.
IDS = (
    "identifier", "id", "student id", "id number", "sis user id", "user id", "username", "login", "login id",
    "sis login id", "email", "email address", "e-mail",
)  # fmt: skip
NAMES = ("student", "full name", "name", "student name")
FIRST_NAMES, LAST_NAMES = ("first name", "firstname"), ("last name", "lastname", "surname")
SEPARATORS = ",;\t"
# What the downloads of all submissions call a file: Moodle, in folders or not; Canvas.
MOODLE_FILE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)(_|$)")
CANVAS_FILE = re.compile(r"(?!anon_)(?P<name>.*?)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_.")
NUMBERED = re.compile(r"(?P<name>.+?)(-(?P<dash>\d{1,3})| ?\((?P<bracket>\d{1,3})\))")


class Person(NamedTuple):
    """A row of the roster."""

    id: str
    name: str
    keys: frozenset[str]  # what a file of this person may be called, as _key leaves it
    cells: Mapping[str, str]  # {name of a column: cell}


class Roster(NamedTuple):
    """A class, and the file that it was read from."""

    system: str  # "canvas", "moodle", or "" for any other table
    header: list[str]
    separator: str
    people: list[Person]
    points_possible: Mapping[str, str]  # of Canvas: {name of a column: cell}


class Matches(NamedTuple):
    """Submissions by student, under the names that reports use."""

    paths: dict[str, list[Path]]
    people: dict[str, Person]  # those of the roster alone
    absent: list[str]  # on the roster, without a submission
    unknown: dict[str, str]  # {name in reports: name of the file} of what fits nobody on the roster


class Table(NamedTuple):
    """A CSV file."""

    separator: str
    rows: list[list[str]]


def read_table(path: str | os.PathLike) -> Table:
    """Read a CSV file with any separator: the one that gives its first line most cells.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"grade: {path} is not UTF-8, at byte {error.start}; try: save it as CSV UTF-8"
        ) from None
    tables = [
        Table(separator, [*csv.reader(io.StringIO(text, newline=""), delimiter=separator)])
        for separator in SEPARATORS
    ]
    return max(tables, key=lambda table: len(table.rows[0]) if table.rows else 0)


def read_roster(path: str | os.PathLike) -> Roster:
    """Read a roster: a Canvas gradebook, a Moodle grading worksheet, or a table with an id and a name.

    Raises:
        OSError, ValueError: it cannot be read, a column is missing, or two people have one id.
    """
    separator, table = read_table(path)
    header = [cell.strip() for cell in table[0]] if table else []
    columns = {name.lower(): name for name in reversed(header)}  # the first of two of one name

    def find(names: tuple[str, ...]) -> str | None:
        return next((columns[name] for name in names if name in columns), None)

    id_column, name_column = find(IDS), find(NAMES)
    if "Identifier" in header:  # blind marking in Moodle leaves the names out
        name_column = name_column or id_column
    first, last = find(FIRST_NAMES), find(LAST_NAMES)
    if not id_column or not (name_column or (first and last)):
        raise ValueError(
            f"grade: {path} needs a column with an id and one with a name; its first line has "
            f"{sanitize(', '.join(header) or 'nothing')}; try: the gradebook that Canvas exports, Moodle's "
            "grading worksheet, or a CSV with the columns id, name, email"
        )
    is_canvas = "ID" in header and "Section" in header and ("Student" in header or "LastName" in header)
    system = "moodle" if "Identifier" in header else "canvas" if is_canvas else ""
    people, points_possible = dict[str, Person](), dict[str, str]()
    for line in table[1:]:
        cells = dict(zip(reversed(header), reversed([*line, *[""] * len(header)][: len(header)])))
        if [cell.strip() for cell in line[:1]] == ["Points Possible"]:
            points_possible = cells
            continue
        id = cells[id_column].strip()
        name = cells[name_column] if name_column else f"{cells[first or '']} {cells[last or '']}"
        if not id and (system == "canvas" or not name.strip()):  # an empty line, or Canvas's "Manual Posting"
            continue
        if system == "moodle":  # "Participant 123456", in the language of the site
            id = re.sub(r"^\D*", "", id)
        if not id or id in people:
            raise ValueError(
                f"grade: {path} has {'two rows with' if id else 'no'} id {sanitize(id or f'of {name}')}; "
                "try: a roster in which each student is one row with an id"
            )
        others = [cells[columns[key]] for key in IDS if key in columns and columns[key] != id_column]
        people[id] = Person(id, " ".join(name.split()), _keys(id, name, others), cells)
    return Roster(system, header, separator, list(people.values()), points_possible)


def match_submissions(roster: Roster, paths: Mapping[str, Path], anonymous: bool) -> Matches:
    """Find out whose each submission is, from the name of its file.

    Args:
        roster: the class.
        paths: {name of a file or folder, without .zip: its path}.
        anonymous: whether reports call people by their ids.

    Returns:
        Who is who; of one person there may be several.
    """
    labels = _labels(roster, anonymous)
    matches = Matches({}, {labels[person.id]: person for person in roster.people}, [], {})
    for stem, path in paths.items():
        moodle = MOODLE_FILE.match(stem)
        if moodle and moodle["plugin"] != "file":
            continue  # the text that a student typed in Moodle
        person = _owner(roster, stem) or _owner(roster, split_number(stem)[0])
        if person is None:
            label = f"not on the roster {len(matches.unknown) + 1}"
            label = label if anonymous else f"{stem} (not on the roster)"
            matches.unknown[label] = path.name
        else:
            label = labels[person.id]
        matches.paths.setdefault(label, []).append(path)
    matches.absent.extend(label for label in matches.people if label not in matches.paths)
    return matches


def find_student(roster: Roster, name: str, anonymous: bool) -> str | None:
    """What reports call the person whose name, id, login or e-mail that is."""
    person = _owner(roster, name)
    return _labels(roster, anonymous)[person.id] if person else None


def split_number(stem: str) -> tuple[str, int]:
    """The name and the number of one of several files: "ada-2" and "ada (2)" are number 2 of ada."""
    match = NUMBERED.fullmatch(stem)
    return (match["name"], int(match["dash"] or match["bracket"])) if match else (stem, 0)


def _owner(roster: Roster, stem: str) -> Person | None:
    """The one person that the name of a file fits."""
    match = MOODLE_FILE.match(stem)
    system = "moodle" if match else "canvas"
    match = match or CANVAS_FILE.match(stem)
    if match and system == roster.system:  # the number says who it is: names may be those of two people
        fitting = [person for person in roster.people if person.id == match["id"]]
    else:
        key = _key(match["name"] if match else stem)
        fitting = [person for person in roster.people if key in person.keys]
    return fitting[0] if len(fitting) == 1 else None


def _keys(id: str, name: str, others: list[str]) -> frozenset[str]:
    """What a file may be called: by an id, a login, an e-mail, or the name, the last name first or last."""
    last, comma, first = name.partition(",")
    first, _, last = (first, "", last) if comma else name.strip().rpartition(" ")
    keys = {id, name, f"{first} {last}", f"{last} {first}"}
    for cell in [id, *others]:
        keys |= {cell, cell.partition("@")[0]}
    return frozenset({_key(key) for key in keys} - {""})


def _key(text: str) -> str:
    """A name without case, spaces and signs, as Canvas writes it into names of files."""
    return "".join(c for c in unicodedata.normalize("NFC", text).casefold() if c.isalnum())


def _labels(roster: Roster, anonymous: bool) -> dict[str, str]:
    """{id: what reports and the folders in OUT call this person}: no two alike, on any disk."""
    names = [_key(person.name) for person in roster.people]
    labels = {}
    for person, key in zip(roster.people, names):
        unique = names.count(key) == 1 and key
        label = person.id if anonymous else person.name if unique else f"{person.name} ({person.id})"
        label = sanitize(re.sub(r"[/\\:*?\"<>|]", "_", label.strip()), 100)
        labels[person.id] = "_" + label[1:] if label.startswith(".") else label
    return labels
