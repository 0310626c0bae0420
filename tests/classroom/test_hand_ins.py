"""Deadlines, and several hand-ins of one student: which counts, and what being late costs."""

import csv
import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from classroom.deadlines import Deadline, format_duration, format_time
from classroom.grading.hand_ins import group_by_name, in_order
from classroom.grading.word_marks import answer_digest
from cs231n.checking.submission import NOTEBOOKS
from tests.classroom.test_grade_words import answer, notebook
from tests.classroom.test_word_marks import course, results_of  # noqa: F401
from tests.support.grading import LAYERS, solved, zipped

ZONE = timezone(timedelta(hours=1))
DUE = datetime(2026, 12, 1, 23, 59, tzinfo=ZONE)
RULE = {"due": DUE.isoformat(), "grace_minutes": 15, "late_per_day": 0.1}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# fmt: off
COSTS = [
    (-DAY, 0), (timedelta(), 0), (timedelta(minutes=15), 0), (timedelta(minutes=15, seconds=1), 0.1),
    (DAY, 0.1), (DAY + timedelta(seconds=1), 0.2), (9 * DAY + HOUR, 1), (400 * DAY, 1),
]
# fmt: on


@pytest.mark.parametrize("late, share", COSTS)
def test_each_day_that_has_begun_costs_a_share_after_the_grace(late, share):
    assert Deadline.from_settings(RULE).share_lost(late) == pytest.approx(share, abs=1e-12)


def test_times_and_durations_are_plain():
    assert format_time(DUE) == "2026-12-01 23:59 +01:00"
    durations = [timedelta(seconds=1), HOUR, 49 * HOUR + timedelta(minutes=5)]
    assert [format_duration(d) for d in durations] == ["1 min", "1 h 0 min", "2 d 1 h 5 min"]


@pytest.fixture
def hand_in(tmp_path):
    """A function that writes a zip of a given date, right unless the exercise is named that is not."""

    def write(name, late=-HOUR, text=""):
        path = zipped(tmp_path / "in" / f"{name}.zip", solved() | {LAYERS: f"# {text}\n"})
        os.utime(path, times=tuple([(DUE + late).timestamp()] * 2))
        return path

    return write


def names_in_order(*paths, person=None, **settings):
    deadline = Deadline.from_settings(RULE | settings)
    return [hand_in.path.name for hand_in in in_order("ada", paths, deadline, person)]


def test_numbers_of_one_name_are_hand_ins_of_one_student(hand_in):
    paths = [hand_in(name) for name in ("ada", "ada-1", "ada (2)", "bob-1", "bob-2", "team-7", "adam")]
    groups = group_by_name({path.stem: path for path in paths})
    assert {name: len(group) for name, group in groups.items()} == {
        "ada": 3, "bob-1": 1, "bob-2": 1, "team-7": 1, "adam": 1
    }  # fmt: skip


def test_the_number_says_which_is_newer_and_else_the_date(hand_in):
    ada, second, tenth = hand_in("ada", DAY), hand_in("ada-2"), hand_in("ada-10", -DAY)
    assert names_in_order(tenth, ada, second) == ["ada.zip", "ada-2.zip", "ada-10.zip"]
    other = hand_in("Ada Lovelace-3", -2 * DAY)
    assert names_in_order(ada, other) == ["Ada Lovelace-3.zip", "ada.zip"]
    canvas = [hand_in("ada_1_20_x", DAY), hand_in("ada_1_100_x")]
    assert names_in_order(*canvas) == ["ada_1_20_x.zip", "ada_1_100_x.zip"]


def test_a_folder_of_zips_alone_is_several_hand_ins(hand_in, tmp_path):
    paths = [hand_in("Ada_7_assignsubmission_file_/new", DAY), hand_in("Ada_7_assignsubmission_file_/old")]
    assert names_in_order(paths[0].parent) == ["old.zip", "new.zip"]
    (paths[0].parent / "readme.txt").write_text("which?")
    assert names_in_order(paths[0].parent) == [paths[0].parent.name]


def lines(tmp_path, name):
    return results_of(tmp_path, name)["extra_data"]["lateness"]["lines"]


