"""Hostile submissions, each contained, marked 0 for what it did not solve, and in time, at every level."""

import functools
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from ast import literal_eval
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from classroom.grading import report
from classroom.grading.submission import Submission
from classroom.sandbox import landlock, process, seccomp
from classroom.sandbox.levels import LEVELS, Command
from classroom.sandbox.process import Child, ChildExitedError, SandboxError, child_folder
from cs231n.common.environment import ONE_THREAD
from cs231n.common.files import REPOSITORY
from tests.support.grading import BRIEF, LAYERS, blank, hostile, marked, shares, solved, wrong
from tests.support.sandbox import (
    PROBE_FILES,
    best_level_anew,
    probing,
)
from tests.support.sandbox import file_system as file_system
from tests.support.sandbox import level as level
from tests.support.sandbox import walls as walls


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


# fmt: off
@pytest.mark.parametrize("code, limits, error, message", [
    ("time.sleep(30)", {}, process.ChildTimeoutError, "no answer within 0.01 minutes"),
    ("exec('while 1: pass')", {"seconds": 0.5}, process.ChildTimeoutError, "used its 0.5 seconds"),
    ("os._exit(3)", {}, ChildExitedError, "without an answer"),
    ("os._exit(137)", {}, ChildExitedError, "ended without an answer"),  # it passed for the machine's SIGKILL
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


def test_the_next_child_has_nothing_of_the_one_before(level):
    """They are forked from one process where the kernel keeps them apart, and each is as new."""
    with child_folder(PROBE_FILES) as folder:
        seen = []
        for files in ({"reference_0.py": "", LAYERS: "MARK = 1"}, {}):
            folder.put(files)
            with probing(level, folder=folder) as probe:
                seen.append(probe("(os.getppid(), os.getpid(), float(np.random.random()))"))
                assert probe("hasattr(np, 'MARK')") == "False"
                assert probe("hasattr(__import__('cs231n.layers').layers, 'MARK')") == str(bool(files))
                kit = "os.path.dirname(__import__('wire').__file__)"
                assert probe(f"'reference_0.py' in os.listdir({kit})") == str(bool(files))
                assert probe("setattr(np, 'MARK', 1)") == "None"
        (parent, child, number), (next_parent, next_child, next_number) = map(literal_eval, seen)
        assert child != next_child and number != next_number
        is_shared = not (seccomp.unavailable_reason() or landlock.unavailable_reason())
        assert not is_shared or parent == next_parent


def test_the_process_that_forks_starts_before_a_file_of_the_student_is_there(level, monkeypatch):
    found = []
    start = process.Server

    def recorded(command, settings, folder, level):
        found.append((folder / LAYERS).read_text())
        return start(command, settings, folder, level)

    monkeypatch.setattr(process, "Server", recorded)
    with child_folder(PROBE_FILES) as folder:
        folder.put({LAYERS: "MARK = 1"})
        with probing(level, folder=folder):
            assert (folder.path / LAYERS).read_text() == "MARK = 1"
    assert found == [PROBE_FILES[LAYERS]]


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
