"""python -m cs231n train RECIPE: a recipe from its data to its test accuracy, in a folder of its own."""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.contracts import require_count
from cs231n.data.whitening import Whitening
from cs231n.data_utils import data_source, warn_of_stand_in
from cs231n.recipes import RECIPES, augmentation_for, evaluate_on_test_set, prepare, solver_for
from cs231n.solver import Solver
from cs231n.training.checkpoint import read_arrays
from cs231n.training.run_folder import require_new

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", choices=RECIPES, help="about 1, 3 or 6 minutes on two cores")
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed for weights, batches and augmentation (default: 0)"
    )
    parser.add_argument("--run", metavar="FOLDER", help="folder to write into (default: runs/RECIPE-SEED)")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")


def main(arguments: argparse.Namespace) -> int:
    """Train, evaluate, print; the folder gets what training.run_folder lists, and whitening.npz.

    Returns:
        The exit status: 0, 1 if it cannot be done, 130 after Ctrl-C.
    """
    started = time.monotonic()
    name, seed = arguments.recipe, arguments.seed
    folder = Path(arguments.run or f"runs/{name}-{seed}")
    command = f"python -m cs231n train {name} --seed {seed} --run {folder}"
    try:
        require_count("train", "--seed", seed, 0)
        if arguments.resume:
            whitening = Whitening(**read_arrays("train", folder / "whitening.npz"))
            data, _ = prepare(whitening)
            solver = Solver.resume(folder, data, augment=augmentation_for(name))
        else:
            require_new(folder)
            print("whitening the images ...", flush=True)
            data, whitening = prepare()
            solver = solver_for(name, data, seed, run=folder)
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / "whitening.npz") as file:
                np.savez(file, **whitening._asdict())
        net = " - ".join(map(str, [3072, *RECIPES[name].hidden_dims, 10]))
        print(f"{name}: {net}, {RECIPES[name].epochs} epochs, {data_source()}", flush=True)
        solver.train()
    except FileExistsError:
        print(
            f"train: there is a run in {folder} already; to continue it: {command} --resume; to start "
            "another: --run FOLDER",
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ntrain: interrupted; to continue: {command} --resume", file=sys.stderr)
        return 130
    print(f"validation accuracy  {100 * solver.best_val_acc:.1f} %")
    del data, solver.X_train  # room for the test images, which nothing has looked at so far
    print(f"test accuracy        {100 * evaluate_on_test_set(solver.model, whitening):.2f} %")
    seconds = time.monotonic() - started
    print(f"time                 {seconds:.0f} s on {_threads()}, peak memory {_peak_memory()}")
    print(f"written to           {folder}")
    warn_of_stand_in()
    return 0


def _threads() -> str:
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or str(os.cpu_count())
    return f"{threads} thread{'s' * (threads != '1')}"


def _peak_memory() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return "unknown on this system"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{peak / (1e6 if sys.platform == 'darwin' else 1e3):,.0f} MB"
