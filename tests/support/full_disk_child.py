"""Training where the disk is full or read-only; for a mount namespace of its own, on a small tmpfs.

    python full_disk_child.py FOLDER full ROOM... | read-only STEP...

Prints a line for each: held, or what did not.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from cs231n.solver import Solver
from cs231n.training import run_folder
from tests.support.resume_child import frozen, image_data, start
from tests.training.test_resume import all_of


def picture(run, solver):
    """In place of Run._draw, which would take most of the time."""
    run._write("curves.png", bytes(20_000))


def train(solver):
    """What the error said, or None; either way the model has its best parameters."""
    try:
        solver.train()
        said = None
    except OSError as error:
        said = str(error)
        assert "\n" not in said and "Solver.train: cannot write step" in said, said
    assert frozen(solver.model.params) == frozen(solver.best_params)
    return said


def again(folder, whole):
    """What can be done once the fault is gone ends where the undisturbed run does."""
    (Solver.resume(folder, image_data()) if run_folder.checkpoints(folder) else start(folder)).train()
    assert all_of(folder) == whole


def full(disk, room, whole):
    """room bytes are free when the run starts."""
    state = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        file.write(bytes(max(state.f_bavail * state.f_frsize - room, 0)))
    said = train(start(disk / "run"))
    assert said is None or "No space left" in said, said
    kept = run_folder.checkpoints(disk / "run")
    assert said is None or not kept or f"{kept[-1].name} is still there" in said, said
    (disk / "filler").unlink()
    again(disk / "run", whole)


def read_only(disk, step, whole):
    """The disk can be read only, from that step of a run on."""
    solver, resumed, taken = start(disk / "run"), None, 0
    loss = solver.model.loss

    def counted(X, y=None):
        nonlocal taken
        taken += y is not None
        if taken == step:
            mount("ro", disk)
        return loss(X, y)

    if step:
        solver.model.loss = counted
    else:
        mount("ro", disk)
    try:
        said = train(solver)
        assert "Read-only file system" in said, said
        assert step or solver.loss_history == []
        if step:
            resumed = Solver.resume(disk / "run", image_data())
            with contextlib.suppress(OSError):
                resumed.train()
    finally:
        mount("rw", disk)
    if resumed:  # refused before the first step, so it goes on
        resumed.train()
        assert all_of(disk / "run") == whole
    else:
        again(disk / "run", whole)


def mount(how, disk):
    # With the device, or it repeats the options there are, with users that mean nothing in a name space.
    subprocess.run(["mount", "-o", f"remount,{how}", "tmpfs", disk], check=True)


if __name__ == "__main__":
    disk, fault = Path(sys.argv[1]), {"full": full, "read-only": read_only}[sys.argv[2]]
    run_folder.Run._draw = picture
    start(disk / "run").train()
    whole = all_of(disk / "run")
    for value in map(int, sys.argv[3:]):
        shutil.rmtree(disk / "run")
        try:
            fault(disk, value, whole)
            print("held", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"{sys.argv[2]} {value}: {error!r}", flush=True)
            (disk / "filler").unlink(missing_ok=True)
