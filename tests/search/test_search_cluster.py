"""The search on a cluster: a scheduler and two workers, real processes that talk over TCP on this machine."""

import signal
import threading
import time
from collections import Counter

import pytest

reason = "needs optuna and dask: pip install '.[search,cluster]'"
pytest.importorskip("optuna", reason=reason)
pytest.importorskip("distributed", reason=reason)

from concurrent.futures import CancelledError  # noqa: E402

from optuna.trial import TrialState  # noqa: E402

from cs231n.search import cifar10  # noqa: E402
from tests.support import search_objectives as objectives  # noqa: E402
from tests.support.cluster import cluster_in  # noqa: E402
from tests.support.python import wait_for  # noqa: E402
from tests.support.search_objectives import outcomes, run_search, started  # noqa: E402


@pytest.fixture
def cluster(tmp_path):
    with cluster_in(tmp_path / "cluster") as cluster:
        yield cluster


def test_the_cluster_does_what_one_process_does_and_loads_the_images_once(tmp_path, path, log, cluster):
    on_cluster = run_search(path, objectives.seeds, trials=12, scheduler=cluster.address)
    assert outcomes(on_cluster) == outcomes(
        run_search(tmp_path / "local.journal", objectives.seeds, trials=12)
    )
    images = objectives.trains_on_tiny_images, log, cifar10.suggest
    trained = run_search(tmp_path / "t.journal", *images, trials=10, epochs=2, scheduler=cluster.address)
    assert all(trial.state == TrialState.COMPLETE for trial in trained.trials)
    loads = Counter(int(p.name.split("-")[1]) for p in log.glob("load-*"))
    assert loads == {worker.pid: 1 for worker in cluster.workers}


@pytest.mark.parametrize("pruner", ["none", "halving"])
def test_a_worker_killed_in_the_middle_loses_no_trial(path, log, cluster, pruner):
    victim = cluster.workers[0]

    def kill_once():
        wait_for(lambda: len(started(log)) > 9 and victim.pid in {pid for *_, pid in started(log)})
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    killer = threading.Thread(target=kill_once)
    killer.start()
    more = {"trials": 20, "epochs": 3, "scheduler": cluster.address, "pruner": pruner}
    study = run_search(path, objectives.slow, log, **more)
    killer.join()
    assert victim.returncode == -signal.SIGKILL
    states = Counter(trial.state for trial in study.trials)
    assert len(study.trials) == 20 == states[TrialState.COMPLETE] + states[TrialState.PRUNED]
    assert bool(states[TrialState.PRUNED]) == (pruner != "none")
    begun = Counter((seed, epoch) for seed, epoch, _ in started(log))
    # What the killed worker was running, and what it had ended when its score was not fetched yet.
    assert sum(runs > 1 for (_, epoch), runs in begun.items() if epoch == 1) <= 2
    assert {pid for *_, pid in started(log)} == {worker.pid for worker in cluster.workers}


@pytest.mark.slow
def test_a_trial_that_kills_every_worker_fails_alone(tmp_path, path, log):
    with cluster_in(tmp_path / "cluster", 1, "--nanny") as cluster:  # a nanny starts another worker
        study = run_search(path, objectives.shallow_kills, log, trials=6, scheduler=cluster.address)
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert failed and failed == [trial for trial in study.trials if trial.params["depth"] == 1]
    assert all("KilledWorker" in trial.user_attrs["reason"] for trial in failed)


@pytest.mark.slow
def test_a_search_that_lost_its_scheduler_stops_and_goes_on_elsewhere(path, log, cluster):
    def close():
        wait_for(lambda: len(started(log)) > 4)
        cluster.close()

    closer = threading.Thread(target=close)
    closer.start()
    start = time.monotonic()
    with pytest.raises((CancelledError, OSError)):
        run_search(path, objectives.slow, log, trials=12, scheduler=cluster.address)
    assert time.monotonic() - start < 60
    closer.join()
    study = run_search(path, objectives.slow, log, trials=12)
    assert len(study.trials) == 12 and all(t.state == TrialState.COMPLETE for t in study.trials)


@pytest.mark.slow
def test_no_scheduler_is_said(path):
    with pytest.raises(OSError, match="tcp://127.0.0.1:9"):
        run_search(path, trials=1, scheduler="tcp://127.0.0.1:9")
