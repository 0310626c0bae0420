"""Text of a user in a picture is never mathematics, and no picture ends the job whose numbers it shows."""

import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cs231n.common.pictures import draw_or_warn, literal_text

# fmt: off
NAMES = ["lr$3", "$x_{$", "$a^b$ and $", r"\$5\$", r"C:\new\table", "a_b^c", "50 %", "_hidden", "梯度", "🙂",
         "שלום", "$" * 7, "{", r"\frac{", "&<b>", "~", "#"]
# fmt: on


def pixels(text, **more):
    figure = Figure(figsize=(4, 1))
    figure.text(0, 0.5, text, **more)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_matplotlib_draws_it_without_mathematics(name):
    assert np.array_equal(pixels(literal_text(name)), pixels(name, parse_math=False))


def test_what_cannot_be_printed_is_written_as_an_escape_and_a_long_text_is_cut_in_its_middle():
    assert literal_text("a\nb\t\x00\udcff\u200f") == r"a\nb\t\x00\udcff\u200f"
    assert literal_text("x" * 20 + "y" * 20, 11) == "xxxxx…yyyyy"
    assert literal_text("x" * 11, 11) == "x" * 11


def everywhere(name):
    """A figure with that name wherever a text can be."""
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.barh([literal_text(name)], [1], label=literal_text(name))
    axes.set(title=literal_text(name), xlabel=literal_text(name))
    axes.text(0, 0, literal_text(name))
    axes.legend()
    figure.suptitle(literal_text(name))
    return figure


@pytest.mark.parametrize("name", [*NAMES, "\n" * 50, "n" * 3000, "\udcff", "a\rb", "\x00"])
@pytest.mark.parametrize("usetex", [False, True])
def test_no_name_and_no_warning_spoils_a_picture(name, usetex, tmp_path):
    """As with `python -W error`, and where the user's matplotlibrc gives every text to LaTeX."""
    import matplotlib

    path = tmp_path / "a.png"
    with warnings.catch_warnings(), matplotlib.rc_context({"text.usetex": usetex}):
        warnings.simplefilter("error")
        assert draw_or_warn(lambda: everywhere(name).savefig(path), "test", path, "the test")
    assert path.read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("error", [ValueError("broken"), MemoryError("memory"), RecursionError("deep")])
def test_an_error_is_one_warning_that_says_where_the_numbers_are(error):
    def draw():
        raise error

    with pytest.warns(RuntimeWarning, match=rf"^test: a.png is not drawn .*{error}") as caught:
        assert not draw_or_warn(draw, "test", "a.png", "b.csv", stacklevel=2)
    assert len(caught) == 1 and caught[0].filename == __file__
