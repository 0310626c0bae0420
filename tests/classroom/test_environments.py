"""The machine decides no mark: odd, busy and small ones give the same marks, or a refusal in one line."""

import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from classroom.grading import runner
from classroom.sandbox import levels, process
from classroom.sandbox.process import Child, SandboxError, child_folder
from tests.support.grading import BRIEF, burn, function, marked, solved, wrong
from tests.support.namespaces import can_unshare
from tests.support.python import run_python
from tests.support.sandbox import (
    as_root,
    probing,
)
from tests.support.sandbox import level as level
from tests.support.sandbox import walls as walls


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
        "once = 'once=__import__(\"functools\").cache(lambda: np.ones(50 << 20).size)'",  # 400 MiB
        "files = solved(function('relu_forward', f'x, {once}', '(once(), _relu_forward(x))[1]'))",
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
