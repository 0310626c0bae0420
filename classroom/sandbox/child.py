"""What runs beside a student's code, and only there: load it, call it, send back arrays.

It has no expected value, no seed and no solution, and what it sends is only compared. sandbox.py starts it as

    python -I -S -B child.py SETTINGS

in a folder made for it, which holds this file, seccomp.py, wire.py, the student's cs231n/ and, for
follow-through, what the reference puts in the place of functions. It reads a request from stdin and writes an
answer to stdout, again and again, until stdin ends.
"""

import importlib
import importlib.util
import json
import os
import resource
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).parent
OWN = ("problems.py", "exercises.py", "learner_code.py")  # of cs231n, but not the student's


def main():
    settings = json.loads(sys.argv[1])
    sys.path[:0] = [str(HERE), settings["packages"]]
    # Before the limits: numpy reads many files, which another user may not be allowed to.
    import colorsys, copy, dataclasses, random, statistics, types, typing  # noqa: E401, F401, I001
    import numpy as np
    import numpy.linalg, numpy.random, numpy.testing  # noqa: E401, F401, I001
    import seccomp
    import wire

    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    confine(settings)
    if settings["filter"]:
        seccomp.refuse_calls()
        seccomp.hide_memory()  # from another student's child
    answers.write(wire.encode({"ready": True}))
    answers.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # what a student prints goes nowhere, however much it is
        os.dup2(nowhere, fd)
    while start := requests.read(wire.LENGTHS.size):
        head, body = wire.lengths(start)
        request = wire.decode(requests.read(head), requests.read(body))
        try:
            if "load" in request:
                load(request["load"], request["reference"])
                reply = {"loaded": True}
            else:
                problems = importlib.import_module("cs231n.checking.problems")
                module = importlib.import_module(request["module"])
                with problems.forbid_other_backwards(request["exercise"], module):
                    got = problems.run(request["exercise"], module, request["inputs"])
                reply = {"got": {name: as_array(np, name, value) for name, value in got.items()}}
            message = wire.encode(reply)
        except BaseException as error:  # a student's code may well raise SystemExit
            message = wire.encode({"error": describe(error)})
        answers.write(message)
        answers.flush()


def confine(settings):
    """Give up rights and set limits, none of which can be taken back."""
    if settings["user"] is not None:
        os.setgroups([])
        os.setgid(settings["user"])
        os.setuid(settings["user"])
    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": settings["cpu"],
        "RLIMIT_AS": settings["memory"],
        "RLIMIT_FSIZE": settings["file"],
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 0,
    }  # this process runs, and nothing can start another, nor a thread
    for name, value in limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (value, value))


def load(module, reference):
    """Import the student's module; what reference names in it, {function: file}, becomes the reference's."""
    loaded = importlib.import_module(module)
    for path, file in reference.items():
        spec = importlib.util.spec_from_file_location(f"reference_{module.replace('.', '_')}", HERE / file)
        theirs = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(theirs)
        owner, source = loaded, theirs
        *outer, name = path.split(".")
        for part in outer:
            owner, source = getattr(owner, part), getattr(source, part)
        setattr(owner, name, getattr(source, name))


def as_array(np, name, value):
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} is no array of numbers but {type(value).__name__}")
    return np.array(array, subok=False)


def describe(error):
    """The kind of error, its message and the last line of the student's own that it passed."""
    file = line = None
    try:
        for frame in traceback.extract_tb(error.__traceback__, limit=-200):
            inside = Path(frame.filename)
            ours = inside.name in OWN or inside.parent.name == "contracts"
            if inside.is_relative_to(HERE / "cs231n") and not ours:
                file, line = inside.name, frame.lineno
        if isinstance(error, SyntaxError):
            file, line = Path(str(error.filename)).name, error.lineno
            message = str(error.msg)
        else:
            message = str(error)
        return {"type": type(error).__name__[:80], "message": message[:500], "file": file, "line": line}
    except BaseException:  # of an error whose message is a trap
        return {"type": "error", "message": "", "file": None, "line": None}


if __name__ == "__main__":
    main()
