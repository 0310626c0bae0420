"""The search on a cluster: a scheduler and two workers, real processes that talk over TCP on this machine."""

import contextlib
import importlib.util
import signal
import time
from collections import Counter

import pytest

from cs231n.common.executors import executor_for
from cs231n.search.cifar10 import SPACE as CIFAR10_SPACE
from cs231n.search.space import integer
from tests.support import search_objectives as objectives
from tests.support.cluster import cluster_in
from tests.support.search_objectives import SPACE, Logged, started
from tests.support.search_outcomes import lines, outcomes, run_search

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs dask: pip install '.[cluster]'"
)


@pytest.fixture
def cluster(tmp_path):
    with cluster_in(tmp_path / "cluster") as cluster:
        yield cluster


@contextlib.contextmanager
def watched_executor(cluster, watch):
    """The cluster as an executor; watch(number of tasks, future) is called after each submit."""
    with executor_for(f"dask:{cluster.address}") as executor:
        submit, count = executor.submit, 0

        def submit_and_watch(*task):
            nonlocal count
            count, future = count + 1, submit(*task)
            watch(count, future)
            return future

        executor.submit = submit_and_watch
        yield executor


def test_the_cluster_does_what_one_process_does_and_loads_the_images_once(tmp_path, cluster):
    arguments = {"objective": objectives.seeds, "trials": 12, "seed": 3, "epochs": 4, "eta": 2}
    images = {"objective": objectives.TrainOnTinyImages(str(tmp_path)), "space": CIFAR10_SPACE}
    with executor_for(f"dask:{cluster.address}") as executor:
        on_cluster = run_search(tmp_path / "dask", executor=executor, **arguments)
        rows = run_search(tmp_path / "r.jsonl", trials=10, epochs=2, executor=executor, **images)
    assert outcomes(on_cluster) == outcomes(run_search(tmp_path / "serial", **arguments))
    loads = Counter(int(p.name.split("-")[1]) for p in tmp_path.glob("load-*"))
    assert loads == {worker.pid: 1 for worker in cluster.workers}
    assert all(row["score"] is not None for row in rows)


def test_a_worker_killed_in_the_middle_loses_no_trial(path, cluster, log):
    victim = cluster.workers[0]

    def kill_once(*_):
        if len(lines(path)) > 5 and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    with watched_executor(cluster, lambda _, future: future.add_done_callback(kill_once)) as executor:
        rows = run_search(path, Logged(str(log), 0.2), trials=20, executor=executor)
    assert victim.returncode == -signal.SIGKILL
    assert sorted(row["trial"] for row in lines(path)[1:]) == list(range(20)) and len(rows) == 20
    by_worker = Counter(pid for _, pid in started(log))
    assert by_worker.keys() == {worker.pid for worker in cluster.workers} and by_worker[victim.pid] < 18
    assert by_worker.total() <= 21  # what had ended did not run again, though dask likes to
    assert all(row["score"] is not None for row in rows)


@pytest.mark.slow
def test_a_trial_that_kills_every_worker_fails_alone(tmp_path, path):
    space = {**SPACE, "depth": integer(1, 4)}
    with cluster_in(tmp_path / "cluster", 1, "--nanny") as cluster:  # a nanny starts another worker
        with executor_for(f"dask:{cluster.address}") as executor:
            rows = run_search(path, objectives.shallow_kills, space, trials=8, seed=4, executor=executor)
    (failed,) = [row for row in rows if row["score"] is None]
    assert failed["config"]["depth"] == 1 and "its worker was lost" in failed["error"]


@pytest.mark.slow
def test_a_search_that_lost_its_scheduler_stops_and_goes_on_elsewhere(path, cluster, log):
    objective, futures = Logged(str(log), 0.1), []

    def close_after_the_fourth(count, future):
        futures.append(future)
        if count == 20:
            futures[3].add_done_callback(lambda _: cluster.close())

    start = time.monotonic()
    with watched_executor(cluster, close_after_the_fourth) as executor:
        with pytest.raises(RuntimeError, match="continues where it stopped"):
            run_search(path, objective, trials=20, executor=executor)
        assert time.monotonic() - start < 60
    assert 0 < len(lines(path)) - 1 < 20
    rows = run_search(path, objective, trials=20)
    assert len(rows) == len(lines(path)) - 1 == 20


@pytest.mark.slow
def test_no_scheduler_is_said():
    with pytest.raises(OSError, match="no scheduler answers at tcp://127.0.0.1:9"):
        executor_for("dask:tcp://127.0.0.1:9").__enter__()