def grades(tmp_path):
    with open(tmp_path / "out" / "grades.csv", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture
def rule(tmp_path, course):  # noqa: F811
    """A function that sets the rule for late work, and grades the class."""

    def run(*options, **settings):
        (tmp_path / "mine.json").write_text(json.dumps(settings))
        return course(*options)

    return run


def test_late_work_loses_points_in_the_report_and_nobody_is_marked_anew(tmp_path, rule, hand_in):
    for name, late in {"ada": -HOUR, "bob": HOUR, "cyd": HOUR, "dan": DAY + HOUR}.items():
        hand_in(name, late)
    assert rule(**RULE, extensions={"cyd": (DUE + DAY).isoformat()}) == (0, 4)
    scores = {name: float(row["score"]) for name, row in grades(tmp_path).items()}
    assert scores == {"ada": 100, "bob": 90, "cyd": 100, "dan": 80}
    row = grades(tmp_path)["bob"]
    assert (row["handed in"], row["lost by lateness"]) == ("2026-12-02T00:59+01:00", "10.0")
    assert lines(tmp_path, "bob") == [
        "Handed in 2026-12-02 00:59 +01:00, according to the date of the file. Due 2026-12-01 23:59 +01:00.",
        "That is 1 h 0 min late: 10 % of the points are lost, 10 of 100.",
    ]
    assert "Due 2026-12-02 23:59 +01:00, with an extension." in lines(tmp_path, "cyd")[0]
    page = (tmp_path / "out" / "students" / "bob" / "index.html").read_text()
    assert "90 of 100 points" in page and "That is 1 h 0 min late" in page
    assert "<td>-10</td>" in (tmp_path / "out" / "index.html").read_text()

    assert rule("--due", "2026-12-01T23:44+01:00", **RULE) == (0, 4)  # overrides, and marks nobody
    assert {name: float(row["score"]) for name, row in grades(tmp_path).items()} == {
        "ada": 100, "bob": 90, "cyd": 90, "dan": 80
    }  # fmt: skip
    assert rule() == (0, 4) and results_of(tmp_path, "dan")["score"] == 100
    assert lines(tmp_path, "dan") == []


def test_points_for_words_are_late_too(tmp_path, rule, hand_in):
    hand_in("ada", HOUR)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "marks.csv").write_text("student,question,points\nada,2.1,5\n")
    rule(**RULE, words={"2.1": 10})
    assert results_of(tmp_path, "ada")["score"] == 94.5


def test_within_the_grace_nothing_is_lost(tmp_path, rule, hand_in):
    hand_in("ada", timedelta(minutes=10))
    rule(**RULE)
    assert lines(tmp_path, "ada")[1] == "That is 10 min late: no points are lost."


def test_the_newest_counts_and_the_others_are_not_marked(tmp_path, rule, hand_in, capsys):
    hand_in("ada")
    hand_in("ada-1", HOUR, "newer")
    assert rule(**RULE) == (0, 1)
    assert list(grades(tmp_path)) == ["ada"] and results_of(tmp_path, "ada")["score"] == 90
    assert lines(tmp_path, "ada")[2] == "Of 2 hand-ins, the newest counts: this is the last."
    assert "Several hand-ins; the newest counts: 1: ada\n" in capsys.readouterr().out


def test_the_best_counts_after_what_being_late_costs(tmp_path, rule, hand_in):
    hand_in("ada")
    hand_in("ada-1", HOUR, "newer")
    hand_in("bob", HOUR)
    hand_in("bob-1", HOUR, "newer")
    assert rule(**RULE, hand_ins="best") == (0, 4)
    assert results_of(tmp_path, "ada")["score"] == 100 and list(grades(tmp_path)) == ["ada", "bob"]
    assert lines(tmp_path, "ada")[1] == "Of 2 hand-ins, the best counts: this is number 1."
    assert (
        lines(tmp_path, "bob")[2] == "Of 2 hand-ins, the best counts: this is the last."
    )  # of two equal ones
    assert rule(**RULE, hand_ins="best") == (0, 4)
    assert rule(**RULE) == (0, 6)  # the folder of a student holds a copy of the best, not the newest
    assert results_of(tmp_path, "ada")["score"] == 90


def test_answers_in_words_are_those_of_the_newest(tmp_path, rule, hand_in, capsys):
    for name, text in {"ada": "First.", "ada-1": "Second."}.items():
        cells = notebook(answer("2.1", text))
        late = HOUR * name.count("1")
        zipped(hand_in(name, late), solved() | {LAYERS: f"# {name}\n", NOTEBOOKS[1]: cells})
        os.utime(tmp_path / "in" / f"{name}.zip", times=tuple([(DUE + late).timestamp()] * 2))
    settings = RULE | {"words": {"2.1": 5}, "hand_ins": "best"}
    rule(**settings)
    assert "Answers in words without points: 1, of 1 student\n" in capsys.readouterr().out
    page = (tmp_path / "out" / "answers.html").read_text()
    assert "Second." in page and "First." not in page
    (tmp_path / "out" / "marks.csv").write_text(
        f"student,question,points,answer\nada,2.1,4,{answer_digest('Second.')}\n"
    )
    assert rule(**settings) == (0, 2) and results_of(tmp_path, "ada")["score"] == 104
    assert results_of(tmp_path, "ada/hand-ins/1")["score"] == 100
    assert lines(tmp_path, "ada")[1] == "Of 2 hand-ins, the best counts: this is number 1."


