"""Grids of images, and figures with a text for screen readers."""

from unittest.mock import MagicMock

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest

from cs231n import vis_utils
from cs231n.vis_utils import vis_grid, vis_nn, visualize_grid
from tests.support import refused, unchanged
from tests.support.python import run_python


def images(N=5, H=4, W=3, C=3, seed=0):
    return np.random.RandomState(seed).normal(size=(N, H, W, C))


@pytest.mark.parametrize("N, side", [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4)])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_visualize_grid_lays_out_and_stretches(N, side, padding):
    Xs = images(N)
    with unchanged(Xs):
        grid = visualize_grid(Xs, ubound=200.0, padding=padding)
    assert grid.shape == (side * 4 + (side - 1) * padding, side * 3 + (side - 1) * padding, 3)
    for i, image in enumerate(Xs):
        top, left = i // side * (4 + padding), i % side * (3 + padding)
        cell = grid[top : top + 4, left : left + 3]
        assert cell.min() == 0 and cell.max() == 200
        np.testing.assert_allclose(cell, 200 * (image - image.min()) / np.ptp(image), rtol=1e-12, atol=1e-12)
    assert grid.min() >= 0 and grid.astype("uint8").max() == 200


def test_integers_are_stretched_without_wrapping():
    grid = visualize_grid(np.array([0, 100, 255], np.uint8).reshape(1, 1, 3, 1))
    np.testing.assert_allclose(grid.ravel(), [0, 100, 255], rtol=1e-15)
    assert visualize_grid(np.array([-128, 127], np.int8).reshape(1, 1, 2, 1)).ravel().tolist() == [0, 255]


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_image_is_grey_in_every_grid(value):
    constant = np.full((2, 4, 3, 3), value)
    assert np.all(visualize_grid(constant, padding=0)[:4] == 127.5)
    for grid in (vis_grid(constant), vis_nn([list(constant)])):
        assert np.isfinite(grid).all() and 0 <= grid.min() and grid.max() <= 1


def test_vis_grid_and_vis_nn_are_images_between_0_and_1():
    Xs = images(5)
    with unchanged(Xs):
        grid, rows = vis_grid(Xs), vis_nn([[Xs[0], Xs[1], Xs[2]], [Xs[3], Xs[4], Xs[0]]])
    for picture in (grid, rows):
        assert picture.ndim == 3 and picture.shape[2] == 3 and picture.min() == 0 and picture.max() == 1
    stretched = (Xs[4] - Xs[4].min()) / np.ptp(Xs[4])
    np.testing.assert_allclose(rows[5:9, 4:7], stretched, rtol=1e-12, atol=1e-12)  # second row, second column
    assert rows.shape[1] > rows.shape[0]


@pytest.mark.parametrize(
    "function, argument",
    [
        *[
            (grid, np.zeros(shape))
            for grid in (visualize_grid, vis_grid)
            for shape in [(4, 3, 3), (0, 4, 3, 3), ()]
        ],
        (vis_nn, []),
        (vis_nn, [[np.zeros((4, 3, 3))], []]),
        (vis_nn, [[np.zeros((4, 3, 3)), np.zeros((3, 4, 3))]]),
    ],
)
def test_shapes_are_refused_with_a_sentence(function, argument):
    with refused(ValueError, f"{function.__name__}: "):
        function(argument)


def test_nothing_but_numpy_is_imported_until_a_figure_is_drawn():
    code = "import sys, cs231n.vis_utils; print({'matplotlib', 'IPython', 'PIL'} & sys.modules.keys())"
    assert run_python(code).stdout == "set()\n"


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
    assert not plt.get_fignums(), "the figure would be shown a second time"
