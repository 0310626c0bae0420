"""Answers in words on one page for the instructor; a student's notebook is text of a stranger."""

import json
import zipfile
from html.parser import HTMLParser

import pytest

from classroom.grading import class_marking, report
from classroom.grading import grade as grading
from classroom.grading.reader import MAX_ANSWER_CHARS, MAX_NOTEBOOK_BYTES
from classroom.grading.result import ExerciseResult
from classroom.grading.words import load_questions
from classroom.grading.workers import executor_for
from cs231n.checking.submission import NOTEBOOKS
from cs231n.common.words import PLACE_FOR_WORDS
from tests.support.grading import EXERCISES, read, solved, with_result, zipped

MODEL = "It is the mean of the gradients."


def markdown(text, *tags):
    return {"cell_type": "markdown", "id": "a", "metadata": {"tags": list(tags)}, "source": [text]}


def answer(question, text):
    return markdown(text, "answer", f"question-{question}")


def notebook(*cells):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def kit(tmp_path):
    """A solved kit with two questions in words and one that a machine checks."""
    folded = f"<details><summary>Model answer</summary>\n\n{MODEL}\n\n</details>"
    number = "# Question 2.2: a number\nx = 6\nanswer('2.2', x)"
    cells = [
        markdown("**Question 2.1 (in words).** Why is a < b?"),
        answer("2.1", folded),
        {**answer("2.2", number), "cell_type": "code"},
        markdown("**Question 2.3 (in words).** And why not?"),
        answer("2.3", folded),
    ]
    folder = tmp_path / "kit"
    (folder / "notebooks").mkdir(parents=True)
    (folder / NOTEBOOKS[1]).write_text(notebook(*cells))
    return folder


@pytest.fixture
def questions(kit):
    return load_questions(kit)


def test_questions_come_from_the_solved_notebooks(questions):
    assert [tuple(question) for question in questions] == [
        ("2.1", "**Question 2.1 (in words).** Why is a < b?", MODEL),
        ("2.3", "**Question 2.3 (in words).** And why not?", MODEL),
    ]


def test_a_kit_without_notebooks_has_no_questions(tmp_path):
    assert load_questions(tmp_path) == []


def words_of(tmp_path, questions, text, name=NOTEBOOKS[1]):
    return words_at(zipped(tmp_path / "ada.zip", {name: text}), questions)


def words_at(path, questions):
    return read(path, questions=[question.number for question in questions]).words


def test_answers_are_read_wherever_the_cells_were_moved(tmp_path, questions):
    cells = [answer("2.3", "Because."), answer("2.1", PLACE_FOR_WORDS), answer("2.9", "to no question")]
    words = words_of(tmp_path, questions, notebook(*cells))
    assert words.answers == {"2.3": "Because."}
    assert len(words.faults) == 4 and all(fault.endswith(" is missing") for fault in words.faults)
    assert words_of(tmp_path, questions, notebook(*cells), f"hw2/{NOTEBOOKS[1]}").answers == words.answers
    folder = tmp_path / "bob"
    with zipfile.ZipFile(tmp_path / "ada.zip") as archive:
        archive.extractall(folder)
    assert words_at(folder, questions).answers == words.answers


def test_a_long_answer_is_cut_and_what_steers_a_terminal_goes(tmp_path, questions):
    long, strange = "x" * (MAX_ANSWER_CHARS + 1), "a\r\nb\x1b[31m\u202ec\x00\ud800\td"
    words = words_of(tmp_path, questions, notebook(answer("2.1", long), answer("2.3", strange)))
    assert words.answers["2.1"] == f"{long[:-1]} ... (cut here: {len(long)} characters)"
    assert words.answers["2.3"] == "a\nb [31m c  \td"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[" * 100_000,
        '{"cells": 1' + "0" * 10_000 + "}",
        '{"cells": [{"source": NaN}, 3]}',
        b"\xff",
    ],
    ids=["nothing", "broken", "null", "deep", "a long number", "strange values", "no text"],
)
def test_a_notebook_that_cannot_be_read_costs_no_other(text, tmp_path, questions):
    good = notebook(answer("2.1", "Because."))
    path = zipped(tmp_path / "ada.zip", {NOTEBOOKS[0]: text, NOTEBOOKS[1]: good})
    words = words_at(path, questions)
    assert words.answers == {"2.1": "Because."}
    known = {name for name in NOTEBOOKS for fault in words.faults if fault.startswith(name)}
    assert known <= set(NOTEBOOKS) - {NOTEBOOKS[1]}


