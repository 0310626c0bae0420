"""Hostile submissions, each contained, marked 0 for what it did not solve, and in time, at every level."""

import functools
import os
import shutil
import socket
import tempfile
import time
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
from grading_class import BRIEF, alive, blank, hostile, marked, shares, solved

from classroom import sandbox
from classroom.manifest import ROOT
from classroom.sandbox import LEVELS, Child, Ended, NoSandbox, TimedOut, best_level, folder_for

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


def probe(level, code, hidden=()):
    """What code, an expression, comes to as text in a child, with np and os at hand."""
    run = "import os\nimport numpy as np\n\ndef run(exercise, module, inputs):\n" \
          "    return {'said': np.frombuffer(repr(eval(inputs['code'])).encode(), np.uint8)}\n"
    files = {"cs231n/__init__.py": "", "cs231n/problems.py": run, "cs231n/layers.py": ""}
    with folder_for(files) as folder, Child(folder, level, BRIEF, hidden) as child:
        reply = child.ask({**ASK, "inputs": {"code": code}})
    return reply["got"]["said"].tobytes().decode() if "got" in reply else reply["error"]["type"]


# The first test of this file: what starts many processes runs only because this one could not start one.
def test_no_process_and_no_thread_can_be_started(level):
    assert probe(level, "os.fork() or os._exit(0)") == "BlockingIOError"
    assert probe(level, "os.posix_spawn('/bin/true', ['true'], {})") == "BlockingIOError"
    assert probe(level, "__import__('threading').Thread(target=print).start()") == "RuntimeError"


def test_what_a_child_is_not(level):
    assert probe(level, "os.getuid() == 0 and os.access('/proc/1/mem', os.W_OK)") == "False"
    assert probe(level, "sorted(set(os.environ) - {'PWD', 'OLDPWD', 'LANG', 'PATH', 'HOME', 'TMPDIR'})") == \
        repr(sorted(sandbox.ONE_THREAD))
    assert probe(level, "os.listdir(os.environ['HOME'])") == "[]"
    for limit in ("NPROC", "AS", "CPU", "FSIZE", "NOFILE"):
        raised = f"(lambda r: r.setrlimit(r.RLIMIT_{limit}, (1 << 40, 1 << 40)))(__import__('resource'))"
        assert probe(level, raised) == "ValueError"
    assert probe(level, "len(np.ones(1 << 28))") == "MemoryError"
    big = "open(os.path.join(os.environ['HOME'], 'big'), 'wb').write(bytes(2 << 20))"
    assert probe(level, big) == "OSError"


def test_a_child_sees_no_network_and_no_files_of_the_grader(level, tmp_path):
    (tmp_path / "ada").mkdir()
    sees = f"[os.path.isdir(p) and os.listdir(p) for p in ({str(ROOT)!r}, {str(tmp_path)!r})]"
    net = "[line.split(':')[0].strip() for line in list(open('/proc/net/dev'))[2:]]"
    pids = "[p for p in os.listdir('/proc') if p.isdecimal()]"
    if level == "limits":       # said on every page that the grader then writes
        assert "nothing is hidden" in sandbox.__doc__
        return
    assert not any(literal_eval(probe(level, sees, [str(tmp_path)])))
    assert probe(level, net) == "['lo']"
    assert len(literal_eval(probe(level, pids))) <= 2
    if level == "bubblewrap":
        assert set(literal_eval(probe(level, "os.listdir('/')"))) <= {
            "bin", "dev", "etc", "kit", "lib", "lib32", "lib64", "packages", "proc", "sbin", "tmp", "usr",
            Path(sandbox.sys.base_prefix).parts[1]}
        assert literal_eval(probe(level, "os.statvfs('/tmp').f_blocks * 4096")) == 16 << 20


