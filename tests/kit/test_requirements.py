"""What requirements.txt, the extras and the two locks declare, and that every kind of machine installs it."""

import ast
import json
import re
import sys
from collections import defaultdict
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cs231n.commands.setup import PYTHONS
from tests.support import ROOT

TEXT = (ROOT / "requirements.txt").read_text(encoding="utf-8")
ITEMS = [Requirement(line.split("#")[0]) for line in TEXT.splitlines() if line[:1].isalpha()]
REQUIREMENTS = {item.name: item for item in ITEMS}
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
    added = {"numba", "optuna", "distributed", "copydetect", "playwright", "ruff", "mypy"}
    assert added <= extras.keys() - core.keys()
    assert {name: {version for version, _ in extras[name]} for name in core} == {
        name: {version for version, _ in pins} for name, pins in core.items()
    }


@pytest.mark.parametrize("item", REQUIREMENTS.values(), ids=str)
def test_a_requirement_has_both_bounds_and_a_reason(item):
    assert {"<", ">="} <= {bound.operator for bound in item.specifier}
    assert re.search(rf"^{re.escape(item.name)}\b.*# \w", TEXT, re.M)


def test_the_numpy_versions_that_are_too_old_or_warn_on_cifar_pickles_are_left_out():
    numpy = REQUIREMENTS["numpy"].specifier
    assert not any(version in numpy for version in ("1.26", "3.0", *(f"2.4.{patch}" for patch in range(5))))
    assert "2.0.0" in numpy and "2.4.5" in numpy


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


def packages_imported(path):
    """The top packages that a file imports, but for those of the repository and of its own folder."""
    code = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell["source"] for cell in json.loads(code)["cells"] if cell["cell_type"] == "code"]
        code = "".join(line for cell in cells for line in [*cell, "\n"] if line[0] not in "%!")
    nodes = list(ast.walk(ast.parse(code)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    packages = {name.split(".")[0] for name in names}
    return {p for p in packages if not (ROOT / p).is_dir() and not (path.parent / f"{p}.py").exists()}


def test_every_import_is_declared():
    declared = {canonicalize_name(item.name) for item in [*ITEMS, *EXTRAS]}
    declared |= {extra for item in EXTRAS for extra in item.extras}  # distributed, of dask[distributed]
    distributions = packages_distributions()
    undeclared = {*sys.stdlib_module_names, "google"}  # google.colab, on Colab
    for folder in ("cs231n", "classroom", "tests", "notebooks"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.ipynb")]:
            for name in packages_imported(path) - undeclared:
                known = set(map(canonicalize_name, distributions.get(name, [name])))
                assert known & declared, f"{path} imports {name}, which no file declares"


def test_no_compatibility_package_is_required():
    assert not REQUIREMENTS.keys() & {"past", "future", "six", "imageio"}


def test_conda_and_binder_install_the_same_ranges():
    python, pip, packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    allowed = Requirement(python).specifier
    assert [f"3.{minor}" for minor in range(20) if f"3.{minor}" in allowed] == PYTHONS
    assert (pip, packages) == ("pip", {"pip": ["-r requirements.txt"]})
    binder = ROOT / ".binder"
    _, name = (binder / "requirements.txt").read_text().split()
    assert (binder / name).resolve() == ROOT / "requirements.txt"
    assert (binder / "runtime.txt").read_text().strip().removeprefix("python-") in PYTHONS


def test_the_devcontainer_installs_the_lock_and_has_a_kernel():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert re.fullmatch(r"python:(3\.\d+)-bookworm", container["image"])[1] in PYTHONS
    command = container["postCreateCommand"]
    assert "pip install --require-hashes -r requirements.lock && python -m ipykernel install" in command
    editor = container["customizations"]["vscode"]
    assert editor["extensions"] == ["ms-python.python", "ms-toolsai.jupyter"]
    assert editor["settings"]["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
