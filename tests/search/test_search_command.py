"""python -m cs231n search: what it prints, and that it goes on after an interruption."""

import os
import signal
import sys
from collections import Counter

import pytest

optuna = pytest.importorskip("optuna", reason="needs optuna: pip install '.[search]'")

from cs231n import __main__  # noqa: E402
from cs231n.search import study  # noqa: E402
from tests.support import search_objectives  # noqa: E402
from tests.support.python import alive, start_python, wait_for  # noqa: E402
from tests.support.search_objectives import started  # noqa: E402


def command(train, folder, *argv):
    code = "import sys; from tests.support import search_objectives; search_objectives.main(*sys.argv[1:])"
    return start_python(["-c", code, train, folder, *argv])


def trials_in(path):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name="cs231n", storage=storage).trials


def test_the_command_prints_a_table_and_draws(tmp_path):
    path = tmp_path / "deep" / "s.journal"
    argv = "--jobs 2 --trials 9 --epochs 3 --pruner halving --storage".split()
    out, err = command("closed_form", tmp_path, *argv, path).communicate(timeout=60)
    head, first, *_ = out.splitlines()
    assert err == "" and head.split() == ["trial", "epochs", "score", "rate", "share", "depth"]
    best = max((t for t in trials_in(path) if t.value is not None), key=lambda t: (-t.state, t.value))
    assert first.split()[:3] == [str(best.number), "3", f"{best.value:.4f}"]
    assert len(out.splitlines()) == 13 and max(map(len, out.splitlines())) < 80 + len(str(path))
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_failed_trials_come_last_with_their_reasons(path, log):
    out, err = command("odd_depths_fail", log, "--trials", 9, "--storage", path).communicate(timeout=60)
    rows = [line.split() for line in out.splitlines()[1:10]]
    failed = [row[-1] in "135" for row in rows]
    assert err == "" and failed == sorted(failed) and True in failed
    assert all(("failed" in row) == fails for row, fails in zip(rows, failed))
    assert "failed: ValueError: a depth of 1 is not deep" in out


def test_a_search_without_a_score_draws_nothing(path, log):
    process = command("fails", log, "--trials", 1, "--storage", path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == "" and "trial 0 failed: ValueError: never" in out
    assert not path.with_suffix(".png").exists()


def test_trials_of_a_search_at_the_same_time_are_not_in_the_table(tmp_path, path):
    process = command("another_search_begins", tmp_path, "--trials", 1, "--storage", path)
    out, err = process.communicate(timeout=60)
    assert [trial.state.name for trial in trials_in(path)] == ["COMPLETE", "RUNNING"]
    assert process.returncode == 0 and err == "" and "failed" not in out
    assert [line.split()[0] for line in out.splitlines() if line] == ["trial", "0", "score", "figure"]
    assert path.with_suffix(".png").exists()


def test_without_a_trial_that_has_ended_there_is_no_table(monkeypatch, capsys, path, log):
    monkeypatch.setattr(study, "search", lambda study, a, digest: study.ask())
    with pytest.raises(SystemExit) as status:
        search_objectives.main("closed_form", str(log), "--storage", str(path))
    assert status.value.code == 0 and capsys.readouterr() == ("", "search: no trial has ended\n")


def test_a_figure_that_cannot_be_drawn_is_a_line(path, log):
    path.with_suffix(".png").mkdir()
    process = command("closed_form", log, "--trials", 1, "--storage", path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out.count("\n") == 4
    assert "RuntimeWarning: search: " in err and "is not drawn" in err


# fmt: off
@pytest.mark.parametrize("argv, fragment", [
    (["--trials", "0"], "search: trials must be at least 1"),
    (["--jobs", "0"], "search: jobs must be at least 1"),
    (["--seed", "-1"], "search: seed must be at least 0"),
    (["--storage", "/dev/null/s.journal"], "search: "),
    (["--storage", "/proc/s.journal"], "search: "),
    (["--storage", "sqlite:////dev/null/s.db"], "search: "),
    (["--storage", "nothing://s"], "search: "),
], ids=" ".join)
# fmt: on
def test_the_command_says_what_it_cannot_do_in_a_line(tmp_path, path, argv, fragment):
    process = command("closed_form", tmp_path, "--storage", path, *argv)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and err.startswith(fragment) and len(err.splitlines()) == 1


def test_a_worker_without_the_images_is_a_line(path, log):
    process = command("lacks_images", log, "--storage", path, "--jobs", 2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == "" and err == "search: a worker lacks the images\n"


@pytest.mark.parametrize("package, extra", [("optuna", "search"), ("distributed", "cluster")])
def test_without_an_extra_its_name_is_said(monkeypatch, capsys, path, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    for name in ("cs231n.commands.search", "cs231n.search.study", "cs231n.search.cifar10"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    argv = ["search", "--storage", str(path), "--scheduler", "tcp://127.0.0.1:9"]
    assert __main__.main(argv) == 1
    err = capsys.readouterr().err
    assert err == f"search: no {package} in this Python; try: pip install -e '.[{extra}]'\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_what_was_interrupted_goes_on(path, log, jobs, how):
    argv = ["slow", log, "--jobs", jobs, "--trials", 16, "--storage", path, "--epochs", 1]
    process = command(*argv)
    wait_for(lambda: len(started(log)) > 4)
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err == "\nsearch: interrupted; try the same command again\n"
    wait_for(lambda: not any(map(alive, {pid for *_, pid in started(log)})))  # no worker stays behind
    ended = {t.number: (t.params, t.value) for t in trials_in(path) if t.state.is_finished()}
    assert 3 <= len(ended) < 16
    again = command(*argv)
    assert again.communicate(timeout=60)[1] == "" and again.returncode == 0
    trials = trials_in(path)
    assert len(trials) == 16 and all(t.value is not None for t in trials)
    assert all((trials[n].params, trials[n].value) == outcome for n, outcome in ended.items())
    twice = [seed for seed, runs in Counter(seed for seed, *_ in started(log)).items() if runs > 1]
    assert len(twice) <= jobs  # only what was running


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_waits_for_no_trial(path, log):
    process = command("endless", log, "--storage", path)
    wait_for(lambda: started(log))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and err == "\nsearch: interrupted; try the same command again\n"
    wait_for(lambda: not any(alive(pid) for *_, pid in started(log)))


def test_two_searches_at_one_time_share_the_trials(path, log):
    argv = ["slow", log, "--jobs", 1, "--trials", 16, "--storage", path, "--epochs", 1]
    first, second = command(*argv), command(*argv)
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and err == ""
    trials = trials_in(path)
    assert 16 <= len(trials) <= 17 and all(t.value is not None for t in trials)
    by_process = Counter(pid for *_, pid in started(log))
    assert len(by_process) == 2 and min(by_process.values()) > 3 and by_process.total() <= len(trials) + 2
