"""The search: what is proposed, who is promoted, and that a file of results loses and repeats nothing."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import search_objectives as objectives
from conftest import refused
from search_objectives import SPACE, Logged, closed_form, started

from cs231n.data_utils import DataError
from cs231n.executors import Processes, WorkerLost, executor_for
from cs231n.results import Results, draw, ranked, table
from cs231n.search import rungs, search
from cs231n.search_cifar10 import SPACE as CIFAR10_SPACE
from cs231n.search_cifar10 import TrainOnCIFAR10
from cs231n.space import choice, integer, log_uniform, propose, uniform

HERE = Path(__file__).parent


def outcomes(rows):
    """What must not depend on where a trial ran."""
    return [(row["trial"], row["epochs"], row["config"], row["score"], row.get("error")) for row in rows]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)



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
    assert propose(SPACE, 231, 7) == PINNED
    assert list(propose(SPACE, 231, 7)) == list(SPACE)
    assert propose(dict(reversed(SPACE.items())), 231, 7) == PINNED     # in whatever order it is written
    assert propose(SPACE, 231, 8) != PINNED != propose(SPACE, 232, 7)


PINNED = {"rate": 0.011, "share": 0.05371, "depth": 1, "rule": "adam"}


def test_places_span_the_axis():
    for dimension, low, middle, high in [(uniform(2, 4), 2, 3, 4), (integer(1, 5), 1, 3, 5),
                                         (log_uniform(1e-4, 1e-2), 1e-4, 1e-3, 1e-2),
                                         (choice("a", "b", "c"), "a", "b", "c")]:
        np.testing.assert_allclose([dimension.place(v) for v in (low, middle, high)], [0, 0.5, 1], atol=1e-12)


@pytest.mark.parametrize(("call", "error", "fragments"), [
    (lambda: uniform(1, 1), ValueError, ["uniform: high", "above 1"]),
    (lambda: log_uniform(0, 1), ValueError, ["log_uniform: low", "above 0"]),
    (lambda: integer(1, 2.5), TypeError, ["integer: high"]),
    (lambda: choice(), ValueError, ["nothing to choose from"]),
    (lambda: choice([1, 2]), TypeError, ["[1, 2]", "try its name"]),
], ids=lambda value: None)
def test_a_dimension_that_cannot_be_is_refused(call, error, fragments):
    with refused(error, *fragments):
        call()


@pytest.mark.parametrize(("changes", "error", "fragments"), [
    ({"space": {}}, ValueError, ["space is empty"]),
    ({"space": [0.1]}, TypeError, ["space must be a dict, got list"]),
    ({"space": {"rate": 0.1}}, TypeError, ["space['rate']", "try choice(0.1)"]),
    ({"trials": 0}, ValueError, ["trials must be at least 1"]),
    ({"epochs": 1.5}, TypeError, ["epochs must be an integer"]),
    ({"seed": 2**32}, ValueError, ["seed must be below 2**32"]),
    ({"eta": 1}, ValueError, ["eta must be at least 2"]),
], ids=lambda value: None)
def test_arguments_are_refused_before_a_file_is_made(tmp_path, changes, error, fragments):
    arguments = {"space": SPACE, "trials": 2, "seed": 0, "epochs": 1, "results": tmp_path / "r.jsonl"}
    with refused(error, "search: ", *fragments):
        search(closed_form, **arguments | changes)
    assert not list(tmp_path.iterdir())



@pytest.mark.parametrize(("trials", "epochs", "eta", "expected"), [
    (30, 9, None, [(30, 9)]), (30, 9, 3, [(30, 1), (10, 3), (3, 9)]),
    (8, 100, 2, [(8, 12), (4, 25), (2, 50), (1, 100)]),
    (2, 9, 3, [(2, 9)]), (30, 2, 3, [(30, 2)]), (9, 10, 3, [(9, 1), (3, 3), (1, 10)])])
def test_rungs(trials, epochs, eta, expected):
    assert rungs(trials, epochs, eta) == expected


def test_random_search_finds_the_best_of_its_points(tmp_path):
    rows = search(closed_form, SPACE, trials=25, seed=1, epochs=4, results=tmp_path / "r.jsonl")
    truth = {trial: closed_form(propose(SPACE, 1, trial), 4, 0) for trial in range(25)}
    assert [row["trial"] for row in rows] == sorted(truth, key=truth.get, reverse=True)
    assert {row["trial"]: row["score"] for row in rows} == truth
    header, *kept = lines(tmp_path / "r.jsonl")
    assert header["seed"] == 1 and [row["trial"] for row in kept] == list(range(25))


@pytest.mark.parametrize("objective", [closed_form, objectives.crossing])
def test_halving_promotes_by_the_scores_of_the_rung(tmp_path, objective):
    rows = search(objective, SPACE, trials=30, seed=2, epochs=9, eta=3, results=tmp_path / "r.jsonl")
    configs = {trial: propose(SPACE, 2, trial) for trial in range(30)}
    after_1 = sorted(configs, key=lambda trial: -objective(configs[trial], 1, 0))
    after_3 = sorted(after_1[:10], key=lambda trial: -objective(configs[trial], 3, 0))
    kept = lines(tmp_path / "r.jsonl")[1:]
    for epochs, entered in [(1, configs), (3, after_1[:10]), (9, after_3[:3])]:
        assert {row["trial"] for row in kept if row["epochs"] == epochs} == set(entered)
    assert len(kept) == 43 and len(rows) == 30
    assert [row["epochs"] for row in rows] == [9] * 3 + [3] * 7 + [1] * 20


def test_a_trial_has_one_seed_and_each_another(tmp_path):
    rows = search(objectives.seeds, SPACE, trials=9, seed=0, epochs=4, eta=2, results=tmp_path / "r.jsonl")
    kept = lines(tmp_path / "r.jsonl")[1:]
    by_trial = {}
    for row in kept:
        by_trial.setdefault(row["trial"], set()).add(row["score"])
    assert all(len(scores) == 1 for scores in by_trial.values())
    assert len({row["score"] - row["config"]["share"] for row in rows}) == 9


def test_failed_trials_are_kept_with_their_reason_and_ranked_last(tmp_path):
    rows = search(objectives.odd_depths_fail, SPACE, trials=20, seed=0, epochs=4, eta=2,
                  results=tmp_path / "r.jsonl")
    failed = [row for row in rows if row["score"] is None]
    assert failed and rows[-len(failed):] == failed
    assert {row["epochs"] for row in failed} == {1}                     # and never promoted
    assert {(row["config"]["depth"], row["error"]) for row in failed} == {
        (1, "ValueError: a depth of 1 is not deep"), (3, "the score is nan")}
    assert rows[0]["epochs"] == 4


def test_when_all_fail_the_halving_ends(tmp_path):
    rows = search(objectives.odd_depths_fail, {**SPACE, "depth": choice(1)}, trials=4, seed=0, epochs=2,
                  eta=2, results=tmp_path / "r.jsonl")
    assert [row["score"] for row in rows] == [None] * 4 and len(lines(tmp_path / "r.jsonl")) == 5


@pytest.mark.parametrize("where", ["threads", "processes"])
def test_every_executor_gives_the_same(tmp_path, where):
    def run(name, executor=None):
        return outcomes(search(objectives.seeds, SPACE, trials=12, seed=3, epochs=4, eta=2,
                               results=tmp_path / name, executor=executor))

    with ThreadPoolExecutor(3) if where == "threads" else executor_for("processes:2") as executor:
        assert run("a", executor) == run("b")



@pytest.mark.parametrize("eta", [None, 2])
def test_a_search_goes_on_from_any_moment(tmp_path, eta):
    def run(path, objective):
        return outcomes(search(objective, SPACE, trials=8, seed=0, epochs=4, eta=eta, results=path))

    expected = run(tmp_path / "whole", Logged(str(tmp_path), 0))
    whole = (tmp_path / "whole").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in [0, 1, 40, *ends, *(end + 25 for end in ends[:-1]), *(end - 1 for end in ends)]:
        log = tmp_path / f"log-{cut}"
        log.mkdir()
        path = tmp_path / f"cut-{cut}"
        path.write_bytes(whole[:cut].replace(str(tmp_path).encode(), str(log).encode()))
        kept = path.read_bytes().count(b"\n")
        assert run(path, Logged(str(log), 0)) == expected
        assert len(started(log)) == len(ends) - max(kept, 1)            # nothing ran twice
        again = lines(path)
        assert len({(row["trial"], row["epochs"]) for row in again[1:]}) == len(again) - 1 == len(ends) - 1


def test_a_torn_line_is_said(tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    search(closed_form, SPACE, trials=3, seed=0, epochs=1, results=path)
    path.write_bytes(path.read_bytes()[:-10])
    search(closed_form, SPACE, trials=3, seed=0, epochs=1, results=path)
    assert f"the last line of {path} is torn" in capsys.readouterr().err
    assert len(lines(path)) == 4


def test_a_random_search_goes_on_to_more_trials(tmp_path):
    path, log = tmp_path / "r.jsonl", tmp_path
    search(Logged(str(log), 0), SPACE, trials=3, seed=0, epochs=1, results=path)
    rows = search(Logged(str(log), 0), SPACE, trials=5, seed=0, epochs=1, results=path)
    assert len(rows) == len(started(log)) == 5
    assert len(search(Logged(str(log), 0), SPACE, trials=2, seed=0, epochs=1, results=path)) == 2


@pytest.mark.parametrize(("changes", "fragments"), [
    ({"seed": 1}, ["its seed is 0, this one's 1"]),
    ({"epochs": 8}, ["its epochs is 4, this one's 8"]),
    ({"eta": 3}, ["its eta is 2, this one's 3"]),
    ({"eta": None}, ["its eta is 2, this one's not given"]),
    ({"trials": 5}, ["its trials is 4, this one's 5"]),
    ({"space": {**SPACE, "rate": log_uniform(1e-5, 1)}}, ["its space is", "high=0.1", "high=1)"]),
    ({"objective": objectives.crossing}, ["its objective is <function closed_form>"]),
], ids=lambda value: None)
def test_the_file_of_another_search_is_refused(tmp_path, changes, fragments):
    arguments = {"objective": closed_form, "space": SPACE, "trials": 4, "seed": 0, "epochs": 4, "eta": 2,
                 "results": tmp_path / "r.jsonl"}
    search(**arguments)
    before = arguments["results"].read_bytes()
    with refused(ValueError, "holds another search", *fragments, "try another results file"):
        search(**arguments | changes)
    assert arguments["results"].read_bytes() == before


@pytest.mark.parametrize(("content", "fragments"), [
    (b"notes", ["holds something else"]),
    (b"notes\n", ["line 1", "no result of a search"]),
    (b"[1]\n", ["holds another search"]),
    (None, ["line 3", "no result of a search", "mend or remove"]),
], ids=["text", "line", "json", "broken-inside"])
def test_a_file_of_something_else_is_left_alone(tmp_path, content, fragments):
    path = tmp_path / "r.jsonl"
    if content is None:
        search(closed_form, SPACE, trials=3, seed=0, epochs=1, results=path)
        whole = path.read_bytes().splitlines(keepends=True)
        content = b"".join([*whole[:2], whole[2][:30] + b"\n", whole[3]])
    path.write_bytes(content)
    with refused(ValueError, str(path), *fragments):
        search(closed_form, SPACE, trials=3, seed=0, epochs=1, results=path)
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="a second handle of one process is not locked out on Windows")
def test_two_searches_do_not_write_one_file(tmp_path):
    def nested(config, epochs, seed):
        return search(closed_form, SPACE, trials=1, seed=0, epochs=1, results=tmp_path / "r.jsonl")

    row, = search(nested, SPACE, trials=1, seed=0, epochs=1, results=tmp_path / "r.jsonl")
    assert "another search is writing" in row["error"]



def test_a_worker_has_one_blas_thread_and_the_parent_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Processes(1) as executor:
        assert list(executor.map(os.getenv, ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])) == ["1", "1"]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2" and "OMP_NUM_THREADS" not in os.environ


def test_a_worker_with_several_blas_threads_is_warned_of(tmp_path, monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        with pytest.warns(RuntimeWarning, match="several BLAS threads.*OPENBLAS_NUM_THREADS=1"):
            rows = search(closed_form, SPACE, trials=2, seed=0, epochs=1, results=tmp_path / "r.jsonl",
                          executor=executor)
    assert all(row["score"] is not None for row in rows)


def test_a_killed_worker_costs_its_trial_a_second_run_and_no_other_anything(tmp_path):
    with executor_for("processes:2") as executor:
        rows = search(objectives.DiesOnce(str(tmp_path), 0.05), SPACE, trials=10, seed=0, epochs=1,
                      results=tmp_path / "r.jsonl", executor=executor)
    assert sorted(row["trial"] for row in lines(tmp_path / "r.jsonl")[1:]) == list(range(10))
    assert outcomes(rows) == outcomes(search(closed_form, SPACE, trials=10, seed=0, epochs=1,
                                             results=tmp_path / "serial"))
    assert len({pid for _, pid in started(tmp_path)}) == 3
    assert sorted(Counter(seed for seed, _ in started(tmp_path)).values()) == [1] * 9 + [2]


def test_a_trial_that_kills_every_worker_fails_alone(tmp_path):
    with executor_for("processes:2") as executor:
        rows = search(objectives.shallow_kills, SPACE, trials=8, seed=0, epochs=1,
                      results=tmp_path / "r.jsonl", executor=executor)
    killers = [row for row in rows if row["config"]["depth"] == 1]
    assert 0 < len(killers) < 8 and [row for row in rows if row["score"] is None] == killers
    assert all("its worker was lost: 3 workers ended" in row["error"] for row in killers)


def test_a_pool_that_broke_says_how_to_go_on(tmp_path):
    arguments = {"space": {**SPACE, "depth": choice(1)}, "trials": 2, "seed": 0, "epochs": 1,
                 "results": tmp_path / "r.jsonl"}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(RuntimeError, match="goes on where it stopped"):
            search(objectives.shallow_kills, executor=executor, **arguments)
    assert len(lines(tmp_path / "r.jsonl")) == 1


def test_tasks_of_processes():
    with Processes(2) as executor:
        assert list(executor.map(divmod, [7, 8], [2, 3])) == [(3, 1), (2, 2)]
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
        with pytest.raises((AttributeError, pickle.PicklingError)):
            executor.submit(lambda: 1).result()
        with pytest.raises(WorkerLost):
            executor.submit(objectives.kill_me).result()
        processes = [worker.process for worker in executor._started]
        slow = executor.submit(time.sleep, 60)
        wait_for(slow.running)
        executor.shutdown(cancel_futures=True)
    assert not any(process.is_alive() for process in processes)
    with pytest.raises(RuntimeError, match="after shutdown"):
        slow.result()
    with pytest.raises(RuntimeError):
        executor.submit(divmod, 1, 1)


def test_a_script_without_a_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from cs231n.executors import Processes\nProcesses(1).submit(divmod, 7, 2).result()")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(HERE.parent)})
    assert done.returncode == 1 and "try if __name__ == '__main__'" in done.stderr


@pytest.mark.parametrize("text", ["", "serial:2", "processes", "processes:0", "processes:x", "dask:"])
def test_an_unknown_executor_is_refused(text):
    with refused(ValueError, "serial, processes:N or dask:ADDRESS", repr(text), "try processes:"):
        executor_for(text).__enter__()


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[cluster\]'"):
        executor_for("dask:tcp://127.0.0.1:1").__enter__()



def test_images_reach_each_worker_once(tmp_path):
    with executor_for("processes:2") as executor:
        rows = search(objectives.TrainOnTinyImages(str(tmp_path)), CIFAR10_SPACE, trials=8, seed=0, epochs=2,
                      results=tmp_path / "r.jsonl", executor=executor)
    loads = [int(p.name.split("-")[1]) for p in tmp_path.glob("load-*")]
    workers = {int(row["worker"].split(":")[1]) for row in rows}
    assert len(loads) == len(set(loads)) == 2 and set(loads) == workers
    assert all(row["score"] > 0.05 for row in rows) and rows[0]["score"] > 0.3
    assert len(pickle.dumps(TrainOnCIFAR10("0" * 64))) < 200            # what travels with a trial


def test_training_repeats_and_says_when_it_diverged():
    config = {"learning_rate": 1e-3, "weight_decay": 1e-4, "depth": 2, "width": 16, "batch_size": 20}
    with objectives.tiny_images():
        train = TrainOnCIFAR10("tiny")
        assert train(config, 3, 5) == train(config, 3, 5) > 0.2
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="the loss is|overflows"):
            train(config | {"learning_rate": 1e30}, 3, 5)


def test_a_worker_with_other_images_stops_the_search(tmp_path):
    with objectives.tiny_images(), refused(DataError, "this worker has", "python -m cs231n data"):
        search(TrainOnCIFAR10("another"), CIFAR10_SPACE, trials=2, seed=0, epochs=1,
               results=tmp_path / "r.jsonl")
    assert len(lines(tmp_path / "r.jsonl")) == 1



def a_row(trial, score, epochs=1, **config):
    return {"trial": trial, "epochs": epochs, "config": config, "score": score} | \
        ({"error": "ValueError: " + 90 * "x"} if score is None else {})


def test_ranking_and_table():
    rows = [a_row(0, 0.3, rate=1e-3), a_row(1, None, rate=2e-3), a_row(2, 0.5, rate=0.00123456),
            a_row(2, 0.4, epochs=3, rate=0.00123456), a_row(3, -0.5, rate=4.0)]
    assert [(row["trial"], row["epochs"]) for row in ranked(rows)] == [(2, 3), (0, 1), (3, 1), (1, 1)]
    assert table(rows, ["rate"])[:5] == [
        "trial  epochs    score      rate",
        "    2       3   0.4000  0.001235",
        "    0       1   0.3000     0.001",
        "    3       1  -0.5000         4",
        "    1       1   failed     0.002"]
    assert table(rows, ["rate"])[5].startswith("trial 1 failed: ValueError: xxx")


def test_a_table_fits_a_terminal():
    names = [f"a_hyper_parameter_called_{i}" for i in range(6)]
    rows = [a_row(i, None if i % 3 else i / 100, **dict.fromkeys(names, 0.001234)) for i in range(40)]
    out = table(rows, names)
    assert max(map(len, out)) <= 80 and len(out) < 30
    assert "and 20 more" in out and sum("0.001234" in line for line in out) == 20


@pytest.mark.parametrize("scores", [[0.1, 0.5, None], [0.3], [None, None]])
def test_the_figure_has_a_line_a_trial(tmp_path, monkeypatch, scores):
    from matplotlib.axes import Axes
    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda self, y, *style, **_: drawn.append((len(y), style)))
    rows = [a_row(i, score, **propose(SPACE, 0, i)) for i, score in enumerate(scores)]
    draw(rows, SPACE, tmp_path / "r.png")
    assert sorted(drawn) == sorted((4, ("--",)) if score is None else (5, ()) for score in scores)
    assert (tmp_path / "r.png").stat().st_size > 5000



def command(folder, *argv):
    code = f"import search_objectives as o; o.main({str(folder)!r}, *{list(map(str, argv))!r})"
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.Popen([sys.executable, "-c", code], text=True, env={**os.environ, "PYTHONPATH": path},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_command_prints_a_table_and_draws(tmp_path):
    out, err = command(tmp_path, "--executor", "processes:2", "--trials", 9, "--epochs", 3, "--halving",
                       "--results", tmp_path / "deep" / "r.jsonl").communicate(timeout=60)
    assert err == ""
    assert out.splitlines()[0].split() == ["trial", "epochs", "score", *SPACE]
    assert out.splitlines()[1].split()[1] == "3" and len(out.splitlines()) == 14
    assert (tmp_path / "deep" / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("argv", "fragment"), [
    (["--executor", "slurm"], "search: executor must be serial"),
    (["--trials", "0"], "search: trials must be at least 1"),
    (["--results", "/dev/null/r.jsonl"], "search: "),
], ids=["executor", "trials", "folder"])
def test_the_command_says_what_it_cannot_do_in_a_line(tmp_path, argv, fragment):
    process = command(tmp_path, "--results", tmp_path / "r.jsonl", *argv)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and err.startswith(fragment) and len(err.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("executor", ["serial", pytest.param("processes:2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_what_was_interrupted_goes_on(tmp_path, executor, how):
    path, log = tmp_path / "r.jsonl", tmp_path / "log"
    log.mkdir()
    argv = ["--executor", executor, "--trials", 30, "--results", path, "--epochs", 1]
    process = command(log, *argv)
    wait_for(lambda: path.exists() and len(path.read_bytes().splitlines()) > 4)
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err == f"\nsearch: interrupted; {path} keeps what ended, and the same command goes on\n"
    wait_for(lambda: not any(map(alive, {pid for _, pid in started(log)})))         # no worker stays behind
    kept = lines(path)[1:]
    assert 3 < len(kept) < 30
    again = command(log, *argv)
    assert again.communicate(timeout=60)[1] == "" and again.returncode == 0
    assert sorted(row["trial"] for row in lines(path)[1:]) == list(range(30))
    assert lines(path)[1:len(kept) + 1] == kept
    twice = [seed for seed, runs in Counter(seed for seed, _ in started(log)).items() if runs > 1]
    assert len(twice) <= 2                                              # only what was running


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_are_on_the_disk_when_add_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append((tmp_path / "r").stat().st_size))
    with Results(tmp_path / "r", {"seed": 0}) as file:
        file.add(a_row(0, 0.5))
    assert len(synced) == 2 and synced[-1] == (tmp_path / "r").stat().st_size
