"""python -m classroom grade SUBMISSIONS -o OUT: marks, a page for each student, and one for the class.

SUBMISSIONS holds a zip or a folder for each student. OUT receives

    students/NAME/results.json   in the shape that Gradescope reads
    students/NAME/index.html     the same for a person, with the diagnosis of each exercise
    grades.csv                   a row for each student
    index.html, class.png        where the class fails, and why
    grading.json                 the seed of the hidden problems: keep it, and a second run marks the same

Each student's files are written whole as the marking ends. Started again, it marks what is new: a submission,
the manifest or the grader that has changed.
"""

import argparse
import hashlib
import json
import secrets
import sys
import time
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path

from classroom.grading import report
from classroom.grading.marking import Setting, clean, imported, mark, wanted_files
from classroom.grading.submission import read_submission, students
from classroom.manifest import MANIFEST, ROOT, ManifestError, load
from classroom.sandbox.process import LEVELS, best_level, seccomp
from cs231n.checking.exercises import EXERCISES
from cs231n.common.executors import executor_for
from cs231n.common.files import atomic_write
from cs231n.common.terminal import Progress

__all__ = ["add_arguments", "grade", "main"]

IN_FLIGHT = 64  # submissions handed to the executor at a time: memory does not grow with the class


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("submissions", type=Path, metavar="SUBMISSIONS", help="a zip or a folder for each student")
    add("-o", "--out", type=Path, required=True, metavar="OUT", help="where the results go")
    add(
        "--manifest",
        type=Path,
        default=MANIFEST,
        metavar="FILE",
        help=f"the list of exercises (default: classroom/{MANIFEST.name})",
    )
    add(
        "--executor",
        default="processes:2",
        metavar="WHERE",
        help="serial, processes:N or dask:ADDRESS (default: %(default)s)",
    )
    add("--require-sandbox", action="store_true", help="refuse anything weaker than bubblewrap")
    add("--seed", type=int, help="of the hidden problems (default: the one OUT knows, or a new one)")


def main(arguments):
    try:
        least = LEVELS[0] if arguments.require_sandbox else LEVELS[-1]
        if arguments.executor.partition(":")[0] != "dask":
            print(f"Sandbox: {best_level(least)}", *filter(None, [seccomp.missing()]), sep="; ")
        with executor_for(arguments.executor) as executor:
            rows = grade(
                arguments.submissions,
                arguments.out,
                manifest=arguments.manifest,
                executor=executor,
                least=least,
                seed=arguments.seed,
            )
    except (OSError, ValueError, ManifestError, ModuleNotFoundError) as error:
        said = clean(str(error), 2000)  # it may name a file that a student named
        print(said if said.startswith("grade") else f"grade: {said}", file=sys.stderr)
        return 1
    failed = [row for row in rows if row.error]
    for row in failed:
        print(
            f"grade: {clean(row.student)} is not marked: {clean(row.error)}; try: the same command again",
            file=sys.stderr,
        )
    print(f"The class: {arguments.out / 'index.html'}   marks: {arguments.out / 'grades.csv'}")
    return 1 if failed else 0


def grade(submissions, out, *, manifest=MANIFEST, executor, least="limits", seed=None):
    """Mark every submission in the folder submissions, write what the module's docstring lists into out.

    Returns a report.Row for each student.
    Raises: OSError, ValueError, ManifestError before anything is marked.
    """
    exercises = tuple(load(manifest))
    for exercise in exercises:
        if exercise.title not in EXERCISES:
            raise ManifestError(
                f"{Path(manifest).name}: no problem is known for {exercise.title}; there are "
                f"{', '.join(EXERCISES)}"
            )
    found = students(submissions)
    out = Path(out)
    if out.resolve().is_relative_to(Path(submissions).resolve()):
        raise ValueError(
            f"grade: {out} is within {submissions}, where every folder is a student's; "
            "try: -o a folder beside it"
        )
    out.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        exercises,
        _seed(out, seed),
        least=least,
        hidden=(str(Path(submissions).resolve()), str(out.resolve())),
    )
    version = _digest(exercises, setting.seed, _source(exercises))
    rows, pending, before = {}, {}, 0
    try:
        with Progress(len(found)) as bar:

            def settle(future):
                student, digest = pending.pop(future)
                try:
                    results = future.result()
                except Exception as error:
                    rows[student] = report.Row(student, None, f"{type(error).__name__}: {error}"[:500])
                else:
                    results["extra_data"] |= {"student": student, "digest": digest}
                    report.write_student(out / "students" / student, results)
                    rows[student] = report.Row(student, results, None)
                bar.say(report.line(rows[student]))
                bar.advance()

            for student, path in found.items():
                submission = read_submission(path, wanted_files(exercises))
                digest = _digest(submission.digest(), version)
                known = report.read_student(out / "students" / student, digest)
                if known is not None:
                    before += 1
                    rows[student] = report.Row(student, known, None)
                    bar.advance()
                    continue
                pending[executor.submit(results_of, submission, setting)] = student, digest
                while len(pending) >= IN_FLIGHT:
                    settle(next(iter(wait(pending, return_when=FIRST_COMPLETED).done)))
            while pending:
                settle(next(iter(wait(pending, return_when=FIRST_COMPLETED).done)))
            if before:
                bar.say(f"  {before} of {len(found)} are as they were when marked before.")
    finally:
        for future in [future for future in pending if future.done()]:
            settle(future)
        rows = [rows[student] for student in found if student in rows]
        report.write_class(out, rows, exercises)
    return rows


def results_of(submission, setting):
    """A submission's results, in the shape that Gradescope reads. Runs where the executor wants it."""
    start = time.monotonic()
    attempts, level = mark(submission, setting)
    return report.results(submission, attempts, setting.exercises, level, time.monotonic() - start)


def _seed(out, seed):
    """The seed of the hidden problems: the one given, or that of an earlier run into out, or a new one."""
    path = out / "grading.json"
    if seed is None and path.exists():
        seed = json.loads(path.read_text())["seed"]
    if seed is None:
        seed = secrets.randbelow(2**32)
    with atomic_write(path) as file:
        file.write(json.dumps({"seed": seed}).encode() + b"\n")
    return seed


def _source(exercises):
    """The digest of the grader: its files, and those of the kit by which it knows what is right."""
    files = imported(("classroom/grading/grade.py", "classroom/sandbox/child.py", *wanted_files(exercises)))
    return _digest(*((ROOT / file).read_bytes() for file in files))


def _digest(*parts):
    """One digest of bytes, or of what repr tells apart."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part if isinstance(part, bytes) else repr(part).encode()).digest())
    return whole.hexdigest()
