"""The picture of a run: loss, accuracy and learning rate of each epoch."""

import io
from collections.abc import Mapping, Sequence

__all__ = ["curves_png"]


def curves_png(title: str, columns: Mapping[str, Sequence[float]]) -> bytes:
    """Three diagrams, one below the other, as a PNG.

    Args:
        title: of the picture.
        columns: epoch, loss, train_acc, val_acc and learning_rate, one entry per epoch.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 8), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True)
    for axes, name, label, color in [
        (loss, "loss", "", "#0072b2"),
        (accuracy, "train_acc", "training", "#0072b2"),
        (accuracy, "val_acc", "validation", "#d55e00"),
        (rate, "learning_rate", "", "#009e73"),
    ]:
        axes.plot(columns["epoch"], columns[name], "o-", color=color, label=label, ms=4)
    loss.set(title=title, ylabel="training loss")
    accuracy.set(ylabel="accuracy")
    accuracy.legend(frameon=False)
    rate.set(ylabel="learning rate", xlabel="epoch")
    for axes in (loss, accuracy, rate):
        axes.grid(alpha=0.3)
    rate.xaxis.get_major_locator().set_params(integer=True)
    figure.align_ylabels()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()
