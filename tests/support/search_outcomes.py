"""What the tests of the search share: what a results file holds, who is alive, and to wait for it."""

import json
import os
import time


def outcomes(rows):
    """What must not depend on where a trial ran."""
    return [(row["trial"], row["epochs"], row["config"], row["score"], row.get("error")) for row in rows]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
