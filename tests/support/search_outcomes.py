"""What the tests of the search share: a search with short arguments, what its file holds, who is alive."""

import json
import os
import time
from pathlib import Path
from typing import Any

from cs231n.search import search
from cs231n.search.results import Row
from tests.support.search_objectives import SPACE, closed_form


def run_search(results: Path, objective=closed_form, space=SPACE, **more: Any) -> list[Row]:
    """search() with seed 0, for one epoch a trial, unless `more` says otherwise."""
    return search(objective, space, results=results, **{"seed": 0, "epochs": 1, **more})


def outcomes(rows: list[Row]) -> list[tuple]:
    """What must not depend on where a trial ran."""
    return [(row["trial"], row["epochs"], row["config"], row["score"], row.get("error")) for row in rows]


def lines(path: Path) -> list[dict]:
    """The header and the rows of a results file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
