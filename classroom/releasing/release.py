"""Make the learner's folder and zip from the solved kit and a manifest of exercises.

Everything is made and searched in memory; files are written only if nothing of a solution is in them.
"""

import argparse
import base64
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from classroom.manifest import (
    MANIFEST,
    Exercise,
    ManifestError,
    functions_by_file,
    learner_manifest,
    load_manifest,
    total_points,
)
from classroom.releasing.blanks import blank_functions, withhold_bodies
from classroom.releasing.cards import refuse_missing_cards
from classroom.releasing.fragments import Fragments, answer_fragments, solution_fragments
from classroom.releasing.leaks import find_leaks
from classroom.releasing.notebooks import ModelAnswer, blank_notebook, cards_in, model_answers, open_in_colab
from classroom.releasing.platforms import EXECUTABLE, PLATFORMS, PlatformError
from cs231n.common.files import REPOSITORY, zip_of

__all__ = ["LeakError", "add_arguments", "learner_edition", "main", "refuse_leaks", "release"]

# What a learner gets. Whatever is not named here stays with the instructor.
SHIPPED = (
    "cs231n/**/*.py",
    "cs231n/**/*.json",
    "cs231n/pages/static/*",
    "cs231n/pages/templates/*",
    "cs231n/web/compile.mjs",
    "cs231n/web/static/*",
    "notebooks/*.ipynb",
    "datasets/README.md",
    "docs/assistants.md",
    "docs/symptoms.md",
    "setup.sh",
    "setup.ps1",
    "requirements.txt",
    "requirements.lock",
    "pyproject.toml",
    "LICENSE",
    ".gitignore",
)
WITHHELD = ("cs231n/kernels.py",)  # it holds the closed form, as does the fused fast_layers
REPLACED_FILES = {  # {what a learner gets: the file that it is made from}
    "README.md": "classroom/releasing/learner_readme.md",
    "cs231n/fast_layers.py": "classroom/releasing/learner_fast_layers.py",
}
ANSWERS = "cs231n/checking/answers/"  # what the checks know to be right: see encode
ENCODED = '''"""What is right for some exercises: encoded, so that nobody reads an answer by accident."""

import base64
import linecache

_name, _source = {name!r}, base64.b85decode({code!r}).decode()
linecache.cache[_name] = len(_source), None, _source.splitlines(True), _name  # for tracebacks
exec(compile(_source, _name, "exec"))
'''
MAX_SHOWN_LEAKS = 20  # in a message
Target = bytes | dict[str, bytes]  # the content of a file, or {path: content} of a folder


class LeakError(Exception):
    """Something of a solution would have been handed out."""


def learner_edition(
    exercises: Sequence[Exercise], root: Path = REPOSITORY, declaration: str = ""
) -> tuple[dict[str, bytes], Fragments]:
    """What a learner gets of the kit, and what must not be in it.

    Args:
        exercises: whose bodies are left to be written.
        root: the folder of the solved kit.
        declaration: what submit asks about the use of assistants; nothing if empty.

    Returns:
        {path: content} of the edition, and the fragments of solutions and model answers.

    Raises:
        ManifestError: a function or a card is missing, a cell that is left to the learner is not as it
            should be, or a file would not compile.
    """
    blanks = functions_by_file(exercises, root)
    paths = {
        path.relative_to(root).as_posix(): path
        for pattern in SHIPPED
        for path in root.glob(pattern)
        if path.is_file()
    }
    paths |= {name: root / source for name, source in REPLACED_FILES.items()}
    solved = {name: path.read_bytes() for name, path in sorted(paths.items()) if name not in WITHHELD}
    for name in blanks:
        if name not in solved:
            raise ManifestError(f"{name} holds an exercise but is not handed out; try another exercise")
    files, titles, answers = {}, list[str](), list[ModelAnswer]()
    for name, content in solved.items():
        if name.endswith(".py"):
            content = blank_functions(name, content, blanks.get(name, {}))
            content = withhold_bodies(name, content, exercises)
            _require_compilable(name, content)
        elif name.endswith(".ipynb"):
            text = content.decode()
            content = blank_notebook(name, text, exercises).encode()
            titles += cards_in(text)
            answers += model_answers(name, text)
        elif name == "README.md":
            content = _number_exercises(content.decode(), exercises).encode()
        files[name] = encode(name, content) if name.startswith(ANSWERS) else content
    if any(name.endswith(".ipynb") for name in files):
        refuse_missing_cards(exercises, titles)
    files["cs231n/exercises.json"] = learner_manifest(exercises, root).encode()
    if declaration:
        files["cs231n/declaration.txt"] = f"{declaration}\n".encode()
    return files, answer_fragments(answers) | solution_fragments(solved, blanks)


