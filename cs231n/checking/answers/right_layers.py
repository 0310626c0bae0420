"""Right layers, made from the definitions: a net that is wrong over a learner's layers is tried over these.

Their gradients are complex steps, so they are far too slow for anything else.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cs231n.checking.answers.layers import affine, softmax_gradient
from cs231n.checking.answers.norm_definition import mean_of, norm, variance_of
from cs231n.checking.answers.primitives import gradients_of, relu, weighted_sum
from cs231n.checking.learner_code import Inputs

__all__ = ["RIGHT_LAYERS"]

Cache = tuple[Callable, Inputs]  # a function, and the arguments that a backward differentiates it by


def _forward(f: Callable[..., np.ndarray], **arguments: np.ndarray) -> tuple[np.ndarray, Cache]:
    return f(**arguments), (f, arguments)


def _backward(dout: np.ndarray, cache: Cache) -> Any:
    f, arguments = cache
    gradients = tuple(gradients_of(f, dout, **arguments).values())
    return gradients if len(gradients) > 1 else gradients[0]


def _batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: Inputs
) -> tuple[np.ndarray, Cache]:
    eps, past = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    samples = {"running_mean": mean_of(x), "running_var": variance_of(x)}
    old = {name: bn_param.get(name, 0 * sample) for name, sample in samples.items()}
    steps: dict[str, Any] = {}
    if bn_param["mode"] == "train":
        bn_param |= {name: weighted_sum(old[name], (1 - past) * samples[name], past) for name in samples}
    else:
        steps = {"mean": lambda t: old["running_mean"], "var": lambda t, mean: old["running_var"]}
    return _forward(lambda x, gamma, beta: norm(x, gamma, beta, eps, **steps), x=x, gamma=gamma, beta=beta)


def _layernorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, ln_param: Inputs
) -> tuple[np.ndarray, Cache]:
    eps = ln_param.get("eps", 1e-5)
    return _forward(lambda x, gamma, beta: norm(x, gamma, beta, eps, rows=True), x=x, gamma=gamma, beta=beta)


def _dropout_forward(x: np.ndarray, dropout_param: Inputs) -> tuple[np.ndarray, Cache]:
    rng, p = np.random.RandomState(dropout_param.get("seed")), dropout_param["p"]
    scale = np.floor(rng.uniform(size=x.shape) + p) / p if dropout_param["mode"] == "train" else 1.0
    return _forward(lambda x: x * scale, x=x)


RIGHT_LAYERS: dict[str, Callable] = {
    # These two caches are as the docstrings of the course have them: a net may take them apart.
    "affine_forward": lambda x, w, b: (affine(x, w, b), (x, w, b)),
    "affine_backward": lambda dout, cache: _backward(dout, (affine, dict(zip("xwb", cache)))),
    "relu_forward": lambda x: (relu(x), x),
    "relu_backward": lambda dout, cache: _backward(dout, (lambda x: relu(x), {"x": cache})),
    "softmax_loss": lambda x, y: tuple(softmax_gradient(x, y).values()),
    "batchnorm_forward": _batchnorm_forward,
    "batchnorm_backward": _backward,
    "batchnorm_backward_alt": _backward,
    "layernorm_forward": _layernorm_forward,
    "layernorm_backward": _backward,
    "dropout_forward": _dropout_forward,
    "dropout_backward": _backward,
}
