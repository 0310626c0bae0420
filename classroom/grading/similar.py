"""List pairs of similar submissions, the most similar first.

It writes OUT/similarity.html, with the passages side by side, and
OUT/similarity.csv, the same list. The list is not a verdict, and no mark
depends on it. It needs the package copydetect: pip install -e ".[similarity]"
"""

import argparse
import ast
import contextlib
import copy
import functools
import io
import itertools
import math
import re
import signal
import statistics
import sys
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from classroom.deadlines import Deadline
from classroom.grading import report
from classroom.grading.hand_ins import group_by_name, in_order
from classroom.grading.reference import child_files, submitted_files
from classroom.grading.result import NotMarkedError, sanitize
from classroom.grading.submission import find_submissions, open_hand_in, read_submission
from classroom.manifest import MANIFEST, Exercise, ManifestError, functions_by_file, load_exercises
from cs231n.common.files import REPOSITORY

__all__ = ["KIT", "Comparison", "CopyOfKit", "Pair", "Passage", "add_arguments", "compare", "main"]

CHARS = 20  # in a row that make a fingerprint, a name being one of them: less than a line
MAX_CHARS = 200_000  # of the code of one student; that of the kit has 33,000
MAX_SECONDS = 10  # of processor time, to read the code of one student
MAX_PAIRS = 50  # on the list
MAX_SHOWN_CHARS = 6000  # of a function
KIT = "(the kit's own solution)"
KIT_SHARE = 0.2  # of a file, from which on it is reported; right solutions of ten styles have less than 0.01
DEFINITION = re.compile(r"^(    |\t)?(def|class)[ \t]+(\w+)", re.MULTILINE)
Sources = Mapping[str, str]  # {path: source} of one student


class Passage(NamedTuple):
    """A function in which both have something, as pieces of text, each with whether both have it."""

    label: str  # of the exercise, or the name of the function
    sides: tuple[list[tuple[str, bool]], list[tuple[str, bool]]]


class Pair(NamedTuple):
    """Two submissions."""

    students: tuple[str, str]
    shares: tuple[
        float, float
    ]  # of what each wrote, how much the other has too; what many have counts little
    passages: Sequence[Passage] = ()

    @property
    def labels(self) -> str:
        """Where the passages are, in one line: "exercises 1, 7; a_helper"."""
        labels = [passage.label for passage in self.passages]
        numbers = [re.sub(r"Exercise (\d+): .*", r"\1", label) for label in labels if ": " in label]
        exercises = [f"exercises {', '.join(numbers)}"] if numbers else []
        return "; ".join([*exercises, *(label for label in labels if ": " not in label)])


class CopyOfKit(NamedTuple):
    """A file of a student that is in part the kit's own definitions."""

    student: str
    file: str
    share: float
    origins: str  # files of the kit, those with the most first

    def __str__(self) -> str:
        return f"{self.share:.0%} of {self.file} is the kit's own definitions ({self.origins})"


class Comparison(NamedTuple):
    """What the page says of a class."""

    pairs: Sequence[Pair]  # at most MAX_PAIRS, most similar first
    median: float  # of the larger share, over all pairs
    copies: Sequence[CopyOfKit]
    faults: Sequence[tuple[str, str]]  # (student, what was not compared and why)


class _Document(NamedTuple):
    text: str
    pieces: list[tuple[str, int, int]]  # label, start and end in text
    fingerprint: Any  # a copydetect.CodeFingerprint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="as for grade")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="the folder for the list"
    )
    parser.add_argument("--manifest", type=Path, default=MANIFEST, metavar="FILE", help="as for grade")


def main(arguments: argparse.Namespace) -> int:
    """Run the command; returns 0 only if the list was written."""
    try:
        exercises = tuple(load_exercises(arguments.manifest))
        paths = find_submissions(arguments.submissions)
        if arguments.out.resolve().is_relative_to(arguments.submissions.resolve()):
            raise ValueError(f"{arguments.out} is within {arguments.submissions}; try: -o a folder beside it")
        students: dict[str, Sources] = {}
        faults: list[tuple[str, str]] = []
        for student, hand_ins in group_by_name(paths).items():
            try:
                newest = in_order(student, hand_ins, Deadline(), None)[-1].path
                hand_in = open_hand_in(newest, exercises)
                with hand_in.file:
                    submission = read_submission(hand_in, exercises)
            except NotMarkedError as error:
                faults.append((student, f"not compared, because {error}"))
            else:
                students[student] = submission.files
                faults += [(student, fault) for fault in submission.faults.values()]
        comparison = compare(students, exercises)
        arguments.out.mkdir(parents=True, exist_ok=True)
        report.write_similarity(arguments.out, comparison._replace(faults=[*faults, *comparison.faults]))
    except ModuleNotFoundError as error:
        if error.name != "copydetect":
            raise
        print('similar: copydetect is not installed; try: pip install -e ".[similarity]"', file=sys.stderr)
        return 1
    except (OSError, ValueError, ManifestError) as error:
        message = sanitize(str(error), 2000).removeprefix("grade: ")
        print(f"similar: {message}", file=sys.stderr)
        return 1
    print(f"Pairs to look at, not a verdict: {arguments.out / 'similarity.html'}")
    return 0


