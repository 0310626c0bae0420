"""A dask cluster of real processes that talk over TCP on this machine."""

import contextlib
import json
import subprocess

from tests.support.python import start_python, wait_for


class Cluster:
    """A scheduler, and workers of one thread each, in folder."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.where = folder / "scheduler.json"
        self.start("scheduler", "--port", "0")
        wait_for(lambda: self.where.exists() and self.where.read_text().endswith("}"))
        self.address = json.loads(self.where.read_text())["address"]

    def start(self, what, *options):
        local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        with open(self.folder / f"{what}-{len(self.processes)}.log", "w") as log:
            command = ["-m", "dask", what, "--scheduler-file", self.where, *options, *local]
            process = start_python(command, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def close(self):
        for process in reversed(self.processes):
            process.terminate()  # a nanny takes its worker with it
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster_in(folder, workers=2, nanny="--no-nanny"):
    from distributed import Client

    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.workers = [cluster.start("worker", "--nthreads", "1", nanny) for _ in range(workers)]
        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=30)
        yield cluster
    finally:
        cluster.close()
