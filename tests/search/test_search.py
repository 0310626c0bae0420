"""The search: what is recorded, and what goes on after kills, faults and changes."""

import threading
import time
from collections import Counter

import pytest

optuna = pytest.importorskip("optuna", reason="needs optuna: pip install '.[search]'")

from optuna.trial import TrialState  # noqa: E402

from cs231n.data.errors import DataError  # noqa: E402
from cs231n.search import cifar10  # noqa: E402
from tests.support import refused, text_id  # noqa: E402
from tests.support import search_objectives as objectives  # noqa: E402
from tests.support.search_objectives import outcomes, quality, run_search, started  # noqa: E402

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def test_random_settings_and_seeds_follow_from_the_number_of_the_trial(tmp_path, path):
    alone = run_search(path, objectives.seeds, trials=8)
    assert outcomes(
        run_search(tmp_path / "3.journal", objectives.seeds, tmp_path, trials=8, jobs=3)
    ) == outcomes(alone)
    scores = {trial.value - trial.params["share"] for trial in alone.trials}
    assert len(scores) == 8 and 0 <= min(scores) and max(scores) <= 1
    assert len({trial.params["rate"] for trial in alone.trials}) == 8
    other = run_search(tmp_path / "other.journal", objectives.seeds, trials=8, seed=1)
    assert not {t.params["rate"] for t in other.trials} & {t.params["rate"] for t in alone.trials}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_same_search_goes_on_to_more_trials_as_if_it_had_not_stopped(tmp_path, path, sampler):
    whole = run_search(tmp_path / "whole.journal", trials=14, sampler=sampler)
    run_search(path, trials=5, sampler=sampler)
    assert outcomes(run_search(path, trials=14, sampler=sampler)) == outcomes(whole)
    assert Counter(Counter(seed for seed, *_ in started(tmp_path)).values()) == {2: 14}  # each once a search


def test_a_pruner_ends_trials_early_and_never_the_best(path, log):
    study = run_search(path, folder=log, trials=20, epochs=9, pruner="halving")
    epochs = Counter(seed for seed, *_ in started(log))
    pruned = [trial for trial in study.trials if trial.state == PRUNED]
    whole = [trial for trial in study.trials if trial.state == COMPLETE]
    assert len(pruned) + len(whole) == 20 and len(pruned) > 10
    assert sorted(epochs.values()) == sorted([t.last_step for t in pruned] + [9] * len(whole))
    assert {trial.last_step for trial in pruned} <= {1, 3}
    assert study.best_trial.number == max(study.trials, key=lambda t: quality(t.params)).number


def test_hyperband_prunes_as_well(path):
    states = Counter(t.state for t in run_search(path, trials=20, epochs=9, pruner="hyperband").trials)
    assert states[PRUNED] and states[COMPLETE] and states.total() == 20


def test_failed_trials_are_kept_with_their_reason_and_are_never_the_best(path):
    study = run_search(path, objectives.odd_depths_fail, trials=20)
    for trial in study.trials:
        depth = trial.params["depth"]
        assert trial.state == (FAIL if depth % 2 else COMPLETE)
        reason = {
            1: "ValueError: a depth of 1 is not deep",
            3: "the score is nan",
            5: "the score is inf",
        }.get(depth, "")
        assert reason in trial.user_attrs.get("reason", "")
    assert {trial.params["depth"] for trial in study.trials} == {1, 2, 3, 4, 5}
    assert study.best_value == max(quality(t.params) for t in study.trials if t.params["depth"] in (2, 4))


def test_what_the_training_does_to_its_arguments_is_not_recorded(tmp_path, path):
    changed = run_search(path, objectives.changes_its_arguments, trials=5)
    assert outcomes(changed) == outcomes(run_search(tmp_path / "other.journal", trials=5))


# fmt: off
@pytest.mark.parametrize("changes, fragment", [
    ({"epochs": 2}, "its epochs is 1, not 2"),
    ({"seed": 1}, "its seed is 0, not 1"),
    ({"sampler": "tpe"}, "its sampler is random, not tpe"),
    ({"pruner": "halving"}, "its pruner is none, not halving"),
    ({"train": objectives.seeds}, "its objective is closed_form, not seeds"),
    ({"folder": "0123"}, "its images is "),
    ({"suggest": objectives.suggest_deeper}, "its depth is IntDistribution(high=5"),
], ids=text_id)
# fmt: on
def test_another_search_in_the_same_storage_is_refused(path, changes, fragment):
    run_search(path, trials=0)
    with refused(ValueError, "the storage has another search", fragment, "try another --storage"):
        run_search(path, **{"trials": 2, **changes})
    assert not run_search(path, trials=0).trials


def test_a_file_that_is_no_journal_is_refused_and_stays(path):
    path.write_text("chapter one\nchapter t")
    with refused(ValueError, "does not hold a search"):
        run_search(path, trials=1)
    assert path.read_text() == "chapter one\nchapter t"


@pytest.mark.parametrize("line", [b'{"op_code": 0}', b'{"op_code": 99}', b'{"op_code', b'"\xff"'])
def test_a_damaged_journal_is_a_line_and_stays(path, line):
    run_search(path, trials=1)
    content = path.read_bytes() + line + b"\n"
    path.write_bytes(content)
    with refused(ValueError, f"{path} is damaged (", "try another --storage"):
        run_search(path, trials=1)
    assert path.read_bytes() == content


