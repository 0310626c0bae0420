"""A run that is killed and resumed ends where the uninterrupted one does: the same bits in every array."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest

from cs231n.solver import Solver
from cs231n.training import run_folder, run_state
from cs231n.training.checkpoint import snapshot
from cs231n.training.random_state import save_random_state
from tests.support import ROOT
from tests.support.resume_child import STEPS_AN_EPOCH, frozen, image_data, no_picture, start
from tests.support.tally import tried

pytestmark = pytest.mark.reliability

SUPPORT = ROOT / "tests" / "support"


def all_of(folder):
    """What a run left: its files, both checkpoints with the rng states, the history but for its seconds."""
    found = {"names": sorted(p.name for p in folder.iterdir())}
    for path in run_folder.checkpoints(folder):
        state, _ = run_folder.read_checkpoint(path)
        state["rows"] = [row[:2] + row[3:] for row in state["rows"]]
        found[path.name] = frozen(state)
    with np.load(folder / "model.npz") as file:
        found["model"] = frozen(dict(file))
    lines = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    found["history"] = [line[:2] + line[3:] for line in lines]
    found["config"] = json.loads((folder / "config.json").read_text())
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """all_of an uninterrupted run, for each kind of rng."""
    known = {}

    def of(rng="Generator", **more):
        key = (rng, *more.items())
        if key not in known:
            folder = tmp_path_factory.mktemp("whole") / "run"
            start(folder, rng, **more).train()
            known[key] = all_of(folder)
        return known[key]

    return of


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)


class Stop(BaseException):
    """As Ctrl-C, but known to be ours."""


def stop_at(monkeypatch, trained, step):
    """Have the net of the solver raise Stop in the loss of that step, counted from 1."""
    loss, taken = trained.model.loss, 0

    def counted(X, y=None):
        nonlocal taken
        taken += y is not None
        if taken == step:
            raise Stop
        return loss(X, y)

    monkeypatch.setattr(trained.model, "loss", counted)


def check(monkeypatch, folder, wanted, rng="Generator", step=3 * STEPS_AN_EPOCH + 2, **more):
    """Stop at a step, throw the stream away, resume, and compare everything with the whole run."""
    first = start(folder, rng, **more)
    stop_at(monkeypatch, first, step)
    with pytest.raises(Stop):
        first.train()
    np.random.seed(99)
    resumed = Solver.resume(folder, image_data())
    resumed.train()
    assert all_of(folder) == wanted
    return resumed


@pytest.mark.parametrize("step", [1, 2, 6, 7, 20, 43, 48])
def test_a_run_stopped_at_a_step(monkeypatch, tmp_path, whole, step):
    wanted = whole()
    check(monkeypatch, tmp_path / "run", wanted, step=step)


@pytest.mark.parametrize("rng", ["RandomState", "global", "two"])
def test_every_kind_of_stream(monkeypatch, tmp_path, whole, rng):
    check(monkeypatch, tmp_path / "run", whole(rng), rng)


def test_the_resumed_solver_is_the_one_that_trained(monkeypatch, tmp_path, whole):
    straight = start(tmp_path / "straight")
    straight.train()
    resumed = check(monkeypatch, tmp_path / "run", whole())
    assert frozen(snapshot(resumed.model)) == frozen(snapshot(straight.model))
    assert frozen(resumed.best_params) == frozen(straight.best_params)
    for name in ("loss_history", "train_acc_history", "val_acc_history", "best_val_acc", "epoch"):
        assert frozen(getattr(resumed, name)) == frozen(getattr(straight, name)), name
    assert resumed.rng is resumed.model.dropout_param["rng"]


def forget(monkeypatch, key, change):
    """Plant a bug: what a checkpoint holds under key comes back changed."""
    right = run_folder.read_checkpoint

    def wrong(path):
        state, folder = right(path)
        state[key] = change(state[key])
        return state, folder

    monkeypatch.setattr(run_folder, "read_checkpoint", wrong)


def unshare(saved):
    return {"held": {"solver": 1, "model": 2}, "states": [*saved["states"], saved["states"][1]]}


PLANTED = {
    "rng-not-restored": (
        "Generator",
        "streams",
        lambda s: save_random_state(solver=np.random.default_rng(5)) | {"held": {"solver": 1, "model": 1}},
    ),
    "one-rng-becomes-two": ("Generator", "streams", unshare),
    "optimizer-memory-lost": (
        "Generator",
        "optim_configs",
        lambda configs: {name: {k: v for k, v in c.items() if k not in "mvt"} for name, c in configs.items()},
    ),
    "statistics-lost": ("Generator", "bn_params", lambda ps: [{"mode": "train"} for _ in ps]),
    "schedule-starts-again": ("Generator", "counters", lambda c: c | {"_done": 0}),
    "decay-lost": ("Generator", "counters", lambda c: c | {"_rate": 2e-2}),
    "best-accuracy-lost": ("Generator", "counters", lambda c: c | {"best_val_acc": 0}),
    "history-lost": ("Generator", "histories", lambda h: h | {"train_acc_history": []}),
    "best-parameters-lost": (
        "Generator",
        "best",
        lambda best: [{name: 2 * w for name, w in best[0].items()}, best[1]],
    ),
    "float32-through-text": (
        "Generator",
        "params",
        lambda params: {
            name: np.array([float(f"{v:.6g}") for v in w.ravel()], w.dtype).reshape(w.shape)
            for name, w in params.items()
        },
    ),
}


@pytest.mark.parametrize("rng, key, change", PLANTED.values(), ids=PLANTED)
def test_the_check_rejects(monkeypatch, tmp_path, whole, rng, key, change):
    forget(monkeypatch, key, change)
    # In the last epoch but one no better parameters come, which would hide that the best were lost.
    step = 6 * STEPS_AN_EPOCH + 2 if key == "best" else 3 * STEPS_AN_EPOCH + 2
    wanted = whole(rng)
    with pytest.raises((AssertionError, IndexError)):
        check(monkeypatch, tmp_path / "run", wanted, rng, step=step)


def test_the_check_rejects_a_global_stream_that_is_not_restored(monkeypatch, tmp_path, whole):
    wanted = whole("global")
    monkeypatch.setattr(run_state, "load_random_state", lambda saved: dict.fromkeys(saved["held"], np.random))
    with pytest.raises(AssertionError):
        check(monkeypatch, tmp_path / "run", wanted, "global")


def child(folder, how, *save):
    """The run in a process of its own, at the moment it begins to train."""
    process = subprocess.Popen(
        [sys.executable, SUPPORT / "resume_child.py", folder, how, *map(str, save)],
        cwd=SUPPORT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    return process


def kill_until_done(folder, seed, span, kills):
    """SIGKILL at random moments within span seconds of the start, that many times; then to the end.

    Returns how many came before the end.
    """
    moments, landed = random.Random(seed), 0
    for turn in range(kills + 1):
        with child(folder, "resume" if run_folder.checkpoints(folder) else "new") as process:
            if turn < kills:
                time.sleep(moments.uniform(0, span))
                process.kill()
        assert process.returncode in (0, -9)
        landed += process.returncode == -9
    assert process.returncode == 0
    return landed


@pytest.fixture(scope="module")
def span(tmp_path_factory):
    """How long the child trains, in seconds."""
    with child(tmp_path_factory.mktemp("span") / "run", "new"):
        began = time.monotonic()
    return time.monotonic() - began


def test_random_kills(tmp_path, whole, span, many):
    wanted, total = 20 if many else 1, 0
    for seed in range(20):
        landed = kill_until_done(tmp_path / str(seed), seed, 0.7 * span, kills=2)
        total += landed
        with ExitStack() as stack:
            for _ in range(landed):
                stack.enter_context(tried("Training", "kill -9 at a random moment"))
            assert all_of(tmp_path / str(seed)) == whole(), f"seed {seed}"
        if total >= wanted:
            break
    assert total >= wanted, "most kills came after the end, and prove nothing"


def test_killed_while_saving(tmp_path, whole, many):
    for save in (1, 2, 5, 9) if many else (2,):
        folder = tmp_path / str(save)
        with tried("Training", "kill -9 with half a checkpoint written"):
            with child(folder, "new", save) as process:
                pass
            assert process.returncode == -9
            half = f".checkpoint_{(save - 1) * STEPS_AN_EPOCH}.npz.{process.pid}"
            assert [p.name.rsplit(".", 2)[0] for p in folder.glob(".*")] == [half]
            with child(folder, "resume" if save > 1 else "new") as process:
                pass
            assert process.returncode == 0 and all_of(folder) == whole()


def test_a_full_disk_leaves_the_checkpoint_before(monkeypatch, tmp_path, whole):
    folder, savez, count = tmp_path / "run", np.savez, 0
    wanted = whole()

    def full(file, **arrays):
        nonlocal count
        count += "state" in arrays
        if count == 4:
            file.write(b"half of it")
            raise OSError(28, "No space left on device")
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    trained = start(folder)
    with pytest.raises(
        OSError, match="step 18 of the run .*No space left.*checkpoint_12.npz is still there.*Solver.resume"
    ):
        trained.train()
    assert frozen(trained.model.params) == frozen(trained.best_params)
    assert [p.name for p in run_folder.checkpoints(folder)] == ["checkpoint_6.npz", "checkpoint_12.npz"]
    assert not list(folder.glob(".*"))
    monkeypatch.setattr(np, "savez", savez)
    Solver.resume(folder, image_data()).train()
    assert all_of(folder) == wanted


def test_an_older_checkpoint_by_name(monkeypatch, tmp_path, whole):
    folder, wanted = tmp_path / "run", whole()
    start(folder).train()
    last = folder / "checkpoint_48.npz"
    last.write_bytes(last.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="checkpoint_48.npz is no checkpoint.*checkpoint_42.npz"):
        Solver.resume(folder, image_data())
    Solver.resume(folder / "checkpoint_42.npz", image_data()).train()
    assert all_of(folder) == wanted


def test_a_finished_run_has_no_epochs_left(tmp_path, whole):
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    start(folder).train()
    resumed = Solver.resume(folder, image_data())
    resumed.train()
    assert len(resumed.loss_history) == 48 and all_of(folder) == whole()
    resumed.train()  # and then goes on as any other
    assert len(resumed.loss_history) == 96 and resumed.epoch == 16


def test_early_stopping_goes_on_being_patient(monkeypatch, tmp_path, whole):
    more = {"patience": 5, "num_epochs": 40, "schedule": "constant"}
    wanted = whole(**more)
    epochs = len(wanted["history"]) - 1
    assert 5 < epochs < 40
    check(monkeypatch, tmp_path / "run", wanted, step=(epochs - 1) * STEPS_AN_EPOCH, **more)


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path, capsys, whole):
    first = start(tmp_path / "run", verbose=True)
    stop_at(monkeypatch, first, 15)
    monkeypatch.setattr(sys.modules[__name__], "Stop", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert f"Solver.resume({str(tmp_path / 'run')!r}, data)" in capsys.readouterr().out
    assert frozen(first.model.params) == frozen(first.best_params)
    resumed = Solver.resume(tmp_path / "run", image_data())
    resumed.train()
    assert len(resumed.loss_history) == 48
