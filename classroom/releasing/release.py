"""Make the learner's folder and zip from the solved kit and a manifest of exercises.

Everything is made and searched in memory; files appear only once nothing of a solution was found in them.
"""

import os
import sys
import tempfile
from pathlib import Path

from classroom.manifest import MANIFEST, ROOT, ManifestError, by_file, for_learners, load
from classroom.releasing.blanks import blank_functions, blank_notebook
from classroom.releasing.leaks import leaks, secrets
from classroom.releasing.platforms import EXECUTABLE, PLATFORMS
from cs231n.common.files import zip_of

# What a learner gets. Whatever is not named here stays with the instructor.
SHIPPED = (
    "cs231n/**/*.py",
    "cs231n/pages/templates/*",
    "notebooks/*.ipynb",
    "datasets/README.md",
    "setup.sh",
    "requirements.txt",
    "requirements.lock",
    "pyproject.toml",
    "LICENSE",
    ".gitignore",
)
WITHHELD = ("cs231n/kernels.py",)  # it holds the closed form, as does the fused fast_layers
INSTEAD = {
    "README.md": "classroom/releasing/learner_readme.md",
    "cs231n/fast_layers.py": "classroom/releasing/learner_fast_layers.py",
}
SHOWN = 20  # leaks in a message


class LeakError(Exception):
    """Something of a solution would have been handed out."""


def learner_edition(exercises, root=ROOT):
    """{path: bytes} of what a learner gets of the kit at root, and the secrets that must not be in it.

    Raises: ManifestError if a name is missing or a file would not compile.
    """
    blanks = by_file(exercises, root)
    paths = {
        path.relative_to(root).as_posix(): path
        for pattern in SHIPPED
        for path in root.glob(pattern)
        if path.is_file()
    }
    paths |= {name: root / source for name, source in INSTEAD.items()}
    solved = {name: path.read_bytes() for name, path in sorted(paths.items()) if name not in WITHHELD}
    files = {}
    for name, content in solved.items():
        if name in blanks:
            content = blank_functions(name, content, blanks[name])
        elif name.endswith(".ipynb"):
            content = blank_notebook(name, content.decode(), exercises).encode()
        if name.endswith(".py"):
            _compile(name, content)
        files[name] = content
    for name in blanks:
        if name not in files:
            raise ManifestError(f"{name} holds an exercise but is not handed out; try another exercise")
    files["cs231n/exercises.json"] = for_learners(exercises, root).encode()
    return files, secrets(solved, blanks)


def _compile(name, content):
    try:
        compile(content, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ManifestError(f"{name} does not compile in the learner's edition: {error}") from None


def refuse_leaks(files, secret):
    """Raises: LeakError that names the places in files {path: bytes} where something secret stands."""
    found = leaks(files, secret)
    if found:
        lines = [f"  {leak}" for leak in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  and {len(found) - SHOWN} more")
        places = "1 place" if len(found) == 1 else f"{len(found)} places"
        raise LeakError(
            f"{places} would give a solution away:\n"
            + "\n".join(lines)
            + "\nTry: tag the notebook cell exercise-N, make the function an exercise too, or, if "
            "it is shown on purpose, name it under given in the manifest."
        )


def release(exercises, out, platform=None, replace=False, root=ROOT):
    """Write the folder out, a zip beside it, and what platform needs. Returns {path: what was written there}.

    Raises: ManifestError; LeakError; FileExistsError if something is there already, unless replace; with
            replace, if that would lose a file of which there is no new one.
    """
    out = Path(out).absolute()
    make, place = PLATFORMS[platform] if platform else (None, None)
    paths = [out, Path(f"{out}.zip")]
    if place in ("folder", "zip"):
        paths.append(Path(f"{out}-{platform}" + (".zip" if place == "zip" else "")))
    if not replace:
        refuse_overwriting(paths)
    files, secret = learner_edition(exercises, root)
    more = make(exercises, files, out.name, root) if make else {}
    if place == "inside":
        files |= more
    refuse_leaks(files | more if place == "folder" else files, secret)
    targets = dict(zip(paths, [files, _zip(files, out.name), _zip(more) if place == "zip" else more]))
    write(targets, replace)
    return targets


def _zip(files, folder=""):
    return zip_of({Path(folder, name).as_posix(): content for name, content in files.items()}, EXECUTABLE)


def refuse_overwriting(paths):
    for path in paths:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise FileExistsError(f"{path} is there already; try another OUT, or --replace")


def refuse_loss(path, content):
    """With --replace, whatever is at path must have a successor in content, as in write."""
    if not path.exists():
        return
    if path.is_dir() != isinstance(content, dict):
        raise FileExistsError(f"{path} is not what a release makes; try another OUT")
    for file in path.rglob("*"):
        name = file.relative_to(path)
        if not file.is_dir() and name.as_posix() not in content and "__pycache__" not in name.parts:
            raise FileExistsError(f"{file} would be lost with --replace; try: move it away, or another OUT")


def write(targets, replace=False):
    """targets {path: bytes of a file, or {path: bytes} of a folder}: each appears whole or not at all."""
    if not replace:
        refuse_overwriting(targets)
    for path, content in targets.items():
        refuse_loss(path, content)
    for path, content in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
            fresh = Path(beside, "new")
            for name, file in content.items() if isinstance(content, dict) else [("", content)]:
                target = fresh / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file)
                target.chmod(0o755 if target.name in EXECUTABLE else 0o644)
            if path.is_dir():
                path.rename(Path(beside, "old"))
            os.replace(fresh, path)


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="the folder to make; OUT.zip appears beside it")
    parser.add_argument(
        "--manifest",
        default=MANIFEST,
        metavar="FILE",
        help="the exercises (default: classroom/exercises.json; beside it, exercises_short.json has fewer)",
    )
    parser.add_argument(
        "--for",
        dest="platform",
        choices=sorted(PLATFORMS),
        help="also make what this platform needs: see docs/platforms.md",
    )
    parser.add_argument("--replace", action="store_true", help="put the release in the place of an old one")


def main(arguments):
    """The command; status 0 only if the release was written."""
    try:
        exercises = load(arguments.manifest)
        targets = release(exercises, arguments.out, arguments.platform, arguments.replace)
    except (ManifestError, LeakError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    points = sum(exercise.points for exercise in exercises)
    print(f"{len(exercises)} exercises for {points:g} points; no solution was found in what learners get")
    for path, content in targets.items():
        count = f", {len(content)} files" if isinstance(content, dict) else ""
        print(f"  {Path(arguments.out).parent / path.name}{count}")
    return 0
