"""Points for answers in words: from the page, through marks.csv, to results, pages and tables."""

import csv
import json
import re

import pytest

from classroom.__main__ import main
from classroom.grading import class_marking, report
from classroom.grading import grade as grading
from classroom.grading.result import ExerciseResult
from classroom.grading.word_marks import WordMark, answer_digest, read_marks
from classroom.grading.words import QuestionInWords, StudentWords
from cs231n.checking.submission import NOTEBOOKS
from tests.classroom.test_grade_words import answer, notebook
from tests.support.browser import start_chromium
from tests.support.grading import EXERCISES, solved, with_result, zipped

POINTS = {"2.1": 5, "2.3": 2.5}
QUESTIONS = [QuestionInWords(number, f"Question {number}?", "A model answer.") for number in POINTS]


@pytest.fixture
def write_marks(tmp_path):
    def write(*rows, header="student,question,points"):
        (tmp_path / "marks.csv").write_text("\n".join([header, *rows]) + "\n")

    return write


def test_a_row_is_read_as_the_page_or_a_spreadsheet_writes_it(tmp_path, write_marks):
    assert read_marks(tmp_path, ["ada"], POINTS) == {"ada": {}}
    write_marks(
        '"ada","2.1","4.5","12ab34cd"', '"\'=1+1","2.3","0",""', header="student,question,points,answer"
    )
    marks = read_marks(tmp_path, ["ada", "=1+1", "bob"], POINTS)
    assert marks == {
        "ada": {"2.1": WordMark(4.5, "12ab34cd")}, "=1+1": {"2.3": WordMark(0, "")}, "bob": {}
    }  # fmt: skip
    write_marks(" ada ;2.1;4,5", ";;", "ada;2.3;", header="\ufeffStudent;Question;Points")
    assert read_marks(tmp_path, ["ada"], POINTS) == {"ada": {"2.1": WordMark(4.5, "")}}


# fmt: off
WRONG_ROWS = [
    ("adda,2.1,3", "row 2: 0 students are called 'adda'; try ada"),
    ("ada,2.4,3", "row 2: question '2.4' has no points; try 2.3"),
    ("ada,2.1,5.5", "row 2: ada has 5.5 points for question 2.1; try: a number from 0 to 5"),
    ("ada,2.1,-1", "row 2: ada has -1 points"),
    ("ada,2.1,nan", "row 2: ada has nan points"),
    ("ada,2.1,1e0", "row 2: ada has 1e0 points"),
    ("ada,2.1,2,5", "row 2: it has more cells than the first row; try: \"2,5\" in quotes"),
    ("ada,2.1,3\nbob,2.1,3\nada,2.1,4", "row 4: ada has different points for question 2.1 above"),
]
# fmt: on


@pytest.mark.parametrize("rows, message", WRONG_ROWS)
def test_a_wrong_row_is_named_before_anything_is_marked(tmp_path, write_marks, rows, message):
    write_marks(rows)
    with pytest.raises(ValueError, match=f"^grade: marks.csv, {re.escape(message)}"):
        read_marks(tmp_path, ["ada", "bob"], POINTS)


