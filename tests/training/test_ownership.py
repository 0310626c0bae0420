"""The folder of a run: one Solver at a time owns it, and no other file in it is removed or written over."""

import copy
import errno
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import numpy as np
import pytest

from cs231n.solver import Solver
from cs231n.training import run_checkpoints, run_folder
from cs231n.training.callbacks import Callback
from tests.support import refused, resume_child
from tests.support.python import start_python
from tests.support.resume_child import STEPS_AN_EPOCH, all_of, at_step, image_data, start

pytestmark = pytest.mark.usefixtures("without_pictures")
HELD = pytest.raises(BlockingIOError, match="Solver.train: another Solver trains in .*try another run=")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def dead_pid():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def tree(folder):
    """Every file, folder and link in folder, with what is in it."""
    return {
        p.relative_to(folder): os.readlink(p) if p.is_symlink() else p.is_file() and p.read_bytes()
        for p in folder.rglob("*")
    }


def write_own_files(folder):
    """What a user may have in the folder of a run, and what a living program may be writing there."""
    for name in (
        ".thesis.tex.2024-01-01",
        ".thesis.tex.1234.0123abcd.tmp",
        ".notes.tmp",
        "model_copy.npz",
        "checkpoint_best.npz",
        "checkpoint_1.npz.bak",
        f".model.npz.{os.getppid()}.0123abcd.tmp",
    ):
        (folder / name).write_text("mine")
    for name in (".hidden.tmp", ".cache.1.tmp", "checkpoint_2.npz"):
        (folder / name).mkdir()
        (folder / name / "data").write_text("mine")


def test_files_of_the_user_stay(folder, whole, dead_pid):
    expected = whole()
    folder.mkdir()
    write_own_files(folder)
    (folder / f".model.npz.{dead_pid}.link.tmp").symlink_to(folder / ".notes.tmp")
    (folder / f".config.json.{dead_pid}.0123abcd.tmp").symlink_to(folder / ".notes.tmp")
    own = tree(folder)
    solver = start(folder)

    def add_more():
        (folder / "checkpoint_1.npz").write_text("mine")
        (folder / "checkpoint_3.npz").symlink_to(folder / ".notes.tmp")
        own.update({Path("checkpoint_1.npz"): b"mine", Path("checkpoint_3.npz"): str(folder / ".notes.tmp")})

    at_step(solver, 2 * STEPS_AN_EPOCH + 1, add_more)
    solver.train()
    after = tree(folder)
    assert {name: after.get(name) for name in own} == own
    for name in sorted(own, reverse=True):
        path = folder / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert all_of(folder) == expected


def test_a_file_that_took_the_name_of_a_checkpoint_stays(folder):
    solver = start(folder)

    def replace():
        (folder / "checkpoint_6.npz").unlink()
        (folder / "checkpoint_6.npz").write_text("mine")

    at_step(solver, 2 * STEPS_AN_EPOCH + 1, replace)
    solver.train()
    assert (folder / "checkpoint_6.npz").read_text() == "mine"


def test_checkpoints_of_another_run_stay(folder, tmp_path):
    start(tmp_path / "other", rng="RandomState", num_epochs=1).train()
    start(folder, num_epochs=3).train()
    shutil.copy(tmp_path / "other" / "checkpoint_6.npz", folder / "checkpoint_3.npz")
    content = (folder / "checkpoint_3.npz").read_bytes()
    resumed = Solver.resume(folder, image_data())
    resumed.train()
    resumed.train()
    assert (folder / "checkpoint_3.npz").read_bytes() == content
    assert [p.name for p in run_checkpoints.checkpoints(folder)][1:] == [
        "checkpoint_30.npz",
        "checkpoint_36.npz",
    ]


