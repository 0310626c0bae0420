"""Hostile submissions, each contained, marked 0 for what it did not solve, and in time, at every level."""

import functools
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from ast import literal_eval
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from classroom.grading import report, runner
from classroom.grading.submission import Submission
from classroom.sandbox import landlock, levels, process, seccomp
from classroom.sandbox.levels import LEVELS, Command
from classroom.sandbox.process import Child, ChildExitedError, SandboxError, best_level, child_folder
from cs231n.common.executors import ONE_THREAD
from cs231n.common.files import REPOSITORY
from tests.support.grading import BRIEF, LAYERS, blank, burn, function, hostile, marked, shares, solved, wrong
from tests.support.namespaces import can_unshare
from tests.support.python import run_python

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

def call_once(exercise, module, inputs):
    return {"repr": np.frombuffer(repr(eval(inputs["code"])).encode(), np.uint8)}, 0, False
"""
PROBE_FILES = {"cs231n/__init__.py": "", LAYERS: "", "cs231n/checking/problems.py": EVALUATES}


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


def setrlimit(name):
    return f"(lambda r: r.setrlimit(r.RLIMIT_{name}, (1 << 40, 1 << 40)))(__import__('resource'))"


FORBIDDEN = {  # {what a child tries: the error that it gets}
    "os.fork() or os._exit(0)": "BlockingIOError",
    "os.posix_spawn('/bin/true', ['true'], {})": "BlockingIOError",
    "__import__('threading').Thread(target=print).start()": "RuntimeError",
    **{setrlimit(name): "ValueError" for name in ("NPROC", "AS", "CPU", "FSIZE", "NOFILE")},
    "len(np.ones(1 << 28))": "MemoryError",
    "open(os.path.join(os.environ['HOME'], 'big'), 'wb').write(bytes(2 << 20))": "OSError",
}


# The first test of this file: what starts many processes runs only because this one could not start one.
def test_a_child_has_no_rights_no_environment_and_limits_that_it_cannot_raise(level):
    with probing(level) as probe:
        assert probe("os.listdir(os.environ['HOME'])") == "[]"
        assert {code: probe(code) for code in FORBIDDEN} == FORBIDDEN
        assert probe("os.getuid() == 0 and os.access('/proc/1/mem', os.W_OK)") == "False"
        usual = {"PWD", "OLDPWD", "LANG", "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"}
        assert set(literal_eval(probe("list(os.environ)"))) - usual == set(ONE_THREAD)


def is_hidden(probe, folder):
    return probe(f"os.path.isdir({str(folder)!r}) and os.listdir({str(folder)!r})") in ("False", "[]")


def test_a_child_sees_no_network_and_no_files_of_the_grader(file_system, tmp_path):
    (tmp_path / "ada").mkdir()
    with probing(file_system, [str(tmp_path)]) as probe:
        assert is_hidden(probe, REPOSITORY) and is_hidden(probe, tmp_path)
        assert probe("[line.split(':')[0].strip() for line in list(open('/proc/net/dev'))[2:]]") == "['lo']"
        assert len(literal_eval(probe("[p for p in os.listdir('/proc') if p.isdecimal()]"))) <= 2
        top = set("bin dev etc kit lib lib32 lib64 packages proc sbin tmp usr".split())
        assert set(literal_eval(probe("os.listdir('/')"))) <= top | {Path(sys.base_prefix).parts[1]}


def test_all_is_read_only_but_a_little_space(file_system, tmp_path):
    """An ordinary user's child has the user's own rights: every mount counts, not who may write in it."""
    nested = [str(REPOSITORY), str(REPOSITORY / "classroom"), str(tmp_path)]
    with probing(file_system, nested) as probe:
        rows = "[line.split() for line in open('/proc/self/mountinfo')]"
        writable = set(literal_eval(probe(f"[row[4] for row in {rows} if 'rw' in row[5].split(',')]")))
        home = literal_eval(probe("os.environ['HOME']"))
        assert home in writable
        assert probe(f"(lambda s: s.f_blocks * s.f_frsize)(os.statvfs({home!r}))") == str(16 << 20)
        allowed = {home, "/proc", "/dev/shm", "/dev/pts"}
        assert not [path for path in writable - allowed if probe(f"os.path.isdir({path!r})") == "True"]
        for path in ("np.__file__", "__import__('wire').__file__", "os.path.join(os.sep, 'usr')"):
            assert probe(f"os.statvfs({path}).f_flag & os.ST_RDONLY") == "1"
        assert all(is_hidden(probe, path) for path in {tempfile.gettempdir(), "/tmp", "/var/tmp"} - {home})


filtered = pytest.mark.skipif(
    bool(seccomp.unavailable_reason()), reason=seccomp.unavailable_reason() or "there is a filter"
)


@pytest.mark.parametrize(
    "i, header", [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")], ids=seccomp.MACHINES
)
def test_the_numbers_of_calls_are_those_of_the_kernel(i, header):
    header = Path("/usr/include", header)
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    # "fcntl" and "truncate" have another name where a macro chooses one of two.
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
    pairs = seccomp.CALLS | {call: check[0] for call, check in seccomp.CHECKED_CALLS.items()}
    of_filter = {call: pair[i] for call, pair in pairs.items() if pair[i] is not None and call in numbers}
    assert {call: int(numbers[call]) for call in of_filter} == of_filter
    assert {call for call in pairs if call not in numbers} <= {"fchmodat2"} | {
        call for call in pairs if pairs[call][i] is None
    }


CHECKED = {  # {code: its result}
    "__import__('ctypes').CDLL(None).prctl(1, 0, 0, 0, 0)": "-1",
    "__import__('fcntl').fcntl(3, 8, os.getppid() or 1)": "PermissionError",
    "__import__('fcntl').fcntl(3, 3) >= 0": "True",
    "__import__('resource').prlimit(os.getppid() or 1, 0, (1, 1))": "PermissionError",
    "__import__('resource').getrlimit(0)[1] > 0": "True",
}


@filtered
def test_calls_past_the_limits_are_refused(level):
    libc = "__import__('ctypes').CDLL(None, use_errno=True)"
    with probing(level) as probe:
        for name, pair in seccomp.CALLS.items():
            number = pair[list(seccomp.MACHINES).index(platform.machine())]
            call = f"({libc}.syscall({number}, 0, 0, 0, 0, 0), __import__('ctypes').get_errno())"
            assert number is None or probe(call) == "(-1, 1)", name
        for code, answer in CHECKED.items():
            assert probe(code) == answer, code
        assert probe(f"{libc}.prctl(39, 0, 0, 0, 0)") == "1"  # PR_GET_NO_NEW_PRIVS


@filtered
def test_limits_alone_keep_a_child_from_the_memory_of_grader_and_children():
    """For the filter it is an ordinary file. The other levels show a child no other process."""
    with probing("limits") as probe, probing("limits") as second:
        for pid in (os.getpid(), second("os.getpid()")):
            assert probe(f"open('/proc/{pid}/mem', 'rb')") == "PermissionError"


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs children as another user")
USER = "12345"  # an ordinary one


@functools.cache
def python_of_user():
    """Words that start a Python with numpy and this file as USER; None where that is not possible."""
    path = f"PYTHONPATH={REPOSITORY}:{Path(np.__file__).parents[1]}"
    words = ["env", path, "HOME=/", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    for python in (sys.executable, "/usr/bin/python3"):
        test = "import os, sys, tests.classroom.test_sandbox; os.stat(sys._base_executable)"
        with suppress(OSError):
            if subprocess.run([*words, python, "-c", test], capture_output=True).returncode == 0:
                return [*words, python]
    return None


@pytest.fixture(params=["as this user", "as another"])
def started(request):
    """A function that starts a Python whose arguments are the source and what sys.argv is to hold."""
    python = [sys.executable]
    if request.param == "as another":
        if os.geteuid() != 0 or not python_of_user():
            pytest.skip("only root can become another user, and needs a Python that this user can read")
        python = python_of_user()
    processes = []

    def start(code, *arguments):
        words = [*python, "-c", code, *arguments]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY))
        return processes[-1]

    yield start
    for started in processes:
        started.kill()
        started.communicate()


# What it prints: what a child's code evaluates to, with no Landlock to help the filter and the file system.
EVALUATE = """
import sys
from tests.classroom.test_sandbox import landlock, probing

