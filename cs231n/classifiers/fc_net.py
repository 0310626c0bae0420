"""Fully-connected nets: parameters in a dict, and one function from a batch to a loss and its gradients."""

import contextlib
import importlib

import numpy as np

from cs231n import layer_utils, layers, sandwiches
from cs231n.contracts import (
    RNG,
    Check,
    Number,
    OneOf,
    Optional,
    describe_with_fix,
    public_names,
    require_bool,
    require_count,
    require_float_dtype,
    require_labels,
    require_layers,
    require_seed,
    require_sizes,
    takes,
)
from cs231n.layer_utils import *
from cs231n.layers import *

__all__ = ["TwoLayerNet", "FullyConnectedNet", *public_names(layers, layer_utils)]

SIZE, AT_LEAST_0 = Check(require_count), Number(0)


class TwoLayerNet:
    """affine - relu - affine - softmax.

    params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,), float64. Weights are normal(0, weight_scale), drawn from
    the global numpy stream, W1 first; biases are zero. The next loss uses whatever you change in the dict.

    Args:
        input_dim: D, numbers per example.
        hidden_dim: H, hidden units.
        num_classes: C.
        weight_scale: standard deviation of the weights.
        reg: L2 strength.

    Raises:
        TypeError, ValueError: they name the argument.
    """

    @takes(input_dim=SIZE, hidden_dim=SIZE, num_classes=SIZE, weight_scale=AT_LEAST_0, reg=AT_LEAST_0)
    def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.reg = reg
        self.params = {
            "W1": np.random.normal(0, weight_scale, (input_dim, hidden_dim)),
            "b1": np.zeros(hidden_dim),
            "W2": np.random.normal(0, weight_scale, (hidden_dim, num_classes)),
            "b2": np.zeros(num_classes),
        }

    def loss(self, X, y=None):
        """Scores without labels; with labels the loss and its gradients.

        loss = softmax loss + 0.5 * reg * (sum W1^2 + sum W2^2); biases are not regularized.

        Args:
            X: (N, d1, ..., dk) examples.
            y: (N,) integer labels, or None.
        Returns: scores (N, C); with y: loss, a number, and grads, a dict with the keys and shapes of params.
        """
        W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
        hidden, hidden_cache = affine_relu_forward(X, W1, b1)
        scores, scores_cache = affine_forward(hidden, W2, b2)
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        reg = float(self.reg)  # a float64 scalar would turn float32 gradients into float64
        loss += 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dhidden, dW2, db2 = affine_backward(dscores, scores_cache)
        _, dW1, db1 = affine_relu_backward(dhidden, hidden_cache)
        return loss, {"W1": dW1 + reg * W1, "b1": db1, "W2": dW2 + reg * W2, "b2": db2}