def test_where_one_hand_in_is_not_marked_the_best_is_not_known(tmp_path, rule, hand_in, monkeypatch, capsys):
    from classroom.grading import class_marking

    real = class_marking.mark_submission

    def fails(submission, *arguments):
        if "newer" in submission.files[LAYERS]:
            raise OSError("the disk is full")
        return real(submission, *arguments)

    monkeypatch.setattr(class_marking, "mark_submission", fails)
    hand_in("ada")
    hand_in("ada-1", text="newer")
    assert rule(hand_ins="best")[0] == 1
    assert "ada is not marked, because the disk is full" in capsys.readouterr().err
    assert not (tmp_path / "out" / "students" / "ada" / "results.json").exists()


CANVAS = "Student,ID,Section,Week 3 (78)\n    Points Possible,,,100\nada,1,,\nbob,2,,\n"
MOODLE = (
    "Identifier,Full name,Grade,Maximum Grade,Last modified (submission),Last modified (grade),"
    'Feedback comments\nParticipant 1,ada,,100,"Wednesday, 2 December 2026, 12:30 AM",-,\n'
    "Participant 2,bob,,100,-,-,\n"
)


def test_canvas_says_who_is_late_and_not_by_how_much(tmp_path, rule, hand_in, capsys):
    """The dates of its files are those of the download."""
    (tmp_path / "roster.csv").write_text(CANVAS)
    hand_in("ada_LATE_1_9_x", 9 * DAY)
    hand_in("bob_2_8_x", 9 * DAY)
    assert rule("--roster", str(tmp_path / "roster.csv"), **RULE) == (0, 2)
    assert {name: row["score"] for name, row in grades(tmp_path).items()} == {"ada": "100.0", "bob": "100.0"}
    assert lines(tmp_path, "ada") == ["Canvas marks it as late, but not by how much. No points are lost."]
    assert lines(tmp_path, "bob") == ["Canvas marks it as on time."]
    assert "Late according to Canvas; no points are lost: 1: ada\n" in capsys.readouterr().out
    rule("--roster", str(tmp_path / "roster.csv"), **RULE, handed_in={"1": (DUE + HOUR).isoformat()})
    assert lines(tmp_path, "ada")[0].startswith(
        "Handed in 2026-12-02 00:59 +01:00, according to the manifest."
    )


def test_moodles_worksheet_knows_when(tmp_path, rule, hand_in):
    (tmp_path / "roster.csv").write_text(MOODLE)
    hand_in("ada_1_assignsubmission_file_x", 9 * DAY)
    hand_in("bob_2_assignsubmission_file_x", -DAY)
    assert rule("--roster", str(tmp_path / "roster.csv"), **RULE) == (0, 2)
    assert lines(tmp_path, "ada")[0].startswith("Handed in 2026-12-02 00:30 +01:00, according to Moodle.")
    assert "10 % of the points are lost" in (tmp_path / "out" / "gradebook.csv").read_text()
    assert "according to the date of the file" in lines(tmp_path, "bob")[0]


def test_files_that_were_all_copied_late_make_nobody_late(rule, hand_in, capsys):
    for name, minutes in {"ada": 0, "bob": 20, "cyd": 59}.items():
        hand_in(name, 2 * DAY + timedelta(minutes=minutes))
    assert rule(**RULE) == (1, 0)
    assert "3 files have dates of the same hour, after the deadline" in capsys.readouterr().err
    hand_in("cyd", 3 * DAY)
    assert rule(**RULE) == (0, 3)


# fmt: off
REFUSED = [
    ({"hand_ins": "last"}, [], "mine.json: hand_ins must be newest or best, got 'last'"),
    ({"due": "2026-12-01T23:59"}, [], "mine.json: due must be a time with a time zone, got '2026-12-"),
    ({"due": "tomorrow"}, [], "mine.json: due must be a time"),
    ({"late_per_day": 2}, [], "mine.json: late_per_day must be from 0 to 1, got 2"),
    ({"grace_minutes": -1}, [], "mine.json: grace_minutes must be 0 or more, got -1"),
    ({"extensions": {"ada": 3}}, [], "mine.json: extensions: ada must be a time with a time zone, got 3"),
    ({"late_per_day": 0.1}, [], "a rule for late work but no due; try --due 2026-"),
    ({}, ["--due", "soon"], "--due must be a time with a time zone, got 'soon'"),
]
# fmt: on


@pytest.mark.parametrize("settings, options, message", REFUSED)
def test_a_wrong_rule_is_refused_before_anything_is_marked(rule, hand_in, capsys, settings, options, message):
    hand_in("ada")
    assert rule(*options, **settings) == (1, 0)
    assert message in capsys.readouterr().err


def test_an_extension_is_for_somebody(tmp_path, rule, hand_in, capsys):
    hand_in("ada")
    extensions = {"aad": (DUE + DAY).isoformat()}
    assert rule(**RULE, extensions=extensions)[0] == 0
    assert "An extension, but nothing handed in: 1: aad\n" in capsys.readouterr().out
    (tmp_path / "roster.csv").write_text(CANVAS)
    assert rule("--roster", str(tmp_path / "roster.csv"), **RULE, extensions=extensions)[0] == 1
    assert "the manifest names aad, who is not one person of the roster" in capsys.readouterr().err
