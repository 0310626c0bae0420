"""A run that is killed and resumed ends where the uninterrupted one does: the same bits in every array."""

import random
import time
from contextlib import ExitStack
from unittest.mock import Mock

import numpy as np
import pytest

from cs231n.solver import Solver
from cs231n.training import run_checkpoints
from cs231n.training.callbacks import EarlyStopping
from cs231n.training.checkpoint import snapshot
from tests.support import refused, resume_child
from tests.support.python import start_python
from tests.support.resume_child import STEPS_AN_EPOCH, all_of, at_step, frozen, image_data, start
from tests.support.tally import tried

pytestmark = [pytest.mark.reliability, pytest.mark.usefixtures("without_pictures")]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


class Stop(BaseException):
    """As Ctrl-C, but known to be ours."""


def train_until(solver, step, error=Stop):
    """Train, with the error in that step, counted from 1."""
    at_step(solver, step, Mock(side_effect=error))
    with pytest.raises(error):
        solver.train()


def resume_and_train(path):
    solver = Solver.resume(path, image_data())
    solver.train()
    return solver


def check(folder, expected, rng="Generator", step=3 * STEPS_AN_EPOCH + 2, **more):
    """Stop at a step, throw the stream away, resume, and compare everything with the whole run."""
    train_until(start(folder, rng, **more), step)
    np.random.seed(99)
    resumed = resume_and_train(folder)
    assert all_of(folder) == expected
    return resumed


@pytest.mark.parametrize("step", [1, 2, 6, 7, 20, 43, 48])
def test_a_run_stopped_at_a_step(folder, whole, step):
    check(folder, whole(), step=step)


@pytest.mark.parametrize("rng", ["RandomState", "global", "two"])
def test_every_kind_of_stream(folder, whole, rng):
    check(folder, whole(rng), rng)


def test_the_resumed_solver_is_the_one_that_trained(folder, tmp_path, whole):
    straight = start(tmp_path / "straight")
    straight.train()
    resumed = check(folder, whole())
    assert frozen(snapshot(resumed.model)) == frozen(snapshot(straight.model))
    assert frozen(resumed.best_params) == frozen(straight.best_params)
    for name in ("loss_history", "train_acc_history", "val_acc_history", "best_val_acc", "epoch"):
        assert frozen(getattr(resumed, name)) == frozen(getattr(straight, name)), name
    assert resumed.rng is resumed.model.dropout_param["rng"]


def child(folder, how, *save):
    """The run in a process of its own, at the moment it begins to train."""
    process = start_python([resume_child.__file__, folder, how, *save], stderr=None)
    process.stdout.readline()
    return process


def kill_until_done(folder, seed, span, kills):
    """SIGKILL at random moments within span seconds of the start, that many times; then to the end.

    Returns how many came before the end.
    """
    moments, landed = random.Random(seed), 0
    for turn in range(kills + 1):
        with child(folder, "resume" if run_checkpoints.checkpoints(folder) else "new") as process:
            if turn < kills:
                time.sleep(moments.uniform(0, span))
                process.kill()
        assert process.returncode in (0, -9)
        landed += process.returncode == -9
    assert process.returncode == 0
    return landed


def test_random_kills(tmp_path, whole, many):
    with child(tmp_path / "span", "new"):
        began = time.monotonic()
    span, enough, total = time.monotonic() - began, 20 if many else 1, 0
    for seed in range(20):
        landed = kill_until_done(tmp_path / str(seed), seed, 0.7 * span, kills=2)
        total += landed
        with ExitStack() as stack:
            for _ in range(landed):
                stack.enter_context(tried("Training", "kill -9 at a random moment"))
            assert all_of(tmp_path / str(seed)) == whole(), f"seed {seed}"
        if total >= enough:
            break
    assert total >= enough, "most kills came after the end, and prove nothing"


def test_killed_while_saving(tmp_path, whole, many):
    for save in (1, 2, 5, 9) if many else (2,):
        folder = tmp_path / str(save)
        with tried("Training", "kill -9 with half a checkpoint written"):
            with child(folder, "new", save) as killed:
                half = f".checkpoint_{(save - 1) * STEPS_AN_EPOCH}.npz.{killed.pid}"
            assert killed.returncode == -9
            assert [p.name.rsplit(".", 2)[0] for p in folder.glob(".*")] == [half]
            with child(folder, "resume" if save > 1 else "new") as resumed:
                pass
            assert resumed.returncode == 0 and all_of(folder) == whole()


def test_a_full_disk_leaves_the_checkpoint_before(monkeypatch, folder, whole):
    savez, count, expected, solver = np.savez, 0, whole(), start(folder)

    def full(file, **arrays):
        nonlocal count
        count += "state" in arrays
        if count == 4:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    words = "step 18 of the run .*No space left.*checkpoint_12.npz is still there.*Solver.resume"
    with pytest.raises(OSError, match=words):
        solver.train()
    assert frozen(solver.model.params) == frozen(solver.best_params)
    assert [p.name for p in run_checkpoints.checkpoints(folder)] == ["checkpoint_6.npz", "checkpoint_12.npz"]
    assert not list(folder.glob(".*"))
    monkeypatch.setattr(np, "savez", savez)
    resume_and_train(folder)
    assert all_of(folder) == expected


def test_an_older_checkpoint_by_name(folder, whole):
    start(folder).train()
    last = folder / "checkpoint_48.npz"
    last.write_bytes(last.read_bytes()[:-1000])
    with refused(
        ValueError, "_48.npz is not a checkpoint", f"try Solver.resume('{folder}/checkpoint_42.npz'"
    ):
        Solver.resume(folder, image_data())
    resume_and_train(folder / "checkpoint_42.npz")
    assert all_of(folder) == whole()


def test_a_finished_run_has_no_epochs_left(folder, whole):
    start(folder).train()
    resumed = resume_and_train(folder)
    assert len(resumed.loss_history) == 48 and all_of(folder) == whole()
    resumed.train()  # and then goes on as any other
    assert len(resumed.loss_history) == 96 and resumed.epoch == 16


def test_early_stopping_goes_on_being_patient(folder, whole):
    more = {"callbacks": [EarlyStopping(5)], "num_epochs": 40, "schedule": None}
    expected = whole(**more)
    epochs = len(expected["history"]) - 1
    assert 5 < epochs < 40
    check(folder, expected, step=(epochs - 1) * STEPS_AN_EPOCH, **more)


def test_ctrl_c_says_how_to_go_on(folder, capsys):
    first = start(folder, verbose=True)
    train_until(first, 15, KeyboardInterrupt)
    assert f"Solver.resume({str(folder)!r}, data)" in capsys.readouterr().out
    assert frozen(first.model.params) == frozen(first.best_params)
    assert len(resume_and_train(folder).loss_history) == 48
