"""What is installed, what is run, what is asked of the network, and where anything is written."""

import ast
import builtins
import functools
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.tally import tried

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("cs231n", "classroom") for path in sorted((ROOT / folder).rglob("*.py"))]

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-extras.lock"])
def test_every_pin_of_a_lock_has_a_hash(lock):
    text = (ROOT / lock).read_text().replace("\\\n", "")
    pins = [line for line in text.splitlines() if line[:1].strip() not in ("", "#")]
    assert len(pins) > 100
    for pin in pins:
        with tried("Supply", f"pins of {lock} with hashes"):
            assert re.fullmatch(r"[\w.-]+==[\w.]+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+", pin), pin


@pytest.mark.parametrize("script", ["setup.sh", ".ci/run", ".github/workflows/ci.yml"])
def test_what_is_installed_is_installed_by_its_hash(script):
    installs = re.findall(r"-m pip install.*", (ROOT / script).read_text().replace("\\\n", ""))
    assert installs
    for line in installs:
        with tried("Supply", "commands that install"):
            assert re.search(r"--require-hashes -r requirements(-extras)?\.lock", line), line


# What can run a program that came as data, by its full name; * stands for anything.
RUNS = (
    "eval",
    "exec",
    "compile",
    "__import__",
    "builtins",
    "pickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "joblib",
    "cloudpickle",
    "torch.load",
    "yaml",
    "ctypes",
    "cffi",
    "runpy",
    "code",
    "pty",
    "subprocess",
    "multiprocessing",
    "importlib.import_module",
    "importlib.reload",
    "importlib.machinery",
    "importlib.util.*_from_*",
    "os.system",
    "os.popen",
    "os.exec*",
    "os.spawn*",
    "os.posix_spawn*",
    "sympy.sympify",
    "sympy.parsing",
    "*.extractall",
    "shutil.unpack_archive",
    "shell=",
    "allow_pickle=",
)
RUNS_NOTHING = {
    "subprocess.DEVNULL",
    "subprocess.PIPE",
    "subprocess.TimeoutExpired",
    "pickle.dumps",
    "pickle.UnpicklingError",
}
WHY_RUN = {
    "cs231n/data/safe_pickle.py": {"pickle"},  # admits arrays alone: test_data_formats.py
    "cs231n/common/executors.py": {
        "pickle.loads",  # the pipes of a search to its own workers
        "multiprocessing.get_context",
        "multiprocessing.parent_process",
    },
    "cs231n/data/sources.py": {"subprocess.run"},  # npm pack, which runs nothing it fetches
    "cs231n/__main__.py": {"importlib.import_module"},  # of the table of commands
    "cs231n/checks.py": {"importlib.import_module", "importlib.reload"},  # the learner's own files
    "cs231n/checking/problems.py": {"importlib.import_module"},  # cs231n.layer_utils
    "cs231n/training/checkpoint.py": {"importlib.import_module"},  # of the two in LAYERS
    "cs231n/classifiers/fc_net.py": {"importlib.import_module"},  # of a net that is copied
    "classroom/grading/reference.py": {"importlib.import_module"},  # of the table of exercises
    "classroom/grading/result.py": {"builtins"},  # to know the name of an error
    "classroom/releasing/release.py": {"compile"},  # looked at, not run
    "classroom/sandbox/process.py": {"subprocess.Popen"},  # the child that a submission is run in
    "classroom/sandbox/seccomp.py": {"ctypes"},  # a filter of system calls, for that child
    "classroom/sandbox/child.py": {
        "importlib.import_module",
        "importlib.util.module_from_spec",
        "importlib.util.spec_from_file_location",
    },  # in that child
}

