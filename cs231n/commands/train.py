"""python -m cs231n train RECIPE: a recipe from its data to its test accuracy, in a folder of its own."""

import argparse
import json
import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from cs231n.common.files import atomic_write
from cs231n.common.terminal import log
from cs231n.contracts import require_count
from cs231n.data.whitening import Whitening
from cs231n.data_utils import data_source, warn_of_stand_in
from cs231n.recipes import RECIPES, augmentation_for, evaluate_on_test_set, prepare, solver_for
from cs231n.solver import Solver
from cs231n.training.checkpoint import read_arrays
from cs231n.training.ownership import require_new, require_unlocked
from cs231n.training.run_checkpoints import checkpoints

__all__ = ["add_arguments", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", choices=RECIPES, help="about 1, 3, 6 or 22 minutes on two cores")
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
    name, seed = arguments.recipe, arguments.seed
    folder = Path(arguments.run or f"runs/{name}-{seed}")
    try:
        require_count("train", "--seed", seed, 0)
        _train(name, seed, folder, arguments.resume)
    except FileExistsError:
        held = _recipe_in(folder)
        advice = f"to continue it: {_command(held, seed, folder)} --resume; " if held else ""
        log(f"train: there is a run in {folder} already; {advice}to start another: --run FOLDER")
        return 1
    except (OSError, ValueError) as error:
        log(f"train: {error}")
        return 1
    except KeyboardInterrupt:
        started = bool(checkpoints(folder))  # of this run: a folder with another one is refused before
        to_do = "to continue" if started else "nothing is trained yet; to start again"
        log(f"\ntrain: interrupted; {to_do}: {_command(name, seed, folder)}{' --resume' * started}")
        return 130
    return 0


def _train(name: str, seed: int, folder: Path, resume: bool) -> None:
    started = time.monotonic()
    if checkpoints(folder):
        require_unlocked(folder)
    if resume:
        if not checkpoints(folder):
            raise ValueError(f"there is no run in {folder}; to start one: {_command(name, seed, folder)}")
        if (held := _recipe_in(folder)) != name:
            raise ValueError(
                f"the run in {folder} is of {held or 'no recipe'}, not of {name}; try {held or '--run'}"
            )
        whitening = Whitening(**read_arrays("train", folder / "whitening.npz"))
        data, _ = prepare(whitening)
        solver = Solver.resume(folder, data, augment=augmentation_for(name))
    else:
        require_new(folder)
        print("whitening the images ...", flush=True)
        data, whitening = prepare()
        solver = solver_for(name, data, seed, run=folder)
        _save_whitening(folder / "whitening.npz", whitening)
    net = " - ".join(map(str, [3072, *RECIPES[name].hidden_dims, 10]))
    print(f"{name}: {net}, {RECIPES[name].epochs} epochs, {data_source()}", flush=True)
    solver._run.says_how_to_continue = False  # main does
    solver.train()
    print(f"validation accuracy  {100 * solver.check_accuracy(solver.X_val, solver.y_val):.1f} %")
    del data, solver.X_train  # room for the test images, which nothing has looked at so far
    share = evaluate_on_test_set(solver.model, whitening, RECIPES[name].view_pixels)
    print(f"test accuracy        {100 * share:.2f} %")
    seconds = time.monotonic() - started
    print(f"time                 {seconds:.0f} s on {_threads()}, peak memory {_peak_memory()}")
    print(f"written to           {folder}")
    warn_of_stand_in()


def _save_whitening(path: Path, whitening: Whitening) -> None:
    """Write the file, unless it is there since an attempt that ended before the first step."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(file, **whitening._asdict())
        return
    stored = read_arrays("train", path)
    if not all(np.array_equal(stored.get(name, ()), array) for name, array in whitening._asdict().items()):
        raise ValueError(f"{path} is of other images; try another --run")


def _command(name: str, seed: int, folder: Path) -> str:
    """The command line of a run, to be pasted into a shell."""
    words = ["python", "-m", "cs231n", "train", name, "--seed", str(seed), "--run", str(folder)]
    if os.name == "nt":
        return " ".join(f'"{word}"' if " " in word else word for word in words)
    return shlex.join(words)


def _recipe_in(folder: Path) -> str | None:
    """The recipe of the run in a folder; None if it can be continued by none."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        settings = config["model"]["hidden_dims"], config["solver"]["num_epochs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    recipes = [name for name, recipe in RECIPES.items() if (recipe.hidden_dims, recipe.epochs) == settings]
    return recipes[0] if recipes and checkpoints(folder) else None


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
