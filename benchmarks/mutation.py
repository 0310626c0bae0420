"""Plant one small bug (a mutant) at a time in the core of the package, and see whether a test fails.

    python benchmarks/mutation.py [--count 12] [--json FILE]    a sample of 12 mutants a module
    python benchmarks/mutation.py --by-file [TESTS ...]         and which test files kill which mutants
    python benchmarks/mutation.py --compare FILE                the mutants of an earlier --json, once more

How to read the tables: a mutant is killed if a test fails, or if the run takes three times as long as
without a bug ("timeout"). A survivor is a gap in the tests, or a change without effect, such as x < b for
x <= b where both branches agree at b: read each one. "Alone" counts the mutants that no second test file
kills. A file that is alone on none adds nothing against this sample: draw another one (--seed) before you
remove the file.

Only copies of the files that git tracks are changed. The sample is drawn by the hash of what a mutant is, so
a mutant's chance does not depend on the others; Ctrl-C prints the tables of what is ready.
"""

import argparse
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from harness import ROOT, print_table
from mutants import mutants_of

CORE = [
    "cs231n/layers.py",
    "cs231n/second_derivative.py",
    "cs231n/sandwiches.py",
    "cs231n/spatial_layers.py",
    "cs231n/layer_utils.py",
    "cs231n/fast_layers.py",
    "cs231n/optim.py",
    "cs231n/classifiers/fc_net.py",
    "cs231n/solver.py",
    "cs231n/gradient_check.py",
    "cs231n/contracts/*.py",
]
TESTS = ["tests/layers", "tests/gradients", "tests/training"]
RUN = """
import sys, pytest
killers = []
class LeaveFileAtFirstFailure:
    def pytest_runtest_setup(self, item):
        if item.nodeid.split("::")[0] in killers:
            pytest.skip("this file has killed the mutant")
    def pytest_runtest_logreport(self, report):
        if report.failed and report.nodeid.split("::")[0] not in killers:
            killers.append(report.nodeid.split("::")[0])
    pytest_collectreport = pytest_runtest_logreport
options = ["-q", "-m", "not slow", "-p", "no:cacheprovider", *sys.argv[1:]]
code = pytest.main(options, plugins=[LeaveFileAtFirstFailure()])
open("killers.txt", "w").write("\\n".join(killers or ["(no import)"] * bool(code)))
"""
RUNNING = set()


def killers_of(copy, options, timeout=None):
    """Run tests in a copy of the repository -> the files that fail, or "(timeout)" alone."""
    environment = {"OPENBLAS_NUM_THREADS": "1"} | os.environ
    if timeout:  # a mutant, whose bytecode must not outlive it
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    (copy / "killers.txt").write_text("(crash)")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *options],
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    RUNNING.add(process)
    try:
        process.wait(timeout)
        return (copy / "killers.txt").read_text().splitlines()
    except subprocess.TimeoutExpired:
        return ["(timeout)"]
    finally:
        RUNNING.discard(process)
        if process.poll() is None:  # also at Ctrl-C, which does not reach its session
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def try_mutant(mutant, copies, options, timeout):
    """Plant a mutant in a free copy and run the tests -> its record."""
    (path, identity, line, source), copy = mutant, copies.get()
    shutil.copy2(copy / path, copy / "original")
    (copy / path).write_bytes(source)
    killers = killers_of(copy, options, timeout)
    shutil.copy2(copy / "original", copy / path)  # with its old time, by which Python knows its bytecode
    copies.put(copy)
    end = "survived" if not killers else "timeout" if killers == ["(timeout)"] else "killed"
    return {"identity": identity, "where": f"{path}:{line}", "end": end, "killers": killers}


def try_mutants(mutants, options, jobs):
    """-> the records of all mutants or, after Ctrl-C, of those that were ready."""
    records = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies, first = queue.SimpleQueue(), Path(folder, "first")
        for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]:
            (first / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, first / name)
        start = time.perf_counter()
        if failed := killers_of(first, options):
            sys.exit(f"without a mutant, these fail: {', '.join(failed)}")
        timeout = 3 * (time.perf_counter() - start)
        for i in range(jobs):
            copies.put(shutil.copytree(first, Path(folder, str(i))))
        waiting = [pool.submit(try_mutant, mutant, copies, options, timeout) for mutant in mutants]
        try:
            for i, ready in enumerate(as_completed(waiting), 1):
                records.append(ready.result())
                print(f"{i}/{len(mutants)}", *records[-1].values(), file=sys.stderr)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(RUNNING):
                os.killpg(process.pid, signal.SIGKILL)
    return records


def print_list(title, records):
    print(f"\n{title}: {len(records)}")
    for r in records:
        _, function, before, after, _ = r["identity"]
        print(f"  {r['where']} {function}: {before} -> {after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", default=TESTS, help="test files or folders, the fast ones first")
    parser.add_argument("--modules", nargs="+", default=CORE, metavar="GLOB", help="where to plant the bugs")
    parser.add_argument("--count", type=int, default=12, help="mutants per module")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--by-file", action="store_true", help="run all test files, also after one has failed"
    )
    parser.add_argument("--json", type=Path, help="write the records to this file")
    parser.add_argument("--compare", type=Path, help="run the mutants of this file again, and compare")
    args = parser.parse_args()

    def draw(identity):
        return hashlib.sha256(repr((args.seed, *identity)).encode()).digest()

    earlier = {tuple(r["identity"]): r for r in json.loads(args.compare.read_text())} if args.compare else {}
    mutants = []
    for path in [path for glob in args.modules for path in sorted(ROOT.glob(glob))]:
        every = [(path.relative_to(ROOT).as_posix(), *mutant) for mutant in mutants_of(path)]
        mutants += (
            [m for m in every if m[1] in earlier]
            if args.compare
            else sorted(every, key=lambda m: draw(m[1]))[: args.count]
        )
    records = try_mutants(mutants, args.tests + ["-x"] * (not args.by_file), args.jobs)
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n")

    ends = {}
    for r in records:
        ends.setdefault(r["identity"][0], []).append(r["end"])
    print_table(
        [
            {
                "module": module,
                "mutants": len(of),
                **{end: of.count(end) for end in ("killed", "timeout", "survived")},
            }
            for module, of in ends.items()
        ]
    )
    print_list("survived", [r for r in records if r["end"] == "survived"])
    if args.by_file:
        kills = Counter(file for r in records for file in r["killers"])
        alone = Counter(r["killers"][0] for r in records if len(r["killers"]) == 1)
        print_table([{"test file": file, "kills": kills[file], "alone": alone[file]} for file in kills])
    if args.compare:
        survives = {tuple(r["identity"]): r["end"] == "survived" for r in records}
        pairs = {
            "killed in both": (False, False),
            "killed before only": (False, True),
            "killed now only": (True, False),
            "survived in both": (True, True),
        }
        for title, pair in pairs.items():
            print_list(
                title,
                [
                    r
                    for key, r in earlier.items()
                    if key in survives and pair == (r["end"] == "survived", survives[key])
                ],
            )
        print_list("no longer in the code", [r for key, r in earlier.items() if key not in survives])


if __name__ == "__main__":
    main()
