"""python -m cs231n search: hyper-parameters of a net on CIFAR-10, on one machine or on several."""

import argparse
import warnings
from concurrent.futures import CancelledError
from pathlib import Path

from cs231n.common.pictures import draw_or_warn
from cs231n.common.terminal import log
from cs231n.contracts import require_count
from cs231n.data.errors import DataError
from cs231n.data.sources import locate
from cs231n.data_utils import data_source

__all__ = ["add_arguments", "main"]

STORAGE = "runs/search.journal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, pruners = parser.add_argument, ["none", "halving", "hyperband"]
    add("--trials", type=int, default=20, metavar="N", help="number of trials (default: 20)")
    add("--epochs", type=int, default=3, metavar="E", help="epochs of a trial (default: 3)")
    add("--jobs", type=int, default=1, metavar="N", help="trials at a time on this machine (default: 1)")
    add("--scheduler", metavar="ADDRESS", help="train on the workers of a dask scheduler: tcp://HOST:8786")
    add("--sampler", choices=["tpe", "random"], default="tpe", help="what draws the settings (default: tpe)")
    add("--pruner", choices=pruners, default="none", help="what ends poor trials early (default: none)")
    add("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")
    add("--storage", default=STORAGE, help=f"file or database URL of the results (default: {STORAGE})")


def main(a: argparse.Namespace) -> int:
    """Search, print a table, draw a figure. Returns: the exit status, 0 or 1."""
    import optuna

    from cs231n.search.study import open_study, search

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        for name, low in {"trials": 1, "epochs": 1, "jobs": 1, "seed": 0}.items():
            require_count("search", name, getattr(a, name), low)
        digest = locate().digest
        study = open_study(a, digest)
        search(study, a, digest)
    except CancelledError:
        log("search: the scheduler is gone; the same command continues")
        return 1
    except (ValueError, OSError, DataError, optuna.exceptions.OptunaError) as error:
        log(f"search: {str(error).removeprefix('search: ').partition(chr(10))[0]}")
        return 1
    ended = [t for t in study.trials if t.state.is_finished()]
    if not ended:
        log("search: no trial has ended")
        return 0
    trials = sorted(ended, key=lambda t: (t.state, -(t.last_step or 0), -(t.value or 0)))
    print_table(trials, a.epochs)
    print(f"\nscore    best validation accuracy, {data_source()}")
    if trials[0].value is not None:
        picture = Path(STORAGE if "://" in a.storage else a.storage).with_suffix(".png")
        draw_or_warn(lambda: draw(study, list(trials[0].params), picture), "search", picture, a.storage)
    return 0


def print_table(trials: list, epochs: int) -> None:
    names = list(trials[0].params)
    print("trial  epochs   score", *names, sep="  ")
    for t in trials[:20]:
        num_epochs = epochs if t.state.name == "COMPLETE" else t.last_step or 0
        score = "failed" if t.value is None else f"{t.value:.4f}"
        cells = [f"{t.params[name]:{len(name)}.4g}" for name in names]
        print(f"{t.number:5}  {num_epochs:6}  {score:>6}", *cells, sep="  ")
    for t in [t for t in trials if t.value is None][:5]:
        print(f"trial {t.number} failed: {t.user_attrs.get('reason')}")


def draw(study, names: list[str], path: Path) -> None:
    """Draw parallel coordinates into a file: a line for each trial that ran all epochs."""
    from matplotlib import pyplot
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    path.parent.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # that it is experimental, and that an axis has one value
    axes = plot_parallel_coordinate(study, names, target_name="score")
    axes.set_title("")
    axes.collections[0].set(cmap="viridis_r", linewidth=2)
    pyplot.gcf().set_size_inches(11, 5)
    pyplot.savefig(path, bbox_inches="tight")
    print(f"figure   {path}")
