"""Pictures: images in a grid, and figures that a screen reader can speak of."""

import numpy as np

__all__ = ["visualize_grid", "vis_grid", "vis_nn", "draw_graph", "style", "show"]


def visualize_grid(Xs, ubound=255.0, padding=1):
    """Lay images out in a square grid, each stretched to 0..ubound; a constant image becomes mid-grey.

    Args:    Xs (N, H, W, C), any real dtype; ubound, the brightest value; padding, pixels between images.
    Returns: one image (rows * (H + padding) - padding, the same for the width, C), float64.
    Raises:  ValueError if Xs does not have four axes or is empty.
    """
    Xs = np.asarray(Xs)
    if Xs.ndim != 4 or Xs.size == 0:
        raise ValueError(f"visualize_grid: Xs must be (N, H, W, C), not empty, got {Xs.shape}; "
                         "for (N, C, H, W) try Xs.transpose(0, 2, 3, 1)")
    N, H, W, C = Xs.shape
    side = int(np.ceil(np.sqrt(N)))
    grid = np.zeros((side * (H + padding) - padding, side * (W + padding) - padding, C))
    for i, image in enumerate(Xs.astype(np.float64)):
        top, left = i // side * (H + padding), i % side * (W + padding)
        grid[top:top + H, left:left + W] = ubound * _stretch(image)
    return grid


def vis_grid(Xs):
    """As visualize_grid with a bright ground of 1 and images stretched to 0..1, to be shown as it is."""
    return _tile(Xs, int(np.ceil(np.sqrt(len(Xs)))))


def vis_nn(rows):
    """Rows of images, rows[i][j] (H, W, C), each stretched to 0..1, as one image."""
    images = [image for row in rows for image in row]
    return _tile(np.stack(images), len(rows[0]))


def draw_graph(places, arrows, texts, title):
    """Draw boxes and arrows. Returns the matplotlib figure.

    Args: places, {name: (column, row)} with row 0 at the bottom; arrows, [(from, to)]; texts, {name: lines},
          the lines each box says; title.
    """
    import matplotlib.pyplot as plt

    columns, rows = zip(*places.values())
    figure, axes = plt.subplots(figsize=(7, 0.95 * (max(rows) - min(rows) + 1)))
    axes.set(title=title, xlim=(min(columns) - 0.5, max(columns) + 0.5),
             ylim=(min(rows) - 0.5, max(rows) + 0.5))
    axes.axis("off")
    boxes = {}
    for name, (x, y) in places.items():
        text = axes.text(x, y, "\n".join(texts[name]), ha="center", va="center", fontsize=11, linespacing=1.4,
                         bbox={"boxstyle": "round,pad=0.35", "facecolor": "#f4f1e8", "edgecolor": "0.35"})
        boxes[name] = text.get_bbox_patch()
    figure.canvas.draw()  # gives the boxes their sizes, at which the arrows stop
    for start, end in arrows:
        axes.annotate("", places[end], places[start], arrowprops={
            "arrowstyle": "-|>", "color": "#0072b2", "lw": 1.8, "mutation_scale": 15,
            "patchA": boxes[start], "patchB": boxes[end], "shrinkA": 1, "shrinkB": 1})
    return figure


def style():
    """Set matplotlib's looks once: legible on a phone, colours that the colour-blind tell apart, on white."""
    import matplotlib.pyplot as plt

    plt.rcParams.update({
        "figure.figsize": (7, 4), "figure.facecolor": "white", "font.size": 12, "axes.titlesize": 13,
        "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
        "lines.linewidth": 2, "legend.frameon": False, "image.interpolation": "nearest",
        "axes.prop_cycle": plt.cycler(color=["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]),
    })


def show(figure, alt):
    """Show a matplotlib figure once, on white, with alt: a sentence for whoever cannot see it.

    In a notebook the sentence is kept beside the picture; elsewhere the figure's window opens.
    """
    import io

    import matplotlib.pyplot as plt

    try:
        from IPython import get_ipython
        from IPython.display import publish_display_data
        in_notebook = get_ipython() is not None
    except ImportError:
        in_notebook = False
    if not in_notebook:
        plt.show()
        return
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    publish_display_data({"image/png": png.getvalue(), "text/plain": alt},
                         {"image/png": {"alt": alt, "alttext": alt}})


def _stretch(image):
    low, high = image.min(), image.max()
    return np.full(image.shape, 0.5) if high == low else (image - low) / (high - low)


def _tile(Xs, columns):
    N, H, W, C = np.shape(Xs)
    grid = np.ones((-(-N // columns) * (H + 1) - 1, columns * (W + 1) - 1, C))
    for i, image in enumerate(np.asarray(Xs, dtype=np.float64)):
        top, left = i // columns * (H + 1), i % columns * (W + 1)
        grid[top:top + H, left:left + W] = _stretch(image)
    return grid