def test_a_notebook_that_is_too_large_is_not_read(tmp_path, questions):
    text = notebook(answer("2.1", "Because."), markdown(" " * MAX_NOTEBOOK_BYTES))
    words = words_of(tmp_path, questions, text)
    assert words.answers == {} and any(f"larger than {MAX_NOTEBOOK_BYTES}" in fault for fault in words.faults)


def test_a_submission_that_is_no_zip_has_a_fault(tmp_path, questions):
    (tmp_path / "ada.zip").write_bytes(b"no zip")
    words = words_at(tmp_path / "ada.zip", questions)
    assert not words.answers and "cannot be read as a zip" in words.faults[0]


class Page(HTMLParser):
    """The tags of a page, and its text by paragraphs."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), set(), [""]
        self.feed(html)
        self.texts = [text.strip() for text in self.texts]

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data


HTML = "<script>alert(1)</script><img src=x onerror=alert(1)></p></main>{{ 7 * 7 }}<b>bold</b>"


def test_the_page_shows_scripts_of_a_student_as_text(tmp_path, questions):
    words = words_of(tmp_path, questions, notebook(answer("2.1", HTML)))
    report.write_answers(tmp_path, questions, {f"ada{HTML}": words, "bob": words._replace(answers={})})
    page = Page((tmp_path / "answers.html").read_text())
    assert not page.tags & {"script", "img", "b"} and "onerror" not in page.attributes
    assert HTML in page.texts and "Question 2.1 (in words). Why is a < b?" in page.texts
    assert page.texts.count(MODEL) == 2
    assert f"Not answered: ada{HTML}, bob" in page.texts and "Not answered: bob" in page.texts


@pytest.fixture
def unmarked(monkeypatch):
    """Every exercise counts as right, without trying it."""
    results = with_result(ExerciseResult(1.0))

    def mark_submission(submission, *_):
        written = report.make_results(submission, results, EXERCISES, "limits", 0.0)
        return class_marking.Marked(written, results)

    monkeypatch.setattr(class_marking, "mark_submission", mark_submission)


def test_the_class_gets_a_page_of_answers_and_no_student_a_model_answer(kit, tmp_path, monkeypatch, unmarked):
    monkeypatch.setattr(grading, "load_questions", lambda: load_questions(kit))
    files = solved() | {NOTEBOOKS[1]: notebook(answer("2.1", "My own words."))}
    zipped(tmp_path / "in" / "ada.zip", files)
    zipped(tmp_path / "in" / "bob.zip", {"readme.txt": "nothing"})
    out = tmp_path / "out"
    for _ in range(2):  # the second time nobody is marked anew
        with executor_for("serial") as executor:
            grading.grade(tmp_path / "in", out, executor=executor, weakest_level="limits")
    text = (out / "answers.html").read_text()
    assert "My own words." in text and MODEL in text and "Not answered: bob" in text
    assert 'href="answers.html"' in (out / "index.html").read_text()
    for path in (out / "students").rglob("*.*"):
        assert MODEL not in path.read_text()


def test_without_questions_there_is_no_page(tmp_path, monkeypatch, unmarked):
    monkeypatch.setattr(grading, "load_questions", list)
    zipped(tmp_path / "in" / "ada.zip", solved())
    with executor_for("serial") as executor:
        grading.grade(tmp_path / "in", tmp_path / "out", executor=executor, weakest_level="limits")
    assert not (tmp_path / "out" / "answers.html").exists()
    assert "answers.html" not in (tmp_path / "out" / "index.html").read_text()