def test_the_draft_of_a_killed_process_is_removed(folder, dead_pid):
    start(folder, num_epochs=1).train()
    drafts = [f".{name}.{dead_pid}.0123abcd.tmp" for name in ("model.npz", "checkpoint_6.npz", "config.json")]
    for name in drafts:
        (folder / name).touch()
    Solver.resume(folder, image_data()).train()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    "name", ["history.csv", "model.npz", "curves.png", "config.json", "checkpoint_7.npz"]
)
def test_a_new_run_writes_over_no_file(folder, name):
    solver = start(folder)  # made before the file was there
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(FileExistsError, match=f"holds a run already .{name}.*another run="):
        start(folder)
    with pytest.raises(FileExistsError, match=name):
        solver.train()
    assert (folder / name).read_text() == "mine" and solver.loss_history == []


def test_of_two_solvers_with_one_folder_the_second_is_refused(folder, whole):
    first, second = start(folder), start(folder, rng="RandomState")
    np.random.seed(3)
    first = start(folder)
    first.train()
    with pytest.raises(FileExistsError, match="holds a run already .*Solver.resume"):
        second.train()
    assert all_of(folder) == whole() and second.loss_history == []
    first.train()  # goes on as before
    assert len(first.loss_history) == 96


def test_one_run_is_that_of_one_solver(folder, whole):
    shared = run_folder.Run(folder)
    first, second = start(shared, num_epochs=2), start(shared)
    first.train()
    with pytest.raises(FileExistsError, match="another Solver wrote .*_12.npz "):
        second.train()
    assert len(Solver.resume(folder, image_data()).loss_history) == 12
    first.train()
    assert len(shared.rows) == 4


class Pickle(Callback):
    """Made while the original trains, and holds the lock."""

    content = b""

    def end_epoch(self, solver):
        self.content = pickle.dumps(solver)


def test_copies_of_checkpoints_stay(folder):
    """The user's: none has the name that its run gives to a checkpoint of so many steps."""
    start(folder, num_epochs=2).train()
    last = run_checkpoints.checkpoints(folder)[-1]
    copies = [folder / "checkpoint_0008.npz", folder / "checkpoint_1.npz"]
    for path in copies:
        shutil.copy(last, path)
    solver = Solver.resume(last, image_data())
    solver.num_epochs = 4
    solver.train()
    assert all(path.exists() for path in copies) and not last.exists()


def test_a_copy_holds_no_lock_and_is_another_solver(folder):
    solver = start(folder, num_epochs=2, callbacks=[Pickle()])
    solver.train()
    with pytest.raises(FileExistsError, match="another Solver wrote .*_12.npz "):
        pickle.loads(solver.callbacks[0].content).train()  # noqa: S301
    copy.deepcopy(solver).train()
    with pytest.raises(FileExistsError, match="another Solver wrote .*_24.npz "):
        solver.train()


def test_who_did_not_write_the_last_checkpoint_is_refused(folder):
    first = start(folder, num_epochs=1)
    first.train()
    ahead, behind = Solver.resume(folder, image_data()), Solver.resume(folder, image_data())
    ahead.train()
    ahead.num_epochs = 2
    ahead.train()
    for late in (behind, first):
        late.num_epochs = 3
        with pytest.raises(
            FileExistsError, match=r"another Solver wrote .*_18.npz .*Solver.resume\(.*another"
        ):
            late.train()
        assert len(late.loss_history) == 6
    assert len(Solver.resume(folder, image_data()).loss_history) == 18


