"""Statistics of a class, against NumPy's."""

import numpy as np
import pytest

from classroom.grading import class_report, report
from classroom.grading.result import ExerciseResult
from classroom.grading.statistics import summarize
from classroom.grading.submission import Submission
from tests.support.grading import EXERCISES


def results_of(shares):
    """The content of results.json of a student with these shares of the exercises' points."""
    results = {
        exercise.number: ExerciseResult(share, "right" if share == 1 else "unknown")
        for exercise, share in zip(EXERCISES, shares)
    }
    return report.make_results(Submission({}, {}, []), results, EXERCISES, "limits", 0)


@pytest.fixture(scope="module")
def shares():
    """(40, exercises) shares; all have the first exercise right and the second wrong."""
    rng = np.random.default_rng(1)
    strength = rng.normal(size=(40, 1))
    shares = (strength + rng.normal(size=(40, len(EXERCISES))) > 0).astype(float)
    shares[::3] *= 0.5
    shares[:, 0], shares[:, 1] = 1, 0
    return shares


def test_they_are_those_of_numpy(shares):
    marked = [results_of(row) for row in shares]
    summary = summarize(marked, 100)
    points = np.array([[test["score"] for test in results["tests"]] for results in marked])
    scores, max_scores = points.sum(axis=1), [exercise.points for exercise in EXERCISES]
    assert summary.median == pytest.approx(np.median(scores))
    assert summary.quartiles == pytest.approx(tuple(np.quantile(scores, [0.25, 0.75])))
    # Half points are exact, so no score is a rounding error away from the edge of a bin.
    # A bonus lifts two of them above the points; they are in the last bin.
    counts = np.histogram(np.minimum(scores, 100), 10, (0, 100))[0].tolist()
    assert [count for _, count in summary.bins] == counts and scores.max() > 100
    assert summary.bins[0][0] == "0 to below 10" and summary.bins[-1][0] == "90 or more"
    without = summarize([results_of([*row[:-1], 0]) for row in shares], 100)
    assert without.bins[-1][0] == "90 to 100"
    for i, item in enumerate(summary.items):
        assert item.difficulty == pytest.approx(points[:, i].mean() / max_scores[i])
        assert item.num_right == (shares[:, i] == 1).sum()
        if i < 2:
            assert item.discrimination is None  # nobody differs
        else:
            expected = np.corrcoef(points[:, i], scores - points[:, i])[0, 1]
            assert item.discrimination == pytest.approx(expected)


@pytest.mark.parametrize("num_students, there", [(1, False), (9, False), (10, True)])
def test_few_students_have_no_correlation(shares, num_students, there):
    items = summarize([results_of(row) for row in shares[:num_students]], 100).items
    assert any(item.discrimination is not None for item in items) == there


def test_rounding_errors_are_no_differences():
    """0.1 + 0.2 - 0.1 is 0.20000000000000004, and 10 * 0.03 / 0.1 a little less than 3."""
    test = {"name": "1", "max_score": 0.1, "status": "failed", "tags": []}
    rows = [
        {"score": own, "tests": [test | {"score": own}, test | {"name": "2", "score": 0.2}]}
        for own in (0.1, 0) * 6
    ]
    assert summarize(rows, 1).items[0].discrimination is None
    assert [count for _, count in summarize([rows[0] | {"score": 0.03}], 0.1).bins].index(1) == 3


def test_exercises_without_points_have_no_difficulty():
    row = results_of([1] * len(EXERCISES))
    for test in row["tests"]:
        test |= {"score": 0, "max_score": 0}
    summary = summarize([row | {"score": 0}], 0)
    assert {item.difficulty for item in summary.items} == {None} and summary.bins[0][1] == 1


def test_the_page_says_in_words_what_a_bar_shows(tmp_path, shares):
    rows = []
    for i, row in enumerate(shares):
        results = results_of(row)
        results["extra_data"]["student"] = f"s{i}"
        rows.append(report.Row(f"s{i}", results, None))
    class_report.write_class(tmp_path, rows, EXERCISES)
    page = (tmp_path / "index.html").read_text()
    for label, count in summarize([row.results for row in rows], 100).bins:
        assert f'<th scope="row">{label}</th><td>{count}</td><td aria-hidden="true">' in page
    assert "<td>40 of 40</td><td>1.00</td><td>none</td>" in page
    class_report.write_class(tmp_path, [report.Row("ada", None, "gone")], EXERCISES)
    assert "Median" not in (tmp_path / "index.html").read_text()
