"""python -m cs231n search: what it prints, and that it goes on after an interruption."""

import os
import signal
from collections import Counter

import pytest

from tests.support.python import start_python
from tests.support.search_objectives import SPACE, started
from tests.support.search_outcomes import alive, lines, wait_for


def command(folder, *argv):
    code = "import sys; from tests.support import search_objectives; search_objectives.main(*sys.argv[1:])"
    return start_python(["-c", code, folder, *argv])


def test_the_command_prints_a_table_and_draws(tmp_path):
    path = tmp_path / "deep" / "r.jsonl"
    argv = "--executor processes:2 --trials 9 --epochs 3 --halving --results".split()
    out, err = command(tmp_path, *argv, path).communicate(timeout=60)
    head, first, *_ = out.splitlines()
    assert err == "" and head.split() == ["trial", "epochs", "score", *SPACE]
    assert first.split()[1] == "3" and len(out.splitlines()) == 14
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


# fmt: off
@pytest.mark.parametrize("argv, fragment", [
    (["--executor", "slurm"], "search: executor must be serial"),
    (["--trials", "0"], "search: trials must be at least 1"),
    (["--results", "/dev/null/r.jsonl"], "search: "),
], ids=["executor", "trials", "folder"])
# fmt: on
def test_the_command_says_what_it_cannot_do_in_a_line(tmp_path, path, argv, fragment):
    process = command(tmp_path, "--results", path, *argv)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and err.startswith(fragment) and len(err.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("executor", ["serial", pytest.param("processes:2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_what_was_interrupted_goes_on(path, log, executor, how):
    argv = [log, "--executor", executor, "--trials", 30, "--results", path, "--epochs", 1]
    process = command(*argv)
    wait_for(lambda: path.exists() and len(path.read_bytes().splitlines()) > 4)
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err == f"\nsearch: interrupted; {path} has all ended trials; the same command continues\n"
    wait_for(lambda: not any(map(alive, {pid for _, pid in started(log)})))  # no worker stays behind
    stored = lines(path)[1:]
    assert 3 < len(stored) < 30
    again = command(*argv)
    assert again.communicate(timeout=60)[1] == "" and again.returncode == 0
    assert sorted(row["trial"] for row in lines(path)[1:]) == list(range(30))
    assert lines(path)[1 : len(stored) + 1] == stored
    twice = [seed for seed, runs in Counter(seed for seed, _ in started(log)).items() if runs > 1]
    assert len(twice) <= 2  # only what was running
