"""The search on a cluster: a scheduler and two workers, real processes that talk over TCP on this machine."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from cs231n.common.executors import executor_for
from cs231n.search import search
from cs231n.search.cifar10 import SPACE as CIFAR10_SPACE
from cs231n.search.space import integer
from tests.support import ROOT
from tests.support import search_objectives as objectives
from tests.support.search_objectives import SPACE, Logged, started
from tests.support.search_outcomes import lines, outcomes, wait_for

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs dask: pip install '.[cluster]'"
)


class Cluster:
    """A scheduler, and workers of one thread each, in folder."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.where = folder / "scheduler.json"
        self.start("scheduler", "--port", "0")
        wait_for(lambda: self.where.exists() and self.where.read_text().endswith("}"))
        self.address = json.loads(self.where.read_text())["address"]

    def start(self, what, *options):
        path = str(ROOT)
        with open(self.folder / f"{what}-{len(self.processes)}.log", "w") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "dask",
                    what,
                    "--scheduler-file",
                    str(self.where),
                    *options,
                    "--host",
                    "127.0.0.1",
                    "--dashboard-address",
                    "127.0.0.1:0",
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            )
        self.processes.append(process)
        return process

    def wait_for_workers(self, count):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=30)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()  # a nanny takes its worker with it
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def cluster_in(folder, workers=2, nanny="--no-nanny"):
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.workers = [cluster.start("worker", "--nthreads", "1", nanny) for _ in range(workers)]
        cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(tmp_path):
    with cluster_in(tmp_path / "cluster") as cluster:
        yield cluster


def test_the_cluster_does_what_one_process_does_and_loads_the_images_once(tmp_path, cluster):
    def run(name, executor=None):
        return outcomes(
            search(
                objectives.seeds,
                SPACE,
                trials=12,
                seed=3,
                epochs=4,
                eta=2,
                results=tmp_path / name,
                executor=executor,
            )
        )

    with executor_for(f"dask:{cluster.address}") as executor:
        assert run("dask", executor) == run("serial")
        rows = search(
            objectives.TrainOnTinyImages(str(tmp_path)),
            CIFAR10_SPACE,
            trials=10,
            seed=0,
            epochs=2,
            results=tmp_path / "r.jsonl",
            executor=executor,
        )
    loads = Counter(int(p.name.split("-")[1]) for p in tmp_path.glob("load-*"))
    assert loads == {worker.pid: 1 for worker in cluster.workers}
    assert all(row["score"] is not None for row in rows)


def test_a_worker_killed_in_the_middle_loses_no_trial(tmp_path, cluster):
    objective, path, log = Logged(str(tmp_path / "log"), 0.2), tmp_path / "r.jsonl", tmp_path / "log"
    log.mkdir()
    victim = cluster.workers[0]

    def kill_once(*_):
        if len(lines(path)) > 5 and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    with executor_for(f"dask:{cluster.address}") as executor:
        submit = executor.submit

        def watched(*task):
            future = submit(*task)
            future.add_done_callback(kill_once)
            return future

        executor.submit = watched
        rows = search(objective, SPACE, trials=20, seed=0, epochs=1, results=path, executor=executor)
    assert victim.returncode == -signal.SIGKILL
    assert sorted(row["trial"] for row in lines(path)[1:]) == list(range(20)) and len(rows) == 20
    by_worker = Counter(pid for _, pid in started(log))
    assert by_worker.keys() == {worker.pid for worker in cluster.workers} and by_worker[victim.pid] < 18
    assert by_worker.total() <= 21  # what had ended did not run again, though dask likes to
    assert all(row["score"] is not None for row in rows)


@pytest.mark.slow
def test_a_trial_that_kills_every_worker_fails_alone(tmp_path):
    with cluster_in(tmp_path / "cluster", 1, "--nanny") as cluster:  # a nanny starts another worker
        space = {**SPACE, "depth": integer(1, 4)}
        with executor_for(f"dask:{cluster.address}") as executor:
            rows = search(
                objectives.shallow_kills,
                space,
                trials=8,
                seed=4,
                epochs=1,
                results=tmp_path / "r.jsonl",
                executor=executor,
            )
    (failed,) = [row for row in rows if row["score"] is None]
    assert failed["config"]["depth"] == 1 and "its worker was lost" in failed["error"]


@pytest.mark.slow
def test_a_search_that_lost_its_scheduler_stops_and_goes_on_elsewhere(tmp_path, cluster):
    path = tmp_path / "r.jsonl"
    (tmp_path / "log").mkdir()
    objective = Logged(str(tmp_path / "log"), 0.1)
    with executor_for(f"dask:{cluster.address}") as executor:
        submit, submitted = executor.submit, []

        def watched(*task):
            submitted.append(submit(*task))
            if len(submitted) == 20:
                submitted[3].add_done_callback(lambda _: cluster.close())
            return submitted[-1]

        executor.submit = watched
        start = time.monotonic()
        with pytest.raises(RuntimeError, match="goes on where it stopped"):
            search(objective, SPACE, trials=20, seed=0, epochs=1, results=path, executor=executor)
        assert time.monotonic() - start < 60
    kept = len(lines(path)) - 1
    assert 0 < kept < 20
    rows = search(objective, SPACE, trials=20, seed=0, epochs=1, results=path)
    assert len(rows) == len(lines(path)) - 1 == 20


@pytest.mark.slow
def test_no_scheduler_is_said():
    with pytest.raises(OSError, match="no scheduler answers at tcp://127.0.0.1:9"):
        executor_for("dask:tcp://127.0.0.1:9").__enter__()