def _number_exercises(readme: str, exercises: Sequence[Exercise]) -> str:
    """Write how many exercises there are, and which ones each notebook has."""
    readme = re.sub("17 exercises( and an optional one)?", count_exercises(exercises), readme)
    for notebook in "1235":
        numbers = [
            f"{e.number}{', optional' * e.optional}"
            for e in exercises
            if e.section.startswith(f"notebook {notebook},")
        ]
        row, cell = rf"^(\| {notebook} \|.*\| ).*( \|)$", ", ".join(numbers) or "none"
        readme = re.sub(row, rf"\g<1>{cell}\2", readme, flags=re.M)
    file = "cs231n/second_derivative.py"
    if file not in {exercise.file for exercise in exercises}:
        readme = re.sub(rf"^\| `{re.escape(file)}` .*\n", "", readme, flags=re.M)
    return readme


def count_exercises(exercises: Sequence[Exercise], more: str = "") -> str:
    """ "17 exercises and an optional one"; `more` follows the first noun."""
    num_optional = sum(exercise.optional for exercise in exercises)
    count = len(exercises) - num_optional
    words = f"{count} exercise{'s' * (count != 1)}{more}"
    last = "an optional one" if num_optional == 1 else f"{num_optional} optional ones"
    return f"{words} and {last}" if num_optional else words


def encode(name: str, content: bytes) -> bytes:
    """A module that does what `content` does, and shows none of it; the same bytes on every machine."""
    if name.endswith("__init__.py"):  # it imports the others
        return content
    return ENCODED.format(name=f"<{name}>", code=base64.b85encode(content)).encode()


