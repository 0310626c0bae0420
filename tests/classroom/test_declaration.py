"""What a learner declares about assistants, from the manifest of the course to the marks."""

import csv
import json
import subprocess
import sys

import pytest

from classroom.grading.submission import open_hand_in, read_submission
from classroom.manifest import ManifestError, load_manifest
from cs231n.checking.submission import ask_declaration, collect
from tests.classroom.test_word_marks import course, results_of  # noqa: F401
from tests.support.grading import EXERCISES, solved, zipped
from tests.support.releases import command
from tests.support.releases import remembered as remembered

QUESTION = "Which assistants did you use?"
ADVICE = (
    "submit: your class asks how you used assistants, and there is no terminal to answer; "
    'try: --declaration "none", or for example --declaration "for explanations: what axis=0 means"\n'
)


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("declaration")
    manifest = folder / "course.json"
    manifest.write_text(json.dumps({"declaration": QUESTION}))
    assert command(folder / "kit", "--manifest", manifest) == 0
    return folder / "kit"


def submit(learner, *arguments, **options):
    code = "import sys; from cs231n.commands import submit; submit.check_exercises = lambda: 0; "
    code += "import argparse; p = argparse.ArgumentParser(); submit.add_arguments(p); "
    code += "sys.exit(submit.main(p.parse_args()))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=learner, text=True, capture_output=True, **options
    )


def declared(learner):
    hand_in = open_hand_in(learner / "submission.zip", EXERCISES)
    with hand_in.file:
        submission = read_submission(hand_in, EXERCISES)
    assert not submission.notes and not submission.faults
    return submission.declaration


@pytest.mark.parametrize(
    "typed, text",
    [
        ("1\n\n", "none"),
        ("4\n x\n2\nwhat axis=0 means\n", "for explanations: what axis=0 means"),
        ("3\n\n", "for code"),
    ],
)
def test_submit_asks_on_the_terminal_and_grade_reads_the_answer(learner, typed, text):
    done = submit(learner, input=typed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{QUESTION}\n  1  none\n  2  for explanations\n  3  for code\n")
    assert f"Your declaration about assistants: {text}\n" in done.stdout and declared(learner) == text


def test_an_option_answers_where_nobody_is_asked(learner):
    done = submit(learner, "--declaration", "none", stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and QUESTION not in done.stdout and declared(learner) == "none"


@pytest.mark.parametrize("closed", ["<&-", "</dev/null"])
def test_without_a_terminal_one_line_says_what_to_pass(learner, closed):
    (learner / "submission.zip").unlink(missing_ok=True)
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m cs231n submit {closed}', sys.executable],
        cwd=learner,
        text=True,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (1, ADVICE)
    assert not (learner / "submission.zip").exists()


def test_an_edition_that_does_not_ask_declares_nothing():
    assert ask_declaration() == "" and "declaration" not in json.loads(collect()["manifest.json"])


def test_a_question_of_several_lines_is_refused(tmp_path):
    (tmp_path / "course.json").write_text(json.dumps({"declaration": "a\nb"}))
    with pytest.raises(ManifestError, match="declaration must be one line of text"):
        load_manifest(tmp_path / "course.json")


@pytest.mark.parametrize(
    "value, text", [("=1 <script>\x1b[31m", "=1 <script> [31m"), ("", ""), (7, "7"), (["x"], "['x']")]
)
def test_marks_and_the_page_of_a_student_show_it_as_text(course, tmp_path, value, text):  # noqa: F811
    manifest = json.dumps({"files": {}, "declaration": value})
    zipped(tmp_path / "in" / "ada.zip", solved() | {"manifest.json": manifest})
    assert course()[0] == 0
    assert results_of(tmp_path, "ada")["extra_data"]["declaration"] == text
    (row,) = csv.DictReader((tmp_path / "out" / "grades.csv").open())
    assert row["declaration"] == ("'" if text.startswith("=") else "") + text
    page = (tmp_path / "out" / "students" / "ada" / "index.html").read_text()
    assert "<script" not in page and ("Declared about assistants" in page) == bool(text)
