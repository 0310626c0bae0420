"""The small run of the tests of run folders; also trained in a process of its own, to be killed.

    python resume_child.py FOLDER new | resume [SAVE]

With SAVE it kills itself in the middle of writing that checkpoint, counted from 1.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cs231n import fast_layers
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.data.augment import flip_and_shift
from cs231n.solver import Solver
from cs231n.training import run_checkpoints, run_folder
from cs231n.training.callbacks import ClipGradients
from cs231n.training.schedules import one_cycle

STEPS_AN_EPOCH = 6


def image_data() -> dict[str, np.ndarray]:
    rng = np.random.RandomState(0)
    y = rng.randint(3, size=140)
    X = (rng.normal(size=(3, 3, 4, 4))[y] + 2 * rng.normal(size=(140, 3, 4, 4))).astype(np.float32)
    return {"X_train": X[:100], "y_train": y[:100], "X_val": X[100:], "y_val": y[100:]}


def start(folder: Path, rng: str = "Generator", **more: Any) -> Solver:
    """A Solver with everything that holds state: statistics, dropout, memory, schedule, random streams."""
    np.random.seed(3)
    generators = {
        "Generator": np.random.default_rng(5),
        "RandomState": np.random.RandomState(5),
        "global": np.random,
        "two": np.random.default_rng(5),
    }
    # fmt: off
    net = FullyConnectedNet(
        [12, 11], input_dim=48, num_classes=3, normalization="batchnorm", dropout_keep_ratio=0.8,
        weight_scale=0.2, rng=generators[rng], layers=fast_layers, label_smoothing=0.1)
    options = {
        "update_rule": "adamw", "optim_config": {"learning_rate": 2e-2}, "schedule": one_cycle(),
        "lr_decay": 0.99, "callbacks": [ClipGradients(1.0)], "augment": flip_and_shift, "batch_size": 16,
        "num_epochs": 8, "num_train_samples": 50, "rng": generators["RandomState" if rng == "two" else rng],
        "run": folder, "verbose": False}
    # fmt: on
    return Solver(net, image_data(), **{**options, **more})


def go_on(folder: Path) -> Solver:
    """Resume the run in the folder, or start it if there is no checkpoint, and train to the end."""
    solver = Solver.resume(folder, image_data()) if run_checkpoints.checkpoints(folder) else start(folder)
    solver.train()
    return solver


def at_step(solver: Solver, step: int, action) -> None:
    """Call action() in the loss of that training step, counted from 1."""
    loss, taken = solver.model.loss, 0

    def counted(X, y=None):
        nonlocal taken
        taken += y is not None
        if taken == step and y is not None:
            action()
        return loss(X, y)

    solver.model.loss = counted


def frozen(thing: Any) -> Any:
    """Nested dicts and lists with every array as its dtype, shape and bytes, to be compared by ==."""
    if isinstance(thing, (np.ndarray, np.generic)):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, dict):
        return {name: frozen(value) for name, value in thing.items()}
    return [frozen(value) for value in thing] if isinstance(thing, (list, tuple)) else thing


def all_of(folder: Path) -> dict[str, Any]:
    """What a run left: its files, both checkpoints with the rng states, the history but for its seconds."""
    content: dict[str, Any] = {"names": sorted(p.name for p in folder.iterdir())}
    for path in run_checkpoints.checkpoints(folder):
        state, _ = run_checkpoints.read_checkpoint(path)
        state["rows"] = [row[:2] + row[3:] for row in state["rows"]]
        content[path.name] = frozen(state)
    with np.load(folder / "model.npz") as file:
        content["model"] = frozen(dict(file))
    lines = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    content["history"] = [line[:2] + line[3:] for line in lines]
    content["config"] = json.loads((folder / "config.json").read_text())
    return content


def no_picture(run, solver):
    """In place of Run.finish, which would take most of the time."""
    (run.folder / "curves.png").touch()


def die_in_save(number: int) -> None:
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
