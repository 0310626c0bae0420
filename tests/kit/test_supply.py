"""What is installed by its hash, where anything is written, and what is asked of the network.

The source itself is held by ruff (banned-api and the S rules in pyproject.toml): tests/kit/test_tools.py.
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.python import run_python
from tests.support.tally import tried

SOURCES = [path for folder in ("cs231n", "classroom") for path in sorted((ROOT / folder).rglob("*.py"))]

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-extras.lock"])
def test_every_pin_of_a_lock_has_a_hash_and_the_lock_names_no_host(lock):
    text = (ROOT / lock).read_text().replace("\\\n", "")
    pins = [line for line in text.splitlines() if line[:1].strip() not in ("", "#")]
    assert len(pins) > 100
    for pin in pins:
        with tried("Supply", f"pins of {lock} with hashes"):
            assert re.fullmatch(r"[\w.-]+==[\w.]+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+", pin), pin
    assert not re.search("://|index-url|find-links", text)


WORKFLOWS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / ".github/workflows").iterdir())]


@pytest.mark.parametrize("script", [".ci/run", *WORKFLOWS])  # setup.py: test_setup.py
def test_what_is_installed_is_installed_by_its_hash(script):
    installs = re.findall(r"-m pip install.*", (ROOT / script).read_text().replace("\\\n", ""))
    assert installs
    for line in installs:
        with tried("Supply", "commands that install"):
            assert re.search(r"--require-hashes -r requirements(-extras)?\.lock", line), line


# What no rule of ruff knows: pickles in arrays, imports by another name, and addresses.
UNSAFE = re.compile(r"allow_pickle *= *(?!False)|\b__import__\(|[\"']https?://[^/\"']*\w\.\w")


def test_no_source_loads_pickled_arrays_or_has_an_address_of_its_own():
    for planted in (
        "np.load(f, allow_pickle=True)",
        "__import__(name)",
        "URL = 'https://" + "example.org/x'",
    ):
        assert UNSAFE.search(planted)
    assert not UNSAFE.search("np.load(f, allow_pickle=False), import_module(name), 'https://'")
    for path in SOURCES:
        with tried("Supply", "files without pickled arrays or an address of their own"):
            unsafe = UNSAFE.findall(path.read_text("utf-8"))
            assert not unsafe or path == ROOT / "cs231n/data/sources.py", (path, unsafe)


SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|\bgh[pousr]_\w{36}|\bpypi-\w{40}|"
    r"(?i:password|secret|token|api_?key)[\"']?\s*[:=]\s*[\"'][\w+/=-]{16,}[\"']"
)


def test_no_secret_is_in_the_kit():
    for planted in ("-----BEGIN RSA " + "PRIVATE KEY", "api_key" + f" = '{'0123456789abcdef'}'"):
        assert SECRETS.search(planted)
    kinds = (".py", ".md", ".toml", ".txt", ".sh", ".yml", ".yaml", ".ipynb", ".json", ".j2")
    folders = ("cs231n", "classroom", "tests", "benchmarks", "notebooks", "docs", ".ci", ".github")
    for path in [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]:
        if path.is_file() and (path.suffix in kinds or path.parent.name == ".ci"):
            with tried("Supply", "files without a secret"):
                assert not SECRETS.search(path.read_text("utf-8")), path


# Loaded by every Python that a command starts: it logs where it writes, whom it asks, what it starts.
WITNESS = """
import json, os, sys
_log = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir": [0], "os.rename": [0, 1], "os.remove": [0], "os.rmdir": [0], "os.link": [1],
            "os.symlink": [1], "os.truncate": [0], "os.chmod": [0], "os.utime": [0], "sqlite3.connect": [0]}
_ASKS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
         "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "webbrowser.open")

def _tell(kind, what):
    os.write(_log, (json.dumps([kind, what]) + "\\n").encode())