def test_a_file_without_the_columns_is_refused(tmp_path, write_marks):
    write_marks("ada,3", header="student,points")
    with pytest.raises(ValueError, match="needs the columns student, question, points; try: Save marks"):
        read_marks(tmp_path, ["ada"], POINTS)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A function that grades a class, of which every exercise is right, with points for two questions."""
    marked = []

    def mark_submission(submission, options, *_):
        marked.append(submission)
        results = with_result(ExerciseResult(1.0), options.exercises)
        written = report.make_results(submission, results, options.exercises, "limits", 0.0)
        written["extra_data"]["environment"] = {}
        return class_marking.Marked(written, results)

    monkeypatch.setattr(class_marking, "mark_submission", mark_submission)
    monkeypatch.setattr(grading, "check_workers", lambda *_: [{}])
    monkeypatch.setattr(grading, "load_questions", lambda: QUESTIONS)
    (tmp_path / "mine.json").write_text(json.dumps({"words": POINTS}))

    def run(*options):
        command = ["grade", "--executor", "serial", tmp_path / "in", "-o", tmp_path / "out"]
        return main([*map(str, command), "--manifest", str(tmp_path / "mine.json"), *options]), len(marked)

    return run


def hand_in(tmp_path, name, *answers):
    cells = [answer(number, text) for number, text in answers]
    return zipped(tmp_path / "in" / f"{name}.zip", solved() | {NOTEBOOKS[1]: notebook(*cells)})


def results_of(tmp_path, name):
    return json.loads((tmp_path / "out" / "students" / name / "results.json").read_text())


def word_tests(tmp_path, name):
    return [(t["score"], t["output"]) for t in results_of(tmp_path, name)["tests"] if t["tags"][0] == "words"]


def test_marks_reach_every_table_and_page_and_mark_nobody_anew(tmp_path, course, capsys):
    hand_in(tmp_path, "ada", ("2.1", "Because."), ("2.3", "So."))
    hand_in(tmp_path, "bob", ("2.1", "Why not?"))
    assert course() == (0, 2)
    assert "Answers in words without points: 3, of 2 students\n" in capsys.readouterr().out
    assert word_tests(tmp_path, "bob") == [(0, "Not marked yet."), (0, "Not answered.")]
    page = (tmp_path / "out" / "students" / "bob" / "index.html").read_text()
    assert "Not marked yet: 1 answer in words, 5 points." in page
    assert "3 answers have no points yet (2 students)" in (tmp_path / "out" / "index.html").read_text()

    marks = tmp_path / "out" / "marks.csv"
    marks.write_text("student,question,points\nada,2.1,4.5\nada,2.3,2.5\nbob,2.1,0\n")
    assert course() == (0, 2)
    results = results_of(tmp_path, "ada")
    assert results["score"] == 107 and results["extra_data"]["points"] == 107.5
    assert word_tests(tmp_path, "ada") == [(4.5, "Marked by hand."), (2.5, "Marked by hand.")]
    assert [test["status"] for test in results["tests"][-2:]] == ["failed", "passed"]
    assert word_tests(tmp_path, "bob") == [(0, "Marked by hand."), (0, "Not answered.")]
    assert "107 of 107.5 points" in (tmp_path / "out" / "students" / "ada" / "index.html").read_text()
    with open(tmp_path / "out" / "grades.csv", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert (rows["ada"]["score"], rows["ada"]["points"], rows["ada"]["Question 2.1"]) == (
        "107.0",
        "107.5",
        "4.5",
    )
    printed = capsys.readouterr().out
    assert "without points" not in printed and "not marked again: 2 of 2" in printed

    marks.unlink()
    assert course() == (0, 2) and results_of(tmp_path, "ada")["score"] == 100
    (tmp_path / "mine.json").write_text('{"words": {}}')
    assert course() == (0, 2) and len(results_of(tmp_path, "ada")["tests"]) == len(EXERCISES)


def test_a_mark_of_another_answer_does_not_count(tmp_path, course):
    hand_in(tmp_path, "ada", ("2.1", "A better answer."))
    (tmp_path / "out").mkdir()
    rows = f"ada,2.1,1,{answer_digest('An answer.')}\n"
    (tmp_path / "out" / "marks.csv").write_text(f"student,question,points,answer\n{rows}")
    course()
    assert word_tests(tmp_path, "ada")[0] == (0, "Not marked yet: the answer has changed.")
    page = (tmp_path / "out" / "answers.html").read_text()
    assert 'value=""' in page and "The answer has changed since it was marked." in page


def test_who_is_not_all_marked_is_not_in_the_gradebook(tmp_path, course, capsys):
    (tmp_path / "roster.csv").write_text(
        "Student,ID,Section,Week 3 (78)\n    Points Possible,,,107.50\nada,1,,\nbob,2,,\n"
    )
    hand_in(tmp_path, "ada", ("2.1", "Because."))
    hand_in(tmp_path, "bob")
    assert course("--roster", str(tmp_path / "roster.csv"), "--column", "Week 3")[0] == 0
    with open(tmp_path / "out" / "gradebook.csv", newline="") as file:
        rows = [*csv.reader(file)]
    assert [row[0] for row in rows[2:]] == ["bob"] and rows[2][-1] == "100.0"


# fmt: off
REFUSED = [
    ({"words": {"2.2": 5}}, "", "grade: no question in words has the number 2.2; try 2."),
    ({"words": POINTS}, "bob,2.1,1", "grade: marks.csv, row 2: 0 students are called 'bob'; try ada"),
    ({}, "ada,2.1,1", "question '2.1' has no points; try: points for it in the manifest, under words"),
]
# fmt: on


@pytest.mark.parametrize("settings, row, message", REFUSED)
def test_what_cannot_be_merged_stops_the_class_before(tmp_path, course, capsys, settings, row, message):
    hand_in(tmp_path, "ada")
    (tmp_path / "mine.json").write_text(json.dumps(settings))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "marks.csv").write_text(f"student,question,points\n{row}\n")
    assert course() == (1, 0)
    assert message in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["marks.csv"]


STRANGE = 'x"><script>alert(1)</script>, "y"'


@pytest.fixture
def open_page(tmp_path):
    """A function that opens answers.html from the disk, offline, in a browser that remembers."""
    with start_chromium("launch_persistent_context", tmp_path / "profile", offline=True) as context:

        def opened():
            page = context.new_page()
            page.goto((tmp_path / "answers.html").as_uri())
            return page

        yield opened


def test_marks_are_typed_kept_and_saved_in_a_browser(tmp_path, open_page):
    words = {name: StudentWords({"2.1": f"{name} says so."}, []) for name in ("ada", STRANGE)}
    words["ada"].answers["2.3"] = "So."
    report.write_answers(tmp_path, QUESTIONS, words, POINTS, {"ada": {"2.3": WordMark(2, "")}})
    page = open_page()
    ada = page.get_by_label("Points of ada for question 2.1, 0 to 5")
    ada.fill("4,5")
    ada.press("Enter")
    assert page.evaluate("document.activeElement.dataset.student") == STRANGE
    page.keyboard.type("6")
    page.get_by_role("button", name="Save marks").click()
    assert "these points are not from 0 to 5" in page.get_by_role("status").inner_text()
    page.keyboard.type("0")  # the wrong field has the focus, and all of it is selected
    page.goto("about:blank")  # close() ends the process at once, before it has passed on what it stored
    page.close()

    page = open_page()  # what was typed is still there
    assert page.get_by_role("status").inner_text() == "3 of 3 have points, 2 of them new."
    with page.expect_download() as download:
        page.get_by_role("button", name="Save marks").click()
    assert download.value.suggested_filename == "marks.csv"
    download.value.save_as(tmp_path / "marks.csv")
    marks = read_marks(tmp_path, words, POINTS)
    assert marks["ada"] == {
        "2.1": WordMark(4.5, answer_digest("ada says so.")), "2.3": WordMark(2, answer_digest("So."))
    }  # fmt: skip
    assert marks[STRANGE]["2.1"].points == 0

    report.write_answers(tmp_path, QUESTIONS, words, POINTS, marks)
    page = open_page()
    assert page.get_by_role("status").inner_text() == "3 of 3 have points, 0 of them new."


def test_a_students_text_is_text_beside_a_field(tmp_path):
    words = {STRANGE: StudentWords({"2.1": STRANGE}, [])}
    report.write_answers(tmp_path, QUESTIONS, words, POINTS)
    page = (tmp_path / "answers.html").read_text()
    assert page.count("<script") == 1 and not re.search('(src|href)="(?!#)', page)
