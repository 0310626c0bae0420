"""Rosters: whose a submission is, who handed in nothing, and marks as Canvas and Moodle import them.

The tables are written after the source of Canvas (gradebook_exporter.rb, content_zipper.rb) and of Moodle
(mod/assign: gradingtable.php, downloader.php, importgradeslib.php).
"""

import csv
import io
import re

import pytest

from classroom.__main__ import main
from classroom.grading import class_marking, class_report
from classroom.grading.gradebook import plain_cell
from classroom.grading.result import ExerciseResult
from classroom.grading.roster import match_submissions, read_roster
from tests.support.grading import LAYERS, with_result, zipped

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Week 2 (77),Week 3 (78),Current Score,Final Score
,,,,,,Manual Posting,,
    Points Possible,,,,,10,100.00,(read only),(read only)
"Lovelace, Ada",12345,S1,ada@example.org,Lab 1,9,,90,90
"Noether, Emmy",12346,S2,emmy@example.org,Lab 1,8,,80,80
"Smith, Jo",12347,S3,jo1@example.org,"Lab 1 and Lab 2",7,40,70,70
"Smith, Jo",12348,S4,jo2@example.org,Lab 2,,,,
"""
MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 657737","Ada Lovelace",ada@example.org,"Submitted for grading",,100.00,Yes,'
    '"Monday, 1 June 2026, 9:00 AM",-,\n'
    '"Participant 657738","Emmy Noether",emmy@example.org,"Submitted for grading",40.00,100.00,Yes,'
    '"Monday, 1 June 2026, 9:05 AM","Tuesday, 2 June 2026, 3:04 PM","see me"\n'
    '"Participant 657739","José Álvarez",jose@example.org,"No submission",,100.00,Yes,-,-,\n'
)
PLAIN = "name;id;email\nAda Lovelace;7;ada@example.org\nEmmy Noether;8;emmy@example.org\n"


@pytest.fixture
def roster(tmp_path):
    """A function that writes a roster and reads it."""

    def read(text, encoding="utf-8"):
        path = tmp_path / "roster.csv"
        path.write_bytes(text.encode(encoding))
        return read_roster(path)

    return read


@pytest.fixture
def submissions(tmp_path, monkeypatch):
    """A function that writes zips {name: number of the exercise that is wrong}, and a marker for them."""

    def write(**wrong):
        for name, number in wrong.items():
            zipped(tmp_path / "in" / f"{name}.zip", {LAYERS: f"# {number}\n"})
        return tmp_path / "in"

    def mark(submission, options, level, earlier):
        wrong = int(submission.files[LAYERS].split()[1]) if submission.files else 1
        results = with_result(ExerciseResult(1.0))
        return results | {wrong: ExerciseResult(0.0, "raised", "<b> & =1")}, "bubblewrap"

    monkeypatch.setattr(class_marking, "mark", mark)
    monkeypatch.setattr(class_report, "_draw", lambda path, *_: path.touch())
    return write


def command(tmp_path, roster, *options):
    path = tmp_path / "roster.csv"
    path.write_text(roster)
    folders = [str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    words = ["--unsafe", "--executor", "serial", "--seed", "5"]  # with one seed the machine is tested once
    return main(["grade", *words, *folders, "--roster", str(path), *options])


def table(path, separator=","):
    with open(path, newline="", encoding="utf-8") as file:
        return [*csv.reader(file, delimiter=separator)]


# fmt: off
OWNERS = [
    (CANVAS, "lovelaceada_12345_678910_submission", "12345"),
    (CANVAS, "lovelaceada_LATE_12345_678910_submission-2", "12345"),
    (CANVAS, "smithjo_12348_9_submission", "12348"),        # one of two of this name
    (CANVAS, "lovelaceada_99999_678910_submission", None),  # the number decides
    (CANVAS, "anon_12345_678910_submission", None),         # no number of a person
    (CANVAS, "ada", "12345"), (CANVAS, "S2", "12346"), (CANVAS, "Ada Lovelace", "12345"),
    (CANVAS, "Jo Smith", None), (CANVAS, "jo2@example.org", "12348"), (CANVAS, "jo", None),
    (MOODLE, "Ada Lovelace_657737_assignsubmission_file", "657737"),
    (MOODLE, "Ada Lovelace_657737_assignsubmission_file_", "657737"),
    (MOODLE, "Emmy Noether_657738_assignsubmission_file_submission", "657738"),
    (MOODLE, "Participant_657738_assignsubmission_file_", "657738"),  # blind marking
    (MOODLE, "Ada Lovelace_1_assignsubmission_file_", None),
    (MOODLE, "Jose\u0301 A\u0301lvarez", "657739"),         # as macOS writes accents
    (PLAIN, "Ada Lovelace_657737_assignsubmission_file_", "7"),
    (PLAIN, "noetheremmy_LATE_12_34_x", "8"), (PLAIN, "8", "8"), (PLAIN, "adalovelace", "7"),
    (PLAIN, "bob", None),
]
# fmt: on


@pytest.mark.parametrize("text, stem, id", OWNERS)
def test_a_file_name_says_whose_it_is(tmp_path, roster, text, stem, id):
    matches = match_submissions(roster(text), {stem: tmp_path / f"{stem}.zip"}, anonymous=True)
    assert list(matches.paths) == [id or "not on the roster 1"]
    assert bool(matches.unknown) == (id is None) and id not in matches.absent


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_roster_is_read_with_any_separator(roster, separator, encoding):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(csv.reader(io.StringIO(CANVAS)))
    read = roster(text.getvalue(), encoding)
    assert read.system == "canvas" and read.separator == separator
    assert [person.id for person in read.people] == ["12345", "12346", "12347", "12348"]


def test_text_that_a_student_typed_in_moodle_is_no_submission(tmp_path, roster):
    stems = [f"Ada Lovelace_657737_assignsubmission_{plugin}_" for plugin in ("onlinetext", "file")]
    matches = match_submissions(roster(MOODLE), {stem: tmp_path / stem for stem in stems}, anonymous=False)
    assert matches.paths == {"Ada Lovelace": [tmp_path / stems[1]]} and not matches.unknown


def test_blind_marking_in_moodle_has_no_names(tmp_path, roster):
    table = [line[:1] + line[3:] for line in csv.reader(io.StringIO(MOODLE))]  # as its worksheet is then
    text = io.StringIO()
    csv.writer(text).writerows(table)
    stem = "Participant_657738_assignsubmission_file_"
    matches = match_submissions(roster(text.getvalue()), {stem: tmp_path / stem}, anonymous=False)
    assert list(matches.paths) == ["Participant 657738"]


def test_all_files_of_one_person_are_hand_ins(tmp_path, roster):
    stems = ["lovelaceada_12345_1_a", "lovelaceada_LATE_12345_2_b", "ada-2", "Ada Lovelace"]
    paths = {stem: tmp_path / stem for stem in stems}
    matches = match_submissions(roster(CANVAS), paths, anonymous=False)
    assert matches.paths == {"Lovelace, Ada": [*paths.values()]} and not matches.unknown


def test_canvas_gets_the_marks_of_those_who_were_marked(tmp_path, submissions, capsys):
    submissions(lovelaceada_12345_1_x=8, smithjo_LATE_12347_2_x=2, bob_99_3_x=1)
    assert command(tmp_path, CANVAS, "--column", "Week 3") == 0
    out = tmp_path / "out"
    assert table(out / "gradebook.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 3 (78)"],
        ["    Points Possible", "", "", "", "", "100"],
        ["Lovelace, Ada", "12345", "S1", "ada@example.org", "Lab 1", "88.0"],
        ["Smith, Jo", "12347", "S3", "jo1@example.org", "Lab 1 and Lab 2", "94.0"],
    ]
    rows = {row[0]: row for row in table(out / "grades.csv")}
    assert {name: row[1] for name, row in rows.items()} == {
        "student": "score", "Lovelace, Ada": "88.0", "Smith, Jo (12347)": "94.0",
        "bob_99_3_x (not on the roster)": "97.0", "Noether, Emmy": "", "Smith, Jo (12348)": "",
    }  # fmt: skip
    assert rows["Noether, Emmy"][-1] == "nothing was handed in"
    printed = capsys.readouterr().out
    assert "Not on the roster: 1: bob_99_3_x.zip\n" in printed
    assert "Nothing handed in: 2: Noether, Emmy; Smith, Jo (12348)\n" in printed
    assert "The class: 3 of 5 marked" in (out / "index.html").read_text()


def test_moodle_gets_grades_and_comments(tmp_path, submissions):
    submissions(**{"Emmy Noether_657738_assignsubmission_file_x": 8})
    assert command(tmp_path, MOODLE) == 0
    header, row = table(tmp_path / "out" / "gradebook.csv")
    assert header == ["Identifier", "Full name", "Grade", "Last modified (grade)", "Feedback comments"]
    assert row[:4] == ["Participant 657738", "Emmy Noether", "88.0", "Tuesday, 2 June 2026, 3:04 PM"]
    assert row[4] == "8 batchnorm_backward_alt: 0 of 12. &lt;b&gt; &amp; '=1"  # as HTML, which a comment is


def test_another_table_gives_names_and_no_gradebook(tmp_path, submissions):
    submissions(ada=8)
    assert command(tmp_path, PLAIN) == 0
    assert (tmp_path / "out" / "students" / "Ada Lovelace" / "index.html").exists()
    assert not (tmp_path / "out" / "gradebook.csv").exists()


def test_anonymous_reports_have_ids_alone(tmp_path, submissions):
    folder = submissions(lovelaceada_12345_1_x=8, bob_99_3_x=1)
    (folder / "noetheremmy_12346_1_x.zip").write_bytes(b"no zip")
    assert command(tmp_path, CANVAS, "--column", "Week 3", "--anonymous") == 0
    out = tmp_path / "out"
    assert {path.name for path in (out / "students").iterdir()} == {"12345", "12346", "not on the roster 1"}
    for path in out.rglob("*"):
        assert not re.search("lovelace|noether|smith|bob", path.name)
        if path.suffix in (".html", ".json") or path.name == "grades.csv":
            text = path.read_text()
            # Answers in words are the students' own, and the notebooks name mathematicians.
            assert not re.search("lovelace|noether|smith|bob_", text, re.IGNORECASE), path
    assert "The submission cannot be read as a zip" in (out / "students/12346/index.html").read_text()
    assert table(out / "gradebook.csv")[2][0] == "Lovelace, Ada"


# fmt: off
REFUSED = [
    (CANVAS, [], "--column must name one assignment of the gradebook, which has Week 2 (77); Week 3 (78)"),
    (CANVAS, ["--column", "Week 4"], "which has Week 2 (77); Week 3 (78)"),
    (CANVAS, ["--column", "Week 2"], "Week 2 (77) has 10 points, and the exercises have 100"),
    (MOODLE.replace("100.00", "10,00").replace(",10,00", ',"10,00"'), [], "Grade has 10,00 points"),
    (MOODLE.replace("Last modified (grade)", "x"), [], "no column Last modified (grade)"),
    (CANVAS.replace("12348", "12347"), ["--column", "Week 3"], "two rows with id 12347"),
    ("name,id\nAda,\n", [], "has no id of Ada"),
    ("vorname,nummer\nAda,1\n", [], "its first line has vorname, nummer; try: "),
    ("", [], "its first line has nothing"),
]
# fmt: on


@pytest.mark.parametrize("text, options, message", REFUSED)
def test_what_is_wrong_with_a_roster_is_said_before_anything_is_marked(
    tmp_path, submissions, capsys, text, options, message
):
    submissions(ada=8)
    assert command(tmp_path, text, *options) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_of_a_roster_want_one(tmp_path, submissions, capsys):
    folder = submissions(ada=8)
    arguments = ["grade", "--executor", "serial", str(folder), "-o", str(tmp_path / "out"), "--anonymous"]
    assert main(arguments) == 1 and "need --roster" in capsys.readouterr().err


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "＝1+1"]
BEFORE = ["", " ", "a;", "a,", "a|", "a\t", "a; ", 'a;"', 'a;""', "a;'", "\r\n", 'a,";"']


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula_whatever_ends_a_cell(formula, before):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(["x", plain_cell(before + formula), "y"])
    for separator in ",;|\t":
        for cell in next(csv.reader([text.getvalue()], delimiter=separator)):
            assert cell.strip(' "\n')[:1] not in tuple("=+-@＝"), (separator, cell)


@pytest.mark.parametrize(
    "text", ["Lovelace, Ada", "ratio 2.8-3.1; see Exercise 6", "a-b", "ada@example.org", "-", ""]
)
def test_a_harmless_cell_is_left_alone(text):
    assert plain_cell(text) == text
