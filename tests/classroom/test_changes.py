"""What a run says of scores that are not those of the last run."""

import pytest

from classroom.grading.changes import find_changes, read_scores
from classroom.grading.report import Row
from tests.classroom.test_word_marks import course, hand_in  # noqa: F401


def rows(**scores):
    return [Row(name, None if score is None else {"score": score}, None) for name, score in scores.items()]


def test_who_has_another_score_who_is_new_and_who_is_gone():
    before = {"ada": "88", "bob": "70", "cyd": "5", "dan": "not marked", "eve": "1"}
    now = rows(ada=88.0, bob=None, fay=3.5, dan=2.25)
    assert find_changes(before, now, ["eve"]) == [
        ("bob", "70", "not marked"), ("fay", "new", "3.5"), ("dan", "not marked", "2.25"),
        ("cyd", "5", "gone"),
    ]  # fmt: skip
    assert find_changes(None, now, []) == []


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "student,score\nada,many\n", "student,score\nada\n", "\0"]
)
def test_a_table_that_cannot_be_read_is_no_last_run(tmp_path, text):
    assert read_scores(tmp_path) is None
    (tmp_path / "grades.csv").write_text(text)
    assert read_scores(tmp_path) is None


def test_a_run_names_changes_and_the_class_page_lists_them(tmp_path, course, capsys):  # noqa: F811
    hand_in(tmp_path, "=1+1", ("2.1", "Because."))
    hand_in(tmp_path, "bob")
    for _ in range(2):
        course()
        assert "Changed" not in capsys.readouterr().out + (tmp_path / "out" / "index.html").read_text()
    (tmp_path / "out" / "marks.csv").write_text("student,question,points\n'=1+1,2.1,4\n")
    (tmp_path / "in" / "bob.zip").unlink()
    hand_in(tmp_path, "cyd")
    course()
    line = "Changed since the last run: 3: '=1+1: 100, now 104; cyd: new, now 100; bob: 100, now gone\n"
    assert line in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<td>100</td><td>104</td>" in page and "<td>100</td><td>gone</td>" in page


def test_an_interrupted_run_calls_nobody_gone(tmp_path, course, capsys, monkeypatch):  # noqa: F811
    from classroom.grading import class_marking

    for name in ("ada", "bob"):
        hand_in(tmp_path, name)
    course()
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(class_marking, "open_hand_in", lambda *_: (_ for _ in ()).throw(MemoryError))
        course()
    assert "Changed" not in capsys.readouterr().out
