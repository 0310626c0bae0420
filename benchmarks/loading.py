"""Time and peak memory of loading CIFAR-10, each time in a new process.

    python benchmarks/loading.py [--json FILE]

The usual loader reads the five pickled batches into float64, as the public course's does; its batches are
written to a temporary folder first, from the images the kit has.
"""

import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import ROOT, main, one_thread

one_thread()

OURS = "from cs231n.data_utils import get_CIFAR10_data; data = get_CIFAR10_data()"
USUAL = """
import os, pickle
import numpy as np
def batch(name):
    with open(os.path.join(sys.argv[1], name), "rb") as f:
        d = pickle.load(f, encoding="latin1")
    X = d["data"].reshape(10000, 3, 32, 32).transpose(0, 2, 3, 1).astype("float")
    return X, np.array(d["labels"])
Xs, ys = zip(*[batch(f"data_batch_{i}") for i in range(1, 6)])
X, y = np.concatenate(Xs), np.concatenate(ys)
Xte, yte = batch("test_batch")
X_train, X_val, X_test = X[:49000], X[49000:], Xte[:1000]
mean = np.mean(X_train, axis=0)
X_train -= mean; X_val -= mean; X_test -= mean
X_train = X_train.transpose(0, 3, 1, 2).copy()
X_val = X_val.transpose(0, 3, 1, 2).copy()
"""
MEASURE = """
import sys, time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(peak) / 1000)
"""


def write_batches(folder):
    from cs231n.data_utils import get_CIFAR10_data

    data = get_CIFAR10_data(50_000, 0, 10_000, subtract_mean=False)
    for i in range(6):
        X, y = (data["X_train"], data["y_train"]) if i < 5 else (data["X_test"], data["y_test"])
        rows = slice(10_000 * (i % 5), 10_000 * (i % 5 + 1))
        name = f"data_batch_{i + 1}" if i < 5 else "test_batch"
        (folder / name).write_bytes(
            pickle.dumps({"data": X[rows].reshape(10_000, -1).astype("uint8"), "labels": y[rows].tolist()})
        )


def measure():
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_batches(Path(folder))
        for name, code in [("get_CIFAR10_data", OURS), ("the usual loader", USUAL)]:
            runs = []
            for _ in range(5):
                done = subprocess.run(
                    [sys.executable, "-c", MEASURE.format(code=code), folder],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                runs.append([float(t) for t in done.stdout.split()])
            seconds, peaks = zip(*runs)
            rows.append(
                {
                    "loader": name,
                    "seconds, median": f"{statistics.median(seconds):.2f}",
                    "slowest": f"{max(seconds):.2f}",
                    "peak MB": f"{max(peaks):.0f}",
                }
            )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