ASKS = (
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "urllib3",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "xmlrpc",
    "webbrowser",
    "distributed",
    "dask",
    "tornado",
    "zmq",
    "asyncio.open_*",
    "asyncio.start_*",
)
WHY_ASK = {
    "cs231n/data/download.py": {"socket", "http.client", "urllib.request"},  # what data_sources.py names
    "cs231n/data/location.py": {"urllib.request.url2pathname"},  # text to text
    "cs231n/search/halving.py": {"socket.gethostname"},  # says which worker it was, asks nobody
    "cs231n/common/executors.py": {"distributed.Client"},  # at the address that the user gave
}


class Names(ast.NodeVisitor):
    """The full names of all that a module uses; a keyword as name=, unless it is plainly False."""

    def __init__(self, text):
        self.found, self.imported = set(), {}
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    self.imported[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                    self.found.add(f"{node.module}.{alias.name}")
        self.visit(tree)

    def visit_Name(self, node):
        if node.id in self.imported or hasattr(builtins, node.id):
            self.found.add(self.imported.get(node.id, node.id))

    def visit_Attribute(self, node):
        first, *rest = ast.unparse(node).split(".")
        if first in self.imported and all(map(str.isidentifier, rest)):
            self.found.add(".".join([self.imported[first], *rest]))
        else:
            self.found.add("." + node.attr)  # of something that only a run can tell
            self.generic_visit(node)

    def visit_keyword(self, node):
        if not (isinstance(node.value, ast.Constant) and node.value.value is False):
            self.found.add(f"{node.arg}=")
        self.generic_visit(node)


@functools.cache
def names(text):
    return Names(text).found


def among(patterns, found):
    return {
        name
        for name in found
        if any(fnmatchcase(name, pattern) or fnmatchcase(name, pattern + ".*") for pattern in patterns)
    }


def uses(text, patterns):
    return among(patterns, names(text))


@pytest.mark.parametrize(
    "patterns, harmless, why, what",
    [
        (RUNS, RUNS_NOTHING, WHY_RUN, "files that run nothing but what is named"),
        (ASKS, set(), WHY_ASK, "files that ask the network nothing but what is named"),
    ],
    ids=["run", "ask"],
)
def test_our_modules_use_nothing_dangerous_but_what_is_named(patterns, harmless, why, what):
    for path in SOURCES:
        file = path.relative_to(ROOT).as_posix()
        with tried("Supply", what):
            used, named = uses(path.read_text("utf-8"), patterns) - harmless, why.get(file, set())
            assert used == among(named, used), file
            assert all(among([name], used) for name in named), f"{file} no longer uses all of {named}"


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle as p\np.load(f)",
        "from pickle import loads as read\nread(f)",
        "def f():\n    import os\n    os.system('ls')",
        "run(c, shell=True)",
        "np.load(f, allow_pickle=wanted)",
        "import subprocess\nsubprocess.run(c)",
        "from importlib import import_module",
        "import importlib.util\nimportlib.util.spec_from_file_location(a, b)",
        "__import__(name)",
        "import builtins\nbuiltins.exec(x)",
        "with tarfile.open(f) as tar:\n    tar.extractall()",
        "import subprocess\nmine = subprocess\nmine.run(c)",
        "import pickle\nread = [pickle.load][0]",
    ],
)
def test_what_can_run_a_program_is_seen(text):
    assert uses(text, RUNS)


@pytest.mark.parametrize(
    "text",
    [
        "import urllib.request\nurllib.request.urlopen(u)",
        "from urllib import request\nrequest.urlopen(u)",
        "import socket as s\ns.socket()",
        "def f():\n    from http.client import HTTPSConnection",
        "import requests\nrequests.post(u)",
    ],
)
def test_what_asks_the_network_is_seen(text):
    assert uses(text, ASKS)


@pytest.mark.parametrize(
    "text",
    [
        "np.load(f, allow_pickle=False)",
        "import json\njson.loads(x)",
        "import re\nre.compile(x)",
        "from urllib.parse import urlsplit",
        "code = 'a'\ncode.strip()",
    ],
)
def test_what_is_harmless_is_let_be(text):
    assert not uses(text, RUNS + ASKS)


