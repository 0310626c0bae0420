"""Hostile submissions, each contained, marked 0 for what it did not solve, and in time, at every level."""

import functools
import os
import platform
import re
import shutil
import socket
import tempfile
import time
from ast import literal_eval
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from classroom.grading import report
from classroom.grading.submission import Submission
from classroom.manifest import ROOT
from classroom.sandbox import process
from classroom.sandbox.process import (
    LEVELS,
    Child,
    Ended,
    NoSandbox,
    TimedOut,
    best_level,
    folder_for,
    seccomp,
)
from tests.support.grading_class import BRIEF, alive, blank, hostile, marked, shares, solved

# What a child needs of cs231n.checking.problems besides run.
ALONE = "from contextlib import nullcontext\n\ndef forbid_other_backwards(*_):\n    return nullcontext()\n\n"
ASK = {"exercise": "relu_forward", "module": "cs231n.layers", "inputs": {"x": np.ones((3, 2))}}


@functools.cache
def works(level):
    try:
        with folder_for({}) as folder, Child(folder, level, BRIEF):
            return True
    except NoSandbox:
        return False


@pytest.fixture(params=LEVELS)
def level(request):
    if not works(request.param):
        pytest.skip(f"{request.param} cannot run on this machine")
    return request.param


@contextmanager
def probing(level, hidden=()):
    """A child of which to ask what an expression comes to there, as text, with np and os at hand."""
    run = (
        ALONE + "import os\nimport numpy as np\n\ndef run(exercise, module, inputs):\n"
        "    return {'said': np.frombuffer(repr(eval(inputs['code'])).encode(), np.uint8)}\n"
    )
    files = {"cs231n/__init__.py": "", "cs231n/checking/problems.py": run, "cs231n/layers.py": ""}
    with folder_for(files) as folder, Child(folder, level, BRIEF, hidden) as child:

        def probe(code):
            reply = child.ask({**ASK, "inputs": {"code": code}})
            return reply["got"]["said"].tobytes().decode() if "got" in reply else reply["error"]["type"]

        yield probe


# The first test of this file: what starts many processes runs only because this one could not start one.
def test_no_process_and_no_thread_can_be_started(level):
    with probing(level) as probe:
        assert probe("os.fork() or os._exit(0)") == "BlockingIOError"
        assert probe("os.posix_spawn('/bin/true', ['true'], {})") == "BlockingIOError"
        assert probe("__import__('threading').Thread(target=print).start()") == "RuntimeError"


def test_what_a_child_is_not(level):
    with probing(level) as probe:
        assert probe("os.getuid() == 0 and os.access('/proc/1/mem', os.W_OK)") == "False"
        usual = {"PWD", "OLDPWD", "LANG", "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"}
        assert set(literal_eval(probe("list(os.environ)"))) - usual == set(process.ONE_THREAD)
        assert probe("os.listdir(os.environ['HOME'])") == "[]"
        for limit in ("NPROC", "AS", "CPU", "FSIZE", "NOFILE"):
            raised = f"(lambda r: r.setrlimit(r.RLIMIT_{limit}, (1 << 40, 1 << 40)))(__import__('resource'))"
            assert probe(raised) == "ValueError"
        assert probe("len(np.ones(1 << 28))") == "MemoryError"
        big = "open(os.path.join(os.environ['HOME'], 'big'), 'wb').write(bytes(2 << 20))"
        assert probe(big) == "OSError"


