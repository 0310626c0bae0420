"""A run that is stopped, or whose files or disk fail: no step is lost that a checkpoint holds."""

import os
import random
import shutil
import subprocess
import sys
import traceback

import pytest

from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.solver import Solver
from cs231n.training import run_folder
from tests.support import ROOT
from tests.support.namespaces import can_unshare
from tests.support.resume_child import STEPS_AN_EPOCH, frozen, image_data, no_picture, start
from tests.support.tally import tried
from tests.training.test_resume import SUPPORT, all_of

pytestmark = pytest.mark.reliability

KIT = str(ROOT / "cs231n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_folder.Run, "finish", no_picture)
        start(folder).train()
    return all_of(folder)


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


def test_ctrl_c_before_any_line(whole, many, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)
    counted = start(tmp_path / "counted")
    with Lines() as lines:
        counted.train()
    moments = random.Random(0)
    for i in range(50 if many else 3):
        folder = tmp_path / str(i)
        solver = start(folder)
        with tried("Training", "Ctrl-C before a random line of the kit"):
            with pytest.raises(KeyboardInterrupt) as stopped, Lines(moments.randint(1, lines.count)):
                solver.train()
            if not any(f.name == "restore" for f in traceback.extract_tb(stopped.tb)):  # its last act
                assert frozen(solver.model.params) == frozen(solver.best_params)
            (Solver.resume(folder, image_data()) if run_folder.checkpoints(folder) else start(folder)).train()
            assert all_of(folder) == whole


def test_a_folder_deleted_at_a_step(whole, many, tmp_path, monkeypatch):
    """What is left is what an undisturbed run leaves, but perhaps for the last checkpoint but one."""
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)
    for step in range(1, 8 * STEPS_AN_EPOCH + 1) if many else (1, 2, 30, 48):
        folder = tmp_path / str(step)
        solver = start(folder)
        loss, taken = solver.model.loss, 0

        def deleting(X, y=None, loss=loss, folder=folder, step=step):
            nonlocal taken
            taken += y is not None
            if taken == step and y is not None:
                shutil.rmtree(folder)
            return loss(X, y)

        solver.model.loss = deleting
        with tried("Training", "the folder deleted during the run"):
            solver.train()
            found = all_of(folder)
            assert {name: whole[name] for name in found if name != "names"} == {
                name: found[name] for name in found if name != "names"
            }
            assert {"checkpoint_48.npz", "model.npz", "config.json", "history.csv"} <= set(found["names"])


def test_a_picture_that_cannot_be_drawn_costs_no_run(tmp_path, monkeypatch):
    def gone(run, *_):
        shutil.rmtree(run.folder)
        run._write("curves.png", b"")

    monkeypatch.setattr(run_folder.Run, "_draw", gone)
    solver = start(tmp_path / "run", num_epochs=1)
    with tried("Training", "the folder deleted during the run"):
        with pytest.warns(RuntimeWarning, match="curves.png is not drawn .*No such file.* has its numbers"):
            solver.train()
        assert frozen(solver.model.params) == frozen(solver.best_params)


def spoilt(whole, many):
    """A file cut short at every tenth of its length, and with a flipped bit there."""
    for tenth in range(10):
        at = tenth * len(whole) // 10
        yield whole[:at]
        for bit in range(8) if many else (tenth % 8,):
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            yield bytes(changed)


def test_a_spoilt_file(tmp_path, many, monkeypatch):
    """Refused by name, with the one before; a bit that means nothing, as of a date in a zip, may pass."""
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)
    folder, refusals, X = tmp_path / "run", 0, image_data()["X_val"]
    start(folder).train()
    for name, read, hint in [
        ("checkpoint_48.npz", lambda: frozen(run_folder.read_checkpoint(folder)[0]), "checkpoint_42.npz"),
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
    assert refusals > 20
    Solver.resume(folder / "checkpoint_42.npz", image_data())


@pytest.mark.skipif(not can_unshare(), reason="needs a mount namespace, for a tmpfs that fills up")
@pytest.mark.parametrize(
    "fault, what, cases",
    [
        ("full", "a disk with room for so many bytes", range(0, 200_000, 2048)),
        ("read-only", "a disk that is read-only from a step on", range(0, 8 * STEPS_AN_EPOCH + 1)),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_fails(fault, what, cases, many, tmp_path):
    """No step is lost that a checkpoint holds; once there is room again, the run ends as it would have."""
    cases = cases if many else random.Random(0).sample(cases, 6)
    ran = subprocess.run(
        [
            "unshare",
            "-rm",
            "sh",
            "-c",
            'mount -t tmpfs -o size=2m tmpfs "$3" && exec "$@"',
            "sh",
            sys.executable,
            SUPPORT / "full_disk_child.py",
            tmp_path,
            fault,
            *map(str, cases),
        ],
        cwd=SUPPORT,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    said = ran.stdout.splitlines()
    assert len(said) == len(cases), ran.stderr
    for line in said:
        with tried("Training", what):
            assert line == "held", ran.stderr


def test_a_full_disk_under_checkpoint_name(tmp_path, monkeypatch, blobs):
    model = FullyConnectedNet([8], 6, 3, normalization="batchnorm")
    solver = Solver(model, blobs[0], num_epochs=5, checkpoint_name=str(tmp_path / "net"), verbose=False)
    fsync, calls = os.fsync, 0

    def full(file):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)
    with tried("Training", "a disk with room for so many bytes"):
        with pytest.raises(
            OSError,
            match="Solver.train: cannot write .*net_epoch_3.npz .*No space.*"
            "make room, or try another checkpoint_name.* adds num_epochs",
        ):
            solver.train()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["net_epoch_1.npz", "net_epoch_2.npz"]
        assert solver.check_accuracy(solver.X_val, solver.y_val) == solver.best_val_acc
