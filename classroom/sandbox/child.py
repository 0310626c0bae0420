"""The processes that run a student's code: load it, call it, send back arrays.

They have no expected value, no seed and no solution, and what they send is only compared. server.py starts

    python -I -S -B -c "...; import child; child.main()" SETTINGS

in a folder made for it, which holds this file, landlock.py, seccomp.py, wire.py and the kit's cs231n/. That
process imports numpy, what calls a student's code, and cs231n.contracts, which no submission can replace. It
runs no student's code: for each child the grader sends it the ends of two pipes, and it forks. By then the
student's files are in the folder, and, for follow-through, what the reference puts in the place of functions.
A child reads a request and writes an answer, again and again. Once it has ended, the process removes what it
left.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import json
import os
import resource
import socket
import stat
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

HERE = Path(__file__).parent
# No module for a submission: they print, open a window or a browser, or are not for import.
NOT_LOADED = set(
    "__main__ __hello__ __phello__ antigravity conftest distutils ensurepip f2py idlelib lib2to3 readline "
    "rlcompleter setup sitecustomize test tests this tkinter turtle turtledemo usercustomize venv "
    "_pyinstaller".split()
)

called: set[str] = set()  # functions of the reference that ran so far
left_out: list[str] = []  # functions that raise in what is imported
REFUSAL = ast.parse("raise RuntimeError('it calls another backward')").body


def main() -> None:
    """Fork a child whenever the grader asks for one, until it ends."""
    settings = json.loads(sys.argv[1])
    library = tuple(sys.path[1:])
    sys.path.insert(1, settings["packages"])
    import landlock
    import seccomp

    importlib.import_module("wire")  # and numpy: once for all children
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # short of memory, the machine is to end this process, and not the grader
    devnull = os.open(os.devnull, os.O_RDWR)
    if not stat.S_ISCHR(os.fstat(devnull).st_mode):
        raise OSError(f"{os.devnull} is no device; try: mknod -m 666 {os.devnull} c 1 3")
    if settings["user"] is not None:
        load_unreadable(list_modules(library, os.path.join(settings["packages"], "numpy")), settings["user"])
    if (HERE / "cs231n").is_dir():
        load_problems()
    if settings["landlock"]:
        readable = [str(HERE), *settings["readable"]]
        landlock.confine_files(readable, settings["hidden"], (os.devnull, "/dev/urandom"), settings["home"])
    seccomp.die_with_parent()
    if settings["filter"]:
        seccomp.refuse_calls(allowed=("prctl",))  # a child dies with this process
        seccomp.hide_memory()  # from the children
    control = socket.socket(fileno=0)
    control.send(b"r")
    while True:
        _, pipes, *_ = socket.recv_fds(control, 1, 2)
        if not pipes:  # the grader has ended
            return
        pid = os.fork()
        if pid == 0:
            control.send(b"f")  # the kernel adds the number of this process
            control.detach()
            os.dup2(devnull, 0)
            serve(settings, pipes[0], pipes[1], devnull)
            return
        for fd in pipes:
            os.close(fd)
        status = None
        while status is None and control.recv(1):
            status = wait_for(pid)
            if status is not None:
                clean_up(settings["home"])
            control.send(json.dumps(status).encode())


def wait_for(pid: int) -> int | None:
    """The exit code of a child, as of subprocess; None if it has not ended within 2 seconds."""
    end = time.monotonic() + 2
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.001)


def clean_up(home: str) -> None:
    """Remove what a child left. Raises, which ends this process and all in its sandbox, if it cannot."""
    for entry in os.scandir(home):
        os.unlink(entry.path)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        raise RuntimeError("a child has left a process")


def serve(settings: dict[str, Any], requests_fd: int, answers_fd: int, devnull: int) -> None:
    """Be a child: give up rights, then answer requests until there are none."""
    import landlock
    import numpy.random
    import seccomp
    import wire

    requests, answers = os.fdopen(requests_fd, "rb"), os.fdopen(answers_fd, "wb")
    confine(settings)
    if not os.access(HERE / "wire.py", os.R_OK):
        raise PermissionError(f"a child cannot read its folder below {HERE.parent}; try: TMPDIR=/tmp")
    seccomp.die_with_parent()
    if settings["landlock"]:
        landlock.leave_parent()
    if settings["filter"]:
        seccomp.refuse_calls()
        seccomp.hide_memory()  # from another student's child
    numpy.random.seed()  # no child draws the numbers of another
    importlib.invalidate_caches()  # the files of the student came after the start
    answers.write(wire.encode({"ready": True}))
    answers.flush()
    for fd in (1, 2):  # what a student prints goes nowhere, however much it is
        os.dup2(devnull, fd)
    while start := requests.read(wire.LENGTHS.size):
        head, body = wire.parse_lengths(start)
        request = wire.decode(requests.read(head), requests.read(body))
        try:
            for answer in answers_to(request):
                answers.write(wire.encode(answer))
                answers.flush()
        except BaseException as error:  # a student's code may well raise SystemExit
            answers.write(wire.encode({"error": describe_error(error)}))
            answers.flush()


def list_modules(folders: Iterable[str], numpy: str) -> dict[str, str]:
    """{dotted name: file} of the modules in folders of the standard library, and in the folder of numpy."""
    modules = {}
    for top in (*folders, numpy):
        for folder, subfolders, files in os.walk(top):
            subfolders[:] = [
                name
                for name in subfolders
                if name not in NOT_LOADED and os.path.isfile(os.path.join(folder, name, "__init__.py"))
            ]
            parts = ["numpy"] * (top == numpy) + os.path.relpath(folder, top).split(os.sep)
            for file in files:
                stem, _, end = file.partition(".")
                if end.endswith(("py", "so")) and stem not in NOT_LOADED:
                    name = ".".join(part for part in (*parts, stem) if part not in (".", "__init__"))
                    modules[name] = os.path.join(folder, file)
    return modules


def load_unreadable(modules: dict[str, str], user: int) -> None:
    """Import those modules that another user could not read: Python or numpy may lie in a closed folder."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    unreadable = [name for name, file in modules.items() if not os.access(file, os.R_OK, effective_ids=True)]
    os.seteuid(0)
    os.setegid(0)
    os.setgroups(groups)
    for name in unreadable:
        can_import(name)


