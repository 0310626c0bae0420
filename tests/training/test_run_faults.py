"""A run that is stopped, or whose files or disk fail: no step is lost that a checkpoint holds."""

import os
import random
import shutil
import subprocess
import sys
import traceback
from unittest.mock import Mock

import numpy as np
import pytest

from cs231n.solver import Solver
from cs231n.training import run_checkpoints, run_folder
from tests.support import ROOT, full_disk_child
from tests.support.namespaces import can_unshare
from tests.support.resume_child import STEPS_AN_EPOCH, all_of, at_step, frozen, go_on, image_data, start
from tests.support.scripted import net, solver_of
from tests.support.tally import tried

pytestmark = pytest.mark.reliability

KIT = str(ROOT / "cs231n")


class Lines:
    """sys.settrace: count the lines of the kit that run, and raise KeyboardInterrupt before one of them."""

    def __init__(self, stop=None):
        self.count, self.stop = 0, stop

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(KIT):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.stop:
                raise KeyboardInterrupt
        return self

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)


def test_ctrl_c_before_any_line(whole, many, tmp_path, without_pictures):
    start(tmp_path / "first").train()  # what only a first run imports is no line of the others
    counted, moments = start(tmp_path / "counted"), random.Random(0)
    with Lines() as lines:
        counted.train()
    for i in range(50 if many else 3):
        folder = tmp_path / str(i)
        solver = start(folder)
        with tried("Training", "Ctrl-C before a random line of the kit"):
            with pytest.raises(KeyboardInterrupt) as stopped, Lines(moments.randint(1, lines.count)):
                solver.train()
            if not any(f.name == "restore" for f in traceback.extract_tb(stopped.tb)):  # its last act
                assert frozen(solver.model.params) == frozen(solver.best_params)
            go_on(folder)
            assert all_of(folder) == whole()


def test_a_folder_deleted_at_a_step(whole, many, tmp_path, without_pictures):
    """What is left is what an undisturbed run leaves, but perhaps for the last checkpoint but one."""
    for step in range(1, 8 * STEPS_AN_EPOCH + 1) if many else (1, 2, 30, 48):
        folder = tmp_path / str(step)
        solver = start(folder)
        at_step(solver, step, lambda folder=folder: shutil.rmtree(folder))
        with tried("Training", "the run folder is deleted during the run"):
            solver.train()
            left = all_of(folder)
            assert {"checkpoint_48.npz", "model.npz", "config.json", "history.csv"} <= set(left.pop("names"))
            assert left == {name: whole()[name] for name in left}


def test_a_picture_that_cannot_be_drawn_costs_no_run(tmp_path, monkeypatch):
    def gone(run, *_):
        shutil.rmtree(run.folder)
        run._write("curves.png", b"")

    monkeypatch.setattr(run_folder.Run, "_draw", gone)
    solver = start(tmp_path / "run", num_epochs=1)
    with tried("Training", "the run folder is deleted during the run"):
        with pytest.warns(RuntimeWarning, match="curves.png is not drawn .*No such file.* has its numbers"):
            solver.train()
        assert frozen(solver.model.params) == frozen(solver.best_params)


def spoilt(content, many):
    """A file cut short at every tenth of its length, and with a flipped bit at random places."""
    for tenth in range(10):
        yield content[: tenth * len(content) // 10]
    rng = np.random.RandomState(0)
    for at in rng.randint(len(content), size=80 if many else 50):
        changed = bytearray(content)
        changed[at] ^= 1 << rng.randint(8)
        yield bytes(changed)


def test_a_spoilt_file(tmp_path, many, without_pictures):
    """Refused by name, with the one before; a bit that means nothing, as of a date in a zip, may pass."""
    folder, refusals, X = tmp_path / "run", 0, image_data()["X_val"]
    start(folder).train()
    for name, read, hint in [
        (
            "checkpoint_48.npz",
            lambda: frozen(run_checkpoints.read_checkpoint(folder)[0]),
            "checkpoint_42.npz",
        ),
        ("model.npz", lambda: frozen(Solver.load(folder).loss(X)), "try"),
    ]:
        content, right = (folder / name).read_bytes(), read()
        for wrong in spoilt(content, many):
            (folder / name).write_bytes(wrong)
            with tried("Training", "a checkpoint cut short, or with a flipped bit"):
                try:
                    assert read() == right
                except ValueError as error:
                    assert name in str(error) and hint in str(error)
                    refusals += 1
        (folder / name).write_bytes(content)
    assert refusals > 60
    Solver.resume(folder / "checkpoint_42.npz", image_data())


# fmt: off
@pytest.mark.skipif(not can_unshare(), reason="needs a mount namespace, for a tmpfs that fills up")
@pytest.mark.parametrize("fault, what, cases", [
    ("full", "a disk that fills up", range(0, 200_000, 2048)),
    ("read-only", "a disk that becomes read-only at a step", range(0, 8 * STEPS_AN_EPOCH + 1)),
], ids=["full", "read-only"])
# fmt: on
def test_a_disk_that_fails(fault, what, cases, many, tmp_path):
    """No step is lost that a checkpoint holds; once there is room again, the run ends as it would have."""
    cases = cases if many else random.Random(0).sample(cases, 6)
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m tmpfs "$3" && exec "$@"', "sh"]
    command = [*mount, sys.executable, full_disk_child.__file__, tmp_path, fault, *map(str, cases)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, text=True, capture_output=True, env=environment)
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases), done.stderr
    for line in lines:
        with tried("Training", what):
            assert line == "held", done.stderr


def test_a_full_disk_under_checkpoint_name(tmp_path, monkeypatch, blobs):
    solver = solver_of(net(), blobs[0], num_epochs=5, checkpoint_name=str(tmp_path / "net"))
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", Mock(side_effect=[None, None, full]))
    words = "Solver.train: cannot write .*net_epoch_3.npz .*No space.*free disk space, or try another "
    with tried("Training", "a disk that fills up"):
        with pytest.raises(OSError, match=words + "checkpoint_name.* continues from them"):
            solver.train()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["net_epoch_1.npz", "net_epoch_2.npz"]
        assert solver.check_accuracy(solver.X_val, solver.y_val) == solver.best_val_acc
