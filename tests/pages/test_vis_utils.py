"""Grids of images, and figures with a text for screen readers.

Where each image of a grid lies, and that a constant one is grey: tests/gradients/test_numbers_tools.py.
"""

from unittest.mock import MagicMock

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from cs231n import vis_utils
from cs231n.vis_utils import vis_grid, vis_nn, visualize_grid
from tests.support import refused
from tests.support.python import run_python


@pytest.mark.parametrize("N, side", [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4)])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_grid_is_square_and_its_padding_is_no_brighter_than_its_images(N, side, padding):
    Xs = np.random.RandomState(0).normal(size=(N, 4, 3, 3))
    grid = visualize_grid(Xs, ubound=200.0, padding=padding)
    assert grid.shape == (side * 4 + (side - 1) * padding, side * 3 + (side - 1) * padding, 3)
    assert grid.min() == 0 and grid.max() == 200
    assert vis_grid(Xs).min() == vis_nn([Xs]).min() == 0 and vis_grid(Xs).max() == vis_nn([Xs]).max() == 1


def test_vis_nn_has_a_row_for_each_list():
    Xs = np.random.RandomState(0).normal(size=(6, 4, 3, 3))
    picture = vis_nn([Xs[:3], Xs[3:]])
    stretched = (Xs[4] - Xs[4].min()) / np.ptp(Xs[4])
    np.testing.assert_allclose(picture[5:9, 4:7], stretched, rtol=1e-12, atol=1e-12)  # second in both
    assert picture.shape == (2 * 4 + 1, 3 * 3 + 2, 3)


def test_integers_are_stretched_without_wrapping():
    grid = visualize_grid(np.array([0, 100, 255], np.uint8).reshape(1, 1, 3, 1))
    np.testing.assert_allclose(grid.ravel(), [0, 100, 255], rtol=1e-15)
    assert visualize_grid(np.array([-128, 127], np.int8).reshape(1, 1, 2, 1)).ravel().tolist() == [0, 255]


WRONG_SHAPES = [
    (grid, np.zeros(shape)) for grid in (visualize_grid, vis_grid) for shape in [(4, 3, 3), (0, 4, 3, 3), ()]
]
WRONG_ROWS = [[], [[np.zeros((4, 3, 3))], []], [[np.zeros((4, 3, 3)), np.zeros((3, 4, 3))]]]


@pytest.mark.parametrize("function, argument", WRONG_SHAPES + [(vis_nn, rows) for rows in WRONG_ROWS])
def test_shapes_are_refused_with_a_sentence(function, argument):
    with refused(ValueError, f"{function.__name__}: "):
        function(argument)


def test_nothing_but_numpy_is_imported_until_a_figure_is_drawn():
    code = "import sys, cs231n.vis_utils; print({'matplotlib', 'IPython', 'PIL'} & sys.modules.keys())"
    assert run_python(code).stdout == "set()\n"


def test_a_graph_shows_its_texts_as_they_are():
    graph = [{"$x_{$": (0, 1), "y": (0, 0)}, [("$x_{$", "y")], {"$x_{$": ["$x_{$", "$a_1$"], "y": [r"\y"]}]
    figure = vis_utils.draw_graph(*graph, title=r"$\frac$", labels={("$x_{$", "y"): "$"})
    figure.canvas.draw()
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    plt.close(figure)


def test_show_stores_the_text_with_the_picture(monkeypatch):
    published = []
    monkeypatch.setattr("IPython.get_ipython", lambda: MagicMock())
    monkeypatch.setattr(IPython.display, "publish_display_data", lambda *args: published.append(args))
    vis_utils.style()
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    vis_utils.show(figure, "A line that rises.")
    ((data, metadata),) = published
    assert data["text/plain"] == "A line that rises." and data["image/png"][:4] == b"\x89PNG"
    assert metadata["image/png"]["alt"] == "A line that rises."
    width = int.from_bytes(data["image/png"][16:20], "big")  # of the header of a PNG
    assert metadata["image/png"]["width"] == -(-width // 2) and width > 900
    assert not plt.get_fignums(), "the figure would be shown a second time"


IN_A_TERMINAL = """
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
shown = []
plt.show = lambda: shown.append(plt.get_fignums())
from cs231n.vis_utils import show
figure, axes = plt.subplots()
show(figure, "A line that rises.")
print("shown:", shown)
"""


def test_show_in_a_terminal_of_ipython_opens_the_window_of_the_figure(tmp_path):
    """It drew into a message that no terminal shows, and closed the figure."""
    arguments = ["-m", "IPython", "--colors=NoColor", "-c", IN_A_TERMINAL]
    process = run_python(arguments, tmp_path, {"IPYTHONDIR": str(tmp_path / "ipython")})
    assert (process.stdout, process.returncode) == ("shown: [[1]]\n", 0), process.stderr