@pytest.mark.parametrize("where", ["same thread", "other thread", "fork"])
def test_a_second_solver_is_refused_while_one_trains(folder, whole, where):
    expected, first = whole(), start(folder)
    errors = []

    def train_second():
        stream = np.random.get_state()
        second = Solver.resume(folder, image_data())
        np.random.set_state(stream)  # which resume sets
        with HELD:
            second.train()
        errors.append("refused")

    def act():
        if where == "fork":
            if (pid := os.fork()) == 0:
                train_second()
                os._exit(7)
            errors.append({7: "refused"}.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        elif where == "other thread":
            thread = threading.Thread(target=train_second)
            thread.start()
            thread.join()
        else:
            train_second()

    at_step(first, 20, act)
    first.train()
    assert errors == ["refused"] and all_of(folder) == expected
    Solver.resume(folder, image_data()).train()


def test_a_run_stays_in_its_folder_when_the_process_moves(tmp_path, monkeypatch):
    """Into another folder: after the Solver is made, while it trains, and before it is resumed and trains."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path)
    solver = start("run", num_epochs=2, checkpoint_name="stem")
    at_step(solver, 10, lambda: os.chdir("elsewhere"))
    solver.train()
    os.chdir(tmp_path)
    solver = Solver.resume("run", image_data())
    os.chdir("deeper")
    solver.train()
    assert not [*tmp_path.glob("elsewhere/*"), *tmp_path.glob("deeper/*")]
    epochs = [len(list(tmp_path.glob(f"stem_epoch_{epoch}.npz"))) for epoch in (1, 2)]
    assert epochs == [1, 1] and len(run_folder.checkpoints("../run")) == 2


def test_a_folder_that_is_deleted_is_locked_again(folder):
    first = start(folder, num_epochs=3)
    at_step(first, 2, lambda: shutil.rmtree(folder))
    refusals = []

    class Watch(run_folder.Run):
        """It is asked after the checkpoint of the first epoch."""

        def end_epoch(self, solver):
            super().end_epoch(solver)
            with HELD:
                Solver.resume(folder, image_data()).train()
            refusals.append(solver.epoch)

    first._run = Watch(folder)
    first.train()
    assert refusals == [1, 2, 3]


def test_a_process_that_trains_holds_the_folder_until_it_is_killed(folder, whole):
    code = "import sys, time, pathlib; from tests.support.resume_child import at_step, start\n"
    code += "solver = start(pathlib.Path(sys.argv[1]))\n"
    code += "at_step(solver, 20, lambda: (print('in', flush=True), time.sleep(600)))\n"
    with start_python(["-c", code + "solver.train()", folder], stderr=None) as process:
        try:
            assert process.stdout.readline().strip() in ("in", b"in")
            second = Solver.resume(folder, image_data())
            with HELD:
                second.train()
            assert second.loss_history == second.loss_history[:18]
        finally:
            process.kill()
    resume_child.go_on(folder)
    assert all_of(folder) == whole()


@pytest.mark.parametrize(
    "error", [NotImplementedError, OSError(errno.ENOLCK, "No locks"), PermissionError(13, "no")]
)
def test_a_file_system_without_locks_trains(folder, whole, monkeypatch, error):
    expected = whole()

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    start(folder).train()
    (folder / "run.lock").touch()
    assert all_of(folder) == expected


def test_without_filelock_training_goes_on(folder, whole, monkeypatch):
    """As in a browser."""
    expected = whole()
    monkeypatch.setitem(sys.modules, "filelock", None)
    start(folder).train()
    (folder / "run.lock").touch()
    assert all_of(folder) == expected


def test_the_latest_checkpoint_is_that_of_the_training_that_went_back(folder):
    """From step 42 on in larger batches, so that the file of step 48 is not written again."""
    start(folder).train()
    back = Solver.resume(folder / "checkpoint_42.npz", image_data())
    back.batch_size, back.num_epochs = 25, 12
    at_step(back, 1, lambda: [].pop())
    with pytest.raises(IndexError):
        back.train()
    assert [p.name for p in run_checkpoints.checkpoints(folder)] == ["checkpoint_42.npz"]
    back = Solver.resume(folder, image_data())
    assert len(back.loss_history) == 42
    back.train()
    latest = run_checkpoints.checkpoints(folder)[-1]
    assert len(Solver.resume(folder, image_data()).loss_history) == len(back.loss_history)
    assert latest.name == f"checkpoint_{len(back.loss_history)}.npz"


def test_a_later_checkpoint_of_another_run_is_named(folder, tmp_path):
    start(tmp_path / "other", rng="RandomState").train()
    start(folder, num_epochs=2).train()
    shutil.copy(tmp_path / "other" / "checkpoint_48.npz", folder)
    with refused(
        ValueError, "Solver.resume: ", "checkpoint_48.npz is later and of another run; try to move it"
    ):
        Solver.resume(folder / "checkpoint_12.npz", image_data())
    assert (folder / "checkpoint_48.npz").exists()