level, has_landlock, *codes = sys.argv[1:]
if not has_landlock:
    landlock.unavailable_reason = lambda: "none"
with probing(level) as second, probing(level) as probe:
    pid = second("os.getpid()")
    for code in codes:
        print(probe(code.replace("SECOND", pid)))
"""
OPENED = (  # the /proc/N/mem that it can open, but its own; it may be unable to list them
    "[n for n in {1, 2, os.getppid(), SECOND, *range(max(1, os.getpid() - 40), os.getpid() + 5)} "
    "if n != os.getpid() and os.path.exists(f'/proc/{n}') and opens(f'/proc/{n}/mem')]"
)
UNFILTERED = (  # the processes of its own user that it sees, and that have no filter
    "[n for n in os.listdir('/proc') if n.isdecimal() and os.stat(f'/proc/{n}').st_uid == os.getuid() "
    "and 'Seccomp:\\t2' not in open(f'/proc/{n}/status').read()]"
)


@filtered
def test_no_memory_of_another_process_can_be_opened(started, level):
    """Bubblewrap's own process 1 had no filter and no limits, and the student's user."""
    for has_landlock in ("", "yes")[level == "limits" :]:
        if not has_landlock or not landlock.unavailable_reason():
            codes = [OPENED] if has_landlock else [OPENED, UNFILTERED]
            output, _ = started(EVALUATE, level, has_landlock, *codes).communicate(timeout=60)
            assert output.split() == ["[]"] * len(codes)


# Marks of the kit's own solutions and of a blank submission.
MARKS = """
import sys
from tests.support.grading import blank, marked, shares, solved, wrong

