"""A copy of the kit, for tests of what a learner's edits bring about."""

import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.answers import known_answers as known_answers
from tests.support.python import ROOT, run_python


class Kit:
    def __init__(self, folder: Path):
        self.folder = folder

    def append(self, file: str, text: str) -> int:
        """Put text at the end of a file below cs231n/; returns the number of its last line."""
        path = self.folder / "cs231n" / file
        path.write_text(path.read_text(encoding="utf-8") + f"\n\n{text}\n", encoding="utf-8")
        return path.read_text(encoding="utf-8").count("\n")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / "cs231n" / file
        source = path.read_text(encoding="utf-8")
        assert source.count(old) == 1, f"{old!r} is in {file} {source.count(old)} times"
        path.write_text(source.replace(old, new), encoding="utf-8")

    def python(self, code_or_args, **env) -> CompletedProcess[str]:
        return run_python(code_or_args, cwd=self.folder, env={"PYTHONPATH": None, **env})

    def check(self, *names: str | int) -> str:
        """What check prints of these exercises, with single spaces, without numbers and bullets."""
        calls = "; ".join(f"check({name!r})" for name in names)
        done = self.python(f"from cs231n.checks import check; {calls}")
        assert done.returncode == 0, done.stderr
        plain = re.sub(r"^ +- ", "", done.stdout, flags=re.M)
        return " ".join(re.sub(r"Exercise \d+ of \d+, (\S+), \d+ points?:", r"\1:", plain).split())


@pytest.fixture
def kit(tmp_path) -> Kit:
    # With bytecode, but not of what a learner edits: it would seem to fit where a test's clock stands still.
    edited = [f"{name}.*.pyc" for name in ("*layer*", "optim", "fc_net", "second_derivative")]
    for name in ("cs231n", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / "kit" / name, ignore=shutil.ignore_patterns(*edited))
    return Kit(tmp_path / "kit")
