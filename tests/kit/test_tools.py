"""The rules in pyproject.toml notice what they are there for; the workflows hold to GitHub's schema."""

import importlib.util
import subprocess
import sys

import pytest

from classroom.releasing.platforms import github_files
from tests.support import ROOT

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("ruff", "check_jsonschema"))),
    reason="needs ruff and check-jsonschema: pip install '.[dev]'",
)


def rules_broken(code):
    """The rules of the S and TID families that ruff finds broken by `code`, as a file of the package."""
    options = ["--select=S,TID251", "--output-format=concise", "--stdin-filename=cs231n/planted.py", "-"]
    command = [sys.executable, "-m", "ruff", "check", *options]
    ruff = subprocess.run(command, input=code, cwd=ROOT, capture_output=True, text=True)
    assert not ruff.stderr, ruff.stderr
    return {line.split()[1] for line in ruff.stdout.splitlines() if line.startswith("cs231n/planted.py")}


# fmt: off
@pytest.mark.parametrize("code", [
    "eval('1')", "exec('1')", "import builtins\nbuiltins.exec(x)", "import sympy\nsympy.sympify(text)",
    "import pickle as p\np.load(f)", "from pickle import loads as read\nread(f)", "run(c, shell=True)",
    "def f():\n    import os\n    os.system('ls')", "import os\nos.execv('ls', [])",
    "import os\nos.posix_spawn('ls', [], {})", "import subprocess\nmine = subprocess\nmine.run(c)",
    "from importlib import import_module", "import shutil\nshutil.unpack_archive(f)",
    "import importlib.util\nimportlib.util.spec_from_file_location(a, b)",
    "import tarfile\nwith tarfile.open(f) as tar:\n    tar.extractall()", "import distributed",
    "import urllib.request\nurllib.request.urlopen(u)", "import urllib\nurllib.request.urlopen(u)",
    "from urllib import request\nrequest.urlopen(u)", "import socket as s\ns.socket()",
    "def f():\n    from http.client import HTTPSConnection",
])
# fmt: on
def test_what_can_run_a_program_or_ask_the_network_is_noticed(code):
    assert rules_broken(code)


def test_harmless_code_is_left_alone():
    assert not rules_broken(
        "import json, re\nfrom urllib.parse import urlsplit\nnp.load(f, allow_pickle=False)\n"
        "json.loads(x)\nre.compile(x)\ncode = 'a'\ncode.strip()\n"
    )


def validate(*workflows):
    """Whether workflows hold to the schema, and what check-jsonschema says."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *workflows], capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_hold_to_the_schema(tmp_path):
    released = tmp_path / "checks.yml"
    released.write_bytes(github_files([], {}, "", ROOT)[".github/workflows/checks.yml"])
    valid, text = validate(*(ROOT / ".github" / "workflows").iterdir(), released)
    assert valid, text
    released.write_text(released.read_text().replace("runs-on", "run-on"))
    valid, text = validate(released)
    assert not valid and "'runs-on' is a required property" in text
