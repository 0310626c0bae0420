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
from cs231n.training import run_checkpoints, run_folder
from tests.support.resume_child import all_of, at_step, frozen, go_on, image_data, start


def picture(run, solver):
    """In place of Run._draw, which would take most of the time."""
    run._write("curves.png", bytes(20_000))


def train(solver):
    """The message of the error, or ""; either way the model has its best parameters."""
    message = ""
    try:
        solver.train()
    except OSError as error:
        message = str(error)
        assert "\n" not in message and "Solver.train: cannot write step" in message, message
    assert frozen(solver.model.params) == frozen(solver.best_params)
    return message


def full(disk, room):
    """room bytes are free when the run starts."""
    state = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        file.write(bytes(max(state.f_bavail * state.f_frsize - room, 0)))
    message = train(start(disk / "run"))
    assert not message or "No space left" in message, message
    complete = run_checkpoints.checkpoints(disk / "run")
    assert not message or not complete or f"{complete[-1].name} is still there" in message, message
    (disk / "filler").unlink()
    go_on(disk / "run")


def read_only(disk, step):
    """The disk can be read only, from that step of a run on."""
    solver = start(disk / "run")
    goes_on = lambda: go_on(disk / "run")  # noqa: E731
    at_step(solver, step, lambda: mount("ro", disk)) if step else mount("ro", disk)
    try:
        message = train(solver)
        assert "Read-only file system" in message, message
        assert step or solver.loss_history == []
        if step:  # a resumed run is refused before its first step, so it goes on
            resumed = Solver.resume(disk / "run", image_data())
            goes_on = resumed.train
            with contextlib.suppress(OSError):
                resumed.train()
    finally:
        mount("rw", disk)
    goes_on()


def mount(how, disk):
    """A second mount on top: the disk itself cannot become read-only while the lock of a run is open."""
    if how == "rw":
        subprocess.run(["umount", disk], check=True)
        return
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)


if __name__ == "__main__":
    disk, fault = Path(sys.argv[1]), {"full": full, "read-only": read_only}[sys.argv[2]]
    run_folder.Run._draw = picture
    go_on(disk / "run")
    whole = all_of(disk / "run")
    for value in map(int, sys.argv[3:]):
        shutil.rmtree(disk / "run")
        try:
            fault(disk, value)
            assert all_of(disk / "run") == whole, "what can be done once the fault is gone ends elsewhere"
            print("held", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"{sys.argv[2]} {value}: {error!r}", flush=True)
            (disk / "filler").unlink(missing_ok=True)
