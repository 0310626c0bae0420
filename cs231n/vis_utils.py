"""Pictures: images in a grid, and figures that a screen reader can speak of."""

import numpy as np

from cs231n.common.terminal import in_notebook
from cs231n.contracts import require_count, require_number

__all__ = ["visualize_grid", "vis_grid", "vis_nn", "draw_graph", "style", "show"]


def visualize_grid(Xs, ubound=255.0, padding=1):
    """Lay images out in a square grid, each stretched to 0..ubound; a constant image becomes mid-grey.

    Args:    Xs (N, H, W, C), any real dtype; ubound, the brightest value; padding, pixels between images.
    Returns: one image (rows * (H + padding) - padding, the same for the width, C), float64.
    Raises:  TypeError, ValueError that name the argument, also if a pixel is NaN or infinite.
    """
    Xs = _images("visualize_grid", Xs)
    require_number("visualize_grid", "ubound", ubound, 0, above=True)
    require_count("visualize_grid", "padding", padding, 0)
    return ubound * _tile(Xs, int(np.ceil(np.sqrt(len(Xs)))), padding, ground=0.0, square=True)


def vis_grid(Xs):
    """As visualize_grid on a bright ground, with images stretched to 0..1, to be shown as it is."""
    Xs = _images("vis_grid", Xs)
    return _tile(Xs, int(np.ceil(np.sqrt(len(Xs)))))


def vis_nn(rows):
    """Rows of images, rows[i][j] (H, W, C), each stretched to 0..1, as one image.

    Raises: ValueError if the rows are empty or unequal in length, or the images in shape.
    """
    shapes = {np.shape(image) for row in rows for image in row}
    lengths = {len(row) for row in rows}
    if len(shapes) != 1 or len(lengths) != 1:
        raise ValueError(
            f"vis_nn: rows must hold as many images each, all of one shape (H, W, C); got rows "
            f"of {sorted(lengths)} images of shapes {sorted(shapes)}"
        )
    return _tile(_images("vis_nn", [image for row in rows for image in row]), len(rows[0]))


def draw_graph(places, arrows, texts, title, labels=None):
    """Draw boxes and arrows. Returns the matplotlib figure.

    Args: places, {name: (column, row)} with row 0 at the bottom; arrows, [(from, to)]; texts, {name: lines},
          the lines each box says; title; labels, {(from, to): text on that arrow}.
    """
    import matplotlib.pyplot as plt

    columns, rows = zip(*places.values())
    figure, axes = plt.subplots(figsize=(7, 0.95 * (max(rows) - min(rows) + 1)))
    axes.set(
        title=title, xlim=(min(columns) - 0.5, max(columns) + 0.5), ylim=(min(rows) - 0.5, max(rows) + 0.5)
    )
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
        at = (x0, (y0 + y1) / 2) if x0 == x1 else (x0 + 0.12, y0 + 0.53)  # a slanted arrow: where it starts
        axes.text(
            *at,
            label,
            ha="center",
            va="center",
            fontsize=10,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"},
        )
    return figure


def style():
    """Set matplotlib's looks once: legible on a phone, colours that the colour-blind tell apart, on white."""
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


def show(figure, alt):
    """Show a matplotlib figure once, on white, with alt: a sentence for whoever cannot see it.

    In a notebook the sentence is kept beside the picture; elsewhere the figure's window opens.
    """
    import io

    import matplotlib.pyplot as plt

    if not in_notebook():
        plt.show()
        return
    from IPython.display import publish_display_data
    from PIL import Image

    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    # 256 colours are enough for a chart, and make a stored notebook a third of the size.
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(png, format="png", optimize=True)
    publish_display_data(
        {"image/png": png.getvalue(), "text/plain": alt}, {"image/png": {"alt": alt, "alttext": alt}}
    )


def _images(where, Xs):
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


def _tile(Xs, columns, padding=1, ground=1.0, square=False):
    N, H, W, C = Xs.shape
    rows = columns if square else -(-N // columns)
    grid = np.full((rows * (H + padding) - padding, columns * (W + padding) - padding, C), ground)
    for i, image in enumerate(Xs):
        top, left = i // columns * (H + padding), i % columns * (W + padding)
        low, high = image.min(), image.max()
        grid[top : top + H, left : left + W] = 0.5 if high == low else (image - low) / (high - low)
    return grid