only = ["affine_forward", "relu_backward", "batchnorm_backward"]
print(wrong(marked(solved(), sys.argv[1], only)), shares(marked(blank(), sys.argv[1], only)))
"""


def test_whoever_grades_the_marks_are_the_same(started, level):
    assert started(MARKS, level).communicate(timeout=60) == ("{} {}\n", None)


# A child that wants to live on; the second argument is its mark, a limit that stands in its command line.
ENDURES = """
import sys
from tests.classroom.test_sandbox import BRIEF, probing

level, mark, seconds = sys.argv[1:]
with probing(level, limits=BRIEF._replace(seconds=float(seconds), memory=int(mark))) as probe:
    print("started", flush=True)
    probe("endure()")
"""


@pytest.mark.parametrize("grader", ["ends it", "is killed"])
def test_nothing_outlives_the_marking(started, level, grader):
    mark = str((1 << 30) + random.randrange(1 << 20))
    process = started(ENDURES, level, mark, "0.4" if grader == "ends it" else "60")
    assert process.stdout.readline() == "started\n"
    time.sleep(0.3)
    assert alive(mark)
    if grader == "is killed":
        process.kill()
    process.wait(30)
    deadline = time.monotonic() + 5
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(mark)


CALLS_OF_ANOTHER_KIND = [  # the second ends by SIGSEGV where the kernel has no 32-bit calls
    ("ctypes.CDLL(None).syscall(0x40000000 | 39)", "SIGSYS"),
    (
        "map = ctypes.CDLL(None).mmap; map.restype = ctypes.c_void_p; page = map(None, 4096, 7, 0x22, -1, 0);"
        # mov eax, 20; int 0x80; ret: getpid as i386 numbers it
        "ctypes.memmove(page, bytes.fromhex('b814000000cd80c3'), 8); ctypes.CFUNCTYPE(ctypes.c_int)(page)()",
        "SIGSYS|SIGSEGV",
    ),
]


@filtered
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines have no second set of calls")
@pytest.mark.parametrize("code, name", CALLS_OF_ANOTHER_KIND, ids=["x32", "i386"])
def test_calls_of_another_kind_end_the_child(level, code, name):
    with probing(level) as probe, pytest.raises(ChildExitedError, match=name):
        probe(f"exec({'import ctypes; ' + code!r})")


def test_a_machine_without_a_filter_is_reported(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    reason = f"no filter of system calls is known for {platform.system()} on riscv64"
    with pytest.raises(SandboxError, match=reason):
        best_level_anew()
    with child_folder({}) as folder, Child(folder, best_level_anew("limits"), BRIEF):
        pass
    assert reason in report.make_results(Submission({}, {}, []), {}, (), "limits", 0)["output"]


@pytest.fixture
def children(monkeypatch):
    """Where the folders of this test's children are; a child's command line names its folder."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    yield Path(folder)
    shutil.rmtree(folder)


CASES = {  # {file of hostile/: the kind of the first exercise}
    "endless_loop": "timed-out",
    **dict.fromkeys(["allocation", "threads"], "raised"),
    **dict.fromkeys(["differentiates", "outgrows_its_limit"], "raised"),
    "exits": "crashed",
    **dict.fromkeys(["another_exercise", "deep_expression"], "not-implemented"),
    **dict.fromkeys(["lying_objects", "fills_the_disk"], ""),
}
SLOW_CASES = {  # contained by what contains one of those above, or after a wait for a limit
    **dict.fromkeys(["endless_import", "fork_bomb", "flood"], "timed-out"),
    **dict.fromkeys(["closes_the_pipe", "patched_numpy", "wrong_arrays", "forged_answers"], ""),
}


