"""The package installed without the folder of the project, by pip install or pipx."""

import shutil
import subprocess
import sys

import pytest

from cs231n.__main__ import NEED_PROJECT
from tests.support import ROOT
from tests.support.python import run_python


@pytest.mark.parametrize("command", NEED_PROJECT)
def test_a_command_that_needs_the_project_says_so(command, tmp_path):
    """Without the line, `start` took site-packages for the folder of the assignment."""
    shutil.copytree(ROOT / "cs231n", tmp_path / "cs231n", ignore=shutil.ignore_patterns("__pycache__"))
    out = ["OUT"] if command == "web" else []
    tried = run_python(["-m", "cs231n", command, *out], tmp_path, {"PYTHONPATH": str(tmp_path)})
    assert (tried.returncode, tried.stdout) == (1, "")
    assert (
        tried.stderr.startswith(f"{command}: needs the folder of the project")
        and tried.stderr.count("\n") == 1
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cs231n"]


@pytest.mark.slow  # pip fetches setuptools, which builds the package
def test_pip_installs_the_command_and_its_data(tmp_path):
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.egg-info", "reports")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path / "to"), str(source)], check=True, cwd=tmp_path)
    script = tmp_path / "to" / "bin" / "cs231n"
    tried = run_python([str(script), "check", "relu_forward"], tmp_path, {"PYTHONPATH": str(tmp_path / "to")})
    assert (tried.returncode, tried.stderr) == (0, "")
    assert "relu_forward" in tried.stdout and "passed" in tried.stdout
    packed = {path.relative_to(ROOT) for path in (ROOT / "cs231n").rglob("*") if path.is_file()}
    names = {path for path in packed if "__pycache__" not in path.parts}
    assert len(names) > 100 and [str(path) for path in names if not (tmp_path / "to" / path).exists()] == []
