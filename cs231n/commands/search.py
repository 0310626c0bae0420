"""python -m cs231n search: hyper-parameters of a net on CIFAR-10, on one machine or on a cluster."""

import argparse
from pathlib import Path

from cs231n.common.executors import executor_for
from cs231n.common.terminal import log
from cs231n.data.sources import locate
from cs231n.data_utils import data_source
from cs231n.search import search
from cs231n.search.cifar10 import SPACE, TrainOnCIFAR10
from cs231n.search.results import draw, table

__all__ = ["add_arguments", "main"]

ETA = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor",
        default="serial",
        metavar="WHERE",
        help="where to run: serial, processes:N or dask:ADDRESS (default: serial)",
    )
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="number of trials (default: 20)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=3,
        metavar="E",
        help="epochs of a trial (default: 3); with --halving, of the longest",
    )
    parser.add_argument(
        "--halving",
        action="store_true",
        help=f"successive halving: the best 1/{ETA} train again, {ETA} times longer",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="random seed of the trials (default: 0)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("runs/search.jsonl"),
        metavar="FILE",
        help="file of results, from which the same search continues (default: runs/search.jsonl)",
    )


def main(arguments: argparse.Namespace) -> int:
    """Search, print a table, draw a figure.

    Returns:
        The exit status: 0, 1 if it cannot be done, 130 after Ctrl-C.
    """
    try:
        data, objective = data_source(), TrainOnCIFAR10(locate().digest)
        with executor_for(arguments.executor) as executor:
            rows = search(
                objective,
                SPACE,
                trials=arguments.trials,
                seed=arguments.seed,
                epochs=arguments.epochs,
                results=arguments.results,
                eta=ETA if arguments.halving else None,
                executor=executor,
            )
    except KeyboardInterrupt:
        log(f"\nsearch: interrupted; {arguments.results} has all ended trials; the same command continues")
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        log(f"search: {str(error).removeprefix('search: ')}")
        return 1
    print("\n".join(table(rows, SPACE)))
    picture = arguments.results.with_suffix(".png")
    draw(rows, SPACE, picture)
    print(f"\nscore    best validation accuracy, {data}\nresults  {arguments.results}\nfigure   {picture}")
    return 0
