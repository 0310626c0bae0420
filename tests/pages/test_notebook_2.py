"""Notebooks 2 and 5 compare each equation with another way of computing it; tested is that this can fail."""

import ast
import copy
import inspect
import re

import matplotlib
import nbformat
import numpy as np
import pytest

from classroom.manifest import load_exercises
from classroom.releasing.notebooks import blank_notebook
from cs231n import layers
from cs231n.notebook import NotPassed
from tests.support import ROOT

EQUATIONS = {2: range(1, 27), 5: range(27, 45)}  # {notebook: the numbers of its equations}
WORKSHEETS = {2: 12, 5: 4}  # cells
LINES = ("one_line", "second_line")  # the functions that are equations: (20) and (34)
TAG = re.compile(r"\\tag\{(\d+)\}")

FLIPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.USub: ast.UAdd}

# A sign that may be flipped without making the equation false: (tag, the flipped code), and why.
HARMLESS = {
    (22, "dx = gamma * inv_std * (dout - dbeta / N + x_hat * (dgamma / N))"): "x_hat adds up to zero",
    (40, "moved = gradient(x - 5 * one) - gradient(x)"): "this is a shift too",
}


def path_of(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return path


def cells(number=2):
    return nbformat.read(path_of(number), as_version=4).cells


def learner_cells(number=2):
    path = path_of(number)
    text = blank_notebook(path.name, path.read_text(encoding="utf-8"), load_exercises())
    return nbformat.reads(text, as_version=4).cells


def tags(cell):
    return cell.metadata.get("tags", [])


def tagged(cells):
    """[(tag, the first code cell after it or None)] in order; a tag's cell must come before the next tag."""
    pairs = []
    for cell, following in zip(cells, [*cells[1:], None]):
        if cell.cell_type == "markdown":
            check = following if following and following.cell_type == "code" else None
            tags = TAG.findall(cell.source)
            pairs += [(int(tag), check if tag == tags[-1] else None) for tag in tags]
    return pairs


def is_check(statement):
    return ast.unparse(statement).startswith(("holds(", "check_node("))


def signs(tree):
    """The nodes that hold a sign, in what the cell computes before it is checked."""
    for statement in tree.body:
        if is_check(statement):
            return
        # A function is the oracle's, but for LINES; and what is drawn at random is no part of the equation.
        is_oracle = isinstance(statement, ast.FunctionDef) and statement.name not in LINES
        if not is_oracle and "rng." not in ast.unparse(statement):
            yield from (n for n in ast.walk(statement) if isinstance(getattr(n, "op", None), tuple(FLIPS)))


def sign_errors(source, signs=signs):
    """Copies of a cell, each with one sign wrong: (the changed statement, the whole cell)."""
    right = ast.parse(source)
    for k in range(len(list(signs(right)))):
        wrong = copy.deepcopy(right)
        node = list(signs(wrong))[k]
        node.op = FLIPS[type(node.op)]()
        bodies = [getattr(tree.body[0], "body", []) + tree.body for tree in (wrong, right)]
        changed = next(ast.unparse(w) for w, r in zip(*bodies) if ast.dump(w) != ast.dump(r))
        yield changed, ast.unparse(wrong)


def negated(source):
    """The cell with the whole right-hand side of its equation negated."""
    tree = ast.parse(source)
    (*_, equation) = (
        n
        for n in ast.walk(tree)
        if ast.unparse(n).startswith(("equation = ", "return gamma / s", "return -gamma / s"))
    )
    equation.value = ast.UnaryOp(ast.USub(), equation.value)
    return ast.unparse(ast.fix_missing_locations(tree))


def wrong_backwards():
    """(the changed line, batchnorm_backward_alt with that sign wrong)."""
    source = inspect.getsource(layers.batchnorm_backward_alt)
    for changed, wrong in sign_errors(source, lambda tree: signs(ast.Module(tree.body[0].body, []))):
        names = dict(vars(layers))
        exec(wrong, names)
        yield changed, names["batchnorm_backward_alt"]


def walk(every):
    """Run the cells, and before each code cell yield it and the names as they stand."""
    matplotlib.use("Agg")
    names = {"answer": lambda *_: None, "check": lambda *_: None}
    for cell in every:
        if cell.cell_type != "code" or "nbval-ignore-output" in tags(cell):
            continue
        if "Path.cwd()" not in cell.source:
            yield cell, names
            if "sympy.symbols" not in cell.source:
                exec(cell.source, names)


@pytest.mark.parametrize("number", EQUATIONS)
def test_every_equation_has_a_check_of_its_own_that_asserts_it(number):
    pairs = tagged(cells(number))
    assert [tag for tag, _ in pairs] == list(EQUATIONS[number])
    for tag, cell in pairs:
        assert cell, f"no check cell after ({tag})"
        assert re.search(rf"^holds\({tag}, (equation|(one|second)_line\(.*\)), ", cell.source, re.M), (
            cell.source
        )


@pytest.mark.parametrize("number", EQUATIONS)
def test_each_check_passes_as_it_stands_and_fails_when_a_sign_is_wrong(number):
    every, survived, planted = cells(number), [], {}
    equations = {id(cell): tag for tag, cell in tagged(every)}
    for cell, names in walk(every):
        tag = equations.get(id(cell))
        if tag is None:
            continue
        exec(cell.source, dict(names))
        wrong = [(changed, source, {}) for changed, source in sign_errors(cell.source)]
        if tag not in (22, 24, 40):  # these say that something is zero, and so is its negative
            wrong.append(("the whole equation negated", negated(cell.source), {}))
        if "batchnorm_backward_alt" in cell.source:
            wrong += [
                (changed, cell.source, {"batchnorm_backward_alt": function})
                for changed, function in wrong_backwards()
            ]
        for changed, source, replaced in wrong:
            planted.setdefault(tag, []).append(changed)
            try:
                with np.errstate(invalid="ignore"):  # a wrong sign under a root
                    exec(source, names | replaced)
            except AssertionError:
                continue
            if (tag, changed) not in HARMLESS:
                survived.append((tag, changed))
    assert survived == []
    assert set(planted) == set(EQUATIONS[number])
    assert all(changed in planted[tag] for tag, changed in HARMLESS if tag in planted)


def test_the_proof_fails_when_a_sign_of_the_one_line_or_of_the_proof_is_wrong(capsys):
    (proof,) = (cell.source for cell in cells() if "sympy.symbols" in cell.source)
    (one_line,) = (cell.source for cell in cells() if "def one_line" in cell.source)
    names = names_after("def one_line")
    wrong_lines = [*(source for _, source in sign_errors(one_line)), negated(one_line)]
    assert len(wrong_lines) == 3
    for wrong in wrong_lines:
        (function,) = (node for node in ast.parse(wrong).body if isinstance(node, ast.FunctionDef))
        exec(ast.unparse(function), names_of_it := dict(names))
        with pytest.raises(AssertionError, match="the derivative .* leaves .*gamma"):
            exec(proof, names_of_it)
    planted, seen = dict(sign_errors(proof)), set()
    for changed, wrong in planted.items():
        try:
            exec(wrong, dict(names))
        except AssertionError:
            seen.add(changed)
    harmless = {
        "s_ = sympy.sqrt(var_ - eps_)",  # the theorem holds for this s too
        "dmu_ = slope(loss, mu_) - slope(loss, var_) * slope(variance_, mu_)",  # zero, see (13)
    }
    assert len(planted) > 10 and set(planted) - seen == harmless
    capsys.readouterr()
    exec(proof, dict(names))
    assert "identically zero" in capsys.readouterr().out


def doubled(source):
    """Copies of a worksheet cell, each with the value of one of its assignments doubled."""
    for k, statement in enumerate(ast.parse(source).body):
        if isinstance(statement, ast.Assign):
            wrong = ast.parse(source)
            wrong.body[k].value = ast.BinOp(ast.Constant(2), ast.Mult(), statement.value)
            yield ast.unparse(ast.fix_missing_locations(wrong))


@pytest.mark.parametrize("number", WORKSHEETS)
def test_a_worksheet_line_that_is_wrong_is_seen_and_one_that_is_open_is_not_wrong(number, capsys):
    open_cells = {cell.id: cell.source for cell in learner_cells(number)}
    worksheets = 0
    for cell, names in walk(cells(number)):
        if "worksheet" not in tags(cell):
            continue
        worksheets += 1
        for wrong in [*doubled(cell.source), *(source for _, source in sign_errors(cell.source))]:
            with pytest.raises(AssertionError):
                exec(wrong, dict(names))
        capsys.readouterr()
        exec(open_cells[cell.id], dict(names))
        checks = [statement for statement in ast.parse(cell.source).body if is_check(statement)]
        said = capsys.readouterr().out.splitlines()
        assert len(said) == len(checks) and all("in place of the dots" in line for line in said), said
    assert worksheets == WORKSHEETS[number]


def names_after(line):
    """The names as they stand below the first cell that holds `line`."""
    found = False
    for cell, names in walk(cells()):
        if found:
            return names
        found = line in cell.source
    raise AssertionError(f"no cell holds {line!r}")


@pytest.fixture(scope="module")
def walked():
    """The names below the last worksheet cell of section 4."""
    return names_after('check_node("dx", dx)')


NODES = """dscaled dbeta dx_hat dgamma dinv_std dcentered_from_x_hat dstd dvar dsquared dcentered dmu
    dx_from_centered dx""".split()


def message_of(call, *arguments):
    with pytest.raises(NotPassed) as stop:
        call(*arguments)
    assert stop.value.__suppress_context__ or stop.value.__context__ is None
    message = str(stop.value)
    assert stop.value._render_traceback_() == [message] and "gradient_check" not in message
    return message


@pytest.mark.parametrize("name", NODES)
def test_a_wrong_gradient_is_named_as_in_the_worksheet_with_advice_of_its_own(name, walked):
    assert list(walked["nodes"]) == NODES
    gradient, (node, _, look_at) = walked[name], walked["nodes"][name]
    message = message_of(walked["check_node"], name, 2 * gradient)
    assert re.match(rf"{name} disagrees with central differences\n  {gradient.size} of ", message)
    assert message.endswith(f", ratio 2\n  Try: {look_at}.")
    message = message_of(walked["check_node"], name, np.ones(7))
    shape = re.escape(f"{gradient.shape}")
    assert re.match(rf"{name} has the shape \(7,\), expected {shape}, the shape of {node}\n  Try: ", message)


def test_the_advice_holds_no_line_of_the_worksheet(walked):
    lines = [
        ast.unparse(statement.value)
        for cell in cells()
        if "worksheet" in tags(cell)
        for statement in ast.parse(cell.source).body
        if isinstance(statement, ast.Assign) and not isinstance(statement.value, ast.Name)
    ]
    advice = [look_at for _, _, look_at in walked["nodes"].values()]
    assert len(lines) > 10 and len(set(advice)) == len(NODES)
    assert not [(line, text) for line in lines for text in advice if line in text]


def test_a_worksheet_cell_that_is_run_after_a_later_section_says_what_to_run_again(capsys):
    (source,) = (cell.source for cell in cells() if 'check_node("dstd", dstd)' in cell.source)
    names = names_after("def mean(x):")
    capsys.readouterr()
    exec(source, names)
    assert re.fullmatch(
        "dstd: x and g are not those of section 4 any more: run the first cell of .*\n",
        capsys.readouterr().out,
    )


def test_arrays_of_ones_have_the_dtype_of_the_input():
    """A learner copies these lines into batchnorm_backward, where float32 must stay float32."""
    worksheet = [cell.source for cell in cells() if "worksheet" in tags(cell)]
    assert sum("np.ones_like(" in source for source in worksheet) == 2
    assert not any("np.ones(" in source for source in worksheet)


@pytest.mark.parametrize(
    "number, value, said",
    [
        (19, ..., "(19): type the equation above in place of the dots"),
        (19, None, "(19): the equation gives None"),
        (20, None, "(20): one_line returns nothing: is `return` missing?"),
        (20, np.arange(1.0, 4), "(20) holds"),
    ],
)
def test_holds_says_what_is_open_and_what_is_none(number, value, said, walked, capsys):
    walked["holds"](number, value, np.arange(1.0, 4))
    assert capsys.readouterr().out == said + "\n"


@pytest.mark.parametrize(
    "wrong, advice",
    [
        (lambda right: 7 * right, "the ratio is 7.0 everywhere: a factor is missing or too much"),
        (lambda right: -right, "the ratio is -1 everywhere: look for a sign"),
        (lambda right: right + 1, "compare term by term with the equation"),
        (lambda right: 0 * right, "compare term by term with the equation"),
        (lambda right: right.sum(), "look for a sum that is missing or too much"),
    ],
)
def test_an_equation_that_fails_gives_one_thing_to_try(wrong, advice, walked):
    right = np.array([1.5, -0.5, 2.0])
    message = message_of(walked["holds"], 16, wrong(right), right)
    assert message.startswith("(16) fails: the equation gives\n") and f"{right}\nTry: " in message
    assert advice in message.partition("Try: ")[2]
    scalar = message_of(walked["holds"], 6, 7 * 1.5, 1.5)
    assert scalar.endswith("Try: the ratio is 7.0 everywhere: a factor is missing or too much.")
    assert "compare term by term" in message_of(walked["holds"], 22, 1.0, 0.0)


def test_nothing_below_an_open_cell_needs_it(capsys):
    for cell, names in walk(learner_cells()):
        if "sympy.symbols" in cell.source:
            exec(cell.source, dict(names))
    printed = capsys.readouterr().out
    assert "proof waits" in printed and "check waits" in printed
    *_, _ = walk(learner_cells(5))
    opened = re.findall(r"^\((\d+)\): type equation \((\d+)\)", capsys.readouterr().out, re.M)
    assert opened == [("33", "33"), ("34", "34"), ("37", "37"), ("38", "34"), ("39", "39")]


@pytest.fixture(scope="module")
def picture_and_sliders():
    *_, (_, names) = walk(cells())
    (picture,) = (cell.source for cell in cells() if cell.source.startswith("def picture"))
    (sliders,) = (cell.source for cell in cells() if cell.source.startswith("sliders ="))
    exec(picture.partition("show(picture()")[0], names)
    exec(sliders.partition("view =")[0], names)
    matplotlib.pyplot.close("all")
    return names["picture"], names["sliders"]


def content(figure):
    """What can be seen of it: where the points stand, and the texts."""
    points = [scatter.get_offsets().round(4).tolist() for axes in figure.axes for scatter in axes.collections]
    texts = [text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts]]
    matplotlib.pyplot.close(figure)
    return points, texts


def test_the_sliders_start_at_the_still_figure_and_each_changes_it(picture_and_sliders):
    picture, sliders = picture_and_sliders
    start = {slider.description: slider.value for slider in sliders.children[:-1]}
    assert len(start) == 3 and content(picture(**start)) == content(picture())
    for slider in sliders.children[:-1]:
        for step in (-slider.step, slider.step):
            points, texts = content(picture(**start | {slider.description: slider.value + step}))
            assert points != content(picture())[0] and texts[1:] != content(picture())[1][1:]


@pytest.mark.parametrize("edition", [cells, learner_cells])
def test_one_cell_has_the_tag_by_which_the_web_page_finds_its_figure(edition):
    (cell,) = (cell for cell in edition() if "explorable" in tags(cell))
    assert cell.source.startswith("sliders =")
