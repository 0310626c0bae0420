"""What the tests of releases share: the command, a copy of the kit to spoil, and one search for all."""

import argparse
import functools
import shutil
from pathlib import Path

import pytest

from classroom.manifest import MANIFEST
from classroom.releasing import release
from classroom.releasing.blanks import blank_notebook
from classroom.releasing.leaks import leaks

ROOT = Path(__file__).resolve().parents[2]
SHORT = MANIFEST.with_name("exercises_short.json")
SOLVED = ("cs231n/layers.py", "cs231n/layer_utils.py", "cs231n/optim.py", "cs231n/classifiers/fc_net.py")
FOUND = {}


def command(*arguments):
    parser = argparse.ArgumentParser()
    release.add_arguments(parser)
    return release.main(parser.parse_args([str(a) for a in arguments]))


def kit(folder):
    """A copy of what a release is made from, to be spoilt."""
    for name in ("cs231n", "notebooks", "datasets", "classroom"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cifar*", "*.npy")
        )
    for name in (
        "setup.sh",
        "requirements.txt",
        "requirements.lock",
        "pyproject.toml",
        "LICENSE",
        ".gitignore",
    ):
        shutil.copy(ROOT / name, folder / name)
    return folder


@functools.cache
def _blank_notebook(name, text, exercises):
    return blank_notebook(name, text, exercises)


def _leaks(files, secret):
    known = FOUND.setdefault(frozenset(secret.items()), {})
    for path, content in files.items():
        if (path, content) not in known:
            known[path, content] = leaks({path: content}, secret)
    return [leak for path in sorted(files) for leak in known[path, files[path]]]


def remember():
    """For an autouse fixture: a text is blanked and searched once, since most of a release stays the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "blank_notebook", lambda *args: _blank_notebook(*args[:2], tuple(args[2])))
        patch.setattr(release, "leaks", _leaks)
        yield