def test_no_address_stands_outside_the_sources_of_data():
    for path in SOURCES:
        file = path.relative_to(ROOT).as_posix()
        found = {
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.match(r"https?://[^/]*\w\.\w", node.value)
        }
        with tried("Supply", "files without an address of their own"):
            assert not found or file == "cs231n/data/sources.py", (file, found)


SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|\bgh[pousr]_\w{36}|\bpypi-\w{40}|"
    r"(?i:password|secret|token|api_?key)[\"']?\s*[:=]\s*[\"'][\w+/=-]{16,}[\"']"
)


def test_no_secret_is_in_the_kit():
    for planted in ("-----BEGIN RSA " + "PRIVATE KEY", "api_key" + f" = '{'0123456789abcdef'}'"):
        assert SECRETS.search(planted)
    kinds = (".py", ".md", ".toml", ".txt", ".sh", ".yml", ".ipynb", ".json", ".j2")
    folders = ("cs231n", "classroom", "tests", "benchmarks", "notebooks", "docs", ".ci", ".github")
    for path in [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]:
        if path.is_file() and (path.suffix in kinds or path.parent.name == ".ci"):
            with tried("Supply", "files without a secret"):
                assert not SECRETS.search(path.read_text("utf-8")), path


# Loaded by every Python that a command starts: it notes where it writes, whom it asks, what it starts.
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
        for i in _CHANGES[event]:
            if not isinstance(args[i], int):
                _tell("write", os.path.abspath(os.fsdecode(args[i])))
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


def watched(folder, *command):
    """Run python in folder/work with a home of its own -> what became of it, and what the witness saw."""
    for name in ("witness", "work", "home", "temporary"):
        (folder / name).mkdir()
    (folder / "witness" / "sitecustomize.py").write_text(WITNESS)
    paths = [folder / "witness", ROOT]
    cache = str(folder / "home" / ".cache")
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "WITNESS": str(folder / "seen"),
        "HOME": str(folder / "home"),
        "USERPROFILE": str(folder / "home"),
        "XDG_CACHE_HOME": cache,
        "LOCALAPPDATA": cache,
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(folder / "temporary"),  # not ours
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "temporary")),
    }
    env.pop("CS231N_CIFAR10", None)
    run = subprocess.run(
        [sys.executable, *command], cwd=folder / "work", env=env, capture_output=True, text=True, timeout=300
    )
    return run, [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


COMMANDS = {
    "check": ["-m", "cs231n", "check"],
    "submit": ["-m", "cs231n", "submit"],
    "a training": ["-c", TRAIN],
    "every import": ["-c", IMPORT_ALL],
    "release": ["-m", "classroom", "release", "class"],
}


def test_nothing_is_written_elsewhere_and_nobody_is_asked(tmp_path, many):
    for command in COMMANDS if many else ["a training"]:
        folder = tmp_path / command
        folder.mkdir()
        run, seen = watched(folder, *COMMANDS[command])
        cache = folder / "home" / ".cache"
        places = [
            folder / "work",
            folder / "temporary",
            folder / "matplotlib",
            cache / "cs231n",
            ROOT,
            os.path.abspath(os.devnull),
        ]
        with tried("Supply", "commands that write nowhere else, ask nobody and start nothing"):
            assert run.returncode == 0, run.stderr
            for kind, what in seen:
                if kind == "write":
                    assert what == str(cache) or any(Path(what).is_relative_to(place) for place in places)
                else:  # matplotlib asks the system which fonts there are
                    assert kind == "subprocess.Popen" and re.match(r"\('(fc-list|system_prof)", what), what


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
    _, seen = watched(tmp_path, "-c", mischief)
    written = {Path(what).name for kind, what in seen if kind == "write"}
    assert {"diary", "log", "in-child"} <= written
    assert {kind for kind, _ in seen} >= {"subprocess.Popen", "socket.connect"}
