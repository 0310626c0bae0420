"""Time of a training step with one BLAS thread and with two, while the other core is idle or busy.

    python benchmarks/threads.py [--json FILE]

Each setting runs in a process of its own, since a BLAS takes its threads when it is loaded. The other work is
one more such process, in an endless loop of matrix products on one thread.
"""

import os
import statistics
import subprocess
import sys

from harness import ROOT, main, one_thread

BUSY = "import numpy as np; a = np.ones((500, 500), np.float32)\nwhile True: a @ a"
STEP = """
import sys, time
sys.path[:0] = ["benchmarks", "."]
import numpy as np
from cs231n import fast_layers
from training import our_step
hidden, batch = {net}
X, y = np.random.randn(batch, 3, 32, 32).astype(np.float32), np.random.randint(10, size=batch)
step = our_step(hidden, X, y, fast_layers, fast_layers.adam)
for _ in range(30):
    step()
times = []
end = time.perf_counter() + 4
while time.perf_counter() < end:
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
times.sort()
print(times[len(times) // 2])
"""


def run(net, threads):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", STEP.format(net=net)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def measure():
    rows = []
    for net in ["[100] * 5, 100", "[1024, 512, 256], 128"]:
        for other in ("idle", "at work"):
            busy = None
            if other == "at work":
                busy = subprocess.Popen(
                    [sys.executable, "-c", BUSY], env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
                )
            try:
                one, two = (statistics.median(run(net, threads) for _ in range(3)) for threads in (1, 2))
            finally:
                if busy:
                    busy.kill()
                    busy.wait()
            rows.append(
                {
                    "net, batch": net,
                    "other core": other,
                    "1 thread, ms": f"{1e3 * one:.2f}",
                    "2 threads, ms": f"{1e3 * two:.2f}",
                    "gain": f"{one / two:.2f}",
                }
            )
    return rows


if __name__ == "__main__":
    one_thread()
    main(__doc__, measure)
