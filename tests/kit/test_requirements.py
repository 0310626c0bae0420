"""What requirements.txt, the extras and the two locks declare; setup.sh installs the first lock."""

import ast
import json
import re
import sys
from collections import defaultdict
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import ROOT

TEXT = (ROOT / "requirements.txt").read_text(encoding="utf-8")
REQUIREMENTS = {
    item.name: item
    for line in TEXT.splitlines()
    if line[:1].isalpha()
    for item in [Requirement(line.split("#")[0])]
}
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
EXTRAS = [Requirement(text) for text in re.findall(r'"(\w[\w\[\]-]*>=[^"]+)"', PYPROJECT)]


def locked(lock="requirements.lock"):
    """{name: [(version, marker or None) of each entry in the lock]}."""
    pins = defaultdict(list)
    for line in (ROOT / lock).read_text().splitlines():
        if line[:1].isalnum():
            item = Requirement(line.rstrip(" \\"))
            pins[item.name].append((Version(str(item.specifier).removeprefix("==")), item.marker))
    return pins


def test_the_extras_are_locked_with_the_same_versions_of_the_rest():
    core, extras = locked(), locked("requirements-extras.lock")
    assert {"numba", "distributed", "ruff", "mypy"} <= extras.keys() - core.keys()
    assert {name: {version for version, _ in extras[name]} for name in core} == {
        name: {version for version, _ in pins} for name, pins in core.items()
    }


@pytest.mark.parametrize("item", REQUIREMENTS.values(), ids=str)
def test_a_requirement_has_both_bounds_and_a_reason(item):
    assert {"<", ">="} <= {bound.operator for bound in item.specifier}
    assert re.search(rf"^{re.escape(item.name)}\b.*# \w", TEXT, re.M)


def test_the_numpy_versions_that_warn_on_cifar_pickles_are_left_out():
    numpy = REQUIREMENTS["numpy"].specifier
    assert not any(f"2.4.{patch}" in numpy for patch in range(5))
    assert "2.0.0" in numpy and "2.4.5" in numpy and "3.0" not in numpy


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_the_lock_has_each_requirement_once_for_each_python(python, system):
    platform = {"Windows": "win32"}.get(system, system.lower())
    place = {"python_version": python, "python_full_version": f"{python}.0"}
    place |= {"sys_platform": platform, "platform_system": system}
    pins = locked()
    for name, item in REQUIREMENTS.items():
        versions = [version for version, marker in pins[name] if marker is None or marker.evaluate(place)]
        assert len(versions) == 1 and versions[0] in item.specifier, (name, versions)


def code_of(path):
    """The Python in a module or a notebook, without the magic commands of the latter."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "".join(line for cell in cells for line in [*cell, "\n"] if line[0] not in "%!")


def packages_imported(path):
    """The top packages that a file imports, but for those of the repository and of its own folder."""
    nodes = list(ast.walk(ast.parse(code_of(path))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    packages = {name.split(".")[0] for name in names}
    return {
        name for name in packages if not (ROOT / name).is_dir() and not (path.parent / f"{name}.py").exists()
    }


def test_every_import_is_declared():
    declared = {canonicalize_name(item.name) for item in [*REQUIREMENTS.values(), *EXTRAS]}
    declared |= {extra for item in EXTRAS for extra in item.extras}  # distributed, of dask[distributed]
    distributions = packages_distributions()
    paths = [
        path
        for folder in ("cs231n", "classroom", "tests", "notebooks")
        for path in (ROOT / folder).rglob("*")
    ]
    for path in paths:
        if path.suffix in (".py", ".ipynb"):
            for name in packages_imported(path) - {
                *sys.stdlib_module_names,
                "google",
            }:  # google.colab, on Colab
                known = {canonicalize_name(distribution) for distribution in distributions.get(name, [name])}
                assert known & declared, f"{path} imports {name}, which no file declares"


def test_fault_9_of_the_public_kit_compatibility_packages_and_old_pins():
    assert not REQUIREMENTS.keys() & {"past", "future", "six", "imageio"}
    assert "1.26" not in REQUIREMENTS["numpy"].specifier
