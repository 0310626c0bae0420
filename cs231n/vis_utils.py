"""Pictures: images in a grid, graphs, and figures with a text for screen readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cs231n.common.terminal import in_notebook
from cs231n.contracts import require_count, require_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["visualize_grid", "vis_grid", "vis_nn", "draw_graph", "style", "show"]


def visualize_grid(Xs: ArrayLike, ubound: float = 255.0, padding: int = 1) -> np.ndarray:
    """Lay images out in a square grid, each stretched to 0..ubound; a constant image becomes mid-grey.

    Args:
        Xs: (N, H, W, C) array of any real dtype, not modified.
        ubound: the brightest value.
        padding: pixels between two images.

    Returns:
        One image, float64: (rows * (H + padding) - padding, rows * (W + padding) - padding, C).

    Raises:
        TypeError, ValueError: the message names the argument; also if a pixel is NaN or infinite.
    """
    Xs = _require_images("visualize_grid", Xs)
    require_number("visualize_grid", "ubound", ubound, 0, above=True)
    require_count("visualize_grid", "padding", padding, 0)
    return ubound * _tile(Xs, int(np.ceil(np.sqrt(len(Xs)))), padding, ground=0.0, square=True)


def vis_grid(Xs: ArrayLike) -> np.ndarray:
    """As visualize_grid, but on a white ground and with images stretched to 0..1, for plt.imshow."""
    Xs = _require_images("vis_grid", Xs)
    return _tile(Xs, int(np.ceil(np.sqrt(len(Xs)))))


def vis_nn(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of images, rows[i][j] (H, W, C), each stretched to 0..1, as one image.

    Raises:
        ValueError: the rows are empty or unequal in length, or the images differ in shape.
    """
    shapes = {np.shape(image) for row in rows for image in row}
    lengths = {len(row) for row in rows}
    if len(shapes) != 1 or len(lengths) != 1:
        raise ValueError(
            f"vis_nn: rows must have equal numbers of images, all of one shape (H, W, C); got rows "
            f"of {sorted(lengths)} images of shapes {sorted(shapes)}"
        )
    return _tile(_require_images("vis_nn", [image for row in rows for image in row]), len(rows[0]))


def draw_graph(
    places: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str]],
    texts: Mapping[str, Sequence[str]],
    title: str,
    labels: Mapping[tuple[str, str], str] | None = None,
) -> Figure:
    """Draw boxes and arrows with matplotlib, and texts as they are, also with a dollar sign.

    Args:
        places: {name: (column, row)}, with row 0 at the bottom.
        arrows: [(from, to)], by name.
        texts: {name: lines of its box}.
        title: above the graph.
        labels: {(from, to): text on that arrow}.
    """
    import matplotlib.pyplot as plt

    columns, rows = zip(*places.values())
    figure, axes = plt.subplots(figsize=(7, 0.95 * (max(rows) - min(rows) + 1)))
    axes.set_title(title, parse_math=False)
    axes.set(xlim=(min(columns) - 0.5, max(columns) + 0.5), ylim=(min(rows) - 0.5, max(rows) + 0.5))
    axes.axis("off")
    boxes = {}
    for name, (x, y) in places.items():
        text = axes.text(
            x,
            y,
            "\n".join(texts[name]),
            ha="center",
            va="center",
            fontsize=11,
            linespacing=1.4,
            parse_math=False,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "#f4f1e8", "edgecolor": "0.35"},
        )
        boxes[name] = text.get_bbox_patch()
    figure.canvas.draw()  # gives the boxes their sizes, at which the arrows stop
    for start, end in arrows:
        axes.annotate(
            "",
            places[end],
            places[start],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#0072b2",
                "lw": 1.8,
                "mutation_scale": 15,
                "patchA": boxes[start],
                "patchB": boxes[end],
                "shrinkA": 1,
                "shrinkB": 1,
            },
        )
    for (start, end), label in (labels or {}).items():
        (x0, y0), (x1, y1) = places[start], places[end]
        # Over the middle of a vertical arrow; to the right of a slanted one, above the box where it starts.
        x, y, align = (x0, (y0 + y1) / 2, "center") if x0 == x1 else (x0 - 0.36, y0 + 0.55, "left")
        axes.text(
            x,
            y,
            label,
            ha=align,
            va="center",
            fontsize=10,
            parse_math=False,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"},
        )
    return figure


def style() -> None:
    """Set matplotlib's looks: legible on a phone, colours that the colour-blind tell apart, on white."""
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "figure.figsize": (7, 4),
            "figure.facecolor": "white",
            "font.size": 12,
            "axes.titlesize": 13,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 2,
            "legend.frameon": False,
            "image.interpolation": "nearest",
            "axes.prop_cycle": plt.cycler(color=["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]),
        }
    )


def show(figure: Figure, alt: str) -> None:
    """Show a matplotlib figure once, on white, with a text for readers who cannot see it.

    It has two pixels for each one that it takes on a page, so that it is sharp on any screen and on paper.
    In a notebook the text is stored with the picture; elsewhere the figure's window opens.

    Args:
        figure: is closed afterwards in a notebook.
        alt: one sentence that says what the figure shows.
    """
    import io

    import matplotlib.pyplot as plt

    if not in_notebook():
        plt.show()
        return
    from IPython.display import publish_display_data
    from PIL import Image

    full_color, png = io.BytesIO(), io.BytesIO()
    figure.savefig(full_color, format="png", dpi=200, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    # 256 colours are enough for a chart, and make a stored notebook a third of the size.
    picture = Image.open(full_color).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(png, format="png", optimize=True)
    width, height = (-(-pixels // 2) for pixels in picture.size)
    publish_display_data(
        {"image/png": png.getvalue(), "text/plain": alt},
        {"image/png": {"alt": alt, "alttext": alt, "width": width, "height": height}},
    )


def _require_images(where: str, Xs: ArrayLike) -> np.ndarray:
    Xs = np.asarray(Xs)
    if Xs.dtype.kind not in "fiub":
        raise TypeError(f"{where}: images must hold real numbers, got {Xs.dtype}")
    Xs = Xs.astype(np.float64)
    if Xs.ndim != 4 or Xs.size == 0:
        raise ValueError(
            f"{where}: images must be (N, H, W, C), not empty, got {Xs.shape}; "
            "for (N, C, H, W) try Xs.transpose(0, 2, 3, 1)"
        )
    broken = ~np.isfinite(Xs).all(axis=(1, 2, 3))
    if broken.any():
        raise ValueError(
            f"{where}: image {broken.argmax()} holds NaN or infinity, so it has no darkest and "
            "brightest value; did the weights diverge? try np.nan_to_num(Xs)"
        )
    return Xs


def _tile(
    Xs: np.ndarray, columns: int, padding: int = 1, ground: float = 1.0, square: bool = False
) -> np.ndarray:
    N, H, W, C = Xs.shape
    rows = columns if square else -(-N // columns)
    grid = np.full((rows * (H + padding) - padding, columns * (W + padding) - padding, C), ground)
    for i, image in enumerate(Xs):
        top, left = i // columns * (H + padding), i % columns * (W + padding)
        low, high = image.min(), image.max()
        grid[top : top + H, left : left + W] = 0.5 if high == low else (image - low) / (high - low)
    return grid
