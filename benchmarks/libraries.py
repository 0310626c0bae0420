"""Sizes and start-up times of libraries that could take the place of code of the kit: docs/libraries.md.

python benchmarks/libraries.py [NAME ...]

Each library is installed into a temporary folder, from the package index that pip uses. Its size counts only
what requirements.lock does not install already, without compiled files. The start-up is the time of its
import after numpy's, the least of five. For safetensors, 200 copies of a file with one flipped bit are read.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from importlib import metadata

from harness import ROOT, print_table

# {distribution: (module to import, the code of the kit with the same task: files, or functions in them)}
LIBRARIES = {
    "filelock": ("filelock", ["common/files.py try_lock"]),
    "atomicwrites": ("atomicwrites", ["common/files.py atomic_write"]),
    "pooch": ("pooch", ["data/download.py"]),
    "httpx": ("httpx", ["data/download.py"]),
    "platformdirs": ("platformdirs", ["data/cache.py cache_folder"]),
    "rich": ("rich.table", ["pages/results.py print_table"]),
    "tqdm": ("tqdm", ["common/terminal.py Progress"]),
    "safetensors": ("safetensors.numpy", ["training/checkpoint.py read_arrays"]),
    "markdown-it-py": ("markdown_it", ["pages/markup.py"]),
    "optuna": (
        "optuna",
        [
            "search/study.py",
            "search/cifar10.py ReportToPruner",
            "commands/search.py print_table",
            "commands/search.py draw",
        ],
    ),
    "lunr": ("lunr", ["pages/search_index.py"]),
}


FLIPPED_BITS = """
import io
import numpy as np
from safetensors.numpy import load, save

rng = np.random.RandomState(0)
W, npz = rng.randn(100, 100), io.BytesIO()
np.savez(npz, W=W)
readers = {
    "npz": (npz.getvalue(), lambda content: np.load(io.BytesIO(content))["W"]),
    "safetensors": (save({"W": W}), lambda content: load(content)["W"]),
}
for name, (content, read) in readers.items():
    refused = wrong = 0
    for _ in range(200):
        damaged = bytearray(content)
        damaged[rng.randint(len(content))] ^= 1 << rng.randint(8)
        try:
            wrong += not np.array_equal(read(bytes(damaged)), W)
        except Exception:
            refused += 1
    print(f"{name}: of 200 files with a flipped bit {refused} are refused, {wrong} are read as other numbers")
"""


def num_lines(places):
    """The lines of files of cs231n, or of one function or class in them."""
    count = 0
    for place in places:
        file, _, name = place.partition(" ")
        source = (ROOT / "cs231n" / file).read_text("utf-8")
        nodes = {node.name: node for node in ast.parse(source).body if hasattr(node, "name")}
        count += nodes[name].end_lineno - nodes[name].lineno + 1 if name else len(source.splitlines())
    return count


def measure(name, module, folder):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", folder, name], check=True)
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    added = {d.name: d for d in metadata.distributions(path=[folder]) if d.name.lower() not in locked}
    added.setdefault(name, next(metadata.distributions(name=name, path=[folder])))
    files = [d.locate_file(file) for d in added.values() for file in d.files if file.suffix != ".pyc"]
    code = (
        f"from time import perf_counter as t; import numpy; start = t(); import {module}; print(t() - start)"
    )
    environment = {**os.environ, "PYTHONPATH": folder}
    start = [float(subprocess.check_output([sys.executable, "-c", code], env=environment)) for _ in range(5)]
    if name == "safetensors":
        subprocess.run([sys.executable, "-c", FLIPPED_BITS], env=environment, check=True)
    others = ", ".join(sorted(added.keys() - {name})) or "nothing else"
    return (
        added[name].version,
        others,
        sum(file.stat().st_size for file in files if file.exists()),
        min(start),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="libraries (default: all)")
    rows = []
    for name in parser.parse_args().names or LIBRARIES:
        module, places = LIBRARIES[name]
        with tempfile.TemporaryDirectory() as folder:
            version, others, size, start = measure(name, module, folder)
        rows.append(
            {
                "library": f"{name} {version}",
                "lines of ours": num_lines(places),
                "MB": f"{size / 1e6:.1f}",
                "ms": f"{start * 1e3:.0f}",
                "with": others,
            }
        )
    print_table(rows)


main()