@pytest.fixture
def children(monkeypatch):
    """Where the folders of this test's children are; a child's command line names its folder."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    yield Path(folder)
    shutil.rmtree(folder)


def nothing_is_left(children):
    return not alive(str(children).encode()) and not list(children.iterdir())


NOTHING = {}
RELU = {"relu_forward": 1.0}
CASES = [
    ("endless_loop", NOTHING, "timed-out"), ("endless_import", NOTHING, "timed-out"),
    ("allocation", NOTHING, "raised"), ("fork_bomb", NOTHING, "timed-out"), ("threads", NOTHING, "raised"),
    ("fills_the_disk", NOTHING, "raised"), ("flood", NOTHING, "timed-out"), ("exits", RELU, "crashed"),
    ("closes_the_pipe", NOTHING, None),
    ("patched_numpy", NOTHING, None), ("lying_objects", NOTHING, None), ("wrong_arrays", NOTHING, None),
    ("another_exercise", RELU, "not-implemented"), ("forged_answers", NOTHING, None),
    ("differentiates", NOTHING, "raised"),
]


LONG = ("endless_import", "flood", "closes_the_pipe")     # each waits for a limit, as endless_loop does


@pytest.mark.parametrize("name, earned, kind",
                         [pytest.param(*case, id=case[0], marks=[pytest.mark.slow] * (case[0] in LONG))
                          for case in CASES])
def test_contained(name, earned, kind, children):
    start = time.monotonic()
    attempts = marked(hostile(name), best_level())
    assert shares(attempts) == earned
    assert kind is None or attempts["affine_forward"].kind == kind
    assert time.monotonic() - start < 60
    assert nothing_is_left(children)


@pytest.mark.slow
@pytest.mark.parametrize("name, earned, kind", CASES, ids=[case[0] for case in CASES])
def test_contained_at_weaker_levels(name, earned, kind, level, children):
    if level == best_level():
        pytest.skip("test_contained ran at this level")
    attempts = marked(hostile(name), level)
    assert shares(attempts) == earned
    assert kind is None or attempts["affine_forward"].kind == kind
    assert nothing_is_left(children)


def test_no_call_leaves_the_sandbox(level):
    if level == "limits":
        pytest.skip("limits alone leave the network open, which its reports say")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        attempts = marked(hostile("network", PORT=server.getsockname()[1]), level)
        with pytest.raises(TimeoutError):
            server.accept()
    assert shares(attempts) == NOTHING and attempts["affine_forward"].kind == "raised"


def test_nothing_is_written_outside(level, tmp_path):
    was_here = [Path(folder, "cs231n-was-here") for folder in
                (ROOT, ROOT / "classroom", tempfile.gettempdir(), "/var/tmp", Path.home(), "/")]
    attempts = marked(hostile("writes_outside", REPOSITORY=str(ROOT)), level)
    left = [path for path in was_here if path.exists()]
    for path in left:
        path.unlink()
    assert shares(attempts) == NOTHING
    if level != "limits":       # where the world may write, there limits alone do not stop a student
        assert not [path for path in left if level == "bubblewrap" or path.is_relative_to(ROOT)]


def test_the_solution_is_not_to_be_found():
    if best_level() != "bubblewrap":
        pytest.skip("bubblewrap cannot run on this machine, and what is weaker hides less")
    attempts = marked(hostile("reads_the_solution"), "bubblewrap", BRIEF._replace(seconds=60, cpu=60))
    assert shares(attempts) == NOTHING
    assert "no solution found" in attempts["affine_forward"].text


def test_the_search_for_the_solution_can_find_one():
    """The test above would see a leak: with the solution in the child's own folder it is found."""
    files = hostile("reads_the_solution")
    files["reference/layers.py"] = solved()["cs231n/layers.py"]
    assert shares(marked(files, best_level(), BRIEF._replace(seconds=60, cpu=60))) == {"affine_forward": 1.0}


def test_a_blank_submission_and_a_solved_one(level):
    attempts = marked(blank(), level)
    assert shares(attempts) == {} and {a.kind for a in attempts.values()} == {"not-implemented", "waits"}
    assert all(attempt.share == 1 for attempt in marked(solved(), level).values())


def test_a_child_that_ends_or_does_not_answer_says_so():
    files = {"cs231n/__init__.py": "", "cs231n/layers.py": "", "cs231n/problems.py":
             "import os, time\n\ndef run(exercise, module, inputs):\n    exec(inputs['code'])\n"}

    def ask(code, limits=BRIEF):
        with folder_for(files) as folder, Child(folder, best_level(), limits) as child:
            return child.ask({**ASK, "inputs": {"code": code}})

    with pytest.raises(TimedOut, match="no answer after 0.5 seconds"):
        ask("time.sleep(30)", BRIEF._replace(seconds=0.5))
    with pytest.raises(TimedOut, match="seconds of CPU are used up"):
        ask("while True: pass", BRIEF._replace(seconds=30, cpu=1))
    with pytest.raises(Ended, match="without an answer"):
        ask("os._exit(3)")
    with pytest.raises(Ended, match="SIGSEGV"):
        ask("os.kill(os.getpid(), 11)")


def test_a_weaker_sandbox_is_refused(monkeypatch):
    real = sandbox._command
    monkeypatch.setattr(sandbox, "_command", lambda level, *rest: (["no-such-command"], "", "")
                        if level == "bubblewrap" else real(level, *rest))
    best_level.cache_clear()
    with pytest.raises(NoSandbox, match="no-such-command.*try: sudo apt install bubblewrap"):
        best_level("bubblewrap")
    assert best_level() in LEVELS[1:]
    best_level.cache_clear()