@pytest.mark.parametrize(
    "name, kind, level",
    [
        pytest.param(*case, level, marks=[] if level == LEVELS[0] and case[0] in CASES else pytest.mark.slow)
        for case in (CASES | SLOW_CASES).items()
        for level in LEVELS
    ],
    indirect=["level"],
)
def test_contained(name, kind, level, children):
    start = time.monotonic()
    # Who is not to answer in time may as well get less of it.
    results = marked(hostile(name), level, seconds=1 if kind == "timed-out" else BRIEF.seconds)
    assert shares(results) == ({"relu_forward": 1.0} if name in ("exits", "another_exercise") else {})
    assert kind in ("", results["affine_forward"].kind)
    assert time.monotonic() - start < 60
    assert not alive(children) and not list(children.iterdir())


def alive(text):
    """The processes whose command line holds a text, such as the path of a folder."""
    pids = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            pids += [file.parent.name] * (str(text).encode() in file.read_bytes())
    return pids


def test_no_call_leaves_the_sandbox(level):
    if level == "limits" and seccomp.unavailable_reason():
        pytest.skip("limits alone leave the network open, which its reports say")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        results = marked(hostile("network", PORT=server.getsockname()[1]), level, only=["affine_forward"])
        with pytest.raises(TimeoutError):
            server.accept()
    assert wrong(results) == {"affine_forward": "raised"}


def test_nothing_is_written_outside(level):
    name = f"cs231n-was-here-{os.getpid()}"  # another run of this test may write as well
    shared = (tempfile.gettempdir(), "/var/tmp", "/dev/shm")
    folders = (REPOSITORY, REPOSITORY / "classroom", *shared, Path.home(), "/")
    files = hostile("writes_outside", REPOSITORY=str(REPOSITORY), NAME=name)
    results = marked(files, level, only=["affine_forward"])
    written = [path for path in (Path(folder, name) for folder in folders) if path.exists()]
    for path in written:
        path.unlink()
    assert shares(results) == {}
    assert not written or process.missing_walls(level)  # as every report says


SEARCH = {"only": ["affine_forward"], "seconds": 60}


def test_the_solution_is_not_to_be_found(level, walls):
    """And with the solution in the child's own folder it is: the search would see a leak."""
    search = hostile("reads_the_solution", REPOSITORY=str(REPOSITORY))
    result = marked(search, level, **SEARCH)["affine_forward"]
    assert result.share == 0 and "no solution found" in result.text
    files = {**search, "reference/layers.py": solved()[LAYERS]}
    assert shares(marked(files, level, **SEARCH)) == {"affine_forward": 1.0}


def test_a_blank_submission_and_a_solved_one(level):
    results = marked(blank(), level)
    assert shares(results) == {} and set(wrong(results).values()) == {"not-implemented", "waits"}
    assert wrong(marked(solved(), level)) == {}


@pytest.fixture
def closed_folder(tmp_path):
    """A folder that only its owner may pass, as /root is."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


# No module of numpy or the kit imports these.
LATE = [
    "fractions",
    "statistics",
    "numpy.polynomial.hermite_e",
    "encodings.cp037",
    "xml.dom.minidom",
    "sched",
]
LAZY = """
import decimal, fractions, numpy.fft, numpy.polynomial, statistics

def relu_forward(x):
    np.ma.masked_less(x, 0), np.fft.fft(x), np.polynomial.Polynomial([1]), np.lib.scimath.sqrt(-1)
    return np.maximum(x, 0), x
