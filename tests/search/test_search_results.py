"""A file of results loses and repeats nothing, and what is shown of it."""

import os

import pytest

from cs231n.search.results import Results, draw, ranked, table
from cs231n.search.space import log_uniform, propose
from tests.support import refused
from tests.support import search_objectives as objectives
from tests.support.search_objectives import SPACE, Logged, started
from tests.support.search_outcomes import lines, outcomes, run_search


@pytest.mark.parametrize("eta", [None, 2])
def test_a_search_goes_on_from_any_moment(tmp_path, eta):
    arguments = {"trials": 8, "epochs": 4, "eta": eta}
    expected = outcomes(run_search(tmp_path / "whole", Logged(str(tmp_path), 0), **arguments))
    whole = (tmp_path / "whole").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in [0, 1, 40, *ends, *(end + 25 for end in ends[:-1]), *(end - 1 for end in ends)]:
        log, path = tmp_path / f"log-{cut}", tmp_path / f"cut-{cut}"
        log.mkdir()
        path.write_bytes(whole[:cut].replace(str(tmp_path).encode(), str(log).encode()))
        complete = path.read_bytes().count(b"\n")
        assert outcomes(run_search(path, Logged(str(log), 0), **arguments)) == expected
        assert len(started(log)) == len(ends) - max(complete, 1)  # nothing ran twice
        rows = lines(path)[1:]
        assert len({(row["trial"], row["epochs"]) for row in rows}) == len(rows) == len(ends) - 1


def test_a_torn_line_is_said(path, capsys):
    run_search(path, trials=3)
    path.write_bytes(path.read_bytes()[:-10])
    run_search(path, trials=3)
    assert f"the last line of {path} is incomplete" in capsys.readouterr().err and len(lines(path)) == 4


def test_a_random_search_goes_on_to_more_trials(tmp_path, path):
    rows = [run_search(path, Logged(str(tmp_path), 0), trials=trials) for trials in (3, 5, 2)]
    assert [*map(len, rows)] == [3, 5, 2] and len(started(tmp_path)) == 5


# fmt: off
@pytest.mark.parametrize("changes, fragments", [
    ({"seed": 1}, ["its seed is 0, this one's 1"]),
    ({"epochs": 8}, ["its epochs is 4, this one's 8"]),
    ({"eta": 3}, ["its eta is 2, this one's 3"]),
    ({"eta": None}, ["its eta is 2, this one's not given"]),
    ({"trials": 5}, ["its trials is 4, this one's 5"]),
    ({"space": {**SPACE, "rate": log_uniform(1e-5, 1)}}, ["its space is", "high=0.1", "high=1)"]),
    ({"objective": objectives.crossing}, ["its objective is <function closed_form>"]),
], ids=lambda changes: next(iter(changes)))
# fmt: on
def test_the_file_of_another_search_is_refused(path, changes, fragments):
    arguments = {"trials": 4, "epochs": 4, "eta": 2}
    run_search(path, **arguments)
    before = path.read_bytes()
    with refused(ValueError, "holds another search", *fragments, "try another results file"):
        run_search(path, **arguments | changes)
    assert path.read_bytes() == before


# fmt: off
@pytest.mark.parametrize("content, fragments", [
    (b"notes", ["is not a results file"]),
    (b"notes\n", ["line 1", "not a result of a search"]),
    (b"[1]\n", ["holds another search"]),
    (None, ["line 3", "not a result of a search", "correct or remove"]),
], ids=["text", "line", "json", "broken-inside"])
# fmt: on
def test_a_file_of_something_else_is_left_alone(path, content, fragments):
    if content is None:
        run_search(path, trials=3)
        whole = path.read_bytes().splitlines(keepends=True)
        content = b"".join([*whole[:2], whole[2][:30] + b"\n", whole[3]])
    path.write_bytes(content)
    with refused(ValueError, str(path), *fragments):
        run_search(path, trials=3)
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="a second handle of one process is not locked out on Windows")
def test_two_searches_do_not_write_one_file(path):
    (row,) = run_search(path, lambda config, epochs, seed: run_search(path, trials=1), trials=1)
    assert "another search is writing" in row["error"]


def a_row(trial, score, epochs=1, **config):
    error = {"error": "ValueError: " + 90 * "x"} if score is None else {}
    return {"trial": trial, "epochs": epochs, "config": config, "score": score, **error}


# fmt: off
def test_ranking_and_table():
    rows = [a_row(0, 0.3, rate=1e-3), a_row(1, None, rate=2e-3), a_row(2, 0.5, rate=0.00123456),
            a_row(2, 0.4, epochs=3, rate=0.00123456), a_row(3, -0.5, rate=4.0)]
    assert [(row["trial"], row["epochs"]) for row in ranked(rows)] == [(2, 3), (0, 1), (3, 1), (1, 1)]
    *head, reason = table(rows, ["rate"])[:6]
    assert head == ["trial  epochs    score      rate",
                    "    2       3   0.4000  0.001235",
                    "    0       1   0.3000     0.001",
                    "    3       1  -0.5000         4",
                    "    1       1   failed     0.002"]
    assert reason.startswith("trial 1 failed: ValueError: xxx")
# fmt: on


def test_a_table_fits_a_terminal():
    names = [f"a_hyper_parameter_called_{i}" for i in range(6)]
    rows = [a_row(i, None if i % 3 else i / 100, **dict.fromkeys(names, 0.001234)) for i in range(40)]
    out = table(rows, names)
    assert max(map(len, out)) <= 80 and len(out) < 30
    assert "and 20 more" in out and sum("0.001234" in line for line in out) == 20


@pytest.mark.parametrize("scores", [[0.1, 0.5, None], [0.3], [None, None]], ids=str)
def test_the_figure_has_a_line_a_trial(tmp_path, monkeypatch, scores):
    from matplotlib.axes import Axes

    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda self, y, *style, **_: drawn.append((len(y), style)))
    rows = [a_row(i, score, **propose(SPACE, 0, i)) for i, score in enumerate(scores)]
    draw(rows, SPACE, tmp_path / "r.png")
    assert sorted(drawn) == sorted((4, ("--",)) if score is None else (5, ()) for score in scores)
    assert (tmp_path / "r.png").stat().st_size > 5000


def test_results_are_on_the_disk_when_add_returns(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path.stat().st_size))
    with Results(path, {"seed": 0}) as file:
        file.add(a_row(0, 0.5))
    assert len(synced) == 2 and synced[-1] == path.stat().st_size