def test_a_child_sees_no_network_and_no_files_of_the_grader(level, tmp_path):
    if level == "limits":
        pytest.skip("limits alone hide nothing, which every report says")
    (tmp_path / "ada").mkdir()
    with probing(level, [str(tmp_path)]) as probe:
        for folder in (ROOT, tmp_path):
            assert probe(f"os.path.isdir({str(folder)!r}) and os.listdir({str(folder)!r})") in ("False", "[]")
        assert probe("[line.split(':')[0].strip() for line in list(open('/proc/net/dev'))[2:]]") == "['lo']"
        assert len(literal_eval(probe("[p for p in os.listdir('/proc') if p.isdecimal()]"))) <= 2
        if level == "bubblewrap":
            assert set(literal_eval(probe("os.listdir('/')"))) <= {
                "bin",
                "dev",
                "etc",
                "kit",
                "lib",
                "lib32",
                "lib64",
                "packages",
                "proc",
                "sbin",
                "tmp",
                "usr",
                Path(process.sys.base_prefix).parts[1],
            }
            assert probe("(lambda s: s.f_blocks * s.f_frsize)(os.statvfs('/tmp'))") == str(16 << 20)


def test_all_is_read_only_but_a_little_space(level, tmp_path):
    """An ordinary user's child has the user's own rights: every mount counts, not who may write in it."""
    if level == "limits":
        pytest.skip("limits alone keep nobody from writing, which the docs say")
    nested = [str(ROOT), str(ROOT / "classroom"), str(tmp_path)]
    with probing(level, nested) as probe:
        rows = "[line.split() for line in open('/proc/self/mountinfo')]"
        writable = set(literal_eval(probe(f"[row[4] for row in {rows} if 'rw' in row[5].split(',')]")))
        home = literal_eval(probe("os.environ['HOME']"))
        assert home in writable
        assert probe(f"(lambda s: s.f_blocks * s.f_frsize)(os.statvfs({home!r}))") == str(16 << 20)
        if level == "namespaces":  # bubblewrap has no option for it, which the docs say
            assert probe(f"os.statvfs({home!r}).f_files") == "4096"
        free = {"/proc", "/dev/shm", "/dev/pts"} if level == "bubblewrap" else set()
        assert not [path for path in writable - {home} - free if probe(f"os.path.isdir({path!r})") == "True"]
        for path in ("np.__file__", "__import__('wire').__file__", "os.path.join(os.sep, 'usr')"):
            assert probe(f"os.statvfs({path}).f_flag & os.ST_RDONLY") == "1"
        for folder in {tempfile.gettempdir(), "/tmp", "/var/tmp"} - {home}:
            assert probe(f"os.path.isdir({folder!r}) and os.listdir({folder!r})") in ("False", "[]")


filtered = pytest.mark.skipif(bool(seccomp.missing()), reason=seccomp.missing() or "there is a filter")


@pytest.mark.parametrize(
    "i, header", [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")], ids=seccomp.MACHINES
)
def test_the_numbers_of_calls_are_those_of_the_kernel(i, header):
    header = Path("/usr/include", header)
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    found = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read_text()))
    assert {call: int(found[call]) for call in seccomp.CALLS} == {
        call: numbers[i] for call, numbers in seccomp.CALLS.items()
    }


@filtered
def test_calls_past_the_limits_are_refused(level):
    libc = "__import__('ctypes').CDLL(None, use_errno=True)"
    with probing(level) as probe:
        for name, (x86_64, aarch64) in seccomp.CALLS.items():
            number = x86_64 if platform.machine() == "x86_64" else aarch64
            refused = f"({libc}.syscall({number}, 0, 0, 0, 0, 0), __import__('ctypes').get_errno())"
            assert probe(refused) == "(-1, 1)", name
        assert probe("open('/proc/self/status').read().count('NoNewPrivs:\\t1')") == "1"


@filtered
def test_limits_alone_keep_a_child_from_the_memory_of_grader_and_children():
    """Which no call tells from a file. The other levels show a child no other process."""
    with probing("limits") as probe, probing("limits") as other:
        for pid in (os.getpid(), other("os.getpid()")):
            assert probe(f"open('/proc/{pid}/mem', 'rb')") == "PermissionError"


