"""Marking on a cluster: a scheduler and two workers, real processes that talk over TCP on this machine."""

import importlib.util
import signal

import pytest

from classroom.grading.grade import grade
from cs231n.common.executors import Serial, executor_for
from tests.support.cluster import cluster_in
from tests.support.grading import LAYERS, OPTIM, blank, function, solved, zipped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="needs dask: pip install '.[cluster]'"
    ),
]


def test_a_worker_killed_in_the_middle_loses_no_student(tmp_path):
    uphill = function("sgd_momentum", "w, dw, config=None", "_sgd_momentum(w, -dw, config)")
    for i in range(8):
        files = [solved(), blank(), solved(uphill, OPTIM)][i % 3]
        zipped(tmp_path / "in" / f"s{i}.zip", {**files, LAYERS: f"{files[LAYERS]}\n# {i}\n"})
    with cluster_in(tmp_path / "cluster") as cluster, executor_for(f"dask:{cluster.address}") as executor:
        victim, submit, ended = cluster.workers[0], executor.submit, []

        def kill_once(_):
            ended.append(1)
            if len(ended) == 2:
                victim.send_signal(signal.SIGKILL)
                victim.wait()

        def watched(*task):
            future = submit(*task)
            future.add_done_callback(kill_once)
            return future

        executor.submit = watched
        rows = grade(tmp_path / "in", tmp_path / "out", executor=executor, seed=3)
    assert victim.returncode == -signal.SIGKILL and len(ended) == 8
    alone = grade(tmp_path / "in", tmp_path / "alone", executor=Serial(), seed=3)

    def marks(rows):
        return [(row.student, row.error, row.results and row.results["tests"]) for row in rows]

    assert marks(rows) == marks(alone)
    assert [row.results["score"] for row in rows][:2] == [100, 0]