def test_half_a_line_that_a_full_disk_left_is_no_end(tmp_path, path):
    """Cut at four places: what had ended stays, the rest runs again."""
    whole = outcomes(run_search(path, trials=3))
    content = path.read_bytes()
    for size in range(0, len(content), len(content) // 4 + 1):
        path.write_bytes(content[:size])
        ended = content[:size].count(b'"state":1')
        again = outcomes(run_search(path, trials=3))
        assert again[:ended] == whole[:ended]
        assert [state for _, _, state, *_ in again] == [COMPLETE] * 3


def test_a_process_that_was_killed_while_it_wrote_holds_nothing_up(path):
    """It left its lock, for whose end Optuna's own locks wait 30 seconds."""
    run_search(path, trials=0)
    path.with_name(f"{path.name}.lock").touch()
    start = time.monotonic()
    run_search(path, trials=0)
    assert time.monotonic() - start < 15


def test_a_database_does_as_well(tmp_path, path):
    url = f"sqlite:///{tmp_path / 'new folder' / 's.db'}"
    more = {"folder": tmp_path, "epochs": 9, "pruner": "halving"}
    run_search(url, trials=2, **more)
    assert outcomes(run_search(url, trials=6, **more)) == outcomes(run_search(path, trials=6, **more))


def test_a_killed_worker_costs_its_trial_a_second_run_and_no_other_anything(tmp_path, path, log):
    study = run_search(path, objectives.dies_once, log, trials=10, jobs=2)
    assert outcomes(study) == outcomes(run_search(tmp_path / "other.journal", trials=10))
    assert len({pid for *_, pid in started(log)}) == 3
    assert sorted(Counter(seed for seed, *_ in started(log)).values()) == [1] * 9 + [2]


def test_a_trial_that_another_search_began_meanwhile_is_left_to_it(tmp_path, path):
    study = run_search(path, objectives.another_search_begins, trials=5)
    assert [trial.state for trial in study.trials] == [COMPLETE, TrialState.RUNNING] * 3
    assert len(started(tmp_path)) == 3
    study = run_search(path, objectives.another_search_begins, trials=5)  # as if that one was killed
    assert [trial.state for trial in study.trials] == [COMPLETE] * 6
    assert set(Counter(seed for seed, *_ in started(tmp_path)).values()) == {1}


def test_a_process_may_end_between_two_trials(path, log):
    study = run_search(path, objectives.dies_soon, log, trials=6)
    assert [trial.state for trial in study.trials] == [COMPLETE] * 6


def test_a_search_leaves_no_thread_that_the_end_of_python_would_meet(path):
    before = set(threading.enumerate())
    run_search(path, trials=4, jobs=2)
    assert {thread.name for thread in set(threading.enumerate()) - before} <= {"tqdm_monitor"}


def test_a_trial_that_kills_every_worker_fails_alone(path, log):
    study = run_search(path, objectives.shallow_kills, log, trials=8, jobs=2)
    failed = [trial for trial in study.trials if trial.state == FAIL]
    assert 0 < len(failed) < 8 and failed == [t for t in study.trials if t.params["depth"] == 1]
    assert all("terminated abruptly" in trial.user_attrs["reason"] for trial in failed)
    assert sorted(Counter(seed for seed, *_ in started(log)).values()) == [1] * (8 - len(failed))


def test_a_worker_without_the_images_stops_the_search(path):
    for _ in range(2):  # and its trial is not over
        with pytest.raises(DataError, match="lacks the images"):
            run_search(path, objectives.lacks_images, trials=1)


def test_a_worker_has_one_blas_thread(path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert run_search(path, objectives.threads, trials=1).best_value == 2.0


def test_images_reach_each_worker_once(path, log):
    images = objectives.trains_on_tiny_images, log, cifar10.suggest
    study = run_search(path, *images, trials=6, epochs=2, jobs=2)
    loads = Counter(p.name.split("-")[1] for p in log.glob("load-*"))
    assert list(loads.values()) == [1, 1]
    assert all(t.value > 0.05 for t in study.trials) and study.best_value > 0.3


def test_training_repeats_and_says_when_it_diverged():
    settings = {"learning_rate": 1e-3, "weight_decay": 1e-4, "depth": 2, "width": 16, "batch_size": 20}
    with objectives.tiny_images():
        scores = {cifar10.train(settings, 3, 5, "tiny", None) for _ in range(2)}
        assert len(scores) == 1 and min(scores) > 0.2
        with pytest.raises(FloatingPointError, match="the loss is|overflows"):
            cifar10.train(settings | {"learning_rate": 1e30}, 3, 5, "tiny", None)
        with refused(DataError, "lacks the images another", "python -m cs231n data"):
            cifar10.train(settings, 3, 5, "another", None)


def test_the_training_asks_its_pruner_after_each_epoch_but_the_last():
    class Trial:
        def __init__(self):
            self.reports = {}

        def report(self, value, step):
            self.reports[step] = value

        def should_prune(self):
            return len(self.reports) == 3

    settings = {"learning_rate": 1e-3, "weight_decay": 1e-4, "depth": 1, "width": 16, "batch_size": 20}
    with objectives.tiny_images():
        whole, ended = Trial(), Trial()
        best = cifar10.train(settings, 3, 5, "tiny", whole)
        assert [*whole.reports] == [1, 2] and best >= max(whole.reports.values()) > 0.1
        with pytest.raises(optuna.TrialPruned):
            cifar10.train(settings, 9, 5, "tiny", ended)
        assert [*ended.reports] == [1, 2, 3]