"""


@as_root
def test_a_child_that_may_not_read_numpy_any_more_has_all_of_it(closed_folder, monkeypatch):
    """In a kit below such a folder, with its packages in .venv, every right submission got 0."""
    for path in levels.numpy_folders():
        shutil.copytree(path, closed_folder / path.name, copy_function=os.symlink)
    folders = [closed_folder / path.name for path in levels.numpy_folders()]
    monkeypatch.setattr(levels, "numpy_folders", lambda: folders)
    assert wrong(marked(solved(LAZY), "limits")) == {}
    with probing("limits") as probe:
        assert probe("open(np.__file__)") == "PermissionError"
        assert probe(f"[__import__(name) for name in {LATE!r}] and 1") == "1"


@as_root
def test_a_child_has_what_was_installed_with_a_tight_umask(level, tmp_path, monkeypatch):
    """Files that root alone may read, in a folder that everybody may."""
    for path in levels.numpy_folders():
        shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("tests", "f2py"))
    for path in tmp_path.rglob("*.py"):
        path.chmod(0o600)
    folders = [tmp_path / path.name for path in levels.numpy_folders()]
    monkeypatch.setattr(levels, "numpy_folders", lambda: folders)
    assert wrong(marked(solved(LAZY), level, only=["relu_forward"])) == {}


@pytest.mark.parametrize("umask", [0o027, 0o077], ids=oct)
def test_the_umask_of_the_grader_takes_no_points(umask, level):
    """The files in a child's folder had the rights that it left: as root, every right submission got 0."""
    before = os.umask(umask)
    try:
        assert wrong(marked(solved(), level, only=["relu_forward", "affine_forward"])) == {}
    finally:
        os.umask(before)


@as_root
def test_a_child_that_may_not_read_its_own_folder_does_not_start(closed_folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(closed_folder))
    with (
        pytest.raises(SandboxError, match="cannot read its folder below .*closed; try: TMPDIR=/tmp"),
        child_folder({}) as folder,
        Child(folder, "limits", BRIEF),
    ):
        pass


@as_root
def test_a_machine_without_a_null_device_is_refused(tmp_path, monkeypatch):
    """It was opened after "ready", so that every right submission got 0."""
    if not can_unshare():
        pytest.skip("needs a mount namespace")
    real, plain = process.command_for, tmp_path / "null"
    plain.touch()
    covered = ["unshare", "--mount", "sh", "-c", f'mount --bind {plain} /dev/null && exec "$@"', "sh"]

    def command_for(*arguments):
        command = real(*arguments)
        return command._replace(argv=[*covered, *command.argv])

    monkeypatch.setattr(process, "command_for", command_for)
    with pytest.raises(SandboxError, match="/dev/null is no device; try: "):
        marked(solved(), "limits", only=["relu_forward"])


# fmt: off
@pytest.mark.parametrize("code, limits, error, message", [
    ("time.sleep(30)", {}, process.ChildTimeoutError, "no answer within 0.01 minutes"),
    ("exec('while 1: pass')", {"seconds": 0.5}, process.ChildTimeoutError, "used its 0.5 seconds"),
    ("os._exit(3)", {}, ChildExitedError, "without an answer"),
    ("__import__('ctypes').string_at(0)", {}, ChildExitedError, "SIGSEGV"),
])  # fmt: on
def test_a_child_that_ends_or_does_not_answer_is_reported(level, code, limits, error, message, monkeypatch):
    if "sleep" in code:
        monkeypatch.setattr(process, "wall_seconds", lambda seconds: 0.6)
    with probing(level, limits=BRIEF._replace(**limits)) as probe, pytest.raises(error, match=message):
        probe(code)


def test_a_child_of_limits_is_ended_when_it_writes_too_much(level):
    """Where no file system bounds what it writes; at bubblewrap the disk is full."""
    code = "[open(os.environ['HOME'] + f'/{i}', 'wb').write(bytes(1 << 20)) for i in range(10**6)]"
    with probing(level) as probe:
        if level == "bubblewrap":
            assert probe(code) == "OSError"
        else:
            with pytest.raises(ChildExitedError, match="it wrote more than 16 MiB"):
                probe(code)


def test_what_a_child_wrote_is_gone_for_the_next(level):
    """At limits the next one did not start, since its home was full."""
    with child_folder(PROBE_FILES) as folder:
        for _ in range(2):
            with probing(level, folder=folder) as probe:
                assert probe("os.listdir(os.environ['HOME'])") == "[]"
                assert probe("open(os.environ['HOME'] + '/a', 'w').write('a')") == "1"


@pytest.fixture
def watched(monkeypatch):
    """A function after which each child, once it has started, is acted on by another one, in a thread."""

    def watch(act):
        class Watched(runner.Child):
            def __init__(self, *args):
                super().__init__(*args)
                threading.Thread(target=act, args=[self._pid]).start()

        monkeypatch.setattr(runner, "Child", Watched)

    return watch