def _require_compilable(name: str, content: bytes) -> None:
    try:
        compile(content, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ManifestError(f"{name} does not compile in the learner's edition: {error}") from None


def refuse_leaks(files: Mapping[str, bytes], fragments: Fragments) -> None:
    """Raise LeakError if a fragment of a solution stands in files {path: content}; it names the places."""
    leaks = find_leaks(files, fragments)
    if leaks:
        lines = [f"  {leak}" for leak in leaks[:MAX_SHOWN_LEAKS]]
        if len(leaks) > MAX_SHOWN_LEAKS:
            lines.append(f"  and {len(leaks) - MAX_SHOWN_LEAKS} more")
        places = "1 place" if len(leaks) == 1 else f"{len(leaks)} places"
        raise LeakError(
            f"{places} would give a solution away:\n"
            + "\n".join(lines)
            + "\nTry: take it out, leave the notebook cell open with the tag answer or worksheet, make the "
            "function an exercise too, or, if it is shown on purpose, name it under given in the manifest."
        )


def release(
    exercises: Sequence[Exercise],
    out: str | os.PathLike,
    platform: str | None = None,
    replace: bool = False,
    root: Path = REPOSITORY,
    declaration: str = "",
    url: str = "",
) -> dict[Path, Target]:
    """Write the learner's folder, a zip next to it, and what a platform needs.

    Args:
        exercises: whose bodies are left to be written.
        out: the folder to make.
        platform: a key of PLATFORMS, or None.
        replace: put the release in the place of an old one.
        root: the folder of the solved kit.
        declaration: of the manifest.
        url: https://github.com/OWNER/REPO where the edition will be; its notebooks then open in Colab.

    Returns:
        {path: what was written there}.

    Raises:
        ManifestError: the manifest does not fit the kit.
        LeakError: something of a solution would be handed out; nothing is written.
        PlatformError: what the platform needs cannot be made; nothing is written.
        FileExistsError: something is there already; with replace, if that would lose a file that the
            new release does not have.
    """
    out = Path(out).absolute()
    paths, place, more = [out, Path(f"{out}.zip")], "", dict[str, bytes]()
    if platform:
        place = PLATFORMS[platform].place
        if place != "inside":
            paths.append(Path(f"{out}-{platform}" + (".zip" if place == "zip" else "")))
    if not replace:
        _refuse_overwriting(paths)
    files, fragments = learner_edition(exercises, root, declaration)
    refuse_leaks(files, fragments)
    if platform:
        more = PLATFORMS[platform].make_files(exercises, files, out.name, root)
        if place != "zip":  # an autograder holds the solutions
            refuse_leaks(more, fragments)
    if place == "inside":
        files |= more
    for name in [name for name in files if url and name.endswith(".ipynb")]:
        files[name] = open_in_colab(name, files[name].decode(), url).encode()
    contents: list[Target] = [
        files,
        _zip_folder(files, out.name),
        _zip_folder(more) if place == "zip" else more,
    ]
    targets = dict(zip(paths, contents))
    write_targets(targets, replace)
    return targets


def _zip_folder(files: Mapping[str, bytes], folder: str = "") -> bytes:
    return zip_of({Path(folder, name).as_posix(): content for name, content in files.items()}, EXECUTABLE)


def _refuse_overwriting(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise FileExistsError(f"{path} is there already; try another OUT, or --replace")


def _refuse_loss(path: Path, content: Target) -> None:
    """With --replace: raise FileExistsError if a file at path has no successor in content."""
    if not path.exists():
        return
    if path.is_dir() != isinstance(content, dict):
        raise FileExistsError(f"{path} is not what a release makes; try another OUT")
    for file in path.rglob("*"):
        name = file.relative_to(path)
        if not file.is_dir() and name.as_posix() not in content and "__pycache__" not in name.parts:
            raise FileExistsError(f"{file} would be lost with --replace; try: move it away, or another OUT")


def write_targets(targets: Mapping[Path, Target], replace: bool = False) -> None:
    """Write files and folders; each appears whole or not at all.

    Raises:
        FileExistsError: as for `release`.
    """
    if not replace:
        _refuse_overwriting(targets)
    for path, content in targets.items():
        _refuse_loss(path, content)
    for path, content in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as temporary:
            draft = Path(temporary, "new")
            for name, file in content.items() if isinstance(content, dict) else [("", content)]:
                target = draft / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file)
                target.chmod(0o755 if target.name in EXECUTABLE else 0o644)
            if path.is_dir():
                path.rename(Path(temporary, "old"))
            os.replace(draft, path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("out", metavar="OUT", help="the folder to make; OUT.zip appears next to it")
    parser.add_argument(
        "--manifest",
        default=MANIFEST,
        metavar="FILE",
        help="the exercises (default: classroom/exercises.json; classroom/exercises_short.json has fewer)",
    )
    parser.add_argument(
        "--for",
        dest="platform",
        choices=sorted(PLATFORMS),
        help="also make what this platform needs (docs/platforms.md), or a site (web, docs/classroom.md)",
    )
    parser.add_argument(
        "--url",
        default="",
        help="where you will publish the folder, https://github.com/OWNER/REPO: its notebooks open in Colab",
    )
    parser.add_argument("--replace", action="store_true", help="put the release in the place of an old one")


def main(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0 only if the release was written."""
    try:
        manifest = load_manifest(arguments.manifest)
        exercises, declaration = manifest.exercises, manifest.declaration
        targets = release(
            exercises,
            arguments.out,
            arguments.platform,
            arguments.replace,
            declaration=declaration,
            url=arguments.url,
        )
    except (ManifestError, LeakError, PlatformError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    count = count_exercises(exercises, f" for {total_points(exercises):g} points")
    print(f"{count}; no solution was found in what learners get")
    for path, content in targets.items():
        count = f", {len(content)} files" if isinstance(content, dict) else ""
        print(f"  {Path(arguments.out).parent / path.name}{count}")
    return 0