class FullyConnectedNet:
    """{affine - [batchnorm or layernorm] - relu - [dropout]} x (L - 1) - affine - softmax.

    params: W1, b1, ..., WL, bL, and with a normalization gamma1, beta1, ... for every layer but the last,
    all of dtype. Weights are normal(0, weight_scale), W1 first; biases and beta are zero, gamma is one. The
    next loss uses whatever you change or replace in the dict.

    Args:
        hidden_dims: list of the sizes of the hidden layers.
        input_dim: D, numbers per example.
        num_classes: C.
        dropout_keep_ratio: probability to KEEP a hidden unit; 1 is off, and so is 0.
        normalization: None, "batchnorm" or "layernorm".
        reg: L2 strength.
        weight_scale: standard deviation of the weights.
        dtype: np.float32 or np.float64, in which everything is computed.
        seed: for the same dropout mask at each call, as a gradient check needs.
        dropout: the name of dropout_keep_ratio until 2020, with the same meaning.
        use_batchnorm: True is the older word for normalization="batchnorm".
        rng: where weights and dropout masks come from (default: the global numpy stream).
        layers: module whose layers the net is made of: sandwiches, or fast_layers for speed.
        label_smoothing: share of each target that is spread over all classes; see softmax_loss below.

    Raises:
        TypeError, ValueError: they name the argument, also if a new and an old name are both given (a
            dropout_keep_ratio of 1 is the default, and so counts as not given).
    """

    @takes(
        hidden_dims=Check(require_sizes),
        input_dim=SIZE,
        num_classes=SIZE,
        dropout_keep_ratio=Number(0, 1),
        normalization=OneOf((None, "batchnorm", "layernorm")),
        reg=AT_LEAST_0,
        weight_scale=AT_LEAST_0,
        dtype=Check(require_float_dtype),
        seed=Optional(Check(require_seed)),
        dropout=Optional(Number(0, 1)),
        use_batchnorm=Optional(Check(require_bool)),
        rng=Optional(RNG),
        layers=Check(require_layers),
        label_smoothing=Number(0, 1, below=True),
    )
    def __init__(
        self,
        hidden_dims,
        input_dim=3 * 32 * 32,
        num_classes=10,
        dropout_keep_ratio=1,
        normalization=None,
        reg=0.0,
        weight_scale=1e-2,
        dtype=np.float32,
        seed=None,
        *,
        dropout=None,
        use_batchnorm=None,
        rng=None,
        layers=sandwiches,
        label_smoothing=0.0,
    ):
        if dropout is not None:
            _refuse_two_names("dropout", dropout, "dropout_keep_ratio", dropout_keep_ratio, default=1)
            dropout_keep_ratio = dropout
        if use_batchnorm is not None:
            _refuse_two_names("use_batchnorm", use_batchnorm, "normalization", normalization, default=None)
            normalization = "batchnorm" if use_batchnorm else None

        sizes = [input_dim, *hidden_dims, num_classes]
        self.normalization = normalization
        self.use_dropout = 0 < dropout_keep_ratio < 1
        self.reg = reg
        self.label_smoothing = label_smoothing
        self.num_layers = len(sizes) - 1
        self.dtype = dtype
        self.layers = layers
        self.params = {}
        stream = np.random if rng is None else rng
        for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:]), start=1):
            self.params[f"W{i}"] = stream.normal(0, weight_scale, (fan_in, fan_out)).astype(dtype)
            self.params[f"b{i}"] = np.zeros(fan_out, dtype)
            if normalization and i < self.num_layers:
                self.params[f"gamma{i}"] = np.ones(fan_out, dtype)
                self.params[f"beta{i}"] = np.zeros(fan_out, dtype)

        self.dropout_param = {}
        if self.use_dropout:
            self.dropout_param = {"mode": "train", "p": dropout_keep_ratio}
            if seed is not None:
                self.dropout_param["seed"] = seed
            if rng is not None:
                self.dropout_param["rng"] = rng
        self.bn_params = []
        if normalization == "batchnorm":
            self.bn_params = [{"mode": "train"} for _ in hidden_dims]
        elif normalization == "layernorm":
            self.bn_params = [{} for _ in hidden_dims]

    def loss(self, X, y=None):
        """Scores in test mode without labels; with labels the loss and its gradients, in training mode.

        loss = softmax loss + 0.5 * reg * sum of squared W; b, gamma and beta are not regularized. Training
        mode updates the running statistics in bn_params.

        Args:
            X: (N, d1, ..., dk) examples, of any real dtype.
            y: (N,) integer labels, or None.
        Returns: scores (N, C); with y: loss, grads keyed as params.
        Raises: TypeError, ValueError before anything is changed.
        """
        if isinstance(X, np.ma.MaskedArray):
            raise TypeError(f"FullyConnectedNet.loss: X is a {describe_with_fix('X', X)}")
        X, L = np.asarray(X), self.num_layers
        mode = "test" if y is None else "train"
        if X.dtype.kind not in "fiub":
            raise TypeError(f"FullyConnectedNet.loss: X must hold numbers, got {X.dtype}")
        if X.size == 0 or X[:1].size != len(self.params["W1"]):
            raise ValueError(
                f"FullyConnectedNet.loss: X must be (N, ...), N > 0, with "
                f"{len(self.params['W1'])} numbers per example, got {X.shape}; "
                "try another X or another input_dim"
            )
        if y is not None:
            require_labels("FullyConnectedNet.loss", y, len(X), len(self.params[f"b{L}"]))

        with _restored_on_error([*self.bn_params, self.dropout_param]):
            if self.use_dropout:
                self.dropout_param["mode"] = mode
            if self.normalization == "batchnorm":
                for bn_param in self.bn_params:
                    bn_param["mode"] = mode
            scores, caches = self._scores(X.astype(self.dtype, copy=False))
            return scores if y is None else self._loss(scores, caches, y)

    def __getstate__(self):
        return {**self.__dict__, "layers": self.layers.__name__}  # a module cannot be copied, its name can

    def __setstate__(self, state):
        self.__dict__.update(state, layers=importlib.import_module(state["layers"]))

    def softmax_loss(self, scores, y):
        """layers.softmax_loss, or with label smoothing the cross-entropy with softer targets.

        With label_smoothing s the target is t = (1 - s) onehot(y) + s / C, and loss = -mean_i sum_j t_ij log
        p_ij: the softmax loss plus s times the mean of score_i,y_i - score_ij over i and j.

        Args:
            scores: (N, C).
            y: (N,) integer labels.
        Returns: loss, a scalar; dscores (N, C).
        Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
        """
        loss, dscores = self.layers.softmax_loss(scores, y)
        if s := float(self.label_smoothing):
            (N, C), rows = scores.shape, np.arange(len(scores))
            loss += s * (scores[rows, y][:, None] - scores).mean()
            dscores[rows, y] += s / N
            dscores -= s / (C * N)
        return loss, dscores

    def _scores(self, X):
        """The scores of a batch, by self.layers; loss has set the modes in bn_params and dropout_param.

        Args:
            X: (N, d1, ..., dk) examples, of self.dtype.
        Returns: scores (N, C); caches, which _loss gets as they are.
        """
        hidden, caches, L = X, {}, self.num_layers
        for i in range(1, L):
            norm_param = self.bn_params[i - 1] if self.normalization else None
            hidden, caches[i] = self.layers.affine_norm_relu_dropout_forward(
                hidden,
                self.params[f"W{i}"],
                self.params[f"b{i}"],
                self.params.get(f"gamma{i}"),
                self.params.get(f"beta{i}"),
                norm_param,
                self.normalization,
                self.dropout_param,
            )
        scores, caches[L] = self.layers.affine_forward(hidden, self.params[f"W{L}"], self.params[f"b{L}"])
        return scores, caches

    def _loss(self, scores, caches, y):
        """The loss, self.softmax_loss plus the regularization, and its gradients, of self.dtype.

        Args:
            scores, caches: what _scores returned.
            y: (N,) integer labels.
        Returns: loss, a number; grads, a dict with the keys and shapes of params.
        """
        grads, L = {}, self.num_layers
        loss, dscores = self.softmax_loss(scores, y)
        dhidden, grads[f"W{L}"], grads[f"b{L}"] = self.layers.affine_backward(dscores, caches[L])
        for i in range(L - 1, 0, -1):
            dhidden, grads[f"W{i}"], grads[f"b{i}"], dgamma, dbeta = (
                self.layers.affine_norm_relu_dropout_backward(dhidden, caches[i], i > 1)
            )
            if self.normalization:
                grads[f"gamma{i}"], grads[f"beta{i}"] = dgamma, dbeta
        reg = float(self.reg)  # a float64 scalar would turn float32 gradients into float64
        for i in range(1, L + 1) if reg else ():
            W = self.params[f"W{i}"]
            loss += 0.5 * reg * np.sum(W * W)
            grads[f"W{i}"] += reg * W
        return loss, grads


def _refuse_two_names(old_name, old_value, new_name, new_value, default):
    if new_value != default:
        raise ValueError(
            f"FullyConnectedNet: {old_name}={old_value} and {new_name}={new_value!r} are two names of one "
            "argument; give one of them"
        )


@contextlib.contextmanager
def _restored_on_error(dicts):
    """Put the content of dicts back if the block raises: a later layer failed, an earlier one has learned."""
    before = [dict(d) for d in dicts]
    try:
        yield
    except Exception:
        for d, content in zip(dicts, before):
            d.clear()
            d.update(content)
        raise
