"""What the first use costs.

python benchmarks/first_use.py times      imports, the first steps, check: new processes, in turns
python benchmarks/first_use.py packages   sizes of what requirements.txt names, in this environment
python benchmarks/first_use.py notebooks  what python -m cs231n run executes: the sections that take longest
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path

from harness import ROOT, one_thread, print_table, setting

one_thread()

ROUNDS, EMPTY_ROUNDS = 5, 2  # with an empty cache of numba, the first step takes seconds
HIDE_NUMBA = "import sys; sys.modules['numba'] = None\n"
STEPS = """
import time
import numpy as np
from cs231n import {edition}, optim
from cs231n.classifiers.fc_net import FullyConnectedNet

rng = np.random.RandomState(0)
X, y = rng.randn(100, 3, 32, 32).astype(np.float32), rng.randint(10, size=100)
net = FullyConnectedNet([100] * 5, normalization="batchnorm", weight_scale=0.02, layers={edition})
adam = getattr({edition}, "adam", optim.adam)
configs = {{name: {{"learning_rate": 1e-3}} for name in net.params}}
for _ in range(2):
    start = time.perf_counter()
    _, grads = net.loss(X, y)
    for name, w in net.params.items():
        net.params[name], configs[name] = adam(w, grads[name], configs[name])
    print(time.perf_counter() - start)
"""
PROCESSES = {
    "python, no import": ["-c", ""],
    "import numpy": ["-c", "import numpy"],
    "import cs231n.layers": ["-c", "import cs231n.layers"],
    "import cs231n.fast_layers, no numba": ["-c", HIDE_NUMBA + "import cs231n.fast_layers"],
    "import cs231n.fast_layers, numba": ["-c", "import cs231n.fast_layers"],
    "check batchnorm_backward": ["-m", "cs231n", "check", "batchnorm_backward"],
    "check, all exercises": ["-m", "cs231n", "check"],
}
EDITIONS = {
    "layers": STEPS.format(edition="layer_utils"),
    "fast_layers, no numba": HIDE_NUMBA + STEPS.format(edition="fast_layers"),
    "fast_layers, numba": STEPS.format(edition="fast_layers"),
}


def run_python(arguments, bytecode, numba_cache):
    """Run a new process with these folders of compiled code -> (its seconds, what it printed)."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode), "NUMBA_CACHE_DIR": str(numba_cache)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - start, done.stdout


def measure_times():
    times = {}  # {what: seconds of each round}
    with tempfile.TemporaryDirectory() as folder:
        bytecode, cache = Path(folder, "bytecode"), Path(folder, "numba")
        for arguments in [*PROCESSES.values(), *(["-c", code] for code in EDITIONS.values())]:
            run_python(arguments, bytecode, cache)
        for n in range(ROUNDS):
            for name, arguments in PROCESSES.items():
                times.setdefault(name, []).append(run_python(arguments, bytecode, cache)[0])
            if n < EMPTY_ROUNDS:
                name = "import cs231n.layers, no bytecode, also of numpy"
                arguments = PROCESSES["import cs231n.layers"]
                times.setdefault(name, []).append(run_python(arguments, Path(folder, f"b{n}"), cache)[0])
            steps = {name: (code, cache) for name, code in EDITIONS.items()}
            if n < EMPTY_ROUNDS:
                steps["fast_layers, numba, empty cache"] = (
                    EDITIONS["fast_layers, numba"],
                    Path(folder, f"n{n}"),
                )
            for name, (code, numba_cache) in steps.items():
                printed = run_python(["-c", code], bytecode, numba_cache)[1]
                for which, seconds in zip(("first", "second"), printed.split()):
                    times.setdefault(f"{which} step, {name}", []).append(float(seconds))
    return [
        {
            "what": name,
            "ms, median": f"{1e3 * statistics.median(seconds):.0f}",
            "slowest": f"{1e3 * max(seconds):.0f}",
            "of": len(seconds),
        }
        for name, seconds in sorted(times.items(), key=lambda item: "step" in item[0])
    ]


def needed(requirements):
    """The names of all installed packages that these requirements bring in."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    names, waiting = {}, [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = {"", *requirement.extras}
        if extras <= names.get(name, set()):
            continue
        names.setdefault(name, set()).update(extras)
        for text in metadata.requires(name) or ():
            child = Requirement(text)
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(child)
    return set(names)


def megabytes(names):
    """Size of the files that these packages installed, without bytecode."""
    files = [file.locate() for name in names for file in metadata.files(name) or ()]
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.exists()) / 1e6


def measure_packages():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    direct = [text.strip() for text in (line.partition("#")[0] for line in lines) if text.strip()]
    everything = needed(direct)
    rows = []
    for text in direct:
        name = text.partition(">")[0]
        alone = everything - needed([other for other in direct if other != text])
        largest = sorted(alone - {name}, key=lambda other: -megabytes([other]))[:3]
        rows.append(
            {
                "requirement": name,
                "own MB": f"{megabytes([name]):.1f}",
                "MB that it alone brings": f"{megabytes(alone):.1f}",
                "packages": len(alone),
                "largest": ", ".join(f"{other} {megabytes([other]):.1f}" for other in largest),
            }
        )
    rows.sort(key=lambda row: -max(float(row["own MB"]), float(row["MB that it alone brings"])))
    site = sum(path.stat().st_size for path in Path(sys.prefix).rglob("*") if path.is_file()) / 1e6
    for name, size, count in [
        ("all of them", megabytes(everything), len(everything)),
        ("this environment, with bytecode and extras", site, len(list(metadata.distributions()))),
    ]:
        rows.append(
            {
                "requirement": name,
                "own MB": "",
                "MB that it alone brings": f"{size:.0f}",
                "packages": count,
                "largest": "",
            }
        )
    return rows


def measure_notebooks():
    from cs231n.pages.execute import execute

    rows = []

    def finish(outcome):
        if outcome.error:
            sys.exit(f"{outcome.path.stem}: {outcome.error}")
        rows.append((outcome.seconds, outcome.path.stem, "the whole notebook"))
        heading, sections = "", {}
        for cell in outcome.notebook.cells:
            if cell.cell_type == "markdown" and cell.source.startswith("#"):
                heading = cell.source.splitlines()[0].lstrip("# ")
            times = cell.metadata.get("execution", {})
            if "shell.execute_reply" in times:
                begin, end = (
                    datetime.fromisoformat(times[key].replace("Z", "+00:00"))
                    for key in ("iopub.execute_input", "shell.execute_reply")
                )
                sections[heading] = sections.get(heading, 0) + (end - begin).total_seconds()
        rows.extend((seconds, outcome.path.stem, section) for section, seconds in sections.items())

    started = time.perf_counter()
    execute(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), finish)
    rows.append((time.perf_counter() - started, "all notebooks", "two at once where there are two cores"))
    return [
        {"notebook": name, "section": section, "seconds": f"{seconds:.1f}"}
        for seconds, name, section in sorted(rows, reverse=True)[:20]
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measures = {"times": measure_times, "packages": measure_packages, "notebooks": measure_notebooks}
    parser.add_argument("table", choices=measures)
    print_table(measures[parser.parse_args().table]())
    print("\n" + ", ".join(f"{name} {value}" for name, value in setting().items()))