def test_a_busy_machine_takes_no_points(level, watched):
    """A child that gets no processor for longer than its limit has used none."""

    def stop(pid):
        with suppress(ProcessLookupError):  # it has ended, and its problems are done
            for _ in range(3):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.8)
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.1)

    watched(stop)
    files = solved(function("relu_forward", "x", f"{burn(0.01)} or _relu_forward(x)"))
    assert wrong(marked(files, level, only=["relu_forward"], seconds=1.2)) == {}


def test_a_process_that_the_machine_ends_is_not_the_students_fault(level, watched):
    """It was called timed-out, with 60 seconds of processor time used up."""
    watched(lambda pid: (time.sleep(0.1), os.kill(pid, signal.SIGKILL)))
    with pytest.raises(SandboxError, match="SIGKILL after 0.. seconds.*, of 10 for an exercise.*try: more m"):
        marked(solved(function("relu_forward", "x", burn(1))), level, only=["relu_forward"], seconds=10)


@contextmanager
def control_group(controller, file, value):
    """The file of a control group, of version 1, that takes the numbers of the processes to be limited."""
    group = Path("/sys/fs/cgroup", controller, f"cs231n-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        (group / file).write_text(str(value))
        yield group / "cgroup.procs"
    finally:
        for _ in range(50):
            with suppress(OSError):  # until its last process is gone
                group.rmdir()
                break
            time.sleep(0.1)


def grader_in_group(procs, code):
    """What a grader prints that is in a control group. pytest never is: it could be what the kernel ends."""
    lines = (
        "import os, numpy as np",
        "from classroom.sandbox.process import SandboxError, best_level",
        "from tests.support.grading import function, marked, solved, wrong",
        f"open({str(procs)!r}, 'w').write(str(os.getpid()))",
        "try:",
        *(f"    {line}" for line in code),
        "except SandboxError as error:",
        "    print(error)",
    )
    return run_python("\n".join(lines))


def test_a_machine_that_starts_no_process_is_refused():
    with control_group("pids", "pids.max", 2) as procs:
        done = grader_in_group(procs, ["best_level()"])
    assert re.match("grade: .* did not start: .*; try: .*\n$", done.stdout), done.stderr


def test_a_small_memory_group_takes_no_points(level):
    """A right submission that takes what the docs allow, where the machine has less.

    The kernel ends the child, also where the grader is the larger of the two.
    """
    code = (
        "ballast = np.ones(20 << 20)",  # 160 MiB
        "relu = '(np.ones(50 << 20), _relu_forward(x))[1]'",  # 400 MiB
        "files = solved(function('relu_forward', 'x', relu))",
        f"print(wrong(marked(files, {level!r}, only=['relu_forward'], seconds=10)))",
    )
    with control_group("memory", "memory.limit_in_bytes", 2 << 30) as procs:
        assert grader_in_group(procs, code).stdout == "{}\n"
    with control_group("memory", "memory.limit_in_bytes", 320 << 20) as procs:
        done = grader_in_group(procs, code)
    assert "SIGKILL" in done.stdout, (done.returncode, done.stderr)


@as_root
@pytest.mark.parametrize("parent", ["/usr/src", sys.base_prefix])
def test_a_kit_and_submissions_below_usr_or_python_are_covered(level, walls, parent):
    """As Docker images have the kit in /usr/src/app."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="cs231n-test-", dir=parent))
    except OSError as error:
        pytest.skip(str(error))
    try:
        folder.chmod(0o755)
        (folder / "solved.py").write_text("all of it\n")
        if level == "bubblewrap" or parent == "/usr/src":  # to /root its user has no way
            with probing(level) as probe:
                assert probe(f"open({str(folder / 'solved.py')!r}).read()") == "'all of it\\n'"
        with probing(level, [str(folder)]) as probe:
            assert probe(f"open({str(folder / 'solved.py')!r})") in ("FileNotFoundError", "PermissionError")
    finally:
        shutil.rmtree(folder)


def test_a_weaker_sandbox_is_refused(monkeypatch):
    real = process.command_for

    def command_for(level, *arguments):
        command = Command(["no-such-command"], "", "", [], [])
        return command if level == "bubblewrap" else real(level, *arguments)

    monkeypatch.setattr(process, "command_for", command_for)
    message = "did not start: .*no-such-command.*try: sudo .*; or, in a container .*, --unsafe"
    with pytest.raises(SandboxError, match=message):
        best_level_anew()
    assert best_level_anew("limits") == "limits"


def test_grading_elsewhere_than_on_linux_is_refused(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(SandboxError, match="not Darwin; try: "):
        best_level_anew()
