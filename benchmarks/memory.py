"""Memory of whole training runs on CIFAR-10, each in its own process: its peak, and its growth by epoch.

python benchmarks/memory.py [--json FILE]
"""

import subprocess
import sys

from harness import ROOT, main, one_thread

one_thread()

RUNS = [([100] * 5, 100, 8), ([1024, 512, 256], 128, 4)]
TRAIN = """
import sys
from cs231n import fast_layers
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.data_utils import get_CIFAR10_data
from cs231n.solver import Solver

def megabytes(line):
    return int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith(line))) / 1000

hidden, batch, epochs = eval(sys.argv[1])
data = get_CIFAR10_data()
loaded = megabytes("VmHWM")
net = FullyConnectedNet(hidden, normalization="batchnorm", weight_scale=0.02, layers=fast_layers)
solver = Solver(net, data, update_rule="adam", batch_size=batch, num_epochs=1, verbose=False, rng=0)
used = []
for _ in range(epochs):
    solver.train()
    used.append(megabytes("VmRSS"))
print(loaded, used[0], used[1], used[-1], megabytes("VmHWM"))
"""


def measure():
    rows = []
    for run in RUNS:
        hidden, batch, epochs = run
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, repr(run)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        loaded, first, second, last, peak = map(float, done.stdout.split())
        rows.append(
            {
                "net, batch": f"{hidden}, {batch}",
                "epochs": epochs,
                "peak while loading, MB": f"{loaded:.0f}",
                "peak, MB": f"{peak:.0f}",
                "after epoch 1": f"{first:.0f}",
                "after epoch 2": f"{second:.0f}",
                "after the last": f"{last:.0f}",
            }
        )
    return rows


if __name__ == "__main__":
    main(__doc__, measure)
