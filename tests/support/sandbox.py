"""What the tests of the sandbox share: its levels as fixtures, and a child that evaluates expressions."""

import functools
import os
from contextlib import contextmanager

import pytest

from classroom.sandbox import landlock, process
from classroom.sandbox.levels import LEVELS
from classroom.sandbox.process import Child, SandboxError, best_level, child_folder
from tests.support.grading import BRIEF, LAYERS

# In the place of what calls an exercise: it evaluates an expression.
EVALUATES = """
import os, time
from contextlib import nullcontext
import numpy as np

def forbid_other_backwards(*_):
    return nullcontext()

def opens(path):
    try:
        return bool(open(path, "r+b"))
    except OSError:
        return False

def endure():
    import ctypes, signal
    for call in (os.setsid, lambda: ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)):
        try:
            call()
        except OSError:
            pass
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass

def arguments_of(inputs, dtype):
    return inputs

def call_once(exercise, module, inputs):
    return {"repr": np.frombuffer(repr(eval(inputs["code"])).encode(), np.uint8)}, 0, False
"""
PROBE_FILES = {
    "cs231n/__init__.py": "",
    "cs231n/contracts.py": "",
    LAYERS: "",
    "cs231n/checking/problems.py": EVALUATES,
}


@functools.cache
def why_not(level):
    """Why a level cannot run on this machine, or ""."""
    try:
        with child_folder({}) as folder, Child(folder, level, BRIEF):
            return ""
    except SandboxError as error:
        return str(error)


@pytest.fixture(params=LEVELS)
def level(request):
    """A level of the sandbox."""
    if why_not(request.param):
        pytest.skip(why_not(request.param))
    return request.param


@pytest.fixture(params=["all walls", "without Landlock"])
def walls(request, level, monkeypatch):
    """Bubblewrap must hold alone, too; limits are little without Landlock, which every report says."""
    if request.param == "without Landlock":
        monkeypatch.setattr(landlock, "unavailable_reason", lambda: "this kernel has no Landlock")
    if missing := [reason for reason in process.missing_walls(level).split("; ") if reason]:
        pytest.skip(missing[0])


@pytest.fixture
def file_system(monkeypatch):
    """What bubblewrap alone shows."""
    if why_not("bubblewrap"):
        pytest.skip(why_not("bubblewrap"))
    monkeypatch.setattr(landlock, "unavailable_reason", lambda: "this kernel has no Landlock")
    return "bubblewrap"


best_level_anew = best_level.__wrapped__  # without what it remembers


@contextmanager
def probing(level, hidden=(), limits=BRIEF, folder=None):
    """A function that evaluates an expression in a child: its repr, or the type of the error it raises."""
    with child_folder(PROBE_FILES) as new, Child(folder or new, level, limits, hidden) as child:

        def probe(code):
            request = {"ask": "run", "exercise": "", "module": "cs231n.layers", "inputs": {"code": code}}
            reply = child.ask(request)
            return reply["error"]["type"] if "error" in reply else reply["outputs"]["repr"].tobytes().decode()

        yield probe


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs children as another user")
