"""Similar submissions: a list to look at. The class is made of the corpus, with planted copies."""

import ast
import csv
import re
import sys

import pytest

from classroom.__main__ import main
from classroom.grading.similar import KIT, MAX_CHARS, compare
from cs231n.common.files import REPOSITORY
from tests.corpus.harness import HOMES, STYLES
from tests.support.grading import EXERCISES, LAYERS, blank, solved, zipped

DEFINITIONS = REPOSITORY / "cs231n" / "checking" / "answers"


def submission(style):
    """{path: source} of a style; what it leaves out is the usual, so that parts are the same for many."""
    return {f"{name.replace('.', '/')}.py": STYLES[style][file] for file, name in HOMES.items()}


def renamed(files):
    """A copy with other names for all variables, and no comments."""
    copy = {}
    for path, source in files.items():
        nodes = list(ast.walk(ast.parse(source)))
        names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        text = re.sub(r"(?m) *#.*$", "", source)
        copy[path] = re.sub(rf"\b({'|'.join(names)})\b", r"my_\1", text) if names else text
    return copy


def reordered(files):
    """A copy with the functions in the opposite order."""
    copy = {}
    for path, source in files.items():
        head, *functions = re.split(r"(?m)^(?=def |class )", source)
        copy[path] = head + "".join(reversed(functions))
    return copy


@pytest.fixture(scope="module")
def students():
    """The styles but the usual, of which each has a part, and two planted copies; with the kit's it is 12."""
    pytest.importorskip("copydetect")
    honest = {style: submission(style) for style in STYLES if style != "usual"}
    return {**honest, "eve": renamed(honest["staged"]), "mallory": reordered(honest["lists"])}


@pytest.fixture(scope="module")
def comparison(students):
    return compare(students, EXERCISES)


@pytest.fixture
def pairs(comparison):
    return comparison.pairs


def test_planted_copies_are_on_top_and_all_others_far_below(students, pairs):
    assert {*pairs[0].students} == {"staged", "eve"}
    assert {*pairs[1].students} == {"lists", "mallory"}
    assert min(max(pair.shares) for pair in pairs[:2]) > 0.8
    assert max(max(pair.shares) for pair in pairs[2:]) < 0.5


def test_a_pair_says_in_which_exercises_the_passages_are(pairs):
    labels = [passage.label for passage in pairs[0].passages]
    assert "Exercise 7: batchnorm_backward" in labels
    assert labels[0].startswith("Exercise") and labels == sorted(
        labels, key=lambda label: int(re.findall(r"\d+", label)[0]) if label.startswith("Exercise") else 99
    )
    (passage,) = (p for p in pairs[0].passages if p.label == "Exercise 7: batchnorm_backward")
    for student, side in zip(pairs[0].students, passage.sides):
        text = "".join(text for text, _ in side)
        assert "def batchnorm_backward(" in text and ("my_" in text) == (student == "eve")
        assert sum(len(text) for text, is_common in side if is_common) > 0.5 * len(text)


def test_what_everybody_got_counts_for_nobody():
    pytest.importorskip("copydetect")
    assert compare({"ada": blank(), "bob": blank()}, EXERCISES).pairs == []


def test_a_copy_of_the_kits_own_solution_is_a_pair_with_the_kit(students):
    pairs = compare({**students, "oscar": renamed(solved())}, EXERCISES).pairs
    assert ("oscar", KIT) in [pair.students for pair in pairs[:2]]


@pytest.mark.parametrize(
    "write", ["{}", "TEXT = {!r}", "TEXT = '''{}'''", "LINES = ({lines})", "TEXT = f'''{}'''"]
)
def test_the_kits_own_definitions_are_named_also_inside_strings(write):
    pytest.importorskip("copydetect")
    source = (DEFINITIONS / "norm_definition.py").read_text()
    plain = source.replace('"""', '""').replace("{", "{{").replace("}", "}}") if write[7:8] == "f" else source
    lines = "".join(f"{line!r}\n" for line in source.splitlines(keepends=True))
    files = blank("\n" + write.format(plain, lines=lines))
    (copy,) = compare({"mallory": files}, EXERCISES).copies
    assert (copy.student, copy.file) == ("mallory", LAYERS) and copy.share > 0.75
    assert copy.origins.startswith("cs231n/checking/answers/norm_definition.py")
    assert str(copy).endswith("the kit's own definitions (cs231n/checking/answers/norm_definition.py)")