def _watch(event, args):
    if event == "open" and args[2] & _WRITES and not isinstance(args[0], int):
        _tell("write", os.path.abspath(os.fsdecode(args[0])))
    elif event in _CHANGES:
        for path in [args[i] for i in _CHANGES[event] if not isinstance(args[i], int)]:
            _tell("write", os.path.abspath(os.fsdecode(path)))
    elif event in _ASKS:
        _tell(event, repr(args[:2]))

sys.addaudithook(_watch)
"""

IMPORT_ALL = """
import importlib, pkgutil, cs231n, classroom
for package in (cs231n, classroom):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(("__main__", ".child")):        # child runs at once, in a sandbox
            importlib.import_module(module.name)
"""

TRAIN = """
from pathlib import Path
import numpy as np
from tests.support.tiny_cifar import publish
from tests.support import make_blobs
from cs231n.classifiers.fc_net import FullyConnectedNet
from cs231n.data.sources import locate
from cs231n.solver import Solver
Path("datasets").mkdir()
assert locate(publish(Path("datasets")), Path("datasets")).real
data, D, C = make_blobs()
model = FullyConnectedNet([5], input_dim=D, num_classes=C, normalization="batchnorm", seed=0)
Solver(model, data, num_epochs=2, batch_size=20, verbose=False, run="run").train()
Solver.resume("run", data).train()
Solver.load("run")
"""


def watched(folder, code_or_args):
    """Run Python in folder/work with a home of its own; returns the process and its [event, detail] pairs."""
    for name in ("witness", "work", "home", "temporary"):
        (folder / name).mkdir(parents=True)
    (folder / "witness" / "sitecustomize.py").write_text(WITNESS)
    env = {
        "PYTHONPATH": f"{folder / 'witness'}{os.pathsep}{ROOT}",
        "WITNESS": str(folder / "seen"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CS231N_CIFAR10": None,
        **dict.fromkeys(("HOME", "USERPROFILE"), str(folder / "home")),
        **dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), str(folder / "home" / ".cache")),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP", "NUMBA_CACHE_DIR"), str(folder / "temporary")),
    }
    process = run_python(code_or_args, cwd=folder / "work", env=env, timeout=300)
    return process, [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


COMMANDS = {
    "check": ["-m", "cs231n", "check"],
    "submit": ["-m", "cs231n", "submit"],
    "a training": TRAIN,
    "every import": IMPORT_ALL,
    "release": ["-m", "classroom", "release", "class"],
}


def test_nothing_is_written_elsewhere_and_nobody_is_asked(tmp_path, many):
    for command in COMMANDS if many else ["a training"]:
        folder = tmp_path / command
        process, seen = watched(folder, COMMANDS[command])
        cache = folder / "home" / ".cache"
        ours = [folder / "work", folder / "temporary", folder / "matplotlib", cache / "cs231n", ROOT]
        with tried("Supply", "commands without other files, network or programs"):
            assert process.returncode == 0, process.stderr
            for event, detail in seen:
                if event == "write":
                    inside = any(Path(detail).is_relative_to(place) for place in ours)
                    assert inside or detail in (str(cache), os.path.abspath(os.devnull)), detail
                else:  # matplotlib asks the system which fonts there are
                    assert event == "subprocess.Popen" and re.match(r"\('(fc-list|system_prof)", detail)


def test_the_witness_sees_what_a_command_and_its_child_do(tmp_path):
    child = "open('in-child', 'a').close()"
    mischief = f"""
import os, socket, subprocess, sys
from pathlib import Path
Path.home().joinpath("diary").write_text("x")
os.rename(Path.home() / "diary", Path.home() / "log")
subprocess.run([sys.executable, "-c", {child!r}])
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError:
    pass
"""
    _, seen = watched(tmp_path, mischief)
    written = {Path(detail).name for event, detail in seen if event == "write"}
    assert {"diary", "log", "in-child"} <= written
    assert {event for event, _ in seen} >= {"subprocess.Popen", "socket.connect"}
