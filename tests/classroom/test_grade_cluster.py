"""Marking in worker processes, here or behind a scheduler over TCP: one that is killed loses no student."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

import pytest

from classroom.grading.grade import grade
from classroom.grading.workers import Serial, executor_for
from tests.support.cluster import cluster_in
from tests.support.grading import LAYERS, OPTIM, blank, function, solved, zipped

pytestmark = pytest.mark.slow
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs dask: pip install '.[cluster]'"
)


@contextmanager
def processes(folder):
    """An executor, and a function that kills one of its workers."""
    with executor_for("processes:2") as executor:
        yield executor, lambda: os.kill(active_children()[0].pid, signal.SIGKILL)


@contextmanager
def cluster(folder):
    with cluster_in(folder) as cluster, executor_for(f"dask:{cluster.address}") as executor:
        yield executor, cluster.workers[0].kill
        assert cluster.workers[0].wait() == -signal.SIGKILL


@pytest.mark.parametrize("workers", [processes, pytest.param(cluster, marks=needs_dask)])
def test_a_worker_killed_in_the_middle_loses_no_student(workers, tmp_path):
    uphill = function("sgd_momentum", "w, dw, config=None", "_sgd_momentum(w, -dw, config)")
    for i in range(8):
        files = [solved(), blank(), solved(uphill, OPTIM)][i % 3]
        zipped(tmp_path / "in" / f"s{i}.zip", {**files, LAYERS: f"{files[LAYERS]}\n# {i}\n"})
    with workers(tmp_path / "cluster") as (executor, kill):
        submit, ended = executor.submit, []

        def kill_once(_):
            ended.append(1)
            if len(ended) == 4:  # of processes, the first two test the machine
                kill()

        def watched(*task):
            future = submit(*task)
            future.add_done_callback(kill_once)
            return future

        executor.submit = watched
        rows = grade(tmp_path / "in", tmp_path / "out", executor=executor, seed=3)
    assert len(ended) >= 8
    alone = grade(tmp_path / "in", tmp_path / "alone", executor=Serial(), seed=3)

    def marks(rows):
        return [(row.student, row.error, row.results and row.results["tests"]) for row in rows]

    assert marks(rows) == marks(alone)
    assert [row.results["score"] for row in rows][:2] == [108, 0]


def test_a_submission_that_ends_its_worker_each_time_costs_the_others_nothing(tmp_path, monkeypatch):
    """As one that needs all the memory of the machine."""
    for name in ("ada", "bob", "cyd"):
        files = solved()
        zipped(tmp_path / "in" / f"{name}.zip", {**files, LAYERS: f"{files[LAYERS]}\n# {name}\n"})
    with executor_for("processes:2") as executor:
        submit = executor.submit

        def poisoned(fn, submission, *task):
            kills = any("# bob" in content for content in getattr(submission, "files", {}).values())
            return submit(os._exit, 9) if kills else submit(fn, submission, *task)

        executor.submit = poisoned
        rows = grade(tmp_path / "in", tmp_path / "out", executor=executor, seed=3)
    assert [(row.student, row.results and row.results["score"]) for row in rows] == [
        ("ada", 108),
        ("bob", None),
        ("cyd", 108),
    ]
    assert rows[1].error.startswith(
        "two workers were killed while they marked it, perhaps for want of memory"
    )


WAITING = """
import os, sys, time
from classroom.grading.workers import executor_for
if __name__ == "__main__":
    with executor_for("processes:2") as executor:
        print(executor.submit(os.getpid).result(), end=" ")
        print(executor.submit(os.getenv, "OPENBLAS_NUM_THREADS").result(), flush=True)
        executor.submit(time.sleep, 60)
        if sys.argv[1] == "leave":
            sys.exit()
        time.sleep(60)
"""


@pytest.mark.parametrize("way", ["leave", "killed"])
def test_workers_end_with_the_grader_and_have_one_blas_thread(way, tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, str(tmp_path / "waiting.py"), way]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        pid, threads = process.stdout.readline().split()
        if way == "killed":
            process.kill()
        started = time.monotonic()
        process.wait(20)
    assert threads == "1" and time.monotonic() - started < 20
    while time.monotonic() - started < 20 and Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