@pytest.mark.parametrize("name", ["checking/answers/right_layers.py", "gradient_check.py"])
def test_each_file_that_gives_answers_is_named(name):
    pytest.importorskip("copydetect")
    files = renamed(blank("\n" + (REPOSITORY / "cs231n" / name).read_text()))
    (copy,) = compare({"mallory": files}, EXERCISES).copies
    assert copy.share > 0.9 and copy.origins == f"cs231n/{name}"


def test_right_solutions_are_no_copies_of_the_kits_definitions(comparison):
    assert comparison.copies == []


def write_class(folder, **students):
    for name, files in students.items():
        zipped(folder / f"{name}.zip", files)
    return folder


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, students):
    """The page and the CSV of a class in which someone writes HTML and formulas."""
    folder = tmp_path_factory.mktemp("similar")
    hostile = {
        **students["lists"],
        LAYERS: students["lists"][LAYERS] + "\n# </pre><script>alert(1)</script>\u202e",
    }
    names = {"=cmd|x": hostile, "ada": students["loops"], "bob": students["lists"]}
    names["huge"] = {**students["loops"], LAYERS: "x = 1\n" * (MAX_CHARS // 5)}
    names["partial"] = {LAYERS: students["einsum"][LAYERS]}
    submissions = write_class(folder / "in", **names)
    zipped(submissions / "bob-1.zip", students["lists"])
    assert main(["similar", str(submissions), "-o", str(folder / "out")]) == 0
    return (folder / "out" / "similarity.html").read_text(), (folder / "out" / "similarity.csv").read_text()


def test_the_page_is_a_list_to_look_at(outcome):
    page, table = outcome
    assert (
        "This list is not a verdict, and it changes no mark." in page
        and "There are few right ways to write a short function" in page
    )
    rows = list(csv.reader(table.splitlines()))
    assert rows[0] == ["student", "other student", "share", "other share", "where"]
    assert {*rows[1][:2]} == {"'=cmd|x", "bob"} and rows[1][2:4] == ["1.00", "1.00"]
    assert rows[1][4].startswith("exercises 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 18; ")
    assert sorted(name for row in rows for name in row[:2] if name.startswith("bob")) == ["bob"] * 4


def test_text_of_students_is_text_on_the_page(outcome):
    page, _ = outcome
    assert "&lt;/pre&gt;&lt;script&gt;alert(1)" in page and "<script" not in page and "\u202e" not in page


def test_what_is_not_compared_is_said(outcome):
    page, _ = outcome
    assert f"huge: not compared: its code has more than {MAX_CHARS} characters" in page
    assert "partial: cs231n/optim.py is missing" in page


@pytest.mark.parametrize("source", ["(" * 60_000, "'" * 60_000, "f'{" * 20_000, "0x" + "f" * 60_000])
def test_source_that_no_parser_likes_does_no_harm(source):
    pytest.importorskip("copydetect")
    assert compare({"ada": blank(source)}, EXERCISES).faults == []


def test_source_that_takes_too_long_is_not_compared(monkeypatch):
    pytest.importorskip("copydetect")
    monkeypatch.setattr("classroom.grading.similar.MAX_SECONDS", 0.5)
    comparison = compare({"ada": blank('"\\' * 30_000), "bob": blank("\t\n" * 90_000)}, EXERCISES)
    assert [student for student, _ in comparison.faults] == ["ada", "bob"]
    assert "takes more than 0.5 seconds" in comparison.faults[0][1]


def test_without_copydetect_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "copydetect", None)
    assert main(["similar", str(write_class(tmp_path / "in", ada=blank())), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        'similar: copydetect is not installed; try: pip install -e ".[similarity]"\n'
    )


def test_without_submissions_one_line_says_so(tmp_path, capsys):
    assert main(["similar", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("similar: there is no folder")
