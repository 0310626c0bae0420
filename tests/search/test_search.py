"""The search: what is proposed, and who is promoted."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cs231n.common.executors import executor_for
from cs231n.search import rungs
from cs231n.search.space import choice, integer, log_uniform, propose, uniform
from tests.support import refused
from tests.support import search_objectives as objectives
from tests.support.search_objectives import SPACE, closed_form
from tests.support.search_outcomes import lines, outcomes, run_search


def test_draws_lie_where_the_space_says():
    configs = [propose(SPACE, 0, trial) for trial in range(2000)]
    rates, shares = (np.array([c[name] for c in configs]) for name in ("rate", "share"))
    assert rates.min() >= 1e-5 and rates.max() <= 1e-1 and shares.min() >= 0 and shares.max() <= 1
    # A share of 2000 draws has a deviation of at most 0.011; four of them.
    assert abs(np.mean(rates < 1e-3) - 0.5) < 0.045 and abs(np.mean(rates < 1e-4) - 0.25) < 0.045
    assert abs(np.mean(shares < 0.25) - 0.25) < 0.045
    depths, rules = (Counter(c[name] for c in configs) for name in ("depth", "rule"))
    assert sorted(depths) == [1, 2, 3, 4, 5] and min(depths.values()) > 2000 * (0.2 - 0.045)
    assert sorted(rules) == ["adam", "sgd"] and min(rules.values()) > 2000 * (0.5 - 0.045)
    assert all(value == float(f"{value:.4g}") for value in [*rates, *shares])
    assert {type(value) for config in configs for value in config.values()} == {float, int, str}


def test_proposals_are_the_same_next_year():
    pinned = {"rate": 0.011, "share": 0.05371, "depth": 1, "rule": "adam"}
    assert propose(SPACE, 231, 7) == pinned and list(propose(SPACE, 231, 7)) == list(SPACE)
    assert propose(dict(reversed(SPACE.items())), 231, 7) == pinned  # in whatever order it is written
    assert propose(SPACE, 231, 8) != pinned != propose(SPACE, 232, 7)


# fmt: off
@pytest.mark.parametrize("dimension, low, middle, high", [
    (uniform(2, 4), 2, 3, 4),
    (integer(1, 5), 1, 3, 5),
    (log_uniform(1e-4, 1e-2), 1e-4, 1e-3, 1e-2),
    (choice("a", "b", "c"), "a", "b", "c"),
], ids=str)
# fmt: on
def test_places_span_the_axis(dimension, low, middle, high):
    np.testing.assert_allclose([dimension.place(v) for v in (low, middle, high)], [0, 0.5, 1], atol=1e-12)


# fmt: off
@pytest.mark.parametrize("dimension, arguments, error, fragments", [
    (uniform, (1, 1), ValueError, ["uniform: high", "above 1"]),
    (log_uniform, (0, 1), ValueError, ["log_uniform: low", "above 0"]),
    (integer, (1, 2.5), TypeError, ["integer: high"]),
    (choice, (), ValueError, ["nothing to choose from"]),
    (choice, ([1, 2],), TypeError, ["[1, 2]", "try its name"]),
], ids=str)
# fmt: on
def test_a_dimension_that_cannot_be_is_refused(dimension, arguments, error, fragments):
    with refused(error, *fragments):
        dimension(*arguments)


# fmt: off
@pytest.mark.parametrize("changes, error, fragments", [
    ({"space": {}}, ValueError, ["space is empty"]),
    ({"space": [0.1]}, TypeError, ["space must be a dict, got list"]),
    ({"space": {"rate": 0.1}}, TypeError, ["space['rate']", "try choice(0.1)"]),
    ({"trials": 0}, ValueError, ["trials must be at least 1"]),
    ({"epochs": 1.5}, TypeError, ["epochs must be an integer"]),
    ({"seed": 2**32}, ValueError, ["seed must be below 2**32"]),
    ({"eta": 1}, ValueError, ["eta must be at least 2"]),
], ids=str)
# fmt: on
def test_arguments_are_refused_before_a_file_is_made(tmp_path, path, changes, error, fragments):
    with refused(error, "search: ", *fragments):
        run_search(path, **{"trials": 2, **changes})
    assert not list(tmp_path.iterdir())


# fmt: off
@pytest.mark.parametrize("trials, epochs, eta, expected", [
    (30, 9, None, [(30, 9)]),
    (30, 9, 3, [(30, 1), (10, 3), (3, 9)]),
    (8, 100, 2, [(8, 12), (4, 25), (2, 50), (1, 100)]),
    (2, 9, 3, [(2, 9)]),
    (30, 2, 3, [(30, 2)]),
    (9, 10, 3, [(9, 1), (3, 3), (1, 10)]),
])
# fmt: on
def test_rungs(trials, epochs, eta, expected):
    assert rungs(trials, epochs, eta) == expected


def test_random_search_finds_the_best_of_its_points(path):
    rows = run_search(path, trials=25, seed=1, epochs=4)
    truth = {trial: closed_form(propose(SPACE, 1, trial), 4, 0) for trial in range(25)}
    assert [row["trial"] for row in rows] == sorted(truth, key=truth.get, reverse=True)
    assert {row["trial"]: row["score"] for row in rows} == truth
    header, *stored = lines(path)
    assert header["seed"] == 1 and [row["trial"] for row in stored] == list(range(25))


@pytest.mark.parametrize("objective", [closed_form, objectives.crossing])
def test_halving_promotes_by_the_scores_of_the_rung(path, objective):
    rows = run_search(path, objective, trials=30, seed=2, epochs=9, eta=3)
    configs = {trial: propose(SPACE, 2, trial) for trial in range(30)}
    after_1 = sorted(configs, key=lambda trial: -objective(configs[trial], 1, 0))
    after_3 = sorted(after_1[:10], key=lambda trial: -objective(configs[trial], 3, 0))
    stored = lines(path)[1:]
    for epochs, trials in [(1, configs), (3, after_1[:10]), (9, after_3[:3])]:
        assert {row["trial"] for row in stored if row["epochs"] == epochs} == set(trials)
    assert len(stored) == 43 and [row["epochs"] for row in rows] == [9] * 3 + [3] * 7 + [1] * 20


def test_a_trial_has_one_seed_and_each_another(path):
    rows = run_search(path, objectives.seeds, trials=9, epochs=4, eta=2)
    scores = {(row["trial"], row["score"]) for row in lines(path)[1:]}
    assert len(scores) == 9 < len(lines(path)) - 1  # in each rung the same
    assert len({row["score"] - row["config"]["share"] for row in rows}) == 9


def test_failed_trials_are_kept_with_their_reason_and_ranked_last(path):
    rows = run_search(path, objectives.odd_depths_fail, trials=20, epochs=4, eta=2)
    failed = [row for row in rows if row["score"] is None]
    assert failed and rows[-len(failed) :] == failed and rows[0]["epochs"] == 4
    assert {row["epochs"] for row in failed} == {1}  # and never promoted
    assert {(row["config"]["depth"], row["error"]) for row in failed} == {
        (1, "ValueError: a depth of 1 is not deep"),
        (3, "the score is nan"),
    }


def test_when_all_fail_the_halving_ends(path):
    space = SPACE | {"depth": choice(1)}
    rows = run_search(path, objectives.odd_depths_fail, space, trials=4, epochs=2, eta=2)
    assert [row["score"] for row in rows] == [None] * 4 and len(lines(path)) == 5


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_every_executor_gives_the_same(tmp_path, where):
    arguments = {"objective": objectives.seeds, "trials": 12, "seed": 3, "epochs": 4, "eta": 2}
    with ThreadPoolExecutor(3) if where == "threads" else executor_for("processes:2") as executor:
        rows = run_search(tmp_path / "a", executor=executor, **arguments)
    assert outcomes(rows) == outcomes(run_search(tmp_path / "b", **arguments))
