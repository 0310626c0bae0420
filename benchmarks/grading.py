"""Time and memory of marking a class of students on two cores; the submissions are spoiled solutions.

    python benchmarks/grading.py [--students 300] [--json FILE]

Each student has some exercises right, some blank and some with one operator, number or axis changed; one in
fifty has a loop without end, one in fifty a file that cannot be imported. Memory is the peak of the process
that hands out and writes, and of the largest of its workers and their children.
"""

import argparse
import ast
import json
import random
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from harness import one_thread, print_table, setting

one_thread()

from classroom.grading.grade import grade  # noqa: E402
from classroom.grading.workers import executor_for  # noqa: E402
from classroom.manifest import functions_by_file, load_exercises  # noqa: E402
from classroom.releasing.blanks import blank_functions, functions_in  # noqa: E402
from classroom.sandbox.process import best_level  # noqa: E402
from cs231n.common.files import REPOSITORY  # noqa: E402

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


class Spoil(ast.NodeTransformer):
    """The n-th operator or number of a function, changed."""

    def __init__(self, n):
        self.left = n

    def _reached(self):
        self.left -= 1
        return self.left == -1

    def visit_BinOp(self, node):
        if type(node.op) in SWAPPED and self._reached():
            return ast.copy_location(ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right), node)
        return self.generic_visit(node)

    def visit_Constant(self, node):
        if type(node.value) in (int, float) and self._reached():
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node


def student(exercises, rng):
    """{path: source}: what one student hands in."""
    left_blank = rng.sample(exercises, rng.randint(0, 5))
    spoiled = [e for e in exercises if e not in left_blank and rng.random() < 0.25]
    blanks = functions_by_file(left_blank)
    spoils = functions_by_file(spoiled)
    files = {}
    for file in functions_by_file(exercises):
        source = (REPOSITORY / file).read_bytes()
        if file in blanks:
            source = blank_functions(file, source, blanks[file])
        tree = ast.parse(source)
        for name, nodes in functions_in(tree).items():
            if name in spoils.get(file, {}):
                for node in nodes:
                    node.body = [Spoil(rng.randrange(8)).visit(statement) for statement in node.body]
        files[file] = ast.unparse(ast.fix_missing_locations(tree))
    chance = rng.random()
    if chance < 0.02:
        files["cs231n/layers.py"] += "\n\ndef relu_forward(x):\n    while True:\n        pass\n"
    elif chance < 0.04:
        files["cs231n/optim.py"] += "\ndef sgd(w, dw\n"
    return files


def make_class(folder, exercises, count):
    rng = random.Random(0)
    for i in range(count):
        with zipfile.ZipFile(folder / f"student-{i:03}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, source in student(exercises, rng).items():
                file.writestr(name, source)


def measure(count, where):
    with tempfile.TemporaryDirectory() as folder:
        submissions, out = Path(folder, "in"), Path(folder, "out")
        submissions.mkdir()
        make_class(submissions, load_exercises(), count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        with executor_for(where) as executor:
            rows = grade(submissions, out, executor=executor)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        with executor_for(where) as executor:
            grade(submissions, out, executor=executor)
        again = time.perf_counter() - start
    scores = [row.results["score"] for row in rows]
    each = sorted(row.results["execution_time"] for row in rows)
    return {
        "students": count,
        "executor": where,
        "sandbox": best_level(),
        "s": f"{seconds:.1f}",
        "s per student": f"{seconds / count:.2f}",
        "median, slowest": f"{each[count // 2]:.2f}, {each[-1]:.1f}",
        "s, second run": f"{again:.1f}",
        "mean score": f"{sum(scores) / count:.1f}",
        "MB before, peak": f"{before / 1024:.0f}, {_peak(resource.RUSAGE_SELF)}",
        "MB of a child": _peak(resource.RUSAGE_CHILDREN),
    }


def _peak(who):
    return f"{resource.getrusage(who).ru_maxrss / 1024:.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=300, help="number of students (default: 300)")
    parser.add_argument("--executor", default="processes:2", help="as for grade (default: processes:2)")
    parser.add_argument("--json", type=Path, help="write the row and the setting to this file")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    row = measure(arguments.students, arguments.executor)
    print_table([{"what": name, "measured": value} for name, value in row.items()])
    if arguments.json:
        arguments.json.write_text(json.dumps({"setting": setting(), "rows": [row]}, indent=1) + "\n")
