"""Edits of a learner's files are seen by the next cell, in a real IPython shell and in a kernel."""

import json
import re
import sys

import pytest

from tests.support import ROOT

IPython = pytest.importorskip("IPython", reason="needs IPython")

# Steps come as JSON: cells to run, and edits that somebody makes between them.
SHELL = """
import json, os, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
for file, *texts in json.loads(sys.argv[1]):
    if not file:
        assert shell.run_cell(texts[0], store_history=True).success or "fails" in texts[0], texts[0]
        continue
    path = Path("cs231n", file)
    before = path.stat()
    source = path.read_text(encoding="utf-8")
    old, new = texts if len(texts) > 1 else (source, texts[0])
    assert source.count(old) == 1, f"{old!r} is in {file} {source.count(old)} times"
    path.write_text(source.replace(old, new), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the worst clock: no edit moves it
"""
START = "from cs231n.notebook import check\nimport numpy as np\nx = np.array([[-1.0, 2.0]])"
RELU = "return np.maximum(x, 0), x"
RELU_BY_ABS = "return np.maximum(x,-x), x"
SGD = 'return w - config["learning_rate"] * dw, config'


@pytest.fixture
def notebook(kit, tmp_path):
    """Run cells in a shell, with edits between them; returns what they print, and what goes to stderr."""

    def run(*steps: str | tuple[str, ...]) -> tuple[str, str]:
        listed = [("", step) if isinstance(step, str) else step for step in (START, *steps)]
        env = {"IPYTHONDIR": str(tmp_path / "ipython"), "NO_COLOR": "1"}
        done = kit.python(["-c", SHELL, json.dumps(listed)], **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr

    return run


@pytest.mark.parametrize("module", ["layers", "second_derivative", "classifiers.fc_net", "fast_layers"])
def test_an_edit_of_a_file_that_layers_imports_is_seen_under_every_name(notebook, module):
    out, errors = notebook(
        f"from cs231n.{module} import batchnorm_double_backward as f",
        ("second_derivative.py", "    return ddout, dx, dgamma", "    return 'edited'"),
        "from cs231n.layers import batchnorm_forward",
        "c = batchnorm_forward(x.T, np.ones(1), np.ones(1), {'mode': 'train'})[1]; print(f(x.T, x.T, c))",
        "import cs231n.layers as again; print(again.batchnorm_double_backward is f)",
    )
    assert (out.split(), errors) == (["edited", "True"], "")


def test_a_shell_that_nobody_edits_prints_nothing(notebook):
    assert notebook("from cs231n.layers import *", "relu_forward(x)[0].sum();") == ("", "")


@pytest.mark.parametrize(
    "names",
    [
        "from cs231n.layers import *",
        "from cs231n.layers import relu_forward",
        "from cs231n import layers; relu_forward = layers.relu_forward",
        "from cs231n.layers import relu_forward as own; relu_forward = lambda x: own(x)",
        "from cs231n.layers import relu_forward as own; table = {'relu': [own]}\n"
        "def relu_forward(x):\n    return table['relu'][0](x)",
        "import functools\nfrom cs231n import layers\nrelu_forward = functools.partial(layers.relu_forward)",
    ],
    ids=["star", "name", "attribute", "closure", "in a dict", "partial"],
)
def test_every_way_to_hold_a_function_has_the_edit(notebook, names):
    """Two edits within one tick of the clock, of one size, and the second takes the first back."""
    out, err = notebook(
        names,
        "print(relu_forward(x)[0])",
        ("layers.py", RELU, RELU_BY_ABS),
        "print(relu_forward(x)[0])",
        ("layers.py", RELU_BY_ABS, RELU.replace("0)", "1)")),
        "print(relu_forward(x)[0])",
        ("layers.py", RELU.replace("0)", "1)"), RELU),
        "print(relu_forward(x)[0])",
    )
    assert out.split("\n") == ["[[0. 2.]]", "[[1. 2.]]", "[[1. 2.]]", "[[0. 2.]]", ""] and err == ""


def test_a_cell_that_needs_an_unwritten_exercise_says_where_its_card_is(notebook):
    """Whoever opens notebook 3 first gets one line, no traceback; another NotImplementedError is as ever."""
    blank = 'raise NotImplementedError("Exercise 3: relu_forward")'
    out, err = notebook(
        ("layers.py", RELU, blank),
        "from cs231n.layers import relu_forward\nrelu_forward(x)  # fails",
        "raise NotImplementedError('mine')  # fails",
    )
    line = "Exercise 3: relu_forward is not written yet, and this cell needs it. "
    line += "Its card is in notebook 1, section 9."
    first, second = out.split(line)
    assert not first.strip() and "Traceback" in second and "mine" in second and not err


def test_check_without_a_name_checks_all_and_stops_nothing(notebook):
    out, _ = notebook(("layers.py", RELU, RELU_BY_ABS), "check()", "print('went on')")
    assert "16 of 17 exercises passed, 98 of 100 points" in out and out.rstrip().endswith("went on")


def test_two_edits_of_one_size_in_one_tick(notebook):
    out, _ = notebook(
        "from cs231n.layers import relu_forward",
        ("layers.py", "np.maximum(x, 0), x", "np.maximum(x, 3), x"),
        "print(relu_forward(x)[0])",
        ("layers.py", "np.maximum(x, 3), x", "np.maximum(x, 4), x"),
        "print(relu_forward(x)[0])",
    )
    assert out == "[[3. 3.]]\n[[4. 4.]]\n"


def test_a_file_that_was_imported_after_the_first_cell(notebook):
    """Also one that a cell imports, and that is edited before the next cell runs."""
    out, _ = notebook(
        "from cs231n import optim",
        ("optim.py", SGD, "return 0 * w, config"),
        "print(optim.sgd(x, x)[0])",
    )
    assert out == "[[-0.  0.]]\n"


def test_an_edit_reaches_the_files_that_import_it(notebook):
    """layers -> layer_utils -> fc_net, and optim by the name that the solver looks up."""
    out, _ = notebook(
        "from cs231n.layer_utils import affine_relu_forward\nfrom cs231n.classifiers.fc_net import *\n"
        "from cs231n import optim\nnet = TwoLayerNet(2, 3, 4)\n"
        "net.params.update(W1=-np.ones((2, 3)), W2=np.ones((3, 4)))\n"
        "W, b = np.eye(2), np.zeros(2)",
        ("layers.py", RELU, RELU_BY_ABS),
        "print(affine_relu_forward(x, W, b)[0])\nprint(net.loss(x))",
        (
            "layer_utils.py",
            "return out, (affine_cache, relu_cache)",
            "return 5 * out, (affine_cache, relu_cache)",
        ),
        "print(affine_relu_forward(x, W, b)[0])",
        ("optim.py", SGD, "return w + 1, config"),
        "print(optim.sgd(x, x)[0])",
        (
            "classifiers/fc_net.py",
            "            return scores\n        loss,",
            "            return 'mine'\n        loss,",
        ),
        "print(net.loss(x), TwoLayerNet(2, 3, 4).loss(x))",
    )
    assert out.splitlines() == ["[[1. 2.]]", "[[3. 3. 3. 3.]]", "[[ 5. 10.]]", "[[0. 3.]]", "mine mine"]


def test_nets_caches_and_methods_from_before_the_edit_go_on(notebook):
    head = '\n\n\n@takes("dout like cache.x_hat")\ndef batchnorm_backward_alt'
    notebook(
        "import copy, pickle\nfrom cs231n.layers import *\nfrom cs231n.layers import BatchNormCache\n"
        "from cs231n.classifiers.fc_net import FullyConnectedNet\n"
        "class Mine(FullyConnectedNet):\n    def __init__(self):\n        super().__init__([3], 2, 2)\n"
        "net, mine, loss = FullyConnectedNet([3], 2, 2), Mine(), FullyConnectedNet([3], 2, 2).loss\n"
        "X, g, seen = np.random.randn(5, 2), np.ones(2), FullyConnectedNet\n"
        "_, cache = batchnorm_forward(X, g, g, {'mode': 'train'})",
        ("layers.py", f"return dx, dgamma, dbeta{head}", f"return 'new', dgamma, dbeta{head}"),
        "assert batchnorm_backward(X, cache)[0] == 'new'\n"
        "assert isinstance(cache, BatchNormCache) and type(cache) is BatchNormCache\n"
        "assert isinstance(batchnorm_forward(X, g, g, {'mode': 'train'})[1], BatchNormCache)\n"
        "assert cache._replace(gamma=g).x_hat is cache.x_hat",
        (
            "classifiers/fc_net.py",
            "        return scores, caches\n",
            "        return 0 * scores, super().__init__() or caches\n",
        ),
        "assert isinstance(net, FullyConnectedNet) and isinstance(mine, FullyConnectedNet)\n"
        "assert isinstance(FullyConnectedNet([3], 2, 2), seen)\n"
        "for each in (net.loss, mine.loss, loss, Mine().loss, copy.deepcopy(net).loss):\n"
        "    assert not each(X).any()\n"
        "assert isinstance(pickle.loads(pickle.dumps(net)), FullyConnectedNet)",
    )


def test_a_function_loses_its_decorator_and_gets_it_back(notebook):
    decorator = '@takes("x (...)")\ndef relu_forward'
    out, _ = notebook(
        "from cs231n.layers import relu_forward\nrules = [relu_forward]\nbound = relu_forward",
        ("layers.py", decorator, "def relu_forward"),
        "print(*[f([[-1, 3]])[0] for f in (relu_forward, rules[0], bound)])",
        ("layers.py", RELU, RELU_BY_ABS),
        "print(*[f(x)[0] for f in (relu_forward, rules[0], bound)])",
        ("layers.py", "def relu_forward", decorator),
        "for f in (relu_forward, rules[0], bound):\n"
        "    try:\n        f([[-1, 3]])\n    except TypeError as error:\n        print(error)\n"
        "import inspect\nprint(inspect.signature(relu_forward))",
        ("layers.py", RELU_BY_ABS, RELU),
        "check('relu_forward')\nprint(rules[0](x)[0])",
    )
    lines = out.splitlines()
    assert lines[:2] == ["[[0 3]] [[0 3]] [[0 3]]", "[[1. 2.]] [[1. 2.]] [[1. 2.]]"] and lines[5] == "(x)"
    assert all(line.startswith("relu_forward: x must be a numpy array") for line in lines[2:5])
    assert "passed" in out and out.endswith("[[0. 2.]]\n")


def test_a_new_helper_and_a_function_that_goes_and_comes_back(notebook):
    helper = "\n\ndef double(x):\n    return 2 * x\n"
    out, _ = notebook(
        "from cs231n.layers import relu_forward, dropout_backward, dropout_forward",
        ("layers.py", f"{RELU}\n", f"return double(x), x{helper}"),
        "print(relu_forward(x)[0])\nfrom cs231n.layers import double",
        ("layers.py", helper, "\n\nfrom math import pi\n"),
        "try:\n    double(x)\nexcept NameError as error:\n    print(error)",
        ("layers.py", "\n\nfrom math import pi\n", helper),
        "print(double(x))",
    )
    assert out.splitlines() == ["[[-2.  4.]]", "name 'double' is not defined", "[[-2.  4.]]"]


@pytest.mark.parametrize(
    "wrong, line",
    [
        ("return [x y]", r"layers\.py, line \d+: SyntaxError: invalid syntax. Perhaps you forgot a comma\? "),
        ("return np.maximum(x, 0, x", r"layers\.py, line \d+: SyntaxError: '\(' was never closed\. "),
        (f"{RELU}\n\nprint(nonsense)", r"layers\.py, line \d+: NameError: name 'nonsense' is not defined\. "),
        (f"{RELU}\n  bad = 1", r"layers\.py, line \d+: IndentationError: unindent does not match .*\. "),
    ],
    ids=["comma", "syntax", "raises", "indent"],
)
def test_a_broken_file_is_one_line_and_the_code_from_before_stays(notebook, wrong, line):
    out, err = notebook(
        "from cs231n.layers import *\nfrom cs231n import layers, optim",
        ("layers.py", RELU, wrong),
        ("optim.py", SGD, "return w + 1, config"),
        "print(relu_forward(x)[0], layers.relu_forward(x)[0], optim.sgd(x, x)[0])",
        "check('sgd_momentum')\ntry:\n    check('relu_f')\nexcept Exception as error:\n    print(error)",
        ("layers.py", wrong, RELU_BY_ABS),
        "print(relu_forward(x)[0])",
    )
    assert "Traceback" not in out + err
    lines = err.splitlines()
    assert len(lines) == 2 and all(
        re.fullmatch(f"{line}Until you correct it, cells run .*", one) for one in lines
    ), err
    assert out.startswith("[[0. 2.]] [[0. 2.]] [[0. 3.]]\n") and out.endswith("[[1. 2.]]\n")
    assert "sgd_momentum, 3 points: passed" in out
    assert "Exercise 3: relu_forward is not right yet; the box above says why." in out


def test_check_sees_an_edit_that_was_made_while_its_cell_ran(notebook):
    out, _ = notebook(
        "check('relu_forward')",
        "from pathlib import Path\nfile = Path('cs231n/layers.py')\n"
        f"file.write_text(file.read_text().replace({RELU!r}, {RELU_BY_ABS!r}))\n"
        "try:\n    check(3)\nexcept Exception as error:\n    print(error)",
    )
    assert out.count(": passed") == 1 and "Exercise 3: relu_forward is not right yet" in out


def test_fast_layers_of_a_learner_pass_the_edit_on(notebook, kit):
    text = (ROOT / "classroom/releasing/learner_fast_layers.py").read_text(encoding="utf-8")
    (kit.folder / "cs231n" / "fast_layers.py").write_text(text, encoding="utf-8")
    out, _ = notebook(
        "from cs231n import fast_layers\nfrom cs231n.fast_layers import relu_forward",
        ("layers.py", RELU, RELU_BY_ABS),
        "print(relu_forward(x)[0], fast_layers.relu_forward(x)[0])",
        ("layers.py", '"svm_loss",', '"svm_loss", "double",'),
        ("layers.py", f"{RELU_BY_ABS}\n", f"{RELU_BY_ABS}\n\n\ndef double(x):\n    return 2 * x\n"),
        "print(fast_layers.double(x))",
    )
    assert out.splitlines() == ["[[1. 2.]] [[1. 2.]]", "[[-2.  4.]]"]


def test_a_whole_file_of_another_style_and_back(notebook, kit):
    """layers.py as the public course has it: no decorators, and caches that are tuples."""
    ours = (kit.folder / "cs231n" / "layers.py").read_text(encoding="utf-8")
    public = re.sub(r"^@takes\(.*\n", "", ours, flags=re.M)
    public = re.sub(r"(Batch|Layer)NormCache\(([^)\n]*)\)$", r"(\2)", public, flags=re.M)
    assert "return out, (centered, inv_std, x_hat, gamma)" in public and "@takes" not in public
    cell = """
_, cache = batchnorm_forward(X, g, g, {'mode': 'train'})
assert (type(cache) is tuple) == is_public
batchnorm_backward(X, cache)
net.loss(X, np.zeros(5, int))
for name in ('batchnorm_backward', 'FullyConnectedNet', 'affine_f'):
    check(name)
"""
    notebook(
        "from cs231n.layers import *\nfrom cs231n.classifiers.fc_net import *\n"
        "X, g = np.random.randn(5, 2), np.ones(2)\n"
        "net = FullyConnectedNet([3], 2, 2, normalization='batchnorm')\nis_public = True",
        ("layers.py", public),
        f"is_public = True{cell}",
        ("layers.py", ours),
        f"is_public = False{cell}",
    )


@pytest.mark.skipif(
    IPython.version_info < (8,) and sys.version_info >= (3, 12), reason="there autoreload does not start"
)
def test_autoreload_may_be_on_as_well(notebook):
    out, err = notebook(
        "%load_ext autoreload\n%autoreload 2\nfrom cs231n.layers import *\n"
        "from cs231n.classifiers.fc_net import FullyConnectedNet\nnet = FullyConnectedNet([3], 2, 2)",
        ("layers.py", RELU, "return np.maximum(x, 300), x"),
        "print(relu_forward(x)[0])",
        ("classifiers/fc_net.py", "        return scores, caches\n", "        return 0 * scores, caches\n"),
        "assert isinstance(net, FullyConnectedNet) and not net.loss(x).any()",
        ("layers.py", "return np.maximum(x, 300), x", "return np.maximum(x, 40), x"),
        "print(relu_forward(x)[0])\nassert isinstance(net, FullyConnectedNet) and not net.loss(x).any()",
    )
    assert out == "[[300. 300.]]\n[[40. 40.]]\n" and err == ""


def test_the_same_in_a_kernel(kit):
    client = pytest.importorskip("nbclient", reason="needs nbclient")
    v4 = pytest.importorskip("nbformat", reason="needs nbformat").v4
    blank = "raise NotImplementedError('Exercise 3: relu_forward')"
    cells = [
        f"{START}\nfrom cs231n.layers import *",
        "from pathlib import Path\nfile = Path('cs231n/layers.py')\n"
        f"_ = file.write_text(file.read_text().replace({RELU!r}, {blank!r}))",
        "check('relu_forward')",
    ]
    book = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    with pytest.raises(client.exceptions.CellExecutionError):
        client.NotebookClient(book, resources={"metadata": {"path": str(kit.folder)}}).execute()
    card, error = book.cells[-1].outputs
    assert error.ename == "NotPassed" and error.traceback == [error.evalue]
    assert error.evalue.startswith("Exercise 3: relu_forward is not written yet. ")
    assert set(card.data) == {"text/html", "text/plain"}
