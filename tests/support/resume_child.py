"""The small run of test_resume.py and test_runs.py; also trained in a process of its own, to be killed.

    python resume_child.py FOLDER new | resume [SAVE]

With SAVE it kills itself in the middle of writing that checkpoint, counted from 1.
"""

import os
import signal
import sys

import numpy as np

from cs231n import fast_layers
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.data.augment import flip_and_shift
from cs231n.solver import Solver
from cs231n.training import run_folder

STEPS_AN_EPOCH = 6


def image_data():
    rng = np.random.RandomState(0)
    y = rng.randint(3, size=140)
    X = (rng.normal(size=(3, 3, 4, 4))[y] + 2 * rng.normal(size=(140, 3, 4, 4))).astype(np.float32)
    return {"X_train": X[:100], "y_train": y[:100], "X_val": X[100:], "y_val": y[100:]}


def start(folder, rng="Generator", **more):
    """A Solver with everything that holds state: statistics, dropout, memory, schedule, streams."""
    np.random.seed(3)
    streams = {
        "Generator": np.random.default_rng(5),
        "RandomState": np.random.RandomState(5),
        "global": np.random,
        "two": np.random.default_rng(5),
    }
    net_rng, rng = streams[rng], streams["RandomState" if rng == "two" else rng]
    net = FullyConnectedNet(
        [12, 11],
        input_dim=48,
        num_classes=3,
        normalization="batchnorm",
        dropout_keep_ratio=0.8,
        weight_scale=0.2,
        rng=net_rng,
        layers=fast_layers,
        label_smoothing=0.1,
    )
    return Solver(
        net,
        image_data(),
        **{
            "update_rule": "adamw",
            "optim_config": {"learning_rate": 2e-2},
            "schedule": "one_cycle",
            "lr_decay": 0.99,
            "clip_norm": 1.0,
            "augment": flip_and_shift,
            "batch_size": 16,
            "num_epochs": 8,
            "num_train_samples": 50,
            "rng": rng,
            "run": folder,
            "verbose": False,
            **more,
        },
    )


def frozen(thing):
    """Nested dicts and lists with every array as its dtype, shape and bytes, to be compared by ==."""
    if isinstance(thing, (np.ndarray, np.generic)):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, dict):
        return {name: frozen(value) for name, value in thing.items()}
    return [frozen(value) for value in thing] if isinstance(thing, (list, tuple)) else thing


def no_picture(run, solver):
    """In place of Run.finish, which would take most of the time."""
    (run.folder / "curves.png").touch()


def die_in_save(number):
    """Half of that checkpoint is written, and flushed, when SIGKILL comes."""
    whole, count = np.savez, 0

    def half(file, **arrays):
        nonlocal count
        count += "state" in arrays
        whole(file, **arrays)
        if count == number and "state" in arrays:
            file.truncate(file.tell() // 2)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    np.savez = half


if __name__ == "__main__":
    folder, how, *save = sys.argv[1:]
    run_folder.Run.finish = no_picture
    if save:
        die_in_save(int(save[0]))
    solver = Solver.resume(folder, image_data()) if how == "resume" else start(folder)
    print("training", flush=True)
    solver.train()
