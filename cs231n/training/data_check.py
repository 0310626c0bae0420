"""Check the model and the data of a Solver before anything is changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cs231n.contracts import describe_with_fix, is_plain_array, require_labels

__all__ = ["require_data", "require_model"]


def require_model(model: Any) -> None:
    """Check that `model` has params, which are not empty, and loss. Raises: TypeError."""
    if not getattr(model, "params", None) or not callable(getattr(model, "loss", None)):
        raise TypeError(f"Solver: model must have params and loss(X, y), got {type(model).__name__}")


def require_data(data: Mapping[str, Any]) -> None:
    """Check that `data` holds finite examples and their labels, in a training and a validation part.

    Raises:
        TypeError, ValueError: the message names the array, and the first example that is not finite.
    """
    if not hasattr(data, "keys"):
        raise TypeError(
            "Solver: data must be a dict of the arrays X_train, y_train, X_val, y_val, got "
            f"{type(data).__name__}; try get_CIFAR10_data()"
        )
    for part in ("train", "val"):
        X, y = f"X_{part}", f"y_{part}"
        for name in (X, y):
            if name not in data:
                raise ValueError(f"Solver: data has no {name!r}; it needs X_train, y_train, X_val, y_val")
        if not is_plain_array(data[X]):
            raise TypeError(
                f"Solver: data[{X!r}] must be a numpy array, "
                f"got {describe_with_fix(f'data[{X!r}]', data[X], 'float32')}"
            )
        if data[X].ndim == 0 or len(data[X]) == 0:
            raise ValueError(
                f"Solver: data[{X!r}] must hold at least one example, "
                f"its shape is {data[X].shape}; try a split that leaves it some"
            )
        require_labels(f"Solver, data[{y!r}]", data[y], len(data[X]))
        _require_finite(X, data[X])
    if data["X_val"][:1].size != data["X_train"][:1].size:
        raise ValueError(
            "Solver: data['X_val'] must hold examples as large as those in data['X_train'], "
            f"{data['X_train'].shape[1:]}, got {data['X_val'].shape[1:]}; "
            "try X_val and X_train of one get_CIFAR10_data()"
        )


def _require_finite(name: str, X: np.ndarray) -> None:
    if X.dtype.kind != "f" or X.size == 0 or np.isfinite([X.min(), X.max()]).all():
        return
    i = next(i for i, example in enumerate(X) if not np.isfinite(example).all())
    value = X[i][~np.isfinite(X[i])].flat[0]
    raise ValueError(
        f"Solver: data[{name!r}] must be finite, got {value} in example {i}; try to leave out "
        f"that example and its label, or to correct what made it {value}"
    )