def compare(students: Mapping[str, Sources], exercises: tuple[Exercise, ...]) -> Comparison:
    """Compare each two students, each student with the kit's own solution, and with its definitions.

    What everybody got is taken out. A fingerprint that `count` of n submissions have weighs log((n + 1) /
    count): the few right forms of a short function say little.

    Args:
        students: {name: the files with exercises}.
        exercises: of the class.

    Raises:
        ModuleNotFoundError: there is no copydetect.
    """
    from copydetect import compare_files

    reader = _reader_for(exercises)
    solution = {file: (REPOSITORY / file).read_text("utf-8") for file in submitted_files(exercises)}
    documents, copies, faults = dict[str, _Document](), list[CopyOfKit](), list[tuple[str, str]]()
    for student, sources in {**students, KIT: solution}.items():
        if sum(map(len, sources.values())) > MAX_CHARS:
            faults.append((student, f"not compared: its code has more than {MAX_CHARS} characters"))
            continue
        try:
            with _limit_time():
                document = reader.read(sources)
                copies += reader.find_copies(student, sources)
        except TimeoutError:
            faults.append((student, f"not compared: reading its code takes more than {MAX_SECONDS} seconds"))
        else:
            documents[student] = document
    prints = {student: document.fingerprint.hashes for student, document in documents.items()}
    counts = Counter(itertools.chain.from_iterable(prints.values()))

    weights = {value: math.log((len(prints) + 1) / count) for value, count in counts.items()}

    def weigh(hashes: set[int]) -> float:
        return math.fsum(map(weights.__getitem__, hashes))

    total = {student: weigh(hashes) for student, hashes in prints.items()}
    pairs = []
    for both in itertools.combinations(prints, 2):
        common = weigh(prints[both[0]] & prints[both[1]])
        if common:
            pairs.append(Pair(both, (common / total[both[0]], common / total[both[1]])))
    pairs.sort(key=lambda pair: -max(pair.shares))
    median = statistics.median([max(pair.shares) for pair in pairs] or [0.0])
    order = {exercise.label: exercise.number for exercise in exercises}
    rare = {value for value, count in counts.items() if count <= max(2, len(prints) // 2)}
    for k, pair in enumerate(pairs[:MAX_PAIRS]):
        first, second = (documents[student] for student in pair.students)
        _, _, slices = compare_files(_only(first.fingerprint, rare), _only(second.fingerprint, rare))
        sides = [_mark(document, marks) for document, marks in zip((first, second), slices)]
        labels = sorted({**sides[0], **sides[1]}, key=lambda label: (order.get(label, len(order) + 1), label))
        passages = [Passage(label, (sides[0].get(label, []), sides[1].get(label, []))) for label in labels]
        pairs[k] = pair._replace(passages=passages)
    return Comparison(pairs[:MAX_PAIRS], median, copies, faults)


class _Reader:
    """Makes fingerprints of what a student wrote."""

    def __init__(self, exercises: tuple[Exercise, ...]):
        self.labels = {
            name: exercise.label
            for of_file in functions_by_file(exercises).values()
            for name, exercise in of_file.items()
        }
        released = {
            file: _with_strings(source.decode()) for file, source in child_files(exercises, ()).items()
        }
        texts = [*released.values(), "\n".join(released[file] for file in submitted_files(exercises))]
        self.released = set().union(*(_fingerprint(text).hashes for text in texts))
        package = REPOSITORY / "cs231n"
        self.definitions = {
            path.relative_to(REPOSITORY).as_posix(): self._hashes(path.read_text("utf-8"))
            for path in (package / "gradient_check.py", *sorted((package / "checking").rglob("*.py")))
        }

    def _hashes(self, source: str) -> set[int]:
        return _fingerprint(_with_strings(source)).hashes - self.released

    def read(self, sources: Sources) -> _Document:
        """All code of a student, and behind each file what stands in its strings."""
        text, pieces = "", list[tuple[str, int, int]]()
        for source in sources.values():
            code = _printable(source)
            starts, owner = [("at the top level", 0)], ""
            for match in DEFINITION.finditer(code):
                indent, kind, name = match.groups()
                if not indent:
                    owner = f"{name}." if kind == "class" else ""
                    starts.append((name, match.start()))
                elif owner and kind == "def":
                    starts.append((owner + name, match.start()))
            starts.append(("in strings", len(code)))
            text, offset = f"{text}{_with_strings(source)}\n", len(text)
            ends = [offset + start for _, start in starts[1:]] + [len(text)]
            pieces += [
                (self.labels.get(name, name), offset + start, end) for (name, start), end in zip(starts, ends)
            ]
        fingerprint = _fingerprint(text)
        return _Document(text, pieces, _only(fingerprint, fingerprint.hashes - self.released))

    def find_copies(self, student: str, sources: Sources) -> Iterator[CopyOfKit]:
        """The files of which KIT_SHARE or more is in cs231n/checking and gradient_check."""
        every = set().union(*self.definitions.values())
        for file, source in sources.items():
            own = self._hashes(source)
            if own and len(own & every) >= KIT_SHARE * len(own):
                origins, left = list[str](), own & every
                while len(left) > 0.1 * len(own):
                    origins.append(max(self.definitions, key=lambda name: len(left & self.definitions[name])))
                    left -= self.definitions[origins[-1]]
                yield CopyOfKit(student, file, len(own & every) / len(own), ", ".join(origins[:3]))


_reader_for = functools.lru_cache(1)(_Reader)  # it reads the kit, which takes two seconds


def _fingerprint(text: str) -> Any:
    """That of copydetect, without what lies within a string literal, where every character is an S."""
    from copydetect import CodeFingerprint

    fingerprint = CodeFingerprint("source.py", CHARS, win_size=1, fp=io.StringIO(text))
    code = fingerprint.filtered_code
    windows = {value: code[k[0] : k[0] + CHARS] for value, k in fingerprint.hash_idx.items()}
    return _only(
        fingerprint, {value for value, text in windows.items() if sum(map(text.count, 'S"')) < CHARS / 2}
    )


def _only(fingerprint: Any, hashes: set[int]) -> Any:
    """The same with no other hashes."""
    fingerprint = copy.copy(fingerprint)
    fingerprint.hashes = fingerprint.hashes & hashes
    fingerprint.hash_idx = {value: fingerprint.hash_idx[value] for value in fingerprint.hashes}
    return fingerprint


def _with_strings(source: str) -> str:
    """The source, and behind it what stands in its string literals, as far as it is Python."""
    strings = []
    with warnings.catch_warnings(), contextlib.suppress(tokenize.TokenError, SyntaxError):
        warnings.simplefilter("ignore")  # of escapes: they would name no file
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING:
                try:
                    value = ast.literal_eval(token.string)
                except (SyntaxError, ValueError, MemoryError):  # an f-string, before Python 3.12
                    value = token.string.strip("rbfuRBFU'\"")
                strings.append(value.decode("latin-1") if isinstance(value, bytes) else value)
            elif token.type == getattr(tokenize, "FSTRING_MIDDLE", None):
                strings.append(token.string)
    return "\n".join(map(_printable, [source, *strings]))


def _printable(text: str) -> str:
    """Text without what steers a terminal or turns the direction of writing; pygments strips empty lines."""
    lines = re.sub(r"\r\n?", "\n", text).strip("\n")
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in lines)


@contextlib.contextmanager
def _limit_time() -> Iterator[None]:
    """Raise TimeoutError after MAX_SECONDS of processor time, where the system has such a timer."""

    def stop(*_: object) -> None:
        raise TimeoutError

    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return
    old = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def _mark(document: _Document, slices: Any) -> dict[str, list[tuple[str, bool]]]:
    """{label: text in pieces} of the functions in which a slice lies."""
    sides: dict[str, list[tuple[str, bool]]] = {}
    for label, start, whole_end in document.pieces if len(slices) else ():
        parts, position, end = list[tuple[str, bool]](), start, min(whole_end, start + MAX_SHOWN_CHARS)
        for first, last in slices.T.tolist():
            first, last = max(first, position), min(last, end)
            if first < last:
                parts += [(document.text[position:first], False), (document.text[first:last], True)]
                position = last
        if parts:
            parts.append((document.text[position:end] + "\n... (cut here)" * (end < whole_end), False))
            sides[label] = sides.get(label, []) + parts
    return sides