@filtered
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines have no second set of calls")
@pytest.mark.parametrize(
    "code, signal",
    [
        ("ctypes.CDLL(None).syscall(0x40000000 | 39)", "SIGSYS"),
        # mov eax, 20; int 0x80; ret: getpid as i386 numbers it
        (
            "map = ctypes.CDLL(None).mmap; map.restype = ctypes.c_void_p; "
            "page = map(None, 4096, 7, 0x22, -1, 0); "
            "ctypes.memmove(page, bytes.fromhex('b814000000cd80c3'), 8); "
            "ctypes.CFUNCTYPE(ctypes.c_int)(page)()",
            "SIGSYS|SIGSEGV",
        ),  # the second from a kernel that has no 32-bit calls
    ],
    ids=["x32", "i386"],
)
def test_calls_of_another_kind_end_the_child(level, code, signal):
    with probing(level) as probe, pytest.raises(Ended, match=signal):
        probe(f"exec({'import ctypes; ' + code!r})")


@pytest.mark.parametrize("machine", ["riscv64", "armv7l"])
def test_where_no_filter_is_known_it_is_said(machine, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    best_level.cache_clear()
    said = f"no filter of system calls is known for {platform.system()} on {machine}"
    with pytest.raises(NoSandbox, match=said):
        best_level("bubblewrap")
    with folder_for({}) as folder, Child(folder, best_level(), BRIEF):
        pass
    found = report.results(Submission({}, {}, []), {}, (), best_level(), 0)
    assert said in found["output"]
    best_level.cache_clear()


@pytest.fixture
def children(monkeypatch):
    """Where the folders of this test's children are; a child's command line names its folder."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    yield Path(folder)
    shutil.rmtree(folder)


NOTHING = {}
RELU = {"relu_forward": 1.0}
CASES = {  # what each earns, and the kind of its first exercise
    "endless_loop": (NOTHING, "timed-out"),
    "allocation": (NOTHING, "raised"),
    "threads": (NOTHING, "raised"),
    "fills_the_disk": (NOTHING, "raised"),
    "exits": (RELU, "crashed"),
    "lying_objects": (NOTHING, None),
    "another_exercise": (RELU, "not-implemented"),
    "differentiates": (NOTHING, "raised"),
    "outgrows_its_limit": (NOTHING, "raised"),
}
ALSO = {  # contained by what contains one of those above, or after a wait for a limit
    "endless_import": (NOTHING, "timed-out"),
    "fork_bomb": (NOTHING, "timed-out"),
    "flood": (NOTHING, "timed-out"),
    "closes_the_pipe": (NOTHING, None),
    "patched_numpy": (NOTHING, None),
    "wrong_arrays": (NOTHING, None),
    "forged_answers": (NOTHING, None),
}


def contained(name, level, children):
    earned, kind = (CASES | ALSO)[name]
    start = time.monotonic()
    # What is not to come back in time may as well be short of it.
    attempts = marked(hostile(name), level, BRIEF._replace(seconds=1) if kind == "timed-out" else BRIEF)
    assert shares(attempts) == earned
    assert kind is None or attempts["affine_forward"].kind == kind
    assert time.monotonic() - start < 60
    assert not alive(str(children).encode()) and not list(children.iterdir())


@pytest.mark.parametrize("name", [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in ALSO)])
def test_contained(name, children):
    contained(name, best_level(), children)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, *ALSO])
def test_contained_at_weaker_levels(name, level, children):
    if level == best_level():
        pytest.skip("test_contained ran at this level")
    contained(name, level, children)


def test_no_call_leaves_the_sandbox(level):
    if level == "limits" and seccomp.missing():
        pytest.skip("limits alone leave the network open, which its reports say")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        attempts = marked(hostile("network", PORT=server.getsockname()[1]), level, only=["affine_forward"])
        with pytest.raises(TimeoutError):
            server.accept()
    assert shares(attempts) == NOTHING and attempts["affine_forward"].kind == "raised"


def test_nothing_is_written_outside(level, tmp_path):
    name = f"cs231n-was-here-{os.getpid()}"  # another run of this test may write as well
    was_here = [
        Path(folder, name)
        for folder in (ROOT, ROOT / "classroom", tempfile.gettempdir(), "/var/tmp", Path.home(), "/")
    ]
    files = hostile("writes_outside", REPOSITORY=str(ROOT), NAME=name)
    attempts = marked(files, level, only=["affine_forward"])
    left = [path for path in was_here if path.exists()]
    for path in left:
        path.unlink()
    assert shares(attempts) == NOTHING
    if level != "limits":  # where the world may write, there limits alone do not stop a student
        assert not left


def test_the_solution_is_not_to_be_found():
    if best_level() != "bubblewrap":
        pytest.skip("bubblewrap cannot run on this machine, and what is weaker hides less")
    attempts = marked(
        hostile("reads_the_solution"), "bubblewrap", BRIEF._replace(seconds=60, cpu=60), ["affine_forward"]
    )
    assert shares(attempts) == NOTHING
    assert "no solution found" in attempts["affine_forward"].text


def test_the_search_for_the_solution_can_find_one():
    """The test above would see a leak: with the solution in the child's own folder it is found."""
    if best_level() == "namespaces":
        pytest.skip("namespaces lay that folder below /sys, which the search leaves out")
    files = hostile("reads_the_solution")
    files["reference/layers.py"] = solved()["cs231n/layers.py"]
    attempts = marked(files, best_level(), BRIEF._replace(seconds=60, cpu=60), ["affine_forward"])
    assert shares(attempts) == {"affine_forward": 1.0}


def test_a_blank_submission_and_a_solved_one(level):
    attempts = marked(blank(), level)
    assert shares(attempts) == {} and {a.kind for a in attempts.values()} == {"not-implemented", "waits"}
    assert all(attempt.share == 1 for attempt in marked(solved(), level).values())


def test_a_child_that_ends_or_does_not_answer_says_so():
    files = {
        "cs231n/__init__.py": "",
        "cs231n/layers.py": "",
        "cs231n/checking/problems.py": ALONE
        + "import os, time\n\ndef run(exercise, module, inputs):\n    exec(inputs['code'])\n",
    }

    # In namespaces it is process 1, which its own signals pass by, and unshare may not tell of a SIGKILL.
    level = "bubblewrap" if works("bubblewrap") else "limits"

    def ask(code, limits=BRIEF):
        with folder_for(files) as folder, Child(folder, level, limits) as child:
            return child.ask({**ASK, "inputs": {"code": code}})

    with pytest.raises(TimedOut, match="no answer after 0.5 seconds"):
        ask("time.sleep(30)", BRIEF._replace(seconds=0.5))
    with pytest.raises(TimedOut, match="seconds of CPU are used up"):
        ask("while True: pass", BRIEF._replace(seconds=30, cpu=3))  # the import of numpy counts
    with pytest.raises(Ended, match="without an answer"):
        ask("os._exit(3)")
    with pytest.raises(Ended, match="SIGSEGV"):
        ask("os.kill(os.getpid(), 11)")


def test_a_weaker_sandbox_is_refused(monkeypatch):
    real = process._command
    monkeypatch.setattr(
        process,
        "_command",
        lambda level, *rest: (["no-such-command"], "", "") if level == "bubblewrap" else real(level, *rest),
    )
    best_level.cache_clear()
    with pytest.raises(NoSandbox, match="did not start: .*no-such-command.*try: sudo apt install bubblewrap"):
        best_level("bubblewrap")
    assert best_level() in LEVELS[1:]
    best_level.cache_clear()


def test_python_starts_in_namespaces_wherever_it_lies():
    """Its library may be known by an absolute path into the home folder, which is covered there."""
    try:
        with folder_for({}) as folder, Child(folder, "namespaces", BRIEF):
            pass
    except NoSandbox as error:  # this machine's reason
        assert "shared librar" not in str(error)


def test_grading_elsewhere_than_on_linux_is_refused(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    best_level.cache_clear()
    with pytest.raises(NoSandbox, match="not Darwin; try: "):
        best_level()