def confine(settings: dict[str, Any]) -> None:
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
        "RLIMIT_NPROC": 0,  # this process runs, and nothing can start another, nor a thread
    }
    for name, value in limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (value, value))


def answers_to(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Do what a request asks for.

    "load": import a module; "without": functions that raise in it. "import": several, one after the other, in
    the grader's own child. "run": the arrays of an exercise, and whether it writes into others, an answer for
    each of "dtypes". "call" and "out": the arrays, or the out of a forward pass, to find where a fault is.
    """
    if "load" in request:
        leave_out(request.get("without", []))
        load(request["load"], request["reference"])
        yield {"loaded": True}
    elif "import" in request:
        yield {"failed": [name for name in request["import"] if not can_import(name)]}
    else:
        module = importlib.import_module(request["module"])
        for dtype in request.get("dtypes", [None]):
            yield call_exercise(request, module, dtype)


def call_exercise(request: dict[str, Any], module: ModuleType, dtype: str | None) -> dict[str, Any]:
    """The answer to a request for arrays; "run" calls with arrays of that dtype."""
    numpy, problems = importlib.import_module("numpy"), load_problems()
    name, inputs = request["exercise"], request["inputs"]
    writes: dict[str, Any] = {}
    with numpy.errstate(all="ignore"):  # as in `check`
        if request["ask"] == "run":
            with problems.forbid_other_backwards(name, module):
                arguments = problems.arguments_of(inputs, dtype)
                outputs, written, later = problems.call_once(name, module, arguments)
            writes = {"written": written, "written_later": later}
        elif request["ask"] == "out":
            outputs = {"out": problems.call_layer(name, module, inputs)}
        else:
            outputs = problems.require_exercise(name).call(module, inputs)
    arrays = {name: as_array(name, value) for name, value in outputs.items()}
    return {"outputs": arrays, "called": sorted(called), **writes}


@functools.cache
def load_problems() -> ModuleType:
    """The code that calls the student's, which gets another copy if it imports it: this one stays.

    Imports cs231n.contracts as well, for the student's code alone, once for all children.
    """
    problems = importlib.import_module("cs231n.checking.problems")
    for name in [*sys.modules]:
        if name.partition(".")[0] == "cs231n":
            del sys.modules[name]
    importlib.import_module("cs231n.contracts")
    importlib.import_module("numpy.ma")  # which numpy imports when contracts first need it
    return problems


def load(module: str, reference: dict[str, str]) -> None:
    """Import the student's module, then put functions of the reference in the place of the student's.

    Args:
        module: its dotted name.
        reference: {function of the module: file that has the reference's}.
    """
    loaded = importlib.import_module(module)
    for path, file in reference.items():
        source: ModuleType = _import_file(f"reference_{module.replace('.', '_')}", HERE / file)
        target = loaded
        *outer, name = path.split(".")
        for part in outer:
            target, source = getattr(target, part), getattr(source, part)
        setattr(target, name, recorded(name, getattr(source, name)))


def leave_out(functions: list[str]) -> None:
    """Make functions of these names raise in all that is imported from now on."""
    if functions:
        left_out[:] = functions
        SourceFileLoader.source_to_code = compile_without  # type: ignore[method-assign, assignment]
        sys.implementation.cache_tag = None  # type: ignore[assignment]  # a .pyc would have them


def compile_without(loader: SourceFileLoader, data: bytes, path: str, **_: Any) -> CodeType:
    """SourceFileLoader.source_to_code, without the functions in left_out."""
    tree = ast.parse(data)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in left_out:
            node.body = list(REFUSAL)
    return compile(tree, path, "exec", dont_inherit=True)


def can_import(name: str) -> bool:
    """Whether a module of numpy or the standard library can be imported here."""
    try:
        importlib.import_module(name)
        return True
    except Exception:  # some are for another system, and say so in their own way
        return False


def recorded(name: str, function: Any) -> Any:
    """A function of the reference that puts its name into `called`; anything else as it is."""
    if not isinstance(function, FunctionType):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        called.add(name)
        return function(*args, **kwargs)

    return call


def _import_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_array(name: str, value: Any) -> Any:
    """A plain array with the numbers of `value`. Raises: TypeError if these are no numbers."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} is no array of numbers but {type(value).__name__}")
    return np.array(array, subok=False)


def describe_error(error: BaseException) -> dict[str, Any]:
    """The kind of an error, its message, and the last line of the student's files that it passed."""
    file = line = None
    try:
        for frame in traceback.extract_tb(error.__traceback__, limit=-200):
            path = Path(frame.filename)
            ours = path.parent.name in ("checking", "contracts")
            if path.is_relative_to(HERE / "cs231n") and not ours:
                file, line = path.name, frame.lineno
        if isinstance(error, SyntaxError):
            file, line = Path(str(error.filename)).name, error.lineno
            message = str(error.msg)
        else:
            message = str(error)
        return {"type": type(error).__name__[:80], "message": message[:500], "file": file, "line": line}
    except BaseException:  # of an error whose message is a trap
        return {"type": "error", "message": "", "file": None, "line": None}
