"""Where trials run: workers that are killed, that do not start, that have other images."""

import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from cs231n.common.executors import Processes, WorkerLost, _Worker, executor_for
from cs231n.data.errors import DataError
from cs231n.search.cifar10 import SPACE as CIFAR10_SPACE
from cs231n.search.cifar10 import TrainOnCIFAR10
from cs231n.search.space import choice
from tests.support import refused
from tests.support import search_objectives as objectives
from tests.support.python import run_python
from tests.support.search_objectives import SPACE, started
from tests.support.search_outcomes import lines, outcomes, run_search, wait_for


def spawning_pool():
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def test_a_worker_has_one_blas_thread_and_the_parent_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Processes(1) as executor:
        assert list(executor.map(os.getenv, ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])) == ["1", "1"]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2" and "OMP_NUM_THREADS" not in os.environ


def test_a_worker_with_several_blas_threads_is_warned_of(path, monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with spawning_pool() as executor:
        with pytest.warns(RuntimeWarning, match="several BLAS threads.*OPENBLAS_NUM_THREADS=1"):
            rows = run_search(path, trials=2, executor=executor)
    assert all(row["score"] is not None for row in rows)


def test_a_killed_worker_costs_its_trial_a_second_run_and_no_other_anything(tmp_path, path):
    with executor_for("processes:2") as executor:
        rows = run_search(path, objectives.DiesOnce(str(tmp_path), 0.05), trials=10, executor=executor)
    assert sorted(row["trial"] for row in lines(path)[1:]) == list(range(10))
    assert outcomes(rows) == outcomes(run_search(tmp_path / "serial", trials=10))
    assert len({pid for _, pid in started(tmp_path)}) == 3
    assert sorted(Counter(seed for seed, _ in started(tmp_path)).values()) == [1] * 9 + [2]


def test_a_trial_that_kills_every_worker_fails_alone(path):
    with executor_for("processes:2") as executor:
        rows = run_search(path, objectives.shallow_kills, trials=8, executor=executor)
    killers = [row for row in rows if row["config"]["depth"] == 1]
    assert 0 < len(killers) < 8 and [row for row in rows if row["score"] is None] == killers
    assert all("its worker was lost: 3 workers ended" in row["error"] for row in killers)


def test_a_pool_that_broke_says_how_to_go_on(path):
    with spawning_pool() as executor, pytest.raises(RuntimeError, match="continues where it stopped"):
        space = {**SPACE, "depth": choice(1)}
        run_search(path, objectives.shallow_kills, space, trials=2, executor=executor)
    assert len(lines(path)) == 1


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


def test_a_worker_killed_while_it_starts_is_no_error_of_the_task(monkeypatch):
    """The system tells one thread how it ended, the one that shuts down; the waiting one must learn it."""
    waitpid, waits, wait_until_ready = os.waitpid, threading.Event(), _Worker.wait_until_ready

    def first_to_the_main_thread(*args):
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.1)
        answer = waitpid(*args)
        time.sleep(0.3)
        return answer

    monkeypatch.setattr(os, "waitpid", first_to_the_main_thread)
    monkeypatch.setattr(_Worker, "wait_until_ready", lambda self: (waits.set(), wait_until_ready(self)))
    with Processes(1) as executor:
        future = executor.submit(divmod, 7, 2)
        assert waits.wait(30)
        executor.shutdown(cancel_futures=True)
    with pytest.raises(RuntimeError, match="after shutdown"):
        future.result()


def test_a_script_without_a_main_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from cs231n.common.executors import *\nProcesses(1).submit(divmod, 7, 2).result()")
    done = run_python([script])
    assert done.returncode == 1 and "below if __name__ == '__main__'" in done.stderr


@pytest.mark.parametrize("text", ["", "serial:2", "processes", "processes:0", "processes:x", "dask:"])
def test_an_unknown_executor_is_refused(text):
    with refused(ValueError, "serial, processes:N or dask:ADDRESS", repr(text), "try processes:"):
        executor_for(text).__enter__()


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[cluster\]'"):
        executor_for("dask:tcp://127.0.0.1:1").__enter__()


def test_images_reach_each_worker_once(tmp_path, path):
    train = objectives.TrainOnTinyImages(str(tmp_path))
    with executor_for("processes:2") as executor:
        rows = run_search(path, train, CIFAR10_SPACE, trials=8, epochs=2, executor=executor)
    loads = [int(p.name.split("-")[1]) for p in tmp_path.glob("load-*")]
    workers = {int(row["worker"].split(":")[1]) for row in rows}
    assert len(loads) == len(set(loads)) == 2 and set(loads) == workers
    assert all(row["score"] > 0.05 for row in rows) and rows[0]["score"] > 0.3
    assert len(pickle.dumps(TrainOnCIFAR10("0" * 64))) < 200  # what travels with a trial


def test_training_repeats_and_says_when_it_diverged():
    config = {"learning_rate": 1e-3, "weight_decay": 1e-4, "depth": 2, "width": 16, "batch_size": 20}
    with objectives.tiny_images():
        train = TrainOnCIFAR10("tiny")
        assert train(config, 3, 5) == train(config, 3, 5) > 0.2
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="the loss is|overflows"):
            train(config | {"learning_rate": 1e30}, 3, 5)


def test_a_worker_with_other_images_stops_the_search(path):
    with objectives.tiny_images(), refused(DataError, "this worker has", "python -m cs231n data"):
        run_search(path, TrainOnCIFAR10("another"), CIFAR10_SPACE, trials=2)
    assert len(lines(path)) == 1
