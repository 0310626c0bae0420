"""Checkpoints of version 1 of a run, brought into the form of version 2."""

from typing import Any

__all__ = ["upgrade", "upgrade_streams"]

CALLBACKS = {"clip_norm": ("ClipGradients", "norm"), "patience": ("EarlyStopping", "patience")}


def upgrade(state: dict[str, Any]) -> dict[str, Any]:
    """What `capture` returns, from what it returned in version 1; it held no settings of the model.

    Parts were names: that of a schedule with settings, that of an augmentation without; callbacks were
    options. A call of train counted its steps, not its epochs.
    """
    settings, counters = dict(state["settings"]), dict(state["counters"])
    schedule, schedule_settings = settings["schedule"], settings.pop("schedule_config")
    described = {"name": f"cs231n.training.schedules.{schedule}", "settings": schedule_settings}
    settings["schedule"] = None if schedule == "constant" else described
    settings["callbacks"] = [
        {"name": f"cs231n.training.callbacks.{name}", "settings": {argument: value}}
        for option, (name, argument) in CALLBACKS.items()
        if (value := settings.pop(option)) is not None
    ]
    if settings["augment"] is not None:
        name = settings["augment"].replace("cs231n.augment.", "cs231n.data.augment.")  # which has moved
        settings["augment"] = {"name": name, "settings": None}
    counters["_base_lr"] = counters.pop("_rate")
    steps = [0, *(row[1] for row in state["rows"])]
    counters["_epochs_done"] = counters.pop("_done") // max(steps[-1] - steps[-2:][0], 1)
    streams = upgrade_streams(state["streams"])
    return {"kept": None, **state, "settings": settings, "counters": counters, "streams": streams}


def upgrade_streams(streams: dict[str, Any]) -> dict[str, Any]:
    """No generators shared a bit generator; the only place in a model was that of dropout."""
    held = {"model/dropout_param/rng" if name == "model" else name: i for name, i in streams["held"].items()}
    return {
        "held": held,
        "states": [
            {**state, "bits": i, "seed": i, "seed_sequence": None}
            for i, state in enumerate(streams["states"])
        ],
    }
