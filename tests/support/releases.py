"""What the tests of releases share: the command, a copy of the kit to spoil, and one search for all."""

import argparse
import functools
import json
import shutil

import pytest

from classroom.manifest import MANIFEST
from classroom.releasing import release
from classroom.releasing.leaks import find_leaks
from classroom.releasing.notebooks import blank_notebook
from cs231n.common.files import REPOSITORY as ROOT

SHORT = MANIFEST.with_name("exercises_short.json")
SOLVED = (
    "cs231n/layers.py",
    "cs231n/second_derivative.py",
    "cs231n/sandwiches.py",
    "cs231n/optim.py",
    "cs231n/classifiers/fc_net.py",
)


def command(*arguments):
    parser = argparse.ArgumentParser()
    release.add_arguments(parser)
    return release.main(parser.parse_args([str(a) for a in arguments]))


def write_manifest(folder, number, **changes):
    """The path of a manifest of one exercise, with changed fields."""
    path = folder / "mine.json"
    path.write_text(json.dumps([json.loads(MANIFEST.read_text())[number - 1] | changes]))
    return path


def solve(folder):
    """Put the solutions in their places."""
    for name in SOLVED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def copy_kit(folder):
    """A copy of what a release is made from, to be spoiled."""
    ignored = shutil.ignore_patterns("__pycache__", "cifar*", "*.npy")
    for name in ("cs231n", "notebooks", "datasets", "classroom"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in release.SHIPPED:
        if "/" not in name:
            shutil.copy(ROOT / name, folder / name)
    return folder


@functools.cache
def _blank_notebook(name, text, exercises):
    return blank_notebook(name, text, exercises)


_leaks_in_file = {}


def _find_leaks(files, fragments):
    known = _leaks_in_file.setdefault(frozenset(fragments.items()), {})
    for path, content in files.items():
        if (path, content) not in known:
            known[path, content] = find_leaks({path: content}, fragments)
    return [leak for path in sorted(files) for leak in known[path, files[path]]]


@pytest.fixture(autouse=True, scope="module")
def remembered():
    """Import it to use it: a text is blanked and searched once, since most of a release stays the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "blank_notebook", lambda *args: _blank_notebook(*args[:2], tuple(args[2])))
        patch.setattr(release, "find_leaks", _find_leaks)
        yield
